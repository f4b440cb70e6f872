/*
 * Telling the network where the guest is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_ANNOUNCE_H
#define MIGRATION_ANNOUNCE_H

#include "migration/migration.h"

/** migration_announce: by the parameters announce-*; returns at once. Thread:
 * any. */
void migration_announce(MigrationState *ms);

#endif
