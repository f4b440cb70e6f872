/*
 * virtio-net: what a migration carries of it beside what all virtio devices
 * have: the filter, the address that the guest has set, and whether the link
 * was taken down (set_link).
 *
 * No frame is held here: one that the backend did not take is still in the
 * guest's ring, one that the guest had no room for is still in the backend.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/net/virtio-net.h"

static bool filter_post_load(void *opaque, int version_id, Error **errp)
{
    const VirtIONetFilter *f = opaque;

    return vmstate_check("addresses of a filter", f->count, 0,
                         VIRTIO_NET_FILTER_MAX, errp);
}

static const VMStateDescription vmstate_filter = {
    .name = "virtio_net_filter",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = filter_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32(count, VirtIONetFilter),
            VMSTATE_BOOL(overflow, VirtIONetFilter),
            VMSTATE_BUFFER_UNSAFE(address, VirtIONetFilter, 0,
                                  VIRTIO_NET_FILTER_MAX *NET_ADDRESS_SIZE),
            VMSTATE_END_OF_LIST() },
};

static int net_post_load(void *opaque, int version_id)
{
    ((VirtIONet *)opaque)->tx_blocked = false; /* the backend is another one */
    return 0;
}

const VMStateDescription vmstate_virtio_net = {
    .name = "virtio_net",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = net_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8_ARRAY(address, VirtIONet, NET_ADDRESS_SIZE),
            VMSTATE_BOOL(nc.link_down, VirtIONet),
            VMSTATE_BOOL(promisc, VirtIONet), VMSTATE_BOOL(allmulti, VirtIONet),
            VMSTATE_BOOL(alluni, VirtIONet), VMSTATE_BOOL(nomulti, VirtIONet),
            VMSTATE_BOOL(nouni, VirtIONet), VMSTATE_BOOL(nobcast, VirtIONet),
            VMSTATE_STRUCT(unicast, VirtIONet, 0, vmstate_filter,
                           VirtIONetFilter),
            VMSTATE_STRUCT(multicast, VirtIONet, 0, vmstate_filter,
                           VirtIONetFilter),
            VMSTATE_UINT32_ARRAY(vlans, VirtIONet, 4096 / 32),
            VMSTATE_END_OF_LIST() },
};
