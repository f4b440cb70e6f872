/*
 * Virtio over PCI: the device as a PCI function.
 *
 * Interrupts go by MSI-X while the guest has it on, else by INTA, whose level
 * is that of the ISR register.
 *
 * Source: VIRTIO 1.2, 4.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-pci.h"

#include "hw/core/machine-internal.h"
#include "hw/pci/msix.h"
#include "migration/vmstate.h"
#include "qapi/qapi-types-common.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "virtio-pci-internal.h"

/* 4.1.2: device IDs of modern devices. */
#define MODERN_DEVICE_ID(type) (0x1040u + (type))
#define MODERN_REVISION        1

GuestMemory *virtio_pci_memory(VirtIOPCIProxy *proxy)
{
    return pci_get_memory(PCI_DEVICE(proxy));
}

/* -- interrupts ----------------------------------------------------------------------- */

void virtio_pci_update_irq(void *opaque)
{
    VirtIOPCIProxy *proxy = opaque;
    PCIDevice *dev = PCI_DEVICE(proxy);

    pci_set_irq(dev, !msix_enabled(dev) && proxy->vdev->isr != 0);
}

static void virtio_pci_notify(void *opaque, uint16_t vector)
{
    VirtIOPCIProxy *proxy = opaque;
    PCIDevice *dev = PCI_DEVICE(proxy);

    if (!msix_enabled(dev)) {
        virtio_pci_update_irq(proxy);
    } else if (vector != VIRTIO_NO_VECTOR &&
               !virtio_pci_irqfd_notify(proxy, vector)) {
        msix_notify(dev, vector);
    }
}

static const VirtIOTransport virtio_pci_transport = {
    .notify = virtio_pci_notify,
    .update_irq = virtio_pci_update_irq,
    .queue_enabled = virtio_pci_queue_enabled,
};

uint16_t virtio_pci_vector(VirtIOPCIProxy *proxy, uint64_t value)
{
    return value < msix_nr_vectors(PCI_DEVICE(proxy)) ? (uint16_t)value
                                                      : VIRTIO_NO_VECTOR;
}

void virtio_pci_set_status(VirtIOPCIProxy *proxy, uint8_t value, bool legacy)
{
    PCIDevice *dev = PCI_DEVICE(proxy);

    if (legacy && (value & VIRTIO_STATUS_DRIVER_OK) && !pci_bus_master(dev)) {
        /* Old drivers forget it; the device could do nothing. */
        dev->config[PCI_COMMAND] |= PCI_COMMAND_MASTER;
        virtio_set_bus_master(proxy->vdev, true);
    }
    virtio_set_status(proxy->vdev, value);
    if (value == 0) {
        memset(proxy->driver_features, 0, sizeof(proxy->driver_features));
        proxy->device_feature_select = 0;
        proxy->driver_feature_select = 0;
    }
}

/* -- configuration space ----------------------------------------------------------------- */

static void virtio_pci_config_write(PCIDevice *dev, uint32_t addr,
                                    uint32_t value, unsigned len)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);

    pci_default_write_config(dev, addr, value, len);
    virtio_set_bus_master(proxy->vdev, pci_bus_master(dev));
    virtio_pci_update_irq(proxy);
    virtio_pci_cfg_access(proxy, addr, len, true);
}

static uint32_t virtio_pci_config_read(PCIDevice *dev, uint32_t addr,
                                       unsigned len)
{
    virtio_pci_cfg_access(VIRTIO_PCI(dev), addr, len, false);
    return pci_default_read_config(dev, addr, len);
}

static void virtio_pci_bar_changed(PCIDevice *dev, unsigned n, uint64_t addr)
{
    virtio_pci_ioeventfd_bar(VIRTIO_PCI(dev), n, addr);
}

/* -- life ------------------------------------------------------------------------------------ */

static bool choose_interfaces(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_GET_CLASS(proxy);

    proxy->modern = !proxy->disable_modern;
    proxy->legacy = proxy->disable_legacy == ON_OFF_AUTO_OFF ||
                    (proxy->disable_legacy == ON_OFF_AUTO_AUTO &&
                     vpc->legacy_device_id != 0);
    if (proxy->legacy && !vpc->legacy_device_id) {
        error_setg(errp, "this device has no legacy interface: "
                         "disable-legacy=off cannot be");
        return false;
    }
    if (!proxy->legacy && !proxy->modern) {
        error_setg(errp, "device cannot work as neither modern nor legacy mode"
                         " is enabled");
        return false;
    }
    if (proxy->legacy && proxy->vdev->props.iommu_platform) {
        error_setg(errp, "iommu_platform=on needs disable-legacy=on");
        return false;
    }
    return true;
}

