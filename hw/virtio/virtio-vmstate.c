/*
 * What a migration carries of every virtio device: status, features, where
 * the rings are and how far they were worked off.
 *
 * No request is between ring and device while the machine stands still, but
 * for those of disks that failed with werror=stop: they are carried with their
 * buffers' addresses, for the descriptors of a packed ring may be overwritten
 * already. Handlers look at all queues when the machine runs on, so that no
 * bell is lost.
 *
 * A ring is in guest memory and is checked whenever it is used; the numbers
 * that say where to look in it are checked here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "migration/constants.h"
#include "migration/qemu-file.h"
#include "util/host-utils.h"

#include "virtio-internal.h"

/* -- queues -------------------------------------------------------------------- */

static bool check_split(const VirtQueue *vq, Error **errp)
{
    uint16_t taken = (uint16_t)(vq->avail_idx - vq->used_idx);

    if (!is_power_of_2(vq->setup.size)) {
        error_setg(errp, "size %u of queue %u is no power of two",
                   vq->setup.size, vq->index);
        return false;
    }
    return vmstate_check("requests taken off a queue", taken, 0, vq->setup.size,
                         errp);
}

static bool check_packed(const VirtQueue *vq, Error **errp)
{
    return vmstate_check("available index of a queue", vq->avail_idx, 0,
                         vq->setup.size - 1u, errp) &&
           vmstate_check("used index of a queue", vq->used_idx, 0,
                         vq->setup.size - 1u, errp);
}

static bool queue_post_load(void *opaque, int version_id, Error **errp)
{
    VirtQueue *vq = opaque;
    bool packed = virtio_has_feature(vq->vdev, VIRTIO_F_RING_PACKED);

    if (!vmstate_check("size of a queue", vq->setup.size, 1, vq->setup.max_size,
                       errp)) {
        return false;
    }
    if (vq->setup.enabled &&
        !(packed ? check_packed(vq, errp) : check_split(vq, errp))) {
        return false;
    }
    vq->ops =
        vq->setup.enabled && packed ? &virtio_ring_packed : &virtio_ring_split;
    vq->mapped = false;
    vq->shadow_avail_idx = vq->avail_idx;
    vq->inuse = 0;
    vq->epoch++;
    return true;
}

static const VMStateDescription vmstate_virtqueue = {
    .name = "virtqueue",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = queue_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT16_EQUAL(setup.max_size, VirtQueue, "size of a queue"),
            VMSTATE_UINT16(setup.size, VirtQueue),
            VMSTATE_UINT16(setup.vector, VirtQueue),
            VMSTATE_BOOL(setup.enabled, VirtQueue),
            VMSTATE_BOOL(setup.reset, VirtQueue),
            VMSTATE_UINT64(setup.desc, VirtQueue),
            VMSTATE_UINT64(setup.driver, VirtQueue),
            VMSTATE_UINT64(setup.device, VirtQueue),
            VMSTATE_UINT32(pfn, VirtQueue),
            VMSTATE_UINT16(avail_idx, VirtQueue),
            VMSTATE_UINT16(used_idx, VirtQueue),
            VMSTATE_BOOL(avail_wrap, VirtQueue),
            VMSTATE_BOOL(used_wrap, VirtQueue),
            VMSTATE_BOOL(notification, VirtQueue),
            VMSTATE_UINT16(signalled_used, VirtQueue),
            VMSTATE_BOOL(signalled_used_valid, VirtQueue),
            VMSTATE_END_OF_LIST() },
};

/* -- device ---------------------------------------------------------------------- */

static bool device_post_load(void *opaque, int version_id, Error **errp)
{
    VirtIODevice *vdev = opaque;
    uint64_t alien = vdev->guest_features & ~vdev->host_features;

    /* Before the driver has decided it may have written anything. */
    if (vdev->features_final && alien) {
        error_setg(errp,
                   "%s: the guest uses the features 0x%" PRIx64
                   ", which are not offered here",
                   vdev->klass->name, alien);
        return false;
    }
    vdev->isr &= VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG;
    return true;
}

/* A driver that has not decided yet takes what it finds there. */
static void device_constants(void *opaque, VMStateConstants *c)
{
    const VirtIODevice *vdev = opaque;

    vmstate_constant_bits(c, "virtio features",
                          vdev->features_final ? vdev->guest_features : 0,
                          vdev->host_features, NULL);
}

