/*
 * Block status: what is where in a node, and in the chain of images below.
 *
 * A driver answers for a range as far as one answer holds. Here the answer is
 * followed to the node that has the bytes (raw, filters), and that one may add
 * that they are zeroes (a hole in the file); down a chain it goes on while
 * nodes have nothing of their own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-io-internal.h"

/* Answers in passing, for callers that do not want all. */
typedef struct Answer {
    int status;
    int64_t pnum;
    int64_t map;
    BlockNode *file;
} Answer;

static void ask_driver(BlockNode *node, unsigned want, int64_t offset,
                       int64_t bytes, Answer *a)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    int64_t mask = (int64_t)node->request_alignment - 1;
    int64_t start = offset & ~mask;
    int64_t len = (offset + bytes - start + mask) & ~mask;

    if (!nc->co_block_status) {
        a->status = NODE_STATUS_DATA | NODE_STATUS_ALLOCATED;
        a->pnum = bytes;
        if (QLIST_EMPTY(&node->children)) {
            a->status |= NODE_STATUS_OFFSET;
            a->map = offset;
            a->file = node;
        }
        return;
    }
    a->status = nc->co_block_status(node, want, start, len, &a->pnum, &a->map,
                                    &a->file);
    if (a->status < 0) {
        return;
    }
    assert(a->pnum > 0 && a->pnum <= len && !(a->pnum & mask));
    a->pnum = MIN(a->pnum - (offset - start), bytes);
    if (a->status & NODE_STATUS_OFFSET) {
        a->map += offset - start;
    }
}

/* The same bytes elsewhere: that node's answer is ours. */
static void coroutine_fn follow_raw(unsigned want, Answer *a)
{
    Answer in = *a;

    a->status = node_co_block_status(in.file, want, in.map, in.pnum, &a->pnum,
                                     &a->map, &a->file);
    if (a->status >= 0) {
        a->status &= ~NODE_STATUS_EOF;
    }
}

/* A hole in the file below reads as zeroes here too. */
static void coroutine_fn look_for_holes(BlockNode *node, Answer *a)
{
    Answer below = { 0 };

    if (a->file == node || a->map >= block_node_length(a->file)) {
        return;
    }
    below.status =
        node_co_block_status(a->file, NODE_WANT_ZERO, a->map, a->pnum,
                             &below.pnum, &below.map, &below.file);
    if (below.status < 0) {
        return; /* only an improvement */
    }
    if (below.status & NODE_STATUS_ZERO) {
        a->status |= NODE_STATUS_ZERO;
    }
    a->pnum = MIN(a->pnum, below.pnum);
}

static void coroutine_fn status_of_node(BlockNode *node, unsigned want,
                                        int64_t offset, int64_t bytes,
                                        Answer *a)
{
    ask_driver(node, want, offset, bytes, a);
    if (a->status < 0) {
        return;
    }
    if (a->status & NODE_STATUS_RAW) {
        assert(a->file && (a->status & NODE_STATUS_OFFSET));
        follow_raw(want, a);
        return;
    }
    if (a->status & (NODE_STATUS_DATA | NODE_STATUS_ZERO)) {
        a->status |= NODE_STATUS_ALLOCATED;
    } else if (!node_child_of_role(node, NODE_ROLE_COW) &&
               (want & NODE_WANT_ZERO)) {
        a->status |= NODE_STATUS_ZERO; /* nothing shows through */
    }
    if ((want & NODE_WANT_ZERO) && (a->status & NODE_STATUS_DATA) &&
        !(a->status & NODE_STATUS_ZERO) && (a->status & NODE_STATUS_OFFSET) &&
        a->file) {
        look_for_holes(node, a);
    }
}

static void answer(const Answer *a, int64_t *pnum, int64_t *map,
                   BlockNode **file)
{
    *pnum = a->pnum;
    if (map) {
        *map = a->status >= 0 && (a->status & NODE_STATUS_OFFSET) ? a->map : 0;
    }
    if (file) {
        *file =
            a->status >= 0 && (a->status & NODE_STATUS_OFFSET) ? a->file : NULL;
    }
}

int coroutine_fn node_co_block_status(BlockNode *node, unsigned want,
                                      int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map,
                                      BlockNode **file)
{
    int64_t length = block_node_length(node);
    Answer a = { 0 };

    if (offset < 0 || bytes < 0) {
        return -EINVAL;
    }
    if (offset >= length || bytes == 0) {
        a.status = offset >= length ? NODE_STATUS_EOF : 0;
        answer(&a, pnum, map, file);
        return a.status;
    }
    node_enter(node);
    status_of_node(node, want, offset, MIN(bytes, length - offset), &a);
    node_leave(node);
    if (a.status >= 0) {
        a.pnum = MIN(a.pnum, length - offset);
        if (offset + a.pnum == length) {
            a.status |= NODE_STATUS_EOF;
        }
    }
    answer(&a, pnum, map, file);
    return a.status;
}

/* Nothing of @node is in the range: how it looks from a longer one above. */
static bool is_past_end(BlockNode *node, int64_t offset, int64_t bytes,
                        Answer *a)
{
    if (offset < block_node_length(node)) {
        return false;
    }
    a->status = NODE_STATUS_ZERO | NODE_STATUS_ALLOCATED;
    a->pnum = bytes;
    return true;
}

/* @node: the first image of a chain; @from_above: as the image above it sees
 * it, which may be longer. */
static int coroutine_fn status_of_chain(BlockNode *node, BlockNode *base,
                                        bool from_above, unsigned want,
                                        int64_t offset, int64_t bytes,
                                        Answer *a, unsigned *ret_images)
{
    unsigned images = 0;

    for (BlockNode *n = node; n && n != base; n = node_below(n)) {
        if (BLOCK_NODE_GET_CLASS(n)->is_filter && node_below(n)) {
            continue; /* what is below says it all */
        }
        images++;
        if ((from_above || images > 1) && is_past_end(n, offset, bytes, a)) {
            break;
        }
        a->status = node_co_block_status(n, want, offset, bytes, &a->pnum,
                                         &a->map, &a->file);
        if (a->status < 0) {
            return a->status;
        }
        bytes = a->pnum; /* what is below shows through only so far */
        if (bytes == 0 || (a->status & NODE_STATUS_ALLOCATED)) {
            break;
        }
    }
    a->status &= ~NODE_STATUS_EOF;
    *ret_images = images;
    return 0;
}

int coroutine_fn node_co_status_above(BlockNode *node, BlockNode *base,
                                      unsigned want, int64_t offset,
                                      int64_t bytes, int64_t *pnum,
                                      int64_t *map, BlockNode **file,
                                      unsigned *depth)
{
    Answer a = { 0 };
    unsigned images;

    if (status_of_chain(node, base, false, want, offset, bytes, &a, &images) <
        0) {
        return a.status;
    }
    if (offset + a.pnum >= block_node_length(node)) {
        a.status |= NODE_STATUS_EOF;
    }
    if (depth) {
        *depth = images ? images - 1 : 0;
    }
    answer(&a, pnum, map, file);
    return a.status;
}

int coroutine_fn node_co_status_below(BlockNode *node, BlockNode *base,
                                      unsigned want, int64_t offset,
                                      int64_t bytes, int64_t *pnum)
{
    Answer a = { 0 };
    unsigned images;

    if (status_of_chain(node_backing(node), base, true, want, offset, bytes, &a,
                        &images) < 0) {
        return a.status;
    }
    *pnum = a.pnum;
    return a.status;
}
