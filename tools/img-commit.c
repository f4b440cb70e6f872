/*
 * ferry-img commit: write what an image has into its backing file, or one
 * deeper.
 *
 * Each image between is copied into the base, the lowest first, so that higher
 * ones win. Images are opened one by one, without their backing files: the
 * base is written, which nothing that shows it could stand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-open.h"
#include "util/error.h"

#include "convert.h"
#include "img.h"

typedef struct CommitArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *cache;
    const char *base;
    ToolSize rate;
    bool keep;
    bool progress;
    bool quiet;
} CommitArgs;

#define T CommitArgs
static const ToolOption options[] = {
    IMG_ROW('b', "base", TOOL_STRING, offsetof(T, base), "FILE",
            "backing file to write into (default: the one of the image)"),
    IMG_ROW('d', "keep", TOOL_FLAG, offsetof(T, keep), NULL,
            "do not empty the image afterwards"),
    IMG_ROW('r', "rate-limit", TOOL_SIZE, offsetof(T, rate), "RATE",
            "bytes in a second"),
    IMG_FORMAT(T),
    IMG_CACHE(T, IMG_CACHE_HELP),
    IMG_PROGRESS(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

/* The images from the top down to the one above the base. */
typedef struct Chain {
    Tool *tool;
    const CommitArgs *args;
    GPtrArray *images; /* of BlockBackend */
    char *base_file;
    char *base_format;
} Chain;

static bool is_base(const Chain *c, const BlockNode *node, const char *path)
{
    return !c->args->base || g_str_equal(c->args->base, path) ||
           g_strcmp0(c->args->base, node_backing_file(node)) == 0;
}

static bool collect(Chain *c, const char *filename, Error **errp)
{
    const CommitArgs *a = c->args;
    g_autofree char *name = g_strdup(filename);
    g_autofree char *format = g_strdup(a->format);

    for (unsigned n = 0; n < NODE_CHAIN_MAX; n++) {
        const ToolImage image = { .filename = name,
                                  .format = format,
                                  .cache = a->cache,
                                  .image_opts = a->image_opts && !n,
                                  .writable = !n,
                                  .flags = NODE_OPEN_NO_BACKING };
        BlockBackend *blk = tool_open(c->tool, &image, errp);
        BlockNode *node;
        g_autofree char *path = NULL;

        if (!blk) {
            return false;
        }
        g_ptr_array_add(c->images, blk);
        node = node_skip_filters(blk_node(blk));
        path = node_backing_path(node);
        if (!path) {
            if (a->base) {
                error_setg(errp,
                           "Did not find '%s' in the backing chain of "
                           "'%s'",
                           a->base, filename);
            } else {
                error_setg(errp, "Image does not have a backing file");
            }
            return false;
        }
        if (is_base(c, node, path)) {
            c->base_file = g_steal_pointer(&path);
            c->base_format = g_strdup(node_backing_format(node));
            return true;
        }
        g_free(name);
        name = g_steal_pointer(&path);
        g_free(format);
        format = g_strdup(node_backing_format(node));
    }
    error_setg(errp, "more than %d backing files", NODE_CHAIN_MAX);
    return false;
}

typedef struct BaseRequest {
    BlockBackend *blk;
    int64_t offset;
    int64_t bytes;
    Error **errp;
} BaseRequest;

static int coroutine_fn grow_entry(void *opaque)
{
    BaseRequest *r = opaque;

    return blk_co_truncate(r->blk, r->bytes, false, PREALLOC_MODE_OFF,
                           BLK_REQ_ZERO_WRITE, r->errp);
}

static int coroutine_fn zero_entry(void *opaque)
{
    BaseRequest *r = opaque;
    int ret =
        blk_co_pwrite_zeroes(r->blk, r->offset, r->bytes, BLK_REQ_MAY_UNMAP);

    if (ret < 0) {
        error_setg_errno(r->errp, -ret,
                         "error while writing zeroes at %" PRId64, r->offset);
    }
    return ret;
}

/* The base becomes as long as @blk at least; behind the end of @blk the base
 * shows zeroes, as the chain does. */
