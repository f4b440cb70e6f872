/*
 * "info migrate" and its like.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration-hmp-info.h"

#include "io/socket-address.h"
#include "migration/migration-internal.h"
#include "qapi/qapi-commands-migration.h"

#define BAR_WIDTH 30
#define KBYTES(n) ((n) >> 10)

/* -- progress ------------------------------------------------------------------ */

static void print_forecast(HMPContext *ctx, const MigrationInfo *info)
{
    if (info->has_expected_time) {
        hmp_printf(ctx, ", about %.1f s left",
                   (double)info->expected_time / 1000);
    }
    if (info->has_expected_downtime) {
        hmp_printf(ctx, ", pause %" PRId64 " ms", info->expected_downtime);
    }
}

void hmp_migration_progress(HMPContext *ctx, const MigrationInfo *info)
{
    const MigrationRAMStats *ram = info->ram;
    char bar[BAR_WIDTH + 1];
    double done;
    int full;

    if (!ram || ram->total <= 0) {
        hmp_printf(ctx, "Migration: %s\n",
                   info->has_status ? MigrationStatus_str(info->status)
                                    : "none");
        return;
    }
    done = 1 - (double)MIN(ram->remaining, ram->total) / (double)ram->total;
    full = (int)(done * BAR_WIDTH);
    memset(bar, '-', BAR_WIDTH);
    memset(bar, '#', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    hmp_printf(ctx, "[%s] %3.0f%% pass %" PRId64 ", %.0f MiB/s", bar,
               done * 100, ram->dirty_sync_count,
               ram->mbps * 1e6 / 8 / 1048576);
    print_forecast(ctx, info);
    hmp_printf(ctx, "\n");
}

/* -- info migrate ----------------------------------------------------------------- */

static void print_times(HMPContext *ctx, const MigrationInfo *info)
{
    hmp_printf(ctx, "total time: %" PRId64 " ms\n", info->total_time);
    if (info->has_expected_downtime) {
        hmp_printf(ctx, "expected downtime: %" PRId64 " ms\n",
                   info->expected_downtime);
    }
    if (info->has_downtime) {
        hmp_printf(ctx, "downtime: %" PRId64 " ms\n", info->downtime);
    }
    if (info->has_setup_time) {
        hmp_printf(ctx, "setup: %" PRId64 " ms\n", info->setup_time);
    }
    if (info->has_expected_time) {
        hmp_printf(ctx, "expected end: in %" PRId64 " ms\n",
                   info->expected_time);
    }
}

static void print_ram(HMPContext *ctx, const MigrationRAMStats *r)
{
    hmp_printf(ctx, "transferred ram: %" PRId64 " kbytes\n",
               KBYTES(r->transferred));
    hmp_printf(ctx, "throughput: %0.2f mbps\n", r->mbps);
    hmp_printf(ctx, "remaining ram: %" PRId64 " kbytes\n",
               KBYTES(r->remaining));
    hmp_printf(ctx, "total ram: %" PRId64 " kbytes\n", KBYTES(r->total));
    hmp_printf(ctx, "duplicate: %" PRId64 " pages\n", r->duplicate);
    hmp_printf(ctx, "skipped: %" PRId64 " pages\n", r->skipped);
    hmp_printf(ctx, "normal: %" PRId64 " pages\n", r->normal);
    hmp_printf(ctx, "normal bytes: %" PRId64 " kbytes\n",
               KBYTES(r->normal_bytes));
    hmp_printf(ctx, "dirty sync count: %" PRId64 "\n", r->dirty_sync_count);
    hmp_printf(ctx, "page size: %" PRId64 " kbytes\n", KBYTES(r->page_size));
    hmp_printf(ctx, "multifd bytes: %" PRIu64 " kbytes\n",
               KBYTES(r->multifd_bytes));
    hmp_printf(ctx, "pages-per-second: %" PRIu64 "\n", r->pages_per_second);
    if (r->dirty_pages_rate) {
        hmp_printf(ctx, "dirty pages rate: %" PRId64 " pages\n",
                   r->dirty_pages_rate);
    }
    if (r->postcopy_requests) {
        hmp_printf(ctx, "postcopy request count: %" PRId64 "\n",
                   r->postcopy_requests);
    }
    hmp_printf(ctx, "precopy ram: %" PRIu64 " kbytes\n",
               KBYTES(r->precopy_bytes));
    hmp_printf(ctx, "downtime ram: %" PRIu64 " kbytes\n",
               KBYTES(r->downtime_bytes));
    hmp_printf(ctx, "postcopy ram: %" PRIu64 " kbytes\n",
               KBYTES(r->postcopy_bytes));
    if (r->dirty_sync_missed_zero_copy) {
        hmp_printf(ctx,
                   "Zero-copy-send fallbacks happened: %" PRIu64 " times\n",
                   r->dirty_sync_missed_zero_copy);
    }
}

static void print_xbzrle(HMPContext *ctx, const XBZRLECacheStats *x)
{
    hmp_printf(ctx, "cache size: %" PRIu64 " bytes\n", x->cache_size);
    hmp_printf(ctx, "xbzrle transferred: %" PRId64 " kbytes\n",
               KBYTES(x->bytes));
    hmp_printf(ctx, "xbzrle pages: %" PRId64 " pages\n", x->pages);
    hmp_printf(ctx, "xbzrle cache miss: %" PRId64 " pages\n", x->cache_miss);
    hmp_printf(ctx, "xbzrle cache miss rate: %0.2f\n", x->cache_miss_rate);
    hmp_printf(ctx, "xbzrle encoding rate: %0.2f\n", x->encoding_rate);
    hmp_printf(ctx, "xbzrle overflow: %" PRId64 "\n", x->overflow);
}

static void print_compression(HMPContext *ctx, const CompressionStats *c)
{
    hmp_printf(ctx, "compression pages: %" PRId64 " pages\n", c->pages);
    hmp_printf(ctx, "compression busy: %" PRId64 "\n", c->busy);
    hmp_printf(ctx, "compression busy rate: %0.2f\n", c->busy_rate);
    hmp_printf(ctx, "compressed size: %" PRId64 " kbytes\n",
               KBYTES(c->compressed_size));
    hmp_printf(ctx, "compression rate: %0.2f\n", c->compression_rate);
}

/* Headers of records cost a little: that is 0, not "-0". */
static double saved_percent(const MigrationMethodInfo *m)
{
    return m->bytes_in > m->bytes_out
               ? 100 - 100.0 * (double)m->bytes_out / (double)m->bytes_in
               : 0;
}

static void print_methods(HMPContext *ctx, const MigrationMethodInfoList *list)
{
    hmp_printf(ctx, "%-10s %10s %10s %11s %11s %7s %10s\n", "method", "pages",
               "tried", "KiB in", "KiB out", "saved", "CPU ms");
    for (; list; list = list->next) {
        const MigrationMethodInfo *m = list->value;

        if (m->pages || m->bytes_in) {
            hmp_printf(ctx,
                       "%-10s %10" PRIu64 " %10" PRIu64 " %11" PRIu64
                       " %11" PRIu64 " %6.0f%% %10.1f\n",
                       m->method, m->pages, m->pages_tried, KBYTES(m->bytes_in),
                       KBYTES(m->bytes_out), saved_percent(m), m->cpu_ms);
        }
    }
}

static void print_latency(HMPContext *ctx, const MigrationInfo *info)
{
    unsigned us = 1;

    hmp_printf(ctx,
               "postcopy latency: mean %.1f us, median %.1f us, 99 %% within "
               "%.1f us, longest %.1f us\n",
               (double)info->postcopy_latency / 1000,
               (double)info->postcopy_latency_median / 1000,
               (double)info->postcopy_latency_p99 / 1000,
               (double)info->postcopy_latency_max / 1000);
    hmp_printf(ctx, "postcopy latency distribution:\n");
    for (const uint64List *l = info->postcopy_latency_dist; l;
         l = l->next, us *= 2) {
        if (l->value) {
            hmp_printf(ctx, "  from %u us: %" PRIu64 "\n", us, l->value);
        }
    }
}

static void print_postcopy(HMPContext *ctx, const MigrationInfo *info)
{
    if (info->has_postcopy_blocktime) {
        hmp_printf(ctx, "postcopy blocktime: %" PRIu32 "\n",
                   info->postcopy_blocktime);
    }
    if (info->has_postcopy_vcpu_blocktime) {
        hmp_printf(ctx, "postcopy vcpu blocktime:");
        for (const uint32List *l = info->postcopy_vcpu_blocktime; l;
             l = l->next) {
            hmp_printf(ctx, " %" PRIu32, l->value);
        }
        hmp_printf(ctx, "\n");
    }
    if (info->has_postcopy_latency) {
        print_latency(ctx, info);
    }
}

static void print_addresses(HMPContext *ctx, SocketAddressList *list)
{
    if (list) {
        hmp_printf(ctx, "socket address: [\n");
    }
    for (const SocketAddressList *l = list; l; l = l->next) {
        g_autofree char *text = socket_uri(l->value);

        hmp_printf(ctx, "\t%s\n", text);
    }
    if (list) {
        hmp_printf(ctx, "]\n");
    }
}

static void print_bitmaps(HMPContext *ctx, const MigrationBitmapsInfo *info)
{
    hmp_printf(ctx,
               "dirty bitmaps: %" PRIu64 " of %" PRIu64 " complete, %" PRIu64
               " of %" PRIu64 " bytes\n",
               info->completed, info->bitmaps, info->transferred, info->total);
    if (info->error_desc) {
        hmp_printf(ctx, "dirty bitmaps were dropped: %s\n", info->error_desc);
    }
}

#define MB 1000000.0

static void print_throttle(HMPContext *ctx, const MigrationThrottleInfo *t)
{
    hmp_printf(ctx,
               "throttled: vCPUs slept %" PRIu64 " ms, at most %" PRId64 " %%",
               t->vcpu_time, t->percentage_max);
    if (t->has_dirty_rate_before) {
        hmp_printf(ctx, ", dirty rate before %.1f MB/s",
                   (double)t->dirty_rate_before / MB);
    }
    if (t->has_dirty_rate_after) {
        hmp_printf(ctx, ", with it %.1f MB/s",
                   (double)t->dirty_rate_after / MB);
    }
    hmp_printf(ctx, "\n");
}

static void print_rest(HMPContext *ctx, const MigrationInfo *info)
{
    if (info->dirty_bitmaps) {
        print_bitmaps(ctx, info->dirty_bitmaps);
    }
    if (info->xbzrle_cache) {
        print_xbzrle(ctx, info->xbzrle_cache);
    }
    if (info->compression) {
        print_compression(ctx, info->compression);
    }
    if (info->has_methods) {
        print_methods(ctx, info->methods);
    }
    if (info->has_cpu_throttle_percentage) {
        hmp_printf(ctx, "cpu throttle percentage: %" PRId64 "\n",
                   info->cpu_throttle_percentage);
    }
    if (info->throttle) {
        print_throttle(ctx, info->throttle);
    }
    if (info->has_dirty_limit_throttle_time_per_round) {
        hmp_printf(ctx, "dirty-limit throttle time: %" PRIu64 " us\n",
                   info->dirty_limit_throttle_time_per_round);
    }
    print_postcopy(ctx, info);
    print_addresses(ctx, info->socket_address);
}

void hmp_info_migrate(HMPContext *ctx, json_t *args)
{
    MigrationInfo *info = qmp_query_migrate(NULL);

    for (const strList *l = info->blocked_reasons; l; l = l->next) {
        hmp_printf(ctx, "%s%s\n",
                   l == info->blocked_reasons ? "Outgoing migration blocked:\n"
                                                "  "
                                              : "  ",
                   l->value);
    }
    if (!info->has_status) {
        qapi_free_MigrationInfo(info);
        return;
    }
    hmp_printf(ctx, "Migration status: %s%s%s%s\n",
               MigrationStatus_str(info->status), info->error_desc ? " (" : "",
               info->error_desc ? info->error_desc : "",
               info->error_desc ? ")" : "");
    if (info->ram) {
        hmp_migration_progress(ctx, info);
    }
    if (info->has_total_time) {
        print_times(ctx, info);
    }
    if (info->ram) {
        print_ram(ctx, info->ram);
    }
    print_rest(ctx, info);
    qapi_free_MigrationInfo(info);
}

/* -- settings ------------------------------------------------------------------------ */

void hmp_info_migrate_capabilities(HMPContext *ctx, json_t *args)
{
    MigrationCapabilityStatusList *list = qmp_query_migrate_capabilities(NULL);

    for (MigrationCapabilityStatusList *l = list; l; l = l->next) {
        hmp_printf(ctx, "%s: %s\n",
                   MigrationCapability_str(l->value->capability),
                   l->value->state ? "on" : "off");
    }
    qapi_free_MigrationCapabilityStatusList(list);
}

static const char *member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* block-bitmap-mapping: names and what they are called on the way. */
static void print_mapping(HMPContext *ctx, const char *name,
                          const json_t *mapping)
{
    const json_t *node, *bitmap;
    size_t i, k;

    hmp_printf(ctx, "%s:\n", name);
    json_array_foreach(mapping, i, node)
    {
        hmp_printf(ctx, "  '%s' -> '%s'\n", member(node, "node-name"),
                   member(node, "alias"));
        json_array_foreach(json_object_get(node, "bitmaps"), k, bitmap)
        {
            hmp_printf(ctx, "    '%s' -> '%s'\n", member(bitmap, "name"),
                       member(bitmap, "alias"));
        }
    }
}

void hmp_info_migrate_parameters(HMPContext *ctx, json_t *args)
{
    MigrationState *ms = migration_find();
    g_autoptr(json_t) all = NULL;

    if (!ms) {
        return;
    }
    qemu_mutex_lock(&ms->lock);
    all = migration_params_json(&ms->params);
    qemu_mutex_unlock(&ms->lock);
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        json_t *value = json_object_get(all, d->name);

        if (json_is_string(value)) {
            hmp_printf(ctx, d->kind == PARAM_TEXT ? "%s: '%s'\n" : "%s: %s\n",
                       d->name, json_string_value(value));
        } else if (json_is_boolean(value)) {
            hmp_printf(ctx, "%s: %s\n", d->name,
                       json_is_true(value) ? "on" : "off");
        } else if (json_is_array(value)) {
            print_mapping(ctx, d->name, value);
        } else if (value) {
            hmp_printf(ctx, "%s: %" JSON_INTEGER_FORMAT "%s%s\n", d->name,
                       json_integer_value(value), d->unit ? " " : "",
                       d->unit ? d->unit : "");
        }
    }
}
