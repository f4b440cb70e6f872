/*
 * QEMUFile, the reading direction.
 *
 * One read of the channel fills the whole buffer. A piece that is not there
 * completely is read straight to where it belongs, and the same system call
 * fills the buffer behind it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/qemu-file-internal.h"
#include "migration/stream/stream-wire.h"
#include "util/atomic.h"
#include "util/bulk-copy.h"
#include "util/error.h"

size_t qemu_file_held(QEMUFile *f)
{
    return (size_t)(f->c.end - f->c.pos);
}

/* What is held is of no use any more: all later gets go the slow way. */
static void file_drop(QEMUFile *f)
{
    f->c.pos = f->c.end = f->buf;
}

/* One read, waiting if need be. Returns: bytes; 0 = end; -1 = @f failed. */
static ssize_t file_readv(QEMUFile *f, const struct iovec *iov, unsigned niov)
{
    Error *err = NULL;
    ssize_t n;

    if (qemu_file_get_error(f)) {
        return -1;
    }
    if (f->wait_begin) {
        f->wait_begin(f->wait_opaque);
    }
    while ((n = qio_channel_readv(f->ioc, iov, niov, &err)) ==
           QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_wait(f->ioc, G_IO_IN);
    }
    if (f->wait_end) {
        f->wait_end(f->wait_opaque);
    }
    if (n < 0) {
        qemu_file_set_error_obj(f, -EIO, err);
        return -1;
    }
    qatomic_set(&f->moved, f->moved + (uint64_t)n);
    return n;
}

static void file_set_ended(QEMUFile *f)
{
    Error *err = NULL;

    error_setg(&err,
               "the migration stream ended unexpectedly after %" PRIu64
               " bytes",
               qatomic_read(&f->moved));
    qemu_file_set_error_obj(f, -EIO, err);
}

/* Read @size bytes to @dst and fill the (empty) buffer behind them. Returns:
 * bytes at @dst. */
static size_t file_read_into(QEMUFile *f, uint8_t *dst, size_t size)
{
    size_t done = 0;

    file_drop(f);
    while (done < size) {
        struct iovec iov[2] = {
            { .iov_base = dst + done, .iov_len = size - done },
            { .iov_base = f->buf, .iov_len = f->size },
        };
        ssize_t n = file_readv(f, iov, 2);

        if (n <= 0) {
            if (n == 0) {
                file_set_ended(f);
            }
            return done;
        }
        if ((size_t)n > size - done) {
            f->c.end = f->buf + ((size_t)n - (size - done));
            n = (ssize_t)(size - done);
        }
        done += (size_t)n;
    }
    return done;
}

size_t qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size)
{
    size_t held = qemu_file_held(f);

    if (G_LIKELY(held >= size)) {
        memcpy(buf, f->c.pos, size);
        f->c.pos += size;
        return size;
    }
    memcpy(buf, f->c.pos, held);
    return held + file_read_into(f, buf + held, size - held);
}

size_t qemu_get_buffer_cold(QEMUFile *f, uint8_t *buf, size_t size)
{
    size_t now = MIN(qemu_file_held(f), size);

    bulk_copy_out(buf, f->c.pos, now);
    f->c.pos += now;
    return now == size ? size : now + file_read_into(f, buf + now, size - now);
}

void qemu_file_get_slow(QEMUFile *f, uint8_t *bytes, size_t n)
{
    size_t got = qemu_get_buffer(f, bytes, n);

    if (got < n) {
        memset(bytes, 0, n);
    }
}

/* Hold at least @want bytes, if the stream has them; @want is at most
 * QEMU_FILE_PEEK_MAX. Returns: bytes held. */
static size_t file_hold(QEMUFile *f, size_t want)
{
    size_t held = qemu_file_held(f);

    if (held >= want) {
        return held;
    }
    memmove(f->buf, f->c.pos, held);
    f->c.pos = f->buf;
    f->c.end = f->buf + held;
    while (held < want) {
        struct iovec iov = { .iov_base = f->c.end,
                             .iov_len = (size_t)(f->buf + f->size - f->c.end) };
        ssize_t n = file_readv(f, &iov, 1);

        if (n <= 0) {
            break;
        }
        f->c.end += n;
        held += (size_t)n;
    }
    return held;
}

size_t qemu_peek_buffer(QEMUFile *f, uint8_t **buf, size_t size, size_t offset)
{
    size_t held;

    g_assert(size <= QEMU_FILE_PEEK_MAX && offset <= QEMU_FILE_PEEK_MAX - size);
    held = file_hold(f, offset + size);
    if (held <= offset) {
        return 0;
    }
    *buf = f->c.pos + offset;
    return MIN(size, held - offset);
}

size_t qemu_get_buffer_in_place(QEMUFile *f, uint8_t **buf, size_t size)
{
    size_t n = qemu_peek_buffer(f, buf, size, 0);

    f->c.pos += n;
    if (n < size && qemu_file_get_error(f) == 0) {
        file_set_ended(f);
    }
    return n;
}

int qemu_peek_byte(QEMUFile *f, size_t offset)
{
    uint8_t *byte;

    return qemu_peek_buffer(f, &byte, 1, offset) == 1 ? *byte : -1;
}

void qemu_file_skip(QEMUFile *f, size_t size)
{
    g_assert(size <= qemu_file_held(f));
    f->c.pos += size;
}

bool qemu_file_discard(QEMUFile *f, uint64_t size)
{
    while (size > 0) {
        size_t n = MIN(size, file_hold(f, 1));

        if (n == 0) {
            if (qemu_file_get_error(f) == 0) {
                file_set_ended(f);
            }
            return false;
        }
        f->c.pos += n;
        size -= n;
    }
    return true;
}

size_t qemu_get_counted_string(QEMUFile *f, char buf[256])
{
    size_t len = (size_t)qemu_get_byte(f);
    Error *err = NULL;

    if (qemu_get_buffer(f, (uint8_t *)buf, len) < len) {
        len = 0;
    } else if (!stream_is_text(buf, len)) {
        error_setg(&err, "a name on the migration stream is not text");
        qemu_file_set_error_obj(f, -EINVAL, err);
        len = 0;
    }
    buf[len] = '\0';
    return len;
}

void qemu_file_prefill(QEMUFile *f, const void *buf, size_t len)
{
    g_assert(len <= QEMU_FILE_PEEK_MAX && qemu_file_held(f) == 0);
    if (len) {
        memcpy(f->buf, buf, len);
    }
    f->c.pos = f->buf;
    f->c.end = f->buf + len;
    qatomic_set(&f->moved, f->moved + len);
}

void qemu_file_set_wait_hooks(QEMUFile *f, void (*begin)(void *opaque),
                              void (*end)(void *opaque), void *opaque)
{
    f->wait_begin = begin;
    f->wait_end = end;
    f->wait_opaque = opaque;
}
