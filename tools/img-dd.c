/*
 * ferry-img dd: copy a part of an image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"

#include "convert.h"
#include "img.h"

#define BLOCK_MAX    INT32_MAX
#define SPARSE_BYTES 4096

typedef struct DdArgs {
    GPtrArray *objects;
    bool image_opts;
    bool force_share;
    const char *format;
    const char *out_format;
} DdArgs;

#define T DdArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_ROW('O', "target-format", TOOL_STRING, offsetof(T, out_format), "FMT",
            "format of the new image (default: raw)"),
    IMG_FORCE_SHARE(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

typedef struct Operands {
    const char *in;
    const char *out;
    uint64_t bs;
    uint64_t count; /* UINT64_MAX: all */
    uint64_t skip;
} Operands;

static bool parse_operand(Operands *o, const char *word, Error **errp)
{
    const char *value;

    if (strstart(word, "if=", &o->in) || strstart(word, "of=", &o->out)) {
        return true;
    }
    if (strstart(word, "bs=", &value)) {
        if (!tool_parse_size(value, "block size", BLOCK_MAX, &o->bs, errp)) {
            return false;
        }
        if (!o->bs) {
            error_setg(errp, "invalid number: 'bs=0'");
        }
        return o->bs > 0;
    }
    if (strstart(word, "count=", &value)) {
        return tool_parse_size(value, "count", INT64_MAX, &o->count, errp);
    }
    if (strstart(word, "skip=", &value)) {
        return tool_parse_size(value, "skip", INT64_MAX, &o->skip, errp);
    }
    error_setg(errp, "unrecognized operand %s", word);
    return false;
}

static bool parse_operands(Operands *o, int npos, const char **pos,
                           Error **errp)
{
    *o = (Operands){ .bs = 512, .count = UINT64_MAX };
    for (int i = 0; i < npos; i++) {
        if (!parse_operand(o, pos[i], errp)) {
            return false;
        }
    }
    if (!o->in || !o->out) {
        error_setg(errp, "Must specify both input and output file names");
        return false;
    }
    return true;
}

/* @n blocks in bytes, but not more than @limit. */
static int64_t blocks(const Operands *o, uint64_t n, int64_t limit)
{
    uint64_t bytes;

    if (__builtin_mul_overflow(n, o->bs, &bytes) || bytes > (uint64_t)limit) {
        return limit;
    }
    return (int64_t)bytes;
}

static BlockBackend *make_target(Tool *tool, const DdArgs *a, const char *name,
                                 uint64_t size, Error **errp)
{
    const char *format = a->out_format ?: "raw";
    const BlockCreateImage img = { .filename = name,
                                   .format = format,
                                   .size = &size };
    const ToolImage image = { .filename = name,
                              .format = format,
                              .writable = true };

    return block_create_image(&img, tool->ctx, NULL, NULL, errp)
               ? tool_open(tool, &image, errp)
               : NULL;
}

static bool dd(Tool *tool, const DdArgs *a, int npos, const char **pos,
               Error **errp)
{
    ToolImage image = { .format = a->format,
                        .image_opts = a->image_opts,
                        .force_share = a->force_share };
    ConvertSource source = { 0 };
    g_autoptr(BlockBackend) in = NULL;
    g_autoptr(BlockBackend) out = NULL;
    Convert s = { .tool = tool, .progress = &tool->progress };
    Operands o;
    int64_t length;

    if (!parse_operands(&o, npos, pos, errp)) {
        return false;
    }
    image.filename = o.in;
    in = tool_open(tool, &image, errp);
    if (!in) {
        return false;
    }
    length = blk_getlength(in);
    source.blk = in;
    source.skip = blocks(&o, o.skip, length);
    if (blocks(&o, o.skip, INT64_MAX) > length) {
        error_report("%s: cannot skip to specified offset", o.in);
    }
    source.length = blocks(&o, o.count, length - source.skip);
    out = make_target(tool, a, o.out, (uint64_t)source.length, errp);
    if (!out) {
        return false;
    }
    s.target = out;
    s.min_sparse = SPARSE_BYTES;
    s.cursor = (ConvertCursor){ .sources = &source,
                                .n_sources = 1,
                                .end = source.length };
    return convert_run(&s, errp);
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Error *err = NULL;

    return dd(tool, args, npos, pos, &err) ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_dd;
const ToolCommand img_command_dd = {
    .name = "dd",
    .synopsis = "[OPTION]... [bs=SIZE] [count=BLOCKS] [skip=BLOCKS] if=FILE "
                "of=FILE",
    .help = "copy a part of an image",
    .options = options,
    .args_size = sizeof(DdArgs),
    .max_positional = -1,
    .run = run,
};
