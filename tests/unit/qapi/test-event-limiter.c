/*
 * Rate limit of events: what goes out when, with a clock of our own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/event-limiter.h"

#define SEC INT64_C(1000000000)

static json_t *make_event(const char *id, int serial)
{
    return json_pack("{s:{s:s, s:i}}", "data", "id", id, "serial", serial);
}

static EventVerdict submit(EventLimiter *l, int64_t now_ns, const char *event,
                           const char *id, int serial)
{
    g_autoptr(json_t) qmp = make_event(id, serial);

    return event_limiter_submit(l, now_ns, event, qmp);
}

/* The serial of what pops out, -1 for nothing. */
static int pop(EventLimiter *l, int64_t now_ns)
{
    const char *event = NULL;
    g_autoptr(json_t) qmp = event_limiter_pop(l, now_ns, &event);

    g_assert_true((qmp == NULL) == (event == NULL));
    return qmp ? (int)json_integer_value(
                     json_object_get(json_object_get(qmp, "data"), "serial"))
               : -1;
}

static void test_unlimited(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);

    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(submit(l, 0, "STOP", "x", i), ==, EVENT_EMIT);
    }
    g_assert_cmpint(event_limiter_next_ns(l), ==, -1);
    g_assert_cmpint(pop(l, 100 * SEC), ==, -1);
}

static void test_last_one_wins(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);

    g_assert_cmpint(submit(l, 5, "RTC_CHANGE", "", 1), ==, EVENT_EMIT);
    g_assert_cmpint(event_limiter_next_ns(l), ==, SEC + 5);
    g_assert_cmpint(submit(l, 6, "RTC_CHANGE", "", 2), ==, EVENT_QUEUED);
    g_assert_cmpint(submit(l, 7, "RTC_CHANGE", "", 3), ==, EVENT_REPLACED);
    g_assert_cmpint(submit(l, SEC + 4, "RTC_CHANGE", "", 4), ==,
                    EVENT_REPLACED);
    g_assert_cmpint(pop(l, SEC + 4), ==, -1);
    g_assert_cmpint(pop(l, SEC + 5), ==, 4);
    g_assert_cmpint(pop(l, SEC + 5), ==, -1);
    /* its own period runs now */
    g_assert_cmpint(event_limiter_next_ns(l), ==, 2 * SEC + 5);
    g_assert_cmpint(submit(l, SEC + 6, "RTC_CHANGE", "", 5), ==, EVENT_QUEUED);
    g_assert_cmpint(pop(l, 2 * SEC + 5), ==, 5);
    /* a quiet period ends it */
    g_assert_cmpint(pop(l, 3 * SEC + 5), ==, -1);
    g_assert_cmpint(event_limiter_next_ns(l), ==, -1);
    g_assert_cmpint(submit(l, 3 * SEC + 6, "RTC_CHANGE", "", 6), ==,
                    EVENT_EMIT);
}

static void test_keys(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);

    g_assert_cmpint(submit(l, 0, "VSERPORT_CHANGE", "a", 1), ==, EVENT_EMIT);
    g_assert_cmpint(submit(l, 1, "VSERPORT_CHANGE", "b", 2), ==, EVENT_EMIT);
    g_assert_cmpint(submit(l, 2, "VSERPORT_CHANGE", "a", 3), ==, EVENT_QUEUED);
    g_assert_cmpint(submit(l, 3, "VSERPORT_CHANGE", "b", 4), ==, EVENT_QUEUED);
    /* a different event is none of their business */
    g_assert_cmpint(submit(l, 3, "WATCHDOG", "a", 5), ==, EVENT_EMIT);
    g_assert_cmpint(event_limiter_next_ns(l), ==, SEC);
    g_assert_cmpint(pop(l, SEC), ==, 3);
    g_assert_cmpint(pop(l, SEC), ==, -1);
    g_assert_cmpint(pop(l, SEC + 10), ==, 4);
    g_assert_cmpint(pop(l, SEC + 10), ==, -1);
}

/* The owner's timer is late: the newer event must not be overtaken. */
static void test_late_timer(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);

    submit(l, 0, "WATCHDOG", "", 1);
    submit(l, 1, "WATCHDOG", "", 2);
    g_assert_cmpint(submit(l, 2 * SEC, "WATCHDOG", "", 3), ==, EVENT_EMIT);
    g_assert_cmpint(pop(l, 2 * SEC), ==, -1);
    g_assert_cmpint(submit(l, 2 * SEC + 1, "WATCHDOG", "", 4), ==,
                    EVENT_QUEUED);
    g_assert_cmpint(pop(l, 3 * SEC), ==, 4);
    /* and nothing stays behind */
    g_assert_cmpint(pop(l, 4 * SEC), ==, -1);
    g_assert_cmpint(event_limiter_next_ns(l), ==, -1);
    g_assert_cmpint(submit(l, 4 * SEC, "WATCHDOG", "", 5), ==, EVENT_EMIT);
    g_assert_cmpint(event_limiter_next_ns(l), ==, 5 * SEC);
}

/* A guest that makes up keys cannot make us grow. */
static void test_many_keys(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);
    int emitted = 0, popped = 0;

    for (int i = 0; i < 3 * EVENT_LIMITER_MAX_KEYS; i++) {
        g_autofree char *id = g_strdup_printf("port%d", i);

        emitted += submit(l, i, "VSERPORT_CHANGE", id, i) == EVENT_EMIT;
    }
    /* one more for the entry that the rest share */
    g_assert_cmpint(emitted, ==, EVENT_LIMITER_MAX_KEYS + 1);
    while (pop(l, 10 * SEC) >= 0) {
        popped++;
    }
    g_assert_cmpint(popped, ==, 1);
    g_assert_cmpint(pop(l, 20 * SEC), ==, -1);
    g_assert_cmpint(event_limiter_next_ns(l), ==, -1);
}

static void test_missing_member(void)
{
    g_autoptr(EventLimiter) l = event_limiter_new(event_limits_default);
    g_autoptr(json_t) bare = json_object();

    g_assert_cmpint(event_limiter_submit(l, 0, "VSERPORT_CHANGE", bare), ==,
                    EVENT_EMIT);
    g_assert_cmpint(event_limiter_submit(l, 1, "VSERPORT_CHANGE", bare), ==,
                    EVENT_QUEUED);
    g_assert_cmpint(submit(l, 2, "VSERPORT_CHANGE", "null", 1), ==, EVENT_EMIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/event-limiter/unlimited", test_unlimited);
    g_test_add_func("/qapi/event-limiter/last-one-wins", test_last_one_wins);
    g_test_add_func("/qapi/event-limiter/keys", test_keys);
    g_test_add_func("/qapi/event-limiter/late-timer", test_late_timer);
    g_test_add_func("/qapi/event-limiter/many-keys", test_many_keys);
    g_test_add_func("/qapi/event-limiter/missing-member", test_missing_member);
    return g_test_run();
}
