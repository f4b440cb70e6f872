/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NET_TYPES_H
#define NET_TYPES_H

/** net_register_types: the QOM classes of this folder; idempotent, any
 *  thread. */
void net_register_types(void);

#endif
