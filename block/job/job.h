/*
 * Jobs: long work in the background, with one life for all kinds.
 *
 *     created -> running -> [ready ->] waiting -> pending -> concluded -> null
 *
 * A job is a QOM object below /jobs of a class "job-KIND". Its work is a
 * coroutine (JobClass.run) in an AioContext; everything before and after is
 * done by the main loop. paused and standby are running and ready while
 * somebody paused the job; aborting leads to concluded when it failed or was
 * cancelled.
 *
 * Jobs of one transaction (JobTxn) end together: none takes effect unless all
 * went well. The steps at the end: prepare (may fail), then commit or abort of
 * all, then clean.
 *
 * Thread: the main loop's, unless a function says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include "block/progress-rate.h"
#include "block/progress.h"
#include "qapi/qapi-types-job.h"
#include "qom/object.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/thread.h"

#define TYPE_JOB "job"
OBJECT_DECLARE_TYPE(Job, JobClass, JOB)

typedef struct JobTxn JobTxn;

typedef enum JobFlags {
    JOB_MANUAL_FINALIZE = 1 << 0, /* waits for job-finalize */
    JOB_MANUAL_DISMISS = 1 << 1,  /* waits for job-dismiss */
    JOB_INTERNAL = 1 << 2,        /* has no id and is not shown */
} JobFlags;

struct Job {
    Object parent_obj;

    char *id; /* NULL: internal */
    AioContext *ctx;
    Coroutine *co;
    JobTxn *txn;
    bool auto_finalize;
    bool auto_dismiss;
    QEMUTimer *timer; /* ends job_sleep_ns() */
    BlockProgress progress;
    bool is_over; /* run() has returned, and the main loop knows */

    QemuMutex lock; /* guards what follows */
    JobStatus status;
    ProgressRate rate;
    unsigned pause_count;
    bool user_paused;
    bool cancelled; /* no result is wanted, or none but what is there */
    bool forced;    /* no result is wanted */
    bool resting;   /* the coroutine is in a pause point */
    bool returned;  /* run() has */
    CoQueue wake;   /* the coroutine, while it rests or sleeps */
    int ret;        /* 0 or -errno */
    Error *err;     /* why, if something better than @ret is known */
};

/**
 * JobClass: a kind of job. All but @run are optional.
 * @run: the work; a coroutine in job->ctx. Must call job_pause_point() or
 *       job_sleep_ns() often and end soon when job_is_cancelled(). 0 or -errno
 * @complete: job-complete of a ready job: make run() end. Errors: it cannot
 * @cancel: the job is being cancelled. Returns: true: no result is wanted;
 *       false: a ready job ends with what it has (mirror without a pivot)
 * @settle: the job is about to rest: wait until no request of it is under way
 * @set_speed: bytes a second, 0 = no limit
 * @prepare: the last step that may fail
 * @commit, @abort: the result takes effect; or all is undone
 * @clean: after either
 * @changed: the status moved (old kinds of events)
 */
struct JobClass {
    ObjectClass parent_class;

    JobType type;
    int coroutine_fn (*run)(Job *job, Error **errp);
    bool (*complete)(Job *job, Error **errp);
    bool (*cancel)(Job *job, bool force);
    void coroutine_fn (*settle)(Job *job);
    bool (*set_speed)(Job *job, int64_t speed, Error **errp);
    int (*prepare)(Job *job, Error **errp);
    void (*commit)(Job *job);
    void (*abort)(Job *job);
    void (*clean)(Job *job);
    void (*changed)(Job *job, JobStatus status);
};

/* -- life ------------------------------------------------------------------- */

/**
 * job_create:
 * @type: class name
 * @id: unique; NULL with JOB_INTERNAL
 * @txn: (nullable) end together with the others of it
 * @ctx: where run() runs
 *
 * Returns: (transfer full) a job in status created; job_start() or job_drop()
 *   must follow.
 */
Job *job_create(const char *type, const char *id, JobTxn *txn, AioContext *ctx,
                unsigned flags, Error **errp);
/** job_start: takes over the reference of job_create(). */
void job_start(Job *job);
/** job_drop: a job that never started; gives the reference back. */
void job_drop(Job *job);
/** job_discard: the same with a job that was made whole: its abort() and
 *  clean() are called. */
void job_discard(Job *job);
/** job_find: (transfer none) by id, or NULL. */
Job *job_find(const char *id);
/** job_next: NULL starts, NULL ends; internal ones too. */
Job *job_next(Job *job);

/** job_txn_new: for several job_create(); job_txn_unref() when all are. */
JobTxn *job_txn_new(void);
void job_txn_unref(JobTxn *txn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobTxn, job_txn_unref)

/* -- what users ask for ------------------------------------------------------ */

/** job_check_verb: Errors: the job's status does not allow @verb. */
bool job_check_verb(Job *job, JobVerb verb, Error **errp);
bool job_user_pause(Job *job, Error **errp);
bool job_user_resume(Job *job, Error **errp);
/** job_cancel: @force: no result is wanted, even of a job that is ready. */
bool job_cancel(Job *job, bool force, Error **errp);
bool job_complete(Job *job, Error **errp);
bool job_finalize(Job *job, Error **errp);
bool job_dismiss(Job *job, Error **errp);
bool job_set_speed(Job *job, int64_t speed, Error **errp);

/** job_pause, job_resume: the block layer's own (drain); they nest. */
void job_pause(Job *job);
void job_resume(Job *job);
/** job_is_quiet: does it rest, or has its coroutine ended? Thread: any. */
bool job_is_quiet(Job *job);

/** job_wait: run the loop until @job has concluded. Returns: 0 or -errno. The
 *  caller has a reference. */
int job_wait(Job *job);
/** job_cancel_sync_all: the program ends: force all and wait for them. */
void job_cancel_sync_all(void);

/* -- for run(); thread: the job's coroutine --------------------------------------- */

/** job_pause_point: rest here while the job is paused. */
void coroutine_fn job_pause_point(Job *job);
/** job_sleep_ns: at most that long; a pause, a cancel or job_wake() end it
 *  early, and a pause is rested out before it returns. */
void coroutine_fn job_sleep_ns(Job *job, int64_t ns);
/** job_wake: end job_sleep_ns(). Thread: any. */
void job_wake(Job *job);
/** job_set_ready: all is copied. */
void coroutine_fn job_set_ready(Job *job);

/** job_is_cancelled: should run() end without a result? Thread: any. */
bool job_is_cancelled(Job *job);
/** job_cancel_requested: also when the result is to stay. Thread: any. */
bool job_cancel_requested(Job *job);
JobStatus job_status(Job *job);

/* How fast a job goes; what is not known is not there. */
typedef struct JobPace {
    bool has_rate;
    bool has_eta;
    int64_t rate; /* units of its progress a second */
    int64_t eta;  /* seconds until all is done, at that rate */
} JobPace;

/** job_pace: of a job that works at this moment. */
JobPace job_pace(Job *job);
static inline bool job_is_ready_status(JobStatus s)
{
    return s == JOB_STATUS_READY || s == JOB_STATUS_STANDBY;
}

#endif
