/*
 * QMP: what block devices and nodes there are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/dirty-bitmap.h"
#include "block/image.h"
#include "qapi/qapi-commands-block.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"

/* -- finding a device ------------------------------------------------------------------ */

#define PERIPHERAL "/machine/peripheral/"

char *blk_qdev_id(BlockBackend *blk)
{
    g_autofree char *path = NULL;
    const char *id;

    if (!blk->dev) {
        return NULL;
    }
    path = object_get_canonical_path(OBJECT(blk->dev));
    if (path && strstart(path, PERIPHERAL, &id) && !strchr(id, '/')) {
        return g_strdup(id);
    }
    return g_steal_pointer(&path);
}

/* Is @id the name or path of the device of @blk, or of one around it? */
static bool has_qdev_id(BlockBackend *blk, const char *id)
{
    g_autofree char *path =
        blk->dev ? object_get_canonical_path(OBJECT(blk->dev)) : NULL;
    const char *rest;

    if (!path) {
        return false;
    }
    return g_str_equal(path, id) ||
           (strstart(path, PERIPHERAL, &rest) && strstart(rest, id, &rest) &&
            (*rest == '\0' || *rest == '/'));
}

static BlockBackend *find_by_qdev(const char *id)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (has_qdev_id(blk, id)) {
            return blk;
        }
    }
    return NULL;
}

BlockBackend *blk_find(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk;

    if (!device == !id) {
        error_setg(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    blk = device ? blk_by_name(device) : find_by_qdev(id);
    if (!blk) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found",
                  device ? device : id);
    }
    return blk;
}

/* -- nodes -------------------------------------------------------------------------------- */

static int64_t backing_depth(BlockNode *node)
{
    int64_t depth = 0;

    while ((node = node_backing(node))) {
        depth++;
    }
    return depth;
}

static BlockDeviceInfo *node_info(BlockNode *node, bool write_cache, bool chain,
                                  Error **errp)
{
    g_autoptr(BlockDeviceInfo) info = g_new0(BlockDeviceInfo, 1);
    BlockNode *image = node_skip_filters(node);

    info->file = node_filename(node);
    info->node_name = g_strdup(block_node_name(node));
    info->ro = node->read_only;
    info->drv = g_strdup(BLOCK_NODE_GET_CLASS(node)->driver);
    info->backing_file = node_backing_path(image);
    info->backing_file_depth = backing_depth(node);
    info->detect_zeroes = (BlockdevDetectZeroesOptions)node->detect_zeroes;
    info->write_threshold =
        (int64_t)MIN(qatomic_read(&node->write_threshold), (uint64_t)INT64_MAX);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = write_cache;
    info->cache->direct = node->direct;
    info->cache->no_flush = node->no_flush;
    info->image = block_image_info(node, chain, errp);
    if (!info->image) {
        return NULL;
    }
    info->dirty_bitmaps = dirty_bitmaps_info(image);
    info->has_dirty_bitmaps = info->dirty_bitmaps != NULL;
    info->encrypted = info->image->has_encrypted && info->image->encrypted;
    return g_steal_pointer(&info);
}

typedef struct NodeList {
    BlockDeviceInfoList *list;
    BlockDeviceInfoList **tail;
    bool chain;
} NodeList;

static bool add_node(BlockNode *node, void *opaque)
{
    NodeList *l = opaque;
    BlockDeviceInfo *info = node_info(node, true, l->chain, NULL);

    /* An image that cannot be read does not hide the others. */
    if (info) {
        QAPI_LIST_APPEND(l->tail, info);
    }
    return true;
}

BlockDeviceInfoList *qmp_query_named_block_nodes(bool has_flat, bool flat,
                                                 Error **errp)
{
    NodeList l = { .tail = &l.list, .chain = !flat };

    node_foreach(add_node, &l);
    return l.list;
}

/* -- devices ------------------------------------------------------------------------------- */

/* A device, or a named backend that waits for one. */
static bool is_listed(BlockBackend *blk)
{
    return *blk->name || blk->dev;
}

/* What a user knows of: without filters that jobs put in. */
static BlockNode *visible_node(BlockBackend *blk)
{
    BlockNode *node = blk->root.node;

    while (node && node->implicit) {
        node = node_child_of_role(node, NODE_ROLE_FILTERED | NODE_ROLE_COW);
    }
    return node;
}

static BlockInfo *device_info(BlockBackend *blk)
{
    BlockInfo *info = g_new0(BlockInfo, 1);
    const BlockDevOps *ops = blk->ops;
    BlockNode *node = visible_node(blk);

    info->device = g_strdup(blk->name);
    info->qdev = blk_qdev_id(blk);
    info->type = g_strdup("unknown");
    info->removable = !blk->dev || (ops && ops->change_media);
    info->locked =
        ops && ops->is_medium_locked && ops->is_medium_locked(blk->ops_opaque);
    if (node) {
        info->inserted =
            node_info(node, blk_enable_write_cache(blk), true, NULL);
        if (info->inserted) {
            blk_show_io_limits(blk, info->inserted);
        }
    }
    if (ops && ops->is_tray_open) {
        info->has_tray_open = true;
        info->tray_open = ops->is_tray_open(blk->ops_opaque);
    }
    if (blk->dev && blk_iostatus_is_kept(blk)) {
        info->has_io_status = true;
        info->io_status = blk->iostatus;
    }
    return info;
}

BlockInfoList *qmp_query_block(Error **errp)
{
    BlockInfoList *list = NULL;
    BlockInfoList **tail = &list;

    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (is_listed(blk)) {
            QAPI_LIST_APPEND(tail, device_info(blk));
        }
    }
    return list;
}

/* -- statistics ------------------------------------------------------------------------------ */

/* @node with what it is in and what is below it. */
static void fill_node_stats(BlockStats *s, BlockNode *node, bool chain);

static BlockStats *node_stats(BlockNode *node, bool chain)
{
    BlkStats none = { .highest_offset = qatomic_read(&node->highest) };
    BlockStats *s = g_new0(BlockStats, 1);

    s->stats = blk_stats_info(&none);
    fill_node_stats(s, node, chain);
    return s;
}

static void fill_node_stats(BlockStats *s, BlockNode *node, bool chain)
{
    BlockNode *file =
        node_child_of_role(node, NODE_ROLE_PRIMARY | NODE_ROLE_FILTERED);
    BlockNode *backing = node_child_of_role(node, NODE_ROLE_COW);

    s->node_name = g_strdup(block_node_name(node));
    if (file) {
        s->parent = node_stats(file, false);
    }
    if (chain && backing) {
        s->backing = node_stats(backing, true);
    }
}

typedef struct StatsList {
    BlockStatsList *list;
    BlockStatsList **tail;
} StatsList;

static bool add_node_stats(BlockNode *node, void *opaque)
{
    StatsList *l = opaque;

    QAPI_LIST_APPEND(l->tail, node_stats(node, true));
    return true;
}

BlockStatsList *qmp_query_blockstats(bool has_query_nodes, bool query_nodes,
                                     Error **errp)
{
    StatsList l = { .tail = &l.list };

    if (query_nodes) {
        node_foreach(add_node_stats, &l);
        return l.list;
    }
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        BlockNode *node = visible_node(blk);
        BlockStats *s;

        if (!is_listed(blk)) {
            continue;
        }
        s = g_new0(BlockStats, 1);
        s->device = g_strdup(blk->name);
        s->qdev = blk_qdev_id(blk);
        s->stats = blk_stats_info(&blk->stats);
        if (node) {
            fill_node_stats(s, node, true);
        }
        QAPI_LIST_APPEND(l.tail, s);
    }
    return l.list;
}
