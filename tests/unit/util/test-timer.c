/*
 * Clocks and timers, apart from any loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/thread.h"
#include "util/timer.h"

static QEMUTimerListGroup tlg;
static int notified; /* atomic */

static void on_notify(void *opaque, QEMUClockType type)
{
    __atomic_fetch_add(&notified, 1, __ATOMIC_SEQ_CST);
}

typedef struct Fired {
    GString *log;
    char c;
} Fired;

static void fire(void *opaque)
{
    Fired *f = opaque;

    g_string_append_c(f->log, f->c);
}

static void test_order(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    const char *expiry = "dbcaee"; /* of equals the first set comes first */
    Fired f[6];
    QEMUTimer ts[6];
    QEMUTimerList *list = tlg.tl[QEMU_CLOCK_REALTIME];
    int64_t base = get_clock() - 1000;

    for (int i = 0; i < 6; i++) {
        f[i] = (Fired){ log, (char)('0' + i) };
        timer_init_full(&ts[i], &tlg, QEMU_CLOCK_REALTIME, SCALE_NS, 0, fire,
                        &f[i]);
        timer_mod(&ts[i], base + expiry[i]);
    }
    g_assert_true(timerlist_has_timers(list));
    g_assert_true(timerlist_expired(list));
    g_assert_cmpint(timerlist_deadline_ns(list), ==, 0);
    timer_del(&ts[2]);
    g_assert_false(timer_pending(&ts[2]));
    g_assert_true(timerlistgroup_run_timers(&tlg));
    g_assert_cmpstr(log->str, ==, "31045");
    g_assert_false(timerlist_has_timers(list));
    g_assert_cmpint(timerlist_deadline_ns(list), ==, -1);
    g_assert_false(timerlistgroup_run_timers(&tlg));
}

static void test_mod(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Fired f = { log, 'x' };
    g_autoptr(QEMUTimer) ts =
        timer_new_full(&tlg, QEMU_CLOCK_REALTIME, SCALE_MS, 0, fire, &f);
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    int before = notified;
    int64_t deadline;

    timer_mod(ts, now + 1000);
    g_assert_cmpint(notified, ==, before + 1);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, (now + 1000) * SCALE_MS);
    g_assert_false(timer_expired(ts, now * SCALE_MS));
    g_assert_true(timer_expired(ts, (now + 1000) * SCALE_MS));
    deadline = timerlistgroup_deadline_ns(&tlg);
    g_assert_cmpint(deadline, >, 900 * SCALE_MS);
    g_assert_cmpint(deadline, <=, 1001 * SCALE_MS);

    timer_mod_anticipate(ts, now + 2000);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, (now + 1000) * SCALE_MS);
    timer_mod_anticipate(ts, now + 500);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, (now + 500) * SCALE_MS);
    timer_mod(ts, now + 3000);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, (now + 3000) * SCALE_MS);
    /* Too far away for nanoseconds: never, and not in the past. */
    timer_mod(ts, INT64_MAX / 2);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, INT64_MAX);
    timer_mod(ts, -5);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, 0);
    timer_del(ts);
    g_assert_cmpint(timer_expire_time_ns(ts), ==, -1);
    g_assert_cmpstr(log->str, ==, "");
}

static void rearm(void *opaque)
{
    QEMUTimer *ts = opaque;

    timer_mod(ts, get_clock_realtime() + 1);
}

/* A timer that sets itself again is not an endless run. */
static void test_rearm(void)
{
    QEMUTimer ts;

    timer_init_full(&ts, &tlg, QEMU_CLOCK_HOST, SCALE_NS, 0, rearm, &ts);
    timer_mod(&ts, get_clock_realtime() + 1);
    g_usleep(10);
    g_assert_true(timerlistgroup_run_timers(&tlg));
    g_assert_true(timer_pending(&ts));
    timer_del(&ts);
}

