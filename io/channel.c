/*
 * The base class: checks that hold for every channel, then the class's call.
 * Loops over partial transfers are in channel-all.c, waiting is in
 * channel-wait.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel.h"

#include "util/error.h"

#include "channel-internal.h"

bool qio_channel_has_feature(QIOChannel *ioc, QIOChannelFeature feature)
{
    return ioc->features & (1u << feature);
}

void qio_channel_set_feature(QIOChannel *ioc, QIOChannelFeature feature)
{
    ioc->features |= 1u << feature;
}

void qio_channel_set_name(QIOChannel *ioc, const char *name)
{
    g_free(ioc->name);
    ioc->name = g_strdup(name);
}

int qio_channel_error_closed(QIOChannel *ioc, Error **errp)
{
    error_setg(errp, "channel '%s' is closed",
               ioc->name ? ioc->name : object_get_typename(OBJECT(ioc)));
    return -1;
}

ssize_t qio_channel_readv_full(QIOChannel *ioc, const struct iovec *iov,
                               size_t niov, int **fds, size_t *nfds,
                               Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    assert(!fds == !nfds);
    if (fds) {
        *fds = NULL;
        *nfds = 0;
        if (!qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_FD_PASS)) {
            error_setg(errp, "channel does not pass file descriptors");
            return -1;
        }
    }
    return klass->io_readv(ioc, iov, MIN(niov, IOV_MAX), fds, nfds, errp);
}

static bool write_flags_check(QIOChannel *ioc, const int *fds, size_t nfds,
                              int flags, Error **errp)
{
    if (nfds > 0) {
        assert(fds != NULL);
        if (!qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_FD_PASS)) {
            error_setg(errp, "channel does not pass file descriptors");
            return false;
        }
        if (nfds > QIO_CHANNEL_MAX_FDS) {
            error_setg(errp, "%zu file descriptors in one write, limit is %d",
                       nfds, QIO_CHANNEL_MAX_FDS);
            return false;
        }
    }
    if ((flags & QIO_CHANNEL_WRITE_FLAG_ZERO_COPY) &&
        !qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY)) {
        error_setg(errp, "channel does not write without copying");
        return false;
    }
    if ((flags & QIO_CHANNEL_WRITE_FLAG_ZERO_COPY) && nfds > 0) {
        error_setg(errp, "zero copy cannot carry file descriptors");
        return false;
    }
    return true;
}

ssize_t qio_channel_writev_full(QIOChannel *ioc, const struct iovec *iov,
                                size_t niov, int *fds, size_t nfds, int flags,
                                Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if ((nfds || flags) && !write_flags_check(ioc, fds, nfds, flags, errp)) {
        return -1;
    }
    return klass->io_writev(ioc, iov, MIN(niov, IOV_MAX), fds, nfds, flags,
                            errp);
}

ssize_t qio_channel_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp)
{
    return qio_channel_readv_full(ioc, iov, niov, NULL, NULL, errp);
}

ssize_t qio_channel_writev(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, Error **errp)
{
    return qio_channel_writev_full(ioc, iov, niov, NULL, 0, 0, errp);
}

ssize_t qio_channel_read(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_readv_full(ioc, &iov, 1, NULL, NULL, errp);
}

ssize_t qio_channel_write(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = buflen };

    return qio_channel_writev_full(ioc, &iov, 1, NULL, 0, 0, errp);
}

ssize_t qio_channel_peekv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (!qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_READ_MSG_PEEK)) {
        error_setg(errp, "channel cannot look ahead");
        return -1;
    }
    return klass->io_peekv(ioc, iov, MIN(niov, IOV_MAX), errp);
}

int qio_channel_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    if (QIO_CHANNEL_GET_CLASS(ioc)->io_set_blocking(ioc, enabled, errp) < 0) {
        return -1;
    }
    ioc->nonblocking = !enabled;
    return 0;
}

int qio_channel_close(QIOChannel *ioc, Error **errp)
{
    return QIO_CHANNEL_GET_CLASS(ioc)->io_close(ioc, errp);
}

int qio_channel_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (!klass->io_shutdown) {
        error_setg(errp, "channel cannot be shut down");
        return -1;
    }
    return klass->io_shutdown(ioc, how, errp);
}

void qio_channel_set_delay(QIOChannel *ioc, bool enabled)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (klass->io_set_delay) {
        klass->io_set_delay(ioc, enabled);
    }
}

void qio_channel_set_cork(QIOChannel *ioc, bool enabled)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (klass->io_set_cork) {
        klass->io_set_cork(ioc, enabled);
    }
}

off_t qio_channel_io_seek(QIOChannel *ioc, off_t offset, int whence,
                          Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (!klass->io_seek) {
        error_setg(errp, "channel has no position to change");
        return -1;
    }
    return klass->io_seek(ioc, offset, whence, errp);
}

static bool positioned_check(QIOChannel *ioc, bool implemented, off_t offset,
                             Error **errp)
{
    if (!implemented ||
        !qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        error_setg(errp, "channel has no positions");
        return false;
    }
    if (offset < 0) {
        error_setg(errp, "negative position %jd", (intmax_t)offset);
        return false;
    }
    return true;
}

ssize_t qio_channel_pwritev(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, off_t offset, Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (!positioned_check(ioc, klass->io_pwritev, offset, errp)) {
        return -1;
    }
    return klass->io_pwritev(ioc, iov, MIN(niov, IOV_MAX), offset, errp);
}

ssize_t qio_channel_pwrite(QIOChannel *ioc, const char *buf, size_t buflen,
                           off_t offset, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = buflen };

    return qio_channel_pwritev(ioc, &iov, 1, offset, errp);
}

ssize_t qio_channel_preadv(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, off_t offset, Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    if (!positioned_check(ioc, klass->io_preadv, offset, errp)) {
        return -1;
    }
    return klass->io_preadv(ioc, iov, MIN(niov, IOV_MAX), offset, errp);
}

ssize_t qio_channel_pread(QIOChannel *ioc, char *buf, size_t buflen,
                          off_t offset, Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_preadv(ioc, &iov, 1, offset, errp);
}

int qio_channel_flush(QIOChannel *ioc, Error **errp)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    return klass->io_flush ? klass->io_flush(ioc, errp) : 0;
}

static void channel_finalize(Object *obj)
{
    QIOChannel *ioc = QIO_CHANNEL(obj);

    assert(!ioc->read_coroutine && !ioc->write_coroutine);
    g_free(ioc->name);
}

const TypeInfo io_type_channel = {
    .name = TYPE_QIO_CHANNEL,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(QIOChannel),
    .instance_finalize = channel_finalize,
    .abstract = true,
    .class_size = sizeof(QIOChannelClass),
};
