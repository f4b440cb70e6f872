/*
 * Jobs on disks: nodes, speed, errors, events.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/block-job.h"

#include "qapi/qapi-events-block-job.h"
#include "util/error.h"
#include "util/lockable.h"

/* How far a job may run ahead of its speed before it sleeps. */
#define SPEED_SLICE_NS (100 * 1000 * 1000)

/* -- nodes --------------------------------------------------------------------- */

static char *link_describe(const NodeLink *link)
{
    BlockJob *job = link->owner;

    return g_strdup_printf("job '%s'", job->parent_obj.id);
}

static void link_drained_begin(NodeLink *link)
{
    job_pause(JOB(link->owner));
}

static bool link_drained_busy(NodeLink *link)
{
    return !job_is_quiet(JOB(link->owner));
}

static void link_drained_end(NodeLink *link)
{
    job_resume(JOB(link->owner));
}

static const NodeLinkOps job_link_ops = {
    .describe = link_describe,
    .drained_begin = link_drained_begin,
    .drained_busy = link_drained_busy,
    .drained_end = link_drained_end,
};

bool block_job_add_node(BlockJob *job, const char *name, BlockNode *node,
                        unsigned perm, unsigned shared, Error **errp)
{
    NodeLink *link = g_new0(NodeLink, 1);

    node_link_init(link, &job_link_ops, job, name);
    if (!node_link_attach(link, node, perm, shared, errp)) {
        g_free(link);
        return false;
    }
    g_ptr_array_add(job->links, link);
    return true;
}

void block_job_remove_nodes(BlockJob *job)
{
    while (job->links->len > 0) {
        NodeLink *link =
            g_ptr_array_steal_index_fast(job->links, job->links->len - 1);

        node_link_detach(link);
        g_free(link);
    }
}

bool block_job_uses(BlockJob *job, const BlockNode *node)
{
    for (guint i = 0; i < job->links->len; i++) {
        const NodeLink *link = job->links->pdata[i];

        if (link->node == node) {
            return true;
        }
    }
    return false;
}

BlockNode *block_job_insert_filter(BlockNode *node, json_t *opts,
                                   const char *name, Error **errp)
{
    BlockNode *filter;

    if (name) {
        json_object_set_new(opts, "node-name", json_string(name));
    }
    filter = block_node_new_with_flags(opts, false, node->ctx,
                                       NODE_OPEN_INTERNAL, errp);
    if (filter) {
        filter->of_job = true;
        filter->implicit = !name;
        if (!node_insert_above(node, filter, errp)) {
            g_clear_pointer(&filter, block_node_unref);
        }
    }
    return filter;
}

/* Does a filter that a job put in stand there, or right above? */
static bool has_job_filter(const BlockNode *node)
{
    const NodeLink *link;

    if (node->of_job) {
        return true;
    }
    QLIST_FOREACH(link, &node->users, of_node) {
        if ((link->role & NODE_ROLE_FILTERED) &&
            ((BlockNode *)link->owner)->of_job) {
            return true;
        }
    }
    return false;
}

bool block_job_check_free(BlockNode *node, Error **errp)
{
    const char *who = has_job_filter(node) ? "a job" : NULL;

    for (Job *job = job_next(NULL); job && !who; job = job_next(job)) {
        if (object_dynamic_cast(OBJECT(job), TYPE_BLOCK_JOB) &&
            block_job_uses(BLOCK_JOB(job), node)) {
            who = job->id ? job->id : "a job";
        }
    }
    if (who) {
        error_setg(errp,
                   "Node '%s' is busy: block device is in use by block "
                   "job: %s",
                   node->name, who);
        return false;
    }
    return true;
}

/* -- life ------------------------------------------------------------------------ */

const char *block_job_default_id(BlockNode *node)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk_node(blk) == node && *blk_name(blk)) {
            return blk_name(blk);
        }
    }
    return NULL;
}

BlockJob *block_job_create(const char *type, const char *id, JobTxn *txn,
                           BlockNode *node, int64_t speed, unsigned flags,
                           Error **errp)
{
    Job *job;

    if (!id) {
        id = block_job_default_id(node);
    }
    if (!id && !(flags & JOB_INTERNAL)) {
        error_setg(errp, "An explicit job ID is required");
        return NULL;
    }
    if (speed < 0) {
        error_setg(errp, "Invalid parameter 'speed': %" PRId64, speed);
        return NULL;
    }
    job = job_create(type, id, txn, node->ctx, flags, errp);
    if (job) {
        BLOCK_JOB(job)->speed = speed;
    }
    return (BlockJob *)job;
}

BlockJob *block_job_find(const char *id, Error **errp)
{
    Job *job = job_find(id);

    if (!job || !object_dynamic_cast(OBJECT(job), TYPE_BLOCK_JOB)) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                  "Block job '%s' not found", id);
        return NULL;
    }
    return BLOCK_JOB(job);
}

static void job_clean(Job *job)
{
    block_job_remove_nodes(BLOCK_JOB(job));
}

