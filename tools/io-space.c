/*
 * ferry-io: what an image has, and changing that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/image.h"
#include "block/node-image.h"
#include "block/node-status.h"
#include "qapi/util.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img-dump.h"
#include "io.h"

/* -- flush, discard ------------------------------------------------------------ */

static bool run_flush(Io *io, void *args, int npos, const char **pos)
{
    IoRequest r = { .io = io, .op = IO_FLUSH };
    int ret = io_request(&r);

    if (ret < 0) {
        printf("flush failed: %s\n", strerror(-ret));
    }
    return ret == 0;
}

typedef struct DiscardArgs {
    bool machine;
    bool quiet;
} DiscardArgs;

static const ToolOption discard_options[] = {
    IO_FLAG(DiscardArgs, 'C', machine, "statistics for a program to read"),
    IO_FLAG(DiscardArgs, 'q', quiet, "no statistics"),
    {},
};

static bool run_discard(Io *io, void *args, int npos, const char **pos)
{
    const DiscardArgs *a = args;
    IoRequest r = { .io = io, .op = IO_DISCARD };
    int64_t ns;
    int ret;

    if (!io_parse_bytes(pos[0], "offset", &r.offset) ||
        !io_parse_bytes(pos[1], "length", &r.bytes)) {
        return false;
    }
    ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    ret = io_request(&r);
    ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - ns;
    if (ret < 0) {
        printf("discard failed: %s\n", strerror(-ret));
        return false;
    }
    if (!a->quiet) {
        g_autofree char *text =
            io_report("discard", ns, r.offset, r.bytes, r.bytes, 1, a->machine);

        fputs(text, stdout);
    }
    return true;
}

/* -- alloc, map ------------------------------------------------------------------- */

typedef struct AllocQuestion {
    BlockNode *node;
    int64_t offset;
    int64_t bytes;
    int64_t pnum;   /* (out) */
    bool allocated; /* (out) */
} AllocQuestion;

static int coroutine_fn alloc_entry(void *opaque)
{
    AllocQuestion *q = opaque;
    int64_t at = q->offset;
    int64_t end = q->offset + q->bytes;

    /* Answers that are the same go together. */
    while (at < end) {
        int64_t n;
        int status = node_co_status_above(q->node, node_backing(q->node),
                                          NODE_WANT_ALLOCATED, at, end - at, &n,
                                          NULL, NULL, NULL);
        bool allocated = status & NODE_STATUS_ALLOCATED;

        if (status < 0) {
            return status;
        }
        if (at > q->offset && allocated != q->allocated) {
            break;
        }
        q->allocated = allocated;
        at += n;
    }
    q->pnum = at - q->offset;
    return 0;
}

static bool ask(Io *io, AllocQuestion *q)
{
    int ret;

    q->node = node_skip_filters(blk_node(io->blk));
    ret = io_run_co(io, alloc_entry, q);
    if (ret < 0) {
        printf("is_allocated failed: %s\n", strerror(-ret));
    }
    return ret == 0;
}

static bool run_alloc(Io *io, void *args, int npos, const char **pos)
{
    int64_t length = blk_getlength(io->blk);
    int64_t start, count = BLK_SECTOR_SIZE;
    int64_t sum = 0;
    g_autofree char *at = NULL;

    if (!io_parse_bytes(pos[0], "offset", &start) ||
        (npos > 1 && !io_parse_bytes(pos[1], "count", &count))) {
        return false;
    }
    count = CLAMP(length - start, 0, count);
    for (int64_t done = 0; done < count;) {
        AllocQuestion q = { .offset = start + done, .bytes = count - done };

        if (!ask(io, &q)) {
            return false;
        }
        sum += q.allocated ? q.pnum : 0;
        done += q.pnum;
    }
    at = io_size_text((double)start);
    printf("%" PRId64 "/%" PRId64 " bytes allocated at offset %s\n", sum, count,
           at);
    return true;
}

static bool run_map(Io *io, void *args, int npos, const char **pos)
{
    int64_t length = blk_getlength(io->blk);

    for (int64_t offset = 0; offset < length;) {
        AllocQuestion q = { .offset = offset, .bytes = length - offset };
        g_autofree char *size = NULL;
        g_autofree char *at = NULL;

        if (!ask(io, &q)) {
            return false;
        }
        size = io_size_text((double)q.pnum);
        at = io_size_text((double)offset);
        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64
               ")\n",
               size, q.pnum, q.allocated ? "   " : "not", at, offset);
        offset += q.pnum;
    }
    return true;
}

