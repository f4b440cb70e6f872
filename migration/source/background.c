/*
 * Capability background-snapshot: the state of one moment is saved while the
 * guest goes on.
 *
 *     header, list of RAM
 *     stop; device states to memory; protect RAM; go on
 *     RAM as it was, then the device states, EOF
 *
 * The guest stands only between "stop" and "go on". Afterwards it is here, as
 * if nothing had been; the copy is for whoever loads the stream. Disks are not
 * part of it and stay ours.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/background.h"

#include "migration/qemu-file.h"
#include "migration/ram/pacer.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/pipe.h"
#include "trace/trace-migration.h"
#include "util/timer.h"

#define SLICE_NS (INT64_C(20) * 1000 * 1000)

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

static void memory_failed(void *opaque, Error *err)
{
    migration_fail(opaque, err);
}

static const RAMBackgroundOps background_ops = { .failed = memory_failed };

static bool capture(MigrationState *ms, SaveVMDevices *ret, Error **errp)
{
    const MigrationHost *host = ms->host;
    bool ok;

    host->lock(ms->host_opaque);
    ok = savevm_capture_devices(host->registry(ms->host_opaque),
                                !host->suppress_vmdesc(ms->host_opaque), ret,
                                errp);
    host->unlock(ms->host_opaque);
    return ok;
}

/* The moment. If it fails, the guest is taken back as from any switchover. */
static bool take_moment(MigrationRun *run, RAMBackground *b,
                        SaveVMDevices *devices, Error **errp)
{
    MigrationState *ms = run->ms;
    const MigrationHost *host = ms->host;
    bool ok;

    if (!source_stop_guest(run, errp) || !capture(ms, devices, errp) ||
        !ram_background_protect(b, errp)) {
        return false;
    }
    ok = run->before == RUN_STATE_RUNNING
             ? host->start(ms->host_opaque, errp)
             : host->run_state_set(ms->host_opaque, run->before, errp);
    run->stopped = !ok;
    source_finish_downtime(run);
    stats_set(&ms->stats.phase, MIGRATION_PHASE_PRECOPY);
    return ok;
}

static bool send_memory(MigrationRun *run, RAMBackground *b, Error **errp)
{
    MigrationState *ms = run->ms;
    SaveVMRegistry *reg = ms->host->registry(ms->host_opaque);
    const SaveStateEntry *se = savevm_find(reg, "ram", 0);
    QEMUFile *f = ms->to_dst_file;
    RAMSendResult r = RAM_SEND_MORE;

    while (r == RAM_SEND_MORE) {
        if (migration_has_failed(ms)) {
            return false;
        }
        savevm_part_begin(reg, f, se);
        r = ram_background_send(b, f, SLICE_NS, errp);
        if (r == RAM_SEND_ERROR) {
            return false;
        }
        savevm_part_end(reg, f, se);
        stats_sample(&ms->stats, &run->period, now_ns());
    }
    return true;
}

static bool flush(QEMUFile *f, Error **errp)
{
    if (qemu_fflush(f) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return true;
}

static bool send_devices(MigrationState *ms, SaveVMDevices *devices,
                         Error **errp)
{
    QEMUFile *f = ms->to_dst_file;

    if (!savevm_complete(ms->host->registry(ms->host_opaque), f, false, errp)) {
        return false;
    }
    savevm_send_devices(f, devices);
    savevm_send_eof(f);
    savevm_send_vmdesc(f, devices);
    stats_main_bytes(&ms->stats, devices->len + devices->vmdesc_len);
    return flush(f, errp);
}

bool source_background(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    g_auto(SaveVMDevices) devices = { 0 };
    RAMBackground *b = ram_background_new(ms->ram, &background_ops, ms, errp);
    bool ok = b && !migration_has_failed(ms) &&
              take_moment(run, b, &devices, errp) && send_memory(run, b, errp);

    /* Nobody waits for us any more, also where it failed. */
    ram_background_free(b);
    ok = ok && send_devices(ms, &devices, errp) &&
         source_decide(run, VERDICT_COMMIT);
    /* A program has done its work when it says so; a file is complete when the
     * kernel has taken it all. */
    return ok && migration_pipe_finish(ms->to_dst, -1, true, errp) &&
           qio_channel_close(ms->to_dst, errp) == 0;
}
