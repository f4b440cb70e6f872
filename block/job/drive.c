/*
 * drive-mirror and drive-backup: jobs whose target is a file name.
 *
 * The target is made (in the source's format unless another is given) or
 * opened, and belongs to the job.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/job/backup.h"
#include "block/job/mirror.h"
#include "block/job/transaction.h"
#include "qapi/qapi-commands-block-job.h"
#include "util/error.h"

typedef struct Target {
    BlockNode *source;
    const char *filename;
    const char *format; /* or NULL */
    const char *node_name;
    bool exists;
    bool has_backing; /* the same as the source's */
} Target;

static bool make_target(const Target *t, const char *format, Error **errp)
{
    BlockNode *backing =
        t->has_backing ? node_backing(node_skip_filters(t->source)) : NULL;
    g_autofree char *name = backing ? node_filename(backing) : NULL;
    uint64_t size = (uint64_t)block_node_length(t->source);
    BlockCreateImage img = {
        .filename = t->filename,
        .format = format,
        .size = &size,
        .backing_file = name,
        .backing_format =
            backing ? BLOCK_NODE_GET_CLASS(node_skip_filters(backing))->driver
                    : NULL,
        .no_backing_check = true,
    };

    return block_create_image(&img, t->source->ctx, NULL, NULL, errp);
}

/* Returns: (transfer full) */
static BlockNode *open_target(const Target *t, Error **errp)
{
    const char *format =
        t->format ? t->format
                  : BLOCK_NODE_GET_CLASS(node_skip_filters(t->source))->driver;
    g_autoptr(json_t) opts = json_pack("{s:b}", "read-only", 0);

    if (!t->exists && !make_target(t, format, errp)) {
        return NULL;
    }
    if (t->node_name) {
        json_object_set_new(opts, "node-name", json_string(t->node_name));
    }
    if (t->has_backing) {
        /* The job puts what the source has there. */
        json_object_set_new(opts, "backing", json_null());
    }
    return block_open_filename(t->filename,
                               t->exists && !t->format ? NULL : format, opts,
                               false, 0, t->source->ctx, errp);
}

static void start(BlockJob *job, BlockNode *target)
{
    if (job) {
        job_start(JOB(job));
    }
    block_node_unref(target);
}

static unsigned flags_of(bool has_auto_finalize, bool auto_finalize,
                         bool has_auto_dismiss, bool auto_dismiss)
{
    return (has_auto_finalize && !auto_finalize ? JOB_MANUAL_FINALIZE : 0) |
           (has_auto_dismiss && !auto_dismiss ? JOB_MANUAL_DISMISS : 0);
}

void qmp_drive_mirror(DriveMirror *a, Error **errp)
{
    Target t = {
        .source = block_find_disk(a->device, errp),
        .filename = a->target,
        .format = a->format,
        .node_name = a->node_name,
        .exists = a->has_mode && a->mode == NEW_IMAGE_MODE_EXISTING,
        .has_backing = a->sync == MIRROR_SYNC_MODE_TOP,
    };
    MirrorOptions o = {
        .type = TYPE_MIRROR_JOB,
        .id = a->job_id,
        .source = t.source,
        .replaces = a->replaces,
        .sync = a->sync,
        .speed = a->has_speed ? a->speed : 0,
        .granularity = a->has_granularity ? a->granularity : 0,
        .buf_size = a->has_buf_size ? a->buf_size : 0,
        .unmap = !a->has_unmap || a->unmap,
        .copy_mode =
            a->has_copy_mode ? a->copy_mode : MIRROR_COPY_MODE_BACKGROUND,
        .on_source_error = a->has_on_source_error ? a->on_source_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = a->has_on_target_error ? a->on_target_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .flags = flags_of(a->has_auto_finalize, a->auto_finalize,
                          a->has_auto_dismiss, a->auto_dismiss),
    };

    if (!t.source) {
        return;
    }
    if (t.has_backing && !node_backing(node_skip_filters(t.source))) {
        o.sync = MIRROR_SYNC_MODE_FULL;
        t.has_backing = false;
    }
    o.target = open_target(&t, errp);
    o.target_is_zero = !t.exists;
    if (o.target) {
        start(mirror_job_create(&o, errp), o.target);
    }
}

void qmp_drive_backup(DriveBackup *a, Error **errp)
{
    Target t = {
        .source = block_find_disk(a->device, errp),
        .filename = a->target,
        .format = a->format,
        .exists = a->has_mode && a->mode == NEW_IMAGE_MODE_EXISTING,
        .has_backing = a->sync == MIRROR_SYNC_MODE_TOP,
    };
    BlockNode *target = t.source ? open_target(&t, errp) : NULL;
    BlockdevBackup b = { 0 };

    if (!target) {
        return;
    }
    memcpy(&b, qapi_DriveBackup_base(a), sizeof(BlockdevBackupCommon));
    b.target = target->name;
    start(backup_from_command(&b, NULL, errp), target);
}
