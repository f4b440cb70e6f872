/*
 * Coroutines: create, enter, yield, end, and the pool of finished ones.
 *
 * Entering is a loop, not a recursion: coroutines that the entered one
 * wakes are put in its list of wakeups and are entered from here when it
 * yields, so that a chain of wakeups needs no stack.
 *
 * Pool: each thread keeps a few finished coroutines without a lock; what is
 * more goes to a list for all threads up to pool_limit, the rest is freed.
 *
 * Mutable file-scope state: that list and its limit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/coroutine.h"

#include "util/aio.h"
#include "util/notify.h"

#include "coroutine-current.h"
#include "coroutine-internal.h"

#define THREAD_CACHE_MAX 16
#define SHARED_POOL_MAX  64

typedef QSLIST_HEAD(CoroutinePool, Coroutine) CoroutinePool;

static QemuSpin pool_lock; /* guards the next two */
static CoroutinePool shared_pool;
static unsigned int shared_pool_size;
static unsigned int pool_limit = SHARED_POOL_MAX; /* atomic */

typedef struct ThreadCache {
    CoroutinePool list;
    unsigned int size;
    Notifier at_exit; /* .notify is set while registered */
} ThreadCache;

static __thread ThreadCache thread_cache;

/* Not inlined, for the reason given in coroutine-current.h. */
static COROUTINE_TLS_ACCESS ThreadCache *thread_cache_get(void)
{
    __asm__ volatile("" ::: "memory");
    return &thread_cache;
}

/* -- pool ------------------------------------------------------------------ */

static bool shared_pool_put(Coroutine *co)
{
    bool kept = false;

    qemu_spin_lock(&pool_lock);
    if (shared_pool_size < qatomic_read(&pool_limit)) {
        QSLIST_INSERT_HEAD(&shared_pool, co, pool_next);
        shared_pool_size++;
        kept = true;
    }
    qemu_spin_unlock(&pool_lock);
    return kept;
}

static Coroutine *shared_pool_get(void)
{
    Coroutine *co;

    qemu_spin_lock(&pool_lock);
    co = QSLIST_FIRST(&shared_pool);
    if (co) {
        QSLIST_REMOVE_HEAD(&shared_pool, pool_next);
        shared_pool_size--;
    }
    qemu_spin_unlock(&pool_lock);
    return co;
}

static void thread_cache_flush(Notifier *notifier, void *data)
{
    ThreadCache *cache = container_of(notifier, ThreadCache, at_exit);
    Coroutine *co, *next;

    QSLIST_FOREACH_SAFE(co, &cache->list, pool_next, next)
    {
        if (!shared_pool_put(co)) {
            coroutine_backend_delete(co);
        }
    }
    QSLIST_INIT(&cache->list);
    cache->size = 0;
    cache->at_exit.notify = NULL;
}

static Coroutine *pool_get(void)
{
    ThreadCache *cache = thread_cache_get();
    Coroutine *co = QSLIST_FIRST(&cache->list);

    if (co) {
        QSLIST_REMOVE_HEAD(&cache->list, pool_next);
        cache->size--;
        return co;
    }
    return shared_pool_get();
}

static void pool_put(Coroutine *co)
{
    ThreadCache *cache = thread_cache_get();

    if (cache->size < THREAD_CACHE_MAX) {
        if (!cache->at_exit.notify) {
            cache->at_exit.notify = thread_cache_flush;
            qemu_thread_atexit_add(&cache->at_exit);
        }
        QSLIST_INSERT_HEAD(&cache->list, co, pool_next);
        cache->size++;
    } else if (!shared_pool_put(co)) {
        coroutine_backend_delete(co);
    }
}

void qemu_coroutine_inc_pool_size(unsigned int additional)
{
    qatomic_add(&pool_limit, additional);
}

