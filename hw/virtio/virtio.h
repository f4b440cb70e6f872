/*
 * Virtio: what a device model needs, whatever transport it is on.
 *
 * A device is a struct with a VirtIODevice as its first member, embedded in
 * the QOM device of its transport (hw/virtio/virtio-pci.h), and a constant
 * VirtioDeviceClass. It adds its queues, takes requests off them with
 * virtqueue_pop(), gives them back with virtqueue_push() and tells the guest
 * with virtio_notify().
 *
 * The guest is hostile: descriptors, lengths, indices and features are
 * checked here, before a device sees them. A ring that breaks the rules makes
 * the device "broken": it does nothing more until the guest resets it.
 *
 * Thread: all of it under the machine lock. A queue's handler runs in the
 * device's AioContext (normally the main loop's), never in the vCPU thread
 * that rang the bell, and has the lock already.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.2, chapters 2 and 3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <sys/uio.h>

#include "hw/core/guest-memory.h"
#include "hw/qdev-core.h"
#include "util/aio.h"

/* Most queues of a device, and most entries of one queue. */
#define VIRTIO_QUEUE_MAX   1024
#define VIRTQUEUE_MAX_SIZE 1024
/* Interrupt vector that means none. */
#define VIRTIO_NO_VECTOR 0xffff

/* Device status, 2.1. */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER      2u
#define VIRTIO_STATUS_DRIVER_OK   4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED      128u

/* Feature bits that are no device's own, chapter 6; numbers, not masks. */
#define VIRTIO_F_NOTIFY_ON_EMPTY 24 /* legacy */
#define VIRTIO_F_ANY_LAYOUT      27 /* legacy */
#define VIRTIO_F_INDIRECT_DESC   28
#define VIRTIO_F_EVENT_IDX       29
#define VIRTIO_F_VERSION_1       32
#define VIRTIO_F_ACCESS_PLATFORM 33
#define VIRTIO_F_RING_PACKED     34
#define VIRTIO_F_IN_ORDER        35
#define VIRTIO_F_RING_RESET      40

#define VIRTIO_FEATURE(bit) (1ull << (bit))

/* Device types, chapter 5. */
#define VIRTIO_ID_NET     1
#define VIRTIO_ID_BLOCK   2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG     4
#define VIRTIO_ID_BALLOON 5

typedef struct VirtIODevice VirtIODevice;
typedef struct VirtQueue VirtQueue;
typedef struct VirtIOTransport VirtIOTransport;
typedef struct QEMUFile QEMUFile;

typedef void VirtIOHandleOutput(VirtIODevice *vdev, VirtQueue *vq);

/**
 * VirtioDeviceClass: what makes a device of its kind. All calls are under the
 * machine lock.
 * @name: "virtio-blk", for messages
 * @device_id: VIRTIO_ID_*
 * @config_len: most bytes of configuration space
 * @get_features: (optional) the device's own bits to offer, added to
 *                @features, which has the transport's and the user's
 * @set_features: (optional) the driver's choice is final; already checked
 *                against the offer
 * @get_config: (optional) fill @config (@config_len zeroed bytes)
 * @set_config: (optional) the driver wrote; @config has all bytes
 * @set_status: (optional) vdev->status changed; old one in @old
 * @reset: (optional) to power-on; queues are empty already. Requests still
 *         in flight must be disowned: virtqueue_push() must not follow
 * @queue_reset: (optional) the driver resets one queue: as @reset for it.
 *               Without it VIRTIO_F_RING_RESET is not offered
 * @set_running: (optional) the machine stops (false: finish what is in flight
 *               or put it back into its queue, touch no guest memory and no
 *               back end afterwards) or runs on; queues are looked at then
 */
typedef struct VirtioDeviceClass {
    const char *name;
    uint16_t device_id;
    size_t config_len;
    uint64_t (*get_features)(VirtIODevice *vdev, uint64_t features);
    void (*set_features)(VirtIODevice *vdev, uint64_t features);
    void (*get_config)(VirtIODevice *vdev, uint8_t *config);
    void (*set_config)(VirtIODevice *vdev, const uint8_t *config);
    void (*set_status)(VirtIODevice *vdev, uint8_t old);
    void (*reset)(VirtIODevice *vdev);
    void (*queue_reset)(VirtIODevice *vdev, VirtQueue *vq);
    void (*set_running)(VirtIODevice *vdev, bool running);
} VirtioDeviceClass;

