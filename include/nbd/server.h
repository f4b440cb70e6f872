/*
 * An NBD server: listeners, exports, connections.
 *
 * It knows no images: an export is a struct of functions that its owner fills
 * (NBDBackendOps). Connections are spread over threads of the server's own, or
 * live in an AioContext that the export names; the backend's functions are
 * called there, as coroutines, several at a time and from several threads.
 *
 * With credentials every connection is upgraded to TLS before it sees
 * anything: a client in the clear gets NBD_REP_ERR_TLS_REQD.
 *
 * A client that has not chosen an export yet costs a descriptor and a small
 * stack, for at most handshake_ms; when there are very many the oldest of them
 * goes. max_connections counts those that have: beyond, clients wait in the
 * kernel's backlog.
 *
 * Thread: the main loop's, unless said otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_SERVER_H
#define NBD_SERVER_H

#include <glib.h>

#include "nbd/nbd.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/iov.h"

typedef struct NBDServer NBDServer;
typedef struct NBDExport NBDExport;
typedef struct QCryptoTLSCreds QCryptoTLSCreds;
typedef struct QIOChannelSocket QIOChannelSocket;
typedef struct SocketAddress SocketAddress;

#define NBD_HANDSHAKE_MS_DEFAULT    10000
#define NBD_MAX_CONNECTIONS_DEFAULT 100

/**
 * NBDBackendOps: what an export is made of. All return 0 or -errno; ranges
 * are within co_length() and lengths are not 0. Optional ones may be NULL.
 * @co_length: bytes; may change
 * @co_preadv: fill @qiov
 * @co_pwritev: all of @qiov; @fua: on stable storage when it returns
 * @co_flush: all writes that have returned are on stable storage
 * @co_trim: (optional, default: nothing to do) contents become undefined
 * @co_zero: (optional) @flags: NBD_CMD_FLAG_FUA, _NO_HOLE, _FAST_ZERO (then
 *        -ENOTSUP rather than writing zeroes out)
 * @co_cache: (optional, default: nothing to do) will be read soon
 * @co_extents: (optional if there are no contexts) up to @max extents from
 *        @offset on, by context number @context, as many as are easily had,
 *        at least 1; together at most @bytes. Returns: their number
 * @co_map: (optional) the data of a range stands in a file: *@fd, from
 *        *@fd_offset, for *@pnum (at most @bytes) from @offset; reading there
 *        gives what co_preadv would. -ENOTSUP: read it.
 * @unmap: (with co_map) of each that returned 0: the bytes have gone, or will
 *        not; in the same thread
 */
typedef struct NBDBackendOps {
    int64_t coroutine_fn (*co_length)(void *opaque);
    int coroutine_fn (*co_preadv)(void *opaque, uint64_t offset,
                                  QEMUIOVector *qiov);
    int coroutine_fn (*co_pwritev)(void *opaque, uint64_t offset,
                                   QEMUIOVector *qiov, bool fua);
    int coroutine_fn (*co_flush)(void *opaque);
    int coroutine_fn (*co_trim)(void *opaque, uint64_t offset, uint64_t bytes,
                                bool fua);
    int coroutine_fn (*co_zero)(void *opaque, uint64_t offset, uint64_t bytes,
                                unsigned flags);
    int coroutine_fn (*co_cache)(void *opaque, uint64_t offset, uint64_t bytes);
    int coroutine_fn (*co_extents)(void *opaque, unsigned context,
                                   uint64_t offset, uint64_t bytes,
                                   NBDExtent *ret_ext, unsigned max);
    int coroutine_fn (*co_map)(void *opaque, uint64_t offset, uint64_t bytes,
                               int *fd, uint64_t *fd_offset, uint64_t *pnum);
    void (*unmap)(void *opaque, int fd);
} NBDBackendOps;

/* All is copied but @ops; @opaque must live until @gone. */
typedef struct NBDExportConfig {
    const char *name;        /* may be "", at most NBD_MAX_STRING bytes */
    const char *description; /* or NULL */
    const NBDBackendOps *ops;
    void *opaque;
    bool writable;
    uint32_t preferred_block; /* bytes; 0: 4096 */
    /* Names of metadata contexts; the index is what co_extents() gets. If
     * there is base:allocation it is the first. NULL: none. */
    const char *const *contexts;
    /* Where its connections live, or NULL: in the server's threads. */
    AioContext *ctx;
    /* Optional: called once when nothing uses the export any more. */
    void (*gone)(void *opaque);
} NBDExportConfig;

typedef struct NBDServerConfig {
    QCryptoTLSCreds *tls_creds; /* or NULL: no TLS */
    const char *tls_authz;      /* id of an authorization object, or NULL */
    unsigned max_connections;   /* 0: no limit */
    unsigned handshake_ms;      /* 0: no limit */
    unsigned threads;           /* 0: by the number of CPUs */
    /* Optional: a connection that had chosen an export has ended; @left such
     * ones remain. Thread: main loop. */
    void (*client_gone)(void *opaque, unsigned left);
    /* Optional: the handshake with @peer ended without a choice; @why is the
     * call's. Thread: the connection's. */
    void (*client_refused)(void *opaque, const char *peer, const char *why);
    void *opaque;
} NBDServerConfig;

/**
 * nbd_server_new:
 * Returns: a server without listeners and exports.
 * Errors: credentials of the wrong endpoint; tls_authz without credentials or
 *   with such that cannot enforce it.
 */
NBDServer *nbd_server_new(const NBDServerConfig *config, Error **errp);

/** nbd_server_listen: may be called several times. */
bool nbd_server_listen(NBDServer *s, SocketAddress *addr, Error **errp);
/** nbd_server_add_listener: @sioc listens already; referenced. */
void nbd_server_add_listener(NBDServer *s, QIOChannelSocket *sioc);
/** nbd_server_address: (transfer full) the first listener's; or NULL. */
SocketAddress *nbd_server_address(NBDServer *s);
/** nbd_server_serve: a connected client, as from a listener; referenced. */
void nbd_server_serve(NBDServer *s, QIOChannelSocket *sioc);
/** nbd_server_connections: that have chosen an export. Thread: any. */
unsigned nbd_server_connections(NBDServer *s);

/**
 * nbd_server_stop:
 * Stop listening, tell the clients, end all connections and exports. Requests
 * under way are finished and answered, but a client that does not read is not
 * waited for. Accepts NULL. Frees @s.
 */
void nbd_server_stop(NBDServer *s);

/** nbd_server_add_export: Errors: the name is taken; too long. */
NBDExport *nbd_server_add_export(NBDServer *s, const NBDExportConfig *config,
                                 Error **errp);
/** nbd_server_find_export: (transfer none) or NULL. */
NBDExport *nbd_server_find_export(NBDServer *s, const char *name);
/** nbd_export_clients: connections that use it. Thread: any. */
unsigned nbd_export_clients(NBDExport *e);
/** nbd_server_remove_export: no new connection finds it; those that use it
 *  are ended. Returns at once; see NBDExportConfig.gone. */
void nbd_server_remove_export(NBDServer *s, NBDExport *e);

#endif
