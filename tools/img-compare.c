/*
 * ferry-img compare: do two images show the same disk?
 *
 * Where both say that they read as zeroes nothing is read. Several coroutines
 * take pieces in ascending order; the lowest difference counts.
 *
 * Exit status: 0: same; 1: different; 2: cannot be opened; 3: block status
 * cannot be found out; 4: a read failed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-status.h"
#include "util/aio-wait.h"
#include "util/buffer-zero.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img-text.h"
#include "img.h"

#define EXIT_DIFFERENT 1
#define EXIT_OPEN      2
#define EXIT_STATUS    3
#define EXIT_READ      4

#define COROUTINES  8
#define PIECE_BYTES (1024 * 1024)

typedef struct CompareArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *format2;
    const char *source_cache;
    bool progress;
    bool quiet;
    bool strict;
    bool force_share;
} CompareArgs;

#define T CompareArgs
static const ToolOption options[] = {
    IMG_ROW('f', "a-format", TOOL_STRING, offsetof(T, format), "FMT",
            "format of the first image"),
    IMG_ROW('F', "b-format", TOOL_STRING, offsetof(T, format2), "FMT",
            "format of the second one"),
    IMG_ROW('s', "strict", TOOL_FLAG, offsetof(T, strict), NULL,
            "sizes and allocation must be the same, too"),
    IMG_SOURCE_CACHE(T),
    IMG_PROGRESS(T),
    IMG_FORCE_SHARE(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

/* -- the work ---------------------------------------------------------------------- */

typedef struct Compare {
    Tool *tool;
    BlockBackend *blk[2];
    int64_t length[2];
    int64_t end; /* of the longer one */
    bool strict;

    int64_t next; /* next piece */
    CoMutex lock; /* guards @next */
    unsigned running;
    int64_t different; /* lowest; @end: none */
    bool status_differs;
    int exit_status; /* EXIT_STATUS, EXIT_READ */
    int failed;      /* which image */
    int64_t failed_at;
    int ret;
} Compare;

typedef struct Piece {
    int64_t offset;
    int64_t bytes;
    int status[2]; /* NodeStatus; behind the end: ZERO */
} Piece;

static bool must_stop(const Compare *c)
{
    return c->exit_status || block_progress_is_cancelled(&c->tool->progress);
}

static void fail(Compare *c, int exit_status, int image, int64_t offset,
                 int ret)
{
    if (!c->exit_status) {
        c->exit_status = exit_status;
        c->failed = image;
        c->failed_at = offset;
        c->ret = ret;
    }
}

static int coroutine_fn ask(Compare *c, int i, Piece *p)
{
    int64_t pnum;
    int status;

    if (p->offset >= c->length[i]) {
        p->status[i] = NODE_STATUS_ZERO;
        return 0;
    }
    status =
        node_co_status_above(node_skip_filters(blk_node(c->blk[i])), NULL,
                             NODE_WANT_ZERO | NODE_WANT_ALLOCATED, p->offset,
                             MIN(p->bytes, c->length[i] - p->offset), &pnum,
                             NULL, NULL, NULL);
    if (status < 0) {
        fail(c, EXIT_STATUS, i, p->offset, status);
        return status;
    }
    p->status[i] = status;
    p->bytes = MIN(p->bytes, pnum);
    return 0;
}

static bool both_zero(const Piece *p)
{
    return p->status[0] & p->status[1] & NODE_STATUS_ZERO;
}

static bool coroutine_fn take(Compare *c, Piece *p)
{
    bool found = false;

    qemu_co_mutex_lock(&c->lock);
    if (c->next < MIN(c->end, c->different) && !must_stop(c)) {
        *p = (Piece){ .offset = c->next, .bytes = c->end - c->next };
        if (ask(c, 0, p) == 0 && ask(c, 1, p) == 0) {
            if (!both_zero(p)) {
                p->bytes = MIN(p->bytes, PIECE_BYTES);
            }
            c->next += p->bytes;
            found = true;
        }
    }
    qemu_co_mutex_unlock(&c->lock);
    return found;
}

static int coroutine_fn read_one(Compare *c, int i, const Piece *p,
                                 uint8_t *buf)
{
    int ret;

    if (p->offset >= c->length[i] || (p->status[i] & NODE_STATUS_ZERO)) {
        memset(buf, 0, (size_t)p->bytes);
        return 0;
    }
    ret = blk_co_pread(c->blk[i], p->offset, p->bytes, buf, 0);
    if (ret < 0) {
        fail(c, EXIT_READ, i, p->offset, ret);
    }
    return ret;
}

