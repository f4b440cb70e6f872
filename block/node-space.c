/*
 * Requests of a node that are about space: zeroes, discard, copying inside the
 * host, size; and flush.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/node-io-internal.h"
#include "qapi/qapi-events-block.h"
#include "trace/trace-block.h"
#include "util/error.h"

/* -- what every write leaves behind ----------------------------------------------- */

static void grow(BlockNode *node, int64_t end)
{
    int64_t length = block_node_length(node);

    while (end > length &&
           !__atomic_compare_exchange_n(&node->length, &length, end, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    }
}

static void check_write_threshold(BlockNode *node, uint64_t end)
{
    uint64_t threshold = qatomic_read(&node->write_threshold);

    /* Of several threads one sends it. */
    if (threshold && end > threshold &&
        qatomic_cmpxchg(&node->write_threshold, threshold, UINT64_C(0)) ==
            threshold) {
        qapi_event_send_block_write_threshold(node->name, end - threshold,
                                              threshold);
    }
}

void node_written(BlockNode *node, int64_t offset, int64_t bytes, int ret)
{
    /* One that failed may have written something. */
    uint64_t end = (uint64_t)(offset + bytes);
    uint64_t highest = qatomic_read(&node->highest);

    qatomic_fetch_inc(&node->write_gen);
    while (bytes > 0 && end > highest &&
           !__atomic_compare_exchange_n(&node->highest, &highest, end, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    if (unlikely(qatomic_read(&node->write_threshold)) && bytes > 0) {
        check_write_threshold(node, end);
    }
    if (ret == 0 && node->can_grow) {
        grow(node, offset + bytes);
    }
    if (dirty_bitmaps_any(node)) {
        if (node->can_grow) {
            dirty_bitmaps_resize(node, block_node_length(node));
        }
        dirty_bitmaps_written(node, offset, bytes);
    }
}

/* -- flush --------------------------------------------------------------------------- */

/* At the bottom nothing is written but what went through node_co_*(). */
static int coroutine_fn flush_storage(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    uint64_t gen = qatomic_mb_read(&node->write_gen);
    int ret;

    if (node->no_flush || !nc->co_flush ||
        gen == qatomic_mb_read(&node->flush_gen)) {
        return 0;
    }
    ret = nc->co_flush(node);
    if (ret == 0) {
        /* An older number than another flush noted only costs a flush. */
        qatomic_mb_set(&node->flush_gen, gen);
    }
    return ret;
}

static int coroutine_fn flush_children(BlockNode *node)
{
    NodeLink *link;
    int ret = 0;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (!(link->role & NODE_ROLE_COW)) {
            int one = node_co_flush(link->node);

            ret = ret ? ret : one;
        }
    }
    return ret;
}

int coroutine_fn node_co_flush(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int ret = 0;

    if (node->read_only || node->inactive) {
        return 0;
    }
    node_enter(node);
    if (QLIST_EMPTY(&node->children)) {
        ret = flush_storage(node);
    } else {
        ret = nc->co_flush ? nc->co_flush(node) : 0;
        if (ret == 0) {
            ret = flush_children(node);
        }
    }
    node_leave(node);
    return ret;
}

/* -- discard ---------------------------------------------------------------------------- */

static int check_range(int64_t offset, int64_t bytes)
{
    return offset < 0 || bytes < 0 ||
                   offset > INT64_MAX - bytes - NODE_BOUNCE_BYTES
               ? -EIO
               : 0;
}

static int coroutine_fn discard_range(BlockNode *node, int64_t start,
                                      int64_t bytes)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    bool listed = node_lists_writes(node);
    NodeRequest req;
    int ret;

    if (listed) {
        node_request_begin(node, &req, start, bytes, false);
    }
    ret = nc->co_pdiscard(node, start, bytes);
    if (listed) {
        node_request_end(node, &req);
    }
    node_written(node, start, 0, ret);
    return ret == -ENOTSUP ? 0 : ret; /* only a hint */
}

int coroutine_fn node_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t start, end;
    int ret = check_range(offset, bytes);

    if (ret < 0) {
        return ret;
    }
    if (node->read_only || node->inactive) {
        return node->read_only ? -EROFS : -EPERM;
    }
    start = (offset + mask) & ~mask;
    end = MIN((offset + bytes) & ~mask, block_node_length(node));
    if (node->discard == BLOCKDEV_DISCARD_OPTIONS_IGNORE || !nc->co_pdiscard ||
        start >= end) {
        return 0;
    }
    node_enter(node);
    ret = discard_range(node, start, end - start);
    if (dirty_bitmaps_any(node)) {
        dirty_bitmaps_written(node, start, end - start);
    }
    node_leave(node);
    return ret;
}

