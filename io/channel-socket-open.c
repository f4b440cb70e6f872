/*
 * Opening socket channels: from a descriptor, by connecting, listening,
 * accepting, or as a datagram pair.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/socket-address.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-io.h"
#include "util/error.h"
#include "util/sockets.h"

#include "channel-internal.h"
#include "channel-socket-internal.h"
#include "socket-internal.h"

static bool socket_flag(int fd, int option)
{
    int v = 0;
    socklen_t len = sizeof(v);

    return getsockopt(fd, SOL_SOCKET, option, &v, &len) == 0 && v != 0;
}

static bool is_inet(const QIOChannelSocket *sioc)
{
    return sioc->localAddr.ss_family == AF_INET ||
           sioc->localAddr.ss_family == AF_INET6;
}

static bool same_inet_address(const QIOChannelSocket *sioc)
{
    const struct sockaddr_in *a4 = (const void *)&sioc->localAddr;
    const struct sockaddr_in *b4 = (const void *)&sioc->remoteAddr;
    const struct sockaddr_in6 *a6 = (const void *)&sioc->localAddr;
    const struct sockaddr_in6 *b6 = (const void *)&sioc->remoteAddr;

    if (sioc->localAddr.ss_family != sioc->remoteAddr.ss_family) {
        return false;
    }
    return sioc->localAddr.ss_family == AF_INET
               ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
               : IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

bool qio_channel_socket_is_local(const QIOChannelSocket *sioc)
{
    return sioc->localAddr.ss_family == AF_UNIX ||
           (is_inet(sioc) && same_inet_address(sioc));
}

/*
 * Within a host there is no link to be congested. Algorithms that measure one
 * and pace what they send (BBR) take half of the throughput there; this one does
 * neither, and every kernel has it.
 */
static void tune_local(QIOChannelSocket *sioc)
{
    if (is_inet(sioc) && !sioc->datagram && same_inet_address(sioc)) {
        socket_set_congestion(sioc->fd, "reno");
    }
}

static void detect_features(QIOChannelSocket *sioc)
{
    QIOChannel *ioc = QIO_CHANNEL(sioc);
    int on = 1;

    sioc->datagram = !socket_is_stream(sioc->fd);
    if (socket_flag(sioc->fd, SO_ACCEPTCONN)) {
        qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_LISTEN);
        return;
    }
    qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_READ_MSG_PEEK);
    if (sioc->localAddr.ss_family == AF_UNIX) {
        qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_FD_PASS);
    }
    if (is_inet(sioc) && !sioc->datagram &&
        setsockopt(sioc->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0) {
        qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY);
    }
}

bool socket_channel_set_fd(QIOChannelSocket *sioc, int fd, Error **errp)
{
    struct sockaddr_storage local = { 0 }, remote = { 0 };
    socklen_t local_len = sizeof(local), remote_len = sizeof(remote);

    if (sioc->fd >= 0) {
        error_setg(errp, "socket channel is open already");
        return false;
    }
    if (getsockname(fd, (struct sockaddr *)&local, &local_len) < 0) {
        error_setg_errno(errp, errno, "cannot get the address of descriptor %d",
                         fd);
        return false;
    }
    if (getpeername(fd, (struct sockaddr *)&remote, &remote_len) < 0) {
        /* A listener has none, nor has an unconnected datagram socket. */
        if (errno != ENOTCONN) {
            error_setg_errno(errp, errno,
                             "cannot get the peer of descriptor %d", fd);
            return false;
        }
        remote_len = 0;
    }
    /* shutdown() may come from another thread while it is connected. */
    qatomic_set(&sioc->fd, fd);
    QIO_CHANNEL(sioc)->nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
    sioc->localAddr = local;
    sioc->localAddrLen = local_len;
    sioc->remoteAddr = remote;
    sioc->remoteAddrLen = remote_len;
    detect_features(sioc);
    tune_local(sioc);
    trace_qio_channel_socket_open(sioc, fd);
    return true;
}

/* Take @fd or close it. */
static int take_fd(QIOChannelSocket *sioc, int fd, Error **errp)
{
    if (fd < 0) {
        return -1;
    }
    if (!socket_channel_set_fd(sioc, fd, errp)) {
        fd_close(fd);
        return -1;
    }
    return 0;
}

int qio_channel_socket_connect_sync(QIOChannelSocket *sioc, SocketAddress *addr,
                                    Error **errp)
{
    return take_fd(sioc, socket_connect(addr, errp), errp);
}

int qio_channel_socket_listen_sync(QIOChannelSocket *sioc, SocketAddress *addr,
                                   int num, Error **errp)
{
    if (take_fd(sioc, socket_listen(addr, num, errp), errp) < 0) {
        return -1;
    }
    /* An inherited descriptor's path belongs to whoever made it. */
    if (addr->type == SOCKET_ADDRESS_TYPE_UNIX) {
        g_autoptr(SocketAddress) local =
            qio_channel_socket_get_local_address(sioc, NULL);

        sioc->is_listener_path = local && socket_address_has_path(local);
    }
    return 0;
}

