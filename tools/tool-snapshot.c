/*
 * Snapshots inside an image, as command lines name them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "util/error.h"

#include "tool-common.h"

bool tool_can_snapshot(BlockNode *node, Error **errp)
{
    if (!node_can_snapshot(node)) {
        error_setg(errp, "Format '%s' does not support internal snapshots",
                   node_driver_name(node));
        return false;
    }
    return true;
}

/* Can the image's be looked at? */
static bool can_find(BlockNode *node, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(SnapshotInfoList) list = NULL;

    if (!tool_can_snapshot(node, errp)) {
        return false;
    }
    list = node_snapshot_list(node, errp);
    return !*errp;
}

SnapshotInfo *tool_find_snapshot(BlockNode *node, const char *id,
                                 const char *name, Error **errp)
{
    SnapshotInfo *info;

    if (!id && !name) {
        error_setg(errp, "A snapshot's ID or name is needed");
        return NULL;
    }
    if (!can_find(node, errp)) {
        return NULL;
    }
    info = node_snapshot_find(node, id, name);
    if (!info) {
        error_setg(errp, "there is no snapshot '%s'", name ?: id);
    }
    return info;
}

SnapshotInfo *tool_find_snapshot_any(BlockNode *node, const char *text,
                                     Error **errp)
{
    SnapshotInfo *info;

    if (!can_find(node, errp)) {
        return NULL;
    }
    info = node_snapshot_find_any(node, text);
    if (!info) {
        error_setg(errp, "there is no snapshot '%s'", text);
    }
    return info;
}
