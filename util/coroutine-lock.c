/*
 * CoMutex, CoRwlock and CoQueue.
 *
 * Each lock has a spin lock that is held for a few instructions and guards
 * a state and a FIFO of waiters. Who gives a lock back hands it to the
 * first waiter, so there is no race for it and nobody starves; the waiter
 * is woken in its own AioContext. A waiter puts itself in the list, gives
 * the spin lock back and yields; it may be woken between the two, which is
 * fine because aio_co_wake() from another thread goes through a BH of the
 * waiter's thread, which runs after the yield.
 *
 * A CoMutex whose holder is in another thread is looked at for a moment before
 * its waiter yields: it is usually held for less time than a wake-up takes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/atomic.h"
#include "util/coroutine.h"

#include "coroutine-internal.h"

/* Looks at a CoMutex: a few microseconds. */
#define CO_MUTEX_SPINS 100

/* Takes the first waiter out. Its memory is gone once it is woken. */
static Coroutine *waiters_pop(CoWaiterList *list)
{
    CoWaiter *w = QSIMPLEQ_FIRST(list);

    if (!w) {
        return NULL;
    }
    QSIMPLEQ_REMOVE_HEAD(list, next);
    return w->co;
}

/* -- CoMutex --------------------------------------------------------------- */

void qemu_co_mutex_init(CoMutex *mutex)
{
    memset(mutex, 0, sizeof(*mutex));
    qemu_spin_init(&mutex->guard);
    QSIMPLEQ_INIT(&mutex->waiters);
}

/* Until the lock is free, or there is no hope that it soon is: its holder runs
 * in this thread, or is only being woken. */
static void spin_while_locked(const CoMutex *mutex, const AioContext *ctx)
{
    for (int i = 0; i < CO_MUTEX_SPINS && qatomic_read(&mutex->locked); i++) {
        const AioContext *holder = qatomic_read(&mutex->ctx);

        if (!holder || holder == ctx) {
            break;
        }
        cpu_relax();
    }
}

void coroutine_fn qemu_co_mutex_lock(CoMutex *mutex)
{
    CoWaiter w = { .co = qemu_coroutine_self() };
    AioContext *ctx = qemu_get_current_aio_context();

    assert(qemu_in_coroutine());
    spin_while_locked(mutex, ctx);
    qemu_spin_lock(&mutex->guard);
    if (!mutex->locked) {
        qatomic_set(&mutex->locked, true);
        qatomic_set(&mutex->ctx, ctx);
        mutex->holder = w.co;
        qemu_spin_unlock(&mutex->guard);
        return;
    }
    assert(mutex->holder != w.co);
    QSIMPLEQ_INSERT_TAIL(&mutex->waiters, &w, next);
    qemu_spin_unlock(&mutex->guard);
    qemu_coroutine_yield();
    /* qemu_co_mutex_unlock() made us the holder. */
    qatomic_set(&mutex->ctx, ctx);
}

void coroutine_fn qemu_co_mutex_unlock(CoMutex *mutex)
{
    Coroutine *next;

    qemu_spin_lock(&mutex->guard);
    assert(mutex->locked && mutex->holder == qemu_coroutine_self());
    next = waiters_pop(&mutex->waiters);
    mutex->holder = next;
    if (next) {
        /* It must be woken first, which is no matter of a moment. */
        qatomic_set(&mutex->ctx, NULL);
    } else {
        qatomic_set(&mutex->locked, false);
    }
    qemu_spin_unlock(&mutex->guard);
    if (next) {
        aio_co_wake(next);
    }
}

void coroutine_fn qemu_co_mutex_assert_locked(CoMutex *mutex)
{
    qemu_spin_lock(&mutex->guard);
    assert(mutex->locked && mutex->holder == qemu_coroutine_self());
    qemu_spin_unlock(&mutex->guard);
}

/* -- CoQueue --------------------------------------------------------------- */

void qemu_co_queue_init(CoQueue *queue)
{
    QSIMPLEQ_INIT(&queue->entries);
}

void coroutine_fn qemu_co_queue_wait_impl(CoQueue *queue, QemuLockable *lock,
                                          CoQueueWaitFlags flags)
{
    CoWaiter w = { .co = qemu_coroutine_self() };

    assert(qemu_in_coroutine());
    if (flags & CO_QUEUE_WAIT_FRONT) {
        QSIMPLEQ_INSERT_HEAD(&queue->entries, &w, next);
    } else {
        QSIMPLEQ_INSERT_TAIL(&queue->entries, &w, next);
    }
    if (lock) {
        qemu_lockable_unlock(lock);
    }
    qemu_coroutine_yield();
    if (lock) {
        qemu_lockable_lock(lock);
    }
}

