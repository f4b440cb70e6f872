/*
 * Statistics of a migration: sums by atomics, rates by periods.
 *
 * Rates are those of the last whole period of STATS_PERIOD_NS: long enough to
 * be steady, short enough that a user sees a change at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stats.h"

#include "migration/ram/wire.h"

#define NS_PER_S UINT64_C(1000000000)
#define PPM      UINT64_C(1000000)

void stats_method_add(MigrationStats *s, PageMethod method, uint64_t pages,
                      uint64_t bytes_in, uint64_t bytes_out, uint64_t cpu_ns)
{
    MigrationMethodStats *m = &s->method[method];

    stats_add(&m->pages, pages);
    stats_add(&m->bytes_in, bytes_in);
    stats_add(&m->bytes_out, bytes_out);
    stats_add(&m->cpu_ns, cpu_ns);
}

uint64_t stats_method_tried(const MigrationMethodStats *m)
{
    return MAX(stats_get(&m->bytes_in) >> RAM_PAGE_BITS, stats_get(&m->pages));
}

uint64_t stats_method_out(const MigrationMethodStats *m)
{
    uint64_t pages = stats_get(&m->pages);
    uint64_t tried = stats_method_tried(m);

    return stats_get(&m->bytes_out) +
           (tried > pages ? tried - pages : 0) * RAM_WIRE_PLAIN_SIZE;
}

void stats_main_bytes(MigrationStats *s, uint64_t bytes)
{
    stats_add(&s->main_bytes, bytes);
    switch ((MigrationPhase)stats_get(&s->phase)) {
    case MIGRATION_PHASE_DOWNTIME:
        stats_add(&s->downtime_bytes, bytes);
        break;
    case MIGRATION_PHASE_POSTCOPY:
        stats_add(&s->postcopy_bytes, bytes);
        break;
    default:
        stats_add(&s->precopy_bytes, bytes);
        break;
    }
}

uint64_t stats_transferred(const MigrationStats *s)
{
    return stats_get(&s->main_bytes) + stats_get(&s->multifd.wire_bytes);
}

void stats_reset(MigrationStats *s)
{
    memset(s, 0, sizeof(*s));
}

/* @n * @scale / @d, 0 for an empty period. */
static uint64_t rate(uint64_t n, uint64_t scale, uint64_t d)
{
    return d ? (uint64_t)((unsigned __int128)n * scale / d) : 0;
}

void stats_sample(MigrationStats *s, MigrationStatsPeriod *p, int64_t now_ns)
{
    MigrationStatsPeriod now = {
        .start_ns = now_ns,
        .transferred = stats_transferred(s),
        .pages = stats_pages_sent(s),
        .xbzrle_pages = stats_get(&s->xbzrle_pages),
        .xbzrle_miss = stats_get(&s->xbzrle_cache_miss),
        .xbzrle_bytes = stats_get(&s->xbzrle_bytes),
        .compress_pages = stats_get(&s->compress_pages),
        .compress_busy = stats_get(&s->compress_busy),
    };
    uint64_t ns = (uint64_t)(now_ns - p->start_ns);
    uint64_t hits = now.xbzrle_pages - p->xbzrle_pages;
    uint64_t misses = now.xbzrle_miss - p->xbzrle_miss;
    uint64_t busy = now.compress_busy - p->compress_busy;

    if (!p->start_ns) {
        *p = now;
        return;
    }
    if (now_ns - p->start_ns < STATS_PERIOD_NS) {
        return;
    }
    stats_set(&s->bytes_per_second,
              rate(now.transferred - p->transferred, NS_PER_S, ns));
    stats_set(&s->pages_per_second, rate(now.pages - p->pages, NS_PER_S, ns));
    stats_set(&s->xbzrle_miss_rate_ppm, rate(misses, PPM, hits + misses));
    stats_set(&s->xbzrle_encoding_milli,
              rate(hits * 4096, 1000, now.xbzrle_bytes - p->xbzrle_bytes));
    stats_set(&s->compress_busy_rate_ppm,
              rate(busy, PPM, busy + now.compress_pages - p->compress_pages));
    *p = now;
}

uint64_t stats_pages_sent(const MigrationStats *s)
{
    uint64_t pages = 0;

    for (int m = 0; m < PAGE_METHOD__MAX; m++) {
        pages += stats_get(&s->method[m].pages);
    }
    return pages;
}

const char *stats_method_name(PageMethod method)
{
    static const char *const names[PAGE_METHOD__MAX] = {
        [PAGE_METHOD_UNTOUCHED] = "untouched",
        [PAGE_METHOD_ZERO] = "zero",
        [PAGE_METHOD_PLAIN] = "plain",
        [PAGE_METHOD_XBZRLE] = "xbzrle",
        [PAGE_METHOD_COMPRESS] = "compress",
        [PAGE_METHOD_MULTIFD] = "multifd",
    };

    return names[method];
}

double stats_mbps(const MigrationStats *s)
{
    return (double)stats_get(&s->bytes_per_second) * 8 / 1e6;
}
