/*
 * QMP commands about block devices and nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-commands-block.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "backend-internal.h"

/* -- nodes ----------------------------------------------------------------------------- */

static ImageInfo *image_info(BlockNode *node, const char *filename)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t allocated = nc->allocated ? nc->allocated(node) : -ENOTSUP;
    ImageInfo *info = g_new0(ImageInfo, 1);

    info->filename = g_strdup(filename);
    info->format = g_strdup(nc->driver);
    info->has_actual_size = allocated >= 0;
    info->actual_size = MAX(allocated, 0);
    info->virtual_size = block_node_length(node);
    return info;
}

static BlockDeviceInfo *node_info(BlockNode *node, bool write_cache)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = nc->filename ? nc->filename(node) : g_strdup("");
    info->node_name = g_strdup(block_node_name(node));
    info->ro = node->read_only;
    info->drv = g_strdup(nc->driver);
    info->detect_zeroes = (BlockdevDetectZeroesOptions)node->detect_zeroes;
    info->image = image_info(node, info->file);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = write_cache;
    info->cache->direct = node->direct;
    info->cache->no_flush = node->no_flush;
    return info;
}

static int add_node(Object *obj, void *opaque)
{
    BlockDeviceInfoList ***tail = opaque;

    QAPI_LIST_APPEND(*tail, node_info(BLOCK_NODE(obj), true));
    return 0;
}

BlockDeviceInfoList *qmp_query_named_block_nodes(bool has_flat, bool flat,
                                                 Error **errp)
{
    Object *root = container_get(object_get_root(), "/block-nodes");
    BlockDeviceInfoList *list = NULL;
    BlockDeviceInfoList **tail = &list;

    object_child_foreach(root, add_node, &tail);
    return list;
}

void qmp_blockdev_add(BlockdevOptions *arg, Error **errp)
{
    g_autoptr(json_t) opts =
        arg->open_members ? json_copy(arg->open_members) : json_object();

    json_object_set_new(opts, "driver", json_string(arg->driver));
    if (arg->node_name) {
        json_object_set_new(opts, "node-name", json_string(arg->node_name));
    }
    blockdev_add(opts, false, qemu_get_aio_context(), errp);
}

void qmp_blockdev_del(const char *node_name, Error **errp)
{
    blockdev_del(node_name, errp);
}

/* -- devices ----------------------------------------------------------------------------- */

/* Id of the guest's device, or its path. */
static char *device_id(BlockBackend *blk)
{
    g_autofree char *path = NULL;
    const char *id;

    if (!blk->dev) {
        return NULL;
    }
    path = object_get_canonical_path(OBJECT(blk->dev));
    if (path && strstart(path, "/machine/peripheral/", &id) &&
        !strchr(id, '/')) {
        return g_strdup(id);
    }
    return g_steal_pointer(&path);
}

/* A device, or a named backend that waits for one. */
static bool is_listed(BlockBackend *blk)
{
    return *blk->name || blk->dev;
}

static BlockInfo *device_info(BlockBackend *blk)
{
    BlockInfo *info = g_new0(BlockInfo, 1);
    const BlockDevOps *ops = blk->ops;

    info->device = g_strdup(blk->name);
    info->qdev = device_id(blk);
    info->type = g_strdup("unknown");
    info->removable = !blk->dev || (ops && ops->change_media);
    info->locked =
        ops && ops->is_medium_locked && ops->is_medium_locked(blk->ops_opaque);
    if (blk->root.node) {
        info->inserted = node_info(blk->root.node, blk_enable_write_cache(blk));
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

static int64_t count(const uint64_t *counter)
{
    return (int64_t)__atomic_load_n(counter, __ATOMIC_RELAXED);
}

static BlockDeviceStats *device_stats(const BlkStats *s)
{
    BlockDeviceStats *d = g_new0(BlockDeviceStats, 1);

    d->rd_bytes = count(&s->bytes[BLK_OP_READ]);
    d->wr_bytes = count(&s->bytes[BLK_OP_WRITE]);
    d->unmap_bytes = count(&s->bytes[BLK_OP_DISCARD]);
    d->rd_operations = count(&s->done[BLK_OP_READ]);
    d->wr_operations = count(&s->done[BLK_OP_WRITE]);
    d->flush_operations = count(&s->done[BLK_OP_FLUSH]);
    d->unmap_operations = count(&s->done[BLK_OP_DISCARD]);
    d->rd_total_time_ns = count(&s->time_ns[BLK_OP_READ]);
    d->wr_total_time_ns = count(&s->time_ns[BLK_OP_WRITE]);
    d->flush_total_time_ns = count(&s->time_ns[BLK_OP_FLUSH]);
    d->unmap_total_time_ns = count(&s->time_ns[BLK_OP_DISCARD]);
    d->wr_highest_offset = count(&s->highest_offset);
    d->failed_rd_operations = count(&s->failed[BLK_OP_READ]);
    d->failed_wr_operations = count(&s->failed[BLK_OP_WRITE]);
    d->failed_flush_operations = count(&s->failed[BLK_OP_FLUSH]);
    d->failed_unmap_operations = count(&s->failed[BLK_OP_DISCARD]);
    return d;
}

BlockStatsList *qmp_query_blockstats(bool has_query_nodes, bool query_nodes,
                                     Error **errp)
{
    BlockStatsList *list = NULL;
    BlockStatsList **tail = &list;

    if (query_nodes) {
        return NULL;
    }
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        BlockStats *s;

        if (!is_listed(blk)) {
            continue;
        }
        s = g_new0(BlockStats, 1);
        s->device = g_strdup(blk->name);
        s->qdev = device_id(blk);
        s->node_name =
            blk->root.node ? g_strdup(block_node_name(blk->root.node)) : NULL;
        s->stats = device_stats(&blk->stats);
        QAPI_LIST_APPEND(tail, s);
    }
    return list;
}

static BlockBackend *blk_of_node(BlockNode *node)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk->root.node == node) {
            return blk;
        }
    }
    return NULL;
}

void qmp_block_resize(const char *device, const char *node_name, int64_t size,
                      Error **errp)
{
    BlockNode *node = node_name ? block_node_find(node_name) : NULL;
    BlockBackend *blk;

    if (!device == !node_name) {
        error_setg(errp, "Either 'device' or 'node-name' must be given");
        return;
    }
    if (node_name && !node) {
        error_setg(errp, "Cannot find node '%s'", node_name);
        return;
    }
    blk = device ? blk_by_name(device) : blk_of_node(node);
    if (!blk && device) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found",
                  device);
        return;
    }
    if (blk) {
        blk_truncate(blk, size, errp);
        return;
    }
    blk = blk_new(qemu_get_aio_context());
    if (blk_insert(blk, node, errp)) {
        blk_truncate(blk, size, errp);
    }
    blk_unref(blk);
}
