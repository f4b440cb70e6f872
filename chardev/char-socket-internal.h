/*
 * The socket back end's files among themselves:
 *
 *   char-socket.c         class, output
 *   char-socket-options.c property table, command line, checks
 *   char-socket-conn.c    one connection: life, output, input
 *   char-socket-handshake.c  TLS, websocket, telnet negotiation
 *   char-socket-server.c  listener, who becomes the client
 *   char-socket-client.c  connect, reconnect
 *   char-socket-name.c    text for query-chardev
 *
 * Threads. A connection's life (handshake, input, drop) is driven by the
 * chardev's context alone. Output comes from any thread and touches
 * connections only under chr_write_lock; what it finds broken it marks, and
 * socket_housekeeping() clears up in the context.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_SOCKET_INTERNAL_H
#define CHARDEV_CHAR_SOCKET_INTERNAL_H

#include "chardev/char-io.h"
#include "chardev/char-socket.h"
#include "crypto/tlscreds.h"
#include "io/channel-socket.h"
#include "io/net-listener.h"
#include "io/socket-address.h"
#include "qom/property.h"
#include "util/buffer.h"

#include "char-internal.h"
#include "telnet-internal.h"

/* Limit: connections of one listener that nobody has claimed: handshaking,
 * or connected and silent. One more evicts one of them. */
#define SOCKET_UNCLAIMED_MAX 128
/* Limit: output that a new silent client still gets from the start. */
#define SOCKET_REPLAY_MAX 4096
/* Limit: bytes a silent client may lag behind the others. */
#define SOCKET_LAG_MAX (256 * 1024)
/* Limit: bytes that replies to telnet commands may pile up. */
#define SOCKET_REPLIES_MAX    (64 * 1024)
#define SOCKET_LISTEN_BACKLOG 1024

typedef enum ConnState {
    CONN_CONNECTING,
    CONN_TLS,
    CONN_WEBSOCK,
    CONN_TELNET, /* tn3270 negotiation */
    CONN_READY,
    CONN_DEAD,
} ConnState;

typedef struct SocketChardev SocketChardev;

typedef struct SocketConn {
    unsigned refs;    /* atomic */
    SocketChardev *s; /* NULL once dropped */

    QIOChannelSocket *sioc;
    QIOChannel *ioc; /* top of the layers; NULL while connecting */

    /* Guarded by chr_write_lock. */
    ConnState state;
    bool broken; /* a write failed; housekeeping drops it */
    Buffer out;  /* encoded bytes that did not fit, or lag */
    TelnetCodec *telnet;

    GSource *in;    /* input or hang-up */
    GSource *flush; /* while @out is not empty; guarded by chr_write_lock */
    GSource *timer; /* handshake's time limit */
    bool yank;      /* registered */
} SocketConn;

struct SocketChardev {
    Chardev parent;

    /* Options. */
    SocketAddress *addr;
    bool is_listen;
    bool has_wait, wait;
    bool nodelay, is_telnet, is_tn3270, is_websock;
    int64_t reconnect_s, reconnect_ms;
    uint32_t handshake_ms;
    char *tls_creds_id, *tls_authz, *tls_hostname;

    QCryptoTLSCreds *tls_creds;
    bool yank_registered;

    /* Guarded by chr_write_lock. */
    GPtrArray *conns;  /* SocketConn *, in order of arrival */
    unsigned ready;    /* of these, CONN_READY */
    SocketConn *owner; /* the one that has the line to itself, or NULL */
    Buffer replay;     /* output since OPENED while there is no owner */
    bool replay_full;  /* it was too much, newcomers join in the middle */
    bool housekeeping; /* scheduled */
    int *write_fds;    /* for the next write; borrowed descriptors */
    size_t write_nfds;
    QemuCond changed; /* for qemu_chr_wait_connected() */
    Error *failure;   /* why the client's connect failed */

    /* The context's own. */
    QIONetListener *listener;
    bool listening;       /* accepting now */
    SocketAddress *bound; /* what the listener got */
    GSource *reconnect_timer;
    bool failure_reported;
    GMainContext *where; /* context the sources are in; no reference */
    int *read_fds;       /* received, not fetched */
    size_t read_nfds;
};

DECLARE_INSTANCE_CHECKER(SocketChardev, SOCKET_CHARDEV, TYPE_CHARDEV_SOCKET)

