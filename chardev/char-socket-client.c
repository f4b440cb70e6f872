/*
 * The connecting side. Name lookup and connect run without blocking; a lost
 * or failed connection is tried again after the reconnect time, if that was
 * asked for. A failure is reported once, not at every attempt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-socket-internal.h"

static void connect_done(QIOTask *task, gpointer opaque)
{
    SocketConn *c = opaque;
    Error *err = NULL;

    if (qio_task_propagate_error(task, &err)) {
        conn_drop(c, err);
    } else if (c->s) {
        Object *keep = object_ref(c->s);

        conn_connected(c);
        object_unref(keep);
    }
}

static void connect_start(SocketChardev *s)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    SocketConn *c = conn_new(s, sioc, CONN_CONNECTING);

    socket_update_filename(s);
    qio_channel_socket_connect_async(sioc, s->addr, connect_done, conn_ref(c),
                                     conn_unref, s->parent.gcontext);
}

static gboolean reconnect_fired(gpointer opaque)
{
    SocketChardev *s = opaque;

    char_source_clear(&s->reconnect_timer);
    connect_start(s);
    return G_SOURCE_REMOVE;
}

static void reconnect_arm(SocketChardev *s)
{
    char_source_clear(&s->reconnect_timer);
    s->reconnect_timer = qemu_chr_timeout_add_ms(
        &s->parent, socket_reconnect_ms(s), reconnect_fired, s);
}

void socket_client_lost(SocketChardev *s)
{
    if (socket_reconnect_ms(s) && s->parent.opened) {
        reconnect_arm(s);
    }
}

void socket_client_failed(SocketChardev *s, Error *err)
{
    if (!err) {
        error_setg(&err, "the connection was closed");
    }
    if (socket_reconnect_ms(s)) {
        if (!s->failure_reported) {
            s->failure_reported = true;
            warn_report("chardev '%s' could not connect, trying again: %s",
                        s->parent.label ? s->parent.label : "",
                        error_get_pretty(err));
        }
        error_free(err);
        reconnect_arm(s);
        return;
    }
    QEMU_LOCK_GUARD(&s->parent.chr_write_lock);
    error_free(s->failure);
    s->failure = err;
    qemu_cond_broadcast(&s->changed);
}

void socket_client_move(SocketChardev *s)
{
    bool connecting;

    if (s->reconnect_timer) {
        reconnect_arm(s);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        connecting = s->conns->len > 0 && s->ready == 0;
    }
    /* Its task is bound to the old context: begin again in the new one. */
    if (connecting) {
        conn_abandon(g_ptr_array_index(s->conns, 0));
        connect_start(s);
    }
}

/* A descriptor is connected already: there is nothing to wait for. */
static bool connect_fd(SocketChardev *s, Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    if (qio_channel_socket_connect_sync(sioc, s->addr, errp) < 0) {
        return false;
    }
    conn_connected(conn_new(s, sioc, CONN_CONNECTING));
    return true;
}

bool socket_client_open(SocketChardev *s, Error **errp)
{
    s->where = s->parent.gcontext;
    if (s->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        return connect_fd(s, errp);
    }
    connect_start(s);
    return true;
}

void socket_client_close(SocketChardev *s)
{
    char_source_clear(&s->reconnect_timer);
}
