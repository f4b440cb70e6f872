/*
 * Job "mirror": what the job, its beginning and its filter share.
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

OBJECT_DECLARE_SIMPLE_TYPE(MirrorJob, MIRROR_JOB)

struct MirrorJob {
    BlockJob parent_obj;

    BlockNode *filter; /* (owned) the BlockMirrorTop */
    MirrorSyncMode sync;
    bool target_is_zero;
    BlockdevOnError on_source_error;
    BlockdevOnError on_target_error;
    MirrorCopyMode copy_mode;
    unsigned workers;

    MirrorState state;
    Copier copier;
    TaskPool *pool;
    bool again;            /* a piece failed and is to be tried again */
    DirtyBitmap *left_out; /* pieces whose errors were ignored */
    int64_t left_out_at;   /* from where on they are tried again */
    int64_t left_out_time; /* and when */
    bool is_last_try;      /* errors are not ignored now */
    bool complete;         /* job-complete; atomic */
    bool is_drained;
    bool target_was_read_only; /* and is so again at the end */
};

/** mirror_set_filter_state: the filter begins (NULL: ends) to use the target. */
bool mirror_set_filter_state(MirrorJob *m, MirrorState *state, Error **errp);
/** mirror_take_filter_out: its users use @stays from now on. */
bool mirror_take_filter_out(MirrorJob *m, BlockNode *stays, Error **errp);
/** mirror_free_state: what fill_job() took. */
void mirror_free_state(MirrorJob *m);

#endif
