/*
 * What the files of the NBD server share.
 *
 *   server.c             exports, limits, the end
 *   server-listen.c      listening sockets
 *   server-negotiate.c   greeting, options, TLS       } in the connection's
 *   server-options.c     LIST, INFO, GO, contexts     } coroutine
 *   server-connection.c  life of a connection, receiving requests
 *   server-request.c     one request, in a coroutine of its own
 *   server-send.c        replies on their way out
 *   threads.c            threads with an AioContext each
 *
 * A connection belongs to one AioContext and only that thread touches it, but
 * for what NBDServer.lock guards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_SERVER_INTERNAL_H
#define NBD_SERVER_INTERNAL_H

#include "io/channel-socket.h"
#include "io/net-listener.h"
#include "nbd/server.h"
#include "util/coroutine.h"
#include "util/queue.h"
#include "util/thread.h"

#include "buffer-pool.h"
#include "nbd-wire.h"
#include "spin.h"
#include "threads.h"

/* Clients that have not chosen an export yet; beyond, the oldest goes. */
#define NBD_HALF_OPEN_MAX 256
/* Requests of one connection in work at a time, and bytes of their buffers. */
#define NBD_CONN_REQUESTS 64
#define NBD_CONN_BYTES    (2 * (size_t)NBD_MAX_PAYLOAD)
/* Replies and bytes that collect before they are sent in any case. */
#define NBD_OUT_BATCH       32
#define NBD_OUT_BATCH_BYTES (256 * 1024)
/* Room for replies in the socket of a client on this host. */
#define NBD_LOCAL_SEND_BYTES (1024 * 1024)
/* Requests are received in pieces of this size. */
#define NBD_IN_BYTES (32 * 1024)
/* Reads from this size on look for holes first, or go out by sendfile(). */
#define NBD_SPARSE_READ_MIN   (32 * 1024)
#define NBD_SENDFILE_READ_MIN (64 * 1024)
/* Extents of one reply to BLOCK_STATUS, and chunks of one to READ. */
#define NBD_EXTENTS_MAX 2048
#define NBD_CHUNKS_MAX  64
/* A payload that is refused is read and dropped up to this size. */
#define NBD_SKIP_MAX (4 * (uint64_t)NBD_MAX_PAYLOAD)
/* At the end of the server: how long a client may take the last replies. */
#define NBD_LINGER_MS 1000
/* A connection that always finds something to do lets its thread's loop run
 * after so many bytes, requests or options. */
#define NBD_BREATH_BYTES    (4 * 1024 * 1024)
#define NBD_BREATH_REQUESTS 64
#define NBD_BREATH_OPTIONS  16
/* Options of one handshake: two for each of very many exports. */
#define NBD_OPTIONS_MAX (64 * 1024)

typedef struct NBDConn NBDConn;
typedef struct NBDJob NBDJob;

struct NBDExport {
    NBDServer *server;
    char *name;
    char *description; /* or NULL */
    char **contexts;   /* or NULL */
    unsigned n_contexts;
    const NBDBackendOps *ops;
    void *opaque;
    bool writable;
    uint32_t preferred_block;
    AioContext *ctx; /* or NULL */
    void (*gone)(void *opaque);
    /* guarded by the server's lock */
    unsigned refs; /* the table's, and connections' */
    unsigned clients;
    bool removed;
    QTAILQ_ENTRY(NBDExport) next;
};

struct NBDServer {
    QCryptoTLSCreds *tls_creds; /* owned, or NULL */
    char *tls_authz;
    unsigned max_connections;
    unsigned handshake_ms;
    void (*client_gone)(void *opaque, unsigned left);
    void (*client_refused)(void *opaque, const char *peer, const char *why);
    void *opaque;

    NBDThreads *threads;  /* made with the first client */
    unsigned n_threads;   /* as configured */
    bool may_spin;        /* there is a second processor */
    GPtrArray *listeners; /* of QIONetListener; main loop */
    bool listening;       /* the listeners accept; main loop */
    QEMUTimer *backoff;   /* until then they do not; main loop */
    QEMUBH *update_bh;    /* of the main loop: listening, client_gone */
    NBDPool pool;
    unsigned refs; /* atomic: connections' */

