/*
 * The state of a stopped guest as one stream.
 *
 *     header, configuration, list of RAM, one pass of all RAM, devices, EOF,
 *     description
 *
 * It is a migration without a peer: nobody answers, nothing is given away, and
 * capabilities and parameters of migrations do not count. RAM goes the plain
 * way: zero and untouched pages as a few bytes, others as they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/snapshot.h"

#include "io/channel.h"
#include "migration/blocker.h"
#include "migration/migration-internal.h"
#include "migration/qemu-file.h"
#include "migration/ram/pacer.h"
#include "migration/stream/savevm.h"

/* -- nothing else at the same time --------------------------------------------- */

static bool is_elsewhere(const MigrationState *ms)
{
    RunState state = ms->host->run_state(ms->host_opaque);

    return state == RUN_STATE_POSTMIGRATE || state == RUN_STATE_FINISH_MIGRATE;
}

bool migration_snapshot_begin(MigrationState *ms, bool load, Error **errp)
{
    if (!ms->host) {
        error_setg(errp, "There is no machine yet");
        return false;
    }
    if (qatomic_read(&ms->in_snapshot)) {
        error_setg(errp, "another snapshot is being saved or loaded");
        return false;
    }
    if (!migration_is_idle(ms) || migration_incoming_expected(ms)) {
        error_setg(errp, "a snapshot is not possible while the machine is "
                         "being migrated");
        return false;
    }
    if (is_elsewhere(ms)) {
        error_setg(errp, "the guest was migrated: it is on the destination");
        return false;
    }
    if (!load && migration_is_blocked(ms, errp)) {
        return false;
    }
    qatomic_set(&ms->in_snapshot, true);
    return true;
}

void migration_snapshot_end(MigrationState *ms)
{
    qatomic_set(&ms->in_snapshot, false);
}

/* -- saving ---------------------------------------------------------------------- */

typedef struct Saver {
    MigrationState *ms;
    QEMUFile *f;
    MigrationSnapshotFunc *go_on;
    void *opaque;
    MigrationStats stats;
    Pacer *pacer;
    uint64_t total; /* bytes of memory */
} Saver;

