/*
 * Measuring and limiting how fast the guest writes its memory: over RAM blocks
 * that the test writes, and vCPUs that only count.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/limit.h"
#include "migration/dirty/measure.h"
#include "migration/dirty/sample.h"
#include "qapi/error.h"
#include "util/bitmap.h"
#include "util/lockable.h"
#include "util/thread.h"

#include "fake-ram.h"

#define PAGES 4096u /* 16 MiB */
#define CPUS  2u

/* The memory of a FakeRAM and vCPUs that would dirty @full pages a second if
 * they never slept. */
typedef struct Machine {
    MigrationHost host;
    FakeRAM *fr;
    RAMBlock *rb;
    bool counts;
    double full[CPUS];

    QemuMutex lock; /* guards the following */
    int64_t seen_us;
    double pages[CPUS];
    unsigned share[CPUS];
} Machine;

/* -- host ----------------------------------------------------------------------- */

static const RAMBlockList *ram_blocks(void *opaque)
{
    Machine *m = opaque;

    return m->fr->host.ram_blocks(m->fr);
}

static bool log_start(void *opaque, Error **errp)
{
    Machine *m = opaque;

    return m->fr->host.dirty_log_start(m->fr, errp);
}

static void log_stop(void *opaque)
{
    Machine *m = opaque;

    m->fr->host.dirty_log_stop(m->fr);
}

static bool dirty_sync(void *opaque, RAMBlock *rb, uint64_t first, uint64_t n,
                       unsigned long *bitmap, uint64_t *ret_new, Error **errp)
{
    Machine *m = opaque;

    return m->fr->host.dirty_sync(m->fr, rb, first, n, bitmap, ret_new, errp);
}

static void dirty_clear(void *opaque, RAMBlock *rb, uint64_t first, uint64_t n)
{
    Machine *m = opaque;

    m->fr->host.dirty_clear(m->fr, rb, first, n);
}

static unsigned vcpu_count(void *opaque)
{
    return CPUS;
}

/* Lock held. */
static void let_run(Machine *m)
{
    int64_t now = g_get_monotonic_time();

    for (unsigned i = 0; i < CPUS; i++) {
        m->pages[i] += m->full[i] * (MIGRATION_SHARE_UNITS - m->share[i]) /
                       MIGRATION_SHARE_UNITS * (double)(now - m->seen_us) / 1e6;
    }
    m->seen_us = now;
}

static bool vcpu_dirty_pages(void *opaque, unsigned cpu, uint64_t *ret_pages)
{
    Machine *m = opaque;

    if (!m->counts) {
        return false;
    }
    QEMU_LOCK_GUARD(&m->lock);
    let_run(m);
    *ret_pages = (uint64_t)m->pages[cpu];
    return true;
}

static void vcpu_throttle_set(void *opaque, unsigned cpu, unsigned share)
{
    Machine *m = opaque;

    g_assert_cmpuint(share, <=, MIGRATION_SHARE_MAX);
    QEMU_LOCK_GUARD(&m->lock);
    let_run(m);
    m->share[cpu] = share;
}

static unsigned share_of(Machine *m, unsigned cpu)
{
    QEMU_LOCK_GUARD(&m->lock);
    return m->share[cpu];
}

static void machine_init(Machine *m, bool counts)
{
    *m = (Machine){ .counts = counts,
                    .host = { .ram_blocks = ram_blocks,
                              .dirty_log_start = log_start,
                              .dirty_log_stop = log_stop,
                              .dirty_sync = dirty_sync,
                              .dirty_clear = dirty_clear,
                              .vcpu_count = vcpu_count,
                              .vcpu_dirty_pages = vcpu_dirty_pages,
                              .vcpu_throttle_set = vcpu_throttle_set } };
    m->fr = fake_ram_new();
    m->rb = fake_ram_add(m->fr, "pc.ram", (uint64_t)PAGES << RAM_PAGE_BITS,
                         4096, 0);
    fake_ram_add(m->fr, "pc.bios", 16 << RAM_PAGE_BITS, 4096, RAM_BLOCK_ROM);
    m->seen_us = g_get_monotonic_time();
    qemu_mutex_init(&m->lock);
}

static void machine_deinit(Machine *m)
{
    qemu_mutex_destroy(&m->lock);
    fake_ram_free(m->fr);
}

