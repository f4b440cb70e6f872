/*
 * Connecting, off the main loop: each connection is made in the thread that
 * is going to use it.
 *
 * The look-up of a name and connect() run in io/'s own way on a private
 * context, so that the wait can be looked at every few milliseconds: cancel
 * and the time limit end it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "io/channel-command.h"
#include "io/channel-tls.h"
#include "migration/migration-internal.h"
#include "migration/transport/pipe.h"
#include "migration/transport/transport.h"

#define CONNECT_LIMIT_MS 30000
#define CONNECT_LOOK_MS  20

/* A peer that is silent for so long is asked, so often, and has as long to
 * answer the last time: MIGRATION_SILENT_MS in all. */
#define ASK_IDLE_S 5
#define ASK_TIMES  2

/* Room for a few writes of pages; a wish, the system may give less. */
#define UNIX_BUFFER_BYTES (4 << 20)

typedef struct Connect {
    MigrationState *ms;
    QIOChannelSocket *sioc;
    unsigned limit_ms;
    int64_t end_us; /* monotonic */
    bool done;
    bool gave_up; /* by the time limit */
    Error *err;
} Connect;

static void connect_done(QIOTask *task, gpointer opaque)
{
    Connect *c = opaque;

    c->done = true;
    qio_task_propagate_error(task, &c->err);
}

/* Cancelling is asked for once; io/ then calls connect_done(). */
static gboolean connect_look(gpointer opaque)
{
    Connect *c = opaque;

    c->gave_up = g_get_monotonic_time() > c->end_us;
    if (c->gave_up || !migration_wants_channels(c->ms)) {
        qio_channel_socket_connect_cancel(c->sioc);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static bool connect_wait(Connect *c, SocketAddress *addr, Error **errp)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) look = g_timeout_source_new(CONNECT_LOOK_MS);

    g_source_set_callback(look, connect_look, c, NULL);
    g_source_attach(look, context);
    qio_channel_socket_connect_async(c->sioc, addr, connect_done, c, NULL,
                                     context);
    while (!c->done) {
        g_main_context_iteration(context, TRUE);
    }
    g_source_destroy(look);
    if (!c->err) {
        return true;
    }
    if (c->gave_up) {
        error_setg(errp, "no connection within %g seconds", c->limit_ms / 1e3);
        error_free(c->err);
    } else if (!migration_wants_channels(c->ms)) {
        error_setg(errp, "connecting was given up");
        error_free(c->err);
    } else {
        error_propagate(errp, c->err);
    }
    return false;
}

QIOChannelSocket *migration_socket(QIOChannel *ioc)
{
    QIOChannelTLS *tls =
        (QIOChannelTLS *)object_dynamic_cast(OBJECT(ioc), TYPE_QIO_CHANNEL_TLS);

    if (tls) {
        ioc = tls->master;
    }
    return (QIOChannelSocket *)object_dynamic_cast(OBJECT(ioc),
                                                   TYPE_QIO_CHANNEL_SOCKET);
}

bool migration_socket_has_ended(QIOChannel *ioc)
{
    QIOChannelSocket *sioc = migration_socket(ioc);
    struct pollfd p = { .fd = sioc ? sioc->fd : -1, .events = POLLRDHUP };

    return poll(&p, 1, 0) == 1;
}

QEMU_BUILD_BUG_ON(ASK_IDLE_S *(ASK_TIMES + 1) * 1000 != MIGRATION_SILENT_MS);

/* A wish, here and below: a UNIX socket has nothing of it, and needs nothing. */
void migration_socket_ask(QIOChannel *ioc)
{
    QIOChannelSocket *sioc = migration_socket(ioc);
    int on = 1, idle = ASK_IDLE_S, times = ASK_TIMES;

    if (sioc) {
        setsockopt(sioc->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(sioc->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        setsockopt(sioc->fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
        setsockopt(sioc->fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    }
}

void migration_socket_watch(QIOChannel *ioc)
{
    QIOChannelSocket *sioc = migration_socket(ioc);
    unsigned limit_ms = MIGRATION_SILENT_MS;

    migration_socket_ask(ioc);
    if (sioc) {
        setsockopt(sioc->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms,
                   sizeof(limit_ms));
    }
}

static void tune_socket(const MigrationTarget *t, QIOChannelSocket *sioc)
{
    int bytes = UNIX_BUFFER_BYTES;

    /* TCP sizes its buffers itself, and better. */
    if (t->kind == TRANSPORT_UNIX) {
        setsockopt(sioc->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    } else {
        qio_channel_set_delay(QIO_CHANNEL(sioc), false);
    }
}

static QIOChannel *connect_socket(MigrationState *ms, const MigrationTarget *t,
                                  unsigned limit_ms, Error **errp)
{
    Connect c = {
        .ms = ms,
        .sioc = qio_channel_socket_new(),
        .limit_ms = limit_ms,
        .end_us = g_get_monotonic_time() + limit_ms * INT64_C(1000),
    };

    qio_channel_set_name(QIO_CHANNEL(c.sioc), "migration-outgoing");
    if (!connect_wait(&c, t->socket, errp)) {
        object_unref(OBJECT(c.sioc));
        return NULL;
    }
    tune_socket(t, c.sioc);
    return QIO_CHANNEL(c.sioc);
}

static QIOChannel *run_command(const MigrationTarget *t, Error **errp)
{
    QIOChannelCommand *cmd = qio_channel_command_new_spawn(
        (const char *const *)t->argv, O_RDWR, errp);

    return cmd ? migration_pipe_new_take(QIO_CHANNEL(cmd), errp) : NULL;
}

QIOChannel *migration_connect_within(MigrationState *ms,
                                     const MigrationTarget *t,
                                     unsigned limit_ms, Error **errp)
{
    QIOChannel *ioc;

    switch (t->kind) {
    case TRANSPORT_INET:
    case TRANSPORT_UNIX:
    case TRANSPORT_VSOCK:
        ioc = connect_socket(ms, t, limit_ms, errp);
        break;
    case TRANSPORT_EXEC:
        ioc = run_command(t, errp);
        break;
    case TRANSPORT_FD_PIPE:
        ioc = migration_pipe_new_take(
            QIO_CHANNEL(object_ref(OBJECT(t->opened))), errp);
        break;
    default:
        ioc = QIO_CHANNEL(object_ref(OBJECT(t->opened)));
        break;
    }
    if (ioc && qio_channel_set_blocking(ioc, true, errp) < 0) {
        object_unref(OBJECT(ioc));
        return NULL;
    }
    return ioc;
}

QIOChannel *migration_connect(MigrationState *ms, const MigrationTarget *t,
                              Error **errp)
{
    return migration_connect_within(ms, t, CONNECT_LIMIT_MS, errp);
}
