/*
 * QEMUFile: its life, its failure, its place in a file.
 *
 * The first failure sticks. It can come from any thread (a shutdown, a
 * parser's verdict); the thread that uses the file sees it when it next
 * turns to the channel, so that the inline calls test nothing.
 *
 * Writing is in stream/qemu-file-write.c, reading in stream/qemu-file-read.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/stream/qemu-file-internal.h"
#include "migration/stream/savevm.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/lockable.h"

static QEMUFile *file_new(QIOChannel *ioc, bool writable)
{
    QEMUFile *f = g_new0(QEMUFile, 1);

    f->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    f->writable = writable;
    f->size = writable ? QEMU_FILE_SMALL_SIZE : QEMU_FILE_READ_BYTES;
    f->piece = QEMU_FILE_IOV_BYTES;
    f->buf = g_malloc(f->size);
    f->c.pos = f->buf;
    f->c.end = writable ? f->buf + f->size : f->buf;
    f->sealed = f->buf;
    qemu_mutex_init(&f->lock);
    return f;
}

QEMUFile *qemu_file_new_output(QIOChannel *ioc)
{
    return file_new(ioc, true);
}

QEMUFile *qemu_file_new_input(QIOChannel *ioc)
{
    return file_new(ioc, false);
}

QEMUFile *qemu_file_get_return_path(QEMUFile *f)
{
    return file_new(f->ioc, !f->writable);
}

void qemu_file_free(QEMUFile *f)
{
    if (!f) {
        return;
    }
    object_unref(OBJECT(f->ioc));
    error_free(f->err);
    qemu_mutex_destroy(&f->lock);
    g_free(f->buf);
    g_free(f);
}

int qemu_fclose(QEMUFile *f)
{
    Error *err = NULL;
    int ret;

    if (!f) {
        return 0;
    }
    if (f->writable) {
        qemu_fflush(f);
    }
    if (qio_channel_close(f->ioc, &err) < 0) {
        qemu_file_set_error_obj(f, -EIO, err);
    }
    ret = qemu_file_get_error(f);
    qemu_file_free(f);
    return ret;
}

QIOChannel *qemu_file_get_ioc(QEMUFile *f)
{
    return f->ioc;
}

bool qemu_file_is_writable(QEMUFile *f)
{
    return f->writable;
}

void qemu_file_set_blocking(QEMUFile *f, bool block)
{
    Error *err = NULL;

    if (qio_channel_set_blocking(f->ioc, block, &err) < 0) {
        qemu_file_set_error_obj(f, -EIO, err);
    }
}

uint64_t qemu_file_total_transferred(QEMUFile *f)
{
    return qatomic_read(&f->moved);
}

uint64_t qemu_file_transferred(QEMUFile *f)
{
    uint64_t moved = qatomic_read(&f->moved);

    if (f->writable) {
        return moved + f->iov_bytes + qemu_file_unsealed(f);
    }
    return moved - qemu_file_held(f);
}

/* -- in memory --------------------------------------------------------------- */

QEMUFile *qemu_file_new_memory_output(void)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(QEMU_FILE_SMALL_SIZE);
    QEMUFile *f;

    qio_channel_set_name(QIO_CHANNEL(mem), "migration-memory");
    f = qemu_file_new_output(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    return f;
}

uint8_t *qemu_file_memory_steal(QEMUFile *f, size_t *ret_len, Error **errp)
{
    QIOChannelBuffer *mem = QIO_CHANNEL_BUFFER(f->ioc);

    if (qemu_fflush(f) < 0) {
        qemu_file_get_error_obj(f, errp);
        return NULL;
    }
    *ret_len = mem->usage;
    mem->capacity = mem->usage = mem->offset = 0;
    return g_steal_pointer(&mem->data);
}

/* -- positions --------------------------------------------------------------- */

