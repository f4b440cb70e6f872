/*
 * The queue between the migration thread and the channels' threads: batches of
 * pages go in at one end, and whoever is free takes the next. Used by multifd
 * and by mapped RAM, which does the same to a file.
 *
 * One producer; any number of workers known from the start. A batch costs the
 * producer one lock round, and a wake-up only where a worker sleeps. A producer
 * that finds the queue full sleeps until half of it is free.
 *
 * A failure (multifd_queue_fail(), by anybody) is stored once; all that wait
 * are woken and nothing waits any more.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_QUEUE_H
#define MIGRATION_MULTIFD_QUEUE_H

#include "migration/multifd/wire.h"
#include "migration/ram-block.h"
#include "util/error.h"
#include "util/thread.h"

/* Pages of one block in the order in which they were named. */
typedef struct MultiFDBatch {
    RAMBlock *rb;
    unsigned n;
    uint64_t offset[MULTIFD_PAGES_MAX];
    struct MultiFDBatch *next;
} MultiFDBatch;

typedef enum MultiFDWork {
    MULTIFD_WORK_BATCH, /* do it, then multifd_queue_done() */
    MULTIFD_WORK_SYNC,  /* once for each worker, then multifd_queue_synced() */
    MULTIFD_WORK_END,   /* orderly end, or the queue failed: leave */
} MultiFDWork;

typedef struct MultiFDQueue {
    unsigned workers;  /* constant */
    MultiFDBatch *all; /* constant; owned */
    unsigned n_all;    /* constant */

    MultiFDBatch *open; /* being filled; the producer's own */

    QemuMutex lock; /* guards all below */
    QemuCond work;  /* workers wait: a batch, sync, end */
    QemuCond room;  /* the producer waits: free batches, all synced */
    MultiFDBatch *head, **tail; /* waiting, oldest first */
    MultiFDBatch *spare;        /* free ones */
    unsigned n_spare;
    unsigned idle;     /* workers in a wait for work */
    unsigned want;     /* free batches for which the producer waits; 0: none */
    unsigned sync_gen; /* how often sync was asked for */
    unsigned synced;   /* workers that have done the last one */
    bool ended;
    Error *err; /* the first; owned */

    bool failed;      /* atomic: err is set */
    uint64_t pending; /* atomic: pages in batches, but not in the open one */
} MultiFDQueue;

/** multifd_queue_init: @workers is 1 or more. */
void multifd_queue_init(MultiFDQueue *q, unsigned workers);
/** multifd_queue_destroy: nobody uses it any more. */
void multifd_queue_destroy(MultiFDQueue *q);

/* -- the producer ----------------------------------------------------------- */

/** multifd_queue_add: @n pages of @rb from @offset on; waits for room. */
bool multifd_queue_add(MultiFDQueue *q, RAMBlock *rb, uint64_t offset,
                       uint64_t n, Error **errp);
/** multifd_queue_sync: all that was added is done and each worker has had
 *  MULTIFD_WORK_SYNC once. */
bool multifd_queue_sync(MultiFDQueue *q, Error **errp);
/** multifd_queue_end: after the last sync: workers get MULTIFD_WORK_END. */
void multifd_queue_end(MultiFDQueue *q);

/* -- a worker --------------------------------------------------------------- */

/**
 * multifd_queue_pop:
 * @seen: (inout) this worker's own count, 0 before the first call
 * @ret: (out) the batch; borrowed until multifd_queue_done()
 */
MultiFDWork multifd_queue_pop(MultiFDQueue *q, unsigned *seen,
                              MultiFDBatch **ret);
void multifd_queue_done(MultiFDQueue *q, MultiFDBatch *batch);
void multifd_queue_synced(MultiFDQueue *q);

/* -- anybody ---------------------------------------------------------------- */

/** multifd_queue_fail: @err is owned by this call. Returns: true if it is the
 *  first. */
bool multifd_queue_fail(MultiFDQueue *q, Error *err);

/** multifd_queue_check: false and a copy of the error once it failed. */
bool multifd_queue_check(MultiFDQueue *q, Error **errp);

static inline bool multifd_queue_failed(const MultiFDQueue *q)
{
    return qatomic_load_acquire(&q->failed);
}

/** multifd_queue_pending: bytes of pages added but not done. */
static inline uint64_t multifd_queue_pending(const MultiFDQueue *q)
{
    return qatomic_read(&q->pending) * RAM_PAGE_SIZE;
}

#endif
