/*
 * The queue of batches: a list under one lock. See the header for who wakes
 * whom.
 *
 * There are two batches for each worker and three more: one in work and one
 * waiting hide a wake-up; more would only be memory that a cancel or a changed
 * bandwidth does not reach.
 *
 * A sync is a generation number. Since the producer waits for its end, no batch
 * is behind one: a worker that finds the list empty and a generation that it
 * has not seen does it, while others may be at their last batches.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/queue.h"

#include "util/lockable.h"

void multifd_queue_init(MultiFDQueue *q, unsigned workers)
{
    memset(q, 0, sizeof(*q));
    q->workers = workers;
    q->n_all = 2 * workers + 3;
    q->all = g_new0(MultiFDBatch, q->n_all);
    for (unsigned i = 1; i < q->n_all; i++) {
        q->all[i].next = q->spare;
        q->spare = &q->all[i];
    }
    q->n_spare = q->n_all - 1;
    q->open = &q->all[0];
    q->tail = &q->head;
    qemu_mutex_init(&q->lock);
    qemu_cond_init(&q->work);
    qemu_cond_init(&q->room);
}

void multifd_queue_destroy(MultiFDQueue *q)
{
    qemu_cond_destroy(&q->room);
    qemu_cond_destroy(&q->work);
    qemu_mutex_destroy(&q->lock);
    error_free(q->err);
    g_free(q->all);
}

/* -- the producer ------------------------------------------------------------ */

/* With the lock. */
static bool queue_ok(MultiFDQueue *q, Error **errp)
{
    if (q->err) {
        error_propagate(errp, error_copy(q->err));
        return false;
    }
    return true;
}

/* Put the open batch in and take a free one. */
static bool queue_push(MultiFDQueue *q, Error **errp)
{
    MultiFDBatch *b = q->open;

    QEMU_LOCK_GUARD(&q->lock);
    qatomic_add(&q->pending, b->n);
    b->next = NULL;
    *q->tail = b;
    q->tail = &b->next;
    if (q->idle > 0) {
        qemu_cond_signal(&q->work);
    }
    if (!q->spare) {
        q->want = MAX(1, q->n_all / 2);
    }
    while (q->want > 0 && !q->err) {
        qemu_cond_wait(&q->room, &q->lock);
    }
    if (!queue_ok(q, errp)) {
        /* It may be in the list, or in work: nobody fills it any more. */
        return false;
    }
    q->open = q->spare;
    q->spare = q->open->next;
    q->n_spare--;
    q->open->n = 0;
    return true;
}

bool multifd_queue_add(MultiFDQueue *q, RAMBlock *rb, uint64_t offset,
                       uint64_t n, Error **errp)
{
    if (multifd_queue_failed(q)) {
        return multifd_queue_check(q, errp);
    }
    if (q->open->n > 0 && q->open->rb != rb && !queue_push(q, errp)) {
        return false;
    }
    while (n > 0) {
        MultiFDBatch *b = q->open;
        unsigned k = MIN(n, MULTIFD_PAGES_MAX - b->n);

        b->rb = rb;
        for (unsigned i = 0; i < k; i++, offset += RAM_PAGE_SIZE) {
            b->offset[b->n++] = offset;
        }
        n -= k;
        if (b->n == MULTIFD_PAGES_MAX && !queue_push(q, errp)) {
            return false;
        }
    }
    return true;
}

bool multifd_queue_sync(MultiFDQueue *q, Error **errp)
{
    if (multifd_queue_failed(q)) {
        return multifd_queue_check(q, errp);
    }
    if (q->open->n > 0 && !queue_push(q, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&q->lock);
    q->synced = 0;
    q->sync_gen++;
    qemu_cond_broadcast(&q->work);
    while (q->synced < q->workers && !q->err) {
        qemu_cond_wait(&q->room, &q->lock);
    }
    return queue_ok(q, errp);
}

void multifd_queue_end(MultiFDQueue *q)
{
    QEMU_LOCK_GUARD(&q->lock);
    q->ended = true;
    qemu_cond_broadcast(&q->work);
}

/* -- a worker ---------------------------------------------------------------- */

MultiFDWork multifd_queue_pop(MultiFDQueue *q, unsigned *seen,
                              MultiFDBatch **ret)
{
    QEMU_LOCK_GUARD(&q->lock);
    for (;;) {
        if (q->err) {
            return MULTIFD_WORK_END;
        }
        if (q->head) {
            *ret = q->head;
            q->head = q->head->next;
            if (!q->head) {
                q->tail = &q->head;
            }
            return MULTIFD_WORK_BATCH;
        }
        if (*seen != q->sync_gen) {
            *seen = q->sync_gen;
            return MULTIFD_WORK_SYNC;
        }
        if (q->ended) {
            return MULTIFD_WORK_END;
        }
        q->idle++;
        qemu_cond_wait(&q->work, &q->lock);
        q->idle--;
    }
}

void multifd_queue_done(MultiFDQueue *q, MultiFDBatch *batch)
{
    qatomic_sub(&q->pending, batch->n);
    QEMU_LOCK_GUARD(&q->lock);
    batch->next = q->spare;
    q->spare = batch;
    q->n_spare++;
    if (q->want > 0 && q->n_spare >= q->want) {
        q->want = 0;
        qemu_cond_signal(&q->room);
    }
}

void multifd_queue_synced(MultiFDQueue *q)
{
    QEMU_LOCK_GUARD(&q->lock);
    if (++q->synced == q->workers) {
        qemu_cond_signal(&q->room);
    }
}

/* -- anybody ----------------------------------------------------------------- */

bool multifd_queue_fail(MultiFDQueue *q, Error *err)
{
    QEMU_LOCK_GUARD(&q->lock);
    if (q->err) {
        error_free(err);
        return false;
    }
    q->err = err;
    qatomic_store_release(&q->failed, true);
    qemu_cond_broadcast(&q->work);
    qemu_cond_broadcast(&q->room);
    return true;
}

bool multifd_queue_check(MultiFDQueue *q, Error **errp)
{
    QEMU_LOCK_GUARD(&q->lock);
    return queue_ok(q, errp);
}
