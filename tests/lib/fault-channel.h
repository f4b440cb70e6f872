/*
 * A channel that misbehaves on plan: a layer over any channel, for tests.
 *
 * Calls are counted from 1, reads and writes apart, since the plan was set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_FAULT_CHANNEL_H
#define TESTS_LIB_FAULT_CHANNEL_H

#include "io/channel.h"

/* All zero: no faults. */
typedef struct FaultPlan {
    unsigned max_bytes;     /* most bytes a call moves, 1 to this at random */
    unsigned block_one_in;  /* one call in so many says ERR_BLOCK, at random;
                               only in non-blocking mode */
    unsigned eof_at_read;   /* this read and later ones say end of stream */
    unsigned fail_at_read;  /* this read and later ones fail */
    unsigned fail_at_write; /* this write and later ones fail */
    uint32_t seed;          /* of the random choices */
} FaultPlan;

/* Text of the injected error. */
#define FAULT_ERROR "injected fault"

/** Returns: (out) layer over @master, which is referenced. */
QIOChannel *fault_channel_new(QIOChannel *master, const FaultPlan *plan);

/** fault_channel_set_plan: also sets the counts to 0. */
void fault_channel_set_plan(QIOChannel *ioc, const FaultPlan *plan);

/** The number of calls so far. */
unsigned fault_channel_reads(QIOChannel *ioc);
unsigned fault_channel_writes(QIOChannel *ioc);

#endif