/* Features that the user can switch, as properties of every device. */
typedef struct VirtIOFeatureProps {
    bool indirect_desc;
    bool event_idx;
    bool notify_on_empty;
    bool any_layout;
    bool packed;
    bool queue_reset;
    bool iommu_platform;
} VirtIOFeatureProps;

/* First member of a device model. Read-only but for this folder. */
struct VirtIODevice {
    const VirtioDeviceClass *klass;
    DeviceState *owner; /* the QOM device it is part of */
    GuestMemory *memory;
    AioContext *ctx;

    const VirtIOTransport *transport;
    void *transport_opaque;

    VirtIOFeatureProps props;
    uint64_t host_features;
    uint64_t guest_features;

    uint8_t status;
    uint8_t isr;
    uint8_t old_status; /* shown while @resetting */
    bool broken;
    bool warned; /* about being broken: once is enough */
    bool features_final;
    bool vm_running;
    bool bus_master; /* the transport lets it reach memory */
    bool resetting;  /* waits for @dma_requests to end */
    unsigned dma_requests;
    uint16_t queue_sel;
    uint16_t config_vector;
    uint32_t generation; /* of the configuration space */
    uint8_t *config;     /* copy that the driver sees; config_len bytes */

    VirtQueue *vq; /* n_vqs of them */
    unsigned n_vqs;
    unsigned max_vqs;
    bool modern_only;
    bool ready; /* virtio_device_realize() done */
};

/* A request of the guest: buffers that the device reads (out) and writes
 * (in). First member of what virtqueue_pop() makes; free with g_free() after
 * virtqueue_push() or virtqueue_detach_element(). */
typedef struct VirtQueueElement {
    unsigned index;   /* descriptor chain's head, or buffer id */
    unsigned ndescs;  /* packed ring: descriptors it took */
    uint32_t epoch;   /* of the queue's reset, see virtqueue_push() */
    unsigned out_num; /* elements of out_sg */
    unsigned in_num;
    uint64_t *out_addr; /* guest addresses, beside out_sg and in_sg */
    uint64_t *in_addr;
    struct iovec *out_sg;
    struct iovec *in_sg;
} VirtQueueElement;

/* -- life of a device ------------------------------------------------------ */

/**
 * virtio_device_realize:
 * @vdev: zeroed but for @props
 * @owner: the QOM device
 * @memory: guest memory to reach its rings and buffers
 * @ctx: where its handlers run
 * @max_queues: most queues it will add, up to VIRTIO_QUEUE_MAX
 *
 * Then add queues, then plug it into the transport.
 */
void virtio_device_realize(VirtIODevice *vdev, const VirtioDeviceClass *klass,
                           DeviceState *owner, GuestMemory *memory,
                           AioContext *ctx, unsigned max_queues);
/** virtio_device_unrealize: undo it; accepts one that was never realized. */
void virtio_device_unrealize(VirtIODevice *vdev);

/**
 * virtio_add_queue:
 * @size: entries, 1 to VIRTQUEUE_MAX_SIZE; a power of two
 * @handler: called when the driver has made requests available
 *
 * Returns: (transfer none) the next queue.
 */
VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size,
                            VirtIOHandleOutput *handler);
VirtQueue *virtio_get_queue(VirtIODevice *vdev, unsigned n);
unsigned virtio_queue_index(const VirtQueue *vq);

/** virtio_has_feature: did driver and device agree on feature bit @bit? */
static inline bool virtio_has_feature(const VirtIODevice *vdev, unsigned bit)
{
    return (vdev->guest_features >> bit) & 1;
}

/** virtio_is_legacy: the driver speaks the interface from before 1.0. */
static inline bool virtio_is_legacy(const VirtIODevice *vdev)
{
    return !virtio_has_feature(vdev, VIRTIO_F_VERSION_1);
}

/** virtio_is_live: may the device process queues? */
static inline bool virtio_is_live(const VirtIODevice *vdev)
{
    return (vdev->status & VIRTIO_STATUS_DRIVER_OK) && !vdev->broken &&
           vdev->vm_running && vdev->bus_master && !vdev->resetting;
}

/**
 * virtio_dma_begin, virtio_dma_end: around a request whose buffers are read
 * or written while the machine lock is not held (disk I/O). A reset by the
 * driver is not over before the last of them is, as 2.1.1 demands.
 */
