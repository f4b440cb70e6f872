/*
 * File operations that do not stop the loop: io_uring or the thread pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-file.h"

#include "util/coroutine.h"
#include "util/thread-pool.h"

#include "aio-internal.h"

/* The context's ring, made at first use; NULL: use threads. */
static AioUring *context_uring(AioContext *ctx)
{
    if (ctx->uring_disabled) {
        return NULL;
    }
    if (!ctx->uring_tried) {
        ctx->uring_tried = true;
        ctx->uring = aio_uring_new(ctx);
    }
    return ctx->uring;
}

void aio_context_set_io_uring(AioContext *ctx, bool enabled)
{
    ctx->uring_disabled = !enabled;
    if (!enabled && ctx->uring) {
        aio_uring_free(ctx->uring);
        ctx->uring = NULL;
        ctx->uring_tried = false;
    }
}

bool aio_context_has_io_uring(AioContext *ctx)
{
    return context_uring(ctx) != NULL;
}

void aio_context_set_may_block(AioContext *ctx, bool may)
{
    ctx->may_block = may;
}

bool aio_context_may_block(const AioContext *ctx)
{
    return ctx->may_block;
}

/* -- by threads ------------------------------------------------------------ */

typedef struct FileWork {
    AioFileOp op;
    int fd;
    const struct iovec *iov;
    int niov;
    uint64_t offset;
    BlockCompletionFunc *cb;
    void *opaque;
} FileWork;

static int file_work_run(void *opaque)
{
    FileWork *w = opaque;
    ssize_t ret;

    do {
        switch (w->op) {
        case AIO_FILE_READ:
            ret = preadv(w->fd, w->iov, w->niov, (off_t)w->offset);
            break;
        case AIO_FILE_WRITE:
            ret = pwritev(w->fd, w->iov, w->niov, (off_t)w->offset);
            break;
        case AIO_FILE_FSYNC:
            ret = fsync(w->fd);
            break;
        case AIO_FILE_FDATASYNC:
            ret = fdatasync(w->fd);
            break;
        default:
            g_assert_not_reached();
        }
    } while (ret < 0 && errno == EINTR);
    /* The kernel moves less than 2 GiB in one call. */
    return ret < 0 ? -errno : (int)ret;
}

static void file_work_done(void *opaque, int ret)
{
    g_autofree FileWork *w = opaque;

    w->cb(w->opaque, ret);
}

BlockAIOCB *aio_file_submit(AioContext *ctx, AioFileOp op, int fd,
                            const struct iovec *iov, int niov, uint64_t offset,
                            BlockCompletionFunc *cb, void *opaque)
{
    AioUring *uring = context_uring(ctx);
    FileWork *w;

    if (uring) {
        return aio_uring_submit(uring, op, fd, iov, niov, offset, cb, opaque);
    }
    w = g_new(FileWork, 1);
    *w = (FileWork){ op, fd, iov, niov, offset, cb, opaque };
    return thread_pool_submit_aio(aio_get_thread_pool(ctx), file_work_run, w,
                                  file_work_done, w);
}

/* -- for coroutines -------------------------------------------------------- */

typedef struct FileWait {
    Coroutine *co;
    int ret;
} FileWait;

static void file_wait_done(void *opaque, int ret)
{
    FileWait *wait = opaque;

    wait->ret = ret;
    aio_co_wake(wait->co);
}

static int coroutine_fn file_op_co(AioFileOp op, int fd,
                                   const struct iovec *iov, int niov,
                                   uint64_t offset)
{
    FileWait wait = { .co = qemu_coroutine_self(), .ret = -EINPROGRESS };
    AioContext *ctx = qemu_get_current_aio_context();

    assert(qemu_in_coroutine() && ctx);
    aio_file_submit(ctx, op, fd, iov, niov, offset, file_wait_done, &wait);
    qemu_coroutine_yield();
    return wait.ret;
}

ssize_t coroutine_fn aio_co_preadv(int fd, const struct iovec *iov, int niov,
                                   uint64_t offset)
{
    return file_op_co(AIO_FILE_READ, fd, iov, niov, offset);
}

ssize_t coroutine_fn aio_co_pwritev(int fd, const struct iovec *iov, int niov,
                                    uint64_t offset)
{
    return file_op_co(AIO_FILE_WRITE, fd, iov, niov, offset);
}

int coroutine_fn aio_co_fsync(int fd)
{
    return file_op_co(AIO_FILE_FSYNC, fd, NULL, 0, 0);
}

int coroutine_fn aio_co_fdatasync(int fd)
{
    return file_op_co(AIO_FILE_FDATASYNC, fd, NULL, 0, 0);
}
