/*
 * Filter "copy-on-read": what is read from a backing image stays in the image
 * above, so that it is fetched once. With "bottom", what is in images below
 * that one is not kept: they stay.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/error.h"

#define TYPE_BLOCK_COPY_ON_READ TYPE_BLOCK_NODE "-copy-on-read"
OBJECT_DECLARE_SIMPLE_TYPE(BlockCopyOnRead, BLOCK_COPY_ON_READ)

struct BlockCopyOnRead {
    BlockFilter parent_obj;

    char *bottom_name; /* property "bottom" */
    BlockNode *bottom; /* (owned), or NULL */
};

/* The image that keeps what is read. */
static BlockNode *cor_image(BlockNode *node)
{
    return node_skip_filters(filter_child(node));
}

static bool find_bottom(BlockCopyOnRead *c, Error **errp)
{
    BlockNode *bottom = block_node_find(c->bottom_name);

    if (!bottom || !node_chain_contains(cor_image(BLOCK_NODE(c)), bottom)) {
        error_setg(errp, "Bottom node '%s' is not in the backing chain of '%s'",
                   c->bottom_name, cor_image(BLOCK_NODE(c))->name);
        return false;
    }
    if (BLOCK_NODE_GET_CLASS(bottom)->is_filter) {
        error_setg(errp, "Bottom node '%s' is a filter", c->bottom_name);
        return false;
    }
    c->bottom = bottom;
    block_node_ref(bottom);
    return true;
}

static void cor_close(BlockNode *node)
{
    g_clear_pointer(&BLOCK_COPY_ON_READ(node)->bottom, block_node_unref);
}

static bool cor_open(BlockNode *node, Error **errp)
{
    BlockCopyOnRead *c = BLOCK_COPY_ON_READ(node);
    BlockNode *image;

    if (!filter_base()->open(node, errp) ||
        (c->bottom_name && !find_bottom(c, errp))) {
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

/* Is there anything that may be kept? *@ret_base: and nothing from there. */
static bool may_copy(BlockNode *node, BlockNode *image, BlockNode **ret_base)
{
    BlockNode *bottom = BLOCK_COPY_ON_READ(node)->bottom;

    *ret_base = bottom ? node_backing(bottom) : NULL;
    return node_backing(image) &&
           (!bottom || node_chain_contains(image, bottom));
}

static int coroutine_fn cor_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    BlockNode *image = cor_image(node);
    BlockNode *base;
    int ret;

    if (may_copy(node, image, &base)) {
        int64_t length = block_node_length(image);

        ret = node_co_copy_up(image, base, offset, MIN(bytes, length - offset));
        if (ret < 0) {
            return ret;
        }
    }
    return node_co_preadv(filter_child(node), offset, bytes, qiov, qiov_offset,
                          flags);
}

static const Property cor_props[] = {
    { "bottom", PROP_STR, offsetof(BlockCopyOnRead, bottom_name),
      .help = "node-name of the lowest image from which something is kept",
      .since = "0.2" },
    {},
};

static void cor_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "copy-on-read";
    nc->help = "what is read from a backing image is kept";
    nc->open = cor_open;
    nc->close = cor_close;
    nc->child_perm = cor_child_perm;
    nc->co_preadv = cor_co_preadv;
}

extern const TypeInfo block_type_copy_on_read;
const TypeInfo block_type_copy_on_read = {
    .name = TYPE_BLOCK_COPY_ON_READ,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockCopyOnRead),
    .class_init = cor_class_init,
    .props = cor_props,
};
