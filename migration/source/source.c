/*
 * The outgoing migration: one thread from `migrate` to the end.
 *
 *     connect -> header, return path -> setup -> passes -> switchover -> ack
 *
 * Until the destination has acknowledged, nothing is decided: any failure or
 * cancel leads to source_end(), which takes the guest back if it was stopped
 * and only then cleans up. The decision is one atomic word (SourceVerdict):
 * whoever sets it first, the thread that commits or the one that cancels, has
 * decided.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/source/source.h"

#include "migration/blocker.h"
#include "migration/cpr/cpr.h"
#include "migration/dirty-tracking.h"
#include "migration/mapped/file-ram.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/qemu-file.h"
#include "migration/ram/pacer.h"
#include "migration/return/path.h"
#include "migration/stream/savevm.h"
#include "migration/transport/channels.h"
#include "migration/transport/pipe.h"
#include "migration/transport/transport.h"
#include "trace/trace-migration.h"
#include "util/error-report.h"
#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/timer.h"

/* How long the destination's own words are awaited when a write fails. */
#define LAST_WORDS_MS 300

/* How long the first page waits for a word about what came before it. */
#define SETUP_PONG_MS 1000

/* How long a program that passes the stream on may take to end. */
#define RELAY_END_MS 5000

bool source_decide(MigrationRun *run, SourceVerdict verdict)
{
    return qatomic_cmpxchg(&run->verdict, (int)VERDICT_OPEN, (int)verdict) ==
           VERDICT_OPEN;
}

/* -- setup ------------------------------------------------------------------------ */

static bool connect_main(MigrationState *ms, Error **errp)
{
    QIOChannel *ioc = migration_connect(ms, ms->target, errp);

    ioc = ioc ? migration_channel_secure(ms, ms->target, ioc, errp) : NULL;
    if (!ioc) {
        return false;
    }
    ms->to_dst = ioc;
    ms->to_dst_file = qemu_file_new_output(ioc);
    return true;
}

/* Asked for, or needed by something that is; else it is used where it costs
 * nothing, so that the destination's word can be had. */
static bool wants_return_path(MigrationState *ms)
{
    TransportKind kind = ms->target->kind;

    if (migrate_cap(ms, MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT)) {
        return false; /* nothing is given away */
    }
    return migrate_cap(ms, MIGRATION_CAPABILITY_RETURN_PATH) ||
           migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM) ||
           migrate_cap(ms, MIGRATION_CAPABILITY_SWITCHOVER_ACK) ||
           transport_is_socket(kind) || kind == TRANSPORT_FD_SOCKET;
}

static bool is_cpr_transfer(const MigrationState *ms)
{
    return migrate_param(ms, mode) == MIG_MODE_CPR_TRANSFER;
}

static void send_header(MigrationState *ms)
{
    const MigrationHost *host = ms->host;
    g_auto(ConfigSection) config = { 0 };
    uint8_t uuid[16];

    config_section_init(&config, host->machine_type(ms->host_opaque));
    if (migrate_cap(ms, MIGRATION_CAPABILITY_VALIDATE_UUID) &&
        host->uuid(ms->host_opaque, uuid)) {
        config_section_set_uuid(&config, uuid);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED)) {
        config_section_add_capability(&config, "x-ignore-shared");
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        config_section_add_capability(&config, "mapped-ram");
    }
    if (is_cpr_transfer(ms)) {
        memcpy(config.cpr_token, ms->cpr_token.data, sizeof(config.cpr_token));
        config.has_cpr = true;
    }
    if (migrate_param(ms, send_devices)) {
        host->lock(ms->host_opaque);
        config.devices = config_devices_of(host->registry(ms->host_opaque),
                                           host->vcpu_count(ms->host_opaque));
        host->unlock(ms->host_opaque);
    }
    savevm_send_header(host->registry(ms->host_opaque), ms->to_dst_file,
                       &config);
}

static bool open_return_path(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;

    if (!return_path_start(ms, errp)) {
        return false;
    }
    savevm_send_open_return_path(ms->to_dst_file);
    savevm_send_ping(ms->to_dst_file, MIGRATION_PING_OPEN);
    savevm_send_ping(ms->to_dst_file, MIGRATION_PING_WILL_COMMIT);
    source_near_offer(run);
    run->ping_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    return true;
}

