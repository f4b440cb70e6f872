/*
 * Migration between two processes of one host.
 *
 * What one processor writes and another reads goes from cache to cache, line by
 * line, and that costs more than the copy itself. So where both ends of a plain
 * channel are on one host, the thread that writes it and the one that reads it
 * run on the same processor while a large pass is sent: what the kernel buffers
 * stays in that processor's cache.
 *
 *   source: PING host    ------>    same host, and a channel that can?
 *                        <------    PONG "FNEA"
 *   PING cpu (channel)   ------>    its reader goes there; or anywhere again
 *                        <------    PONG "FFAR": it may not; both go on apart
 *
 * The source measures now and then whether it is faster apart (NearPolicy). The
 * values are ours; others answer them as any PING.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_NEAR_H
#define MIGRATION_NEAR_H

#include <sched.h>

#include "io/channel.h"

/* PONG of a destination that is on this host and goes along; and of one that
 * finds that it cannot. */
#define NEAR_PONG     0x464e4541u /* "FNEA" */
#define NEAR_PONG_FAR 0x46464152u /* "FFAR" */

#define NEAR_MAIN     255u    /* the main channel; others: multifd's numbers */
#define NEAR_ANYWHERE 0xffffu /* in place of a CPU */

typedef enum NearPingKind {
    NEAR_PING_NONE, /* something else */
    NEAR_PING_HOST,
    NEAR_PING_CPU,
} NearPingKind;

typedef struct NearPing {
    NearPingKind kind;
    bool here;        /* HOST: it is this one */
    unsigned channel; /* CPU: NEAR_MAIN or a multifd channel */
    unsigned cpu;     /* CPU: a number, or NEAR_ANYWHERE */
} NearPing;

/** near_ping_host: the value that names this host; 0: it has no name. */
uint32_t near_ping_host(void);
uint32_t near_ping_cpu(unsigned channel, unsigned cpu);
NearPing near_ping_decode(uint32_t value);

/** near_channel: is @ioc a socket without TLS, both ends of which are on this
 *  host as far as can be seen? */
bool near_channel(QIOChannel *ioc);

/* -- threads ----------------------------------------------------------------- */

/* Where a thread may run when it is not pinned. Zeroed: not pinned. */
typedef struct NearPin {
    bool pinned;
    unsigned cpu; /* pinned to */
    cpu_set_t before;
} NearPin;

/** near_pin: thread @tid (0: none) runs on @cpu only. Returns: false: it may not
 *  run there, or the kernel refuses; then it is as it was. */
bool near_pin(NearPin *pin, int tid, unsigned cpu);
/** near_unpin: it runs where it did before, unless somebody else has sent it
 *  elsewhere meanwhile. */
void near_unpin(NearPin *pin, int tid);

/** near_cpu: the @nth CPU, round and round, from the current one on, of those
 *  on which the caller may run. */
unsigned near_cpu(unsigned nth);

/* -- together or apart? -------------------------------------------------------- */

/*
 * Together costs less CPU time, so apart must be clearly faster. The other way
 * is tried for one slice after NEAR_FIRST_NS, and then every NEAR_PROBE_NS.
 * Zeroed: together.
 */
typedef struct NearPolicy {
    bool apart;
    bool probing;     /* this slice goes the other way */
    bool probed;      /* one has gone */
    int64_t since_ns; /* the last probe; 0: not begun */
    double rate[2];   /* bytes per ns: together, apart */
} NearPolicy;

#define NEAR_FIRST_NS (INT64_C(60) * 1000 * 1000)
#define NEAR_PROBE_NS (INT64_C(2) * 1000 * 1000 * 1000)

/** near_policy_together: how should the next slice go? */
bool near_policy_together(const NearPolicy *p);

/**
 * near_policy_slice: a slice ended
 * @now_ns: any clock
 * @bytes: sent in @took_ns
 * @limited: it was slowed down on purpose, which says nothing
 */
void near_policy_slice(NearPolicy *p, int64_t now_ns, int64_t took_ns,
                       uint64_t bytes, bool limited);

#endif
