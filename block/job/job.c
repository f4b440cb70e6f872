/*
 * Jobs: life, pausing, cancelling.
 *
 * The status is a table of allowed edges and one function that moves. Work
 * goes on in the job's coroutine, perhaps in another thread; whatever it
 * shares with the main loop is guarded by job->lock, and it comes to rest only
 * in job_pause_point() and job_sleep_ns(). When run() returns, a bottom half
 * hands the job to the main loop, where its transaction ends it (job/txn.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/internal.h"
#include "block/types.h"
#include "qapi/qapi-events-job.h"
#include "qom/object.h"
#include "trace/trace-block.h"
#include "util/aio-wait.h"
#include "util/id.h"
#include "util/lockable.h"
#include "util/main-loop.h"

#define TO(status) (1u << JOB_STATUS_##status)

static const unsigned allowed_moves[JOB_STATUS__MAX] = {
    [JOB_STATUS_UNDEFINED] = TO(CREATED),
    [JOB_STATUS_CREATED] = TO(RUNNING) | TO(ABORTING) | TO(NULL),
    [JOB_STATUS_RUNNING] = TO(PAUSED) | TO(READY) | TO(WAITING) | TO(ABORTING),
    [JOB_STATUS_PAUSED] = TO(RUNNING),
    [JOB_STATUS_READY] = TO(STANDBY) | TO(WAITING) | TO(ABORTING),
    [JOB_STATUS_STANDBY] = TO(READY),
    [JOB_STATUS_WAITING] = TO(PENDING) | TO(ABORTING),
    [JOB_STATUS_PENDING] = TO(ABORTING) | TO(CONCLUDED),
    [JOB_STATUS_ABORTING] = TO(CONCLUDED),
    [JOB_STATUS_CONCLUDED] = TO(NULL),
};

#define ALIVE (TO(CREATED) | TO(RUNNING) | TO(PAUSED) | TO(READY) | TO(STANDBY))

static const unsigned verb_statuses[JOB_VERB__MAX] = {
    [JOB_VERB_CANCEL] = ALIVE | TO(WAITING) | TO(PENDING),
    [JOB_VERB_PAUSE] = ALIVE,
    [JOB_VERB_RESUME] = ALIVE,
    [JOB_VERB_SET_SPEED] = ALIVE,
    [JOB_VERB_COMPLETE] = TO(READY),
    [JOB_VERB_DISMISS] = TO(CONCLUDED),
    [JOB_VERB_FINALIZE] = TO(PENDING),
};

static Object *jobs_root(void)
{
    return container_get(object_get_root(), "/jobs");
}

JobStatus job_status(Job *job)
{
    QEMU_LOCK_GUARD(&job->lock);

    return job->status;
}

/* Without the lock: events are sent, and kinds of jobs look at the job. */
static void announce(Job *job, JobStatus from, JobStatus to)
{
    JobClass *jc = JOB_GET_CLASS(job);

    trace_job_move(job->id ? job->id : "", JobStatus_str(from),
                   JobStatus_str(to));
    if (job->id) {
        qapi_event_send_job_status_change(job->id, to);
    }
    if (jc->changed) {
        jc->changed(job, to);
    }
    aio_wait_kick();
}

void job_move(Job *job, JobStatus to)
{
    JobStatus from;

    {
        QEMU_LOCK_GUARD(&job->lock);

        from = job->status;
        assert(allowed_moves[from] & (1u << to));
        job->status = to;
    }
    announce(job, from, to);
}

bool job_check_verb(Job *job, JobVerb verb, Error **errp)
{
    JobStatus status = job_status(job);

    if (verb_statuses[verb] & (1u << status)) {
        return true;
    }
    error_setg(errp, "Job '%s' in state '%s' cannot accept command verb '%s'",
               job->id, JobStatus_str(status), JobVerb_str(verb));
    return false;
}

/* -- finding ------------------------------------------------------------------ */

Job *job_find(const char *id)
{
    Object *obj;

    if (g_str_has_prefix(id, "#")) {
        return NULL;
    }
    obj = object_resolve_path_component(jobs_root(), id);
    return (Job *)object_dynamic_cast(obj, TYPE_JOB);
}

