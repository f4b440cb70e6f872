/*
 * ferry-img convert: copy images into a new one, perhaps of another format.
 *
 * This file reads the options, opens and makes the images and finds out what
 * the target reads as before anything is written; convert-copy.c copies.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/node-image.h"
#include "block/node-open.h"
#include "block/node-status.h"
#include "qapi/json.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"

#include "convert.h"
#include "img-bitmaps.h"
#include "img.h"

#define SPARSE_DEFAULT 4096
#define SPARSE_MAX     16777216
#define SOURCES_MAX    4096
#define PARALLEL_MAX   16

typedef struct ConvertArgs {
    GPtrArray *objects;
    bool image_opts;
    bool target_image_opts;
    bool target_is_zero;
    bool force_share;
    bool copy_range;
    bool compressed;
    bool progress;
    bool quiet;
    bool no_create;
    const char *format;
    const char *cache;
    const char *source_cache;
    const char *out_format;
    const char *backing;
    const char *backing_format;
    GPtrArray *options;
    const char *snapshot;
    ToolSize sparse;
    ToolSize rate;
    ToolSize coroutines;
    bool out_of_order;
    bool salvage;
    bool bitmaps;
    bool skip_broken;
} ConvertArgs;

#define T ConvertArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_ROW('O', "target-format", TOOL_STRING, offsetof(T, out_format), "FMT",
            "format of the new image (default: raw)"),
    IMG_CREATE_OPTIONS(T),
    IMG_ROW('c', "compress", TOOL_FLAG, offsetof(T, compressed), NULL,
            "compress it"),
    IMG_ROW('B', "backing", TOOL_STRING, offsetof(T, backing), "FILE",
            "store only what differs from this backing file"),
    IMG_ROW('F', "backing-format", TOOL_STRING, offsetof(T, backing_format),
            "FMT", "format of the backing file"),
    IMG_ROW('l', "snapshot", TOOL_STRING, offsetof(T, snapshot), "SNAPSHOT",
            "copy an internal snapshot: ID or name, or snapshot.name=..."),
    IMG_ROW('S', "sparse-size", TOOL_SIZE, offsetof(T, sparse), "SIZE",
            "shortest run of zeroes that becomes a hole (4k); 0: no holes"),
    IMG_ROW('n', "no-create", TOOL_FLAG, offsetof(T, no_create), NULL,
            "the target exists already"),
    IMG_ROW(0, "target-is-zero", TOOL_FLAG, offsetof(T, target_is_zero), NULL,
            "it reads as zeroes (with -n)"),
    IMG_ROW('m', "parallel", TOOL_NUMBER, offsetof(T, coroutines), "N",
            "pieces that are copied at the same time"),
    IMG_ROW('W', "out-of-order", TOOL_FLAG, offsetof(T, out_of_order), NULL,
            "write in any order"),
    IMG_ROW('C', "copy-range-offloading", TOOL_FLAG, offsetof(T, copy_range),
            NULL, "let the file system copy, if it can"),
    IMG_ROW('r', "rate-limit", TOOL_SIZE, offsetof(T, rate), "RATE",
            "bytes in a second"),
    IMG_ROW(0, "salvage", TOOL_FLAG, offsetof(T, salvage), NULL,
            "go on after errors; what cannot be read becomes zeroes"),
    IMG_ROW(0, "bitmaps", TOOL_FLAG, offsetof(T, bitmaps), NULL,
            "also copy the dirty bitmaps that the source keeps"),
    IMG_ROW(0, "skip-broken-bitmaps", TOOL_FLAG, offsetof(T, skip_broken), NULL,
            "but those whose contents are not known"),
    IMG_CACHE(T, "cache mode of what is written (default: unsafe)"),
    IMG_SOURCE_CACHE(T),
    IMG_FORCE_SHARE(T),
    IMG_PROGRESS(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_ROW(0, "image-opts", TOOL_FLAG, offsetof(T, image_opts), NULL,
            "source names are options: driver=nbd,host=..."),
    IMG_ROW(0, "target-image-opts", TOOL_FLAG, offsetof(T, target_image_opts),
            NULL, "the target's name is options (needs -n)"),
    {},
};
#undef T

/* One run of the command. */
typedef struct Job {
    Tool *tool;
    const ConvertArgs *args;
    const char *target_name;
    json_t *options; /* -o */
    ConvertSource *sources;
    unsigned n_sources;
    int64_t total; /* bytes of all sources */
    BlockBackend *target;
    bool created;
    bool preallocated;
} Job;

/* -- options that exclude each other --------------------------------------------- */

