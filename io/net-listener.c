/*
 * One server, several listening sockets.
 *
 * Accepting is armed (a source for each socket) or not. It is disarmed while
 * nobody wants clients, while the limit of clients is reached, and for
 * BACKOFF_MS after accept() found no free descriptor: a level-triggered
 * listener would else wake the loop without end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/net-listener.h"

#include "io/types.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-io.h"
#include "util/error.h"
#include "util/sockets.h"

#include "channel-internal.h"
#include "channel-socket-internal.h"
#include "socket-internal.h"

/* Pause when out of descriptors. */
#define BACKOFF_MS 100

/* Clients taken in one go, so that other sources get their turn. */
#define ACCEPT_BATCH 16

/* Attempts at one free port on all addresses, when any port will do. */
#define ANY_PORT_TRIES 16

QIONetListener *qio_net_listener_new(void)
{
    io_register_types();
    return QIO_NET_LISTENER(object_new(TYPE_QIO_NET_LISTENER));
}

void qio_net_listener_set_name(QIONetListener *listener, const char *name)
{
    g_free(listener->name);
    listener->name = g_strdup(name);
}

/* -- accepting ------------------------------------------------------------- */

static void listener_disarm(QIONetListener *listener)
{
    for (size_t i = 0; i < listener->nsioc; i++) {
        if (listener->io_source[i]) {
            g_source_destroy(listener->io_source[i]);
            g_source_unref(listener->io_source[i]);
            listener->io_source[i] = NULL;
        }
    }
    if (listener->backoff) {
        g_source_destroy(listener->backoff);
        g_source_unref(listener->backoff);
        listener->backoff = NULL;
    }
}

static bool listener_is_full(QIONetListener *listener)
{
    return listener->max_clients && listener->clients >= listener->max_clients;
}

static gboolean listener_ready(QIOChannel *ioc, GIOCondition condition,
                               gpointer opaque);

static void listener_arm(QIONetListener *listener)
{
    if (!listener->io_func || listener_is_full(listener) || listener->backoff) {
        return;
    }
    for (size_t i = 0; i < listener->nsioc; i++) {
        if (!listener->io_source[i]) {
            listener->io_source[i] = qio_channel_add_watch_source(
                QIO_CHANNEL(listener->sioc[i]), G_IO_IN, listener_ready,
                object_ref(OBJECT(listener)), (GDestroyNotify)object_unref,
                listener->context);
        }
    }
}

static gboolean listener_backoff_over(gpointer opaque)
{
    QIONetListener *listener = opaque;

    g_source_unref(g_steal_pointer(&listener->backoff));
    listener_arm(listener);
    return G_SOURCE_REMOVE;
}

static void listener_back_off(QIONetListener *listener)
{
    trace_qio_net_listener_back_off(listener);
    listener_disarm(listener);
    listener->backoff = g_timeout_source_new(BACKOFF_MS);
    g_source_set_callback(listener->backoff, listener_backoff_over,
                          object_ref(OBJECT(listener)),
                          (GDestroyNotify)object_unref);
    g_source_attach(listener->backoff, listener->context);
}

static void listener_hand_out(QIONetListener *listener,
                              QIOChannelSocket *client)
{
    if (listener->max_clients) {
        listener->clients++;
    }
    if (listener->name) {
        qio_channel_set_name(QIO_CHANNEL(client), listener->name);
    }
    trace_qio_net_listener_client(listener, client, listener->clients);
    listener->io_func(listener, client, listener->io_data);
}

static gboolean listener_ready(QIOChannel *ioc, GIOCondition condition,
                               gpointer opaque)
{
    /* The callback may disconnect and unref us. */
    g_autoptr(QIONetListener) listener =
        QIO_NET_LISTENER(object_ref(OBJECT(opaque)));
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);

    for (int i = 0; i < ACCEPT_BATCH && listener->io_func && sioc->fd >= 0;
         i++) {
        g_autoptr(QIOChannelSocket) client = NULL;

        if (listener_is_full(listener)) {
            listener_disarm(listener);
            break;
        }
        switch (qio_channel_socket_try_accept(sioc, &client, NULL)) {
        case QIO_ACCEPT_OK:
            listener_hand_out(listener, client);
            continue;
        case QIO_ACCEPT_NONE:
            return G_SOURCE_CONTINUE;
        case QIO_ACCEPT_NO_FDS:
        case QIO_ACCEPT_ERROR:
            listener_back_off(listener);
            return G_SOURCE_CONTINUE;
        }
    }
    return G_SOURCE_CONTINUE;
}

