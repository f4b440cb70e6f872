/*
 * Bottom halves.
 *
 * Scheduling pushes the BH on bh_new, a stack that any thread may push to
 * without a lock; the home thread takes the stack as a whole, turns it
 * round and appends it to bh_ready, so that BHs run in the order they were
 * scheduled in. A round serves what was there when it began, by sequence
 * number: a BH that schedules itself does not keep the loop from its other
 * work. A nested aio_poll() goes on where the outer round stands, because
 * it may wait for one of the BHs that are still to come.
 *
 * All state changes go through one atomic word, BH_PENDING in it says that
 * the BH is in one of the two lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"

#include "aio-internal.h"

enum {
    BH_PENDING = 1 << 0,   /* in a list */
    BH_SCHEDULED = 1 << 1, /* to be called */
    BH_IDLE = 1 << 2,      /* with less haste */
    BH_ONESHOT = 1 << 3,   /* free after the call */
    BH_DELETED = 1 << 4,   /* free without a call */
};

#define BH_IDLE_NS (10 * (int64_t)SCALE_MS)

static void bh_enqueue(QEMUBH *bh, unsigned flags)
{
    AioContext *ctx = bh->ctx;

    if (!(qatomic_fetch_or(&bh->flags, BH_PENDING | flags) & BH_PENDING)) {
        QSLIST_INSERT_HEAD_ATOMIC(&ctx->bh_new, bh, next);
    }
    /* @bh may be gone, @ctx is kept by our caller. */
    aio_notify(ctx);
}

static QEMUBH *bh_new(AioContext *ctx, QEMUBHFunc *cb, void *opaque,
                      const char *name)
{
    QEMUBH *bh = g_new0(QEMUBH, 1);

    bh->ctx = ctx;
    bh->cb = cb;
    bh->opaque = opaque;
    bh->name = name;
    return bh;
}

QEMUBH *aio_bh_new_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque,
                        const char *name)
{
    return bh_new(ctx, cb, opaque, name);
}

void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque,
                                  const char *name)
{
    bh_enqueue(bh_new(ctx, cb, opaque, name), BH_SCHEDULED | BH_ONESHOT);
}

void qemu_bh_schedule(QEMUBH *bh)
{
    /* Also turns an idle schedule into a real one. */
    qatomic_and(&bh->flags, ~BH_IDLE);
    bh_enqueue(bh, BH_SCHEDULED);
}

void qemu_bh_schedule_idle(QEMUBH *bh)
{
    if (!(qatomic_read(&bh->flags) & BH_SCHEDULED)) {
        bh_enqueue(bh, BH_SCHEDULED | BH_IDLE);
    }
}

void qemu_bh_cancel(QEMUBH *bh)
{
    qatomic_and(&bh->flags, ~(BH_SCHEDULED | BH_IDLE));
}

void qemu_bh_delete(QEMUBH *bh)
{
    bh_enqueue(bh, BH_DELETED);
}

void aio_bh_call(QEMUBH *bh)
{
    bh->cb(bh->opaque);
}

/* Moves what came in since the last time behind what is ready. */
static void bh_collect(AioContext *ctx)
{
    BHStack taken, turned = QSLIST_HEAD_INITIALIZER(turned);
    QEMUBH *bh;

    if (!qatomic_read(&ctx->bh_new.slh_first)) {
        return;
    }
    QSLIST_MOVE_ATOMIC(&taken, &ctx->bh_new);
    while ((bh = QSLIST_FIRST(&taken))) {
        QSLIST_REMOVE_HEAD(&taken, next);
        QSLIST_INSERT_HEAD(&turned, bh, next);
    }
    while ((bh = QSLIST_FIRST(&turned))) {
        QSLIST_REMOVE_HEAD(&turned, next);
        bh->seq = ctx->bh_seq++;
        QSIMPLEQ_INSERT_TAIL(&ctx->bh_ready, bh, ready);
    }
}

/* Returns: the next one of this round, out of the list, and its old flags. */
static QEMUBH *bh_pop(AioContext *ctx, uint64_t end_seq, unsigned *flags)
{
    QEMUBH *bh = QSIMPLEQ_FIRST(&ctx->bh_ready);

    if (!bh || bh->seq >= end_seq) {
        return NULL;
    }
    QSIMPLEQ_REMOVE_HEAD(&ctx->bh_ready, ready);
    *flags =
        qatomic_fetch_and(&bh->flags, ~(BH_PENDING | BH_SCHEDULED | BH_IDLE));
    return bh;
}

int aio_bh_poll(AioContext *ctx)
{
    uint64_t end_seq;
    unsigned flags;
    QEMUBH *bh;
    int ret = 0;

    bh_collect(ctx);
    end_seq = ctx->bh_seq;
    while ((bh = bh_pop(ctx, end_seq, &flags))) {
        if ((flags & (BH_SCHEDULED | BH_DELETED)) == BH_SCHEDULED) {
            ret |= !(flags & BH_IDLE);
            aio_bh_call(bh);
        }
        if (flags & (BH_DELETED | BH_ONESHOT)) {
            g_free(bh);
        }
    }
    return ret;
}

/* The time that a BH wants, in view of those before. */
static int64_t bh_timeout(const QEMUBH *bh, int64_t timeout)
{
    unsigned flags = qatomic_read(&bh->flags);

    if ((flags & (BH_SCHEDULED | BH_DELETED)) != BH_SCHEDULED) {
        return timeout;
    }
    return flags & BH_IDLE ? qemu_soonest_timeout(timeout, BH_IDLE_NS) : 0;
}

int64_t aio_bh_timeout(AioContext *ctx)
{
    int64_t timeout = -1;
    QEMUBH *bh;

    /* Only we take away from the stack, so that what is in it stays. */
    for (bh = qatomic_mb_read(&ctx->bh_new.slh_first); bh && timeout;
         bh = QSLIST_NEXT(bh, next)) {
        timeout = bh_timeout(bh, timeout);
    }
    QSIMPLEQ_FOREACH(bh, &ctx->bh_ready, ready) {
        if (timeout == 0) {
            break;
        }
        timeout = bh_timeout(bh, timeout);
    }
    return timeout;
}

void aio_bh_cleanup(AioContext *ctx)
{
    unsigned flags;
    QEMUBH *bh;

    bh_collect(ctx);
    while ((bh = bh_pop(ctx, UINT64_MAX, &flags))) {
        /* Somebody still counts on being called: a bug of the owner. */
        if (!(flags & (BH_DELETED | BH_ONESHOT))) {
            g_error("BH '%s' outlives its AioContext", bh->name);
        }
        g_free(bh);
    }
}
