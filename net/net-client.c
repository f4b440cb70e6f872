/*
 * The wire: two ends, frames that go across at once or not at all.
 *
 * Mutable file-scope state: the list of cards, for set_link and the monitor,
 * and the addresses that cards have; main thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net/net.h"
#include "trace/trace-net.h"
#include "util/error.h"
#include "util/iov.h"

#include "net-internal.h"

/* Locally administered, the range that every emulator's users know. */
static const uint8_t address_base[NET_ADDRESS_SIZE] = { 0x52, 0x54, 0x00,
                                                        0x12, 0x34, 0x56 };

/* Shortest frame that Ethernet has, without FCS. */
#define ANNOUNCE_BYTES 60u

static GPtrArray *cards;
static uint16_t address_uses[256]; /* of the default range, by last byte */

void net_client_init(NetClient *nc, const NetClientOps *ops, void *opaque,
                     const char *name)
{
    *nc = (NetClient){ .ops = ops, .opaque = opaque, .name = g_strdup(name) };
}

void net_client_deinit(NetClient *nc)
{
    net_disconnect(nc);
    g_clear_pointer(&nc->name, g_free);
    g_clear_pointer(&nc->info, g_free);
}

static void tell_link(NetClient *nc)
{
    if (nc && nc->ops && nc->ops->link_changed) {
        nc->ops->link_changed(nc);
    }
}

void net_connect(NetClient *a, NetClient *b)
{
    assert(!a->peer && !b->peer);
    a->peer = b;
    b->peer = a;
    tell_link(a);
    tell_link(b);
}

void net_disconnect(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (!peer) {
        return;
    }
    nc->peer = NULL;
    peer->peer = NULL;
    tell_link(peer);
    /* Whoever waited for room waits no longer: its frames get lost. */
    if (nc->blocked && peer->ops->resume) {
        peer->ops->resume(peer);
    }
    nc->blocked = false;
}

bool net_link_is_up(const NetClient *nc)
{
    return nc->peer && !nc->link_down && !nc->peer->link_down;
}

bool net_send(NetClient *from, const struct iovec *iov, unsigned n)
{
    size_t len = iov_size(iov, n);
    NetClient *to = from->peer;

    if (!net_link_is_up(from) || len > NET_FRAME_MAX || len < NET_FRAME_MIN) {
        trace_net_drop(from->name, len);
        from->frames_dropped++;
        return true;
    }
    if (!to->ops->receive(to, iov, n)) {
        to->blocked = true;
        return false;
    }
    from->frames_sent++;
    from->bytes_sent += len;
    return true;
}

bool net_send_buf(NetClient *from, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return net_send(from, &iov, 1);
}

void net_resume_peer(NetClient *nc)
{
    if (!nc->blocked) {
        return;
    }
    nc->blocked = false;
    if (nc->peer && nc->peer->ops->resume) {
        nc->peer->ops->resume(nc->peer);
    }
}

void net_set_link(NetClient *nc, bool up)
{
    if (nc->link_down == !up) {
        return;
    }
    nc->link_down = !up;
    tell_link(nc);
    tell_link(nc->peer);
    if (nc->blocked) {
        net_resume_peer(nc);
    }
}

/* -- cards --------------------------------------------------------------------- */

void net_card_add(NetClient *nc)
{
    if (!cards) {
        cards = g_ptr_array_new();
    }
    g_ptr_array_add(cards, nc);
}

void net_card_remove(NetClient *nc)
{
    if (cards && g_ptr_array_remove(cards, nc) && !cards->len) {
        g_clear_pointer(&cards, g_ptr_array_unref);
    }
}

NetClient *net_card_at(unsigned i)
{
    return cards && i < cards->len ? g_ptr_array_index(cards, i) : NULL;
}

bool net_parse_address(const char *text, uint8_t address[NET_ADDRESS_SIZE],
                       Error **errp)
{
    unsigned v[NET_ADDRESS_SIZE];
    int used = 0;

    if (sscanf(text, "%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%n",
               &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
               &used) != (int)NET_ADDRESS_SIZE ||
        text[used] || strlen(text) != 17) {
        error_setg(errp, "'%s' is not an Ethernet address", text);
        return false;
    }
    if (v[0] & 1) {
        error_setg(errp, "'%s' is a multicast address", text);
        return false;
    }
    for (unsigned i = 0; i < NET_ADDRESS_SIZE; i++) {
        address[i] = (uint8_t)v[i];
    }
    return true;
}

/* Cards that have @address; NULL outside of the default range. */
static uint16_t *uses_of(const uint8_t address[NET_ADDRESS_SIZE])
{
    const size_t prefix = NET_ADDRESS_SIZE - 1;

    return memcmp(address, address_base, prefix)
               ? NULL
               : &address_uses[address[prefix]];
}

void net_address_take(const uint8_t address[NET_ADDRESS_SIZE])
{
    uint16_t *uses = uses_of(address);

    if (uses) {
        ++*uses;
    }
}

void net_address_release(const uint8_t address[NET_ADDRESS_SIZE])
{
    uint16_t *uses = uses_of(address);

    if (uses && *uses) {
        --*uses;
    }
}

void net_default_address(uint8_t address[NET_ADDRESS_SIZE])
{
    memcpy(address, address_base, NET_ADDRESS_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(address_uses); i++) {
        address[NET_ADDRESS_SIZE - 1] =
            (uint8_t)(address_base[NET_ADDRESS_SIZE - 1] + i);
        if (!*uses_of(address)) {
            break;
        }
    }
    net_address_take(address);
}

/* -- announcing ------------------------------------------------------------------ */

/* A request of Reverse ARP: switches learn the address of its sender. */
void net_announce(NetClient *nc, const uint8_t address[NET_ADDRESS_SIZE])
{
    static const uint8_t fixed[] = {
        0x80, 0x35,             /* Ethertype: RARP */
        0x00, 0x01, 0x08, 0x00, /* Ethernet, IPv4 */
        0x06, 0x04, 0x00, 0x03, /* sizes; request */
    };
    uint8_t frame[ANNOUNCE_BYTES] = { 0 };
    uint8_t *p = frame;

    memset(p, 0xff, NET_ADDRESS_SIZE);
    memcpy(p + NET_ADDRESS_SIZE, address, NET_ADDRESS_SIZE);
    p += 2 * NET_ADDRESS_SIZE;
    memcpy(p, fixed, sizeof(fixed));
    p += sizeof(fixed);
    memcpy(p, address, NET_ADDRESS_SIZE); /* then the sender's IP: unknown */
    p += NET_ADDRESS_SIZE + 4;
    memcpy(p, address, NET_ADDRESS_SIZE);
    net_send_buf(nc, frame, sizeof(frame));
}

void net_announce_all(void)
{
    for (unsigned i = 0; net_card_at(i); i++) {
        NetClient *nc = net_card_at(i);

        if (nc->ops->announce) {
            nc->ops->announce(nc);
        }
    }
}
