/*
 * Jobs that shorten a chain of images: "stream" copies what lower images have
 * up, "commit" copies it down; for the commands that start them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_CHAIN_H
#define BLOCK_JOB_CHAIN_H

#include "block/job/block-job.h"

typedef struct ChainOptions {
    const char *id;  /* NULL: the device's */
    BlockNode *root; /* of the disk */
    BlockNode *top;  /* stream: the image that is filled; commit: the highest
                        that is taken out (not the disk's own) */
    BlockNode *base; /* stream: what stays below, or NULL; commit: what is
                        written */
    const char *backing_file; /* noted in the image above; NULL: base's name */
    int64_t speed;
    BlockdevOnError on_error;
    const char *filter_node_name; /* or NULL: no filter */
    unsigned flags;               /* JobFlags */
} ChainOptions;

/** chain_check_unshared: Errors: another image has one of those below @top,
 *  down to @base, as its backing file: it would see what is written there. */
bool chain_check_unshared(BlockNode *top, BlockNode *base, Error **errp);
/**
 * chain_name_backing:
 * Note in the image @above what its backing file is; the graph stays as it is.
 * An image that is read-only is opened read-write meanwhile.
 *
 * @base: (nullable) the backing image; NULL: there is none
 * @file: (nullable) the name that is noted; NULL: @base's own
 *
 * Returns: 0; -errno with @errp.
 */
int chain_name_backing(BlockNode *above, BlockNode *base, const char *file,
                       Error **errp);
/** commit_grow_base: @base becomes as long as @top, which is above it; what
 *  images above see stays the same. The caller checked that it may commit. */
bool commit_grow_base(BlockNode *top, BlockNode *base, Error **errp);
/** stream_job_create, commit_job_create: Returns: (transfer full) for
 *  job_start(). */
BlockJob *stream_job_create(const ChainOptions *o, Error **errp);
BlockJob *commit_job_create(const ChainOptions *o, Error **errp);

#endif
