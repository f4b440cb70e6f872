/*
 * The listener of an incoming migration: from a crowd of clients to the
 * channels of one source.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_INCOMING_LISTENER_H
#define MIGRATION_INCOMING_LISTENER_H

#include "io/channel.h"
#include "migration/migration-internal.h"
#include "qapi/qapi-types-sockets.h"
#include "util/error.h"

/* Clients that have not shown yet what they are. */
#define LISTENER_HALF_OPEN_MAX 256
/* For TLS handshake and first bytes together. */
#define LISTENER_LIMIT_MS 30000

/*
 * What the listener does with clients that have shown what they are. All in
 * the listener's thread. Those that are not set refuse.
 *
 * @main_stream: first bytes QEVM. @prefill: what was read. Takes its own
 *     reference to @ioc (blocking). false = nobody wants it
 * @multifd: see multifd_recv_channel(); @preempt: FPRE, taken off
 * @urgent: FURG, taken off, as the word behind it
 * @recovered: the first byte is that of a COMMAND: a resumed post-copy
 * @wants: is a channel of that kind still missing? When none is, the
 *     listener closes its sockets
 */
typedef struct ListenerOps {
    bool (*main_stream)(void *opaque, QIOChannel *ioc, const uint8_t *prefill,
                        size_t len, Error **errp);
    bool (*multifd)(void *opaque, QIOChannel *ioc,
                    const uint8_t init[MULTIFD_INIT_LEN], Error **errp);
    bool (*preempt)(void *opaque, QIOChannel *ioc, Error **errp);
    bool (*urgent)(void *opaque, QIOChannel *ioc, uint32_t word, Error **errp);
    /* (optional) FCPR, taken off: descriptors follow */
    bool (*cpr)(void *opaque, QIOChannel *ioc, Error **errp);
    /* FASK, taken off: does the guest run here? */
    void (*asked)(void *opaque, QIOChannel *ioc);
    bool (*recovered)(void *opaque, QIOChannel *ioc, const uint8_t *prefill,
                      size_t len, Error **errp);
    bool (*wants)(void *opaque);
    /* (optional) the TLS channel to be made on @ioc; NULL: none. */
    bool (*secure)(void *opaque, QIOChannel *ioc, QIOChannel **ret_tls,
                   Error **errp);
    /* (optional) a TLS handshake failed, or its peer may not come in */
    void (*refused)(void *opaque, QIOChannel *ioc, const char *why);
    /* (optional) about once a second */
    void (*tick)(void *opaque);
} ListenerOps;

/**
 * migration_listener_new:
 * @addr: (in) where
 * @recovering: a resumed post-copy is awaited, not a new stream
 * @ops: (in) constant
 *
 * Listen, in a thread of its own. Blocks for a name's look-up.
 * Returns: (transfer full); NULL = error.
 */
MigrationListener *migration_listener_new(SocketAddress *addr, bool recovering,
                                          const ListenerOps *ops, void *opaque,
                                          Error **errp);

/** migration_listener_free: drop half-open clients, end the thread. Accepts
 * NULL. Thread: not the listener's own. */
void migration_listener_free(MigrationListener *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrationListener, migration_listener_free)

/** migration_listener_check: ask ops->wants again, soon. Thread: any. */
void migration_listener_check(MigrationListener *l);

/** migration_listener_addresses: (transfer full) where it listens. Thread:
 * any. */
SocketAddressList *migration_listener_addresses(MigrationListener *l);

#endif
