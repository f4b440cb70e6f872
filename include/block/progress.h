/*
 * How far a long piece of work on images has come: creation, amendment, a
 * copy. Whoever works adds, whoever watches (a progress bar, query-jobs)
 * reads; no lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_PROGRESS_H
#define BLOCK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* The unit is whatever suits the work, mostly bytes. @total may grow while
 * it goes on; zeroed memory is a start. All members are atomic. */
typedef struct BlockProgress {
    uint64_t current;
    uint64_t total;
    bool cancelled; /* the user wants no more of it */
} BlockProgress;

/** block_progress_done: @n more are done. Thread: any; @p may be NULL. */
static inline void block_progress_done(BlockProgress *p, uint64_t n)
{
    if (p) {
        __atomic_fetch_add(&p->current, n, __ATOMIC_RELAXED);
    }
}

/** block_progress_add: there is @n more to do than was known. Thread: any. */
static inline void block_progress_add(BlockProgress *p, uint64_t n)
{
    if (p) {
        __atomic_fetch_add(&p->total, n, __ATOMIC_RELAXED);
    }
}

/** block_progress_get: one moment's @ret_current and @ret_total. */
static inline void block_progress_get(const BlockProgress *p,
                                      uint64_t *ret_current,
                                      uint64_t *ret_total)
{
    *ret_current = __atomic_load_n(&p->current, __ATOMIC_RELAXED);
    *ret_total = __atomic_load_n(&p->total, __ATOMIC_RELAXED);
}

/** block_progress_cancel: ask the work to end early, with -ECANCELED. */
static inline void block_progress_cancel(BlockProgress *p)
{
    __atomic_store_n(&p->cancelled, true, __ATOMIC_RELAXED);
}

/** block_progress_is_cancelled: to be asked now and then by the work. */
static inline bool block_progress_is_cancelled(const BlockProgress *p)
{
    return p && __atomic_load_n(&p->cancelled, __ATOMIC_RELAXED);
}

#endif
