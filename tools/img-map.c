/*
 * ferry-img map: where the bytes of a disk are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/node-image.h"
#include "block/node-status.h"
#include "qapi/json.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img-text.h"
#include "img.h"

typedef struct MapArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *output;
    ToolSize start;
    ToolSize length;
    bool force_share;
} MapArgs;

#define T MapArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_OUTPUT(T),
    IMG_ROW('s', "start-offset", TOOL_SIZE, offsetof(T, start), "OFFSET",
            "begin there"),
    IMG_ROW('l', "max-length", TOOL_SIZE, offsetof(T, length), "LENGTH",
            "look at so many bytes"),
    IMG_FORCE_SHARE(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

/* -- asking --------------------------------------------------------------------- */

typedef struct MapRequest {
    BlockNode *node;
    int64_t offset;
    int64_t bytes;
    MapEntry *entry; /* (out) */
} MapRequest;

/*
 * Behind the end of a backing file the images above it have nothing, and it
 * has nothing either: that is the last image that is long enough.
 */
static void cut_at_ends(BlockNode *node, MapEntry *e)
{
    BlockNode *below;

    for (int64_t d = 0; d < e->depth; d++, node = below) {
        int64_t length;

        below = node_backing(node);
        length = node_length(below);
        if (e->start >= length) {
            e->depth = d;
            e->present = false;
            e->has_offset = false;
            return;
        }
        e->length = MIN(e->length, length - e->start);
    }
}

static int coroutine_fn map_entry_co(void *opaque)
{
    MapRequest *r = opaque;
    MapEntry *e = r->entry;
    BlockNode *file = NULL;
    int64_t map = 0;
    unsigned depth = 0;
    int status =
        node_co_status_above(r->node, NULL, NODE_WANT_PRECISE, r->offset,
                             r->bytes, &e->length, &map, &file, &depth);

    if (status < 0) {
        return status;
    }
    e->start = r->offset;
    e->data = status & NODE_STATUS_DATA;
    e->zero = status & NODE_STATUS_ZERO;
    e->present = status & NODE_STATUS_ALLOCATED;
    e->depth = depth;
    e->has_offset = status & NODE_STATUS_OFFSET;
    e->offset = map;
    cut_at_ends(r->node, e);
    if (e->has_offset && file) {
        e->filename = node_filename(file);
    }
    return 0;
}

typedef struct MapOutput {
    AioContext *ctx;
    bool json;
    bool first;
} MapOutput;

static bool emit(MapOutput *o, const MapEntry *e, Error **errp)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (o->json) {
        g_string_append(out, o->first ? "[" : ",\n");
        map_append_json(out, e);
    } else if (!map_append_human(out, e, errp)) {
        return false;
    }
    o->first = false;
    fputs(out->str, stdout);
    return true;
}

static bool map(BlockNode *node, int64_t offset, int64_t end, MapOutput *o,
                Error **errp)
{
    MapEntry current = { 0 };
    bool ok = true;

    while (ok && offset < end) {
        MapEntry next = { 0 };
        MapRequest r = { node, offset, end - offset, &next };
        int ret = node_run_co(o->ctx, map_entry_co, &r);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to read image metadata");
            ok = false;
        } else if (current.length && map_can_merge(&current, &next)) {
            current.length += next.length;
            g_free(next.filename);
            offset += next.length;
        } else {
            ok = !current.length || emit(o, &current, errp);
            g_free(current.filename);
            current = next;
            offset += next.length;
        }
    }
    ok = ok && (!current.length || emit(o, &current, errp));
    g_free(current.filename);
    return ok;
}

static bool map_image(Tool *tool, const MapArgs *a, const char *filename,
                      Error **errp)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .image_opts = a->image_opts,
                              .force_share = a->force_share };
    g_autoptr(BlockBackend) blk = NULL;
    MapOutput o = { .ctx = tool->ctx, .first = true };
    int64_t start = (int64_t)a->start.value;
    int64_t end;

    if (!img_output_is_json(a->output, &o.json, errp)) {
        return false;
    }
    blk = tool_open(tool, &image, errp);
    if (!blk) {
        return false;
    }
    end = blk_getlength(blk);
    if (a->length.given && (int64_t)a->length.value < end - start) {
        end = start + (int64_t)a->length.value;
    }
    if (!o.json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    if (!map(node_skip_filters(blk_node(blk)), start, end, &o, errp)) {
        return false;
    }
    if (o.json) {
        puts(o.first ? "[]" : "]");
    }
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Error *err = NULL;

    return map_image(tool, args, pos[0], &err) ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_map;
const ToolCommand img_command_map = {
    .name = "map",
    .synopsis = "[OPTION]... FILE",
    .help = "show which parts of a disk have data, and in which file",
    .options = options,
    .args_size = sizeof(MapArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