void virtio_dma_begin(VirtIODevice *vdev);
void virtio_dma_end(VirtIODevice *vdev);

/** virtio_error: the driver broke the rules: one warning, NEEDS_RESET, and
 *  nothing more until reset. */
void virtio_error(VirtIODevice *vdev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** virtio_notify_config: the configuration space has changed. */
void virtio_notify_config(VirtIODevice *vdev);

/* -- queues ---------------------------------------------------------------- */

/** virtio_queue_ready: set up by the driver? */
bool virtio_queue_ready(const VirtQueue *vq);
/** virtio_queue_empty: nothing to pop; also when the device is not live. */
bool virtio_queue_empty(VirtQueue *vq);
/**
 * virtio_queue_set_notification:
 * @enable: ask the driver for a call when it makes requests available; look
 *          again with virtio_queue_empty() after enabling
 */
void virtio_queue_set_notification(VirtQueue *vq, bool enable);

/**
 * virtqueue_pop:
 * @size: bytes of the caller's struct, a VirtQueueElement first; what follows
 *        is zeroed
 *
 * Returns: (transfer full) the next request, or NULL if there is none (or
 *   the ring is malformed: the device is broken then).
 * Limit: VIRTQUEUE_MAX_SIZE buffers in a request.
 */
void *virtqueue_pop(VirtQueue *vq, size_t size);
/**
 * virtqueue_push:
 * @len: bytes that were written into the in buffers, from their start
 *
 * Give a request back. Requests from before a reset of the queue are
 * dropped. The memory of @elem stays the caller's.
 */
void virtqueue_push(VirtQueue *vq, VirtQueueElement *elem, size_t len);
/* The same in two steps: fill @idx = 0, 1, 2 ..., then show all to the
 * driver. */
void virtqueue_fill(VirtQueue *vq, VirtQueueElement *elem, size_t len,
                    unsigned idx);
void virtqueue_flush(VirtQueue *vq, unsigned count);
/** virtqueue_unpop: put back the request that was popped last. */
void virtqueue_unpop(VirtQueue *vq, VirtQueueElement *elem);
/** virtqueue_detach_element: give up a request that will not be completed:
 *  its memory is let go. */
void virtqueue_detach_element(VirtQueue *vq, VirtQueueElement *elem,
                              size_t len);
/** virtqueue_element_is_current: false if the queue was reset since @elem was
 *  popped. */
bool virtqueue_element_is_current(const VirtQueue *vq,
                                  const VirtQueueElement *elem);
/** virtqueue_drop_all: return all that is available unused. */
unsigned virtqueue_drop_all(VirtQueue *vq);
/**
 * virtqueue_get_avail_bytes:
 * Bytes available in all waiting requests, counted up to @max_in and
 * @max_out.
 */
void virtqueue_get_avail_bytes(VirtQueue *vq, size_t *ret_in, size_t *ret_out,
                               size_t max_in, size_t max_out);

/* -- migration: virtio-vmstate.c --------------------------------------------------- */

extern const VMStateDescription vmstate_virtio_device; /* of VirtIODevice */

/** virtqueue_put_element: a request that is carried as it is; its buffers have
 *  the lengths that virtqueue_pop() gave. */
void virtqueue_put_element(QEMUFile *f, const VirtQueueElement *elem);
/**
 * virtqueue_get_element:
 * @size: as for virtqueue_pop()
 *
 * After the queue itself was loaded.
 *
 * Returns: (transfer full) the request, counted as taken off @vq; NULL.
 * Errors: more than there can be; buffers outside of memory.
 */
void *virtqueue_get_element(QEMUFile *f, VirtQueue *vq, size_t size,
                            Error **errp);

/** virtio_notify: interrupt the driver if it wants to know about @vq. */
void virtio_notify(VirtIODevice *vdev, VirtQueue *vq);

/** virtio_queue_kick: run @vq's handler soon, as if the driver had rung. */
void virtio_queue_kick(VirtQueue *vq);

/** virtio_element_read, virtio_element_write: copy out of the out buffers,
 *  into the in buffers; Returns: bytes copied. */
size_t virtio_element_read(const VirtQueueElement *elem, size_t offset,
                           void *buf, size_t len);
size_t virtio_element_write(VirtQueueElement *elem, size_t offset,
                            const void *buf, size_t len);
size_t virtio_element_out_size(const VirtQueueElement *elem);
size_t virtio_element_in_size(const VirtQueueElement *elem);

#endif
