/*
 * Threads that work on batches for one owner: compression and decompression.
 *
 * The owner takes an empty batch, fills it, starts it, and gets it back when some
 * thread has worked on it. There are two batches for each thread and one to fill:
 * a thread finds the next when it is done with one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BATCH_POOL_H
#define MIGRATION_BATCH_POOL_H

#include "util/error.h"
#include "util/queue.h"

typedef struct BatchPool BatchPool;

/* First member of the owner's batch. */
typedef struct PoolBatch {
    QSIMPLEQ_ENTRY(PoolBatch) next;
} PoolBatch;

typedef struct BatchPoolOps {
    const char *name;   /* of the threads */
    size_t batch_bytes; /* of the owner's batch */

    /* What one thread works with; NULL and @errp on failure. */
    void *(*worker_new)(void *opaque, Error **errp);
    void (*worker_free)(void *worker);
    /* In a thread. */
    void (*work)(void *worker, PoolBatch *b);
    /* In the owner's thread: @b was worked on; it is empty afterwards. */
    void (*done)(void *opaque, PoolBatch *b);
} BatchPoolOps;

/**
 * batch_pool_new:
 * @ops: (in) borrowed for the life of the pool
 * @opaque: (in) for worker_new and done
 * @threads: (in) 1 or more
 *
 * Returns: NULL on failure.
 * Errors: no memory, no thread, no worker.
 */
BatchPool *batch_pool_new(const BatchPoolOps *ops, void *opaque,
                          unsigned threads, Error **errp);

/** batch_pool_free: waits for what is in a thread, drops the rest. NULL is
 *  allowed. */
void batch_pool_free(BatchPool *p);

/**
 * batch_pool_take: an empty batch, not initialized; those that are done are handed
 * over first.
 *
 * Returns: NULL = all are in work and @wait is false.
 */
PoolBatch *batch_pool_take(BatchPool *p, bool wait);

/** batch_pool_start: @b, which was taken, is full. */
void batch_pool_start(BatchPool *p, PoolBatch *b);

/** batch_pool_drain: wait until all that was started is done and handed over. */
void batch_pool_drain(BatchPool *p);

/** batch_pool_cpu_ns: CPU time of all threads since the last call. */
uint64_t batch_pool_cpu_ns(BatchPool *p);

#endif
