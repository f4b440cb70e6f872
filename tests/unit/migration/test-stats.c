/*
 * Sums and rates of a migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stats.h"
#include "util/thread.h"

#define MS      INT64_C(1000000)
#define THREADS 4
#define ROUNDS  10000

static void test_phases(void)
{
    MigrationStats s;

    stats_reset(&s);
    stats_main_bytes(&s, 100);
    stats_set(&s.phase, MIGRATION_PHASE_DOWNTIME);
    stats_main_bytes(&s, 20);
    stats_set(&s.phase, MIGRATION_PHASE_POSTCOPY);
    stats_main_bytes(&s, 3);
    stats_add(&s.multifd.wire_bytes, 1000);
    g_assert_cmpuint(s.precopy_bytes, ==, 100);
    g_assert_cmpuint(s.downtime_bytes, ==, 20);
    g_assert_cmpuint(s.postcopy_bytes, ==, 3);
    g_assert_cmpuint(stats_transferred(&s), ==, 1123);
    stats_reset(&s);
    g_assert_cmpuint(stats_transferred(&s), ==, 0);
}

static void test_rates(void)
{
    MigrationStats s;
    MigrationStatsPeriod p = { 0 };

    stats_reset(&s);
    stats_sample(&s, &p, 1000 * MS);
    stats_method_add(&s, PAGE_METHOD_PLAIN, 500, 0, 0, 0);
    stats_method_add(&s, PAGE_METHOD_ZERO, 500, 0, 0, 0);
    stats_main_bytes(&s, 5000000);
    stats_add(&s.xbzrle_pages, 30);
    stats_add(&s.xbzrle_cache_miss, 10);
    stats_add(&s.xbzrle_bytes, 30 * 1024);
    stats_add(&s.compress_pages, 90);
    stats_add(&s.compress_busy, 10);
    /* A period is not over yet. */
    stats_sample(&s, &p, 1050 * MS);
    g_assert_cmpuint(s.pages_per_second, ==, 0);
    stats_sample(&s, &p, 1500 * MS);
    g_assert_cmpuint(s.pages_per_second, ==, 2000);
    g_assert_cmpuint(s.bytes_per_second, ==, 10000000);
    g_assert_cmpfloat(stats_mbps(&s), ==, 80.0);
    g_assert_cmpuint(s.xbzrle_miss_rate_ppm, ==, 250000);
    g_assert_cmpuint(s.xbzrle_encoding_milli, ==, 4000);
    g_assert_cmpuint(s.compress_busy_rate_ppm, ==, 100000);
    /* Nothing happened. */
    stats_sample(&s, &p, 2500 * MS);
    g_assert_cmpuint(s.bytes_per_second, ==, 0);
    g_assert_cmpuint(s.xbzrle_miss_rate_ppm, ==, 0);
    g_assert_cmpuint(stats_pages_sent(&s), ==, 1000);
}

static void *count_thread(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        stats_method_add(opaque, PAGE_METHOD_MULTIFD, 1, 4096, 2, 3);
    }
    return NULL;
}

static void test_threads(void)
{
    MigrationStats s;
    QemuThread t[THREADS];

    stats_reset(&s);
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_create(&t[i], "count", count_thread, &s,
                           QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_join(&t[i]);
    }
    g_assert_cmpuint(s.method[PAGE_METHOD_MULTIFD].pages, ==, THREADS * ROUNDS);
    g_assert_cmpuint(s.method[PAGE_METHOD_MULTIFD].cpu_ns, ==,
                     THREADS * ROUNDS * 3);
}

static void test_names(void)
{
    for (int m = 0; m < PAGE_METHOD__MAX; m++) {
        g_assert_nonnull(stats_method_name((PageMethod)m));
        for (int k = 0; k < m; k++) {
            g_assert_cmpstr(stats_method_name((PageMethod)m), !=,
                            stats_method_name((PageMethod)k));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stats/phases", test_phases);
    g_test_add_func("/stats/rates", test_rates);
    g_test_add_func("/stats/threads", test_threads);
    g_test_add_func("/stats/names", test_names);
    return g_test_run();
}
