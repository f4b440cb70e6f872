/*
 * Requests of ferry-io, and their buffers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/blkdebug.h"
#include "block/node-image.h"
#include "util/aio-wait.h"

#include "io.h"

static int coroutine_fn vmstate(const IoRequest *r)
{
    BlockNode *node = node_skip_filters(blk_node(r->io->blk));

    return r->op == IO_LOAD_VMSTATE
               ? node_co_load_vmstate(node, r->qiov, r->offset)
               : node_co_save_vmstate(node, r->qiov, r->offset);
}

int coroutine_fn io_request_co(void *request)
{
    const IoRequest *r = request;
    BlockBackend *blk = r->io->blk;

    switch (r->op) {
    case IO_READ:
        return blk_co_preadv(blk, r->offset, r->qiov, r->flags);
    case IO_WRITE:
        return blk_co_pwritev(blk, r->offset, r->qiov, r->flags);
    case IO_ZEROES:
        return blk_co_pwrite_zeroes(blk, r->offset, r->bytes, r->flags);
    case IO_DISCARD:
        return blk_co_pdiscard(blk, r->offset, r->bytes);
    case IO_FLUSH:
        return blk_co_flush(blk);
    case IO_LOAD_VMSTATE:
    case IO_SAVE_VMSTATE:
        return vmstate(r);
    }
    g_assert_not_reached();
}

int io_request(IoRequest *request)
{
    return io_run_co(request->io, io_request_co, request);
}

/* -- waiting ----------------------------------------------------------------- */

typedef struct RunCo {
    int coroutine_fn (*entry)(void *opaque);
    void *opaque;
    int ret;
    bool done;
} RunCo;

static void coroutine_fn run_entry(void *opaque)
{
    RunCo *r = opaque;

    r->ret = r->entry(r->opaque);
    r->done = true;
    aio_wait_kick();
}

int io_run_co(Io *io, int coroutine_fn (*entry)(void *opaque), void *opaque)
{
    AioContext *ctx = io->tool.ctx;
    RunCo r = { .entry = entry, .opaque = opaque };

    aio_co_enter(ctx, qemu_coroutine_create(run_entry, &r));
    AIO_WAIT_WHILE_UNLOCKED(ctx, !r.done && !io->tool.interrupted);
    if (!r.done) {
        /* Nobody is left who could resume it. */
        blkdebug_remove_break(blk_node(io->blk), NULL);
        AIO_WAIT_WHILE_UNLOCKED(ctx, !r.done);
    }
    return r.ret;
}

/* -- buffers ----------------------------------------------------------------- */

uint8_t *io_make_buffer(QEMUIOVector *qiov, int n, const char **lengths,
                        int pattern)
{
    g_autofree int64_t *sizes = g_new0(int64_t, n);
    int64_t total = 0;
    uint8_t *buf;
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        if (!io_parse_bytes(lengths[i], "length", &sizes[i])) {
            return NULL;
        }
        if (sizes[i] > IO_BYTES_MAX - total) {
            printf("argument '%s' exceeds maximum size %" PRId64 "\n",
                   lengths[i], IO_BYTES_MAX);
            return NULL;
        }
        total += sizes[i];
    }
    buf = g_aligned_alloc(1, MAX((size_t)total, 1), 4096);
    memset(buf, pattern, (size_t)total);
    qemu_iovec_init(qiov, n);
    for (int i = 0; i < n; i++) {
        qemu_iovec_add(qiov, buf + at, (size_t)sizes[i]);
        at += (size_t)sizes[i];
    }
    return buf;
}