/* A guest that writes one page each millisecond, always another one. */
typedef struct Writer {
    Machine *m;
    QemuThread thread;
    unsigned pages; /* after so many it begins again */
    unsigned n;     /* atomic: written so far */
    bool stop;      /* atomic */
} Writer;

static void *writer_thread(void *opaque)
{
    Writer *w = opaque;

    while (!qatomic_read(&w->stop)) {
        unsigned n = qatomic_fetch_inc(&w->n);

        fake_ram_write(w->m->fr, w->m->rb,
                       (uint64_t)(n % w->pages) << RAM_PAGE_BITS, &n,
                       sizeof(n));
        g_usleep(1000);
    }
    return NULL;
}

static void writer_start(Writer *w, Machine *m, unsigned pages)
{
    *w = (Writer){ .m = m, .pages = pages };
    qemu_thread_create(&w->thread, "writer", writer_thread, w,
                       QEMU_THREAD_JOINABLE);
}

static void writer_stop(Writer *w)
{
    qatomic_set(&w->stop, true);
    qemu_thread_join(&w->thread);
}

static DirtyMeasureResult measure(Machine *m, DirtyKind kind, int64_t ms,
                                  unsigned samples)
{
    DirtyMeasure *dm = dirty_measure_new(&m->host, m);
    DirtyMeasureConfig config = { kind, ms, samples };
    DirtyMeasureResult r;

    dirty_measure_get(dm, kind == DIRTY_KIND_CURVE, &r);
    g_assert_cmpint(r.status, ==, DIRTY_MEASURE_UNSTARTED);
    g_assert_true(dirty_measure_start(dm, &config, &error_abort));
    dirty_measure_wait(dm);
    dirty_measure_get(dm, kind == DIRTY_KIND_CURVE, &r);
    g_assert_cmpint(r.status, ==, DIRTY_MEASURE_MEASURED);
    g_assert_cmpint(r.start_s, >, 0);
    g_assert_false(m->fr->logging);
    dirty_measure_free(dm);
    return r;
}

/* -- rates ------------------------------------------------------------------------ */

static void test_bitmap(void)
{
    Machine m;
    Writer w;
    DirtyMeasureResult r;
    unsigned written;

    machine_init(&m, false);
    /* Before it: not counted. */
    fake_ram_fill(m.fr, m.rb, 0, PAGES, 1);
    writer_start(&w, &m, PAGES);
    written = qatomic_read(&w.n);
    r = measure(&m, DIRTY_KIND_BITMAP, 200, 0);
    written = qatomic_read(&w.n) - written;
    writer_stop(&w);
    g_assert_cmpfloat(r.mib_per_s, >, 0.05);
    g_assert_cmpfloat(r.mib_per_s, <=, written / 256.0 / 0.2 + 0.1);
    machine_deinit(&m);
}

/* Memory that nobody writes. */
static void test_samples(void)
{
    Machine m;
    DirtyMeasureResult r;

    machine_init(&m, false);
    r = measure(&m, DIRTY_KIND_SAMPLES, 60, DIRTY_SAMPLES_MAX);
    g_assert_cmpfloat(r.mib_per_s, ==, 0);
    machine_deinit(&m);
}

static void test_sample_share(void)
{
    Machine m;
    DirtySample *s;
    uint64_t bytes;

    machine_init(&m, false);
    fake_ram_fill(m.fr, m.rb, 0, PAGES, 7);
    s = dirty_sample_new(ram_blocks(&m), DIRTY_SAMPLES_MAX);
    g_assert_cmpuint(dirty_sample_changed(s), ==, 0);
    /* A quarter of the memory, one byte of each page. */
    for (unsigned page = 0; page < PAGES / 4; page++) {
        uint8_t *p = m.rb->host + ((size_t)page << RAM_PAGE_BITS) + page;

        *p ^= 1;
    }
    bytes = dirty_sample_changed(s);
    g_assert_cmpuint(bytes, ==, (PAGES / 4) << RAM_PAGE_BITS);
    dirty_sample_free(s);
    machine_deinit(&m);
}

static void test_zero_share(void)
{
    Machine m;
    g_autofree unsigned long *map = bitmap_new(PAGES);
    double share;

    machine_init(&m, false);
    fake_ram_fill(m.fr, m.rb, 0, PAGES / 2, 7);
    g_assert_cmpfloat(dirty_sample_zero_share(m.rb, map, PAGES, 100), ==, 0);
    bitmap_fill(map, PAGES);
    share = dirty_sample_zero_share(m.rb, map, PAGES, 2000);
    g_assert_cmpfloat(share, >, 0.4);
    g_assert_cmpfloat(share, <, 0.6);
    machine_deinit(&m);
}

