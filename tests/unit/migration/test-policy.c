/*
 * The classic policy, records and replay.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "migration/policy-replay.h"
#include "migration/policy/policy.h"
#include "migration/policy/record.h"
#include "migration/ram-block.h"
#include "qapi/error.h"

#define MS         INT64_C(1000000)
#define SECOND     (1000 * MS)
#define PAGES(mib) ((uint64_t)(mib)*256)
#define MIB(n)     ((uint64_t)(n) << 20)

/* One second at 128 MiB/s, idle guest, a link of 1 GiB/s. */
static PassReport report(uint64_t pass, uint64_t remaining_pages)
{
    return (PassReport){
        .pass = pass,
        .can_switch = true,
        .time_ns = (int64_t)pass * SECOND,
        .duration_ns = SECOND,
        .ram_pages = PAGES(2048),
        .sent_pages = PAGES(128),
        .sent_bytes = MIB(128),
        .dirtied_pages = remaining_pages,
        .remaining_pages = remaining_pages,
        .switchover_fixed_ns = 2 * MS,
        .bandwidth = MIB(1024),
        .knobs = { .throttle_trigger_threshold = 50,
                   .cpu_throttle_initial = 20,
                   .cpu_throttle_increment = 10,
                   .max_cpu_throttle = 99,
                   .downtime_limit_ms = 300,
                   .vcpu_dirty_limit = 1 },
    };
}

static Decision decide(MigrationPolicy *p, const PassReport *r)
{
    Decision d;

    policy_decide(p, r, &d);
    return d;
}

static MigrationPolicy *classic(void)
{
    return policy_new("classic", &error_abort);
}

/* -- when ------------------------------------------------------------------- */

static void test_limit(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, PAGES(1024));
    Decision d = decide(p, &r);

    /* One second of RAM is over 300 ms. */
    g_assert_cmpint(d.action, ==, POLICY_CONTINUE);
    g_assert_cmpint(d.expected_pause_ns, ==, SECOND + 2 * MS);
    /* Over the whole pause: 299 ms of RAM and 2 ms of the rest are too much. */
    r = report(2, PAGES(1024) * 299 / 1000);
    r.dirtied_pages = PAGES(4096); /* no other pass helps */
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_CONTINUE);
    r = report(3, PAGES(1024) * 297 / 1000);
    r.dirtied_pages = PAGES(4096);
    d = decide(p, &r);
    g_assert_cmpint(d.action, ==, POLICY_SWITCH);
    g_assert_cmpint(d.expected_end_ns, ==, d.expected_pause_ns);
}

static void test_extra_passes(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, PAGES(100));

    /* 100 ms would be allowed, but the guest writes only 1 MiB/s. */
    r.dirtied_pages = PAGES(1);
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_CONTINUE);
    /* Less than a millisecond of RAM: enough. */
    r = report(2, 200);
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_SWITCH);
}

static void test_extra_passes_end(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    unsigned passes = 0;

    /* A guest that always seems about to be quiet, but is not. */
    for (; passes < 100; passes++) {
        PassReport r = report(passes + 1, PAGES(100));

        r.dirtied_pages = PAGES(1);
        if (decide(p, &r).action == POLICY_SWITCH) {
            break;
        }
    }
    g_assert_cmpuint(passes, <=, 2);
}

static void test_nothing_dirty(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, 0);

    r.bandwidth = 0;
    r.knobs.downtime_limit_ms = 0;
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_SWITCH);
    r.can_switch = false;
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_CONTINUE);
    r.can_switch = true;
    r.partial = true;
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_CONTINUE);
}

/* The rest of the pause alone is over the limit: RAM must only be small. */
static void test_hopeless_limit(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, PAGES(100));

    r.switchover_fixed_ns = 50 * MS;
    r.knobs.downtime_limit_ms = 1;
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_CONTINUE);
    r = report(2, PAGES(4));
    r.switchover_fixed_ns = 50 * MS;
    r.knobs.downtime_limit_ms = 1;
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_SWITCH);
}

