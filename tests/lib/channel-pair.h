/*
 * Two ends of a connection, for tests, named by the stack of layers:
 *
 *   BASE[/LAYER...]   e.g. "tcp/tls/ws", "unix/fault/tls"
 *
 * Bases: unix, tcp (sockets, both directions), pipe (a writes, b reads),
 * cat (a and b are the same channel, whose bytes come back).
 * Layers: tls, ws, fault (short transfers and ERR_BLOCK at random). The end
 * @a is the client.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_CHANNEL_PAIR_H
#define TESTS_LIB_CHANNEL_PAIR_H

#include "io/channel.h"

typedef struct ChannelPair {
    QIOChannel *a;   /* owned reference */
    QIOChannel *b;   /* owned reference */
    bool duplex;     /* b can write to a as well */
    bool loop;       /* a is b */
    bool half_close; /* a may read after it has shut down writing */
} ChannelPair;

/** channel_pair_new: aborts the test on failure; both ends are blocking. */
ChannelPair *channel_pair_new(const char *stack);
void channel_pair_free(ChannelPair *pair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChannelPair, channel_pair_free)

#endif
