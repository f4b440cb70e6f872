/*
 * Connecting in the background.
 *
 *   start --name--> lookup in a thread --> first address --+--> done
 *     |                                       ^   | refused |
 *     +--digits, path, cid--------------------+   +---------+
 *   cancel, from any state and thread --> done, with an error
 *
 * The operation lives in the caller's GMainContext; only the lookup leaves
 * it. A resolver that hangs cannot be stopped, but it need not be waited for:
 * after a cancel its late answer finds the operation finished and is dropped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib-unix.h>

#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-io.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/sockets.h"

#include "channel-internal.h"
#include "channel-socket-internal.h"
#include "socket-internal.h"

/* Between attempts at a unix listener whose backlog is full. */
#define BACKLOG_RETRY_MS 20

struct SocketConnect {
    int refs;               /* atomic: the channel or context, and the lookup */
    QIOTask *task;          /* NULL = finished */
    QIOChannelSocket *sioc; /* owned reference until finished */
    SocketAddress *addr;    /* owned */
    GMainContext *context;  /* owned reference or NULL */
    SocketTargets targets;
    size_t next; /* target to try */
    SocketFailures failed;
    int fd;          /* being connected, owned; -1 = none */
    GSource *source; /* step to come, or watch of @fd; owned */
    QemuMutex lock;  /* guards @cancel, @cancelled */
    GSource *cancel; /* will finish with an error; owned */
    bool cancelled;
};

static void connect_unref(SocketConnect *c)
{
    if (qatomic_fetch_dec(&c->refs) > 1) {
        return;
    }
    qapi_free_SocketAddress(c->addr);
    socket_targets_clear(&c->targets);
    socket_failures_clear(&c->failed);
    if (c->context) {
        g_main_context_unref(c->context);
    }
    if (c->cancel) {
        g_source_unref(c->cancel);
    }
    qemu_mutex_destroy(&c->lock);
    g_free(c);
}

static void connect_drop_source(SocketConnect *c)
{
    if (c->source) {
        g_source_destroy(c->source);
        g_source_unref(c->source);
        c->source = NULL;
    }
}

/* Replace what the operation waits for; @source is taken. */
static void connect_set_source(SocketConnect *c, GSource *source,
                               GSourceFunc func)
{
    connect_drop_source(c);
    c->source = source;
    g_source_set_priority(c->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(c->source, func, c, NULL);
    g_source_attach(c->source, c->context);
}

/* The end. @err owned; NULL = connected. Thread: the context's. */
static void connect_finish(SocketConnect *c, Error *err)
{
    QIOTask *task = g_steal_pointer(&c->task);
    g_autoptr(QIOChannelSocket) sioc = g_steal_pointer(&c->sioc);

    WITH_QEMU_LOCK_GUARD(&sioc->connect_lock)
    {
        sioc->connect = NULL;
    }
    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        c->cancelled = true;
        if (c->cancel) {
            g_source_destroy(c->cancel);
        }
    }
    connect_drop_source(c);
    c->fd = fd_close(c->fd);
    trace_qio_channel_socket_connect_done(sioc, err ? error_get_pretty(err)
                                                    : "connected");
    if (err) {
        qio_task_set_error(task, err);
    }
    connect_unref(c);
    qio_task_complete(task);
}

static void connect_take_fd(SocketConnect *c)
{
    Error *err = NULL;

    connect_drop_source(c);
    if (!qemu_set_blocking(c->fd, true, &err) ||
        !socket_channel_set_fd(c->sioc, c->fd, &err)) {
        connect_finish(c, err);
        return;
    }
    c->fd = -1;
    connect_finish(c, NULL);
}

/* Then the source that ends it is on its way: nothing else to do. */
static bool connect_is_cancelled(SocketConnect *c)
{
    QEMU_LOCK_GUARD(&c->lock);
    return c->cancelled;
}

static gboolean connect_step(gpointer opaque);

static gboolean connect_fd_ready(gint fd, GIOCondition condition,
                                 gpointer opaque)
{
    SocketConnect *c = opaque;
    int err;

    if (connect_is_cancelled(c)) {
        return G_SOURCE_REMOVE;
    }
    err = socket_pending_error(c->fd);
    if (err == 0) {
        connect_take_fd(c);
        return G_SOURCE_REMOVE;
    }
    socket_failures_add(&c->failed, c->targets.t[c->next - 1].text, err);
    c->fd = fd_close(c->fd);
    connect_set_source(c, g_idle_source_new(), connect_step);
    return G_SOURCE_REMOVE;
}

/* Try the next address. */
static gboolean connect_step(gpointer opaque)
{
    SocketConnect *c = opaque;
    Error *err = NULL;
    bool pending = false;

    if (connect_is_cancelled(c)) {
        return G_SOURCE_REMOVE;
    }
    while (c->next < c->targets.n) {
        SocketTarget *t = &c->targets.t[c->next++];

        c->fd = socket_target_connect(t, c->addr, true, &pending);
        trace_qio_channel_socket_connect_try(c->sioc, t->text, pending);
        if (c->fd >= 0 && !pending) {
            connect_take_fd(c);
            return G_SOURCE_REMOVE;
        }
        if (c->fd >= 0) {
            connect_set_source(
                c, g_unix_fd_source_new(c->fd, G_IO_OUT | G_IO_ERR | G_IO_HUP),
                G_SOURCE_FUNC(connect_fd_ready));
            return G_SOURCE_REMOVE;
        }
        if (errno == EAGAIN && t->sa.ss_family == AF_UNIX) {
            /* The listener's backlog is full; there is no event for that. */
            c->next--;
            connect_set_source(c, g_timeout_source_new(BACKLOG_RETRY_MS),
                               connect_step);
            return G_SOURCE_REMOVE;
        }
        socket_failures_add(&c->failed, t->text, errno);
    }
    socket_failures_to_error(&c->failed, "connect to", c->addr, &err);
    connect_finish(c, err);
    return G_SOURCE_REMOVE;
}

