/*
 * Files, pipes and terminals by read() and write().
 *
 * Regular files are always ready; on pipes and terminals the blocking mode
 * and watches work as on sockets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-file.h"

#include "io/channel-watch.h"
#include "io/types.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/sockets.h"

#include "channel-internal.h"

QIOChannelFile *qio_channel_file_new_fd(int fd)
{
    QIOChannelFile *fioc;

    io_register_types();
    fioc = QIO_CHANNEL_FILE(object_new(TYPE_QIO_CHANNEL_FILE));
    fioc->fd = fd;
    QIO_CHANNEL(fioc)->nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
    if (lseek(fd, 0, SEEK_CUR) >= 0) {
        qio_channel_set_feature(QIO_CHANNEL(fioc),
                                QIO_CHANNEL_FEATURE_SEEKABLE);
    }
    return fioc;
}

QIOChannelFile *qio_channel_file_new_dupfd(int fd, Error **errp)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        error_setg_errno(errp, errno, "cannot duplicate descriptor %d", fd);
        return NULL;
    }
    return qio_channel_file_new_fd(copy);
}

QIOChannelFile *qio_channel_file_new_path(const char *path, int flags,
                                          mode_t mode, Error **errp)
{
    int fd = flags & O_CREAT ? qemu_create(path, flags & ~O_CREAT, mode, errp)
                             : qemu_open(path, flags, errp);
    QIOChannelFile *fioc;

    if (fd < 0) {
        return NULL;
    }
    fioc = qio_channel_file_new_fd(fd);
    fioc->from_path = true;
    return fioc;
}

static ssize_t file_result(QIOChannelFile *fioc, ssize_t ret, const char *verb,
                           Error **errp)
{
    if (likely(ret >= 0)) {
        return ret;
    }
    if (errno == EAGAIN) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    if (fioc->fd < 0) {
        return qio_channel_error_closed(QIO_CHANNEL(fioc), errp);
    }
    error_setg_errno(errp, errno, "cannot %s file", verb);
    return -1;
}

static ssize_t file_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          int **fds, size_t *nfds, Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    ssize_t ret;

    do {
        ret = readv(fioc->fd, iov, niov);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0 && errno == EIO && isatty(fioc->fd)) {
        /* How a pty says that the other side has closed. */
        return 0;
    }
    return file_result(fioc, ret, "read", errp);
}

static ssize_t file_writev(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, int *fds, size_t nfds, int flags,
                           Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    ssize_t ret;

    do {
        ret = writev(fioc->fd, iov, niov);
    } while (ret < 0 && errno == EINTR);
    return file_result(fioc, ret, "write", errp);
}

static ssize_t file_preadv(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, off_t offset, Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    ssize_t ret;

    do {
        ret = preadv(fioc->fd, iov, niov, offset);
    } while (ret < 0 && errno == EINTR);
    return file_result(fioc, ret, "read", errp);
}

static ssize_t file_pwritev(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, off_t offset, Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    ssize_t ret;

    do {
        ret = pwritev(fioc->fd, iov, niov, offset);
    } while (ret < 0 && errno == EINTR);
    return file_result(fioc, ret, "write", errp);
}

static int file_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qemu_set_blocking(QIO_CHANNEL_FILE(ioc)->fd, enabled, errp) ? 0 : -1;
}

static off_t file_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp)
{
    off_t ret = lseek(QIO_CHANNEL_FILE(ioc)->fd, offset, whence);

    if (ret < 0) {
        error_setg_errno(errp, errno, "cannot seek in file to %jd",
                         (intmax_t)offset);
    }
    return ret;
}

static int file_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    int fd = fd_steal(&fioc->fd);

    if (fd < 0) {
        return 0;
    }
    /* qemu_close() counts descriptors that came from an fdset. */
    if ((fioc->from_path ? qemu_close(fd) : close(fd)) < 0 && errno != EINTR) {
        error_setg_errno(errp, errno, "cannot close file");
        return -1;
    }
    return 0;
}

static GSource *file_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_fd_watch(ioc, QIO_CHANNEL_FILE(ioc)->fd,
                                       condition);
}

static void file_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                    IOHandler *io_read, IOHandler *io_write,
                                    void *opaque)
{
    int fd = QIO_CHANNEL_FILE(ioc)->fd;

    fd_set_aio_handlers(ctx, fd, fd, io_read, io_write, opaque);
}

static void file_init(Object *obj)
{
    QIO_CHANNEL_FILE(obj)->fd = -1;
}

static void file_finalize(Object *obj)
{
    file_close(QIO_CHANNEL(obj), NULL);
}

static void file_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = file_writev;
    klass->io_readv = file_readv;
    klass->io_pwritev = file_pwritev;
    klass->io_preadv = file_preadv;
    klass->io_set_blocking = file_set_blocking;
    klass->io_seek = file_seek;
    klass->io_close = file_close;
    klass->io_create_watch = file_create_watch;
    klass->io_set_aio_fd_handler = file_set_aio_fd_handler;
}

const TypeInfo io_type_channel_file = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_FILE,
    .instance_size = sizeof(QIOChannelFile),
    .instance_init = file_init,
    .instance_finalize = file_finalize,
    .class_init = file_class_init,
};
