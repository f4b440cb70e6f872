/*
 * virtio-net: the control queue, and the filter of received frames that the
 * guest sets by it.
 *
 * Source: VIRTIO 1.2, 5.1.6.5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/net/virtio-net.h"
#include "util/bswap.h"

#define CTRL_OK  0
#define CTRL_ERR 1

#define CTRL_RX          0
#define CTRL_RX_PROMISC  0
#define CTRL_RX_ALLMULTI 1
#define CTRL_RX_ALLUNI   2
#define CTRL_RX_NOMULTI  3
#define CTRL_RX_NOUNI    4
#define CTRL_RX_NOBCAST  5

#define CTRL_MAC           1
#define CTRL_MAC_TABLE_SET 0
#define CTRL_MAC_ADDR_SET  1

#define CTRL_VLAN     2
#define CTRL_VLAN_ADD 0
#define CTRL_VLAN_DEL 1

#define ETHERTYPE_OFFSET 12
#define ETHERTYPE_VLAN   0x8100
#define VLAN_OFFSET      14
#define VLAN_MASK        0xfff

void virtio_net_filter_reset(VirtIONet *n)
{
    n->promisc = true;
    n->allmulti = n->alluni = false;
    n->nomulti = n->nouni = n->nobcast = false;
    n->unicast.count = n->multicast.count = 0;
    n->unicast.overflow = n->multicast.overflow = false;
    memset(n->vlans, 0xff, sizeof(n->vlans));
}

static bool in_filter(const VirtIONetFilter *f, const uint8_t *address)
{
    if (f->overflow) {
        return true;
    }
    for (unsigned i = 0; i < f->count; i++) {
        if (!memcmp(f->address[i], address, NET_ADDRESS_SIZE)) {
            return true;
        }
    }
    return false;
}

static bool accepts_vlan(const VirtIONet *n, const uint8_t *frame, size_t len)
{
    unsigned vid;

    if (len < VLAN_OFFSET + 2 ||
        lduw_be_p(frame + ETHERTYPE_OFFSET) != ETHERTYPE_VLAN) {
        return true;
    }
    vid = lduw_be_p(frame + VLAN_OFFSET) & VLAN_MASK;
    return n->vlans[vid / 32] & (1u << (vid % 32));
}

bool virtio_net_filter_accepts(const VirtIONet *n, const uint8_t *frame,
                               size_t len)
{
    static const uint8_t broadcast[NET_ADDRESS_SIZE] = { 0xff, 0xff, 0xff,
                                                         0xff, 0xff, 0xff };

    if (n->promisc) {
        return true;
    }
    if (!accepts_vlan(n, frame, len)) {
        return false;
    }
    if (!(frame[0] & 1)) {
        return !n->nouni &&
               (n->alluni || !memcmp(frame, n->address, NET_ADDRESS_SIZE) ||
                in_filter(&n->unicast, frame));
    }
    if (!memcmp(frame, broadcast, NET_ADDRESS_SIZE)) {
        return !n->nobcast;
    }
    return !n->nomulti && (n->allmulti || in_filter(&n->multicast, frame));
}

/* What is left of a command; reads fail at its end. */
typedef struct Command {
    VirtQueueElement *elem;
    size_t at;
} Command;

static bool take(Command *c, void *buf, size_t len)
{
    if (virtio_element_read(c->elem, c->at, buf, len) != len) {
        return false;
    }
    c->at += len;
    return true;
}

static bool command_rx(VirtIONet *n, uint8_t command, Command *c)
{
    bool *const modes[] = {
        [CTRL_RX_PROMISC] = &n->promisc, [CTRL_RX_ALLMULTI] = &n->allmulti,
        [CTRL_RX_ALLUNI] = &n->alluni,   [CTRL_RX_NOMULTI] = &n->nomulti,
        [CTRL_RX_NOUNI] = &n->nouni,     [CTRL_RX_NOBCAST] = &n->nobcast,
    };
    uint8_t on;

    if (command >= G_N_ELEMENTS(modes) || !take(c, &on, 1)) {
        return false;
    }
    *modes[command] = on;
    return true;
}

/* A table too long to keep means: take all of that kind. */
static bool take_table(Command *c, VirtIONetFilter *f)
{
    uint8_t count_le[4];
    uint32_t count;

    if (!take(c, count_le, sizeof(count_le))) {
        return false;
    }
    count = ldl_le_p(count_le);
    if (count > (virtio_element_out_size(c->elem) - c->at) / NET_ADDRESS_SIZE) {
        return false;
    }
    if (count > VIRTIO_NET_FILTER_MAX) {
        f->overflow = true;
        c->at += (size_t)count * NET_ADDRESS_SIZE;
        return true;
    }
    f->count = count;
    return take(c, f->address, (size_t)count * NET_ADDRESS_SIZE);
}

static bool command_mac(VirtIONet *n, uint8_t command, Command *c)
{
    VirtIONetFilter unicast = { 0 }, multicast = { 0 };
    uint8_t address[NET_ADDRESS_SIZE];

    switch (command) {
    case CTRL_MAC_ADDR_SET:
        if (!take(c, address, sizeof(address))) {
            return false;
        }
        memcpy(n->address, address, sizeof(address));
        return true;
    case CTRL_MAC_TABLE_SET:
        if (!take_table(c, &unicast) || !take_table(c, &multicast)) {
            return false;
        }
        n->unicast = unicast;
        n->multicast = multicast;
        return true;
    default:
        return false;
    }
}

static bool command_vlan(VirtIONet *n, uint8_t command, Command *c)
{
    uint8_t vid_le[2];
    unsigned vid;

    if (command > CTRL_VLAN_DEL || !take(c, vid_le, sizeof(vid_le))) {
        return false;
    }
    vid = lduw_le_p(vid_le);
    if (vid > VLAN_MASK) {
        return false;
    }
    if (command == CTRL_VLAN_ADD) {
        n->vlans[vid / 32] |= 1u << (vid % 32);
    } else {
        n->vlans[vid / 32] &= ~(1u << (vid % 32));
    }
    return true;
}

static bool serve(VirtIONet *n, VirtQueueElement *elem)
{
    Command c = { .elem = elem };
    uint8_t head[2]; /* class, command */

    if (!take(&c, head, sizeof(head))) {
        return false;
    }
    switch (head[0]) {
    case CTRL_RX:
        return command_rx(n, head[1], &c);
    case CTRL_MAC:
        return command_mac(n, head[1], &c);
    case CTRL_VLAN:
        return command_vlan(n, head[1], &c);
    default:
        return false;
    }
}

void virtio_net_handle_ctrl(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = container_of(vdev, VirtIONet, vdev);
    VirtQueueElement *elem;

    while ((elem = virtqueue_pop(vq, sizeof(*elem)))) {
        uint8_t status;

        if (virtio_element_in_size(elem) < 1) {
            virtio_error(vdev, "a control command has no room for its status");
            virtqueue_detach_element(vq, elem, 0);
            g_free(elem);
            return;
        }
        status = serve(n, elem) ? CTRL_OK : CTRL_ERR;
        virtio_element_write(elem, 0, &status, 1);
        virtqueue_push(vq, elem, 1);
        virtio_notify(vdev, vq);
        g_free(elem);
    }
}