/* -- zeroes ------------------------------------------------------------------------------- */

static int coroutine_fn write_zero_buffer(BlockNode *node, int64_t offset,
                                          int64_t bytes)
{
    g_autofree void *zeroes = NULL;
    int ret = 0;

    if (bytes == 0) {
        return 0;
    }
    zeroes = g_try_malloc0((gsize)MIN(bytes, NODE_BOUNCE_BYTES));
    if (!zeroes) {
        return -ENOMEM;
    }
    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, NODE_BOUNCE_BYTES);
        QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, zeroes, (size_t)n);

        ret = node_write_data(node, offset, n, &qiov, 0, 0);
        offset += n;
        bytes -= n;
    }
    return ret;
}

/* An aligned range by the driver, a piece at a time. */
static int coroutine_fn driver_zeroes(BlockNode *node, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t max =
        node->max_zeroes
            ? MAX(ROUND_DOWN(node->max_zeroes, node->request_alignment),
                  node->request_alignment)
            : INT64_MAX;
    bool listed = node_lists_writes(node);
    int ret = 0;

    if (!nc->co_pwrite_zeroes || ((flags & BLK_REQ_NO_FALLBACK) &&
                                  !(node->zero_flags & BLK_REQ_NO_FALLBACK))) {
        return -ENOTSUP;
    }
    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, max);
        NodeRequest req;

        if (listed) {
            node_request_begin(node, &req, offset, n,
                               flags & BLK_REQ_SERIALISING);
        }
        ret = nc->co_pwrite_zeroes(node, offset, n, flags & node->zero_flags);
        if (listed) {
            node_request_end(node, &req);
        }
        if (ret == -ENOTSUP && !(flags & BLK_REQ_NO_FALLBACK)) {
            ret = write_zero_buffer(node, offset, n);
        }
        offset += n;
        bytes -= n;
    }
    return ret;
}

static int coroutine_fn zero_range(BlockNode *node, int64_t offset,
                                   int64_t bytes, BlkRequestFlags flags)
{
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t start = (offset + mask) & ~mask;
    int64_t end = (offset + bytes) & ~mask;
    int ret = -ENOTSUP;

    if (start < end) {
        ret = driver_zeroes(node, start, end - start, flags);
    } else {
        start = end = offset; /* inside one block */
    }
    if (ret == -ENOTSUP) {
        return start < end && (flags & BLK_REQ_NO_FALLBACK)
                   ? ret
                   : write_zero_buffer(node, offset, bytes);
    }
    if (ret == 0) {
        ret = write_zero_buffer(node, offset, start - offset);
    }
    if (ret == 0) {
        ret = write_zero_buffer(node, end, offset + bytes - end);
    }
    return ret;
}

int coroutine_fn node_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags)
{
    bool fua = flags & BLK_REQ_FUA;
    int ret = check_range(offset, bytes);

    if (ret == 0) {
        ret = node_check_write(node, offset, bytes);
    }
    if (ret < 0) {
        return ret;
    }
    if (node->discard == BLOCKDEV_DISCARD_OPTIONS_IGNORE) {
        flags &= ~(unsigned)BLK_REQ_MAY_UNMAP;
    }
    node_enter(node);
    ret = zero_range(node, offset, bytes, flags & ~(unsigned)BLK_REQ_FUA);
    node_written(node, offset, bytes, ret);
    if (ret == 0 && fua) {
        ret = node_co_flush(node);
    }
    node_leave(node);
    return ret;
}

/* -- copying inside the host ------------------------------------------------------------------ */