static void test_vcpus(void)
{
    Machine m;
    DirtyMeasureResult r;

    machine_init(&m, true);
    m.full[0] = 2560;  /* 10 MiB/s */
    m.full[1] = 25600; /* 100 MiB/s */
    r = measure(&m, DIRTY_KIND_VCPUS, 200, 0);
    g_assert_cmpuint(r.n_vcpus, ==, CPUS);
    g_assert_cmpfloat(r.vcpu_mib_per_s[0], >, 9);
    g_assert_cmpfloat(r.vcpu_mib_per_s[0], <, 11);
    g_assert_cmpfloat(r.vcpu_mib_per_s[1], >, 90);
    g_assert_cmpfloat(r.vcpu_mib_per_s[1], <, 110);
    g_assert_cmpfloat(r.mib_per_s, >, 99);
    dirty_measure_result_clear(&r);
    machine_deinit(&m);
}

static void test_curve(void)
{
    Machine m;
    Writer w;
    DirtyMeasureResult r;
    const DirtyCurve *c = &r.curve;

    machine_init(&m, false);
    fake_ram_fill(m.fr, m.rb, 0, 1024, 1);
    /* Twenty pages, again and again: the curve goes flat. */
    writer_start(&w, &m, 20);
    r = measure(&m, DIRTY_KIND_CURVE, 320, 0);
    writer_stop(&w);
    g_assert_cmpuint(c->n, ==, DIRTY_CURVE_POINTS);
    g_assert_cmpuint(c->total_pages, ==, PAGES + 16);
    g_assert_cmpuint(c->data_pages, >=, 1000);
    g_assert_cmpuint(c->data_pages, <=, 1100);
    for (unsigned i = 1; i < c->n; i++) {
        g_assert_cmpint(c->point[i].ns, >, c->point[i - 1].ns);
        g_assert_cmpuint(c->point[i].pages, >=, c->point[i - 1].pages);
    }
    g_assert_cmpuint(c->point[c->n - 1].pages, ==, 20);
    machine_deinit(&m);
}

static void test_refusals(void)
{
    static const DirtyMeasureConfig bad[] = {
        { DIRTY_KIND_SAMPLES, 49, 512 },
        { DIRTY_KIND_SAMPLES, 60001, 512 },
        { DIRTY_KIND_SAMPLES, 1000, 127 },
        { DIRTY_KIND_SAMPLES, 1000, 16385 },
        { DIRTY_KIND_SAMPLES, INT64_MIN, 512 },
        { DIRTY_KIND_VCPUS, 1000, 0 },
        { DIRTY_KIND_BITMAP, 0, 0 },
    };
    const DirtyMeasureConfig good = { DIRTY_KIND_BITMAP, 60000, 0 };
    DirtyMeasure *dm;
    DirtyMeasureResult r;
    Machine m;

    machine_init(&m, false);
    dm = dirty_measure_new(&m.host, &m);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_false(dirty_measure_start(dm, &bad[i], &err));
        error_free(err);
    }
    g_assert_true(dirty_measure_start(dm, &good, &error_abort));
    dirty_measure_get(dm, false, &r);
    g_assert_cmpint(r.status, ==, DIRTY_MEASURE_MEASURING);
    g_assert_false(dirty_measure_start(dm, &good, NULL));
    /* A minute is not waited for. */
    dirty_measure_free(dm);
    g_assert_false(m.fr->logging);
    machine_deinit(&m);
}

/* -- limits ---------------------------------------------------------------------------- */

static void test_share(void)
{
    unsigned share = 0;

    /* Twice too much: half of the time. */
    g_assert_cmpuint(dirty_limit_share(0, 100, 50), ==, 5000);
    g_assert_cmpuint(dirty_limit_share(5000, 50, 50), ==, 5000);
    /* Within limits it wakes up again, not all at once. */
    g_assert_cmpuint(dirty_limit_share(9900, 1, 1000), ==, 9200);
    g_assert_cmpuint(dirty_limit_share(9200, 0, 10), ==, 3600);
    g_assert_cmpuint(dirty_limit_share(3600, 0, 10), ==, 0);
    g_assert_cmpuint(dirty_limit_share(0, 1, 10), ==, 0);
    /* 4 GB/s to 4 MB/s. */
    for (unsigned i = 0; i < 10; i++) {
        double rate =
            4000.0 * (MIGRATION_SHARE_UNITS - share) / MIGRATION_SHARE_UNITS;

        share = dirty_limit_share(share, rate, 4);
    }
    g_assert_cmpuint(share, ==, 9990);
    g_assert_cmpuint(dirty_limit_share(9999, 1e9, 1), ==, MIGRATION_SHARE_MAX);
}

