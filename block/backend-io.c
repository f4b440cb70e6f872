/*
 * BlockBackend: requests.
 *
 * blk_co_*() is the whole request in a coroutine; blk_aio_*() starts such a
 * coroutine in the backend's context, from whatever thread, and calls the
 * completion function there. blk_pread() and friends start one and wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "util/aio-wait.h"
#include "util/error.h"

#include "backend-internal.h"

/* -- one request ------------------------------------------------------------------- */

static void add(uint64_t *counter, uint64_t n)
{
    /* One writer: the backend's thread. */
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELAXED);
}

static void account(BlockBackend *blk, BlkOp op, int64_t offset, uint64_t bytes,
                    int64_t start_ns, int ret)
{
    BlkStats *s = &blk->stats;

    add(&s->time_ns[op],
        (uint64_t)(qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns));
    if (ret < 0) {
        add(&s->failed[op], 1);
        return;
    }
    add(&s->done[op], 1);
    add(&s->bytes[op], bytes);
    if (op == BLK_OP_WRITE && (uint64_t)offset + bytes > s->highest_offset) {
        __atomic_store_n(&s->highest_offset, (uint64_t)offset + bytes,
                         __ATOMIC_RELAXED);
    }
}

static BlkRequestFlags write_flags(BlockBackend *blk, BlkRequestFlags flags)
{
    return blk_enable_write_cache(blk) ? flags : flags | BLK_REQ_FUA;
}

int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset,
                               QEMUIOVector *qiov, BlkRequestFlags flags)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = -ENOMEDIUM;

    blk_inc_in_flight(blk);
    if (blk->node) {
        ret = node_co_preadv(blk->node, offset, qiov);
    }
    account(blk, BLK_OP_READ, offset, qiov->size, start, ret);
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset,
                                QEMUIOVector *qiov, BlkRequestFlags flags)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = -ENOMEDIUM;

    blk_inc_in_flight(blk);
    if (blk->node) {
        ret = node_co_pwritev(blk->node, offset, qiov, write_flags(blk, flags));
    }
    account(blk, BLK_OP_WRITE, offset, qiov->size, start, ret);
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_flush(BlockBackend *blk)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = -ENOMEDIUM;

    blk_inc_in_flight(blk);
    if (blk->node) {
        ret = node_co_flush(blk->node);
    }
    account(blk, BLK_OP_FLUSH, 0, 0, start, ret);
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset,
                                 int64_t bytes)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = -ENOMEDIUM;

    blk_inc_in_flight(blk);
    if (blk->node) {
        ret = node_co_pdiscard(blk->node, offset, bytes);
    }
    account(blk, BLK_OP_DISCARD, offset, (uint64_t)bytes, start, ret);
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = -ENOMEDIUM;

    blk_inc_in_flight(blk);
    if (blk->node) {
        ret = node_co_pwrite_zeroes(blk->node, offset, bytes,
                                    write_flags(blk, flags));
    }
    account(blk, BLK_OP_WRITE, offset, (uint64_t)bytes, start, ret);
    blk_dec_in_flight(blk);
    return ret;
}

/* -- asynchronous ---------------------------------------------------------------------- */

typedef struct BlkAIOCB {
    BlockAIOCB common;
    BlockBackend *blk;
    BlkOp op;
    BlkRequestFlags flags;
    int64_t offset;
    int64_t bytes;
    QEMUIOVector *qiov;
    int ret;
    bool returned;  /* to the caller; home thread */
    bool cancelled; /* atomic */
} BlkAIOCB;

static AioContext *aiocb_context(BlockAIOCB *acb)
{
    return acb->ctx;
}

static void aiocb_cancel(BlockAIOCB *acb)
{
    BlkAIOCB *a = container_of(acb, BlkAIOCB, common);

    __atomic_store_n(&a->cancelled, true, __ATOMIC_RELAXED);
}

static const AIOCBInfo blk_aiocb_info = {
    .cancel_async = aiocb_cancel,
    .get_aio_context = aiocb_context,
    .aiocb_size = sizeof(BlkAIOCB),
};

static void aio_complete(void *opaque)
{
    BlkAIOCB *acb = opaque;
    BlockBackend *blk = acb->blk;

    acb->common.cb(acb->common.opaque, acb->ret);
    qemu_aio_unref(acb);
    blk_dec_in_flight(blk);
}

static int coroutine_fn aio_run(BlkAIOCB *acb)
{
    BlockBackend *blk = acb->blk;

    if (__atomic_load_n(&acb->cancelled, __ATOMIC_RELAXED)) {
        return -ECANCELED;
    }
    switch (acb->op) {
    case BLK_OP_READ:
        return blk_co_preadv(blk, acb->offset, acb->qiov, acb->flags);
    case BLK_OP_WRITE:
        return blk_co_pwritev(blk, acb->offset, acb->qiov, acb->flags);
    case BLK_OP_FLUSH:
        return blk_co_flush(blk);
    case BLK_OP_DISCARD:
        return blk_co_pdiscard(blk, acb->offset, acb->bytes);
    case BLK_OP_ZEROES:
        return blk_co_pwrite_zeroes(blk, acb->offset, acb->bytes, acb->flags);
    case BLK_OP_MAX:
        break;
    }
    g_assert_not_reached();
}

static void coroutine_fn aio_entry(void *opaque)
{
    BlkAIOCB *acb = opaque;

    acb->ret = aio_run(acb);
    if (acb->returned) {
        aio_complete(acb);
    } else {
        aio_bh_schedule_oneshot(acb->blk->ctx, aio_complete, acb);
    }
}

