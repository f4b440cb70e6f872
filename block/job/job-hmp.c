/*
 * The human monitor's commands about jobs and snapshots of disks: each fills
 * the arguments of a QMP command and calls it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-hmp.h"
#include "qapi/qapi-commands-block-job.h"
#include "qapi/qapi-commands-throttle.h"
#include "qapi/qapi-commands-transaction.h"
#include "util/error.h"

/* Borrowed by the call, which changes no text of its arguments. */
static char *arg_str(json_t *args, const char *name)
{
    return (char *)hmp_arg_str(args, name);
}

/* -- jobs ------------------------------------------------------------------------ */

static void hmp_info_block_jobs(HMPContext *ctx, json_t *args)
{
    BlockJobInfoList *list = qmp_query_block_jobs(NULL);

    if (!list) {
        hmp_printf(ctx, "No active jobs\n");
    }
    for (BlockJobInfoList *l = list; l; l = l->next) {
        const BlockJobInfo *j = l->value;

        hmp_printf(ctx,
                   "Type %s, device %s: %s, completed %" PRId64 " of %" PRId64
                   " bytes, speed limit %" PRId64 " bytes/s",
                   JobType_str(j->type), j->device, JobStatus_str(j->status),
                   j->offset, j->len, j->speed);
        if (j->has_rate) {
            hmp_printf(ctx, ", %" PRId64 " bytes/s", j->rate);
        }
        if (j->has_eta) {
            hmp_printf(ctx, ", %" PRId64 " s left", j->eta);
        }
        hmp_printf(ctx, "\n");
    }
    qapi_free_BlockJobInfoList(list);
}

