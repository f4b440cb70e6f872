/*
 * Requests of nodes, inside node-*.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NODE_IO_INTERNAL_H
#define BLOCK_NODE_IO_INTERNAL_H

#include "block/graph-internal.h"

static inline bool node_is_aligned(const BlockNode *node, int64_t offset,
                                   int64_t bytes)
{
    uint32_t mask = node->request_alignment - 1;

    return !((uint64_t)(offset | bytes) & mask);
}

/* Must writes of @node know of each other? */
static inline bool node_lists_writes(const BlockNode *node)
{
    return node->request_alignment > 1 || node->tracks_writes;
}

/** node_check_write: may anybody write there? 0 or -errno. */
int node_check_write(BlockNode *node, int64_t offset, int64_t bytes);
/** node_write_data: no checks, no counting. */
int coroutine_fn node_write_data(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags);
/** node_written: a write, of any kind, ended. */
void node_written(BlockNode *node, int64_t offset, int64_t bytes, int ret);

#endif
