/*
 * What a migration has done so far, in numbers.
 *
 * Every thread of a migration counts here; query-migrate reads without
 * stopping any of them. A member is one 64-bit word that is only ever read and
 * changed by the functions below, so a reader may see two members at slightly
 * different times, but never half a number.
 *
 * Each way to send a page (PageMethod) counts what it looked at, what it put on
 * the wire and the CPU time it cost. A page that it looked at in vain counts as
 * one that goes as it is, so a method that does not pay saves nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_STATS_H
#define MIGRATION_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "migration/multifd/multifd.h"

/* The ways in which a page can be sent. */
typedef enum PageMethod {
    PAGE_METHOD_UNTOUCHED, /* known to be zero without reading it */
    PAGE_METHOD_ZERO,      /* read, and zero */
    PAGE_METHOD_PLAIN,     /* its bytes, on the main or urgent channel */
    PAGE_METHOD_XBZRLE,    /* difference to what was sent before */
    PAGE_METHOD_COMPRESS,  /* by the pool of compressing threads */
    PAGE_METHOD_MULTIFD,   /* given to the channels, whatever they do to it */
    PAGE_METHOD__MAX,
} PageMethod;

/* To which account bytes of the main channel go. */
typedef enum MigrationPhase {
    MIGRATION_PHASE_PRECOPY,
    MIGRATION_PHASE_DOWNTIME,
    MIGRATION_PHASE_POSTCOPY,
} MigrationPhase;

/* One method's account. */
struct MigrationMethodStats {
    uint64_t pages;
    uint64_t bytes_in;  /* RAM looked at, also where it did not help */
    uint64_t bytes_out; /* of @pages on the wire, with record headers */
    uint64_t cpu_ns;    /* of all threads together; estimated by samples */
};

/**
 * MigrationStats:
 *
 * Counters since the migration's start, but for those marked "now". Bytes are
 * those handed to channels, before TLS.
 */
typedef struct MigrationStats {
    uint64_t total_bytes;     /* RAM of the guest */
    uint64_t remaining_bytes; /* now: dirty RAM still to be sent */
    uint64_t phase;           /* now: MigrationPhase */
    uint64_t main_bytes;      /* on the main and the urgent channel */
    uint64_t precopy_bytes;   /* of those, while the guest ran here */
    uint64_t downtime_bytes;  /* while it stood */
    uint64_t postcopy_bytes;  /* while it ran there */
    uint64_t urgent_bytes;    /* outside of the bandwidth limit */

    uint64_t skipped_pages; /* dirty, but equal to what the other side has */
    uint64_t dirty_sync_count;
    uint64_t dirty_pages_rate; /* now: pages the guest dirties in a second */
    uint64_t pages_per_second; /* now: pages sent in a second */
    uint64_t bytes_per_second; /* now: on all channels */
    uint64_t postcopy_requests;

    uint64_t xbzrle_cache_bytes; /* now: size of the cache */
    uint64_t xbzrle_bytes;
    uint64_t xbzrle_pages;
    uint64_t xbzrle_cache_miss;
    uint64_t xbzrle_overflow;
    uint64_t xbzrle_miss_rate_ppm;  /* in the last period: misses a page */
    uint64_t xbzrle_encoding_milli; /* RAM / bytes written, x 1000 */

    uint64_t compress_pages;
    uint64_t compress_busy; /* no thread was free: page sent plain */
    uint64_t compress_bytes;
    uint64_t compress_busy_rate_ppm; /* in the last period */

    MigrationMethodStats method[PAGE_METHOD__MAX];
    MultiFDStats multifd; /* counted by the channels */
} MigrationStats;

/* What stats_sample() remembers of the last period. Its caller's. */
typedef struct MigrationStatsPeriod {
    int64_t start_ns;
    uint64_t transferred;
    uint64_t pages;
    uint64_t xbzrle_pages, xbzrle_miss, xbzrle_bytes;
    uint64_t compress_pages, compress_busy;
} MigrationStatsPeriod;

/** stats_add: Thread: any. */
static inline void stats_add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/** stats_set: for members marked "now". Thread: any. */
static inline void stats_set(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, n, __ATOMIC_RELAXED);
}

/** stats_get: Thread: any. */
static inline uint64_t stats_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/** stats_main_bytes: @bytes were put on the main or the urgent channel: counts
 *  them for the phase too. ram/ram.h does so for RAM. Thread: any. */
void stats_main_bytes(MigrationStats *s, uint64_t bytes);

/** stats_transferred: bytes on all channels. Thread: any. */
uint64_t stats_transferred(const MigrationStats *s);

/** stats_method_add: one call for a batch of pages. Thread: any. */
void stats_method_add(MigrationStats *s, PageMethod method, uint64_t pages,
                      uint64_t bytes_in, uint64_t bytes_out, uint64_t cpu_ns);

/** stats_method_tried: pages that it was given, whether it took them or left
 *  them to another. */
uint64_t stats_method_tried(const MigrationMethodStats *m);

/** stats_method_out: what these are on the wire if those that it did not take
 *  go as they are: against bytes_in, what the method saves. */
uint64_t stats_method_out(const MigrationMethodStats *m);

/** stats_reset: everything 0, for a new migration. No other thread counts. */
void stats_reset(MigrationStats *s);

/**
 * stats_sample:
 * @s: (inout) its rates are computed
 * @p: (inout) zeroed before the first call; the end of the last period
 * @now_ns: CLOCK_MONOTONIC
 *
 * End a period if it lasted STATS_PERIOD_NS or longer, else do nothing.
 * Thread: one at a time (the migration thread).
 */
void stats_sample(MigrationStats *s, MigrationStatsPeriod *p, int64_t now_ns);

#define STATS_PERIOD_NS (INT64_C(100) * 1000 * 1000)

/** stats_pages_sent: pages handed over so far, by any method. */
uint64_t stats_pages_sent(const MigrationStats *s);

/** stats_method_name: "untouched", "zero", "plain", "xbzrle" ... */
const char *stats_method_name(PageMethod method);

/** stats_mbps: megabits a second, as query-migrate's "mbps". */
double stats_mbps(const MigrationStats *s);

#endif
