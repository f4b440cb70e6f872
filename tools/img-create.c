/*
 * ferry-img create: make an image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "util/error.h"

#include "img.h"

typedef struct CreateArgs {
    GPtrArray *objects;
    bool quiet;
    const char *format;
    const char *backing;
    const char *backing_format;
    bool unsafe;
    GPtrArray *options;
} CreateArgs;

#define T CreateArgs
static const ToolOption options[] = {
    IMG_ROW('f', "format", TOOL_STRING, offsetof(T, format), "FMT",
            "format of the image (default: raw)"),
    IMG_CREATE_OPTIONS(T),
    IMG_ROW('b', "backing", TOOL_STRING, offsetof(T, backing), "FILE",
            "image that shows where this one has nothing"),
    IMG_ROW('F', "backing-format", TOOL_STRING, offsetof(T, backing_format),
            "FMT", "its format"),
    IMG_ROW('u', "backing-unsafe", TOOL_FLAG, offsetof(T, unsafe), NULL,
            "the backing file need not be there"),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    {},
};
#undef T

static bool create(Tool *tool, const CreateArgs *a, int npos, const char **pos,
                   Error **errp)
{
    const char *format = a->format ?: "raw";
    g_autoptr(json_t) opts = NULL;
    g_autofree char *text = NULL;
    uint64_t size;
    bool help;
    BlockCreateImage img = { .format = format,
                             .backing_file = a->backing,
                             .backing_format = a->backing_format,
                             .no_backing_check = a->unsafe };

    opts = tool_parse_create_options(a->options, &help, errp);
    if (!opts) {
        return false;
    }
    if (help) {
        text = block_create_help(format, "file", errp);
        if (text) {
            fputs(text, stdout);
        }
        return text != NULL;
    }
    if (npos < 1) {
        error_setg(errp, "Expecting image file name");
        return false;
    }
    if (npos > 1) {
        if (!tool_parse_size(pos[1], "image size", INT64_MAX, &size, errp)) {
            return false;
        }
        img.size = &size;
    }
    img.filename = pos[0];
    img.options = opts;
    if (!block_create_image(&img, tool->ctx, &tool->progress, &text, errp)) {
        return false;
    }
    tool_printf(tool, "Formatting '%s', fmt=%s%s\n", img.filename, format,
                text);
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const CreateArgs *a = args;
    Error *err = NULL;

    tool->quiet = a->quiet;
    return create(tool, a, npos, pos, &err) ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_create;
const ToolCommand img_command_create = {
    .name = "create",
    .synopsis = "[OPTION]... FILE [SIZE]",
    .help = "make an image",
    .more = "The size may be left out where the backing file has one.\n"
            "\n"
            "ferry-img create -f qcow2 disk.qcow2 20G\n"
            "ferry-img create -f qcow2 -b base.qcow2 -F qcow2 top.qcow2\n",
    .options = options,
    .args_size = sizeof(CreateArgs),
    .max_positional = 2,
    .run = run,
};
