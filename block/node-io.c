/*
 * Reads and writes of a node: what is the same for all drivers.
 *
 * Requests are cut to the driver's longest transfer. Where the driver wants
 * offsets, lengths or buffers aligned (O_DIRECT) and a request is not, it is
 * copied: reads through a buffer, writes by reading the blocks at the edges
 * first. Two such writes to one block must not overlap in time, so while a
 * node has an alignment (or a driver that asks for it) every write is listed,
 * and those that read before they write wait for what they touch.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-io-internal.h"
#include "util/aio-wait.h"

void node_leave(BlockNode *node)
{
    if (qatomic_fetch_dec(&node->in_flight) == (NODE_WATCHED | 1)) {
        aio_wait_kick();
    }
}

static bool is_range(int64_t offset, int64_t bytes)
{
    return offset >= 0 && bytes >= 0 && bytes <= BLK_REQUEST_MAX_BYTES &&
           offset <= INT64_MAX - bytes - NODE_BOUNCE_BYTES;
}

static bool buffers_suit(const BlockNode *node, const QEMUIOVector *qiov,
                         size_t offset, size_t bytes)
{
    uintptr_t mask = node->memory_alignment - 1;

    if (!mask) {
        return true;
    }
    for (int i = 0; i < qiov->niov && bytes > 0; i++) {
        size_t len = qiov->iov[i].iov_len;
        size_t n;

        if (offset >= len) {
            offset -= len;
            continue;
        }
        n = MIN(len - offset, bytes);
        if (((uintptr_t)qiov->iov[i].iov_base + offset) & mask || n & mask) {
            return false;
        }
        offset = 0;
        bytes -= n;
    }
    return true;
}

/* Memory for the longest piece of a request; for g_aligned_free(). */
static void *bounce_new(const BlockNode *node, size_t bytes, size_t *ret_len)
{
    size_t align = MAX(node->memory_alignment, (uint32_t)sizeof(void *));
    size_t edges = 2 * (size_t)node->request_alignment;

    *ret_len = MIN(ROUND_UP(bytes + edges, node->request_alignment),
                   MAX((size_t)NODE_BOUNCE_BYTES, edges));
    *ret_len = MIN(*ret_len, MAX(edges, ROUND_DOWN((size_t)node->max_transfer,
                                                   node->request_alignment)));
    return g_aligned_alloc(1, *ret_len, align);
}

/* -- overlapping writes ---------------------------------------------------------- */

static NodeRequest *find_clash(BlockNode *node, const NodeRequest *req)
{
    NodeRequest *other;

    QLIST_FOREACH(other, &node->requests, next) {
        if (other->start < req->end && req->start < other->end &&
            (other->serialising || req->serialising)) {
            return other;
        }
    }
    return NULL;
}

void coroutine_fn node_request_begin(BlockNode *node, NodeRequest *req,
                                     int64_t offset, int64_t bytes,
                                     bool serialising)
{
    int64_t mask = (int64_t)node->request_alignment - 1;
    NodeRequest *other;

    req->start = offset & ~mask;
    req->end = bytes > INT64_MAX - offset - mask
                   ? INT64_MAX
                   : (offset + bytes + mask) & ~mask;
    req->serialising = serialising;
    qemu_co_queue_init(&req->waiters);
    qemu_mutex_lock(&node->lock);
    /* Listed only when nothing stands in the way: no two wait for each
     * other. */
    while ((other = find_clash(node, req))) {
        qemu_co_queue_wait(&other->waiters, &node->lock);
    }
    QLIST_INSERT_HEAD(&node->requests, req, next);
    qemu_mutex_unlock(&node->lock);
}

void coroutine_fn node_request_end(BlockNode *node, NodeRequest *req)
{
    qemu_mutex_lock(&node->lock);
    QLIST_REMOVE(req, next);
    qemu_co_queue_restart_all(&req->waiters);
    qemu_mutex_unlock(&node->lock);
}

/* -- reading ------------------------------------------------------------------------- */

static int coroutine_fn read_bounced(BlockNode *node, int64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t end = offset + bytes;
    size_t room;
    void *buf = bounce_new(node, (size_t)bytes, &room);
    int ret = 0;

    while (offset < end && ret == 0) {
        int64_t start = offset & ~mask;
        int64_t len = MIN((end - start + mask) & ~mask, (int64_t)room);
        int64_t n = MIN(start + len, end) - offset;
        QEMUIOVector part;

        qemu_iovec_init_buf(&part, buf, (size_t)len);
        ret = nc->co_preadv(node, start, len, &part, 0, flags);
        if (ret == 0) {
            qemu_iovec_from_buf(qiov, qiov_offset,
                                (char *)buf + (offset - start), (size_t)n);
            qiov_offset += (size_t)n;
            offset += n;
        }
    }
    g_aligned_free(buf);
    return ret;
}

static int coroutine_fn read_pieces(BlockNode *node, int64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int ret = 0;

    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, (int64_t)node->max_transfer);

        ret = nc->co_preadv(node, offset, n, qiov, qiov_offset, flags);
        offset += n;
        qiov_offset += (size_t)n;
        bytes -= n;
    }
    return ret;
}

/* Zeroes for what lies past the end; Returns: bytes that are before it. */
static int64_t read_past_end(BlockNode *node, int64_t offset, int64_t bytes,
                             QEMUIOVector *qiov, size_t qiov_offset)
{
    int64_t length = block_node_length(node);
    int64_t inside = MAX(0, MIN(bytes, length - offset));

    if (inside < bytes) {
        qemu_iovec_memset(qiov, qiov_offset + (size_t)inside, 0,
                          (size_t)(bytes - inside));
    }
    return inside;
}

