/*
 * QMP commands that change nodes and block devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/format/crypt-keys.h"
#include "io/iothread.h"
#include "qapi/qapi-commands-block.h"
#include "qapi/qapi-types-common.h"
#include "qapi/util.h"
#include "util/error.h"
#include "util/main-loop.h"

static BlockNode *find_node(const char *name, Error **errp)
{
    BlockNode *node = block_node_find(name);

    if (!node || !node->is_open) {
        error_setg(errp, "Cannot find node '%s'", name);
        return NULL;
    }
    return node;
}

/* -- nodes ----------------------------------------------------------------------------- */

static json_t *options_of(const BlockdevOptions *arg)
{
    json_t *opts =
        arg->open_members ? json_copy(arg->open_members) : json_object();

    json_object_set_new(opts, "driver", json_string(arg->driver));
    if (arg->node_name) {
        json_object_set_new(opts, "node-name", json_string(arg->node_name));
    }
    return opts;
}

/* Keys are found by a worker, while the main loop serves others. */
static void add_with_errands(QmpContext *ctx, const json_t *opts, Error **errp)
{
    CryptKeys *keys = ctx->errand.opaque;
    Error *err = NULL;

    if (!keys) {
        keys = crypt_keys_new();
        ctx->errand = (QmpErrand){ .opaque = keys,
                                   .work = crypt_keys_find,
                                   .cancel = crypt_keys_cancel,
                                   .free = crypt_keys_free };
    }
    if (blockdev_add_with_keys(opts, qemu_get_aio_context(), keys, &err)) {
        return;
    }
    ctx->again = crypt_keys_is_wanted(keys);
    if (ctx->again) {
        error_free(err);
    } else {
        error_propagate(errp, err);
    }
}

void qmp_blockdev_add(QmpContext *ctx, BlockdevOptions *arg, Error **errp)
{
    g_autoptr(json_t) opts = options_of(arg);

    if (ctx->takes_errands) {
        add_with_errands(ctx, opts, errp);
    } else {
        blockdev_add(opts, false, qemu_get_aio_context(), errp);
    }
}

void qmp_blockdev_reopen(BlockdevOptionsList *options, Error **errp)
{
    g_autoptr(json_t) list = json_array();

    for (BlockdevOptionsList *l = options; l; l = l->next) {
        json_array_append_new(list, options_of(l->value));
    }
    blockdev_reopen(list, errp);
}

void qmp_blockdev_del(const char *node_name, Error **errp)
{
    blockdev_del(node_name, errp);
}

/* The size is the node's, whatever its device shares with others. */
static bool resize_node(BlockNode *node, int64_t size, Error **errp)
{
    g_autoptr(BlockBackend) blk = blk_new(qemu_get_aio_context());

    return blk_set_node_perm(blk, NODE_PERM_RESIZE, NODE_PERM_ALL, errp) &&
           blk_insert(blk, node, errp) && blk_truncate(blk, size, errp);
}

void qmp_block_resize(const char *device, const char *node_name, int64_t size,
                      Error **errp)
{
    BlockBackend *blk;
    BlockNode *node;

    if (!device == !node_name) {
        error_setg(errp, "Either 'device' or 'node-name' must be given");
        return;
    }
    if (node_name) {
        node = find_node(node_name, errp);
    } else {
        blk = blk_find(device, NULL, errp);
        node = blk ? blk->root.node : NULL;
        if (blk && !node) {
            error_setg(errp, "Device '%s' has no medium", device);
        }
    }
    if (node) {
        resize_node(node, size, errp);
    }
}

/* -- statistics and limits ----------------------------------------------------------------- */

void qmp_block_latency_histogram_set(
    const char *id, bool has_boundaries, uint64List *boundaries,
    bool has_boundaries_read, uint64List *boundaries_read,
    bool has_boundaries_write, uint64List *boundaries_write,
    bool has_boundaries_flush, uint64List *boundaries_flush, Error **errp)
{
    BlockBackend *blk = blk_find(NULL, id, NULL);
    const uint64List *lists[BLK_OP_MAX] = {
        [BLK_OP_READ] = boundaries_read ? boundaries_read : boundaries,
        [BLK_OP_WRITE] = boundaries_write ? boundaries_write : boundaries,
        [BLK_OP_FLUSH] = boundaries_flush ? boundaries_flush : boundaries,
    };

    if (!blk) {
        blk = blk_find(id, NULL, errp);
    }
    if (blk) {
        blk_set_histograms(blk, id, lists, errp);
    }
}

void qmp_block_set_write_threshold(const char *node_name,
                                   uint64_t write_threshold, Error **errp)
{
    BlockNode *node = find_node(node_name, errp);

    if (node) {
        qatomic_set(&node->write_threshold, write_threshold);
    }
}

/* -- threads --------------------------------------------------------------------------------- */

static bool move_users(BlockNode *node, AioContext *ctx, bool force,
                       Error **errp)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk->root.node == node && blk->dev && !force) {
            error_setg(errp,
                       "Node %s is associated with a BlockBackend and "
                       "could be in use (use force=true to override this "
                       "check)",
                       node->name);
            return false;
        }
    }
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk->root.node == node && !blk_set_aio_context(blk, ctx, errp)) {
            return false;
        }
    }
    return true;
}

static void add_iothread(IOThread *t, void *opaque)
{
    IOThreadInfoList ***tail = opaque;
    IOThreadParams p = iothread_get_params(t);
    IOThreadInfo *info = g_new0(IOThreadInfo, 1);

    info->id = iothread_get_id(t);
    info->thread_id = iothread_get_thread_id(t);
    info->poll_max_ns = p.poll_max_ns;
    info->poll_grow = p.poll_grow;
    info->poll_shrink = p.poll_shrink;
    info->aio_max_batch = p.aio_max_batch;
    QAPI_LIST_APPEND(*tail, info);
}

IOThreadInfoList *qmp_query_iothreads(Error **errp)
{
    IOThreadInfoList *list = NULL;
    IOThreadInfoList **tail = &list;

    iothread_foreach(add_iothread, &tail);
    return list;
}

void qmp_x_blockdev_set_iothread(const char *node_name, StrOrNull *iothread,
                                 bool has_force, bool force, Error **errp)
{
    BlockNode *node = find_node(node_name, errp);
    AioContext *ctx = qemu_get_aio_context();

    if (!node) {
        return;
    }
    if (iothread->type == QTYPE_QSTRING) {
        IOThread *t = iothread_by_id(iothread->u.s);

        if (!t) {
            error_setg(errp, "Cannot find iothread %s", iothread->u.s);
            return;
        }
        ctx = iothread_get_aio_context(t);
    }
    move_users(node, ctx, force, errp);
}
