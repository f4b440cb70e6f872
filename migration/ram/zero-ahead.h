/*
 * A thread that looks for zero pages ahead of the one that sends them.
 *
 * One processor reads memory at the half of what two can. So where pages turn
 * out to be zero, a piece of memory is looked at from both ends: the sender goes
 * up, testing and sending, and this thread comes down to meet it. Groups of 64
 * pages are taken by setting a bit, so neither does the other's work twice, and
 * neither ever waits: what is not known yet, the sender looks at itself. The
 * thread keeps away from the processor that the sender runs on.
 *
 * Thread: all functions are the sender's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_ZERO_AHEAD_H
#define MIGRATION_ZERO_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct ZeroAhead ZeroAhead;

/* Pages of a group, and most groups of one piece of work (128 MiB): a wake-up
 * takes its time, on a busy machine as much as reading this does. */
#define ZERO_AHEAD_GROUP  64
#define ZERO_AHEAD_GROUPS 512
#define ZERO_AHEAD_PAGES  (ZERO_AHEAD_GROUPS * ZERO_AHEAD_GROUP)

/** zero_ahead_new: its thread sleeps. NULL: there is none; the caller may run on
 *  one processor only, where it would not help, or on more than a cpu_set_t has,
 *  or no thread can be had. */
ZeroAhead *zero_ahead_new(void);
/** zero_ahead_free: NULL is allowed. */
void zero_ahead_free(ZeroAhead *z);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ZeroAhead, zero_ahead_free)

/** zero_ahead_ready: zero_ahead_begin() would be true. */
bool zero_ahead_ready(ZeroAhead *z);

/**
 * zero_ahead_begin: instead of what it has not come to yet
 * @base: (in) memory; stays readable until zero_ahead_free()
 * @wanted: (in) a word for each 64 pages, a bit for each that is of interest
 * @groups: words of @wanted, at most ZERO_AHEAD_GROUPS
 *
 * Returns: false: the thread is at what it was given before.
 */
bool zero_ahead_begin(ZeroAhead *z, const uint8_t *base, const uint64_t *wanted,
                      unsigned groups);

/**
 * zero_ahead_knows:
 * @page: one of @wanted
 * @ret_zero: (out) set when the return is true: it was, at some time since the
 *            begin
 *
 * Returns: false: the caller has to look.
 */
bool zero_ahead_knows(ZeroAhead *z, unsigned page, bool *ret_zero);

/** zero_ahead_cancel: what the thread has not begun is left alone. Does not wait
 *  for it. NULL is allowed. */
void zero_ahead_cancel(ZeroAhead *z);

/** zero_ahead_cpu_ns: CPU time of the thread since this was asked last. */
uint64_t zero_ahead_cpu_ns(ZeroAhead *z);

#endif
