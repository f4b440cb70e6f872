/*
 * The human monitor's commands about migration: thin over those of QMP.
 *
 * `migrate` without -d shows a line of progress a second until the end; it
 * runs in a coroutine, so the main loop goes on meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration-hmp.h"

#include "migration/migration-hmp-info.h"
#include "migration/migration.h"
#include "migration/params.h"
#include "qapi/qapi-commands-migration.h"
#include "qapi/qapi-visit-migration.h"
#include "qapi/qobject-input-visitor.h"
#include "util/coroutine.h"
#include "util/timer.h"

/* -- start ----------------------------------------------------------------------- */

static bool is_over(const MigrationInfo *info)
{
    return !info->has_status || info->status == MIGRATION_STATUS_COMPLETED ||
           info->status == MIGRATION_STATUS_FAILED ||
           info->status == MIGRATION_STATUS_CANCELLED;
}

/* Returns: false: it is over. */
static bool show_progress(HMPContext *ctx)
{
    MigrationInfo *info = qmp_query_migrate(NULL);
    bool over = is_over(info);

    if (over && info->has_status) {
        hmp_printf(ctx, "Migration %s%s%s\n", MigrationStatus_str(info->status),
                   info->error_desc ? ": " : "",
                   info->error_desc ? info->error_desc : "");
    } else {
        hmp_migration_progress(ctx, info);
    }
    qapi_free_MigrationInfo(info);
    return !over;
}

static void coroutine_fn hmp_migrate(HMPContext *ctx, json_t *args)
{
    bool detach = hmp_arg_bool(args, "detach", false);
    Error *err = NULL;

    qmp_migrate(hmp_arg_str(args, "uri"), false, NULL, true,
                hmp_arg_bool(args, "blk", false), true,
                hmp_arg_bool(args, "inc", false), false, false, true,
                hmp_arg_bool(args, "resume", false), &err);
    if (hmp_handle_error(ctx, err) || detach) {
        return;
    }
    do {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS * INT64_C(1000));
    } while (show_progress(ctx));
}

static void hmp_migrate_incoming(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_migrate_incoming(hmp_arg_str(args, "uri"), false, NULL, false, false,
                         &err);
    hmp_handle_error(ctx, err);
}

/* -- on the way ------------------------------------------------------------------- */

static void hmp_migrate_cancel(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_migrate_cancel(&err);
    hmp_handle_error(ctx, err);
}

