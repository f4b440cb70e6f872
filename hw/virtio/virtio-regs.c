/*
 * What the driver writes to a device's registers, as far as all transports
 * have it in common: queues and the configuration space.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-transport.h"
#include "trace/trace-hw.h"
#include "util/host-utils.h"

#include "virtio-internal.h"

/* -- configuration space ------------------------------------------------------------ */

static void refresh_config(VirtIODevice *vdev)
{
    size_t len = vdev->klass->config_len;

    if (vdev->klass->get_config) {
        memset(vdev->config, 0, len);
        vdev->klass->get_config(vdev, vdev->config);
    }
}

uint64_t virtio_config_read(VirtIODevice *vdev, uint64_t offset, unsigned size)
{
    size_t len = vdev->klass->config_len;
    uint64_t v = 0;

    if (offset > len || size > len - offset) {
        return UINT64_MAX >> (64 - 8 * size);
    }
    refresh_config(vdev);
    memcpy(&v, vdev->config + offset, size);
    return GUINT64_FROM_LE(v);
}

void virtio_config_write(VirtIODevice *vdev, uint64_t offset, uint64_t value,
                         unsigned size)
{
    size_t len = vdev->klass->config_len;

    if (offset > len || size > len - offset || !vdev->klass->set_config) {
        return;
    }
    refresh_config(vdev);
    value = GUINT64_TO_LE(value);
    memcpy(vdev->config + offset, &value, size);
    vdev->klass->set_config(vdev, vdev->config);
}

/* -- queues ------------------------------------------------------------------------------ */

const VirtQueueSetup *virtio_queue_setup(VirtIODevice *vdev, unsigned n)
{
    return n < vdev->n_vqs ? &vdev->vq[n].setup : NULL;
}

/* A queue that may be set up now, or NULL. */
static VirtQueue *open_queue(VirtIODevice *vdev, unsigned n)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);

    return vq && !vq->setup.enabled ? vq : NULL;
}

void virtio_queue_set_size(VirtIODevice *vdev, unsigned n, uint16_t size)
{
    VirtQueue *vq = open_queue(vdev, n);

    if (vq && size && size <= vq->setup.max_size) {
        vq->setup.size = size;
    }
}

void virtio_queue_set_vector(VirtIODevice *vdev, unsigned n, uint16_t vector)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);

    if (vq) {
        vq->setup.vector = vector;
    }
}

void virtio_queue_set_rings(VirtIODevice *vdev, unsigned n, uint64_t desc,
                            uint64_t driver, uint64_t device)
{
    VirtQueue *vq = open_queue(vdev, n);

    if (vq) {
        vq->setup.desc = desc;
        vq->setup.driver = driver;
        vq->setup.device = device;
    }
}

void virtio_queue_clear(VirtQueue *vq)
{
    qemu_bh_cancel(vq->bh);
    vq->setup.size = vq->setup.max_size;
    vq->setup.enabled = false;
    vq->setup.reset = false;
    vq->setup.desc = vq->setup.driver = vq->setup.device = 0;
    vq->pfn = 0;
    vq->mapped = false;
    vq->avail_idx = vq->shadow_avail_idx = vq->used_idx = 0;
    vq->avail_wrap = vq->used_wrap = true;
    vq->notification = true;
    vq->signalled_used = 0;
    vq->signalled_used_valid = false;
    vq->inuse = 0;
    vq->epoch++;
    vq->ops = &virtio_ring_split;
}

void virtio_queue_start(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    if (virtio_has_feature(vdev, VIRTIO_F_RING_PACKED)) {
        vq->ops = &virtio_ring_packed;
    } else if (!is_power_of_2(vq->setup.size)) {
        virtio_error(vdev, "queue %u: size %u is no power of two", vq->index,
                     vq->setup.size);
        return;
    }
    vq->setup.enabled = true;
    vq->setup.reset = false;
    trace_virtio_queue_start(vdev->klass->name, vq->index, vq->setup.size,
                             vq->setup.desc);
    if (vdev->transport->queue_enabled) {
        vdev->transport->queue_enabled(vdev->transport_opaque, vq, true);
    }
    if (virtio_is_live(vdev)) {
        virtio_queue_kick(vq);
    }
}

void virtio_queue_enable(VirtIODevice *vdev, unsigned n)
{
    VirtQueue *vq = open_queue(vdev, n);

    if (vq && !vdev->broken) {
        virtio_queue_start(vq);
    }
}

void virtio_queue_reset(VirtIODevice *vdev, unsigned n)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);
    uint16_t vector;

    if (!vq || !vdev->klass->queue_reset ||
        !virtio_has_feature(vdev, VIRTIO_F_RING_RESET)) {
        return;
    }
    vector = vq->setup.vector;
    if (vq->setup.enabled && vdev->transport->queue_enabled) {
        vdev->transport->queue_enabled(vdev->transport_opaque, vq, false);
    }
    virtio_queue_clear(vq);
    vq->setup.vector = vector;
    vdev->klass->queue_reset(vdev, vq);
}

/* 2.7.2: the three rings behind one another, the last one aligned. */
void virtio_queue_set_pfn(VirtIODevice *vdev, unsigned n, uint32_t pfn)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);
    uint64_t num;

    if (pfn == 0) {
        virtio_reset(vdev);
        return;
    }
    if (!vq || vq->setup.enabled) {
        return;
    }
    num = vq->setup.max_size;
    vq->pfn = pfn;
    vq->setup.size = vq->setup.max_size;
    vq->setup.desc = (uint64_t)pfn << VIRTIO_LEGACY_PAGE_SHIFT;
    vq->setup.driver = vq->setup.desc + VRING_DESC_BYTES * num;
    vq->setup.device = ROUND_UP(vq->setup.driver + 2 * (3 + num),
                                (uint64_t)VIRTIO_LEGACY_ALIGN);
    virtio_queue_start(vq);
}

uint32_t virtio_queue_get_pfn(VirtIODevice *vdev, unsigned n)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);

    return vq ? vq->pfn : 0;
}
