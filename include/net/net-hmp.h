/*
 * The monitor's commands about networks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NET_NET_HMP_H
#define NET_NET_HMP_H

#include "qapi/hmp.h"
#include "qapi/introspect.h"

extern const HMPCommand net_hmp_commands[];
extern const HMPCommand net_hmp_info[];

/** netdev_fill_open_union: branches of NetdevOptions. */
void netdev_fill_open_union(QapiOpenUnion *u);

#endif
