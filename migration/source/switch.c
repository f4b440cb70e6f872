/*
 * The switchover: from the moment the guest is stopped here to the moment it
 * may run there, and back if that fails.
 *
 *   source                                   destination
 *   stop, [wait for migrate-continue]
 *   disks given up
 *   rest of RAM, devices, EOF        ----->  load
 *                                    <-----  SHUT 0: everything is here
 *   decide: never run it here again
 *   PING "commit"                    ----->  take the disks, run
 *
 * A destination that was told PING "will commit" waits for the commit; so
 * until it is written the source may take the guest back at any time without
 * asking, and after it never. A destination of another program runs at its
 * SHUT 0.
 *
 * The pause has a budget: a guard thread ends a switchover that takes far
 * longer than the downtime limit, and the guest goes on here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/cpr.h"
#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/qemu-file.h"
#include "migration/ram/pacer.h"
#include "migration/return/path.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/channels.h"
#include "migration/transport/pipe.h"
#include "migration/transport/transport.h"
#include "trace/trace-migration.h"
#include "util/error-report.h"
#include "util/main-call.h"
#include "util/timer.h"

/* Beyond the limit by so much, and the forecast was wrong altogether. */
#define BUDGET_SPARE_MS 10000
/* How long a destination that was not asked for may take to answer at all. */
#define FIRST_PONG_MS 1000

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

/* -- the budget ----------------------------------------------------------------------- */

typedef struct MigrationBudget {
    MigrationRun *run;
    QemuThread thread;
    QemuSemaphore begun; /* posted when the time counts, or all is over */
    QemuSemaphore over;  /* posted when the switchover has come to an end */
    int ms;
} MigrationBudget;

static void *budget_thread(void *opaque)
{
    MigrationBudget *b = opaque;
    MigrationState *ms = b->run->ms;
    Error *err = NULL;

    qemu_sem_wait(&b->begun);
    if (qemu_sem_timedwait(&b->over, b->ms) == 0 ||
        !source_decide(b->run, VERDICT_ABORT)) {
        return NULL;
    }
    error_setg(&err,
               "the guest stood for more than %d ms (downtime-limit is %" PRIu64
               "): it goes on here",
               b->ms, migrate_param(ms, downtime_limit));
    migration_fail(ms, err);
    migration_channels_interrupt(ms);
    return NULL;
}

/* While the guest still runs: a thread takes its time to begin. */
static void budget_make(MigrationRun *run)
{
    MigrationBudget *b = g_new0(MigrationBudget, 1);

    b->run = run;
    qemu_sem_init(&b->begun, 0);
    qemu_sem_init(&b->over, 0);
    run->budget = b;
    qemu_thread_create(&b->thread, "mig-budget", budget_thread, b,
                       QEMU_THREAD_JOINABLE);
}

static void budget_start(MigrationRun *run)
{
    MigrationBudget *b = run->budget;

    if (b) {
        b->ms = (int)migrate_param(run->ms, downtime_limit) + BUDGET_SPARE_MS;
        qemu_sem_post(&b->begun);
    }
}

static void budget_end(MigrationRun *run)
{
    MigrationBudget *b = g_steal_pointer(&run->budget);

    if (b) {
        qemu_sem_post(&b->over);
        qemu_sem_post(&b->begun);
        qemu_thread_join(&b->thread);
        qemu_sem_destroy(&b->begun);
        qemu_sem_destroy(&b->over);
        g_free(b);
    }
}

/* -- stopping ------------------------------------------------------------------------- */

bool source_stop_guest(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    int64_t stopped_ns = 0;

    run->before = ms->host->run_state(ms->host_opaque);
    if (!ms->host->stop(ms->host_opaque, RUN_STATE_FINISH_MIGRATE, &stopped_ns,
                        errp)) {
        return false;
    }
    run->stopped = true;
    qatomic_set(&ms->stop_ns, stopped_ns ? stopped_ns : now_ns());
    run->switch_ns = ms->stop_ns;
    stats_set(&ms->stats.phase, MIGRATION_PHASE_DOWNTIME);
    trace_migration_stopped(run->switch_ns);
    return true;
}

static bool move_from_active(MigrationState *ms, MigrationStatus to)
{
    return migration_move(&ms->course, MIGRATION_STATUS_ACTIVE, to);
}

