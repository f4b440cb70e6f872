/*
 * Migration in this program: what it asks of the monitors (descriptors,
 * yank) and the run state, and the options that steer it.
 *
 * A guest that arrives runs if it ran on the source and nobody said -S or
 * `stop` here; otherwise it gets the state that it had there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration.h"

#include "block/block-backend.h"
#include "chardev/yank.h"
#include "hw/boards.h"
#include "migration/dirty-tracking.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "qapi/qapi-types-yank.h"
#include "qapi/qapi-visit-migration.h"
#include "qapi/qobject-input-visitor.h"
#include "util/error-report.h"
#include "util/error.h"

#include "migration-host.h"
#include "runstate.h"
#include "snapshot.h"
#include "startup.h"

static const YankInstance *yank_instance(void)
{
    static const YankInstance migration = {
        .type = YANK_INSTANCE_TYPE_MIGRATION,
    };

    return &migration;
}

static void program_yank_add(void *opaque, void (*func)(void *),
                             void *func_opaque)
{
    yank_register_function(yank_instance(), func, func_opaque);
}

static void program_yank_del(void *opaque, void (*func)(void *),
                             void *func_opaque)
{
    yank_unregister_function(yank_instance(), func, func_opaque);
}

static int program_fd_param(void *opaque, const char *name, Error **errp)
{
    return monitor_fd_param(monitor_cur(), name, errp);
}

/* The state that came with the guest; it is a peer's text. */
static RunState arrived_state(MachineState *machine)
{
    const char *name = machine_loaded_run_state(machine);
    int state = name ? qapi_enum_parse(&RunState_lookup, name, -1, NULL)
                     : RUN_STATE_RUNNING;

    return state >= 0 && run_state_may_move(RUN_STATE_INMIGRATE, state)
               ? (RunState)state
               : RUN_STATE_PAUSED;
}

static void program_incoming_done(void *opaque, bool autostart)
{
    System *s = opaque;
    RunState state = arrived_state(s->machine);

    if (state == RUN_STATE_RUNNING && autostart) {
        vm_start();
    } else if (state == RUN_STATE_RUNNING) {
        run_state_move(RUN_STATE_PAUSED);
    } else {
        run_state_move(state);
    }
}

static void program_incoming_failed(void *opaque, const Error *err)
{
    error_report("incoming migration: %s", error_get_pretty(err));
    run_request_exit(EXIT_FAILURE);
}

static const MigrationProgram program = {
    .yank_add = program_yank_add,
    .yank_del = program_yank_del,
    .fd_param = program_fd_param,
    .incoming_done = program_incoming_done,
    .incoming_failed = program_incoming_failed,
};

/* "migration.NAME=VALUE" of -global as NAME, VALUE, ..., NULL. */
static char **migration_globals(const GPtrArray *globals)
{
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; i < globals->len; i++) {
        const char *text = g_ptr_array_index(globals, i);
        const char *equals = strchr(text, '=');

        if (g_str_has_prefix(text, "migration.") && equals) {
            const char *name = text + strlen("migration.");

            g_ptr_array_add(found, g_strndup(name, equals - name));
            g_ptr_array_add(found, g_strdup(equals + 1));
        }
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}

bool system_migration_new(System *s, Error **errp)
{
    g_auto(GStrv) globals = migration_globals(s->config->globals);

    migration_register_types();
    snapshot_register_types();
    if (!yank_register_instance(yank_instance(), errp)) {
        return false;
    }
    s->migration =
        migration_new(&program, s, (const char *const *)globals, errp);
    if (!s->migration) {
        yank_unregister_instance(yank_instance());
        return false;
    }
    if (s->config->only_migratable) {
        migration_set_only_migratable(s->migration);
    }
    if (s->config->incoming->len) {
        blk_begin_inactive();
    }
    return true;
}