int coroutine_fn node_co_preadv(BlockNode *node, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, size_t qiov_offset,
                                BlkRequestFlags flags)
{
    int ret = 0;

    if (!is_range(offset, bytes)) {
        return -EIO;
    }
    node_enter(node);
    if (unlikely(offset + bytes > block_node_length(node))) {
        bytes = read_past_end(node, offset, bytes, qiov, qiov_offset);
    }
    if (unlikely(bytes == 0)) {
        ret = 0;
    } else if (node_is_aligned(node, offset, bytes) &&
               buffers_suit(node, qiov, qiov_offset, (size_t)bytes)) {
        ret = read_pieces(node, offset, bytes, qiov, qiov_offset, flags);
    } else {
        ret = read_bounced(node, offset, bytes, qiov, qiov_offset, flags);
    }
    node_leave(node);
    return ret;
}

/* -- writing -------------------------------------------------------------------------- */

static int coroutine_fn write_bounced(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t end = offset + bytes;
    size_t room;
    void *buf = bounce_new(node, (size_t)bytes, &room);
    int ret = 0;

    while (offset < end && ret == 0) {
        int64_t start = offset & ~mask;
        int64_t len = MIN((end - start + mask) & ~mask, (int64_t)room);
        int64_t n = MIN(start + len, end) - offset;
        QEMUIOVector part;

        qemu_iovec_init_buf(&part, buf, (size_t)len);
        if (n != len) {
            ret = nc->co_preadv(node, start, len, &part, 0, 0);
        }
        if (ret == 0) {
            qemu_iovec_to_buf(qiov, qiov_offset, (char *)buf + (offset - start),
                              (size_t)n);
            ret = nc->co_pwritev(node, start, len, &part, 0, flags);
        }
        qiov_offset += (size_t)n;
        offset += n;
    }
    g_aligned_free(buf);
    return ret;
}

static int coroutine_fn write_pieces(BlockNode *node, int64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int ret = 0;

    if (flags & BLK_REQ_WRITE_COMPRESSED) {
        return nc->co_pwritev_compressed
                   ? nc->co_pwritev_compressed(node, offset, bytes, qiov,
                                               qiov_offset)
                   : -ENOTSUP;
    }
    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, (int64_t)node->max_transfer);

        ret = nc->co_pwritev(node, offset, n, qiov, qiov_offset, flags);
        offset += n;
        qiov_offset += (size_t)n;
        bytes -= n;
    }
    return ret;
}

int coroutine_fn node_write_data(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags)
{
    bool aligned = node_is_aligned(node, offset, bytes);
    bool listed = node_lists_writes(node);
    NodeRequest req;
    int ret;

    if (listed) {
        node_request_begin(node, &req, offset, bytes,
                           !aligned || (flags & BLK_REQ_SERIALISING));
    }
    ret = aligned && buffers_suit(node, qiov, qiov_offset, (size_t)bytes)
              ? write_pieces(node, offset, bytes, qiov, qiov_offset, flags)
              : write_bounced(node, offset, bytes, qiov, qiov_offset, flags);
    if (listed) {
        node_request_end(node, &req);
    }
    return ret;
}

int node_check_write(BlockNode *node, int64_t offset, int64_t bytes)
{
    if (node->read_only) {
        return -EROFS;
    }
    if (node->inactive) {
        return -EPERM;
    }
    return offset + bytes > block_node_length(node) && !node->can_grow ? -ENOSPC
                                                                       : 0;
}

static int coroutine_fn detect_zeroes(BlockNode *node, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags)
{
    flags &= BLK_REQ_FUA;
    if (node->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP) {
        flags |= BLK_REQ_MAY_UNMAP;
    }
    return node_co_pwrite_zeroes(node, offset, bytes, flags);
}

static int coroutine_fn write_counted(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    bool flush = (flags & BLK_REQ_FUA) && !(node->write_flags & BLK_REQ_FUA);
    int ret;

    if (flush) {
        flags &= ~(unsigned)BLK_REQ_FUA;
    }
    ret = node_write_data(node, offset, bytes, qiov, qiov_offset, flags);
    node_written(node, offset, bytes, ret);
    return ret == 0 && flush ? node_co_flush(node) : ret;
}

int coroutine_fn node_co_pwritev(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags)
{
    int ret;

    if (!is_range(offset, bytes)) {
        return -EIO;
    }
    ret = node_check_write(node, offset, bytes);
    if (ret < 0) {
        return ret;
    }
    if (bytes == 0) {
        return flags & BLK_REQ_FUA ? node_co_flush(node) : 0;
    }
    if (node->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF &&
        !(flags & BLK_REQ_WRITE_COMPRESSED) &&
        qemu_iovec_is_zero(qiov, qiov_offset, (size_t)bytes)) {
        return detect_zeroes(node, offset, bytes, flags);
    }
    node_enter(node);
    ret = write_counted(node, offset, bytes, qiov, qiov_offset, flags);
    node_leave(node);
    return ret;
}

/* -- one buffer ------------------------------------------------------------------------ */

int coroutine_fn node_co_pread(BlockNode *node, int64_t offset, int64_t bytes,
                               void *buf, BlkRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, (size_t)bytes);

    return node_co_preadv(node, offset, bytes, &qiov, 0, flags);
}

int coroutine_fn node_co_pwrite(BlockNode *node, int64_t offset, int64_t bytes,
                                const void *buf, BlkRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, (size_t)bytes);

    return node_co_pwritev(node, offset, bytes, &qiov, 0, flags);
}
