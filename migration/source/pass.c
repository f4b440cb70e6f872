/*
 * Passes: memory is sent while the guest runs and writes to it.
 *
 * At the end of each pass a PassReport goes to the policy, whose Decision is
 * carried out: throttle, methods of the next pass, or the switchover. A long
 * pass is reported each second on the way as well, so that there is a forecast
 * from its first second on, and the guest can be slowed down before it is over.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty-tracking.h"
#include "migration/multifd/setup.h"
#include "migration/qemu-file.h"
#include "migration/ram/pacer.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "qapi/qapi-events-migration.h"
#include "trace/trace-migration.h"
#include "util/timer.h"

/* How often the thread looks up from its work. */
#define SLICE_NS (INT64_C(20) * 1000 * 1000)
/* Between reports in the middle of a pass. */
#define PARTIAL_NS (INT64_C(1000) * 1000 * 1000)

/*
 * The parts of a pause that are not memory: stopping the guest, giving the
 * disks up, saving and loading devices. A guess: nothing of it happens before the
 * pause. The round trips and the sync are measured.
 */
#define PAUSE_GUESS_NS (INT64_C(3) * 1000 * 1000)
/* Less than this says only that the link is at least so fast. */
#define BANDWIDTH_MIN_BYTES (UINT64_C(1) << 20)

/* -- reports ---------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

static void fill_knobs(MigrationState *ms, PolicyKnobs *k)
{
    *k = (PolicyKnobs){
        .auto_converge = migrate_cap(ms, MIGRATION_CAPABILITY_AUTO_CONVERGE),
        .xbzrle = migrate_cap(ms, MIGRATION_CAPABILITY_XBZRLE),
        .compress = migrate_cap(ms, MIGRATION_CAPABILITY_COMPRESS),
        .dirty_limit = migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_LIMIT),
        .throttle_trigger_threshold =
            (unsigned)migrate_param(ms, throttle_trigger_threshold),
        .cpu_throttle_initial =
            (unsigned)migrate_param(ms, cpu_throttle_initial),
        .cpu_throttle_increment =
            (unsigned)migrate_param(ms, cpu_throttle_increment),
        .cpu_throttle_tailslow = migrate_param(ms, cpu_throttle_tailslow),
        .max_cpu_throttle = (unsigned)migrate_param(ms, max_cpu_throttle),
        .downtime_limit_ms = migrate_param(ms, downtime_limit),
        .max_bandwidth = migrate_param(ms, max_bandwidth),
        .avail_switchover_bandwidth =
            migrate_param(ms, avail_switchover_bandwidth),
        .vcpu_dirty_limit = migrate_param(ms, vcpu_dirty_limit),
        .x_vcpu_dirty_limit_period =
            migrate_param(ms, x_vcpu_dirty_limit_period),
    };
}

/* What the link gave while senders did not sleep for the limit. */
static void learn_bandwidth(MigrationRun *run, const RAMPassReport *ram)
{
    int64_t busy = ram->duration_ns - ram->wait_ns;
    uint64_t seen;

    if (!ram->sent_bytes || ram->duration_ns <= 0) {
        return;
    }
    busy = MAX(busy, ram->duration_ns / 64);
    seen = (uint64_t)((double)ram->sent_bytes * 1e9 / (double)busy);
    if (ram->sent_bytes < BANDWIDTH_MIN_BYTES) {
        run->bandwidth = MAX(run->bandwidth, seen);
    } else {
        run->bandwidth = run->bandwidth ? (run->bandwidth + seen) / 2 : seen;
    }
}

/* Dirty bitmaps go in the pause, unless post-copy may take them. */
static int64_t pause_of_bitmaps(const MigrationRun *run)
{
    const BitmapMigration *bm = &run->ms->bitmap_section;

    return !bm->sender || bm->postcopy || !run->bandwidth
               ? 0
               : (int64_t)((double)bitmap_sender_pending(bm->sender) * 1e9 /
                           (double)run->bandwidth);
}

static int64_t pause_beside_ram(const MigrationRun *run)
{
    return PAUSE_GUESS_NS + run->sync_ns + 2 * run->rtt_ns +
           pause_of_bitmaps(run);
}

static bool may_switch(const MigrationState *ms)
{
    return !migrate_cap(ms, MIGRATION_CAPABILITY_SWITCHOVER_ACK) ||
           qatomic_read(&ms->switchover_acked);
}

static void fill_methods(PassReport *r, const RAMPassReport *ram)
{
    static const PolicyMethod of[PAGE_METHOD__MAX] = {
        [PAGE_METHOD_UNTOUCHED] = POLICY_METHOD_ZERO,
        [PAGE_METHOD_ZERO] = POLICY_METHOD_ZERO,
        [PAGE_METHOD_PLAIN] = POLICY_METHOD_PLAIN,
        [PAGE_METHOD_XBZRLE] = POLICY_METHOD_XBZRLE,
        [PAGE_METHOD_COMPRESS] = POLICY_METHOD_COMPRESS,
        [PAGE_METHOD_MULTIFD] = POLICY_METHOD_MULTIFD,
    };

    for (int i = 0; i < PAGE_METHOD__MAX; i++) {
        PolicyMethodReport *m = &r->method[of[i]];

        m->pages += ram->method[i].pages;
        m->bytes += ram->method[i].bytes_out;
        m->cpu_ns += ram->method[i].cpu_ns;
    }
}

