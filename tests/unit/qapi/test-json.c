/*
 * JSON values and text: what the parser refuses, and that text survives a
 * round trip, integers above INT64_MAX included.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "util/error.h"

static char *print(const json_t *obj)
{
    return g_string_free(qobject_to_json(obj), false);
}

/* Texts that come out just as they went in. */
static void test_round_trip(void)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "0.5",
        "-2.5e-08",
        "1e+300",
        "1.0",
        "0.1",
        "\"\"",
        "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\"",
        "\"\\u0000\\u0001\\u007F\\u00E9\\u20AC\\uD83D\\uDE00\"",
        "[]",
        "{}",
        "[1, [2, []], {\"a\": {}}]",
        "{\"z\": 1, \"a\": [18446744073709551615, 5, 1.5, "
        "{\"b\": 9223372036854775808}], \"m\": \"18446744073709551615\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(json_t) obj =
            json_parse_text(texts[i], strlen(texts[i]), &error_abort);
        g_autofree char *text = print(obj);

        g_assert_cmpstr(text, ==, texts[i]);
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": 1, \"\\u0061\": 2}",
        "{a: 1}",
        "'single'",
        "01",
        "00018446744073709551615",
        "018446744073709551615",
        "+1",
        ".5",
        "1.",
        "1e999",
        "18446744073709551616",
        "-9223372036854775809",
        "99999999999999999999999999",
        "truth",
        "nul",
        "NaN",
        "\"\n\"",
        "\"\x80\"",
        "\"\xc3\"",
        "\"\xff\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "1 2",
        "{} x",
        "[}",
        "{\"\\u0000\": 1}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        Error *err = NULL;

        if (json_parse_text(texts[i], strlen(texts[i]), &err)) {
            g_error("accepted: %s", texts[i]);
        }
        error_free_or_abort(&err);
    }
}

/* A string cannot be made to look like a large integer. */
static void test_big_is_not_forged(void)
{
    Error *err = NULL;
    g_autoptr(json_t) obj = qobject_from_json(
        "[\"18446744073709551615\", \"\\u00ff18446744073709551615\"]",
        &error_abort);

    g_assert_cmpint(qobject_type(json_array_get(obj, 0)), ==, QTYPE_QSTRING);
    g_assert_cmpint(qobject_type(json_array_get(obj, 1)), ==, QTYPE_QSTRING);
    g_assert_null(json_parse_text("\"\xff"
                                  "1\"",
                                  4, &err));
    error_free_or_abort(&err);
}

static void test_uint64(void)
{
    static const uint64_t values[] = { 0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                       UINT64_MAX };
    g_autoptr(json_t) negative = json_integer(-1);
    g_autoptr(json_t) real = json_real(1.0);
    uint64_t value = 42;

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(json_t) obj = json_uint64(values[i]);
        g_autoptr(json_t) copy = json_deep_copy(obj);

        g_assert_cmpint(qobject_type(obj), ==, QTYPE_QNUM);
        g_assert_true(json_get_uint64(copy, &value));
        g_assert_cmpuint(value, ==, values[i]);
        g_assert_true(json_is_uint64_big(obj) == (values[i] > INT64_MAX));
        g_assert_true(json_equal(obj, copy));
    }
    value = 42;
    g_assert_false(json_get_uint64(negative, &value));
    g_assert_false(json_get_uint64(real, &value));
    g_assert_false(json_get_uint64(NULL, &value));
    g_assert_cmpuint(value, ==, 42);
}

static void test_position(void)
{
    const char *text = "[18446744073709551615,\n 1, x]";
    Error *err = NULL;

    g_assert_null(json_parse_text(text, strlen(text), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "line 2"));
    error_free_or_abort(&err);
}

static char *repeat(const char *open, size_t n, const char *close)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < n; i++) {
        g_string_append(text, open);
    }
    for (size_t i = 0; i < n; i++) {
        g_string_append(text, close);
    }
    return g_string_free(text, false);
}

