/*
 * Live migration as a whole: what the rest of the program calls.
 *
 * There is one MigrationState, an object at "/migration" in the object tree.
 * It holds settings (capabilities, parameters), the outgoing migration and,
 * in a process started with -incoming, the incoming one. system/ makes it
 * before the monitors; devices find it to register blockers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MIGRATION_H
#define MIGRATION_MIGRATION_H

#include "migration/host.h"
#include "qapi/qapi-types-migration.h"
#include "qom/object.h"
#include "util/error.h"

typedef struct QIOChannel QIOChannel;
typedef struct MigrationState MigrationState;

#define TYPE_MIGRATION "migration"

/**
 * MigrationProgram:
 *
 * What migration needs of the program beside the machine (MigrationHost). All
 * mandatory.
 *
 * @yank_add: from now on `yank` of the migration calls @func, which may call
 *     shutdown(2) and set atomics, nothing else
 * @yank_del: undo; @func never runs after this
 * @fd_param: descriptor by number or by the name given to getfd; ownership
 *     passes to the caller; -1 = error. Thread: that of a command's handler
 * @incoming_done: the incoming migration has succeeded, the guest may run
 *     here. @autostart: unless the user wants it stopped (-S). Thread: main
 * @incoming_failed: the incoming migration has failed for good and
 *     exit-on-error is on: end the program. Thread: any
 */
typedef struct MigrationProgram {
    void (*yank_add)(void *opaque, void (*func)(void *), void *func_opaque);
    void (*yank_del)(void *opaque, void (*func)(void *), void *func_opaque);
    int (*fd_param)(void *opaque, const char *name, Error **errp);
    void (*incoming_done)(void *opaque, bool autostart);
    void (*incoming_failed)(void *opaque, const Error *err);
} MigrationProgram;

/** migration_register_types: the classes of this folder, and those below. */
void migration_register_types(void);

/**
 * migration_new:
 * @program: (in) constant, outlives the state
 * @opaque: (in) for @program
 * @globals: (in) "-global migration.NAME=VALUE", array of NAME, VALUE, ...,
 *     NULL; or NULL
 *
 * Make the state and put it at "/migration". Thread: main, once.
 * Returns: (transfer none) the state; NULL = error in @globals.
 */
MigrationState *migration_new(const MigrationProgram *program, void *opaque,
                              const char *const *globals, Error **errp);

/**
 * migration_init:
 * @host: (in) constant, outlives the state
 * @opaque: (in) for @host
 *
 * The machine is there; before this `migrate` is refused. Thread: main.
 */
void migration_init(MigrationState *ms, const MigrationHost *host,
                    void *opaque);

/**
 * migration_shutdown:
 *
 * The program ends: cancel what is under way and wait for its threads, then
 * take the state out of the tree. Accepts NULL. Thread: main.
 */
void migration_shutdown(MigrationState *ms);

/** migration_find: (transfer none) the one there is; NULL: none (a tool or a
 * test). Thread: any. */
MigrationState *migration_find(void);

/**
 * migration_incoming_start:
 * @uri: (in) "tcp:HOST:PORT", "defer" and so on; NULL: see @channels
 * @channels: (in) or NULL; 'main' in place of @uri, and 'cpr'. Without any
 *     main address as "defer"
 * @exit_on_error: a failure ends the program
 *
 * -incoming. Thread: main.
 */
bool migration_incoming_start(MigrationState *ms, const char *uri,
                              const MigrationChannelList *channels,
                              bool exit_on_error, Error **errp);

/** migration_incoming_set_autostart: is the guest to run when it is here? Yes,
 * unless told otherwise. Thread: main. */
void migration_incoming_set_autostart(MigrationState *ms, bool on);

/** migration_is_idle: is no outgoing migration under way? Thread: any. */
bool migration_is_idle(const MigrationState *ms);

/** migration_incoming_expected: is this a destination that has not got its
 * guest yet? Thread: any. */
bool migration_incoming_expected(const MigrationState *ms);

/** migration_memory_is_gone: did the guest take its memory along (mode
 *  cpr-transfer)? Then it can never run here again. Thread: any. */
bool migration_memory_is_gone(const MigrationState *ms);

/**
 * migration_allows_change:
 * @what: for the message: "device_add"
 *
 * May devices come, go or be reset now? Not while their states are being sent or
 * loaded. Without a MigrationState they may. Thread: main.
 */
bool migration_allows_change(const char *what, Error **errp);

/* -- blockers ------------------------------------------------------------- */

/**
 * migrate_add_blocker:
 * @reason: (in) why a migration is impossible; stays the caller's until it is
 *     removed
 *
 * Thread: any.
 * Returns: 0; -EACCES with -only-migratable, -EBUSY while a migration is under
 * way, with @errp set. Without a MigrationState nothing happens.
 */
int migrate_add_blocker(Error *reason, Error **errp);

/** migrate_del_blocker: undo; one that is not there is fine. Thread: any. */
void migrate_del_blocker(Error *reason);

/** migration_set_only_migratable: -only-migratable; before devices exist. */
void migration_set_only_migratable(MigrationState *ms);

/* -- settings ----------------------------------------------------------------- */

/** migrate_cap: is @cap on? Thread: any. */
bool migrate_cap(const MigrationState *ms, MigrationCapability cap);

#endif
