/*
 * Migration in this program: joins migration/ with the monitors, the run
 * state and the command line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_MIGRATION_H
#define SYSTEM_MIGRATION_H

#include <stdbool.h>

#include "util/typedefs.h"

typedef struct System System;

/** system_migration_new: settings and state, from -global migration.NAME=VALUE
 * and -only-migratable. Before monitors and devices. */
bool system_migration_new(System *s, Error **errp);

/** system_migration_machine: the machine is realized. Before its first
 * reset. */
void system_migration_machine(System *s);

/** system_migration_incoming: -incoming: begin to listen. */
bool system_migration_incoming(System *s, Error **errp);

/** system_migration_end: cancel, wait, free; before the machine goes. */
void system_migration_end(System *s);

/**
 * system_migration_cont / stop: the user says whether the guest is to run.
 * In state inmigrate that is noted until it has arrived.
 *
 * Returns: true: the run state may be changed now; false: it was noted
 * (cont, stop), or refused with @errp set (cont).
 */
bool system_migration_cont(Error **errp);
bool system_migration_stop(void);

#endif
