/*
 * The object that measures and limits how fast the guest writes its memory, and
 * its commands of QMP.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty-tracking.h"
#include "migration/dirty/limit.h"
#include "migration/dirty/measure.h"
#include "qapi/qapi-commands-dirty-rate.h"
#include "qapi/util.h"
#include "util/error.h"

#define PATH                "/dirty-tracking"
#define MS                  INT64_C(1000000)
#define MS_PER_S            1000
#define OVERHEAD_DEFAULT_MS 5
/* Most lines of a forecast. */
#define FORECAST_ENTRIES_MAX 1024

struct DirtyTracking {
    Object parent;

    DirtyMeasure *measure;
    DirtyLimit *limit;
};

OBJECT_DECLARE_SIMPLE_TYPE(DirtyTracking, DIRTY_TRACKING)

/* -- the object --------------------------------------------------------------- */

DirtyTracking *dirty_tracking_new(const MigrationHost *host, void *rate_opaque,
                                  void *limit_opaque)
{
    DirtyTracking *dt = DIRTY_TRACKING(object_new(TYPE_DIRTY_TRACKING));

    dt->measure = dirty_measure_new(host, rate_opaque);
    dt->limit = dirty_limit_new(host, limit_opaque);
    object_property_add_child(object_get_root(), PATH + 1, OBJECT(dt));
    object_unref(OBJECT(dt));
    return dt;
}

void dirty_tracking_shutdown(DirtyTracking *dt)
{
    if (dt) {
        dirty_measure_free(dt->measure);
        dirty_limit_free(dt->limit);
        dt->measure = NULL;
        dt->limit = NULL;
        object_unparent(OBJECT(dt));
    }
}

DirtyTracking *dirty_tracking_find(void)
{
    return (DirtyTracking *)object_resolve_path_type(PATH, TYPE_DIRTY_TRACKING,
                                                     NULL);
}

bool dirty_tracking_limit_all(DirtyTracking *dt, uint64_t mib_per_s,
                              uint64_t period_ms, Error **errp)
{
    return !dt ||
           dirty_limit_set_migration(dt->limit, mib_per_s, period_ms, errp);
}

extern const TypeInfo migration_type_dirty_tracking;
const TypeInfo migration_type_dirty_tracking = {
    .name = TYPE_DIRTY_TRACKING,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(DirtyTracking),
};

static DirtyTracking *find(Error **errp)
{
    DirtyTracking *dt = dirty_tracking_find();

    if (!dt) {
        error_setg(errp, "there is no machine yet");
    }
    return dt;
}

/* -- calc-dirty-rate ------------------------------------------------------------- */

static const DirtyKind kind_of_mode[] = {
    [DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING] = DIRTY_KIND_SAMPLES,
    [DIRTY_RATE_MEASURE_MODE_DIRTY_RING] = DIRTY_KIND_VCPUS,
    [DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP] = DIRTY_KIND_BITMAP,
};

static DirtyRateMeasureMode mode_of_kind(DirtyKind kind)
{
    for (int m = 0; m < DIRTY_RATE_MEASURE_MODE__MAX; m++) {
        if (kind_of_mode[m] == kind) {
            return m;
        }
    }
    return DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
}

static DirtyRateStatus status_of(DirtyMeasureStatus status)
{
    switch (status) {
    case DIRTY_MEASURE_MEASURING:
        return DIRTY_RATE_STATUS_MEASURING;
    case DIRTY_MEASURE_MEASURED:
        return DIRTY_RATE_STATUS_MEASURED;
    default:
        return DIRTY_RATE_STATUS_UNSTARTED;
    }
}

void qmp_calc_dirty_rate(int64_t calc_time, bool has_calc_time_unit,
                         TimeUnit calc_time_unit, bool has_sample_pages,
                         int64_t sample_pages, bool has_mode,
                         DirtyRateMeasureMode mode, Error **errp)
{
    bool is_ms = has_calc_time_unit && calc_time_unit == TIME_UNIT_MILLISECOND;
    DirtyMeasureConfig config = { .kind = DIRTY_KIND_SAMPLES };
    DirtyTracking *dt = find(errp);

    if (!dt) {
        return;
    }
    if (has_mode) {
        config.kind = kind_of_mode[mode];
    }
    if (has_sample_pages && config.kind != DIRTY_KIND_SAMPLES) {
        error_setg(errp, "sample-pages is only for mode 'page-sampling'");
        return;
    }
    if (calc_time < 0 || calc_time > DIRTY_MEASURE_MS_MAX) {
        calc_time = -1; /* says dirty_measure_start() */
    }
    config.time_ms = is_ms ? calc_time : calc_time * MS_PER_S;
    if (config.kind == DIRTY_KIND_SAMPLES) {
        config.sample_pages =
            has_sample_pages
                ? (unsigned)MIN(MAX(sample_pages, 0), DIRTY_SAMPLES_MAX + 1)
                : DIRTY_SAMPLES_DEFAULT;
    }
    dirty_measure_start(dt->measure, &config, errp);
}

