/*
 * The log of written pages, on every accelerator that this host has: what a
 * migration does with it loses no write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/types.h"
#include "qapi/error.h"
#include "util/bitmap.h"
#include "util/timer.h"

#include "log-machine.h"

#define CPU_PAGES 512u

static LogMachine *machine(gconstpointer accel, unsigned n_cpus)
{
    LogMachine *lm = lm_new(accel, n_cpus, CPU_PAGES);

    if (!lm) {
        g_test_skip("this accelerator does not work here");
    }
    return lm;
}

static void sync_all(LogMachine *lm, unsigned long *bitmap)
{
    g_assert_true(lm->ac->dirty_log_sync(lm->accel, 0, LM_RAM_BYTES, bitmap,
                                         &error_abort));
}

static void run_for(LogMachine *lm, unsigned ms)
{
    lm_start(lm);
    g_usleep(ms * 1000);
    lm_stop(lm);
}

/* Until each CPU has gone round its pages once more. */
static void run_a_round(LogMachine *lm)
{
    for (unsigned i = 0; i < lm->n_cpus; i++) {
        uint32_t before = lm_round(lm, i);

        while (lm_round(lm, i) < before + 2) {
            run_for(lm, 2);
        }
    }
}

static unsigned count(const unsigned long *bitmap, unsigned first, unsigned n)
{
    unsigned found = 0;

    for (unsigned i = first; i < first + n; i++) {
        found += test_bit(i, bitmap);
    }
    return found;
}

/* -- states of a page --------------------------------------------------------- */

static void test_states(gconstpointer accel)
{
    DECLARE_BITMAP(map, LM_RAM_PAGES) = { 0 };
    LogMachine *lm = machine(accel, 1);
    unsigned first = LM_FIRST_PAGE;

    if (!lm) {
        return;
    }
    run_a_round(lm);
    g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
    lm->ac->dirty_log_clear(lm->accel, 0, LM_RAM_BYTES);
    sync_all(lm, map);
    g_assert_cmpuint(count(map, first, CPU_PAGES), ==, 0);

    run_a_round(lm);
    sync_all(lm, map);
    g_assert_cmpuint(count(map, first, CPU_PAGES), ==, CPU_PAGES);
    g_assert_cmpuint(count(map, first + CPU_PAGES, CPU_PAGES), ==, 0);

    /* Not cleared: reported again. Cleared: not. */
    bitmap_zero(map, LM_RAM_PAGES);
    lm->ac->dirty_log_clear(lm->accel, (uint64_t)(first + 100) * LM_PAGE,
                            70 * LM_PAGE);
    sync_all(lm, map);
    g_assert_cmpuint(count(map, first, CPU_PAGES), ==, CPU_PAGES - 70);
    g_assert_cmpuint(count(map, first + 100, 70), ==, 0);

    /* Written, not reported, then cleared: still to be reported. */
    lm->ac->dirty_log_clear(lm->accel, 0, LM_RAM_BYTES);
    bitmap_zero(map, LM_RAM_PAGES);
    sync_all(lm, map);
    g_assert_cmpuint(count(map, first, CPU_PAGES), ==, 0);
    run_a_round(lm);
    lm->ac->dirty_log_clear(lm->accel, 0, LM_RAM_BYTES);
    sync_all(lm, map);
    g_assert_cmpuint(count(map, first, CPU_PAGES), ==, CPU_PAGES);

    lm->ac->dirty_log_stop(lm->accel);
    g_assert_false(
        lm->ac->dirty_log_sync(lm->accel, 0, LM_RAM_BYTES, map, NULL));
    run_a_round(lm);
    lm_free(lm);
}

/* A sync of a part whose begin is not that of a word. */
static void test_part(gconstpointer accel)
{
    DECLARE_BITMAP(map, LM_RAM_PAGES) = { 0 };
    LogMachine *lm = machine(accel, 1);
    unsigned first = LM_FIRST_PAGE - 13;

    if (!lm) {
        return;
    }
    g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
    lm->ac->dirty_log_clear(lm->accel, 0, LM_RAM_BYTES);
    run_a_round(lm);
    g_assert_true(lm->ac->dirty_log_sync(lm->accel, (uint64_t)first * LM_PAGE,
                                         100 * LM_PAGE, map, &error_abort));
    g_assert_cmpuint(count(map, 0, 13), ==, 0);
    g_assert_cmpuint(count(map, 13, 87), ==, 87);
    g_assert_cmpuint(count(map, 100, 64), ==, 0);
    lm_free(lm); /* with the log on */
}

