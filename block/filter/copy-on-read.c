/*
 * Filter "copy-on-read": what is read from a backing image stays in the image
 * above, so that it is fetched once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/error.h"

#define TYPE_BLOCK_COPY_ON_READ TYPE_BLOCK_NODE "-copy-on-read"

/* The image that keeps what is read. */
static BlockNode *cor_image(BlockNode *node)
{
    return node_skip_filters(filter_child(node));
}

static bool cor_open(BlockNode *node, Error **errp)
{
    BlockNode *image;

    if (!filter_base()->open(node, errp)) {
        return false;
    }
    image = cor_image(node);
    if (image->read_only) {
        error_setg(errp, "copy-on-read writes to node '%s', which is read-only",
                   block_node_name(image));
        return false;
    }
    if (!image->tracks_writes) {
        /* Writes under way would not be seen. */
        node_drained_begin(image);
        image->tracks_writes = true;
        node_drained_end(image);
    }
    return true;
}

static void cor_child_perm(BlockNode *node, const NodeLink *link, unsigned perm,
                           unsigned shared, unsigned *ret_perm,
                           unsigned *ret_shared)
{
    *ret_perm = perm | NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE_UNCHANGED;
    *ret_shared = shared | NODE_PERM_WRITE_UNCHANGED;
}

static int coroutine_fn cor_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNode *image = cor_image(node);
    int ret;

    if (node_backing(image)) {
        int64_t length = block_node_length(image);

        ret = node_co_copy_up(image, offset, MIN(bytes, length - offset));
        if (ret < 0) {
            return ret;
        }
    }
    return node_co_preadv(filter_child(node), offset, bytes, qiov, qiov_offset,
                          flags);
}

static void cor_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "copy-on-read";
    nc->help = "what is read from a backing image is kept";
    nc->open = cor_open;
    nc->child_perm = cor_child_perm;
    nc->co_preadv = cor_co_preadv;
}

extern const TypeInfo block_type_copy_on_read;
const TypeInfo block_type_copy_on_read = {
    .name = TYPE_BLOCK_COPY_ON_READ,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockFilter),
    .class_init = cor_class_init,
};
