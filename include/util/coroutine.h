/*
 * Coroutines: functions on their own stack that can stop in the middle
 * (yield) and be continued (entered) later, so that code which waits for
 * I/O reads from top to bottom. They are not threads: one runs until it
 * yields or returns. A coroutine belongs to the AioContext it last ran in;
 * aio_co_wake() continues it there from any thread.
 *
 * Functions marked coroutine_fn may yield and are called from coroutines
 * only. Stacks are 1 MiB with a guard page below; finished coroutines are
 * kept for reuse, a bounded number of them.
 *
 * The CoMutex, CoRwlock and CoQueue work between coroutines of different
 * threads. Each is fair: first come, first served.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COROUTINE_H
#define UTIL_COROUTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/queue.h"
#include "util/thread.h"
#include "util/timer.h"
#include "util/typedefs.h"

typedef struct QemuLockable QemuLockable;

typedef void coroutine_fn CoroutineEntry(void *opaque);

/**
 * qemu_coroutine_create:
 * @entry: body
 * @opaque: its argument
 *
 * Returns: a coroutine that has not started; qemu_coroutine_enter() starts
 * it. It frees itself when @entry returns.
 */
Coroutine *qemu_coroutine_create(CoroutineEntry *entry, void *opaque);

/** qemu_coroutine_enter: run @co in the calling thread until it yields. */
void qemu_coroutine_enter(Coroutine *co);

/** qemu_coroutine_enter_if_inactive: nothing if @co runs or is on the way. */
void qemu_coroutine_enter_if_inactive(Coroutine *co);

/**
 * qemu_aio_coroutine_enter:
 * @ctx: (in) AioContext the coroutine belongs to from now on; may be NULL
 *
 * Thread: that of @ctx.
 */
void qemu_aio_coroutine_enter(AioContext *ctx, Coroutine *co);

/** qemu_coroutine_yield: go back to whoever entered this coroutine. */
void coroutine_fn qemu_coroutine_yield(void);

/** qemu_coroutine_get_aio_context: the context @co last ran in. */
AioContext *qemu_coroutine_get_aio_context(Coroutine *co);

/** qemu_coroutine_self: the running coroutine; outside of one, a stand-in. */
Coroutine *qemu_coroutine_self(void);

/** qemu_in_coroutine: true inside a coroutine. */
bool qemu_in_coroutine(void);

/** qemu_coroutine_entered: true while @co runs or entered another. */
bool qemu_coroutine_entered(Coroutine *co);

/**
 * qemu_coroutine_inc_pool_size / qemu_coroutine_dec_pool_size:
 * @additional: finished coroutines to keep for reuse beyond the default 64
 *
 * A device with N requests in flight raises it by N while it exists.
 */
void qemu_coroutine_inc_pool_size(unsigned int additional);
void qemu_coroutine_dec_pool_size(unsigned int additional);

/* One coroutine that waits; lives on that coroutine's stack. */
typedef struct CoWaiter {
    Coroutine *co;
    bool exclusive; /* CoRwlock: wants to write */
    QSIMPLEQ_ENTRY(CoWaiter) next;
} CoWaiter;
typedef QSIMPLEQ_HEAD(CoWaiterList, CoWaiter) CoWaiterList;

/* -- CoMutex --------------------------------------------------------------- */

typedef struct CoMutex {
    QemuSpin guard;  /* guards what follows */
    bool locked;     /* atomic */
    AioContext *ctx; /* where the holder runs; atomic */
    Coroutine *holder;
    CoWaiterList waiters; /* FIFO; unlock hands the lock to the first */
} CoMutex;

void qemu_co_mutex_init(CoMutex *mutex);
void coroutine_fn qemu_co_mutex_lock(CoMutex *mutex);
void coroutine_fn qemu_co_mutex_unlock(CoMutex *mutex);
/** qemu_co_mutex_assert_locked: the calling coroutine holds @mutex. */
void coroutine_fn qemu_co_mutex_assert_locked(CoMutex *mutex);

/* -- CoQueue --------------------------------------------------------------- */

/*
 * Coroutines that wait for a condition. Guarded by the lock that waiters
 * pass and that wakers hold; without a lock all are in one thread.
 */
typedef struct CoQueue {
    CoWaiterList entries;
} CoQueue;

void qemu_co_queue_init(CoQueue *queue);