static void add_vcpu_rates(DirtyRateInfo *info, const DirtyMeasureResult *r)
{
    info->has_vcpu_dirty_rate = true;
    for (unsigned i = r->n_vcpus; i > 0; i--) {
        DirtyRateVcpu *v = g_new0(DirtyRateVcpu, 1);

        v->id = i - 1;
        v->dirty_rate = (int64_t)(r->vcpu_mib_per_s[i - 1] + 0.5);
        QAPI_LIST_PREPEND(info->vcpu_dirty_rate, v);
    }
}

DirtyRateInfo *qmp_query_dirty_rate(bool has_calc_time_unit,
                                    TimeUnit calc_time_unit, Error **errp)
{
    DirtyTracking *dt = find(errp);
    DirtyMeasureResult r;
    DirtyRateInfo *info;

    if (!dt) {
        return NULL;
    }
    dirty_measure_get(dt->measure, false, &r);
    info = g_new0(DirtyRateInfo, 1);
    info->status = status_of(r.status);
    info->start_time = r.start_s;
    info->calc_time_unit =
        has_calc_time_unit ? calc_time_unit : TIME_UNIT_SECOND;
    info->calc_time = info->calc_time_unit == TIME_UNIT_MILLISECOND
                          ? r.config.time_ms
                          : r.config.time_ms / MS_PER_S;
    info->sample_pages = r.config.sample_pages;
    info->mode = mode_of_kind(r.config.kind);
    if (r.status == DIRTY_MEASURE_MEASURED) {
        info->has_dirty_rate = true;
        info->dirty_rate = (int64_t)(r.mib_per_s + 0.5);
        if (r.config.kind == DIRTY_KIND_VCPUS) {
            add_vcpu_rates(info, &r);
        }
    }
    dirty_measure_result_clear(&r);
    return info;
}

/* -- dirty limits ---------------------------------------------------------------- */

void qmp_set_vcpu_dirty_limit(bool has_cpu_index, int64_t cpu_index,
                              uint64_t dirty_rate, Error **errp)
{
    DirtyTracking *dt = find(errp);

    if (dt && has_cpu_index && cpu_index < 0) {
        error_setg(errp, "there is no vCPU %" PRId64, cpu_index);
    } else if (dt) {
        /* As elsewhere, a limit of nothing is none. */
        dirty_limit_set(dt->limit, has_cpu_index ? cpu_index : -1, dirty_rate,
                        errp);
    }
}

void qmp_cancel_vcpu_dirty_limit(bool has_cpu_index, int64_t cpu_index,
                                 Error **errp)
{
    qmp_set_vcpu_dirty_limit(has_cpu_index, cpu_index, 0, errp);
}

