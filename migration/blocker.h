/*
 * Blockers: reasons why a migration is impossible now.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BLOCKER_H
#define MIGRATION_BLOCKER_H

#include "migration/migration.h"

typedef struct MigrationBlockers MigrationBlockers;

MigrationBlockers *migration_blockers_new(void);
/** migration_blockers_free: accepts NULL. */
void migration_blockers_free(MigrationBlockers *b);

/** migration_is_blocked: true with @errp set: there is a reason; the machine
 * is there. Thread: main. */
bool migration_is_blocked(MigrationState *ms, Error **errp);

/** migration_blocked_reasons: (transfer full) (nullable) all of them. Thread:
 * any. */
strList *migration_blocked_reasons(MigrationState *ms);

#endif
