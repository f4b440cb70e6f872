/*
 * The MigrationState: made once by the program, found by everybody else in
 * the object tree.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration.h"

#include "io/types.h"
#include "migration/bitmap/wire.h"
#include "migration/blocker.h"
#include "migration/incoming/incoming.h"
#include "migration/migration-internal.h"
#include "migration/multifd/multifd.h"
#include "migration/register.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/transport.h"
#include "qom/types.h"
#include "util/lockable.h"

OBJECT_DECLARE_SIMPLE_TYPE(MigrationState, MIGRATION)

#define MIGRATION_PATH "/migration"

MigrationState *migration_find(void)
{
    return (MigrationState *)object_resolve_path_type(MIGRATION_PATH,
                                                      TYPE_MIGRATION, NULL);
}

bool migrate_cap(const MigrationState *ms, MigrationCapability cap)
{
    return qatomic_read(&ms->caps[cap]);
}

bool migration_is_idle(const MigrationState *ms)
{
    return !migration_status_is_running(migration_status(&ms->course));
}

bool migration_incoming_expected(const MigrationState *ms)
{
    const MigrationIncoming *mis = qatomic_load_acquire(&ms->incoming);

    return mis && migration_status(&mis->course) != MIGRATION_STATUS_COMPLETED;
}

bool migration_memory_is_gone(const MigrationState *ms)
{
    return qatomic_read(&ms->memory_gone);
}

bool migration_allows_change(const char *what, Error **errp)
{
    const MigrationState *ms = migration_find();
    const MigrationIncoming *mis =
        ms ? qatomic_load_acquire(&ms->incoming) : NULL;
    MigrationStatus arriving =
        mis ? migration_status(&mis->course) : MIGRATION_STATUS_NONE;

    if (ms && qatomic_read(&ms->in_snapshot)) {
        error_setg(errp,
                   "%s is not possible while a snapshot of the machine is "
                   "being saved or loaded",
                   what);
        return false;
    }
    if (!ms ||
        (migration_is_idle(ms) && (!migration_status_is_running(arriving) ||
                                   arriving == MIGRATION_STATUS_SETUP))) {
        return true;
    }
    error_setg(errp, "%s is not possible while the machine is being migrated",
               what);
    return false;
}

/* -- failure -------------------------------------------------------------------- */

void migration_wake(MigrationState *ms)
{
    qemu_sem_post(&ms->wake);
}

void migration_fail(MigrationState *ms, Error *err)
{
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        if (!ms->error) {
            ms->error = g_steal_pointer(&err);
        }
        qatomic_set(&ms->failed, true);
    }
    error_free(err);
    migration_wake(ms);
}

bool migration_has_failed(const MigrationState *ms)
{
    return qatomic_read(&ms->failed) || qatomic_read(&ms->cancelled) ||
           qatomic_read(&ms->interrupted);
}

bool migration_wants_channels(const MigrationState *ms)
{
    return qatomic_read(&ms->asking) || !migration_has_failed(ms);
}

/* -- life ------------------------------------------------------------------------- */

static void migration_instance_init(Object *obj)
{
    MigrationState *ms = MIGRATION(obj);

    qemu_mutex_init(&ms->lock);
    qemu_sem_init(&ms->wake, 0);
    migration_params_init(&ms->params);
    ms->course.ms = ms;
    ms->channels = g_ptr_array_new_with_free_func(object_unref);
    ms->pacer = pacer_new();
    ms->blockers = migration_blockers_new();
}

static void migration_instance_finalize(Object *obj)
{
    MigrationState *ms = MIGRATION(obj);

    migration_target_free(ms->target);
    migration_blockers_free(ms->blockers);
    pacer_free(ms->pacer);
    g_ptr_array_unref(ms->channels);
    error_free(ms->error);
    bitmap_stats_clear(&ms->bitmap_stats);
    migration_params_clear(&ms->params);
    qemu_sem_destroy(&ms->wake);
    qemu_mutex_destroy(&ms->lock);
}

static bool is_capability(const char *name, MigrationCapability *ret)
{
    int cap = -1;

    if (g_str_has_prefix(name, "x-")) {
        cap = qapi_enum_parse(&MigrationCapability_lookup, name + 2, -1, NULL);
    }
    if (cap >= 0) {
        *ret = (MigrationCapability)cap;
    }
    return cap >= 0;
}

static const ParamDef *find_global(const char *name)
{
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        if (d->global && g_str_equal(d->global, name)) {
            return d;
        }
    }
    return NULL;
}

