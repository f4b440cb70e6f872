/*
 * Filter "copy-before-write": keeps a disk as it was at one moment.
 *
 * Before a write reaches the node below, what it would destroy is copied to a
 * target. A backup job puts the filter in and copies the rest in the
 * background through it; without a job, a snapshot-access node shows the old
 * contents (target where copied, source where not).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_FILTER_COPY_BEFORE_WRITE_H
#define BLOCK_FILTER_COPY_BEFORE_WRITE_H

#include "block/copier.h"
#include "block/dirty-bitmap.h"
#include "block/progress.h"
#include "block/range-lock.h"

#define TYPE_BLOCK_CBW TYPE_BLOCK_NODE "-copy-before-write"
OBJECT_DECLARE_SIMPLE_TYPE(BlockCbw, BLOCK_CBW)

/* Smallest piece that is copied. */
#define CBW_CLUSTER_MIN 65536

struct BlockCbw {
    BlockFilter parent_obj;

    json_t *target_ref;
    json_t *bitmap_ref; /* {"node":, "name":}: copy only what is set in it */
    int on_cbw_error;   /* OnCbwError */

    NodeLink target;
    int64_t cluster;
    Copier copier;
    RangeLock busy;          /* clusters that are being copied */
    DirtyBitmap *todo;       /* not yet copied; of the node below, disabled */
    BlockProgress *progress; /* of a job: of what is copied; or NULL */
    int error;               /* atomic; a copy failed: the snapshot is broken */
};

/**
 * cbw_copy:
 * Copy of [@offset, @offset + @bytes) what is not copied yet.
 *
 * @ret_is_read: (out) on failure: was it the source?
 *
 * Returns: 0; -errno, then it is not copied.
 * Thread: any, in a coroutine.
 */
int coroutine_fn cbw_copy(BlockCbw *cbw, int64_t offset, int64_t bytes,
                          bool *ret_is_read);
/** cbw_leave_out: whole clusters that need not be copied. */
void coroutine_fn cbw_leave_out(BlockCbw *cbw, int64_t start, int64_t end);

#endif
