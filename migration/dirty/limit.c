/*
 * Limits of how fast vCPUs write memory.
 *
 * How much a vCPU writes is about in proportion to the time for which it runs,
 * so the share of its time in which it runs is corrected by the ratio of limit
 * to rate each period, at most by MAX_STEP, which also takes it back up when it
 * writes less. Pages count when they become dirty; to count them again each
 * period all are cleared.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/limit.h"

#include "trace/trace-migration.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/thread.h"
#include "util/timer.h"

#define MIB      (1024.0 * 1024.0)
#define NS_PER_S 1e9
#define MAX_STEP 8.0
/* Nearer to the limit than this nothing is changed. */
#define NEAR 0.05

typedef struct Limited {
    uint64_t user;  /* MiB/s; 0: none */
    uint64_t seen;  /* counter at the last look */
    double rate;    /* MiB/s */
    unsigned share; /* asleep, of MIGRATION_SHARE_UNITS */
} Limited;

struct DirtyLimit {
    const MigrationHost *host;
    void *opaque;

    QemuMutex lock; /* guards the following */
    QemuCond changed;
    bool quit;
    bool running; /* the thread is there */
    QemuThread thread;
    uint64_t migration; /* MiB/s; 0: none */
    uint64_t period_ms;
    unsigned n;
    Limited *cpu; /* n elements */
};

unsigned dirty_limit_share(unsigned share, double rate, double limit)
{
    double runs = MIGRATION_SHARE_UNITS - share;
    double ratio;

    if (rate <= 0) {
        ratio = MAX_STEP;
    } else {
        ratio = limit / rate;
        if (ratio > 1 - NEAR && ratio < 1 + NEAR) {
            return share;
        }
    }
    runs *= MIN(MAX(ratio, 1 / MAX_STEP), MAX_STEP);
    if (runs >= MIGRATION_SHARE_UNITS) {
        return 0;
    }
    return MIN(MIGRATION_SHARE_UNITS - (unsigned)runs, MIGRATION_SHARE_MAX);
}

static uint64_t limit_of(const DirtyLimit *dl, unsigned cpu)
{
    uint64_t user = dl->cpu[cpu].user;

    return user && dl->migration ? MIN(user, dl->migration)
                                 : user + dl->migration;
}

static bool any_limit(const DirtyLimit *dl)
{
    for (unsigned i = 0; i < dl->n; i++) {
        if (limit_of(dl, i)) {
            return true;
        }
    }
    return false;
}

/* -- the thread --------------------------------------------------------------------- */

/* Count from here: everything is clean. */
static void clear_all(DirtyLimit *dl)
{
    const RAMBlockList *list = dl->host->ram_blocks(dl->opaque);

    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];
        uint64_t pages = ram_block_pages(rb);
        g_autofree unsigned long *map = bitmap_new((long)pages);

        if (!(rb->flags & RAM_BLOCK_ROM) &&
            dl->host->dirty_sync(dl->opaque, rb, 0, pages, map, NULL, NULL)) {
            dl->host->dirty_clear(dl->opaque, rb, 0, pages);
        }
    }
}

static void look(DirtyLimit *dl, int64_t ns)
{
    for (unsigned i = 0; i < dl->n; i++) {
        Limited *c = &dl->cpu[i];
        uint64_t now = c->seen;
        uint64_t limit = limit_of(dl, i);

        dl->host->vcpu_dirty_pages(dl->opaque, i, &now);
        c->rate = (double)(now - c->seen) * RAM_PAGE_SIZE / MIB * NS_PER_S /
                  (double)MAX(ns, 1);
        c->seen = now;
        c->share =
            limit ? dirty_limit_share(c->share, c->rate, (double)limit) : 0;
        trace_dirty_limit_cpu(i, (uint64_t)c->rate, limit, c->share);
        dl->host->vcpu_throttle_set(dl->opaque, i, c->share);
    }
}

static void begin(DirtyLimit *dl)
{
    for (unsigned i = 0; i < dl->n; i++) {
        dl->host->vcpu_dirty_pages(dl->opaque, i, &dl->cpu[i].seen);
        dl->cpu[i].rate = 0;
    }
}

static void *limit_thread(void *opaque)
{
    DirtyLimit *dl = opaque;
    int64_t before;

    clear_all(dl);
    before = get_clock();
    QEMU_LOCK_GUARD(&dl->lock);
    begin(dl);
    while (!dl->quit && any_limit(dl)) {
        int64_t due = before + (int64_t)dl->period_ms * SCALE_MS;
        int64_t now = get_clock();

        if (now < due) {
            qemu_cond_timedwait(&dl->changed, &dl->lock,
                                (int)((due - now) / SCALE_MS + 1));
            continue;
        }
        qemu_mutex_unlock(&dl->lock);
        clear_all(dl);
        qemu_mutex_lock(&dl->lock);
        now = get_clock();
        look(dl, now - before);
        before = now;
    }
    for (unsigned i = 0; i < dl->n; i++) {
        dl->cpu[i].share = 0;
        dl->host->vcpu_throttle_set(dl->opaque, i, 0);
    }
    dl->host->dirty_log_stop(dl->opaque);
    dl->running = false;
    qemu_cond_broadcast(&dl->changed);
    return NULL;
}

