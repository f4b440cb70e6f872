/*
 * Decompression in batches, the mirror of compress-pool.c: the thread that loads
 * reads streams into the batch that is being filled; the threads write the pages
 * to where they belong. Nobody else writes these pages until the drain at the
 * section's end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "decompress-pool.h"

#include "util/queue.h"
#include "util/thread.h"

#define BATCH_PAGES 16

typedef struct Worker {
    struct DecompressPool *pool;
    PageInflate *inflate;
    QemuThread thread;
} Worker;

typedef struct Batch {
    QSIMPLEQ_ENTRY(Batch) next;
    unsigned n;
    size_t len[BATCH_PAGES];
    uint8_t *page[BATCH_PAGES];
    uint8_t in[BATCH_PAGES][DECOMPRESS_BYTES_MAX];
} Batch;

typedef QSIMPLEQ_HEAD(, Batch) BatchList;

struct DecompressPool {
    unsigned n_workers; /* whose thread runs */
    Worker *worker;
    Batch *batch;
    Batch *filling; /* or NULL; the loader's */

    QemuMutex lock;    /* guards everything below */
    QemuCond work;     /* to threads: @todo, @quit */
    QemuCond finished; /* to the loader: @idle, @in_flight */
    BatchList idle;
    BatchList todo;
    unsigned in_flight; /* in @todo or a thread */
    bool quit;
    bool failed;
};

static bool decompress_batch(PageInflate *d, Batch *b)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < b->n; i++) {
        ok = page_inflate(d, b->in[i], b->len[i], b->page[i]);
    }
    return ok;
}

static void *decompress_thread(void *opaque)
{
    Worker *worker = opaque;
    DecompressPool *p = worker->pool;

    qemu_mutex_lock(&p->lock);
    while (!p->quit || !QSIMPLEQ_EMPTY(&p->todo)) {
        Batch *b = QSIMPLEQ_FIRST(&p->todo);
        bool ok;

        if (!b) {
            qemu_cond_wait(&p->work, &p->lock);
            continue;
        }
        QSIMPLEQ_REMOVE_HEAD(&p->todo, next);
        qemu_mutex_unlock(&p->lock);
        ok = decompress_batch(worker->inflate, b);
        qemu_mutex_lock(&p->lock);
        p->failed |= !ok;
        p->in_flight--;
        QSIMPLEQ_INSERT_TAIL(&p->idle, b, next);
        qemu_cond_signal(&p->finished);
    }
    qemu_mutex_unlock(&p->lock);
    return NULL;
}

static bool start_worker(DecompressPool *p, Error **errp)
{
    Worker *worker = &p->worker[p->n_workers];
    int ret;

    worker->pool = p;
    worker->inflate = page_inflate_new(PAGE_ZLIB_FASTEST, errp);
    if (!worker->inflate) {
        return false;
    }
    ret =
        qemu_thread_try_create(&worker->thread, "mig/decompress",
                               decompress_thread, worker, QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        page_inflate_free(worker->inflate);
        error_setg_errno(errp, -ret, "decompressing thread %u does not start",
                         p->n_workers);
        return false;
    }
    p->n_workers++;
    return true;
}

DecompressPool *decompress_pool_new(unsigned threads, Error **errp)
{
    DecompressPool *p = g_new0(DecompressPool, 1);
    unsigned n_batches = 2 * threads + 1;

    qemu_mutex_init(&p->lock);
    qemu_cond_init(&p->work);
    qemu_cond_init(&p->finished);
    QSIMPLEQ_INIT(&p->idle);
    QSIMPLEQ_INIT(&p->todo);
    p->batch = g_try_new(Batch, n_batches);
    p->worker = g_new0(Worker, threads);
    if (!p->batch) {
        error_setg(errp, "no memory for %u decompressing threads", threads);
        decompress_pool_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < n_batches; i++) {
        QSIMPLEQ_INSERT_TAIL(&p->idle, &p->batch[i], next);
    }
    while (p->n_workers < threads) {
        if (!start_worker(p, errp)) {
            decompress_pool_free(p);
            return NULL;
        }
    }
    return p;
}

void decompress_pool_free(DecompressPool *p)
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
        page_inflate_free(p->worker[i].inflate);
    }
    qemu_cond_destroy(&p->finished);
    qemu_cond_destroy(&p->work);
    qemu_mutex_destroy(&p->lock);
    g_free(p->worker);
    g_free(p->batch);
    g_free(p);
}

static bool set_damaged(Error **errp)
{
    error_setg(errp, "a compressed page is damaged");
    return false;
}

uint8_t *decompress_pool_buffer(DecompressPool *p, Error **errp)
{
    bool failed;

    if (p->filling) {
        return p->filling->in[p->filling->n];
    }
    qemu_mutex_lock(&p->lock);
    while (QSIMPLEQ_EMPTY(&p->idle)) {
        qemu_cond_wait(&p->finished, &p->lock);
    }
    p->filling = QSIMPLEQ_FIRST(&p->idle);
    QSIMPLEQ_REMOVE_HEAD(&p->idle, next);
    failed = p->failed;
    qemu_mutex_unlock(&p->lock);
    p->filling->n = 0;
    if (failed) {
        set_damaged(errp);
        return NULL;
    }
    return p->filling->in[0];
}

static void start_batch(DecompressPool *p)
{
    qemu_mutex_lock(&p->lock);
    QSIMPLEQ_INSERT_TAIL(&p->todo, p->filling, next);
    p->in_flight++;
    p->filling = NULL;
    qemu_cond_signal(&p->work);
    qemu_mutex_unlock(&p->lock);
}

void decompress_pool_add(DecompressPool *p, size_t len, uint8_t *page)
{
    Batch *b = p->filling;

    b->len[b->n] = len;
    b->page[b->n] = page;
    if (++b->n == BATCH_PAGES) {
        start_batch(p);
    }
}

bool decompress_pool_drain(DecompressPool *p, Error **errp)
{
    bool failed;

    if (p->filling && p->filling->n) {
        start_batch(p);
    }
    qemu_mutex_lock(&p->lock);
    while (p->in_flight) {
        qemu_cond_wait(&p->finished, &p->lock);
    }
    failed = p->failed;
    qemu_mutex_unlock(&p->lock);
    return !failed || set_damaged(errp);
}
