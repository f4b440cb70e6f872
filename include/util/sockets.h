/*
 * Small calls on socket descriptors. No addresses, no names: those are in
 * io/socket-address.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_SOCKETS_H
#define UTIL_SOCKETS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "util/typedefs.h"

/** qemu_socket: socket() with close-on-exec. Returns: fd; -1 and errno. */
int qemu_socket(int domain, int type, int protocol);

/** qemu_accept: accept() with close-on-exec, EINTR retried. */
int qemu_accept(int s, struct sockaddr *addr, socklen_t *addrlen);

/** qemu_socketpair: socketpair() with close-on-exec. Returns: 0; -1, errno. */
int qemu_socketpair(int domain, int type, int protocol, int sv[2]);

/** qemu_set_blocking: of any descriptor. Returns: true; false and @errp. */
bool qemu_set_blocking(int fd, bool block, Error **errp);
/** As above: 0 or -errno. */
int qemu_socket_try_set_nonblock(int fd);
/** As above, for descriptors on which it cannot fail. */
void qemu_socket_set_block(int fd);
void qemu_socket_set_nonblock(int fd);

/** TCP options; other sockets answer an error. Returns: 0; -1 and errno. */
int socket_set_cork(int fd, int v);
int socket_set_nodelay(int fd);
int socket_set_delay(int fd, bool delay);
/** socket_set_congestion: by the kernel's name of the algorithm. */
int socket_set_congestion(int fd, const char *algorithm);
int socket_set_keepalive(int fd, int v);
/** SO_REUSEADDR: take a port whose old connections still time out. */
int socket_set_fast_reuse(int fd);

/** fd_is_socket: whether @fd is open and a socket. */
bool fd_is_socket(int fd);
/** socket_is_stream: SOCK_STREAM or SOCK_SEQPACKET. */
bool socket_is_stream(int fd);
/** socket_pending_error: takes SO_ERROR. Returns: 0 or an errno value. */
int socket_pending_error(int fd);

#endif
