/*
 * After a migration switches of the network still send the guest's packets to
 * the old host: the guest's addresses are announced in a few rounds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/announce.h"

#include "migration/migration-internal.h"
#include "qapi/qapi-commands-migration.h"

void migration_announce(MigrationState *ms)
{
    const MigrationAnnounce how = {
        .initial_ms = (int64_t)migrate_param(ms, announce_initial),
        .max_ms = (int64_t)migrate_param(ms, announce_max),
        .rounds = (int64_t)migrate_param(ms, announce_rounds),
        .step_ms = (int64_t)migrate_param(ms, announce_step),
    };

    ms->host->announce(ms->host_opaque, &how);
}

/* A number for one announcement obeys the range of the parameter. */
static bool override(const char *name, bool has, uint64_t value, int64_t *to,
                     Error **errp)
{
    const ParamDef *d = migration_param_find(name);

    if (!has) {
        return true;
    }
    if (value < d->min || value > d->max) {
        error_setg(errp,
                   "Parameter '%s' expects an integer in the range of %" PRIu64
                   " to %" PRIu64,
                   name, d->min, d->max);
        return false;
    }
    *to = (int64_t)value;
    return true;
}

void qmp_announce_self(bool has_initial, uint64_t initial, bool has_max,
                       uint64_t max, bool has_rounds, uint64_t rounds,
                       bool has_step, uint64_t step, Error **errp)
{
    MigrationState *ms = migration_find();
    MigrationAnnounce how;

    if (!ms || !ms->host) {
        error_setg(errp, "There is no machine yet");
        return;
    }
    how = (MigrationAnnounce){
        .initial_ms = (int64_t)migrate_param(ms, announce_initial),
        .max_ms = (int64_t)migrate_param(ms, announce_max),
        .rounds = (int64_t)migrate_param(ms, announce_rounds),
        .step_ms = (int64_t)migrate_param(ms, announce_step),
    };
    if (override("announce-initial", has_initial, initial, &how.initial_ms,
                 errp) &&
        override("announce-max", has_max, max, &how.max_ms, errp) &&
        override("announce-rounds", has_rounds, rounds, &how.rounds, errp) &&
        override("announce-step", has_step, step, &how.step_ms, errp)) {
        ms->host->announce(ms->host_opaque, &how);
    }
}
