/*
 * ferry-img rebase: give an image another backing file.
 *
 * What it shows stays as it is: where the image has nothing and the old and
 * the new backing file differ, the old one's contents are written into it
 * first. With -u only the name is changed, for a file that was moved.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-open.h"
#include "block/node-status.h"
#include "util/error.h"

#include "img.h"

#define PIECE_BYTES (1024 * 1024)

typedef struct RebaseArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *cache;
    const char *source_cache;
    const char *backing;
    const char *backing_format;
    bool unsafe;
    bool progress;
    bool quiet;
    bool force_share;
} RebaseArgs;

#define T RebaseArgs
static const ToolOption options[] = {
    IMG_ROW('b', "backing", TOOL_STRING, offsetof(T, backing), "FILE",
            "new backing file; empty: none"),
    IMG_ROW('F', "backing-format", TOOL_STRING, offsetof(T, backing_format),
            "FMT", "its format"),
    IMG_ROW('u', "backing-unsafe", TOOL_FLAG, offsetof(T, unsafe), NULL,
            "only change the name: both files have the same contents"),
    IMG_FORMAT(T),
    IMG_CACHE(T, IMG_CACHE_HELP),
    IMG_SOURCE_CACHE(T),
    IMG_ROW('U', "force-share", TOOL_FLAG, offsetof(T, force_share), NULL,
            "the new backing file may be in use; the image itself never"),
    IMG_PROGRESS(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

typedef struct Rebase {
    Tool *tool;
    const RebaseArgs *args;
    BlockBackend *blk;        /* the image */
    BlockNode *node;          /* its format */
    BlockBackend *backing[2]; /* old, new; NULL: zeroes */
    int64_t granule;          /* smallest piece that is written */
    const char *doing;
    int64_t failed_at;
} Rebase;

/* -- copying ---------------------------------------------------------------------- */

/* Contents of a backing file, zeroes behind its end. */
static int coroutine_fn read_backing(BlockBackend *blk, int64_t offset,
                                     int64_t bytes, uint8_t *buf)
{
    int64_t length = blk ? blk_getlength(blk) : 0;
    int64_t n = CLAMP(length - offset, 0, bytes);

    memset(buf + n, 0, (size_t)(bytes - n));
    return n ? blk_co_pread(blk, offset, n, buf, 0) : 0;
}

/* Does it read as zeroes up to *@pnum? */
static bool coroutine_fn backing_is_zero(BlockBackend *blk, int64_t offset,
                                         int64_t *pnum)
{
    int64_t length = blk ? blk_getlength(blk) : 0;
    int64_t n;
    int status;

    if (offset >= length) {
        return true;
    }
    status =
        blk_co_block_status(blk, NODE_WANT_ZERO, offset,
                            MIN(*pnum, length - offset), &n, NULL, NULL, NULL);
    if (status < 0) {
        return false;
    }
    *pnum = n;
    return status & NODE_STATUS_ZERO;
}

