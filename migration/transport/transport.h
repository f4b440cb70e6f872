/*
 * Where a migration goes to or comes from: addresses, and what can be done
 * over each kind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_TRANSPORT_H
#define MIGRATION_TRANSPORT_H

#include "io/channel-socket.h"
#include "io/channel.h"
#include "migration/migration.h"

typedef enum TransportKind {
    TRANSPORT_INET,
    TRANSPORT_UNIX,
    TRANSPORT_VSOCK,
    TRANSPORT_FD_SOCKET, /* a socket that is open already */
    TRANSPORT_FD_FILE,   /* a regular file or block device, open already */
    TRANSPORT_FD_PIPE,   /* anything else that is open already */
    TRANSPORT_EXEC,
    TRANSPORT_FILE,
} TransportKind;

/*
 * A place, taken apart and checked. @opened is a channel that the command's
 * thread had to make: descriptors belong to the monitor that named them.
 */
typedef struct MigrationTarget {
    TransportKind kind;
    SocketAddress *socket; /* INET, UNIX, VSOCK, FD_*; owned */
    char **argv;           /* EXEC; owned */
    char *filename;        /* FILE; owned */
    uint64_t offset;       /* FILE: bytes to leave out */
    SocketAddress *cpr;    /* of the channel 'cpr'; owned, or NULL */
    QIOChannel *opened;    /* FD_*, FILE: owned reference until it is taken */
    char *text;            /* for messages; owned */
} MigrationTarget;

/** migration_address_parse: (transfer full) "tcp:HOST:PORT" and so on. */
MigrationAddress *migration_address_parse(const char *uri, Error **errp);

/**
 * migration_target_new:
 * @uri: (in) or NULL
 * @channels: (in) list, or NULL; exactly one of both
 * @outgoing: false: to be read from
 *
 * Parse, open what has to be opened now (fd:, file:), check that it goes with
 * capabilities and parameters.
 *
 * Thread: a command's.
 * Returns: (transfer full); NULL = error.
 */
MigrationTarget *migration_target_new(MigrationState *ms, const char *uri,
                                      MigrationChannelList *channels,
                                      bool outgoing, Error **errp);
/** migration_target_free: accepts NULL. */
void migration_target_free(MigrationTarget *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrationTarget, migration_target_free)

/** transport_cpr_address: (transfer full) address of a channel 'cpr'; NULL =
 *  error: not a UNIX socket. */
SocketAddress *transport_cpr_address(const MigrationAddress *addr,
                                     Error **errp);

/** transport_is_socket: can it be connected to more than once? */
bool transport_is_socket(TransportKind kind);
/** transport_is_file: are there positions in it? */
bool transport_is_file(TransportKind kind);

/**
 * migration_target_check:
 * Does @t go with the capabilities and parameters of @ms? Errors name both.
 */
bool migration_target_check(MigrationState *ms, const MigrationTarget *t,
                            bool outgoing, Error **errp);

/**
 * migration_connect:
 *
 * One connection to @t, without TLS. Waits; ends early when @ms is cancelled.
 * Thread: any but main.
 * Returns: (transfer full) a blocking channel; NULL = error.
 */
QIOChannel *migration_connect(MigrationState *ms, const MigrationTarget *t,
                              Error **errp);

/** migration_connect_within: the same with a time limit of its own. */
QIOChannel *migration_connect_within(MigrationState *ms,
                                     const MigrationTarget *t,
                                     unsigned limit_ms, Error **errp);

/** migration_socket: (transfer none) the socket below @ioc, which may be TLS;
 *  NULL: there is none. */
QIOChannelSocket *migration_socket(QIOChannel *ioc);

/** migration_socket_has_ended: nothing more will come on @ioc than is here
 *  already: its peer has gone, or it broke. Does not wait. False also for what is no
 *  socket. Thread: any. */
bool migration_socket_has_ended(QIOChannel *ioc);

/* A peer of post-copy whose host has not answered for so long is gone. */
#define MIGRATION_SILENT_MS 15000

/** migration_socket_ask: while nothing is sent on @ioc its peer's host is asked
 *  whether it is there; it breaks when there was no answer for
 *  MIGRATION_SILENT_MS. */
void migration_socket_ask(QIOChannel *ioc);

/** migration_socket_watch: the same, and it breaks, too, when what was sent was
 *  not taken for so long. For a peer that reads what it gets. */
void migration_socket_watch(QIOChannel *ioc);

/** migration_open_file: of a TRANSPORT_FILE: the file once more, at its own
 * position 0; @flags as open(2). */
QIOChannel *migration_open_file(const MigrationTarget *t, int flags,
                                Error **errp);

/* -- TLS (transport/tls.c) -------------------------------------------------- */

/* A handshake takes a few round trips; whoever needs longer is not there. */
#define MIGRATION_TLS_LIMIT_MS 20000

/** migration_tls_is_on: parameter tls-creds is not empty. Thread: any. */
bool migration_tls_is_on(MigrationState *ms);

/**
 * migration_tls_check:
 * @outgoing: credentials of a client are needed, else of a server
 *
 * Do the TLS parameters name credentials that can be used with @t?
 */
bool migration_tls_check(MigrationState *ms, const MigrationTarget *t,
                         bool outgoing, Error **errp);

/**
 * migration_tls_connect:
 * @ioc: (in) connected channel; a reference is taken
 * @limit_ms: for the handshake
 *
 * Handshake as a client. Waits; ends when @ms is cancelled.
 * Thread: any but main.
 * Returns: (transfer full) the TLS channel; NULL = error.
 */
QIOChannel *migration_tls_connect(MigrationState *ms, const MigrationTarget *t,
                                  QIOChannel *ioc, unsigned limit_ms,
                                  Error **errp);

/** migration_tls_server: (transfer full) a TLS channel whose handshake is
 * still to be done; NULL = error. */
QIOChannel *migration_tls_server(MigrationState *ms, QIOChannel *ioc,
                                 Error **errp);

#endif
