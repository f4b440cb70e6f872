/*
 * Clocks and medians (see bench.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "bench.h"

#include <sched.h>

static double clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * 1e9 + ts.tv_nsec;
}

BenchTime bench_now(void)
{
    return (BenchTime){ .wall = clock_ns(CLOCK_MONOTONIC),
                        .cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) };
}

BenchTime bench_since(BenchTime start)
{
    BenchTime now = bench_now();

    return (BenchTime){ .wall = now.wall - start.wall,
                        .cpu = now.cpu - start.cpu };
}

void bench_pin(unsigned n)
{
    cpu_set_t may, one;

    if (sched_getaffinity(0, sizeof(may), &may) < 0) {
        g_error("sched_getaffinity: %s", g_strerror(errno));
    }
    n %= CPU_COUNT(&may);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &may) && n-- == 0) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    if (sched_setaffinity(0, sizeof(one), &one) < 0) {
        g_error("sched_setaffinity: %s", g_strerror(errno));
    }
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof(values[0]), compare_double);
    return values[n / 2];
}

const char *bench_verdict(double value, double target, int *missed)
{
    if (value >= target) {
        return "";
    }
    ++*missed;
    return "  below target";
}
