/*
 * What the files of the NBD client share.
 *
 *   client-negotiate.c   handshake
 *   client-connection.c  one connection: sending requests, life
 *   client-receive.c     one connection: replies
 *   client-connect.c     the thread that makes connections
 *   client.c             connections of one export, and requests on them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_CLIENT_INTERNAL_H
#define NBD_CLIENT_INTERNAL_H

#include "io/channel-socket.h"
#include "nbd/client.h"
#include "util/coroutine.h"
#include "util/queue.h"
#include "util/thread.h"

#include "nbd-wire.h"
#include "threads.h"

/* Requests of one connection that wait for replies. */
#define NBD_CLIENT_REQUESTS 64
/* Replies are received in pieces of this size. */
#define NBD_CLIENT_IN_BYTES (32 * 1024)
/* A connection with so much to do wishes for another one beside it. */
#define NBD_CLIENT_BUSY 4
/* How long connecting may take; and between attempts, from and to. */
#define NBD_CLIENT_CONNECT_MS 30000
#define NBD_CLIENT_RETRY_MS   100
#define NBD_CLIENT_RETRY_MAX  4000
/* Payload of a chunk that is kept in memory: errors, block status. */
#define NBD_CLIENT_CHUNK_MAX (1024 * 1024)
/* Pieces of one read. */
#define NBD_CLIENT_PIECES_MAX 4096

/* A request's connection broke: what it did is unknown, send it again. */
#define NBD_LOST (-ERESTART)

/* -- handshake ---------------------------------------------------------------- */

typedef struct NBDHandshake {
    QIOChannel *ioc; /* owned */
    const NBDNegotiation *n;
    NBDExportInfo *info;
    bool fixed;
    bool no_zeroes;
    bool ready;    /* oldstyle: the greeting said all */
    uint8_t *data; /* payload of the last reply; owned */
} NBDHandshake;

/* -- one connection ------------------------------------------------------------- */

typedef struct NBDPiece {
    uint64_t offset;
    uint64_t length;
} NBDPiece;

/* A request; stands on the stack of the coroutine that waits for it. */
typedef struct NBDClientReq {
    NBDRequest req;
    QEMUIOVector *qiov; /* data of a read or write */
    size_t qiov_offset;
    uint32_t context; /* block status: wanted; its extents */
    NBDExtent *ext;
    unsigned max_ext;
    int n_ext;

    /* guarded by the connection's lock until it is done */
    Coroutine *co;
    int ret;
    bool sent; /* nothing of it waits to be sent */
    uint8_t head[NBD_REQUEST_EXT_SIZE];
    size_t head_len;
    QSIMPLEQ_ENTRY(NBDClientReq) next;

    /* the receiver's */
    uint64_t got;   /* bytes of a read */
    GArray *pieces; /* of NBDPiece, when they came out of order */
    bool out_of_order;
} NBDClientReq;

typedef struct NBDClientConn {
    QIOChannel *ioc;        /* owned */
    QIOChannelSocket *sioc; /* owned: the bottom of @ioc */
    AioContext *ctx;        /* receives; borrowed */
    NBDMode mode;
    uint32_t *context_ids; /* owned; of the client's contexts, in order */
    unsigned refs;         /* atomic */
    void (*ended)(void *opaque, struct NBDClientConn *conn);
    void *opaque;

    QemuMutex lock; /* guards the next ones */
    NBDClientReq *reqs[NBD_CLIENT_REQUESTS];
    unsigned in_flight; /* atomic: others look at it */
    uint32_t serial;    /* part of cookies, so that old ones are known */
    CoQueue room;       /* requests that want a place in reqs */
    QSIMPLEQ_HEAD(, NBDClientReq) out;
    size_t out_done; /* bytes of its first that have gone */
    bool flushing;   /* somebody sends */
    bool broken;     /* no more requests */
    bool watch_read;
    bool watch_write;
    bool wait_flush; /* the receiver waits for the sender */

    /* the receiver's; thread: @ctx's */
    Coroutine *co;
    bool wait_read;
    bool in_drained;
    uint8_t *in;
    size_t in_pos;
    size_t in_len;
} NBDClientConn;

