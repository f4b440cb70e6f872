/*
 * The image file and the data file below: growing in large steps, flushing.
 *
 * The file grows ahead of the clusters that are allocated, sparse, so that
 * one truncate serves many of them; what grew reads as zeroes, which saves
 * writing them (QcowSpace.fresh). When the image is closed the rest is cut
 * off. A device does not grow; there nothing is fresh.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

int coroutine_fn qcow_file_readv(BlockNode *node, uint64_t offset,
                                 uint64_t bytes, QEMUIOVector *qiov,
                                 size_t qiov_offset)
{
    return node_co_preadv(node, (int64_t)offset, (int64_t)bytes, qiov,
                          qiov_offset, 0);
}

int coroutine_fn qcow_file_read(BlockNode *node, uint64_t offset, void *buf,
                                uint64_t bytes)
{
    QEMUIOVector qiov;

    qemu_iovec_init_buf(&qiov, buf, bytes);
    return qcow_file_readv(node, offset, bytes, &qiov, 0);
}

int coroutine_fn qcow_meta_write(BlockQcow2 *s, unsigned what, uint64_t offset,
                                 const void *buf, uint64_t bytes)
{
    int ret = qcow_overlap_refuse(s, what, offset, bytes);

    if (ret < 0) {
        return ret;
    }
    return node_co_pwrite(s->file.node, (int64_t)offset, (int64_t)bytes, buf,
                          0);
}

int coroutine_fn qcow_file_reach(BlockQcow2 *s, uint64_t end)
{
    BlockNode *file = s->file.node;
    int64_t length = block_node_length(file);
    int64_t want;
    int ret;

    if (end <= (uint64_t)length) {
        return 0;
    }
    want = (int64_t)end +
           CLAMP(length / 16, QCOW_GROW_MIN_BYTES, QCOW_GROW_MAX_BYTES);
    want = ROUND_UP(want, (int64_t)MAX(s->cluster_bytes, 65536));
    ret = node_co_truncate(file, want, false, PREALLOC_MODE_OFF, 0, NULL);
    if (ret < 0) { /* a limit of the file's size: no more than needed */
        ret = node_co_truncate(file, (int64_t)end, false, PREALLOC_MODE_OFF, 0,
                               NULL);
    }
    if (ret == -ENOTSUP ||
        (ret == 0 && block_node_length(file) < (int64_t)end)) {
        return -ENOSPC;
    }
    return ret;
}

int coroutine_fn qcow_flush_files(BlockQcow2 *s)
{
    int ret = 0;

    if (s->data_file.node) {
        ret = node_co_flush(s->data_file.node);
    }
    return ret < 0 ? ret : node_co_flush(s->file.node);
}

/* The last cluster with a refcount. */
static int coroutine_fn last_used(BlockQcow2 *s, uint64_t *ret_clusters)
{
    uint64_t n = qcow_clusters(s, (uint64_t)block_node_length(s->file.node));

    while (n > s->fresh_start >> s->cluster_bits) {
        uint64_t count;
        int ret = qcow_ref_get(s, n - 1, &count);

        if (ret < 0) {
            return ret;
        }
        if (count > 0) {
            break;
        }
        n--;
    }
    *ret_clusters = n;
    return 0;
}

void coroutine_fn qcow_file_trim(BlockQcow2 *s)
{
    int64_t length = block_node_length(s->file.node);
    int64_t end;
    uint64_t clusters;

    /* Only what this process let grow. */
    if (s->fresh_start >= (uint64_t)length) {
        return;
    }
    if (last_used(s, &clusters) == 0) {
        end = MAX((int64_t)(clusters << s->cluster_bits),
                  (int64_t)s->fresh_start);
        if (end < length) {
            node_co_truncate(s->file.node, end, false, PREALLOC_MODE_OFF, 0,
                             NULL);
        }
    }
}
