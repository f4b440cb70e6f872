/*
 * The human monitor's commands about devices and CPUs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/boards.h"
#include "hw/cpu.h"
#include "hw/hw-hmp.h"
#include "hw/qdev-core.h"
#include "migration/migration.h"
#include "qom/property.h"
#include "util/error.h"

static void hmp_device_add(HMPContext *ctx, json_t *args)
{
    const char *driver = hmp_arg_str(args, "driver");
    Error *err = NULL;

    if (g_strcmp0(driver, "help") == 0) {
        g_autofree char *text = qdev_device_help(NULL, &err);

        hmp_printf(ctx, "%s", text ?: "");
    } else if (!machine_current()) {
        error_setg(&err, "devices can be added when the machine is there");
    } else if (migration_allows_change("device_add", &err)) {
        qdev_device_add_json(args, &err);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_device_del(HMPContext *ctx, json_t *args)
{
    const char *id = hmp_arg_str(args, "id");
    DeviceState *dev = qdev_find(id);
    Error *err = NULL;

    if (!dev) {
        error_setg(&err, "device '%s' not found", id);
    } else if (migration_allows_change("device_del", &err)) {
        qdev_unplug(dev, &err);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_info_cpus(HMPContext *ctx, json_t *args)
{
    MachineState *machine = machine_current();
    g_autoptr(GPtrArray) cpus = machine ? machine_cpu_info(machine) : NULL;

    for (guint i = 0; cpus && i < cpus->len; i++) {
        const CPUInfo *cpu = g_ptr_array_index(cpus, i);

        hmp_printf(ctx, "%c CPU #%d: thread_id=%d\n", i == 0 ? '*' : ' ',
                   cpu->cpu_index, cpu->thread_id);
    }
}

static void hmp_info_memory(HMPContext *ctx, json_t *args)
{
    MachineState *machine = machine_current();

    hmp_printf(ctx, "base memory: %" PRIu64 "\n",
               machine ? machine_ram_bytes(machine) : 0);
}

/* -- info qtree ---------------------------------------------------------- */

static void print_bus(HMPContext *ctx, BusState *bus, int indent);

static void print_properties(HMPContext *ctx, DeviceState *dev, int indent)
{
    g_autoptr(GPtrArray) table =
        qom_property_table(object_get_class(OBJECT(dev)));

    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);
        g_autofree char *value = NULL;

        if (p->flags & (PROP_F_WRITE_ONLY | PROP_F_HIDDEN)) {
            continue;
        }
        value = object_property_print(OBJECT(dev), p->name, true, NULL);
        hmp_printf(ctx, "%*s%s = %s\n", indent, "", p->name, value ?: "<null>");
    }
}

static void print_device(HMPContext *ctx, DeviceState *dev, int indent)
{
    hmp_printf(ctx, "%*sdev: %s, id \"%s\"\n", indent, "",
               object_get_typename(OBJECT(dev)), dev->id ?: "");
    print_properties(ctx, dev, indent + 2);
    for (guint i = 0; dev->child_buses && i < dev->child_buses->len; i++) {
        print_bus(ctx, g_ptr_array_index(dev->child_buses, i), indent + 2);
    }
}

static void print_bus(HMPContext *ctx, BusState *bus, int indent)
{
    hmp_printf(ctx, "%*sbus: %s\n%*stype %s\n", indent, "", bus->name,
               indent + 2, "", object_get_typename(OBJECT(bus)));
    for (guint i = 0; i < bus->children->len; i++) {
        print_device(ctx, g_ptr_array_index(bus->children, i), indent + 2);
    }
}

static int print_child(Object *obj, void *opaque)
{
    BusState *bus = (BusState *)object_dynamic_cast(obj, TYPE_BUS);

    if (bus && !bus->parent) {
        print_bus(opaque, bus, 0);
    }
    return 0;
}

static void hmp_info_qtree(HMPContext *ctx, json_t *args)
{
    MachineState *machine = machine_current();

    if (machine) {
        object_child_foreach_recursive(OBJECT(machine), print_child, ctx);
    }
}

static void hmp_info_qdm(HMPContext *ctx, json_t *args)
{
    g_autofree char *text = qdev_device_help(NULL, NULL);

    hmp_printf(ctx, "%s", text ?: "");
}

/* -- completion ----------------------------------------------------------- */

static void complete_driver(HMPContext *ctx, int arg_index, const char *text)
{
    g_autoptr(GSList) list = object_class_get_list_sorted(TYPE_DEVICE, false);

    for (GSList *e = arg_index == 0 ? list : NULL; e; e = e->next) {
        if (DEVICE_CLASS(e->data)->user_creatable) {
            hmp_add_completion(ctx, object_class_get_name(e->data));
        }
    }
}

static int complete_one_id(Object *obj, void *opaque)
{
    hmp_add_completion(opaque, object_get_canonical_path_component(obj));
    return 0;
}

static void complete_device_id(HMPContext *ctx, int arg_index, const char *text)
{
    MachineState *machine = machine_current();
    Object *peripheral =
        machine ? object_resolve_path_component(OBJECT(machine), "peripheral")
                : NULL;

    if (arg_index == 0 && peripheral) {
        object_child_foreach(peripheral, complete_one_id, ctx);
    }
}

/* -- tables -------------------------------------------------------------- */

const HMPCommand hw_hmp_commands[] = {
    { .name = "device_add",
      .args = "driver:O",
      .params = "driver[,prop=value][,...]",
      .help = "add a device",
      .handler = hmp_device_add,
      .complete = complete_driver },
    { .name = "device_del",
      .args = "id:s",
      .params = "id",
      .help = "remove a device",
      .handler = hmp_device_del,
      .complete = complete_device_id },
    { NULL },
};

const HMPCommand hw_hmp_info[] = {
    { .name = "cpus",
      .args = "",
      .help = "show the virtual CPUs",
      .handler = hmp_info_cpus },
    { .name = "memory_size_summary",
      .args = "",
      .help = "show the amount of memory",
      .handler = hmp_info_memory },
    { .name = "qtree",
      .args = "",
      .help = "show buses, their devices and the devices' properties",
      .handler = hmp_info_qtree },
    { .name = "qdm",
      .args = "",
      .help = "show the drivers that can be added",
      .handler = hmp_info_qdm },
    { NULL },
};