static inline int64_t socket_reconnect_ms(SocketChardev *s)
{
    return s->reconnect_ms ? s->reconnect_ms : s->reconnect_s * 1000;
}

/* -- char-socket-conn.c -- */

/** conn_new: registered in s->conns. Borrowed; valid until conn_drop(). */
SocketConn *conn_new(SocketChardev *s, QIOChannelSocket *sioc, ConnState state);
SocketConn *conn_ref(SocketConn *c);
void conn_unref(void *c);
/** conn_drop: end it; @err (owned, may be NULL) says why a handshake or
 * connect failed. Sends CLOSED when it was the last. */
void conn_drop(SocketConn *c, Error *err);
/** conn_abandon: end it without events, when the chardev is finalized. */
void conn_abandon(SocketConn *c);
/** conn_drop_all: all but @but. */
void conn_drop_all(SocketChardev *s, SocketConn *but);
/** conn_send: lock held. Returns: bytes taken, 0 = none now, -1 = broken. */
int conn_send(SocketConn *c, const uint8_t *buf, int len, int *fds,
              size_t nfds);
/** conn_queue: lock held; append raw output that must follow. */
void conn_queue(SocketConn *c, const uint8_t *buf, size_t len);
/** conn_attach: sources of a ready connection in the chardev's context. */
void conn_attach(SocketConn *c);
void conn_detach(SocketConn *c);
/** conn_peer_left: whether the peer closed, with nothing left to read. */
bool conn_peer_left(SocketConn *c);

/** conn_read_some: read once, take descriptors. Returns: as
 * qio_channel_readv(). */
ssize_t conn_read_some(SocketConn *c, uint8_t *buf, size_t size);

/** conn_set_state: takes the lock. */
void conn_set_state(SocketConn *c, ConnState state);
/** conn_send_or_keep: lock held; @buf is encoded, what does not fit is kept.
 * Sets c->broken on failure. */
void conn_send_or_keep(SocketConn *c, const uint8_t *buf, size_t len);
/** conn_telnet_step: decode once, send the replies. Returns: bytes used. */
size_t conn_telnet_step(SocketConn *c, const uint8_t *in, size_t len,
                        uint8_t *out, size_t *out_len, TelnetEvent *event);
/** conn_telnet_input: decode all of it and hand the data over. */
void conn_telnet_input(SocketConn *c, const uint8_t *in, size_t len);
/** conn_yank_register: from now on yank shuts the socket down. */
void conn_yank_register(SocketConn *c);

/* -- char-socket-handshake.c -- */

/** conn_connected: the socket is up: go through the layers to READY. */
void conn_connected(SocketConn *c);

/* -- char-socket-server.c -- */

bool socket_server_open(SocketChardev *s, Error **errp);
/** socket_server_update: accept, or not, as the state says. */
void socket_server_update(SocketChardev *s);
void socket_server_close(SocketChardev *s);
/** socket_claim: @c has shown life: it has the line to itself now. */
void socket_claim(SocketConn *c);
/** socket_accept: take a connected socket in. */
void socket_accept(SocketChardev *s, QIOChannelSocket *sioc);

/* -- char-socket-client.c -- */

bool socket_client_open(SocketChardev *s, Error **errp);
/** socket_client_lost: connect again, if that was asked for. */
void socket_client_lost(SocketChardev *s);
void socket_client_move(SocketChardev *s);
void socket_client_close(SocketChardev *s);
/** socket_client_failed: a connect or handshake failed; @err is owned. */
void socket_client_failed(SocketChardev *s, Error *err);

/* -- char-socket.c -- */

/** socket_schedule_housekeeping: lock held, any thread. */
void socket_schedule_housekeeping(SocketChardev *s);

/* -- char-socket-options.c -- */

extern const Property socket_props[];
extern const ChardevCliOption socket_cli[];
bool socket_cli_complete(json_t *data, Error **errp);
/** socket_check_options: what goes together; looks the credentials up. */
bool socket_check_options(SocketChardev *s, Error **errp);

/* -- char-socket-name.c -- */

/** socket_update_filename: as the connections are now. */
void socket_update_filename(SocketChardev *s);
/** socket_address_text: "tcp:host:port,server=on"; to be freed. */
char *socket_address_text(SocketChardev *s);

#endif