/* pause-before-switchover: the guest stands until migrate-continue. */
static bool wait_for_continue(MigrationRun *run)
{
    MigrationState *ms = run->ms;

    if (!migrate_cap(ms, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER)) {
        return move_from_active(ms, MIGRATION_STATUS_DEVICE);
    }
    if (!move_from_active(ms, MIGRATION_STATUS_PRE_SWITCHOVER)) {
        return false;
    }
    while (!qatomic_read(&ms->continued)) {
        qemu_sem_wait(&ms->wake);
        if (migration_has_failed(ms)) {
            return false;
        }
    }
    run->switch_ns = now_ns();
    return migration_move(&ms->course, MIGRATION_STATUS_PRE_SWITCHOVER,
                          MIGRATION_STATUS_DEVICE);
}

static bool give_disks_up(MigrationRun *run, Error **errp)
{
    run->disks_given_up = true;
    return run->ms->host->disks_inactivate(run->ms->host_opaque, errp);
}

static bool begin_pause(MigrationRun *run, Error **errp)
{
    budget_start(run);
    return give_disks_up(run, errp);
}

static bool stand_still(void *opaque, Error **errp)
{
    MigrationRun *run = opaque;

    return source_stop_guest(run, errp) &&
           move_from_active(run->ms, MIGRATION_STATUS_DEVICE) &&
           begin_pause(run, errp);
}

/* From a guest that runs to one that stands and has no disks here: in one visit
 * to the main loop, if there is nothing to wait for in between. */
static bool stop_for_good(MigrationRun *run, Error **errp)
{
    if (!migrate_cap(run->ms, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER)) {
        return main_call(stand_still, run, errp);
    }
    return source_stop_guest(run, errp) && wait_for_continue(run) &&
           begin_pause(run, errp);
}

/* -- sending --------------------------------------------------------------------------- */

static bool flush(QEMUFile *f, Error **errp)
{
    if (qemu_fflush(f) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return true;
}

static bool capture_devices(MigrationState *ms, SaveVMDevices *devices,
                            Error **errp)
{
    const MigrationHost *host = ms->host;
    bool ok;

    host->lock(ms->host_opaque);
    ok = savevm_capture_devices(host->registry(ms->host_opaque),
                                !host->suppress_vmdesc(ms->host_opaque),
                                devices, errp);
    host->unlock(ms->host_opaque);
    return ok;
}

static bool send_rest(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    g_auto(SaveVMDevices) devices = { 0 };
    QEMUFile *f = ms->to_dst_file;

    if (ms->multifd) {
        multifd_send_set_paced(ms->multifd, false);
    }
    if (ms->file_ram) {
        file_ram_writer_set_paced(ms->file_ram, false);
    }
    if (!savevm_complete(reg, f, false, errp) ||
        !capture_devices(ms, &devices, errp)) {
        return false;
    }
    savevm_send_devices(f, &devices);
    savevm_send_eof(f);
    savevm_send_vmdesc(f, &devices);
    stats_main_bytes(&ms->stats, devices.len + devices.vmdesc_len);
    return flush(f, errp);
}

/* -- the destination's word --------------------------------------------------------------- */

/* Somebody was asked to answer; and one that is passed memory is of our kind. */
static bool must_answer(const MigrationState *ms)
{
    return migrate_cap(ms, MIGRATION_CAPABILITY_RETURN_PATH) ||
           migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM) ||
           migrate_param(ms, mode) == MIG_MODE_CPR_TRANSFER;
}

/* Has a destination that need not answer done so? */
static bool is_answered(MigrationState *ms)
{
    int64_t end = now_ns() + FIRST_PONG_MS * SCALE_MS;

    while (!qatomic_read(&ms->last_pong) && !migration_has_failed(ms)) {
        int64_t left = (end - now_ns()) / SCALE_MS;

        if (left <= 0 || qemu_sem_timedwait(&ms->wake, (int)left) < 0) {
            break;
        }
    }
    return qatomic_read(&ms->last_pong) != 0;
}

/* Is anybody there who will tell whether all has come? The guest does not stop
 * for one that has to answer and never did. */
static bool find_answered(MigrationState *ms, bool *ret, Error **errp)
{
    if (!ms->return_path || !must_answer(ms)) {
        *ret = ms->return_path && is_answered(ms);
        return true;
    }
    *ret = true;
    return return_path_wait_known(ms, errp);
}

void source_finish_downtime(MigrationRun *run)
{
    MigrationState *ms = run->ms;

    qatomic_set(&ms->downtime_ns, now_ns() - ms->stop_ns);
    trace_migration_committed(ms->downtime_ns / SCALE_US);
}

