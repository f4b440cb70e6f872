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

#include "block/backend-internal.h"
#include "block/block-backend.h"
#include "util/aio-wait.h"
#include "util/error.h"

/* -- one request ------------------------------------------------------------------- */

/*
 * A request counts first and looks then; who drains sets `quiesced` first and
 * looks at the count then. So it is seen, or it waits.
 */
static void coroutine_fn wait_until_awake(BlockBackend *blk)
{
    while (unlikely(qatomic_mb_read(&blk->quiesced)) && !blk->no_queuing) {
        qemu_mutex_lock(&blk->lock);
        blk_dec_in_flight(blk);
        if (qatomic_mb_read(&blk->quiesced)) {
            qemu_co_queue_wait(&blk->held, &blk->lock);
        }
        blk_inc_in_flight(blk);
        qemu_mutex_unlock(&blk->lock);
    }
}

void coroutine_fn blk_enter(BlockBackend *blk)
{
    blk_inc_in_flight(blk);
    wait_until_awake(blk);
}

static BlkRequestFlags write_flags(BlockBackend *blk, BlkRequestFlags flags)
{
    return blk_enable_write_cache(blk) ? flags : flags | BLK_REQ_FUA;
}

static int check_range(BlockNode *node, int64_t offset, int64_t bytes)
{
    if (!node) {
        return -ENOMEDIUM;
    }
    return offset >= 0 && bytes >= 0 &&
                   offset <= block_node_length(node) - bytes
               ? 0
               : -EIO;
}

/* The whole of a request inside blk_enter() and blk_dec_in_flight(). */
static int coroutine_fn do_request(BlockBackend *blk, BlkOp op, int64_t offset,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   size_t qiov_offset, BlkRequestFlags flags)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    BlockNode *node = blk_medium(blk);
    int ret = check_range(node, offset, bytes);

    if (ret < 0) {
        blk_account_invalid(blk, op == BLK_OP_ZEROES ? BLK_OP_WRITE : op);
        return ret;
    }
    if (unlikely(blk->throttle.group) && op != BLK_OP_FLUSH &&
        op != BLK_OP_DISCARD) {
        throttle_group_co_wait(&blk->throttle, bytes, op != BLK_OP_READ);
    }
    switch (op) {
    case BLK_OP_READ:
        ret = node_co_preadv(node, offset, bytes, qiov, qiov_offset, flags);
        break;
    case BLK_OP_WRITE:
        ret = node_co_pwritev(node, offset, bytes, qiov, qiov_offset,
                              write_flags(blk, flags));
        break;
    case BLK_OP_FLUSH:
        ret = node_co_flush(node);
        break;
    case BLK_OP_DISCARD:
        ret = node_co_pdiscard(node, offset, bytes);
        break;
    case BLK_OP_ZEROES:
        ret =
            node_co_pwrite_zeroes(node, offset, bytes, write_flags(blk, flags));
        op = BLK_OP_WRITE;
        break;
    case BLK_OP_MAX:
        g_assert_not_reached();
    }
    blk_account(blk, op, offset, (uint64_t)bytes, start, ret);
    return ret;
}

static int coroutine_fn request(BlockBackend *blk, BlkOp op, int64_t offset,
                                int64_t bytes, QEMUIOVector *qiov,
                                size_t qiov_offset, BlkRequestFlags flags)
{
    int ret;

    blk_enter(blk);
    ret = do_request(blk, op, offset, bytes, qiov, qiov_offset, flags);
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset,
                               QEMUIOVector *qiov, BlkRequestFlags flags)
{
    return request(blk, BLK_OP_READ, offset,
                   (int64_t)MIN(qiov->size, INT64_MAX), qiov, 0, flags);
}

int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset,
                                QEMUIOVector *qiov, BlkRequestFlags flags)
{
    return request(blk, BLK_OP_WRITE, offset,
                   (int64_t)MIN(qiov->size, INT64_MAX), qiov, 0, flags);
}

int coroutine_fn blk_co_preadv_part(BlockBackend *blk, int64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset, BlkRequestFlags flags)
{
    return request(blk, BLK_OP_READ, offset, bytes, qiov, qiov_offset, flags);
}

int coroutine_fn blk_co_pwritev_part(BlockBackend *blk, int64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset, BlkRequestFlags flags)
{
    return request(blk, BLK_OP_WRITE, offset, bytes, qiov, qiov_offset, flags);
}

int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes,
                              void *buf, BlkRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, (size_t)bytes);

    return request(blk, BLK_OP_READ, offset, bytes, &qiov, 0, flags);
}

int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
                               const void *buf, BlkRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, (size_t)bytes);

    return request(blk, BLK_OP_WRITE, offset, bytes, &qiov, 0, flags);
}

int coroutine_fn blk_co_flush(BlockBackend *blk)
{
    return request(blk, BLK_OP_FLUSH, 0, 0, NULL, 0, 0);
}

int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset,
                                 int64_t bytes)
{
    return request(blk, BLK_OP_DISCARD, offset, bytes, NULL, 0, 0);
}

int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags)
{
    return request(blk, BLK_OP_ZEROES, offset, bytes, NULL, 0, flags);
}

int coroutine_fn blk_co_block_status(BlockBackend *blk, unsigned want,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file, unsigned *depth)
{
    BlockNode *node;
    int ret = -ENOMEDIUM;

    blk_enter(blk);
    node = blk_medium(blk);
    if (node) {
        ret = node_co_status_above(node, NULL, want, offset, bytes, pnum, map,
                                   file, depth);
    }
    blk_dec_in_flight(blk);
    return ret;
}

