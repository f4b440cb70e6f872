/*
 * QMP commands about jobs of all kinds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/job.h"
#include "qapi/qapi-commands-job.h"
#include "qapi/util.h"
#include "util/lockable.h"

static Job *find(const char *id, Error **errp)
{
    Job *job = job_find(id);

    if (!job) {
        error_setg(errp, "Job not found: %s", id);
    }
    return job;
}

void qmp_job_pause(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_user_pause(job, errp);
    }
}

void qmp_job_resume(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_user_resume(job, errp);
    }
}

void qmp_job_cancel(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_cancel(job, true, errp);
    }
}

void qmp_job_complete(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_complete(job, errp);
    }
}

void qmp_job_dismiss(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_dismiss(job, errp);
    }
}

void qmp_job_finalize(const char *id, Error **errp)
{
    Job *job = find(id, errp);

    if (job) {
        job_finalize(job, errp);
    }
}

static JobInfo *info_of(Job *job)
{
    JobInfo *info = g_new0(JobInfo, 1);
    JobPace pace = job_pace(job);
    uint64_t current, total;

    block_progress_get(&job->progress, &current, &total);
    info->id = g_strdup(job->id);
    info->type = JOB_GET_CLASS(job)->type;
    info->status = job_status(job);
    info->current_progress = (int64_t)current;
    info->total_progress = (int64_t)total;
    info->has_rate = pace.has_rate;
    info->rate = pace.rate;
    info->has_eta = pace.has_eta;
    info->eta = pace.eta;
    if (info->status == JOB_STATUS_CONCLUDED && job->ret < 0) {
        info->error = g_strdup(job->err ? error_get_pretty(job->err)
                                        : g_strerror(-job->ret));
    }
    return info;
}

JobInfoList *qmp_query_jobs(Error **errp)
{
    JobInfoList *list = NULL;

    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        if (job->id) {
            QAPI_LIST_PREPEND(list, info_of(job));
        }
    }
    return list;
}
