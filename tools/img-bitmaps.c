/*
 * Dirty bitmaps of images: copying them to another image, how long they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "img-bitmaps.h"

#include "block/dirty-bitmap.h"
#include "qapi/qapi-commands-transaction.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/host-utils.h"

/* Of a bitmap's entry in the directory of an image, before its name. */
#define QCOW_BITMAP_ENTRY_BYTES 24

BlockNode *img_bitmap_node(BlockBackend *blk)
{
    return node_skip_filters(blk_node(blk));
}

static bool keeps_bitmaps(BlockNode *node)
{
    return BLOCK_NODE_GET_CLASS(node)->co_can_store_bitmap != NULL;
}

void img_bitmap_merge(BlockNode *node, const char *name, BlockNode *source,
                      const char *source_name, Error **errp)
{
    BlockDirtyBitmapOrStr from = {
        .type = QTYPE_QDICT,
        .u.external = { (char *)block_node_name(source), (char *)source_name },
    };
    BlockDirtyBitmapOrStrList list = { .value = &from };
    BlockDirtyBitmapMerge arg = { .node = (char *)block_node_name(node),
                                  .target = (char *)name,
                                  .bitmaps = &list };

    qmp_block_dirty_bitmap_merge(&arg, errp);
}

bool img_bitmaps_check(BlockBackend *source, BlockBackend *target,
                       bool skip_broken, Error **errp)
{
    BlockNode *from = img_bitmap_node(source);
    BlockNode *to = img_bitmap_node(target);
    DirtyBitmap *b;
    BlockNode *without = !keeps_bitmaps(from) ? from
                         : !keeps_bitmaps(to) ? to
                                              : NULL;

    if (without) {
        error_setg(errp, "Format driver '%s' does not support bitmaps",
                   BLOCK_NODE_GET_CLASS(without)->driver);
        return false;
    }
    QLIST_FOREACH(b, &from->bitmaps, next) {
        if (b->persistent && b->inconsistent && !skip_broken) {
            error_setg(errp, "Cannot copy inconsistent bitmap '%s'", b->name);
            error_append_hint(errp, "Try --skip-broken-bitmaps, or use "
                                    "'ferry-img bitmap --remove'\n");
            return false;
        }
    }
    return true;
}

static bool copy_one(const DirtyBitmap *b, BlockNode *from, BlockNode *to,
                     Error **errp)
{
    BlockDirtyBitmapAdd add = {
        .node = (char *)block_node_name(to),
        .name = b->name,
        .has_granularity = true,
        .granularity = b->granularity,
        .has_persistent = true,
        .persistent = true,
        .has_disabled = true,
        .disabled = b->disabled,
    };
    Error *err = NULL;

    qmp_block_dirty_bitmap_add(&add, &err);
    if (err) {
        error_propagate_prepend(errp, err,
                                "Failed to create bitmap %s: ", b->name);
        return false;
    }
    img_bitmap_merge(to, b->name, from, b->name, &err);
    if (err) {
        error_propagate_prepend(errp, err,
                                "Failed to populate bitmap %s: ", b->name);
        return false;
    }
    return true;
}

bool img_bitmaps_copy(BlockBackend *source, BlockBackend *target, Error **errp)
{
    BlockNode *from = img_bitmap_node(source);
    DirtyBitmap *b;

    QLIST_FOREACH(b, &from->bitmaps, next) {
        if (b->persistent && b->inconsistent) {
            warn_report("Skipping inconsistent bitmap '%s'", b->name);
        } else if (b->persistent &&
                   !copy_one(b, from, img_bitmap_node(target), errp)) {
            return false;
        }
    }
    return true;
}

bool img_bitmaps_measure(BlockBackend *source, uint64_t cluster_bytes,
                         uint64_t *ret_bytes)
{
    BlockNode *node = img_bitmap_node(source);
    uint64_t directory = 0;
    DirtyBitmap *b;

    if (!keeps_bitmaps(node)) {
        return false;
    }
    *ret_bytes = 0;
    QLIST_FOREACH(b, &node->bitmaps, next) {
        uint64_t clusters = DIV_ROUND_UP(dirty_bitmap_bytes(b), cluster_bytes);

        if (!b->persistent || b->inconsistent) {
            continue;
        }
        *ret_bytes += clusters * cluster_bytes +
                      ROUND_UP(clusters * sizeof(uint64_t), cluster_bytes);
        directory += ROUND_UP(QCOW_BITMAP_ENTRY_BYTES + strlen(b->name), 8);
    }
    *ret_bytes += ROUND_UP(directory, cluster_bytes);
    return true;
}