typedef enum CoQueueWaitFlags {
    CO_QUEUE_WAIT_FRONT = 0x1, /* go before those that wait already */
} CoQueueWaitFlags;

/**
 * qemu_co_queue_wait:
 * @queue: queue
 * @lock: lock to give back while waiting (any lock that QEMU_MAKE_LOCKABLE
 *        takes), or NULL
 *
 * @lock is held again on return. Check the condition in a loop.
 */
#define qemu_co_queue_wait(queue, lock)                                        \
    qemu_co_queue_wait_impl(queue, CO_QUEUE_LOCKABLE_(lock), 0)
#define qemu_co_queue_wait_flags(queue, lock, flags)                           \
    qemu_co_queue_wait_impl(queue, CO_QUEUE_LOCKABLE_(lock), (flags))
/* NULL has type void *. */
#define CO_QUEUE_LOCKABLE_(x)                                                  \
    _Generic((x),                                                              \
        void *: (QemuLockable *)NULL,                                          \
        QemuLockable *: lockable_same_((void *)(x)),                           \
        QemuMutex *: LOCKABLE_OF_(x, qemu_mutex),                              \
        QemuRecMutex *: LOCKABLE_OF_(x, qemu_rec_mutex),                       \
        CoMutex *: LOCKABLE_OF_(x, qemu_co_mutex),                             \
        QemuSpin *: LOCKABLE_OF_(x, qemu_spin))
void coroutine_fn qemu_co_queue_wait_impl(CoQueue *queue, QemuLockable *lock,
                                          CoQueueWaitFlags flags);

/**
 * qemu_co_queue_next: let the first waiter go on when the caller yields.
 *
 * Returns: false when nobody waits.
 */
bool coroutine_fn qemu_co_queue_next(CoQueue *queue);
/** qemu_co_queue_restart_all: all waiters. */
void coroutine_fn qemu_co_queue_restart_all(CoQueue *queue);

/**
 * qemu_co_enter_next:
 * @lock: lock held by the caller, given back while the waiter runs; or NULL
 *
 * Returns: false when nobody waits.
 * Thread: also outside of coroutines.
 */
#define qemu_co_enter_next(queue, lock)                                        \
    qemu_co_enter_next_impl(queue, CO_QUEUE_LOCKABLE_(lock))
bool qemu_co_enter_next_impl(CoQueue *queue, QemuLockable *lock);
#define qemu_co_enter_all(queue, lock)                                         \
    qemu_co_enter_all_impl(queue, CO_QUEUE_LOCKABLE_(lock))
void qemu_co_enter_all_impl(CoQueue *queue, QemuLockable *lock);
bool qemu_co_queue_empty(CoQueue *queue);

/* -- CoRwlock -------------------------------------------------------------- */

typedef struct CoRwlock {
    QemuSpin guard;       /* guards what follows */
    int owners;           /* number of readers, or -1: a writer */
    CoWaiterList waiters; /* FIFO, so that writers do not starve */
} CoRwlock;

void qemu_co_rwlock_init(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_rdlock(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_wrlock(CoRwlock *lock);
/** qemu_co_rwlock_upgrade: reader to writer; another writer may come first. */
void coroutine_fn qemu_co_rwlock_upgrade(CoRwlock *lock);
/** qemu_co_rwlock_downgrade: writer to reader without a gap. */
void coroutine_fn qemu_co_rwlock_downgrade(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_unlock(CoRwlock *lock);

/* -- sleeping -------------------------------------------------------------- */

typedef struct QemuCoSleep {
    Coroutine *to_wake; /* NULL: nobody sleeps */
} QemuCoSleep;

/** qemu_co_sleep: until qemu_co_sleep_wake(@w) in the same AioContext. */
void coroutine_fn qemu_co_sleep(QemuCoSleep *w);
/** qemu_co_sleep_wake: no effect when nobody sleeps. */
void qemu_co_sleep_wake(QemuCoSleep *w);
/** qemu_co_sleep_ns_wakeable: at most @ns nanoseconds. */
void coroutine_fn qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type,
                                            int64_t ns);
/** qemu_co_sleep_ns: @ns nanoseconds of clock @type. */
void coroutine_fn qemu_co_sleep_ns(QEMUClockType type, int64_t ns);

/**
 * yield_until_fd_readable:
 * @fd: descriptor without other handlers in this AioContext
 */
void coroutine_fn yield_until_fd_readable(int fd);

#include "util/lockable.h"

#endif
