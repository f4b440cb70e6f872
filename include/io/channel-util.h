/*
 * From a file descriptor to the channel class that fits it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_UTIL_H
#define IO_CHANNEL_UTIL_H

#include "io/channel.h"

/**
 * qio_channel_new_fd:
 * @fd: (in) open descriptor; owned by the channel on success
 *
 * Returns: (out) new reference to a socket channel where @fd is a socket, to
 * a file channel otherwise; NULL = error.
 */
QIOChannel *qio_channel_new_fd(int fd, Error **errp);

#endif
