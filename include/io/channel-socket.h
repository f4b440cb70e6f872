/*
 * Socket channels: inet, unix, vsock and inherited descriptors, stream and
 * datagram, connected and listening.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_SOCKET_H
#define IO_CHANNEL_SOCKET_H

#include <sys/socket.h>

#include "io/channel.h"
#include "io/task.h"
#include "util/thread.h"

typedef struct SocketAddress SocketAddress;

#define TYPE_QIO_CHANNEL_SOCKET "qio-channel-socket"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelSocket, QIO_CHANNEL_SOCKET)

typedef struct SocketConnect SocketConnect;

struct QIOChannelSocket {
    QIOChannel parent;
    int fd; /* owned; -1 = not connected, or closed */
    struct sockaddr_storage localAddr;
    socklen_t localAddrLen;
    struct sockaddr_storage remoteAddr;
    socklen_t remoteAddrLen;
    uint64_t zero_copy_queued;   /* sends the kernel may still hold pages of */
    uint64_t zero_copy_sent;     /* of those, reported done */
    uint64_t zero_copy_flushed;  /* of those, flushed */
    bool zero_copy_avoided_copy; /* since the last flush, one was not copied */
    bool datagram;               /* not a stream */
    bool read_shutdown;          /* atomic */
    bool is_listener_path;       /* the unix path is ours to unlink */
    SocketConnect *connect;      /* async connect under way, or NULL */
    QemuMutex connect_lock;      /* guards @connect */
};

/** qio_channel_socket_new: unconnected. Returns: (out) new reference. */
QIOChannelSocket *qio_channel_socket_new(void);

/**
 * qio_channel_socket_new_fd:
 * @fd: (in) open socket; owned by the channel on success, by the caller on
 *      failure
 *
 * Returns: (out) new reference, features set from the socket; NULL = error.
 * Errors: @fd is not a socket, its address family is unknown.
 */
QIOChannelSocket *qio_channel_socket_new_fd(int fd, Error **errp);

/**
 * qio_channel_socket_is_local:
 *
 * Returns: are both ends on this host, as far as can be seen: of a UNIX socket,
 * or of a connection between ports of one address?
 */
bool qio_channel_socket_is_local(const QIOChannelSocket *sioc);

/**
 * qio_channel_socket_connect_sync:
 * @addr: (in) where to; borrowed
 *
 * Resolve and connect, blocking. Every address of the name is tried in order.
 *
 * Returns: 0; -1 = error, and @ioc may be used again.
 * Errors: name not found; for every address tried, it and the reason.
 */
int qio_channel_socket_connect_sync(QIOChannelSocket *ioc, SocketAddress *addr,
                                    Error **errp);

/**
 * qio_channel_socket_connect_async:
 * @addr: (in) copied
 * @callback: (in) called once in @context; the task's source is @ioc
 * @opaque: (in) for @callback
 * @destroy: (in) frees @opaque; or NULL
 * @context: (in) NULL = the default one
 *
 * As qio_channel_socket_connect_sync() without blocking the caller: names are
 * looked up in a thread, connects are watched by @context. Ends early with
 * an error by qio_channel_socket_connect_cancel() or qio_channel_close().
 */
void qio_channel_socket_connect_async(QIOChannelSocket *ioc,
                                      SocketAddress *addr, QIOTaskFunc callback,
                                      gpointer opaque, GDestroyNotify destroy,
                                      GMainContext *context);

/**
 * qio_channel_socket_connect_cancel:
 *
 * End an asynchronous connect: its callback runs soon in its context with an
 * error. A lookup that hangs in the resolver does not delay that. Without a
 * connect under way nothing happens.
 *
 * Thread: any.
 */
void qio_channel_socket_connect_cancel(QIOChannelSocket *ioc);

/**
 * qio_channel_socket_listen_sync:
 * @addr: (in) where; borrowed. Of a name only the first usable address is
 *        bound; QIONetListener binds all.
 * @num: most connections that wait to be accepted
 *
 * Returns: 0, with feature LISTEN; -1 = error.
 */
int qio_channel_socket_listen_sync(QIOChannelSocket *ioc, SocketAddress *addr,
                                   int num, Error **errp);
/** As ..._listen_sync() in a thread, then @callback in @context. */
void qio_channel_socket_listen_async(QIOChannelSocket *ioc, SocketAddress *addr,
                                     int num, QIOTaskFunc callback,
                                     gpointer opaque, GDestroyNotify destroy,
                                     GMainContext *context);

/**
 * qio_channel_socket_dgram_sync:
 * @localAddr: (in) where to receive; NULL = the kernel chooses
 * @remoteAddr: (in) the only peer
 *
 * Returns: 0; -1 = error.
 */
int qio_channel_socket_dgram_sync(QIOChannelSocket *ioc,
                                  SocketAddress *localAddr,
                                  SocketAddress *remoteAddr, Error **errp);
/** As ..._dgram_sync() in a thread, then @callback in @context. */
void qio_channel_socket_dgram_async(QIOChannelSocket *ioc,
                                    SocketAddress *localAddr,
                                    SocketAddress *remoteAddr,
                                    QIOTaskFunc callback, gpointer opaque,
                                    GDestroyNotify destroy,
                                    GMainContext *context);

/** Returns: (out) our end's address, owned by the caller; NULL = error. */
SocketAddress *qio_channel_socket_get_local_address(QIOChannelSocket *ioc,
                                                    Error **errp);
/** Returns: (out) the peer's address, owned by the caller; NULL = error. */
SocketAddress *qio_channel_socket_get_remote_address(QIOChannelSocket *ioc,
                                                     Error **errp);

/**
 * qio_channel_socket_accept:
 * @ioc: (in) with feature LISTEN
 *
 * Returns: (out) the next client, blocking mode, close-on-exec; NULL = error.
 * On a non-blocking listener without a client the error is "no connection".
 */
QIOChannelSocket *qio_channel_socket_accept(QIOChannelSocket *ioc,
                                            Error **errp);

/* What qio_channel_socket_try_accept() found. */
typedef enum QIOAcceptResult {
    QIO_ACCEPT_OK,
    QIO_ACCEPT_NONE,   /* nobody waits (any more) */
    QIO_ACCEPT_NO_FDS, /* the process or system is out of descriptors */
    QIO_ACCEPT_ERROR,
} QIOAcceptResult;

/**
 * qio_channel_socket_try_accept:
 * @ret_client: (out) set on QIO_ACCEPT_OK; owned by the caller
 * @errp: (out) set on QIO_ACCEPT_NO_FDS and QIO_ACCEPT_ERROR
 *
 * Accept without blocking where @ioc is non-blocking, telling apart what a
 * listener's loop must handle differently.
 */
QIOAcceptResult qio_channel_socket_try_accept(QIOChannelSocket *ioc,
                                              QIOChannelSocket **ret_client,
                                              Error **errp);

#endif
