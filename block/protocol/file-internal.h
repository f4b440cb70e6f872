/*
 * The node of a file or host device, inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_FILE_INTERNAL_H
#define BLOCK_FILE_INTERNAL_H

#include "block/block-internal.h"
#include "util/thread-pool.h"

#define TYPE_BLOCK_FILE        TYPE_BLOCK_NODE "-file"
#define TYPE_BLOCK_HOST_DEVICE TYPE_BLOCK_NODE "-host_device"

OBJECT_DECLARE_SIMPLE_TYPE(BlockFile, BLOCK_FILE)

struct BlockFile {
    BlockNode parent_obj;

    char *filename;
    int locking; /* OnOffAuto */
    int aio;     /* BlockdevAioOptions, or BLOCK_FILE_AIO_AUTO */
    bool drop_cache;
    int64_t aio_max_batch;

    int fd;
    bool is_device;
    bool in_memory;     /* a file system that has no disk below it */
    bool no_punch;      /* the file system cannot; atomic, as the next */
    bool no_zero_range; /* the same */
    bool no_nowait;     /* the same */
    bool no_copy_range; /* the same */
    bool flush_failed;  /* what the kernel has cached may be lost; atomic */
    QemuMutex lock;     /* guards what is known about holes */
    int64_t data_start; /* a range that is known to be data; empty: none */
    int64_t data_end;
    unsigned locked_perm; /* locks held in the file, NODE_PERM_* */
    unsigned locked_unshared;
};

/** block_file_size: bytes now, or -errno. */
int64_t block_file_size(BlockFile *f);
/** block_file_probe: alignments that @f's descriptor wants. */
void block_file_probe(BlockFile *f);
/** block_file_set_perm: locks in the file as the permissions say. */
bool block_file_set_perm(BlockNode *node, unsigned perm, unsigned shared,
                         Error **errp);

/** block_file_move_locks: hold in @fd, which is the same file, what is held in
 *  @f's descriptor, before that one is closed. */
void block_file_move_locks(BlockFile *f, int fd);
/** block_file_same: are two descriptors of one file? */
bool block_file_same(int a, int b);

/* Requests: BlockNodeClass. */
int coroutine_fn block_file_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset,
                                      BlkRequestFlags flags);
int coroutine_fn block_file_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags);
int coroutine_fn block_file_co_flush(BlockNode *node);
int coroutine_fn block_file_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes);
int coroutine_fn block_file_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags);
int coroutine_fn block_file_co_copy_range_to(BlockNode *node,
                                             int64_t src_offset, BlockNode *dst,
                                             int64_t dst_offset, int64_t bytes,
                                             BlkRequestFlags flags);
int coroutine_fn block_file_co_block_status(BlockNode *node, unsigned want,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file);
int coroutine_fn block_file_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp);
int coroutine_fn block_file_co_activate(BlockNode *node, Error **errp);

/* Work for a thread. */
typedef struct FileCall {
    int fd;
    const struct iovec *iov;
    int niov;
    int64_t offset;
    int64_t bytes;
    int mode;
    bool is_write;
    int dst_fd; /* copy */
    int64_t dst_offset;
    ssize_t moved;
} FileCall;

/** block_file_call: run @func in the pool of the context that runs this, or at
 *  once where that is better. */
int coroutine_fn block_file_call(BlockFile *f, ThreadPoolFunc *func,
                                 FileCall *call);

/* That the kernel or the file system cannot do it. */
static inline bool block_file_is_unsupported(int ret)
{
    return ret == -ENOTSUP || ret == -EOPNOTSUPP || ret == -ENOSYS ||
           ret == -ENODEV || ret == -EINVAL || ret == -ENOTTY;
}

#endif
