/*
 * The human monitor's commands about dirty rates: thin over those of QMP.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty-tracking.h"
#include "qapi/qapi-commands-dirty-rate.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/timer.h"

#define POLL_NS (INT64_C(20) * 1000 * 1000)
#define MB      1000000.0

#define MS_PER_S 1000

static void hmp_calc_dirty_rate(HMPContext *ctx, json_t *args)
{
    int64_t seconds = hmp_arg_int(args, "second", 0);
    int64_t samples = hmp_arg_int(args, "sample_pages_per_GB", 0);
    bool ring = hmp_arg_bool(args, "dirty_ring", false);
    bool bitmap = hmp_arg_bool(args, "dirty_bitmap", false);
    DirtyRateMeasureMode mode = ring ? DIRTY_RATE_MEASURE_MODE_DIRTY_RING
                                : bitmap
                                    ? DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP
                                    : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
    Error *err = NULL;

    if (ring && bitmap) {
        hmp_printf(ctx, "Either -r or -b, not both\n");
        return;
    }
    qmp_calc_dirty_rate(seconds, false, 0, samples != 0, samples, true, mode,
                        &err);
    if (!hmp_handle_error(ctx, err)) {
        hmp_printf(ctx,
                   "Starting dirty rate measurement with period %" PRId64
                   " seconds\n[Please use 'info dirty_rate' to check "
                   "results]\n",
                   seconds);
    }
}

static void hmp_info_dirty_rate(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    DirtyRateInfo *info =
        qmp_query_dirty_rate(true, TIME_UNIT_MILLISECOND, &err);

    if (hmp_handle_error(ctx, err)) {
        return;
    }
    hmp_printf(ctx, "Status: %s\n", DirtyRateStatus_str(info->status));
    hmp_printf(ctx, "Start Time: %" PRId64 " (ms)\n", info->start_time);
    if (info->mode == DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING) {
        hmp_printf(ctx, "Sample Pages: %" PRIu64 " (per GB)\n",
                   info->sample_pages);
    }
    if (info->calc_time % MS_PER_S) {
        hmp_printf(ctx, "Period: %" PRId64 " (ms)\n", info->calc_time);
    } else {
        hmp_printf(ctx, "Period: %" PRId64 " (sec)\n",
                   info->calc_time / MS_PER_S);
    }
    hmp_printf(ctx, "Mode: %s\n", DirtyRateMeasureMode_str(info->mode));
    if (info->has_dirty_rate) {
        hmp_printf(ctx, "Dirty rate: %" PRId64 " (MB/s)\n", info->dirty_rate);
    } else {
        hmp_printf(ctx, "Dirty rate: (not ready)\n");
    }
    for (DirtyRateVcpuList *v = info->vcpu_dirty_rate; v; v = v->next) {
        hmp_printf(ctx, "vcpu[%" PRId64 "], Dirty rate: %" PRId64 " (MB/s)\n",
                   v->value->id, v->value->dirty_rate);
    }
    qapi_free_DirtyRateInfo(info);
}

static void hmp_set_vcpu_dirty_limit(HMPContext *ctx, json_t *args)
{
    int64_t rate = hmp_arg_int(args, "dirty_rate", 0);
    int64_t cpu = hmp_arg_int(args, "cpu_index", -1);
    Error *err = NULL;

    if (rate < 0) {
        hmp_printf(ctx, "Error: dirty_rate must not be negative\n");
        return;
    }
    qmp_set_vcpu_dirty_limit(cpu != -1, cpu, (uint64_t)rate, &err);
    if (!hmp_handle_error(ctx, err)) {
        hmp_printf(ctx, "[Please use 'info vcpu_dirty_limit' to query dirty "
                        "limit for virtual CPU]\n");
    }
}

static void hmp_cancel_vcpu_dirty_limit(HMPContext *ctx, json_t *args)
{
    int64_t cpu = hmp_arg_int(args, "cpu_index", -1);
    Error *err = NULL;

    qmp_cancel_vcpu_dirty_limit(cpu != -1, cpu, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_info_vcpu_dirty_limit(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    DirtyLimitInfoList *list = qmp_query_vcpu_dirty_limit(&err);

    if (hmp_handle_error(ctx, err)) {
        return;
    }
    if (!list) {
        hmp_printf(ctx, "Dirty page limit not enabled!\n");
    }
    for (DirtyLimitInfoList *l = list; l; l = l->next) {
        hmp_printf(ctx,
                   "vcpu[%" PRId64 "], limit rate %" PRIu64
                   " (MB/s), current rate %" PRIu64 " (MB/s)\n",
                   l->value->cpu_index, l->value->limit_rate,
                   l->value->current_rate);
    }
    qapi_free_DirtyLimitInfoList(list);
}

/* -- forecast ---------------------------------------------------------------------- */

