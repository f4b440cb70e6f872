/*
 * Jobs "create" and "amend": blockdev-create and x-blockdev-amend.
 *
 * Options are checked and files opened before the job exists, so that errors
 * of the caller are the command's; the job does the work of block/create.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"

#include "block/block-internal.h"
#include "block/job/job.h"
#include "qapi/qapi-commands-block-create.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TYPE_CREATE_JOB TYPE_JOB "-create"
#define TYPE_AMEND_JOB  TYPE_JOB "-amend"

OBJECT_DECLARE_SIMPLE_TYPE(CreateJob, CREATE_JOB)
OBJECT_DECLARE_SIMPLE_TYPE(AmendJob, AMEND_JOB)

struct CreateJob {
    Job parent_obj;

    BlockCreate *create; /* owned */
};

struct AmendJob {
    Job parent_obj;

    BlockAmend *amend; /* owned */
};

static bool cancel(Job *job, bool force)
{
    block_progress_cancel(&job->progress);
    return true;
}

/* -- create --------------------------------------------------------------------- */

static int coroutine_fn create_run(Job *job, Error **errp)
{
    job_pause_point(job);
    if (job_is_cancelled(job)) {
        return -ECANCELED;
    }
    return block_create_co_run(CREATE_JOB(job)->create, &job->progress, errp)
               ? 0
               : -EIO;
}

static void create_clean(Job *job)
{
    g_clear_pointer(&CREATE_JOB(job)->create, object_unref);
}

void qmp_blockdev_create(const char *job_id, BlockdevCreateOptions *options,
                         Error **errp)
{
    g_autoptr(json_t) opts = options->open_members
                                 ? json_incref(options->open_members)
                                 : json_object();
    g_autoptr(BlockCreate) create = block_create_new(
        options->driver, opts, false, qemu_get_aio_context(), errp);
    Job *job;

    if (!create) {
        return;
    }
    job = job_create(TYPE_CREATE_JOB, job_id, NULL, create->ctx,
                     JOB_MANUAL_DISMISS, errp);
    if (job) {
        CREATE_JOB(job)->create = g_steal_pointer(&create);
        job_start(job);
    }
}

static void create_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = JOB_TYPE_CREATE;
    jc->run = create_run;
    jc->cancel = cancel;
    jc->clean = create_clean;
}

extern const TypeInfo block_type_create_job;
const TypeInfo block_type_create_job = {
    .name = TYPE_CREATE_JOB,
    .parent = TYPE_JOB,
    .instance_size = sizeof(CreateJob),
    .class_init = create_class_init,
};

/* -- amend ------------------------------------------------------------------------ */

static int coroutine_fn amend_run(Job *job, Error **errp)
{
    job_pause_point(job);
    if (job_is_cancelled(job)) {
        return -ECANCELED;
    }
    return block_amend_co_run(AMEND_JOB(job)->amend, &job->progress, errp)
               ? 0
               : -EIO;
}

static void amend_clean(Job *job)
{
    g_clear_pointer(&AMEND_JOB(job)->amend, object_unref);
}

/* A view of the image for the job. It may be in use: an amendment keeps what
 * the image shows. */
static BlockBackend *open_for_amend(const char *node_name, const char *driver,
                                    Error **errp)
{
    BlockNode *node = block_node_find(node_name);
    g_autoptr(BlockBackend) blk = NULL;

    if (!node) {
        error_setg(errp, "Failed to find node with node-name='%s'", node_name);
        return NULL;
    }
    if (!g_str_equal(BLOCK_NODE_GET_CLASS(node)->driver, driver)) {
        error_setg(errp,
                   "x-blockdev-amend doesn't support changing the driver "
                   "of node '%s' from '%s' to '%s'",
                   node_name, BLOCK_NODE_GET_CLASS(node)->driver, driver);
        return NULL;
    }
    blk = blk_new(qemu_get_aio_context());
    if (!blk_insert(blk, node, errp) ||
        !blk_set_node_perm(blk, NODE_PERM_CONSISTENT_READ, NODE_PERM_ALL,
                           errp)) {
        return NULL;
    }
    return g_steal_pointer(&blk);
}

void qmp_x_blockdev_amend(const char *job_id, const char *node_name,
                          BlockdevAmendOptions *options, bool has_force,
                          bool force, Error **errp)
{
    g_autoptr(json_t) opts = options->open_members
                                 ? json_incref(options->open_members)
                                 : json_object();
    g_autoptr(BlockBackend) blk =
        open_for_amend(node_name, options->driver, errp);
    g_autoptr(BlockAmend) amend = NULL;
    Job *job;

    if (!blk) {
        return;
    }
    amend = block_amend_new(blk, options->driver, opts, false,
                            has_force && force, errp);
    if (!amend) {
        return;
    }
    job = job_create(TYPE_AMEND_JOB, job_id, NULL, amend->ctx,
                     JOB_MANUAL_DISMISS, errp);
    if (job) {
        AMEND_JOB(job)->amend = g_steal_pointer(&amend);
        job_start(job);
    }
}

static void amend_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = JOB_TYPE_AMEND;
    jc->run = amend_run;
    jc->cancel = cancel;
    jc->clean = amend_clean;
}

extern const TypeInfo block_type_amend_job;
const TypeInfo block_type_amend_job = {
    .name = TYPE_AMEND_JOB,
    .parent = TYPE_JOB,
    .instance_size = sizeof(AmendJob),
    .class_init = amend_class_init,
};
