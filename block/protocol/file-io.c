/*
 * Driver "file": reads, writes, flush.
 *
 * They go through io_uring where the kernel has it, or through the pool of
 * threads (aio=threads), of the context that runs the request. What needs no
 * disk is a copy of memory and done at once: reads of what is cached, small
 * requests to a file system in memory, and, where the thread may block, all
 * that goes into the page cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/file-internal.h"
#include "util/aio-file.h"

/* Of a request to a file in memory that is done in a loop with other duties. */
#define AT_ONCE_BYTES (64 * 1024)

static int rw_thread(void *opaque)
{
    FileCall *c = opaque;

    do {
        c->moved = c->is_write ? pwritev(c->fd, c->iov, c->niov, c->offset)
                               : preadv(c->fd, c->iov, c->niov, c->offset);
    } while (c->moved < 0 && errno == EINTR);
    return c->moved < 0 ? -errno : 0;
}

/*
 * What the page cache has is read at once: a hit costs one system call and no
 * round of the loop. -EAGAIN: go the long way.
 */
static ssize_t read_cached(BlockFile *f, const struct iovec *iov, int niov,
                           int64_t offset)
{
    ssize_t n;

    if (BLOCK_NODE(f)->direct || qatomic_read(&f->no_nowait)) {
        return -EAGAIN;
    }
    n = preadv2(f->fd, iov, niov, offset, RWF_NOWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
            qatomic_set(&f->no_nowait, true);
        }
        return -EAGAIN; /* the other way says what is wrong */
    }
    return n <= 0 ? -EAGAIN : n;
}

/* Is the request no more than a copy, that may be done here? */
static bool is_copy(BlockFile *f, bool is_write, const struct iovec *iov,
                    int niov)
{
    bool may_block = aio_context_may_block(qemu_get_current_aio_context());

    if (f->in_memory) {
        return may_block || iov_size(iov, (unsigned)niov) <= AT_ONCE_BYTES;
    }
    return may_block && is_write && !BLOCK_NODE(f)->direct;
}

/* Bytes moved, perhaps less than asked for; 0 = end of file; -errno. */
static ssize_t coroutine_fn move(BlockFile *f, bool is_write,
                                 const struct iovec *iov, int niov,
                                 int64_t offset)
{
    FileCall call = { f->fd, iov, niov, offset, .is_write = is_write };
    ssize_t ret;

    if (is_copy(f, is_write, iov, niov)) {
        ret = rw_thread(&call);
        return ret < 0 ? ret : call.moved;
    }
    ret = is_write ? -EAGAIN : read_cached(f, iov, niov, offset);
    if (ret != -EAGAIN) {
        return ret;
    }
    if (f->aio != BLOCKDEV_AIO_OPTIONS_THREADS) {
        return is_write ? aio_co_pwritev(f->fd, iov, niov, (uint64_t)offset)
                        : aio_co_preadv(f->fd, iov, niov, (uint64_t)offset);
    }
    ret = thread_pool_submit_co(
        aio_get_thread_pool(qemu_get_current_aio_context()), rw_thread, &call);
    return ret < 0 ? ret : call.moved;
}

int coroutine_fn block_file_call(BlockFile *f, ThreadPoolFunc *func,
                                 FileCall *call)
{
    AioContext *ctx = qemu_get_current_aio_context();

    if (aio_context_may_block(ctx) ||
        (f->in_memory && call->bytes <= AT_ONCE_BYTES)) {
        return func(call);
    }
    return thread_pool_submit_co(aio_get_thread_pool(ctx), func, call);
}

/* Bytes [@offset, @offset + @bytes) of @qiov, less those that are moved. */
static int coroutine_fn move_rest(BlockFile *f, bool is_write, int64_t offset,
                                  QEMUIOVector *qiov, size_t from, size_t bytes)
{
    while (bytes > 0) {
        QEMUIOVector rest;
        ssize_t n;

        qemu_iovec_init_slice(&rest, qiov, from, bytes);
        n = move(f, is_write, rest.iov, MIN(rest.niov, IOV_MAX), offset);
        qemu_iovec_destroy(&rest);
        if (n == -EINTR || n == -EAGAIN) {
            continue;
        }
        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            if (is_write) {
                return -ENOSPC;
            }
            qemu_iovec_memset(qiov, from, 0, bytes);
            return 0;
        }
        offset += n;
        from += (size_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int coroutine_fn move_all(BlockFile *f, bool is_write, int64_t offset,
                                 int64_t bytes, QEMUIOVector *qiov,
                                 size_t qiov_offset)
{
    ssize_t n;

    if (qiov_offset != 0 || (size_t)bytes != qiov->size ||
        qiov->niov > IOV_MAX) {
        return move_rest(f, is_write, offset, qiov, qiov_offset, (size_t)bytes);
    }
    n = move(f, is_write, qiov->iov, qiov->niov, offset);
    if (n == bytes) {
        return 0;
    }
    if (n < 0 && n != -EINTR && n != -EAGAIN) {
        return (int)n;
    }
    n = MAX(n, 0);
    if (n == 0 && is_write) {
        /* Once more: only a second nothing means that there is no room. */
        return move_rest(f, is_write, offset, qiov, 0, (size_t)bytes);
    }
    return move_rest(f, is_write, offset + n, qiov, (size_t)n,
                     (size_t)(bytes - n));
}

int coroutine_fn block_file_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    return move_all(BLOCK_FILE(node), false, offset, bytes, qiov, qiov_offset);
}

int coroutine_fn block_file_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    return move_all(BLOCK_FILE(node), true, offset, bytes, qiov, qiov_offset);
}

/*
 * When the kernel could not write a cached page it says so once and drops the
 * page: a second flush would succeed and mean nothing. So the first failure
 * stands, unless nothing is cached (O_DIRECT).
 */
int coroutine_fn block_file_co_flush(BlockNode *node)
{
    BlockFile *f = BLOCK_FILE(node);
    int ret;

    if (qatomic_read(&f->flush_failed)) {
        return -EIO;
    }
    ret = aio_co_fdatasync(f->fd);
    if (ret < 0 && !node->direct && ret != -EINTR) {
        qatomic_set(&f->flush_failed, true);
    }
    return ret;
}
