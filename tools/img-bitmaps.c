/*
 * Dirty bitmaps of images: copying them to another image, how long they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "img-bitmaps.h"

#include "block/node-image.h"
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

/* The user's bitmaps that are stored in the image. Transfer full. */
static BlockDirtyInfoList *stored_bitmaps(BlockNode *node)
{
    BlockDirtyInfoList *all = dirty_bitmaps_info(node);
    BlockDirtyInfoList **link = &all;

    while (*link) {
        BlockDirtyInfoList *l = *link;

        if (l->value->persistent) {
            link = &l->next;
        } else {
            *link = g_steal_pointer(&l->next);
            qapi_free_BlockDirtyInfoList(l);
        }
    }
    return all;
}

static bool is_inconsistent(const BlockDirtyInfo *b)
{
    return b->has_inconsistent && b->inconsistent;
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
    BlockNode *without = !node_can_keep_bitmaps(from) ? from
                         : !node_can_keep_bitmaps(to) ? to
                                                      : NULL;
    g_autoptr(BlockDirtyInfoList) list = NULL;

    if (without) {
        error_setg(errp, "Format driver '%s' does not support bitmaps",
                   node_driver_name(without));
        return false;
    }
    list = stored_bitmaps(from);
    for (BlockDirtyInfoList *l = list; l; l = l->next) {
        if (is_inconsistent(l->value) && !skip_broken) {
            error_setg(errp, "Cannot copy inconsistent bitmap '%s'",
                       l->value->name);
            error_append_hint(errp, "Try --skip-broken-bitmaps, or use "
                                    "'ferry-img bitmap --remove'\n");
            return false;
        }
    }
    return true;
}

static bool copy_one(const BlockDirtyInfo *b, BlockNode *from, BlockNode *to,
                     Error **errp)
{
    BlockDirtyBitmapAdd add = {
        .node = (char *)block_node_name(to),
        .name = b->name,
        .has_granularity = true,
        .granularity = (uint32_t)b->granularity,
        .has_persistent = true,
        .persistent = true,
        .has_disabled = true,
        .disabled = !b->recording,
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
    g_autoptr(BlockDirtyInfoList) list = stored_bitmaps(from);

    for (BlockDirtyInfoList *l = list; l; l = l->next) {
        if (is_inconsistent(l->value)) {
            warn_report("Skipping inconsistent bitmap '%s'", l->value->name);
        } else if (!copy_one(l->value, from, img_bitmap_node(target), errp)) {
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
    g_autoptr(BlockDirtyInfoList) list = NULL;

    if (!node_can_keep_bitmaps(node)) {
        return false;
    }
    *ret_bytes = 0;
    list = stored_bitmaps(node);
    for (BlockDirtyInfoList *l = list; l; l = l->next) {
        const BlockDirtyInfo *b = l->value;
        uint64_t bits =
            DIV_ROUND_UP((uint64_t)node_length(node), (uint64_t)b->granularity);
        uint64_t clusters = DIV_ROUND_UP(DIV_ROUND_UP(bits, 8), cluster_bytes);

        if (is_inconsistent(b)) {
            continue;
        }
        *ret_bytes += clusters * cluster_bytes +
                      ROUND_UP(clusters * sizeof(uint64_t), cluster_bytes);
        directory += ROUND_UP(QCOW_BITMAP_ENTRY_BYTES + strlen(b->name), 8);
    }
    *ret_bytes += ROUND_UP(directory, cluster_bytes);
    return true;
}
