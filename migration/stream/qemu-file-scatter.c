/*
 * QEMUFile, reading into many places at once.
 *
 * For a reader that can guess what comes: one system call puts headers and pages
 * where they belong, and what was guessed wrong is given back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/qemu-file-internal.h"
#include "util/atomic.h"
#include "util/error.h"

size_t qemu_file_read_scatter(QEMUFile *f, const struct iovec *iov,
                              unsigned niov)
{
    Error *err = NULL;
    ssize_t n;

    g_assert(qemu_file_held(f) == 0);
    if (qemu_file_get_error(f)) {
        return 0;
    }
    qio_channel_set_cold_reads(f->ioc, true);
    while ((n = qio_channel_readv(f->ioc, iov, niov, &err)) ==
           QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_wait(f->ioc, G_IO_IN);
    }
    qio_channel_set_cold_reads(f->ioc, false);
    if (n == 0) {
        error_setg(&err, "the migration stream ended inside of a page");
    }
    if (n <= 0) {
        qemu_file_set_error_obj(f, -EIO, err);
        return 0;
    }
    qatomic_set(&f->moved, f->moved + (uint64_t)n);
    return (size_t)n;
}

void qemu_file_unread(QEMUFile *f, const struct iovec *iov, unsigned niov)
{
    uint8_t *to = f->buf;

    g_assert(qemu_file_held(f) == 0);
    for (unsigned i = 0; i < niov; i++) {
        g_assert(iov[i].iov_len <= f->size - (size_t)(to - f->buf));
        memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    f->c.pos = f->buf;
    f->c.end = to;
}
