/*
 * query-migrate: a picture of a migration, taken without stopping it. Only
 * atomics and leaf locks are read, so it answers at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/blocker.h"
#include "migration/incoming/listener.h"
#include "migration/migration-internal.h"
#include "migration/migration.h"
#include "migration/postcopy/postcopy.h"
#include "migration/source/source.h"
#include "qapi/qapi-commands-migration.h"
#include "util/lockable.h"
#include "util/timer.h"

static double ratio(uint64_t in, uint64_t out)
{
    return out ? (double)in / (double)out : 0;
}

static uint64_t pages_by(const MigrationStats *s, PageMethod method)
{
    return stats_get(&s->method[method].pages);
}

static uint64_t zero_pages(const MigrationStats *s)
{
    return stats_get(&s->multifd.zero_pages) +
           pages_by(s, PAGE_METHOD_UNTOUCHED) + pages_by(s, PAGE_METHOD_ZERO);
}

static uint64_t normal_pages(const MigrationStats *s)
{
    return stats_get(&s->multifd.normal_pages) + pages_by(s, PAGE_METHOD_PLAIN);
}

/* Now; at the end: over the whole of it. */
static double mbps(MigrationState *ms, bool over)
{
    int64_t ns = qatomic_read(&ms->end_ns) - qatomic_read(&ms->setup_end_ns);

    return over && ns > 0
               ? (double)stats_transferred(&ms->stats) * 8e3 / (double)ns
               : stats_mbps(&ms->stats);
}

static MigrationRAMStats *ram_stats(MigrationState *ms)
{
    const MigrationStats *s = &ms->stats;
    MigrationRAMStats *r = g_new0(MigrationRAMStats, 1);
    bool over = migration_is_idle(ms);

    r->transferred = (int64_t)stats_transferred(s);
    r->total = (int64_t)stats_get(&s->total_bytes);
    r->remaining = over ? 0 : (int64_t)stats_get(&s->remaining_bytes);
    r->duplicate = (int64_t)zero_pages(s);
    r->skipped = (int64_t)stats_get(&s->skipped_pages);
    r->normal = (int64_t)normal_pages(s);
    r->normal_bytes = r->normal * (int64_t)RAM_PAGE_SIZE;
    r->dirty_pages_rate = (int64_t)stats_get(&s->dirty_pages_rate);
    r->mbps = mbps(ms, over);
    r->dirty_sync_count = (int64_t)stats_get(&s->dirty_sync_count);
    r->postcopy_requests = (int64_t)stats_get(&s->postcopy_requests);
    r->page_size = (int64_t)RAM_PAGE_SIZE;
    r->multifd_bytes = stats_get(&s->multifd.wire_bytes);
    r->pages_per_second = stats_get(&s->pages_per_second);
    r->precopy_bytes = stats_get(&s->precopy_bytes);
    r->downtime_bytes = stats_get(&s->downtime_bytes);
    r->postcopy_bytes = stats_get(&s->postcopy_bytes);
    r->dirty_sync_missed_zero_copy = stats_get(&s->multifd.zero_copy_missed);
    return r;
}

static XBZRLECacheStats *xbzrle_stats(const MigrationStats *s)
{
    XBZRLECacheStats *x = g_new0(XBZRLECacheStats, 1);

    x->cache_size = stats_get(&s->xbzrle_cache_bytes);
    x->bytes = (int64_t)stats_get(&s->xbzrle_bytes);
    x->pages = (int64_t)stats_get(&s->xbzrle_pages);
    x->cache_miss = (int64_t)stats_get(&s->xbzrle_cache_miss);
    x->cache_miss_rate = (double)stats_get(&s->xbzrle_miss_rate_ppm) / 1e6;
    x->encoding_rate = (double)stats_get(&s->xbzrle_encoding_milli) / 1e3;
    x->overflow = (int64_t)stats_get(&s->xbzrle_overflow);
    return x;
}

static CompressionStats *compression_stats(const MigrationStats *s)
{
    CompressionStats *c = g_new0(CompressionStats, 1);
    uint64_t bytes = stats_get(&s->compress_bytes);

    c->pages = (int64_t)stats_get(&s->compress_pages);
    c->busy = (int64_t)stats_get(&s->compress_busy);
    c->busy_rate = (double)stats_get(&s->compress_busy_rate_ppm) / 1e6;
    c->compressed_size = (int64_t)bytes;
    c->compression_rate =
        ratio(stats_get(&s->compress_pages) * RAM_PAGE_SIZE, bytes);
    return c;
}

