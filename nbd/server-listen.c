/*
 * Listening sockets of the NBD server.
 *
 * They are watched by the main AioContext and not by GLib's: a command that
 * waits in the main loop for a client of this same process (blockdev-add of an
 * own export, say) runs that context, so its connection is accepted.
 *
 * Out of descriptors, accepting pauses for a moment instead of spinning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "util/main-loop.h"

#include "server-internal.h"

#define LISTEN_BACKLOG 128
/* Pause when out of descriptors. */
#define BACKOFF_MS 100
/* Clients taken in one go, so that others get their turn. */
#define ACCEPT_BATCH 16

static void server_acceptable(void *opaque);

static void watch_all(NBDServer *s, bool on)
{
    for (guint i = 0; i < s->listeners->len; i++) {
        QIONetListener *l = g_ptr_array_index(s->listeners, i);

        for (size_t k = 0; k < l->nsioc; k++) {
            qio_channel_set_aio_fd_handler(QIO_CHANNEL(l->sioc[k]),
                                           qemu_get_aio_context(),
                                           on ? server_acceptable : NULL, NULL,
                                           s);
        }
    }
}

void nbd_server_set_listening(NBDServer *s, bool on)
{
    if (s->listening != on) {
        s->listening = on;
        timer_del(s->backoff);
        watch_all(s, on);
    }
}

void nbd_server_accept_again(void *opaque)
{
    NBDServer *s = opaque;

    if (s->listening) {
        watch_all(s, true);
    }
}

static void back_off(NBDServer *s)
{
    watch_all(s, false);
    timer_mod(s->backoff, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + BACKOFF_MS);
}

/* Returns: false: no more from this socket now. */
static bool accept_one(NBDServer *s, QIOChannelSocket *listener)
{
    g_autoptr(QIOChannelSocket) sioc = NULL;

    switch (qio_channel_socket_try_accept(listener, &sioc, NULL)) {
    case QIO_ACCEPT_OK:
        qio_channel_set_name(QIO_CHANNEL(sioc), "nbd-server");
        nbd_server_serve(s, sioc);
        return true;
    case QIO_ACCEPT_NONE:
        return false;
    case QIO_ACCEPT_NO_FDS:
    case QIO_ACCEPT_ERROR:
        back_off(s);
        return false;
    }
    return false;
}

/* Some of the sockets has a client; looking at a few costs little. */
static void server_acceptable(void *opaque)
{
    NBDServer *s = opaque;

    for (guint i = 0; i < s->listeners->len; i++) {
        QIONetListener *l = g_ptr_array_index(s->listeners, i);

        for (size_t k = 0; k < l->nsioc; k++) {
            int n = 0;

            while (s->listening && n++ < ACCEPT_BATCH &&
                   accept_one(s, l->sioc[k])) {
            }
        }
    }
}

static void take_listener(NBDServer *s, QIONetListener *listener)
{
    qio_net_listener_set_name(listener, "nbd-server");
    g_ptr_array_add(s->listeners, listener);
    if (s->listening) {
        watch_all(s, true);
    }
}

bool nbd_server_listen(NBDServer *s, SocketAddress *addr, Error **errp)
{
    g_autoptr(QIONetListener) listener = qio_net_listener_new();

    if (qio_net_listener_open_sync(listener, addr, LISTEN_BACKLOG, errp) < 0) {
        return false;
    }
    take_listener(s, g_steal_pointer(&listener));
    return true;
}

void nbd_server_add_listener(NBDServer *s, QIOChannelSocket *sioc)
{
    QIONetListener *listener = qio_net_listener_new();

    qio_net_listener_add(listener, sioc);
    take_listener(s, listener);
}

SocketAddress *nbd_server_address(NBDServer *s)
{
    QIONetListener *l =
        s->listeners->len ? g_ptr_array_index(s->listeners, 0) : NULL;

    return l && l->nsioc
               ? qio_channel_socket_get_local_address(l->sioc[0], NULL)
               : NULL;
}
