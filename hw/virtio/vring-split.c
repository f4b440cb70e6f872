/*
 * Split virtqueues.
 *
 *   descriptor area   num x { le64 addr; le32 len; le16 flags; le16 next }
 *   driver area       le16 flags; le16 idx; le16 ring[num]; le16 used_event
 *   device area       le16 flags; le16 idx; num x { le32 id; le32 len };
 *                     le16 avail_event
 *
 * Source: VIRTIO 1.2, 2.7.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "virtio-internal.h"

#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY     1u

#define AVAIL_FLAGS   0
#define AVAIL_IDX     2
#define AVAIL_RING(n) (4 + 2 * (size_t)(n))
#define USED_FLAGS    0
#define USED_IDX      2
#define USED_RING(n)  (4 + 8 * (size_t)(n))

static uint16_t queue_num(const VirtQueue *vq)
{
    return vq->setup.size;
}

static void split_bytes(const VirtQueue *vq, uint64_t ret[3])
{
    ret[0] = VRING_DESC_BYTES * (uint64_t)queue_num(vq);
    ret[1] = AVAIL_RING(queue_num(vq)) + 2;
    ret[2] = USED_RING(queue_num(vq)) + 2;
}

static void written(VirtQueue *vq, size_t offset, size_t len)
{
    guest_memory_written(vq->vdev->memory, vq->setup.device + offset, len);
}

/* Chains available at position @pos; more than the ring holds is an error. */
static unsigned heads_at(VirtQueue *vq, uint16_t pos)
{
    uint16_t n = (uint16_t)(vq->shadow_avail_idx - pos);

    if (n > 0 && n <= queue_num(vq)) {
        return n;
    }
    vq->shadow_avail_idx = vring_load16_acquire(vq->driver + AVAIL_IDX);
    n = (uint16_t)(vq->shadow_avail_idx - pos);
    if (n > queue_num(vq)) {
        virtio_error(vq->vdev,
                     "queue %u: available index %u is not within %u of %u",
                     vq->index, vq->shadow_avail_idx, queue_num(vq), pos);
        return 0;
    }
    return n;
}

static bool split_empty(VirtQueue *vq)
{
    return heads_at(vq, vq->avail_idx) == 0;
}

static bool split_available(VirtQueue *vq, uint16_t pos, bool wrap)
{
    /* The queue's own look at the index has checked its range. */
    uint16_t n = (uint16_t)(vq->shadow_avail_idx - pos);

    return n > 0 && n <= queue_num(vq);
}

static bool check_head(VirtQueue *vq, unsigned n, const char *what)
{
    if (n >= queue_num(vq)) {
        virtio_error(vq->vdev, "queue %u: %s %u is beyond its %u descriptors",
                     vq->index, what, n, queue_num(vq));
        return false;
    }
    return true;
}

static bool split_read(VirtQueue *vq, uint16_t pos, bool wrap, VirtChain *chain)
{
    unsigned n = vring_load16(vq->driver + AVAIL_RING(pos % queue_num(vq)));

    chain->id = n;
    chain->ndescs = 1;
    /* A loop in the chain meets the limit. */
    for (unsigned i = 0; i < queue_num(vq); i++) {
        VirtDesc d;

        if (!check_head(vq, n, i ? "next descriptor" : "chain's head")) {
            return false;
        }
        d = vring_desc_load(vq->desc + VRING_DESC_BYTES * n, false);
        if (d.flags & VRING_DESC_F_INDIRECT) {
            if (d.flags & VRING_DESC_F_NEXT) {
                virtio_error(vq->vdev,
                             "queue %u: indirect descriptor with a next one",
                             vq->index);
                return false;
            }
            return virtio_chain_indirect(vq, chain, &d, true);
        }
        if (!virtio_chain_add(vq, chain, &d)) {
            return false;
        }
        if (!(d.flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        n = d.link;
    }
    virtio_error(vq->vdev, "queue %u: descriptor chain loops", vq->index);
    return false;
}

static void set_avail_event(VirtQueue *vq, uint16_t idx)
{
    size_t at = USED_RING(queue_num(vq));

    vring_store16(vq->device + at, idx);
    written(vq, at, 2);
}

static void split_advance(VirtQueue *vq, unsigned ndescs, bool back)
{
    vq->avail_idx = (uint16_t)(back ? vq->avail_idx - 1 : vq->avail_idx + 1);
    if (!back && vq->notification && virtio_queue_event_idx(vq)) {
        set_avail_event(vq, vq->avail_idx);
    }
}

static void split_next(VirtQueue *vq, unsigned ndescs, uint16_t *pos,
                       bool *wrap)
{
    (*pos)++;
}

static void split_fill(VirtQueue *vq, const VirtQueueElement *elem,
                       uint32_t len, unsigned idx)
{
    size_t at = USED_RING((uint16_t)(vq->used_idx + idx) % queue_num(vq));

    vring_store32(vq->device + at, elem->index);
    vring_store32(vq->device + at + 4, len);
    written(vq, at, 8);
}

static void split_flush(VirtQueue *vq, unsigned count)
{
    uint16_t old = vq->used_idx;
    uint16_t idx = (uint16_t)(old + count);

    vring_store16_release(vq->device + USED_IDX, idx);
    written(vq, USED_IDX, 2);
    vq->used_idx = idx;
    vq->inuse -= MIN(count, vq->inuse);
    if ((uint16_t)(idx - vq->signalled_used) < (uint16_t)(idx - old)) {
        vq->signalled_used_valid = false; /* it has gone round */
    }
}

static bool split_wants_interrupt(VirtQueue *vq)
{
    bool valid = vq->signalled_used_valid;
    uint16_t old = vq->signalled_used;
    uint16_t event;

    /* The used index before the driver's wish: it does the opposite. */
    smp_mb();
    if (virtio_has_feature(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY) &&
        vq->inuse == 0 && split_empty(vq)) {
        return true;
    }
    if (!virtio_queue_event_idx(vq)) {
        return !(vring_load16(vq->driver + AVAIL_FLAGS) & AVAIL_F_NO_INTERRUPT);
    }
    event = vring_load16(vq->driver + AVAIL_RING(queue_num(vq)));
    vq->signalled_used_valid = true;
    vq->signalled_used = vq->used_idx;
    return !valid || vring_need_event(event, vq->used_idx, old);
}

static void split_set_notification(VirtQueue *vq, bool enable)
{
    if (virtio_queue_event_idx(vq)) {
        /* Disabled, the event stays behind, where the driver has passed. */
        if (enable) {
            set_avail_event(vq, vq->avail_idx);
        }
    } else {
        vring_store16(vq->device + USED_FLAGS, enable ? 0 : USED_F_NO_NOTIFY);
        written(vq, USED_FLAGS, 2);
    }
    if (enable) {
        smp_mb(); /* before the caller looks again */
    }
}

const VirtRingOps virtio_ring_split = {
    .bytes = split_bytes,
    .empty = split_empty,
    .read = split_read,
    .advance = split_advance,
    .fill = split_fill,
    .flush = split_flush,
    .wants_interrupt = split_wants_interrupt,
    .set_notification = split_set_notification,
    .available = split_available,
    .next = split_next,
};