void qio_net_listener_set_client_func_full(QIONetListener *listener,
                                           QIONetListenerClientFunc func,
                                           gpointer data, GDestroyNotify notify,
                                           GMainContext *context)
{
    GDestroyNotify old_notify = listener->io_notify;
    gpointer old_data = listener->io_data;

    listener_disarm(listener);
    if (listener->context) {
        g_main_context_unref(listener->context);
    }
    listener->context = context ? g_main_context_ref(context) : NULL;
    listener->io_func = func;
    listener->io_data = data;
    listener->io_notify = notify;
    listener_arm(listener);
    if (old_notify) {
        old_notify(old_data);
    }
}

void qio_net_listener_set_client_func(QIONetListener *listener,
                                      QIONetListenerClientFunc func,
                                      gpointer data, GDestroyNotify notify)
{
    qio_net_listener_set_client_func_full(listener, func, data, notify, NULL);
}

void qio_net_listener_set_max_clients(QIONetListener *listener, unsigned max)
{
    listener->max_clients = max;
    if (listener_is_full(listener)) {
        listener_disarm(listener);
    } else {
        listener_arm(listener);
    }
}

void qio_net_listener_client_gone(QIONetListener *listener)
{
    if (listener->clients > 0) {
        listener->clients--;
        listener_arm(listener);
    }
}

/* -- waiting for one client ------------------------------------------------ */

static gboolean wait_ready(QIOChannel *ioc, GIOCondition condition,
                           gpointer opaque)
{
    return G_SOURCE_CONTINUE;
}

/* Sleep until one of the sockets may have a client. */
static void listener_sleep(QIONetListener *listener)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GPtrArray) sources =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_source_unref);

    for (size_t i = 0; i < listener->nsioc; i++) {
        g_ptr_array_add(sources, qio_channel_add_watch_source(
                                     QIO_CHANNEL(listener->sioc[i]), G_IO_IN,
                                     wait_ready, NULL, NULL, context));
    }
    g_main_context_iteration(context, true);
    for (size_t i = 0; i < sources->len; i++) {
        g_source_destroy(g_ptr_array_index(sources, i));
    }
}

QIOChannelSocket *qio_net_listener_wait_client(QIONetListener *listener)
{
    QIOChannelSocket *client = NULL;

    listener_disarm(listener);
    while (listener->connected && !client) {
        bool no_fds = false;

        for (size_t i = 0; i < listener->nsioc && !client; i++) {
            switch (qio_channel_socket_try_accept(listener->sioc[i], &client,
                                                  NULL)) {
            case QIO_ACCEPT_OK:
            case QIO_ACCEPT_NONE:
                break;
            case QIO_ACCEPT_NO_FDS:
                no_fds = true;
                break;
            case QIO_ACCEPT_ERROR:
                listener_arm(listener);
                return NULL;
            }
        }
        if (no_fds) {
            g_usleep(BACKOFF_MS * 1000);
        } else if (!client) {
            listener_sleep(listener);
        }
    }
    listener_arm(listener);
    return client;
}

/* -- sockets --------------------------------------------------------------- */

void qio_net_listener_add(QIONetListener *listener, QIOChannelSocket *sioc)
{
    if (listener->name && !QIO_CHANNEL(sioc)->name) {
        g_autofree char *name = g_strconcat(listener->name, "-listen", NULL);

        qio_channel_set_name(QIO_CHANNEL(sioc), name);
    }
    /* A client may go between poll() and accept(): that must not block. */
    qemu_socket_set_nonblock(sioc->fd);
    listener->sioc =
        g_renew(QIOChannelSocket *, listener->sioc, listener->nsioc + 1);
    listener->io_source =
        g_renew(GSource *, listener->io_source, listener->nsioc + 1);
    listener->sioc[listener->nsioc] =
        QIO_CHANNEL_SOCKET(object_ref(OBJECT(sioc)));
    listener->io_source[listener->nsioc] = NULL;
    listener->nsioc++;
    listener->connected = true;
    listener_arm(listener);
}

/* Listening sockets being opened: all or none. */
typedef struct FdList {
    GArray *fds; /* of int, owned */
} FdList;

static void fd_list_clear(FdList *l)
{
    for (guint i = 0; i < l->fds->len; i++) {
        fd_close(g_array_index(l->fds, int, i));
    }
    g_array_set_size(l->fds, 0);
}

