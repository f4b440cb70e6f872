/*
 * The socket channel: reading, writing and what belongs to one socket.
 * Opening one is in channel-socket-open.c, connecting in the background in
 * channel-socket-connect.c, zero copy in channel-socket-zerocopy.c.
 *
 * Plain transfers are one system call on the caller's own vector: recv() or
 * send() for one buffer, recvmsg() or sendmsg() for more or for descriptors.
 *
 * Datagram sockets: an empty datagram is no end of stream, and "connection
 * refused", which only says that an earlier datagram met a closed port, is
 * no failure of a connection that does not exist. Both are passed over.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"

#include "io/channel-watch.h"
#include "io/socket-address.h"
#include "io/types.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-io.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/sockets.h"

#include "channel-internal.h"
#include "channel-socket-internal.h"
#include "socket-internal.h"

QIOChannelSocket *qio_channel_socket_new(void)
{
    io_register_types();
    return QIO_CHANNEL_SOCKET(object_new(TYPE_QIO_CHANNEL_SOCKET));
}

QIOChannelSocket *qio_channel_socket_new_fd(int fd, Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    return socket_channel_set_fd(sioc, fd, errp) ? g_steal_pointer(&sioc)
                                                 : NULL;
}

char *socket_channel_peer_text(QIOChannelSocket *sioc)
{
    if (sioc->remoteAddrLen == 0) {
        return g_strdup(QIO_CHANNEL(sioc)->name ? QIO_CHANNEL(sioc)->name
                                                : "socket");
    }
    return socket_sockaddr_text(&sioc->remoteAddr, sioc->remoteAddrLen);
}

static ssize_t socket_error(QIOChannelSocket *sioc, const char *verb,
                            Error **errp)
{
    int err = errno;
    g_autofree char *peer = NULL;

    if (err == EAGAIN || err == EWOULDBLOCK) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    if (sioc->fd < 0) {
        return qio_channel_error_closed(QIO_CHANNEL(sioc), errp);
    }
    peer = socket_channel_peer_text(sioc);
    error_setg_errno(errp, err, "cannot %s %s", verb, peer);
    return -1;
}

/* -- reading --------------------------------------------------------------- */

static void close_received(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                fd_close(fd);
            }
        }
    }
}

static void take_received(struct msghdr *msg, int **fds, size_t *nfds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t bytes = c->cmsg_len - CMSG_LEN(0);

            *fds = g_realloc(*fds, *nfds * sizeof(int) + bytes);
            memcpy(*fds + *nfds, CMSG_DATA(c), bytes);
            *nfds += bytes / sizeof(int);
        }
    }
}

static ssize_t recv_with_fds(QIOChannelSocket *sioc, const struct iovec *iov,
                             size_t niov, int **fds, size_t *nfds, Error **errp)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * QIO_CHANNEL_MAX_FDS)];
    } control;
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    ssize_t ret;

    do {
        ret = recvmsg(sioc->fd, &msg, MSG_CMSG_CLOEXEC);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0) {
        return socket_error(sioc, "read from", errp);
    }
    if (msg.msg_flags & MSG_CTRUNC) {
        close_received(&msg);
        error_setg(errp, "peer sent more than %d file descriptors",
                   QIO_CHANNEL_MAX_FDS);
        return -1;
    }
    take_received(&msg, fds, nfds);
    return ret;
}

static ssize_t recv_plain(QIOChannelSocket *sioc, const struct iovec *iov,
                          size_t niov, int flags, Error **errp)
{
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    ssize_t ret;

    for (;;) {
        ret = niov == 1 ? recv(sioc->fd, iov->iov_base, iov->iov_len, flags)
                        : recvmsg(sioc->fd, &msg, flags);
        if (likely(ret > 0)) {
            return ret;
        }
        if (ret < 0 && errno == EINTR) {
            continue;
        }
        if (sioc->datagram) {
            if (ret < 0 && errno == ECONNREFUSED) {
                continue;
            }
            if (ret == 0 && iov_size(iov, niov) > 0 && sioc->fd >= 0 &&
                !qatomic_read(&sioc->read_shutdown)) {
                continue;
            }
        }
        return ret < 0 ? socket_error(sioc, "read from", errp) : 0;
    }
}

static ssize_t socket_readv(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, int **fds, size_t *nfds, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);

    return fds ? recv_with_fds(sioc, iov, niov, fds, nfds, errp)
               : recv_plain(sioc, iov, niov, 0, errp);
}

static ssize_t socket_peekv(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, Error **errp)
{
    return recv_plain(QIO_CHANNEL_SOCKET(ioc), iov, niov, MSG_PEEK, errp);
}

/* -- writing --------------------------------------------------------------- */

ssize_t socket_channel_send(QIOChannelSocket *sioc, struct msghdr *msg,
                            int flags)
{
    bool refused = false;
    ssize_t ret;

    flags |= MSG_NOSIGNAL;
    for (;;) {
        if (msg->msg_iovlen == 1 && !msg->msg_control) {
            ret = send(sioc->fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len,
                       flags);
        } else {
            ret = sendmsg(sioc->fd, msg, flags);
        }
        if (likely(ret >= 0)) {
            return ret;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == ECONNREFUSED && sioc->datagram && !refused) {
            refused = true;
            continue;
        }
        return -1;
    }
}

