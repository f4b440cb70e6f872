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
    MirrorOptions o;

    if (!t.source) {
        return;
    }
    o = mirror_options_of(qapi_DriveMirror_base(a));
    o.source = t.source;
    o.unmap = !a->has_unmap || a->unmap;
    if (t.has_backing && !node_backing(node_skip_filters(t.source))) {
        o.sync = MIRROR_SYNC_MODE_FULL;
        t.has_backing = false;
    }
    o.target = open_target(&t, errp);
    o.target_is_zero = !t.exists;
    if (o.target) {
        block_job_start(mirror_job_create(&o, errp));
        block_node_unref(o.target);
    }
}

BlockJob *backup_from_drive_command(const DriveBackup *a, JobTxn *txn,
                                    Error **errp)
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
    BlockJob *job;

    if (!target) {
        return NULL;
    }
    /* It begins as what it extends. */
    memcpy(&b, a, sizeof(BlockdevBackupCommon));
    b.target = target->name;
    job = backup_from_command(&b, txn, errp);
    block_node_unref(target); /* it is the job's */
    return job;
}

void qmp_drive_backup(DriveBackup *a, Error **errp)
{
    block_job_start(backup_from_drive_command(a, NULL, errp));
}