typedef struct FindNext {
    Job *after;
    Job *found;
} FindNext;

static int find_next(Object *obj, void *opaque)
{
    FindNext *find = opaque;

    if (find->after) {
        if (obj == OBJECT(find->after)) {
            find->after = NULL;
        }
        return 0;
    }
    find->found = JOB(obj);
    return 1;
}

Job *job_next(Job *job)
{
    FindNext find = { .after = job };

    object_child_foreach(jobs_root(), find_next, &find);
    return find.found;
}

/* -- beginning ------------------------------------------------------------------ */

static void wake_timer(void *opaque)
{
    job_wake(opaque);
}

Job *job_create(const char *type, const char *id, JobTxn *txn, AioContext *ctx,
                unsigned flags, Error **errp)
{
    Job *job;

    block_register_types();
    if (!(flags & JOB_INTERNAL)) {
        if (!id || !id_wellformed(id)) {
            error_setg(errp, "Invalid job ID '%s'", id ? id : "");
            return NULL;
        }
        if (job_find(id)) {
            error_setg(errp, "Job ID '%s' already in use", id);
            return NULL;
        }
    }
    job = JOB(object_new(type));
    job->id = g_strdup(flags & JOB_INTERNAL ? NULL : id);
    job->ctx = ctx;
    aio_context_ref(ctx);
    job->timer =
        aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, wake_timer, job);
    job->auto_finalize = !(flags & JOB_MANUAL_FINALIZE);
    job->auto_dismiss = !(flags & JOB_MANUAL_DISMISS);
    object_property_add_child(jobs_root(), job->id ? job->id : "#job[*]",
                              OBJECT(job));
    job_txn_add(txn, job);
    job_move(job, JOB_STATUS_CREATED);
    return job;
}

void job_drop(Job *job)
{
    job_txn_leave(job);
    job_move(job, JOB_STATUS_NULL);
    object_unparent(OBJECT(job));
    object_unref(job);
}

void job_discard(Job *job)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (jc->abort) {
        jc->abort(job);
    }
    if (jc->clean) {
        jc->clean(job);
    }
    job_drop(job);
}

/* In the main loop: run() has returned. */
static void returned(void *opaque)
{
    g_autoptr(Object) keep = OBJECT(opaque);
    Job *job = JOB(keep);
    JobStatus status = job_status(job);

    job->is_over = true;
    timer_del(job->timer);
    if (status == JOB_STATUS_PAUSED) {
        job_move(job, JOB_STATUS_RUNNING);
    } else if (status == JOB_STATUS_STANDBY) {
        job_move(job, JOB_STATUS_READY);
    }
    job_txn_returned(job);
}

static void coroutine_fn job_entry(void *opaque)
{
    Job *job = opaque;
    JobClass *jc = JOB_GET_CLASS(job);
    int ret;

    job_pause_point(job);
    ret = jc->run(job, &job->err);
    {
        QEMU_LOCK_GUARD(&job->lock);

        job->ret = ret;
        job->returned = true;
    }
    aio_wait_kick();
    aio_bh_schedule_oneshot(qemu_get_aio_context(), returned, job);
}

void job_start(Job *job)
{
    job_move(job, JOB_STATUS_RUNNING);
    object_ref(job); /* until returned() */
    job->co = qemu_coroutine_create(job_entry, job);
    aio_co_enter(job->ctx, job->co);
}

/* -- resting ---------------------------------------------------------------------- */

/* With the lock. */
static void note_pace(Job *job, bool counts)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    uint64_t current, total;

    block_progress_get(&job->progress, &current, &total);
    if (counts && total > 0) {
        progress_rate_sample(&job->rate, current, now);
    } else {
        progress_rate_skip(&job->rate, current, now);
    }
}

