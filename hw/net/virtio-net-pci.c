/*
 * virtio-net-pci: the virtio network card on the PCI bus.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/main-loop.h"

#define TYPE_VIRTIO_NET_PCI "virtio-net-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIONetPCI, VIRTIO_NET_PCI)

#define PCI_CLASS_ETHERNET       0x0200
#define PCI_DEVICE_ID_VIRTIO_NET 0x1000
/* Configuration changes, and one for each queue. */
#define DEFAULT_VECTORS 4

struct VirtIONetPCI {
    VirtIOPCIProxy parent_obj;

    VirtIONet net;
};

static bool net_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIONetPCI *d = VIRTIO_NET_PCI(proxy);

    if (proxy->n_vectors == VIRTIO_PCI_VECTORS_AUTO) {
        proxy->n_vectors = DEFAULT_VECTORS;
    }
    return virtio_net_realize(&d->net, DEVICE(proxy), virtio_pci_memory(proxy),
                              qemu_get_aio_context(), errp);
}

static void net_pci_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_net_unrealize(&VIRTIO_NET_PCI(proxy)->net);
}

#define CONF(name_, kind_, field_, def_, help_)                                \
    {                                                                          \
        name_, kind_, offsetof(VirtIONetPCI, net.conf.field_),                 \
            .def = def_, .help = help_, .since = "0.1"                         \
    }

static const Property net_pci_props[] = {
    VIRTIO_FEATURE_PROPS(VirtIONetPCI, net.vdev),
    CONF("netdev", PROP_STR, netdev, NULL, "id of the network backend"),
    CONF("mac", PROP_STR, address, NULL,
         "Ethernet address (default: 52:54:00:12:34:56 and so on)"),
    CONF("rx_queue_size", PROP_UINT16, rx_queue_size, "256",
         "entries of the receive queue"),
    CONF("tx_queue_size", PROP_UINT16, tx_queue_size, "256",
         "entries of the send queue"),
    CONF("host_mtu", PROP_UINT16, host_mtu, "0",
         "largest packet that the guest should send; 0 = not said"),
    CONF("bootindex", PROP_INT32, bootindex, "-1",
         "place in the firmware's boot order; -1 = none"),
    CONF("mrg_rxbuf", PROP_BOOL, mrg_rxbuf, "on",
         "a frame may take several buffers"),
    CONF("status", PROP_BOOL, status, "on", "the guest sees the link's state"),
    CONF("ctrl_vq", PROP_BOOL, ctrl_vq, "on", "control queue"),
    CONF("ctrl_rx", PROP_BOOL, ctrl_rx, "on", "receive modes"),
    CONF("ctrl_vlan", PROP_BOOL, ctrl_vlan, "on", "VLAN filter"),
    CONF("ctrl_mac_addr", PROP_BOOL, ctrl_mac_addr, "on",
         "the guest may change its address"),
    {},
};

static const VMStateDescription vmstate_net_pci = {
    .name = "virtio-net",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_VIRTIO_PCI(parent_obj, VirtIONetPCI),
            VMSTATE_STRUCT(net, VirtIONetPCI, 0, vmstate_virtio_net, VirtIONet),
            VMSTATE_END_OF_LIST() },
};

static void net_pci_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(VirtIONetPCI, net.vdev);
    vpc->class_code = PCI_CLASS_ETHERNET;
    vpc->legacy_device_id = PCI_DEVICE_ID_VIRTIO_NET;
    vpc->realize = net_pci_realize;
    vpc->unrealize = net_pci_unrealize;
    DEVICE_CLASS(oc)->desc = "virtio network card";
    DEVICE_CLASS(oc)->vmsd = &vmstate_net_pci;
}

extern const TypeInfo hw_type_virtio_net_pci_base;
const TypeInfo hw_type_virtio_net_pci_base = {
    .name = TYPE_VIRTIO_NET_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(VirtIONetPCI),
    .class_init = net_pci_class_init,
    .props = net_pci_props,
};

VIRTIO_PCI_TYPES(virtio_net_pci, TYPE_VIRTIO_NET_PCI, "virtio-net-pci");
