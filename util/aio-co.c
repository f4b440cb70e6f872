/*
 * Coroutines and AioContexts: entering a coroutine in another context, by
 * way of a BH there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/coroutine.h"

#include "aio-internal.h"
#include "coroutine-internal.h"

/* Moves what other threads scheduled behind what is ready, in order. */
static void co_collect(AioContext *ctx)
{
    QSLIST_HEAD(, Coroutine) taken, turned = QSLIST_HEAD_INITIALIZER(turned);
    Coroutine *co;

    QSLIST_MOVE_ATOMIC(&taken, &ctx->co_scheduled);
    while ((co = QSLIST_FIRST(&taken))) {
        QSLIST_REMOVE_HEAD(&taken, scheduled_next);
        QSLIST_INSERT_HEAD(&turned, co, scheduled_next);
    }
    while ((co = QSLIST_FIRST(&turned))) {
        QSLIST_REMOVE_HEAD(&turned, scheduled_next);
        QSIMPLEQ_INSERT_TAIL(&ctx->co_ready, co, wakeup_next);
    }
}

static void co_schedule_bh(void *opaque)
{
    AioContext *ctx = opaque;
    Coroutine *co;

    co_collect(ctx);
    while ((co = QSIMPLEQ_FIRST(&ctx->co_ready))) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->co_ready, wakeup_next);
        /* The coroutine may poll for what one of the others does. */
        if (!QSIMPLEQ_EMPTY(&ctx->co_ready)) {
            qemu_bh_schedule(ctx->co_schedule_bh);
        }
        qatomic_store_release(&co->scheduled, (const char *)NULL);
        qemu_aio_coroutine_enter(ctx, co);
    }
}

void aio_co_setup(AioContext *ctx)
{
    QSIMPLEQ_INIT(&ctx->co_ready);
    ctx->co_schedule_bh =
        aio_bh_new_full(ctx, co_schedule_bh, ctx, "co_schedule_bh");
}

void aio_co_cleanup(AioContext *ctx)
{
    assert(QSLIST_EMPTY(&ctx->co_scheduled) && QSIMPLEQ_EMPTY(&ctx->co_ready));
    qemu_bh_delete(ctx->co_schedule_bh);
    ctx->co_schedule_bh = NULL;
}

void aio_co_schedule(AioContext *ctx, Coroutine *co)
{
    const char *scheduled =
        qatomic_cmpxchg(&co->scheduled, (const char *)NULL, __func__);

    if (unlikely(scheduled)) {
        g_error("coroutine was already scheduled by %s()", scheduled);
    }
    /* The coroutine may be what keeps @ctx alive, and run and end at once. */
    aio_context_ref(ctx);
    QSLIST_INSERT_HEAD_ATOMIC(&ctx->co_scheduled, co, scheduled_next);
    qemu_bh_schedule(ctx->co_schedule_bh);
    aio_context_unref(ctx);
}

typedef struct Reschedule {
    Coroutine *co;
    AioContext *new_ctx;
} Reschedule;

static void reschedule_bh(void *opaque)
{
    Reschedule *r = opaque;

    aio_co_schedule(r->new_ctx, r->co);
}

void coroutine_fn aio_co_reschedule_self(AioContext *new_ctx)
{
    AioContext *old_ctx = qemu_get_current_aio_context();
    Reschedule r = { .co = qemu_coroutine_self(), .new_ctx = new_ctx };

    assert(qemu_in_coroutine());
    if (old_ctx == new_ctx) {
        return;
    }
    /* From a BH of ours, which runs after the yield: not earlier. */
    aio_bh_schedule_oneshot(old_ctx, reschedule_bh, &r);
    qemu_coroutine_yield();
}

void aio_co_wake(Coroutine *co)
{
    /* The context that enter stored before the coroutine ran and yielded. */
    aio_co_enter(qatomic_load_acquire(&co->ctx), co);
}

void aio_co_enter(AioContext *ctx, Coroutine *co)
{
    if (ctx != qemu_get_current_aio_context()) {
        aio_co_schedule(ctx, co);
        return;
    }
    if (qemu_in_coroutine()) {
        Coroutine *self = qemu_coroutine_self();

        assert(self != co);
        QSIMPLEQ_INSERT_TAIL(&self->wakeups, co, wakeup_next);
        return;
    }
    qemu_aio_coroutine_enter(ctx, co);
}