/* -- length, info, truncate --------------------------------------------------------- */

static bool run_length(Io *io, void *args, int npos, const char **pos)
{
    int64_t length = blk_getlength(io->blk);
    g_autofree char *text = NULL;

    if (length < 0) {
        printf("getlength: %s\n", strerror((int)-length));
        return false;
    }
    text = io_size_text((double)length);
    puts(text);
    return true;
}

typedef struct InfoQuestion {
    BlockNode *node;
    NodeInfo info;
} InfoQuestion;

static int coroutine_fn info_entry(void *opaque)
{
    InfoQuestion *q = opaque;

    return node_co_info(q->node, &q->info);
}

static bool run_info(Io *io, void *args, int npos, const char **pos)
{
    InfoQuestion q = { .node = node_skip_filters(blk_node(io->blk)) };
    g_autoptr(ImageInfoSpecific) specific = NULL;
    g_autofree char *cluster = NULL;
    g_autofree char *vmstate = NULL;
    int ret = io_run_co(io, info_entry, &q);
    Error *err = NULL;

    if (ret < 0) {
        printf("info failed: %s\n", strerror(-ret));
        return false;
    }
    cluster = io_size_text((double)q.info.cluster_size);
    vmstate = io_size_text((double)q.info.vm_state_offset);
    printf("format name: %s\ncluster size: %s\nvm state offset: %s\n",
           node_driver_name(q.node), cluster, vmstate);
    specific = node_specific_info(q.node, &err);
    if (err) {
        error_report_err(err);
        return false;
    }
    if (specific) {
        g_autoptr(GString) out = g_string_new(NULL);

        img_dump_specific(out, specific);
        fputs(out->str, stdout);
    }
    return true;
}

typedef struct TruncateArgs {
    const char *mode;
} TruncateArgs;

static const ToolOption truncate_options[] = {
    { 'm', NULL, TOOL_STRING, offsetof(TruncateArgs, mode), "MODE",
      "space for what is new: off, metadata, falloc, full", 0, 0 },
    {},
};

typedef struct TruncateRequest {
    BlockBackend *blk;
    int64_t bytes;
    PreallocMode mode;
    Error **errp;
} TruncateRequest;

static int coroutine_fn truncate_entry(void *opaque)
{
    TruncateRequest *r = opaque;

    return blk_co_truncate(r->blk, r->bytes, false, r->mode, 0, r->errp);
}

static bool run_truncate(Io *io, void *args, int npos, const char **pos)
{
    const TruncateArgs *a = args;
    Error *err = NULL;
    TruncateRequest r = { .blk = io->blk, .errp = &err };
    int mode;

    if (!io_parse_bytes(pos[0], "truncate", &r.bytes)) {
        return false;
    }
    mode =
        qapi_enum_parse(&PreallocMode_lookup, a->mode, PREALLOC_MODE_OFF, &err);
    if (!err) {
        r.mode = (PreallocMode)mode;
        io_run_co(io, truncate_entry, &r);
    }
    if (err) {
        error_report_err(err);
        return false;
    }
    return true;
}

const IoCommand io_commands_space[] = {
    { .name = "alloc",
      .args = "offset [count]",
      .help = "checks if offset is allocated in the file",
      .min_positional = 1,
      .max_positional = 2,
      .run = run_alloc },
    { .name = "discard",
      .alias = "d",
      .args = "[-Cq] off len",
      .help = "discards a number of bytes at a specified offset",
      .options = discard_options,
      .args_size = sizeof(DiscardArgs),
      .min_positional = 2,
      .max_positional = 2,
      .run = run_discard },
    { .name = "flush",
      .alias = "f",
      .args = "",
      .help = "flush all in-core file state to disk",
      .run = run_flush },
    { .name = "info",
      .alias = "i",
      .args = "",
      .help = "prints information about the current file",
      .run = run_info },
    { .name = "length",
      .alias = "l",
      .args = "",
      .help = "gets the length of the current file",
      .run = run_length },
    { .name = "map",
      .args = "",
      .help = "prints the allocated areas of a file",
      .run = run_map },
    { .name = "truncate",
      .alias = "t",
      .args = "[-m prealloc_mode] off",
      .help = "truncates the current file at the given offset",
      .options = truncate_options,
      .args_size = sizeof(TruncateArgs),
      .min_positional = 1,
      .max_positional = 1,
      .run = run_truncate },
    {},
};
