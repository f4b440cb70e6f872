/*
 * Loading a guest: what the stream's parts do here, and the last step, in
 * which it begins to run.
 *
 * When all is here the source is told so, and it commits: from then on the
 * guest is ours. In between nobody but the source knows; so a connection that
 * breaks there ends the load, and the guest goes on where it was.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/cpr.h"
#include "migration/incoming/internal.h"
#include "migration/multifd/multifd.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/qemu-file.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"
#include "migration/stream/announce.h"
#include "migration/stream/savevm.h"
#include "util/lockable.h"
#include "util/main-call.h"

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

/* -- what comes with the stream ------------------------------------------------------ */

static void our_config(MigrationIncoming *mis, ConfigSection *c)
{
    MigrationState *ms = mis->ms;
    uint8_t uuid[16];

    config_section_init(c, ms->host->machine_type(ms->host_opaque));
    if (migrate_cap(ms, MIGRATION_CAPABILITY_VALIDATE_UUID) &&
        ms->host->uuid(ms->host_opaque, uuid)) {
        config_section_set_uuid(c, uuid);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED)) {
        config_section_add_capability(c, "x-ignore-shared");
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        config_section_add_capability(c, "mapped-ram");
    }
}

static bool make_ram(MigrationIncoming *mis, Error **errp)
{
    MigrationState *ms = mis->ms;
    RAMIncomingConfig config = {
        .host = ms->host,
        .host_opaque = ms->host_opaque,
        .ops = { .place = postcopy_place, .opaque = mis },
        .multifd = mis->multifd,
        .file = mis->file_ram,
        .postcopy = migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM),
        .ignore_shared =
            mis->cpr || migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED),
        .decompress_threads = (unsigned)migrate_param(ms, decompress_threads),
    };

    mis->ram = ram_incoming_new(&config, errp);
    ms->ram_section.incoming = mis->ram;
    return mis->ram != NULL;
}

static void make_bitmaps(MigrationIncoming *mis)
{
    MigrationState *ms = mis->ms;
    g_autoptr(json_t) mapping = NULL;

    if (!ms->host->bitmaps) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        mapping = json_incref(ms->params.block_bitmap_mapping);
    }
    mis->bitmaps =
        bitmap_loader_new(ms->host->bitmaps, ms->host_opaque, mapping,
                          migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_BITMAPS),
                          &mis->bitmap_stats);
    ms->bitmap_section.loader = mis->bitmaps;
}

/* Devices may still be added on this side. */
static bool check_devices(MigrationState *ms, const ConfigDevices *theirs,
                          Error **errp)
{
    const MigrationHost *host = ms->host;
    bool ok;

    host->lock(ms->host_opaque);
    ok = config_devices_check(theirs, host->registry(ms->host_opaque),
                              host->vcpu_count(ms->host_opaque), errp);
    host->unlock(ms->host_opaque);
    return ok;
}

static bool config_fits(MigrationIncoming *mis, const ConfigSection *theirs,
                        Error **errp)
{
    g_auto(ConfigSection) ours = { 0 };

    our_config(mis, &ours);
    return config_section_check(theirs, &ours, errp) &&
           cpr_incoming_fits(mis, theirs, errp) &&
           (!theirs->devices || check_devices(mis->ms, theirs->devices, errp));
}

/*
 * The gate: the configuration of @c fits, so if nobody was faster it is the
 * source.
 */
static bool accept_source(void *opaque, const ConfigSection *theirs,
                          Error **errp)
{
    Candidate *c = opaque;
    MigrationIncoming *mis = c->mis;

    if (migrate_param(mis->ms, send_configuration) &&
        !config_fits(mis, theirs, errp)) {
        c->differs = true;
        return false;
    }
    if (!migration_move(&mis->course, MIGRATION_STATUS_SETUP,
                        MIGRATION_STATUS_ACTIVE)) {
        error_setg(errp, "another source is here already");
        return false;
    }
    c->accepted = true;
    qatomic_set(&mis->start_ns, now_ns());
    mis->from_src = QIO_CHANNEL(object_ref(OBJECT(c->ioc)));
    mis->from_src_file = g_steal_pointer(&c->f);
    make_bitmaps(mis);
    return cpr_incoming_adopt(mis, theirs, errp) &&
           multifd_recv_start_file(mis, errp) && make_ram(mis, errp);
}

static void load_lock(void *opaque)
{
    MigrationState *ms = ((Candidate *)opaque)->mis->ms;

    ms->host->lock(ms->host_opaque);
}

static void load_unlock(void *opaque)
{
    MigrationState *ms = ((Candidate *)opaque)->mis->ms;

    ms->host->unlock(ms->host_opaque);
}

static bool load_open_return_path(void *opaque, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;

    if (mis->to_src) {
        error_setg(errp, "the return path is open already");
        return false;
    }
    mis->to_src = return_sender_new(mis->from_src);
    return true;
}

