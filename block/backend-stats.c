/*
 * What a BlockBackend has done: counters and histograms.
 *
 * Requests of several threads count at the same time, without a lock; who
 * reads sees each number whole, not all of one moment. A histogram is replaced
 * only while the backend is drained.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "qapi/util.h"
#include "util/error.h"

/* Limits between the intervals of a histogram. */
#define HISTOGRAM_BOUNDARIES_MAX 1024

struct BlkHistogram {
    unsigned n;
    uint64_t *boundaries; /* n, rising */
    uint64_t *bins;       /* n + 1; atomic */
};

static void add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void histogram_add(BlkHistogram *h, uint64_t ns)
{
    unsigned low = 0;
    unsigned high = h->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (ns < h->boundaries[mid]) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    add(&h->bins[low], 1);
}

static void note_highest(BlkStats *s, uint64_t end)
{
    uint64_t highest = qatomic_read(&s->highest_offset);

    while (end > highest && !__atomic_compare_exchange_n(
                                &s->highest_offset, &highest, end, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void blk_account(BlockBackend *blk, BlkOp op, int64_t offset, uint64_t bytes,
                 int64_t start_ns, int ret)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    BlkStats *s = &blk->stats;
    uint64_t ns = (uint64_t)(now - start_ns);

    if (ret < 0 && s->skip_failed) {
        add(&s->failed[op], 1);
        return;
    }
    qatomic_set(&s->last_access_ns, now);
    add(&s->time_ns[op], ns);
    if (s->histogram[op]) {
        histogram_add(s->histogram[op], ns);
    }
    if (ret < 0) {
        add(&s->failed[op], 1);
        return;
    }
    add(&s->done[op], 1);
    add(&s->bytes[op], bytes);
    if (op == BLK_OP_WRITE) {
        note_highest(s, (uint64_t)offset + bytes);
    }
}

void blk_account_invalid(BlockBackend *blk, BlkOp op)
{
    if (!blk->stats.skip_invalid) {
        qatomic_set(&blk->stats.last_access_ns,
                    qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    }
    add(&blk->stats.invalid[op], 1);
}

/* -- histograms -------------------------------------------------------------------- */

static void histogram_free(BlkHistogram *h)
{
    if (h) {
        g_free(h->boundaries);
        g_free(h->bins);
        g_free(h);
    }
}

void blk_stats_clear(BlkStats *s)
{
    for (int i = 0; i < BLK_OP_MAX; i++) {
        g_clear_pointer(&s->histogram[i], histogram_free);
    }
}

static BlkHistogram *histogram_new(const uint64List *list, const char *id,
                                   Error **errp)
{
    BlkHistogram *h = g_new0(BlkHistogram, 1);
    uint64_t before = 0;
    unsigned n = 0;

    for (const uint64List *l = list; l; l = l->next) {
        if (l->value <= before || ++n > HISTOGRAM_BOUNDARIES_MAX) {
            error_setg(errp,
                       "Device '%s' set latency histogram boundaries fail: "
                       "boundary %" PRIu64 " does not rise, or there are more "
                       "than %d",
                       id, l->value, HISTOGRAM_BOUNDARIES_MAX);
            g_free(h);
            return NULL;
        }
        before = l->value;
    }
    h->n = n;
    h->boundaries = g_new0(uint64_t, n);
    h->bins = g_new0(uint64_t, n + 1);
    n = 0;
    for (const uint64List *l = list; l; l = l->next) {
        h->boundaries[n++] = l->value;
    }
    return h;
}

bool blk_set_histograms(BlockBackend *blk, const char *id,
                        const uint64List *const lists[BLK_OP_MAX], Error **errp)
{
    static const BlkOp ops[] = { BLK_OP_READ, BLK_OP_WRITE, BLK_OP_FLUSH };
    BlkHistogram *fresh[BLK_OP_MAX] = { NULL };
    bool is_none = true; /* all go */
    bool ok = true;

    for (size_t i = 0; ok && i < G_N_ELEMENTS(ops); i++) {
        if (lists[ops[i]]) {
            fresh[ops[i]] = histogram_new(lists[ops[i]], id, errp);
            ok = fresh[ops[i]] != NULL;
            is_none = false;
        }
    }
    blk_drained_begin(blk);
    for (int i = 0; i < BLK_OP_MAX; i++) {
        BlkHistogram **h = &blk->stats.histogram[i];

        if (ok && (fresh[i] || is_none)) {
            histogram_free(*h);
            *h = fresh[i];
        } else {
            histogram_free(fresh[i]);
        }
    }
    blk_drained_end(blk);
    return ok;
}

static BlockLatencyHistogramInfo *histogram_info(const BlkHistogram *h)
{
    BlockLatencyHistogramInfo *info;
    uint64List **tail;

    if (!h) {
        return NULL;
    }
    info = g_new0(BlockLatencyHistogramInfo, 1);
    tail = &info->boundaries;
    for (unsigned i = 0; i < h->n; i++) {
        QAPI_LIST_APPEND(tail, h->boundaries[i]);
    }
    tail = &info->bins;
    for (unsigned i = 0; i <= h->n; i++) {
        QAPI_LIST_APPEND(tail, qatomic_read(&h->bins[i]));
    }
    return info;
}

/* -- for query-blockstats --------------------------------------------------------------- */

static int64_t count(const uint64_t *counter)
{
    return (int64_t)__atomic_load_n(counter, __ATOMIC_RELAXED);
}

BlockDeviceStats *blk_stats_info(const BlkStats *s)
{
    BlockDeviceStats *d = g_new0(BlockDeviceStats, 1);
    int64_t last = qatomic_read(&s->last_access_ns);

    d->rd_bytes = count(&s->bytes[BLK_OP_READ]);
    d->wr_bytes = count(&s->bytes[BLK_OP_WRITE]);
    d->unmap_bytes = count(&s->bytes[BLK_OP_DISCARD]);
    d->rd_operations = count(&s->done[BLK_OP_READ]);
    d->wr_operations = count(&s->done[BLK_OP_WRITE]);
    d->flush_operations = count(&s->done[BLK_OP_FLUSH]);
    d->unmap_operations = count(&s->done[BLK_OP_DISCARD]);
    d->rd_total_time_ns = count(&s->time_ns[BLK_OP_READ]);
    d->wr_total_time_ns = count(&s->time_ns[BLK_OP_WRITE]);
    d->flush_total_time_ns = count(&s->time_ns[BLK_OP_FLUSH]);
    d->unmap_total_time_ns = count(&s->time_ns[BLK_OP_DISCARD]);
    d->wr_highest_offset = count(&s->highest_offset);
    d->has_idle_time_ns = last > 0;
    d->idle_time_ns =
        last > 0 ? qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - last : 0;
    d->failed_rd_operations = count(&s->failed[BLK_OP_READ]);
    d->failed_wr_operations = count(&s->failed[BLK_OP_WRITE]);
    d->failed_flush_operations = count(&s->failed[BLK_OP_FLUSH]);
    d->failed_unmap_operations = count(&s->failed[BLK_OP_DISCARD]);
    d->invalid_rd_operations = count(&s->invalid[BLK_OP_READ]);
    d->invalid_wr_operations = count(&s->invalid[BLK_OP_WRITE]);
    d->invalid_flush_operations = count(&s->invalid[BLK_OP_FLUSH]);
    d->invalid_unmap_operations = count(&s->invalid[BLK_OP_DISCARD]);
    d->account_invalid = !s->skip_invalid;
    d->account_failed = !s->skip_failed;
    d->rd_latency_histogram = histogram_info(s->histogram[BLK_OP_READ]);
    d->wr_latency_histogram = histogram_info(s->histogram[BLK_OP_WRITE]);
    d->flush_latency_histogram = histogram_info(s->histogram[BLK_OP_FLUSH]);
    return d;
}
