/*
 * Memory as a channel. One offset serves reading and writing, as the
 * position of a file does: write, seek back, read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"

#include "io/channel-watch.h"
#include "io/types.h"
#include "util/error.h"
#include "util/iov.h"

#include "channel-internal.h"

/* Smallest growth, so that many small writes do not reallocate each time. */
#define GROW_MIN 4096

QIOChannelBuffer *qio_channel_buffer_new(size_t capacity)
{
    QIOChannelBuffer *bioc;

    io_register_types();
    bioc = QIO_CHANNEL_BUFFER(object_new(TYPE_QIO_CHANNEL_BUFFER));
    if (capacity) {
        bioc->data = g_malloc0(capacity);
        bioc->capacity = capacity;
    }
    return bioc;
}

static ssize_t buffer_readv(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, int **fds, size_t *nfds, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    size_t left = bioc->usage - bioc->offset;
    size_t n = 0;

    if (left > 0) { /* else there may be no memory */
        n = iov_from_buf(iov, niov, 0, bioc->data + bioc->offset, left);
    }
    bioc->offset += n;
    return n;
}

static bool buffer_make_room(QIOChannelBuffer *bioc, size_t len, Error **errp)
{
    size_t need, grown;
    uint8_t *data;

    if (__builtin_add_overflow(bioc->offset, len, &need) || need > SSIZE_MAX) {
        error_setg(errp, "memory channel would exceed the address space");
        return false;
    }
    if (need <= bioc->capacity) {
        return true;
    }
    grown = bioc->capacity + MAX(bioc->capacity / 2, GROW_MIN);
    grown = MAX(grown, need);
    data = g_try_realloc(bioc->data, grown);
    if (!data) {
        error_setg(errp, "out of memory for a memory channel of %zu bytes",
                   grown);
        return false;
    }
    memset(data + bioc->capacity, 0, grown - bioc->capacity);
    bioc->data = data;
    bioc->capacity = grown;
    return true;
}

static ssize_t buffer_writev(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int *fds, size_t nfds, int flags,
                             Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    size_t len = iov_size(iov, niov);

    if (!buffer_make_room(bioc, len, errp)) {
        return -1;
    }
    iov_to_buf(iov, niov, 0, bioc->data + bioc->offset, len);
    bioc->offset += len;
    bioc->usage = MAX(bioc->usage, bioc->offset);
    return len;
}

static int buffer_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return 0;
}

static off_t buffer_seek(QIOChannel *ioc, off_t offset, int whence,
                         Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    off_t base = 0, target;

    if (whence == SEEK_CUR) {
        base = bioc->offset;
    } else if (whence == SEEK_END) {
        base = bioc->usage;
    }
    if (__builtin_add_overflow(base, offset, &target) || target < 0 ||
        target > (off_t)bioc->usage) {
        error_setg(errp, "position %jd is outside of the %zu bytes held",
                   (intmax_t)offset, bioc->usage);
        return -1;
    }
    bioc->offset = target;
    return target;
}

static int buffer_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);

    g_clear_pointer(&bioc->data, g_free);
    bioc->capacity = bioc->usage = bioc->offset = 0;
    return 0;
}

/* Reading and writing never block, so both are always possible. */
static GIOCondition always_ready(QIOChannel *ioc, GIOCondition condition)
{
    return condition & (G_IO_IN | G_IO_OUT);
}

static GSource *buffer_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_ready_watch(ioc, condition, always_ready);
}

static void buffer_finalize(Object *obj)
{
    buffer_close(QIO_CHANNEL(obj), NULL);
}

static void buffer_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = buffer_writev;
    klass->io_readv = buffer_readv;
    klass->io_set_blocking = buffer_set_blocking;
    klass->io_seek = buffer_seek;
    klass->io_close = buffer_close;
    klass->io_create_watch = buffer_create_watch;
}

const TypeInfo io_type_channel_buffer = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_BUFFER,
    .instance_size = sizeof(QIOChannelBuffer),
    .instance_finalize = buffer_finalize,
    .class_init = buffer_class_init,
};