static bool match_length(BlockBackend *base, BlockBackend *blk, Error **errp)
{
    int64_t have = blk_getlength(base);
    int64_t want = blk_getlength(blk);
    BaseRequest r = { base, want, want, errp };

    if (want > have) {
        return node_run_co(blk_get_aio_context(base), grow_entry, &r) == 0;
    }
    if (want < have) {
        r.bytes = have - want;
        return node_run_co(blk_get_aio_context(base), zero_entry, &r) == 0;
    }
    return true;
}

/* Zeroes behind an image matter only if a longer one is above it. */
static bool needs_zeroes(const Chain *c, guint i)
{
    int64_t length = blk_getlength(c->images->pdata[i]);

    for (guint above = 0; above < i; above++) {
        if (blk_getlength(c->images->pdata[above]) > length) {
            return true;
        }
    }
    return false;
}

static bool commit_one(Chain *c, guint i, BlockBackend *base, Error **errp)
{
    BlockBackend *blk = c->images->pdata[i];
    ConvertSource source = { .blk = blk, .length = blk_getlength(blk) };
    Convert s = { .tool = c->tool,
                  .progress = &c->tool->progress,
                  .target = base,
                  .rate = c->args->rate.value,
                  .cursor = { .sources = &source,
                              .n_sources = 1,
                              .end = source.length,
                              .only_top = true,
                              .backing_length = INT64_MAX } };

    if ((blk_getlength(base) < source.length || needs_zeroes(c, i)) &&
        !match_length(base, blk, errp)) {
        return false;
    }
    return convert_run(&s, errp);
}

static int coroutine_fn empty_entry(void *opaque)
{
    BaseRequest *r = opaque;
    BlockNode *node = node_skip_filters(blk_node(r->blk));

    return node_co_make_empty(node, r->errp);
}

static bool make_empty(BlockBackend *top, Error **errp)
{
    BlockNode *node = node_skip_filters(blk_node(top));
    BaseRequest r = { .blk = top, .errp = errp };

    if (!node_can_make_empty(node)) {
        return true; /* it has the same data as the base now: no harm */
    }
    return node_run_co(blk_get_aio_context(top), empty_entry, &r) == 0;
}

static bool flush_base(BlockBackend *base, Error **errp)
{
    int ret = blk_flush(base);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "error while flushing the base");
    }
    return ret == 0;
}

static bool commit(Chain *c, Error **errp)
{
    const ToolImage image = { .filename = c->base_file,
                              .format = c->base_format,
                              .cache = c->args->cache,
                              .writable = true,
                              .discard = true };
    g_autoptr(BlockBackend) base = tool_open(c->tool, &image, errp);

    if (!base) {
        return false;
    }
    for (guint i = c->images->len; i > 0; i--) {
        if (!commit_one(c, i - 1, base, errp)) {
            return false;
        }
    }
    /* Only what is safe in the base may go from the top. */
    if (!flush_base(base, errp)) {
        return false;
    }
    return c->args->keep || c->images->len > 1 ||
           make_empty(c->images->pdata[0], errp);
}

static bool run_commit(Chain *c, const char *filename, Error **errp)
{
    bool ok;

    if (!collect(c, filename, errp)) {
        return false;
    }
    tool_progress_start(c->tool, c->args->progress, true);
    ok = commit(c, errp);
    tool_progress_end(c->tool, ok);
    if (ok) {
        tool_printf(c->tool, "Image committed.\n");
    }
    return ok;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Chain c = { .tool = tool, .args = args };
    Error *err = NULL;
    bool ok;

    tool->quiet = c.args->quiet;
    c.images = g_ptr_array_new_with_free_func((GDestroyNotify)blk_unref);
    ok = run_commit(&c, pos[0], &err);
    g_ptr_array_unref(c.images);
    g_free(c.base_file);
    g_free(c.base_format);
    return ok ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_commit;
const ToolCommand img_command_commit = {
    .name = "commit",
    .synopsis = "[OPTION]... FILE",
    .help = "write an image's changes into its backing file",
    .more = IMG_CACHE_MODES
    "With -b and images between, the image is not emptied.\n",
    .options = options,
    .args_size = sizeof(CommitArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
