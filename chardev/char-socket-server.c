/*
 * The listening side: who becomes the client.
 *
 * A character device talks to one peer, but a listener cannot know which of
 * those who connect is one. So connections wait side by side:
 *
 *   handshaking   TLS, websocket or 3270 negotiation under way, limited in
 *                 time and number;
 *   silent        connected, has not sent a byte yet. All of them get the
 *                 output, and the first SOCKET_REPLAY_MAX bytes of it even
 *                 when they come later, so each sees what a lone client
 *                 would: a greeting, a prompt;
 *   owner         the first to send a byte. The others are closed and nobody
 *                 is accepted until the owner leaves.
 *
 * A client that connects and says nothing therefore keeps nobody out. When
 * there are too many unclaimed connections the oldest makes way, except the
 * one that has been connected longest: a reader that never types (a log) is
 * not pushed out by a crowd. docs/decisions has the alternatives.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-socket-internal.h"

void socket_claim(SocketConn *c)
{
    SocketChardev *s = c->s;

    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        if (s->owner) {
            return;
        }
        s->owner = c;
        buffer_free(&s->replay);
    }
    conn_drop_all(s, c);
    socket_server_update(s);
    socket_update_filename(s);
}

/*
 * The connection that makes way for a new one: one that has left unnoticed
 * (the front end does not read), else the oldest, but not the first that is
 * through its handshake. Lock held.
 */
static SocketConn *find_victim(SocketChardev *s)
{
    SocketConn *oldest = NULL;
    bool senior_seen = false;

    for (guint i = 0; i < s->conns->len; i++) {
        SocketConn *c = g_ptr_array_index(s->conns, i);

        if (conn_peer_left(c)) {
            return c;
        }
        if (c->state == CONN_READY && !senior_seen) {
            senior_seen = true;
        } else if (!oldest) {
            oldest = c;
        }
    }
    return oldest;
}

static void make_room(SocketChardev *s)
{
    for (;;) {
        SocketConn *victim = NULL;

        WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
        {
            if (s->conns->len >= SOCKET_UNCLAIMED_MAX) {
                victim = find_victim(s);
            }
        }
        if (!victim) {
            return;
        }
        conn_drop(victim, NULL);
    }
}

void socket_accept(SocketChardev *s, QIOChannelSocket *sioc)
{
    make_room(s);
    conn_connected(conn_new(s, sioc, CONN_CONNECTING));
}

static void socket_client_arrived(QIONetListener *listener,
                                  QIOChannelSocket *sioc, gpointer opaque)
{
    SocketChardev *s = opaque;
    Object *keep = object_ref(s);

    socket_accept(s, sioc);
    object_unref(keep);
}

void socket_server_update(SocketChardev *s)
{
    bool accept;

    if (!s->listener) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        accept = s->owner == NULL;
    }
    if (accept == s->listening && s->where == s->parent.gcontext) {
        return;
    }
    s->listening = accept;
    qio_net_listener_set_client_func_full(s->listener,
                                          accept ? socket_client_arrived : NULL,
                                          s, NULL, s->parent.gcontext);
}

bool socket_server_open(SocketChardev *s, Error **errp)
{
    g_autofree char *name = NULL;

    s->listener = qio_net_listener_new();
    name = g_strdup_printf("chardev-tcp-listener-%s",
                           s->parent.label ? s->parent.label : "anonymous");
    qio_net_listener_set_name(s->listener, name);
    if (qio_net_listener_open_sync(s->listener, s->addr, SOCKET_LISTEN_BACKLOG,
                                   errp) < 0) {
        return false;
    }
    s->bound = qio_channel_socket_get_local_address(s->listener->sioc[0], NULL);
    s->where = s->parent.gcontext;
    socket_server_update(s);
    socket_update_filename(s);
    return true;
}

void socket_server_close(SocketChardev *s)
{
    if (s->listener) {
        qio_net_listener_set_client_func_full(s->listener, NULL, NULL, NULL,
                                              s->parent.gcontext);
        qio_net_listener_disconnect(s->listener);
        object_unref(s->listener);
        s->listener = NULL;
        s->listening = false;
    }
}

const SocketAddress *qemu_chr_socket_local_address(Chardev *chr)
{
    return SOCKET_CHARDEV(chr)->bound;
}
