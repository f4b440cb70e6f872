/*
 * Measuring how fast the guest writes its memory.
 *
 * Whatever needs a log of writes begins with everything clean, waits, and
 * counts what is dirty. The curve looks several times without clearing, so
 * that each page costs the guest one fault however long the measurement is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/measure.h"

#include "migration/dirty/sample.h"
#include "migration/ram/page-present.h"
#include "trace/trace-migration.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/lockable.h"
#include "util/thread.h"
#include "util/timer.h"

#define MS           INT64_C(1000000)
#define NS_PER_S     1e9
#define MIB          (1024.0 * 1024.0)
#define ZERO_SAMPLES 2048
#define CLEAR_PAGES  (UINT64_C(1) << 18)

struct DirtyMeasure {
    const MigrationHost *host;
    void *opaque;

    QemuMutex lock; /* guards the following */
    QemuCond changed;
    bool busy; /* a thread is there */
    bool stop; /* it is to end */
    bool joinable;
    QemuThread thread;
    DirtyMeasureResult rate;
    DirtyMeasureResult curve;
    DirtyMeasureConfig config; /* of the one that goes on */
    int64_t start_s;
};

void dirty_measure_result_clear(DirtyMeasureResult *r)
{
    g_clear_pointer(&r->vcpu_mib_per_s, g_free);
}

/* -- helpers of the thread ------------------------------------------------------- */

/* Until @ns of get_clock(). Returns: false: it is to end. */
static bool wait_until(DirtyMeasure *m, int64_t ns)
{
    QEMU_LOCK_GUARD(&m->lock);
    while (!m->stop) {
        int64_t left = ns - get_clock();

        if (left <= 0) {
            return true;
        }
        qemu_cond_timedwait(&m->changed, &m->lock,
                            (int)MIN((left + MS - 1) / MS, INT_MAX));
    }
    return false;
}

static bool is_logged(const RAMBlock *rb)
{
    return !(rb->flags & RAM_BLOCK_ROM);
}

/* Pages written since clear_all(). */
static bool count_all(DirtyMeasure *m, uint64_t *ret, Error **errp)
{
    const RAMBlockList *list = m->host->ram_blocks(m->opaque);

    *ret = 0;
    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];
        uint64_t pages = is_logged(rb) ? ram_block_pages(rb) : 0;
        g_autofree unsigned long *map = bitmap_new((long)pages);
        uint64_t n = 0;

        if (!m->host->dirty_sync(m->opaque, rb, 0, pages, map, &n, errp)) {
            return false;
        }
        *ret += n;
    }
    return true;
}

/* What was written so far is reported and cleared: all is clean. */
static bool clear_all(DirtyMeasure *m, Error **errp)
{
    const RAMBlockList *list = m->host->ram_blocks(m->opaque);
    uint64_t ignored;

    if (!count_all(m, &ignored, errp)) {
        return false;
    }
    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];
        uint64_t pages = is_logged(rb) ? ram_block_pages(rb) : 0;

        for (uint64_t at = 0; at < pages; at += CLEAR_PAGES) {
            m->host->dirty_clear(m->opaque, rb, at,
                                 MIN(CLEAR_PAGES, pages - at));
        }
    }
    return true;
}

static double rate_of(double pages, int64_t ns)
{
    return ns > 0 ? pages * RAM_PAGE_SIZE / MIB * NS_PER_S / (double)ns : 0;
}

/* -- kinds --------------------------------------------------------------------------- */

static bool by_samples(DirtyMeasure *m, DirtyMeasureResult *r, Error **errp)
{
    int64_t start = get_clock();
    DirtySample *s = dirty_sample_new(m->host->ram_blocks(m->opaque),
                                      r->config.sample_pages);
    bool ok = wait_until(m, start + r->config.time_ms * MS);

    if (ok) {
        r->mib_per_s = rate_of((double)dirty_sample_changed(s) / RAM_PAGE_SIZE,
                               get_clock() - start);
    }
    dirty_sample_free(s);
    return ok;
}

static bool by_bitmap(DirtyMeasure *m, DirtyMeasureResult *r, Error **errp)
{
    int64_t start;
    uint64_t pages;

    if (!clear_all(m, errp)) {
        return false;
    }
    start = get_clock();
    if (!wait_until(m, start + r->config.time_ms * MS) ||
        !count_all(m, &pages, errp)) {
        return false;
    }
    r->mib_per_s = rate_of((double)pages, get_clock() - start);
    return true;
}

