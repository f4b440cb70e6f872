/*
 * Status of a migration: the table of allowed edges, and the one way to move.
 *
 *     none -> setup -> active -> [pre-switchover ->] device -> completed
 *
 * Both sides use the table; the destination goes setup, active, completed.
 * From any status in which nothing is decided yet an edge leads to cancelling
 * or failed; in post-copy, where neither side has the whole guest, to
 * postcopy-paused instead.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration-internal.h"
#include "qapi/qapi-events-migration.h"
#include "trace/trace-migration.h"

#define TO(status) (1u << MIGRATION_STATUS_##status)

static const unsigned allowed_moves[MIGRATION_STATUS__MAX] = {
    [MIGRATION_STATUS_NONE] = TO(SETUP),
    [MIGRATION_STATUS_SETUP] = TO(ACTIVE) | TO(CANCELLING) | TO(FAILED),
    [MIGRATION_STATUS_CANCELLING] = TO(CANCELLED),
    [MIGRATION_STATUS_CANCELLED] = TO(SETUP),
    [MIGRATION_STATUS_ACTIVE] = TO(PRE_SWITCHOVER) | TO(DEVICE) |
                                TO(POSTCOPY_ACTIVE) | TO(COMPLETED) |
                                TO(CANCELLING) | TO(FAILED),
    [MIGRATION_STATUS_PRE_SWITCHOVER] =
        TO(DEVICE) | TO(CANCELLING) | TO(FAILED),
    [MIGRATION_STATUS_DEVICE] =
        TO(COMPLETED) | TO(POSTCOPY_ACTIVE) | TO(CANCELLING) | TO(FAILED),
    [MIGRATION_STATUS_POSTCOPY_ACTIVE] =
        TO(COMPLETED) | TO(POSTCOPY_PAUSED) | TO(FAILED),
    [MIGRATION_STATUS_POSTCOPY_PAUSED] =
        TO(POSTCOPY_RECOVER_SETUP) | TO(POSTCOPY_RECOVER) | TO(FAILED),
    [MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP] =
        TO(POSTCOPY_RECOVER) | TO(POSTCOPY_PAUSED) | TO(FAILED),
    [MIGRATION_STATUS_POSTCOPY_RECOVER] =
        TO(POSTCOPY_ACTIVE) | TO(POSTCOPY_PAUSED) | TO(FAILED),
    [MIGRATION_STATUS_COMPLETED] = TO(SETUP),
    [MIGRATION_STATUS_FAILED] = TO(SETUP),
};

bool migration_may_move(MigrationStatus from, MigrationStatus to)
{
    return from < MIGRATION_STATUS__MAX && (allowed_moves[from] & (1u << to));
}

bool migration_move(MigrationCourse *c, MigrationStatus from,
                    MigrationStatus to)
{
    assert(migration_may_move(from, to));
    if (qatomic_cmpxchg(&c->status, (int)from, (int)to) != (int)from) {
        return false;
    }
    trace_migration_move(c->incoming ? "incoming" : "outgoing",
                         MigrationStatus_str(from), MigrationStatus_str(to));
    if (migrate_cap(c->ms, MIGRATION_CAPABILITY_EVENTS)) {
        qapi_event_send_migration(to);
    }
    return true;
}

bool migration_status_is_running(MigrationStatus status)
{
    return status != MIGRATION_STATUS_NONE && !migration_status_is_end(status);
}

bool migration_status_is_end(MigrationStatus status)
{
    return status == MIGRATION_STATUS_COMPLETED ||
           status == MIGRATION_STATUS_FAILED ||
           status == MIGRATION_STATUS_CANCELLED;
}

bool migration_status_is_postcopy(MigrationStatus status)
{
    return status == MIGRATION_STATUS_POSTCOPY_ACTIVE ||
           status == MIGRATION_STATUS_POSTCOPY_PAUSED ||
           status == MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP ||
           status == MIGRATION_STATUS_POSTCOPY_RECOVER;
}

bool migration_status_may_recover(MigrationStatus status)
{
    return status == MIGRATION_STATUS_POSTCOPY_PAUSED ||
           status == MIGRATION_STATUS_POSTCOPY_RECOVER;
}