/* -- a migration's passes ------------------------------------------------------- */

typedef struct Copy {
    LogMachine *lm;
    uint8_t *ram;
    unsigned long *dirty;
} Copy;

static void copy_init(Copy *c, LogMachine *lm)
{
    c->lm = lm;
    c->ram = g_malloc0(LM_RAM_BYTES);
    c->dirty = bitmap_new(LM_RAM_PAGES);
    bitmap_fill(c->dirty, LM_RAM_PAGES);
}

static void copy_deinit(Copy *c)
{
    g_free(c->ram);
    g_free(c->dirty);
}

static void copy_sync(Copy *c)
{
    for (unsigned i = 0; i < BITS_TO_LONGS(LM_RAM_PAGES); i++) {
        c->dirty[i] |= qatomic_xchg(&c->lm->device_dirty[i], 0);
    }
    sync_all(c->lm, c->dirty);
}

/* Send what is dirty, chunk by chunk, each cleared just before. */
static unsigned copy_pass(Copy *c, unsigned chunk)
{
    unsigned sent = 0;

    for (unsigned page = 0; page < LM_RAM_PAGES; page++) {
        if (page % chunk == 0) {
            c->lm->ac->dirty_log_clear(c->lm->accel, (uint64_t)page * LM_PAGE,
                                       (uint64_t)chunk * LM_PAGE);
        }
        if (test_and_clear_bit(page, c->dirty)) {
            memcpy(c->ram + (size_t)page * LM_PAGE,
                   c->lm->ram + (size_t)page * LM_PAGE, LM_PAGE);
            sent++;
        }
    }
    return sent;
}

static void copy_compare(Copy *c)
{
    for (unsigned page = 0; page < LM_RAM_PAGES; page++) {
        if (memcmp(c->ram + (size_t)page * LM_PAGE,
                   c->lm->ram + (size_t)page * LM_PAGE, LM_PAGE)) {
            g_error("page %u differs", page);
        }
    }
}

static void test_passes(gconstpointer accel)
{
    LogMachine *lm = machine(accel, LM_CPUS_MAX);
    bool easy = true;
    Copy c;

    if (!lm) {
        return;
    }
    copy_init(&c, lm);
    lm_start(lm);
    /* On a busy host the guest comes to write late. */
    for (unsigned n = 0; n < 3 || (easy && n < 100); n++) {
        bitmap_fill(c.dirty, LM_RAM_PAGES);
        g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
        g_assert_cmpuint(copy_pass(&c, 4096), ==, LM_RAM_PAGES);
        for (unsigned pass = 0; pass < 12; pass++) {
            copy_sync(&c);
            copy_pass(&c, pass % 2 ? 512 : 192);
        }
        lm_stop(lm);
        copy_sync(&c);
        copy_pass(&c, LM_RAM_PAGES);
        copy_compare(&c);
        easy = lm_round(lm, 0) <= 10 || lm_round(lm, 1) <= 10;
        lm->ac->dirty_log_stop(lm->accel);
        lm_start(lm);
    }
    lm_stop(lm);
    g_assert_false(easy);
    copy_deinit(&c);
    lm_free(lm);
}

/* -- memory that comes and goes meanwhile ----------------------------------------- */

#define MOVED_PAGE  (LM_FIRST_PAGE + 101u)
#define MOVED_PAGES 37u

static void map(LogMachine *lm, unsigned page, unsigned n)
{
    g_assert_true(lm->ac->map_ram(
        lm->accel, (uint64_t)page * LM_PAGE, (uint64_t)n * LM_PAGE,
        lm->ram + (size_t)page * LM_PAGE, 0, &error_abort));
}