/* -- speed ------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

void coroutine_fn block_job_throttle(BlockJob *job, int64_t bytes)
{
    int64_t now = now_ns();
    int64_t ahead = 0;

    {
        QEMU_LOCK_GUARD(&job->parent_obj.lock);

        if (job->speed) {
            double ns = (double)bytes * 1e9 / (double)job->speed;

            job->paid_until = MAX(job->paid_until, now) + (int64_t)ns;
            ahead = job->paid_until - now;
        }
    }
    if (ahead > SPEED_SLICE_NS) {
        job_sleep_ns(&job->parent_obj, ahead - SPEED_SLICE_NS / 2);
    } else {
        job_pause_point(&job->parent_obj);
    }
}

static bool job_speed(Job *job, int64_t speed, Error **errp)
{
    BlockJob *bj = BLOCK_JOB(job);

    {
        QEMU_LOCK_GUARD(&job->lock);

        bj->speed = speed;
        bj->paid_until = 0;
    }
    job_wake(job);
    return true;
}

/* -- errors ------------------------------------------------------------------------- */

static BlockErrorAction action_for(BlockdevOnError on_error, int error)
{
    switch (on_error) {
    case BLOCKDEV_ON_ERROR_ENOSPC:
    case BLOCKDEV_ON_ERROR_AUTO:
        return error == ENOSPC ? BLOCK_ERROR_ACTION_STOP
                               : BLOCK_ERROR_ACTION_REPORT;
    case BLOCKDEV_ON_ERROR_STOP:
        return BLOCK_ERROR_ACTION_STOP;
    case BLOCKDEV_ON_ERROR_IGNORE:
        return BLOCK_ERROR_ACTION_IGNORE;
    default:
        return BLOCK_ERROR_ACTION_REPORT;
    }
}

BlockErrorAction coroutine_fn block_job_error_action(BlockJob *job,
                                                     BlockdevOnError on_error,
                                                     bool is_read, int error)
{
    Job *j = &job->parent_obj;
    BlockErrorAction action = action_for(on_error, error);

    if (j->id) {
        qapi_event_send_block_job_error(
            j->id, is_read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE,
            action);
    }
    if (action == BLOCK_ERROR_ACTION_STOP) {
        QEMU_LOCK_GUARD(&j->lock);

        if (!j->user_paused) {
            /* block-job-resume goes on. */
            j->user_paused = true;
            j->pause_count++;
        }
        job->io_status = error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                         : BLOCK_DEVICE_IO_STATUS_FAILED;
    }
    return action;
}

/* -- events --------------------------------------------------------------------------- */

static void send_end(BlockJob *job, int64_t len, int64_t offset)
{
    Job *j = &job->parent_obj;
    JobType type = JOB_GET_CLASS(job)->type;

    if (job_is_cancelled(j)) {
        qapi_event_send_block_job_cancelled(type, j->id, len, offset,
                                            job->speed);
    } else {
        const char *why = NULL;

        if (j->ret < 0) {
            why = j->err ? error_get_pretty(j->err) : g_strerror(-j->ret);
        }
        qapi_event_send_block_job_completed(type, j->id, len, offset,
                                            job->speed, why);
    }
}

static void job_changed(Job *j, JobStatus status)
{
    BlockJob *job = BLOCK_JOB(j);
    JobType type = JOB_GET_CLASS(j)->type;
    uint64_t offset, len;

    if (!j->id) {
        return;
    }
    block_progress_get(&j->progress, &offset, &len);
    switch (status) {
    case JOB_STATUS_READY:
        if (job->was_ready) {
            break; /* again, after a pause */
        }
        job->was_ready = true;
        qapi_event_send_block_job_ready(type, j->id, (int64_t)len,
                                        (int64_t)offset, job->speed);
        break;
    case JOB_STATUS_PENDING:
        qapi_event_send_block_job_pending(type, j->id);
        break;
    case JOB_STATUS_CONCLUDED:
        send_end(job, (int64_t)len, (int64_t)offset);
        break;
    default:
        break;
    }
}

/* -- class ----------------------------------------------------------------------------- */

static void job_instance_init(Object *obj)
{
    BLOCK_JOB(obj)->links = g_ptr_array_new();
}

static void job_instance_finalize(Object *obj)
{
    BlockJob *job = BLOCK_JOB(obj);

    block_job_remove_nodes(job);
    g_ptr_array_unref(job->links);
}

static void job_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->set_speed = job_speed;
    jc->clean = job_clean;
    jc->changed = job_changed;
}

extern const TypeInfo block_type_block_job;
const TypeInfo block_type_block_job = {
    .name = TYPE_BLOCK_JOB,
    .parent = TYPE_JOB,
    .abstract = true,
    .instance_size = sizeof(BlockJob),
    .instance_init = job_instance_init,
    .instance_finalize = job_instance_finalize,
    .class_size = sizeof(BlockJobClass),
    .class_init = job_class_init,
};