/* Away from the source's processor: what begins here may go anywhere. */
static void leave_source(MigrationIncoming *mis)
{
    near_unpin(&mis->run->near_pin, qemu_get_thread_id());
    ram_incoming_set_near(mis->ram, false);
    if (mis->multifd) {
        multifd_recv_unpin(mis->multifd);
    }
}

/* Returns: false: a thread of ours may not run where the source's does. */
static bool follow_source(MigrationIncoming *mis, const NearPing *ping)
{
    bool ok;

    if (ping->channel != NEAR_MAIN) {
        return !mis->multifd ||
               multifd_recv_pin(mis->multifd, ping->channel, ping->cpu);
    }
    ok = near_pin(&mis->run->near_pin, qemu_get_thread_id(), ping->cpu);
    ram_incoming_set_near(mis->ram, ok);
    return ok;
}

/* Only a source that was found to be on this host can place threads. */
static bool join_source(MigrationIncoming *mis, const NearPing *ping,
                        Error **errp)
{
    if (!mis->run->near) {
        return true;
    }
    if (ping->cpu == NEAR_ANYWHERE) {
        leave_source(mis);
    } else if (!follow_source(mis, ping)) {
        leave_source(mis);
        mis->run->near = false;
        return return_sender_pong(mis->to_src, NEAR_PONG_FAR, errp);
    }
    return true;
}

static bool load_near(MigrationIncoming *mis, uint32_t value, Error **errp)
{
    NearPing ping = near_ping_decode(value);

    if (ping.kind == NEAR_PING_CPU) {
        return join_source(mis, &ping, errp);
    }
    if (ping.kind == NEAR_PING_HOST && ping.here &&
        near_channel(mis->from_src)) {
        mis->run->near = true;
        return return_sender_pong(mis->to_src, NEAR_PONG, errp);
    }
    return true;
}

static bool load_ping(void *opaque, uint32_t value, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;
    uint32_t answer;

    if (postcopy_incoming_urgent_ping(mis, value, &answer)) {
        return return_sender_pong(mis->to_src, answer, errp);
    }
    if (!load_near(mis, value, errp) ||
        (value == MIGRATION_PING_URGENT_USED &&
         !postcopy_incoming_urgent_used(mis, errp))) {
        return false;
    }
    if (value == MIGRATION_PING_WILL_COMMIT) {
        mis->run->will_commit = true;
        postcopy_incoming_will_commit(mis);
        /* First: with the PONG the source knows whether this is one that waits
         * for the commit. */
        if (!return_sender_pong(mis->to_src, MIGRATION_PONG_COMMITS, errp)) {
            return false;
        }
    }
    if (!return_sender_pong(mis->to_src, value, errp)) {
        return false;
    }
    /* Everything that a destination prepares is prepared by now. */
    return value != MIGRATION_PING_OPEN ||
           !migrate_cap(mis->ms, MIGRATION_CAPABILITY_SWITCHOVER_ACK) ||
           return_sender_switchover_ack(mis->to_src, errp);
}

static bool load_advise(void *opaque, uint64_t page_sizes,
                        uint64_t target_page_size, Error **errp)
{
    return postcopy_incoming_advise(((Candidate *)opaque)->mis, page_sizes,
                                    target_page_size, errp);
}

static bool load_listen(void *opaque, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;

    leave_source(mis);
    if (mis->multifd) {
        multifd_recv_quiet(mis->multifd);
    }
    return postcopy_incoming_listen(mis, errp);
}

static bool load_run(void *opaque, Error **errp)
{
    return postcopy_incoming_run(((Candidate *)opaque)->mis, errp);
}

static bool load_resume(void *opaque, Error **errp)
{
    return postcopy_incoming_resume(((Candidate *)opaque)->mis, errp);
}

static bool load_recv_bitmap(void *opaque, const char *block, Error **errp)
{
    return postcopy_incoming_recv_bitmap(((Candidate *)opaque)->mis, block,
                                         errp);
}

static bool load_discard(void *opaque, const char *block,
                         const StreamRange *ranges, size_t n, Error **errp)
{
    return postcopy_incoming_discard(((Candidate *)opaque)->mis, block, ranges,
                                     n, errp);
}

static bool load_switchover_start(void *opaque, Error **errp)
{
    return true; /* nothing here waits for it */
}

static const SaveVMLoadOps load_ops = {
    .configured = accept_source,
    .lock = load_lock,
    .unlock = load_unlock,
    .open_return_path = load_open_return_path,
    .ping = load_ping,
    .postcopy_advise = load_advise,
    .postcopy_listen = load_listen,
    .postcopy_run = load_run,
    .ram_discard = load_discard,
    .postcopy_resume = load_resume,
    .recv_bitmap = load_recv_bitmap,
    .switchover_start = load_switchover_start,
};
/* -- the last step -------------------------------------------------------------------- */