const VMStateDescription vmstate_virtio_device = {
    .name = "virtio",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = device_post_load,
    .constants = device_constants,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(guest_features, VirtIODevice),
            VMSTATE_BOOL(features_final, VirtIODevice),
            VMSTATE_UINT8(status, VirtIODevice),
            VMSTATE_UINT8(isr, VirtIODevice),
            VMSTATE_BOOL(broken, VirtIODevice),
            VMSTATE_UINT16(queue_sel, VirtIODevice),
            VMSTATE_UINT16(config_vector, VirtIODevice),
            VMSTATE_UINT32(generation, VirtIODevice),
            VMSTATE_UINT32_EQUAL(n_vqs, VirtIODevice, "number of queues"),
            VMSTATE_STRUCT_VARRAY_POINTER_UINT32(vq, VirtIODevice, n_vqs,
                                                 vmstate_virtqueue, VirtQueue),
            VMSTATE_END_OF_LIST() },
};

/* -- requests ---------------------------------------------------------------------- */

static void put_buffers(QEMUFile *f, const uint64_t *addr,
                        const struct iovec *sg, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qemu_put_be64(f, addr[i]);
        qemu_put_be32(f, (unsigned)sg[i].iov_len);
    }
}

void virtqueue_put_element(QEMUFile *f, const VirtQueueElement *elem)
{
    qemu_put_be32(f, elem->index);
    qemu_put_be32(f, elem->ndescs);
    qemu_put_be16(f, elem->out_num);
    qemu_put_be16(f, elem->in_num);
    put_buffers(f, elem->out_addr, elem->out_sg, elem->out_num);
    put_buffers(f, elem->in_addr, elem->in_sg, elem->in_num);
}

static bool get_buffer(QEMUFile *f, VirtQueue *vq, VirtChain *chain, unsigned n,
                       Error **errp)
{
    bool in = n >= chain->out_num;
    uint64_t addr = qemu_get_be64(f);
    uint64_t wanted = qemu_get_be32(f);
    uint64_t len = wanted;
    void *p =
        len ? guest_memory_dma_map(vq->vdev->memory, addr, &len, in) : NULL;

    if (!p || len != wanted) {
        error_setg(errp,
                   "%s: buffer at 0x%" PRIx64 ", %" PRIu64
                   " bytes, of a request in flight is not in memory",
                   vq->vdev->klass->name, addr, wanted);
        return false;
    }
    chain->addr[n] = addr;
    chain->sg[n] = (struct iovec){ p, (size_t)len };
    return true;
}

static bool get_chain(QEMUFile *f, VirtQueue *vq, VirtChain *chain,
                      Error **errp)
{
    chain->id = qemu_get_be32(f);
    chain->ndescs = qemu_get_be32(f);
    chain->out_num = qemu_get_be16(f);
    chain->in_num = qemu_get_be16(f);
    if (!vmstate_check("number of a request in flight", chain->id, 0,
                       UINT16_MAX, errp) ||
        !vmstate_check("descriptors of a request in flight", chain->ndescs, 1,
                       vq->setup.size - MIN(vq->inuse, vq->setup.size), errp) ||
        !vmstate_check("buffers of a request in flight",
                       (uint64_t)chain->out_num + chain->in_num, 1,
                       VIRTQUEUE_MAX_SIZE, errp)) {
        return false;
    }
    for (unsigned i = 0; i < chain->out_num + chain->in_num; i++) {
        if (!get_buffer(f, vq, chain, i, errp)) {
            return false;
        }
    }
    return true;
}

void *virtqueue_get_element(QEMUFile *f, VirtQueue *vq, size_t size,
                            Error **errp)
{
    g_autofree VirtChain *chain = g_new0(VirtChain, 1);
    VirtQueueElement *e;

    if (!get_chain(f, vq, chain, errp)) {
        return NULL;
    }
    e = virtqueue_element_new(size, chain);
    e->index = chain->id;
    e->ndescs = chain->ndescs;
    e->epoch = vq->epoch;
    vq->inuse += chain->ndescs;
    return e;
}