/* Lock held. The thread detaches: whoever needs its end waits for running. */
static bool start(DirtyLimit *dl, Error **errp)
{
    int ret;

    if (!dl->host->dirty_log_start(dl->opaque, errp)) {
        return false;
    }
    ret = qemu_thread_try_create(&dl->thread, "dirty limit", limit_thread, dl,
                                 QEMU_THREAD_DETACHED);
    if (ret < 0) {
        dl->host->dirty_log_stop(dl->opaque);
        error_setg_errno(errp, -ret,
                         "could not start the thread of dirty "
                         "limits");
        return false;
    }
    dl->running = true;
    return true;
}

/* -- settings -------------------------------------------------------------------------- */

static bool check_accel(DirtyLimit *dl, Error **errp)
{
    uint64_t ignored;

    if (dl->n == 0 || !dl->host->vcpu_dirty_pages(dl->opaque, 0, &ignored)) {
        error_setg(errp, "dirty limits need an accelerator that counts for "
                         "each vCPU: KVM with dirty-ring-size, or soft");
        return false;
    }
    return true;
}

/* Lock held: a limit was changed. */
static bool apply(DirtyLimit *dl, Error **errp)
{
    if (any_limit(dl) && !dl->running) {
        return start(dl, errp);
    }
    /* Limits that ended end at once. */
    for (unsigned i = 0; i < dl->n; i++) {
        if (dl->cpu[i].share && !limit_of(dl, i)) {
            dl->cpu[i].share = 0;
            dl->host->vcpu_throttle_set(dl->opaque, i, 0);
        }
    }
    qemu_cond_broadcast(&dl->changed);
    return true;
}

bool dirty_limit_set(DirtyLimit *dl, int64_t cpu, uint64_t mib_per_s,
                     Error **errp)
{
    if (mib_per_s && !check_accel(dl, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&dl->lock);
    if (cpu < -1 || cpu >= (int64_t)dl->n) {
        error_setg(errp, "there is no vCPU %" PRId64, cpu);
        return false;
    }
    for (unsigned i = 0; i < dl->n; i++) {
        if (cpu < 0 || i == (unsigned)cpu) {
            dl->cpu[i].user = mib_per_s;
        }
    }
    if (!apply(dl, errp)) {
        for (unsigned i = 0; i < dl->n; i++) {
            dl->cpu[i].user = 0;
        }
        return false;
    }
    return true;
}

bool dirty_limit_set_migration(DirtyLimit *dl, uint64_t mib_per_s,
                               uint64_t period_ms, Error **errp)
{
    if (mib_per_s && !check_accel(dl, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&dl->lock);
    if (dl->migration == mib_per_s) {
        return true;
    }
    dl->migration = mib_per_s;
    dl->period_ms = mib_per_s && period_ms ? period_ms : DIRTY_LIMIT_PERIOD_MS;
    if (!apply(dl, errp)) {
        dl->migration = 0;
        return false;
    }
    return true;
}

GArray *dirty_limit_query(DirtyLimit *dl)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(DirtyLimitState));

    QEMU_LOCK_GUARD(&dl->lock);
    for (unsigned i = 0; i < dl->n; i++) {
        DirtyLimitState s = { i, limit_of(dl, i),
                              (uint64_t)(dl->cpu[i].rate + 0.5) };

        if (s.limit) {
            g_array_append_val(list, s);
        }
    }
    return list;
}

DirtyLimit *dirty_limit_new(const MigrationHost *host, void *opaque)
{
    DirtyLimit *dl = g_new0(DirtyLimit, 1);

    dl->host = host;
    dl->opaque = opaque;
    dl->period_ms = DIRTY_LIMIT_PERIOD_MS;
    dl->n = host->vcpu_count(opaque);
    dl->cpu = g_new0(Limited, dl->n);
    qemu_mutex_init(&dl->lock);
    qemu_cond_init(&dl->changed);
    return dl;
}

void dirty_limit_free(DirtyLimit *dl)
{
    if (!dl) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&dl->lock)
    {
        dl->quit = true;
        qemu_cond_broadcast(&dl->changed);
        while (dl->running) {
            qemu_cond_wait(&dl->changed, &dl->lock);
        }
    }
    qemu_cond_destroy(&dl->changed);
    qemu_mutex_destroy(&dl->lock);
    g_free(dl->cpu);
    g_free(dl);
}
