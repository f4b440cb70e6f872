/*
 * Copying up: what lower images have for a part of a node goes into the node
 * itself (copy on read, the job "stream").
 *
 * While a piece is read from below and written, no write to the piece may come
 * in between, or it would be lost: the piece is held as a serialising request
 * and the driver is called without the usual bookkeeping of writes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-io-internal.h"

static int coroutine_fn write_up(BlockNode *node, int64_t offset, int64_t bytes,
                                 void *buf)
{
    QEMUIOVector qiov;
    int ret = node_co_pread(node, offset, bytes, buf, 0);

    if (ret < 0) {
        return ret;
    }
    qemu_iovec_init_buf(&qiov, buf, (size_t)bytes);
    return BLOCK_NODE_GET_CLASS(node)->co_pwritev(node, offset, bytes, &qiov, 0,
                                                  0);
}

/* The part of a run that is whole pieces of the image, or what is before it. */
static int64_t cut_to_pieces(const BlockNode *node, int64_t offset,
                             int64_t bytes)
{
    int64_t piece = MAX(node->preferred_write, node->request_alignment);
    int64_t start = ROUND_UP(offset, piece);
    int64_t end = ROUND_DOWN(offset + bytes, piece);

    if (start >= end) {
        return bytes;
    }
    return start > offset ? start - offset : end - offset;
}

/* A driver may leave alone what reads as zeroes already, behind the end of its
 * backing file; here it must be its own, for another may come to be below. */
static int coroutine_fn zero_up(BlockNode *node, int64_t offset, int64_t bytes)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int ret = nc->co_pwrite_zeroes && node_is_aligned(node, offset, bytes)
                  ? nc->co_pwrite_zeroes(node, offset, bytes, 0)
                  : -ENOTSUP;

    while (ret == 0 && bytes > 0) {
        int64_t n;
        int status = node_co_block_status(node, NODE_WANT_ALLOCATED, offset,
                                          bytes, &n, NULL, NULL);

        if (status < 0 || n == 0 || !(status & NODE_STATUS_ALLOCATED)) {
            return status < 0 ? status : -ENOTSUP;
        }
        offset += n;
        bytes -= n;
    }
    return ret;
}

/* Is it in a node between @node and @base, without those? 1, 0, -errno. */
static int coroutine_fn is_between(BlockNode *node, BlockNode *base,
                                   int64_t offset, int64_t bytes,
                                   int64_t *ret_bytes)
{
    BlockNode *backing = node_backing(node);
    int ret = node_co_block_status(node, NODE_WANT_ALLOCATED, offset, bytes,
                                   ret_bytes, NULL, NULL);

    if (ret < 0 || (ret & NODE_STATUS_ALLOCATED) || !backing ||
        backing == base) {
        return MIN(ret, 0);
    }
    if (!base) {
        return 1;
    }
    ret = node_co_status_below(node, base, NODE_WANT_ALLOCATED, offset,
                               *ret_bytes, ret_bytes);
    return ret < 0 ? ret : !!(ret & NODE_STATUS_ALLOCATED);
}

/* One run of the same status; *@ret_bytes: how far it went. */
static int coroutine_fn copy_run(BlockNode *node, BlockNode *base,
                                 int64_t offset, int64_t bytes, void *buf,
                                 int64_t *ret_bytes)
{
    int64_t n;
    int ret = is_between(node, base, offset, bytes, &n);

    *ret_bytes = n;
    if (ret <= 0) {
        return ret;
    }
    ret =
        node_co_status_below(node, NULL, NODE_WANT_ZERO, offset, n, ret_bytes);
    if (ret < 0) {
        return ret;
    }
    if (ret & NODE_STATUS_ZERO) {
        *ret_bytes = cut_to_pieces(node, offset, *ret_bytes);
        ret = zero_up(node, offset, *ret_bytes);
        if (ret != -ENOTSUP) {
            return ret;
        }
    }
    return write_up(node, offset, *ret_bytes, buf);
}

int coroutine_fn node_co_copy_up(BlockNode *node, BlockNode *base,
                                 int64_t offset, int64_t bytes)
{
    g_autofree void *buf = g_try_malloc((gsize)MIN(bytes, NODE_BOUNCE_BYTES));
    NodeRequest req;
    int ret = buf ? node_check_write(node, offset, bytes) : -ENOMEM;

    assert(node->tracks_writes);
    if (ret < 0) {
        return ret;
    }
    base = node_skip_filters(base);
    node_enter(node);
    node_request_begin(node, &req, offset, bytes, true);
    bytes = MIN(bytes, block_node_length(node) - offset);
    while (bytes > 0 && ret == 0) {
        int64_t n;

        ret = copy_run(node, base, offset, MIN(bytes, NODE_BOUNCE_BYTES), buf,
                       &n);
        if (n == 0) {
            break; /* it has become smaller */
        }
        offset += n;
        bytes -= n;
    }
    node_request_end(node, &req);
    node_leave(node);
    return ret;
}