void source_methods(MigrationState *ms, RAMMethods *ret)
{
    bool multifd = migrate_cap(ms, MIGRATION_CAPABILITY_MULTIFD);
    ZeroPageDetection zero =
        (ZeroPageDetection)migrate_param(ms, zero_page_detection);

    *ret = (RAMMethods){
        .xbzrle = migrate_cap(ms, MIGRATION_CAPABILITY_XBZRLE),
        .compress = migrate_cap(ms, MIGRATION_CAPABILITY_COMPRESS),
        .multifd = multifd,
        .zero_detect = zero == ZERO_PAGE_DETECTION_LEGACY ||
                       (zero == ZERO_PAGE_DETECTION_MULTIFD && !multifd &&
                        !migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM)),
        .release_ram = migrate_cap(ms, MIGRATION_CAPABILITY_RELEASE_RAM),
        .compress_threads = (unsigned)migrate_param(ms, compress_threads),
        .compress_level = (unsigned)migrate_param(ms, compress_level),
        .compress_wait = migrate_param(ms, compress_wait_thread),
        .xbzrle_cache_bytes = migrate_param(ms, xbzrle_cache_size),
    };
}

static bool make_ram(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    RAMSourceConfig config = {
        .host = ms->host,
        .host_opaque = ms->host_opaque,
        .stats = &ms->stats,
        .pacer = ms->pacer,
        .multifd = ms->multifd,
        .file = ms->file_ram,
        .background = migrate_cap(ms, MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT),
        .postcopy = migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM),
        .ignore_shared = is_cpr_transfer(ms) ||
                         migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED),
    };

    source_methods(ms, &config.methods);
    run->methods = config.methods;
    ms->ram = ram_source_new(&config, errp);
    ms->ram_section.source = ms->ram;
    return ms->ram != NULL;
}

void source_set_rate(MigrationState *ms)
{
    bool postcopy = migration_status_is_postcopy(migration_status(&ms->course));

    pacer_set_rate(ms->pacer, postcopy
                                  ? migrate_param(ms, max_postcopy_bandwidth)
                                  : migrate_param(ms, max_bandwidth));
}

/* First of all: one that cannot go ends the migration before it has begun. */
static bool hold_bitmaps(MigrationState *ms, Error **errp)
{
    const MigrationHost *host = ms->host;
    g_autoptr(json_t) mapping = NULL;
    Error *err = NULL;

    if (!migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_BITMAPS) ||
        !host->bitmaps) {
        return true;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        mapping = json_incref(ms->params.block_bitmap_mapping);
    }
    ms->bitmap_section.postcopy =
        migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM);
    ms->bitmap_section.sender = bitmap_sender_new(
        host->bitmaps, ms->host_opaque, mapping, &ms->bitmap_stats, &err);
    error_propagate(errp, err);
    return !err;
}

/* May the guest run there before all is? Of dirty bitmaps alone: where the
 * destination's word can be had. */
static bool wants_postcopy(MigrationState *ms)
{
    return migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM) ||
           (ms->bitmap_section.sender && ms->return_path &&
            !is_cpr_transfer(ms));
}

/* What the destination finds wrong in the configuration and the list of
 * memory, it says now. One that is far away or silent is not waited for. */
static bool wait_for_doubts(MigrationState *ms, Error **errp)
{
    Error *err = NULL;

    if (!ms->return_path) {
        return true;
    }
    savevm_send_ping(ms->to_dst_file, RETURN_PING_SETUP);
    if (qemu_fflush(ms->to_dst_file) < 0) {
        qemu_file_get_error_obj(ms->to_dst_file, errp);
        return false;
    }
    if (!return_path_wait_pong(ms, RETURN_PING_SETUP, SETUP_PONG_MS, &err)) {
        if (return_path_wait_ended(ms, 0)) {
            error_propagate(errp, g_steal_pointer(&err));
            return false;
        }
        error_free(err);
    }
    return !migration_has_failed(ms);
}

