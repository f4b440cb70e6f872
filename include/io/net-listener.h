/*
 * A server on all addresses of a name: several listening sockets, one
 * callback for each client.
 *
 * Out of file descriptors, the listener pauses for a moment instead of
 * spinning. With a connection limit it stops accepting until a client is
 * reported gone. Handshakes (TLS, websock) are the callback's, side by side;
 * the listener goes on accepting meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_NET_LISTENER_H
#define IO_NET_LISTENER_H

#include "io/channel-socket.h"

#define TYPE_QIO_NET_LISTENER "qio-net-listener"
OBJECT_DECLARE_SIMPLE_TYPE(QIONetListener, QIO_NET_LISTENER)

/**
 * QIONetListenerClientFunc:
 * @sioc: (in) the client, blocking mode; take a reference to keep it
 */
typedef void (*QIONetListenerClientFunc)(QIONetListener *listener,
                                         QIOChannelSocket *sioc, gpointer data);

struct QIONetListener {
    Object parent;
    char *name;              /* owned, or NULL */
    QIOChannelSocket **sioc; /* @nsioc owned references */
    GSource **io_source;     /* @nsioc sources or NULLs, owned */
    size_t nsioc;
    bool connected; /* has sockets */
    QIONetListenerClientFunc io_func;
    gpointer io_data;
    GDestroyNotify io_notify;
    GMainContext *context; /* of @io_func; owned reference or NULL */
    GSource *backoff;      /* accepting is paused until it fires; or NULL */
    unsigned max_clients;  /* 0 = no limit */
    unsigned clients;      /* handed out and not yet reported gone */
};

/** Returns: (out) new reference, listening nowhere. */
QIONetListener *qio_net_listener_new(void);

/** @name: (in) for traces and channel names; copied */
void qio_net_listener_set_name(QIONetListener *listener, const char *name);

/**
 * qio_net_listener_open_sync:
 * @addr: (in) where; each address of a name gets a socket
 * @num: backlog
 *
 * Blocks for name lookup. It succeeds where at least one address could be
 * bound; with port 0 and several addresses they get the same port.
 *
 * Returns: 0; -1 = error.
 * Errors: for every address, it and the reason.
 */
int qio_net_listener_open_sync(QIONetListener *listener, SocketAddress *addr,
                               int num, Error **errp);

/** qio_net_listener_add: @sioc listens already; a reference is taken. */
void qio_net_listener_add(QIONetListener *listener, QIOChannelSocket *sioc);

/**
 * qio_net_listener_set_client_func_full:
 * @func: (in) called for each client in @context; NULL = stop accepting
 * @data: (in) for @func
 * @notify: (in) frees @data when @func is replaced or the listener ends
 * @context: (in) NULL = the default one
 *
 * Thread: the one that runs @context, or before it runs.
 */
void qio_net_listener_set_client_func_full(QIONetListener *listener,
                                           QIONetListenerClientFunc func,
                                           gpointer data, GDestroyNotify notify,
                                           GMainContext *context);
/** ..._full() with the default main context. */
void qio_net_listener_set_client_func(QIONetListener *listener,
                                      QIONetListenerClientFunc func,
                                      gpointer data, GDestroyNotify notify);

/**
 * qio_net_listener_wait_client:
 *
 * Block the calling thread until a client comes. The client func, if set, is
 * suspended meanwhile.
 * Returns: (out) the client, owned by the caller; NULL = disconnected.
 */
QIOChannelSocket *qio_net_listener_wait_client(QIONetListener *listener);

/** qio_net_listener_disconnect: close the sockets; clients stay. */
void qio_net_listener_disconnect(QIONetListener *listener);

/** qio_net_listener_is_connected: whether it listens anywhere. */
bool qio_net_listener_is_connected(QIONetListener *listener);

/**
 * qio_net_listener_set_max_clients:
 * @max: most clients handed out at a time; 0 = no limit
 *
 * Further clients wait in the kernel's backlog. Whoever got a client calls
 * qio_net_listener_client_gone() once when it has gone.
 */
void qio_net_listener_set_max_clients(QIONetListener *listener, unsigned max);
/** qio_net_listener_client_gone: see above. Thread: the context's. */
void qio_net_listener_client_gone(QIONetListener *listener);

#endif
