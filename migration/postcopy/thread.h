/*
 * Threads that a guest waits for, and the guest's own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_THREAD_H
#define MIGRATION_POSTCOPY_THREAD_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/thread.h"

/**
 * postcopy_thread_urgent:
 *
 * The calling thread works in short pieces for which a guest stands: let it
 * run as soon as it wakes. Where the system does not let us, nothing changes.
 */
void postcopy_thread_urgent(void);

/* Where a thread ran before it stayed away. All zero: it does not. */
typedef struct PostcopyAway {
    int tid;
    cpu_set_t before;
    cpu_set_t since;
} PostcopyAway;

/** postcopy_thread_avoid: thread @tid (0: none) stays off @cpu, if it may run
 *  elsewhere. @ret: (out) (optional) for postcopy_thread_back(). */
void postcopy_thread_avoid(int tid, unsigned cpu, PostcopyAway *ret);

/** postcopy_thread_back: it runs where it did before, unless somebody else has
 *  sent it elsewhere meanwhile. It has not ended. */
void postcopy_thread_back(PostcopyAway *away);

/* A thread whose time slices were shortened. All zero: none. */
typedef struct PostcopySlice {
    int tid;
    uint64_t before_ns;
} PostcopySlice;

/**
 * postcopy_slice_shorten:
 * @s: (out)
 * @tid: (in) of this process
 *
 * The thread gets what it got of the processors, but in short pieces: it is let
 * in soon when it wakes, and does not keep others out for long. Its priority
 * stays. Where the system does not know of it, nothing changes.
 */
void postcopy_slice_shorten(PostcopySlice *s, int tid);

/** postcopy_slice_restore: @tid has slices as before, if it is the thread of
 *  @s and nobody else has changed them. */
void postcopy_slice_restore(PostcopySlice *s, int tid);

/* A thread that moves both kinds of pages: urgent while one is awaited, else
 * bulk: when it wakes it does not take a processor from a thread that runs, and
 * its share is smaller. */
typedef struct PostcopyCarrier {
    QemuMutex lock; /* guards all below; a leaf */
    int tid;        /* 0: none, or one that must stay as it is */
    bool awaited;
    int nice_before;
    int nice_urgent;
    int nice_bulk;
    uint64_t slice_before_ns;
} PostcopyCarrier;

void postcopy_carrier_init(PostcopyCarrier *c);
void postcopy_carrier_destroy(PostcopyCarrier *c);

/** postcopy_carrier_begin: the calling thread is @c, and bulk at first. More
 *  than once is allowed. */
void postcopy_carrier_begin(PostcopyCarrier *c);

/** postcopy_carrier_end: that thread is as it was before; also if there was no
 *  begin. Thread: that one, before it makes others. */
void postcopy_carrier_end(PostcopyCarrier *c);

/** postcopy_carrier_awaited: somebody waits for a page of @c; or nobody does any
 *  more. Without a begin nothing happens. Thread: any. */
void postcopy_carrier_awaited(PostcopyCarrier *c, bool awaited);

#endif