static bool source_setup(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;

    if (!hold_bitmaps(ms, errp)) {
        return false;
    }
    if ((is_cpr_transfer(ms) && !cpr_source_pass(ms, errp)) ||
        !connect_main(ms, errp)) {
        return false;
    }
    send_header(ms);
    if (wants_return_path(ms) && !open_return_path(run, errp)) {
        return false;
    }
    if (wants_postcopy(ms) && !postcopy_source_setup(ms, errp)) {
        return false;
    }
    if (qemu_fflush(ms->to_dst_file) < 0) {
        qemu_file_get_error_obj(ms->to_dst_file, errp);
        return false;
    }
    return multifd_send_start(ms, errp) && make_ram(run, errp) &&
           savevm_setup(ms->host->registry(ms->host_opaque), ms->to_dst_file,
                        errp) &&
           wait_for_doubts(ms, errp);
}

static bool source_run(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;

    source_set_rate(ms);
    if (!source_setup(run, errp)) {
        return false;
    }
    qatomic_set(&ms->setup_end_ns, qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    if (!migration_move(&ms->course, MIGRATION_STATUS_SETUP,
                        MIGRATION_STATUS_ACTIVE)) {
        return false;
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT)) {
        return source_background(run, errp);
    }
    switch (source_passes(run, errp)) {
    case SOURCE_SWITCH:
        return source_switch(run, errp);
    case SOURCE_POSTCOPY:
        return source_postcopy(run, errp);
    default:
        return false;
    }
}

/* -- the end ------------------------------------------------------------------------ */

/* The destination's reason says more than our failed write. */
static void await_last_words(MigrationState *ms)
{
    int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + LAST_WORDS_MS;
    int64_t left;

    while (ms->return_path && !migration_has_failed(ms)) {
        left = end - qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
        if (left <= 0 || qemu_sem_timedwait(&ms->wake, (int)left) < 0) {
            return;
        }
    }
}

static void source_cleanup(MigrationState *ms)
{
    ms->ram_section.source = NULL;
    savevm_cleanup(ms->host->registry(ms->host_opaque));
    postcopy_source_cleanup(ms);
    multifd_send_stop(ms);
    return_path_stop(ms);
    g_clear_pointer(&ms->bitmap_section.sender, bitmap_sender_free);
    g_clear_pointer(&ms->ram, ram_source_free);
    g_clear_pointer(&ms->policy, policy_free);
    source_throttle_end(ms);
    ms->host->throttle_set(ms->host_opaque, 0);
    dirty_tracking_limit_all(dirty_tracking_find(), 0, 0, NULL);
    g_clear_pointer(&ms->to_dst_file, qemu_file_free);
    if (ms->to_dst) {
        migration_channel_close(ms, ms->to_dst);
        ms->to_dst = NULL;
    }
    migration_channels_forget(ms);
}

static void note_error(MigrationState *ms, Error *err)
{
    QEMU_LOCK_GUARD(&ms->lock);
    if (!ms->error) {
        ms->error = err ? g_steal_pointer(&err) : NULL;
    }
    error_free(err);
}

/* Every status from which a migration can fail or have been cancelled. */
static void move_to_end(MigrationState *ms)
{
    static const MigrationStatus from[] = {
        MIGRATION_STATUS_SETUP,
        MIGRATION_STATUS_ACTIVE,
        MIGRATION_STATUS_PRE_SWITCHOVER,
        MIGRATION_STATUS_DEVICE,
        MIGRATION_STATUS_POSTCOPY_ACTIVE,
        MIGRATION_STATUS_POSTCOPY_PAUSED,
        MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP,
        MIGRATION_STATUS_POSTCOPY_RECOVER,
    };

    if (migration_move(&ms->course, MIGRATION_STATUS_CANCELLING,
                       MIGRATION_STATUS_CANCELLED)) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
        if (migration_move(&ms->course, from[i], MIGRATION_STATUS_FAILED)) {
            return;
        }
    }
}

static void move_to_completed(MigrationState *ms)
{
    static const MigrationStatus from[] = {
        MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_POSTCOPY_ACTIVE,
        MIGRATION_STATUS_ACTIVE, /* background-snapshot */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
        if (migration_move(&ms->course, from[i], MIGRATION_STATUS_COMPLETED)) {
            return;
        }
    }
}

