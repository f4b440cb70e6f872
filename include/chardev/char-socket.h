/*
 * Socket chardevs, for those who make them from code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_SOCKET_H
#define CHARDEV_CHAR_SOCKET_H

#include "chardev/char.h"

typedef struct SocketAddress SocketAddress;

/** qemu_chr_socket_local_address: where a server listens, e.g. the port that
 * the kernel chose; borrowed, NULL when it does not listen. */
const SocketAddress *qemu_chr_socket_local_address(Chardev *chr);

#endif
