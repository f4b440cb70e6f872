/*
 * What query-chardev shows for a socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "util/lockable.h"

#include "char-socket-internal.h"

static const char *protocol(SocketChardev *s)
{
    return s->is_telnet    ? "telnet"
           : s->is_tn3270  ? "tn3270"
           : s->is_websock ? "websocket"
                           : "tcp";
}

static char *inet_text(const InetSocketAddress *a)
{
    return g_strdup_printf(strchr(a->host, ':') ? "[%s]:%s" : "%s:%s", a->host,
                           a->port);
}

static char *address_text(SocketChardev *s, const SocketAddress *addr)
{
    const char *server = s->is_listen ? ",server=on" : "";
    g_autofree char *inet = NULL;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        inet = inet_text(&addr->u.inet);
        return g_strdup_printf("%s:%s%s", protocol(s), inet, server);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return g_strdup_printf("unix:%s%s%s", addr->u.q_unix.path,
                               addr->u.q_unix.has_abstract &&
                                       addr->u.q_unix.abstract
                                   ? ",abstract=on"
                                   : "",
                               server);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("vsock:%s:%s%s", addr->u.vsock.cid,
                               addr->u.vsock.port, server);
    case SOCKET_ADDRESS_TYPE_FD:
        return g_strdup_printf("fd:%s%s", addr->u.fd.str, server);
    default:
        return g_strdup("socket");
    }
}

char *socket_address_text(SocketChardev *s)
{
    return address_text(s, s->bound ? s->bound : s->addr);
}

/* "tcp:us:port,server=on <-> them:port" */
static char *connected_text(SocketChardev *s, SocketConn *c)
{
    g_autoptr(SocketAddress) local = NULL;
    g_autoptr(SocketAddress) remote = NULL;
    g_autofree char *text = NULL, *peer = NULL;

    local = qio_channel_socket_get_local_address(c->sioc, NULL);
    remote = qio_channel_socket_get_remote_address(c->sioc, NULL);
    if (!local || !remote || local->type != SOCKET_ADDRESS_TYPE_INET ||
        remote->type != SOCKET_ADDRESS_TYPE_INET) {
        return socket_address_text(s);
    }
    text = address_text(s, local);
    peer = inet_text(&remote->u.inet);
    return g_strdup_printf("%s <-> %s", text, peer);
}

void socket_update_filename(SocketChardev *s)
{
    Chardev *chr = &s->parent;
    SocketConn *c = NULL;
    char *text, *old;

    WITH_QEMU_LOCK_GUARD(&chr->chr_write_lock)
    {
        for (guint i = 0; i < s->conns->len && !c; i++) {
            SocketConn *one = g_ptr_array_index(s->conns, i);

            c = one->state == CONN_READY ? one : NULL;
        }
        c = s->owner ? s->owner : c;
    }
    if (c) {
        text = connected_text(s, c);
    } else {
        g_autofree char *addr = socket_address_text(s);

        text = g_strconcat("disconnected:", addr, NULL);
    }
    WITH_QEMU_LOCK_GUARD(&chr->chr_write_lock)
    {
        old = chr->filename;
        chr->filename = text;
    }
    g_free(old);
}
