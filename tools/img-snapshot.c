/*
 * ferry-img snapshot: snapshots inside an image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-open.h"
#include "block/node-snapshot.h"
#include "block/snapshot-table.h"
#include "util/error.h"

#include "img.h"

typedef struct SnapshotArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    bool quiet;
    bool force_share;
    bool list;
    const char *apply;
    const char *create;
    const char *delete;
} SnapshotArgs;

#define T SnapshotArgs
static const ToolOption options[] = {
    IMG_ROW('l', "list", TOOL_FLAG, offsetof(T, list), NULL,
            "list them (this is what it does without -a, -c and -d)"),
    IMG_ROW('a', "apply", TOOL_STRING, offsetof(T, apply), "SNAPSHOT",
            "the disk becomes what it was then"),
    IMG_ROW('c', "create", TOOL_STRING, offsetof(T, create), "SNAPSHOT",
            "make one"),
    IMG_ROW('d', "delete", TOOL_STRING, offsetof(T, delete), "SNAPSHOT",
            "delete one"),
    IMG_FORMAT(T),
    IMG_FORCE_SHARE(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

static bool list(BlockNode *node, Error **errp)
{
    Error *err = NULL;
    g_autoptr(SnapshotInfoList) snapshots = node_snapshot_list(node, &err);

    if (err) {
        error_propagate(errp, err);
        return false;
    }
    if (snapshots) {
        g_autoptr(GString) out = g_string_new(NULL);

        g_string_append(out, "Snapshot list:\n");
        snapshot_table_print(out, snapshots);
        fputs(out->str, stdout);
    }
    return true;
}

static bool work(BlockNode *node, const SnapshotArgs *a, Error **errp)
{
    const char *wanted = a->apply ?: a->delete;
    g_autoptr(SnapshotInfo) s = NULL;

    if (!a->create && !wanted) {
        return list(node, errp);
    }
    if (a->create) {
        if (!tool_can_snapshot(node, errp)) {
            return false;
        }
        s = node_snapshot_info_new(a->create, 0);
        s->has_icount = true; /* no instruction has run */
        return node_snapshot_create(node, s, errp);
    }
    s = tool_find_snapshot(node, wanted, errp);
    if (!s) {
        return false;
    }
    return a->apply ? node_snapshot_goto(node, s->id, errp)
                    : node_snapshot_delete(node, s->id, s->name, errp);
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const SnapshotArgs *a = args;
    int actions = !!a->list + !!a->apply + !!a->create + !!a->delete;
    const char *doing = a->create   ? "create"
                        : a->apply  ? "apply"
                        : a->delete ? "delete"
                                    : NULL;
    const ToolImage image = { .filename = pos[0],
                              .format = a->format,
                              .image_opts = a->image_opts,
                              .force_share = a->force_share,
                              .writable = doing,
                              /* Snapshots are of this image alone. */
                              .flags = NODE_OPEN_NO_BACKING };
    g_autoptr(BlockBackend) blk = NULL;
    Error *err = NULL;

    if (actions > 1) {
        error_setg(&err, "Cannot mix '-l', '-a', '-c', '-d'");
        return img_fail(err);
    }
    blk = tool_open(tool, &image, &err);
    if (!blk) {
        return img_fail(err);
    }
    if (!work(node_skip_filters(blk_node(blk)), a, &err)) {
        if (doing) {
            error_prepend(&err, "Could not %s snapshot '%s': ", doing,
                          a->create  ? a->create
                          : a->apply ? a->apply
                                     : a->delete);
        }
        return img_fail(err);
    }
    return EXIT_SUCCESS;
}

extern const ToolCommand img_command_snapshot;
const ToolCommand img_command_snapshot = {
    .name = "snapshot",
    .synopsis = "[-l | -a SNAPSHOT | -c SNAPSHOT | -d SNAPSHOT] [OPTION]... "
                "FILE",
    .help = "list, make, apply or delete snapshots inside an image",
    .options = options,
    .args_size = sizeof(SnapshotArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
