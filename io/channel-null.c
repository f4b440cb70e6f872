/*
 * Takes everything, returns nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-null.h"

#include "io/channel-watch.h"
#include "io/types.h"
#include "util/iov.h"

#include "channel-internal.h"

QIOChannelNull *qio_channel_null_new(void)
{
    io_register_types();
    return QIO_CHANNEL_NULL(object_new(TYPE_QIO_CHANNEL_NULL));
}

static ssize_t null_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          int **fds, size_t *nfds, Error **errp)
{
    return QIO_CHANNEL_NULL(ioc)->closed ? qio_channel_error_closed(ioc, errp)
                                         : 0;
}

static ssize_t null_writev(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, int *fds, size_t nfds, int flags,
                           Error **errp)
{
    return QIO_CHANNEL_NULL(ioc)->closed ? qio_channel_error_closed(ioc, errp)
                                         : (ssize_t)iov_size(iov, niov);
}

static int null_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return 0;
}

static off_t null_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp)
{
    return 0;
}

static int null_close(QIOChannel *ioc, Error **errp)
{
    QIO_CHANNEL_NULL(ioc)->closed = true;
    return 0;
}

static GIOCondition always_ready(QIOChannel *ioc, GIOCondition condition)
{
    return condition & (G_IO_IN | G_IO_OUT);
}

static GSource *null_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_ready_watch(ioc, condition, always_ready);
}

static void null_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = null_writev;
    klass->io_readv = null_readv;
    klass->io_set_blocking = null_set_blocking;
    klass->io_seek = null_seek;
    klass->io_close = null_close;
    klass->io_create_watch = null_create_watch;
}

const TypeInfo io_type_channel_null = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_NULL,
    .instance_size = sizeof(QIOChannelNull),
    .class_init = null_class_init,
};
