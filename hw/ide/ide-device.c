/*
 * What every IDE drive has: its place on the channel, its medium, its names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/ide.h"
#include "hw/pci/pci.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#define SERIAL_MAX  20
#define VERSION_MAX 8
#define MODEL_MAX   40

static bool check_text(const char *text, size_t max, const char *what,
                       Error **errp)
{
    if (text && strlen(text) > max) {
        error_setg(errp, "%s '%s' is longer than %zu characters", what, text,
                   max);
        return false;
    }
    return true;
}

static bool take_unit(IDEDevice *dev, IDEBus *bus, Error **errp)
{
    if (dev->unit < 0) {
        dev->unit = bus->units[0] ? 1 : 0;
    }
    if (dev->unit >= (int)IDE_UNITS) {
        error_setg(errp, "bus '%s' has units 0 and 1, not %d", BUS(bus)->name,
                   dev->unit);
        return false;
    }
    if (bus->units[dev->unit]) {
        error_setg(errp, "unit %d of bus '%s' is in use", dev->unit,
                   BUS(bus)->name);
        return false;
    }
    bus->units[dev->unit] = dev;
    dev->bus = bus;
    return true;
}

/* What nobody chose: numbers that count the drives of the machine. */
static void default_names(IDEDevice *dev)
{
    const char *serial = blk_get_serial(dev->conf.blk);

    if (!dev->serial) {
        dev->serial = serial && *serial
                          ? g_strdup(serial)
                          : g_strdup_printf("QM%05u", dev->bus->index * 2 +
                                                          dev->unit + 1);
    }
    if (!dev->version) {
        dev->version = g_strdup("2.5+");
    }
}

static bool ide_device_realize(DeviceState *d, Error **errp)
{
    IDEDevice *dev = IDE_DEVICE(d);
    IDEDeviceClass *dc = IDE_DEVICE_GET_CLASS(dev);

    if (!check_text(dev->serial, SERIAL_MAX, "serial", errp) ||
        !check_text(dev->version, VERSION_MAX, "ver", errp) ||
        !check_text(dev->model, MODEL_MAX, "model", errp)) {
        return false;
    }
    if (!dev->conf.blk && dc->removable) {
        g_autoptr(BlockBackend) own = blk_new(qemu_get_aio_context());

        if (!blk_attach_dev(own, dev, errp)) {
            return false;
        }
        dev->conf.blk = own; /* the attachment keeps it */
    }
    if (!block_conf_realize(&dev->conf, d, dc->removable, errp) ||
        !take_unit(dev, IDE_BUS(d->parent_bus), errp)) {
        return false;
    }
    default_names(dev);
    dev->buffer = g_malloc0(IDE_BUFFER_BYTES);
    if (dc->realize_unit && !dc->realize_unit(dev, errp)) {
        dev->bus->units[dev->unit] = NULL;
        return false;
    }
    ide_set_signature(dev);
    dev->regs.error = 1;
    dev->regs.status = dc->reset_status;
    return true;
}

static void ide_device_unrealize(DeviceState *d)
{
    IDEDevice *dev = IDE_DEVICE(d);

    dev->generation++;
    blk_set_dev_ops(dev->conf.blk, NULL, NULL);
    blk_drain(dev->conf.blk);
    dev->retry = IDE_RETRY_NONE;
    dev->bus->units[dev->unit] = NULL;
    dev->bus = NULL;
}

static void ide_device_finalize(Object *obj)
{
    IDEDevice *dev = IDE_DEVICE(obj);

    block_conf_release(&dev->conf, DEVICE(dev));
    g_free(dev->buffer);
}

static char *ide_device_fw_path(DeviceState *d)
{
    const IDEDevice *dev = IDE_DEVICE(d);
    g_autofree char *controller =
        pci_fw_path(PCI_DEVICE(BUS(dev->bus)->parent));

    return g_strdup_printf("%s/drive@%x/disk@%x", controller, dev->bus->index,
                           dev->unit);
}

static const Property ide_device_props[] = {
    BLOCK_CONF_PROPS(IDEDevice, conf),
    { "unit", PROP_INT32, offsetof(IDEDevice, unit), .def = "-1",
      .help = "0 = master, 1 = slave, -1 = the first that is free",
      .since = "0.1" },
    { "serial", PROP_STR, offsetof(IDEDevice, serial),
      .help = "serial number, at most 20 characters", .since = "0.1" },
    { "ver", PROP_STR, offsetof(IDEDevice, version),
      .help = "firmware version, at most 8 characters", .since = "0.1" },
    { "model", PROP_STR, offsetof(IDEDevice, model),
      .help = "model, at most 40 characters", .since = "0.1" },
    { "wwn", PROP_UINT64, offsetof(IDEDevice, wwn), .def = "0",
      .help = "world wide name; 0 = none", .since = "0.1" },
    {},
};

static void ide_device_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->bus_type = TYPE_IDE_BUS;
    dc->hotpluggable = false;
    dc->realize = ide_device_realize;
    dc->unrealize = ide_device_unrealize;
    dc->fw_path = ide_device_fw_path;
}

extern const TypeInfo hw_type_ide_device;
const TypeInfo hw_type_ide_device = {
    .name = TYPE_IDE_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(IDEDevice),
    .instance_finalize = ide_device_finalize,
    .class_size = sizeof(IDEDeviceClass),
    .class_init = ide_device_class_init,
    .props = ide_device_props,
};
