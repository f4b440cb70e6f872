/*
 * Times of waiting for pages; see postcopy/times.h.
 *
 * Few faults wait at any moment (one for each thread of the guest), so they
 * stand in a short array that is searched from its start: that is quicker than
 * any index, and nothing is allocated while guest threads wait.
 *
 * Blocktime: vCPUs wait or do not; when the last one that did not begins to
 * wait, the time in which all stand begins, and it ends with the first page.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/times.h"

#include "util/host-utils.h"
#include "util/thread.h"

#define TIMES_SUB_BITS 2 /* buckets for each power of two: 1 << this */

typedef struct PendingFault {
    uintptr_t addr;
    int vcpu; /* -1: another thread, or not known */
    int64_t since_ns;
} PendingFault;

/* Faults of one kind of threads. */
typedef struct FaultSum {
    uint64_t n;
    uint64_t ns;
} FaultSum;

struct PostcopyTimes {
    QemuMutex lock; /* guards all below */

    PendingFault pending[POSTCOPY_TIMES_PENDING];
    unsigned n_pending;

    uint64_t bucket[POSTCOPY_TIMES_BUCKETS];
    uint64_t faults;
    uint64_t sum_ns;
    uint64_t max_ns;

    unsigned vcpus; /* 0: no blocktime */
    int *tid;
    uint64_t *blocked_ns;
    FaultSum *by_vcpu;
    FaultSum by_others;
    unsigned *waits; /* pages that each vCPU waits for: asynchronous faults */
    unsigned vcpus_waiting;
    int64_t all_since_ns;
    uint64_t all_blocked_ns;
};

PostcopyTimes *postcopy_times_new(const int *tids, unsigned vcpus)
{
    PostcopyTimes *t = g_new0(PostcopyTimes, 1);

    qemu_mutex_init(&t->lock);
    if (tids && vcpus > 0) {
        t->vcpus = vcpus;
        t->tid = (int *)g_memdup2(tids, vcpus * sizeof(*tids));
        t->blocked_ns = g_new0(uint64_t, vcpus);
        t->by_vcpu = g_new0(FaultSum, vcpus);
        t->waits = g_new0(unsigned, vcpus);
    }
    return t;
}

void postcopy_times_free(PostcopyTimes *t)
{
    if (!t) {
        return;
    }
    qemu_mutex_destroy(&t->lock);
    g_free(t->tid);
    g_free(t->blocked_ns);
    g_free(t->by_vcpu);
    g_free(t->waits);
    g_free(t);
}

static int times_vcpu(const PostcopyTimes *t, int tid)
{
    for (unsigned i = 0; tid != 0 && i < t->vcpus; i++) {
        if (t->tid[i] == tid) {
            return (int)i;
        }
    }
    return -1;
}

void postcopy_times_begin(PostcopyTimes *t, uintptr_t addr, int tid,
                          int64_t now_ns)
{
    int vcpu = times_vcpu(t, tid);

    qemu_mutex_lock(&t->lock);
    if (t->n_pending < POSTCOPY_TIMES_PENDING) {
        t->pending[t->n_pending++] =
            (PendingFault){ .addr = addr, .vcpu = vcpu, .since_ns = now_ns };
        if (vcpu >= 0 && t->waits[vcpu]++ == 0 &&
            ++t->vcpus_waiting == t->vcpus) {
            t->all_since_ns = now_ns;
        }
    }
    qemu_mutex_unlock(&t->lock);
}

/* Bucket of @ns: its highest bit and the TIMES_SUB_BITS bits below that. */
static unsigned times_bucket(uint64_t ns)
{
    unsigned top, sub = 0;

    if (ns == 0) {
        return 0;
    }
    top = 63 - clz64(ns);
    if (top >= TIMES_SUB_BITS) {
        sub = (ns >> (top - TIMES_SUB_BITS)) & ((1u << TIMES_SUB_BITS) - 1);
    }
    return (top << TIMES_SUB_BITS) + sub;
}

/* The largest number that falls into bucket @i. */
static uint64_t times_bucket_end(unsigned i)
{
    unsigned top = i >> TIMES_SUB_BITS;
    uint64_t sub = i & ((1u << TIMES_SUB_BITS) - 1);

    if (top < TIMES_SUB_BITS) {
        return (UINT64_C(2) << top) - 1;
    }
    return (UINT64_C(1) << top) + ((sub + 1) << (top - TIMES_SUB_BITS)) - 1;
}