static void source_end(MigrationRun *run, bool ok, Error *err)
{
    MigrationState *ms = run->ms;

    if (ok) {
        error_free(err);
        /* A program between us still has the last bytes to pass on. */
        migration_pipe_finish(ms->to_dst, RELAY_END_MS, false, NULL);
    } else {
        if (err && !migration_has_failed(ms)) {
            await_last_words(ms);
        }
        note_error(ms, err);
        source_decide(run, VERDICT_ABORT);
        pacer_stop(ms->pacer);
        migration_channels_interrupt(ms);
        source_take_back(run);
    }
    policy_record_end(ms->policy,
                      ok                             ? "completed"
                      : qatomic_read(&ms->cancelled) ? "cancelled"
                                                     : "failed",
                      qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - ms->start_ns,
                      qatomic_read(&ms->downtime_ns));
    source_cleanup(ms);
    qatomic_set(&ms->end_ns, qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    if (!ok) {
        move_to_end(ms);
        return;
    }
    move_to_completed(ms);
}

static void *source_thread(void *opaque)
{
    MigrationRun *run = opaque;
    Error *err = NULL;
    bool ok = source_run(run, &err);

    source_end(run, ok, err);
    qatomic_store_release(&run->done, true);
    return NULL;
}

/* -- start, cancel -------------------------------------------------------------------- */

static void run_free(MigrationRun *run)
{
    if (!run) {
        return;
    }
    qemu_thread_join(&run->thread);
    if (run->has_resumer) {
        qemu_thread_join(&run->resumer);
    }
    g_free(run->vcpu_slept_ns);
    g_free(run);
}

static bool may_start(MigrationState *ms, Error **errp)
{
    RunState state;

    if (!ms->host) {
        error_setg(errp, "There is no machine yet");
        return false;
    }
    if (!migration_is_idle(ms)) {
        error_setg(errp, "There's a migration process in progress");
        return false;
    }
    if (qatomic_read(&ms->in_snapshot)) {
        error_setg(errp, "a snapshot of the machine is being saved or loaded");
        return false;
    }
    if (migration_incoming_expected(ms)) {
        error_setg(errp, "Guest is waiting for an incoming migration");
        return false;
    }
    state = ms->host->run_state(ms->host_opaque);
    if (state == RUN_STATE_POSTMIGRATE) {
        error_setg(errp, "Can't migrate the vm that was paused due to "
                         "previous migration");
        return false;
    }
    if (state == RUN_STATE_INTERNAL_ERROR) {
        error_setg(errp, "Can't migrate a guest in state 'internal-error'");
        return false;
    }
    return !migration_is_blocked(ms, errp);
}

static void reset_state(MigrationState *ms)
{
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        error_free(g_steal_pointer(&ms->error));
        qatomic_set(&ms->interrupted, false);
    }
    qatomic_set(&ms->failed, false);
    qatomic_set(&ms->cancelled, false);
    qatomic_set(&ms->asking, false);
    qatomic_set(&ms->start_postcopy, false);
    qatomic_set(&ms->switchover_acked, false);
    qatomic_set(&ms->continued, false);
    qatomic_set(&ms->last_pong, 0);
    qatomic_set(&ms->setup_end_ns, 0);
    qatomic_set(&ms->stop_ns, 0);
    qatomic_set(&ms->end_ns, 0);
    qatomic_set(&ms->downtime_ns, 0);
    qatomic_set(&ms->expected_downtime_ns, 0);
    ms->throttling = (MigrationThrottling){ 0 };
    qatomic_set(&ms->start_ns, qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    stats_reset(&ms->stats);
    bitmap_stats_clear(&ms->bitmap_stats);
    pacer_restart(ms->pacer);
    while (qemu_sem_timedwait(&ms->wake, 0) == 0) {
    }
}

/* As the parameters say. */
static MigrationPolicy *new_policy(MigrationState *ms, Error **errp)
{
    g_autoptr(MigrationPolicy) policy = policy_new(NULL, errp);
    g_autofree char *record = NULL;

    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        record = g_strdup(ms->params.x_record);
    }
    if (policy && *record && !policy_record_to(policy, record, errp)) {
        return NULL;
    }
    return g_steal_pointer(&policy);
}