void qemu_coroutine_dec_pool_size(unsigned int additional)
{
    CoroutinePool doomed = QSLIST_HEAD_INITIALIZER(doomed);
    Coroutine *co, *next;

    qatomic_sub(&pool_limit, additional);
    qemu_spin_lock(&pool_lock);
    while (shared_pool_size > qatomic_read(&pool_limit)) {
        co = QSLIST_FIRST(&shared_pool);
        QSLIST_REMOVE_HEAD(&shared_pool, pool_next);
        QSLIST_INSERT_HEAD(&doomed, co, pool_next);
        shared_pool_size--;
    }
    qemu_spin_unlock(&pool_lock);

    QSLIST_FOREACH_SAFE(co, &doomed, pool_next, next)
    {
        coroutine_backend_delete(co);
    }
}

/* -- life ------------------------------------------------------------------ */

Coroutine *qemu_coroutine_create(CoroutineEntry *entry, void *opaque)
{
    Coroutine *co = pool_get();

    if (!co) {
        co = coroutine_backend_new();
    }
    co->entry = entry;
    co->entry_arg = opaque;
    QSIMPLEQ_INIT(&co->wakeups);
    QSIMPLEQ_INIT(&co->handed_over);
    return co;
}

static void coroutine_ended(Coroutine *co)
{
    co->caller = NULL;
    qatomic_set(&co->ctx, NULL);
    pool_put(co);
}

static void coroutine_check_enter(Coroutine *co)
{
    const char *scheduled = qatomic_load_acquire(&co->scheduled);

    if (unlikely(scheduled)) {
        g_error("coroutine was already scheduled by %s()", scheduled);
    }
    if (unlikely(co->caller)) {
        g_error("coroutine entered while it runs");
    }
}

void qemu_aio_coroutine_enter(AioContext *ctx, Coroutine *co)
{
    CoroutineQueue pending = QSIMPLEQ_HEAD_INITIALIZER(pending);
    Coroutine *from = coroutine_get_current();

    QSIMPLEQ_INSERT_TAIL(&pending, co, wakeup_next);
    while (!QSIMPLEQ_EMPTY(&pending)) {
        Coroutine *to = QSIMPLEQ_FIRST(&pending);
        CoroutineAction action;

        QSIMPLEQ_REMOVE_HEAD(&pending, wakeup_next);
        coroutine_check_enter(to);
        to->caller = from;
        qatomic_store_release(&to->ctx, ctx);

        action = coroutine_backend_switch(from, to, COROUTINE_ENTER);

        /*
         * If @to yielded it may by now run in another thread and is not
         * looked at: it left its wakeups with us. If it ended, it is ours.
         */
        if (action == COROUTINE_TERMINATE) {
            QSIMPLEQ_PREPEND(&pending, &to->wakeups);
            coroutine_ended(to);
        } else {
            QSIMPLEQ_PREPEND(&pending, &from->handed_over);
        }
    }
}

void qemu_coroutine_enter(Coroutine *co)
{
    qemu_aio_coroutine_enter(qemu_get_current_aio_context(), co);
}

void qemu_coroutine_enter_if_inactive(Coroutine *co)
{
    if (!qemu_coroutine_entered(co) && !qatomic_load_acquire(&co->scheduled)) {
        qemu_coroutine_enter(co);
    }
}

void coroutine_fn qemu_coroutine_yield(void)
{
    Coroutine *self = coroutine_get_current();
    Coroutine *to = self->caller;

    if (unlikely(!to)) {
        g_error("yield outside of a coroutine");
    }
    self->caller = NULL;
    QSIMPLEQ_CONCAT(&to->handed_over, &self->wakeups);
    coroutine_backend_switch(self, to, COROUTINE_YIELD);
}

Coroutine *qemu_coroutine_self(void)
{
    return coroutine_get_current();
}

bool qemu_in_coroutine(void)
{
    return !coroutine_is_leader(coroutine_get_current());
}

bool qemu_coroutine_entered(Coroutine *co)
{
    return co->caller != NULL;
}

AioContext *qemu_coroutine_get_aio_context(Coroutine *co)
{
    return qatomic_load_acquire(&co->ctx);
}