static BlockAIOCB *aio_start(BlockBackend *blk, BlkOp op, int64_t offset,
                             int64_t bytes, QEMUIOVector *qiov,
                             BlkRequestFlags flags, BlockCompletionFunc *cb,
                             void *opaque)
{
    BlkAIOCB *acb = qemu_aio_get(&blk_aiocb_info, blk->ctx, cb, opaque);
    bool home = in_aio_context_home_thread(blk->ctx);
    Coroutine *co = qemu_coroutine_create(aio_entry, acb);

    acb->blk = blk;
    acb->op = op;
    acb->offset = offset;
    acb->bytes = bytes;
    acb->qiov = qiov;
    acb->flags = flags;
    acb->returned = !home;
    blk_inc_in_flight(blk); /* until the callback has returned */
    aio_co_enter(blk->ctx, co);
    if (home) {
        /* Not completed yet: that waits for a bottom half at least. */
        acb->returned = true;
    }
    return &acb->common;
}

BlockAIOCB *blk_aio_preadv(BlockBackend *blk, int64_t offset,
                           QEMUIOVector *qiov, BlkRequestFlags flags,
                           BlockCompletionFunc *cb, void *opaque)
{
    return aio_start(blk, BLK_OP_READ, offset, 0, qiov, flags, cb, opaque);
}

BlockAIOCB *blk_aio_pwritev(BlockBackend *blk, int64_t offset,
                            QEMUIOVector *qiov, BlkRequestFlags flags,
                            BlockCompletionFunc *cb, void *opaque)
{
    return aio_start(blk, BLK_OP_WRITE, offset, 0, qiov, flags, cb, opaque);
}

BlockAIOCB *blk_aio_flush(BlockBackend *blk, BlockCompletionFunc *cb,
                          void *opaque)
{
    return aio_start(blk, BLK_OP_FLUSH, 0, 0, NULL, 0, cb, opaque);
}

BlockAIOCB *blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes,
                             BlockCompletionFunc *cb, void *opaque)
{
    return aio_start(blk, BLK_OP_DISCARD, offset, bytes, NULL, 0, cb, opaque);
}

BlockAIOCB *blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                  int64_t bytes, BlkRequestFlags flags,
                                  BlockCompletionFunc *cb, void *opaque)
{
    return aio_start(blk, BLK_OP_ZEROES, offset, bytes, NULL, flags, cb,
                     opaque);
}

void blk_aio_cancel_async(BlockAIOCB *acb)
{
    qemu_aio_cancel_async(acb);
}

/* -- waiting ----------------------------------------------------------------------------- */

typedef struct SyncRequest {
    int ret;
    bool done;
} SyncRequest;

static void sync_done(void *opaque, int ret)
{
    SyncRequest *r = opaque;

    r->ret = ret;
    r->done = true;
}

static int sync_wait(BlockBackend *blk, SyncRequest *r)
{
    AIO_WAIT_WHILE_UNLOCKED(blk->ctx, !r->done);
    return r->ret;
}

int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf)
{
    SyncRequest r = { 0 };
    QEMUIOVector qiov;

    if (bytes < 0 || bytes > BLK_REQUEST_MAX_BYTES) {
        return -EINVAL;
    }
    qemu_iovec_init_buf(&qiov, buf, (size_t)bytes);
    blk_aio_preadv(blk, offset, &qiov, 0, sync_done, &r);
    return sync_wait(blk, &r);
}

int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
               const void *buf, BlkRequestFlags flags)
{
    SyncRequest r = { 0 };
    QEMUIOVector qiov;

    if (bytes < 0 || bytes > BLK_REQUEST_MAX_BYTES) {
        return -EINVAL;
    }
    qemu_iovec_init_buf(&qiov, (void *)buf, (size_t)bytes);
    blk_aio_pwritev(blk, offset, &qiov, flags, sync_done, &r);
    return sync_wait(blk, &r);
}

int blk_flush(BlockBackend *blk)
{
    SyncRequest r = { 0 };

    blk_aio_flush(blk, sync_done, &r);
    return sync_wait(blk, &r);
}

/* -- size ------------------------------------------------------------------------------------ */

typedef struct Truncate {
    BlockBackend *blk;
    int64_t bytes;
    SyncRequest r;
} Truncate;

static void coroutine_fn truncate_entry(void *opaque)
{
    Truncate *t = opaque;

    t->r.ret = node_co_truncate(t->blk->node, t->bytes);
    t->r.done = true;
    aio_wait_kick();
}

bool blk_truncate(BlockBackend *blk, int64_t bytes, Error **errp)
{
    Truncate t = { blk, bytes, { 0 } };

    if (!blk->node) {
        error_setg(errp, "Device '%s' has no medium", blk->name);
        return false;
    }
    if (bytes < 0 || bytes % BLK_SECTOR_SIZE) {
        error_setg(errp, "Parameter 'size' expects a multiple of %d bytes",
                   BLK_SECTOR_SIZE);
        return false;
    }
    blk_drain(blk);
    aio_co_enter(blk->ctx, qemu_coroutine_create(truncate_entry, &t));
    sync_wait(blk, &t.r);
    if (t.r.ret < 0) {
        error_setg_errno(errp, -t.r.ret, "Could not resize '%s'",
                         block_node_name(blk->node));
        return false;
    }
    if (blk->ops && blk->ops->resize) {
        blk->ops->resize(blk->ops_opaque);
    }
    return true;
}