/* -- lookup ---------------------------------------------------------------- */

typedef struct Lookup {
    SocketConnect *connect; /* counted reference */
    SocketAddress *addr;    /* owned */
    SocketTargets targets;
} Lookup;

static void lookup_free(gpointer opaque)
{
    Lookup *l = opaque;

    socket_targets_clear(&l->targets);
    qapi_free_SocketAddress(l->addr);
    connect_unref(l->connect);
    g_free(l);
}

static void lookup_worker(QIOTask *task, gpointer opaque)
{
    Lookup *l = opaque;
    Error *err = NULL;

    if (!socket_resolve(l->addr, SOCK_STREAM, false, &l->targets, &err)) {
        qio_task_set_error(task, err);
    }
}

static void lookup_done(QIOTask *task, gpointer opaque)
{
    Lookup *l = opaque;
    SocketConnect *c = l->connect;
    Error *err = NULL;

    if (!c->task) {
        return; /* cancelled meanwhile */
    }
    if (qio_task_propagate_error(task, &err)) {
        connect_finish(c, err);
        return;
    }
    c->targets = l->targets;
    l->targets = (SocketTargets){ 0 };
    connect_step(c);
}

static void lookup_start(SocketConnect *c)
{
    Lookup *l = g_new0(Lookup, 1);

    l->connect = c;
    qatomic_inc(&c->refs);
    l->addr = QAPI_CLONE(SocketAddress, c->addr);
    /* The task's source is not the channel: that may end before the lookup. */
    qio_task_run_in_thread(qio_task_new(NULL, lookup_done, l, lookup_free),
                           lookup_worker, l, NULL, c->context);
}

/* -- start and cancel ------------------------------------------------------ */

static gboolean connect_begin(gpointer opaque)
{
    SocketConnect *c = opaque;
    Error *err = NULL;

    WITH_QEMU_LOCK_GUARD(&c->sioc->connect_lock)
    {
        /* Orders this after ..._connect_async() in another thread. */
        assert(c->sioc->connect == c);
    }
    if (connect_is_cancelled(c)) {
        return G_SOURCE_REMOVE;
    }
    if (c->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        c->fd = socket_get_fd(c->addr->u.fd.str, &err);
        if (c->fd < 0) {
            connect_finish(c, err);
        } else {
            connect_take_fd(c);
        }
    } else if (socket_address_is_name(c->addr)) {
        connect_drop_source(c);
        lookup_start(c);
    } else if (!socket_resolve(c->addr, SOCK_STREAM, false, &c->targets,
                               &err)) {
        connect_finish(c, err);
    } else {
        connect_step(c);
    }
    return G_SOURCE_REMOVE;
}

void qio_channel_socket_connect_async(QIOChannelSocket *sioc,
                                      SocketAddress *addr, QIOTaskFunc callback,
                                      gpointer opaque, GDestroyNotify destroy,
                                      GMainContext *context)
{
    SocketConnect *c = g_new0(SocketConnect, 1);

    c->refs = 1;
    c->fd = -1;
    c->sioc = QIO_CHANNEL_SOCKET(object_ref(OBJECT(sioc)));
    c->addr = QAPI_CLONE(SocketAddress, addr);
    c->context = context ? g_main_context_ref(context) : NULL;
    c->task = qio_task_new(OBJECT(sioc), callback, opaque, destroy);
    qemu_mutex_init(&c->lock);
    trace_qio_channel_socket_connect_async(sioc,
                                           SocketAddressType_str(addr->type));
    QEMU_LOCK_GUARD(&sioc->connect_lock);
    assert(!sioc->connect && sioc->fd < 0);
    sioc->connect = c;
    connect_set_source(c, g_idle_source_new(), connect_begin);
}

static gboolean connect_cancelled(gpointer opaque)
{
    SocketConnect *c = opaque;
    Error *err = NULL;
    g_autofree char *uri = socket_uri(c->addr);

    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        assert(c->cancelled);
    }
    error_setg(&err, "connecting to %s was cancelled", uri);
    connect_finish(c, err);
    return G_SOURCE_REMOVE;
}

void qio_channel_socket_connect_cancel(QIOChannelSocket *sioc)
{
    QEMU_LOCK_GUARD(&sioc->connect_lock);
    SocketConnect *c = sioc->connect;

    if (!c) {
        return;
    }
    QEMU_LOCK_GUARD(&c->lock);
    if (c->cancelled) {
        return;
    }
    c->cancelled = true;
    c->cancel = g_idle_source_new();
    g_source_set_priority(c->cancel, G_PRIORITY_DEFAULT);
    g_source_set_callback(c->cancel, connect_cancelled, c, NULL);
    g_source_attach(c->cancel, c->context);
}