static bool check_numbers(const ConvertArgs *a, Error **errp)
{
    if (a->coroutines.given &&
        (!a->coroutines.value || a->coroutines.value > PARALLEL_MAX)) {
        error_setg(errp,
                   "Invalid number of coroutines. Allowed number of "
                   "coroutines is between 1 and %d",
                   PARALLEL_MAX);
        return false;
    }
    if (a->sparse.value % BLK_SECTOR_SIZE || a->sparse.value > SPARSE_MAX) {
        error_setg(errp,
                   "Invalid buffer size for sparse output specified. Valid "
                   "sizes are multiples of %d up to %d. Select 0 to disable "
                   "sparse detection (fully allocates output)",
                   BLK_SECTOR_SIZE, SPARSE_MAX);
        return false;
    }
    return true;
}

static bool check_args(const ConvertArgs *a, Error **errp)
{
    const char *what = NULL;

    if (!check_numbers(a, errp)) {
        return false;
    }
    if (a->target_image_opts && !a->no_create) {
        what = "--target-image-opts requires use of -n flag";
    } else if (a->target_is_zero && !a->no_create) {
        what = "--target-is-zero requires use of -n flag";
    } else if (a->target_is_zero && a->backing) {
        what = "Cannot use --target-is-zero when the destination has a "
               "backing file";
    } else if (a->copy_range && a->sparse.given) {
        what = "Cannot enable copy offloading when -S is used";
    } else if (a->copy_range && a->compressed) {
        what = "Cannot enable copy offloading when -c is used";
    } else if (a->backing_format && !a->backing) {
        what = "-F needs a backing file: -B";
    } else if (a->target_image_opts && a->out_format) {
        what = "--target-image-opts and -O are mutually exclusive";
    } else if (a->no_create && a->options) {
        what = "-o has no effect on an image that exists: -n";
    } else if (a->skip_broken && !a->bitmaps) {
        what = "Use of --skip-broken-bitmaps requires --bitmaps";
    }
    if (what) {
        error_setg(errp, "%s", what);
    }
    return !what;
}

static bool parse_options(Job *job, bool *ret_help, Error **errp)
{
    const ConvertArgs *a = job->args;
    const char *mode;

    job->options = tool_parse_create_options(a->options, ret_help, errp);
    if (!job->options) {
        return false;
    }
    mode = json_string_value(json_object_get(job->options, "preallocation"));
    job->preallocated = mode && !g_str_equal(mode, "off");
    if (job->preallocated && a->compressed) {
        error_setg(errp, "Compression and preallocation not supported at the "
                         "same time");
        return false;
    }
    return true;
}

/* -- sources ------------------------------------------------------------------------ */

static bool load_snapshot(Job *job, BlockBackend *blk, Error **errp)
{
    const char *text = job->args->snapshot;

    return !text ||
           tool_load_snapshot(node_skip_filters(blk_node(blk)), text, errp);
}

static bool open_source(Job *job, const char *name, ConvertSource *ret,
                        Error **errp)
{
    const ConvertArgs *a = job->args;
    const ToolImage image = { .filename = name,
                              .format = a->format,
                              .cache = a->source_cache,
                              .image_opts = a->image_opts,
                              .force_share = a->force_share };

    ret->blk = tool_open(job->tool, &image, errp);
    if (!ret->blk || !load_snapshot(job, ret->blk, errp)) {
        return false;
    }
    ret->start = job->total;
    ret->length = blk_getlength(ret->blk);
    if (ret->length < 0) {
        error_setg_errno(errp, (int)-ret->length,
                         "Could not get the size of '%s'", name);
        return false;
    }
    if (ret->length > INT64_MAX - BLK_SECTOR_SIZE - job->total) {
        error_setg(errp, "The images together are too large");
        return false;
    }
    job->total += ret->length;
    return true;
}

static bool open_sources(Job *job, int n, const char **names, Error **errp)
{
    if (n > SOURCES_MAX) {
        error_setg(errp, "more than %d source images", SOURCES_MAX);
        return false;
    }
    if (n > 1 && job->args->bitmaps) {
        error_setg(errp, "Copying bitmaps only possible with single source");
        return false;
    }
    if (n > 1 && (job->args->snapshot || job->args->backing)) {
        error_setg(errp,
                   "%s makes no sense when concatenating multiple input "
                   "images",
                   job->args->backing ? "Having a backing file for the target"
                                      : "-l");
        return false;
    }
    job->sources = g_new0(ConvertSource, n);
    job->n_sources = (unsigned)n;
    for (int i = 0; i < n; i++) {
        if (!open_source(job, names[i], &job->sources[i], errp)) {
            return false;
        }
    }
    return true;
}

