/*
 * How long the guest waits for pages in a post-copy.
 *
 * Two questions, two accounts. How long did each vCPU stand (capability
 * postcopy-blocktime), and during which time did all of them? And how long
 * did one page take from its fault to its placement: a histogram, always kept,
 * with buckets of a quarter of a power of two, from which quantiles are read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_TIMES_H
#define MIGRATION_POSTCOPY_TIMES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct PostcopyTimes PostcopyTimes;

/* Faults that may wait at once and are timed; more are served untimed. */
#define POSTCOPY_TIMES_PENDING 1024
/* Four buckets for each power of two of nanoseconds. */
#define POSTCOPY_TIMES_BUCKETS (64 * 4)

/* What query-migrate shows. */
typedef struct PostcopyTimesReport {
    uint64_t faults;    /* pages waited for and placed */
    uint64_t mean_ns;   /* from the fault to the page */
    uint64_t median_ns; /* upper bound of its bucket, as p99_ns */
    uint64_t p99_ns;
    uint64_t max_ns;         /* exact */
    uint64_t by_us[32];      /* faults that took [2^i, 2^(i+1)) us; [0] also
                              those below 1 us */
    bool blocktime;          /* was the capability on? then also: */
    uint64_t all_blocked_ms; /* all vCPUs stood at once */
    unsigned vcpus;
    uint64_t *vcpu_blocked_ms; /* one for each vCPU */
    uint64_t *vcpu_mean_ns;    /* of its faults; the same */
    uint64_t other_mean_ns;    /* of faults of other threads */
} PostcopyTimesReport;

/** postcopy_times_report_clear: frees what it holds. */
void postcopy_times_report_clear(PostcopyTimesReport *r);

/**
 * postcopy_times_new:
 * @tids: (in) kernel thread of each vCPU; copied; NULL: no blocktime
 */
PostcopyTimes *postcopy_times_new(const int *tids, unsigned vcpus);
/** postcopy_times_free: NULL is allowed. */
void postcopy_times_free(PostcopyTimes *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PostcopyTimes, postcopy_times_free)

/**
 * postcopy_times_begin:
 * @addr: host address of the missing page
 * @tid: who waits; 0 = unknown
 * @now_ns: CLOCK_MONOTONIC
 *
 * Thread: any.
 */
void postcopy_times_begin(PostcopyTimes *t, uintptr_t addr, int tid,
                          int64_t now_ns);

/** postcopy_times_end: the page at @addr is there. Thread: any. */
void postcopy_times_end(PostcopyTimes *t, uintptr_t addr, int64_t now_ns);

/** postcopy_times_report: Thread: any. */
void postcopy_times_report(PostcopyTimes *t, PostcopyTimesReport *ret);

#endif