static void hmp_block_stream(HMPContext *ctx, json_t *args)
{
    BlockStreamArguments a = { .device = arg_str(args, "device"),
                               .base = arg_str(args, "base"),
                               .has_speed = true,
                               .speed = hmp_arg_int(args, "speed", 0) };
    Error *err = NULL;

    qmp_block_stream(&a, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_block_job_set_speed(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_job_set_speed(hmp_arg_str(args, "device"),
                            hmp_arg_int(args, "speed", 0), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_block_job_cancel(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_job_cancel(hmp_arg_str(args, "device"), true,
                         hmp_arg_bool(args, "force", false), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_block_job_complete(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_job_complete(hmp_arg_str(args, "device"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_block_job_pause(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_job_pause(hmp_arg_str(args, "device"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_block_job_resume(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_job_resume(hmp_arg_str(args, "device"), &err);
    hmp_handle_error(ctx, err);
}

/* -- copies ---------------------------------------------------------------------- */

static NewImageMode image_mode(json_t *args)
{
    return hmp_arg_bool(args, "reuse", false) ? NEW_IMAGE_MODE_EXISTING
                                              : NEW_IMAGE_MODE_ABSOLUTE_PATHS;
}

static MirrorSyncMode sync_mode(json_t *args)
{
    return hmp_arg_bool(args, "full", false) ? MIRROR_SYNC_MODE_FULL
                                             : MIRROR_SYNC_MODE_TOP;
}

static void hmp_drive_mirror(HMPContext *ctx, json_t *args)
{
    DriveMirror a = { .device = arg_str(args, "device"),
                      .target = arg_str(args, "target"),
                      .format = arg_str(args, "format"),
                      .sync = sync_mode(args),
                      .has_mode = true,
                      .mode = image_mode(args) };
    Error *err = NULL;

    qmp_drive_mirror(&a, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_drive_backup(HMPContext *ctx, json_t *args)
{
    DriveBackup a = { .device = arg_str(args, "device"),
                      .target = arg_str(args, "target"),
                      .format = arg_str(args, "format"),
                      .sync = sync_mode(args),
                      .has_mode = true,
                      .mode = image_mode(args),
                      .has_compress = true,
                      .compress = hmp_arg_bool(args, "compress", false) };
    Error *err = NULL;

    qmp_drive_backup(&a, &err);
    hmp_handle_error(ctx, err);
}

/* -- snapshots ------------------------------------------------------------------- */

static void hmp_snapshot_blkdev(HMPContext *ctx, json_t *args)
{
    BlockdevSnapshotSync a = { .device = arg_str(args, "device"),
                               .snapshot_file = arg_str(args, "file"),
                               .format = arg_str(args, "format"),
                               .has_mode = true,
                               .mode = image_mode(args) };
    Error *err = NULL;

    if (a.snapshot_file) {
        qmp_blockdev_snapshot_sync(&a, &err);
    } else {
        error_setg(&err, "Parameter 'new-image-file' is missing");
    }
    hmp_handle_error(ctx, err);
}

static void hmp_snapshot_internal(HMPContext *ctx, json_t *args)
{
    BlockdevSnapshotInternal a = { .device = arg_str(args, "device"),
                                   .name = arg_str(args, "name") };
    Error *err = NULL;

    qmp_blockdev_snapshot_internal_sync(&a, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_snapshot_delete_internal(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qapi_free_SnapshotInfo(qmp_blockdev_snapshot_delete_internal_sync(
        hmp_arg_str(args, "device"), hmp_arg_str(args, "id"),
        hmp_arg_str(args, "name"), &err));
    hmp_handle_error(ctx, err);
}

static void hmp_block_set_io_throttle(HMPContext *ctx, json_t *args)
{
    BlockIOThrottle a = { .device = arg_str(args, "device"),
                          .bps = hmp_arg_int(args, "bps", 0),
                          .bps_rd = hmp_arg_int(args, "bps_rd", 0),
                          .bps_wr = hmp_arg_int(args, "bps_wr", 0),
                          .iops = hmp_arg_int(args, "iops", 0),
                          .iops_rd = hmp_arg_int(args, "iops_rd", 0),
                          .iops_wr = hmp_arg_int(args, "iops_wr", 0) };
    Error *err = NULL;

    qmp_block_set_io_throttle(&a, &err);
    hmp_handle_error(ctx, err);
}

const HMPCommand block_job_hmp_commands[] = {
    { .name = "block_stream",
      .args = "device:B,speed:o?,base:s?",
      .params = "device [speed [base]]",
      .help = "copy what images below a disk, down to above base, have into it "
              "(MiB/s without a suffix)",
      .handler = hmp_block_stream },
    { .name = "block_job_set_speed",
      .args = "device:B,speed:o",
      .params = "device speed",
      .help = "limit the speed of a job (MiB/s without a suffix, 0 = no limit)",
      .handler = hmp_block_job_set_speed },
    { .name = "block_job_cancel",
      .args = "force:-f,device:B",
      .params = "[-f] device",
      .help = "end a job (-f even if it is paused, and without a result of a "
              "mirror that is ready)",
      .handler = hmp_block_job_cancel },
    { .name = "block_job_complete",
      .args = "device:B",
      .params = "device",
      .help = "let a job that is ready do its last step",
      .handler = hmp_block_job_complete },
    { .name = "block_job_pause",
      .args = "device:B",
      .params = "device",
      .help = "stop a job for a while",
      .handler = hmp_block_job_pause },
    { .name = "block_job_resume",
      .args = "device:B",
      .params = "device",
      .help = "let a job go on that was paused or stopped by an error",
      .handler = hmp_block_job_resume },
    { .name = "drive_mirror",
      .args = "reuse:-n,full:-f,device:B,target:F,format:s?",
      .params = "[-n] [-f] device target [format]",
      .help = "copy a disk to a file and keep the copy up to date (-n the file "
              "is there; -f all, not only the topmost image)",
      .handler = hmp_drive_mirror },
    { .name = "drive_backup",
      .args = "reuse:-n,full:-f,compress:-c,device:B,target:F,format:s?",
      .params = "[-n] [-f] [-c] device target [format]",
      .help = "copy a disk as it is at this moment to a file (-n the file is "
              "there; -f all, not only the topmost image; -c compressed)",
      .handler = hmp_drive_backup },
    { .name = "snapshot_blkdev",
      .args = "reuse:-n,device:B,file:F?,format:s?",
      .params = "[-n] device new-image-file [format]",
      .help = "put a new image above a disk, which keeps what it has (-n the "
              "image is there)",
      .handler = hmp_snapshot_blkdev },
    { .name = "snapshot_blkdev_internal",
      .args = "device:B,name:s",
      .params = "device name",
      .help = "keep what a disk has at this moment inside of its image",
      .handler = hmp_snapshot_internal },
    { .name = "snapshot_delete_blkdev_internal",
      .args = "device:B,name:s,id:s?",
      .params = "device name [id]",
      .help = "delete what snapshot_blkdev_internal kept",
      .handler = hmp_snapshot_delete_internal },
    { .name = "block_set_io_throttle",
      .args = "device:B,bps:l,bps_rd:l,bps_wr:l,iops:l,iops_rd:l,iops_wr:l",
      .params = "device bps bps_rd bps_wr iops iops_rd iops_wr",
      .help = "limit bytes and requests a second of a drive (0 = no limit)",
      .handler = hmp_block_set_io_throttle },
    {},
};

const HMPCommand block_job_hmp_info[] = {
    { .name = "block-jobs",
      .args = "",
      .params = "",
      .help = "jobs on disks",
      .handler = hmp_info_block_jobs },
    {},
};
