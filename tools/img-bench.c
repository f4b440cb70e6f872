/*
 * ferry-img bench: how long does a number of requests take?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-wait.h"
#include "util/coroutine.h"
#include "util/error.h"

#include "img.h"

#define COUNT_DEFAULT 75000
#define DEPTH_DEFAULT 64
#define SIZE_DEFAULT  4096
#define DEPTH_MAX     65536
#define SIZE_MAX_     (1024 * 1024 * 1024)

typedef struct BenchArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *cache;
    const char *aio;
    bool native;
    bool quiet;
    bool write;
    bool no_drain;
    bool force_share;
    ToolSize count;
    ToolSize depth;
    ToolSize offset;
    ToolSize size;
    ToolSize step;
    ToolSize flush_interval;
    ToolSize pattern;
} BenchArgs;

#define T BenchArgs
static const ToolOption options[] = {
    { 'c', "count", TOOL_NUMBER, offsetof(T, count), "N",
      "number of requests (75000)", 0, INT32_MAX },
    { 'd', "depth", TOOL_NUMBER, offsetof(T, depth), "N",
      "requests at the same time (64)", 1, DEPTH_MAX },
    { 's', "buffer-size", TOOL_SIZE, offsetof(T, size), "SIZE",
      "bytes of a request (4k)", 1, SIZE_MAX_ },
    { 'S', "step-size", TOOL_SIZE, offsetof(T, step), "SIZE",
      "from one request to the next (default: its size)", 0, INT64_MAX },
    { 'o', "offset", TOOL_SIZE, offsetof(T, offset), "OFFSET",
      "of the first request", 0, INT64_MAX },
    IMG_ROW('w', "write", TOOL_FLAG, offsetof(T, write), NULL,
            "write, instead of read"),
    { 0, "pattern", TOOL_NUMBER, offsetof(T, pattern), "BYTE",
      "what is written (0)", 0, 255 },
    { 0, "flush-interval", TOOL_NUMBER, offsetof(T, flush_interval), "N",
      "flush after so many requests", 1, INT32_MAX },
    IMG_ROW(0, "no-drain", TOOL_FLAG, offsetof(T, no_drain), NULL,
            "do not wait for requests before a flush"),
    IMG_ROW('i', "aio", TOOL_STRING, offsetof(T, aio), "MODE",
            "threads, native or io_uring"),
    IMG_ROW('n', "native", TOOL_FLAG, offsetof(T, native), NULL,
            "the same as -i native"),
    IMG_FORMAT(T),
    IMG_CACHE(T, IMG_CACHE_HELP),
    IMG_FORCE_SHARE(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

typedef struct Bench {
    Tool *tool;
    BlockBackend *blk;
    bool write;
    bool drain;
    int64_t length;
    int64_t offset;
    int64_t step;
    size_t size;
    uint64_t left; /* requests to start */
    uint64_t flush_every;
    uint64_t until_flush;
    unsigned busy;    /* requests that run */
    unsigned running; /* coroutines */
    bool flushing;
    CoQueue waiting; /* for the flush, or for those before it */
    uint8_t *buf;    /* one for all: contents do not matter */
    int ret;
} Bench;

static int64_t next_offset(Bench *b)
{
    int64_t at = b->offset;

    b->offset += b->step;
    if (b->offset > b->length - (int64_t)b->size) {
        b->offset = b->offset % MAX(b->length - (int64_t)b->size, 1);
    }
    return at;
}

/* In one thread: what is between two yields is atomic. */
static void coroutine_fn flush_if_due(Bench *b)
{
    int ret;

    if (!b->flush_every || --b->until_flush) {
        return;
    }
    b->until_flush = b->flush_every;
    b->flushing = b->drain;
    while (b->drain && b->busy) {
        qemu_co_queue_wait(&b->waiting, NULL);
    }
    ret = blk_co_flush(b->blk);
    b->ret = ret < 0 ? ret : b->ret;
    b->flushing = false;
    qemu_co_queue_restart_all(&b->waiting);
}