static void test_unknown_bandwidth(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, 1);
    Decision d;

    r.bandwidth = 0;
    d = decide(p, &r);
    g_assert_cmpint(d.action, ==, POLICY_CONTINUE);
    g_assert_cmpint(d.expected_pause_ns, ==, INT64_MAX);
    g_assert_cmpint(d.expected_end_ns, ==, INT64_MAX);
}

/* -- throttle ----------------------------------------------------------------- */

static PassReport busy(uint64_t pass, unsigned throttle)
{
    PassReport r = report(pass, PAGES(1024));

    r.throttle = throttle;
    r.knobs.auto_converge = true;
    return r;
}

static void test_auto_converge(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    static const unsigned want[] = { 20, 30, 40, 50, 60, 70, 80, 90, 99, 99 };
    unsigned throttle = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        PassReport r = busy(i + 1, throttle);
        Decision d = decide(p, &r);

        g_assert_cmpint(d.action, ==, POLICY_CONTINUE);
        g_assert_cmpuint(d.throttle, ==, want[i]);
        throttle = d.throttle;
    }
    /* Switched off while it runs. */
    PassReport r = busy(20, 99);
    r.knobs.auto_converge = false;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 0);
}

static void test_threshold(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = busy(1, 0);

    /* Half of what was sent is not more than half. */
    r.dirtied_pages = PAGES(64);
    g_assert_cmpuint(decide(p, &r).throttle, ==, 0);
    r.dirtied_pages = PAGES(64) + 1;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 20);
    r.knobs.throttle_trigger_threshold = 100;
    r.throttle = 20;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 20);
    /* Max below initial. */
    r = busy(2, 0);
    r.knobs.max_cpu_throttle = 15;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 15);
}

/* Short passes are looked at together; reports without a sync not at all. */
static void test_periods(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = busy(1, 0);

    r.partial = true;
    r.dirtied_pages = 0;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 0);
    r = busy(1, 0);
    r.duration_ns = SECOND / 4;
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(decide(p, &r).throttle, ==, 0);
    }
    g_assert_cmpuint(decide(p, &r).throttle, ==, 20);
    /* A pass of two seconds counts twice. */
    r = busy(2, 20);
    r.duration_ns = 2 * SECOND;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 40);
}

/* In the middle of a long pass one increment a second, but of the first; at its
 * end what it was not given of them. */
static void test_parts(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = busy(1, 0);

    r.partial = true;
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(decide(p, &r).throttle, ==, 0);
    }
    r = busy(2, 20);
    r.partial = true;
    r.duration_ns = SECOND / 2;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 20);
    g_assert_cmpuint(decide(p, &r).throttle, ==, 30);
    r = busy(2, 30);
    r.duration_ns = 2 * SECOND;
    g_assert_cmpuint(decide(p, &r).throttle, ==, 40);
    r = busy(3, 40);
    g_assert_cmpuint(decide(p, &r).throttle, ==, 50);
}

/* There is a forecast in the first pass. */
static void test_part_forecast(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = report(1, PAGES(1024));
    Decision d;

    r.partial = true;
    r.dirtied_pages = PAGES(1);
    d = decide(p, &r);
    g_assert_cmpint(d.action, ==, POLICY_CONTINUE);
    g_assert_cmpint(d.expected_end_ns, >=, 8 * SECOND);
    g_assert_cmpint(d.expected_end_ns, <, 9 * SECOND);
    /* Also where the link would take the rest in a pause: the pass goes on. */
    r.bandwidth = MIB(1 << 20);
    g_assert_cmpint(decide(p, &r).expected_end_ns, >=, 8 * SECOND);
}

