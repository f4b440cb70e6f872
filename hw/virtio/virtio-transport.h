/*
 * The other side of a virtio device: what a transport (PCI) calls when the
 * driver writes to its registers, and what it offers the device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_TRANSPORT_H
#define HW_VIRTIO_VIRTIO_TRANSPORT_H

#include "hw/virtio/virtio.h"

/* Bits of the ISR status register. */
#define VIRTIO_ISR_QUEUE  1u
#define VIRTIO_ISR_CONFIG 2u

/**
 * VirtIOTransport: calls into the transport, under the machine lock.
 * @notify: interrupt by @vector; without vectors vdev->isr says why
 * @update_irq: vdev->isr changed: level of a shared line
 * @queue_enabled: (optional) @vq was enabled or disabled: ioeventfd, irqfd
 */
struct VirtIOTransport {
    void (*notify)(void *opaque, uint16_t vector);
    void (*update_irq)(void *opaque);
    void (*queue_enabled)(void *opaque, VirtQueue *vq, bool enabled);
};

/** virtio_plug: @vdev has its queues; offer features (those of 1.0 and later
 *  if @modern), connect. */
void virtio_plug(VirtIODevice *vdev, const VirtIOTransport *transport,
                 void *opaque, bool modern);

/* -- registers of the device ------------------------------------------------ */

/** virtio_get_status: what the driver reads. */
uint8_t virtio_get_status(VirtIODevice *vdev);
/** virtio_set_bus_master: may the device reach memory? */
void virtio_set_bus_master(VirtIODevice *vdev, bool on);
/** virtio_set_status: what the driver wrote; 0 resets. */
void virtio_set_status(VirtIODevice *vdev, uint8_t value);
/** virtio_reset: as after power-on. */
void virtio_reset(VirtIODevice *vdev);
/** virtio_offered_features: what a driver sees; @legacy: of the old
 *  interface. */
uint64_t virtio_offered_features(VirtIODevice *vdev, bool legacy);
/** virtio_set_features: the driver's words; ignored after FEATURES_OK. */
void virtio_set_features(VirtIODevice *vdev, uint64_t features);
/** virtio_set_running: the machine stops or runs on. */
void virtio_set_running(VirtIODevice *vdev, bool running);

uint64_t virtio_config_read(VirtIODevice *vdev, uint64_t offset, unsigned size);
void virtio_config_write(VirtIODevice *vdev, uint64_t offset, uint64_t value,
                         unsigned size);
/** virtio_isr_ack: Returns: the reasons, which are cleared. */
uint8_t virtio_isr_ack(VirtIODevice *vdev);

/* -- registers of one queue; @n may be any number ---------------------------- */

typedef struct VirtQueueSetup {
    uint16_t size;
    uint16_t max_size;
    uint16_t vector;
    bool enabled;
    bool reset; /* queue_reset register */
    uint64_t desc;
    uint64_t driver; /* available ring */
    uint64_t device; /* used ring */
} VirtQueueSetup;

/** virtio_queue_setup: NULL if there is no queue @n. */
const VirtQueueSetup *virtio_queue_setup(VirtIODevice *vdev, unsigned n);
void virtio_queue_set_size(VirtIODevice *vdev, unsigned n, uint16_t size);
void virtio_queue_set_vector(VirtIODevice *vdev, unsigned n, uint16_t vector);
void virtio_queue_set_rings(VirtIODevice *vdev, unsigned n, uint64_t desc,
                            uint64_t driver, uint64_t device);
/** virtio_queue_enable: modern interface's queue_enable = 1. */
void virtio_queue_enable(VirtIODevice *vdev, unsigned n);
/** virtio_queue_reset: modern interface's queue_reset = 1. */
void virtio_queue_reset(VirtIODevice *vdev, unsigned n);
/** virtio_queue_set_pfn: legacy interface; page number of all three rings,
 *  0 resets the device. */
void virtio_queue_set_pfn(VirtIODevice *vdev, unsigned n, uint32_t pfn);
uint32_t virtio_queue_get_pfn(VirtIODevice *vdev, unsigned n);

/** virtio_queue_notify: the driver rang for queue @n. Thread: any; the
 *  handler runs in the device's context. */
void virtio_queue_notify(VirtIODevice *vdev, unsigned n);
/** virtio_queue_host_notifier: what rings for @vq, for an ioeventfd; made at
 *  the first call, stays until the device goes. NULL: no descriptor left. */
EventNotifier *virtio_queue_host_notifier(VirtQueue *vq);

/* Bytes of a legacy ring's alignment, and its page size. */
#define VIRTIO_LEGACY_ALIGN      4096
#define VIRTIO_LEGACY_PAGE_SHIFT 12

#endif