static void read_counters(DirtyMeasure *m, uint64_t *counter, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!m->host->vcpu_dirty_pages(m->opaque, i, &counter[i])) {
            counter[i] = 0;
        }
    }
}

static bool by_vcpus(DirtyMeasure *m, DirtyMeasureResult *r, Error **errp)
{
    unsigned n = m->host->vcpu_count(m->opaque);
    g_autofree uint64_t *before = g_new0(uint64_t, n);
    g_autofree uint64_t *after = g_new0(uint64_t, n);
    uint64_t pages;
    int64_t start, ns;

    if (!clear_all(m, errp)) {
        return false;
    }
    read_counters(m, before, n);
    start = get_clock();
    if (!wait_until(m, start + r->config.time_ms * MS) ||
        !count_all(m, &pages, errp)) {
        return false;
    }
    read_counters(m, after, n);
    ns = get_clock() - start;
    r->n_vcpus = n;
    r->vcpu_mib_per_s = g_new0(double, n);
    for (unsigned i = 0; i < n; i++) {
        r->vcpu_mib_per_s[i] = rate_of((double)(after[i] - before[i]), ns);
        r->mib_per_s += r->vcpu_mib_per_s[i];
    }
    return true;
}

static void count_data(DirtyMeasure *m, DirtyCurve *curve)
{
    const RAMBlockList *list = m->host->ram_blocks(m->opaque);
    int pagemap = page_present_open();

    for (unsigned i = 0; i < list->n; i++) {
        const RAMBlock *rb = list->block[i];
        uint64_t pages = ram_block_pages(rb);
        g_autofree unsigned long *map = bitmap_new((long)pages);
        uint64_t present;

        page_present_map(pagemap, PAGE_PRESENT_SCAN, rb, 0, pages, map, NULL);
        present = (uint64_t)bitmap_count_one(map, (long)pages);
        curve->total_pages += pages;
        curve->data_pages +=
            (uint64_t)((double)present *
                       (1 -
                        dirty_sample_zero_share(rb, map, pages, ZERO_SAMPLES)));
    }
    fd_close(pagemap);
}

/* Points at the whole time, its half, quarter ... */
static bool by_curve(DirtyMeasure *m, DirtyMeasureResult *r, Error **errp)
{
    DirtyCurve *c = &r->curve;
    int64_t start;

    count_data(m, c);
    if (!clear_all(m, errp)) {
        return false;
    }
    start = get_clock();
    for (unsigned i = 0; i < DIRTY_CURVE_POINTS; i++) {
        int64_t at = (r->config.time_ms * MS) >> (DIRTY_CURVE_POINTS - 1 - i);
        uint64_t pages;

        if (!wait_until(m, start + at) || !count_all(m, &pages, errp)) {
            return false;
        }
        c->point[c->n].ns = get_clock() - start;
        c->point[c->n++].pages = pages;
    }
    return true;
}

/* -- the thread ------------------------------------------------------------------------- */

static bool (*const kinds[])(DirtyMeasure *m, DirtyMeasureResult *r,
                             Error **errp) = {
    [DIRTY_KIND_SAMPLES] = by_samples,
    [DIRTY_KIND_VCPUS] = by_vcpus,
    [DIRTY_KIND_BITMAP] = by_bitmap,
    [DIRTY_KIND_CURVE] = by_curve,
};

static DirtyMeasureResult *result_of(DirtyMeasure *m, DirtyKind kind)
{
    return kind == DIRTY_KIND_CURVE ? &m->curve : &m->rate;
}

static void *measure_thread(void *opaque)
{
    DirtyMeasure *m = opaque;
    DirtyMeasureResult r = { .status = DIRTY_MEASURE_UNSTARTED,
                             .config = m->config,
                             .start_s = m->start_s };
    DirtyMeasureResult *to = result_of(m, r.config.kind);
    Error *err = NULL;

    if (kinds[r.config.kind](m, &r, &err)) {
        r.status = DIRTY_MEASURE_MEASURED;
        trace_dirty_rate_measured(r.config.kind, (int64_t)r.mib_per_s);
    } else {
        dirty_measure_result_clear(&r);
        trace_dirty_rate_failed(err ? error_get_pretty(err) : "ended");
        error_free(err);
    }
    if (r.config.kind != DIRTY_KIND_SAMPLES) {
        m->host->dirty_log_stop(m->opaque);
    }
    QEMU_LOCK_GUARD(&m->lock);
    dirty_measure_result_clear(to);
    *to = r;
    m->busy = false;
    qemu_cond_broadcast(&m->changed);
    return NULL;
}

