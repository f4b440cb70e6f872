/*
 * A server of GDB's remote serial protocol on a character device: stop, look,
 * change, step and continue the virtual CPUs. Each CPU is a thread of GDB's,
 * numbered from 1.
 *
 * The server knows the machine only by a GdbHost.
 *
 * Thread: the main loop's for everything here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GDBSTUB_GDB_SERVER_H
#define GDBSTUB_GDB_SERVER_H

#include "accel/accel.h"
#include "chardev/char.h"

typedef struct GdbServer GdbServer;

/**
 * GdbHost:
 * @cpu_count: CPUs, constant
 * @get_state, @set_state: registers of a CPU; @mask is of X86_STATE_*
 * @memory: as machine_memory_rw()
 * @set_debug: breakpoints and steps of a CPU; guest stopped
 * @hold: the CPU stays stopped when the guest goes on
 * @running: does the guest run?
 * @stop: pause the guest; it has stopped when the call returns
 * @cont: let it run. Errors: it cannot go on.
 * @monitor: run a command of the human monitor; (transfer full) its output
 * @kill: end the program
 */
typedef struct GdbHost {
    unsigned (*cpu_count)(void *opaque);
    bool (*get_state)(void *opaque, unsigned cpu, unsigned mask,
                      X86CPUState *state, Error **errp);
    bool (*set_state)(void *opaque, unsigned cpu, unsigned mask,
                      const X86CPUState *state, Error **errp);
    size_t (*memory)(void *opaque, const X86CPUState *state, uint64_t addr,
                     void *buf, size_t len, bool write);
    bool (*set_debug)(void *opaque, unsigned cpu, const AccelDebug *debug,
                      Error **errp);
    void (*hold)(void *opaque, unsigned cpu, bool hold);
    bool (*running)(void *opaque);
    void (*stop)(void *opaque);
    bool (*cont)(void *opaque, Error **errp);
    char *(*monitor)(void *opaque, const char *line);
    void (*kill)(void *opaque);
} GdbHost;

/**
 * gdb_server_new:
 * @chr: (in) without a front end
 * @host: (in) must outlive the server
 *
 * Errors: @chr is in use.
 */
GdbServer *gdb_server_new(Chardev *chr, const GdbHost *host, void *opaque,
                          Error **errp);
/** gdb_server_free: takes breakpoints back, deletes the chardev. Accepts
 *  NULL. */
void gdb_server_free(GdbServer *server);

/**
 * gdb_server_stopped:
 * @hit: (in) (nullable) what CPU @cpu came to; NULL: stopped for another
 *       reason
 *
 * The guest has stopped, for whatever reason. May let it go on at once (an
 * INT3 that is the guest's own).
 */
void gdb_server_stopped(GdbServer *server, unsigned cpu,
                        const AccelDebugHit *hit);

#endif
