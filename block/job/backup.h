/*
 * Job "backup", for the commands that start it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_BACKUP_H
#define BLOCK_JOB_BACKUP_H

#include "block/dirty-bitmap.h"
#include "block/job/block-job.h"

typedef struct BackupOptions {
    const char *id; /* NULL: the device's */
    BlockNode *source;
    BlockNode *target;
    MirrorSyncMode sync;
    int64_t speed;
    DirtyBitmap *bitmap; /* or NULL */
    BitmapSyncMode bitmap_mode;
    bool compress;
    BlockdevOnError on_source_error;
    BlockdevOnError on_target_error;
    const char *filter_node_name; /* or NULL */
    unsigned workers;             /* 0: as many as suit */
    unsigned flags;               /* JobFlags */
} BackupOptions;

/** backup_job_create: Returns: (transfer full) for job_start(); the disk's
 *  contents are those of this moment. */
BlockJob *backup_job_create(const BackupOptions *o, JobTxn *txn, Error **errp);

/** backup_from_command: the same from the arguments of blockdev-backup. */
BlockJob *backup_from_command(const BlockdevBackup *a, JobTxn *txn,
                              Error **errp);
/** backup_from_drive_command: or of drive-backup, whose target is a file. */
BlockJob *backup_from_drive_command(const DriveBackup *a, JobTxn *txn,
                                    Error **errp);

#endif
