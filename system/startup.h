/*
 * From a command line to a running machine, and back to nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_STARTUP_H
#define SYSTEM_STARTUP_H

#include "config.h"

typedef struct MachineState MachineState;
typedef struct MigrationState MigrationState;
typedef struct MonitorSet MonitorSet;
typedef struct QmpCommandList QmpCommandList;
typedef struct CompatPolicy CompatPolicy;
typedef struct SystemMigrationHost SystemMigrationHost;

/* What exists while the program runs; one per process, for QMP handlers. */
typedef struct System {
    SystemConfig *config;
    MonitorSet *monitors;
    QmpCommandList *commands;
    CompatPolicy *compat;
    MachineState *machine; /* NULL before startup_machine() */
    MigrationState *migration;
    SystemMigrationHost *migration_host; /* NULL before startup_machine() */
    SystemMigrationHost *rate_host;      /* with logs of their own */
    SystemMigrationHost *limit_host;
    struct DirtyTracking *dirty_tracking;
    struct SnapshotWork *snapshot; /* that is being done, or NULL */
    uint64_t clock_origin_ns;      /* of the guest's clock, for people */
    int preconfig;                 /* atomic: the machine is still to be made */
    bool machine_ready;            /* realized: devices may be added */
} System;

/** system_get: (transfer none) the one there is. */
System *system_get(void);

/** startup_process: messages, logs, background, pid file, descriptors. */
bool startup_process(System *s, Error **errp);
/** startup_backends: objects, character devices, monitors. */
bool startup_backends(System *s, Error **errp);
/** startup_machine: machine and devices; leaves the preconfig state. */
bool startup_machine(System *s, Error **errp);
/** startup_run: wait for peers, lock the door, let the guest run. */
bool startup_run(System *s, Error **errp);

/** system_loadvm: -loadvm, if it was given. */
bool system_loadvm(System *s, Error **errp);

/** shutdown_all: undo all of it, in reverse. */
void shutdown_all(System *s);

/* -- default-devices.c --------------------------------------------------- */

/** default_devices_choose: serial port and monitor when none was asked for. */
void default_devices_choose(SystemConfig *config);

/* -- commands.c -------------------------------------------------------- */

/** system_monitors_new: the monitor set with all commands of this program. */
MonitorSet *system_monitors_new(System *s, Error **errp);
/** system_commands_free: after the monitor set is gone. */
void system_commands_free(System *s);

#endif