/**
 * nbd_client_conn_new:
 * @ioc: after the handshake; referenced. @sioc: below it.
 * @ended: called once in @ctx, when it has broken and no request is left
 */
NBDClientConn *nbd_client_conn_new(
    QIOChannel *ioc, QIOChannelSocket *sioc, AioContext *ctx, NBDMode mode,
    void (*ended)(void *opaque, NBDClientConn *conn), void *opaque);
/** nbd_client_conn_start: receive. */
void nbd_client_conn_start(NBDClientConn *conn);
void nbd_client_conn_ref(NBDClientConn *conn);
void nbd_client_conn_unref(NBDClientConn *conn);
/** nbd_client_conn_request: NBD_LOST, 0 or -errno. */
int coroutine_fn nbd_client_conn_request(NBDClientConn *conn, NBDClientReq *r);
/** nbd_client_conn_break: end it; requests get NBD_LOST. Thread: any. */
void nbd_client_conn_break(NBDClientConn *conn, const char *why);
/** nbd_client_conn_bye: say DISC and end it. Thread: any. */
void nbd_client_conn_bye(NBDClientConn *conn);
/** nbd_client_conn_wait_sender: of the receiver: until more was sent, or
 *  nobody sends. */
void coroutine_fn nbd_client_conn_wait_sender(NBDClientConn *conn);
/** nbd_client_conn_watch: with the lock. */
void nbd_client_conn_watch(NBDClientConn *conn, bool rd, bool wr);

/* client-receive.c */
void coroutine_fn nbd_client_receive(NBDClientConn *conn);
/** nbd_client_readable: handler. */
void nbd_client_readable(void *opaque);

/* -- the client -------------------------------------------------------------------- */

typedef enum NBDClientState {
    NBD_CLIENT_UP,      /* there is a connection */
    NBD_CLIENT_WAITING, /* there is none; requests wait */
    NBD_CLIENT_DOWN,    /* there is none; requests fail */
    NBD_CLIENT_CLOSED,
} NBDClientState;

struct NBDClient {
    /* configuration */
    SocketAddress *addr;
    char *export;
    char *tls_hostname;
    char **contexts;
    NBDNegotiation n; /* points to the above */
    AioContext *ctx;
    unsigned wanted; /* connections; 0: as many as are good */
    void (*watch)(void *opaque, QIOChannel *ioc);
    void (*unwatch)(void *opaque, QIOChannel *ioc);
    void *opaque;
    NBDThreads *threads; /* receive there; or NULL */
    bool all_in_threads; /* else the first connection is received in @ctx */

    NBDExportInfo info; /* of the first connection; then constant */
    QEMUTimer *timer;   /* end of WAITING; main loop */
    QemuThread thread;  /* connects: client-connect.c */
    unsigned alive;     /* connections that have not ended; atomic */
    int opened;         /* 1: connected; -1: it failed; atomic */

    QemuMutex lock;  /* guards the rest */
    QemuCond cond;   /* for the thread: something has changed */
    CoQueue waiters; /* requests that wait for a connection */
    NBDClientState state;
    uint64_t reconnect_delay_ms;
    int64_t open_deadline_ms;
    NBDClientConn *conns[NBD_CLIENT_CONNS_MAX];
    unsigned n_conns;
    unsigned target;           /* how many there may be */
    bool grow;                 /* there is enough to do for one more */
    bool retry_now;            /* do not wait before the next attempt */
    QIOChannelSocket *attempt; /* being connected; borrowed */
    Error *error;              /* of the last attempt */
};

/* client-connect.c */
void *nbd_client_connect_thread(void *opaque);
/** nbd_client_add: (transfer none) a new connection. false: it is not what
 *  the first one was, or the client closes. */
bool nbd_client_add(NBDClient *c, QIOChannel *ioc, QIOChannelSocket *sioc,
                    NBDExportInfo *info, Error **errp);

#endif