static void test_depth(void)
{
    g_autofree char *good = repeat("[", JSON_TEXT_MAX_DEPTH, "]");
    g_autofree char *bad = repeat("[", JSON_TEXT_MAX_DEPTH + 1, "]");
    g_autoptr(json_t) obj = json_parse_text(good, strlen(good), &error_abort);
    g_autofree char *text = print(obj);
    Error *err = NULL;

    g_assert_cmpstr(text, ==, good);
    g_assert_null(json_parse_text(bad, strlen(bad), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "nested"));
    error_free_or_abort(&err);
}

static void test_tokens(void)
{
    GString *text = g_string_new("[0");
    Error *err = NULL;

    while (text->len < 2 * (size_t)JSON_TEXT_MAX_TOKENS) {
        g_string_append(text, ",0");
    }
    g_string_append_c(text, ']');
    g_assert_null(json_parse_text(text->str, text->len, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "tokens"));
    error_free_or_abort(&err);
    g_string_free(text, true);
}

static void test_from_json(void)
{
    static const char *const bad[] = { "",    "   ", "{",  "{'a': 1", "{} {}",
                                       "{}x", "1 2", "'a", "{'a':1}]" };
    g_autoptr(json_t) obj = qobject_from_json(
        " {'a': 'it\\'s \"x\"', \"b\": [1, null]} \n", &error_abort);
    g_autoptr(json_t) scalar = qobject_from_json("42", &error_abort);
    g_autofree char *text = print(obj);

    g_assert_cmpstr(text, ==, "{\"a\": \"it's \\\"x\\\"\", \"b\": [1, null]}");
    g_assert_cmpint(json_integer_value(scalar), ==, 42);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_null(qobject_from_json(bad[i], &err));
        error_free_or_abort(&err);
    }
}

static void test_pretty(void)
{
    g_autoptr(json_t) obj =
        qobject_from_json("{'a': [1, {}], 'b': {'c': []}}", &error_abort);
    GString *pretty = qobject_to_json_pretty(obj, true);
    g_autofree char *line = print(obj);

    g_assert_cmpstr(pretty->str, ==,
                    "{\n"
                    "    \"a\": [\n"
                    "        1,\n"
                    "        {}\n"
                    "    ],\n"
                    "    \"b\": {\n"
                    "        \"c\": []\n"
                    "    }\n"
                    "}");
    g_string_free(pretty, true);
    g_assert_null(strchr(line, '\n'));
}

/* A string that came from elsewhere than JSON may be anything. */
static void test_print_invalid_utf8(void)
{
    g_autoptr(json_t) obj = json_stringn_nocheck("a\xc3(\0b\xf0\x9f", 7);
    g_autofree char *text = print(obj);

    g_assert_cmpstr(text, ==, "\"a\\uFFFD(\\u0000b\\uFFFD\\uFFFD\"");
}

static void test_types(void)
{
    g_autoptr(json_t) obj =
        qobject_from_json("[null, 1, 1.5, 's', {}, [], true]", &error_abort);
    static const QType types[] = { QTYPE_QNULL,   QTYPE_QNUM,  QTYPE_QNUM,
                                   QTYPE_QSTRING, QTYPE_QDICT, QTYPE_QLIST,
                                   QTYPE_QBOOL };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_assert_cmpint(qobject_type(json_array_get(obj, i)), ==, types[i]);
    }
    g_assert_cmpint(qobject_type(NULL), ==, QTYPE_NONE);
    g_assert_cmpstr(qtype_name(QTYPE_QDICT), ==, "object");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/json/round-trip", test_round_trip);
    g_test_add_func("/qapi/json/refused", test_refused);
    g_test_add_func("/qapi/json/big-is-not-forged", test_big_is_not_forged);
    g_test_add_func("/qapi/json/uint64", test_uint64);
    g_test_add_func("/qapi/json/position", test_position);
    g_test_add_func("/qapi/json/depth", test_depth);
    g_test_add_func("/qapi/json/tokens", test_tokens);
    g_test_add_func("/qapi/json/from-json", test_from_json);
    g_test_add_func("/qapi/json/pretty", test_pretty);
    g_test_add_func("/qapi/json/print-invalid-utf8", test_print_invalid_utf8);
    g_test_add_func("/qapi/json/types", test_types);
    return g_test_run();
}
