/*
 * Compression in batches. The thread that sends copies pages into the batch that
 * is being filled (the guest may write the page meanwhile; a compressor must see
 * it stand still); a finished batch is handed over by the thread that sends, so
 * that one thread writes the stream.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/compress-pool.h"

#include "migration/compress/batch-pool.h"
#include "migration/compress/compress-codec.h"

#define BATCH_PAGES 16
/* A page that shrinks by less is sent as it is. */
#define GAIN_MIN 64
#define OUT_SIZE (RAM_PAGE_SIZE - GAIN_MIN)

typedef struct Batch {
    PoolBatch base;
    unsigned n;
    RAMBlock *rb[BATCH_PAGES];
    uint64_t offset[BATCH_PAGES];
    size_t len[BATCH_PAGES];
    uint8_t in[BATCH_PAGES][RAM_PAGE_SIZE];
    uint8_t out[BATCH_PAGES][OUT_SIZE];
} Batch;

struct CompressPool {
    BatchPool *pool; /* owned */
    unsigned level;
    CompressDone *done;
    void *opaque;
    Batch *filling; /* or NULL */
};

static void *worker_new(void *opaque, Error **errp)
{
    CompressPool *p = opaque;

    return page_deflate_new(PAGE_ZLIB_FASTEST, p->level, errp);
}

static void worker_free(void *worker)
{
    page_deflate_free(worker);
}

static void compress_batch(void *worker, PoolBatch *base)
{
    Batch *b = container_of(base, Batch, base);

    for (unsigned i = 0; i < b->n; i++) {
        b->len[i] = page_deflate(worker, b->in[i], b->out[i], OUT_SIZE);
    }
}

static void batch_done(void *opaque, PoolBatch *base)
{
    CompressPool *p = opaque;
    Batch *b = container_of(base, Batch, base);

    for (unsigned i = 0; i < b->n; i++) {
        p->done(p->opaque, b->rb[i], b->offset[i], b->in[i], b->out[i],
                b->len[i]);
    }
}

static const BatchPoolOps compress_ops = {
    .name = "mig/compress",
    .batch_bytes = sizeof(Batch),
    .worker_new = worker_new,
    .worker_free = worker_free,
    .work = compress_batch,
    .done = batch_done,
};

CompressPool *compress_pool_new(unsigned threads, unsigned level,
                                CompressDone *done, void *opaque, Error **errp)
{
    CompressPool *p = g_new0(CompressPool, 1);

    p->level = level;
    p->done = done;
    p->opaque = opaque;
    p->pool = batch_pool_new(&compress_ops, p, threads, errp);
    if (!p->pool) {
        g_free(p);
        return NULL;
    }
    return p;
}

void compress_pool_free(CompressPool *p)
{
    if (p) {
        batch_pool_free(p->pool);
        g_free(p);
    }
}

static void start_batch(CompressPool *p)
{
    batch_pool_start(p->pool, &p->filling->base);
    p->filling = NULL;
}

static bool take_batch(CompressPool *p, bool wait)
{
    PoolBatch *base = batch_pool_take(p->pool, wait);

    if (!base) {
        return false;
    }
    p->filling = container_of(base, Batch, base);
    p->filling->n = 0;
    return true;
}

bool compress_pool_add(CompressPool *p, RAMBlock *rb, uint64_t offset,
                       const uint8_t *page, bool wait)
{
    Batch *b;

    if (!p->filling && !take_batch(p, wait)) {
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
    batch_pool_drain(p->pool);
}

uint64_t compress_pool_cpu_ns(CompressPool *p)
{
    return batch_pool_cpu_ns(p->pool);
}
