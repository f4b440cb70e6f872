/*
 * Where the GDB server meets the machine and the run state.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "gdb.h"

#include "gdbstub/gdb-server.h"
#include "hw/cpu-debug.h"
#include "monitor/monitor.h"
#include "util/error.h"

#include "migration.h"
#include "runstate.h"
#include "snapshot.h"
#include "startup.h"

static GdbServer *server; /* the one there is; main thread */
static bool in_monitor;   /* it runs a command of the monitor */

static MachineState *machine_of(void *opaque)
{
    return ((System *)opaque)->machine;
}

static unsigned host_cpu_count(void *opaque)
{
    return machine_cpu_count(machine_of(opaque));
}

static bool host_get_state(void *opaque, unsigned cpu, unsigned mask,
                           X86CPUState *state, Error **errp)
{
    return machine_cpu_get_state(machine_of(opaque), cpu, mask, state, errp);
}

static bool host_set_state(void *opaque, unsigned cpu, unsigned mask,
                           const X86CPUState *state, Error **errp)
{
    return machine_cpu_set_state(machine_of(opaque), cpu, mask, state, errp);
}

static size_t host_memory(void *opaque, const X86CPUState *state, uint64_t addr,
                          void *buf, size_t len, bool write)
{
    return machine_memory_rw(machine_of(opaque), state, addr, buf, len, write);
}

static bool host_set_debug(void *opaque, unsigned cpu, const AccelDebug *debug,
                           Error **errp)
{
    return machine_cpu_set_debug(machine_of(opaque), cpu, debug, errp);
}

static void host_hold(void *opaque, unsigned cpu, bool hold)
{
    machine_cpu_hold(machine_of(opaque), cpu, hold);
}

/* A guest that a snapshot holds runs, for those who ask from outside. */
static bool host_running(void *opaque)
{
    return run_state_is_running() || snapshot_will_run(opaque);
}

static void host_stop(void *opaque)
{
    if (snapshot_note_run(opaque, false)) {
        /* It stands already. */
        if (server) {
            gdb_server_stopped(server, 0, NULL);
        }
        return;
    }
    if (run_state_is_running()) {
        vm_stop(RUN_STATE_PAUSED);
    }
}

static bool host_cont(void *opaque, Error **errp)
{
    if (snapshot_note_run(opaque, true)) {
        return true;
    }
    if (run_state_needs_reset()) {
        error_setg(errp, "the guest can go on only after a reset");
        return false;
    }
    if (run_state_get() == RUN_STATE_INMIGRATE) {
        system_migration_cont(NULL); /* when it has come */
        return true;
    }
    if (!system_migration_cont(errp)) {
        return false;
    }
    vm_start();
    return true;
}

static char *host_monitor(void *opaque, const char *line)
{
    char *text;

    in_monitor = true;
    text = monitor_hmp_run(((System *)opaque)->monitors, line);
    in_monitor = false;
    return text;
}

static void host_kill(void *opaque)
{
    run_request_quit(SHUTDOWN_CAUSE_HOST_UI);
}

static const GdbHost gdb_host = {
    .cpu_count = host_cpu_count,
    .get_state = host_get_state,
    .set_state = host_set_state,
    .memory = host_memory,
    .set_debug = host_set_debug,
    .hold = host_hold,
    .running = host_running,
    .stop = host_stop,
    .cont = host_cont,
    .monitor = host_monitor,
    .kill = host_kill,
};

static void guest_stopped(void *opaque, int debug_cpu)
{
    System *s = opaque;
    AccelDebugHit hit;

    if (debug_cpu < 0) {
        gdb_server_stopped(server, 0, NULL);
        return;
    }
    machine_cpu_debug_hit(s->machine, (unsigned)debug_cpu, &hit);
    gdb_server_stopped(server, (unsigned)debug_cpu, &hit);
}

/* A socket listens and does not wait unless the user says otherwise. */
static char *complete_device(const char *device)
{
    if (g_str_has_prefix(device, "tcp:")) {
        return g_strdup_printf("%s,server=on,wait=off,nodelay=on", device);
    }
    if (g_str_has_prefix(device, "unix:")) {
        return g_strdup_printf("%s,server=on,wait=off", device);
    }
    return g_strdup(device);
}

bool system_gdb_start(const char *device, Error **errp)
{
    System *s = system_get();
    g_autofree char *spec = complete_device(device);
    Chardev *chr;

    if (in_monitor) {
        error_setg(errp, "the debugger cannot replace its own connection");
        return false;
    }
    system_gdb_end();
    if (g_str_equal(device, "none")) {
        return true;
    }
    if (!s->machine || !machine_cpu_count(s->machine)) {
        error_setg(errp, "there is no CPU to debug");
        return false;
    }
    if (!machine_can_debug(s->machine)) {
        error_setg(errp, "accelerator '%s' cannot be debugged",
                   machine_accel_name(s->machine));
        return false;
    }
    chr = qemu_chr_new_legacy("gdb", spec, true, NULL, errp);
    if (!chr) {
        return false;
    }
    server = gdb_server_new(chr, &gdb_host, s, errp);
    if (!server) {
        return false;
    }
    run_on_stop(guest_stopped, s);
    return true;
}

void system_gdb_end(void)
{
    run_on_stop(NULL, NULL);
    gdb_server_free(server);
    server = NULL;
}
