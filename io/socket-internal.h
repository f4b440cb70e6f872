/*
 * Socket addresses inside io/: resolved targets and single attempts, which
 * the blocking functions and the asynchronous connect share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_SOCKET_INTERNAL_H
#define IO_SOCKET_INTERNAL_H

#include "io/socket-address.h"

/* One address the kernel understands. */
typedef struct SocketTarget {
    struct sockaddr_storage sa;
    socklen_t len;
    int protocol;
    char *text; /* for messages, e.g. "[::1]:5900"; owned */
} SocketTarget;

typedef struct SocketTargets {
    SocketTarget *t; /* @n targets, owned */
    size_t n;
} SocketTargets;

void socket_targets_clear(SocketTargets *targets);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SocketTargets, socket_targets_clear)

/**
 * socket_resolve:
 * @addr: (in) inet, unix or vsock; not fd
 * @type: SOCK_STREAM or SOCK_DGRAM
 * @passive: for bind(): an empty host means all addresses, not loopback
 * @ret: (out) at least one target, in the order to try
 *
 * Blocks where a name has to be looked up.
 * Returns: whether it worked.
 */
bool socket_resolve(SocketAddress *addr, int type, bool passive,
                    SocketTargets *ret, Error **errp);

/**
 * socket_resolve_inet:
 *
 * As socket_resolve().
 */
bool socket_resolve_inet(InetSocketAddress *addr, int type, bool passive,
                         SocketTargets *ret, Error **errp);

/** socket_address_is_name: socket_resolve() may block in a name service. */
bool socket_address_is_name(SocketAddress *addr);

/**
 * socket_target_connect:
 * @target: (in) from socket_resolve()
 * @addr: (in) it came from; says which socket options to set
 * @nonblock: connect in the background
 * @ret_pending: (out) @nonblock only: wait until writable, then ask
 *               socket_pending_error(); may be NULL
 *
 * Returns: socket, owned by the caller; -1 = errno
 */
int socket_target_connect(const SocketTarget *target, SocketAddress *addr,
                          bool nonblock, bool *ret_pending);

/**
 * socket_target_listen:
 * @v6only: an IPv6 socket does not take IPv4 clients
 * @backlog: of listen()
 *
 * Returns: socket, owned by the caller; -1 = errno.
 */
int socket_target_listen(const SocketTarget *target, SocketAddress *addr,
                         bool v6only, int backlog);

/** Whether a listener on @addr's IPv6 addresses must leave IPv4 alone. */
bool socket_address_v6only(SocketAddress *addr);

/** Drop repeated addresses: a hosts file may have them. */
void socket_targets_unique(SocketTargets *targets);

/** The port; 0 where there is none. */
unsigned socket_target_get_port(const SocketTarget *t);

/** Set the port, and @target's text, where it has one. */
void socket_target_set_port(SocketTarget *target, unsigned port);

/** Returns: (out) text of a kernel address for messages. */
char *socket_sockaddr_text(const struct sockaddr_storage *sa, socklen_t len);

/**
 * SocketFailures: what went wrong with each address tried.
 */
typedef struct SocketFailures {
    GString *text; /* NULL = nothing yet */
    int last_errno;
} SocketFailures;

void socket_failures_add(SocketFailures *f, const char *what, int err);
void socket_failures_clear(SocketFailures *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SocketFailures, socket_failures_clear)
/** @verb: "connect to", "listen on". */
void socket_failures_to_error(SocketFailures *f, const char *verb,
                              SocketAddress *addr, Error **errp);

/** Whether @addr is a file system path of ours that a close must unlink. */
bool socket_address_has_path(SocketAddress *addr);

#endif
