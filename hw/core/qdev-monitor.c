/*
 * Devices as the user sees them: -device, device_add and their help.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/boards.h"
#include "hw/core/machine-internal.h"
#include "hw/core/options.h"
#include "hw/core/qdev-internal.h"
#include "hw/types.h"
#include "util/error.h"
#include "util/id.h"

static DeviceClass *user_device_class(const char *driver, Error **errp)
{
    ObjectClass *oc;
    DeviceClass *dc;

    hw_register_types();
    oc = module_object_class_by_name(driver);
    dc = (DeviceClass *)object_class_dynamic_cast(oc, TYPE_DEVICE);
    if (!dc || object_class_is_abstract(oc)) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "'%s' is not a valid device model name", driver);
        return NULL;
    }
    return dc;
}

DeviceState *qdev_find(const char *id)
{
    Object *obj;

    if (*id == '/') {
        obj = object_resolve_path_type(id, TYPE_DEVICE, NULL);
    } else {
        Object *peripheral = machine_container("peripheral");
        obj = peripheral ? object_resolve_path_component(peripheral, id) : NULL;
    }
    return (DeviceState *)object_dynamic_cast(obj, TYPE_DEVICE);
}

static BusState *choose_bus(DeviceClass *dc, const char *driver,
                            const char *name, Error **errp)
{
    BusState *bus =
        name ? qdev_find_bus(name) : qdev_find_bus_of_type(dc->bus_type);

    if (!bus && name) {
        error_setg(errp, "bus '%s' not found", name);
    } else if (!bus) {
        error_setg(errp, "no '%s' bus found for device '%s'", dc->bus_type,
                   driver);
    } else if (!object_dynamic_cast(OBJECT(bus), dc->bus_type)) {
        error_setg(errp,
                   "device '%s' can't go on bus '%s': it needs a '%s' "
                   "bus",
                   driver, bus->name, dc->bus_type);
        bus = NULL;
    }
    return bus;
}

/* The string option @key; NULL if it is not there. */
static bool take_string(json_t *opts, const char *key, char **ret, Error **errp)
{
    json_t *value = json_object_get(opts, key);

    *ret = NULL;
    if (!value) {
        return true;
    }
    if (!json_is_string(value)) {
        error_setg(errp, "parameter '%s' must be a string", key);
        return false;
    }
    *ret = g_strdup(json_string_value(value));
    json_object_del(opts, key);
    return true;
}

static bool check_id(const char *id, Error **errp)
{
    if (!id_wellformed(id)) {
        error_setg(errp,
                   "'%s' is not a valid id: it must begin with a letter "
                   "and have only letters, digits, '-', '.' and '_'",
                   id);
        return false;
    }
    if (qdev_find(id)) {
        error_setg(errp, "duplicate device id '%s'", id);
        return false;
    }
    return true;
}

static bool check_hotplug(DeviceClass *dc, BusState *bus, const char *driver,
                          Error **errp)
{
    MachineState *machine = machine_current();

    if (!machine || !machine->realized) {
        error_setg(errp, "there is no machine for device '%s'", driver);
        return false;
    }
    if (machine->created && !dc->hotpluggable) {
        error_setg(errp,
                   "device '%s' on %s%s%s cannot be added while the "
                   "machine exists",
                   driver, bus ? "bus '" : "the board", bus ? bus->name : "",
                   bus ? "'" : "");
        return false;
    }
    return true;
}

static void name_in_tree(DeviceState *dev, const char *id)
{
    if (id) {
        dev->id = g_strdup(id);
        object_property_add_child(machine_container("peripheral"), id,
                                  OBJECT(dev));
    } else {
        object_property_add_child(machine_container("peripheral-anon"),
                                  "device[*]", OBJECT(dev));
    }
}

static DeviceState *create(DeviceClass *dc, BusState *bus, const char *id,
                           const json_t *props, Error **errp)
{
    g_autoptr(DeviceState) dev =
        DEVICE(object_new_with_class(OBJECT_CLASS(dc)));

    if (!qdev_globals_apply(OBJECT(dev), errp) ||
        !object_set_properties_from_keyval(OBJECT(dev), props, errp)) {
        return NULL;
    }
    name_in_tree(dev, id);
    if (!qdev_realize(dev, bus, errp)) {
        object_unparent(OBJECT(dev));
        return NULL;
    }
    return dev; /* the tree holds a reference */
}

DeviceState *qdev_device_add_json(json_t *options, Error **errp)
{
    json_auto_t *opts = options_as_text(options);
    g_autofree char *driver = NULL;
    g_autofree char *id = NULL;
    g_autofree char *bus_name = NULL;
    DeviceClass *dc;
    BusState *bus = NULL;

    if (!take_string(opts, "driver", &driver, errp) ||
        !take_string(opts, "id", &id, errp) ||
        !take_string(opts, "bus", &bus_name, errp)) {
        return NULL;
    }
    if (!driver) {
        error_setg(errp, "parameter 'driver' is missing");
        return NULL;
    }
    dc = user_device_class(driver, errp);
    if (!dc) {
        return NULL;
    }
    if (!dc->user_creatable) {
        error_setg(errp, "device '%s' is part of the board and cannot be added",
                   driver);
        return NULL;
    }
    if (dc->bus_type) {
        bus = choose_bus(dc, driver, bus_name, errp);
        if (!bus) {
            return NULL;
        }
    } else if (bus_name) {
        error_setg(errp, "device '%s' does not go on a bus", driver);
        return NULL;
    }
    if (!check_hotplug(dc, bus, driver, errp) || (id && !check_id(id, errp))) {
        return NULL;
    }
    return create(dc, bus, id, opts, errp);
}

static char *device_list(void)
{
    GString *text = g_string_new("Devices:\n");
    GSList *list = object_class_get_list_sorted(TYPE_DEVICE, false);

    for (GSList *l = list; l; l = l->next) {
        DeviceClass *dc = DEVICE_CLASS(l->data);

        if (!dc->user_creatable) {
            continue;
        }
        g_string_append_printf(text, "name \"%s\"",
                               object_class_get_name(OBJECT_CLASS(dc)));
        if (dc->bus_type) {
            g_string_append_printf(text, ", bus %s", dc->bus_type);
        }
        if (dc->desc) {
            g_string_append_printf(text, ", desc \"%s\"", dc->desc);
        }
        g_string_append_c(text, '\n');
    }
    g_slist_free(list);
    return g_string_free(text, FALSE);
}

static void append_property(GString *text, const Property *p)
{
    g_autofree char *type = property_type_name(p);

    if (p->flags & PROP_F_HIDDEN) {
        return;
    }
    g_string_append_printf(text, "  %s=<%s>", p->name, type);
    if (p->help) {
        g_string_append_printf(text, " - %s", p->help);
    }
    if (p->def) {
        g_string_append_printf(text, " (default: %s)", p->def);
    }
    g_string_append_c(text, '\n');
}

char *qdev_device_help(const char *driver, Error **errp)
{
    g_autoptr(GPtrArray) table = NULL;
    DeviceClass *dc;
    GString *text;

    hw_register_types();
    if (!driver) {
        return device_list();
    }
    dc = user_device_class(driver, errp);
    if (!dc) {
        return NULL;
    }
    text = g_string_new(NULL);
    table = qom_property_table(OBJECT_CLASS(dc));
    if (table->len) {
        g_string_append_printf(text, "%s options:\n", driver);
    } else {
        g_string_append_printf(text, "There are no options for %s.\n", driver);
    }
    for (guint i = 0; i < table->len; i++) {
        append_property(text, g_ptr_array_index(table, i));
    }
    return g_string_free(text, FALSE);
}
