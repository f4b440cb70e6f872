/*
 * Decompression in batches: the thread that loads reads streams into the batch that
 * is being filled; the threads write the pages to where they belong. Nobody else
 * writes these pages until the drain at the section's end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/decompress-pool.h"

#include "migration/compress/batch-pool.h"

#define BATCH_PAGES 16

typedef struct Batch {
    PoolBatch base;
    unsigned n;
    bool damaged;
    size_t len[BATCH_PAGES];
    uint8_t *page[BATCH_PAGES];
    uint8_t in[BATCH_PAGES][DECOMPRESS_BYTES_MAX];
} Batch;

struct DecompressPool {
    BatchPool *pool; /* owned */
    Batch *filling;  /* or NULL */
    bool damaged;    /* a page that was done */
};

static void *worker_new(void *opaque, Error **errp)
{
    return page_inflate_new(PAGE_ZLIB_FASTEST, errp);
}

static void worker_free(void *worker)
{
    page_inflate_free(worker);
}

static void decompress_batch(void *worker, PoolBatch *base)
{
    Batch *b = container_of(base, Batch, base);

    for (unsigned i = 0; !b->damaged && i < b->n; i++) {
        b->damaged = !page_inflate(worker, b->in[i], b->len[i], b->page[i]);
    }
}

static void batch_done(void *opaque, PoolBatch *base)
{
    DecompressPool *p = opaque;

    p->damaged |= container_of(base, Batch, base)->damaged;
}

static const BatchPoolOps decompress_ops = {
    .name = "mig/decompress",
    .batch_bytes = sizeof(Batch),
    .worker_new = worker_new,
    .worker_free = worker_free,
    .work = decompress_batch,
    .done = batch_done,
};

DecompressPool *decompress_pool_new(unsigned threads, Error **errp)
{
    DecompressPool *p = g_new0(DecompressPool, 1);

    p->pool = batch_pool_new(&decompress_ops, p, threads, errp);
    if (!p->pool) {
        g_free(p);
        return NULL;
    }
    return p;
}

void decompress_pool_free(DecompressPool *p)
{
    if (p) {
        batch_pool_free(p->pool);
        g_free(p);
    }
}

static bool check_damaged(const DecompressPool *p, Error **errp)
{
    if (p->damaged) {
        error_setg(errp, "a compressed page is damaged");
    }
    return !p->damaged;
}

static void start_batch(DecompressPool *p)
{
    batch_pool_start(p->pool, &p->filling->base);
    p->filling = NULL;
}

uint8_t *decompress_pool_buffer(DecompressPool *p, Error **errp)
{
    if (!p->filling) {
        p->filling = container_of(batch_pool_take(p->pool, true), Batch, base);
        p->filling->n = 0;
        p->filling->damaged = false;
        if (!check_damaged(p, errp)) {
            return NULL;
        }
    }
    return p->filling->in[p->filling->n];
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
    if (p->filling && p->filling->n) {
        start_batch(p);
    }
    batch_pool_drain(p->pool);
    return check_damaged(p, errp);
}
