/*
 * Compression in batches. The thread that sends copies pages into the batch that
 * is being filled (the guest may write the page meanwhile; a compressor must see
 * it stand still); a full batch goes to the threads, a finished one comes back
 * and is handed over by the thread that sends, so that one thread writes the
 * stream. There are two batches for each thread and one to fill: a thread finds
 * the next when it is done with one. One lock round for BATCH_PAGES pages.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "compress-pool.h"

#include "util/queue.h"
#include "util/thread.h"

#include "compress-codec.h"

#define BATCH_PAGES 16
/* A page that shrinks by less is sent as it is. */
#define GAIN_MIN 64
#define OUT_SIZE (RAM_PAGE_SIZE - GAIN_MIN)

typedef struct Worker {
    struct CompressPool *pool;
    PageDeflate *deflate;
    QemuThread thread;
} Worker;

typedef struct Batch {
    QSIMPLEQ_ENTRY(Batch) next;
    unsigned n;
    RAMBlock *rb[BATCH_PAGES];
    uint64_t offset[BATCH_PAGES];
    size_t len[BATCH_PAGES];
    uint8_t in[BATCH_PAGES][RAM_PAGE_SIZE];
    uint8_t out[BATCH_PAGES][OUT_SIZE];
} Batch;

typedef QSIMPLEQ_HEAD(, Batch) BatchList;

struct CompressPool {
    CompressDone *done;
    void *opaque;
    unsigned n_workers; /* whose thread runs */
    Worker *worker;
    unsigned n_batches;
    Batch *batch;
    Batch *filling; /* or NULL; the sender's */

    QemuMutex lock;    /* guards everything below */
    QemuCond work;     /* to threads: @todo, @quit */
    QemuCond finished; /* to the sender: @ready */
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

static void compress_batch(PageDeflate *d, Batch *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        b->len[i] = page_deflate(d, b->in[i], b->out[i], OUT_SIZE);
    }
}

static void *compress_thread(void *opaque)
{
    Worker *worker = opaque;
    CompressPool *p = worker->pool;
    uint64_t then = thread_cpu_ns();

    qemu_mutex_lock(&p->lock);
    while (!p->quit) {
        Batch *b = QSIMPLEQ_FIRST(&p->todo);
        uint64_t now;

        if (!b) {
            qemu_cond_wait(&p->work, &p->lock);
            continue;
        }
        QSIMPLEQ_REMOVE_HEAD(&p->todo, next);
        qemu_mutex_unlock(&p->lock);
        compress_batch(worker->deflate, b);
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

static bool start_worker(CompressPool *p, unsigned level, Error **errp)
{
    Worker *worker = &p->worker[p->n_workers];
    int ret;

    worker->pool = p;
    worker->deflate = page_deflate_new(PAGE_ZLIB_FASTEST, level, errp);
    if (!worker->deflate) {
        return false;
    }
    ret = qemu_thread_try_create(&worker->thread, "mig/compress",
                                 compress_thread, worker, QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        page_deflate_free(worker->deflate);
        error_setg_errno(errp, -ret, "compressing thread %u does not start",
                         p->n_workers);
        return false;
    }
    p->n_workers++;
    return true;
}

CompressPool *compress_pool_new(unsigned threads, unsigned level,
                                CompressDone *done, void *opaque, Error **errp)
{
    CompressPool *p = g_new0(CompressPool, 1);

    p->done = done;
    p->opaque = opaque;
    qemu_mutex_init(&p->lock);
    qemu_cond_init(&p->work);
    qemu_cond_init(&p->finished);
    QSIMPLEQ_INIT(&p->idle);
    QSIMPLEQ_INIT(&p->todo);
    QSIMPLEQ_INIT(&p->ready);
    p->n_batches = 2 * threads + 1;
    p->batch = g_try_new(Batch, p->n_batches);
    p->worker = g_new0(Worker, threads);
    if (!p->batch) {
        error_setg(errp, "no memory for %u compressing threads", threads);
        compress_pool_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < p->n_batches; i++) {
        QSIMPLEQ_INSERT_TAIL(&p->idle, &p->batch[i], next);
    }
    while (p->n_workers < threads) {
        if (!start_worker(p, level, errp)) {
            compress_pool_free(p);
            return NULL;
        }
    }
    return p;
}

void compress_pool_free(CompressPool *p)
{
    if (!p) {
        return;
    }
    qemu_mutex_lock(&p->lock);
    p->quit = true;
    qemu_cond_broadcast(&p->work);
    qemu_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_workers; i++) {
        qemu_thread_join(&p->worker[i].thread);
        page_deflate_free(p->worker[i].deflate);
    }
    qemu_cond_destroy(&p->finished);
    qemu_cond_destroy(&p->work);
    qemu_mutex_destroy(&p->lock);
    g_free(p->worker);
    g_free(p->batch);
    g_free(p);
}

/* Hand over what is done; the lock is held, and given up for each batch. */
static void collect(CompressPool *p)
{
    Batch *b;

    while ((b = QSIMPLEQ_FIRST(&p->ready))) {
        QSIMPLEQ_REMOVE_HEAD(&p->ready, next);
        qemu_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < b->n; i++) {
            p->done(p->opaque, b->rb[i], b->offset[i], b->in[i], b->out[i],
                    b->len[i]);
        }
        qemu_mutex_lock(&p->lock);
        p->in_flight--;
        QSIMPLEQ_INSERT_TAIL(&p->idle, b, next);
    }
}

static void start_batch(CompressPool *p)
{
    qemu_mutex_lock(&p->lock);
    QSIMPLEQ_INSERT_TAIL(&p->todo, p->filling, next);
    p->in_flight++;
    p->filling = NULL;
    qemu_cond_signal(&p->work);
    qemu_mutex_unlock(&p->lock);
}

static bool take_idle(CompressPool *p, bool wait)
{
    qemu_mutex_lock(&p->lock);
    collect(p);
    while (wait && QSIMPLEQ_EMPTY(&p->idle)) {
        qemu_cond_wait(&p->finished, &p->lock);
        collect(p);
    }
    p->filling = QSIMPLEQ_FIRST(&p->idle);
    if (p->filling) {
        QSIMPLEQ_REMOVE_HEAD(&p->idle, next);
        p->filling->n = 0;
    }
    qemu_mutex_unlock(&p->lock);
    return p->filling;
}

bool compress_pool_add(CompressPool *p, RAMBlock *rb, uint64_t offset,
                       const uint8_t *page, bool wait)
{
    Batch *b;

    if (!p->filling && !take_idle(p, wait)) {
        return false;
    }
    b = p->filling;
    b->rb[b->n] = rb;
    b->offset[b->n] = offset;
    memcpy(b->in[b->n], page, RAM_PAGE_SIZE);
    if (++b->n == BATCH_PAGES) {
        start_batch(p);
    }
    return true;
}

void compress_pool_drain(CompressPool *p)
{
    if (p->filling) {
        start_batch(p);
    }
    qemu_mutex_lock(&p->lock);
    collect(p);
    while (p->in_flight) {
        qemu_cond_wait(&p->finished, &p->lock);
        collect(p);
    }
    qemu_mutex_unlock(&p->lock);
}

uint64_t compress_pool_cpu_ns(CompressPool *p)
{
    uint64_t ns;

    qemu_mutex_lock(&p->lock);
    ns = p->cpu_ns;
    p->cpu_ns = 0;
    qemu_mutex_unlock(&p->lock);
    return ns;
}
