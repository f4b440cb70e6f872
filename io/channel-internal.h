/*
 * What the channel classes share among themselves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_INTERNAL_H
#define IO_CHANNEL_INTERNAL_H

#include "io/channel.h"

/**
 * qio_channel_wait_timeout:
 * @condition: (in) G_IO_IN, G_IO_OUT or both
 * @timeout_ms: -1 = for ever; 0 = only look
 *
 * Returns: whether @condition, an error or a hang-up is there.
 */
bool qio_channel_wait_timeout(QIOChannel *ioc, GIOCondition condition,
                              int timeout_ms);

/**
 * qio_channel_error_closed:
 *
 * The one text for I/O on a channel after qio_channel_close().
 * Returns: -1.
 */
int qio_channel_error_closed(QIOChannel *ioc, Error **errp);

/**
 * fd_set_aio_handlers:
 * @read_fd, @write_fd: (in) descriptors, -1 for a missing one; may be equal
 *
 * io_set_aio_fd_handler for classes with one or two descriptors.
 */
void fd_set_aio_handlers(AioContext *ctx, int read_fd, int write_fd,
                         IOHandler *io_read, IOHandler *io_write, void *opaque);

#endif
