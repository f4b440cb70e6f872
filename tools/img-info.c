/*
 * ferry-img info: what an image is.
 *
 * The image may be hostile and its backing file another's secret: nothing but
 * the image itself is opened, unless --backing-chain asks for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/image.h"
#include "block/node-open.h"
#include "qapi/qapi-visit-block.h"
#include "qapi/qobject-output-visitor.h"
#include "util/error.h"

#include "img-dump.h"
#include "img.h"

typedef struct InfoArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *output;
    bool backing_chain;
    bool force_share;
} InfoArgs;

#define T InfoArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_OUTPUT(T),
    IMG_ROW(0, "backing-chain", TOOL_FLAG, offsetof(T, backing_chain), NULL,
            "also of all backing files"),
    IMG_FORCE_SHARE(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

static ImageInfo *get_info(Tool *tool, const ToolImage *image, Error **errp)
{
    g_autoptr(BlockBackend) blk = tool_open(tool, image, errp);

    return blk ? block_image_info(blk_node(blk), false, errp) : NULL;
}

/* Names of files that exist are compared as files. */
static char *identity(const char *filename)
{
    return realpath(filename, NULL) ?: g_strdup(filename);
}

/* Follows the names in the images. */
static bool collect(Tool *tool, const InfoArgs *a, const char *filename,
                    ImageInfoList **ret, Error **errp)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    ImageInfoList **tail = ret;
    ToolImage image = { .filename = filename,
                        .format = a->format,
                        .image_opts = a->image_opts,
                        .force_share = a->force_share,
                        .flags = NODE_OPEN_NO_BACKING | NODE_OPEN_NO_IO };

    for (unsigned n = 0; n < NODE_CHAIN_MAX; n++) {
        ImageInfo *info;

        if (!g_hash_table_add(seen, identity(image.filename))) {
            error_setg(errp, "Backing file '%s' creates an infinite loop.",
                       image.filename);
            return false;
        }
        info = get_info(tool, &image, errp);
        if (!info) {
            return false;
        }
        QAPI_LIST_APPEND(tail, info);
        if (!a->backing_chain || !info->backing_filename) {
            return true;
        }
        if (!info->full_backing_filename) {
            error_setg(errp, "Cannot determine the path of backing file '%s'",
                       info->backing_filename);
            return false;
        }
        image.filename = info->full_backing_filename;
        image.format = info->backing_filename_format;
        image.image_opts = false;
    }
    error_setg(errp, "more than %d backing files", NODE_CHAIN_MAX);
    return false;
}

static void print_json(ImageInfoList *list, bool chain)
{
    g_autoptr(json_t) value = NULL;
    Visitor *v = qobject_output_visitor_new(&value);

    if (chain) {
        visit_type_ImageInfoList(v, NULL, &list, &error_abort);
    } else {
        visit_type_ImageInfo(v, NULL, &list->value, &error_abort);
    }
    visit_complete(v, &value);
    visit_free(v);
    tool_print_json(value);
}

static void print_human(const ImageInfoList *list)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const ImageInfoList *l = list; l; l = l->next) {
        if (l != list) {
            g_string_append_c(out, '\n');
        }
        img_dump_info(out, l->value);
    }
    fputs(out->str, stdout);
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const InfoArgs *a = args;
    ImageInfoList *list = NULL;
    bool json;
    Error *err = NULL;
    bool ok = img_output_is_json(a->output, &json, &err) &&
              collect(tool, a, pos[0], &list, &err);

    if (ok && json) {
        print_json(list, a->backing_chain);
    } else if (ok) {
        print_human(list);
    }
    qapi_free_ImageInfoList(list);
    return ok ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_info;
const ToolCommand img_command_info = {
    .name = "info",
    .synopsis = "[OPTION]... FILE",
    .help = "show what an image is",
    .options = options,
    .args_size = sizeof(InfoArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
