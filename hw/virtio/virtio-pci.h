/*
 * Virtio over PCI: modern, legacy, or both ("transitional").
 *
 *   BAR 0  I/O     legacy registers (not with disable-legacy=on)
 *   BAR 1  memory  MSI-X table, when there are vectors
 *   BAR 4  memory  modern: common, ISR, device, notify, 4 KiB or more each
 *
 * A device adds a subclass of TYPE_VIRTIO_PCI with its VirtIODevice embedded,
 * and three concrete types by VIRTIO_PCI_TYPES():
 *
 *   virtio-X-pci                   legacy where the slot allows it (auto)
 *   virtio-X-pci-transitional      legacy and modern
 *   virtio-X-pci-non-transitional  modern only
 *
 * Source: VIRTIO 1.2, 4.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/core/io-space.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"
#include "util/notify.h"

#define TYPE_VIRTIO_PCI "virtio-pci"
OBJECT_DECLARE_TYPE(VirtIOPCIProxy, VirtioPCIClass, VIRTIO_PCI)

/* `vectors` not given: as many as the device's kind wants. */
#define VIRTIO_PCI_VECTORS_AUTO UINT32_MAX

/**
 * VirtioPCIClass:
 * @vdev_offset: of the VirtIODevice in the instance struct
 * @class_code: PCI class and subclass
 * @legacy_device_id: PCI device ID of the transitional device; 0: there is
 *                    none, the device is modern only
 * @realize: check properties, virtio_device_realize(), add queues; sets
 *           proxy->n_vectors if the user left it to the device
 * @unrealize: undo it, virtio_device_unrealize() included
 */
struct VirtioPCIClass {
    PCIDeviceClass parent_class;

    size_t vdev_offset;
    uint16_t class_code;
    uint16_t legacy_device_id;
    bool (*realize)(VirtIOPCIProxy *proxy, Error **errp);
    void (*unrealize)(VirtIOPCIProxy *proxy);
};

/* A notification register that the accelerator watches. */
typedef struct VirtIOPCIEvent {
    AccelIOEvent what;
    bool on;
} VirtIOPCIEvent;

/* An MSI-X vector that the accelerator sends. */
typedef struct VirtIOPCIVector {
    EventNotifier notifier;
    bool has_notifier;
    int route; /* of the accelerator; -1 = none */
} VirtIOPCIVector;

struct VirtIOPCIProxy {
    PCIDevice parent_obj;

    VirtIODevice *vdev;

    /* properties */
    int disable_legacy; /* OnOffAuto */
    bool disable_modern;
    bool ioeventfd;
    bool page_per_vq;
    uint32_t n_vectors;

    bool legacy;
    bool modern;

    IORegion legacy_bar;
    IORegion modern_bar;

    uint32_t device_feature_select;
    uint32_t driver_feature_select;
    uint32_t driver_features[2];
    unsigned cfg_cap; /* offset of the PCI configuration capability */

    Notifier run_notifier;
    bool follows_machine;
    VirtIOPCIEvent *events;   /* two for each queue: legacy, modern; or NULL */
    VirtIOPCIVector *vectors; /* n_vectors of them, or NULL */
};

/* Of VirtIOPCIProxy, with its VirtIODevice: the first field of every device's
 * description. */
extern const VMStateDescription vmstate_virtio_pci;
#define VMSTATE_VIRTIO_PCI(f, type)                                            \
    VMSTATE_STRUCT(f, type, 0, vmstate_virtio_pci, VirtIOPCIProxy)

/* The guest memory and loop that a realize callback passes on. */
GuestMemory *virtio_pci_memory(VirtIOPCIProxy *proxy);

/* The three concrete classes of a device: definitions of hw_type_<sym>,
 * hw_type_<sym>_transitional, hw_type_<sym>_non_transitional. */
#define VIRTIO_PCI_TYPES(sym, base_type, name_)                                \
    extern const TypeInfo hw_type_##sym;                                       \
    const TypeInfo hw_type_##sym = { .name = name_, .parent = base_type };     \
    extern const TypeInfo hw_type_##sym##_transitional;                        \
    const TypeInfo hw_type_##sym##_transitional = {                            \
        .name = name_ "-transitional",                                         \
        .parent = base_type,                                                   \
        .instance_init = virtio_pci_transitional_init,                         \
    };                                                                         \
    extern const TypeInfo hw_type_##sym##_non_transitional;                    \
    const TypeInfo hw_type_##sym##_non_transitional = {                        \
        .name = name_ "-non-transitional",                                     \
        .parent = base_type,                                                   \
        .instance_init = virtio_pci_non_transitional_init,                     \
    }

void virtio_pci_transitional_init(Object *obj);
void virtio_pci_non_transitional_init(Object *obj);

/* Lines of a device's property table: the features of its VirtIODevice. */
#define VIRTIO_FEATURE_PROPS(Type_, vdev_)                                     \
    { "indirect_desc",                                                         \
      PROP_BOOL,                                                               \
      offsetof(Type_, vdev_.props.indirect_desc),                              \
      .def = "on",                                                             \
      .help = "descriptor tables inside requests",                             \
      .since = "0.1" },                                                        \
        { "event_idx",                                                         \
          PROP_BOOL,                                                           \
          offsetof(Type_, vdev_.props.event_idx),                              \
          .def = "on",                                                         \
          .help = "driver and device say when to notify",                      \
          .since = "0.1" },                                                    \
        { "notify_on_empty",                                                   \
          PROP_BOOL,                                                           \
          offsetof(Type_, vdev_.props.notify_on_empty),                        \
          .def = "on",                                                         \
          .help = "legacy: interrupt when a queue runs empty",                 \
          .since = "0.1" },                                                    \
        { "any_layout",                                                        \
          PROP_BOOL,                                                           \
          offsetof(Type_, vdev_.props.any_layout),                             \
          .def = "on",                                                         \
          .help = "legacy: buffers of any division",                           \
          .since = "0.1" },                                                    \
        { "packed",                                                            \
          PROP_BOOL,                                                           \
          offsetof(Type_, vdev_.props.packed),                                 \
          .def = "off",                                                        \
          .help = "offer packed rings",                                        \
          .since = "0.1" },                                                    \
        { "queue_reset",                                                       \
          PROP_BOOL,                                                           \
          offsetof(Type_, vdev_.props.queue_reset),                            \
          .def = "on",                                                         \
          .help = "the driver may reset single queues",                        \
          .since = "0.1" },                                                    \
    {                                                                          \
        "iommu_platform", PROP_BOOL,                                           \
            offsetof(Type_, vdev_.props.iommu_platform),                       \
            .def = "off",                                                      \
            .help = "the driver uses the platform's DMA addresses",            \
            .since = "0.1"                                                     \
    }

#endif
