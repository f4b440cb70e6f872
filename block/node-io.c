/*
 * Requests of a node: what is the same for all drivers.
 *
 * Requests are cut to the driver's longest transfer. Where the driver wants
 * offsets, lengths or buffers aligned (O_DIRECT) and a request is not, it is
 * copied: reads through a buffer, writes by reading the blocks at the edges
 * first. Two such writes to one block must not overlap in time, so while a
 * node has an alignment every write is listed, and those that read before
 * they write wait for what they touch.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-block.h"

#include "block-internal.h"

static bool in_node(BlockNode *node, int64_t offset, int64_t bytes)
{
    return offset >= 0 && bytes >= 0 && bytes <= BLK_REQUEST_MAX_BYTES &&
           offset <= block_node_length(node) - bytes;
}

static bool is_aligned(const BlockNode *node, int64_t offset, int64_t bytes)
{
    uint32_t mask = node->request_alignment - 1;

    return !((uint64_t)offset & mask) && !((uint64_t)bytes & mask);
}

static bool buffers_suit(const BlockNode *node, const QEMUIOVector *qiov)
{
    uintptr_t mask = node->memory_alignment - 1;

    if (!mask) {
        return true;
    }
    for (int i = 0; i < qiov->niov; i++) {
        if (((uintptr_t)qiov->iov[i].iov_base | qiov->iov[i].iov_len) & mask) {
            return false;
        }
    }
    return true;
}

/* Memory for the longest piece of a request; for g_aligned_free(). */
static void *bounce_new(const BlockNode *node, size_t bytes, size_t *ret_len)
{
    size_t align = MAX(node->memory_alignment, (uint32_t)sizeof(void *));
    size_t edges = 2 * (size_t)node->request_alignment;

    *ret_len = MIN(ROUND_UP(bytes + edges, node->request_alignment),
                   (size_t)NODE_BOUNCE_BYTES);
    return g_aligned_alloc(1, *ret_len, align);
}

/* -- overlapping writes ---------------------------------------------------------- */

static NodeRequest *find_clash(BlockNode *node, const NodeRequest *req)
{
    NodeRequest *other;

    QLIST_FOREACH(other, &node->requests, next) {
        if (other != req && other->start < req->end &&
            req->start < other->end &&
            (other->serialising || req->serialising)) {
            return other;
        }
    }
    return NULL;
}

static void coroutine_fn request_begin(BlockNode *node, NodeRequest *req,
                                       int64_t offset, int64_t bytes,
                                       bool serialising)
{
    int64_t mask = (int64_t)node->request_alignment - 1;
    NodeRequest *other;

    req->start = offset & ~mask;
    req->end = (offset + bytes + mask) & ~mask;
    req->serialising = serialising;
    qemu_co_queue_init(&req->waiters);
    /* Listed only when nothing stands in the way: no two wait for each
     * other. */
    while ((other = find_clash(node, req))) {
        qemu_co_queue_wait(&other->waiters, NULL);
    }
    QLIST_INSERT_HEAD(&node->requests, req, next);
}

static void coroutine_fn request_end(NodeRequest *req)
{
    QLIST_REMOVE(req, next);
    qemu_co_queue_restart_all(&req->waiters);
}

/* -- reading ------------------------------------------------------------------------- */

static int coroutine_fn read_bounced(BlockNode *node, int64_t offset,
                                     QEMUIOVector *qiov)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t end = offset + (int64_t)qiov->size;
    size_t done = 0;
    size_t room;
    void *buf = bounce_new(node, qiov->size, &room);
    int ret = 0;

    while (done < qiov->size && ret == 0) {
        int64_t start = (offset + (int64_t)done) & ~mask;
        int64_t len = MIN((end - start + mask) & ~mask, (int64_t)room);
        size_t skip = (size_t)(offset + (int64_t)done - start);
        size_t n = MIN((size_t)len - skip, qiov->size - done);
        QEMUIOVector part;

        qemu_iovec_init_buf(&part, buf, (size_t)len);
        ret = nc->co_preadv(node, start, len, &part);
        if (ret == 0) {
            qemu_iovec_from_buf(qiov, done, (char *)buf + skip, n);
            done += n;
        }
    }
    g_aligned_free(buf);
    return ret;
}

