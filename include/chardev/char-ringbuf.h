/*
 * Ring buffer chardevs, for the monitor's side of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_RINGBUF_H
#define CHARDEV_CHAR_RINGBUF_H

#include "chardev/char.h"

/** qemu_chr_ringbuf_count: bytes in the buffer. Thread: any. */
size_t qemu_chr_ringbuf_count(Chardev *chr);

/**
 * qemu_chr_ringbuf_read:
 * @chr: a chardev-ringbuf
 * @buf: (out) room for @size bytes
 * @size: most bytes to take
 * @whole_chars: do not take the first bytes of a UTF-8 character whose rest
 *      has not been written, or does not fit
 *
 * Thread: any.
 * Returns: bytes taken out.
 */
size_t qemu_chr_ringbuf_read(Chardev *chr, uint8_t *buf, size_t size,
                             bool whole_chars);

#endif
