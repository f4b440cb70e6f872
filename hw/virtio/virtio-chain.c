/*
 * From descriptors to buffers: every address and length of the guest's is
 * checked and mapped here, once, for both forms of ring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "virtio-internal.h"

/* A descriptor's length is 32 bits; a request must not overflow a sum. */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 40)

VirtDesc vring_desc_load(const uint8_t *p, bool packed)
{
    VirtDesc d;
    uint16_t last;

    /* One copy; what the guest does to the original later does not matter. */
    memcpy(&d, p, sizeof(d));
    QEMU_BUILD_BUG_ON(sizeof(d) != VRING_DESC_BYTES);
    d.addr = GUINT64_FROM_LE(d.addr);
    d.len = GUINT32_FROM_LE(d.len);
    d.flags = GUINT16_FROM_LE(d.flags);
    d.link = GUINT16_FROM_LE(d.link);
    if (packed) {
        /* There the last two are buffer id and flags. */
        last = d.link;
        d.link = d.flags;
        d.flags = last;
    }
    return d;
}

static bool map_buffer(VirtQueue *vq, VirtChain *c, const VirtDesc *d)
{
    bool in = d->flags & VRING_DESC_F_WRITE;
    uint64_t addr = d->addr;
    uint64_t left = d->len;

    while (left) {
        unsigned n = c->out_num + c->in_num;
        uint64_t len = left;
        void *p;

        if (n == VIRTQUEUE_MAX_SIZE) {
            virtio_error(vq->vdev, "queue %u: too many buffers in a request",
                         vq->index);
            return false;
        }
        p = guest_memory_dma_map(vq->vdev->memory, addr, &len, in);
        if (!p || len == 0) {
            virtio_error(vq->vdev,
                         "queue %u: buffer at 0x%" PRIx64
                         ", %u bytes, is not in memory",
                         vq->index, d->addr, d->len);
            return false;
        }
        c->addr[n] = addr;
        c->sg[n] = (struct iovec){ p, (size_t)len };
        if (in) {
            c->in_num++;
            c->in_bytes += len;
        } else {
            c->out_num++;
            c->out_bytes += len;
        }
        addr += len;
        left -= len;
    }
    return true;
}

bool virtio_chain_add(VirtQueue *vq, VirtChain *c, const VirtDesc *d)
{
    if (d->len == 0) {
        virtio_error(vq->vdev, "queue %u: buffer without a length", vq->index);
        return false;
    }
    if (!(d->flags & VRING_DESC_F_WRITE) && c->in_num) {
        virtio_error(vq->vdev, "queue %u: buffer to read after one to write",
                     vq->index);
        return false;
    }
    if (c->in_bytes + c->out_bytes + d->len > CHAIN_BYTES_MAX) {
        virtio_error(vq->vdev, "queue %u: request is too long", vq->index);
        return false;
    }
    return map_buffer(vq, c, d);
}

static bool check_indirect(VirtQueue *vq, const VirtDesc *d)
{
    if (!virtio_has_feature(vq->vdev, VIRTIO_F_INDIRECT_DESC)) {
        virtio_error(vq->vdev,
                     "queue %u: indirect descriptor without the feature",
                     vq->index);
        return false;
    }
    if (d->len == 0 || d->len % VRING_DESC_BYTES ||
        d->len / VRING_DESC_BYTES > VIRTQUEUE_MAX_SIZE) {
        virtio_error(vq->vdev, "queue %u: indirect table of %u bytes",
                     vq->index, d->len);
        return false;
    }
    return true;
}

static bool walk_table(VirtQueue *vq, VirtChain *c, const uint8_t *table,
                       unsigned count, bool linked)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        VirtDesc d = vring_desc_load(table + VRING_DESC_BYTES * n, !linked);

        if (d.flags & VRING_DESC_F_INDIRECT) {
            virtio_error(vq->vdev, "queue %u: indirect table in another",
                         vq->index);
            return false;
        }
        if (!virtio_chain_add(vq, c, &d)) {
            return false;
        }
        n = linked ? d.link : n + 1;
        if (linked && !(d.flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        if (linked && n >= count) {
            virtio_error(vq->vdev,
                         "queue %u: descriptor %u is beyond its table of %u",
                         vq->index, n, count);
            return false;
        }
    }
    if (linked) {
        virtio_error(vq->vdev, "queue %u: indirect table loops", vq->index);
    }
    return !linked;
}

bool virtio_chain_indirect(VirtQueue *vq, VirtChain *c, const VirtDesc *d,
                           bool linked)
{
    GuestMemory *gm = vq->vdev->memory;
    g_autofree uint8_t *copy = NULL;
    const uint8_t *table;

    if (!check_indirect(vq, d)) {
        return false;
    }
    table = guest_memory_rom_ptr(gm, d->addr, d->len);
    if (!table) {
        /* Over the edge of a piece of memory, or not in memory at all. */
        copy = g_malloc(d->len);
        if (!guest_memory_read(gm, d->addr, copy, d->len)) {
            virtio_error(vq->vdev,
                         "queue %u: indirect table at 0x%" PRIx64
                         " is not in memory",
                         vq->index, d->addr);
            return false;
        }
        table = copy;
    }
    return walk_table(vq, c, table, d->len / VRING_DESC_BYTES, linked);
}
