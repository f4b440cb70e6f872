/*
 * The virtio network card: frames between rings and the wire.
 *
 * No offloads: a frame is whole and has its checksums. A frame from the wire
 * goes into the guest's buffers at once, or the wire is told to wait until
 * the guest gives some; one from the guest is taken off the ring only when
 * the backend has taken it.
 *
 * Thread: the main loop's, under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/net/virtio-net.h"

#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/iov.h"

/* Feature bits, 5.1.3. */
#define VIRTIO_NET_F_MTU           3
#define VIRTIO_NET_F_MAC           5
#define VIRTIO_NET_F_MRG_RXBUF     15
#define VIRTIO_NET_F_STATUS        16
#define VIRTIO_NET_F_CTRL_VQ       17
#define VIRTIO_NET_F_CTRL_RX       18
#define VIRTIO_NET_F_CTRL_VLAN     19
#define VIRTIO_NET_F_CTRL_RX_EXTRA 20
#define VIRTIO_NET_F_CTRL_MAC_ADDR 23

/* Configuration space, 5.1.4. */
#define CONFIG_MAC    0
#define CONFIG_STATUS 6
#define CONFIG_PAIRS  8
#define CONFIG_MTU    10
#define CONFIG_LEN    12

#define STATUS_LINK_UP 1u

/* virtio_net_hdr, 5.1.6. */
#define HEADER_LEGACY      10u
#define HEADER_NUM_BUFFERS 10u
#define HEADER_LEN         12u

#define CTRL_QUEUE_SIZE 64
#define QUEUE_SIZE_MIN  256
#define HOST_MTU_MIN    68 /* 5.1.4.1 */
/* Frames of the guest in one go, so that others get the lock. */
#define TX_BURST 256

static VirtIONet *of(VirtIODevice *vdev)
{
    return container_of(vdev, VirtIONet, vdev);
}

static bool mergeable(VirtIONet *n)
{
    return virtio_has_feature(&n->vdev, VIRTIO_NET_F_MRG_RXBUF);
}

static size_t header_len(VirtIONet *n)
{
    return mergeable(n) || !virtio_is_legacy(&n->vdev) ? HEADER_LEN
                                                       : HEADER_LEGACY;
}

/* -- from the wire ---------------------------------------------------------------- */

/* Copy a frame's bytes from @at on behind @skip bytes of an element. */
static size_t fill(VirtQueueElement *elem, size_t skip, const struct iovec *iov,
                   unsigned n, size_t at)
{
    size_t room = virtio_element_in_size(elem) - skip;
    size_t done = 0;

    for (unsigned i = 0; i < n && done < room; i++) {
        size_t len = iov[i].iov_len;

        if (at >= len) {
            at -= len;
            continue;
        }
        len = MIN(len - at, room - done);
        virtio_element_write(elem, skip + done,
                             (const uint8_t *)iov[i].iov_base + at, len);
        done += len;
        at = 0;
    }
    return done;
}

static void put_back(VirtIONet *n, GPtrArray *elems)
{
    for (guint i = elems->len; i-- > 0;) {
        virtqueue_unpop(n->rx, g_ptr_array_index(elems, i));
    }
}

/* One buffer of the guest; NULL: there is none (yet). */
static VirtQueueElement *next_buffer(VirtIONet *n)
{
    VirtQueueElement *elem = virtqueue_pop(n->rx, sizeof(*elem));

    if (!elem && !n->vdev.broken) {
        virtio_queue_set_notification(n->rx, true);
        elem = virtqueue_pop(n->rx, sizeof(*elem));
        if (elem) {
            virtio_queue_set_notification(n->rx, false);
        }
    }
    return elem;
}

static void write_header(VirtIONet *n, VirtQueueElement *elem, unsigned buffers)
{
    uint8_t header[HEADER_LEN] = { 0 };

    stw_le_p(header + HEADER_NUM_BUFFERS, (uint16_t)buffers);
    virtio_element_write(elem, 0, header, header_len(n));
}

