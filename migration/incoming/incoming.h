/*
 * The incoming migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_INCOMING_H
#define MIGRATION_INCOMING_H

#include "migration/migration.h"

typedef struct MigrationTarget MigrationTarget;

/**
 * migration_incoming_expect:
 *
 * -incoming: this process is a destination; wait for migrate-incoming.
 * Thread: main.
 */
void migration_incoming_expect(MigrationState *ms);

/**
 * migration_incoming_begin:
 * @source: (in) checked; taken on success
 *
 * Listen, or begin to load. Thread: main.
 * Errors: not a destination; begun already; cannot listen there.
 */
bool migration_incoming_begin(MigrationState *ms, MigrationTarget *source,
                              bool exit_on_error, Error **errp);

/** migration_incoming_recover: `migrate-recover`. Thread: any. */
bool migration_incoming_recover(MigrationState *ms, MigrationTarget *source,
                                Error **errp);

/** migration_incoming_shutdown: the program ends. Thread: main. */
void migration_incoming_shutdown(MigrationState *ms);

#endif
