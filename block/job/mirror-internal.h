/*
 * Job "mirror": what the job and its filter share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_MIRROR_INTERNAL_H
#define BLOCK_JOB_MIRROR_INTERNAL_H

#include "block/copier.h"
#include "block/dirty-bitmap.h"
#include "block/job/mirror.h"
#include "block/range-lock.h"
#include "block/task-pool.h"

#define TYPE_BLOCK_MIRROR_TOP TYPE_BLOCK_NODE "-mirror_top"
OBJECT_DECLARE_SIMPLE_TYPE(BlockMirrorTop, BLOCK_MIRROR_TOP)

/* What the filter and the job's coroutine both use; any thread. */
typedef struct MirrorState {
    Job *job;
    BlockNode *source; /* borrowed: the job has links */
    BlockNode *target;
    DirtyBitmap *dirty; /* of @source: what the target does not have */
    bool is_below;      /* the target is an image below the source */
    RangeLock busy;     /* areas that are being copied */
    bool writes_both;   /* atomic; write-blocking */
    unsigned plain;     /* atomic; writes under way to the source alone */
    bool is_idle;       /* atomic: the job sleeps until something is dirty */
} MirrorState;

/* Above the disk while it is mirrored. */
struct BlockMirrorTop {
    BlockFilter parent_obj;

    json_t *target_ref;
    NodeLink target;    /* so that who drains it stops writes to both sides */
    MirrorState *state; /* the job's, or NULL before and after it */
};

#endif