/* Returns: false if the guest has to give buffers first. */
static bool deliver(VirtIONet *n, const struct iovec *iov, unsigned n_iov,
                    size_t len)
{
    g_autoptr(GPtrArray) elems = g_ptr_array_new_with_free_func(g_free);
    size_t header = header_len(n), done = 0;

    do {
        size_t skip = elems->len ? 0 : header;
        VirtQueueElement *elem = next_buffer(n);

        if (!elem) {
            put_back(n, elems);
            return n->vdev.broken;
        }
        g_ptr_array_add(elems, elem);
        if (virtio_element_in_size(elem) <= skip || elem->out_num) {
            virtio_error(&n->vdev, "receive buffer of %zu bytes",
                         virtio_element_in_size(elem));
            return true;
        }
        done += fill(elem, skip, iov, n_iov, done);
    } while (done < len && mergeable(n) && elems->len < UINT16_MAX);
    if (done < len) { /* the guest's buffers are too small for it */
        put_back(n, elems);
        n->nc.frames_dropped++;
        return true;
    }
    write_header(n, g_ptr_array_index(elems, 0), elems->len);
    done = len + header;
    for (guint i = 0; i < elems->len; i++) {
        VirtQueueElement *elem = g_ptr_array_index(elems, i);
        size_t used = MIN(done, virtio_element_in_size(elem));

        virtqueue_fill(n->rx, elem, used, i);
        done -= used;
    }
    virtqueue_flush(n->rx, elems->len);
    virtio_notify(&n->vdev, n->rx);
    return true;
}

static bool net_receive(NetClient *nc, const struct iovec *iov, unsigned n_iov)
{
    VirtIONet *n = nc->opaque;
    uint8_t start[18];
    size_t len = iov_size(iov, n_iov);

    MACHINE_LOCK_GUARD();
    if (!virtio_is_live(&n->vdev) || !virtio_queue_ready(n->rx)) {
        /* While the machine stands still the frame may wait. */
        return n->vdev.vm_running ||
               !(n->vdev.status & VIRTIO_STATUS_DRIVER_OK);
    }
    if (!virtio_net_filter_accepts(
            n, start, iov_to_buf(iov, n_iov, 0, start, sizeof(start)))) {
        return true;
    }
    return deliver(n, iov, n_iov, len);
}

static void handle_rx(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = of(vdev);

    virtio_queue_set_notification(vq, false);
    net_resume_peer(&n->nc);
    /* If nobody waited, be told of buffers again when they run out. */
}

/* -- from the guest ---------------------------------------------------------------- */

/* The frame behind the header, as pieces of @elem's memory. */
static unsigned frame_of(VirtIONet *n, VirtQueueElement *elem,
                         struct iovec *iov)
{
    return iov_copy(iov, VIRTQUEUE_MAX_SIZE, elem->out_sg, elem->out_num,
                    header_len(n), NET_FRAME_MAX + 1);
}

/* Returns: false when it is to be tried again later. */
static bool send_one(VirtIONet *n, VirtQueueElement *elem)
{
    struct iovec iov[VIRTQUEUE_MAX_SIZE];

    if (elem->in_num || virtio_element_out_size(elem) < header_len(n)) {
        virtio_error(&n->vdev,
                     "a frame to send has %u buffers to write and "
                     "%zu bytes",
                     elem->in_num, virtio_element_out_size(elem));
        return true;
    }
    return net_send(&n->nc, iov, frame_of(n, elem, iov));
}

static void handle_tx(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = of(vdev);
    VirtQueueElement *elem;
    unsigned sent = 0;

    if (n->tx_blocked) {
        return;
    }
    virtio_queue_set_notification(vq, false);
    for (;;) {
        elem = sent < TX_BURST ? virtqueue_pop(vq, sizeof(*elem)) : NULL;
        if (!elem) {
            break;
        }
        if (!send_one(n, elem)) {
            n->tx_blocked = true;
            virtqueue_unpop(vq, elem);
            g_free(elem);
            break;
        }
        virtqueue_push(vq, elem, 0);
        g_free(elem);
        sent++;
    }
    if (sent) {
        virtio_notify(vdev, vq);
    }
    if (n->tx_blocked) {
        return;
    }
    virtio_queue_set_notification(vq, true);
    if (!virtio_queue_empty(vq)) {
        virtio_queue_kick(vq);
    }
}