static bool flush(QEMUFile *f, Error **errp)
{
    if (qemu_fflush(f) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return true;
}

static void send_header(Saver *s)
{
    MigrationState *ms = s->ms;
    const MigrationHost *host = ms->host;
    g_auto(ConfigSection) config = { 0 };

    config_section_init(&config, host->machine_type(ms->host_opaque));
    host->lock(ms->host_opaque);
    config.devices = config_devices_of(host->registry(ms->host_opaque),
                                       host->vcpu_count(ms->host_opaque));
    host->unlock(ms->host_opaque);
    savevm_send_header(host->registry(ms->host_opaque), s->f, &config);
}

static bool report(Saver *s, Error **errp)
{
    uint64_t left = ram_dirty_bytes(s->ms->ram);

    if (s->go_on &&
        !s->go_on(s->opaque, s->total - MIN(left, s->total), s->total)) {
        error_setg(errp, "it was cancelled");
        return false;
    }
    return true;
}

static bool send_memory(Saver *s, Error **errp)
{
    SaveVMRegistry *reg = s->ms->host->registry(s->ms->host_opaque);
    int done = 0;

    if (!savevm_setup(reg, s->f, errp)) {
        return false;
    }
    s->total = ram_dirty_bytes(s->ms->ram);
    while (!done) {
        done = savevm_iterate(reg, s->f, false, errp);
        if (done < 0 || !report(s, errp)) {
            return false;
        }
    }
    return savevm_complete(reg, s->f, false, errp) && report(s, errp);
}

static bool send_devices(Saver *s, SaveVMDevices *devices, Error **errp)
{
    MigrationState *ms = s->ms;
    const MigrationHost *host = ms->host;
    bool ok;

    host->lock(ms->host_opaque);
    ok = savevm_capture_devices(host->registry(ms->host_opaque),
                                !host->suppress_vmdesc(ms->host_opaque),
                                devices, errp);
    host->unlock(ms->host_opaque);
    if (!ok) {
        return false;
    }
    savevm_send_devices(s->f, devices);
    savevm_send_eof(s->f);
    savevm_send_vmdesc(s->f, devices);
    return flush(s->f, errp);
}

static bool save(Saver *s, Error **errp)
{
    MigrationState *ms = s->ms;
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    g_auto(SaveVMDevices) devices = { 0 };
    RAMSourceConfig config = {
        .host = ms->host,
        .host_opaque = ms->host_opaque,
        .stats = &s->stats,
        .pacer = s->pacer,
        .methods = { .zero_detect = true },
    };
    bool ok;

    ms->ram = ram_source_new(&config, errp);
    if (!ms->ram) {
        return false;
    }
    ms->ram_section.source = ms->ram;
    send_header(s);
    ok = send_memory(s, errp) && send_devices(s, &devices, errp);
    ms->ram_section.source = NULL;
    savevm_cleanup(reg);
    g_clear_pointer(&ms->ram, ram_source_free);
    return ok;
}

bool migration_snapshot_save(MigrationState *ms, QIOChannel *ioc,
                             MigrationSnapshotFunc *go_on, void *opaque,
                             Error **errp)
{
    g_autoptr(QEMUFile) f = qemu_file_new_output(ioc);
    g_autoptr(Pacer) pacer = pacer_new();
    Saver s = {
        .ms = ms, .f = f, .go_on = go_on, .opaque = opaque, .pacer = pacer
    };

    return save(&s, errp);
}

/* -- loading ----------------------------------------------------------------------- */

static bool check_config(void *opaque, const ConfigSection *theirs,
                         Error **errp)
{
    MigrationState *ms = opaque;
    const MigrationHost *host = ms->host;
    g_auto(ConfigSection) ours = { 0 };
    bool ok;

    config_section_init(&ours, host->machine_type(ms->host_opaque));
    if (!config_section_check(theirs, &ours, errp)) {
        return false;
    }
    if (!theirs->devices) {
        return true;
    }
    host->lock(ms->host_opaque);
    ok = config_devices_check(theirs->devices, host->registry(ms->host_opaque),
                              host->vcpu_count(ms->host_opaque), errp);
    host->unlock(ms->host_opaque);
    return ok;
}

static void load_lock(void *opaque)
{
    MigrationState *ms = opaque;

    ms->host->lock(ms->host_opaque);
}

static void load_unlock(void *opaque)
{
    MigrationState *ms = opaque;

    ms->host->unlock(ms->host_opaque);
}

/* Commands are for two sides that talk: none is taken. */
static const SaveVMLoadOps load_ops = {
    .configured = check_config,
    .lock = load_lock,
    .unlock = load_unlock,
};

/* A device for which nothing was saved would go on from its reset state. */
static bool is_complete(MigrationState *ms, Error **errp)
{
    g_autofree char *missing =
        savevm_load_missing(ms->host->registry(ms->host_opaque));

    if (missing) {
        g_strdelimit(missing, "\n", ',');
        error_setg(errp,
                   "the snapshot has no state for devices of this "
                   "machine: %s",
                   missing);
    }
    return !missing;
}

bool migration_snapshot_load(MigrationState *ms, QIOChannel *ioc, Error **errp)
{
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    g_autoptr(QEMUFile) f = qemu_file_new_input(ioc);
    RAMIncomingConfig config = {
        .host = ms->host,
        .host_opaque = ms->host_opaque,
        .decompress_threads = 1,
    };
    RAMIncoming *ram = ram_incoming_new(&config, errp);
    bool ok;

    if (!ram) {
        return false;
    }
    ms->ram_section.incoming = ram;
    ok = savevm_load_state(reg, f, &load_ops, ms, errp) == SAVEVM_LOAD_OK &&
         is_complete(ms, errp) && ram_load_finish(ram, errp);
    savevm_load_cleanup(reg);
    ms->ram_section.incoming = NULL;
    ram_incoming_free(ram);
    return ok;
}
