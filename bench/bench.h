/*
 * Clocks and medians, for the programs of this folder.
 *
 * Exit status of a bench program: 0, BENCH_MISSED when it ran and a target was
 * missed; anything else means that it could not run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#define BENCH_MISSED 10

/* What a piece of work took, in nanoseconds. */
typedef struct BenchTime {
    double wall; /* by the clock */
    double cpu;  /* of the thread that did it */
} BenchTime;

/** bench_now: the present reading of both clocks, for bench_since(). */
BenchTime bench_now(void);

/** bench_since: what has passed since @start, in the same thread. */
BenchTime bench_since(BenchTime start);

/** bench_pin: the calling thread to the @n-th of the processors it may use,
 * counted round. The kernel likes to keep a sender and the receiver that it
 * wakes on one processor, while another is idle. */
void bench_pin(unsigned n);

/** bench_median: of @n > 0 values, whose order changes. */
double bench_median(double *values, size_t n);

/** bench_verdict: "" or a remark; counts misses in @missed. */
const char *bench_verdict(double value, double target, int *missed);

#endif
