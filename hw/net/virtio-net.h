/*
 * The virtio network card, whatever transport it is on.
 *
 * Source: VIRTIO 1.2, 5.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include "hw/virtio/virtio.h"
#include "net/net.h"

/* Addresses of each kind that the guest can have filtered; more of them
 * means that all are taken. */
#define VIRTIO_NET_FILTER_MAX 64

typedef struct VirtIONetFilter {
    uint32_t count;
    bool overflow;
    uint8_t address[VIRTIO_NET_FILTER_MAX][NET_ADDRESS_SIZE];
} VirtIONetFilter;

typedef struct VirtIONetConf {
    char *netdev;  /* id of the backend */
    char *address; /* NULL: the next default one */
    uint16_t rx_queue_size;
    uint16_t tx_queue_size;
    uint16_t host_mtu; /* 0: not said */
    int32_t bootindex; /* -1: none */
    bool mrg_rxbuf;
    bool status;
    bool ctrl_vq;
    bool ctrl_rx;
    bool ctrl_vlan;
    bool ctrl_mac_addr;
} VirtIONetConf;

typedef struct VirtIONet {
    VirtIODevice vdev;
    VirtIONetConf conf;

    NetClient nc;
    VirtQueue *rx;
    VirtQueue *tx;
    VirtQueue *ctrl;
    QEMUBH *resume_bh; /* tell the peer to go on */

    uint8_t own_address[NET_ADDRESS_SIZE]; /* of the card */
    uint8_t address[NET_ADDRESS_SIZE];     /* as the guest has set it */
    bool tx_blocked;                       /* the backend has no room */

    bool promisc;
    bool allmulti;
    bool alluni;
    bool nomulti;
    bool nouni;
    bool nobcast;
    VirtIONetFilter unicast;
    VirtIONetFilter multicast;
    uint32_t vlans[4096 / 32];
} VirtIONet;

/** virtio_net_realize: Errors: the backend; the address; a queue size. */
bool virtio_net_realize(VirtIONet *n, DeviceState *owner, GuestMemory *memory,
                        AioContext *ctx, Error **errp);
void virtio_net_unrealize(VirtIONet *n);

extern const VMStateDescription vmstate_virtio_net; /* of VirtIONet */

/* virtio-net-ctrl.c: the control queue and the filter it sets. */
void virtio_net_handle_ctrl(VirtIODevice *vdev, VirtQueue *vq);
/** virtio_net_filter_reset: take everything until the guest says otherwise. */
void virtio_net_filter_reset(VirtIONet *n);
/** virtio_net_filter_accepts: @frame has NET_FRAME_MIN bytes at least. */
bool virtio_net_filter_accepts(const VirtIONet *n, const uint8_t *frame,
                               size_t len);

#endif
