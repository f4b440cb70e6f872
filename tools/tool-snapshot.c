/*
 * Snapshots inside an image, as command lines name them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "qapi/json.h"
#include "util/error.h"
#include "util/keyval.h"

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

/* What one of the two did not find, or why it could not look. */
static SnapshotInfo *found(bool ok, SnapshotInfo *info, const char *text,
                           Error **errp)
{
    if (ok && !info) {
        error_setg(errp, "there is no snapshot '%s'", text);
    }
    return info;
}

SnapshotInfo *tool_find_snapshot(BlockNode *node, const char *text,
                                 Error **errp)
{
    SnapshotInfo *info = NULL;
    bool ok;

    if (!tool_can_snapshot(node, errp)) {
        return NULL;
    }
    ok = node_snapshot_find_any(node, text, &info, errp);
    return found(ok, info, text, errp);
}

/* By "snapshot.id=ID,snapshot.name=NAME", or one of them. */
static SnapshotInfo *find_by_options(BlockNode *node, const char *text,
                                     Error **errp)
{
    g_autoptr(json_t) opts = keyval_parse(text, NULL, NULL, errp);
    json_t *snapshot = json_object_get(opts, "snapshot");
    const char *id = json_string_value(json_object_get(snapshot, "id"));
    const char *name = json_string_value(json_object_get(snapshot, "name"));
    SnapshotInfo *info = NULL;
    bool ok;

    if (!opts || !tool_can_snapshot(node, errp)) {
        return NULL;
    }
    if (!id && !name) {
        error_setg(errp, "A snapshot's ID or name is needed");
        return NULL;
    }
    ok = node_snapshot_find(node, id, name, &info, errp);
    return found(ok, info, name ?: id, errp);
}

bool tool_load_snapshot(BlockNode *node, const char *text, Error **errp)
{
    g_autoptr(SnapshotInfo) info = g_str_has_prefix(text, "snapshot.")
                                       ? find_by_options(node, text, errp)
                                       : tool_find_snapshot(node, text, errp);

    if (!info) {
        error_prepend(errp, "Failed to load snapshot: ");
        return false;
    }
    return node_snapshot_load(node, info->id, errp);
}
