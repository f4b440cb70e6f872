/*
 * How fast work goes: an average in which a moment of the past counts the
 * less the longer ago it is, to a third after some SMOOTH_SECONDS. Work and
 * time are averaged apart, so that the first seconds have their true rate, too,
 * and samples need not be even.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/progress-rate.h"

#define NS_PER_SEC     1e9
#define SMOOTH_SECONDS 5.0
#define SAMPLE_MIN_NS  (50 * 1000 * 1000)
#define KNOWN_SECONDS  0.5
#define ETA_MAX        (100.0 * 365 * 24 * 3600)

void progress_rate_skip(ProgressRate *r, uint64_t current, int64_t now_ns)
{
    r->is_started = true;
    r->current = current;
    r->at_ns = now_ns;
}

void progress_rate_sample(ProgressRate *r, uint64_t current, int64_t now_ns)
{
    double seconds, keep;

    if (!r->is_started || current < r->current || now_ns < r->at_ns) {
        progress_rate_skip(r, current, now_ns);
        return;
    }
    if (now_ns - r->at_ns < SAMPLE_MIN_NS) {
        return;
    }
    seconds = (double)(now_ns - r->at_ns) / NS_PER_SEC;
    keep = SMOOTH_SECONDS / (SMOOTH_SECONDS + seconds);
    r->done = r->done * keep + (double)(current - r->current);
    r->seconds = r->seconds * keep + seconds;
    r->current = current;
    r->at_ns = now_ns;
}

bool progress_rate_get(const ProgressRate *r, double *ret_per_second)
{
    if (r->seconds < KNOWN_SECONDS) {
        return false;
    }
    *ret_per_second = r->done / r->seconds;
    return true;
}

bool progress_rate_eta(const ProgressRate *r, uint64_t current, uint64_t total,
                       uint64_t *ret_seconds)
{
    double rate, left;

    if (current >= total || !progress_rate_get(r, &rate) || rate <= 0) {
        return false;
    }
    left = (double)(total - current) / rate;
    if (left > ETA_MAX) {
        return false;
    }
    *ret_seconds = (uint64_t)(left + 0.5);
    return true;
}
