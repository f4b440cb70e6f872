/*
 * QMP commands about jobs on disks, as they were before jobs of all kinds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/block-job.h"
#include "qapi/qapi-commands-block-job.h"
#include "qapi/util.h"
#include "util/lockable.h"

static BlockJobInfo *info_of(BlockJob *bj)
{
    BlockJobInfo *info = g_new0(BlockJobInfo, 1);
    Job *job = &bj->parent_obj;
    JobPace pace = job_pace(job);
    uint64_t current, total;

    block_progress_get(&job->progress, &current, &total);
    QEMU_LOCK_GUARD(&job->lock);
    info->type = JOB_GET_CLASS(job)->type;
    info->device = g_strdup(job->id);
    info->len = (int64_t)total;
    info->offset = (int64_t)current;
    info->has_rate = pace.has_rate;
    info->rate = pace.rate;
    info->has_eta = pace.has_eta;
    info->eta = pace.eta;
    info->busy = !job->resting && !job->returned;
    info->paused = job->pause_count > 0;
    info->speed = bj->speed;
    info->io_status = bj->io_status;
    info->ready = job_is_ready_status(job->status);
    info->status = job->status;
    info->auto_finalize = job->auto_finalize;
    info->auto_dismiss = job->auto_dismiss;
    if (job->returned && job->ret < 0) {
        info->error = g_strdup(job->err ? error_get_pretty(job->err)
                                        : g_strerror(-job->ret));
    }
    return info;
}

BlockJobInfoList *qmp_query_block_jobs(Error **errp)
{
    BlockJobInfoList *list = NULL;

    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        if (job->id && object_dynamic_cast(OBJECT(job), TYPE_BLOCK_JOB)) {
            QAPI_LIST_PREPEND(list, info_of(BLOCK_JOB(job)));
        }
    }
    return list;
}

void qmp_block_job_set_speed(const char *device, int64_t speed, Error **errp)
{
    BlockJob *job = block_job_find(device, errp);

    if (job) {
        job_set_speed(JOB(job), speed, errp);
    }
}

void qmp_block_job_cancel(const char *device, bool has_force, bool force,
                          Error **errp)
{
    BlockJob *job = block_job_find(device, errp);

    if (!job) {
        return;
    }
    if (JOB(job)->user_paused && !(has_force && force)) {
        error_setg(errp, "The block job for device '%s' is currently paused",
                   device);
        return;
    }
    job_cancel(JOB(job), has_force && force, errp);
}

void qmp_block_job_pause(const char *device, Error **errp)
{
    BlockJob *job = block_job_find(device, errp);

    if (job) {
        job_user_pause(JOB(job), errp);
    }
}

void qmp_block_job_resume(const char *device, Error **errp)
{
    BlockJob *job = block_job_find(device, errp);

    if (job && job_user_resume(JOB(job), errp)) {
        QEMU_LOCK_GUARD(&JOB(job)->lock);

        job->io_status = BLOCK_DEVICE_IO_STATUS_OK;
    }
}

void qmp_block_job_complete(const char *device, Error **errp)
{
    BlockJob *job = block_job_find(device, errp);

    if (job) {
        job_complete(JOB(job), errp);
    }
}

void qmp_block_job_dismiss(const char *id, Error **errp)
{
    BlockJob *job = block_job_find(id, errp);

    if (job) {
        job_dismiss(JOB(job), errp);
    }
}

void qmp_block_job_finalize(const char *id, Error **errp)
{
    BlockJob *job = block_job_find(id, errp);

    if (job) {
        job_finalize(JOB(job), errp);
    }
}
