/*
 * The base class of filters: everything goes on to the child "file".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "util/error.h"

static BlockNode *child(BlockNode *node)
{
    return BLOCK_FILTER(node)->file.node;
}

static bool filter_open(BlockNode *node, Error **errp)
{
    BlockFilter *f = BLOCK_FILTER(node);
    BlockNode *below;

    if (!block_node_open_child(node, &f->file, f->file_ref, "file",
                               NODE_ROLE_FILTERED | NODE_ROLE_PRIMARY, errp)) {
        return false;
    }
    below = f->file.node;
    node->length = block_node_length(below);
    node->physical_block_size = below->physical_block_size;
    node->preferred_write = below->preferred_write;
    node->preferred_discard = below->preferred_discard;
    node->can_grow = below->can_grow;
    node->write_flags = BLK_REQ_FUA;
    node->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    return true;
}

static char *filter_filename(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(child(node));

    return nc->filename ? nc->filename(child(node)) : g_strdup("");
}

static int64_t filter_allocated(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(child(node));

    return nc->allocated ? nc->allocated(child(node)) : -ENOTSUP;
}

static int coroutine_fn filter_co_preadv(BlockNode *node, int64_t offset,
                                         int64_t bytes, QEMUIOVector *qiov,
                                         size_t qiov_offset,
                                         BlkRequestFlags flags)
{
    return node_co_preadv(child(node), offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn filter_co_pwritev(BlockNode *node, int64_t offset,
                                          int64_t bytes, QEMUIOVector *qiov,
                                          size_t qiov_offset,
                                          BlkRequestFlags flags)
{
    return node_co_pwritev(child(node), offset, bytes, qiov, qiov_offset,
                           flags);
}

static int coroutine_fn filter_co_pwritev_compressed(BlockNode *node,
                                                     int64_t offset,
                                                     int64_t bytes,
                                                     QEMUIOVector *qiov,
                                                     size_t qiov_offset)
{
    return node_co_pwritev(child(node), offset, bytes, qiov, qiov_offset,
                           BLK_REQ_WRITE_COMPRESSED);
}

static int coroutine_fn filter_co_pdiscard(BlockNode *node, int64_t offset,
                                           int64_t bytes)
{
    return node_co_pdiscard(child(node), offset, bytes);
}

static int coroutine_fn filter_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                                int64_t bytes,
                                                BlkRequestFlags flags)
{
    return node_co_pwrite_zeroes(child(node), offset, bytes, flags);
}

static int coroutine_fn filter_co_block_status(BlockNode *node, unsigned want,
                                               int64_t offset, int64_t bytes,
                                               int64_t *pnum, int64_t *map,
                                               BlockNode **file)
{
    *pnum = bytes;
    *map = offset;
    *file = child(node);
    return NODE_STATUS_RAW | NODE_STATUS_OFFSET;
}

static int coroutine_fn filter_co_truncate(BlockNode *node, int64_t bytes,
                                           bool exact, PreallocMode prealloc,
                                           BlkRequestFlags flags, Error **errp)
{
    int ret =
        node_co_truncate(child(node), bytes, exact, prealloc, flags, errp);

    if (ret == 0) {
        block_node_set_length(node, block_node_length(child(node)));
    }
    return ret;
}

static void filter_child_resized(BlockNode *node, NodeLink *link)
{
    if (link->role & NODE_ROLE_FILTERED) {
        block_node_set_length(node, block_node_length(link->node));
    }
}

/* The core tells of a new length later: too late for what is above. */
static int coroutine_fn filter_co_activate(BlockNode *node, Error **errp)
{
    block_node_set_length(node, block_node_length(child(node)));
    return 0;
}

static const Property filter_props[] = {
    { "file", PROP_JSON, offsetof(BlockFilter, file_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make",
      .since = "0.1" },
    {},
};

static void filter_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->is_filter = true;
    nc->open = filter_open;
    nc->child_resized = filter_child_resized;
    nc->filename = filter_filename;
    nc->allocated = filter_allocated;
    nc->co_preadv = filter_co_preadv;
    nc->co_pwritev = filter_co_pwritev;
    nc->co_pwritev_compressed = filter_co_pwritev_compressed;
    nc->co_pdiscard = filter_co_pdiscard;
    nc->co_pwrite_zeroes = filter_co_pwrite_zeroes;
    nc->co_block_status = filter_co_block_status;
    nc->co_truncate = filter_co_truncate;
    nc->co_activate = filter_co_activate;
}

extern const TypeInfo block_type_filter;
const TypeInfo block_type_filter = {
    .name = TYPE_BLOCK_FILTER,
    .parent = TYPE_BLOCK_NODE,
    .abstract = true,
    .instance_size = sizeof(BlockFilter),
    .class_init = filter_class_init,
    .props = filter_props,
};
