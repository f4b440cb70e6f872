/*
 * File reads and writes that do not stop the loop: by io_uring where the
 * kernel has it, else by the context's thread pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_AIO_FILE_H
#define UTIL_AIO_FILE_H

#include <sys/uio.h>

#include "util/aio.h"

typedef enum AioFileOp {
    AIO_FILE_READ,
    AIO_FILE_WRITE,
    AIO_FILE_FSYNC,
    AIO_FILE_FDATASYNC,
} AioFileOp;

/**
 * aio_file_submit:
 * @ctx: context whose home thread this is; the callback comes there
 * @op: operation
 * @fd: file; stays open until the callback
 * @iov: (in) @niov buffers, borrowed until the callback; none for syncs
 * @offset: byte offset in the file
 * @cb: (in) called once with bytes moved (may be short; 0 = end of file),
 *      0 for syncs, or -errno
 *
 * Returns: the request, for qemu_aio_cancel_async(); valid until the callback.
 */
BlockAIOCB *aio_file_submit(AioContext *ctx, AioFileOp op, int fd,
                            const struct iovec *iov, int niov, uint64_t offset,
                            BlockCompletionFunc *cb, void *opaque);

/*
 * The same for coroutines, in the current context.
 * Returns: bytes (may be short, 0 = end of file), 0 for syncs; -errno.
 */
ssize_t coroutine_fn aio_co_preadv(int fd, const struct iovec *iov, int niov,
                                   uint64_t offset);
ssize_t coroutine_fn aio_co_pwritev(int fd, const struct iovec *iov, int niov,
                                    uint64_t offset);
int coroutine_fn aio_co_fsync(int fd);
int coroutine_fn aio_co_fdatasync(int fd);

/**
 * aio_context_set_may_block:
 * @may: its home thread has no other duty than the requests it was given, so
 *       that a system call may keep it for a while; off at first
 *
 * File operations that the page cache takes are then done where they are asked
 * for, which is quicker than a trip to a worker. Thread: home, or before there
 * is one.
 */
void aio_context_set_may_block(AioContext *ctx, bool may);
bool aio_context_may_block(const AioContext *ctx);

/**
 * aio_context_set_io_uring:
 * @enabled: false sends file operations to the thread pool (aio=threads)
 *
 * On by default. Must be called while no file operation is in flight.
 */
void aio_context_set_io_uring(AioContext *ctx, bool enabled);
/** aio_context_has_io_uring: whether file operations use io_uring. */
bool aio_context_has_io_uring(AioContext *ctx);

#endif
