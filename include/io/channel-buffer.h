/*
 * A growing block of memory as a channel: writes go to, reads come from, the
 * current offset.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_BUFFER_H
#define IO_CHANNEL_BUFFER_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_BUFFER "qio-channel-buffer"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelBuffer, QIO_CHANNEL_BUFFER)

struct QIOChannelBuffer {
    QIOChannel parent;
    size_t capacity; /* bytes allocated at @data */
    size_t usage;    /* bytes valid */
    size_t offset;   /* next byte to read or write; <= usage */
    uint8_t *data;   /* owned */
};

/**
 * qio_channel_buffer_new:
 * @capacity: bytes to allocate at once; grows as needed
 *
 * Returns: (out) new reference. Never blocks; a read at the end returns 0.
 */
QIOChannelBuffer *qio_channel_buffer_new(size_t capacity);

#endif
