/*
 * virtio-serial-pci: the virtio console device on the PCI bus.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-serial.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/main-loop.h"

#define TYPE_VIRTIO_SERIAL_PCI "virtio-serial-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOSerialPCI, VIRTIO_SERIAL_PCI)

#define PCI_DEVICE_ID_VIRTIO_CONSOLE 0x1003

struct VirtIOSerialPCI {
    VirtIOPCIProxy parent_obj;

    VirtIOSerial serial;
};

static bool serial_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIOSerialPCI *d = VIRTIO_SERIAL_PCI(proxy);
    const char *id = DEVICE(proxy)->id;
    /* "virtio-serial0" has the bus "virtio-serial0.0". */
    g_autofree char *bus =
        g_strdup_printf("%s.0", id ? id : TYPE_VIRTIO_SERIAL_BUS);

    if (proxy->n_vectors == VIRTIO_PCI_VECTORS_AUTO) {
        proxy->n_vectors = d->serial.max_ports + 1;
    }
    return virtio_serial_realize(&d->serial, DEVICE(proxy), bus,
                                 virtio_pci_memory(proxy),
                                 qemu_get_aio_context(), errp);
}

static void serial_pci_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_serial_unrealize(&VIRTIO_SERIAL_PCI(proxy)->serial);
}

static const Property serial_pci_props[] = {
    VIRTIO_FEATURE_PROPS(VirtIOSerialPCI, serial.vdev),
    { "max_ports", PROP_UINT32, offsetof(VirtIOSerialPCI, serial.max_ports),
      .def = "31", .help = "most ports", .since = "0.1" },
    { "emergency-write", PROP_BOOL,
      offsetof(VirtIOSerialPCI, serial.emergency_write), .def = "on",
      .help = "a register for output before queues work", .since = "0.1" },
    {},
};

static const VMStateDescription vmstate_serial_pci = {
    .name = "virtio-console",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){ VMSTATE_VIRTIO_PCI(parent_obj, VirtIOSerialPCI),
                                VMSTATE_STRUCT(serial, VirtIOSerialPCI, 0,
                                               vmstate_virtio_serial,
                                               VirtIOSerial),
                                VMSTATE_END_OF_LIST() },
};

static void serial_pci_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(VirtIOSerialPCI, serial.vdev);
    vpc->class_code = PCI_CLASS_COMMUNICATION_OTHER;
    vpc->legacy_device_id = PCI_DEVICE_ID_VIRTIO_CONSOLE;
    vpc->realize = serial_pci_realize;
    vpc->unrealize = serial_pci_unrealize;
    DEVICE_CLASS(oc)->desc = "virtio serial ports and consoles";
    DEVICE_CLASS(oc)->vmsd = &vmstate_serial_pci;
}

extern const TypeInfo hw_type_virtio_serial_pci_base;
const TypeInfo hw_type_virtio_serial_pci_base = {
    .name = TYPE_VIRTIO_SERIAL_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(VirtIOSerialPCI),
    .class_init = serial_pci_class_init,
    .props = serial_pci_props,
};

VIRTIO_PCI_TYPES(virtio_serial_pci, TYPE_VIRTIO_SERIAL_PCI,
                 "virtio-serial-pci");