    QemuMutex lock; /* guards the rest, and members of exports */
    QTAILQ_HEAD(, NBDExport) exports;
    QTAILQ_HEAD(, NBDConn) conns;
    unsigned half_open;
    unsigned established; /* hold one of max_connections */
    unsigned gone;        /* ended and not reported yet */
    CoQueue slot_waiters; /* connections that want one */
    bool stopping;
};

typedef enum NBDConnState {
    NBD_CONN_HALF_OPEN,
    NBD_CONN_OPEN,
} NBDConnState;

/* A piece of a reply: some bytes, then perhaps more from elsewhere. */
typedef struct NBDOut {
    QSIMPLEQ_ENTRY(NBDOut) next;
    NBDJob *job; /* done with when this has gone; or NULL */
    uint8_t head[NBD_REPLY_HEAD_MAX];
    uint32_t head_len;
    uint32_t head_done;
    const uint8_t *data; /* in the job's buffer, or constant; or NULL */
    int fd;              /* data comes from this file instead; -1: no */
    uint64_t fd_offset;
    size_t data_len;
    size_t data_done;
} NBDOut;

/* A request in work, and its reply. */
struct NBDJob {
    NBDConn *conn;
    NBDRequest req;
    void *buf; /* from the pool; or NULL */
    size_t buf_bytes;
    size_t charged;     /* of NBD_CONN_BYTES */
    unsigned outs_left; /* pieces not sent yet */
    NBDOut out;         /* the first piece */
    NBDOut *more;       /* NBD_CHUNKS_MAX further ones; or NULL */
    unsigned n_outs;
    QSLIST_ENTRY(NBDJob) next_free;
};

struct NBDConn {
    NBDServer *server; /* counted in its refs */
    AioContext *ctx;
    unsigned *users;        /* of ctx; NULL: it is not the server's */
    QIOChannelSocket *sioc; /* owned */
    QIOChannel *ioc;        /* owned; @sioc, or TLS on it */
    Coroutine *co;          /* negotiates, then receives */
    char *peer;             /* for traces */
    bool sendfile;          /* is faster than to read and send */

    /* negotiated */
    bool fixed;     /* the client knows fixed newstyle */
    bool no_zeroes; /* after EXPORT_NAME */
    NBDMode mode;
    NBDExport *export; /* counted in its refs; or NULL */
    char *meta_name;   /* export of the last SET_META_CONTEXT; or NULL */
    uint64_t contexts; /* bit set */

    /* receiving */
    uint8_t *in;
    size_t in_pos;
    size_t in_len;
    bool in_drained; /* the socket had no more than it gave */
    bool wait_read;  /* @co waits for the channel */
    bool wait_slot;  /* @co waits for a job to end */
    bool wait_sent;  /* @co waits for the last reply to go */
    bool receiving;  /* @co runs: it sends before it waits */
    size_t work;     /* done since @co last left its thread to others */
    bool closing;    /* told to end: requests get ESHUTDOWN */
    NBDSpin spin;
    bool watch_read; /* handlers that are set */
    bool watch_write;

    /* requests */
    unsigned jobs;    /* not sent yet */
    unsigned working; /* of these, without a reply yet */
    size_t job_bytes;
    QSLIST_HEAD(, NBDJob) free_jobs;

    /* sending */
    QSIMPLEQ_HEAD(, NBDOut) outs;
    unsigned n_outs;
    size_t out_bytes;
    QEMUBH *send_bh;
    bool sending; /* nbd_send_flush() is running */
    bool broken;  /* nothing more can be sent */

    QEMUTimer *timer; /* of the handshake or of lingering; or NULL */

    /* guarded by the server's lock */
    NBDConnState state;
    bool expired;      /* the handshake took too long, or was thrown out */
    bool ending;       /* the export was removed or the server stops */
    QEMUBH *kick_bh;   /* tells @co so */
    NBDExport *chosen; /* borrowed; NULL until it asks for a place */
    QTAILQ_ENTRY(NBDConn) next;
};

/* -- server.c; thread: any ------------------------------------------------- */

/** nbd_server_take_export: one more user; NULL: there is none of the name. */
NBDExport *nbd_server_take_export(NBDServer *s, const char *name);
void nbd_export_unref(NBDExport *e);
/** nbd_server_enter: @c has chosen an export: wait for a place among
 *  max_connections. false: time is over, or the server or export ends. */
