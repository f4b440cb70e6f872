/*
 * The way of a connection from connected to ready: TLS, WebSocket, telnet.
 *
 * Steps that the options do not ask for are skipped. Each is asynchronous,
 * and one timer limits all of them together.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-tls.h"
#include "io/channel-websock.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-socket-internal.h"

static void conn_next(SocketConn *c);

static gboolean conn_timeout(gpointer opaque)
{
    SocketConn *c = opaque;
    Error *err = NULL;

    error_setg(&err, "the handshake took longer than %u ms",
               c->s->handshake_ms);
    conn_drop(c, err);
    return G_SOURCE_REMOVE;
}

/* Completion of a TLS or websocket handshake. */
static void conn_handshake_done(QIOTask *task, gpointer opaque)
{
    SocketConn *c = opaque;
    Error *err = NULL;

    if (qio_task_propagate_error(task, &err)) {
        conn_drop(c, err);
    } else if (c->s) {
        conn_next(c);
    }
}

static bool conn_start_tls(SocketConn *c, Error **errp)
{
    SocketChardev *s = c->s;
    QIOChannelTLS *tls;

    if (s->is_listen) {
        tls = qio_channel_tls_new_server(c->ioc, s->tls_creds, s->tls_authz,
                                         errp);
    } else {
        const char *name = s->tls_hostname;

        if (!name && s->addr->type == SOCKET_ADDRESS_TYPE_INET) {
            name = s->addr->u.inet.host;
        }
        tls = qio_channel_tls_new_client(c->ioc, s->tls_creds, name, errp);
    }
    if (!tls) {
        return false;
    }
    object_unref(c->ioc);
    c->ioc = QIO_CHANNEL(tls);
    qio_channel_set_name(c->ioc, "chardev-tls");
    qio_channel_tls_handshake(tls, conn_handshake_done, conn_ref(c), conn_unref,
                              s->parent.gcontext);
    return true;
}

static char *websock_host(SocketChardev *s)
{
    if (s->tls_hostname) {
        return g_strdup(s->tls_hostname);
    }
    if (s->addr->type == SOCKET_ADDRESS_TYPE_INET) {
        const char *host = s->addr->u.inet.host;

        return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
                               s->addr->u.inet.port);
    }
    return g_strdup("localhost");
}

static bool conn_start_websock(SocketConn *c, Error **errp)
{
    SocketChardev *s = c->s;
    QIOChannelWebsock *ws;

    if (s->is_listen) {
        ws = qio_channel_websock_new_server(c->ioc);
    } else {
        g_autofree char *host = websock_host(s);

        ws = qio_channel_websock_new_client(c->ioc, host, NULL, errp);
    }
    if (!ws) {
        return false;
    }
    object_unref(c->ioc);
    c->ioc = QIO_CHANNEL(ws);
    qio_channel_set_name(c->ioc, "chardev-websock");
    qio_channel_websock_handshake(ws, conn_handshake_done, conn_ref(c),
                                  conn_unref, s->parent.gcontext);
    return true;
}

/* Input of a tn3270 terminal that has not agreed yet. */
static gboolean conn_negotiate(QIOChannel *ioc, GIOCondition cond,
                               gpointer opaque)
{
    SocketConn *c = conn_ref(opaque);
    uint8_t buf[256], data[sizeof(buf) + 1];
    ssize_t n = conn_read_some(c, buf, sizeof(buf));
    size_t used = 0, data_len;
    TelnetEvent event = TELNET_EVENT_NONE;

    if (n <= 0 && n != QIO_CHANNEL_ERR_BLOCK) {
        conn_drop(c, NULL);
    }
    while (n > 0 && used < (size_t)n && event == TELNET_EVENT_NONE) {
        used +=
            conn_telnet_step(c, buf + used, n - used, data, &data_len, &event);
    }
    if (event == TELNET_EVENT_READY) {
        g_autofree uint8_t *rest = g_memdup2(buf + used, n - used);

        remove_io_watch_poll(c->in);
        c->in = NULL;
        conn_next(c);
        conn_telnet_input(c, rest, n - used);
    } else if (event != TELNET_EVENT_NONE) {
        Error *err = NULL;

        error_setg(&err, "the terminal refused the 3270 options");
        conn_drop(c, err);
    }
    conn_unref(c);
    return G_SOURCE_CONTINUE;
}

static int conn_always(void *opaque)
{
    return 1;
}

static void conn_start_telnet(SocketConn *c)
{
    uint8_t greeting[TELNET_REPLY_MAX];
    SocketChardev *s = c->s;

    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        c->telnet = g_new0(TelnetCodec, 1);
        telnet_init(c->telnet, s->is_tn3270   ? TELNET_TN3270_SERVER
                               : s->is_listen ? TELNET_SERVER
                                              : TELNET_CLIENT);
        conn_send_or_keep(c, greeting, telnet_take_reply(c->telnet, greeting));
    }
    if (c->telnet->ready) {
        conn_next(c);
        return;
    }
    c->in = io_add_watch_poll(&s->parent, c->ioc, conn_always, conn_negotiate,
                              c, s->parent.gcontext);
}

/* The first client opens the line; a later silent one joins it. */
static void conn_ready(SocketConn *c)
{
    SocketChardev *s = c->s;
    bool first;

    char_source_clear(&c->timer);
    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        first = s->ready++ == 0;
        c->state = CONN_READY;
        if (first) {
            buffer_reset(&s->replay);
            s->replay_full = false;
        } else if (!s->replay_full && !buffer_empty(&s->replay)) {
            conn_queue(c, s->replay.buffer, s->replay.offset);
        }
        qemu_cond_broadcast(&s->changed);
    }
    if (!s->is_listen) {
        s->failure_reported = false;
        socket_claim(c);
    }
    socket_update_filename(s);
    conn_attach(c);
    if (first) {
        qemu_chr_be_event(&s->parent, CHR_EVENT_OPENED);
    }
}

/* The next step that the options ask for. */
static void conn_next(SocketConn *c)
{
    SocketChardev *s = c->s;
    Error *err = NULL;
    bool ok = true;

    if (c->state < CONN_TLS && s->tls_creds) {
        conn_set_state(c, CONN_TLS);
        ok = conn_start_tls(c, &err);
    } else if (c->state < CONN_WEBSOCK && s->is_websock) {
        conn_set_state(c, CONN_WEBSOCK);
        ok = conn_start_websock(c, &err);
    } else if (c->state < CONN_TELNET && (s->is_telnet || s->is_tn3270)) {
        conn_set_state(c, CONN_TELNET);
        conn_start_telnet(c);
    } else {
        conn_ready(c);
    }
    if (!ok) {
        conn_drop(c, err);
    }
}

void conn_connected(SocketConn *c)
{
    SocketChardev *s = c->s;
    g_autofree char *name = NULL;

    c->ioc = QIO_CHANNEL(object_ref(c->sioc));
    qio_channel_set_blocking(c->ioc, false, NULL);
    if (s->nodelay) {
        qio_channel_set_delay(c->ioc, false);
    }
    name =
        g_strdup_printf("chardev-tcp-%s-%s", s->is_listen ? "server" : "client",
                        s->parent.label ? s->parent.label : "anonymous");
    qio_channel_set_name(c->ioc, name);
    conn_yank_register(c);
    if (s->handshake_ms && (s->tls_creds || s->is_websock || s->is_tn3270)) {
        c->timer = qemu_chr_timeout_add_ms(&s->parent, s->handshake_ms,
                                           conn_timeout, c);
    }
    conn_next(c);
}
