/*
 * Both ends of a socket chardev, for its tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_CHARDEV_SOCKET_PEER_H
#define TESTS_CHARDEV_SOCKET_PEER_H

#include <glib.h>

#include "chardev/char-socket.h"

/* Clients in a crowd. */
#define IDLE 500

/* A chardev as from -chardev; gone again. */
Chardev *chr_new(const char *optarg);
void chr_delete(Chardev *chr);
/* Port that a server with port=0 got. */
int server_port(Chardev *chr);
/* A plain non-blocking TCP client on loopback. */
int tcp_connect(int port);
/* What has arrived at @fd so far is appended to @text. Returns: false at the
 * end of the stream. */
bool drain(int fd, GString *text);
/* Has @want come by now? */
bool has(int fd, GString *text, const char *want);
bool at_eof(int fd);
/* A server and a client with these options exchange bytes both ways. */
void check_pair(const char *server_opt, const char *client_opt);

#endif
