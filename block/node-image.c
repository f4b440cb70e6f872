/*
 * An image's node for programs that work on images: calls of the driver, with
 * an answer for drivers that lack one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"

#include "block/block-internal.h"
#include "util/error.h"

static const BlockNodeClass *class_of(const BlockNode *node)
{
    return BLOCK_NODE_GET_CLASS(node);
}

BlockNode *node_lowest(BlockNode *node)
{
    BlockNode *child;

    while ((child = node_child_of_role(node, NODE_ROLE_PRIMARY))) {
        node = child;
    }
    return node;
}

const char *node_driver_name(const BlockNode *node)
{
    return class_of(node)->driver;
}

int64_t node_length(BlockNode *node)
{
    return block_node_length(node);
}

uint32_t node_preferred_write(const BlockNode *node)
{
    return node->preferred_write;
}

const char *node_backing_file(const BlockNode *node)
{
    return node->backing_file;
}

const char *node_backing_format(const BlockNode *node)
{
    return node->backing_format;
}

int coroutine_fn node_co_info(BlockNode *node, NodeInfo *ret_info)
{
    const BlockNodeClass *nc = class_of(node);

    *ret_info = (NodeInfo){ 0 };
    return nc->co_info ? nc->co_info(node, ret_info) : 0;
}

ImageInfoSpecific *node_specific_info(BlockNode *node, Error **errp)
{
    const BlockNodeClass *nc = class_of(node);

    return nc->specific_info ? nc->specific_info(node, errp) : NULL;
}

bool node_can_check(const BlockNode *node)
{
    return class_of(node)->co_check;
}

bool node_can_compress(const BlockNode *node)
{
    return class_of(node)->co_pwritev_compressed;
}

bool node_can_change_backing(const BlockNode *node)
{
    return class_of(node)->co_change_backing;
}

bool node_can_make_empty(const BlockNode *node)
{
    return class_of(node)->co_make_empty;
}

bool node_can_keep_bitmaps(const BlockNode *node)
{
    return class_of(node)->co_can_store_bitmap;
}

static int unsupported(const BlockNode *node, const char *what, Error **errp)
{
    error_setg(errp, "Format '%s' does not support %s", node_driver_name(node),
               what);
    return -ENOTSUP;
}

int coroutine_fn node_co_check(BlockNode *node, unsigned fix,
                               const NodeFindings *findings, ImageCheck *result,
                               Error **errp)
{
    const BlockNodeClass *nc = class_of(node);

    if (!nc->co_check) {
        return unsupported(node, "checks", errp);
    }
    return nc->co_check(node, fix, findings, result, errp);
}

int coroutine_fn node_co_change_backing(BlockNode *node, const char *file,
                                        const char *format, Error **errp)
{
    const BlockNodeClass *nc = class_of(node);

    if (!nc->co_change_backing) {
        return unsupported(node, "backing files", errp);
    }
    return nc->co_change_backing(node, file, format, errp);
}

int coroutine_fn node_co_make_empty(BlockNode *node, Error **errp)
{
    const BlockNodeClass *nc = class_of(node);

    if (!nc->co_make_empty) {
        return unsupported(node, "being emptied", errp);
    }
    return nc->co_make_empty(node, errp);
}

int coroutine_fn node_co_load_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos)
{
    const BlockNodeClass *nc = class_of(node);

    return nc->co_load_vmstate ? nc->co_load_vmstate(node, qiov, pos)
                               : -ENOTSUP;
}

int coroutine_fn node_co_save_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos)
{
    const BlockNodeClass *nc = class_of(node);

    return nc->co_save_vmstate ? nc->co_save_vmstate(node, qiov, pos)
                               : -ENOTSUP;
}