static void fill_report(MigrationRun *run, const RAMPassReport *ram,
                        PassReport *r)
{
    MigrationState *ms = run->ms;
    uint64_t avail = migrate_param(ms, avail_switchover_bandwidth);

    learn_bandwidth(run, ram);
    run->sync_ns = ram->sync_ns;
    *r = (PassReport){
        .pass = ram->pass - 1,
        .can_switch = may_switch(ms),
        .time_ns = now_ns() - ms->start_ns,
        .duration_ns = ram->duration_ns,
        .ram_pages = ram->total_bytes / RAM_PAGE_SIZE,
        .sent_pages = ram->sent_pages,
        .sent_bytes = ram->sent_bytes,
        .dirtied_pages = ram->new_bytes / RAM_PAGE_SIZE,
        .remaining_pages = ram->dirty_bytes / RAM_PAGE_SIZE,
        .switchover_fixed_ns = pause_beside_ram(run),
        .bandwidth = avail ? avail : run->bandwidth,
        .throttle = ms->host->throttle_get(ms->host_opaque),
    };
    fill_methods(r, ram);
    fill_knobs(ms, &r->knobs);
}

/* -- decisions --------------------------------------------------------------------- */

static void set_methods(MigrationRun *run, const Decision *d)
{
    MigrationState *ms = run->ms;
    RAMMethods m;

    source_methods(ms, &m);
    m.xbzrle = m.xbzrle && (!d || d->xbzrle);
    m.compress = m.compress && (!d || d->compress);
    if (memcmp(&m, &run->methods, sizeof(m)) != 0 &&
        ram_source_set_methods(ms->ram, &m, NULL)) {
        run->methods = m;
    }
    multifd_send_method(ms, NULL);
}

/* An accelerator that cannot limit single vCPUs was noticed when the capability
 * was set; if not, the migration goes on without. */
static void limit_vcpus(MigrationState *ms, const Decision *d)
{
    dirty_tracking_limit_all(dirty_tracking_find(), d->dirty_limit,
                             migrate_param(ms, x_vcpu_dirty_limit_period),
                             NULL);
}

/* What holds at once, and what is expected. */
static void slow_down(MigrationRun *run, const Decision *d)
{
    MigrationState *ms = run->ms;

    qatomic_set(&ms->expected_downtime_ns, d->expected_pause_ns);
    qatomic_set(&run->expected_end_ms,
                d->expected_end_ns == INT64_MAX
                    ? UINT64_MAX
                    : (uint64_t)(d->expected_end_ns / SCALE_MS));
    ms->host->throttle_set(ms->host_opaque, d->throttle);
    limit_vcpus(ms, d);
    run->limited = d->dirty_limit;
}

static void carry_out(MigrationRun *run, const Decision *d)
{
    trace_migration_decision(d->action, d->throttle, d->why);
    slow_down(run, d);
    set_methods(run, d);
}

/* -- one pass ------------------------------------------------------------------------ */

static void note_pong(MigrationRun *run)
{
    if (!run->rtt_ns && qatomic_read(&run->ms->last_pong)) {
        run->rtt_ns = MAX(1, now_ns() - run->ping_ns);
    }
}