static int coroutine_fn read_pieces(BlockNode *node, int64_t offset,
                                    QEMUIOVector *qiov)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    size_t done = 0;
    int ret = 0;

    if (qiov->size <= node->max_transfer) {
        return nc->co_preadv(node, offset, (int64_t)qiov->size, qiov);
    }
    while (done < qiov->size && ret == 0) {
        size_t n = MIN(qiov->size - done, node->max_transfer);
        QEMUIOVector part;

        qemu_iovec_init_slice(&part, qiov, done, n);
        ret = nc->co_preadv(node, offset + (int64_t)done, (int64_t)n, &part);
        qemu_iovec_destroy(&part);
        done += n;
    }
    return ret;
}

int coroutine_fn node_co_preadv(BlockNode *node, int64_t offset,
                                QEMUIOVector *qiov)
{
    if (!in_node(node, offset, (int64_t)MIN(qiov->size, INT64_MAX))) {
        return -EIO;
    }
    if (qiov->size == 0) {
        return 0;
    }
    if (!is_aligned(node, offset, (int64_t)qiov->size) ||
        !buffers_suit(node, qiov)) {
        return read_bounced(node, offset, qiov);
    }
    return read_pieces(node, offset, qiov);
}

/* -- writing -------------------------------------------------------------------------- */

static int coroutine_fn write_bounced(BlockNode *node, int64_t offset,
                                      QEMUIOVector *qiov, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t end = offset + (int64_t)qiov->size;
    size_t done = 0;
    size_t room;
    void *buf = bounce_new(node, qiov->size, &room);
    int ret = 0;

    while (done < qiov->size && ret == 0) {
        int64_t start = (offset + (int64_t)done) & ~mask;
        int64_t len = MIN((end - start + mask) & ~mask, (int64_t)room);
        size_t skip = (size_t)(offset + (int64_t)done - start);
        size_t n = MIN((size_t)len - skip, qiov->size - done);
        QEMUIOVector part;

        qemu_iovec_init_buf(&part, buf, (size_t)len);
        if (n != (size_t)len) {
            ret = nc->co_preadv(node, start, len, &part);
        }
        if (ret == 0) {
            qemu_iovec_to_buf(qiov, done, (char *)buf + skip, n);
            ret = nc->co_pwritev(node, start, len, &part, flags);
        }
        done += n;
    }
    g_aligned_free(buf);
    return ret;
}

static int coroutine_fn write_pieces(BlockNode *node, int64_t offset,
                                     QEMUIOVector *qiov, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    size_t done = 0;
    int ret = 0;

    if (qiov->size <= node->max_transfer) {
        return nc->co_pwritev(node, offset, (int64_t)qiov->size, qiov, flags);
    }
    while (done < qiov->size && ret == 0) {
        size_t n = MIN(qiov->size - done, node->max_transfer);
        QEMUIOVector part;

        qemu_iovec_init_slice(&part, qiov, done, n);
        ret = nc->co_pwritev(node, offset + (int64_t)done, (int64_t)n, &part,
                             flags);
        qemu_iovec_destroy(&part);
        done += n;
    }
    return ret;
}

static int coroutine_fn write_data(BlockNode *node, int64_t offset,
                                   QEMUIOVector *qiov, BlkRequestFlags flags)
{
    bool aligned = is_aligned(node, offset, (int64_t)qiov->size);
    NodeRequest req;
    int ret;

    if (node->request_alignment == 1 && node->memory_alignment == 1) {
        return write_pieces(node, offset, qiov, flags);
    }
    request_begin(node, &req, offset, (int64_t)qiov->size, !aligned);
    ret = aligned && buffers_suit(node, qiov)
              ? write_pieces(node, offset, qiov, flags)
              : write_bounced(node, offset, qiov, flags);
    request_end(&req);
    return ret;
}

