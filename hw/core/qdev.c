/*
 * Devices and buses: plugging, realizing, and their place in the tree.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/boards.h"
#include "hw/core/machine-internal.h"
#include "hw/core/qdev-internal.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "util/error.h"

Object *machine_container(const char *name)
{
    MachineState *machine = machine_current();

    return machine ? object_resolve_path_component(OBJECT(machine), name)
                   : NULL;
}

/* -- buses ----------------------------------------------------------------- */

BusState *qbus_new(const char *type, DeviceState *parent, const char *name)
{
    BusState *bus = BUS(object_new(type));

    bus->name = g_strdup(name);
    bus->parent = parent;
    object_property_add_child(OBJECT(parent), name, OBJECT(bus));
    g_ptr_array_add(parent->child_buses, bus);
    object_unref(OBJECT(bus));
    return bus;
}

static bool bus_plug(BusState *bus, DeviceState *dev, Error **errp)
{
    BusClass *bc = BUS_GET_CLASS(bus);

    if (bc->max_dev && bus->children->len >= bc->max_dev) {
        error_setg(errp, "bus '%s' is full: it takes %u devices", bus->name,
                   bc->max_dev);
        return false;
    }
    if (bc->check_plug && !bc->check_plug(bus, dev, errp)) {
        return false;
    }
    dev->parent_bus = bus;
    g_ptr_array_add(bus->children, dev);
    return true;
}

static void bus_unplug(DeviceState *dev)
{
    if (dev->parent_bus) {
        g_ptr_array_remove(dev->parent_bus->children, dev);
        dev->parent_bus = NULL;
    }
}

typedef struct FindBus {
    const char *name;
    const char *type;
    BusState *found;
} FindBus;

static int find_bus_cb(Object *obj, void *opaque)
{
    FindBus *find = opaque;
    BusState *bus = (BusState *)object_dynamic_cast(obj, TYPE_BUS);

    if (!bus || (find->name && !g_str_equal(bus->name, find->name)) ||
        (find->type && !object_dynamic_cast(obj, find->type))) {
        return 0;
    }
    find->found = bus;
    return 1;
}

static BusState *find_bus(const char *name, const char *type)
{
    FindBus find = { .name = name, .type = type };
    MachineState *machine = machine_current();

    if (machine) {
        object_child_foreach_recursive(OBJECT(machine), find_bus_cb, &find);
    }
    return find.found;
}

BusState *qdev_find_bus(const char *name)
{
    return find_bus(name, NULL);
}

BusState *qdev_find_bus_of_type(const char *type)
{
    return find_bus(NULL, type);
}

/* -- devices --------------------------------------------------------------- */

DeviceState *qdev_try_new(const char *name)
{
    ObjectClass *oc;

    hw_register_types();
    oc = module_object_class_by_name(name);
    if (!oc || object_class_is_abstract(oc) ||
        !object_class_dynamic_cast(oc, TYPE_DEVICE)) {
        return NULL;
    }
    return DEVICE(object_new_with_class(oc));
}

DeviceState *qdev_new(const char *name)
{
    DeviceState *dev = qdev_try_new(name);

    if (!dev) {
        g_error("no device type '%s'", name);
    }
    return dev;
}

void device_class_set_props(DeviceClass *dc, const Property *props)
{
    object_class_add_properties(OBJECT_CLASS(dc), props);
}

static void adopt(DeviceState *dev)
{
    Object *unattached = machine_container("unattached");

    if (unattached && !OBJECT(dev)->parent) {
        object_property_add_child(unattached, "device[*]", OBJECT(dev));
    }
}

bool qdev_realize(DeviceState *dev, BusState *bus, Error **errp)
{
    DeviceClass *dc = DEVICE_GET_CLASS(dev);
    MachineState *machine = machine_current();

    assert(!dev->realized);
    if (!object_check_required(OBJECT(dev), errp)) {
        return false;
    }
    adopt(dev);
    if (bus && !bus_plug(bus, dev, errp)) {
        return false;
    }
    if (dc->realize && !dc->realize(dev, errp)) {
        bus_unplug(dev);
        return false;
    }
    if (!qdev_state_register(dev, errp)) {
        if (dc->unrealize) {
            dc->unrealize(dev);
        }
        bus_unplug(dev);
        return false;
    }
    object_set_completed(OBJECT(dev), true);
    dev->hotplugged = machine && machine->created;
    dev->realized = true;
    return true;
}

bool qdev_realize_and_unref(DeviceState *dev, BusState *bus, Error **errp)
{
    bool ok = qdev_realize(dev, bus, errp);

    object_unref(OBJECT(dev));
    return ok;
}

