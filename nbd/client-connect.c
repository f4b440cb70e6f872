/*
 * The thread that makes an NBD client's connections: the first one, more when
 * there is much to do, and again when they broke.
 *
 * Connecting and the handshake may take as long as the server likes, up to a
 * limit: nobody else waits for them. The handshake runs as a coroutine in the
 * thread's own AioContext, with a timer beside it that cuts the connection.
 * Closing the client cancels either.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/task.h"
#include "util/aio-wait.h"
#include "util/atomic.h"

#include "client-internal.h"

/* -- one attempt ------------------------------------------------------------------ */

typedef struct Attempt {
    NBDClient *c;
    QIOChannelSocket *sioc; /* owned */
    bool done;
    bool late;
    QIOChannel *ioc; /* owned; the result of the handshake */
    NBDExportInfo info;
    Error *err;
} Attempt;

static void attempt_clear(Attempt *a)
{
    object_unref(OBJECT(a->sioc));
    if (a->ioc) {
        object_unref(OBJECT(a->ioc));
    }
    nbd_export_info_clear(&a->info);
    error_free(a->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attempt, attempt_clear)

static void attempt_connected(QIOTask *task, gpointer opaque)
{
    Attempt *a = opaque;

    qio_task_propagate_error(task, &a->err);
    a->done = true;
}

static gboolean attempt_connect_late(gpointer opaque)
{
    Attempt *a = opaque;

    qio_channel_socket_connect_cancel(a->sioc);
    return G_SOURCE_REMOVE;
}

static bool client_is_closed(NBDClient *c)
{
    QEMU_LOCK_GUARD(&c->lock);

    return c->state == NBD_CLIENT_CLOSED;
}

static bool attempt_connect(Attempt *a)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timer = g_timeout_source_new(NBD_CLIENT_CONNECT_MS);

    a->done = false;
    qio_channel_socket_connect_async(a->sioc, a->c->addr, attempt_connected, a,
                                     NULL, context);
    g_source_set_callback(timer, attempt_connect_late, a, NULL);
    g_source_attach(timer, context);
    if (client_is_closed(a->c)) {
        /* It came before there was something to cancel. */
        qio_channel_socket_connect_cancel(a->sioc);
    }
    while (!a->done) {
        g_main_context_iteration(context, true);
    }
    g_source_destroy(timer);
    return !a->err;
}

static void attempt_late(void *opaque)
{
    Attempt *a = opaque;

    a->late = true;
    qio_channel_shutdown(QIO_CHANNEL(a->sioc), QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
}

static void coroutine_fn attempt_entry(void *opaque)
{
    Attempt *a = opaque;

    qio_channel_set_delay(QIO_CHANNEL(a->sioc), false);
    if (qio_channel_set_blocking(QIO_CHANNEL(a->sioc), false, &a->err) == 0) {
        a->ioc = nbd_client_negotiate(QIO_CHANNEL(a->sioc), &a->c->n, &a->info,
                                      &a->err);
    }
    a->done = true;
}

static bool attempt_handshake(Attempt *a, AioContext *ctx)
{
    QEMUTimer *timer =
        aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_MS, attempt_late, a);

    timer_mod(timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + NBD_CLIENT_HANDSHAKE_MS);
    a->done = false;
    qemu_aio_coroutine_enter(ctx, qemu_coroutine_create(attempt_entry, a));
    while (!a->done) {
        aio_poll(ctx, true);
    }
    timer_free(timer);
    if (a->err && a->late) {
        g_clear_pointer(&a->err, error_free);
        error_setg(&a->err,
                   "the NBD server took longer than %d s over the "
                   "handshake",
                   NBD_CLIENT_HANDSHAKE_MS / 1000);
    }
    return !a->err;
}

/* Returns: NULL, or why there is no new connection; owned by the caller. */
static Error *client_attempt(NBDClient *c, AioContext *ctx)
{
    g_auto(Attempt) a = { .c = c, .sioc = qio_channel_socket_new() };
    bool ok;

    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        c->attempt = a.sioc;
    }
    qio_channel_set_name(QIO_CHANNEL(a.sioc), "nbd-client");
    ok = attempt_connect(&a) && attempt_handshake(&a, ctx) &&
         nbd_client_add(c, a.ioc, a.sioc, &a.info, &a.err);
    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        c->attempt = NULL;
    }
    return ok ? NULL : g_steal_pointer(&a.err);
}

/* -- when ---------------------------------------------------------------------------- */

/* With the lock. */
static bool wants_connection(const NBDClient *c)
{
    if (c->n_conns == 0) {
        return true;
    }
    return c->grow && c->n_conns < c->target;
}

/* With the lock: an attempt has failed. Returns: ms until the next one. */
static unsigned client_failed(NBDClient *c, Error *err, unsigned pause)
{
    error_free(c->error);
    c->error = err;
    if (c->n_conns > 0) {
        c->target = c->n_conns; /* so it goes without more of them */
        return 0;
    }
    if (!qatomic_read(&c->opened) &&
        qemu_clock_get_ms(QEMU_CLOCK_REALTIME) >= c->open_deadline_ms) {
        qatomic_store_release(&c->opened, -1);
        c->state = NBD_CLIENT_CLOSED;
        aio_wait_kick();
    }
    return MIN(pause ? pause * 2 : NBD_CLIENT_RETRY_MS, NBD_CLIENT_RETRY_MAX);
}

/* With the lock: until it is time, or something changes. */
static void client_pause(NBDClient *c, unsigned ms)
{
    int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms, now;

    while (c->state != NBD_CLIENT_CLOSED && !c->retry_now &&
           (now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME)) < end) {
        qemu_cond_timedwait(&c->cond, &c->lock, (int)(end - now));
    }
    c->retry_now = false;
}

static void client_connect_loop(NBDClient *c, AioContext *ctx)
{
    unsigned pause = 0;

    qemu_mutex_lock(&c->lock);
    while (c->state != NBD_CLIENT_CLOSED) {
        Error *err;

        if (!wants_connection(c)) {
            qemu_cond_wait(&c->cond, &c->lock);
            continue;
        }
        qemu_mutex_unlock(&c->lock);
        err = client_attempt(c, ctx);
        qemu_mutex_lock(&c->lock);
        /* Who needs a second connection will need all: one after the other. */
        c->grow &= !err && c->n_conns < c->target;
        if (err) {
            pause = client_failed(c, err, pause);
            client_pause(c, pause);
        } else {
            pause = 0;
        }
    }
    qemu_mutex_unlock(&c->lock);
}

void *nbd_client_connect_thread(void *opaque)
{
    NBDClient *c = opaque;
    Error *err = NULL;
    AioContext *ctx = aio_context_new(&err);

    if (!ctx) {
        QEMU_LOCK_GUARD(&c->lock);

        c->error = err;
        c->state = NBD_CLIENT_CLOSED;
        qatomic_store_release(&c->opened, -1);
        aio_wait_kick();
        return NULL;
    }
    qemu_set_current_aio_context(ctx);
    client_connect_loop(c, ctx);
    aio_context_unref(ctx);
    return NULL;
}
