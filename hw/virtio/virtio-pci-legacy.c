/*
 * Virtio over PCI: the interface from before 1.0, in I/O ports.
 *
 *   0 le32 device features     4 le32 driver features   8 le32 queue's page
 *   12 le16 queue size         14 le16 queue select     16 le16 notify
 *   18 u8 status               19 u8 ISR
 *   20 le16 config vector      22 le16 queue vector     only with MSI-X on
 *   then the device's configuration space
 *
 * Source: VIRTIO 1.2, 4.1.4.10.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msix.h"
#include "util/host-utils.h"

#include "virtio-pci-internal.h"

enum {
    LEGACY_HOST_FEATURES = 0,
    LEGACY_GUEST_FEATURES = 4,
    LEGACY_QUEUE_PFN = 8,
    LEGACY_QUEUE_SIZE = 12,
    LEGACY_QUEUE_SELECT = 14,
    LEGACY_STATUS = 18,
    LEGACY_ISR = 19,
    LEGACY_CONFIG_VECTOR = 20,
    LEGACY_QUEUE_VECTOR = 22,
};
#define LEGACY_HEADER      20u
#define LEGACY_HEADER_MSIX 24u

static uint64_t config_base(VirtIOPCIProxy *proxy)
{
    return msix_enabled(PCI_DEVICE(proxy)) ? LEGACY_HEADER_MSIX : LEGACY_HEADER;
}

static uint64_t header_read(VirtIOPCIProxy *proxy, uint64_t offset)
{
    VirtIODevice *vdev = proxy->vdev;
    const VirtQueueSetup *q = virtio_queue_setup(vdev, vdev->queue_sel);

    switch (offset) {
    case LEGACY_HOST_FEATURES:
        return virtio_offered_features(vdev, true);
    case LEGACY_GUEST_FEATURES:
        return (uint32_t)vdev->guest_features;
    case LEGACY_QUEUE_PFN:
        return virtio_queue_get_pfn(vdev, vdev->queue_sel);
    case LEGACY_QUEUE_SIZE:
        return q ? q->max_size : 0;
    case LEGACY_QUEUE_SELECT:
        return vdev->queue_sel;
    case LEGACY_STATUS:
        return vdev->status;
    case LEGACY_ISR:
        return virtio_isr_ack(vdev);
    case LEGACY_CONFIG_VECTOR:
        return vdev->config_vector;
    case LEGACY_QUEUE_VECTOR:
        return q ? q->vector : VIRTIO_NO_VECTOR;
    default:
        return UINT64_MAX;
    }
}

static uint64_t legacy_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtIOPCIProxy *proxy = opaque;
    uint64_t base = config_base(proxy);

    return offset < base ? header_read(proxy, offset)
                         : virtio_config_read(proxy->vdev, offset - base, size);
}

static void header_write(VirtIOPCIProxy *proxy, uint64_t offset, uint64_t value)
{
    VirtIODevice *vdev = proxy->vdev;

    switch (offset) {
    case LEGACY_GUEST_FEATURES:
        virtio_set_features(vdev, (uint32_t)value);
        break;
    case LEGACY_QUEUE_PFN:
        virtio_queue_set_pfn(vdev, vdev->queue_sel, (uint32_t)value);
        break;
    case LEGACY_QUEUE_SELECT:
        vdev->queue_sel = (uint16_t)value;
        break;
    case VIRTIO_PCI_LEGACY_NOTIFY:
        virtio_queue_notify(vdev, (uint16_t)value);
        break;
    case LEGACY_STATUS:
        virtio_pci_set_status(proxy, (uint8_t)value, true);
        break;
    case LEGACY_CONFIG_VECTOR:
        vdev->config_vector = virtio_pci_vector(proxy, (uint16_t)value);
        break;
    case LEGACY_QUEUE_VECTOR:
        virtio_queue_set_vector(vdev, vdev->queue_sel,
                                virtio_pci_vector(proxy, (uint16_t)value));
        break;
    default:
        break;
    }
}

static void legacy_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    VirtIOPCIProxy *proxy = opaque;
    uint64_t base = config_base(proxy);

    if (offset < base) {
        header_write(proxy, offset, value);
    } else {
        virtio_config_write(proxy->vdev, offset - base, value, size);
    }
}

static const IORegionOps legacy_ops = { legacy_read, legacy_write, 4 };

void virtio_pci_legacy_init(VirtIOPCIProxy *proxy)
{
    size_t config = proxy->vdev->klass->config_len;

    io_region_init(&proxy->legacy_bar, "virtio-pci-legacy",
                   pow2ceil(LEGACY_HEADER_MSIX + config), &legacy_ops, proxy);
    pci_register_bar(PCI_DEVICE(proxy), VIRTIO_PCI_LEGACY_BAR,
                     PCI_BASE_ADDRESS_SPACE_IO, &proxy->legacy_bar);
}