void qdev_unrealize(DeviceState *dev)
{
    DeviceClass *dc = DEVICE_GET_CLASS(dev);

    if (!dev->realized) {
        return;
    }
    for (guint i = 0; i < dev->child_buses->len; i++) {
        BusState *bus = g_ptr_array_index(dev->child_buses, i);
        while (bus->children->len) {
            qdev_unplug_now(
                g_ptr_array_index(bus->children, bus->children->len - 1));
        }
    }
    qdev_state_unregister(dev);
    if (dc->unrealize) {
        dc->unrealize(dev);
    }
    bus_unplug(dev);
    object_set_completed(OBJECT(dev), false);
    dev->realized = false;
}

void qdev_unplug_now(DeviceState *dev)
{
    object_ref(OBJECT(dev));
    qdev_unrealize(dev);
    bus_unplug(dev);
    object_unparent(OBJECT(dev));
    object_unref(OBJECT(dev));
}

bool qdev_unplug(DeviceState *dev, Error **errp)
{
    DeviceClass *dc = DEVICE_GET_CLASS(dev);
    MachineState *machine = machine_current();

    if (!dc->hotpluggable && machine && machine->created) {
        error_setg(errp,
                   "device '%s' (%s) cannot be unplugged while the "
                   "machine exists",
                   dev->id ? dev->id : "", object_get_typename(OBJECT(dev)));
        return false;
    }
    if (machine && machine->host->device_deleted) {
        g_autofree char *id = g_strdup(dev->id);
        g_autofree char *path = object_get_canonical_path(OBJECT(dev));

        qdev_unplug_now(dev);
        machine->host->device_deleted(machine->host_opaque, id, path);
    } else {
        qdev_unplug_now(dev);
    }
    return true;
}

char *qdev_get_dev_path(DeviceState *dev)
{
    BusClass *bc;

    if (!dev->parent_bus) {
        return NULL;
    }
    bc = BUS_GET_CLASS(dev->parent_bus);
    return bc->get_dev_path ? bc->get_dev_path(dev) : NULL;
}

void device_cold_reset(DeviceState *dev)
{
    DeviceClass *dc = DEVICE_GET_CLASS(dev);

    for (guint i = 0; i < dev->child_buses->len; i++) {
        BusState *bus = g_ptr_array_index(dev->child_buses, i);
        for (guint n = 0; n < bus->children->len; n++) {
            device_cold_reset(g_ptr_array_index(bus->children, n));
        }
    }
    if (dc->reset) {
        dc->reset(dev);
    }
}

/* -- classes --------------------------------------------------------------- */

static bool device_get_realized(Object *obj, Error **errp)
{
    return DEVICE(obj)->realized;
}

static bool device_get_hotpluggable(Object *obj, Error **errp)
{
    return DEVICE_GET_CLASS(obj)->hotpluggable;
}

static bool device_get_hotplugged(Object *obj, Error **errp)
{
    return DEVICE(obj)->hotplugged;
}

static void device_instance_init(Object *obj)
{
    DEVICE(obj)->child_buses = g_ptr_array_new();
}

static void device_instance_finalize(Object *obj)
{
    DeviceState *dev = DEVICE(obj);

    qdev_state_unregister(dev);
    g_ptr_array_unref(dev->child_buses);
    g_free(dev->id);
}

static void device_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->user_creatable = true;
    dc->hotpluggable = true;
    object_class_property_add_bool(oc, "realized", device_get_realized, NULL);
    object_class_property_add_bool(oc, "hotpluggable", device_get_hotpluggable,
                                   NULL);
    object_class_property_add_bool(oc, "hotplugged", device_get_hotplugged,
                                   NULL);
}

extern const TypeInfo hw_type_device;
const TypeInfo hw_type_device = {
    .name = TYPE_DEVICE,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(DeviceState),
    .instance_init = device_instance_init,
    .instance_finalize = device_instance_finalize,
    .class_size = sizeof(DeviceClass),
    .class_init = device_class_init,
};

static void bus_instance_init(Object *obj)
{
    BUS(obj)->children = g_ptr_array_new();
}

static void bus_instance_finalize(Object *obj)
{
    BusState *bus = BUS(obj);

    g_ptr_array_unref(bus->children);
    g_free(bus->name);
}

extern const TypeInfo hw_type_bus;
const TypeInfo hw_type_bus = {
    .name = TYPE_BUS,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(BusState),
    .instance_init = bus_instance_init,
    .instance_finalize = bus_instance_finalize,
    .class_size = sizeof(BusClass),
};