DirtyLimitInfoList *qmp_query_vcpu_dirty_limit(Error **errp)
{
    DirtyTracking *dt = find(errp);
    g_autoptr(GArray) states = dt ? dirty_limit_query(dt->limit) : NULL;
    DirtyLimitInfoList *list = NULL;

    for (guint i = states ? states->len : 0; i > 0; i--) {
        const DirtyLimitState *s =
            &g_array_index(states, DirtyLimitState, i - 1);
        DirtyLimitInfo *info = g_new0(DirtyLimitInfo, 1);

        info->cpu_index = s->cpu;
        info->limit_rate = s->limit;
        info->current_rate = s->current;
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

/* -- forecast ---------------------------------------------------------------------- */

void qmp_calc_dirty_curve(bool has_calc_time, int64_t calc_time, Error **errp)
{
    DirtyTracking *dt = find(errp);
    DirtyMeasureConfig config = {
        .kind = DIRTY_KIND_CURVE,
        .time_ms = has_calc_time ? calc_time : DIRTY_CURVE_MS_DEFAULT,
    };

    if (dt) {
        dirty_measure_start(dt->measure, &config, errp);
    }
}

DirtyCurveInfo *qmp_query_dirty_curve(Error **errp)
{
    DirtyTracking *dt = find(errp);
    DirtyMeasureResult r;
    DirtyCurveInfo *info;

    if (!dt) {
        return NULL;
    }
    dirty_measure_get(dt->measure, true, &r);
    info = g_new0(DirtyCurveInfo, 1);
    info->status = status_of(r.status);
    info->total_pages = r.curve.total_pages;
    info->data_pages = r.curve.data_pages;
    info->has_points = r.status == DIRTY_MEASURE_MEASURED;
    for (unsigned i = info->has_points ? r.curve.n : 0; i > 0; i--) {
        DirtyCurvePoint *p = g_new0(DirtyCurvePoint, 1);

        p->time = r.curve.point[i - 1].ns / MS;
        p->pages = r.curve.point[i - 1].pages;
        QAPI_LIST_PREPEND(info->points, p);
    }
    dirty_measure_result_clear(&r);
    return info;
}

static MigrationForecast *forecast_entry(const DirtyCurve *curve,
                                         uint64_t bandwidth, uint64_t limit_ms,
                                         uint64_t overhead_ms)
{
    MigrationForecast *e = g_new0(MigrationForecast, 1);
    Forecast f;

    forecast(curve, bandwidth, (int64_t)limit_ms * MS,
             (int64_t)overhead_ms * MS, &f);
    e->bandwidth = bandwidth;
    e->downtime_limit = limit_ms;
    e->converges = f.converges;
    e->has_total_time = f.converges;
    e->total_time = f.total_ns / MS;
    e->passes = (int64_t)f.passes;
    e->downtime = (double)f.pause_ns / MS;
    return e;
}

static GArray *numbers(const uint64List *given, const uint64_t *defaults,
                       unsigned n)
{
    GArray *a = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (; given; given = given->next) {
        g_array_append_val(a, given->value);
    }
    if (a->len == 0) {
        g_array_append_vals(a, defaults, n);
    }
    return a;
}

static MigrationForecastList *forecast_table(const DirtyCurve *curve,
                                             const GArray *bandwidth,
                                             const GArray *limit,
                                             uint64_t overhead_ms)
{
    MigrationForecastList *list = NULL;

    for (guint b = bandwidth->len; b > 0; b--) {
        for (guint l = limit->len; l > 0; l--) {
            QAPI_LIST_PREPEND(
                list, forecast_entry(
                          curve, g_array_index(bandwidth, uint64_t, b - 1),
                          g_array_index(limit, uint64_t, l - 1), overhead_ms));
        }
    }
    return list;
}

static bool limits_fit(const GArray *limit, uint64_t overhead_ms, Error **errp)
{
    uint64_t most = overhead_ms;

    for (guint i = 0; i < limit->len; i++) {
        most = MAX(most, g_array_index(limit, uint64_t, i));
    }
    if (most > (uint64_t)(INT64_MAX / MS)) {
        error_setg(errp, "%" PRIu64 " ms is too long a pause", most);
        return false;
    }
    return true;
}

MigrationForecastList *qmp_migrate_forecast(bool has_bandwidth,
                                            sizeList *bandwidth,
                                            bool has_downtime_limit,
                                            uint64List *downtime_limit,
                                            bool has_overhead,
                                            uint64_t overhead, Error **errp)
{
    static const uint64_t links[] = { 125000000, 1250000000, 3125000000,
                                      12500000000 };
    static const uint64_t pauses[] = { 10, 100, 300, 1000 };
    DirtyTracking *dt = find(errp);
    g_autoptr(GArray) b = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autoptr(GArray) l = numbers(downtime_limit, pauses, G_N_ELEMENTS(pauses));
    DirtyMeasureResult r;

    for (; bandwidth; bandwidth = bandwidth->next) {
        g_array_append_val(b, bandwidth->value);
    }
    if (b->len == 0) {
        g_array_append_vals(b, links, G_N_ELEMENTS(links));
    }
    overhead = has_overhead ? overhead : OVERHEAD_DEFAULT_MS;
    if (!dt || !limits_fit(l, overhead, errp)) {
        return NULL;
    }
    if ((uint64_t)b->len * l->len > FORECAST_ENTRIES_MAX) {
        error_setg(errp, "a forecast has at most %d entries",
                   FORECAST_ENTRIES_MAX);
        return NULL;
    }
    dirty_measure_get(dt->measure, true, &r);
    if (r.status != DIRTY_MEASURE_MEASURED) {
        error_setg(errp, "it is not known what the guest writes: use "
                         "calc-dirty-curve first");
        return NULL;
    }
    return forecast_table(&r.curve, b, l, overhead);
}