/* Capabilities of other programs: said to be off, they are not missed. */
static bool is_absent_capability(const char *name)
{
    static const char *const absent[] = { "x-colo", "x-block", "x-zero-blocks",
                                          NULL };

    return g_strv_contains(absent, name);
}

static bool set_absent(const char *name, const char *value, Error **errp)
{
    bool on;

    if (!qapi_bool_parse(name, value, &on, errp)) {
        return false;
    }
    if (on) {
        error_setg(errp, "capability '%s' is not available", name + 2);
    }
    return !on;
}

static bool set_global(MigrationState *ms, const char *name, const char *value,
                       Error **errp)
{
    g_autoptr(json_t) members = NULL;
    const ParamDef *def = find_global(name);
    MigrationCapability cap;
    json_t *parsed;

    if (!def && is_capability(name, &cap)) {
        bool caps[MIGRATION_CAPABILITY__MAX];

        memcpy(caps, ms->caps, sizeof(caps));
        if (!qapi_bool_parse(name, value, &caps[cap], errp) ||
            !migration_caps_check(ms->caps, caps, &ms->params, NULL, false,
                                  false, errp)) {
            return false;
        }
        memcpy(ms->caps, caps, sizeof(caps));
        return true;
    }
    if (!def && is_absent_capability(name)) {
        return set_absent(name, value, errp);
    }
    if (!def) {
        error_setg(errp, "'migration' has no property '%s'", name);
        return false;
    }
    parsed = migration_param_parse(def, value, 0, errp);
    if (!parsed) {
        return false;
    }
    members = json_pack("{s:o}", def->name, parsed);
    return migration_params_change(&ms->params, members, false, ms->caps, errp);
}

MigrationState *migration_new(const MigrationProgram *program, void *opaque,
                              const char *const *globals, Error **errp)
{
    MigrationState *ms = MIGRATION(object_new(TYPE_MIGRATION));

    ms->program = program;
    ms->program_opaque = opaque;
    for (; globals && globals[0]; globals += 2) {
        if (!set_global(ms, globals[0], globals[1], errp)) {
            error_prepend(errp, "-global migration.%s=%s: ", globals[0],
                          globals[1]);
            object_unref(OBJECT(ms));
            return NULL;
        }
    }
    object_property_add_child(object_get_root(), MIGRATION_PATH + 1,
                              OBJECT(ms));
    object_unref(OBJECT(ms));
    return ms;
}

void migration_init(MigrationState *ms, const MigrationHost *host, void *opaque)
{
    SaveVMRegistry *reg = host->registry(opaque);
    SaveVMOptions options = {
        /* Monitors are up already. */
        .configuration = qatomic_read(&ms->params.send_configuration),
        .section_footer = qatomic_read(&ms->params.send_section_footer),
    };

    ms->host_opaque = opaque;
    savevm_set_options(reg, &options);
    host->lock(opaque);
    register_savevm_live(reg, "ram", 0, RAM_SECTION_VERSION, &ram_handlers,
                         &ms->ram_section, &error_abort);
    if (host->bitmaps) {
        register_savevm_live(reg, "dirty-bitmap", 0, BITMAP_SECTION_VERSION,
                             &bitmap_handlers, &ms->bitmap_section,
                             &error_abort);
    }
    host->unlock(opaque);
    qatomic_store_release(&ms->host, host);
}

void migration_shutdown(MigrationState *ms)
{
    if (!ms) {
        return;
    }
    migration_source_shutdown(ms);
    migration_incoming_shutdown(ms);
    if (ms->host) {
        ms->host->lock(ms->host_opaque);
        unregister_savevm(ms->host->registry(ms->host_opaque), "ram",
                          &ms->ram_section);
        unregister_savevm(ms->host->registry(ms->host_opaque), "dirty-bitmap",
                          &ms->bitmap_section);
        ms->host->unlock(ms->host_opaque);
    }
    object_unparent(OBJECT(ms));
}

static const TypeInfo migration_type_state = {
    .name = TYPE_MIGRATION,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(MigrationState),
    .instance_init = migration_instance_init,
    .instance_finalize = migration_instance_finalize,
};

extern const TypeInfo migration_type_pipe;
extern const TypeInfo migration_type_dirty_tracking;

void migration_register_types(void)
{
    static const TypeInfo *const types[] = { &migration_type_state,
                                             &migration_type_pipe,
                                             &migration_type_dirty_tracking };
    static gsize once;

    io_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}
