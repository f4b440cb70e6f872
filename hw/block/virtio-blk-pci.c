/*
 * virtio-blk-pci: the virtio block device on the PCI bus.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/block/virtio-blk.h"
#include "hw/core/machine-internal.h"
#include "hw/virtio/virtio-pci.h"
#include "io/iothread.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TYPE_VIRTIO_BLK_PCI "virtio-blk-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOBlkPCI, VIRTIO_BLK_PCI)

#define PCI_DEVICE_ID_VIRTIO_BLOCK 0x1001

struct VirtIOBlkPCI {
    VirtIOPCIProxy parent_obj;

    VirtIOBlk blk;
};

static bool blk_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIOBlkPCI *d = VIRTIO_BLK_PCI(proxy);
    MachineState *machine = pci_get_machine(PCI_DEVICE(proxy));

    return virtio_blk_realize(&d->blk, DEVICE(proxy), virtio_pci_memory(proxy),
                              qemu_get_aio_context(),
                              machine ? machine->smp.cpus : 1, errp);
}

static void blk_pci_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_blk_unrealize(&VIRTIO_BLK_PCI(proxy)->blk);
}

static bool only_off(Object *obj, const Property *prop, const void *value,
                     Error **errp)
{
    if (*(const bool *)value) {
        error_setg(errp, "%s=on is not supported by this device", prop->name);
        return false;
    }
    return true;
}

static const Property blk_pci_props[] = {
    VIRTIO_FEATURE_PROPS(VirtIOBlkPCI, blk.vdev),
    BLOCK_CONF_PROPS(VirtIOBlkPCI, blk.conf.block),
    { "serial", PROP_STR, offsetof(VirtIOBlkPCI, blk.conf.serial),
      .help = "serial number; the guest sees 20 characters", .since = "0.1" },
    { "iothread", PROP_LINK, offsetof(VirtIOBlkPCI, blk.conf.iothread),
      .link_type = TYPE_IOTHREAD,
      .help = "iothread object that runs the requests", .since = "0.1" },
    { "config-wce", PROP_BOOL, offsetof(VirtIOBlkPCI, blk.conf.config_wce),
      .def = "on", .help = "the guest may switch the write cache",
      .since = "0.1" },
    { "scsi", PROP_BOOL, offsetof(VirtIOBlkPCI, blk.conf.scsi), .def = "off",
      .check = only_off, .help = "pass SCSI commands through (only off)",
      .since = "0.1" },
    { "request-merging", PROP_BOOL,
      offsetof(VirtIOBlkPCI, blk.conf.request_merging), .def = "on",
      .help = "accepted, has no effect", .since = "0.1" },
    { "num-queues", PROP_UINT16, offsetof(VirtIOBlkPCI, blk.conf.num_queues),
      .def = "65535", .help = "queues; 65535 = one for each CPU",
      .since = "0.1" },
    { "queue-size", PROP_UINT16, offsetof(VirtIOBlkPCI, blk.conf.queue_size),
      .def = "256", .help = "entries of a queue", .since = "0.1" },
    { "seg-max-adjust", PROP_BOOL,
      offsetof(VirtIOBlkPCI, blk.conf.seg_max_adjust), .def = "on",
      .help = "longest request follows from queue-size", .since = "0.1" },
    { "discard", PROP_BOOL, offsetof(VirtIOBlkPCI, blk.conf.discard),
      .def = "on", .help = "offer discard", .since = "0.1" },
    { "report-discard-granularity", PROP_BOOL,
      offsetof(VirtIOBlkPCI, blk.conf.report_discard_granularity), .def = "on",
      .help = "tell the guest discard_granularity", .since = "0.1" },
    { "write-zeroes", PROP_BOOL, offsetof(VirtIOBlkPCI, blk.conf.write_zeroes),
      .def = "on", .help = "offer write zeroes", .since = "0.1" },
    { "max-discard-sectors", PROP_UINT32,
      offsetof(VirtIOBlkPCI, blk.conf.max_discard_sectors), .def = "2097152",
      .unit = "512 bytes", .help = "longest discard", .since = "0.1" },
    { "max-write-zeroes-sectors", PROP_UINT32,
      offsetof(VirtIOBlkPCI, blk.conf.max_write_zeroes_sectors),
      .def = "2097152", .unit = "512 bytes", .help = "longest write of zeroes",
      .since = "0.1" },
    {},
};

static void blk_pci_instance_finalize(Object *obj)
{
    VirtIOBlkPCI *d = VIRTIO_BLK_PCI(obj);

    block_conf_release(&d->blk.conf.block, DEVICE(obj));
}

static const VMStateDescription vmstate_blk_pci = {
    .name = "virtio-blk",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_VIRTIO_PCI(parent_obj, VirtIOBlkPCI),
            VMSTATE_STRUCT(blk, VirtIOBlkPCI, 0, vmstate_virtio_blk, VirtIOBlk),
            VMSTATE_END_OF_LIST() },
};

static void blk_pci_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(VirtIOBlkPCI, blk.vdev);
    vpc->class_code = PCI_CLASS_STORAGE_SCSI;
    vpc->legacy_device_id = PCI_DEVICE_ID_VIRTIO_BLOCK;
    vpc->realize = blk_pci_realize;
    vpc->unrealize = blk_pci_unrealize;
    DEVICE_CLASS(oc)->desc = "virtio disk";
    DEVICE_CLASS(oc)->vmsd = &vmstate_blk_pci;
}

extern const TypeInfo hw_type_virtio_blk_pci_base;
const TypeInfo hw_type_virtio_blk_pci_base = {
    .name = TYPE_VIRTIO_BLK_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(VirtIOBlkPCI),
    .instance_finalize = blk_pci_instance_finalize,
    .class_init = blk_pci_class_init,
    .props = blk_pci_props,
};

VIRTIO_PCI_TYPES(virtio_blk_pci, TYPE_VIRTIO_BLK_PCI, "virtio-blk-pci");
