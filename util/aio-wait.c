/*
 * Waiting in the main loop's thread for another context's work.
 *
 * Mutable file-scope state: the number of waiters; there is one main loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-wait.h"

AioWait global_aio_wait;

static void wake_up_bh(void *opaque)
{
    /* The point is that aio_poll() returns. */
}

void aio_wait_kick(void)
{
    /*
     * Not a mere read: it and the waiter's increment have an order, so that
     * either we see the waiter, or the waiter sees what we did before.
     */
    if (qatomic_fetch_add(&global_aio_wait.num_waiters, 0)) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), wake_up_bh, NULL);
    }
}

typedef struct WaitBH {
    QEMUBHFunc *cb;
    void *opaque;
    bool done;
} WaitBH;

static void wait_bh(void *opaque)
{
    WaitBH *w = opaque;

    w->cb(w->opaque);
    qatomic_mb_set(&w->done, true);
    aio_wait_kick();
}

void aio_wait_bh_oneshot(AioContext *ctx, QEMUBHFunc *cb, void *opaque)
{
    WaitBH w = { .cb = cb, .opaque = opaque };

    assert(qemu_in_main_thread());
    aio_bh_schedule_oneshot(ctx, wait_bh, &w);
    AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_mb_read(&w.done));
}
