/*
 * Virtio over PCI: the interface of virtio 1.0 and later.
 *
 * Everything is in one BAR; vendor capabilities say where. The PCI
 * configuration access capability reaches the same registers without a BAR,
 * for firmware.
 *
 * Source: VIRTIO 1.2, 4.1.4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msix.h"
#include "util/error.h"
#include "util/host-utils.h"

#include "virtio-pci-internal.h"

/* struct virtio_pci_cap */
#define CAP_LEN_AT    2
#define CAP_TYPE_AT   3
#define CAP_BAR_AT    4
#define CAP_OFFSET_AT 8
#define CAP_LENGTH_AT 12
#define CAP_BYTES     16
#define CAP_EXTRA_AT  16 /* multiplier, or data */

enum {
    CAP_COMMON = 1,
    CAP_NOTIFY = 2,
    CAP_ISR = 3,
    CAP_DEVICE = 4,
    CAP_PCI = 5,
};

/* struct virtio_pci_common_cfg */
enum {
    COMMON_DFSELECT = 0,
    COMMON_DF = 4,
    COMMON_GFSELECT = 8,
    COMMON_GF = 12,
    COMMON_MSIX = 16,
    COMMON_NUMQ = 18,
    COMMON_STATUS = 20,
    COMMON_GENERATION = 21,
    COMMON_Q_SELECT = 22,
    COMMON_Q_SIZE = 24,
    COMMON_Q_MSIX = 26,
    COMMON_Q_ENABLE = 28,
    COMMON_Q_NOFF = 30,
    COMMON_Q_DESC = 32, /* three pairs of words */
    COMMON_Q_END = 56,
    COMMON_Q_NDATA = 56,
    COMMON_Q_RESET = 58,
};

uint32_t virtio_pci_notify_multiplier(const VirtIOPCIProxy *proxy)
{
    return proxy->page_per_vq ? VIRTIO_PCI_PART : 4;
}

/* -- common configuration --------------------------------------------------------------- */

static uint64_t ring_field(const VirtQueueSetup *q, unsigned word)
{
    const uint64_t areas[3] = { q->desc, q->driver, q->device };

    return (uint32_t)(areas[word / 2] >> (word % 2 * 32));
}

static uint64_t queue_read(VirtIOPCIProxy *proxy, uint64_t offset)
{
    VirtIODevice *vdev = proxy->vdev;
    const VirtQueueSetup *q = virtio_queue_setup(vdev, vdev->queue_sel);

    if (!q) {
        /* 4.1.4.3.1: a queue that is not there has size 0. */
        return offset == COMMON_Q_MSIX ? VIRTIO_NO_VECTOR : 0;
    }
    switch (offset) {
    case COMMON_Q_SIZE:
        return q->size;
    case COMMON_Q_MSIX:
        return q->vector;
    case COMMON_Q_ENABLE:
        return q->enabled;
    case COMMON_Q_NOFF:
    case COMMON_Q_NDATA:
        return vdev->queue_sel;
    case COMMON_Q_RESET:
        return q->reset;
    default:
        if (offset >= COMMON_Q_DESC && offset < COMMON_Q_END &&
            offset % 4 == 0) {
            return ring_field(q, (unsigned)(offset - COMMON_Q_DESC) / 4);
        }
        return 0;
    }
}

static uint64_t common_read(VirtIOPCIProxy *proxy, uint64_t offset)
{
    VirtIODevice *vdev = proxy->vdev;

    switch (offset) {
    case COMMON_DFSELECT:
        return proxy->device_feature_select;
    case COMMON_DF:
        return proxy->device_feature_select < 2
                   ? (uint32_t)(virtio_offered_features(vdev, false) >>
                                (32 * proxy->device_feature_select))
                   : 0;
    case COMMON_GFSELECT:
        return proxy->driver_feature_select;
    case COMMON_GF:
        return proxy->driver_feature_select < 2
                   ? proxy->driver_features[proxy->driver_feature_select]
                   : 0;
    case COMMON_MSIX:
        return vdev->config_vector;
    case COMMON_NUMQ:
        return vdev->n_vqs;
    case COMMON_STATUS:
        return virtio_get_status(vdev);
    case COMMON_GENERATION:
        return vdev->generation & 0xff;
    case COMMON_Q_SELECT:
        return vdev->queue_sel;
    default:
        return queue_read(proxy, offset);
    }
}

