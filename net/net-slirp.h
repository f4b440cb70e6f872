/*
 * What the monitor does with backends of type user.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NET_NET_SLIRP_H
#define NET_NET_SLIRP_H

#include "util/typedefs.h"

/** net_user_hostfwd_add: "[tcp|udp]:[HOSTADDR]:PORT-[GUESTADDR]:PORT". */
bool net_user_hostfwd_add(const char *id, const char *text, Error **errp);
/** net_user_hostfwd_remove: "[tcp|udp]:[HOSTADDR]:PORT". */
bool net_user_hostfwd_remove(const char *id, const char *text, Error **errp);
/** net_user_describe: (transfer full) connections of all such backends. */
char *net_user_describe(void);

#endif