static MigrationMethodInfoList *method_list(const MigrationStats *s)
{
    MigrationMethodInfoList *list = NULL;
    MigrationMethodInfoList **tail = &list;

    for (int i = 0; i < PAGE_METHOD__MAX; i++) {
        const MigrationMethodStats *m = &s->method[i];
        MigrationMethodInfo *info = g_new0(MigrationMethodInfo, 1);

        info->method = g_strdup(stats_method_name((PageMethod)i));
        info->pages = stats_get(&m->pages);
        info->bytes_in = stats_get(&m->bytes_in);
        info->pages_tried = stats_method_tried(m);
        info->bytes_out = stats_method_out(m);
        info->ratio = ratio(info->bytes_in, info->bytes_out);
        info->cpu_ms = (double)stats_get(&m->cpu_ns) / 1e6;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static MigrationBitmapsInfo *bitmaps_info(BitmapStats *s)
{
    MigrationBitmapsInfo *info;

    if (!qatomic_read(&s->bitmaps)) {
        return NULL;
    }
    info = g_new0(MigrationBitmapsInfo, 1);
    info->bitmaps = qatomic_read(&s->bitmaps);
    info->completed = qatomic_read(&s->completed);
    info->total = qatomic_read(&s->bytes);
    info->transferred = MIN(qatomic_read(&s->done), info->total);
    info->error_desc = g_strdup(qatomic_load_acquire(&s->error));
    return info;
}

/* -- the source ------------------------------------------------------------------- */

static void fill_times(MigrationState *ms, MigrationInfo *info,
                       MigrationStatus status)
{
    int64_t start = qatomic_read(&ms->start_ns);
    int64_t end = qatomic_read(&ms->end_ns);
    int64_t setup_end = qatomic_read(&ms->setup_end_ns);
    int64_t downtime = qatomic_read(&ms->downtime_ns);
    int64_t expected = qatomic_read(&ms->expected_downtime_ns);

    info->has_total_time = true;
    info->total_time =
        ((end ? end : qemu_clock_get_ns(QEMU_CLOCK_REALTIME)) - start) /
        SCALE_MS;
    if (setup_end) {
        info->has_setup_time = true;
        info->setup_time = (setup_end - start) / SCALE_MS;
    }
    if (status == MIGRATION_STATUS_COMPLETED ||
        migration_status_is_postcopy(status)) {
        info->has_downtime = true;
        info->downtime = (downtime + SCALE_MS - 1) / SCALE_MS;
    } else if (migration_status_is_running(status)) {
        info->has_expected_downtime = true;
        info->expected_downtime =
            expected && expected != INT64_MAX
                ? (expected + SCALE_MS - 1) / SCALE_MS
                : (int64_t)migrate_param(ms, downtime_limit);
    }
}

/* Also after the end: was it worth it? */
static MigrationThrottleInfo *throttle_info(MigrationState *ms)
{
    MigrationThrottling *t = &ms->throttling;
    uint64_t slept = source_throttle_slept_ns(ms);
    MigrationThrottleInfo *info;

    if (!slept && !migrate_cap(ms, MIGRATION_CAPABILITY_AUTO_CONVERGE) &&
        !migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_LIMIT)) {
        return NULL;
    }
    info = g_new0(MigrationThrottleInfo, 1);
    info->vcpu_time = slept / SCALE_MS;
    info->percentage_max = qatomic_read(&t->percent_most);
    info->has_dirty_rate_before = qatomic_read(&t->has_before);
    info->dirty_rate_before = qatomic_read(&t->rate_before);
    info->has_dirty_rate_after = qatomic_read(&t->has_after);
    info->dirty_rate_after = qatomic_read(&t->rate_after);
    return info;
}

static void fill_throttle(MigrationState *ms, MigrationInfo *info)
{
    const MigrationHost *host = ms->host;
    unsigned percent = host->throttle_get(ms->host_opaque);

    if (percent) {
        info->has_cpu_throttle_percentage = true;
        info->cpu_throttle_percentage = percent;
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_LIMIT)) {
        info->has_dirty_limit_throttle_time_per_round = true;
        info->dirty_limit_throttle_time_per_round =
            qatomic_read(&ms->throttling.round_ns) / SCALE_US;
        if (host->ring_full_ns) {
            info->has_dirty_limit_ring_full_time = true;
            info->dirty_limit_ring_full_time =
                host->ring_full_ns(ms->host_opaque) / SCALE_US;
        }
    }
}

static void fill_source(MigrationState *ms, MigrationInfo *info,
                        MigrationStatus status)
{
    uint64_t left;

    info->has_status = true;
    info->status = status;
    if (qatomic_read(&ms->start_ns)) {
        fill_times(ms, info, status);
    }
    if (!qatomic_read(&ms->setup_end_ns)) {
        return;
    }
    info->dirty_bitmaps = bitmaps_info(&ms->bitmap_stats);
    info->ram = ram_stats(ms);
    info->has_methods = true;
    info->methods = method_list(&ms->stats);
    info->throttle = throttle_info(ms);
    if (migrate_cap(ms, MIGRATION_CAPABILITY_XBZRLE)) {
        info->xbzrle_cache = xbzrle_stats(&ms->stats);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_COMPRESS)) {
        info->compression = compression_stats(&ms->stats);
    }
    if (!migration_status_is_running(status)) {
        return;
    }
    fill_throttle(ms, info);
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        left = ms->run ? qatomic_read(&ms->run->expected_end_ms) : UINT64_MAX;
    }
    if (left <= INT64_MAX) {
        info->has_expected_time = true;
        info->expected_time = (int64_t)left;
    }
}