static int coroutine_fn write_differences(Rebase *r, int64_t offset,
                                          int64_t bytes, uint8_t *old,
                                          const uint8_t *new)
{
    int64_t at = 0;

    while (at < bytes) {
        int64_t n = MIN(r->granule, bytes - at);
        int64_t start = at;
        int ret;

        if (memcmp(old + at, new + at, (size_t)n) == 0) {
            at += n;
            continue;
        }
        do {
            at += n;
            n = MIN(r->granule, bytes - at);
        } while (n && memcmp(old + at, new + at, (size_t)n) != 0);
        ret = blk_co_pwrite(r->blk, offset + start, at - start, old + start, 0);
        if (ret < 0) {
            r->doing = "writing";
            r->failed_at = offset + start;
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn copy_piece(Rebase *r, int64_t offset, int64_t *bytes,
                                   uint8_t *old, uint8_t *new)
{
    int64_t pnum[2] = { *bytes, *bytes };
    uint8_t *buf[2] = { old, new };

    if (backing_is_zero(r->backing[0], offset, &pnum[0]) &&
        backing_is_zero(r->backing[1], offset, &pnum[1])) {
        *bytes = MIN(pnum[0], pnum[1]);
        return 0;
    }
    *bytes = MIN(*bytes, PIECE_BYTES);
    for (int i = 0; i < 2; i++) {
        int ret = read_backing(r->backing[i], offset, *bytes, buf[i]);

        if (ret < 0) {
            r->doing = i ? "reading the new backing file at"
                         : "reading the old backing file at";
            r->failed_at = offset;
            return ret;
        }
    }
    return write_differences(r, offset, *bytes, old, new);
}

static int coroutine_fn copy_all(Rebase *r, uint8_t *old, uint8_t *new)
{
    int64_t length = blk_getlength(r->blk);
    int64_t offset = 0;

    block_progress_add(&r->tool->progress, (uint64_t)length);
    while (offset < length) {
        BlockNode *below = node_backing(r->node);
        int64_t pnum;
        int status =
            node_co_status_above(r->node, below, NODE_WANT_ALLOCATED, offset,
                                 length - offset, &pnum, NULL, NULL, NULL);
        int ret = 0;

        if (status < 0) {
            r->doing = "finding out the block status of";
            r->failed_at = offset;
            return status;
        }
        if (!(status & NODE_STATUS_ALLOCATED)) {
            ret = copy_piece(r, offset, &pnum, old, new);
        }
        if (ret == 0 && block_progress_is_cancelled(&r->tool->progress)) {
            ret = -ECANCELED;
        }
        if (ret < 0) {
            return ret;
        }
        block_progress_done(&r->tool->progress, (uint64_t)pnum);
        offset += pnum;
    }
    return 0;
}

static int coroutine_fn copy_entry(void *opaque)
{
    Rebase *r = opaque;
    uint8_t *old = g_aligned_alloc(1, PIECE_BYTES, 4096);
    uint8_t *new = g_aligned_alloc(1, PIECE_BYTES, 4096);
    NodeInfo info;
    int ret;

    r->granule = BLK_SECTOR_SIZE;
    if (node_co_info(r->node, &info) == 0 && info.cluster_size > 0) {
        r->granule = MIN(info.cluster_size, PIECE_BYTES);
    }
    ret = copy_all(r, old, new);
    g_aligned_free(old);
    g_aligned_free(new);
    return ret;
}

/* -- images --------------------------------------------------------------------------- */

/* A view of the backing file that the image has now. */
static bool open_old(Rebase *r, Error **errp)
{
    BlockNode *below = node_backing(r->node);

    if (!below) {
        return true;
    }
    r->backing[0] = blk_new(r->tool->ctx);
    return blk_insert(r->backing[0], below, errp) &&
           blk_set_node_perm(r->backing[0], NODE_PERM_CONSISTENT_READ,
                             NODE_PERM_ALL, errp);
}

static bool open_new(Rebase *r, Error **errp)
{
    const RebaseArgs *a = r->args;
    ToolImage image = { .format = a->backing_format,
                        .cache = a->source_cache,
                        .force_share = a->force_share };
    g_autofree char *image_name = NULL;
    g_autofree char *path = NULL;

    if (!*a->backing) {
        return true;
    }
    image_name = node_path(r->node);
    path = block_resolve_filename(image_name, a->backing, errp);
    if (path) {
        image.filename = path;
        r->backing[1] = tool_open(r->tool, &image, errp);
    }
    if (!r->backing[1]) {
        error_prepend(errp,
                      "Could not open new backing file '%s': ", a->backing);
    }
    return r->backing[1] != NULL;
}

static bool open_images(Rebase *r, const char *filename, Error **errp)
{
    const RebaseArgs *a = r->args;
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .cache = a->cache,
                              .image_opts = a->image_opts,
                              .writable = true,
                              .flags = a->unsafe ? NODE_OPEN_NO_BACKING : 0 };

    r->blk = tool_open(r->tool, &image, errp);
    if (!r->blk) {
        return false;
    }
    r->node = node_skip_filters(blk_node(r->blk));
    if (!node_can_change_backing(r->node)) {
        error_setg(errp, "Format '%s' has no backing files",
                   tool_format_name(r->blk));
        return false;
    }
    return a->unsafe || (open_old(r, errp) && open_new(r, errp));
}

typedef struct ChangeRequest {
    Rebase *r;
    Error **errp;
} ChangeRequest;

static int coroutine_fn change_entry(void *opaque)
{
    ChangeRequest *c = opaque;
    const RebaseArgs *a = c->r->args;
    const char *file = *a->backing ? a->backing : NULL;

    return node_co_change_backing(c->r->node, file,
                                  file ? a->backing_format : NULL, c->errp);
}

static bool copy(Rebase *r, Error **errp)
{
    int ret;

    tool_progress_start(r->tool, r->args->progress, true);
    ret = node_run_co(r->tool->ctx, copy_entry, r);
    if (ret == 0) {
        /* The contents first, then what makes them needed. */
        ret = blk_flush(r->blk);
        r->doing = "flushing at";
    }
    tool_progress_end(r->tool, ret == 0);
    if (ret == -ECANCELED) {
        error_setg(errp, "cancelled; the backing file is the old one");
    } else if (ret < 0) {
        error_setg_errno(errp, -ret, "error while %s offset %" PRId64, r->doing,
                         r->failed_at);
    }
    return ret == 0;
}

static bool rebase(Rebase *r, const char *filename, Error **errp)
{
    ChangeRequest c = { r, errp };
    const RebaseArgs *a = r->args;

    if (!a->backing) {
        error_setg(errp, "Need a backing file: -b");
        return false;
    }
    if (*a->backing && !a->backing_format) {
        error_setg(errp, "backing format must be specified: -F");
        return false;
    }
    if (!open_images(r, filename, errp) || (!a->unsafe && !copy(r, errp))) {
        return false;
    }
    if (node_run_co(r->tool->ctx, change_entry, &c) < 0) {
        error_prepend(
            errp, "Could not change the backing file to '%s': ", a->backing);
        return false;
    }
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    Rebase r = { .tool = tool, .args = args };
    Error *err = NULL;
    bool ok;

    tool->quiet = r.args->quiet;
    ok = rebase(&r, pos[0], &err);
    blk_unref(r.backing[0]);
    blk_unref(r.backing[1]);
    blk_unref(r.blk);
    return ok ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_rebase;
const ToolCommand img_command_rebase = {
    .name = "rebase",
    .synopsis = "-b FILE [OPTION]... FILE",
    .help = "give an image another backing file",
    .more = IMG_CACHE_MODES,
    .options = options,
    .args_size = sizeof(RebaseArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