static void set_identity(VirtIOPCIProxy *proxy)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_GET_CLASS(proxy);
    uint8_t *c = PCI_DEVICE(proxy)->config;
    unsigned type = proxy->vdev->klass->device_id;

    pci_set_word(c + PCI_VENDOR_ID, PCI_VENDOR_ID_REDHAT_QUMRANET);
    pci_set_word(c + PCI_CLASS_DEVICE, vpc->class_code);
    pci_set_word(c + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR_ID_REDHAT_QUMRANET);
    if (proxy->legacy) {
        pci_set_word(c + PCI_DEVICE_ID, vpc->legacy_device_id);
        pci_set_word(c + PCI_SUBSYSTEM_ID, (uint16_t)type);
        pci_set_byte(c + PCI_REVISION_ID, 0);
    } else {
        pci_set_word(c + PCI_DEVICE_ID, (uint16_t)MODERN_DEVICE_ID(type));
        pci_set_byte(c + PCI_REVISION_ID, MODERN_REVISION);
    }
    pci_config_set_interrupt_pin(PCI_DEVICE(proxy), 1);
}

static void running_changed(Notifier *n, void *data)
{
    VirtIOPCIProxy *proxy = container_of(n, VirtIOPCIProxy, run_notifier);

    MACHINE_LOCK_GUARD();
    virtio_set_running(proxy->vdev, machine_is_running(data));
}

static void follow_machine(VirtIOPCIProxy *proxy)
{
    MachineState *machine = pci_get_machine(PCI_DEVICE(proxy));

    if (machine) {
        proxy->run_notifier.notify = running_changed;
        machine_add_run_notifier(machine, &proxy->run_notifier);
        proxy->follows_machine = true;
        proxy->vdev->vm_running = machine_is_running(machine);
    }
}

static bool connect_pci(VirtIOPCIProxy *proxy, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(proxy);

    set_identity(proxy);
    if (proxy->n_vectors &&
        !msix_init_exclusive_bar(dev, proxy->n_vectors, VIRTIO_PCI_MSIX_BAR,
                                 errp)) {
        return false;
    }
    if (proxy->modern && !virtio_pci_modern_init(proxy, errp)) {
        return false;
    }
    if (proxy->legacy) {
        virtio_pci_legacy_init(proxy);
    }
    return true;
}

static bool virtio_pci_realize(PCIDevice *dev, Error **errp)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);
    VirtioPCIClass *vpc = VIRTIO_PCI_GET_CLASS(proxy);

    if (!choose_interfaces(proxy, errp) || !vpc->realize(proxy, errp)) {
        return false;
    }
    if (proxy->n_vectors == VIRTIO_PCI_VECTORS_AUTO) {
        proxy->n_vectors = proxy->vdev->n_vqs + 1;
    }
    proxy->n_vectors = MIN(proxy->n_vectors, MSIX_VECTORS_MAX);
    if (!connect_pci(proxy, errp)) {
        vpc->unrealize(proxy);
        return false;
    }
    proxy->vdev->modern_only = !proxy->legacy;
    virtio_plug(proxy->vdev, &virtio_pci_transport, proxy, proxy->modern);
    follow_machine(proxy);
    virtio_pci_irqfd_init(proxy);
    return true;
}

static void virtio_pci_exit(PCIDevice *dev)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);

    if (proxy->follows_machine) {
        notifier_remove(&proxy->run_notifier);
        proxy->follows_machine = false;
    }
    virtio_reset(proxy->vdev);
    virtio_pci_irqfd_deinit(proxy);
    VIRTIO_PCI_GET_CLASS(proxy)->unrealize(proxy);
}

static void virtio_pci_reset(PCIDevice *dev)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);

    virtio_pci_set_status(proxy, 0, false);
    virtio_set_bus_master(proxy->vdev, false);
}

void virtio_pci_transitional_init(Object *obj)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(obj);

    proxy->disable_legacy = ON_OFF_AUTO_OFF;
    proxy->disable_modern = false;
}