static void coroutine_fn bench_entry(void *opaque)
{
    Bench *b = opaque;
    QEMUIOVector qiov;

    qemu_iovec_init_buf(&qiov, b->buf, b->size);
    while (b->left && b->ret == 0 && !b->tool->interrupted) {
        int ret;

        if (b->flushing) {
            qemu_co_queue_wait(&b->waiting, NULL);
            continue;
        }
        b->left--;
        b->busy++;
        ret = b->write ? blk_co_pwritev(b->blk, next_offset(b), &qiov, 0)
                       : blk_co_preadv(b->blk, next_offset(b), &qiov, 0);
        b->busy--;
        if (ret < 0) {
            b->ret = ret;
        } else {
            flush_if_due(b);
        }
        if (b->flushing && !b->busy) {
            qemu_co_queue_restart_all(&b->waiting);
        }
    }
    b->running--;
}

static void print_plan(Bench *b, unsigned depth)
{
    tool_printf(b->tool,
                "Sending %" PRIu64
                " %s requests, %zu bytes each, %u in parallel (starting at "
                "offset %" PRId64 ", step size %" PRId64 ")\n",
                b->left, b->write ? "write" : "read", b->size, depth, b->offset,
                b->step);
    if (b->flush_every) {
        tool_printf(b->tool, "Sending flush every %" PRIu64 " %srequests\n",
                    b->flush_every, b->drain ? "" : "undrained ");
    }
}

static bool bench(Bench *b, unsigned depth, Error **errp)
{
    int64_t begin, ns;

    print_plan(b, depth);
    qemu_co_queue_init(&b->waiting);
    qemu_coroutine_inc_pool_size(depth);
    begin = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    for (unsigned i = 0; i < depth; i++) {
        b->running++;
        aio_co_enter(b->tool->ctx, qemu_coroutine_create(bench_entry, b));
    }
    AIO_WAIT_WHILE_UNLOCKED(b->tool->ctx, b->running > 0);
    ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begin;
    qemu_coroutine_dec_pool_size(depth);
    if (b->ret < 0) {
        error_setg_errno(errp, -b->ret, "Failed request");
        return false;
    }
    if (b->tool->interrupted) {
        error_setg(errp, "cancelled");
        return false;
    }
    tool_printf(b->tool, "Run completed in %3.3f seconds.\n",
                (double)ns / 1000000000.0);
    return true;
}

static bool setup(Bench *b, const BenchArgs *a, unsigned depth, Error **errp)
{
    b->length = blk_getlength(b->blk);
    b->size = a->size.given ? (size_t)a->size.value : SIZE_DEFAULT;
    b->step = a->step.given && a->step.value ? (int64_t)a->step.value
                                             : (int64_t)b->size;
    b->offset = (int64_t)a->offset.value;
    b->left = a->count.given ? a->count.value : COUNT_DEFAULT;
    b->write = a->write;
    b->drain = !a->no_drain;
    b->flush_every = a->flush_interval.value;
    b->until_flush = b->flush_every;
    if (b->length < (int64_t)b->size ||
        b->offset > b->length - (int64_t)b->size) {
        error_setg(errp,
                   "a request of %zu bytes at %" PRId64
                   " does not fit into the disk of %" PRId64 " bytes",
                   b->size, b->offset, b->length);
        return false;
    }
    if (b->flush_every && !b->write) {
        error_setg(errp, "--flush-interval is only available in write tests");
        return false;
    }
    if (b->flush_every && b->flush_every < depth) {
        error_setg(errp, "Flush interval can't be smaller than depth");
        return false;
    }
    b->buf = g_aligned_alloc(1, b->size, 4096);
    memset(b->buf, (int)a->pattern.value, b->size);
    return true;
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const BenchArgs *a = args;
    unsigned depth = a->depth.given ? (unsigned)a->depth.value : DEPTH_DEFAULT;
    const ToolImage image = { .filename = pos[0],
                              .format = a->format,
                              .cache = a->cache,
                              .aio = a->native ? "native" : a->aio,
                              .image_opts = a->image_opts,
                              .writable = a->write,
                              .force_share = a->force_share };
    Bench b = { .tool = tool };
    Error *err = NULL;
    bool ok;

    tool->quiet = a->quiet;
    b.blk = tool_open(tool, &image, &err);
    if (!b.blk) {
        return img_fail(err);
    }
    ok = setup(&b, a, depth, &err) && bench(&b, depth, &err);
    g_aligned_free(b.buf);
    blk_unref(b.blk);
    return ok ? EXIT_SUCCESS : img_fail(err);
}

extern const ToolCommand img_command_bench;
const ToolCommand img_command_bench = {
    .name = "bench",
    .synopsis = "[OPTION]... FILE",
    .help = "measure requests",
    .more = IMG_CACHE_MODES,
    .options = options,
    .args_size = sizeof(BenchArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
