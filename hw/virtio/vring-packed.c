/*
 * Packed virtqueues: one ring of descriptors that both sides write.
 *
 *   descriptor area   num x { le64 addr; le32 len; le16 id; le16 flags }
 *   driver area       le16 off_wrap; le16 flags   which used one to tell of
 *   device area       the same                    which available one
 *
 * A descriptor is available when its AVAIL flag is the wrap counter and its
 * USED flag is not; the device makes them equal when it has used the chain.
 *
 * Source: VIRTIO 1.2, 2.8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "virtio-internal.h"

#define DESC_F_AVAIL (1u << 7)
#define DESC_F_USED  (1u << 15)
#define DESC_ID      12
#define DESC_FLAGS   14

#define EVENT_BYTES    4
#define EVENT_OFF_WRAP 0
#define EVENT_FLAGS    2
#define EVENT_ENABLE   0u
#define EVENT_DISABLE  1u
#define EVENT_DESC     2u

#define WRAP_BIT 0x8000u

static uint16_t queue_num(const VirtQueue *vq)
{
    return vq->setup.size;
}

static void packed_bytes(const VirtQueue *vq, uint64_t ret[3])
{
    ret[0] = VRING_DESC_BYTES * (uint64_t)queue_num(vq);
    ret[1] = EVENT_BYTES;
    ret[2] = EVENT_BYTES;
}

static bool packed_available(VirtQueue *vq, uint16_t pos, bool wrap)
{
    uint16_t flags =
        vring_load16_acquire(vq->desc + VRING_DESC_BYTES * pos + DESC_FLAGS);

    return !!(flags & DESC_F_AVAIL) == wrap && !!(flags & DESC_F_USED) != wrap;
}

static bool packed_empty(VirtQueue *vq)
{
    return !packed_available(vq, vq->avail_idx, vq->avail_wrap);
}

static bool packed_read(VirtQueue *vq, uint16_t pos, bool wrap,
                        VirtChain *chain)
{
    chain->ndescs = 0;
    while (chain->ndescs < queue_num(vq)) {
        VirtDesc d = vring_desc_load(vq->desc + VRING_DESC_BYTES * pos, true);

        chain->ndescs++;
        chain->id = d.link; /* that of the last one counts */
        if (d.flags & VRING_DESC_F_INDIRECT) {
            if (chain->ndescs > 1 || (d.flags & VRING_DESC_F_NEXT)) {
                virtio_error(vq->vdev,
                             "queue %u: indirect descriptor in a chain",
                             vq->index);
                return false;
            }
            return virtio_chain_indirect(vq, chain, &d, false);
        }
        if (!virtio_chain_add(vq, chain, &d)) {
            return false;
        }
        if (!(d.flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        pos = (uint16_t)(pos + 1 == queue_num(vq) ? 0 : pos + 1);
    }
    virtio_error(vq->vdev, "queue %u: descriptor chain has no end", vq->index);
    return false;
}

/* @ndescs is at most the ring's size. */
static void move(uint16_t *pos, bool *wrap, int ndescs, uint16_t num)
{
    int p = *pos + ndescs;

    if (p >= num) {
        p -= num;
        *wrap = !*wrap;
    } else if (p < 0) {
        p += num;
        *wrap = !*wrap;
    }
    *pos = (uint16_t)p;
}

static void packed_advance(VirtQueue *vq, unsigned ndescs, bool back)
{
    move(&vq->avail_idx, &vq->avail_wrap, back ? -(int)ndescs : (int)ndescs,
         queue_num(vq));
}

static void packed_next(VirtQueue *vq, unsigned ndescs, uint16_t *pos,
                        bool *wrap)
{
    move(pos, wrap, (int)ndescs, queue_num(vq));
}

static void packed_fill(VirtQueue *vq, const VirtQueueElement *elem,
                        uint32_t len, unsigned idx)
{
    vq->used[idx % vq->setup.max_size] = (VirtUsed){
        .len = len,
        .id = (uint16_t)elem->index,
        .ndescs = (uint16_t)elem->ndescs,
    };
}

static void write_used(VirtQueue *vq, const VirtUsed *u, uint16_t pos,
                       bool wrap)
{
    size_t at = VRING_DESC_BYTES * (size_t)pos;
    uint16_t flags = wrap ? DESC_F_AVAIL | DESC_F_USED : 0;

    if (u->len) {
        flags |= VRING_DESC_F_WRITE;
    }
    vring_store32(vq->desc + at + 8, u->len);
    vring_store16(vq->desc + at + DESC_ID, u->id);
    vring_store16_release(vq->desc + at + DESC_FLAGS, flags);
    guest_memory_written(vq->vdev->memory, vq->setup.desc + at + 8, 8);
}

static void packed_flush(VirtQueue *vq, unsigned count)
{
    uint16_t pos = vq->used_idx;
    bool wrap = vq->used_wrap;

    if (count == 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const VirtUsed *u = &vq->used[i % vq->setup.max_size];

        if (i > 0) {
            write_used(vq, u, pos, wrap);
        }
        move(&pos, &wrap, u->ndescs, queue_num(vq));
        vq->inuse -= MIN(u->ndescs, vq->inuse);
    }
    /* The driver looks at the first one: it comes last, with the rest
     * there. */
    write_used(vq, &vq->used[0], vq->used_idx, vq->used_wrap);
    if (wrap != vq->used_wrap) {
        vq->signalled_used_valid = false;
    }
    vq->used_idx = pos;
    vq->used_wrap = wrap;
}

static bool packed_wants_interrupt(VirtQueue *vq)
{
    bool valid = vq->signalled_used_valid;
    uint16_t old = vq->signalled_used;
    uint16_t flags, off_wrap, event;

    smp_mb(); /* what is used before what the driver wishes */
    flags = vring_load16_acquire(vq->driver + EVENT_FLAGS);
    off_wrap = vring_load16(vq->driver + EVENT_OFF_WRAP);
    vq->signalled_used = vq->used_idx;
    vq->signalled_used_valid = true;
    if (flags == EVENT_DISABLE) {
        return false;
    }
    if (flags != EVENT_DESC || !virtio_queue_event_idx(vq)) {
        return true;
    }
    event = off_wrap & (uint16_t)~WRAP_BIT;
    if (!!(off_wrap & WRAP_BIT) != vq->used_wrap) {
        event = (uint16_t)(event - queue_num(vq));
    }
    return !valid || vring_need_event(event, vq->used_idx, old);
}

static void packed_set_notification(VirtQueue *vq, bool enable)
{
    uint16_t flags = enable ? EVENT_ENABLE : EVENT_DISABLE;

    if (enable && virtio_queue_event_idx(vq)) {
        vring_store16(vq->device + EVENT_OFF_WRAP,
                      (uint16_t)(vq->avail_idx |
                                 (vq->avail_wrap ? WRAP_BIT : 0)));
        flags = EVENT_DESC;
    }
    vring_store16_release(vq->device + EVENT_FLAGS, flags);
    guest_memory_written(vq->vdev->memory, vq->setup.device, EVENT_BYTES);
    if (enable) {
        smp_mb(); /* before the caller looks again */
    }
}

const VirtRingOps virtio_ring_packed = {
    .bytes = packed_bytes,
    .empty = packed_empty,
    .read = packed_read,
    .advance = packed_advance,
    .fill = packed_fill,
    .flush = packed_flush,
    .wants_interrupt = packed_wants_interrupt,
    .set_notification = packed_set_notification,
    .available = packed_available,
    .next = packed_next,
};