static void write_ring_field(VirtIOPCIProxy *proxy, unsigned word,
                             uint32_t value)
{
    VirtIODevice *vdev = proxy->vdev;
    const VirtQueueSetup *q = virtio_queue_setup(vdev, vdev->queue_sel);
    unsigned shift = word % 2 * 32;
    uint64_t areas[3];

    if (!q) {
        return;
    }
    areas[0] = q->desc;
    areas[1] = q->driver;
    areas[2] = q->device;
    areas[word / 2] &= ~((uint64_t)UINT32_MAX << shift);
    areas[word / 2] |= (uint64_t)value << shift;
    virtio_queue_set_rings(vdev, vdev->queue_sel, areas[0], areas[1], areas[2]);
}

static void queue_write(VirtIOPCIProxy *proxy, uint64_t offset, uint64_t value)
{
    VirtIODevice *vdev = proxy->vdev;
    unsigned n = vdev->queue_sel;

    switch (offset) {
    case COMMON_Q_SIZE:
        virtio_queue_set_size(vdev, n, (uint16_t)value);
        break;
    case COMMON_Q_MSIX:
        virtio_queue_set_vector(vdev, n,
                                virtio_pci_vector(proxy, (uint16_t)value));
        break;
    case COMMON_Q_ENABLE:
        if (value == 1) {
            virtio_queue_enable(vdev, n);
        }
        break;
    case COMMON_Q_RESET:
        if (value == 1) {
            virtio_queue_reset(vdev, n);
        }
        break;
    default:
        if (offset >= COMMON_Q_DESC && offset < COMMON_Q_END &&
            offset % 4 == 0) {
            write_ring_field(proxy, (unsigned)(offset - COMMON_Q_DESC) / 4,
                             (uint32_t)value);
        }
        break;
    }
}

static void common_write(VirtIOPCIProxy *proxy, uint64_t offset, uint64_t value)
{
    VirtIODevice *vdev = proxy->vdev;

    switch (offset) {
    case COMMON_DFSELECT:
        proxy->device_feature_select = (uint32_t)value;
        break;
    case COMMON_GFSELECT:
        proxy->driver_feature_select = (uint32_t)value;
        break;
    case COMMON_GF:
        if (proxy->driver_feature_select < 2) {
            uint32_t *f = proxy->driver_features;

            f[proxy->driver_feature_select] = (uint32_t)value;
            virtio_set_features(vdev, (uint64_t)f[1] << 32 | f[0]);
        }
        break;
    case COMMON_MSIX:
        vdev->config_vector = virtio_pci_vector(proxy, (uint16_t)value);
        break;
    case COMMON_STATUS:
        virtio_pci_set_status(proxy, (uint8_t)value, false);
        break;
    case COMMON_Q_SELECT:
        vdev->queue_sel = (uint16_t)value;
        break;
    default:
        queue_write(proxy, offset, value);
        break;
    }
}

/* -- the BAR -------------------------------------------------------------------------------- */

static uint64_t modern_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtIOPCIProxy *proxy = opaque;

    switch (offset & ~(uint64_t)(VIRTIO_PCI_PART - 1)) {
    case VIRTIO_PCI_COMMON_AT:
        return common_read(proxy, offset);
    case VIRTIO_PCI_ISR_AT:
        return offset == VIRTIO_PCI_ISR_AT ? virtio_isr_ack(proxy->vdev) : 0;
    case VIRTIO_PCI_DEVICE_AT:
        return virtio_config_read(proxy->vdev, offset - VIRTIO_PCI_DEVICE_AT,
                                  size);
    default:
        return 0;
    }
}

static void modern_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    VirtIOPCIProxy *proxy = opaque;

    switch (offset & ~(uint64_t)(VIRTIO_PCI_PART - 1)) {
    case VIRTIO_PCI_COMMON_AT:
        common_write(proxy, offset, value);
        break;
    case VIRTIO_PCI_ISR_AT:
        break;
    case VIRTIO_PCI_DEVICE_AT:
        virtio_config_write(proxy->vdev, offset - VIRTIO_PCI_DEVICE_AT, value,
                            size);
        break;
    default: {
        uint64_t n = (offset - VIRTIO_PCI_NOTIFY_AT) /
                     virtio_pci_notify_multiplier(proxy);

        virtio_queue_notify(proxy->vdev, (unsigned)MIN(n, UINT32_MAX));
        break;
    }
    }
}

static const IORegionOps modern_ops = { modern_read, modern_write, 4 };