static bool check_config(DirtyMeasure *m, const DirtyMeasureConfig *c,
                         Error **errp)
{
    uint64_t ignored;

    if (c->time_ms < DIRTY_MEASURE_MS_MIN ||
        c->time_ms > DIRTY_MEASURE_MS_MAX) {
        error_setg(errp, "calc-time must be from %d to %d ms, not %" PRId64,
                   DIRTY_MEASURE_MS_MIN, DIRTY_MEASURE_MS_MAX, c->time_ms);
        return false;
    }
    if (c->kind == DIRTY_KIND_SAMPLES &&
        (c->sample_pages < DIRTY_SAMPLES_MIN ||
         c->sample_pages > DIRTY_SAMPLES_MAX)) {
        error_setg(errp, "sample-pages must be from %d to %d, not %u",
                   DIRTY_SAMPLES_MIN, DIRTY_SAMPLES_MAX, c->sample_pages);
        return false;
    }
    if (c->kind == DIRTY_KIND_VCPUS &&
        !m->host->vcpu_dirty_pages(m->opaque, 0, &ignored)) {
        error_setg(errp, "mode 'dirty-ring' needs an accelerator that counts "
                         "for each vCPU: KVM with dirty-ring-size, or soft");
        return false;
    }
    return true;
}

/* Lock held; no thread is there, but perhaps one that has ended. */
static bool start_thread(DirtyMeasure *m, Error **errp)
{
    int ret;

    if (m->joinable) {
        qemu_thread_join(&m->thread);
        m->joinable = false;
    }
    ret = qemu_thread_try_create(&m->thread, "dirty rate", measure_thread, m,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not start the measuring thread");
        return false;
    }
    m->joinable = true;
    return true;
}

bool dirty_measure_start(DirtyMeasure *m, const DirtyMeasureConfig *config,
                         Error **errp)
{
    bool log = config->kind != DIRTY_KIND_SAMPLES;
    DirtyMeasureResult *to;

    if (!check_config(m, config, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&m->lock);
    if (m->busy) {
        error_setg(errp, "another measurement goes on");
        return false;
    }
    if (log && !m->host->dirty_log_start(m->opaque, errp)) {
        return false;
    }
    m->config = *config;
    m->start_s = g_get_real_time() / G_USEC_PER_SEC;
    m->busy = true;
    if (!start_thread(m, errp)) {
        m->busy = false;
        if (log) {
            m->host->dirty_log_stop(m->opaque);
        }
        return false;
    }
    to = result_of(m, config->kind);
    dirty_measure_result_clear(to);
    *to = (DirtyMeasureResult){ .status = DIRTY_MEASURE_MEASURING,
                                .config = *config,
                                .start_s = m->start_s };
    return true;
}

void dirty_measure_get(DirtyMeasure *m, bool curve, DirtyMeasureResult *ret)
{
    QEMU_LOCK_GUARD(&m->lock);
    *ret = curve ? m->curve : m->rate;
    ret->vcpu_mib_per_s =
        g_memdup2(ret->vcpu_mib_per_s, ret->n_vcpus * sizeof(double));
}

void dirty_measure_wait(DirtyMeasure *m)
{
    QEMU_LOCK_GUARD(&m->lock);
    while (m->busy) {
        qemu_cond_wait(&m->changed, &m->lock);
    }
}

DirtyMeasure *dirty_measure_new(const MigrationHost *host, void *opaque)
{
    DirtyMeasure *m = g_new0(DirtyMeasure, 1);

    m->host = host;
    m->opaque = opaque;
    qemu_mutex_init(&m->lock);
    qemu_cond_init(&m->changed);
    return m;
}

void dirty_measure_free(DirtyMeasure *m)
{
    if (!m) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&m->lock)
    {
        m->stop = true;
        qemu_cond_broadcast(&m->changed);
    }
    if (m->joinable) {
        qemu_thread_join(&m->thread);
    }
    dirty_measure_result_clear(&m->rate);
    dirty_measure_result_clear(&m->curve);
    qemu_cond_destroy(&m->changed);
    qemu_mutex_destroy(&m->lock);
    g_free(m);
}
