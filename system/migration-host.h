/*
 * MigrationHost for the machine of this program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_MIGRATION_HOST_H
#define SYSTEM_MIGRATION_HOST_H

#include "hw/machine-ram.h"
#include "migration/host.h"

typedef struct SystemMigrationHost SystemMigrationHost;

/* Its opaque is a SystemMigrationHost. */
extern const MigrationHost system_migration_host;

/** migration_host_new: @user's own log of written pages is behind it. The
 *  machine is realized and outlives it. Thread: main. */
SystemMigrationHost *migration_host_new(MachineState *machine, RAMLogUser user);
/** migration_host_free: no call is under way. Accepts NULL. Thread: main. */
void migration_host_free(SystemMigrationHost *h);

#endif