static void coroutine_fn compare_piece(Compare *c, const Piece *p, uint8_t *a,
                                       uint8_t *b)
{
    size_t at;

    if (c->strict && p->offset < MIN(c->length[0], c->length[1]) &&
        ((p->status[0] ^ p->status[1]) & NODE_STATUS_ALLOCATED)) {
        c->status_differs |= p->offset < c->different;
        c->different = MIN(c->different, p->offset);
        return;
    }
    if (both_zero(p) || read_one(c, 0, p, a) < 0 || read_one(c, 1, p, b) < 0) {
        return;
    }
    at = compare_first_difference(a, b, (size_t)p->bytes);
    if (at < (size_t)p->bytes && p->offset + (int64_t)at < c->different) {
        c->different = p->offset + (int64_t)at;
        c->status_differs = false;
    }
}

static void coroutine_fn compare_entry(void *opaque)
{
    Compare *c = opaque;
    uint8_t *a = g_aligned_alloc(1, PIECE_BYTES, 4096);
    uint8_t *b = g_aligned_alloc(1, PIECE_BYTES, 4096);
    Piece p;

    while (take(c, &p)) {
        compare_piece(c, &p, a, b);
        block_progress_done(&c->tool->progress, (uint64_t)p.bytes);
    }
    g_aligned_free(a);
    g_aligned_free(b);
    c->running--;
}

static void compare_run(Compare *c)
{
    qemu_co_mutex_init(&c->lock);
    c->different = c->end;
    block_progress_add(&c->tool->progress, (uint64_t)c->end);
    for (int i = 0; i < COROUTINES; i++) {
        c->running++;
        aio_co_enter(c->tool->ctx, qemu_coroutine_create(compare_entry, c));
    }
    AIO_WAIT_WHILE_UNLOCKED(c->tool->ctx, c->running > 0);
}

/* -- the command ----------------------------------------------------------------------- */

static bool open_images(Compare *c, const CompareArgs *a, const char **pos,
                        Error **errp)
{
    for (int i = 0; i < 2; i++) {
        const ToolImage image = { .filename = pos[i],
                                  .format = i ? a->format2 : a->format,
                                  .cache = a->source_cache,
                                  .image_opts = a->image_opts,
                                  .force_share = a->force_share };

        c->blk[i] = tool_open(c->tool, &image, errp);
        if (!c->blk[i]) {
            return false;
        }
        c->length[i] = blk_getlength(c->blk[i]);
        if (c->length[i] < 0) {
            error_setg_errno(errp, (int)-c->length[i], "Can't get size of %s",
                             pos[i]);
            return false;
        }
    }
    c->end = MAX(c->length[0], c->length[1]);
    return true;
}

static int report(Compare *c, const char **pos)
{
    if (c->exit_status) {
        error_report("%s offset %" PRId64 " of %s failed: %s",
                     c->exit_status == EXIT_READ
                         ? "reading"
                         : "finding out the block status at",
                     c->failed_at, pos[c->failed], strerror(-c->ret));
        return c->exit_status;
    }
    if (c->length[0] != c->length[1] &&
        c->different >= MIN(c->length[0], c->length[1])) {
        tool_printf(c->tool, "Warning: Image size mismatch!\n");
    }
    if (c->different < c->end) {
        tool_printf(c->tool,
                    c->status_differs ? "Strict mode: Offset %" PRId64
                                        " block status mismatch!\n"
                                      : "Content mismatch at offset %" PRId64
                                        "!\n",
                    c->different);
        return EXIT_DIFFERENT;
    }
    if (block_progress_is_cancelled(&c->tool->progress)) {
        error_report("cancelled");
        return EXIT_READ;
    }
    tool_printf(c->tool, "Images are identical.\n");
    return EXIT_SUCCESS;
}

static int compare(Compare *c, const CompareArgs *a, const char **pos)
{
    Error *err = NULL;

    if (!open_images(c, a, pos, &err)) {
        img_fail(err);
        return EXIT_OPEN;
    }
    if (c->strict && c->length[0] != c->length[1]) {
        tool_printf(c->tool, "Strict mode: Image size mismatch!\n");
        return EXIT_DIFFERENT;
    }
    tool_progress_start(c->tool, a->progress, true);
    compare_run(c);
    tool_progress_end(c->tool, c->different == c->end && !must_stop(c));
    return report(c, pos);
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const CompareArgs *a = args;
    Compare c = { .tool = tool, .strict = a->strict };
    int status;

    tool->quiet = a->quiet;
    status = compare(&c, a, pos);
    blk_unref(c.blk[0]);
    blk_unref(c.blk[1]);
    return status;
}

extern const ToolCommand img_command_compare;
const ToolCommand img_command_compare = {
    .name = "compare",
    .synopsis = "[OPTION]... FILE1 FILE2",
    .help = "compare what two images show",
    .more = "Exit status: 0: the same; 1: different; more: an error.\n",
    .options = options,
    .args_size = sizeof(CompareArgs),
    .min_positional = 2,
    .max_positional = 2,
    .run = run,
};
