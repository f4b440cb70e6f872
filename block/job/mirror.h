/*
 * Job "mirror" and, as job "commit", the commit of a disk's active image: for
 * the commands that start them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_MIRROR_H
#define BLOCK_JOB_MIRROR_H

#include "block/job/block-job.h"

#define TYPE_MIRROR_JOB        "job-mirror"
#define TYPE_ACTIVE_COMMIT_JOB "job-active-commit"

typedef struct MirrorOptions {
    const char *type; /* TYPE_MIRROR_JOB or TYPE_ACTIVE_COMMIT_JOB */
    const char *id;   /* NULL: the device's */
    BlockNode *source;
    BlockNode *target;
    const char *replaces; /* or NULL */
    MirrorSyncMode sync;  /* full, top or none */
    int64_t speed;
    uint32_t granularity; /* 0: as it suits */
    int64_t buf_size;     /* 0: as it suits */
    bool unmap;
    bool target_is_zero; /* it was just made */
    MirrorCopyMode copy_mode;
    BlockdevOnError on_source_error;
    BlockdevOnError on_target_error;
    const char *filter_node_name; /* or NULL */
    unsigned flags;               /* JobFlags */
} MirrorOptions;

/** mirror_options_of: what arguments say, but for @source and @target. */
MirrorOptions mirror_options_of(const MirrorArgumentsBase *a);
/** mirror_job_create: Returns: (transfer full) for job_start(). */
BlockJob *mirror_job_create(const MirrorOptions *o, Error **errp);

#endif