/* -- capabilities ------------------------------------------------------------------------------ */

static bool add_cap(VirtIOPCIProxy *proxy, uint8_t type, uint32_t offset,
                    uint32_t length, uint8_t extra, uint8_t *ret, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(proxy);
    uint8_t bytes = (uint8_t)(CAP_BYTES + extra);
    uint8_t at = pci_add_capability(dev, PCI_CAP_ID_VNDR, 0, bytes, errp);

    if (!at) {
        return false;
    }
    dev->config[at + CAP_LEN_AT] = bytes;
    dev->config[at + CAP_TYPE_AT] = type;
    dev->config[at + CAP_BAR_AT] = VIRTIO_PCI_MODERN_BAR;
    pci_set_long(dev->config + at + CAP_OFFSET_AT, offset);
    pci_set_long(dev->config + at + CAP_LENGTH_AT, length);
    *ret = at;
    return true;
}

static bool add_pci_cfg_cap(VirtIOPCIProxy *proxy, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(proxy);
    uint8_t at;

    if (!add_cap(proxy, CAP_PCI, 0, 0, 4, &at, errp)) {
        return false;
    }
    proxy->cfg_cap = at;
    dev->config[at + CAP_BAR_AT] = 0;
    dev->wmask[at + CAP_BAR_AT] = 0xff;
    memset(dev->wmask + at + CAP_OFFSET_AT, 0xff, 4);
    memset(dev->wmask + at + CAP_LENGTH_AT, 0xff, 4);
    memset(dev->wmask + at + CAP_EXTRA_AT, 0xff, 4);
    return true;
}

bool virtio_pci_modern_init(VirtIOPCIProxy *proxy, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(proxy);
    uint32_t multiplier = virtio_pci_notify_multiplier(proxy);
    uint32_t notify = multiplier * VIRTIO_QUEUE_MAX;
    uint8_t at;

    if (!add_cap(proxy, CAP_COMMON, VIRTIO_PCI_COMMON_AT, VIRTIO_PCI_PART, 0,
                 &at, errp) ||
        !add_cap(proxy, CAP_ISR, VIRTIO_PCI_ISR_AT, VIRTIO_PCI_PART, 0, &at,
                 errp) ||
        !add_cap(proxy, CAP_DEVICE, VIRTIO_PCI_DEVICE_AT, VIRTIO_PCI_PART, 0,
                 &at, errp) ||
        !add_cap(proxy, CAP_NOTIFY, VIRTIO_PCI_NOTIFY_AT, notify, 4, &at,
                 errp)) {
        return false;
    }
    pci_set_long(dev->config + at + CAP_EXTRA_AT, multiplier);
    if (!add_pci_cfg_cap(proxy, errp)) {
        return false;
    }
    io_region_init(&proxy->modern_bar, "virtio-pci",
                   pow2ceil(VIRTIO_PCI_NOTIFY_AT + notify), &modern_ops, proxy);
    pci_register_bar(dev, VIRTIO_PCI_MODERN_BAR,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                         PCI_BASE_ADDRESS_MEM_TYPE_64 |
                         PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &proxy->modern_bar);
    return true;
}

/* 4.1.4.9: cap.bar, offset and length say what to access; the data field
 * does it. */
void virtio_pci_cfg_access(VirtIOPCIProxy *proxy, uint32_t addr, unsigned len,
                           bool is_write)
{
    uint8_t *cap = PCI_DEVICE(proxy)->config + proxy->cfg_cap;
    uint32_t offset, length;

    if (!proxy->cfg_cap || addr + len <= proxy->cfg_cap + CAP_EXTRA_AT ||
        addr >= proxy->cfg_cap + CAP_EXTRA_AT + 4) {
        return;
    }
    offset = pci_get_long(cap + CAP_OFFSET_AT);
    length = pci_get_long(cap + CAP_LENGTH_AT);
    if (cap[CAP_BAR_AT] != VIRTIO_PCI_MODERN_BAR ||
        (length != 1 && length != 2 && length != 4) || offset % length ||
        offset >= proxy->modern_bar.size) {
        return;
    }
    if (is_write) {
        uint32_t value = pci_get_long(cap + CAP_EXTRA_AT);

        modern_write(proxy, offset,
                     length == 4 ? value : value & ((1u << 8 * length) - 1),
                     length);
    } else {
        pci_set_long(cap + CAP_EXTRA_AT,
                     (uint32_t)modern_read(proxy, offset, length));
    }
}
