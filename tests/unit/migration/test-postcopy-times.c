/*
 * Times of waiting: quantiles, blocktime of vCPUs, pages for which several wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/times.h"

#define MS INT64_C(1000000)

static void test_quantiles(void)
{
    g_autoptr(PostcopyTimes) t = postcopy_times_new(NULL, 0);
    PostcopyTimesReport r;

    for (int i = 1; i <= 1000; i++) {
        postcopy_times_begin(t, 0x1000, 0, 0);
        postcopy_times_end(t, 0x1000, i * 1000); /* i us */
    }
    postcopy_times_report(t, &r);
    g_assert_cmpuint(r.faults, ==, 1000);
    g_assert_cmpuint(r.mean_ns, ==, 500500);
    g_assert_cmpuint(r.max_ns, ==, 1000000);
    /* A bucket is a quarter of a power of two wide. */
    g_assert_cmpuint(r.median_ns, >=, 500000);
    g_assert_cmpuint(r.median_ns, <, 625000);
    g_assert_cmpuint(r.p99_ns, >=, 990000);
    g_assert_cmpuint(r.p99_ns, <=, 1000000);
    g_assert_cmpuint(r.by_us[0], ==, 1);
    g_assert_cmpuint(r.by_us[1], ==, 2);
    g_assert_false(r.blocktime);
}

static void test_empty_and_extremes(void)
{
    g_autoptr(PostcopyTimes) t = postcopy_times_new(NULL, 0);
    PostcopyTimesReport r;

    postcopy_times_report(t, &r);
    g_assert_cmpuint(r.median_ns, ==, 0);
    postcopy_times_end(t, 0x1000, 5); /* nobody waits */
    postcopy_times_begin(t, 0x1000, 0, 10);
    postcopy_times_end(t, 0x1000, 10);
    postcopy_times_begin(t, 0x1000, 0, 0);
    postcopy_times_end(t, 0x1000, INT64_MAX);
    postcopy_times_report(t, &r);
    g_assert_cmpuint(r.faults, ==, 2);
    g_assert_cmpuint(r.max_ns, ==, INT64_MAX);
    g_assert_cmpuint(r.by_us[31], ==, 1);
}

static void test_blocktime(void)
{
    const int tids[] = { 100, 200 };
    g_autoptr(PostcopyTimes) t = postcopy_times_new(tids, 2);
    PostcopyTimesReport r;

    postcopy_times_begin(t, 0x1000, 100, 0);
    postcopy_times_begin(t, 0x2000, 999, 0); /* not a vCPU */
    postcopy_times_begin(t, 0x1000, 200, 10 * MS);
    postcopy_times_end(t, 0x2000, 12 * MS);
    postcopy_times_end(t, 0x1000, 30 * MS); /* both go on */
    postcopy_times_begin(t, 0x3000, 200, 40 * MS);
    postcopy_times_end(t, 0x3000, 45 * MS);
    postcopy_times_report(t, &r);
    g_assert_true(r.blocktime);
    g_assert_cmpuint(r.vcpus, ==, 2);
    g_assert_cmpuint(r.vcpu_blocked_ms[0], ==, 30);
    g_assert_cmpuint(r.vcpu_blocked_ms[1], ==, 25);
    g_assert_cmpuint(r.all_blocked_ms, ==, 20);
    g_assert_cmpuint(r.faults, ==, 4);
    g_assert_cmpuint(r.vcpu_mean_ns[0], ==, 30 * MS);
    g_assert_cmpuint(r.vcpu_mean_ns[1], ==, 12 * MS + MS / 2);
    g_assert_cmpuint(r.other_mean_ns, ==, 12 * MS);
    postcopy_times_report_clear(&r);
    g_assert_null(r.vcpu_blocked_ms);
}

static void test_full(void)
{
    g_autoptr(PostcopyTimes) t = postcopy_times_new(NULL, 0);
    PostcopyTimesReport r;

    for (unsigned i = 0; i < POSTCOPY_TIMES_PENDING + 10; i++) {
        postcopy_times_begin(t, 0x1000 * (i + 1), 0, 0);
    }
    for (unsigned i = 0; i < POSTCOPY_TIMES_PENDING + 10; i++) {
        postcopy_times_end(t, 0x1000 * (i + 1), 1000);
    }
    postcopy_times_report(t, &r);
    g_assert_cmpuint(r.faults, ==, POSTCOPY_TIMES_PENDING);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-times/quantiles", test_quantiles);
    g_test_add_func("/postcopy-times/extremes", test_empty_and_extremes);
    g_test_add_func("/postcopy-times/blocktime", test_blocktime);
    g_test_add_func("/postcopy-times/full", test_full);
    return g_test_run();
}
