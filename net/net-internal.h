/*
 * Inside of net/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "net/net.h"

/** net_card_at: card number @i in order of adding, or NULL. */
NetClient *net_card_at(unsigned i);
/** netdev_foreach: in order of id. */
void netdev_foreach(void (*func)(Netdev *netdev, void *opaque), void *opaque);
/** netdev_class_find: class of backend @kind ("user"), or NULL. */
NetdevClass *netdev_class_find(const char *kind);

#endif
