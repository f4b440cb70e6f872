/*
 * Leaky buckets, on a clock that the test turns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/throttle.h"

#define SECOND INT64_C(1000000000)

static void config(ThrottleState *ts, BucketType type, uint64_t avg,
                   uint64_t max, uint64_t length)
{
    ThrottleConfig cfg;

    throttle_config_init(&cfg);
    cfg.buckets[type].avg = avg;
    cfg.buckets[type].max = max;
    cfg.buckets[type].burst_length = length;
    g_assert_true(throttle_is_valid(&cfg, &error_abort));
    throttle_config(ts, &cfg, 0);
}

/* Requests of @bytes as fast as they may go. Returns: how many begin before
 * @until_ns. */
static unsigned run(ThrottleState *ts, bool is_write, uint64_t bytes,
                    int64_t *now_ns, int64_t until_ns)
{
    unsigned n = 0;

    while (*now_ns < until_ns) {
        int64_t wait = throttle_compute_wait_ns(ts, is_write, *now_ns);

        *now_ns += wait;
        if (*now_ns >= until_ns) {
            break;
        }
        g_assert_cmpint(throttle_compute_wait_ns(ts, is_write, *now_ns), ==, 0);
        throttle_account(ts, is_write, bytes);
        n++;
    }
    return n;
}

static void assert_about(uint64_t n, uint64_t want, uint64_t by)
{
    g_assert_cmpuint(n, >=, want - by);
    g_assert_cmpuint(n, <=, want + by);
}

static void test_rate(void)
{
    ThrottleState ts = { 0 };
    int64_t now = 0;

    config(&ts, THROTTLE_OPS_TOTAL, 100, 0, 1);
    /* A tenth of a second's worth comes at once, then 100 a second. */
    assert_about(run(&ts, false, 4096, &now, 1), 11, 1);
    assert_about(run(&ts, true, 4096, &now, 10 * SECOND), 1000, 2);

    now = 0;
    config(&ts, THROTTLE_BPS_TOTAL, 1000000, 0, 1);
    assert_about(run(&ts, false, 50000, &now, 10 * SECOND), 202, 2);
    /* However large requests are, the average is that. */
    now = 0;
    config(&ts, THROTTLE_BPS_TOTAL, 1000000, 0, 1);
    assert_about(run(&ts, false, 3000000, &now, 30 * SECOND), 10, 1);
}

static void test_direction(void)
{
    static const struct {
        BucketType type;
        bool limits[2]; /* reads, writes */
    } cases[] = {
        { THROTTLE_BPS_TOTAL, { true, true } },
        { THROTTLE_BPS_READ, { true, false } },
        { THROTTLE_BPS_WRITE, { false, true } },
        { THROTTLE_OPS_TOTAL, { true, true } },
        { THROTTLE_OPS_READ, { true, false } },
        { THROTTLE_OPS_WRITE, { false, true } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned is_write = 0; is_write < 2; is_write++) {
            ThrottleState ts = { 0 };

            config(&ts, cases[i].type, 10, 0, 1);
            for (unsigned n = 0; n < 20; n++) {
                throttle_account(&ts, is_write, 1);
            }
            g_assert_cmpint(throttle_compute_wait_ns(&ts, is_write, 0) > 0, ==,
                            cases[i].limits[is_write]);
            /* A total counts for the other direction as well. */
            g_assert_cmpint(throttle_compute_wait_ns(&ts, !is_write, 0) > 0, ==,
                            cases[i].limits[0] && cases[i].limits[1]);
        }
    }
}

static void test_burst(void)
{
    ThrottleState ts = { 0 };
    int64_t now = 0;

    /* max: a second's worth of it at once. */
    config(&ts, THROTTLE_OPS_READ, 100, 2000, 1);
    assert_about(run(&ts, false, 1, &now, 1), 2001, 1);
    assert_about(run(&ts, false, 1, &now, 10 * SECOND), 1000, 2);
    /* Rest fills it again. */
    now += 60 * SECOND;
    assert_about(run(&ts, false, 1, &now, now + 1), 2001, 1);

    /* length: 2000 a second for about 5 s, then 100. */
    config(&ts, THROTTLE_OPS_READ, 100, 2000, 5);
    now = 0;
    assert_about(run(&ts, false, 1, &now, 1), 201, 1);
    assert_about(run(&ts, false, 1, &now, 4 * SECOND), 8000, 210);
    run(&ts, false, 1, &now, 8 * SECOND);
    assert_about(run(&ts, false, 1, &now, 18 * SECOND), 1000, 5);
}

