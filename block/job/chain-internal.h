/*
 * What "stream" and "commit" have in common: a walk over the disk with a task
 * for each piece.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_CHAIN_INTERNAL_H
#define BLOCK_JOB_CHAIN_INTERNAL_H

#include "block/copier.h"
#include "block/job/chain.h"
#include "block/task-pool.h"

#define TYPE_CHAIN_JOB "job-chain"
OBJECT_DECLARE_TYPE(ChainJob, ChainJobClass, CHAIN_JOB)

struct ChainJob {
    BlockJob parent_obj;

    BlockNode *top;  /* (owned) */
    BlockNode *base; /* (owned), or NULL */
    char *backing_file;
    BlockdevOnError on_error;
    TaskPool *pool;
    GQueue failed;       /* pieces to be tried again */
    GQueue left_out;     /* pieces to be tried a last time */
    bool is_last_try;    /* an error ends the job now */
    GPtrArray *frozen;   /* NodeLink of the chain, borrowed */
    GPtrArray *writable; /* (owned) nodes that are read-only again at the end */
    BlockNode *filter;   /* (owned) the user wants to see, or NULL */
};

/**
 * ChainJobClass:
 * @wants: must this piece be copied? 1, 0 or -errno; *@ret_bytes: how far the
 *         answer holds
 * @copy: one piece; *@ret_is_read on failure
 */
struct ChainJobClass {
    BlockJobClass parent_class;

    int coroutine_fn (*wants)(ChainJob *job, int64_t offset, int64_t bytes,
                              int64_t *ret_bytes);
    int coroutine_fn (*copy)(ChainJob *job, int64_t offset, int64_t bytes,
                             bool *ret_is_read);
};

/** chain_job_create: Errors: as block_job_create(); the chain is in use by
 *  another job. */
ChainJob *chain_job_create(const char *type, const ChainOptions *o,
                           Error **errp);
/**
 * chain_job_make_writable:
 * Open @node read-write until the end of the job, if it is not. What is to be
 * written at the end is opened at the beginning, so that a refusal comes before
 * the work.
 */
bool chain_job_make_writable(ChainJob *job, BlockNode *node, Error **errp);
/** chain_job_insert_filter: above @top, while the job is there. @opts: (transfer
 *  full) of the filter. */
bool chain_job_insert_filter(ChainJob *job, json_t *opts, const char *name,
                             Error **errp);
/** chain_job_release: the end; gives all nodes back. */
void chain_job_release(ChainJob *job);
/** chain_job_thaw: the chain may change again; before the graph does. */
void chain_job_thaw(ChainJob *job);

/**
 * chain_set_backing:
 * Note in the image @above, and in the graph, that @base is its backing file.
 *
 * @file: the name that is noted; NULL: @base's own
 */
int chain_set_backing(BlockNode *above, BlockNode *base, const char *file,
                      Error **errp);

#endif
