/*
 * ferry-img bitmap: the dirty bitmaps that an image keeps.
 *
 * The actions are done in the order in which they are given, each by the
 * function of the QMP command that does it to a running machine's disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-node.h"
#include "qapi/qapi-commands-transaction.h"
#include "util/error.h"

#include "img-bitmaps.h"
#include "img.h"

typedef struct BitmapArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    GArray *steps;
    const char *source;
    const char *source_format;
    ToolSize granularity;
} BitmapArgs;

#define T BitmapArgs
#define STEP(name, arg, help)                                                  \
    IMG_ROW(0, name, TOOL_STEP, offsetof(T, steps), arg, help)
static const ToolOption options[] = {
    STEP("add", NULL, "make it; it notes writes from now on"),
    STEP("remove", NULL, "forget it"),
    STEP("clear", NULL, "nothing is dirty any more"),
    STEP("enable", NULL, "note writes"),
    STEP("disable", NULL, "note no more writes"),
    STEP("merge", "SOURCE", "also what is dirty in bitmap SOURCE"),
    IMG_ROW('b', "source-file", TOOL_STRING, offsetof(T, source), "FILE",
            "image that has SOURCE, if it is another one"),
    IMG_ROW('F', "source-format", TOOL_STRING, offsetof(T, source_format),
            "FMT", "its format"),
    IMG_ROW('g', "granularity", TOOL_SIZE, offsetof(T, granularity), "SIZE",
            "what one bit stands for (--add)"),
    IMG_FORMAT(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

static bool has_step(const BitmapArgs *a, const char *name)
{
    for (guint i = 0; i < a->steps->len; i++) {
        if (g_str_equal(g_array_index(a->steps, ToolStep, i).name, name)) {
            return true;
        }
    }
    return false;
}

static bool check_args(const BitmapArgs *a, Error **errp)
{
    const char *what = NULL;

    if (!a->steps) {
        what = "Need at least one of --add, --remove, --clear, --enable, "
               "--disable, or --merge";
    } else if (a->granularity.given && !has_step(a, "add")) {
        what = "granularity only supported with --add";
    } else if (a->granularity.given && a->granularity.value > UINT32_MAX) {
        what = "granularity is too large";
    } else if (a->source_format && !a->source) {
        what = "-F only supported with -b";
    } else if (a->source && !has_step(a, "merge")) {
        what = "Merge bitmap source file only supported with --merge";
    }
    if (what) {
        error_setg(errp, "%s", what);
    }
    return !what;
}

static bool do_step(const ToolStep *step, const BitmapArgs *a, BlockNode *node,
                    BlockNode *source, const char *name, Error **errp)
{
    BlockDirtyBitmap arg = { (char *)block_node_name(node), (char *)name };
    Error *err = NULL;

    if (g_str_equal(step->name, "add")) {
        BlockDirtyBitmapAdd add = {
            .node = arg.node,
            .name = arg.name,
            .has_granularity = a->granularity.given,
            .granularity = (uint32_t)a->granularity.value,
            .has_persistent = true,
            .persistent = true,
        };

        qmp_block_dirty_bitmap_add(&add, &err);
    } else if (g_str_equal(step->name, "remove")) {
        qmp_block_dirty_bitmap_remove(&arg, &err);
    } else if (g_str_equal(step->name, "clear")) {
        qmp_block_dirty_bitmap_clear(&arg, &err);
    } else if (g_str_equal(step->name, "enable")) {
        qmp_block_dirty_bitmap_enable(&arg, &err);
    } else if (g_str_equal(step->name, "disable")) {
        qmp_block_dirty_bitmap_disable(&arg, &err);
    } else {
        img_bitmap_merge(node, name, source, step->arg, &err);
    }
    if (err) {
        error_propagate_prepend(
            errp, err, "Operation %s on bitmap %s failed: ", step->name, name);
        return false;
    }
    return true;
}

static bool bitmap(Tool *tool, const BitmapArgs *a, const char *filename,
                   const char *name, Error **errp)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .image_opts = a->image_opts,
                              .writable = true };
    const ToolImage other = { .filename = a->source,
                              .format = a->source_format };
    g_autoptr(BlockBackend) blk = NULL;
    g_autoptr(BlockBackend) source = NULL;

    if (!check_args(a, errp)) {
        return false;
    }
    blk = tool_open(tool, &image, errp);
    if (!blk) {
        return false;
    }
    if (a->source) {
        source = tool_open(tool, &other, errp);
        if (!source) {
            return false;
        }
    }
    for (guint i = 0; i < a->steps->len; i++) {
        if (!do_step(&g_array_index(a->steps, ToolStep, i), a,
                     img_bitmap_node(blk), img_bitmap_node(source ?: blk), name,
                     errp)) {
            return false;
        }
    }
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Error *err = NULL;

    return bitmap(tool, args, pos[0], pos[1], &err) ? EXIT_SUCCESS
                                                    : img_fail(err);
}

extern const ToolCommand img_command_bitmap;
const ToolCommand img_command_bitmap = {
    .name = "bitmap",
    .synopsis = "{--add | --remove | --clear | --enable | --disable | "
                "--merge SOURCE}... [OPTION]... FILE BITMAP",
    .help = "change the dirty bitmaps that an image keeps",
    .more = "Several actions are done in their order.\n",
    .options = options,
    .args_size = sizeof(BitmapArgs),
    .min_positional = 2,
    .max_positional = 2,
    .run = run,
};