static void net_resume(NetClient *nc)
{
    VirtIONet *n = nc->opaque;

    MACHINE_LOCK_GUARD();
    if (n->tx_blocked) {
        n->tx_blocked = false;
        virtio_queue_kick(n->tx);
    }
}

/* Registers are written in a vCPU's thread; the wire is the main loop's. */
static void resume_peer_soon(VirtIONet *n)
{
    qemu_bh_schedule(n->resume_bh);
}

static void resume_peer(void *opaque)
{
    VirtIONet *n = opaque;

    net_resume_peer(&n->nc);
}

/* -- configuration ------------------------------------------------------------------- */

static uint64_t net_get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIONetConf *c = &of(vdev)->conf;

    features |= VIRTIO_FEATURE(VIRTIO_NET_F_MAC);
    if (c->host_mtu) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_MTU);
    }
    if (c->mrg_rxbuf) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
    }
    if (c->status) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_STATUS);
    }
    if (!c->ctrl_vq) {
        return features;
    }
    features |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ);
    if (c->ctrl_rx) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) |
                    VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA);
    }
    if (c->ctrl_vlan) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
    }
    if (c->ctrl_mac_addr) {
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);
    }
    return features;
}

static void net_set_features(VirtIODevice *vdev, uint64_t features)
{
    VirtIONet *n = of(vdev);

    /* Who filters VLANs begins with none; who does not gets them all. */
    memset(n->vlans,
           virtio_has_feature(vdev, VIRTIO_NET_F_CTRL_VLAN) ? 0 : 0xff,
           sizeof(n->vlans));
}

static void net_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VirtIONet *n = of(vdev);

    memcpy(config + CONFIG_MAC, n->address, NET_ADDRESS_SIZE);
    stw_le_p(config + CONFIG_STATUS,
             net_link_is_up(&n->nc) ? STATUS_LINK_UP : 0);
    stw_le_p(config + CONFIG_PAIRS, 1);
    stw_le_p(config + CONFIG_MTU, n->conf.host_mtu);
}

/* Old drivers set their address here. */
static void net_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    VirtIONet *n = of(vdev);

    if (virtio_is_legacy(vdev) &&
        !virtio_has_feature(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
        memcpy(n->address, config + CONFIG_MAC, NET_ADDRESS_SIZE);
    }
}

static void net_reset(VirtIODevice *vdev)
{
    VirtIONet *n = of(vdev);

    n->tx_blocked = false;
    memcpy(n->address, n->own_address, NET_ADDRESS_SIZE);
    virtio_net_filter_reset(n);
    resume_peer_soon(n);
}

static void net_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = of(vdev);

    if (vq == n->tx) {
        n->tx_blocked = false;
    }
}

static void net_set_running(VirtIODevice *vdev, bool running)
{
    if (running) {
        resume_peer_soon(of(vdev));
    }
}

static void net_set_status(VirtIODevice *vdev, uint8_t old)
{
    if ((vdev->status & ~old) & VIRTIO_STATUS_DRIVER_OK) {
        resume_peer_soon(of(vdev));
    }
}

static void net_link_changed(NetClient *nc)
{
    VirtIONet *n = nc->opaque;

    MACHINE_LOCK_GUARD();
    if (n->vdev.ready) {
        virtio_notify_config(&n->vdev);
    }
}

static const VirtioDeviceClass net_class = {
    .name = "virtio-net",
    .device_id = VIRTIO_ID_NET,
    .config_len = CONFIG_LEN,
    .get_features = net_get_features,
    .set_features = net_set_features,
    .get_config = net_get_config,
    .set_config = net_set_config,
    .set_status = net_set_status,
    .reset = net_reset,
    .queue_reset = net_queue_reset,
    .set_running = net_set_running,
};