/* Returns: false: the migration ends. */
static bool send_slice(MigrationRun *run, const SaveStateEntry *se, bool *done,
                       Error **errp)
{
    MigrationState *ms = run->ms;
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    QEMUFile *f = ms->to_dst_file;
    RAMSendResult r;

    savevm_part_begin(reg, f, se);
    r = ram_pass_send(ms->ram, f, SLICE_NS, errp);
    if (r == RAM_SEND_ERROR) {
        return false;
    }
    savevm_part_end(reg, f, se);
    if (qemu_fflush(f) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    *done = r == RAM_SEND_DONE;
    note_pong(run);
    stats_sample(&ms->stats, &run->period, now_ns());
    return true;
}

/* What was counted at the last report in the middle of a pass. */
typedef struct Partial {
    int64_t start_ns; /* of the pass */
    int64_t last_ns;
    uint64_t bytes;
    uint64_t pages;
    uint64_t wait_ns;
    uint64_t again; /* ram_dirty_again() */
} Partial;

static void partial_note(const MigrationState *ms, Partial *p)
{
    p->last_ns = now_ns();
    p->bytes = stats_transferred(&ms->stats);
    p->pages = stats_pages_sent(&ms->stats);
    p->wait_ns = pacer_waited_ns(ms->pacer);
}

/*
 * What the guest dirtied since the last report. The first pass sees only memory
 * that it has sent: the rest counts as written as that is, and on average over the
 * pass, which is what its end will tell.
 */
static uint64_t dirtied_since(const Partial *last, const PassReport *r,
                              uint64_t again, uint64_t left)
{
    uint64_t seen = r->ram_pages - MIN(left, r->ram_pages);
    int64_t ns = last->last_ns + r->duration_ns - last->start_ns;

    if (r->pass > 1) {
        return again - MIN(again, last->again);
    }
    return seen ? (uint64_t)((double)again * (double)r->ram_pages /
                             (double)seen * (double)r->duration_ns / (double)ns)
                : 0;
}

static void fill_partial(MigrationRun *run, const RAMPassReport *ram,
                         Partial *last, PassReport *r)
{
    MigrationState *ms = run->ms;
    uint64_t left = ram_dirty_bytes(ms->ram) / RAM_PAGE_SIZE;
    RAMPassReport part = { .pass = ram->pass + 1,
                           .total_bytes = ram->total_bytes };
    Partial before = *last;

    partial_note(ms, last);
    part.sync_ns = run->sync_ns;
    part.duration_ns = last->last_ns - before.last_ns;
    part.sent_bytes = last->bytes - before.bytes;
    part.sent_pages = last->pages - before.pages;
    part.wait_ns = (int64_t)(last->wait_ns - before.wait_ns);
    part.dirty_bytes = left * RAM_PAGE_SIZE;
    fill_report(run, &part, r);
    r->partial = true;
    if (ram_dirty_again(ms->ram, &last->again)) {
        r->dirtied_pages = dirtied_since(&before, r, last->again, left);
        r->remaining_pages += last->again;
    }
}

static void report_partial(MigrationRun *run, const RAMPassReport *ram,
                           Partial *last)
{
    PassReport r;
    Decision d;

    if (now_ns() - last->last_ns < PARTIAL_NS) {
        return;
    }
    fill_partial(run, ram, last, &r);
    policy_decide(run->ms->policy, &r, &d);
    slow_down(run, &d);
}

static SourceNext send_pass(MigrationRun *run, const SaveStateEntry *se,
                            const RAMPassReport *ram, Error **errp)
{
    MigrationState *ms = run->ms;
    Partial last = { .start_ns = now_ns() };
    bool done = false;

    partial_note(ms, &last);

    while (!done) {
        bool near = source_near_wanted(run, ram->dirty_bytes);

        if (near) {
            source_near_slice_begin(run);
        } else {
            source_near_pass_end(run);
        }
        if (migration_has_failed(ms) || !send_slice(run, se, &done, errp)) {
            return SOURCE_FAILED;
        }
        if (near) {
            source_near_slice_end(run);
        }
        if (qatomic_read(&ms->start_postcopy) &&
            migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
            return SOURCE_POSTCOPY;
        }
        if (!done) {
            report_partial(run, ram, &last);
        }
    }
    return SOURCE_SWITCH;
}

/* migrate-start-postcopy without postcopy-ram: the bits may follow the guest; its
 * memory goes before it. One that has never answered cannot be given it so. */
static bool bitmaps_may_follow(MigrationState *ms)
{
    return ms->postcopy && ms->bitmap_section.sender &&
           qatomic_read(&ms->start_postcopy) && qatomic_read(&ms->last_pong);
}

/* Without migrate-start-postcopy memory that may follow need not. */
static SourceNext how_to_switch(MigrationState *ms)
{
    return ms->bitmap_section.postcopy &&
                   !migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM)
               ? SOURCE_POSTCOPY
               : SOURCE_SWITCH;
}

/* After a pass: may the next one be skipped? */
static bool decide(MigrationRun *run, const RAMPassReport *ram)
{
    PassReport report;
    Decision d;

    run->ms->bitmap_section.postcopy |= bitmaps_may_follow(run->ms);
    source_throttle_pass(run, ram);
    fill_report(run, ram, &report);
    policy_decide(run->ms->policy, &report, &d);
    carry_out(run, &d);
    return d.action == POLICY_SWITCH && report.can_switch;
}

SourceNext source_passes(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    const SaveStateEntry *se = savevm_find(reg, "ram", 0);
    /* The setup has begun the first pass, over all memory. */
    RAMPassReport ram = {
        .pass = 1,
        .total_bytes = stats_get(&ms->stats.total_bytes),
        .dirty_bytes = ram_dirty_bytes(ms->ram),
    };
    SourceNext next;

    stats_set(&ms->stats.phase, MIGRATION_PHASE_PRECOPY);
    source_throttle_begin(run);
    if (migrate_param(ms, mode) == MIG_MODE_CPR_REBOOT) {
        return SOURCE_SWITCH; /* all of it while the guest stands */
    }
    for (;;) {
        if (migrate_cap(ms, MIGRATION_CAPABILITY_EVENTS)) {
            qapi_event_send_migration_pass((int64_t)ram.pass);
        }
        next = send_pass(run, se, &ram, errp);
        source_near_pass_end(run);
        if (next != SOURCE_SWITCH) {
            return next;
        }
        if (!ram_pass_begin(ms->ram, &ram, errp)) {
            return SOURCE_FAILED;
        }
        if (decide(run, &ram)) {
            return how_to_switch(ms);
        }
    }
}
