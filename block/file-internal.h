/*
 * The node of a file or host device, inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_FILE_INTERNAL_H
#define BLOCK_FILE_INTERNAL_H

#include "block-internal.h"

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
    bool no_punch;        /* the file system cannot */
    bool no_zero_range;   /* the same */
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

/* Requests: BlockNodeClass. */
int coroutine_fn block_file_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov);
int coroutine_fn block_file_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       BlkRequestFlags flags);
int coroutine_fn block_file_co_flush(BlockNode *node);
int coroutine_fn block_file_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes);
int coroutine_fn block_file_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags);
int coroutine_fn block_file_co_truncate(BlockNode *node, int64_t bytes);

#endif
