/*
 * ferry-img snapshot: snapshots inside an image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "util/error.h"

#include "img-dump.h"
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

typedef int coroutine_fn SnapshotFunc(BlockNode *node, const char *id,
                                      const char *name, Error **errp);

typedef struct SnapshotRequest {
    BlockNode *node;
    SnapshotFunc *func;
    const char *id;
    const char *name;
    Error **errp;
} SnapshotRequest;

static bool unsupported(BlockNode *node, Error **errp)
{
    error_setg(errp, "Format '%s' does not support internal snapshots",
               BLOCK_NODE_GET_CLASS(node)->driver);
    return false;
}

/* The snapshot whose id, else whose name, is @text: what a user may have
 * meant. Transfer full; NULL: none. */
static SnapshotInfo *find(BlockNode *node, const char *id, const char *name)
{
    SnapshotInfoList *list =
        BLOCK_NODE_GET_CLASS(node)->snapshot_list(node, NULL);
    SnapshotInfo *found = NULL;

    for (SnapshotInfoList *l = list; l && !found; l = l->next) {
        if ((!id || g_str_equal(l->value->id, id)) &&
            (!name || g_str_equal(l->value->name, name))) {
            found = g_steal_pointer(&l->value);
        }
    }
    qapi_free_SnapshotInfoList(list);
    return found;
}

static int coroutine_fn entry(void *opaque)
{
    SnapshotRequest *r = opaque;

    return r->func(r->node, r->id, r->name, r->errp);
}

static bool call(BlockNode *node, SnapshotFunc *func, const char *id,
                 const char *name, Error **errp)
{
    SnapshotRequest r = { node, func, id, name, errp };

    return node_run_co(node->ctx, entry, &r) == 0;
}

static int coroutine_fn create_func(BlockNode *node, const char *id,
                                    const char *name, Error **errp)
{
    g_autoptr(SnapshotInfo) info = g_new0(SnapshotInfo, 1);
    gint64 now = g_get_real_time();

    info->id = g_strdup(""); /* the format chooses one */
    info->name = g_strdup(name);
    info->date_sec = now / G_USEC_PER_SEC;
    info->date_nsec = now % G_USEC_PER_SEC * 1000;
    return BLOCK_NODE_GET_CLASS(node)->co_snapshot_create(node, info, errp);
}

static int coroutine_fn goto_func(BlockNode *node, const char *id,
                                  const char *name, Error **errp)
{
    return BLOCK_NODE_GET_CLASS(node)->co_snapshot_goto(node, id, errp);
}

/* By id if there is one of that id, else by name. */
static SnapshotInfo *find_any(BlockNode *node, const char *text, Error **errp)
{
    SnapshotInfo *s = find(node, text, NULL) ?: find(node, NULL, text);

    if (!s) {
        error_setg(errp, "there is no snapshot '%s'", text);
    }
    return s;
}

bool img_load_snapshot(BlockBackend *blk, const char *id, const char *name,
                       Error **errp)
{
    BlockNode *node = node_skip_filters(blk_node(blk));
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    g_autoptr(SnapshotInfo) s = NULL;

    if (!nc->snapshot_list || !nc->co_snapshot_load_tmp) {
        return unsupported(node, errp);
    }
    if (id || !name) {
        s = find(node, id, name);
    } else {
        s = find(node, name, NULL) ?: find(node, NULL, name);
    }
    if (!s) {
        error_setg(errp, "Failed to load snapshot: there is no snapshot '%s'",
                   name ?: id);
        return false;
    }
    return call(node, nc->co_snapshot_load_tmp, s->id, s->name, errp);
}

static bool list(BlockNode *node, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    SnapshotInfoList *snapshots;
    Error *err = NULL;

    if (!nc->snapshot_list) {
        return true; /* none */
    }
    snapshots = nc->snapshot_list(node, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    if (snapshots) {
        g_autoptr(GString) out = g_string_new(NULL);

        img_dump_snapshots(out, snapshots);
        fputs(out->str, stdout);
    }
    qapi_free_SnapshotInfoList(snapshots);
    return true;
}

static bool work(BlockNode *node, const SnapshotArgs *a, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    g_autoptr(SnapshotInfo) s = NULL;

    if (!a->create && !a->apply && !a->delete) {
        return list(node, errp);
    }
    if (!nc->co_snapshot_create || !nc->co_snapshot_goto ||
        !nc->co_snapshot_delete || !nc->snapshot_list) {
        return unsupported(node, errp);
    }
    if (a->create) {
        return call(node, create_func, NULL, a->create, errp);
    }
    s = find_any(node, a->apply ?: a->delete, errp);
    if (!s) {
        return false;
    }
    return a->apply ? call(node, goto_func, s->id, NULL, errp)
                    : call(node, nc->co_snapshot_delete, s->id, s->name, errp);
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
