/*
 * Virtio over PCI, inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_INTERNAL_H
#define HW_VIRTIO_VIRTIO_PCI_INTERNAL_H

#include "hw/machine-lock.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-transport.h"

#define VIRTIO_PCI_LEGACY_BAR 0
#define VIRTIO_PCI_MSIX_BAR   1
#define VIRTIO_PCI_MODERN_BAR 4

/* Parts of the modern BAR. */
#define VIRTIO_PCI_COMMON_AT 0x0000u
#define VIRTIO_PCI_ISR_AT    0x1000u
#define VIRTIO_PCI_DEVICE_AT 0x2000u
#define VIRTIO_PCI_NOTIFY_AT 0x3000u
#define VIRTIO_PCI_PART      0x1000u

/* Offset of the legacy notification register. */
#define VIRTIO_PCI_LEGACY_NOTIFY 16u

/** virtio_pci_modern_init: capabilities and BAR 4. */
bool virtio_pci_modern_init(VirtIOPCIProxy *proxy, Error **errp);
/** virtio_pci_notify_multiplier: bytes between two queues' registers. */
uint32_t virtio_pci_notify_multiplier(const VirtIOPCIProxy *proxy);
/** virtio_pci_cfg_access: if @addr is the data field of the PCI configuration
 *  access capability, do the access that its other fields describe. */
void virtio_pci_cfg_access(VirtIOPCIProxy *proxy, uint32_t addr, unsigned len,
                           bool is_write);
/** virtio_pci_legacy_init: BAR 0. */
void virtio_pci_legacy_init(VirtIOPCIProxy *proxy);

/** virtio_pci_vector: @value as the guest wrote it, or VIRTIO_NO_VECTOR. */
uint16_t virtio_pci_vector(VirtIOPCIProxy *proxy, uint64_t value);
void virtio_pci_set_status(VirtIOPCIProxy *proxy, uint8_t value, bool legacy);
void virtio_pci_update_irq(void *opaque);

/* virtio-pci-fd.c: notifications and interrupts by descriptors that the
 * accelerator serves; without them everything works, slower. */
void virtio_pci_queue_enabled(void *opaque, VirtQueue *vq, bool enabled);
void virtio_pci_ioeventfd_bar(VirtIOPCIProxy *proxy, unsigned n, uint64_t addr);
void virtio_pci_irqfd_init(VirtIOPCIProxy *proxy);
void virtio_pci_irqfd_deinit(VirtIOPCIProxy *proxy);
/** virtio_pci_irqfd_notify: Returns: false if @vector has no irqfd. */
bool virtio_pci_irqfd_notify(VirtIOPCIProxy *proxy, uint16_t vector);

#endif