/* Down from @dst to where the bytes really go. */
static BlockNode *copy_target(BlockNode *dst, int64_t *offset)
{
    for (;;) {
        BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(dst);
        BlockNode *below =
            nc->writes_to && dst->detect_zeroes == 0 && !node_lists_writes(dst)
                ? nc->writes_to(dst, offset)
                : NULL;

        if (!below) {
            return dst;
        }
        dst = below;
    }
}

static int coroutine_fn copy_to(BlockNode *src, int64_t src_offset,
                                BlockNode *dst, int64_t dst_offset,
                                int64_t bytes, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(src);
    bool listed = node_lists_writes(dst);
    NodeRequest req;
    int ret;

    if (listed) {
        node_request_begin(dst, &req, dst_offset, bytes, false);
    }
    ret = nc->co_copy_range_to(src, src_offset, dst, dst_offset, bytes, flags);
    if (listed) {
        node_request_end(dst, &req);
    }
    return ret;
}

int coroutine_fn node_co_copy_range(BlockNode *src, int64_t src_offset,
                                    BlockNode *dst, int64_t dst_offset,
                                    int64_t bytes, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(src);
    int64_t at = dst_offset;
    BlockNode *target;
    int ret;

    if (check_range(src_offset, bytes) < 0 ||
        check_range(dst_offset, bytes) < 0 ||
        src_offset + bytes > block_node_length(src)) {
        return -EIO;
    }
    ret = node_check_write(dst, dst_offset, bytes);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    target = copy_target(dst, &at);
    if (!nc->co_copy_range_to || !node_is_aligned(src, src_offset, bytes) ||
        !node_is_aligned(target, at, bytes)) {
        return -ENOTSUP;
    }
    node_enter(src);
    node_enter(dst);
    node_enter(target);
    ret = copy_to(src, src_offset, target, at, bytes,
                  flags & ~(unsigned)BLK_REQ_FUA);
    node_written(target, at, bytes, ret);
    if (target != dst) {
        node_written(dst, dst_offset, bytes, ret);
    }
    if (ret == 0 && (flags & BLK_REQ_FUA)) {
        ret = node_co_flush(dst);
    }
    node_leave(target);
    node_leave(dst);
    node_leave(src);
    return ret;
}

/* -- size ------------------------------------------------------------------------------------------ */

static int check_truncate(BlockNode *node, int64_t bytes, Error **errp)
{
    if (bytes < 0 || bytes > BLK_LENGTH_MAX) {
        error_setg(errp, "node '%s': size %" PRId64 " is out of range",
                   node->name, bytes);
        return -EINVAL;
    }
    if (node->read_only || node->inactive) {
        error_setg(errp, "node '%s' is read-only", node->name);
        return -EACCES;
    }
    if (!BLOCK_NODE_GET_CLASS(node)->co_truncate) {
        error_setg(errp, "driver '%s' of node '%s' does not support resize",
                   BLOCK_NODE_GET_CLASS(node)->driver, node->name);
        return -ENOTSUP;
    }
    return 0;
}

int coroutine_fn node_co_truncate(BlockNode *node, int64_t bytes, bool exact,
                                  PreallocMode prealloc, BlkRequestFlags flags,
                                  Error **errp)
{
    int64_t old = block_node_length(node);
    BlockNode *backing = node_child_of_role(node, NODE_ROLE_COW);
    bool listed = node_lists_writes(node);
    NodeRequest req;
    int ret = check_truncate(node, bytes, errp);

    if (ret < 0) {
        return ret;
    }
    trace_block_node_truncate(node->name, bytes);
    if (bytes > old && backing && block_node_length(backing) > old) {
        flags |= BLK_REQ_ZERO_WRITE; /* the backing must not show through */
    }
    node_enter(node);
    if (listed) {
        int64_t start = MIN(old, bytes);

        node_request_begin(node, &req, start, INT64_MAX - start, true);
    }
    ret = BLOCK_NODE_GET_CLASS(node)->co_truncate(node, bytes, exact, prealloc,
                                                  flags, errp);
    node_written(node, 0, 0, ret);
    if (listed) {
        node_request_end(node, &req);
    }
    node_leave(node);
    return ret;
}
