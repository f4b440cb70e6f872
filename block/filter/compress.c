/*
 * Filter "compress": everything that is written becomes compressed clusters of
 * the image below.
 *
 * Its alignment is the image's cluster, so that smaller writes are read and
 * written in whole clusters by node-io.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/error.h"
#include "util/host-utils.h"

#define TYPE_BLOCK_COMPRESS TYPE_BLOCK_NODE "-compress"

/* Clusters of any format here are smaller. */
#define COMPRESS_CLUSTER_MAX (64 * 1024 * 1024)

typedef struct ClusterQuery {
    BlockNode *image;
    NodeInfo info;
} ClusterQuery;

static int coroutine_fn query_cluster(void *opaque)
{
    ClusterQuery *q = opaque;

    return BLOCK_NODE_GET_CLASS(q->image)->co_info(q->image, &q->info);
}

static bool compress_open(BlockNode *node, Error **errp)
{
    ClusterQuery q = { 0 };
    BlockNodeClass *nc;
    int ret;

    if (!filter_base()->open(node, errp)) {
        return false;
    }
    q.image = node_skip_filters(filter_child(node));
    nc = BLOCK_NODE_GET_CLASS(q.image);
    if (!nc->co_pwritev_compressed || !nc->co_info) {
        error_setg(errp,
                   "format '%s' of node '%s' does not support compressed "
                   "writes",
                   nc->driver, block_node_name(q.image));
        return false;
    }
    ret = node_run_co(node->ctx, query_cluster, &q);
    if (ret < 0 || q.info.cluster_size <= 0 ||
        q.info.cluster_size > COMPRESS_CLUSTER_MAX ||
        !is_power_of_2((uint64_t)q.info.cluster_size)) {
        error_setg(errp, "node '%s' does not tell the size of its clusters",
                   block_node_name(q.image));
        return false;
    }
    node->request_alignment = (uint32_t)q.info.cluster_size;
    node->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    node->write_flags = 0;
    return true;
}

static int coroutine_fn compress_co_pwritev(BlockNode *node, int64_t offset,
                                            int64_t bytes, QEMUIOVector *qiov,
                                            size_t qiov_offset,
                                            BlkRequestFlags flags)
{
    BlockNode *below = filter_child(node);
    int64_t end = MIN(offset + bytes, block_node_length(below));
    int ret = 0;

    while (offset < end && ret == 0) {
        int64_t n = MIN((int64_t)node->request_alignment, end - offset);

        ret = node_co_pwritev(below, offset, n, qiov, qiov_offset,
                              flags | BLK_REQ_WRITE_COMPRESSED);
        offset += n;
        qiov_offset += (size_t)n;
    }
    return ret;
}

static void compress_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "compress";
    nc->help = "writes are compressed";
    nc->open = compress_open;
    nc->co_pwritev = compress_co_pwritev;
}

extern const TypeInfo block_type_compress;
const TypeInfo block_type_compress = {
    .name = TYPE_BLOCK_COMPRESS,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockFilter),
    .class_init = compress_class_init,
};