/* What guest memory does when a piece goes: its log is looked at before. */
static void unmap(Copy *c, unsigned page, unsigned n)
{
    LogMachine *lm = c->lm;
    g_autofree unsigned long *part = bitmap_new(n);

    g_assert_true(lm->ac->dirty_log_sync(lm->accel, (uint64_t)page * LM_PAGE,
                                         (uint64_t)n * LM_PAGE, part,
                                         &error_abort));
    for (unsigned i = 0; i < n; i++) {
        if (test_bit(i, part)) {
            set_bit(page + i, c->dirty);
        }
    }
    g_assert_true(lm->ac->unmap_ram(lm->accel, (uint64_t)page * LM_PAGE,
                                    (uint64_t)n * LM_PAGE, &error_abort));
}

static void split(Copy *c)
{
    c->lm->ac->ram_change_begin(c->lm->accel);
    unmap(c, 0, LM_RAM_PAGES);
    map(c->lm, 0, MOVED_PAGE);
    map(c->lm, MOVED_PAGE, MOVED_PAGES);
    map(c->lm, MOVED_PAGE + MOVED_PAGES,
        LM_RAM_PAGES - MOVED_PAGE - MOVED_PAGES);
    c->lm->ac->ram_change_end(c->lm->accel);
}

static void join(Copy *c)
{
    c->lm->ac->ram_change_begin(c->lm->accel);
    unmap(c, MOVED_PAGE, MOVED_PAGES);
    unmap(c, 0, MOVED_PAGE);
    unmap(c, MOVED_PAGE + MOVED_PAGES, LM_RAM_PAGES - MOVED_PAGE - MOVED_PAGES);
    map(c->lm, 0, LM_RAM_PAGES);
    c->lm->ac->ram_change_end(c->lm->accel);
}

static void test_slots(gconstpointer accel)
{
    LogMachine *lm = machine(accel, LM_CPUS_MAX);
    Copy c;

    if (!lm) {
        return;
    }
    copy_init(&c, lm);
    g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
    lm_start(lm);
    copy_pass(&c, 4096);
    for (unsigned i = 0; i < 20; i++) {
        split(&c);
        copy_pass(&c, 256);
        join(&c);
        copy_sync(&c);
        copy_pass(&c, 256);
    }
    lm_stop(lm);
    copy_sync(&c);
    copy_pass(&c, LM_RAM_PAGES);
    copy_compare(&c);
    lm->ac->dirty_log_stop(lm->accel);
    copy_deinit(&c);
    lm_free(lm);
}

/* -- each CPU's share -------------------------------------------------------------- */

static void test_counters(gconstpointer accel)
{
    LogMachine *lm = machine(accel, 1);
    uint64_t before = 0, after = 0;

    if (!lm) {
        return;
    }
    if (!lm->ac->vcpu_dirty_pages(lm->cpu[0].vcpu, &before)) {
        g_assert_cmpstr(accel, ==, "kvm");
        lm_free(lm);
        return;
    }
    g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
    for (unsigned i = 0; i < 3; i++) {
        DECLARE_BITMAP(map, LM_RAM_PAGES) = { 0 };

        lm->ac->dirty_log_clear(lm->accel, 0, LM_RAM_BYTES);
        g_assert_true(lm->ac->vcpu_dirty_pages(lm->cpu[0].vcpu, &before));
        run_a_round(lm);
        sync_all(lm, map);
        g_assert_true(lm->ac->vcpu_dirty_pages(lm->cpu[0].vcpu, &after));
        g_assert_cmpuint(after - before, >=, CPU_PAGES);
    }
    lm->ac->dirty_log_stop(lm->accel);
    lm_free(lm);
}

/* -- while CPUs only compute --------------------------------------------------------- */

/* A kernel may wait for them to leave it, which they do not by themselves. */
static void test_no_exits(gconstpointer accel)
{
    LogMachine *lm = machine(accel, LM_CPUS_MAX);
    int64_t longest = 0;

    if (!lm) {
        return;
    }
    lm_start(lm);
    for (unsigned i = 0; i < 20; i++) {
        int64_t start;

        g_usleep(2000);
        start = get_clock();
        if (i % 2 == 0) {
            g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
        } else {
            lm->ac->dirty_log_stop(lm->accel);
        }
        longest = MAX(longest, get_clock() - start);
    }
    lm_stop(lm);
    g_test_message("%s: at most %" PRId64 " us", (const char *)accel,
                   longest / SCALE_US);
    g_assert_cmpint(longest, <, 15 * NANOSECONDS_PER_SECOND);
    lm_free(lm);
}

/* -- what it costs the guest --------------------------------------------------------- */

