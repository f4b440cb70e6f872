/*
 * Virtqueues, inside this folder.
 *
 * Two forms of ring share VirtQueue and what is around it; VirtRingOps is
 * their difference. A ring is in guest memory, so every value read from it is
 * read once, into a local variable, and checked there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_INTERNAL_H
#define HW_VIRTIO_VIRTIO_INTERNAL_H

#include "hw/virtio/virtio-transport.h"
#include "hw/virtio/virtio.h"
#include "util/atomic.h"

/* Flags of a descriptor. */
#define VRING_DESC_F_NEXT     1u
#define VRING_DESC_F_WRITE    2u
#define VRING_DESC_F_INDIRECT 4u

#define VRING_DESC_BYTES 16u

/* A descriptor, as both forms of ring have it in common. */
typedef struct VirtDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t link; /* split: next; packed: buffer id */
} VirtDesc;

/* Buffers of the chain that is being read. */
typedef struct VirtChain {
    unsigned out_num;
    unsigned in_num;
    unsigned ndescs; /* in the ring itself */
    unsigned id;
    size_t out_bytes;
    size_t in_bytes;
    uint64_t addr[VIRTQUEUE_MAX_SIZE];
    struct iovec sg[VIRTQUEUE_MAX_SIZE];
} VirtChain;

/**
 * VirtRingOps:
 * @bytes: sizes of the three areas of a ring of @num entries
 * @empty: nothing available
 * @read: the chain at the queue's position, which does not move; false: the
 *        device is broken now. Only called if not empty
 * @advance: the chain was taken, or (@back) is put back
 * @fill: note @elem as used, @idx-th after those shown already
 * @flush: show @count used elements to the driver
 * @wants_interrupt: does the driver want to know?
 * @set_notification: tell the driver whether to ring
 * @available: is there a chain at @pos?
 * @next: *@pos and *@wrap move to the chain after one of @ndescs
 */
typedef struct VirtRingOps {
    void (*bytes)(const VirtQueue *vq, uint64_t ret[3]);
    bool (*empty)(VirtQueue *vq);
    bool (*read)(VirtQueue *vq, uint16_t pos, bool wrap, VirtChain *chain);
    void (*advance)(VirtQueue *vq, unsigned ndescs, bool back);
    void (*fill)(VirtQueue *vq, const VirtQueueElement *elem, uint32_t len,
                 unsigned idx);
    void (*flush)(VirtQueue *vq, unsigned count);
    bool (*wants_interrupt)(VirtQueue *vq);
    void (*set_notification)(VirtQueue *vq, bool enable);
    bool (*available)(VirtQueue *vq, uint16_t pos, bool wrap);
    void (*next)(VirtQueue *vq, unsigned ndescs, uint16_t *pos, bool *wrap);
} VirtRingOps;

extern const VirtRingOps virtio_ring_split;
extern const VirtRingOps virtio_ring_packed;

/* A used element that the driver has not been shown. */
typedef struct VirtUsed {
    uint32_t len;
    uint16_t id;
    uint16_t ndescs;
} VirtUsed;

struct VirtQueue {
    VirtIODevice *vdev;
    unsigned index;
    VirtQueueSetup setup;
    uint32_t pfn; /* legacy interface */
    VirtIOHandleOutput *handler;
    const VirtRingOps *ops;

    QEMUBH *bh;
    EventNotifier notifier; /* of an ioeventfd */
    bool has_notifier;

    /* Host addresses of descriptor table, driver area and device area; right
     * as long as the memory's generation is the same. */
    uint8_t *desc;
    uint8_t *driver;
    uint8_t *device;
    unsigned generation;
    bool mapped;

    uint16_t avail_idx; /* next chain to take */
    uint16_t shadow_avail_idx;
    uint16_t used_idx; /* next used element */
    bool avail_wrap;   /* packed */
    bool used_wrap;
    bool notification;
    uint16_t signalled_used; /* used_idx at the last interrupt */
    bool signalled_used_valid;
    unsigned inuse; /* descriptors taken and not returned */
    uint32_t epoch; /* counts resets of the queue */
    VirtUsed *used; /* packed: setup.max_size of them */
};

static inline bool virtio_queue_event_idx(const VirtQueue *vq)
{
    return virtio_has_feature(vq->vdev, VIRTIO_F_EVENT_IDX);
}

/* 2.7.7.2: has the index passed @event on its way from @old to @new_idx? */
static inline bool vring_need_event(uint16_t event, uint16_t new_idx,
                                    uint16_t old)
{
    return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old);
}

static inline uint16_t vring_load16(const uint8_t *p)
{
    return GUINT16_FROM_LE(qatomic_read((const uint16_t *)(const void *)p));
}

static inline uint16_t vring_load16_acquire(const uint8_t *p)
{
    return GUINT16_FROM_LE(
        qatomic_load_acquire((const uint16_t *)(const void *)p));
}

static inline void vring_store16(uint8_t *p, uint16_t v)
{
    qatomic_set((uint16_t *)(void *)p, GUINT16_TO_LE(v));
}

static inline void vring_store16_release(uint8_t *p, uint16_t v)
{
    qatomic_store_release((uint16_t *)(void *)p, GUINT16_TO_LE(v));
}

static inline void vring_store32(uint8_t *p, uint32_t v)
{
    qatomic_set((uint32_t *)(void *)p, GUINT32_TO_LE(v));
}

/** virtio_queue_map: rings can be reached; else the device is broken. */
bool virtio_queue_map(VirtQueue *vq);
/** virtio_queue_clear: no rings, counters to zero; the setup stays. */
void virtio_queue_clear(VirtQueue *vq);
/** virtio_queue_start: the driver has said where the rings are. */
void virtio_queue_start(VirtQueue *vq);

/** virtqueue_element_new: one allocation for a struct of @size bytes that begins
 *  with the element, and the arrays of @chain. */
VirtQueueElement *virtqueue_element_new(size_t size, const VirtChain *chain);

/** vring_desc_load: read the descriptor at @p, once; @packed: of a packed
 *  ring. */
VirtDesc vring_desc_load(const uint8_t *p, bool packed);
/** virtio_chain_add: check and map one buffer. */
bool virtio_chain_add(VirtQueue *vq, VirtChain *chain, const VirtDesc *d);
/** virtio_chain_indirect: the buffers of the table that @d refers to;
 *  @linked: entries name the next one (split); else it has the packed form
 *  and all entries are used in turn. */
bool virtio_chain_indirect(VirtQueue *vq, VirtChain *chain, const VirtDesc *d,
                           bool linked);

#endif