static void test_op_size(void)
{
    ThrottleState ts = { 0 };
    ThrottleConfig cfg;
    int64_t now = 0;

    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_OPS_TOTAL].avg = 100;
    cfg.op_size = 4096;
    throttle_config(&ts, &cfg, 0);
    assert_about(run(&ts, false, 4096, &now, 10 * SECOND), 1010, 2);
    now = 0;
    throttle_config(&ts, &cfg, 0);
    assert_about(run(&ts, false, 40960, &now, 10 * SECOND), 101, 2);
    now = 0;
    throttle_config(&ts, &cfg, 0);
    assert_about(run(&ts, false, 512, &now, 10 * SECOND), 1010, 2);
}

static void test_clock(void)
{
    ThrottleState ts = { 0 };
    int64_t wait;

    config(&ts, THROTTLE_OPS_TOTAL, 10, 0, 1);
    for (unsigned i = 0; i < 100; i++) {
        throttle_account(&ts, false, 1);
    }
    wait = throttle_compute_wait_ns(&ts, false, 50 * SECOND / 10);
    assert_about((uint64_t)wait, (uint64_t)(49 * SECOND / 10), 10);
    /* Back in time: nothing leaks, nothing comes back. */
    g_assert_cmpint(throttle_compute_wait_ns(&ts, false, 0), ==, wait);
    /* A wait has an end. */
    for (unsigned i = 0; i < 100; i++) {
        throttle_account(&ts, false, 1);
        ts.cfg.buckets[THROTTLE_OPS_TOTAL].level *= 1000;
    }
    g_assert_cmpint(throttle_compute_wait_ns(&ts, false, 0), <=,
                    86400 * SECOND + 1);
}

static void test_validity(void)
{
    static const struct {
        BucketType type;
        uint64_t avg, max, length;
        const char *message; /* NULL: good */
    } cases[] = {
        { THROTTLE_BPS_TOTAL, 0, 0, 1, NULL },
        { THROTTLE_BPS_TOTAL, 1, 1, 1, NULL },
        { THROTTLE_BPS_TOTAL, THROTTLE_VALUE_MAX, 0, 1, NULL },
        { THROTTLE_BPS_TOTAL, THROTTLE_VALUE_MAX + 1, 0, 1, "within" },
        { THROTTLE_BPS_TOTAL, 1, THROTTLE_VALUE_MAX + 1, 1, "within" },
        { THROTTLE_BPS_TOTAL, 1, 0, 0, "cannot be 0" },
        { THROTTLE_BPS_TOTAL, 1, 0, 2, "without burst rate" },
        { THROTTLE_BPS_TOTAL, 1, THROTTLE_VALUE_MAX, 2, "too high" },
        { THROTTLE_BPS_TOTAL, 0, 1, 1, "require corresponding" },
        { THROTTLE_BPS_TOTAL, 2, 1, 1, "lower than" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ThrottleConfig cfg;
        Error *err = NULL;

        throttle_config_init(&cfg);
        g_assert_false(throttle_enabled(&cfg));
        cfg.buckets[cases[i].type].avg = cases[i].avg;
        cfg.buckets[cases[i].type].max = cases[i].max;
        cfg.buckets[cases[i].type].burst_length = cases[i].length;
        g_assert_cmpint(throttle_enabled(&cfg), ==, cases[i].avg > 0);
        g_assert_cmpint(throttle_is_valid(&cfg, &err), ==, !cases[i].message);
        if (cases[i].message) {
            g_assert_nonnull(strstr(error_get_pretty(err), cases[i].message));
            error_free(err);
        }
    }
}

static void test_conflicts(void)
{
    ThrottleConfig cfg;
    Error *err = NULL;

    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_OPS_TOTAL].avg = 1;
    cfg.buckets[THROTTLE_OPS_WRITE].avg = 1;
    g_assert_false(throttle_is_valid(&cfg, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "at the same time"));
    error_free(err);
    err = NULL;

    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_BPS_TOTAL].avg = 1;
    cfg.op_size = 512;
    g_assert_false(throttle_is_valid(&cfg, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "iops size"));
    error_free(err);
    cfg.buckets[THROTTLE_OPS_READ].avg = 1;
    g_assert_true(throttle_is_valid(&cfg, &error_abort));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/rate", test_rate);
    g_test_add_func("/throttle/direction", test_direction);
    g_test_add_func("/throttle/burst", test_burst);
    g_test_add_func("/throttle/op-size", test_op_size);
    g_test_add_func("/throttle/clock", test_clock);
    g_test_add_func("/throttle/validity", test_validity);
    g_test_add_func("/throttle/conflicts", test_conflicts);
    return g_test_run();
}
