/*
 * Requests of nodes for code that waits: open() and tools.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "util/aio-wait.h"

typedef struct RunCo {
    int coroutine_fn (*entry)(void *opaque);
    void *opaque;
    int ret;
    bool done;
} RunCo;

static void coroutine_fn run_co_entry(void *opaque)
{
    RunCo *r = opaque;

    r->ret = r->entry(r->opaque);
    qatomic_mb_set(&r->done, true);
    aio_wait_kick();
}

int node_run_co(AioContext *ctx, int coroutine_fn (*entry)(void *opaque),
                void *opaque)
{
    RunCo r = { .entry = entry, .opaque = opaque };

    if (qemu_in_coroutine()) {
        return entry(opaque);
    }
    if (!ctx) {
        ctx = qemu_get_current_aio_context();
    }
    aio_co_enter(ctx, qemu_coroutine_create(run_co_entry, &r));
    AIO_WAIT_WHILE_UNLOCKED(ctx, !qatomic_mb_read(&r.done));
    return r.ret;
}

typedef struct SyncIO {
    BlockNode *node;
    int64_t offset;
    int64_t bytes;
    void *buf;
    BlkRequestFlags flags;
} SyncIO;

static int coroutine_fn pread_entry(void *opaque)
{
    SyncIO *io = opaque;

    return node_co_pread(io->node, io->offset, io->bytes, io->buf, io->flags);
}

static int coroutine_fn pwrite_entry(void *opaque)
{
    SyncIO *io = opaque;

    return node_co_pwrite(io->node, io->offset, io->bytes, io->buf, io->flags);
}

static int coroutine_fn flush_entry(void *opaque)
{
    return node_co_flush(opaque);
}

int node_pread(BlockNode *node, int64_t offset, int64_t bytes, void *buf)
{
    SyncIO io = { node, offset, bytes, buf, 0 };

    return node_run_co(NULL, pread_entry, &io);
}

int node_pwrite(BlockNode *node, int64_t offset, int64_t bytes, const void *buf,
                BlkRequestFlags flags)
{
    SyncIO io = { node, offset, bytes, (void *)buf, flags };

    return node_run_co(NULL, pwrite_entry, &io);
}

int node_flush(BlockNode *node)
{
    return node_run_co(NULL, flush_entry, node);
}
