/*
 * Virtqueues: taking requests off a ring and giving them back, whatever form
 * the ring has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio.h"
#include "trace/trace-hw.h"
#include "util/iov.h"

#include "virtio-internal.h"

/* Alignments of the three areas, 2.7 and 2.8. */
static const uint8_t split_align[3] = { 16, 2, 4 };
static const uint8_t packed_align[3] = { 16, 4, 4 };

static bool map_area(VirtQueue *vq, uint64_t gpa, uint64_t bytes,
                     unsigned align, uint8_t **ret)
{
    *ret = gpa % align ? NULL : guest_memory_ptr(vq->vdev->memory, gpa, bytes);
    if (!*ret) {
        virtio_error(vq->vdev,
                     "queue %u: no ring can be at 0x%" PRIx64 ", %" PRIu64
                     " bytes",
                     vq->index, gpa, bytes);
    }
    return *ret != NULL;
}

bool virtio_queue_map(VirtQueue *vq)
{
    unsigned generation = guest_memory_generation(vq->vdev->memory);
    const uint8_t *align =
        vq->ops == &virtio_ring_packed ? packed_align : split_align;
    uint64_t bytes[3];

    if (vq->mapped && vq->generation == generation) {
        return true;
    }
    vq->mapped = false;
    vq->ops->bytes(vq, bytes);
    if (!map_area(vq, vq->setup.desc, bytes[0], align[0], &vq->desc) ||
        !map_area(vq, vq->setup.driver, bytes[1], align[1], &vq->driver) ||
        !map_area(vq, vq->setup.device, bytes[2], align[2], &vq->device)) {
        return false;
    }
    vq->generation = generation;
    vq->mapped = true;
    return true;
}

/* May the queue's ring be touched now? */
static bool usable(VirtQueue *vq)
{
    return vq->setup.enabled && virtio_is_live(vq->vdev) &&
           virtio_queue_map(vq);
}

/* The same for returning what was taken: a machine that stops finishes its
 * requests. */
static bool returnable(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    return vq->setup.enabled && !vdev->broken && !vdev->resetting &&
           vdev->bus_master && (vdev->status & VIRTIO_STATUS_DRIVER_OK) &&
           virtio_queue_map(vq);
}

bool virtio_queue_ready(const VirtQueue *vq)
{
    return vq->setup.enabled;
}

bool virtio_queue_empty(VirtQueue *vq)
{
    return !usable(vq) || vq->ops->empty(vq);
}

void virtio_queue_set_notification(VirtQueue *vq, bool enable)
{
    vq->notification = enable;
    if (usable(vq)) {
        vq->ops->set_notification(vq, enable);
    }
}

/* -- taking -------------------------------------------------------------------- */

/* One allocation: the caller's struct, then the four arrays. */
VirtQueueElement *virtqueue_element_new(size_t size, const VirtChain *c)
{
    size_t n = (size_t)c->out_num + c->in_num;
    size_t addr_at = ROUND_UP(size, sizeof(uint64_t));
    size_t sg_at = addr_at + n * sizeof(uint64_t);
    char *p = g_malloc(sg_at + n * sizeof(struct iovec));
    VirtQueueElement *e = (VirtQueueElement *)(void *)p;

    memset(p, 0, size);
    e->out_num = c->out_num;
    e->in_num = c->in_num;
    e->out_addr = (uint64_t *)(void *)(p + addr_at);
    e->in_addr = e->out_addr + c->out_num;
    e->out_sg = (struct iovec *)(void *)(p + sg_at);
    e->in_sg = e->out_sg + c->out_num;
    memcpy(e->out_addr, c->addr, n * sizeof(uint64_t));
    memcpy(e->out_sg, c->sg, n * sizeof(struct iovec));
    return e;
}

static void chain_init(VirtChain *c)
{
    c->out_num = c->in_num = c->ndescs = c->id = 0;
    c->out_bytes = c->in_bytes = 0;
}

void *virtqueue_pop(VirtQueue *vq, size_t size)
{
    VirtQueueElement *e;
    VirtChain chain;

    assert(size >= sizeof(VirtQueueElement));
    if (virtio_queue_empty(vq)) {
        return NULL;
    }
    chain_init(&chain);
    if (!vq->ops->read(vq, vq->avail_idx, vq->avail_wrap, &chain)) {
        return NULL;
    }
    if (vq->inuse + chain.ndescs > vq->setup.size) {
        virtio_error(vq->vdev, "queue %u: more requests than descriptors",
                     vq->index);
        return NULL;
    }
    vq->inuse += chain.ndescs;
    vq->ops->advance(vq, chain.ndescs, false);
    e = virtqueue_element_new(size, &chain);
    e->index = chain.id;
    e->ndescs = chain.ndescs;
    e->epoch = vq->epoch;
    trace_virtqueue_pop(vq->vdev->klass->name, vq->index, e->index, e->out_num,
                        e->in_num);
    return e;
}