int qio_channel_socket_dgram_sync(QIOChannelSocket *sioc,
                                  SocketAddress *local_addr,
                                  SocketAddress *remote_addr, Error **errp)
{
    return take_fd(sioc, socket_dgram(remote_addr, local_addr, errp), errp);
}

/* -- in a thread ----------------------------------------------------------- */

typedef struct OpenJob {
    SocketAddress *addr;  /* owned; of a datagram socket: remote */
    SocketAddress *local; /* owned; datagram only, or NULL */
    int num;
} OpenJob;

static void open_job_free(gpointer opaque)
{
    OpenJob *job = opaque;

    qapi_free_SocketAddress(job->addr);
    qapi_free_SocketAddress(job->local);
    g_free(job);
}

static void listen_worker(QIOTask *task, gpointer opaque)
{
    OpenJob *job = opaque;
    Error *err = NULL;

    if (qio_channel_socket_listen_sync(
            QIO_CHANNEL_SOCKET(qio_task_get_source(task)), job->addr, job->num,
            &err) < 0) {
        qio_task_set_error(task, err);
    }
}

void qio_channel_socket_listen_async(QIOChannelSocket *sioc,
                                     SocketAddress *addr, int num,
                                     QIOTaskFunc callback, gpointer opaque,
                                     GDestroyNotify destroy,
                                     GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(sioc), callback, opaque, destroy);
    OpenJob *job = g_new0(OpenJob, 1);

    job->addr = QAPI_CLONE(SocketAddress, addr);
    job->num = num;
    qio_task_run_in_thread(task, listen_worker, job, open_job_free, context);
}

static void dgram_worker(QIOTask *task, gpointer opaque)
{
    OpenJob *job = opaque;
    Error *err = NULL;

    if (qio_channel_socket_dgram_sync(
            QIO_CHANNEL_SOCKET(qio_task_get_source(task)), job->local,
            job->addr, &err) < 0) {
        qio_task_set_error(task, err);
    }
}

void qio_channel_socket_dgram_async(QIOChannelSocket *sioc,
                                    SocketAddress *local_addr,
                                    SocketAddress *remote_addr,
                                    QIOTaskFunc callback, gpointer opaque,
                                    GDestroyNotify destroy,
                                    GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(sioc), callback, opaque, destroy);
    OpenJob *job = g_new0(OpenJob, 1);

    job->addr = QAPI_CLONE(SocketAddress, remote_addr);
    job->local = local_addr ? QAPI_CLONE(SocketAddress, local_addr) : NULL;
    qio_task_run_in_thread(task, dgram_worker, job, open_job_free, context);
}

/* -- accepting ------------------------------------------------------------- */

/*
 * Errors of accept() that are about the one client, who is gone again, and
 * not about the listener (accept(2), "Error handling").
 */
static bool accept_error_is_clients(int err)
{
    switch (err) {
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

QIOAcceptResult qio_channel_socket_try_accept(QIOChannelSocket *sioc,
                                              QIOChannelSocket **ret_client,
                                              Error **errp)
{
    g_autoptr(QIOChannelSocket) client = NULL;
    AUTO_FD fd = -1;

    if (sioc->fd < 0) {
        qio_channel_error_closed(QIO_CHANNEL(sioc), errp);
        return QIO_ACCEPT_ERROR;
    }
    do {
        fd = qemu_accept(sioc->fd, NULL, NULL);
    } while (fd < 0 && accept_error_is_clients(errno));
    if (fd < 0) {
        int err = errno;

        if (err == EAGAIN || err == EWOULDBLOCK) {
            return QIO_ACCEPT_NONE;
        }
        error_setg_errno(errp, err, "cannot accept a connection");
        return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM
                   ? QIO_ACCEPT_NO_FDS
                   : QIO_ACCEPT_ERROR;
    }
    client = qio_channel_socket_new();
    if (!socket_channel_set_fd(client, fd, NULL)) {
        /* Reset between accept() and here: as if it had never come. */
        return QIO_ACCEPT_NONE;
    }
    fd_steal(&fd);
    *ret_client = g_steal_pointer(&client);
    return QIO_ACCEPT_OK;
}

QIOChannelSocket *qio_channel_socket_accept(QIOChannelSocket *sioc,
                                            Error **errp)
{
    QIOChannelSocket *client = NULL;

    if (qio_channel_socket_try_accept(sioc, &client, errp) == QIO_ACCEPT_NONE) {
        error_setg(errp, "no connection to accept");
    }
    return client;
}
