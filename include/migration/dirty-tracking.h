/*
 * How fast the guest writes its memory: measuring it, limiting it, and what it
 * means for a migration. One object at "/dirty-tracking" in the object tree.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_DIRTY_TRACKING_H
#define MIGRATION_DIRTY_TRACKING_H

#include "migration/host.h"
#include "qapi/hmp.h"
#include "qom/object.h"

typedef struct DirtyTracking DirtyTracking;

#define TYPE_DIRTY_TRACKING "dirty-tracking"

/**
 * dirty_tracking_new:
 * @host: outlives the object
 * @rate_opaque, @limit_opaque: for @host, each with a log of its own
 *
 * Thread: main, once, when the machine is there.
 * Returns: (transfer none) the object.
 */
DirtyTracking *dirty_tracking_new(const MigrationHost *host, void *rate_opaque,
                                  void *limit_opaque);

/** dirty_tracking_shutdown: end what is under way and its threads, take the
 *  object out of the tree. Accepts NULL. Thread: main. */
void dirty_tracking_shutdown(DirtyTracking *dt);

/** dirty_tracking_find: (transfer none) the one there is, or NULL. Thread:
 *  any, until dirty_tracking_shutdown(). */
DirtyTracking *dirty_tracking_find(void);

/**
 * dirty_tracking_limit_all:
 * @mib_per_s: for each vCPU; 0: no limit by the migration
 * @period_ms: how often its vCPUs are looked at
 *
 * The limit that a migration wants (capability dirty-limit), apart from those
 * that the user set: the lower of the two counts. Accepts NULL. Thread: any.
 * Returns: false: the accelerator cannot.
 */
bool dirty_tracking_limit_all(DirtyTracking *dt, uint64_t mib_per_s,
                              uint64_t period_ms, Error **errp);

extern const HMPCommand migration_dirty_hmp_commands[];
extern const HMPCommand migration_dirty_hmp_info[];

#endif