/* -- the target ------------------------------------------------------------------------ */

static bool create_target(Job *job, Error **errp)
{
    const ConvertArgs *a = job->args;
    uint64_t size = (uint64_t)job->total;
    json_t *given = json_object_get(job->options, "size");
    const BlockCreateImage img = {
        .filename = job->target_name,
        .format = a->out_format ?: "raw",
        .options = job->options,
        .size = given ? NULL : &size,
        .backing_file = a->backing,
        .backing_format = a->backing_format,
    };

    if (job->tool->interrupted) {
        error_setg(errp, "cancelled");
        return false;
    }
    job->created = true;
    return block_create_image(&img, job->tool->ctx, NULL, NULL, errp);
}

static bool check_target(Job *job, Error **errp)
{
    BlockNode *node = node_skip_filters(blk_node(job->target));
    int64_t length = blk_getlength(job->target);

    if (length < job->total) {
        error_setg(errp,
                   "output file is smaller than input file: %" PRId64
                   " and %" PRId64 " bytes",
                   length, job->total);
        return false;
    }
    if (job->args->compressed && !node_can_compress(node)) {
        error_setg(errp, "Compression not supported for this file format: '%s'",
                   tool_format_name(job->target));
        return false;
    }
    return true;
}

/* What encrypts the new image also opens it. */
static json_t *secret_options(const Job *job)
{
    json_t *opts = json_object();
    json_t *encrypt = json_object_get(job->options, "encrypt");
    json_t *key = json_object_get(job->options, "key-secret");

    if (key) {
        json_object_set(opts, "key-secret", key);
    }
    if (json_is_object(encrypt)) {
        json_t *nested = json_object();
        json_t *format = json_object_get(encrypt, "format");

        json_object_set(nested, "format", format);
        key = json_object_get(encrypt, "key-secret");
        if (key) {
            json_object_set(nested, "key-secret", key);
        }
        json_object_set_new(opts, "encrypt", nested);
    }
    return opts;
}

static bool open_target(Job *job, Error **errp)
{
    const ConvertArgs *a = job->args;
    g_autoptr(json_t) more = secret_options(job);
    const ToolImage image = {
        .filename = job->target_name,
        .format = a->target_image_opts ? NULL : a->out_format ?: "raw",
        .cache = a->cache ?: "unsafe",
        .image_opts = a->target_image_opts,
        .more = more,
        .writable = true,
        .discard = true,
        /* The copy says what is there; the backing file need not be. */
        .flags = a->backing ? NODE_OPEN_NO_BACKING : 0,
    };

    if (!a->no_create && !create_target(job, errp)) {
        return false;
    }
    job->target = tool_open(job->tool, &image, errp);
    return job->target && check_target(job, errp) &&
           (!a->bitmaps || img_bitmaps_check(job->sources[0].blk, job->target,
                                             a->skip_broken, errp));
}

/* A new file is a hole, also where -o preallocation gave it space. */
static bool new_file_is_zero(const Job *job)
{
    BlockNode *node = node_skip_filters(blk_node(job->target));
    const char *format = node_driver_name(node);
    const char *protocol = node_driver_name(node_lowest(node));

    return job->created && g_str_equal(protocol, "file") &&
           (g_str_equal(format, "raw") ||
            (g_str_equal(format, "qcow2") &&
             !json_object_get(job->options, "encrypt") &&
             !json_object_get(job->options, "encryption")));
}

typedef struct ZeroQuestion {
    BlockBackend *blk;
    int64_t length;
    bool make; /* not only ask */
    bool is_zero;
} ZeroQuestion;

/* More answers than that are not worth waiting for. */
#define ZERO_QUESTIONS_MAX 64
#define ZERO_REQUEST_MAX   (1024 * 1024 * 1024)

static int coroutine_fn zero_entry(void *opaque)
{
    ZeroQuestion *q = opaque;
    int64_t offset = 0;

    for (int i = 0; i < ZERO_QUESTIONS_MAX && offset < q->length; i++) {
        int64_t pnum;
        int status =
            node_co_status_above(blk_node(q->blk), NULL, NODE_WANT_ZERO, offset,
                                 q->length - offset, &pnum, NULL, NULL, NULL);

        if (status < 0 || !(status & NODE_STATUS_ZERO)) {
            break;
        }
        offset += pnum;
    }
    if (offset < q->length && !q->make) {
        return 0;
    }
    while (offset < q->length) {
        int64_t n = MIN(q->length - offset, ZERO_REQUEST_MAX);

        if (blk_co_pwrite_zeroes(q->blk, offset, n,
                                 BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK) < 0) {
            return 0;
        }
        offset += n;
    }
    q->is_zero = true;
    return 0;
}

