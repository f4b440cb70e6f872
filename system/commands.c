/*
 * Where the tables meet: QMP commands of all modules, human commands of all
 * folders, and the schema's open unions, filled from property tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-hmp.h"
#include "block/block-node.h"
#include "block/create.h"
#include "block/export.h"
#include "chardev/char.h"
#include "chardev/chardev-hmp.h"
#include "hw/hw-hmp.h"
#include "hw/virtio/virtio-hmp.h"
#include "migration/dirty-tracking.h"
#include "migration/migration-hmp.h"
#include "monitor/monitor.h"
#include "net/net-hmp.h"
#include "qapi/introspect.h"
#include "qapi/qapi-commands-introspect.h"
#include "qapi/qapi-init-commands.h"
#include "qapi/qapi-introspect.h"
#include "qapi/qapi-visit-compat.h"
#include "qapi/qobject-input-visitor.h"
#include "qom/object_interfaces.h"
#include "qom/qom-hmp.h"
#include "qom/qom-introspect.h"
#include "ui/ui-hmp.h"
#include "util/atomic.h"
#include "util/error.h"

#include "hmp.h"
#include "snapshot.h"
#include "startup.h"
#include "version.h"

#define BANNER                                                                 \
    "Ferry " FERRY_VERSION " monitor - type 'help' for more information\n"

static const HMPCommand *const hmp_tables[] = {
    monitor_hmp_commands,      system_hmp_commands,
    qom_hmp_commands,          chardev_hmp_commands,
    hw_hmp_commands,           hw_debug_hmp_commands,
    net_hmp_commands,          ui_hmp_commands,
    block_hmp_commands,        block_job_hmp_commands,
    block_export_hmp_commands, virtio_hmp_commands,
    migration_hmp_commands,    migration_dirty_hmp_commands,
    snapshot_hmp_commands,     NULL,
};

static const HMPCommand *const hmp_info_tables[] = {
    monitor_hmp_info,
    system_hmp_info,
    qom_hmp_info,
    chardev_hmp_info,
    hw_hmp_info,
    hw_debug_hmp_info,
    net_hmp_info,
    ui_hmp_info,
    block_hmp_info,
    block_job_hmp_info,
    virtio_hmp_info,
    migration_hmp_info,
    hw_intc_hmp_info,
    migration_dirty_hmp_info,
    hw_pci_hmp_info,
    snapshot_hmp_info,
    NULL,
};

/* -- query-qmp-schema ---------------------------------------------------- */

static void fill_union(QapiOpenUnion *u, void *opaque)
{
    const char *tag = qapi_open_union_tag(u);

    if (g_str_equal(tag, "user-creatable")) {
        qom_open_union_fill(u, TYPE_USER_CREATABLE);
    } else if (g_str_equal(tag, "chardev")) {
        chardev_fill_open_union(u);
    } else if (g_str_equal(tag, "blockdev")) {
        blockdev_fill_open_union(u);
    } else if (g_str_equal(tag, "blockdev-create")) {
        block_create_fill_open_union(u);
    } else if (g_str_equal(tag, "blockdev-amend")) {
        block_amend_fill_open_union(u);
    } else if (g_str_equal(tag, "netdev")) {
        netdev_fill_open_union(u);
    } else {
        g_assert_not_reached();
    }
}

void qmp_query_qmp_schema(QmpContext *ctx, json_t *args, json_t **ret,
                          Error **errp)
{
    static gsize once;
    static json_t *schema; /* constant once it is made */

    if (g_once_init_enter(&once)) {
        schema = qapi_introspect(qapi_introspect_data, ctx->commands,
                                 fill_union, NULL);
        g_once_init_leave(&once, 1);
    }
    *ret = json_incref(schema);
}

/* -- the monitor set ----------------------------------------------------- */

static bool is_preconfig(void)
{
    return qatomic_read(&system_get()->preconfig);
}

/* While the machine is being made, only -preconfig restricts the commands. */
static bool commands_restricted(void)
{
    return system_get()->config->preconfig && is_preconfig();
}

static bool parse_compat(json_t *opts, CompatPolicy **ret, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_keyval(opts);
    bool ok = visit_type_CompatPolicy(v, NULL, ret, errp);

    visit_free(v);
    if (!ok) {
        error_prepend(errp, "-compat: ");
    }
    return ok;
}

MonitorSet *system_monitors_new(System *s, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(json_t) version = version_json();
    MonitorSetConfig config = {
        .hmp_tables = hmp_tables,
        .hmp_info_tables = hmp_info_tables,
        .version = version,
        .banner = BANNER,
        .preconfig = commands_restricted,
    };

    if (!parse_compat(s->config->compat, &s->compat, errp)) {
        return NULL;
    }
    s->commands = qmp_command_list_new();
    qmp_init_commands(s->commands);
    config.commands = s->commands;
    config.compat = s->compat;
    return monitor_set_new(&config);
}

void system_commands_free(System *s)
{
    qmp_command_list_free(s->commands);
    s->commands = NULL;
    qapi_free_CompatPolicy(s->compat);
    s->compat = NULL;
}