void virtio_pci_non_transitional_init(Object *obj)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(obj);

    proxy->disable_legacy = ON_OFF_AUTO_ON;
    proxy->disable_modern = false;
}

/* -- migration ---------------------------------------------------------------------------- */

static bool check_vector(VirtIOPCIProxy *proxy, const char *what,
                         uint16_t vector, Error **errp)
{
    if (virtio_pci_vector(proxy, vector) != vector) {
        error_setg(errp, "vector %u of %s is not one of %u", vector, what,
                   msix_nr_vectors(PCI_DEVICE(proxy)));
        return false;
    }
    return true;
}

static bool virtio_pci_post_load(void *opaque, int version_id, Error **errp)
{
    VirtIOPCIProxy *proxy = opaque;
    VirtIODevice *vdev = proxy->vdev;

    if (!check_vector(proxy, "the configuration", vdev->config_vector, errp)) {
        return false;
    }
    for (unsigned i = 0; i < vdev->n_vqs; i++) {
        if (!check_vector(proxy, "a queue", virtio_queue_setup(vdev, i)->vector,
                          errp)) {
            return false;
        }
    }
    vdev->bus_master = pci_bus_master(PCI_DEVICE(proxy));
    for (unsigned i = 0; i < vdev->n_vqs; i++) {
        VirtQueue *vq = virtio_get_queue(vdev, i);

        if (virtio_queue_ready(vq)) {
            virtio_pci_queue_enabled(proxy, vq, true);
        }
    }
    return true;
}

const VMStateDescription vmstate_virtio_pci = {
    .name = "virtio_pci",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = virtio_pci_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, VirtIOPCIProxy),
            VMSTATE_UINT32(device_feature_select, VirtIOPCIProxy),
            VMSTATE_UINT32(driver_feature_select, VirtIOPCIProxy),
            VMSTATE_UINT32_ARRAY(driver_features, VirtIOPCIProxy, 2),
            VMSTATE_STRUCT_POINTER(vdev, VirtIOPCIProxy, vmstate_virtio_device,
                                   VirtIODevice),
            VMSTATE_END_OF_LIST() },
};

/* -- class ------------------------------------------------------------------------------------ */

static const Property virtio_pci_props[] = {
    { "disable-legacy", PROP_ENUM, offsetof(VirtIOPCIProxy, disable_legacy),
      .qapi_type = "OnOffAuto", .lookup = &OnOffAuto_lookup, .def = "auto",
      .help = "leave out the interface from before virtio 1.0",
      .since = "0.1" },
    { "disable-modern", PROP_BOOL, offsetof(VirtIOPCIProxy, disable_modern),
      .def = "off", .help = "leave out the interface of virtio 1.0",
      .since = "0.1" },
    { "ioeventfd", PROP_BOOL, offsetof(VirtIOPCIProxy, ioeventfd), .def = "on",
      .help = "let the accelerator take notifications of the guest",
      .since = "0.1" },
    { "page-per-vq", PROP_BOOL, offsetof(VirtIOPCIProxy, page_per_vq),
      .def = "off", .help = "a page of notification registers for each queue",
      .since = "0.1" },
    { "vectors", PROP_UINT32, offsetof(VirtIOPCIProxy, n_vectors),
      .def = "4294967295",
      .help = "MSI-X vectors; 0 = none; else as many as the device has use for",
      .since = "0.1" },
    {},
};

static void virtio_pci_instance_init(Object *obj)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(obj);
    VirtioPCIClass *vpc = VIRTIO_PCI_GET_CLASS(proxy);

    proxy->vdev = (VirtIODevice *)(void *)((char *)obj + vpc->vdev_offset);
}

static void virtio_pci_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    pc->realize = virtio_pci_realize;
    pc->exit = virtio_pci_exit;
    pc->reset = virtio_pci_reset;
    pc->config_read = virtio_pci_config_read;
    pc->config_write = virtio_pci_config_write;
    pc->bar_changed = virtio_pci_bar_changed;
}

extern const TypeInfo hw_type_virtio_pci;
const TypeInfo hw_type_virtio_pci = {
    .name = TYPE_VIRTIO_PCI,
    .parent = TYPE_PCI_DEVICE,
    .abstract = true,
    .instance_size = sizeof(VirtIOPCIProxy),
    .instance_init = virtio_pci_instance_init,
    .class_size = sizeof(VirtioPCIClass),
    .class_init = virtio_pci_class_init,
    .props = virtio_pci_props,
};