/* -- the destination ----------------------------------------------------------------- */

static void fill_latency(const PostcopyTimesReport *r, MigrationInfo *info)
{
    uint64List **tail = &info->postcopy_latency_dist;
    uint64List **each = &info->postcopy_vcpu_latency;

    info->has_postcopy_latency = true;
    info->postcopy_latency = r->mean_ns;
    info->has_postcopy_latency_median = true;
    info->postcopy_latency_median = r->median_ns;
    info->has_postcopy_latency_p99 = true;
    info->postcopy_latency_p99 = r->p99_ns;
    info->has_postcopy_latency_max = true;
    info->postcopy_latency_max = r->max_ns;
    info->has_postcopy_latency_dist = true;
    for (size_t i = 0; i < G_N_ELEMENTS(r->by_us); i++) {
        QAPI_LIST_APPEND(tail, r->by_us[i]);
    }
    info->has_postcopy_vcpu_latency = true;
    for (unsigned i = 0; i < r->vcpus; i++) {
        QAPI_LIST_APPEND(each, r->vcpu_mean_ns[i]);
    }
    info->has_postcopy_non_vcpu_latency = true;
    info->postcopy_non_vcpu_latency = r->other_mean_ns;
}

static void fill_blocktime(MigrationIncoming *mis, MigrationInfo *info)
{
    PostcopyTimesReport r = { 0 };
    uint32List **tail = &info->postcopy_vcpu_blocktime;

    if (!migrate_cap(mis->ms, MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME) ||
        !postcopy_incoming_times(mis, &r)) {
        return;
    }
    info->has_postcopy_blocktime = true;
    info->postcopy_blocktime = (uint32_t)r.all_blocked_ms;
    info->has_postcopy_vcpu_blocktime = true;
    for (unsigned i = 0; i < r.vcpus; i++) {
        QAPI_LIST_APPEND(tail, (uint32_t)r.vcpu_blocked_ms[i]);
    }
    fill_latency(&r, info);
    postcopy_times_report_clear(&r);
}

static void fill_incoming(MigrationIncoming *mis, MigrationInfo *info,
                          MigrationStatus status)
{
    int64_t start = qatomic_read(&mis->start_ns);

    info->has_status = true;
    info->status = status;
    if (start) {
        int64_t end = qatomic_read(&mis->end_ns);

        if (!end) {
            end = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        }
        info->has_total_time = true;
        info->total_time = (end - start) / SCALE_MS;
    }
    fill_blocktime(mis, info);
    info->dirty_bitmaps = bitmaps_info(&mis->bitmap_stats);
}

static void fill_address(MigrationIncoming *mis, MigrationInfo *info)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    if (mis->listener) {
        info->socket_address = migration_listener_addresses(mis->listener);
        info->has_socket_address = info->socket_address != NULL;
    }
}

MigrationInfo *qmp_query_migrate(Error **errp)
{
    MigrationState *ms = migration_find();
    MigrationInfo *info = g_new0(MigrationInfo, 1);
    MigrationIncoming *mis = ms ? qatomic_load_acquire(&ms->incoming) : NULL;
    MigrationStatus status;

    if (!ms) {
        return info;
    }
    info->blocked_reasons = migration_blocked_reasons(ms);
    info->has_blocked_reasons = info->blocked_reasons != NULL;
    status = migration_status(&ms->course);
    if (status != MIGRATION_STATUS_NONE) {
        fill_source(ms, info, status);
        QEMU_LOCK_GUARD(&ms->lock);
        if (ms->error && (!migration_status_is_running(status) ||
                          status == MIGRATION_STATUS_POSTCOPY_PAUSED)) {
            info->error_desc = g_strdup(error_get_pretty(ms->error));
        }
        return info;
    }
    if (!mis) {
        return info;
    }
    status = migration_status(&mis->course);
    if (status != MIGRATION_STATUS_NONE) {
        fill_incoming(mis, info, status);
        fill_address(mis, info);
        QEMU_LOCK_GUARD(&ms->lock);
        if (mis->error) {
            info->error_desc = g_strdup(error_get_pretty(mis->error));
        } else if (status == MIGRATION_STATUS_SETUP ||
                   status == MIGRATION_STATUS_POSTCOPY_PAUSED) {
            info->error_desc = g_strdup(mis->refused);
        }
    }
    return info;
}
