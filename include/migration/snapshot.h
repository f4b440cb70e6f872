/*
 * The state of a stopped guest, written to a channel and read back: what a
 * snapshot of the machine is made of beside the disks. The stream is that of a
 * migration.
 *
 *     migration_snapshot_begin()      nothing else may be under way
 *     (guest stopped)
 *     migration_snapshot_save() or _load()
 *     (guest runs again)
 *     migration_snapshot_end()
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_SNAPSHOT_H
#define MIGRATION_SNAPSHOT_H

#include "util/error.h"

typedef struct MigrationState MigrationState;
typedef struct QIOChannel QIOChannel;

/**
 * MigrationSnapshotFunc:
 * @done, @total: bytes of guest memory
 *
 * Called now and then while a state is written. Returns: false: give up.
 */
typedef bool MigrationSnapshotFunc(void *opaque, uint64_t done, uint64_t total);

/**
 * migration_snapshot_begin:
 * @load: the state is going to be replaced, not saved
 *
 * From now on no migration starts, and no device comes, goes or is reset.
 *
 * Thread: main.
 * Errors: a migration is under way or expected; the guest has left; a device
 *   cannot be saved.
 */
bool migration_snapshot_begin(MigrationState *ms, bool load, Error **errp);

/** migration_snapshot_end: Thread: main. */
void migration_snapshot_end(MigrationState *ms);

/**
 * migration_snapshot_save:
 * @ioc: (in) blocking; what was written to it last is flushed
 * @go_on: (in) or NULL
 *
 * Write the state of the stopped guest: header, configuration, all of its
 * memory, devices. The guest stays as it is.
 *
 * Thread: any but main, without locks.
 * Errors: the channel's; a device's; @go_on gave up.
 */
bool migration_snapshot_save(MigrationState *ms, QIOChannel *ioc,
                             MigrationSnapshotFunc *go_on, void *opaque,
                             Error **errp);

/**
 * migration_snapshot_load:
 * @ioc: (in) blocking, hostile
 *
 * Put the state on @ioc in the place of that of the stopped, freshly reset
 * guest. After a failure its state is a mixture that must not run.
 *
 * Thread: any but main, without locks.
 * Errors: as of an incoming migration.
 */
bool migration_snapshot_load(MigrationState *ms, QIOChannel *ioc, Error **errp);

#endif