static void times_count(PostcopyTimes *t, int vcpu, uint64_t ns)
{
    FaultSum *sum = vcpu >= 0 ? &t->by_vcpu[vcpu] : &t->by_others;

    sum->n++;
    sum->ns += ns;
    t->bucket[times_bucket(ns)]++;
    t->faults++;
    t->sum_ns += ns;
    t->max_ns = MAX(t->max_ns, ns);
}

/* With the lock held. */
static void times_vcpu_goes(PostcopyTimes *t, const PendingFault *p,
                            int64_t now_ns)
{
    if (p->vcpu < 0 || --t->waits[p->vcpu] > 0) {
        return;
    }
    t->blocked_ns[p->vcpu] += now_ns - p->since_ns;
    if (t->vcpus_waiting-- == t->vcpus) {
        t->all_blocked_ns += now_ns - t->all_since_ns;
    }
}

void postcopy_times_end(PostcopyTimes *t, uintptr_t addr, int64_t now_ns)
{
    qemu_mutex_lock(&t->lock);
    for (unsigned i = 0; i < t->n_pending;) {
        PendingFault *p = &t->pending[i];

        if (p->addr != addr) {
            i++;
            continue;
        }
        times_count(t, p->vcpu, MAX(now_ns - p->since_ns, 0));
        times_vcpu_goes(t, p, now_ns);
        *p = t->pending[--t->n_pending];
    }
    qemu_mutex_unlock(&t->lock);
}

/* The bound below which @part in a thousand of the faults lie. */
static uint64_t times_quantile(const PostcopyTimes *t, unsigned per_mille)
{
    uint64_t need = DIV_ROUND_UP(t->faults * per_mille, 1000), sum = 0;

    for (unsigned i = 0; i < POSTCOPY_TIMES_BUCKETS; i++) {
        sum += t->bucket[i];
        if (t->faults > 0 && sum >= need) {
            return MIN(times_bucket_end(i), t->max_ns);
        }
    }
    return 0;
}

static void times_report_by_us(const PostcopyTimes *t, uint64_t by_us[32])
{
    for (unsigned i = 0; i < POSTCOPY_TIMES_BUCKETS; i++) {
        uint64_t us = times_bucket_end(i) / 1000;
        unsigned slot = us == 0 ? 0 : 63 - clz64(us);

        by_us[MIN(slot, 31)] += t->bucket[i];
    }
}

static uint64_t times_mean(const FaultSum *sum)
{
    return sum->n ? sum->ns / sum->n : 0;
}

void postcopy_times_report(PostcopyTimes *t, PostcopyTimesReport *ret)
{
    PostcopyTimesReport r = { 0 };

    qemu_mutex_lock(&t->lock);
    r.faults = t->faults;
    r.mean_ns = t->faults ? t->sum_ns / t->faults : 0;
    r.median_ns = times_quantile(t, 500);
    r.p99_ns = times_quantile(t, 990);
    r.max_ns = t->max_ns;
    times_report_by_us(t, r.by_us);
    if (t->vcpus > 0) {
        r.blocktime = true;
        r.all_blocked_ms = t->all_blocked_ns / 1000000;
        r.vcpus = t->vcpus;
        r.vcpu_blocked_ms = g_new(uint64_t, t->vcpus);
        r.vcpu_mean_ns = g_new(uint64_t, t->vcpus);
        r.other_mean_ns = times_mean(&t->by_others);
        for (unsigned i = 0; i < t->vcpus; i++) {
            r.vcpu_blocked_ms[i] = t->blocked_ns[i] / 1000000;
            r.vcpu_mean_ns[i] = times_mean(&t->by_vcpu[i]);
        }
    }
    qemu_mutex_unlock(&t->lock);
    *ret = r;
}

void postcopy_times_report_clear(PostcopyTimesReport *r)
{
    g_free(r->vcpu_blocked_ms);
    g_free(r->vcpu_mean_ns);
    *r = (PostcopyTimesReport){ 0 };
}
