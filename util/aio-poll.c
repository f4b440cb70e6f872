/*
 * One round of an AioContext: sleep until there is something to do, then do
 * it: BHs, descriptors, timers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"

#include "aio-internal.h"

#define NOTIFY_ME_POLL 2

/* First length of busy waiting, when adapting starts from nothing. */
#define POLL_START_NS 4000

/*
 * Adapts the length of busy waiting to how long this time it took until
 * something happened, @block_ns in all: waiting a little longer would have
 * caught it without sleeping, or would have been in vain.
 */
static void adapt_poll_ns(AioContext *ctx, int64_t block_ns)
{
    int64_t max = qatomic_read(&ctx->poll_max_ns);
    int64_t grow = qatomic_read(&ctx->poll_grow) ?: 2;
    int64_t shrink = qatomic_read(&ctx->poll_shrink);

    if (block_ns <= ctx->poll_ns) {
        return;
    }
    if (block_ns > max) {
        ctx->poll_ns = shrink ? ctx->poll_ns / shrink : 0;
    } else if (ctx->poll_ns < max) {
        ctx->poll_ns = ctx->poll_ns ? ctx->poll_ns * grow : POLL_START_NS;
    }
    ctx->poll_ns = MIN(ctx->poll_ns, max);
}

/* Sleeps if there is nothing to do. Returns: whether busy waiting did some. */
static bool aio_sleep(AioContext *ctx, AioReadySet *ready)
{
    int64_t max_poll = qatomic_read(&ctx->poll_max_ns);
    bool progress = false;
    int64_t timeout, start = 0;

    qatomic_fetch_add(&ctx->notify_me, NOTIFY_ME_POLL);
    timeout = aio_compute_timeout(ctx);
    if (timeout != 0 && max_poll) {
        start = get_clock();
        ctx->poll_ns = MIN(ctx->poll_ns, max_poll);
        if (ctx->poll_ns) {
            progress = aio_fd_busy_wait(ctx, ctx->poll_ns, &timeout);
            /* A BH may be what ended it. */
            timeout = qemu_soonest_timeout(timeout, aio_compute_timeout(ctx));
        }
    }
    aio_fd_wait(ctx, timeout, ready);
    qatomic_fetch_sub(&ctx->notify_me, NOTIFY_ME_POLL);
    aio_notify_accept(ctx);
    if (start) {
        adapt_poll_ns(ctx, get_clock() - start);
    }
    return progress;
}

static bool aio_round(AioContext *ctx, bool blocking)
{
    AioReadySet ready;
    bool progress = false;

    aio_fd_walk_begin(ctx);
    if (blocking) {
        progress = aio_sleep(ctx, &ready);
    } else {
        aio_fd_wait(ctx, 0, &ready);
    }
    progress |= aio_bh_poll(ctx) != 0;
    progress |= aio_fd_dispatch(ctx, &ready);
    aio_fd_walk_end(ctx);
    progress |= timerlistgroup_run_timers(&ctx->tlg);
    return progress;
}

bool aio_poll(AioContext *ctx, bool blocking)
{
    bool progress;

    assert(!qemu_get_current_aio_context() || in_aio_context_home_thread(ctx));
    /* A callback may drop the last reference of others. */
    aio_context_ref(ctx);
    progress = aio_round(ctx, blocking);
    aio_context_unref(ctx);
    return progress;
}

void aio_dispatch(AioContext *ctx)
{
    aio_round(ctx, false);
}

bool aio_pending(AioContext *ctx)
{
    AioReadySet ready;
    bool pending = aio_compute_timeout(ctx) == 0;

    if (!pending) {
        aio_fd_walk_begin(ctx);
        aio_fd_wait(ctx, 0, &ready);
        pending = ready.n > 0;
        aio_fd_walk_end(ctx);
    }
    return pending;
}
