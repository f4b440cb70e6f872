/*
 * Driver "file": requests.
 *
 * Reads and writes go through io_uring where the kernel has it, or through
 * the pool of threads (aio=threads). What only blocks (fallocate, ftruncate,
 * the discard of a device) always goes to the pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "util/aio-file.h"
#include "util/thread-pool.h"

#include "file-internal.h"

/* Work for a thread. */
typedef struct FileCall {
    int fd;
    const struct iovec *iov;
    int niov;
    int64_t offset;
    int64_t bytes;
    int mode;
    bool is_write;
    ssize_t moved;
} FileCall;

static int coroutine_fn call_in_thread(BlockNode *node, ThreadPoolFunc *func,
                                       FileCall *call)
{
    return thread_pool_submit_co(aio_get_thread_pool(node->ctx), func, call);
}

static int rw_thread(void *opaque)
{
    FileCall *c = opaque;

    do {
        c->moved = c->is_write ? pwritev(c->fd, c->iov, c->niov, c->offset)
                               : preadv(c->fd, c->iov, c->niov, c->offset);
    } while (c->moved < 0 && errno == EINTR);
    return c->moved < 0 ? -errno : 0;
}

/* Bytes moved, perhaps less than asked for; 0 = end of file; -errno. */
static ssize_t coroutine_fn move(BlockFile *f, bool is_write,
                                 const struct iovec *iov, int niov,
                                 int64_t offset)
{
    FileCall call = { f->fd, iov, niov, offset, .is_write = is_write };
    int ret;

    if (f->aio != BLOCKDEV_AIO_OPTIONS_THREADS) {
        return is_write ? aio_co_pwritev(f->fd, iov, niov, (uint64_t)offset)
                        : aio_co_preadv(f->fd, iov, niov, (uint64_t)offset);
    }
    ret = call_in_thread(BLOCK_NODE(f), rw_thread, &call);
    return ret < 0 ? ret : call.moved;
}

/* The rest of a request of which @done bytes are moved already. */
static int coroutine_fn move_rest(BlockFile *f, bool is_write, int64_t offset,
                                  QEMUIOVector *qiov, size_t done)
{
    while (done < qiov->size) {
        QEMUIOVector rest;
        ssize_t n;

        qemu_iovec_init_slice(&rest, qiov, done, qiov->size - done);
        n = move(f, is_write, rest.iov, rest.niov, offset + (int64_t)done);
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
            qemu_iovec_memset(qiov, done, 0, qiov->size - done);
            return 0;
        }
        done += (size_t)n;
    }
    return 0;
}

static int coroutine_fn move_all(BlockFile *f, bool is_write, int64_t offset,
                                 QEMUIOVector *qiov)
{
    ssize_t n = -EAGAIN;

    if (qiov->niov <= IOV_MAX) {
        n = move(f, is_write, qiov->iov, qiov->niov, offset);
    } else {
        n = move(f, is_write, qiov->iov, IOV_MAX, offset);
    }
    if (n >= 0 && (size_t)n == qiov->size) {
        return 0;
    }
    if (n < 0 && n != -EINTR && n != -EAGAIN) {
        return (int)n;
    }
    return move_rest(f, is_write, offset, qiov, n > 0 ? (size_t)n : 0);
}

int coroutine_fn block_file_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov)
{
    return move_all(BLOCK_FILE(node), false, offset, qiov);
}

int coroutine_fn block_file_co_flush(BlockNode *node)
{
    return aio_co_fdatasync(BLOCK_FILE(node)->fd);
}

int coroutine_fn block_file_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       BlkRequestFlags flags)
{
    int ret = move_all(BLOCK_FILE(node), true, offset, qiov);

    if (ret == 0 && (flags & BLK_REQ_FUA)) {
        ret = node_co_flush(node);
    }
    return ret;
}

/* -- space -------------------------------------------------------------------------- */

static int fallocate_thread(void *opaque)
{
    FileCall *c = opaque;
    int ret;

    do {
        ret = fallocate(c->fd, c->mode, c->offset, c->bytes);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static int ioctl_thread(void *opaque)
{
    FileCall *c = opaque;
    uint64_t range[2] = { (uint64_t)c->offset, (uint64_t)c->bytes };

    return ioctl(c->fd, (unsigned long)c->mode, range) < 0 ? -errno : 0;
}

static bool is_unsupported(int ret)
{
    return ret == -ENOTSUP || ret == -EOPNOTSUPP || ret == -ENOSYS ||
           ret == -ENODEV || ret == -EINVAL || ret == -ENOTTY;
}

static int coroutine_fn punch(BlockNode *node, int64_t offset, int64_t bytes)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .offset = offset, .bytes = bytes,
                      .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
    int ret;

    if (f->no_punch) {
        return -ENOTSUP;
    }
    ret = call_in_thread(node, fallocate_thread, &call);
    if (is_unsupported(ret)) {
        f->no_punch = true;
        ret = -ENOTSUP;
    }
    return ret;
}

int coroutine_fn block_file_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .offset = offset, .bytes = bytes,
                      .mode = BLKDISCARD };
    int ret = f->is_device ? call_in_thread(node, ioctl_thread, &call)
                           : punch(node, offset, bytes);

    return is_unsupported(ret) ? 0 : ret; /* only a hint */
}

int coroutine_fn block_file_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .offset = offset, .bytes = bytes,
                      .mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
    int ret;

    if (flags & BLK_REQ_MAY_UNMAP) {
        ret = punch(node, offset, bytes);
        if (ret != -ENOTSUP) {
            return ret;
        }
    }
    if (f->no_zero_range) {
        return -ENOTSUP;
    }
    ret = call_in_thread(node, fallocate_thread, &call);
    if (is_unsupported(ret)) {
        f->no_zero_range = true;
        ret = -ENOTSUP;
    }
    return ret;
}

static int truncate_thread(void *opaque)
{
    FileCall *c = opaque;

    return ftruncate(c->fd, c->bytes) < 0 ? -errno : 0;
}

int coroutine_fn block_file_co_truncate(BlockNode *node, int64_t bytes)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .bytes = bytes };
    int64_t size;
    int ret = 0;

    if (!f->is_device) {
        ret = call_in_thread(node, truncate_thread, &call);
    }
    size = ret < 0 ? ret : block_file_size(f);
    if (size < 0) {
        return (int)size;
    }
    if (f->is_device && bytes > size) {
        return -ENOTSUP;
    }
    __atomic_store_n(&node->length, size, __ATOMIC_RELEASE);
    return 0;
}