static void test_virtual(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Fired f = { log, 'v' };
    QEMUTimer ts;
    int64_t t1, t2;

    timer_init_full(&ts, &tlg, QEMU_CLOCK_VIRTUAL, SCALE_NS, 0, fire, &f);
    cpu_set_clock(0);
    t1 = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    g_assert_cmpint(t1, >=, 0);
    g_assert_cmpint(t1, <, NANOSECONDS_PER_SECOND);

    timer_mod(&ts, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + SCALE_MS);
    cpu_disable_ticks();
    cpu_disable_ticks();
    t1 = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    g_usleep(5000);
    t2 = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    g_assert_cmpint(t1, ==, t2);
    g_assert_cmpint(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL_RT), ==, t1);
    /* It neither fires nor keeps the loop awake. */
    g_assert_cmpint(timerlistgroup_deadline_ns(&tlg), ==, -1);
    g_assert_false(timerlistgroup_run_timers(&tlg));

    /* An incoming migration sets it while it stands. */
    cpu_set_clock(5 * NANOSECONDS_PER_SECOND);
    g_assert_cmpint(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), ==,
                    5 * NANOSECONDS_PER_SECOND);
    cpu_set_clock(t1);
    cpu_enable_ticks();
    t2 = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    g_assert_cmpint(t2, >=, t1);
    g_assert_cmpint(t2 - t1, <, 4 * NANOSECONDS_PER_SECOND);
    g_usleep(2000);
    g_assert_true(timerlistgroup_run_timers(&tlg));
    g_assert_cmpstr(log->str, ==, "v");
}

static void test_enable(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Fired f = { log, 'e' };
    QEMUTimer ts;
    int before;

    timer_init_full(&ts, &tlg, QEMU_CLOCK_REALTIME, SCALE_NS, 0, fire, &f);
    timer_mod(&ts, 1);
    qemu_clock_enable(QEMU_CLOCK_REALTIME, false);
    g_assert_cmpint(timerlistgroup_deadline_ns(&tlg), ==, -1);
    g_assert_false(timerlistgroup_run_timers(&tlg));
    before = notified;
    qemu_clock_enable(QEMU_CLOCK_REALTIME, true);
    g_assert_cmpint(notified, >, before);
    g_assert_true(timerlistgroup_run_timers(&tlg));
    g_assert_cmpstr(log->str, ==, "e");
}

typedef struct Slow {
    QemuEvent began;
    int done; /* plain: disabling must order it */
} Slow;

static void slow_cb(void *opaque)
{
    Slow *s = opaque;

    qemu_event_set(&s->began);
    g_usleep(20000);
    s->done++;
}

static void *run_timers(void *opaque)
{
    timerlistgroup_run_timers(&tlg);
    return NULL;
}

/* Disabling a clock waits for a callback that another thread runs. */
static void test_disable_waits(void)
{
    Slow s = { 0 };
    QEMUTimer ts;
    QemuThread t;

    qemu_event_init(&s.began, false);
    timer_init_full(&ts, &tlg, QEMU_CLOCK_REALTIME, SCALE_NS, 0, slow_cb, &s);
    timer_mod(&ts, 1);
    qemu_thread_create(&t, "timers", run_timers, NULL, QEMU_THREAD_JOINABLE);
    qemu_event_wait(&s.began);
    qemu_clock_enable(QEMU_CLOCK_REALTIME, false);
    g_assert_cmpint(s.done, ==, 1);
    qemu_clock_enable(QEMU_CLOCK_REALTIME, true);
    qemu_thread_join(&t);
    qemu_event_destroy(&s.began);
}

static void disable_inside(void *opaque)
{
    qemu_clock_enable(QEMU_CLOCK_REALTIME, false);
    ++*(int *)opaque;
}

static void test_disable_inside(void)
{
    QEMUTimer ts;
    int n = 0;

    timer_init_full(&ts, &tlg, QEMU_CLOCK_REALTIME, SCALE_NS, 0, disable_inside,
                    &n);
    timer_mod(&ts, 1);
    g_assert_true(timerlistgroup_run_timers(&tlg));
    g_assert_cmpint(n, ==, 1);
    qemu_clock_enable(QEMU_CLOCK_REALTIME, true);
}

