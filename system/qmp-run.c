/*
 * QMP: whether the guest runs, the version, the command line, trace events.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscreds.h"
#include "hw/boards.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-misc.h"
#include "qapi/qapi-commands-run-state.h"
#include "qapi/qapi-visit-misc.h"
#include "qapi/qobject-input-visitor.h"
#include "trace/control.h"
#include "util/atomic.h"
#include "util/error.h"

#include "migration.h"
#include "runstate.h"
#include "snapshot.h"
#include "startup.h"
#include "version.h"

VersionInfo *qmp_query_version(Error **errp)
{
    VersionInfo *info = g_new0(VersionInfo, 1);

    info->qemu = g_new0(VersionTriple, 1);
    info->qemu->major = COMPAT_VERSION_MAJOR;
    info->qemu->minor = COMPAT_VERSION_MINOR;
    info->qemu->micro = COMPAT_VERSION_MICRO;
    info->package = g_strdup("ferry " FERRY_VERSION);
    return info;
}

StatusInfo *qmp_query_status(Error **errp)
{
    StatusInfo *info = g_new0(StatusInfo, 1);

    info->status = run_state_get();
    info->running = info->status == RUN_STATE_RUNNING;
    return info;
}

void qmp_stop(Error **errp)
{
    if (snapshot_note_run(system_get(), false)) {
        return;
    }
    if (system_migration_stop() && run_state_is_running()) {
        vm_stop(RUN_STATE_PAUSED);
    }
}

void qmp_cont(Error **errp)
{
    if (snapshot_note_run(system_get(), true)) {
        return;
    }
    if (run_state_needs_reset()) {
        error_setg(errp, "the machine is in state '%s' and needs a reset first",
                   RunState_str(run_state_get()));
        return;
    }
    if (system_migration_cont(errp)) {
        vm_start();
    }
}

void qmp_quit(Error **errp)
{
    run_request_quit(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}

void qmp_system_reset(Error **errp)
{
    if (run_state_get() != RUN_STATE_INMIGRATE ||
        migration_allows_change("system_reset", errp)) {
        run_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    }
}

void qmp_system_powerdown(Error **errp)
{
    run_request_powerdown();
}

void qmp_inject_nmi(Error **errp)
{
    machine_inject_nmi(system_get()->machine, errp);
}

void qmp_set_action(bool has_reboot, RebootAction reboot, bool has_shutdown,
                    ShutdownAction shutdown, bool has_panic, PanicAction panic,
                    Error **errp)
{
    run_actions_set(has_reboot, reboot, has_shutdown, shutdown, has_panic,
                    panic);
}

void qmp_x_exit_preconfig(Error **errp)
{
    System *s = system_get();

    if (!qatomic_read(&s->preconfig)) {
        error_setg(errp, "the machine is made already");
        return;
    }
    if (!startup_machine(s, errp)) {
        /* What is half made cannot be made again. */
        run_request_quit(SHUTDOWN_CAUSE_HOST_ERROR);
        return;
    }
    if (!system_migration_incoming(s, errp)) {
        run_request_quit(SHUTDOWN_CAUSE_HOST_ERROR);
        return;
    }
    if (!system_loadvm(s, errp)) {
        run_request_quit(SHUTDOWN_CAUSE_HOST_ERROR);
        return;
    }
    if (!s->config->start_stopped && !s->config->incoming->len) {
        vm_start();
    }
}

void qmp_x_tls_creds_reload(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    if (!obj || !object_dynamic_cast(obj, TYPE_QCRYPTO_TLS_CREDS)) {
        error_setg(errp, "there are no TLS credentials '%s'", id);
        return;
    }
    qcrypto_tls_creds_reload(QCRYPTO_TLS_CREDS(obj), errp);
}

CommandLineOptionInfoList *qmp_query_command_line_options(const char *option,
                                                          Error **errp)
{
    g_autoptr(json_t) options = system_options_json(option);
    CommandLineOptionInfoList *list = NULL;
    Visitor *v;

    if (option && json_array_size(options) == 0) {
        error_setg(errp, "there is no option '-%s'", option);
        return NULL;
    }
    v = qobject_input_visitor_new(options);
    visit_type_CommandLineOptionInfoList(v, NULL, &list, errp);
    visit_free(v);
    return list;
}

/* -- trace events -------------------------------------------------------- */

static void list_event(TraceEvent *ev, void *opaque)
{
    TraceEventInfoList **list = opaque;
    TraceEventInfo *info = g_new0(TraceEventInfo, 1);

    info->name = g_strdup(ev->name);
    info->state = trace_event_is_enabled(ev) ? TRACE_EVENT_STATE_ENABLED
                                             : TRACE_EVENT_STATE_DISABLED;
    QAPI_LIST_PREPEND(*list, info);
}

static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?") != NULL;
}

TraceEventInfoList *qmp_trace_event_get_state(const char *name, Error **errp)
{
    TraceEventInfoList *list = NULL;

    if (!trace_events_foreach(name, list_event, &list) && !is_pattern(name)) {
        error_setg(errp, "there is no trace event '%s'", name);
    }
    return list;
}

static void switch_event(TraceEvent *ev, void *opaque)
{
    trace_event_set_state(ev, *(const bool *)opaque);
}

void qmp_trace_event_set_state(const char *name, bool enable,
                               bool has_ignore_unavailable,
                               bool ignore_unavailable, Error **errp)
{
    if (!trace_events_foreach(name, switch_event, &enable) &&
        !is_pattern(name) && !(has_ignore_unavailable && ignore_unavailable)) {
        error_setg(errp, "there is no trace event '%s'", name);
    }
}
