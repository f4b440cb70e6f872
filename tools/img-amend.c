/*
 * ferry-img amend: change options of an image that exists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/create.h"
#include "util/error.h"

#include "img.h"

typedef struct AmendArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *cache;
    GPtrArray *options;
    bool progress;
    bool quiet;
    bool force;
} AmendArgs;

#define T AmendArgs
static const ToolOption options[] = {
    IMG_CREATE_OPTIONS(T),
    IMG_FORMAT(T),
    IMG_CACHE(T, IMG_CACHE_HELP),
    IMG_ROW(0, "force", TOOL_FLAG, offsetof(T, force), NULL,
            "also what may make the image unreadable"),
    IMG_PROGRESS(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

static bool print_help(const char *format, Error **errp)
{
    g_autofree char *text = block_amend_help(format, errp);

    if (text) {
        fputs(text, stdout);
    }
    return text;
}

static bool amend(Tool *tool, const AmendArgs *a, const char *filename,
                  Error **errp)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .cache = a->cache,
                              .image_opts = a->image_opts,
                              .writable = true };
    g_autoptr(json_t) opts = NULL;
    g_autoptr(BlockBackend) blk = NULL;
    bool help, ok;

    if (!a->options) {
        error_setg(errp, "Must specify options (-o)");
        return false;
    }
    opts = tool_parse_create_options(a->options, &help, errp);
    if (!opts) {
        return false;
    }
    if (help && a->format) {
        return print_help(a->format, errp);
    }
    if (!filename) {
        error_setg(errp, "Expecting one image file name");
        return false;
    }
    blk = tool_open(tool, &image, errp);
    if (!blk) {
        return false;
    }
    if (help) {
        return print_help(tool_format_name(blk), errp);
    }
    tool_progress_start(tool, a->progress, false);
    ok = block_amend(blk, tool_format_name(blk), opts, true, a->force,
                     &tool->progress, errp);
    tool_progress_end(tool, ok);
    if (!ok) {
        error_prepend(errp, "Error while amending options: ");
    }
    return ok;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const AmendArgs *a = args;
    Error *err = NULL;

    tool->quiet = a->quiet;
    return amend(tool, a, npos ? pos[0] : NULL, &err) ? EXIT_SUCCESS
                                                      : img_fail(err);
}

extern const ToolCommand img_command_amend;
const ToolCommand img_command_amend = {
    .name = "amend",
    .synopsis = "[OPTION]... -o OPTIONS FILE",
    .help = "change options of an image",
    .more = "`-f FMT -o help` lists what can be changed.\n",
    .options = options,
    .args_size = sizeof(AmendArgs),
    .max_positional = 1,
    .run = run,
};