static void fd_list_free(FdList *l)
{
    fd_list_clear(l);
    g_array_free(l->fds, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FdList, fd_list_free)

static unsigned fd_port(int fd)
{
    g_autoptr(SocketAddress) addr = socket_local_address(fd, NULL);

    return addr && addr->type == SOCKET_ADDRESS_TYPE_INET
               ? strtoul(addr->u.inet.port, NULL, 10)
               : 0;
}

/*
 * Bind every target to @port (0: the first chooses). An address that this
 * host does not have is left out; a port that is taken on one address is of
 * no use on the others. Returns: whether some are bound and none was taken.
 */
static bool bind_all(SocketTargets *targets, SocketAddress *addr, unsigned port,
                     int backlog, FdList *fds, SocketFailures *failed)
{
    bool v6only = socket_address_v6only(addr);

    for (size_t i = 0; i < targets->n; i++) {
        v6only |= targets->t[i].sa.ss_family == AF_INET;
    }
    for (size_t i = 0; i < targets->n; i++) {
        int fd;

        socket_target_set_port(&targets->t[i], port);
        fd = socket_target_listen(&targets->t[i], addr, v6only, backlog);
        if (fd < 0) {
            socket_failures_add(failed, targets->t[i].text, errno);
            if (failed->last_errno == EADDRINUSE) {
                fd_list_clear(fds);
                return false;
            }
            continue;
        }
        g_array_append_val(fds->fds, fd);
        if (port == 0) {
            port = fd_port(fd);
        }
    }
    return fds->fds->len > 0;
}

static bool open_inet(SocketAddress *addr, int backlog, FdList *fds,
                      Error **errp)
{
    g_auto(SocketTargets) targets = { 0 };
    g_auto(SocketFailures) failed = { 0 };
    unsigned port, last, tries;

    if (!socket_resolve(addr, SOCK_STREAM, true, &targets, errp)) {
        return false;
    }
    socket_targets_unique(&targets);
    port = socket_target_get_port(&targets.t[0]);
    last = addr->u.inet.has_to ? addr->u.inet.to : port;
    if (last < port) {
        error_setg(errp, "port range %u to %u is empty", port, last);
        return false;
    }
    tries = port == 0 && last == 0 ? ANY_PORT_TRIES : last - port + 1;
    for (; tries > 0; tries--) {
        socket_failures_clear(&failed);
        if (bind_all(&targets, addr, port, backlog, fds, &failed)) {
            return true;
        }
        if (failed.last_errno != EADDRINUSE) {
            break;
        }
        port += last != 0;
    }
    socket_failures_to_error(&failed, "listen on", addr, errp);
    return false;
}

static int open_other(QIONetListener *listener, SocketAddress *addr, int num,
                      Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    if (qio_channel_socket_listen_sync(sioc, addr, num, errp) < 0) {
        return -1;
    }
    qio_net_listener_add(listener, sioc);
    return 0;
}

int qio_net_listener_open_sync(QIONetListener *listener, SocketAddress *addr,
                               int num, Error **errp)
{
    g_auto(FdList) fds = { g_array_new(FALSE, FALSE, sizeof(int)) };
    g_autoptr(GPtrArray) siocs =
        g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);

    if (addr->type != SOCKET_ADDRESS_TYPE_INET) {
        return open_other(listener, addr, num, errp);
    }
    if (!open_inet(addr, num, &fds, errp)) {
        return -1;
    }
    for (guint i = 0; i < fds.fds->len; i++) {
        int *fd = &g_array_index(fds.fds, int, i);
        QIOChannelSocket *sioc = qio_channel_socket_new_fd(*fd, errp);

        if (!sioc) {
            return -1;
        }
        *fd = -1;
        g_ptr_array_add(siocs, sioc);
    }
    for (guint i = 0; i < siocs->len; i++) {
        qio_net_listener_add(listener, g_ptr_array_index(siocs, i));
    }
    return 0;
}

void qio_net_listener_disconnect(QIONetListener *listener)
{
    listener_disarm(listener);
    for (size_t i = 0; i < listener->nsioc; i++) {
        qio_channel_close(QIO_CHANNEL(listener->sioc[i]), NULL);
        object_unref(OBJECT(listener->sioc[i]));
    }
    g_clear_pointer(&listener->sioc, g_free);
    g_clear_pointer(&listener->io_source, g_free);
    listener->nsioc = 0;
    listener->connected = false;
}

bool qio_net_listener_is_connected(QIONetListener *listener)
{
    return listener->connected;
}

static void net_listener_finalize(Object *obj)
{
    QIONetListener *listener = QIO_NET_LISTENER(obj);

    qio_net_listener_disconnect(listener);
    if (listener->io_notify) {
        listener->io_notify(listener->io_data);
    }
    if (listener->context) {
        g_main_context_unref(listener->context);
    }
    g_free(listener->name);
}

const TypeInfo io_type_net_listener = {
    .parent = TYPE_OBJECT,
    .name = TYPE_QIO_NET_LISTENER,
    .instance_size = sizeof(QIONetListener),
    .instance_finalize = net_listener_finalize,
};