static bool commit(MigrationRun *run, bool answered, Error **errp)
{
    MigrationState *ms = run->ms;

    if (answered && !return_path_wait_shut(ms, errp)) {
        return false;
    }
    if (!source_decide(run, VERDICT_COMMIT)) {
        return false;
    }
    if (answered) {
        /* All that it said before SHUT has been read by now. One that knows of
         * no commit runs the guest already, whatever becomes of the channel. */
        return !return_path_commits(ms) || source_commit(run, errp);
    }
    if (ms->return_path) {
        savevm_send_ping(ms->to_dst_file, MIGRATION_PING_COMMIT);
        if (qemu_fflush(ms->to_dst_file) < 0) {
            return source_leave_in_doubt(run, errp);
        }
    }
    /* Without an answer: a file is complete when the kernel has taken it all,
     * a program has done its work when it says so. */
    return migration_pipe_finish(ms->to_dst, -1, true, errp) &&
           qio_channel_close(ms->to_dst, errp) == 0;
}

static void give_guest_away(MigrationRun *run)
{
    MigrationState *ms = run->ms;
    Error *err = NULL;

    run->committed = true;
    if (migrate_param(ms, mode) == MIG_MODE_CPR_TRANSFER) {
        cpr_source_abandon(ms);
    }
    if (!ms->host->run_state_set(ms->host_opaque, RUN_STATE_POSTMIGRATE,
                                 &err)) {
        error_report_err(err);
    }
}

bool source_switch(MigrationRun *run, Error **errp)
{
    bool answered;
    bool ok;

    if (!find_answered(run->ms, &answered, errp) ||
        migration_has_failed(run->ms)) {
        return false;
    }
    if (migrate_param(run->ms, mode) != MIG_MODE_CPR_REBOOT) {
        budget_make(run);
    }
    ok = stop_for_good(run, errp) && send_rest(run, errp) &&
         commit(run, answered, errp);
    budget_end(run);
    if (ok) {
        if (!run->ms->downtime_ns) {
            source_finish_downtime(run);
        }
        give_guest_away(run);
    }
    return ok;
}

/* -- post-copy --------------------------------------------------------------------------- */

static bool run_postcopy(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;

    source_finish_downtime(run);
    source_set_rate(ms);
    stats_set(&ms->stats.phase, MIGRATION_PHASE_POSTCOPY);
    switch (postcopy_run(ms, errp)) {
    case POSTCOPY_COMPLETED:
        give_guest_away(run);
        return true;
    case POSTCOPY_LOST:
        run->committed = true;
        return false;
    case POSTCOPY_ROLLBACK:
        break;
    }
    return false;
}

/* The guest stands; from here to the destination that may run it. */
static bool start_postcopy(MigrationRun *run, bool prepare, Error **errp)
{
    MigrationState *ms = run->ms;

    budget_start(run);
    if (prepare) {
        postcopy_source_prepare(ms);
    }
    pacer_set_rate(ms->pacer, 0);
    return give_disks_up(run, errp) && postcopy_start(ms, errp);
}

bool source_postcopy(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    bool pauses = migrate_cap(ms, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER);
    bool ok;

    ms->host->throttle_set(ms->host_opaque, 0);
    /* One that has not even answered yet cannot be given the guest. */
    if (!return_path_wait_known(ms, errp) || !postcopy_source_check(ms, errp)) {
        return false;
    }
    /* The guest need not stand for it; but a pause may take hours, in which
     * nobody would use or look at what was made before. */
    if (!pauses) {
        postcopy_source_prepare(ms);
    }
    if (migration_has_failed(ms)) {
        return false;
    }
    budget_make(run);
    ok = source_stop_guest(run, errp) && wait_for_continue(run) &&
         start_postcopy(run, pauses, errp);
    budget_end(run);
    return ok && run_postcopy(run, errp);
}

/* -- back ---------------------------------------------------------------------------------- */

void source_take_back(MigrationRun *run)
{
    MigrationState *ms = run->ms;
    Error *err = NULL;
    bool ok = true;

    if (!run->stopped || run->committed) {
        return;
    }
    trace_migration_take_back(RunState_str(run->before));
    if (run->disks_given_up) {
        ok = ms->host->disks_activate(ms->host_opaque, &err);
    }
    if (ok && run->before == RUN_STATE_RUNNING) {
        ok = ms->host->start(ms->host_opaque, &err);
    } else if (ok) {
        ok = ms->host->run_state_set(ms->host_opaque, run->before, &err);
    }
    if (!ok) {
        error_prepend(&err, "migration: the guest cannot go on here: ");
        error_report_err(err);
    }
}