/* Can the file be used at a position? If not it fails. */
static bool file_is_seekable(QEMUFile *f)
{
    Error *err = NULL;

    if (qemu_file_get_error(f) != 0) {
        return false;
    }
    if (qio_channel_has_feature(f->ioc, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        return true;
    }
    error_setg(&err, "migration channel '%s' has no positions",
               f->ioc->name ? f->ioc->name
                            : object_get_typename(OBJECT(f->ioc)));
    qemu_file_set_error_obj(f, -ESPIPE, err);
    return false;
}

size_t qemu_put_buffer_at(QEMUFile *f, const uint8_t *buf, size_t size,
                          uint64_t pos)
{
    Error *err = NULL;
    size_t done = 0;

    if (!file_is_seekable(f)) {
        return 0;
    }
    while (done < size) {
        ssize_t n = qio_channel_pwrite(f->ioc, (const char *)buf + done,
                                       size - done, (off_t)(pos + done), &err);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            qio_channel_wait(f->ioc, G_IO_OUT);
        } else if (n <= 0) {
            if (n == 0) {
                error_setg(&err, "nothing could be written at %" PRIu64,
                           pos + done);
            }
            qemu_file_set_error_obj(f, -EIO, err);
            return 0;
        } else {
            done += (size_t)n;
        }
    }
    qatomic_set(&f->moved, f->moved + done);
    return done;
}

size_t qemu_get_buffer_at(QEMUFile *f, uint8_t *buf, size_t size, uint64_t pos)
{
    Error *err = NULL;
    size_t done = 0;

    if (!file_is_seekable(f)) {
        return 0;
    }
    while (done < size) {
        ssize_t n = qio_channel_pread(f->ioc, (char *)buf + done, size - done,
                                      (off_t)(pos + done), &err);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            qio_channel_wait(f->ioc, G_IO_IN);
        } else if (n < 0) {
            qemu_file_set_error_obj(f, -EIO, err);
            return 0;
        } else if (n == 0) {
            break;
        } else {
            done += (size_t)n;
        }
    }
    return done;
}

int64_t qemu_get_offset(QEMUFile *f)
{
    Error *err = NULL;
    off_t pos;

    if (!file_is_seekable(f) || (f->writable && qemu_fflush(f) < 0)) {
        return -1;
    }
    pos = qio_channel_io_seek(f->ioc, 0, SEEK_CUR, &err);
    if (pos < 0) {
        qemu_file_set_error_obj(f, -EIO, err);
        return -1;
    }
    return f->writable ? pos : pos - (off_t)qemu_file_held(f);
}

int qemu_set_offset(QEMUFile *f, int64_t offset, int whence)
{
    Error *err = NULL;

    if (whence == SEEK_CUR) {
        int64_t now = qemu_get_offset(f);

        if (now >= 0 && __builtin_add_overflow(now, offset, &offset)) {
            offset = -1;
        }
    }
    if (!file_is_seekable(f) || (f->writable && qemu_fflush(f) < 0)) {
        return qemu_file_get_error(f);
    }
    if (!f->writable) {
        f->c.pos = f->c.end = f->buf;
    }
    if (qio_channel_io_seek(f->ioc, (off_t)offset, SEEK_SET, &err) < 0) {
        qemu_file_set_error_obj(f, -EIO, err);
    }
    return qemu_file_get_error(f);
}

/* -- failure ------------------------------------------------------------------ */

int qemu_file_get_error(QEMUFile *f)
{
    return qatomic_read(&f->error);
}

int qemu_file_get_error_obj(QEMUFile *f, Error **errp)
{
    QEMU_LOCK_GUARD(&f->lock);

    if (f->error && errp) {
        error_propagate(errp, error_copy(f->err));
    }
    return f->error;
}

void qemu_file_set_error_obj(QEMUFile *f, int ret, Error *err)
{
    g_assert(ret < 0);
    QEMU_LOCK_GUARD(&f->lock);

    if (f->error) {
        error_free(err);
        return;
    }
    if (!err) {
        error_setg_errno(&err, -ret, "migration stream failed");
    }
    f->err = err;
    qatomic_set(&f->error, ret);
}

void qemu_file_set_error(QEMUFile *f, int ret)
{
    qemu_file_set_error_obj(f, ret, NULL);
}

void qemu_file_prepend_error(QEMUFile *f, const char *fmt, ...)
{
    va_list ap;

    QEMU_LOCK_GUARD(&f->lock);
    if (f->err) {
        va_start(ap, fmt);
        error_vprepend(&f->err, fmt, ap);
        va_end(ap);
    }
}

int qemu_file_shutdown(QEMUFile *f)
{
    Error *err = NULL;

    error_setg(&err, "the migration connection was shut down");
    qemu_file_set_error_obj(f, -EIO, err);
    if (!qio_channel_has_feature(f->ioc, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        return -ENOSYS;
    }
    return qio_channel_shutdown(f->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL) < 0
               ? -EIO
               : 0;
}
