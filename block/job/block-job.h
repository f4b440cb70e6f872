/*
 * Jobs on disks: what mirror, commit, stream and backup have in common.
 *
 * A block job holds NodeLinks to the nodes that it works on, by which it is
 * paused while they are drained; it has a speed limit, says what became of
 * I/O errors, and sends the events of the older block-job interface beside
 * those of jobs.
 *
 * Thread: the main loop's, unless a function says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_JOB_H
#define BLOCK_BLOCK_JOB_H

#include "block/block-internal.h"
#include "block/job/job.h"
#include "qapi/qapi-types-block-job.h"

#define TYPE_BLOCK_JOB "block-job"
OBJECT_DECLARE_TYPE(BlockJob, BlockJobClass, BLOCK_JOB)

struct BlockJob {
    Job parent_obj;

    GPtrArray *links; /* of NodeLink, owned */
    bool was_ready;   /* BLOCK_JOB_READY was sent */

    /* in job->lock */
    int64_t speed;      /* bytes a second; 0: no limit */
    int64_t paid_until; /* ns: when what was done would be done at @speed */
    BlockDeviceIoStatus io_status;
};

struct BlockJobClass {
    JobClass parent_class;
};

/** block_job_default_id: of the device that @node is the disk of, or NULL.
 *  Borrowed. */
const char *block_job_default_id(BlockNode *node);

/**
 * block_job_create: job_create() of a subclass of TYPE_BLOCK_JOB.
 * @id: (nullable) NULL: block_job_default_id(@node)
 * @node: where @id comes from
 * @speed: bytes a second; 0: no limit
 */
BlockJob *block_job_create(const char *type, const char *id, JobTxn *txn,
                           BlockNode *node, int64_t speed, unsigned flags,
                           Error **errp);

/** block_job_add_node: use @node until block_job_remove_nodes(). Errors:
 *  permissions. */
bool block_job_add_node(BlockJob *job, const char *name, BlockNode *node,
                        unsigned perm, unsigned shared, Error **errp);
/** block_job_remove_nodes: all of them. */
void block_job_remove_nodes(BlockJob *job);
/** block_job_uses: does @job hold a link to @node? */
bool block_job_uses(BlockJob *job, const BlockNode *node);

/** block_job_check_free: Errors: another job works on @node. */
bool block_job_check_free(BlockNode *node, Error **errp);

/**
 * block_job_throttle: @bytes were copied: sleep if that was too fast; a pause
 * point in any case. Thread: the job's coroutine.
 */
void coroutine_fn block_job_throttle(BlockJob *job, int64_t bytes);

/**
 * block_job_error_action:
 * @on_error: what the user said to do about errors
 * @error: errno, > 0
 *
 * With "stop" the job is paused; the caller tries again after its next pause
 * point. Sends BLOCK_JOB_ERROR. Thread: the job's coroutine.
 */
BlockErrorAction coroutine_fn block_job_error_action(BlockJob *job,
                                                     BlockdevOnError on_error,
                                                     bool is_read, int error);

/**
 * block_job_insert_filter:
 * @node: all its users use the filter from now on; drained
 * @opts: driver and options, without "node-name"
 * @name: (nullable) node-name; NULL: the user does not see the filter
 *
 * Returns: (transfer full); NULL: nothing has changed.
 */
BlockNode *block_job_insert_filter(BlockNode *node, json_t *opts,
                                   const char *name, Error **errp);

/** block_job_flags: JobFlags from the arguments of a command. */
static inline unsigned block_job_flags(bool has_auto_finalize,
                                       bool auto_finalize,
                                       bool has_auto_dismiss, bool auto_dismiss)
{
    return (has_auto_finalize && !auto_finalize ? JOB_MANUAL_FINALIZE : 0) |
           (has_auto_dismiss && !auto_dismiss ? JOB_MANUAL_DISMISS : 0);
}

/** block_job_start: @job may be NULL, after an error. */
static inline void block_job_start(BlockJob *job)
{
    if (job) {
        job_start(JOB(job));
    }
}

/** block_job_find: by id. Errors: no such job, or not on a disk. */
BlockJob *block_job_find(const char *id, Error **errp);

#endif
