/*
 * An NBD client.
 *
 * NBDClient is an export of a server as requests see it: several connections
 * where the server allows them, made again when they break. Requests are
 * coroutines of any AioContext, many at a time; each goes out on the
 * connection with the least to do, and data of a read is received straight
 * into the caller's memory. A request whose connection breaks is sent again on
 * another one, or waits up to reconnect_delay_ms for the server to come back:
 * then it fails with -EIO.
 *
 * With credentials nothing is said in the clear but the request for TLS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_CLIENT_H
#define NBD_CLIENT_H

#include <glib.h>

#include "nbd/nbd.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/iov.h"

typedef struct NBDClient NBDClient;
typedef struct QCryptoTLSCreds QCryptoTLSCreds;
typedef struct QIOChannel QIOChannel;
typedef struct SocketAddress SocketAddress;

/* Most connections of one client, and how many it makes by itself. */
#define NBD_CLIENT_CONNS_MAX  16
#define NBD_CLIENT_CONNS_AUTO 4
/* A server that has taken longer over a handshake is given up. */
#define NBD_CLIENT_HANDSHAKE_MS 10000

/* A metadata context that the server agreed to. */
typedef struct NBDClientContext {
    char *name;
    uint32_t id;
} NBDClientContext;

/* What a server said about an export. */
typedef struct NBDExportInfo {
    char *name;        /* owned */
    char *description; /* owned, or NULL */
    uint64_t size;
    uint16_t flags;     /* NBDFlags */
    uint32_t min_block; /* bytes; 0: not said */
    uint32_t preferred_block;
    uint32_t max_block;
    bool tls;
    bool structured;
    bool extended;
    NBDClientContext *contexts; /* owned; chosen, or in a list: offered */
    unsigned n_contexts;
} NBDExportInfo;

void nbd_export_info_clear(NBDExportInfo *info);
void nbd_export_info_free(NBDExportInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NBDExportInfo, nbd_export_info_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NBDExportInfo, nbd_export_info_free)

/* How to talk to a server; borrowed for the call, or copied by a client. */
typedef struct NBDNegotiation {
    const char *export;          /* "" is the default one */
    QCryptoTLSCreds *tls_creds;  /* or NULL */
    const char *tls_hostname;    /* name in its certificate, or NULL */
    const char *const *contexts; /* wanted; NULL-terminated, or NULL */
    bool no_structured;          /* do not ask for structured replies */
    bool no_extended;            /* nor for extended headers */
} NBDNegotiation;

/**
 * nbd_client_negotiate:
 * @ioc: connected; @n: as above; @ret_info: (out) set on success
 *
 * The handshake, up to the first request. Fixed newstyle, plain newstyle and
 * oldstyle servers. In a coroutine it yields, else it blocks.
 *
 * Returns: (transfer full) the channel for requests: @ioc or TLS on it; NULL.
 */
QIOChannel *nbd_client_negotiate(QIOChannel *ioc, const NBDNegotiation *n,
                                 NBDExportInfo *ret_info, Error **errp);

/**
 * nbd_client_list:
 * Returns: (transfer full) array of NBDExportInfo, with all contexts that the
 *   server offers; NULL on failure. Says good-bye to the server.
 */
GPtrArray *nbd_client_list(QIOChannel *ioc, const NBDNegotiation *n,
                           Error **errp);

/**
 * NBDClientConfig: all is copied.
 * @ctx: where connections are received; borrowed
 * @threads: receive in that many threads of the client's own instead
 * @connections: 0 = as many as are good
 * @reconnect_delay_ms: how long requests wait for a lost server
 * @open_timeout_ms: how long nbd_client_open() tries
 * @watch, @unwatch: (optional) there is (no longer) a connection with this
 *        channel: for yank. Any thread.
 */
typedef struct NBDClientConfig {
    const SocketAddress *addr;
    NBDNegotiation n;
    AioContext *ctx;
    unsigned threads;
    unsigned connections;
    uint64_t reconnect_delay_ms;
    uint64_t open_timeout_ms;
    void (*watch)(void *opaque, QIOChannel *ioc);
    void (*unwatch)(void *opaque, QIOChannel *ioc);
    void *opaque;
} NBDClientConfig;

/**
 * nbd_client_open:
 * Connect. The main loop's AioContext runs meanwhile.
 *
 * Thread: main loop.
 * Errors: the last attempt's.
 */
NBDClient *nbd_client_open(const NBDClientConfig *config, Error **errp);
/** nbd_client_close: no request is in flight. Accepts NULL. Thread: main. */
void nbd_client_close(NBDClient *c);
/** nbd_client_info: of the first connection; borrowed. Thread: any. */
const NBDExportInfo *nbd_client_info(const NBDClient *c);
/** nbd_client_connections: that are alive. Thread: any. */
unsigned nbd_client_connections(NBDClient *c);
/** nbd_client_retry_now: do not wait for the next attempt. Thread: any. */
void nbd_client_retry_now(NBDClient *c);
/** nbd_client_set_reconnect_delay: Thread: main loop. */
void nbd_client_set_reconnect_delay(NBDClient *c, uint64_t ms);

/*
 * Requests: 0 or -errno; the caller keeps to the export's size, to its
 * min_block and max_block, and to what its flags say it can do.
 * Thread: any, in a coroutine.
 */
int coroutine_fn nbd_client_co_preadv(NBDClient *c, uint64_t offset,
                                      uint64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset);
int coroutine_fn nbd_client_co_pwritev(NBDClient *c, uint64_t offset,
                                       uint64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset, bool fua);
/** nbd_client_co_simple: FLUSH, TRIM, CACHE, WRITE_ZEROES with @flags. */
int coroutine_fn nbd_client_co_simple(NBDClient *c, NBDCmd cmd, unsigned flags,
                                      uint64_t offset, uint64_t bytes);
/**
 * nbd_client_co_extents:
 * @context: index in the info's contexts
 *
 * Returns: number of extents from @offset on, 1 to @max; -errno.
 */
int coroutine_fn nbd_client_co_extents(NBDClient *c, unsigned context,
                                       uint64_t offset, uint64_t bytes,
                                       NBDExtent *ret_ext, unsigned max);

#endif
