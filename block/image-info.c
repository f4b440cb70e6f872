/*
 * ImageInfo: what an image is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/image.h"
#include "block/node-snapshot.h"
#include "util/error.h"

/* Host bytes of a format are those of the files that it consists of. */
static int64_t allocated(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t sum = 0;
    bool known = false;
    NodeLink *link;

    if (nc->allocated) {
        return nc->allocated(node);
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        int64_t n = link->node && !(link->role & NODE_ROLE_COW)
                        ? allocated(link->node)
                        : -ENOTSUP;

        if (n >= 0) {
            sum += n;
            known = true;
        }
    }
    return known ? sum : -ENOTSUP;
}

typedef struct InfoRequest {
    BlockNode *node;
    NodeInfo info;
} InfoRequest;

static int coroutine_fn info_entry(void *opaque)
{
    InfoRequest *r = opaque;

    return BLOCK_NODE_GET_CLASS(r->node)->co_info(r->node, &r->info);
}

static void add_node_info(ImageInfo *info, BlockNode *node)
{
    InfoRequest r = { .node = node };

    if (!BLOCK_NODE_GET_CLASS(node)->co_info ||
        node_run_co(node->ctx, info_entry, &r) < 0) {
        return;
    }
    info->has_cluster_size = r.info.cluster_size > 0;
    info->cluster_size = r.info.cluster_size;
    info->has_compressed = r.info.needs_compressed_writes;
    info->compressed = r.info.needs_compressed_writes;
    info->dirty_flag = r.info.is_dirty;
}

static void add_backing(ImageInfo *info, BlockNode *node)
{
    if (!node->backing_file) {
        return;
    }
    info->backing_filename = g_strdup(node->backing_file);
    info->backing_filename_format = g_strdup(node->backing_format);
    info->full_backing_filename = node_backing_path(node);
}

static bool is_encrypted(const ImageInfo *info)
{
    const ImageInfoSpecific *s = info->format_specific;

    if (!s) {
        return false;
    }
    return s->type == IMAGE_INFO_SPECIFIC_KIND_LUKS ||
           (s->type == IMAGE_INFO_SPECIFIC_KIND_QCOW2 &&
            s->u.qcow2.data->encrypt);
}

ImageInfo *block_image_info(BlockNode *node, bool chain, Error **errp)
{
    g_autoptr(ImageInfo) info = g_new0(ImageInfo, 1);
    BlockNodeClass *nc;
    int64_t actual;
    BlockNode *backing;
    ERRP_GUARD();

    node = node_skip_filters(node);
    nc = BLOCK_NODE_GET_CLASS(node);
    actual = allocated(node);
    info->filename = node_filename(node);
    info->format = g_strdup(nc->driver);
    info->has_actual_size = actual >= 0;
    info->actual_size = MAX(actual, 0);
    info->virtual_size = block_node_length(node);
    info->has_dirty_flag = true;
    add_node_info(info, node);
    add_backing(info, node);
    info->snapshots = node_snapshot_list(node, errp);
    info->has_snapshots = info->snapshots != NULL;
    if (!*errp && nc->specific_info) {
        info->format_specific = nc->specific_info(node, errp);
    }
    if (*errp) {
        return NULL;
    }
    info->has_encrypted = is_encrypted(info);
    info->encrypted = info->has_encrypted;
    backing = node_backing(node);
    if (chain && backing) {
        info->backing_image = block_image_info(backing, true, errp);
        if (!info->backing_image) {
            return NULL;
        }
    }
    return g_steal_pointer(&info);
}
