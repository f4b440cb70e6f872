/*
 * Waiting, in a synchronous function, for something that event loops do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_AIO_WAIT_H
#define UTIL_AIO_WAIT_H

#include "util/aio.h"
#include "util/atomic.h"
#include "util/main-loop.h"

/* Counts the waiters that want aio_wait_kick() to poke the main loop. */
typedef struct AioWait {
    unsigned num_waiters;
} AioWait;

extern AioWait global_aio_wait;

/**
 * AIO_WAIT_WHILE:
 * @ctx: context where the work goes on, or NULL for several
 * @cond: expression, evaluated again after each event
 *
 * Runs @ctx when this is its home thread; otherwise this must be the main
 * loop's thread, which runs its own loop and waits for aio_wait_kick() from
 * whoever makes @cond false. @ctx, if it is another thread's, is acquired
 * once and given back while waiting (the _UNLOCKED form leaves it alone).
 *
 * Returns: whether it waited at all.
 */
#define AIO_WAIT_WHILE_INTERNAL(ctx, cond, unlock)                             \
    ({                                                                         \
        bool waited_ = false;                                                  \
        AioWait *wait_ = &global_aio_wait;                                     \
        AioContext *ctx_ = (ctx);                                              \
        qatomic_inc(&wait_->num_waiters);                                      \
        if (ctx_ && in_aio_context_home_thread(ctx_)) {                        \
            while ((cond)) {                                                   \
                aio_poll(ctx_, true);                                          \
                waited_ = true;                                                \
            }                                                                  \
        } else {                                                               \
            assert(qemu_get_current_aio_context() == qemu_get_aio_context());  \
            while ((cond)) {                                                   \
                if ((unlock) && ctx_) {                                        \
                    aio_context_release(ctx_);                                 \
                }                                                              \
                aio_poll(qemu_get_aio_context(), true);                        \
                if ((unlock) && ctx_) {                                        \
                    aio_context_acquire(ctx_);                                 \
                }                                                              \
                waited_ = true;                                                \
            }                                                                  \
        }                                                                      \
        qatomic_dec(&wait_->num_waiters);                                      \
        waited_;                                                               \
    })
#define AIO_WAIT_WHILE(ctx, cond) AIO_WAIT_WHILE_INTERNAL(ctx, cond, true)
#define AIO_WAIT_WHILE_UNLOCKED(ctx, cond)                                     \
    AIO_WAIT_WHILE_INTERNAL(ctx, cond, false)

/** aio_wait_kick: after making a waiter's condition false. Thread: any. */
void aio_wait_kick(void);

/**
 * aio_wait_bh_oneshot: run @cb(@opaque) in @ctx and wait until it returned.
 * Thread: main loop's.
 */
void aio_wait_bh_oneshot(AioContext *ctx, QEMUBHFunc *cb, void *opaque);

#endif