bool qemu_co_enter_next_impl(CoQueue *queue, QemuLockable *lock)
{
    Coroutine *next = waiters_pop(&queue->entries);

    if (!next) {
        return false;
    }
    if (lock) {
        qemu_lockable_unlock(lock);
    }
    aio_co_wake(next);
    if (lock) {
        qemu_lockable_lock(lock);
    }
    return true;
}

bool coroutine_fn qemu_co_queue_next(CoQueue *queue)
{
    /* No unlocking: inside a coroutine the woken one runs after us. */
    assert(qemu_in_coroutine());
    return qemu_co_enter_next_impl(queue, NULL);
}

/*
 * Wakes those that wait now. One that is woken may run at once and wait
 * again, which must not be an endless loop.
 */
void qemu_co_enter_all_impl(CoQueue *queue, QemuLockable *lock)
{
    unsigned int n = 0;
    CoWaiter *w;

    QSIMPLEQ_FOREACH(w, &queue->entries, next) {
        n++;
    }
    while (n-- > 0 && qemu_co_enter_next_impl(queue, lock)) {
    }
}

void coroutine_fn qemu_co_queue_restart_all(CoQueue *queue)
{
    assert(qemu_in_coroutine());
    qemu_co_enter_all_impl(queue, NULL);
}

bool qemu_co_queue_empty(CoQueue *queue)
{
    return QSIMPLEQ_EMPTY(&queue->entries);
}

/* -- CoRwlock -------------------------------------------------------------- */

void qemu_co_rwlock_init(CoRwlock *lock)
{
    memset(lock, 0, sizeof(*lock));
    qemu_spin_init(&lock->guard);
    QSIMPLEQ_INIT(&lock->waiters);
}

/*
 * Lets in whoever may have the lock now: the first waiter if it writes and
 * there is no owner, else all readers up to the next writer. Called with
 * the guard, gives it back.
 */
static void rwlock_admit_and_unguard(CoRwlock *lock)
{
    CoWaiterList admitted = QSIMPLEQ_HEAD_INITIALIZER(admitted);
    CoWaiter *w, *next;

    while ((w = QSIMPLEQ_FIRST(&lock->waiters)) != NULL) {
        if (lock->owners < 0 || (w->exclusive && lock->owners > 0)) {
            break;
        }
        lock->owners = w->exclusive ? -1 : lock->owners + 1;
        QSIMPLEQ_REMOVE_HEAD(&lock->waiters, next);
        QSIMPLEQ_INSERT_TAIL(&admitted, w, next);
    }
    qemu_spin_unlock(&lock->guard);

    QSIMPLEQ_FOREACH_SAFE(w, &admitted, next, next) {
        aio_co_wake(w->co);
    }
}

/* Called with the guard: wait until let in. Gives the guard back. */
static void coroutine_fn rwlock_wait(CoRwlock *lock, bool exclusive)
{
    CoWaiter w = { .co = qemu_coroutine_self(), .exclusive = exclusive };

    QSIMPLEQ_INSERT_TAIL(&lock->waiters, &w, next);
    rwlock_admit_and_unguard(lock);
    qemu_coroutine_yield();
}

void coroutine_fn qemu_co_rwlock_rdlock(CoRwlock *lock)
{
    assert(qemu_in_coroutine());
    qemu_spin_lock(&lock->guard);
    if (lock->owners >= 0 && QSIMPLEQ_EMPTY(&lock->waiters)) {
        lock->owners++;
        qemu_spin_unlock(&lock->guard);
        return;
    }
    rwlock_wait(lock, false);
}

void coroutine_fn qemu_co_rwlock_wrlock(CoRwlock *lock)
{
    assert(qemu_in_coroutine());
    qemu_spin_lock(&lock->guard);
    if (lock->owners == 0) {
        lock->owners = -1;
        qemu_spin_unlock(&lock->guard);
        return;
    }
    rwlock_wait(lock, true);
}

void coroutine_fn qemu_co_rwlock_unlock(CoRwlock *lock)
{
    assert(qemu_in_coroutine());
    qemu_spin_lock(&lock->guard);
    assert(lock->owners != 0);
    lock->owners = lock->owners < 0 ? 0 : lock->owners - 1;
    rwlock_admit_and_unguard(lock);
}

void coroutine_fn qemu_co_rwlock_downgrade(CoRwlock *lock)
{
    qemu_spin_lock(&lock->guard);
    assert(lock->owners == -1);
    lock->owners = 1;
    rwlock_admit_and_unguard(lock);
}

void coroutine_fn qemu_co_rwlock_upgrade(CoRwlock *lock)
{
    qemu_spin_lock(&lock->guard);
    assert(lock->owners > 0);
    if (lock->owners == 1 && QSIMPLEQ_EMPTY(&lock->waiters)) {
        lock->owners = -1;
        qemu_spin_unlock(&lock->guard);
        return;
    }
    lock->owners--;
    rwlock_wait(lock, true);
}
