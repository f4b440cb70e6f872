/*
 * AioContext: life, notification, settings, and being a GSource.
 *
 * Sleeping and waking: the home thread sets notify_me, looks for work, and
 * sleeps if there is none; another thread makes work, looks at notify_me and
 * writes to the eventfd if it is set. As all four steps are sequentially
 * consistent at least one side sees the other, so no work is slept over and
 * no system call is made while the loop is awake. "notified" spares the
 * second and later writes.
 *
 * As a GSource the context shows GLib one descriptor only, its epoll set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/thread-pool.h"

#include "aio-internal.h"

#define NOTIFY_ME_SOURCE 1

static __thread AioContext *current_context;

AioContext *qemu_get_current_aio_context(void)
{
    return current_context;
}

void qemu_set_current_aio_context(AioContext *ctx)
{
    assert(!current_context || !ctx || current_context == ctx);
    current_context = ctx;
}

/* -- notification ---------------------------------------------------------- */

void aio_notify(AioContext *ctx)
{
    if (qatomic_mb_read(&ctx->notify_me) &&
        !qatomic_xchg(&ctx->notified, true)) {
        event_notifier_set(&ctx->notifier);
    }
}

void aio_notify_accept(AioContext *ctx)
{
    if (qatomic_read(&ctx->notified)) {
        /* First the eventfd: a set that comes in between then only costs a
         * turn of the loop; the other way round it would get lost. */
        event_notifier_test_and_clear(&ctx->notifier);
        (void)qatomic_xchg(&ctx->notified, false);
    }
}

static void notifier_readable(void *opaque)
{
    AioContext *ctx = opaque;

    event_notifier_test_and_clear(&ctx->notifier);
    (void)qatomic_xchg(&ctx->notified, false);
}

static bool notifier_poll(void *opaque)
{
    AioContext *ctx = opaque;

    return qatomic_read(&ctx->notified);
}

static void timers_changed(void *opaque, QEMUClockType type)
{
    aio_notify(opaque);
}

/* -- GSource --------------------------------------------------------------- */

int64_t aio_compute_timeout(AioContext *ctx)
{
    int64_t timeout = aio_bh_timeout(ctx);

    if (timeout == 0 || aio_fd_always_ready(ctx)) {
        return 0;
    }
    return qemu_soonest_timeout(timeout, timerlistgroup_deadline_ns(&ctx->tlg));
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
    AioContext *ctx = (AioContext *)source;

    qatomic_fetch_or(&ctx->notify_me, NOTIFY_ME_SOURCE);
    *timeout = qemu_timeout_ns_to_ms(aio_compute_timeout(ctx));
    return *timeout == 0;
}

static gboolean source_check(GSource *source)
{
    AioContext *ctx = (AioContext *)source;

    qatomic_fetch_and(&ctx->notify_me, ~NOTIFY_ME_SOURCE);
    aio_notify_accept(ctx);
    return g_source_query_unix_fd(source, ctx->epoll_tag) ||
           aio_compute_timeout(ctx) == 0;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback,
                                gpointer user_data)
{
    aio_dispatch((AioContext *)source);
    return TRUE;
}

/*
 * GLib's reference count orders the last use by each thread before the end. The
 * thread sanitizer does not see into GLib: it gets a count that it sees.
 */
static void tell_sanitizer(AioContext *ctx)
{
#ifdef __SANITIZE_THREAD__
    qatomic_inc(&ctx->unrefs);
#endif
}

static void source_finalize(GSource *source)
{
    AioContext *ctx = (AioContext *)source;

    tell_sanitizer(ctx);
    if (ctx->thread_pool) {
        thread_pool_free(ctx->thread_pool);
    }
    if (ctx->uring) {
        aio_uring_free(ctx->uring);
    }
    if (ctx->co_schedule_bh) {
        aio_co_cleanup(ctx);
    }
    aio_bh_cleanup(ctx);
    aio_fd_cleanup(ctx);
    event_notifier_cleanup(&ctx->notifier);
    if (ctx->tlg.tl[0]) {
        timerlistgroup_deinit(&ctx->tlg);
    }
    qemu_rec_mutex_destroy(&ctx->lock);
}

