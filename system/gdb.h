/*
 * -gdb, -s and the monitor's "gdbserver".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_GDB_H
#define SYSTEM_GDB_H

#include "util/typedefs.h"

/* Only this host may connect to what -s opens: a debugger has it all. */
#define GDB_DEFAULT_DEVICE "tcp:127.0.0.1:1234"

/**
 * system_gdb_start:
 * @device: (in) as after -gdb: "tcp:HOST:PORT", "unix:PATH", any other
 *          character device, or "none" to end the server
 *
 * Replaces a server that is there.
 *
 * Errors: the device; a machine without CPUs; an accelerator that cannot.
 */
bool system_gdb_start(const char *device, Error **errp);
/** system_gdb_end: no-op without a server. */
void system_gdb_end(void);

#endif
