/*
 * ferry-img measure: how big would a new image be?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/create.h"
#include "block/node-image.h"
#include "crypto/secret_common.h"
#include "qapi/json.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/secret-mem.h"

#include "img-bitmaps.h"
#include "img.h"

/* Of a qcow2 image for which -o does not say it. */
#define CLUSTER_DEFAULT 65536

typedef struct Measured {
    uint64_t required;
    uint64_t fully; /* allocated */
    bool has_bitmaps;
    uint64_t bitmaps;
} Measured;

typedef struct MeasureArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *out_format;
    const char *output;
    GPtrArray *options;
    const char *snapshot;
    ToolSize size;
    bool force_share;
} MeasureArgs;

#define T MeasureArgs
static const ToolOption options[] = {
    IMG_ROW('O', "target-format", TOOL_STRING, offsetof(T, out_format), "FMT",
            "format of the new image (default: raw)"),
    IMG_CREATE_OPTIONS(T),
    IMG_ROW(0, "size", TOOL_SIZE, offsetof(T, size), "SIZE",
            "size of a new disk, instead of an image to copy"),
    IMG_FORMAT(T),
    IMG_ROW('l', "snapshot", TOOL_STRING, offsetof(T, snapshot), "SNAPSHOT",
            "the image's internal snapshot"),
    IMG_OUTPUT(T),
    IMG_FORCE_SHARE(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

static BlockBackend *open_input(Tool *tool, const MeasureArgs *a,
                                const char *filename, Error **errp)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .image_opts = a->image_opts,
                              .force_share = a->force_share };
    g_autoptr(BlockBackend) blk = tool_open(tool, &image, errp);

    if (!blk ||
        (a->snapshot && !tool_load_snapshot(node_skip_filters(blk_node(blk)),
                                            a->snapshot, errp))) {
        return NULL;
    }
    return g_steal_pointer(&blk);
}

/* Of what convert --bitmaps would copy. */
static void measure_bitmaps(const MeasureArgs *a, const json_t *opts,
                            BlockBackend *in, Measured *ret)
{
    const char *text = json_string_value(json_object_get(opts, "cluster_size"));
    const char *compat = json_string_value(json_object_get(opts, "compat"));
    uint64_t cluster = CLUSTER_DEFAULT;

    if (!in || g_strcmp0(a->out_format, "qcow2") != 0 ||
        g_strcmp0(compat, "0.10") == 0) {
        return;
    }
    if (!text) {
        text = json_string_value(json_object_get(opts, "cluster-size"));
    }
    if (!text || qemu_strtosz(text, NULL, &cluster) == 0) {
        ret->has_bitmaps = img_bitmaps_measure(in, cluster, &ret->bitmaps);
    }
}

/* The passphrase has no part in the sizes, but nothing is made without it. */
static bool check_secret(const MeasureArgs *a, const json_t *opts, Error **errp)
{
    bool luks = g_strcmp0(a->out_format, "luks") == 0;
    const json_t *encrypt = luks ? opts : json_object_get(opts, "encrypt");
    const char *id = json_string_value(json_object_get(encrypt, "key-secret"));
    uint8_t *secret;
    size_t len;

    if (!json_is_object(encrypt)) {
        return true;
    }
    if (!id) {
        error_setg(errp, "Parameter '%skey-secret' is required for cipher",
                   luks ? "" : "encrypt.");
        return false;
    }
    if (qcrypto_secret_lookup(id, &secret, &len, errp) < 0) {
        return false;
    }
    secret_free(secret, len);
    return true;
}

static bool measure(Tool *tool, const MeasureArgs *a, const char *filename,
                    Measured *ret, Error **errp)
{
    g_autoptr(json_t) opts = NULL;
    g_autoptr(BlockBackend) in = NULL;
    uint64_t size = a->size.value;
    bool help;

    if (!filename == !a->size.given) {
        error_setg(errp, "Either --size N or one filename must be specified.");
        return false;
    }
    opts = tool_parse_create_options(a->options, &help, errp);
    if (!opts || !check_secret(a, opts, errp)) {
        return false;
    }
    if (filename) {
        in = open_input(tool, a, filename, errp);
        if (!in) {
            return false;
        }
        size = (uint64_t)blk_getlength(in);
    }
    json_object_set_new(opts, "size", json_sprintf("%" PRIu64, size));
    if (!block_measure(a->out_format ?: "raw", opts, in, tool->ctx,
                       &ret->required, &ret->fully, errp)) {
        return false;
    }
    measure_bitmaps(a, opts, in, ret);
    return true;
}

static void print(bool json, const Measured *m)
{
    if (json) {
        g_autoptr(json_t) value = json_object();

        json_object_set_new(value, "required", json_uint64(m->required));
        json_object_set_new(value, "fully-allocated", json_uint64(m->fully));
        if (m->has_bitmaps) {
            json_object_set_new(value, "bitmaps", json_uint64(m->bitmaps));
        }
        tool_print_json(value);
        return;
    }
    printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n",
           m->required, m->fully);
    if (m->has_bitmaps) {
        printf("bitmaps size: %" PRIu64 "\n", m->bitmaps);
    }
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const MeasureArgs *a = args;
    Measured m = { 0 };
    bool json;
    Error *err = NULL;

    if (!img_output_is_json(a->output, &json, &err) ||
        !measure(tool, a, npos ? pos[0] : NULL, &m, &err)) {
        return img_fail(err);
    }
    print(json, &m);
    return EXIT_SUCCESS;
}

extern const ToolCommand img_command_measure;
const ToolCommand img_command_measure = {
    .name = "measure",
    .synopsis = "[OPTION]... {--size=SIZE | FILE}",
    .help = "calculate how big a new image would be",
    .options = options,
    .args_size = sizeof(MeasureArgs),
    .max_positional = 1,
    .run = run,
};