int coroutine_fn blk_co_copy_range(BlockBackend *src, int64_t src_offset,
                                   BlockBackend *dst, int64_t dst_offset,
                                   int64_t bytes, BlkRequestFlags flags)
{
    int ret;

    blk_enter(src);
    blk_enter(dst);
    ret = check_range(blk_medium(src), src_offset, bytes);
    if (ret == 0) {
        ret = check_range(blk_medium(dst), dst_offset, bytes);
    }
    if (ret == 0) {
        ret = node_co_copy_range(blk_medium(src), src_offset, blk_medium(dst),
                                 dst_offset, bytes, write_flags(dst, flags));
    }
    blk_dec_in_flight(dst);
    blk_dec_in_flight(src);
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
    wait_until_awake(acb->blk);
    if (qatomic_read(&acb->cancelled)) {
        return -ECANCELED;
    }
    return do_request(acb->blk, acb->op, acb->offset, acb->bytes, acb->qiov, 0,
                      acb->flags);
}

static void coroutine_fn aio_entry(void *opaque)
{
    BlkAIOCB *acb = opaque;

    acb->ret = aio_run(acb);
    if (acb->returned) {
        aio_complete(acb);
    } else {
        aio_bh_schedule_oneshot(acb->common.ctx, aio_complete, acb);
    }
}

static BlockAIOCB *aio_start(BlockBackend *blk, BlkOp op, int64_t offset,
                             int64_t bytes, QEMUIOVector *qiov,
                             BlkRequestFlags flags, BlockCompletionFunc *cb,
                             void *opaque)
{
    AioContext *ctx = blk_get_aio_context(blk);
    BlkAIOCB *acb = qemu_aio_get(&blk_aiocb_info, ctx, cb, opaque);
    bool home = in_aio_context_home_thread(ctx);
    Coroutine *co = qemu_coroutine_create(aio_entry, acb);

    acb->blk = blk;
    acb->op = op;
    acb->offset = offset;
    acb->bytes = qiov ? (int64_t)MIN(qiov->size, INT64_MAX) : bytes;
    acb->qiov = qiov;
    acb->flags = flags;
    acb->returned = !home;
    blk_inc_in_flight(blk); /* until the callback has returned */
    aio_co_enter(ctx, co);
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
    BlockBackend *blk;
    BlkOp op;
    int64_t offset;
    QEMUIOVector qiov;
    BlkRequestFlags flags;
} SyncRequest;

static int coroutine_fn sync_entry(void *opaque)
{
    SyncRequest *r = opaque;

    return request(r->blk, r->op, r->offset, (int64_t)r->qiov.size, &r->qiov, 0,
                   r->flags);
}

static int sync_request(BlockBackend *blk, BlkOp op, int64_t offset,
                        int64_t bytes, void *buf, BlkRequestFlags flags)
{
    SyncRequest r = { .blk = blk, .op = op, .offset = offset, .flags = flags };

    if (bytes < 0 || bytes > BLK_REQUEST_MAX_BYTES) {
        return -EINVAL;
    }
    qemu_iovec_init_buf(&r.qiov, buf, (size_t)bytes);
    return node_run_co(NULL, sync_entry, &r);
}

int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf)
{
    return sync_request(blk, BLK_OP_READ, offset, bytes, buf, 0);
}

int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
               const void *buf, BlkRequestFlags flags)
{
    return sync_request(blk, BLK_OP_WRITE, offset, bytes, (void *)buf, flags);
}

int blk_flush(BlockBackend *blk)
{
    return sync_request(blk, BLK_OP_FLUSH, 0, 0, NULL, 0);
}

/* -- size ------------------------------------------------------------------------------------ */

int coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t bytes, bool exact,
                                 PreallocMode prealloc, BlkRequestFlags flags,
                                 Error **errp)
{
    BlockNode *node;
    int ret = -ENOMEDIUM;

    blk_enter(blk);
    node = blk_medium(blk);
    if (node) {
        ret = node_co_truncate(node, bytes, exact, prealloc, flags, errp);
    } else {
        error_setg(errp, "Device '%s' has no medium", blk->name);
    }
    blk_dec_in_flight(blk);
    return ret;
}

typedef struct Truncate {
    BlockNode *node;
    int64_t bytes;
    Error **errp;
} Truncate;

static int coroutine_fn truncate_entry(void *opaque)
{
    Truncate *t = opaque;

    return node_co_truncate(t->node, t->bytes, false, PREALLOC_MODE_OFF, 0,
                            t->errp);
}

bool blk_truncate(BlockBackend *blk, int64_t bytes, Error **errp)
{
    Truncate t = { blk->root.node, bytes, errp };
    int ret;

    if (!t.node) {
        error_setg(errp, "Device '%s' has no medium", blk->name);
        return false;
    }
    if (bytes < 0 || bytes % BLK_SECTOR_SIZE) {
        error_setg(errp, "Parameter 'size' expects a multiple of %d bytes",
                   BLK_SECTOR_SIZE);
        return false;
    }
    node_drained_begin(t.node);
    ret = node_run_co(NULL, truncate_entry, &t);
    /* Who uses it knows when this returns. */
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&t.node->resizing) > 0);
    node_drained_end(t.node);
    return ret >= 0;
}
