/*
 * MigrationHost for the machine of this program: joins migration/ with hw/,
 * block/, net/ and the run state.
 *
 * What only the main thread may do (starting, stopping, disks) is done there
 * by a bottom half, for which the caller waits; in the main thread itself it
 * is done at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration-host.h"

#include "block/block-backend.h"
#include "hw/cpu-debug.h"
#include "hw/machine-lock.h"
#include "net/net.h"
#include "util/main-call.h"
#include "util/main-loop.h"
#include "util/timer.h"
#include "util/uuid.h"

#include "identity.h"
#include "migration-bitmaps.h"
#include "runstate.h"

struct SystemMigrationHost {
    MachineState *machine;
    RAMLogUser user;

    /* main thread */
    QEMUTimer *announce_timer; /* NULL: none under way */
    MigrationAnnounce announce;
    int64_t announce_round;
};

/* -- in the main thread ---------------------------------------------------- */

typedef struct HostCall {
    bool (*func)(SystemMigrationHost *h, void *arg, Error **errp);
    SystemMigrationHost *h;
    void *arg;
} HostCall;

static bool host_call(void *opaque, Error **errp)
{
    HostCall *call = opaque;

    return call->func(call->h, call->arg, errp);
}

static bool in_main(SystemMigrationHost *h,
                    bool (*func)(SystemMigrationHost *, void *, Error **),
                    void *arg, Error **errp)
{
    HostCall call = { func, h, arg };

    return main_call(host_call, &call, errp);
}

/* -- identity ---------------------------------------------------------------- */

static const char *host_machine_type(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return MACHINE_GET_CLASS(h->machine)->name;
}

static bool host_uuid(void *opaque, uint8_t ret[16])
{
    QemuUUID uuid;

    if (qemu_uuid_parse(identity_uuid(), &uuid) < 0 ||
        qemu_uuid_is_null(&uuid)) {
        return false;
    }
    memcpy(ret, uuid.data, 16);
    return true;
}

static bool host_suppress_vmdesc(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_suppress_vmdesc(h->machine);
}

static SaveVMRegistry *host_registry(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_savevm(h->machine);
}

/* -- run state ----------------------------------------------------------------- */

static RunState host_run_state(void *opaque)
{
    return run_state_get();
}

static bool set_state(SystemMigrationHost *h, void *arg, Error **errp)
{
    const RunState *to = arg;

    if (!run_state_can_move(*to)) {
        error_setg(errp, "the guest cannot go from state '%s' to '%s'",
                   RunState_str(run_state_get()), RunState_str(*to));
        return false;
    }
    run_state_move(*to);
    return true;
}

static bool host_run_state_set(void *opaque, RunState state, Error **errp)
{
    return in_main(opaque, set_state, &state, errp);
}

typedef struct StopCall {
    RunState state;
    int64_t stopped_ns;
} StopCall;

static bool do_stop(SystemMigrationHost *h, void *arg, Error **errp)
{
    StopCall *call = arg;

    if (!machine_note_run_state(h->machine, RunState_str(run_state_get()),
                                errp)) {
        return false;
    }
    if (!run_state_is_running()) {
        call->stopped_ns = get_clock();
        return set_state(h, &call->state, errp);
    }
    call->stopped_ns = get_clock();
    vm_stop(call->state);
    blk_drain_all();
    return true;
}

static bool host_stop(void *opaque, RunState state, int64_t *ret_stopped_ns,
                      Error **errp)
{
    StopCall call = { .state = state };

    if (!in_main(opaque, do_stop, &call, errp)) {
        return false;
    }
    if (ret_stopped_ns) {
        *ret_stopped_ns = call.stopped_ns;
    }
    return true;
}

static bool do_start(SystemMigrationHost *h, void *arg, Error **errp)
{
    RunState to = RUN_STATE_RUNNING;

    if (run_state_is_running()) {
        return true;
    }
    if (!run_state_can_move(to)) {
        return set_state(h, &to, errp);
    }
    vm_start();
    return true;
}

static bool host_start(void *opaque, Error **errp)
{
    return in_main(opaque, do_start, NULL, errp);
}

static void host_lock(void *opaque)
{
    machine_lock();
}

static void host_unlock(void *opaque)
{
    machine_unlock();
}

/* -- memory ---------------------------------------------------------------------- */

static const RAMBlockList *host_ram_blocks(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_ram_blocks(h->machine);
}

static bool host_ram_remap(void *opaque, RAMBlock *rb, RAMRemap how, int fd,
                           uint64_t offset, Error **errp)
{
    SystemMigrationHost *h = opaque;
    bool ok;

    machine_lock();
    ok = machine_ram_remap(h->machine, rb, how, fd, offset, errp);
    machine_unlock();
    return ok;
}

static void host_ram_written(void *opaque, RAMBlock *rb, uint64_t offset,
                             uint64_t len)
{
    SystemMigrationHost *h = opaque;

    machine_ram_changed(h->machine, rb, offset, len);
}

static bool host_dirty_log_start(void *opaque, Error **errp)
{
    SystemMigrationHost *h = opaque;

    return machine_ram_log_start(h->machine, h->user, errp);
}

static void host_dirty_log_stop(void *opaque)
{
    SystemMigrationHost *h = opaque;

    machine_ram_log_stop(h->machine, h->user);
}

static bool host_dirty_sync(void *opaque, RAMBlock *rb, uint64_t first_page,
                            uint64_t n_pages, unsigned long *bitmap,
                            uint64_t *ret_new, Error **errp)
{
    SystemMigrationHost *h = opaque;

    return machine_ram_log_sync(h->machine, h->user, rb, first_page, n_pages,
                                bitmap, ret_new, errp);
}

