/*
 * Snapshots of the machine: the commands. QMP's are jobs; those of the human
 * monitor run in a coroutine and answer at the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/job.h"
#include "qapi/qapi-commands-migration.h"
#include "util/main-loop.h"

#include "snapshot.h"

#define TYPE_SNAPSHOT_JOB "job-snapshot"
OBJECT_DECLARE_SIMPLE_TYPE(SnapshotJob, SNAPSHOT_JOB)

struct SnapshotJob {
    Job parent;
    SnapshotWork *work;
};

/* -- jobs ---------------------------------------------------------------------- */

static int coroutine_fn snapshot_job_run(Job *job, Error **errp)
{
    SnapshotJob *sj = SNAPSHOT_JOB(job);

    return snapshot_work_run(sj->work, errp)
               ? 0
               : (job_is_cancelled(job) ? -ECANCELED : -EIO);
}

/* What is decided comes to its end. */
static bool snapshot_job_cancel(Job *job, bool force)
{
    return snapshot_work_may_cancel(SNAPSHOT_JOB(job)->work);
}

static void snapshot_job_finalize(Object *obj)
{
    snapshot_work_free(SNAPSHOT_JOB(obj)->work);
}

static void snapshot_job_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = (JobType)GPOINTER_TO_INT(data);
    jc->run = snapshot_job_run;
    jc->cancel = snapshot_job_cancel;
}

static const TypeInfo snapshot_job_types[] = {
    { .name = TYPE_SNAPSHOT_JOB,
      .parent = TYPE_JOB,
      .abstract = true,
      .instance_size = sizeof(SnapshotJob),
      .instance_finalize = snapshot_job_finalize },
    { .name = TYPE_SNAPSHOT_JOB "-save",
      .parent = TYPE_SNAPSHOT_JOB,
      .class_init = snapshot_job_class_init,
      .class_data = GINT_TO_POINTER(JOB_TYPE_SNAPSHOT_SAVE) },
    { .name = TYPE_SNAPSHOT_JOB "-load",
      .parent = TYPE_SNAPSHOT_JOB,
      .class_init = snapshot_job_class_init,
      .class_data = GINT_TO_POINTER(JOB_TYPE_SNAPSHOT_LOAD) },
    { .name = TYPE_SNAPSHOT_JOB "-delete",
      .parent = TYPE_SNAPSHOT_JOB,
      .class_init = snapshot_job_class_init,
      .class_data = GINT_TO_POINTER(JOB_TYPE_SNAPSHOT_DELETE) },
};

void snapshot_register_types(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(snapshot_job_types); i++) {
        type_register_static(&snapshot_job_types[i]);
    }
}

static void start_job(const char *type, const char *job_id, SnapshotRequest *r,
                      Error **errp)
{
    Job *job = job_create(type, job_id, NULL, qemu_get_aio_context(),
                          JOB_MANUAL_DISMISS, errp);

    if (!job) {
        return;
    }
    r->progress = &job->progress;
    SNAPSHOT_JOB(job)->work = snapshot_work_new(r, errp);
    if (!SNAPSHOT_JOB(job)->work) {
        job_drop(job);
        return;
    }
    job_start(job);
}

/* An empty list is not the same as none. */
static bool names_devices(const strList *devices, Error **errp)
{
    if (!devices) {
        error_setg(errp, "At least one device is required");
    }
    return devices != NULL;
}

void qmp_snapshot_save(const char *job_id, const char *tag, const char *vmstate,
                       strList *devices, Error **errp)
{
    SnapshotRequest r = { .verb = SNAPSHOT_SAVE,
                          .tag = tag,
                          .devices = devices,
                          .vmstate = vmstate };

    if (names_devices(devices, errp)) {
        start_job(TYPE_SNAPSHOT_JOB "-save", job_id, &r, errp);
    }
}

void qmp_snapshot_load(const char *job_id, const char *tag, const char *vmstate,
                       strList *devices, Error **errp)
{
    SnapshotRequest r = { .verb = SNAPSHOT_LOAD,
                          .tag = tag,
                          .devices = devices,
                          .vmstate = vmstate };

    if (names_devices(devices, errp)) {
        start_job(TYPE_SNAPSHOT_JOB "-load", job_id, &r, errp);
    }
}

void qmp_snapshot_delete(const char *job_id, const char *tag, strList *devices,
                         Error **errp)
{
    SnapshotRequest r = { .verb = SNAPSHOT_DELETE,
                          .tag = tag,
                          .devices = devices };

    if (names_devices(devices, errp)) {
        start_job(TYPE_SNAPSHOT_JOB "-delete", job_id, &r, errp);
    }
}

/* -- the human monitor ------------------------------------------------------------ */

static void run_command(HMPContext *ctx, json_t *args, SnapshotRequest *r)
{
    Error *err = NULL;
    g_autoptr(SnapshotWork) w = NULL;

    r->tag = hmp_arg_str(args, "name");
    w = snapshot_work_new(r, &err);
    if (w && snapshot_work_run(w, &err) && snapshot_work_text(w)) {
        hmp_printf(ctx, "%s", snapshot_work_text(w));
    }
    hmp_handle_error(ctx, err);
}

static void hmp_savevm(HMPContext *ctx, json_t *args)
{
    SnapshotRequest r = { .verb = SNAPSHOT_SAVE, .replace = true };

    run_command(ctx, args, &r);
}

static void hmp_loadvm(HMPContext *ctx, json_t *args)
{
    SnapshotRequest r = { .verb = SNAPSHOT_LOAD };

    run_command(ctx, args, &r);
}

static void hmp_delvm(HMPContext *ctx, json_t *args)
{
    SnapshotRequest r = { .verb = SNAPSHOT_DELETE };

    run_command(ctx, args, &r);
}

static void hmp_info_snapshots(HMPContext *ctx, json_t *args)
{
    SnapshotRequest r = { .verb = SNAPSHOT_LIST };

    run_command(ctx, args, &r);
}

const HMPCommand snapshot_hmp_commands[] = {
    { .name = "savevm",
      .args = "name:s?",
      .params = "[tag]",
      .help = "save the whole machine in its disk images; over a snapshot of "
              "this name",
      .handler = hmp_savevm,
      .flags = HMP_COROUTINE },
    { .name = "loadvm",
      .args = "name:s",
      .params = "tag",
      .help = "go back to a snapshot of the whole machine",
      .handler = hmp_loadvm,
      .flags = HMP_COROUTINE },
    { .name = "delvm",
      .args = "name:s",
      .params = "tag",
      .help = "delete a snapshot from the disk images",
      .handler = hmp_delvm,
      .flags = HMP_COROUTINE },
    { NULL },
};

const HMPCommand snapshot_hmp_info[] = {
    { .name = "snapshots",
      .args = "",
      .help = "show snapshots of the machine in its disk images",
      .handler = hmp_info_snapshots,
      .flags = HMP_COROUTINE },
    { NULL },
};