static void test_limit(void)
{
    Machine m;
    DirtyLimit *dl;
    g_autoptr(GArray) list = NULL;
    const DirtyLimitState *s;

    machine_init(&m, true);
    m.full[0] = m.full[1] = 256000; /* 1000 MiB/s */
    dl = dirty_limit_new(&m.host, &m);
    g_assert_true(dirty_limit_set_migration(dl, 100, 50, &error_abort));
    g_assert_true(dirty_limit_set(dl, 1, 10, &error_abort));
    g_usleep(500000);
    g_assert_cmpuint(share_of(&m, 0), >, 8800);
    g_assert_cmpuint(share_of(&m, 0), <, 9200);
    g_assert_cmpuint(share_of(&m, 1), >, 9850);
    g_assert_cmpuint(share_of(&m, 1), <, 9950);
    list = dirty_limit_query(dl);
    g_assert_cmpuint(list->len, ==, 2);
    s = &g_array_index(list, DirtyLimitState, 1);
    g_assert_cmpuint(s->cpu, ==, 1);
    g_assert_cmpuint(s->limit, ==, 10);
    g_assert_cmpuint(s->current, >=, 8);
    g_assert_cmpuint(s->current, <=, 12);
    /* The migration ends: only what the user set stays. */
    g_assert_true(dirty_limit_set_migration(dl, 0, 0, &error_abort));
    g_assert_cmpuint(share_of(&m, 0), ==, 0);
    g_assert_cmpuint(share_of(&m, 1), >, 9000);
    g_assert_true(dirty_limit_set(dl, -1, 0, &error_abort));
    g_assert_cmpuint(share_of(&m, 1), ==, 0);
    dirty_limit_free(dl);
    g_assert_false(m.fr->logging);
    machine_deinit(&m);
}

static void test_limit_again(void)
{
    Machine m;
    DirtyLimit *dl;

    machine_init(&m, true);
    dl = dirty_limit_new(&m.host, &m);
    for (unsigned i = 0; i < 50; i++) {
        g_assert_true(dirty_limit_set(dl, 0, 1, &error_abort));
        g_assert_true(dirty_limit_set(dl, 0, 0, &error_abort));
        g_usleep(i * 10);
    }
    g_assert_true(dirty_limit_set(dl, 0, 1, &error_abort));
    dirty_limit_free(dl); /* with a limit */
    g_assert_cmpuint(m.share[0], ==, 0);
    machine_deinit(&m);
}

static void test_limit_refusals(void)
{
    Machine m;
    DirtyLimit *dl;
    Error *err = NULL;

    machine_init(&m, false);
    dl = dirty_limit_new(&m.host, &m);
    g_assert_false(dirty_limit_set(dl, -1, 5, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "dirty-ring-size"));
    error_free(err);
    m.counts = true;
    g_assert_false(dirty_limit_set(dl, 2, 5, NULL));
    g_assert_false(dirty_limit_set(dl, -2, 5, NULL));
    g_assert_true(dirty_limit_set(dl, -1, 0, &error_abort));
    dirty_limit_free(dl);
    machine_deinit(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty/rate/bitmap", test_bitmap);
    g_test_add_func("/dirty/rate/samples", test_samples);
    g_test_add_func("/dirty/rate/sample-share", test_sample_share);
    g_test_add_func("/dirty/rate/zero-share", test_zero_share);
    g_test_add_func("/dirty/rate/vcpus", test_vcpus);
    g_test_add_func("/dirty/rate/curve", test_curve);
    g_test_add_func("/dirty/rate/refusals", test_refusals);
    g_test_add_func("/dirty/limit/share", test_share);
    g_test_add_func("/dirty/limit/keeps", test_limit);
    g_test_add_func("/dirty/limit/again", test_limit_again);
    g_test_add_func("/dirty/limit/refusals", test_limit_refusals);
    return g_test_run();
}