/* Does the target read as zeroes, or can it be made to, cheaply? */
static bool target_is_zero(Job *job)
{
    const ConvertArgs *a = job->args;
    ZeroQuestion q = { .blk = job->target,
                       .length = blk_getlength(job->target),
                       .make = !a->backing };

    if (a->sparse.given && !a->sparse.value) {
        return false; /* the user wants everything written */
    }
    if (a->target_is_zero || new_file_is_zero(job)) {
        return true;
    }
    node_run_co(job->tool->ctx, zero_entry, &q);
    return q.is_zero;
}

static int coroutine_fn info_entry(void *opaque)
{
    Convert *s = opaque;
    BlockNode *node = node_skip_filters(blk_node(s->target));
    NodeInfo info;

    if (node_co_info(node, &info) == 0) {
        s->cluster_size = info.cluster_size;
    }
    return 0;
}

/* -- backing file ------------------------------------------------------------------------ */

/* What the source's backing file has need not be copied, if the target's
 * backing file is the same: it is what -B promises. */
static void use_backing(Job *job, Convert *s)
{
    BlockNode *node = node_skip_filters(blk_node(job->sources[0].blk));
    BlockNode *backing = node_backing(node);

    if (backing) {
        s->cursor.only_top = true;
        s->cursor.backing_length = node_length(backing);
    }
}

/* -- running -------------------------------------------------------------------------------- */

static bool copy(Job *job, Error **errp)
{
    const ConvertArgs *a = job->args;
    Tool *tool = job->tool;
    Convert s = {
        .tool = tool,
        .progress = &tool->progress,
        .target = job->target,
        .cursor = { .sources = job->sources,
                    .n_sources = job->n_sources,
                    .end = job->total },
        .coroutines = (unsigned)a->coroutines.value,
        .out_of_order = a->out_of_order,
        .compressed = a->compressed,
        .copy_range = a->copy_range,
        .salvage = a->salvage,
        .min_sparse =
            (size_t)(a->sparse.given ? a->sparse.value : SPARSE_DEFAULT),
        .rate = a->rate.value,
    };
    bool ok;

    node_run_co(tool->ctx, info_entry, &s);
    if (a->backing) {
        use_backing(job, &s);
    }
    s.target_is_zero = !a->backing && target_is_zero(job);
    s.cursor.all_is_data = !s.min_sparse;
    s.keep_space = !s.min_sparse;
    tool_progress_start(tool, a->progress, true);
    ok = convert_run(&s, errp);
    if (ok) {
        int ret = blk_flush(job->target);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "error while flushing");
            ok = false;
        }
    }
    tool_progress_end(tool, ok);
    if (s.lost) {
        warn_report("%" PRIu64 " bytes could not be read", s.lost);
    }
    return ok;
}

static bool convert_job(Job *job, int n_sources, const char **names,
                        Error **errp)
{
    bool help = false;

    if (!check_args(job->args, errp) || !parse_options(job, &help, errp)) {
        return false;
    }
    if (help) {
        g_autofree char *text =
            block_create_help(job->args->out_format ?: "raw", "file", errp);

        if (text) {
            fputs(text, stdout);
        }
        return text;
    }
    if (n_sources < 1) {
        error_setg(errp, "Must specify image file name");
        return false;
    }
    return open_sources(job, n_sources, names, errp) &&
           open_target(job, errp) && copy(job, errp) &&
           (!job->args->bitmaps ||
            img_bitmaps_copy(job->sources[0].blk, job->target, errp));
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Job job = { .tool = tool,
                .args = args,
                .target_name = npos ? pos[npos - 1] : NULL };
    Error *err = NULL;
    bool ok;

    tool->quiet = job.args->quiet;
    ok = convert_job(&job, npos - 1, pos, &err);
    for (unsigned i = 0; i < job.n_sources; i++) {
        blk_unref(job.sources[i].blk);
    }
    g_free(job.sources);
    blk_unref(job.target);
    json_decref(job.options);
    return ok ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_convert;
const ToolCommand img_command_convert = {
    .name = "convert",
    .synopsis = "[OPTION]... FILE... TARGET",
    .help = "copy an image, or several one after the other, into a new one",
    .more =
        IMG_CACHE_MODES "\n"
                        "ferry-img convert -p -O qcow2 disk.raw disk.qcow2\n"
                        "ferry-img convert -n --target-image-opts disk.qcow2 "
                        "driver=nbd,host=h,port=10809\n",
    .options = options,
    .args_size = sizeof(ConvertArgs),
    .min_positional = 0,
    .max_positional = -1,
    .run = run,
};