static GSourceFuncs aio_source_funcs = {
    .prepare = source_prepare,
    .check = source_check,
    .dispatch = source_dispatch,
    .finalize = source_finalize,
};

GSource *aio_get_g_source(AioContext *ctx)
{
    if (!ctx->epoll_tag) {
        aio_fd_use_epoll(ctx);
        ctx->epoll_tag =
            g_source_add_unix_fd(&ctx->source, ctx->epollfd, G_IO_IN);
    }
    return g_source_ref(&ctx->source);
}

/* -- life ------------------------------------------------------------------ */

AioContext *aio_context_new(Error **errp)
{
    AioContext *ctx =
        (AioContext *)g_source_new(&aio_source_funcs, sizeof(AioContext));
    int ret;

    /* GLib zeroed what is behind the GSource. */
    qemu_rec_mutex_init(&ctx->lock);
    QSIMPLEQ_INIT(&ctx->bh_ready);
    ctx->epollfd = -1;
    ctx->thread_pool_max = THREAD_POOL_MAX_THREADS_DEFAULT;
    g_source_set_can_recurse(&ctx->source, TRUE);
    g_source_set_static_name(&ctx->source, "aio-context");

    if (!aio_fd_setup(ctx, errp)) {
        aio_context_unref(ctx);
        return NULL;
    }
    ret = event_notifier_init(&ctx->notifier, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not create an event notifier");
        aio_context_unref(ctx);
        return NULL;
    }
    aio_fd_set_internal(ctx, event_notifier_get_fd(&ctx->notifier),
                        notifier_readable, notifier_poll);
    timerlistgroup_init(&ctx->tlg, timers_changed, ctx);
    aio_co_setup(ctx);
    return ctx;
}

void aio_context_ref(AioContext *ctx)
{
    g_source_ref(&ctx->source);
}

void aio_context_unref(AioContext *ctx)
{
    if (ctx) {
        tell_sanitizer(ctx);
        g_source_unref(&ctx->source);
    }
}

void aio_context_acquire(AioContext *ctx)
{
    qemu_rec_mutex_lock(&ctx->lock);
}

void aio_context_release(AioContext *ctx)
{
    qemu_rec_mutex_unlock(&ctx->lock);
}

QEMUTimerListGroup *aio_context_timers(AioContext *ctx)
{
    return &ctx->tlg;
}

/* -- settings -------------------------------------------------------------- */

bool aio_context_set_poll_params(AioContext *ctx, int64_t max_ns, int64_t grow,
                                 int64_t shrink, Error **errp)
{
    if (max_ns < 0 || grow < 0 || shrink < 0) {
        error_setg(errp, "polling parameters must not be negative");
        return false;
    }
    qatomic_set(&ctx->poll_max_ns, max_ns);
    qatomic_set(&ctx->poll_grow, grow);
    qatomic_set(&ctx->poll_shrink, shrink);
    aio_notify(ctx);
    return true;
}

bool aio_context_set_aio_params(AioContext *ctx, int64_t max_batch,
                                Error **errp)
{
    if (max_batch < 0) {
        error_setg(errp, "aio-max-batch must not be negative");
        return false;
    }
    qatomic_set(&ctx->aio_max_batch, max_batch);
    return true;
}

bool aio_context_set_thread_pool_params(AioContext *ctx, int64_t min,
                                        int64_t max, Error **errp)
{
    if (min < 0 || max < 1 || min > max || max > INT_MAX) {
        error_setg(errp,
                   "bad thread-pool-min/thread-pool-max values "
                   "%" PRId64 "/%" PRId64,
                   min, max);
        return false;
    }
    ctx->thread_pool_min = min;
    ctx->thread_pool_max = max;
    if (ctx->thread_pool) {
        thread_pool_update_params(ctx->thread_pool, ctx);
    }
    return true;
}

ThreadPool *aio_get_thread_pool(AioContext *ctx)
{
    if (!ctx->thread_pool) {
        ctx->thread_pool = thread_pool_new(ctx);
    }
    return ctx->thread_pool;
}