static void test_tailslow(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = busy(1, 50);

    /* 70 MiB dirtied, 64 allowed: 46 % of the time is enough. */
    r.knobs.cpu_throttle_tailslow = true;
    r.dirtied_pages = PAGES(70);
    g_assert_cmpuint(decide(p, &r).throttle, ==, 55);
    r.dirtied_pages = PAGES(700);
    g_assert_cmpuint(decide(p, &r).throttle, ==, 60);
}

static void test_dirty_limit(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    PassReport r = busy(1, 0);
    Decision d;

    r.knobs.dirty_limit = true;
    r.knobs.vcpu_dirty_limit = 7;
    d = decide(p, &r);
    g_assert_cmpuint(d.dirty_limit, ==, 7);
    g_assert_cmpuint(d.throttle, ==, 0);
    /* It stays, follows the parameter, and ends with the capability. */
    r.dirtied_pages = 0;
    r.knobs.vcpu_dirty_limit = 9;
    g_assert_cmpuint(decide(p, &r).dirty_limit, ==, 9);
    r.knobs.dirty_limit = false;
    g_assert_cmpuint(decide(p, &r).dirty_limit, ==, 0);
}

/* A guest of 128 MiB that is dirtied at full speed, a link of 64 MiB/s. */
static void test_converges(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    const double full_pages_s = 1e6;
    uint64_t dirty = PAGES(128);
    unsigned throttle = 0, passes = 0;
    double time_s = 0;
    Decision d;

    do {
        double seconds = (double)dirty / PAGES(64);
        double written = full_pages_s * (100 - throttle) / 100 * seconds;
        PassReport r = busy(++passes, throttle);

        time_s += seconds;
        r.duration_ns = (int64_t)(seconds * SECOND);
        r.sent_pages = dirty;
        r.sent_bytes = dirty * RAM_PAGE_SIZE;
        r.dirtied_pages = (uint64_t)MIN(written, (double)PAGES(128));
        r.remaining_pages = dirty = r.dirtied_pages;
        r.bandwidth = MIB(64);
        d = decide(p, &r);
        throttle = d.throttle;
    } while (d.action == POLICY_CONTINUE && passes < 100);
    g_test_message("%u passes, %.1f s", passes, time_s);
    g_assert_cmpint(d.action, ==, POLICY_SWITCH);
    g_assert_cmpuint(passes, <, 25);
    g_assert_true(time_s < 30);
}

static void test_unknown_policy(void)
{
    Error *err = NULL;

    g_assert_null(policy_new("autopilot?", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "autopilot?"));
    error_free(err);
}

/* -- records -------------------------------------------------------------------- */

static void test_json(void)
{
    PassReport a = report(3, 4711), b;
    Decision da, db;
    g_autoptr(MigrationPolicy) p = classic();

    a.partial = true;
    a.method[POLICY_METHOD_XBZRLE] = (PolicyMethodReport){ 1, 2, 3 };
    a.knobs.xbzrle = true;
    a.knobs.max_bandwidth = MIB(77);
    policy_decide(p, &a, &da);
    json_auto_t *ja = policy_report_to_json(&a);
    json_auto_t *jd = policy_decision_to_json(&da);
    g_assert_true(policy_report_from_json(ja, &b, &error_abort));
    g_assert_true(policy_decision_from_json(jd, &db, &error_abort));
    json_auto_t *jb = policy_report_to_json(&b);
    db.why = da.why;
    json_auto_t *je = policy_decision_to_json(&db);
    g_assert_true(json_equal(ja, jb));
    g_assert_true(json_equal(jd, je));
    g_assert_cmpuint(b.knobs.max_bandwidth, ==, MIB(77));
}

static char *record_run(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    char *path = NULL;
    int fd = g_file_open_tmp("ferry-record-XXXXXX", &path, NULL);
    PassReport r = busy(1, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_close(fd, NULL));
    g_assert_true(policy_record_to(p, path, &error_abort));
    decide(p, &r);
    r = busy(2, 20);
    decide(p, &r);
    r = report(3, 10);
    decide(p, &r);
    policy_record_end(p, "completed", 3 * SECOND, 5 * MS);
    return path;
}

