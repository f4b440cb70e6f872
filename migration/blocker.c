/*
 * Blockers: each is an Error that a device owns; the list only points to it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/blocker.h"

#include "migration/migration-internal.h"
#include "migration/register.h"
#include "util/lockable.h"

struct MigrationBlockers {
    GPtrArray *reasons;   /* Error *, borrowed; under MigrationState.lock */
    bool only_migratable; /* atomic */
};

MigrationBlockers *migration_blockers_new(void)
{
    MigrationBlockers *b = g_new0(MigrationBlockers, 1);

    b->reasons = g_ptr_array_new();
    return b;
}

void migration_blockers_free(MigrationBlockers *b)
{
    if (b) {
        g_ptr_array_unref(b->reasons);
        g_free(b);
    }
}

void migration_set_only_migratable(MigrationState *ms)
{
    qatomic_set(&ms->blockers->only_migratable, true);
}

int migrate_add_blocker(Error *reason, Error **errp)
{
    MigrationState *ms = migration_find();

    if (!ms) {
        return 0;
    }
    if (qatomic_read(&ms->blockers->only_migratable)) {
        error_setg(errp, "-only-migratable forbids it: %s",
                   error_get_pretty(reason));
        return -EACCES;
    }
    if (!migration_is_idle(ms) || qatomic_read(&ms->in_snapshot)) {
        error_setg(errp,
                   "a migration is under way, which it would make "
                   "impossible: %s",
                   error_get_pretty(reason));
        return -EBUSY;
    }
    QEMU_LOCK_GUARD(&ms->lock);
    g_ptr_array_add(ms->blockers->reasons, reason);
    return 0;
}

void migrate_del_blocker(Error *reason)
{
    MigrationState *ms = migration_find();

    if (ms) {
        QEMU_LOCK_GUARD(&ms->lock);
        g_ptr_array_remove(ms->blockers->reasons, reason);
    }
}

/* Is a device among those registered that cannot be carried? */
static bool has_unmigratable(MigrationState *ms, Error **errp)
{
    const MigrationHost *host = ms->host;
    const char *device;

    host->lock(ms->host_opaque);
    device = savevm_registry_unmigratable(host->registry(ms->host_opaque));
    if (device) {
        error_setg(errp, "State blocked by non-migratable device '%s'", device);
    }
    host->unlock(ms->host_opaque);
    return device != NULL;
}

bool migration_is_blocked(MigrationState *ms, Error **errp)
{
    if (has_unmigratable(ms, errp)) {
        return true;
    }
    QEMU_LOCK_GUARD(&ms->lock);
    if (ms->blockers->reasons->len) {
        error_setg(
            errp, "%s",
            error_get_pretty(g_ptr_array_index(ms->blockers->reasons, 0)));
        return true;
    }
    return false;
}

strList *migration_blocked_reasons(MigrationState *ms)
{
    strList *list = NULL;
    strList **tail = &list;

    QEMU_LOCK_GUARD(&ms->lock);
    for (guint i = 0; i < ms->blockers->reasons->len; i++) {
        const Error *e = g_ptr_array_index(ms->blockers->reasons, i);

        QAPI_LIST_APPEND(tail, g_strdup(error_get_pretty(e)));
    }
    return list;
}
