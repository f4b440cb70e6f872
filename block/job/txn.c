/*
 * The end of jobs: together with those of the same transaction.
 *
 * When run() of a job went well it waits until all the others have; then all
 * are pending, prepare() of all is called, and commit() of all, or, when one
 * failed anywhere before, abort() of all. A job that fails cancels those that
 * still run; the transaction goes on when the last of them has returned, so
 * nothing here waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/internal.h"

JobTxn *job_txn_new(void)
{
    JobTxn *txn = g_new0(JobTxn, 1);

    txn->refs = 1;
    txn->jobs = g_ptr_array_new();
    return txn;
}

void job_txn_unref(JobTxn *txn)
{
    if (txn && --txn->refs == 0) {
        g_ptr_array_unref(txn->jobs);
        g_free(txn);
    }
}

void job_txn_add(JobTxn *txn, Job *job)
{
    if (!txn) {
        txn = job_txn_new();
    } else {
        txn->refs++;
    }
    job->txn = txn;
    g_ptr_array_add(txn->jobs, job);
}

void job_txn_leave(Job *job)
{
    JobTxn *txn = job->txn;

    if (txn) {
        job->txn = NULL;
        g_ptr_array_remove(txn->jobs, job);
        job_txn_unref(txn);
    }
}

static bool all_returned(const JobTxn *txn)
{
    for (guint i = 0; i < txn->jobs->len; i++) {
        Job *job = txn->jobs->pdata[i];

        if (job_status(job) != JOB_STATUS_CREATED && !job->is_over) {
            return false;
        }
    }
    return true;
}

static bool all_have(const JobTxn *txn, JobStatus status)
{
    for (guint i = 0; i < txn->jobs->len; i++) {
        if (job_status(txn->jobs->pdata[i]) != status) {
            return false;
        }
    }
    return true;
}

/* -- one job ---------------------------------------------------------------------- */

static void conclude(Job *job)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (jc->clean) {
        jc->clean(job);
    }
    job_txn_leave(job);
    job_move(job, JOB_STATUS_CONCLUDED);
    if (job->auto_dismiss || !job->id) {
        job_move(job, JOB_STATUS_NULL);
        object_unparent(OBJECT(job));
        object_unref(job);
    }
}

static void fail(Job *job)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (job->ret >= 0) {
        job->ret = -ECANCELED;
    }
    if (job_status(job) != JOB_STATUS_ABORTING) {
        job_move(job, JOB_STATUS_ABORTING);
    }
    if (jc->abort) {
        jc->abort(job);
    }
    conclude(job);
}

static void succeed(Job *job)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (jc->commit) {
        jc->commit(job);
    }
    conclude(job);
}

/* -- all of them ---------------------------------------------------------------------- */

/* @each takes its job out of the list. */
static void for_all(JobTxn *txn, void (*each)(Job *job))
{
    txn->refs++;
    while (txn->jobs->len > 0) {
        Job *job = txn->jobs->pdata[0];

        object_ref(job);
        each(job);
        object_unref(job);
    }
    job_txn_unref(txn);
}

void job_txn_abort(JobTxn *txn)
{
    if (!txn->aborting) {
        txn->aborting = true;
        for (guint i = 0; i < txn->jobs->len; i++) {
            Job *job = txn->jobs->pdata[i];

            if (!job->is_over) {
                job_cancel(job, true, NULL);
            } else if (job->ret >= 0) {
                job_set_cancelled(job);
            }
        }
    }
    if (all_returned(txn)) {
        for_all(txn, fail);
    }
}

void job_txn_finalize(JobTxn *txn)
{
    for (guint i = 0; i < txn->jobs->len; i++) {
        Job *job = txn->jobs->pdata[i];
        JobClass *jc = JOB_GET_CLASS(job);

        if (jc->prepare) {
            job->ret = jc->prepare(job, &job->err);
        }
        if (job->ret < 0) {
            job_txn_abort(txn);
            return;
        }
    }
    for_all(txn, succeed);
}

void job_txn_returned(Job *job)
{
    JobTxn *txn = job->txn;
    bool is_manual = false;

    if (job_is_cancelled(job) && job->ret >= 0) {
        job->ret = -ECANCELED;
    }
    if (job->ret < 0 || txn->aborting) {
        job_move(job, JOB_STATUS_ABORTING);
        job_txn_abort(txn);
        return;
    }
    job_move(job, JOB_STATUS_WAITING);
    if (!all_have(txn, JOB_STATUS_WAITING)) {
        return;
    }
    for (guint i = 0; i < txn->jobs->len; i++) {
        Job *other = txn->jobs->pdata[i];

        job_move(other, JOB_STATUS_PENDING);
        is_manual |= !other->auto_finalize;
    }
    if (!is_manual) {
        job_txn_finalize(txn);
    }
}