static void test_replay(void)
{
    g_autofree char *path = record_run();
    g_autofree char *text = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    json_auto_t *knobs = json_pack("{s:i}", "cpu-throttle-initial", 35);
    uint64_t differ = 99;
    gsize len;

    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_assert_true(
        policy_replay(text, len, NULL, NULL, out, &differ, &error_abort));
    g_assert_cmpuint(differ, ==, 0);
    g_assert_nonnull(strstr(out->str, "completed"));
    g_assert_null(strstr(out->str, "DIFFERS"));
    g_assert_true(
        policy_replay(text, len, "classic", knobs, out, &differ, &error_abort));
    g_assert_cmpuint(differ, ==, 1);
    g_assert_nonnull(strstr(out->str, "DIFFERS"));
    g_unlink(path);
}

static void test_bad_records(void)
{
    static const char *const bad[] = {
        "x",
        "[]",
        "{}",
        "{\"ferry-run\":2,\"policy\":\"classic\"}",
        "{\"ferry-run\":1}",
        "{\"ferry-run\":1,\"policy\":\"none\"}",
        "{\"report\":{},\"decision\":{\"action\":\"switch\"}}",
        "{\"ferry-run\":1,\"policy\":\"classic\"}\n{\"report\":1}",
        "{\"ferry-run\":1,\"policy\":\"classic\"}\n"
        "{\"report\":{\"pass\":-1},\"decision\":{\"action\":\"switch\"}}",
        "{\"ferry-run\":1,\"policy\":\"classic\"}\n"
        "{\"report\":{\"throttle\":4294967296},"
        "\"decision\":{\"action\":\"switch\"}}",
        "{\"ferry-run\":1,\"policy\":\"classic\"}\n"
        "{\"report\":{\"partial\":0},\"decision\":{\"action\":\"switch\"}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        uint64_t differ;
        Error *err = NULL;

        g_assert_false(policy_replay(bad[i], strlen(bad[i]), NULL, NULL, out,
                                     &differ, &err));
        g_assert_true(g_str_has_prefix(error_get_pretty(err), "line "));
        error_free(err);
    }
}

static void test_record_fails(void)
{
    g_autoptr(MigrationPolicy) p = classic();
    Error *err = NULL;
    PassReport r = report(1, 10);

    g_assert_false(policy_record_to(p, "/nonexistent/record", &err));
    error_free(err);
    err = NULL;
    g_assert_false(policy_record_to(p, "/dev/full", &err));
    error_free(err);
    g_assert_cmpint(decide(p, &r).action, ==, POLICY_SWITCH);
    policy_record_end(NULL, "failed", 0, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/limit", test_limit);
    g_test_add_func("/policy/extra-passes", test_extra_passes);
    g_test_add_func("/policy/extra-passes-end", test_extra_passes_end);
    g_test_add_func("/policy/nothing-dirty", test_nothing_dirty);
    g_test_add_func("/policy/hopeless-limit", test_hopeless_limit);
    g_test_add_func("/policy/unknown-bandwidth", test_unknown_bandwidth);
    g_test_add_func("/policy/auto-converge", test_auto_converge);
    g_test_add_func("/policy/threshold", test_threshold);
    g_test_add_func("/policy/periods", test_periods);
    g_test_add_func("/policy/parts", test_parts);
    g_test_add_func("/policy/part-forecast", test_part_forecast);
    g_test_add_func("/policy/tailslow", test_tailslow);
    g_test_add_func("/policy/dirty-limit", test_dirty_limit);
    g_test_add_func("/policy/converges", test_converges);
    g_test_add_func("/policy/unknown", test_unknown_policy);
    g_test_add_func("/policy/json", test_json);
    g_test_add_func("/policy/replay", test_replay);
    g_test_add_func("/policy/bad-records", test_bad_records);
    g_test_add_func("/policy/record-fails", test_record_fails);
    return g_test_run();
}