JobPace job_pace(Job *job)
{
    JobPace pace = { 0 };
    uint64_t current, total, eta;
    double rate;

    QEMU_LOCK_GUARD(&job->lock);
    if (job->resting || job->returned ||
        (job->status != JOB_STATUS_RUNNING &&
         job->status != JOB_STATUS_READY)) {
        return pace;
    }
    note_pace(job, true);
    if (progress_rate_get(&job->rate, &rate)) {
        pace.has_rate = true;
        pace.rate = (int64_t)rate;
    }
    block_progress_get(&job->progress, &current, &total);
    if (job->status == JOB_STATUS_RUNNING &&
        progress_rate_eta(&job->rate, current, total, &eta)) {
        pace.has_eta = true;
        pace.eta = (int64_t)eta;
    }
    return pace;
}

static bool should_rest(const Job *job)
{
    return job->pause_count > 0 && !job->forced;
}

/* With the lock, which is given back while the coroutine rests. */
static void coroutine_fn rest(Job *job)
{
    JobClass *jc = JOB_GET_CLASS(job);
    JobStatus was = job->status;
    JobStatus now =
        job_is_ready_status(was) ? JOB_STATUS_STANDBY : JOB_STATUS_PAUSED;

    if (jc->settle) {
        qemu_mutex_unlock(&job->lock);
        jc->settle(job);
        qemu_mutex_lock(&job->lock);
    }
    job->resting = true;
    job->status = now;
    qemu_mutex_unlock(&job->lock);
    announce(job, was, now);
    qemu_mutex_lock(&job->lock);
    while (should_rest(job)) {
        qemu_co_queue_wait(&job->wake, &job->lock);
    }
    job->resting = false;
    job->status = was;
    note_pace(job, false);
    qemu_mutex_unlock(&job->lock);
    announce(job, now, was);
    qemu_mutex_lock(&job->lock);
}

void coroutine_fn job_pause_point(Job *job)
{
    qemu_mutex_lock(&job->lock);
    note_pace(job, true);
    while (should_rest(job)) {
        rest(job);
    }
    qemu_mutex_unlock(&job->lock);
}

void coroutine_fn job_sleep_ns(Job *job, int64_t ns)
{
    if (ns > 0) {
        int64_t end = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + ns;

        qemu_mutex_lock(&job->lock);
        if (!job->cancelled && !should_rest(job)) {
            timer_mod(job->timer, end);
            qemu_co_queue_wait(&job->wake, &job->lock);
        }
        qemu_mutex_unlock(&job->lock);
    }
    job_pause_point(job);
}

void job_wake(Job *job)
{
    qemu_mutex_lock(&job->lock);
    qemu_co_enter_all(&job->wake, &job->lock);
    qemu_mutex_unlock(&job->lock);
}

void job_pause(Job *job)
{
    {
        QEMU_LOCK_GUARD(&job->lock);

        job->pause_count++;
    }
    job_wake(job); /* from its sleep to its rest */
}

void job_resume(Job *job)
{
    bool last;

    {
        QEMU_LOCK_GUARD(&job->lock);

        assert(job->pause_count > 0);
        last = --job->pause_count == 0;
    }
    if (last) {
        job_wake(job);
    }
}

bool job_is_quiet(Job *job)
{
    QEMU_LOCK_GUARD(&job->lock);

    /* One that has returned may change the graph yet, in the main loop. */
    return job->resting || job->is_over || job->status == JOB_STATUS_CREATED;
}

void coroutine_fn job_set_ready(Job *job)
{
    job_move(job, JOB_STATUS_READY);
}

bool job_is_cancelled(Job *job)
{
    QEMU_LOCK_GUARD(&job->lock);

    return job->forced;
}

bool job_cancel_requested(Job *job)
{
    QEMU_LOCK_GUARD(&job->lock);

    return job->cancelled;
}

/* -- what users ask for --------------------------------------------------------------- */

bool job_user_pause(Job *job, Error **errp)
{
    if (!job_check_verb(job, JOB_VERB_PAUSE, errp)) {
        return false;
    }
    if (job->user_paused) {
        error_setg(errp, "Job '%s' is already paused", job->id);
        return false;
    }
    job->user_paused = true;
    job_pause(job);
    return true;
}

bool job_user_resume(Job *job, Error **errp)
{
    if (!job->user_paused) {
        error_setg(errp, "Can't resume job '%s': it was not paused", job->id);
        return false;
    }
    if (!job_check_verb(job, JOB_VERB_RESUME, errp)) {
        return false;
    }
    job->user_paused = false;
    job_resume(job);
    return true;
}

