/*
 * Snapshots inside of a node's image: the drivers' coroutine functions for those
 * who are outside of coroutines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-snapshot.h"

#include "block/block-internal.h"
#include "util/error.h"

typedef struct SnapshotCall {
    BlockNode *node;
    SnapshotInfo *info;
    const char *id;
    const char *name;
    Error **errp;
} SnapshotCall;

bool node_can_snapshot(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    return nc->co_snapshot_create && nc->co_snapshot_goto &&
           nc->co_snapshot_delete && nc->snapshot_list;
}

SnapshotInfoList *node_snapshot_list(BlockNode *node, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    return nc->snapshot_list ? nc->snapshot_list(node, errp) : NULL;
}

bool node_snapshot_find(BlockNode *node, const char *id, const char *name,
                        SnapshotInfo **ret, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(SnapshotInfoList) list = node_snapshot_list(node, errp);

    *ret = NULL;
    for (SnapshotInfoList *l = list; l && !*ret; l = l->next) {
        if ((!id || g_str_equal(l->value->id, id)) &&
            (!name || g_str_equal(l->value->name, name))) {
            *ret = g_steal_pointer(&l->value);
        }
    }
    return !*errp;
}

bool node_snapshot_find_any(BlockNode *node, const char *text,
                            SnapshotInfo **ret, Error **errp)
{
    return node_snapshot_find(node, text, NULL, ret, errp) &&
           (*ret || node_snapshot_find(node, NULL, text, ret, errp));
}

SnapshotInfo *node_snapshot_info_new(const char *name, int64_t date_us)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);

    if (!date_us) {
        date_us = g_get_real_time();
    }
    info->name = g_strdup(name);
    info->date_sec = date_us / G_USEC_PER_SEC;
    info->date_nsec = date_us % G_USEC_PER_SEC * 1000;
    return info;
}

static int coroutine_fn create_entry(void *opaque)
{
    SnapshotCall *c = opaque;
    int ret = node_co_flush(c->node);

    if (ret < 0) {
        error_setg_errno(c->errp, -ret, "Could not flush node '%s'",
                         c->node->name);
        return ret;
    }
    return BLOCK_NODE_GET_CLASS(c->node)->co_snapshot_create(c->node, c->info,
                                                             c->errp);
}

bool node_snapshot_create(BlockNode *node, SnapshotInfo *info, Error **errp)
{
    SnapshotCall c = { .node = node, .info = info, .errp = errp };

    return node_run_co(node->ctx, create_entry, &c) >= 0;
}

static int coroutine_fn goto_entry(void *opaque)
{
    SnapshotCall *c = opaque;

    return BLOCK_NODE_GET_CLASS(c->node)->co_snapshot_goto(c->node, c->id,
                                                           c->errp);
}

bool node_snapshot_goto(BlockNode *node, const char *id, Error **errp)
{
    SnapshotCall c = { .node = node, .id = id, .errp = errp };

    /* They would not know what differs then. */
    if (!QLIST_EMPTY(&node->bitmaps)) {
        error_setg(errp, "Node '%s' has dirty bitmaps", node->name);
        return false;
    }
    return node_run_co(node->ctx, goto_entry, &c) >= 0;
}

static int coroutine_fn delete_entry(void *opaque)
{
    SnapshotCall *c = opaque;

    return BLOCK_NODE_GET_CLASS(c->node)->co_snapshot_delete(c->node, c->id,
                                                             c->name, c->errp);
}

bool node_snapshot_delete(BlockNode *node, const char *id, const char *name,
                          Error **errp)
{
    SnapshotCall c = { .node = node, .id = id, .name = name, .errp = errp };

    return node_run_co(node->ctx, delete_entry, &c) >= 0;
}

static int coroutine_fn load_entry(void *opaque)
{
    SnapshotCall *c = opaque;

    return BLOCK_NODE_GET_CLASS(c->node)->co_snapshot_load_tmp(c->node, c->id,
                                                               NULL, c->errp);
}

bool node_snapshot_load(BlockNode *node, const char *id, Error **errp)
{
    SnapshotCall c = { .node = node, .id = id, .errp = errp };

    if (!BLOCK_NODE_GET_CLASS(node)->co_snapshot_load_tmp) {
        error_setg(errp, "Format '%s' cannot show a snapshot",
                   BLOCK_NODE_GET_CLASS(node)->driver);
        return false;
    }
    return node_run_co(node->ctx, load_entry, &c) >= 0;
}
