/*
 * SocketAddress: text form, connecting, listening, and back from the kernel.
 *
 * Text forms (socket_parse): "HOST:PORT[,OPTION...]" with HOST a name, an
 * IPv4 address, "[IPv6]" or empty; "unix:PATH"; "vsock:CID:PORT"; "fd:NAME".
 * The functions here block in name lookup and connect(); event-loop code uses
 * the _async functions of io/channel-socket.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_SOCKET_ADDRESS_H
#define IO_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "qapi/qapi-types-sockets.h"
#include "util/typedefs.h"

/**
 * inet_parse:
 * @addr: (out) members are set on success; strings owned by @addr
 * @str: (in) "HOST:PORT[,to=PORT][,ipv4[=on|off]][,ipv6[=on|off]]
 *       [,numeric[=on|off]][,keep-alive[=on|off]][,mptcp[=on|off]]"
 *
 * Returns: 0; -1 = error.
 */
int inet_parse(InetSocketAddress *addr, const char *str, Error **errp);

/** Returns: PF_INET, PF_INET6 or PF_UNSPEC; -1 = both flags are off. */
int inet_ai_family_from_address(InetSocketAddress *addr, Error **errp);

/** Returns: connected blocking socket, owned by the caller; -1 = error. */
int inet_connect(const char *str, Error **errp);
int inet_connect_saddr(InetSocketAddress *saddr, Error **errp);
/** Returns: the QAPI name of an AF_ number. */
NetworkAddressFamily inet_netfamily(int family);
int unix_connect(const char *path, Error **errp);
/** Returns: listening socket on @path, or on a new path in TMPDIR if NULL. */
int unix_listen(const char *path, Error **errp);

/** Returns: (out) parsed address, owned by the caller; NULL = error. */
SocketAddress *socket_parse(const char *str, Error **errp);

/** Returns: (out) "tcp:HOST:PORT", "unix:PATH", "vsock:CID:PORT", "fd:NAME". */
char *socket_uri(SocketAddress *addr);

/**
 * socket_connect / socket_listen / socket_dgram:
 * @num: backlog
 *
 * Thread: any; blocks.
 * Returns: blocking, close-on-exec socket owned by the caller; -1 = error.
 * Errors: for every address tried, it and the reason.
 */
int socket_connect(SocketAddress *addr, Error **errp);
int socket_listen(SocketAddress *addr, int num, Error **errp);
int socket_dgram(SocketAddress *remote, SocketAddress *local, Error **errp);

/** Unlink the path of unix listener @fd, just before it is closed. */
void socket_listen_cleanup(int fd, Error **errp);

/** Returns: (out) address of a kernel address, owned; NULL = error. */
SocketAddress *socket_sockaddr_to_address(struct sockaddr_storage *sa,
                                          socklen_t salen, Error **errp);
SocketAddress *socket_local_address(int fd, Error **errp);
SocketAddress *socket_remote_address(int fd, Error **errp);

/** Returns: (out) flat form of @addr, owned; NULL for NULL. */
SocketAddress *socket_address_flatten(SocketAddressLegacy *addr);

/** Parse "HOST:PORT" / look up IPv4 @host. Returns: 0; -1 = error. */
int parse_host_port(struct sockaddr_in *saddr, const char *str, Error **errp);
int convert_host_port(struct sockaddr_in *saddr, const char *host,
                      const char *port, Error **errp);

/**
 * SocketFdLookup:
 * @name: (in) name given to getfd
 * @opaque: (in) the setter's
 *
 * Returns: descriptor, ownership passes to the caller; -1 = error.
 */
typedef int (*SocketFdLookup)(const char *name, void *opaque, Error **errp);

/**
 * socket_set_fd_lookup:
 *
 * How "fd" addresses that are not numbers are found. Set once by the program
 * before other threads exist; without it only numbers work.
 */
void socket_set_fd_lookup(SocketFdLookup lookup, void *opaque);

/**
 * socket_get_fd:
 * @str: (in) number of an inherited descriptor, or a getfd name
 *
 * Returns: socket, owned by the caller; -1 = error.
 * Errors: no such descriptor or name; not a socket.
 */
int socket_get_fd(const char *str, Error **errp);

#endif
