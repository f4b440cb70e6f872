/*
 * Jobs: what job.c and job/txn.c share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_INTERNAL_H
#define BLOCK_JOB_INTERNAL_H

#include "block/job/job.h"

struct JobTxn {
    unsigned refs;   /* jobs of it, and who makes them */
    GPtrArray *jobs; /* Job, borrowed: a job leaves when it concludes */
    bool aborting;
};

/** job_move: to another status; the table of edges says whether that can be. */
void job_move(Job *job, JobStatus to);
/** job_set_cancelled: no result of it is wanted. */
void job_set_cancelled(Job *job);
/** job_txn_add: @txn NULL: one of its own. */
void job_txn_add(JobTxn *txn, Job *job);
/** job_txn_leave: @job concluded or never started. */
void job_txn_leave(Job *job);
/** job_txn_returned: run() of @job has; go on with its transaction. */
void job_txn_returned(Job *job);
/** job_txn_abort: one failed or was cancelled. */
void job_txn_abort(JobTxn *txn);
/** job_txn_finalize: all are pending, and the user said so. */
void job_txn_finalize(JobTxn *txn);

#endif