static bool take_disks(MigrationIncoming *mis, Error **errp)
{
    MigrationState *ms = mis->ms;

    /* Who starts the guest later takes them then. */
    return (migrate_cap(ms, MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE) &&
            !qatomic_read(&mis->autostart)) ||
           ms->host->disks_activate(ms->host_opaque, errp);
}

/*
 * Disks and start in one visit to the main loop: the guest stands meanwhile.
 * Disks that cannot be had are a reason to refuse the guest even now.
 */
typedef struct LastStep {
    MigrationIncoming *mis;
    bool commit; /* it is the source's last word: who asks hears that it runs */
} LastStep;

static bool last_step(void *opaque, Error **errp)
{
    LastStep *step = opaque;
    MigrationIncoming *mis = step->mis;
    MigrationState *ms = mis->ms;

    if (!take_disks(mis, errp)) {
        return false;
    }
    if (step->commit) {
        qatomic_store_release(&mis->run->committed, true);
    }
    bitmap_loader_begin(mis->bitmaps);
    ms->program->incoming_done(ms->program_opaque,
                               qatomic_read(&mis->autostart));
    return true;
}

static bool start_guest(MigrationIncoming *mis, bool commit, Error **errp)
{
    LastStep step = { .mis = mis, .commit = commit };

    if (!main_call(last_step, &step, errp)) {
        return false;
    }
    migration_announce(mis->ms);
    return true;
}

bool migration_incoming_postcopy_run(MigrationIncoming *mis, Error **errp)
{
    return start_guest(mis, false, errp);
}
/* -- the load --------------------------------------------------------------------------- */

static bool get_ping(QEMUFile *f, uint32_t *ret_value)
{
    bool good = qemu_get_byte(f) == STREAM_COMMAND;

    good = qemu_get_be16(f) == STREAM_CMD_PING && good;
    good = qemu_get_be16(f) == sizeof(*ret_value) && good;
    *ret_value = qemu_get_be32(f);
    return good && qemu_file_get_error(f) == 0;
}

static void set_in_doubt(MigrationIncoming *mis, bool on)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    mis->run->in_doubt = on;
    mis->run->was_in_doubt |= on;
}

/* The source's word that it will never run the guest again. */
static bool await_commit(MigrationIncoming *mis, Error **errp)
{
    QEMUFile *f = mis->from_src_file;
    uint32_t value;

    if (qemu_peek_byte(f, 0) == STREAM_VMDESCRIPTION &&
        !savevm_load_vmdesc(f, errp)) {
        return false;
    }
    if (!mis->run->will_commit) {
        return true;
    }
    if (!get_ping(f, &value) || value != MIGRATION_PING_COMMIT) {
        error_setg(errp, "everything is here, but the source has not given "
                         "the guest up: it goes on there");
        return false;
    }
    return true;
}

/* The guest runs. Does the source know? If not, it will ask for a while. */
static void confirm(MigrationIncoming *mis)
{
    uint32_t value;

    mis->run->heard =
        !mis->run->will_commit ||
        (return_sender_pong(mis->to_src, MIGRATION_PING_COMMIT, NULL) &&
         get_ping(mis->from_src_file, &value));
}

/* A device for which nothing came would go on from its reset state. */
static bool is_complete(MigrationIncoming *mis, Error **errp)
{
    g_autofree char *missing =
        savevm_load_missing(mis->ms->host->registry(mis->ms->host_opaque));

    if (missing) {
        g_strdelimit(missing, "\n", ',');
        error_setg(errp, "the source has no state for devices of this side: %s",
                   missing);
    }
    return !missing;
}

static bool finish_load(MigrationIncoming *mis, Error **errp)
{
    bool ok;

    leave_source(mis);
    if (!is_complete(mis, errp) || !ram_load_finish(mis->ram, errp) ||
        (mis->bitmaps && !bitmap_loader_check(mis->bitmaps, errp)) ||
        !return_sender_shut(mis->to_src, 0, NULL, errp)) {
        return false;
    }
    set_in_doubt(mis, true);
    ok = await_commit(mis, errp) && start_guest(mis, true, errp);
    set_in_doubt(mis, false);
    if (ok) {
        confirm(mis);
    }
    return ok;
}

bool incoming_load(Candidate *c, Error **errp)
{
    MigrationIncoming *mis = c->mis;
    SaveVMRegistry *reg = mis->ms->host->registry(mis->ms->host_opaque);
    Error *err = NULL;

    switch (savevm_load_state(reg, c->f, &load_ops, c, &err)) {
    case SAVEVM_LOAD_QUIT:
        return false;
    case SAVEVM_LOAD_OK:
        if (finish_load(mis, &err)) {
            return true;
        }
        break;
    case SAVEVM_LOAD_ERROR:
        break;
    }
    if (c->accepted && postcopy_incoming_listening(mis)) {
        postcopy_incoming_package_failed(mis, err);
        error_free(err);
        return false;
    }
    error_propagate(errp, err);
    return true;
}
