/*
 * Events: what generated senders build, and what the sink's policy hides.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-events-test-schema.h"
#include "qapi/qapi-types-compat.h"
#include "qapi/qmp-event.h"

/* The last event, without its time; owned. */
static char *last;

static void sink(const char *event, json_t *qmp, void *opaque)
{
    json_t *stamp = json_object_get(qmp, "timestamp");
    json_int_t seconds = json_integer_value(json_object_get(stamp, "seconds"));
    json_int_t us = json_integer_value(json_object_get(stamp, "microseconds"));
    g_autoptr(json_t) rest = json_deep_copy(qmp);

    g_assert_cmpint(ABS(seconds - g_get_real_time() / 1000000), <=, 10);
    g_assert_true(us >= 0 && us < 1000000);
    g_assert_cmpuint(json_object_size(stamp), ==, 2);
    g_assert_cmpstr(json_string_value(json_object_get(qmp, "event")), ==,
                    event);
    g_assert_cmpstr(opaque, ==, "opaque");
    json_object_del(rest, "timestamp");
    g_free(last);
    last = g_string_free(qobject_to_json(rest), false);
}

static void check_last(const char *expected)
{
    g_assert_cmpstr(last, ==, expected);
    g_clear_pointer(&last, g_free);
}

static void test_data(void)
{
    TestShape shape = { .kind = TEST_COL_DARK_GREEN, .label = (char *)"x" };

    qmp_event_set_emit(sink, (void *)"opaque", NULL);
    qapi_event_send_test_plain();
    check_last("{\"event\": \"TEST_PLAIN\"}");
    qapi_event_send_test_data("a", false, 0, false, 0, NULL);
    check_last("{\"event\": \"TEST_DATA\", \"data\": {\"id\": \"a\"}}");
    qapi_event_send_test_data("a", true, UINT64_MAX, true, 5, &shape);
    check_last("{\"event\": \"TEST_DATA\", \"data\": {\"id\": \"a\", "
               "\"count\": 18446744073709551615, \"old\": 5, \"shape\": "
               "{\"kind\": \"dark-green\", \"label\": \"x\"}}}");
    qapi_event_send_test_old();
    check_last("{\"event\": \"TEST_OLD\"}");
}

static void test_boxed(void)
{
    TestLeaf leaf = { .size = 1, .name = (char *)"n" };

    qmp_event_set_emit(sink, (void *)"opaque", NULL);
    qapi_event_send_test_boxed(&leaf);
    check_last("{\"event\": \"TEST_BOXED\", \"data\": {\"size\": 1, "
               "\"name\": \"n\"}}");
}

static void test_policy(void)
{
    CompatPolicy policy = {
        .has_deprecated_output = true,
        .deprecated_output = COMPAT_POLICY_OUTPUT_HIDE,
    };

    qmp_event_set_emit(sink, (void *)"opaque", &policy);
    qapi_event_send_test_old();
    g_assert_null(last);
    qapi_event_send_test_data("a", false, 0, true, 5, NULL);
    check_last("{\"event\": \"TEST_DATA\", \"data\": {\"id\": \"a\"}}");
    qmp_event_set_emit(NULL, NULL, NULL);
}

static void test_no_sink(void)
{
    qmp_event_set_emit(NULL, NULL, NULL);
    g_assert_false(qmp_event_wanted(0));
    qapi_event_send_test_plain();
    qapi_event_send_test_data("a", false, 0, false, 0, NULL);
    g_assert_null(last);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/events/data", test_data);
    g_test_add_func("/qapi/events/boxed", test_boxed);
    g_test_add_func("/qapi/events/policy", test_policy);
    g_test_add_func("/qapi/events/no-sink", test_no_sink);
    return g_test_run();
}
