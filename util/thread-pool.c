/*
 * Worker threads for calls that block.
 *
 * Requests wait in a FIFO under the pool's lock. A request that finds no
 * idle worker starts one, up to the maximum. Finished requests go to a
 * second list; a BH in the context takes them from there one by one and
 * calls the completion functions, so that a completion may run a nested
 * aio_poll() and get at the others.
 *
 * Workers are joined: those that left by themselves when the next one is
 * started or the pool is freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/thread-pool.h"

#include "trace/trace-util.h"
#include "util/coroutine.h"
#include "util/lockable.h"

#include "aio-internal.h"

#define WORKER_IDLE_MS 10000

typedef struct ThreadPoolRequest {
    BlockAIOCB common; /* first */
    ThreadPool *pool;
    ThreadPoolFunc *func;
    void *arg;
    int ret;
    bool queued; /* no worker has it; guarded by the pool's lock */
    QTAILQ_ENTRY(ThreadPoolRequest) link; /* in requests, then in done */
} ThreadPoolRequest;

typedef struct Worker {
    ThreadPool *pool;
    QemuThread thread;
    QSLIST_ENTRY(Worker) link; /* in gone */
} Worker;

struct ThreadPool {
    AioContext *ctx;
    QEMUBH *completion_bh;
    unsigned int in_flight; /* home thread */

    QemuMutex lock; /* guards what follows */
    QemuCond work;  /* a request came, or limits changed, or stopping */
    QemuCond left;  /* a worker left */
    QTAILQ_HEAD(, ThreadPoolRequest) requests;
    QTAILQ_HEAD(, ThreadPoolRequest) done;
    QSLIST_HEAD(, Worker) gone; /* to be joined */
    int cur_threads;
    int idle_threads;
    int queued; /* length of requests */
    int min_threads;
    int max_threads;
    bool stopping;
};

/* -- workers --------------------------------------------------------------- */

/* Whether an idle worker should leave. With the lock. */
static bool worker_surplus(ThreadPool *pool, bool timed_out)
{
    return pool->stopping || pool->cur_threads > pool->max_threads ||
           (timed_out && pool->cur_threads > pool->min_threads);
}

/* Waits for a request; NULL: leave. With the lock. */
static ThreadPoolRequest *worker_next(ThreadPool *pool)
{
    bool timed_out = false;
    ThreadPoolRequest *req;

    while (!(req = QTAILQ_FIRST(&pool->requests)) || pool->stopping) {
        if (worker_surplus(pool, timed_out)) {
            return NULL;
        }
        pool->idle_threads++;
        timed_out =
            !qemu_cond_timedwait(&pool->work, &pool->lock, WORKER_IDLE_MS);
        pool->idle_threads--;
    }
    if (pool->cur_threads > pool->max_threads) {
        return NULL;
    }
    QTAILQ_REMOVE(&pool->requests, req, link);
    pool->queued--;
    req->queued = false;
    return req;
}

static void *worker_thread(void *opaque)
{
    Worker *self = opaque;
    ThreadPool *pool = self->pool;
    ThreadPoolRequest *req;

    qemu_mutex_lock(&pool->lock);
    while ((req = worker_next(pool))) {
        qemu_mutex_unlock(&pool->lock);
        req->ret = req->func(req->arg);
        qemu_mutex_lock(&pool->lock);
        QTAILQ_INSERT_TAIL(&pool->done, req, link);
        qemu_bh_schedule(pool->completion_bh);
    }
    pool->cur_threads--;
    if (pool->queued) {
        /* Who woke us for a request meant one that stays. */
        qemu_cond_signal(&pool->work);
    }
    QSLIST_INSERT_HEAD(&pool->gone, self, link);
    qemu_cond_signal(&pool->left);
    qemu_mutex_unlock(&pool->lock);
    return NULL;
}

/* With the lock. A pool without a worker needs one; else it can wait. */
static void worker_start(ThreadPool *pool)
{
    Worker *worker = g_new0(Worker, 1);
    int ret;

    worker->pool = pool;
    ret = qemu_thread_try_create(&worker->thread, "worker", worker_thread,
                                 worker, QEMU_THREAD_JOINABLE);
    if (ret == 0) {
        pool->cur_threads++;
        return;
    }
    g_free(worker);
    if (pool->cur_threads == 0) {
        g_error("could not start a worker thread: %s", g_strerror(-ret));
    }
}

/* Joins workers that left. With the lock; they do not take it any more. */
static void workers_reap(ThreadPool *pool)
{
    Worker *worker;

    while ((worker = QSLIST_FIRST(&pool->gone))) {
        QSLIST_REMOVE_HEAD(&pool->gone, link);
        qemu_mutex_unlock(&pool->lock);
        qemu_thread_join(&worker->thread);
        g_free(worker);
        qemu_mutex_lock(&pool->lock);
    }
}

/* -- requests -------------------------------------------------------------- */

static ThreadPoolRequest *pool_pop_done(ThreadPool *pool, bool *more)
{
    ThreadPoolRequest *req;
    QEMU_LOCK_GUARD(&pool->lock);

    req = QTAILQ_FIRST(&pool->done);
    if (req) {
        QTAILQ_REMOVE(&pool->done, req, link);
    }
    *more = !QTAILQ_EMPTY(&pool->done);
    return req;
}