void system_migration_machine(System *s)
{
    s->migration_host = migration_host_new(s->machine, RAM_LOG_MIGRATION);
    migration_init(s->migration, &system_migration_host, s->migration_host);
    s->rate_host = migration_host_new(s->machine, RAM_LOG_RATE);
    s->limit_host = migration_host_new(s->machine, RAM_LOG_LIMIT);
    s->dirty_tracking =
        dirty_tracking_new(&system_migration_host, s->rate_host, s->limit_host);
    if (s->config->incoming->len) {
        machine_set_incoming(s->machine, true);
        run_state_move(RUN_STATE_INMIGRATE);
    }
}

/* One -incoming: an address, or a channel as JSON. */
static bool parse_incoming(const char *text, const char **uri,
                           MigrationChannelList **channels, Error **errp)
{
    MigrationChannel *channel = NULL;
    json_error_t why;
    json_t *json;
    Visitor *v;

    if (text[0] != '{') {
        if (*uri) {
            error_setg(errp, "there is an address already: '%s'", *uri);
            return false;
        }
        *uri = text;
        return true;
    }
    json = json_loads(text, 0, &why);
    if (!json) {
        error_setg(errp, "not JSON: %s", why.text);
        return false;
    }
    v = qobject_input_visitor_new(json);
    visit_type_MigrationChannel(v, NULL, &channel, errp);
    visit_free(v);
    json_decref(json);
    if (channel) {
        QAPI_LIST_PREPEND(*channels, channel);
    }
    return channel != NULL;
}

bool system_migration_incoming(System *s, Error **errp)
{
    const GPtrArray *all = s->config->incoming;
    g_autoptr(MigrationChannelList) channels = NULL;
    const char *uri = NULL;

    if (!all->len) {
        return true;
    }
    for (guint i = 0; i < all->len; i++) {
        const char *text = g_ptr_array_index(all, i);

        if (!parse_incoming(text, &uri, &channels, errp)) {
            error_prepend(errp, "-incoming %s: ", text);
            return false;
        }
    }
    if (!migration_incoming_start(s->migration, uri, channels, true, errp)) {
        error_prepend(errp, "-incoming %s: ", uri ? uri : "channels");
        return false;
    }
    migration_incoming_set_autostart(s->migration, !s->config->start_stopped);
    return true;
}

void system_migration_end(System *s)
{
    if (s->migration) {
        migration_shutdown(s->migration);
        s->migration = NULL;
        yank_unregister_instance(yank_instance());
    }
    dirty_tracking_shutdown(s->dirty_tracking);
    s->dirty_tracking = NULL;
    g_clear_pointer(&s->rate_host, migration_host_free);
    g_clear_pointer(&s->limit_host, migration_host_free);
    g_clear_pointer(&s->migration_host, migration_host_free);
}

bool system_migration_cont(Error **errp)
{
    System *s = system_get();

    switch (run_state_get()) {
    case RUN_STATE_INMIGRATE:
        migration_incoming_set_autostart(s->migration, true);
        return false;
    case RUN_STATE_FINISH_MIGRATE:
        if (!migration_is_idle(s->migration)) {
            error_setg(errp, "the guest is being migrated");
            return false;
        }
        /* The migration failed, and only the user knows where the guest is. */
        break;
    case RUN_STATE_POSTMIGRATE:
        if (migration_memory_is_gone(s->migration)) {
            error_setg(errp, "the guest took its memory along (mode "
                             "'cpr-transfer')");
            return false;
        }
        if (!migration_is_idle(s->migration)) {
            error_setg(errp, "the guest is on the destination");
            return false;
        }
        break;
    default:
        break;
    }
    /* A guest that went away, or came to stand, gave its disks up. */
    return system_migration_host.disks_activate(s->migration_host, errp);
}

bool system_migration_stop(void)
{
    if (run_state_get() == RUN_STATE_INMIGRATE) {
        migration_incoming_set_autostart(system_get()->migration, false);
        return false;
    }
    return true;
}
