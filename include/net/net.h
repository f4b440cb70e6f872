/*
 * A wire between a network card and a network backend.
 *
 * Each end is a NetClient. A frame goes from one to its peer at once, or not
 * at all: nothing is queued on the wire. Who could not send is told by its
 * `resume` when the peer takes frames again, and decides itself whether to
 * keep the frame.
 *
 * Thread: the main loop's. Backends hold no lock; a card takes the machine
 * lock in its callbacks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <jansson.h>
#include <sys/uio.h>

#include "qom/object.h"

/* Longest frame of either side, with Ethernet header: 64 KiB of payload. */
#define NET_FRAME_MAX    (65536u + 18u)
#define NET_FRAME_MIN    14u
#define NET_ADDRESS_SIZE 6u

typedef struct NetClient NetClient;

/**
 * NetClientOps:
 * @receive: take one frame. Returns: false if there is no room now; the card
 *           or backend calls net_resume_peer() later
 * @resume: (optional) the peer takes frames again
 * @link_changed: (optional) @link_down of this end or its peer changed
 * @announce: (optional) of a card: send a frame by which the network learns
 *            where it is, net_announce()
 */
typedef struct NetClientOps {
    bool (*receive)(NetClient *nc, const struct iovec *iov, unsigned n);
    void (*resume)(NetClient *nc);
    void (*link_changed)(NetClient *nc);
    void (*announce)(NetClient *nc);
} NetClientOps;

/* Embedded in a card or a backend. */
struct NetClient {
    const NetClientOps *ops;
    void *opaque; /* the card or backend */
    char *name;
    char *info; /* (nullable) for "info network" */
    NetClient *peer;
    bool link_down; /* by set_link */
    bool blocked;   /* a frame to this end was refused since the last resume */
    uint64_t frames_sent;
    uint64_t bytes_sent;
    uint64_t frames_dropped; /* no peer, or the link is down */
};

/** net_client_init: @name is copied. */
void net_client_init(NetClient *nc, const NetClientOps *ops, void *opaque,
                     const char *name);
/** net_client_deinit: unplugs it first. */
void net_client_deinit(NetClient *nc);

/** net_connect: plug the two ends into each other; both are free. */
void net_connect(NetClient *a, NetClient *b);
/** net_disconnect: no-op without a peer. */
void net_disconnect(NetClient *nc);

/**
 * net_send:
 * @iov, @n: (in) one Ethernet frame without FCS
 *
 * Returns: false if the peer has no room: @from's resume() follows. A frame
 *   that nobody hears (no peer, link down, longer than NET_FRAME_MAX) counts
 *   as sent.
 */
bool net_send(NetClient *from, const struct iovec *iov, unsigned n);
/** net_send_buf: the same from one buffer. */
bool net_send_buf(NetClient *from, const void *buf, size_t len);

/** net_resume_peer: @nc, which has refused a frame, has room again. */
void net_resume_peer(NetClient *nc);

/** net_link_is_up: both ends are up and plugged. */
bool net_link_is_up(const NetClient *nc);
/** net_set_link: for set_link. */
void net_set_link(NetClient *nc, bool up);

/* -- backends (-netdev) ------------------------------------------------------ */

#define TYPE_NETDEV         "netdev"
#define NETDEV_CLASS_PREFIX "netdev-"

OBJECT_DECLARE_TYPE(Netdev, NetdevClass, NETDEV)

/**
 * NetdevClass: the type of backend "user" is "netdev-user".
 * @open: all properties are set; connect to the host; sets nc.ops. On failure
 *        the object is finalized next
 */
struct NetdevClass {
    ObjectClass parent_class;

    bool (*open)(Netdev *netdev, Error **errp);
};

struct Netdev {
    Object parent_obj;

    NetClient nc;
    char *id;
};

/**
 * netdev_add:
 * @options: (in) "type", "id" and properties; borrowed
 * @keyval: leaves are text
 *
 * What -netdev and netdev_add do.
 *
 * Returns: (transfer none) the backend; NULL on error.
 * Errors: unknown type; id missing, ill-formed or used; a property; open.
 */
Netdev *netdev_add(const json_t *options, bool keyval, Error **errp);
/** netdev_add_str: -netdev's text or JSON. Repeated keys (hostfwd) make a
 *  list. */
Netdev *netdev_add_str(const char *text, Error **errp);
/** netdev_parse: (transfer full) the object of a text; no object is made. */
json_t *netdev_parse(const char *text, Error **errp);
/** netdev_del: Errors: no such backend; a card uses it. */
bool netdev_del(const char *id, Error **errp);
/** netdev_find: by id, or NULL. */
Netdev *netdev_find(const char *id);
/** netdev_help: (transfer full) text of `-netdev help`, or of `-netdev
 *  KIND,help`. Errors: no such kind. */
char *netdev_help(const char *kind, Error **errp);
/** netdev_cleanup: end all of them, at the end of the program. */
void netdev_cleanup(void);

/* -- cards -------------------------------------------------------------------- */

/** net_card_add: list the card for set_link and "info network". */
void net_card_add(NetClient *nc);
void net_card_remove(NetClient *nc);

/** net_announce: card @nc, whose guest uses @address, is here (RFC 903). */
void net_announce(NetClient *nc, const uint8_t address[NET_ADDRESS_SIZE]);
/** net_announce_all: every card once, after its guest has moved to this host. */
void net_announce_all(void);

/** net_parse_address: "52:54:00:12:34:56"; not a multicast one. */
bool net_parse_address(const char *text, uint8_t address[NET_ADDRESS_SIZE],
                       Error **errp);
/** net_default_address: the first one of the default range that no card has;
 *  it is taken. */
void net_default_address(uint8_t address[NET_ADDRESS_SIZE]);
/** net_address_take: a card has this one, by its user's wish. */
void net_address_take(const uint8_t address[NET_ADDRESS_SIZE]);
/** net_address_release: undo either. */
void net_address_release(const uint8_t address[NET_ADDRESS_SIZE]);

#endif