void job_set_cancelled(Job *job)
{
    QEMU_LOCK_GUARD(&job->lock);

    job->cancelled = true;
    job->forced = true;
    block_progress_cancel(&job->progress);
}

bool job_cancel(Job *job, bool force, Error **errp)
{
    JobClass *jc = JOB_GET_CLASS(job);
    JobStatus status = job_status(job);

    if (job->id && !job_check_verb(job, JOB_VERB_CANCEL, errp)) {
        return false;
    }
    if (jc->cancel) {
        force = jc->cancel(job, force);
    } else {
        force = true;
    }
    if (force) {
        job_set_cancelled(job);
    } else {
        QEMU_LOCK_GUARD(&job->lock);

        job->cancelled = true;
    }
    if (status == JOB_STATUS_WAITING || status == JOB_STATUS_PENDING) {
        job->ret = -ECANCELED;
        job_txn_abort(job->txn);
    } else {
        job_wake(job);
    }
    return true;
}

bool job_complete(Job *job, Error **errp)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (!job_check_verb(job, JOB_VERB_COMPLETE, errp)) {
        return false;
    }
    if (!jc->complete || job_cancel_requested(job)) {
        error_setg(errp, "The active block job '%s' cannot be completed",
                   job->id);
        return false;
    }
    if (!jc->complete(job, errp)) {
        return false;
    }
    job_wake(job);
    return true;
}

bool job_finalize(Job *job, Error **errp)
{
    if (!job_check_verb(job, JOB_VERB_FINALIZE, errp)) {
        return false;
    }
    job_txn_finalize(job->txn);
    return true;
}

bool job_dismiss(Job *job, Error **errp)
{
    if (!job_check_verb(job, JOB_VERB_DISMISS, errp)) {
        return false;
    }
    job_move(job, JOB_STATUS_NULL);
    object_unparent(OBJECT(job));
    object_unref(job);
    return true;
}

bool job_set_speed(Job *job, int64_t speed, Error **errp)
{
    JobClass *jc = JOB_GET_CLASS(job);

    if (!job_check_verb(job, JOB_VERB_SET_SPEED, errp)) {
        return false;
    }
    if (speed < 0) {
        error_setg(errp, "Invalid parameter 'speed': %" PRId64, speed);
        return false;
    }
    if (!jc->set_speed) {
        error_setg(errp, "Job '%s' has no speed", job->id);
        return false;
    }
    return jc->set_speed(job, speed, errp);
}

/* -- waiting ---------------------------------------------------------------------------- */

static bool has_concluded(Job *job)
{
    JobStatus status = job_status(job);

    return status == JOB_STATUS_CONCLUDED || status == JOB_STATUS_NULL;
}

int job_wait(Job *job)
{
    AIO_WAIT_WHILE_UNLOCKED(NULL, !has_concluded(job));
    return job->ret;
}

void job_cancel_sync_all(void)
{
    Job *job;

    while ((job = job_next(NULL))) {
        g_autoptr(Object) keep = object_ref(OBJECT(job));

        if (job_status(job) == JOB_STATUS_CONCLUDED) {
            job_dismiss(job, NULL);
            continue;
        }
        job->auto_dismiss = true;
        job_cancel(job, true, NULL);
        job_wait(job);
    }
}

/* -- class -------------------------------------------------------------------------------- */

static void job_instance_init(Object *obj)
{
    Job *job = JOB(obj);

    qemu_mutex_init(&job->lock);
    qemu_co_queue_init(&job->wake);
}

static void job_instance_finalize(Object *obj)
{
    Job *job = JOB(obj);

    if (job->timer) {
        timer_free(job->timer);
    }
    if (job->ctx) {
        aio_context_unref(job->ctx);
    }
    error_free(job->err);
    qemu_mutex_destroy(&job->lock);
    g_free(job->id);
}

extern const TypeInfo block_type_job;
const TypeInfo block_type_job = {
    .name = TYPE_JOB,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(Job),
    .instance_init = job_instance_init,
    .instance_finalize = job_instance_finalize,
    .class_size = sizeof(JobClass),
};