void virtqueue_unpop(VirtQueue *vq, VirtQueueElement *elem)
{
    if (elem->epoch != vq->epoch) {
        return;
    }
    vq->inuse -= MIN(elem->ndescs, vq->inuse);
    vq->ops->advance(vq, elem->ndescs, true);
}

void virtqueue_get_avail_bytes(VirtQueue *vq, size_t *ret_in, size_t *ret_out,
                               size_t max_in, size_t max_out)
{
    uint16_t pos = vq->avail_idx;
    bool wrap = vq->avail_wrap;
    size_t in = 0;
    size_t out = 0;
    unsigned seen = 0;

    if (virtio_queue_empty(vq)) {
        *ret_in = *ret_out = 0;
        return;
    }
    while (seen < vq->setup.size && (in < max_in || out < max_out) &&
           vq->ops->available(vq, pos, wrap)) {
        VirtChain chain;

        chain_init(&chain);
        if (!vq->ops->read(vq, pos, wrap, &chain)) {
            break;
        }
        in += chain.in_bytes;
        out += chain.out_bytes;
        seen += chain.ndescs;
        vq->ops->next(vq, chain.ndescs, &pos, &wrap);
    }
    *ret_in = in;
    *ret_out = out;
}

/* -- giving back ------------------------------------------------------------------ */

static void unmap_buffers(VirtQueue *vq, VirtQueueElement *elem, size_t len)
{
    GuestMemory *gm = vq->vdev->memory;

    for (unsigned i = 0; i < elem->in_num; i++) {
        size_t n = MIN(len, elem->in_sg[i].iov_len);

        guest_memory_dma_unmap(gm, elem->in_addr[i], n);
        len -= n;
    }
}

void virtqueue_detach_element(VirtQueue *vq, VirtQueueElement *elem, size_t len)
{
    unmap_buffers(vq, elem, len);
    if (elem->epoch == vq->epoch) {
        vq->inuse -= MIN(elem->ndescs, vq->inuse);
    }
}

void virtqueue_fill(VirtQueue *vq, VirtQueueElement *elem, size_t len,
                    unsigned idx)
{
    trace_virtqueue_fill(vq->vdev->klass->name, vq->index, elem->index, len);
    unmap_buffers(vq, elem, len);
    if (elem->epoch == vq->epoch && returnable(vq)) {
        vq->ops->fill(vq, elem, (uint32_t)MIN(len, UINT32_MAX), idx);
    }
}

void virtqueue_flush(VirtQueue *vq, unsigned count)
{
    if (count && returnable(vq)) {
        vq->ops->flush(vq, count);
    }
}

void virtqueue_push(VirtQueue *vq, VirtQueueElement *elem, size_t len)
{
    bool stale = elem->epoch != vq->epoch;

    virtqueue_fill(vq, elem, len, 0);
    if (!stale) {
        virtqueue_flush(vq, 1);
    }
}

bool virtqueue_element_is_current(const VirtQueue *vq,
                                  const VirtQueueElement *elem)
{
    return elem->epoch == vq->epoch;
}

unsigned virtqueue_drop_all(VirtQueue *vq)
{
    unsigned dropped = 0;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        virtqueue_push(vq, e, 0);
        g_free(e);
        dropped++;
    }
    return dropped;
}

void virtio_notify(VirtIODevice *vdev, VirtQueue *vq)
{
    if (!returnable(vq) || !vq->ops->wants_interrupt(vq)) {
        return;
    }
    trace_virtio_notify(vdev->klass->name, vq->index);
    vdev->isr |= VIRTIO_ISR_QUEUE;
    vdev->transport->notify(vdev->transport_opaque, vq->setup.vector);
}

/* -- contents ----------------------------------------------------------------------- */

size_t virtio_element_read(const VirtQueueElement *elem, size_t offset,
                           void *buf, size_t len)
{
    return iov_to_buf(elem->out_sg, elem->out_num, offset, buf, len);
}

size_t virtio_element_write(VirtQueueElement *elem, size_t offset,
                            const void *buf, size_t len)
{
    return iov_from_buf(elem->in_sg, elem->in_num, offset, buf, len);
}

size_t virtio_element_out_size(const VirtQueueElement *elem)
{
    return iov_size(elem->out_sg, elem->out_num);
}

size_t virtio_element_in_size(const VirtQueueElement *elem)
{
    return iov_size(elem->in_sg, elem->in_num);
}