static void net_announce_card(NetClient *nc)
{
    VirtIONet *n = nc->opaque;

    MACHINE_LOCK_GUARD();
    net_announce(nc, n->address);
}

static const NetClientOps net_ops = {
    .receive = net_receive,
    .resume = net_resume,
    .link_changed = net_link_changed,
    .announce = net_announce_card,
};

/* -- life ------------------------------------------------------------------------------ */

static bool check_queue_size(const char *name, unsigned size, Error **errp)
{
    if (size < QUEUE_SIZE_MIN || size > VIRTQUEUE_MAX_SIZE ||
        (size & (size - 1))) {
        error_setg(errp, "%s %u is not a power of two from %d to %d", name,
                   size, QUEUE_SIZE_MIN, VIRTQUEUE_MAX_SIZE);
        return false;
    }
    return true;
}

static bool check_mtu(unsigned mtu, Error **errp)
{
    if (mtu && mtu < HOST_MTU_MIN) {
        error_setg(errp, "host_mtu %u is less than %d", mtu, HOST_MTU_MIN);
        return false;
    }
    return true;
}

static bool choose_address(VirtIONet *n, Error **errp)
{
    if (!n->conf.address) {
        net_default_address(n->own_address);
        return true;
    }
    if (!net_parse_address(n->conf.address, n->own_address, errp)) {
        return false;
    }
    net_address_take(n->own_address);
    return true;
}

static bool plug_in(VirtIONet *n, Error **errp)
{
    Netdev *netdev;

    if (!n->conf.netdev) {
        return true; /* a card without a cable */
    }
    netdev = netdev_find(n->conf.netdev);
    if (!netdev) {
        error_setg(errp, "there is no network backend '%s'", n->conf.netdev);
        return false;
    }
    if (netdev->nc.peer) {
        error_setg(errp, "network backend '%s' is used by '%s'", n->conf.netdev,
                   netdev->nc.peer->name);
        return false;
    }
    net_connect(&n->nc, &netdev->nc);
    return true;
}

bool virtio_net_realize(VirtIONet *n, DeviceState *owner, GuestMemory *memory,
                        AioContext *ctx, Error **errp)
{
    const VirtIONetConf *c = &n->conf;

    if (!check_queue_size("rx_queue_size", c->rx_queue_size, errp) ||
        !check_queue_size("tx_queue_size", c->tx_queue_size, errp) ||
        !check_mtu(c->host_mtu, errp) || !choose_address(n, errp)) {
        return false;
    }
    net_client_init(&n->nc, &net_ops, n,
                    owner->id ? owner->id : object_get_typename(OBJECT(owner)));
    if (!plug_in(n, errp)) {
        net_client_deinit(&n->nc);
        net_address_release(n->own_address);
        return false;
    }
    n->nc.info = g_strdup_printf("macaddr=%02x:%02x:%02x:%02x:%02x:%02x",
                                 n->own_address[0], n->own_address[1],
                                 n->own_address[2], n->own_address[3],
                                 n->own_address[4], n->own_address[5]);
    memcpy(n->address, n->own_address, NET_ADDRESS_SIZE);
    virtio_net_filter_reset(n);
    virtio_device_realize(&n->vdev, &net_class, owner, memory, ctx, 3);
    n->rx = virtio_add_queue(&n->vdev, c->rx_queue_size, handle_rx);
    n->tx = virtio_add_queue(&n->vdev, c->tx_queue_size, handle_tx);
    if (c->ctrl_vq) {
        n->ctrl =
            virtio_add_queue(&n->vdev, CTRL_QUEUE_SIZE, virtio_net_handle_ctrl);
    }
    n->resume_bh = aio_bh_new(ctx, resume_peer, n);
    net_card_add(&n->nc);
    return true;
}

void virtio_net_unrealize(VirtIONet *n)
{
    g_clear_pointer(&n->resume_bh, qemu_bh_delete);
    net_card_remove(&n->nc);
    net_client_deinit(&n->nc);
    net_address_release(n->own_address);
    virtio_device_unrealize(&n->vdev);
}
