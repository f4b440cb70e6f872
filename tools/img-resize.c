/*
 * ferry-img resize: change the size of a disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-node.h"
#include "qapi/util.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img.h"

typedef struct ResizeArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *preallocation;
    bool quiet;
    bool shrink;
} ResizeArgs;

#define T ResizeArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_ROW(0, "preallocation", TOOL_STRING, offsetof(T, preallocation), "MODE",
            "space for what is new: off, metadata, falloc, full"),
    IMG_ROW(0, "shrink", TOOL_FLAG, offsetof(T, shrink), NULL,
            "it may become smaller: data is lost"),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

typedef struct ResizeRequest {
    BlockBackend *blk;
    int64_t bytes;
    PreallocMode mode;
    Error **errp;
} ResizeRequest;

static int coroutine_fn resize_entry(void *opaque)
{
    ResizeRequest *r = opaque;

    return blk_co_truncate(r->blk, r->bytes, false, r->mode, 0, r->errp);
}

/* "+1G" and "-1G" are relative. */
static bool parse_size(const char *text, int64_t current, int64_t *ret,
                       Error **errp)
{
    bool plus = text[0] == '+';
    bool minus = text[0] == '-';
    uint64_t n;

    if (!tool_parse_size(text + (plus || minus), "image size", BLK_LENGTH_MAX,
                         &n, errp)) {
        return false;
    }
    if (plus && (int64_t)n > BLK_LENGTH_MAX - current) {
        error_setg(errp, "New image size is too large");
        return false;
    }
    *ret = plus    ? current + (int64_t)n
           : minus ? current - (int64_t)n
                   : (int64_t)n;
    if (*ret <= 0) {
        error_setg(errp, "New image size must be positive");
        return false;
    }
    return true;
}

static bool check_shrink(const ResizeArgs *a, int64_t current, int64_t bytes,
                         PreallocMode mode, Error **errp)
{
    if (bytes <= current && mode != PREALLOC_MODE_OFF) {
        error_setg(errp, "Preallocation can only be used for growing images");
        return false;
    }
    if (bytes < current && !a->shrink) {
        error_setg(errp,
                   "Use the --shrink option to perform a shrink operation.");
        warn_report("Shrinking an image will delete all data beyond the "
                    "shrunken image's end. Before performing such an "
                    "operation, make sure there is no important data there.");
        return false;
    }
    return true;
}

static bool resize(Tool *tool, const ResizeArgs *a, const char *filename,
                   const char *size, Error **errp)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .image_opts = a->image_opts,
                              .writable = true };
    g_autoptr(BlockBackend) blk = NULL;
    ResizeRequest r = { .errp = errp };
    int mode;
    int64_t current;
    Error *err = NULL;

    mode = qapi_enum_parse(&PreallocMode_lookup, a->preallocation,
                           PREALLOC_MODE_OFF, &err);
    if (err) {
        error_propagate_prepend(
            errp, err, "Invalid preallocation mode '%s': ", a->preallocation);
        return false;
    }
    blk = tool_open(tool, &image, errp);
    if (!blk) {
        return false;
    }
    current = blk_getlength(blk);
    if (!parse_size(size, current, &r.bytes, errp) ||
        !check_shrink(a, current, r.bytes, (PreallocMode)mode, errp)) {
        return false;
    }
    r.blk = blk;
    r.mode = (PreallocMode)mode;
    if (node_run_co(tool->ctx, resize_entry, &r) < 0) {
        return false;
    }
    tool_printf(tool, "Image resized.\n");
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const ResizeArgs *a = args;
    Error *err = NULL;

    tool->quiet = a->quiet;
    return resize(tool, a, pos[0], pos[1], &err) ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_resize;
const ToolCommand img_command_resize = {
    .name = "resize",
    .synopsis = "[OPTION]... FILE [+|-]SIZE",
    .help = "change the size of a disk",
    .options = options,
    .args_size = sizeof(ResizeArgs),
    .min_positional = 2,
    .max_positional = 2,
    .run = run,
};
