/*
 * The parts of the socket channel to each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_SOCKET_INTERNAL_H
#define IO_CHANNEL_SOCKET_INTERNAL_H

#include "io/channel-socket.h"

/**
 * socket_channel_set_fd:
 * @fd: (in) open socket; owned by @sioc on success
 *
 * Take @fd, learn its addresses, set the features it has.
 * Returns: whether it worked.
 */
bool socket_channel_set_fd(QIOChannelSocket *sioc, int fd, Error **errp);

/** Returns: (out) who the peer is, for messages. */
char *socket_channel_peer_text(QIOChannelSocket *sioc);

/* As QIOChannelClass.io_writev and io_flush, for MSG_ZEROCOPY. */
ssize_t socket_channel_writev_zero_copy(QIOChannelSocket *sioc,
                                        const struct iovec *iov, size_t niov,
                                        Error **errp);
int socket_channel_flush(QIOChannelSocket *sioc, Error **errp);

/* One sendmsg(). Returns: bytes; BLOCK; -1 with errno, no Error. */
ssize_t socket_channel_send(QIOChannelSocket *sioc, struct msghdr *msg,
                            int flags);

#endif
