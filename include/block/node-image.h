/*
 * What programs that work on images ask of an image's node: what it is, what
 * it can do, checks, backing files, saved states.
 *
 * All of it is about one image: node_skip_filters() finds it below filters.
 *
 * Thread: the main loop's; node_co_*() any, in a coroutine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NODE_IMAGE_H
#define BLOCK_NODE_IMAGE_H

#include "block/block-node.h"
#include "qapi/qapi-types-block.h"
#include "util/coroutine.h"
#include "util/iov.h"

/* -- the graph below a node ------------------------------------------------- */

/** node_skip_filters: the first node at or below @node that is no filter. */
BlockNode *node_skip_filters(BlockNode *node);
/** node_backing: what shows through, below filters; or NULL. */
BlockNode *node_backing(BlockNode *node);
/** node_lowest: the protocol that a file name means, below formats and
 *  filters. */
BlockNode *node_lowest(BlockNode *node);

/* -- what it is ------------------------------------------------------------- */

/* Bytes, and facts about the image. */
typedef struct NodeInfo {
    int64_t cluster_size;    /* bytes; 0: none */
    int64_t subcluster_size; /* bytes; 0: none */
    int64_t vm_state_offset; /* where saved machine states begin; 0: none */
    bool is_dirty;           /* was not closed cleanly */
    bool needs_compressed_writes;
} NodeInfo;

/** node_driver_name: "qcow2"; static. */
const char *node_driver_name(const BlockNode *node);
/** node_length: bytes of the disk. Thread: any. */
int64_t node_length(BlockNode *node);
/** node_filename: (transfer full) with which, in the format of the node's driver,
 *  the same contents can be opened: a path, a URI, or "json:" with options. */
char *node_filename(BlockNode *node);
/** node_path: (transfer full) where the bytes are, for people and for what is
 *  relative to it; "" if nowhere. */
char *node_path(BlockNode *node);
/** node_is_called: is @name one of these? */
bool node_is_called(BlockNode *node, const char *name);
/** node_preferred_write: bytes of the smallest write that needs no read; 0:
 *  any. */
uint32_t node_preferred_write(const BlockNode *node);
/** node_backing_file, node_backing_format: as they stand in the image: hostile;
 *  borrowed, or NULL. */
const char *node_backing_file(const BlockNode *node);
const char *node_backing_format(const BlockNode *node);
/** node_backing_path: (transfer full) the first as it can be opened, or NULL. */
char *node_backing_path(BlockNode *node);
/** node_co_info: Returns: 0, all zero for a driver that has nothing to tell;
 *  -errno. */
int coroutine_fn node_co_info(BlockNode *node, NodeInfo *ret_info);
/** node_specific_info: (transfer full) what only the format has; NULL: nothing,
 *  or an error. */
ImageInfoSpecific *node_specific_info(BlockNode *node, Error **errp);

/* -- what it can do --------------------------------------------------------- */

bool node_can_check(const BlockNode *node);
bool node_can_compress(const BlockNode *node);
bool node_can_change_backing(const BlockNode *node);
bool node_can_make_empty(const BlockNode *node);
/** node_can_keep_bitmaps: has the format a place for dirty bitmaps? */
bool node_can_keep_bitmaps(const BlockNode *node);

/* -- checks ------------------------------------------------------------------ */

/* What a check repairs; bits. */
typedef enum NodeFix {
    NODE_FIX_LEAKS = 1 << 0,
    NODE_FIX_ERRORS = 1 << 1,
} NodeFix;

/**
 * NodeFindings: who hears what a check finds, one by one.
 * @found: @text: a phrase, borrowed. @repaired: it is in order now
 */
typedef struct NodeFindings {
    void (*found)(void *opaque, const char *text, bool repaired);
    void *opaque;
} NodeFindings;

/**
 * node_co_check:
 * @fix: NodeFix; the image must be writable then
 * @findings: (nullable)
 * @result: (inout) gets the counts
 *
 * After a repair the counts say what is still wrong.
 *
 * Returns: 0 also if the image is damaged; -errno.
 * Errors: the check itself failed.
 */
int coroutine_fn node_co_check(BlockNode *node, unsigned fix,
                               const NodeFindings *findings, ImageCheck *result,
                               Error **errp);

/* -- changes ----------------------------------------------------------------- */

/** node_co_change_backing: write the name of the backing file; NULL: none.
 *  Returns: 0; -errno and *errp. */
int coroutine_fn node_co_change_backing(BlockNode *node, const char *file,
                                        const char *format, Error **errp);
/** node_co_make_empty: nothing of the disk is in this image any more. Returns:
 *  0; -errno and *errp. */
int coroutine_fn node_co_make_empty(BlockNode *node, Error **errp);
/** node_set_read_only: open @node, and what it is in, in the other way; drains
 *  it. */
bool node_set_read_only(BlockNode *node, bool read_only, Error **errp);
/** dirty_bitmaps_info: (transfer full) of all dirty bitmaps with a name. */
BlockDirtyInfoList *dirty_bitmaps_info(BlockNode *node);

/** node_co_load_vmstate, node_co_save_vmstate: bytes from @pos of a machine's
 *  state, which the next snapshot takes along. Returns: 0; -ENOTSUP; -errno. */
int coroutine_fn node_co_load_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos);
int coroutine_fn node_co_save_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos);

#endif
