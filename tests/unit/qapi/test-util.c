/*
 * Enum tables, boolean words, names, lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-builtin-types.h"
#include "qapi/util.h"
#include "util/error.h"

static const QEnumLookup lookup = {
    .array = (const char *const[]){ "zero", NULL, "two" },
    .size = 3,
};

static void test_enum(void)
{
    Error *err = NULL;

    g_assert_cmpstr(qapi_enum_lookup(&lookup, 2), ==, "two");
    g_assert_cmpint(qapi_enum_parse(&lookup, "two", -1, &error_abort), ==, 2);
    g_assert_cmpint(qapi_enum_parse(&lookup, NULL, 7, &error_abort), ==, 7);
    g_assert_cmpint(qapi_enum_parse(&lookup, "one", -1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qapi_enum_parse(&lookup, "", 1, &err), ==, 1);
    error_free_or_abort(&err);
}

static void test_bool(void)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };
    static const char *const bad[] = { "", "ON", "1", "0", "enable", "ye" };
    bool value;

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        value = false;
        g_assert_true(qapi_bool_parse("x", yes[i], &value, &error_abort));
        g_assert_true(value);
        g_assert_true(qapi_bool_parse("x", no[i], &value, &error_abort));
        g_assert_false(value);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        value = true;
        g_assert_false(qapi_bool_parse("param", bad[i], &value, &err));
        g_assert_true(value);
        g_assert_nonnull(strstr(error_get_pretty(err), "'param'"));
        error_free_or_abort(&err);
    }
}

static void test_name(void)
{
    g_assert_cmpint(parse_qapi_name("abc-d_9", true), ==, 7);
    g_assert_cmpint(parse_qapi_name("abc=d", false), ==, 3);
    g_assert_cmpint(parse_qapi_name("abc=d", true), ==, -1);
    g_assert_cmpint(parse_qapi_name("__org.example-1_x", true), ==, 17);
    g_assert_cmpint(parse_qapi_name("__org.example", true), ==, -1);
    g_assert_cmpint(parse_qapi_name("__org.example_", true), ==, -1);
    g_assert_cmpint(parse_qapi_name("9x", false), ==, -1);
    g_assert_cmpint(parse_qapi_name("_x", false), ==, -1);
    g_assert_cmpint(parse_qapi_name("", false), ==, -1);
}

static void test_list(void)
{
    g_autoptr(strList) list = NULL;
    strList **tail;

    g_assert_cmpuint(QAPI_LIST_LENGTH(list), ==, 0);
    QAPI_LIST_PREPEND(list, g_strdup("b"));
    QAPI_LIST_PREPEND(list, g_strdup("a"));
    tail = &list->next->next;
    QAPI_LIST_APPEND(tail, g_strdup("c"));
    QAPI_LIST_APPEND(tail, g_strdup("d"));
    g_assert_cmpuint(QAPI_LIST_LENGTH(list), ==, 4);
    g_assert_cmpstr(list->value, ==, "a");
    g_assert_cmpstr(list->next->next->value, ==, "c");
    g_assert_cmpstr(list->next->next->next->value, ==, "d");
    g_assert_null(list->next->next->next->next);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/util/enum", test_enum);
    g_test_add_func("/qapi/util/bool", test_bool);
    g_test_add_func("/qapi/util/name", test_name);
    g_test_add_func("/qapi/util/list", test_list);
    return g_test_run();
}
