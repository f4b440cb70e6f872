/*
 * Forecast: how a pre-copy migration of a guest would go that writes its memory
 * by a known curve.
 *
 * The curve says how many different pages the guest writes within a time: it
 * flattens when the guest writes the same pages again and again, so that long
 * passes cost less than a rate would make believe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_FORECAST_H
#define MIGRATION_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#define DIRTY_CURVE_POINTS 8

typedef struct DirtyCurve {
    uint64_t total_pages; /* of all memory that can be written */
    uint64_t data_pages;  /* not known to be zero */
    unsigned n;           /* points, ascending in both */
    struct {
        int64_t ns;
        uint64_t pages;
    } point[DIRTY_CURVE_POINTS];
} DirtyCurve;

/** dirty_curve_at: pages written within @ns; beyond the last point as the last
 *  stretch goes on, at most all. */
double dirty_curve_at(const DirtyCurve *curve, double ns);

typedef struct Forecast {
    bool converges;
    int64_t total_ns; /* if it does */
    uint64_t passes;  /* before the pause */
    int64_t pause_ns; /* if not: the shortest that was reached */
} Forecast;

/**
 * forecast:
 * @bandwidth: bytes/s; 0 never converges
 * @limit_ns: of the pause
 * @overhead_ns: of the pause, beside sending memory
 */
void forecast(const DirtyCurve *curve, uint64_t bandwidth, int64_t limit_ns,
              int64_t overhead_ns, Forecast *ret);

#endif
