/*
 * Forecast of a pre-copy migration.
 *
 * The first pass sends all pages with data, and a few bytes for each other
 * one. What was written during a pass is sent in the next. A pass that leaves
 * no less than the one before leaves will go on like that for ever, for the
 * curve only grows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/forecast.h"

#include "migration/ram-block.h"

#define NS_PER_S 1e9
/* A zero page on the wire. */
#define ZERO_PAGE_BYTES 9
/* Record header of a page. */
#define PAGE_BYTES (RAM_PAGE_SIZE + 8)
/* Passes that bring less than this do not count as getting anywhere. */
#define PROGRESS   0.995
#define PASSES_MAX 10000
#define NS_MAX     9e18

double dirty_curve_at(const DirtyCurve *curve, double ns)
{
    double t0 = 0, p0 = 0, slope = 0;

    for (unsigned i = 0; i < curve->n; i++) {
        double t = (double)curve->point[i].ns;
        double p = (double)curve->point[i].pages;

        slope = t > t0 ? (p - p0) / (t - t0) : slope;
        if (ns <= t) {
            return MIN(p0 + slope * (ns - t0), (double)curve->total_pages);
        }
        t0 = t;
        p0 = p;
    }
    return MIN(p0 + slope * (ns - t0), (double)curve->total_pages);
}

void forecast(const DirtyCurve *curve, uint64_t bandwidth, int64_t limit_ns,
              int64_t overhead_ns, Forecast *ret)
{
    double per_byte = bandwidth ? NS_PER_S / (double)bandwidth : NS_MAX;
    uint64_t zero =
        curve->total_pages - MIN(curve->total_pages, curve->data_pages);
    double pass = ((double)curve->data_pages * PAGE_BYTES +
                   (double)zero * ZERO_PAGE_BYTES) *
                  per_byte;
    double total = 0, least = NS_MAX;

    *ret = (Forecast){ .pause_ns = INT64_MAX };
    while (bandwidth && ret->passes < PASSES_MAX) {
        double pause;

        total += pass;
        ret->passes++;
        pass = dirty_curve_at(curve, pass) * PAGE_BYTES * per_byte;
        pause = pass + (double)overhead_ns;
        if (total >= NS_MAX || pause >= NS_MAX) {
            break;
        }
        if (pause <= (double)limit_ns) {
            ret->converges = true;
            ret->total_ns = (int64_t)(total + pause);
            ret->pause_ns = (int64_t)pause;
            return;
        }
        if (pause >= least * PROGRESS) {
            break;
        }
        least = pause;
        ret->pause_ns = (int64_t)pause;
    }
}