static DirtyRateStatus curve_status(void)
{
    DirtyCurveInfo *info = qmp_query_dirty_curve(NULL);
    DirtyRateStatus status = info ? info->status : DIRTY_RATE_STATUS_UNSTARTED;

    qapi_free_DirtyCurveInfo(info);
    return status;
}

static void print_entry(HMPContext *ctx, const MigrationForecast *e)
{
    hmp_printf(ctx, "%11.0f MB/s %8" PRIu64 " ms  ", (double)e->bandwidth / MB,
               e->downtime_limit);
    if (e->converges) {
        hmp_printf(ctx, "%8.1f s in %" PRId64 " passes, pause %.1f ms\n",
                   (double)e->total_time / 1000, e->passes, e->downtime);
    } else {
        hmp_printf(ctx, "does not converge (pause at least %.1f ms)\n",
                   e->downtime);
    }
}

static void coroutine_fn hmp_migrate_forecast(HMPContext *ctx, json_t *args)
{
    int64_t ms = hmp_arg_int(args, "milliseconds", 0);
    MigrationForecastList *list;
    Error *err = NULL;

    qmp_calc_dirty_curve(ms != 0, ms, &err);
    if (hmp_handle_error(ctx, err)) {
        return;
    }
    while (curve_status() == DIRTY_RATE_STATUS_MEASURING) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, POLL_NS);
    }
    list = qmp_migrate_forecast(false, NULL, false, NULL, false, 0, &err);
    if (hmp_handle_error(ctx, err)) {
        return;
    }
    hmp_printf(ctx, "   bandwidth  downtime-limit  time\n");
    for (MigrationForecastList *l = list; l; l = l->next) {
        print_entry(ctx, l->value);
    }
    qapi_free_MigrationForecastList(list);
}

const HMPCommand migration_dirty_hmp_commands[] = {
    { .name = "calc_dirty_rate",
      .args = "dirty_ring:-r,dirty_bitmap:-b,second:l,sample_pages_per_GB:l?",
      .params = "[-r] [-b] second [sample_pages_per_GB]",
      .help = "measure how fast the guest writes its memory (-r: by each "
              "vCPU's count, -b: by a log of writes)",
      .handler = hmp_calc_dirty_rate },
    { .name = "cancel_vcpu_dirty_limit",
      .args = "cpu_index:l?",
      .params = "[cpu_index]",
      .help = "no limit of how fast vCPUs write memory",
      .handler = hmp_cancel_vcpu_dirty_limit },
    { .name = "migrate_forecast",
      .args = "milliseconds:l?",
      .params = "[milliseconds]",
      .help = "how long a migration would take, by what the guest writes now",
      .handler = hmp_migrate_forecast,
      .flags = HMP_COROUTINE },
    { .name = "set_vcpu_dirty_limit",
      .args = "dirty_rate:l,cpu_index:l?",
      .params = "dirty_rate [cpu_index]",
      .help = "limit how fast vCPUs write memory (MB/s)",
      .handler = hmp_set_vcpu_dirty_limit },
    {},
};

const HMPCommand migration_dirty_hmp_info[] = {
    { .name = "dirty_rate",
      .args = "",
      .params = "",
      .help = "show the measured dirty rate",
      .handler = hmp_info_dirty_rate },
    { .name = "vcpu_dirty_limit",
      .args = "",
      .params = "",
      .help = "show limits of how fast vCPUs write memory",
      .handler = hmp_info_vcpu_dirty_limit },
    {},
};
