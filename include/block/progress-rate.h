/*
 * How fast a long piece of work goes, and how long the rest of it will take:
 * what progress bars and query-jobs show.
 *
 * Whoever watches gives samples of a BlockProgress, as often as suits: each
 * counts by the time since the one before. What is longer ago than a few
 * seconds counts little.
 *
 * Thread: callers guard a ProgressRate.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_PROGRESS_RATE_H
#define BLOCK_PROGRESS_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing is known. */
typedef struct ProgressRate {
    bool is_started;
    int64_t at_ns;    /* of the last sample */
    uint64_t current; /* then */
    double done;      /* units, and */
    double seconds;   /* the time that they took, the older the lighter */
} ProgressRate;

/** progress_rate_skip: the time since the last sample does not count (the work
 *  has not begun, or was paused). */
void progress_rate_skip(ProgressRate *r, uint64_t current, int64_t now_ns);
/** progress_rate_sample: @current units are done. Samples that follow too soon
 *  on another wait for the next. */
void progress_rate_sample(ProgressRate *r, uint64_t current, int64_t now_ns);
/** progress_rate_get: Returns: false: not known yet; true: *@ret_per_second
 *  units a second. */
bool progress_rate_get(const ProgressRate *r, double *ret_per_second);
/** progress_rate_eta: Returns: false: not known, or never at this rate; true:
 *  the rest of @total takes *@ret_seconds more. */
bool progress_rate_eta(const ProgressRate *r, uint64_t current, uint64_t total,
                       uint64_t *ret_seconds);

#endif
