/*
 * What is where on a disk: data, zeroes, or nothing of this image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NODE_STATUS_H
#define BLOCK_NODE_STATUS_H

#include "block/block-node.h"
#include "util/coroutine.h"

/* What a question about a range is answered by; bits. */
typedef enum NodeStatus {
    NODE_STATUS_DATA = 1 << 0,      /* reads come from storage */
    NODE_STATUS_ZERO = 1 << 1,      /* reads give zeroes */
    NODE_STATUS_OFFSET = 1 << 2,    /* *map is where it is in *file */
    NODE_STATUS_ALLOCATED = 1 << 3, /* this node decides, not its backing */
    NODE_STATUS_COMPRESSED = 1 << 4,
    NODE_STATUS_EOF = 1 << 5, /* the range ends where the node ends */
    NODE_STATUS_RAW = 1 << 6, /* ask *file at *map: same contents */
} NodeStatus;

/* How exact an answer the caller needs. */
typedef enum NodeWant {
    NODE_WANT_ALLOCATED = 1 << 0,
    NODE_WANT_ZERO = 1 << 1,
    NODE_WANT_OFFSET = 1 << 2,
    NODE_WANT_PRECISE = NODE_WANT_ALLOCATED | NODE_WANT_ZERO | NODE_WANT_OFFSET,
} NodeWant;

/**
 * node_co_status_above:
 * @base: (nullable) look at all nodes above it; NULL: the whole chain
 * @want: (in) NodeWant
 * @pnum: (out) bytes that the answer is about: > 0, at most @bytes
 * @map, @file: (out, nullable) see NODE_STATUS_OFFSET; @file is borrowed
 * @depth: (out, nullable) which image said it: 0 is the top, filters do not
 *         count
 *
 * Thread: any, in a coroutine.
 * Returns: NodeStatus as the user of @node sees the range; -errno.
 */
int coroutine_fn node_co_status_above(BlockNode *node, BlockNode *base,
                                      unsigned want, int64_t offset,
                                      int64_t bytes, int64_t *pnum,
                                      int64_t *map, BlockNode **file,
                                      unsigned *depth);
/**
 * node_co_status_below:
 * The same of the images below @node, as @node shows them: what is behind the
 * end of one of them reads as zeroes, which that one decides.
 */
int coroutine_fn node_co_status_below(BlockNode *node, BlockNode *base,
                                      unsigned want, int64_t offset,
                                      int64_t bytes, int64_t *pnum);

#endif