bool coroutine_fn nbd_server_enter(NBDServer *s, NBDConn *c);
/** nbd_server_leave: @c is out of everything; the caller frees it. */
void nbd_server_leave(NBDServer *s, NBDConn *c);
bool nbd_server_is_stopping(NBDServer *s);
/** nbd_export_flags: transmission flags as @c may use them. */
uint16_t nbd_export_flags(NBDExport *e, NBDMode mode);
void nbd_server_unref(NBDServer *s);

/* -- server-listen.c; thread: main loop -------------------------------------- */

void nbd_server_set_listening(NBDServer *s, bool on);
/** nbd_server_accept_again: of the timer. */
void nbd_server_accept_again(void *opaque);

/* -- server-connection.c ---------------------------------------------------- */

/** nbd_conn_start: serve @sioc in @ctx, which counts it in @users. Thread: main
 *  loop; with the lock. */
NBDConn *nbd_conn_start(NBDServer *s, QIOChannelSocket *sioc, AioContext *ctx,
                        unsigned *users);
/** nbd_conn_kick: look at expired and ending. Thread: any, with the lock. */
void nbd_conn_kick(NBDConn *c);
/** nbd_conn_break: nothing more goes out, reading ends. */
void nbd_conn_break(NBDConn *c);
/** nbd_conn_watch: which of the handlers are set. */
void nbd_conn_watch(NBDConn *c, bool rd, bool wr);
/** nbd_conn_job_gone: the reply of @j has been sent, or will never be. */
void nbd_conn_job_gone(NBDConn *c, NBDJob *j);
/** nbd_conn_wake: let the coroutine see what changed. @c may be gone on
 *  return. */
void nbd_conn_wake(NBDConn *c);
/** nbd_conn_breathe: @work bytes, or what takes as long, were done; let others
 *  run now and then. */
void coroutine_fn nbd_conn_breathe(NBDConn *c, size_t work);
/** nbd_conn_move: go on in @ctx. */
void coroutine_fn nbd_conn_move(NBDConn *c, AioContext *ctx);

/* -- server-negotiate.c, server-options.c ----------------------------------- */

/** nbd_negotiate: true: go on with requests; false: hang up. */
bool coroutine_fn nbd_negotiate(NBDConn *c, Error **errp);

/* One option being answered. */
typedef struct NBDOption {
    NBDOptHeader h;
    const uint8_t *data;
    bool done; /* GO: transmission begins */
} NBDOption;

/** nbd_opt_reply: false: the channel failed. */
bool coroutine_fn nbd_opt_reply(NBDConn *c, uint32_t option, uint32_t type,
                                const void *data, size_t len, Error **errp);
/** nbd_opt_refuse: an error reply with a text. */
bool coroutine_fn nbd_opt_refuse(NBDConn *c, uint32_t option, uint32_t type,
                                 Error **errp, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);
bool coroutine_fn nbd_opt_list(NBDConn *c, NBDOption *o, Error **errp);
bool coroutine_fn nbd_opt_info_or_go(NBDConn *c, NBDOption *o, Error **errp);
bool coroutine_fn nbd_opt_meta(NBDConn *c, NBDOption *o, Error **errp);
/** nbd_opt_choose: @e, a reference of which is taken over, is what @c uses. */
void nbd_opt_choose(NBDConn *c, NBDExport *e);

/* -- server-request.c -------------------------------------------------------- */

/** nbd_job_drop_outs: the reply has gone, or is another one. */
void nbd_job_drop_outs(NBDJob *j);
/** nbd_job_run: work and make the reply. */
void coroutine_fn nbd_job_run(NBDJob *j);
/** nbd_request_check: 0, or the errno of a request that makes no sense. */
int coroutine_fn nbd_request_check(NBDConn *c, const NBDRequest *r);
/** nbd_job_fail: the reply is error @err with a text that lives for ever. */
void nbd_job_fail(NBDJob *j, int err, const char *text);

/* -- server-send.c ----------------------------------------------------------- */

/** nbd_send_job: the pieces of @j's reply are made: next in line. Does no
 *  I/O. */
void nbd_send_job(NBDConn *c, NBDJob *j);
/** nbd_send_flush: write what the channel takes; the rest follows by itself.
 *  Outside of @c's own coroutine @c may be gone on return. */
void nbd_send_flush(NBDConn *c);

#endif