static void completion_bh(void *opaque)
{
    ThreadPool *pool = opaque;
    ThreadPoolRequest *req;
    bool more;

    while ((req = pool_pop_done(pool, &more))) {
        if (more) {
            qemu_bh_schedule(pool->completion_bh);
        }
        pool->in_flight--;
        trace_thread_pool_complete(pool, req, req->common.opaque, req->ret);
        if (req->common.cb) {
            req->common.cb(req->common.opaque, req->ret);
        }
        qemu_aio_unref(req);
    }
}

static void request_cancel(BlockAIOCB *acb)
{
    ThreadPoolRequest *req = (ThreadPoolRequest *)acb;
    ThreadPool *pool = req->pool;
    QEMU_LOCK_GUARD(&pool->lock);

    trace_thread_pool_cancel(req, acb->opaque);
    if (req->queued) {
        QTAILQ_REMOVE(&pool->requests, req, link);
        pool->queued--;
        req->queued = false;
        req->ret = -ECANCELED;
        QTAILQ_INSERT_TAIL(&pool->done, req, link);
        qemu_bh_schedule(pool->completion_bh);
    }
}

static const AIOCBInfo thread_pool_aiocb_info = {
    .aiocb_size = sizeof(ThreadPoolRequest),
    .cancel_async = request_cancel,
};

BlockAIOCB *thread_pool_submit_aio(ThreadPool *pool, ThreadPoolFunc *func,
                                   void *arg, BlockCompletionFunc *cb,
                                   void *opaque)
{
    ThreadPoolRequest *req =
        qemu_aio_get(&thread_pool_aiocb_info, pool->ctx, cb, opaque);

    req->pool = pool;
    req->func = func;
    req->arg = arg;
    req->queued = true;
    pool->in_flight++;
    trace_thread_pool_submit(pool, req, opaque);
    WITH_QEMU_LOCK_GUARD(&pool->lock)
    {
        workers_reap(pool);
        QTAILQ_INSERT_TAIL(&pool->requests, req, link);
        pool->queued++;
        if (pool->queued > pool->idle_threads &&
            pool->cur_threads < pool->max_threads) {
            worker_start(pool);
        }
        qemu_cond_signal(&pool->work);
    }
    return &req->common;
}

void thread_pool_submit(ThreadPool *pool, ThreadPoolFunc *func, void *arg)
{
    thread_pool_submit_aio(pool, func, arg, NULL, NULL);
}

typedef struct PoolWait {
    Coroutine *co;
    int ret;
} PoolWait;

static void pool_wait_done(void *opaque, int ret)
{
    PoolWait *wait = opaque;

    wait->ret = ret;
    aio_co_wake(wait->co);
}

int coroutine_fn thread_pool_submit_co(ThreadPool *pool, ThreadPoolFunc *func,
                                       void *arg)
{
    PoolWait wait = { .co = qemu_coroutine_self(), .ret = -EINPROGRESS };

    assert(qemu_in_coroutine());
    thread_pool_submit_aio(pool, func, arg, pool_wait_done, &wait);
    qemu_coroutine_yield();
    return wait.ret;
}

/* -- the pool -------------------------------------------------------------- */

void thread_pool_update_params(ThreadPool *pool, AioContext *ctx)
{
    QEMU_LOCK_GUARD(&pool->lock);

    pool->min_threads = (int)ctx->thread_pool_min;
    pool->max_threads = (int)ctx->thread_pool_max;
    while (pool->cur_threads < pool->min_threads) {
        int before = pool->cur_threads;

        worker_start(pool);
        if (pool->cur_threads == before) {
            break; /* the system has no more: fewer will do */
        }
    }
    /* Let those that are too many leave. */
    qemu_cond_broadcast(&pool->work);
}

ThreadPool *thread_pool_new(AioContext *ctx)
{
    ThreadPool *pool = g_new0(ThreadPool, 1);

    pool->ctx = ctx;
    pool->completion_bh = aio_bh_new(ctx, completion_bh, pool);
    qemu_mutex_init(&pool->lock);
    qemu_cond_init(&pool->work);
    qemu_cond_init(&pool->left);
    QTAILQ_INIT(&pool->requests);
    QTAILQ_INIT(&pool->done);
    QSLIST_INIT(&pool->gone);
    thread_pool_update_params(pool, ctx);
    return pool;
}

void thread_pool_free(ThreadPool *pool)
{
    if (!pool) {
        return;
    }
    assert(pool->in_flight == 0);
    WITH_QEMU_LOCK_GUARD(&pool->lock)
    {
        pool->stopping = true;
        qemu_cond_broadcast(&pool->work);
        while (pool->cur_threads > 0) {
            qemu_cond_wait(&pool->left, &pool->lock);
        }
        workers_reap(pool);
    }
    qemu_bh_delete(pool->completion_bh);
    qemu_cond_destroy(&pool->left);
    qemu_cond_destroy(&pool->work);
    qemu_mutex_destroy(&pool->lock);
    g_free(pool);
}