int coroutine_fn node_co_pwritev(BlockNode *node, int64_t offset,
                                 QEMUIOVector *qiov, BlkRequestFlags flags)
{
    if (node->read_only) {
        return -EROFS;
    }
    if (!in_node(node, offset, (int64_t)MIN(qiov->size, INT64_MAX))) {
        return -EIO;
    }
    if (qiov->size == 0) {
        return flags & BLK_REQ_FUA ? node_co_flush(node) : 0;
    }
    if (node->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF &&
        qemu_iovec_is_zero(qiov, 0, qiov->size)) {
        BlkRequestFlags zero_flags = flags & BLK_REQ_FUA;

        if (node->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP) {
            zero_flags |= BLK_REQ_MAY_UNMAP;
        }
        return node_co_pwrite_zeroes(node, offset, (int64_t)qiov->size,
                                     zero_flags);
    }
    return write_data(node, offset, qiov, flags);
}

/* -- the rest ------------------------------------------------------------------------ */

int coroutine_fn node_co_flush(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    if (node->no_flush || node->read_only || !nc->co_flush) {
        return 0;
    }
    return nc->co_flush(node);
}

int coroutine_fn node_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t start = (offset + mask) & ~mask;
    int64_t end = (offset + bytes) & ~mask;

    if (node->read_only) {
        return -EROFS;
    }
    if (!in_node(node, offset, bytes)) {
        return -EIO;
    }
    if (node->discard == BLOCKDEV_DISCARD_OPTIONS_IGNORE || !nc->co_pdiscard ||
        start >= end) {
        return 0; /* only a hint */
    }
    return nc->co_pdiscard(node, start, end - start);
}

static int coroutine_fn write_zero_buffer(BlockNode *node, int64_t offset,
                                          int64_t bytes, BlkRequestFlags flags)
{
    g_autofree void *zeroes = NULL;
    int ret = 0;

    zeroes = g_try_malloc0((gsize)MIN(bytes, NODE_BOUNCE_BYTES));
    if (!zeroes) {
        return -ENOMEM;
    }
    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, NODE_BOUNCE_BYTES);
        QEMUIOVector qiov;

        qemu_iovec_init_buf(&qiov, zeroes, (size_t)n);
        ret = write_data(node, offset, &qiov, flags & BLK_REQ_FUA);
        offset += n;
        bytes -= n;
    }
    return ret;
}

int coroutine_fn node_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    NodeRequest req;
    int ret = -ENOTSUP;

    if (node->read_only) {
        return -EROFS;
    }
    if (!in_node(node, offset, bytes)) {
        return -EIO;
    }
    if (bytes == 0) {
        return 0;
    }
    if (node->discard == BLOCKDEV_DISCARD_OPTIONS_IGNORE) {
        flags &= ~(unsigned)BLK_REQ_MAY_UNMAP;
    }
    if (nc->co_pwrite_zeroes && is_aligned(node, offset, bytes)) {
        request_begin(node, &req, offset, bytes, false);
        ret = nc->co_pwrite_zeroes(node, offset, bytes, flags);
        request_end(&req);
    }
    if (ret == -ENOTSUP && !(flags & BLK_REQ_NO_FALLBACK)) {
        ret = write_zero_buffer(node, offset, bytes, flags);
    } else if (ret == 0 && (flags & BLK_REQ_FUA)) {
        ret = node_co_flush(node);
    }
    return ret;
}

int coroutine_fn node_co_truncate(BlockNode *node, int64_t bytes)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    if (node->read_only) {
        return -EROFS;
    }
    trace_block_node_truncate(node->name, bytes);
    return nc->co_truncate ? nc->co_truncate(node, bytes) : -ENOTSUP;
}
