/*
 * Forecasts from dirty curves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/forecast.h"

#define MS        INT64_C(1000000)
#define SECOND    (1000 * MS)
#define GB        UINT64_C(1000000000)
#define PAGES_GIB UINT64_C(262144)

/* 2 GiB of which half is zero; @pages_s different pages a second, never the
 * same twice. */
static DirtyCurve straight(uint64_t pages_s)
{
    return (DirtyCurve){
        .total_pages = 2 * PAGES_GIB,
        .data_pages = PAGES_GIB,
        .n = 2,
        .point = { { SECOND / 2, pages_s / 2 }, { SECOND, pages_s } },
    };
}

static void test_curve(void)
{
    DirtyCurve c = straight(1000);

    g_assert_cmpfloat(dirty_curve_at(&c, 0), ==, 0);
    g_assert_cmpfloat(dirty_curve_at(&c, SECOND / 4), ==, 250);
    g_assert_cmpfloat(dirty_curve_at(&c, SECOND), ==, 1000);
    g_assert_cmpfloat(dirty_curve_at(&c, 10.0 * SECOND), ==, 10000);
    g_assert_cmpfloat(dirty_curve_at(&c, 1e18), ==, 2 * PAGES_GIB);
    c.n = 0;
    g_assert_cmpfloat(dirty_curve_at(&c, SECOND), ==, 0);
}

static void test_idle(void)
{
    DirtyCurve c = straight(0);
    Forecast f;

    forecast(&c, GB, 10 * MS, 5 * MS, &f);
    g_assert_true(f.converges);
    g_assert_cmpuint(f.passes, ==, 1);
    g_assert_cmpint(f.pause_ns, ==, 5 * MS);
    /* 1 GiB at 1 GB/s, and a little for zeros. */
    g_assert_cmpint(f.total_ns, >, 1070 * MS);
    g_assert_cmpint(f.total_ns, <, 1100 * MS);
}

static void test_rates(void)
{
    Forecast slow, fast, never;
    DirtyCurve c = straight(50000); /* 205 MB/s */

    forecast(&c, GB, 300 * MS, 5 * MS, &slow);
    g_assert_true(slow.converges);
    forecast(&c, 10 * GB, 300 * MS, 5 * MS, &fast);
    g_assert_true(fast.converges);
    g_assert_cmpint(fast.total_ns, <, slow.total_ns / 5);
    forecast(&c, GB / 10, 300 * MS, 5 * MS, &never);
    g_assert_false(never.converges);
    g_assert_cmpint(never.pause_ns, >, 300 * MS);
    /* A tighter limit needs more passes. */
    forecast(&c, GB, 10 * MS, 5 * MS, &fast);
    g_assert_true(fast.converges);
    g_assert_cmpuint(fast.passes, >, slow.passes);
    g_assert_cmpint(fast.pause_ns, <=, 10 * MS);
}

/* Always the same 64 MiB: the pause is theirs, however slow the link. */
static void test_working_set(void)
{
    DirtyCurve c = { .total_pages = PAGES_GIB,
                     .data_pages = PAGES_GIB,
                     .n = 2,
                     .point = { { 10 * MS, 16384 }, { SECOND, 16384 } } };
    Forecast f;

    forecast(&c, GB / 10, 800 * MS, 0, &f);
    g_assert_true(f.converges);
    g_assert_cmpuint(f.passes, ==, 1);
    forecast(&c, GB / 10, 500 * MS, 0, &f);
    g_assert_false(f.converges);
    g_assert_cmpint(f.pause_ns, >, 660 * MS);
    g_assert_cmpint(f.pause_ns, <, 690 * MS);
}

static void test_odd(void)
{
    DirtyCurve c = straight(1000);
    Forecast f;

    forecast(&c, 0, SECOND, 0, &f);
    g_assert_false(f.converges);
    forecast(&c, GB, 1 * MS, 5 * MS, &f); /* overhead over the limit */
    g_assert_false(f.converges);
    forecast(&c, 1, INT64_MAX, INT64_MAX / 2, &f);
    c = (DirtyCurve){ 0 };
    forecast(&c, 1, 0, 0, &f);
    g_assert_true(f.converges);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/forecast/curve", test_curve);
    g_test_add_func("/forecast/idle", test_idle);
    g_test_add_func("/forecast/rates", test_rates);
    g_test_add_func("/forecast/working-set", test_working_set);
    g_test_add_func("/forecast/odd", test_odd);
    return g_test_run();
}
