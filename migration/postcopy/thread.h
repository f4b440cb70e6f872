/*
 * Threads that a guest waits for, and the guest's own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_THREAD_H
#define MIGRATION_POSTCOPY_THREAD_H

#include <stdbool.h>

/**
 * postcopy_thread_urgent:
 *
 * The calling thread works in short pieces for which a guest stands: let it
 * run as soon as it wakes. Where the system does not let us, nothing changes.
 */
void postcopy_thread_urgent(void);

/**
 * postcopy_thread_bulk:
 *
 * The calling thread moves pages that nobody waits for: when it wakes it does
 * not take a processor from a thread that runs, and its share is smaller.
 */
void postcopy_thread_bulk(void);

/**
 * postcopy_thread_short:
 * @tid: (in) of this process
 * @on: (in) false: as threads are by default
 *
 * The thread gets what it got of the processors, but in short pieces: it is let
 * in soon when it wakes, and does not keep others out for long. Its priority
 * stays. Where the system does not know of it, nothing changes.
 */
void postcopy_thread_short(int tid, bool on);

/* A thread that moves both kinds of pages: urgent while one is awaited, bulk
 * else. All zero: none yet. */
typedef struct PostcopyCarrier {
    int tid;      /* atomic; 0: none, or one that must stay as it is */
    bool awaited; /* atomic */
    int nice_urgent;
    int nice_bulk;
} PostcopyCarrier;

/** postcopy_carrier_begin: the calling thread is @c, and bulk at first. More
 *  than once is allowed. It must live as long as others may call below. */
void postcopy_carrier_begin(PostcopyCarrier *c);

/** postcopy_carrier_awaited: somebody waits for a page of @c; or nobody does any
 *  more. Never blocks. Thread: any. */
void postcopy_carrier_awaited(PostcopyCarrier *c, bool awaited);

#endif
