/*
 * Limits of how fast vCPUs write memory.
 *
 * A thread looks once a period at what each vCPU made dirty and lets those that
 * have a limit sleep so much that they keep to it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_DIRTY_LIMIT_H
#define MIGRATION_DIRTY_LIMIT_H

#include "migration/host.h"

#define DIRTY_LIMIT_PERIOD_MS 1000

typedef struct DirtyLimit DirtyLimit;

/* One vCPU that has a limit. */
typedef struct DirtyLimitState {
    unsigned cpu;
    uint64_t limit;   /* MiB/s */
    uint64_t current; /* MiB/s */
} DirtyLimitState;

/**
 * dirty_limit_share:
 * @share: of MIGRATION_SHARE_UNITS, with which the vCPU came to @rate
 * @rate, @limit: of the same unit
 *
 * Pure. Returns: the share with which it should come to @limit.
 */
unsigned dirty_limit_share(unsigned share, double rate, double limit);

DirtyLimit *dirty_limit_new(const MigrationHost *host, void *opaque);
/** dirty_limit_free: all limits end. Accepts NULL. */
void dirty_limit_free(DirtyLimit *dl);

/**
 * dirty_limit_set:
 * @cpu: -1: all
 * @mib_per_s: 0: no limit
 *
 * Errors: no such vCPU; the accelerator cannot. Thread: any.
 */
bool dirty_limit_set(DirtyLimit *dl, int64_t cpu, uint64_t mib_per_s,
                     Error **errp);

/** dirty_limit_set_migration: for all, apart from the above; the lower of the
 *  two counts. */
bool dirty_limit_set_migration(DirtyLimit *dl, uint64_t mib_per_s,
                               uint64_t period_ms, Error **errp);

/** dirty_limit_query: (transfer full) array of DirtyLimitState. */
GArray *dirty_limit_query(DirtyLimit *dl);

#endif
