/*
 * QMP: starting and steering migrations, settings.
 *
 * What only sets an atomic or shuts a socket down runs in the monitors' thread
 * ('x-concurrent'); starting needs the main loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/incoming/incoming.h"
#include "migration/migration-internal.h"
#include "migration/migration.h"
#include "migration/postcopy/postcopy.h"
#include "migration/source/source.h"
#include "migration/transport/transport.h"
#include "qapi/qapi-commands-migration.h"
#include "qapi/qapi-visit-migration.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "util/lockable.h"

static MigrationState *find(Error **errp)
{
    MigrationState *ms = migration_find();

    if (!ms) {
        error_setg(errp, "this program does not migrate");
    }
    return ms;
}

/* -- start ------------------------------------------------------------------------ */

void qmp_migrate(const char *uri, bool has_channels,
                 MigrationChannelList *channels, bool has_blk, bool blk,
                 bool has_inc, bool inc, bool has_detach, bool detach,
                 bool has_resume, bool resume, Error **errp)
{
    MigrationState *ms = find(errp);
    g_autoptr(MigrationTarget) target = NULL;
    bool again = has_resume && resume;

    if (!ms) {
        return;
    }
    if ((has_blk && blk) || (has_inc && inc)) {
        error_setg(errp,
                   "Parameter '%s' is not available: disks are copied "
                   "by other means",
                   has_blk && blk ? "blk" : "inc");
        return;
    }
    target = migration_target_new(ms, uri, channels, true, errp);
    if (target && (again ? migration_source_resume(ms, target, errp)
                         : migration_source_start(ms, target, errp))) {
        g_steal_pointer(&target);
    }
}

void qmp_migrate_incoming(const char *uri, bool has_channels,
                          MigrationChannelList *channels,
                          bool has_exit_on_error, bool exit_on_error,
                          Error **errp)
{
    MigrationState *ms = find(errp);
    g_autoptr(MigrationTarget) source = NULL;

    source = ms ? migration_target_new(ms, uri, channels, false, errp) : NULL;
    if (source &&
        migration_incoming_begin(
            ms, source, has_exit_on_error ? exit_on_error : true, errp)) {
        g_steal_pointer(&source);
    }
}

/* -- on the way ------------------------------------------------------------------- */

void qmp_migrate_cancel(Error **errp)
{
    MigrationState *ms = find(errp);

    if (ms) {
        migration_source_cancel(ms, errp);
    }
}

void qmp_migrate_continue(MigrationStatus state, Error **errp)
{
    MigrationState *ms = find(errp);
    MigrationStatus now;

    if (!ms) {
        return;
    }
    now = migration_status(&ms->course);
    if (now != state) {
        error_setg(errp, "Migration not in expected state: %s",
                   MigrationStatus_str(now));
        return;
    }
    if (state != MIGRATION_STATUS_PRE_SWITCHOVER) {
        error_setg(errp, "Migration does not wait in state: %s",
                   MigrationStatus_str(now));
        return;
    }
    qatomic_set(&ms->continued, true);
    migration_wake(ms);
}

void qmp_migrate_start_postcopy(Error **errp)
{
    MigrationState *ms = find(errp);
    MigrationStatus status;

    if (!ms) {
        return;
    }
    if (!migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM) &&
        !migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_BITMAPS)) {
        error_setg(errp, "Enable postcopy with migrate_set_capability before "
                         "the start of migration");
        return;
    }
    status = migration_status(&ms->course);
    if (!migration_status_is_running(status)) {
        error_setg(errp, "Postcopy must be started after migration has been "
                         "started");
        return;
    }
    qatomic_set(&ms->start_postcopy, true);
    migration_wake(ms);
}

void qmp_migrate_pause(Error **errp)
{
    MigrationState *ms = find(errp);

    if (ms) {
        postcopy_pause(ms, errp);
    }
}

void qmp_migrate_recover(const char *uri, Error **errp)
{
    MigrationState *ms = find(errp);
    g_autoptr(MigrationTarget) source = NULL;

    source = ms ? migration_target_new(ms, uri, NULL, false, errp) : NULL;
    if (source) {
        migration_incoming_recover(ms, source, errp);
    }
}

/* -- settings ------------------------------------------------------------------------ */

/* Is the destination past the point where its settings count? */
static bool incoming_begun(MigrationState *ms)
{
    MigrationIncoming *mis = qatomic_load_acquire(&ms->incoming);

    return mis && migration_status_is_running(migration_status(&mis->course));
}

void qmp_migrate_set_parameters(MigrateSetParameters *params, Error **errp)
{
    MigrationState *ms = find(errp);
    json_t *members = NULL;
    Visitor *v;

    if (!ms) {
        return;
    }
    v = qobject_output_visitor_new(&members);
    visit_type_MigrateSetParameters(v, NULL, &params, &error_abort);
    visit_complete(v, &members);
    visit_free(v);
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        migration_params_change(&ms->params, members,
                                !migration_is_idle(ms) || incoming_begun(ms),
                                ms->caps, errp);
    }
    json_decref(members);
    migration_source_settings_changed(ms);
}

MigrationParameters *qmp_query_migrate_parameters(Error **errp)
{
    MigrationState *ms = find(errp);
    MigrationParameters *params = NULL;
    g_autoptr(json_t) all = NULL;
    Visitor *v;

    if (!ms) {
        return NULL;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        all = migration_params_json(&ms->params);
    }
    v = qobject_input_visitor_new(all);
    visit_type_MigrationParameters(v, NULL, &params, &error_abort);
    visit_free(v);
    return params;
}

void qmp_migrate_set_capabilities(MigrationCapabilityStatusList *capabilities,
                                  Error **errp)
{
    MigrationState *ms = find(errp);
    bool caps[MIGRATION_CAPABILITY__MAX];

    if (!ms) {
        return;
    }
    QEMU_LOCK_GUARD(&ms->lock);
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        caps[i] = migrate_cap(ms, (MigrationCapability)i);
    }
    for (; capabilities; capabilities = capabilities->next) {
        caps[capabilities->value->capability] = capabilities->value->state;
    }
    if (!migration_caps_check(ms->caps, caps, &ms->params, ms,
                              !migration_is_idle(ms), incoming_begun(ms),
                              errp)) {
        return;
    }
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        qatomic_set(&ms->caps[i], caps[i]);
    }
}

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(Error **errp)
{
    MigrationState *ms = find(errp);
    MigrationCapabilityStatusList *list = NULL;
    MigrationCapabilityStatusList **tail = &list;

    for (int i = 0; ms && i < MIGRATION_CAPABILITY__MAX; i++) {
        MigrationCapabilityStatus *s = g_new0(MigrationCapabilityStatus, 1);

        s->capability = (MigrationCapability)i;
        s->state = migrate_cap(ms, s->capability);
        QAPI_LIST_APPEND(tail, s);
    }
    return list;
}