static ssize_t socket_writev(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int *fds, size_t nfds, int flags,
                             Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * QIO_CHANNEL_MAX_FDS)];
    } control;
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    ssize_t ret;

    if (flags & QIO_CHANNEL_WRITE_FLAG_ZERO_COPY) {
        return socket_channel_writev_zero_copy(sioc, iov, niov, errp);
    }
    if (nfds > 0) {
        size_t bytes = nfds * sizeof(int);

        memset(&control, 0, sizeof(control));
        control.align.cmsg_len = CMSG_LEN(bytes);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.align), fds, bytes);
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(bytes);
    }
    ret = socket_channel_send(sioc, &msg, 0);
    return likely(ret >= 0) ? ret : socket_error(sioc, "write to", errp);
}

static int socket_flush(QIOChannel *ioc, Error **errp)
{
    return socket_channel_flush(QIO_CHANNEL_SOCKET(ioc), errp);
}

/* -- control --------------------------------------------------------------- */

static int socket_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);

    if (sioc->fd < 0) {
        return qio_channel_error_closed(ioc, errp);
    }
    return qemu_set_blocking(sioc->fd, enabled, errp) ? 0 : -1;
}

static void socket_io_set_delay(QIOChannel *ioc, bool enabled)
{
    socket_set_delay(QIO_CHANNEL_SOCKET(ioc)->fd, enabled);
}

static void socket_io_set_cork(QIOChannel *ioc, bool enabled)
{
    socket_set_cork(QIO_CHANNEL_SOCKET(ioc)->fd, enabled);
}

static int socket_shutdown(QIOChannel *ioc, QIOChannelShutdown how,
                           Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    static const int sys_how[] = {
        [QIO_CHANNEL_SHUTDOWN_READ] = SHUT_RD,
        [QIO_CHANNEL_SHUTDOWN_WRITE] = SHUT_WR,
        [QIO_CHANNEL_SHUTDOWN_BOTH] = SHUT_RDWR,
    };

    if (how & QIO_CHANNEL_SHUTDOWN_READ) {
        qatomic_set(&sioc->read_shutdown, true);
    }
    /* A peer that is gone already has done the work: not an error. */
    if (shutdown(qatomic_read(&sioc->fd), sys_how[how]) < 0 &&
        errno != ENOTCONN) {
        error_setg_errno(errp, errno, "cannot shut down a socket");
        return -1;
    }
    return 0;
}

static int socket_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    Error *err = NULL;

    qio_channel_socket_connect_cancel(sioc);
    if (sioc->fd < 0) {
        return 0;
    }
    trace_qio_channel_socket_close(sioc, sioc->fd);
    if (sioc->is_listener_path) {
        socket_listen_cleanup(sioc->fd, &err);
        sioc->is_listener_path = false;
    }
    if (close(fd_steal(&sioc->fd)) < 0 && errno != EINTR && !err) {
        error_setg_errno(&err, errno, "cannot close a socket");
    }
    if (err) {
        error_propagate(errp, err);
        return -1;
    }
    return 0;
}

static GSource *socket_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_fd_watch(ioc, QIO_CHANNEL_SOCKET(ioc)->fd,
                                       condition);
}

static void socket_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                      IOHandler *io_read, IOHandler *io_write,
                                      void *opaque)
{
    int fd = QIO_CHANNEL_SOCKET(ioc)->fd;

    fd_set_aio_handlers(ctx, fd, fd, io_read, io_write, opaque);
}

SocketAddress *qio_channel_socket_get_local_address(QIOChannelSocket *sioc,
                                                    Error **errp)
{
    return socket_sockaddr_to_address(&sioc->localAddr, sioc->localAddrLen,
                                      errp);
}

SocketAddress *qio_channel_socket_get_remote_address(QIOChannelSocket *sioc,
                                                     Error **errp)
{
    return socket_sockaddr_to_address(&sioc->remoteAddr, sioc->remoteAddrLen,
                                      errp);
}

static void socket_init(Object *obj)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(obj);

    sioc->fd = -1;
    qemu_mutex_init(&sioc->connect_lock);
    qio_channel_set_feature(QIO_CHANNEL(sioc), QIO_CHANNEL_FEATURE_SHUTDOWN);
}

static void socket_finalize(Object *obj)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(obj);

    socket_close(QIO_CHANNEL(sioc), NULL);
    qemu_mutex_destroy(&sioc->connect_lock);
}

static void socket_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = socket_writev;
    klass->io_readv = socket_readv;
    klass->io_peekv = socket_peekv;
    klass->io_flush = socket_flush;
    klass->io_set_blocking = socket_set_blocking;
    klass->io_close = socket_close;
    klass->io_shutdown = socket_shutdown;
    klass->io_set_cork = socket_io_set_cork;
    klass->io_set_delay = socket_io_set_delay;
    klass->io_create_watch = socket_create_watch;
    klass->io_set_aio_fd_handler = socket_set_aio_fd_handler;
}

const TypeInfo io_type_channel_socket = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_SOCKET,
    .instance_size = sizeof(QIOChannelSocket),
    .instance_init = socket_init,
    .instance_finalize = socket_finalize,
    .class_init = socket_class_init,
};