static void hmp_migrate_continue(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    int state = qapi_enum_parse(&MigrationStatus_lookup,
                                hmp_arg_str(args, "state"), -1, &err);

    if (!err) {
        qmp_migrate_continue((MigrationStatus)state, &err);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_migrate_recover(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_migrate_recover(hmp_arg_str(args, "uri"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_migrate_pause(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_migrate_pause(&err);
    hmp_handle_error(ctx, err);
}

static void hmp_migrate_start_postcopy(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_migrate_start_postcopy(&err);
    hmp_handle_error(ctx, err);
}

static void hmp_announce_self(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_announce_self(false, 0, false, 0, false, 0, false, 0, &err);
    hmp_handle_error(ctx, err);
}

/* -- settings ------------------------------------------------------------------------ */

static void hmp_migrate_set_capability(HMPContext *ctx, json_t *args)
{
    MigrationCapabilityStatus status = {
        .state = hmp_arg_bool(args, "state", false),
    };
    MigrationCapabilityStatusList list = { .value = &status };
    Error *err = NULL;
    int cap = qapi_enum_parse(&MigrationCapability_lookup,
                              hmp_arg_str(args, "capability"), -1, &err);

    if (!err) {
        status.capability = (MigrationCapability)cap;
        qmp_migrate_set_capabilities(&list, &err);
    }
    hmp_handle_error(ctx, err);
}

/* As QEMU's: a size without suffix is in MiB. */
static json_t *parse_parameter(const char *name, const char *text, Error **errp)
{
    const ParamDef *d = migration_param_find(name);
    json_t *value;

    if (!d || (d->flags & PARAM_F_GLOBAL_ONLY)) {
        error_setg(errp, "there is no migration parameter '%s'", name);
        return NULL;
    }
    value = migration_param_parse(d, text, 20, errp);
    return value ? json_pack("{s:o}", name, value) : NULL;
}

static void hmp_migrate_set_parameter(HMPContext *ctx, json_t *args)
{
    MigrateSetParameters *params = NULL;
    g_autoptr(json_t) members = NULL;
    Error *err = NULL;
    Visitor *v;

    members = parse_parameter(hmp_arg_str(args, "parameter"),
                              hmp_arg_str(args, "value"), &err);
    if (members) {
        v = qobject_input_visitor_new(members);
        if (visit_type_MigrateSetParameters(v, NULL, &params, &err)) {
            qmp_migrate_set_parameters(params, &err);
        }
        visit_free(v);
        qapi_free_MigrateSetParameters(params);
    }
    hmp_handle_error(ctx, err);
}

/* -- completion ------------------------------------------------------------------------ */

static void complete_capability(HMPContext *ctx, int arg_index,
                                const char *text)
{
    for (int i = 0; arg_index == 0 && i < MIGRATION_CAPABILITY__MAX; i++) {
        hmp_add_completion(ctx, MigrationCapability_str(i));
    }
    if (arg_index == 1) {
        hmp_add_completion(ctx, "on");
        hmp_add_completion(ctx, "off");
    }
}

static void complete_parameter(HMPContext *ctx, int arg_index, const char *text)
{
    for (const ParamDef *d = migration_param_table; arg_index == 0 && d->name;
         d++) {
        if (!(d->flags & PARAM_F_GLOBAL_ONLY)) {
            hmp_add_completion(ctx, d->name);
        }
    }
}

/* -- tables -------------------------------------------------------------------------------- */

const HMPCommand migration_hmp_commands[] = {
    { .name = "migrate",
      .args = "detach:-d,blk:-b,inc:-i,resume:-r,uri:s",
      .params = "[-d] [-r] uri",
      .help = "move the guest to uri; -d: return at once, -r: resume a paused "
              "post-copy",
      .handler = hmp_migrate,
      .flags = HMP_COROUTINE },
    { .name = "migrate_incoming",
      .args = "uri:s",
      .params = "uri",
      .help = "wait for a guest at uri, after -incoming defer",
      .handler = hmp_migrate_incoming },
    { .name = "migrate_cancel",
      .args = "",
      .params = "",
      .help = "cancel the migration",
      .handler = hmp_migrate_cancel },
    { .name = "migrate_continue",
      .args = "state:s",
      .params = "state",
      .help = "go on with a migration that waits in state",
      .handler = hmp_migrate_continue },
    { .name = "migrate_recover",
      .args = "uri:s",
      .params = "uri",
      .help = "destination of a paused post-copy: listen again at uri",
      .handler = hmp_migrate_recover },
    { .name = "migrate_pause",
      .args = "",
      .params = "",
      .help = "pause a post-copy, so that it can be recovered",
      .handler = hmp_migrate_pause },
    { .name = "migrate_start_postcopy",
      .args = "",
      .params = "",
      .help = "let the guest run on the destination, its memory follows",
      .handler = hmp_migrate_start_postcopy },
    { .name = "migrate_set_capability",
      .args = "capability:s,state:b",
      .params = "capability state",
      .help = "switch a capability of migrations on or off",
      .handler = hmp_migrate_set_capability,
      .complete = complete_capability },
    { .name = "migrate_set_parameter",
      .args = "parameter:s,value:s",
      .params = "parameter value",
      .help = "set a parameter of migrations",
      .handler = hmp_migrate_set_parameter,
      .complete = complete_parameter },
    { .name = "announce_self",
      .args = "",
      .params = "",
      .help = "tell the network where the guest is",
      .handler = hmp_announce_self },
    {}
};

const HMPCommand migration_hmp_info[] = {
    { .name = "migrate",
      .args = "",
      .params = "",
      .help = "how the migration goes",
      .handler = hmp_info_migrate },
    { .name = "migrate_capabilities",
      .args = "",
      .params = "",
      .help = "what a migration may do",
      .handler = hmp_info_migrate_capabilities },
    { .name = "migrate_parameters",
      .args = "",
      .params = "",
      .help = "parameters of migrations",
      .handler = hmp_info_migrate_parameters },
    {}
};