static void *mod_storm(void *opaque)
{
    QEMUTimer *ts = opaque;

    for (int i = 0; i < 5000; i++) {
        timer_mod(ts, get_clock() + i % 3 * 1000);
        if (i % 7 == 0) {
            timer_del(ts);
        }
    }
    return NULL;
}

static void count(void *opaque)
{
    ++*(int *)opaque;
}

static void test_threads(void)
{
    QEMUTimer ts[3];
    QemuThread t[3];
    int n = 0;

    for (int i = 0; i < 3; i++) {
        timer_init_full(&ts[i], &tlg, QEMU_CLOCK_REALTIME, SCALE_NS, 0, count,
                        &n);
        qemu_thread_create(&t[i], "mod", mod_storm, &ts[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < 3000; i++) {
        timerlistgroup_run_timers(&tlg);
        timerlistgroup_deadline_ns(&tlg);
    }
    for (int i = 0; i < 3; i++) {
        qemu_thread_join(&t[i]);
        timer_deinit(&ts[i]);
    }
    g_assert_false(timerlist_has_timers(tlg.tl[QEMU_CLOCK_REALTIME]));
}

static void test_main_loop_group(void)
{
    int n = 0;
    QEMUTimer *ts = timer_new_us(QEMU_CLOCK_REALTIME, count, &n);

    g_assert_false(qemu_clock_has_timers(QEMU_CLOCK_REALTIME));
    timer_mod(ts, 1);
    g_assert_true(qemu_clock_has_timers(QEMU_CLOCK_REALTIME));
    g_assert_true(qemu_clock_expired(QEMU_CLOCK_REALTIME));
    g_assert_cmpint(qemu_clock_deadline_ns_all(QEMU_CLOCK_REALTIME,
                                               QEMU_TIMER_ATTR_ALL),
                    ==, 0);
    g_assert_true(qemu_clock_run_all_timers());
    g_assert_cmpint(n, ==, 1);
    g_assert_cmpint(qemu_clock_deadline_ns_all(QEMU_CLOCK_REALTIME,
                                               QEMU_TIMER_ATTR_ALL),
                    ==, -1);
    timer_free(ts);
    timer_free(NULL);
}

static void test_small_things(void)
{
    g_assert_cmpint(qemu_soonest_timeout(-1, 5), ==, 5);
    g_assert_cmpint(qemu_soonest_timeout(5, -1), ==, 5);
    g_assert_cmpint(qemu_soonest_timeout(0, 5), ==, 0);
    g_assert_cmpint(qemu_soonest_timeout(-1, -1), ==, -1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(-1), ==, -1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(0), ==, 0);
    g_assert_cmpint(qemu_timeout_ns_to_ms(1), ==, 1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(SCALE_MS), ==, 1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(SCALE_MS + 1), ==, 2);
    g_assert_cmpint(qemu_timeout_ns_to_ms(INT64_MAX), ==, INT_MAX);
    g_assert_cmpint(qemu_poll_ns(NULL, 0, 1000), ==, 0);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    timerlistgroup_init(&tlg, on_notify, NULL);
    g_test_add_func("/timer/order", test_order);
    g_test_add_func("/timer/mod", test_mod);
    g_test_add_func("/timer/rearm", test_rearm);
    g_test_add_func("/timer/virtual", test_virtual);
    g_test_add_func("/timer/enable", test_enable);
    g_test_add_func("/timer/disable-waits", test_disable_waits);
    g_test_add_func("/timer/disable-inside", test_disable_inside);
    g_test_add_func("/timer/threads", test_threads);
    g_test_add_func("/timer/main-loop-group", test_main_loop_group);
    g_test_add_func("/timer/small-things", test_small_things);
    ret = g_test_run();
    timerlistgroup_deinit(&tlg);
    return ret;
}
