/*
 * QEMUFile, the writing direction.
 *
 * What is put by reference costs two iovecs with the small values before it, and
 * whatever the channel does with it. Sockets copy it, from memory and to where the
 * small values have moved it: there a page goes to the buffer by a loop that is
 * good at that (util/bulk-copy.h), and the kernel copies from a warm cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/qemu-file-internal.h"
#include "util/atomic.h"
#include "util/bulk-copy.h"
#include "util/error.h"
#include "util/iov.h"

/* From this size on a buffer is written from where it stands. */
#define WRITE_THROUGH_BYTES (32 * 1024)

/* An iovec for @len bytes at @base; there is room for it. */
static void file_add_iov(QEMUFile *f, const uint8_t *base, size_t len,
                         bool may_free)
{
    f->iov[f->niov].iov_base = (void *)base;
    f->iov[f->niov].iov_len = len;
    if (may_free) {
        set_bit(f->niov, f->may_free);
        f->any_may_free = true;
    }
    f->iov_bytes += len;
    f->niov++;
}

static void file_seal(QEMUFile *f)
{
    size_t len = qemu_file_unsealed(f);

    if (len > 0) {
        file_add_iov(f, f->sealed, len, false);
        f->sealed = f->c.pos;
    }
}

/* Everything that waits was sent, or will never be. */
static void file_reset(QEMUFile *f)
{
    f->niov = 0;
    f->iov_bytes = 0;
    f->c.pos = f->sealed = f->buf;
    if (f->any_may_free) {
        bitmap_zero(f->may_free, QEMU_FILE_IOV_MAX);
        f->any_may_free = false;
    }
}

/* Hand sent memory to the release function, neighbours together. */
static void file_release(QEMUFile *f)
{
    const uint8_t *base = NULL;
    size_t len = 0;

    if (!f->any_may_free || !f->release) {
        return;
    }
    for (unsigned i = 0; i < f->niov; i++) {
        const uint8_t *next = (const uint8_t *)f->iov[i].iov_base;

        if (!test_bit(i, f->may_free)) {
            continue;
        }
        if (len > 0 && base + len == next) {
            len += f->iov[i].iov_len;
            continue;
        }
        if (len > 0) {
            f->release(f->release_opaque, base, len);
        }
        base = next;
        len = f->iov[i].iov_len;
    }
    if (len > 0) {
        f->release(f->release_opaque, base, len);
    }
}

/* One write, waiting if need be. Returns: bytes; -1. */
static ssize_t file_writev(QEMUFile *f, const struct iovec *iov, unsigned niov,
                           Error **errp)
{
    for (;;) {
        ssize_t n = qio_channel_writev(f->ioc, iov, niov, errp);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            qio_channel_wait(f->ioc, G_IO_OUT);
            if (qemu_file_get_error(f)) {
                return -1; /* shut down while it waited */
            }
            continue;
        }
        if (n > 0) {
            qatomic_set(&f->moved, f->moved + (uint64_t)n);
        }
        return n;
    }
}

/* After a write of @n bytes that was not all. */
static bool file_write_rest(QEMUFile *f, size_t n, Error **errp)
{
    struct iovec rest[QEMU_FILE_IOV_MAX];
    struct iovec *iov = rest;
    unsigned niov = f->niov;
    size_t left = f->iov_bytes - n;

    memcpy(rest, f->iov, niov * sizeof(rest[0]));
    iov_discard_front(&iov, &niov, n);
    while (left > 0) {
        ssize_t more = file_writev(f, iov, niov, errp);

        if (more <= 0) {
            if (more == 0) {
                error_setg(errp, "the migration channel takes no more bytes");
            }
            return false;
        }
        iov_discard_front(&iov, &niov, (size_t)more);
        left -= (size_t)more;
    }
    return true;
}

int qemu_fflush(QEMUFile *f)
{
    Error *err = NULL;
    ssize_t n;

    if (!f->writable) {
        return qemu_file_get_error(f);
    }
    if (qemu_file_get_error(f) == 0) {
        file_seal(f);
        if (f->iov_bytes == 0) {
            f->c.pos = f->sealed = f->buf;
            return 0;
        }
        n = file_writev(f, f->iov, f->niov, &err);
        if (n < 0 || ((size_t)n < f->iov_bytes &&
                      !file_write_rest(f, (size_t)n, &err))) {
            qemu_file_set_error_obj(f, -EIO, err);
        } else {
            file_release(f);
        }
    }
    file_reset(f);
    return qemu_file_get_error(f);
}

void qemu_file_put_slow(QEMUFile *f, const uint8_t *bytes, size_t n)
{
    qemu_fflush(f);
    memcpy(f->c.pos, bytes, n);
    f->c.pos += n;
}

/* Queue a reference, and flush if no more may come behind it. */
static void file_put_ref(QEMUFile *f, const uint8_t *buf, size_t size,
                         bool may_free)
{
    if (f->niov + 2 > QEMU_FILE_IOV_MAX) {
        qemu_fflush(f);
    }
    file_seal(f);
    file_add_iov(f, buf, size, may_free);
    if (f->iov_bytes >= f->piece || f->niov + 2 > QEMU_FILE_IOV_MAX) {
        qemu_fflush(f);
    }
}

void qemu_put_buffer_async(QEMUFile *f, const uint8_t *buf, size_t size,
                           bool may_free)
{
    if (size > 0) {
        file_put_ref(f, buf, size, may_free);
    }
}

void qemu_put_buffer_far(QEMUFile *f, const uint8_t *buf, size_t size)
{
    if ((size_t)(f->c.end - f->c.pos) < size) {
        qemu_fflush(f);
    }
    bulk_copy_in(f->c.pos, buf, size);
    f->c.pos += size;
    if (f->iov_bytes + qemu_file_unsealed(f) >= f->piece) {
        qemu_fflush(f);
    }
}

void qemu_put_buffer(QEMUFile *f, const uint8_t *buf, size_t size)
{
    if (size >= WRITE_THROUGH_BYTES) {
        file_put_ref(f, buf, size, false);
        qemu_fflush(f);
        return;
    }
    while (size > 0) {
        size_t room = (size_t)(f->c.end - f->c.pos);
        size_t n = MIN(size, room);

        memcpy(f->c.pos, buf, n);
        f->c.pos += n;
        buf += n;
        size -= n;
        if (size > 0) {
            qemu_fflush(f);
        }
    }
}

void qemu_file_set_piece(QEMUFile *f, size_t bytes)
{
    f->piece = MIN(bytes, QEMU_FILE_IOV_BYTES);
}

void qemu_file_set_release(QEMUFile *f, QEMUFileReleaseFunc *func, void *opaque)
{
    f->release = func;
    f->release_opaque = opaque;
}

void qemu_put_counted_string(QEMUFile *f, const char *str)
{
    size_t len = strlen(str);

    g_assert(len <= UINT8_MAX);
    qemu_put_byte(f, (int)len);
    qemu_put_buffer(f, (const uint8_t *)str, len);
}