static void host_dirty_clear(void *opaque, RAMBlock *rb, uint64_t first_page,
                             uint64_t n_pages)
{
    SystemMigrationHost *h = opaque;

    machine_ram_log_clear(h->machine, rb, first_page, n_pages);
}

/* -- vCPUs -------------------------------------------------------------------------- */

static unsigned host_vcpu_count(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_cpu_count(h->machine);
}

static int host_vcpu_thread_id(void *opaque, unsigned cpu)
{
    SystemMigrationHost *h = opaque;

    return machine_cpu_thread_id(h->machine, cpu);
}

static bool host_vcpu_dirty_pages(void *opaque, unsigned cpu,
                                  uint64_t *ret_pages)
{
    SystemMigrationHost *h = opaque;

    return machine_cpu_dirty_pages(h->machine, cpu, ret_pages);
}

static void host_throttle_set(void *opaque, unsigned percent)
{
    SystemMigrationHost *h = opaque;

    machine_throttle_set(h->machine, percent);
}

static unsigned host_throttle_get(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_throttle_get(h->machine);
}

static void host_vcpu_throttle_set(void *opaque, unsigned cpu, unsigned share)
{
    SystemMigrationHost *h = opaque;

    machine_throttle_set_one(h->machine, cpu, share);
}

static uint64_t host_vcpu_throttled_ns(void *opaque, unsigned cpu)
{
    SystemMigrationHost *h = opaque;

    return machine_throttled_ns(h->machine, cpu);
}

static uint64_t host_ring_full_ns(void *opaque)
{
    SystemMigrationHost *h = opaque;

    return machine_dirty_ring_full_ns(h->machine);
}

/* -- disks --------------------------------------------------------------------------- */

static bool do_inactivate(SystemMigrationHost *h, void *arg, Error **errp)
{
    return blk_inactivate_all(errp);
}

static bool do_activate(SystemMigrationHost *h, void *arg, Error **errp)
{
    return blk_activate_all(errp);
}

static bool host_disks_inactivate(void *opaque, Error **errp)
{
    return in_main(opaque, do_inactivate, NULL, errp);
}

static bool host_disks_activate(void *opaque, Error **errp)
{
    return in_main(opaque, do_activate, NULL, errp);
}

/* -- network --------------------------------------------------------------------------- */

static void announce_end(SystemMigrationHost *h)
{
    if (h->announce_timer) {
        timer_free(h->announce_timer);
        h->announce_timer = NULL;
    }
}

static void announce_tick(void *opaque)
{
    SystemMigrationHost *h = opaque;
    const MigrationAnnounce *a = &h->announce;
    int64_t delay = a->initial_ms + h->announce_round * a->step_ms;

    net_announce_all();
    if (++h->announce_round >= a->rounds) {
        announce_end(h);
        return;
    }
    timer_mod(h->announce_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + MIN(delay, a->max_ms));
}

static bool do_announce(SystemMigrationHost *h, void *arg, Error **errp)
{
    h->announce = *(const MigrationAnnounce *)arg;
    h->announce_round = 0;
    if (h->announce.rounds == 0) {
        announce_end(h);
        return true;
    }
    if (!h->announce_timer) {
        h->announce_timer = timer_new_ms(QEMU_CLOCK_REALTIME, announce_tick, h);
    }
    announce_tick(h);
    return true;
}

typedef struct AnnounceCall {
    SystemMigrationHost *h;
    MigrationAnnounce how;
} AnnounceCall;

static void announce_bh(void *opaque)
{
    g_autofree AnnounceCall *call = opaque;

    do_announce(call->h, &call->how, NULL);
}

static void host_announce(void *opaque, const MigrationAnnounce *how)
{
    AnnounceCall *call = g_new(AnnounceCall, 1);

    *call = (AnnounceCall){ .h = opaque, .how = *how };
    aio_bh_schedule_oneshot(qemu_get_aio_context(), announce_bh, call);
}

/* -- table ------------------------------------------------------------------------------- */

const MigrationHost system_migration_host = {
    .machine_type = host_machine_type,
    .uuid = host_uuid,
    .suppress_vmdesc = host_suppress_vmdesc,
    .registry = host_registry,
    .run_state = host_run_state,
    .run_state_set = host_run_state_set,
    .stop = host_stop,
    .start = host_start,
    .lock = host_lock,
    .unlock = host_unlock,
    .ram_blocks = host_ram_blocks,
    .ram_remap = host_ram_remap,
    .ram_written = host_ram_written,
    .dirty_log_start = host_dirty_log_start,
    .dirty_log_stop = host_dirty_log_stop,
    .dirty_sync = host_dirty_sync,
    .dirty_clear = host_dirty_clear,
    .vcpu_count = host_vcpu_count,
    .vcpu_thread_id = host_vcpu_thread_id,
    .vcpu_dirty_pages = host_vcpu_dirty_pages,
    .throttle_set = host_throttle_set,
    .throttle_get = host_throttle_get,
    .vcpu_throttle_set = host_vcpu_throttle_set,
    .vcpu_throttled_ns = host_vcpu_throttled_ns,
    .ring_full_ns = host_ring_full_ns,
    .disks_inactivate = host_disks_inactivate,
    .disks_activate = host_disks_activate,
    .bitmaps = &system_migration_bitmaps,
    .announce = host_announce,
};

SystemMigrationHost *migration_host_new(MachineState *machine, RAMLogUser user)
{
    SystemMigrationHost *h = g_new0(SystemMigrationHost, 1);

    h->machine = machine;
    h->user = user;
    return h;
}

void migration_host_free(SystemMigrationHost *h)
{
    if (h) {
        announce_end(h);
        machine_ram_log_stop(h->machine, h->user);
        g_free(h);
    }
}