bool migration_source_start(MigrationState *ms, MigrationTarget *target,
                            Error **errp)
{
    MigrationStatus status = migration_status(&ms->course);
    MigrationRun *run;

    if (!may_start(ms, errp)) {
        return false;
    }
    ms->policy = new_policy(ms, errp);
    if (!ms->policy) {
        return false;
    }
    run_free(ms->run);
    reset_state(ms);
    run = g_new0(MigrationRun, 1);
    run->ms = ms;
    run->expected_end_ms = UINT64_MAX;
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        migration_target_free(ms->target);
        ms->target = target;
        ms->run = run;
    }
    migration_move(&ms->course, status, MIGRATION_STATUS_SETUP);
    trace_migration_source_start(target->text);
    qemu_thread_create(&run->thread, "migration", source_thread, run,
                       QEMU_THREAD_JOINABLE);
    return true;
}

bool migration_source_cancel(MigrationState *ms, Error **errp)
{
    static const MigrationStatus from[] = {
        MIGRATION_STATUS_SETUP,
        MIGRATION_STATUS_ACTIVE,
        MIGRATION_STATUS_PRE_SWITCHOVER,
        MIGRATION_STATUS_DEVICE,
    };

    if (migration_status_is_postcopy(migration_status(&ms->course))) {
        error_setg(errp, "post-copy cannot be cancelled: the guest is on the "
                         "destination");
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        if (migration_is_idle(ms) || !source_decide(ms->run, VERDICT_ABORT)) {
            return true; /* nothing to cancel, or too late */
        }
    }
    qatomic_set(&ms->cancelled, true);
    for (int tries = 0; tries < 2; tries++) {
        /* The thread may move on at the same time, but only forwards. */
        for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
            if (migration_move(&ms->course, from[i],
                               MIGRATION_STATUS_CANCELLING)) {
                tries = 2;
                break;
            }
        }
    }
    pacer_stop(ms->pacer);
    migration_channels_interrupt(ms);
    migration_wake(ms);
    return true;
}

void migration_source_settings_changed(MigrationState *ms)
{
    source_set_rate(ms);
}

/* -- resume of post-copy ---------------------------------------------------------------- */

static void *resume_thread(void *opaque)
{
    MigrationState *ms = opaque;
    Error *err = NULL;
    QIOChannel *ioc = migration_connect(ms, ms->target, &err);

    ioc = ioc ? migration_channel_secure(ms, ms->target, ioc, &err) : NULL;
    if (ioc) {
        postcopy_source_resume(ms, ioc);
        object_unref(OBJECT(ioc));
        return NULL;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        error_free(ms->error);
        ms->error = err;
    }
    migration_move(&ms->course, MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP,
                   MIGRATION_STATUS_POSTCOPY_PAUSED);
    return NULL;
}

bool migration_source_resume(MigrationState *ms, MigrationTarget *target,
                             Error **errp)
{
    if (!migration_move(&ms->course, MIGRATION_STATUS_POSTCOPY_PAUSED,
                        MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP)) {
        error_setg(errp, "Cannot resume if there is no paused migration");
        return false;
    }
    if (ms->run->has_resumer) {
        qemu_thread_join(&ms->run->resumer);
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        error_free(g_steal_pointer(&ms->error));
        qatomic_set(&ms->failed, false);
        qatomic_set(&ms->interrupted, false);
        migration_target_free(ms->target);
        ms->target = target;
    }
    ms->run->has_resumer = true;
    qemu_thread_create(&ms->run->resumer, "mig-resume", resume_thread, ms,
                       QEMU_THREAD_JOINABLE);
    return true;
}

void migration_source_shutdown(MigrationState *ms)
{
    if (!ms->run) {
        return;
    }
    if (!migration_source_cancel(ms, NULL)) {
        postcopy_source_quit(ms);
        migration_channels_interrupt(ms);
    }
    /* The thread may need the main loop to take the guest back. */
    while (!qatomic_load_acquire(&ms->run->done)) {
        main_loop_wait(true);
        g_usleep(1000);
    }
    run_free(g_steal_pointer(&ms->run));
}
