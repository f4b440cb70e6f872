/*
 * The human monitor's commands for the program as a whole. Most call the QMP
 * command of the same meaning and print what it returns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hmp.h"

#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-machine.h"
#include "qapi/qapi-commands-misc.h"
#include "qapi/qapi-commands-run-state.h"
#include "qapi/qapi-commands-yank.h"
#include "util/error.h"
#include "util/log.h"

#include "gdb.h"
#include "version.h"

/* A command without arguments that is its QMP namesake. */
#define HMP_AS_QMP(name)                                                       \
    static void hmp_##name(HMPContext *ctx, json_t *args)                      \
    {                                                                          \
        Error *err = NULL;                                                     \
                                                                               \
        qmp_##name(&err);                                                      \
        hmp_handle_error(ctx, err);                                            \
    }

HMP_AS_QMP(quit)
HMP_AS_QMP(stop)
HMP_AS_QMP(cont)
HMP_AS_QMP(system_reset)
HMP_AS_QMP(system_powerdown)
HMP_AS_QMP(inject_nmi)
HMP_AS_QMP(x_exit_preconfig)

static void hmp_gdbserver(HMPContext *ctx, json_t *args)
{
    const char *device = hmp_arg_str(args, "device") ?: GDB_DEFAULT_DEVICE;
    Error *err = NULL;

    if (system_gdb_start(device, &err) && !g_str_equal(device, "none")) {
        hmp_printf(ctx, "Waiting for a debugger on '%s'\n", device);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_log(HMPContext *ctx, json_t *args)
{
    const char *items = hmp_arg_str(args, "items");
    int mask = g_str_equal(items, "none") ? 0 : qemu_str_to_log_mask(items);
    Error *err = NULL;

    if (!mask && !g_str_equal(items, "none")) {
        hmp_printf(ctx, "Error: unknown log item in '%s'; one of:", items);
        for (const QEMULogItem *i = qemu_log_items; i->mask; i++) {
            hmp_printf(ctx, " %s", i->name);
        }
        hmp_printf(ctx, "\n");
        return;
    }
    qemu_set_log(mask, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_tls_creds_reload(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_x_tls_creds_reload(hmp_arg_str(args, "id"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_trace_event(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_trace_event_set_state(hmp_arg_str(args, "name"),
                              hmp_arg_bool(args, "option", false), true, false,
                              &err);
    hmp_handle_error(ctx, err);
}

/* -- info ---------------------------------------------------------------- */

static void hmp_info_status(HMPContext *ctx, json_t *args)
{
    g_autoptr(StatusInfo) info = qmp_query_status(NULL);

    hmp_printf(ctx, "VM status: %s", info->running ? "running" : "paused");
    if (!info->running && info->status != RUN_STATE_PAUSED) {
        hmp_printf(ctx, " (%s)", RunState_str(info->status));
    }
    hmp_printf(ctx, "\n");
}

static void hmp_info_version(HMPContext *ctx, json_t *args)
{
    hmp_printf(ctx, "%d.%d.%d (ferry " FERRY_VERSION ")\n",
               COMPAT_VERSION_MAJOR, COMPAT_VERSION_MINOR,
               COMPAT_VERSION_MICRO);
}

static void hmp_info_name(HMPContext *ctx, json_t *args)
{
    g_autoptr(NameInfo) info = qmp_query_name(NULL);

    hmp_printf(ctx, "%s\n", info->name ?: "");
}

static void hmp_info_uuid(HMPContext *ctx, json_t *args)
{
    g_autoptr(UuidInfo) info = qmp_query_uuid(NULL);

    hmp_printf(ctx, "%s\n", info->UUID);
}

static void hmp_info_kvm(HMPContext *ctx, json_t *args)
{
    g_autoptr(KvmInfo) info = qmp_query_kvm(NULL);

    hmp_printf(ctx, "kvm support: %s\n",
               info->enabled   ? "enabled"
               : info->present ? "disabled"
                               : "not present");
}

static void hmp_info_trace_events(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    g_autoptr(TraceEventInfoList) list =
        qmp_trace_event_get_state(hmp_arg_str(args, "name") ?: "*", &err);

    if (hmp_handle_error(ctx, err)) {
        return;
    }
    for (const TraceEventInfoList *l = list; l; l = l->next) {
        hmp_printf(ctx, "%s : state %u\n", l->value->name,
                   l->value->state == TRACE_EVENT_STATE_ENABLED);
    }
}

/* -- tables -------------------------------------------------------------- */

const HMPCommand system_hmp_commands[] = {
    { .name = "quit",
      .aliases = "q",
      .args = "",
      .help = "end the program",
      .handler = hmp_quit,
      .flags = HMP_PRECONFIG },
    { .name = "stop",
      .aliases = "s",
      .args = "",
      .help = "pause the guest",
      .handler = hmp_stop },
    { .name = "cont",
      .aliases = "c",
      .args = "",
      .help = "let the guest go on",
      .handler = hmp_cont },
    { .name = "system_reset",
      .args = "",
      .help = "press the reset button",
      .handler = hmp_system_reset },
    { .name = "system_powerdown",
      .args = "",
      .help = "press the power button",
      .handler = hmp_system_powerdown },
    { .name = "nmi",
      .args = "",
      .help = "send a non-maskable interrupt to all CPUs",
      .handler = hmp_inject_nmi },
    { .name = "gdbserver",
      .args = "device:S?",
      .params = "[device]",
      .help = "wait for a debugger on device (" GDB_DEFAULT_DEVICE "), or none",
      .handler = hmp_gdbserver },
    { .name = "exit_preconfig",
      .args = "",
      .help = "make the machine that -preconfig holds back",
      .handler = hmp_x_exit_preconfig,
      .flags = HMP_PRECONFIG },
    { .name = "log",
      .args = "items:s",
      .params = "item1[,...]|none",
      .help = "what to log, as for -d",
      .handler = hmp_log,
      .flags = HMP_PRECONFIG },
    { .name = "tls_creds_reload",
      .args = "id:s",
      .params = "id",
      .help = "read the files of TLS credentials again",
      .handler = hmp_tls_creds_reload,
      .flags = HMP_PRECONFIG },
    { .name = "trace-event",
      .args = "name:s,option:b",
      .params = "name|pattern on|off",
      .help = "switch trace events",
      .handler = hmp_trace_event,
      .flags = HMP_PRECONFIG },
    { NULL },
};

const HMPCommand system_hmp_info[] = {
    { .name = "status",
      .args = "",
      .help = "show whether the guest runs",
      .handler = hmp_info_status,
      .flags = HMP_PRECONFIG },
    { .name = "version",
      .args = "",
      .help = "show the version",
      .handler = hmp_info_version,
      .flags = HMP_PRECONFIG },
    { .name = "name",
      .args = "",
      .help = "show the guest's name",
      .handler = hmp_info_name,
      .flags = HMP_PRECONFIG },
    { .name = "uuid",
      .args = "",
      .help = "show the guest's UUID",
      .handler = hmp_info_uuid,
      .flags = HMP_PRECONFIG },
    { .name = "kvm",
      .args = "",
      .help = "show whether KVM is used",
      .handler = hmp_info_kvm,
      .flags = HMP_PRECONFIG },
    { .name = "trace-events",
      .args = "name:s?",
      .params = "[name]",
      .help = "show trace events and whether they are on",
      .handler = hmp_info_trace_events,
      .flags = HMP_PRECONFIG },
    { NULL },
};
