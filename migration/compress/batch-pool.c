/*
 * Threads that work on batches: three lists under one lock, one lock round for a
 * batch. What is done comes back through the owner's own calls, so that the owner
 * is one thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/batch-pool.h"

#include "util/lockable.h"
#include "util/thread.h"

typedef struct Worker {
    BatchPool *pool;
    void *state; /* of BatchPoolOps.worker_new; owned */
    QemuThread thread;
} Worker;

typedef QSIMPLEQ_HEAD(, PoolBatch) BatchList;

struct BatchPool {
    const BatchPoolOps *ops;
    void *opaque;
    unsigned n_workers; /* whose thread runs */
    Worker *worker;     /* owned */
    void *batches;      /* all of them; owned */

    QemuMutex lock;    /* guards everything below */
    QemuCond work;     /* to threads: @todo, @quit */
    QemuCond finished; /* to the owner: @ready */
    BatchList idle;
    BatchList todo;
    BatchList ready;
    unsigned in_flight; /* in @todo, @ready or a thread */
    bool quit;
    uint64_t cpu_ns;
};

static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *worker_thread(void *opaque)
{
    Worker *worker = opaque;
    BatchPool *p = worker->pool;
    uint64_t then = thread_cpu_ns();

    qemu_mutex_lock(&p->lock);
    while (!p->quit) {
        PoolBatch *b = QSIMPLEQ_FIRST(&p->todo);
        uint64_t now;

        if (!b) {
            qemu_cond_wait(&p->work, &p->lock);
            continue;
        }
        QSIMPLEQ_REMOVE_HEAD(&p->todo, next);
        qemu_mutex_unlock(&p->lock);
        p->ops->work(worker->state, b);
        now = thread_cpu_ns();
        qemu_mutex_lock(&p->lock);
        p->cpu_ns += now - then;
        then = now;
        QSIMPLEQ_INSERT_TAIL(&p->ready, b, next);
        qemu_cond_signal(&p->finished);
    }
    qemu_mutex_unlock(&p->lock);
    return NULL;
}

static bool start_worker(BatchPool *p, Error **errp)
{
    Worker *worker = &p->worker[p->n_workers];
    int ret;

    worker->pool = p;
    worker->state = p->ops->worker_new(p->opaque, errp);
    if (!worker->state) {
        return false;
    }
    ret = qemu_thread_try_create(&worker->thread, p->ops->name, worker_thread,
                                 worker, QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        p->ops->worker_free(worker->state);
        error_setg_errno(errp, -ret, "thread %u '%s' does not start",
                         p->n_workers, p->ops->name);
        return false;
    }
    p->n_workers++;
    return true;
}

BatchPool *batch_pool_new(const BatchPoolOps *ops, void *opaque,
                          unsigned threads, Error **errp)
{
    BatchPool *p = g_new0(BatchPool, 1);
    unsigned n_batches = 2 * threads + 1;

    p->ops = ops;
    p->opaque = opaque;
    qemu_mutex_init(&p->lock);
    qemu_cond_init(&p->work);
    qemu_cond_init(&p->finished);
    QSIMPLEQ_INIT(&p->idle);
    QSIMPLEQ_INIT(&p->todo);
    QSIMPLEQ_INIT(&p->ready);
    p->worker = g_new0(Worker, threads);
    p->batches = g_try_malloc_n(n_batches, ops->batch_bytes);
    if (!p->batches) {
        error_setg(errp, "no memory for %u threads '%s'", threads, ops->name);
        batch_pool_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < n_batches; i++) {
        PoolBatch *b =
            (void *)((uint8_t *)p->batches + (size_t)i * ops->batch_bytes);

        QSIMPLEQ_INSERT_TAIL(&p->idle, b, next);
    }
    while (p->n_workers < threads) {
        if (!start_worker(p, errp)) {
            batch_pool_free(p);
            return NULL;
        }
    }
    return p;
}

void batch_pool_free(BatchPool *p)
{
    if (!p) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&p->lock)
    {
        p->quit = true;
        qemu_cond_broadcast(&p->work);
    }
    for (unsigned i = 0; i < p->n_workers; i++) {
        qemu_thread_join(&p->worker[i].thread);
        p->ops->worker_free(p->worker[i].state);
    }
    qemu_cond_destroy(&p->finished);
    qemu_cond_destroy(&p->work);
    qemu_mutex_destroy(&p->lock);
    g_free(p->worker);
    g_free(p->batches);
    g_free(p);
}

/* Hand over what is done; the lock is held, and given up for each batch. */
static void collect(BatchPool *p)
{
    PoolBatch *b;

    while ((b = QSIMPLEQ_FIRST(&p->ready))) {
        QSIMPLEQ_REMOVE_HEAD(&p->ready, next);
        qemu_mutex_unlock(&p->lock);
        p->ops->done(p->opaque, b);
        qemu_mutex_lock(&p->lock);
        p->in_flight--;
        QSIMPLEQ_INSERT_TAIL(&p->idle, b, next);
    }
}

PoolBatch *batch_pool_take(BatchPool *p, bool wait)
{
    PoolBatch *b;

    QEMU_LOCK_GUARD(&p->lock);
    collect(p);
    while (wait && QSIMPLEQ_EMPTY(&p->idle)) {
        qemu_cond_wait(&p->finished, &p->lock);
        collect(p);
    }
    b = QSIMPLEQ_FIRST(&p->idle);
    if (b) {
        QSIMPLEQ_REMOVE_HEAD(&p->idle, next);
    }
    return b;
}

void batch_pool_start(BatchPool *p, PoolBatch *b)
{
    QEMU_LOCK_GUARD(&p->lock);
    QSIMPLEQ_INSERT_TAIL(&p->todo, b, next);
    p->in_flight++;
    qemu_cond_signal(&p->work);
}

void batch_pool_drain(BatchPool *p)
{
    QEMU_LOCK_GUARD(&p->lock);
    collect(p);
    while (p->in_flight) {
        qemu_cond_wait(&p->finished, &p->lock);
        collect(p);
    }
}

uint64_t batch_pool_cpu_ns(BatchPool *p)
{
    uint64_t ns;

    QEMU_LOCK_GUARD(&p->lock);
    ns = p->cpu_ns;
    p->cpu_ns = 0;
    return ns;
}
