/*
 * Devices and buses.
 *
 * A device is a QOM object with a property table that sits on a bus and is
 * "realized": its properties are final, its ports and lines are claimed.
 * Devices that the user adds are found at /machine/peripheral/ID, or at
 * /machine/peripheral-anon/device[N] without an id; those the machine itself
 * makes are at /machine/unattached/device[N].
 *
 * Thread: the main loop's, under the machine lock where a guest may run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_QDEV_CORE_H
#define HW_QDEV_CORE_H

#include <jansson.h>

#include "qom/object.h"
#include "qom/property.h"

#define TYPE_DEVICE "device"
#define TYPE_BUS    "bus"

OBJECT_DECLARE_TYPE(DeviceState, DeviceClass, DEVICE)
OBJECT_DECLARE_TYPE(BusState, BusClass, BUS)

typedef struct VMStateDescription VMStateDescription;

/**
 * DeviceClass:
 * @bus_type: type of the bus it plugs into; NULL = none
 * @desc: one line for `-device help`
 * @user_creatable: may -device and device_add name it? default true
 * @hotpluggable: may it come and go while the guest runs? default true
 * @realize: check properties, claim resources; on failure undoes what it did
 * @unrealize: give all of it back
 * @reset: state as after power-on; under the machine lock
 * @fw_path: (transfer full) Open Firmware path by which firmware finds what it
 *           can boot from ("/pci@i0cf8/scsi@4/disk@0,0"); for devices with a
 *           property "bootindex"
 * @vmsd: what a migration carries of it (migration/vmstate.h); opaque is the
 *        device. Registered while it is realized, after those realized before
 *        it, by the name "PATH/NAME" (qdev_get_dev_path(), vmsd->name), or
 *        "NAME" without a path; equal names are told apart by their order.
 *        NULL: there is nothing to carry
 *
 * Every callback is optional and is called after/before the parent class's
 * as the class itself arranges.
 */
struct DeviceClass {
    ObjectClass parent_class;

    const char *bus_type;
    const char *desc;
    bool user_creatable;
    bool hotpluggable;
    bool (*realize)(DeviceState *dev, Error **errp);
    void (*unrealize)(DeviceState *dev);
    void (*reset)(DeviceState *dev);
    char *(*fw_path)(DeviceState *dev);
    const VMStateDescription *vmsd;
};

struct DeviceState {
    Object parent_obj;

    char *id;             /* user's, or NULL */
    BusState *parent_bus; /* set while realized, or NULL */
    bool realized;
    bool hotplugged;               /* realized after the machine was */
    GPtrArray *child_buses;        /* BusState, owned by QOM */
    struct SaveVMRegistry *savevm; /* where its state is registered, or NULL */
};

/**
 * BusClass:
 * @max_dev: most devices it takes; 0 = any number
 * @check_plug: (optional) may @dev be plugged in?
 * @get_dev_path: (optional) (transfer full) place of @dev on the machine's
 *                buses ("0000:00:03.0"), the same on both sides of a
 *                migration; NULL: none
 */
struct BusClass {
    ObjectClass parent_class;

    unsigned max_dev;
    bool (*check_plug)(BusState *bus, DeviceState *dev, Error **errp);
    char *(*get_dev_path)(DeviceState *dev);
};

struct BusState {
    Object parent_obj;

    char *name;
    DeviceState *parent; /* NULL for the machine's main bus */
    GPtrArray *children; /* DeviceState, borrowed, in order of plugging */
};

/** qdev_new: (transfer full) device of type @name, which must exist. */
DeviceState *qdev_new(const char *name);
/** qdev_try_new: as qdev_new(); NULL if there is no such device type. */
DeviceState *qdev_try_new(const char *name);

/**
 * qdev_realize:
 * @bus: bus of the class's bus_type; NULL for a device without one
 *
 * A device without a parent in the tree becomes
 * /machine/unattached/device[N].
 *
 * Returns: true; false leaves the device unrealized, off the bus.
 * Errors: missing property, full bus, whatever the device refuses.
 */
bool qdev_realize(DeviceState *dev, BusState *bus, Error **errp);
/** qdev_realize_and_unref: qdev_realize(), then gives up the caller's ref. */
bool qdev_realize_and_unref(DeviceState *dev, BusState *bus, Error **errp);
/** qdev_unrealize: the opposite; no-op if not realized. */
void qdev_unrealize(DeviceState *dev);
/** qdev_unplug_now: unrealize and remove from the tree. */
void qdev_unplug_now(DeviceState *dev);
/** qdev_unplug: device_del: unplug if the device may go, and tell the host
 *  (MachineHost.device_deleted). Errors: not hotpluggable. */
bool qdev_unplug(DeviceState *dev, Error **errp);

/** device_class_set_props: give a class its property table. */
void device_class_set_props(DeviceClass *dc, const Property *props);

/** qbus_new: (transfer none) bus of @type named @name below @parent. */
BusState *qbus_new(const char *type, DeviceState *parent, const char *name);
/** qdev_find_bus: bus named @name or of type @type below /machine, or NULL. */
BusState *qdev_find_bus(const char *name);
BusState *qdev_find_bus_of_type(const char *type);
/** qdev_find: user device @id, or the device at QOM path @id; NULL if none. */
DeviceState *qdev_find(const char *id);

/** qdev_get_dev_path: (transfer full) what the bus of @dev says
 *  (BusClass.get_dev_path); NULL: nothing. */
char *qdev_get_dev_path(DeviceState *dev);

/** device_cold_reset: @dev and everything below it. */
void device_cold_reset(DeviceState *dev);

/**
 * qdev_device_add_json:
 * @opts: (in) "driver", optional "id" and "bus", else properties; strings
 *        are parsed, as from keyval; borrowed
 *
 * What -device and device_add do. The device is realized; it is found at
 * its QOM path and owned by the tree.
 *
 * Returns: (transfer none) the device, or NULL.
 * Errors: no "driver"; no such device type; abstract or not user creatable;
 *   duplicate or ill-formed id; no such bus; property errors; realize.
 */
DeviceState *qdev_device_add_json(json_t *opts, Error **errp);

/**
 * qdev_device_help:
 * @driver: NULL for the list of drivers, else its properties
 *
 * Returns: (transfer full) text of `-device help` / `-device DRIVER,help`.
 * Errors: no such driver.
 */
char *qdev_device_help(const char *driver, Error **errp);

/**
 * qdev_global_add:
 * @driver, @property, @value: (in) copied
 *
 * `-global driver.property=value`: every later object of @driver (a device,
 * machine, accelerator or CPU type, or an abstract parent of one) has this
 * value before its own options are applied.
 *
 * Thread: before the machine is created, from one thread.
 */
void qdev_global_add(const char *driver, const char *property,
                     const char *value);
/**
 * qdev_globals_apply:
 * @obj: (inout) object fresh from object_new()
 *
 * Errors: unknown property or bad value, naming the -global.
 */
bool qdev_globals_apply(Object *obj, Error **errp);
/** qdev_globals_check: warn about each -global whose driver never came up. */
void qdev_globals_check(void);
/** qdev_globals_clear: forget them; for tests and the end of main(). */
void qdev_globals_clear(void);

#endif