static uint32_t rounds_in(LogMachine *lm, unsigned ms)
{
    uint32_t before = lm_round(lm, 0);

    run_for(lm, ms);
    return lm_round(lm, 0) - before;
}

/* With the log on, and nothing cleared yet, the guest runs as without it. */
static void test_start_is_free(gconstpointer accel)
{
    LogMachine *lm = machine(accel, 1);
    bool ok = false;

    if (!lm) {
        return;
    }
    run_a_round(lm);
    for (unsigned attempt = 0; attempt < 5 && !ok; attempt++) {
        uint32_t without = rounds_in(lm, 60);
        int64_t start = get_clock();
        uint32_t with;

        g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
        g_test_message("%s: log on in %" PRId64 " us", (const char *)accel,
                       (get_clock() - start) / 1000);
        with = rounds_in(lm, 60);
        g_test_message("%s: %u rounds without, %u with a log",
                       (const char *)accel, without, with);
        ok = with >= without / 2;
        lm->ac->dirty_log_stop(lm->accel);
    }
    g_assert_true(ok);
    lm_free(lm);
}

static void add(const char *accel, const char *name)
{
    static const struct {
        const char *name;
        GTestDataFunc func;
    } tests[] = {
        { "states", test_states },     { "part", test_part },
        { "passes", test_passes },     { "slots", test_slots },
        { "counters", test_counters }, { "no-exits", test_no_exits },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/accel/dirty-log/%s/%s", name, tests[i].name);

        g_test_add_data_func(path, accel, tests[i].func);
    }
}

/* A ring that is smaller than what is written. */
static void test_small_ring(void)
{
    LogMachine *lm = lm_new("kvm,dirty-ring-size=1024", 1, 3000);
    Copy c;

    if (!lm) {
        g_test_skip("this accelerator does not work here");
        return;
    }
    copy_init(&c, lm);
    g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
    copy_pass(&c, 4096);
    run_a_round(lm);
    /* Whether the host's KVM overruns the ring or leaves the guest in time. */
    for (unsigned i = 0; i < 4; i++) {
        copy_sync(&c);
        copy_pass(&c, 512);
        run_a_round(lm);
    }
    copy_sync(&c);
    copy_pass(&c, LM_RAM_PAGES);
    copy_compare(&c);
    copy_deinit(&c);
    lm_free(lm);
}

/* A ring that is collected while the guest fills it, at times beyond its end. */
static void test_ring_running(void)
{
    LogMachine *lm = lm_new("kvm,dirty-ring-size=16384", LM_CPUS_MAX, 1500);
    Copy c;

    if (!lm) {
        g_test_skip("this accelerator does not work here");
        return;
    }
    copy_init(&c, lm);
    for (unsigned migration = 0; migration < 4; migration++) {
        bitmap_fill(c.dirty, LM_RAM_PAGES);
        g_assert_true(lm->ac->dirty_log_start(lm->accel, &error_abort));
        lm_start(lm);
        for (unsigned pass = 0; pass < 20; pass++) {
            copy_sync(&c);
            copy_pass(&c, 4096);
        }
        lm_stop(lm);
        copy_sync(&c);
        copy_pass(&c, LM_RAM_PAGES);
        copy_compare(&c);
        run_a_round(lm);
        lm->ac->dirty_log_stop(lm->accel);
    }
    copy_deinit(&c);
    lm_free(lm);
}

static void test_ring_sizes(void)
{
    g_assert_null(lm_new("kvm,dirty-ring-size=1000", 1, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    accel_register_types();
    add("kvm", "kvm");
    add("kvm,dirty-ring-size=65536", "kvm-ring");
    add("soft", "soft");
    add("soft,jit=off", "soft-interp");
    g_test_add_data_func("/accel/dirty-log/kvm/start-is-free", "kvm",
                         test_start_is_free);
    g_test_add_data_func("/accel/dirty-log/soft/start-is-free", "soft",
                         test_start_is_free);
    g_test_add_func("/accel/dirty-log/kvm-ring/small", test_small_ring);
    g_test_add_func("/accel/dirty-log/kvm-ring/running", test_ring_running);
    g_test_add_func("/accel/dirty-log/kvm-ring/sizes", test_ring_sizes);
    return g_test_run();
}
