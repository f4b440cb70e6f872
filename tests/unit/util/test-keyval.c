/*
 * key=value,... text.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/keyval.h"

static void expect_json(json_t *got, const char *json)
{
    json_t *want = json_loads(json, 0, NULL);

    g_assert_nonnull(want);
    if (!json_equal(got, want)) {
        g_autofree char *text = json_dumps(got, JSON_ENCODE_ANY);

        g_test_message("got %s, want %s", text, json);
        g_test_fail();
    }
    json_decref(want);
}

static void test_parse(void)
{
    static const struct {
        const char *text, *implied, *json;
    } cases[] = {
        { "", NULL, "{}" },
        { "a=1", NULL, "{\"a\": \"1\"}" },
        { "a=1,b=2,", NULL, "{\"a\": \"1\", \"b\": \"2\"}" },
        { "a=", NULL, "{\"a\": \"\"}" },
        { "a=1,a=2", NULL, "{\"a\": \"2\"}" },
        { "a=x,,y,b=,,", NULL, "{\"a\": \"x,y\", \"b\": \",\"}" },
        { "a=b=c", NULL, "{\"a\": \"b=c\"}" },
        { "val", "k", "{\"k\": \"val\"}" },
        { "val,b=2", "k", "{\"k\": \"val\", \"b\": \"2\"}" },
        { "b=2", "k", "{\"b\": \"2\"}" },
        { "val", "k.0", "{\"k\": [\"val\"]}" },
        { "a.b=1,a.c=2", NULL, "{\"a\": {\"b\": \"1\", \"c\": \"2\"}}" },
        { "a.b.c=1", NULL, "{\"a\": {\"b\": {\"c\": \"1\"}}}" },
        { "l.0=x,l.1=y", NULL, "{\"l\": [\"x\", \"y\"]}" },
        { "l.1=y,l.0=x", NULL, "{\"l\": [\"x\", \"y\"]}" },
        { "l.0.a=1,l.1.a=2,l.0.b=3", NULL,
          "{\"l\": [{\"a\": \"1\", \"b\": \"3\"}, {\"a\": \"2\"}]}" },
        { "l.0.0=z", NULL, "{\"l\": [[\"z\"]]}" },
        { "x-a_b=1", NULL, "{\"x-a_b\": \"1\"}" },
        { "__org.example_a.b=1", NULL,
          "{\"__org.example_a\": {\"b\": \"1\"}}" },
        { "a=\xc3\xa4", NULL, "{\"a\": \"\xc3\xa4\"}" },
        { "a=\xe2\x82\xac,,", NULL, "{\"a\": \"\xe2\x82\xac,\"}" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_t *got =
            keyval_parse(cases[i].text, cases[i].implied, NULL, &error_abort);

        expect_json(got, cases[i].json);
        json_decref(got);
    }
}

static void test_errors(void)
{
    static const struct {
        const char *text, *implied, *message;
    } cases[] = {
        { "a", NULL, "expected '=' after parameter 'a'" },
        { "a=1,b", "k", "expected '=' after parameter 'b'" },
        { "=1", NULL, "invalid parameter ''" },
        { ",a=1", NULL, "invalid parameter ''" },
        { "1a=1", NULL, "invalid parameter '1a'" },
        { "0=1", NULL, "invalid parameter '0'" },
        { "a b=1", NULL, "invalid parameter 'a b'" },
        { "a..b=1", NULL, "invalid parameter 'a..b'" },
        { "a.=1", NULL, "invalid parameter 'a.'" },
        { ".a=1", NULL, "invalid parameter '.a'" },
        { "a.1x=1", NULL, "invalid parameter 'a.1x'" },
        { "a.01=1", NULL, "invalid parameter 'a.01'" },
        { "a.65536=1", NULL, "invalid parameter 'a.65536'" },
        { "a.18446744073709551616=1", NULL,
          "invalid parameter 'a.18446744073709551616'" },
        { "__org.example=1", NULL, "invalid parameter '__org.example'" },
        { "a=1,a.b=2", NULL, "parameters 'a.*' are used inconsistently" },
        { "a.b=2,a=1", NULL, "parameters 'a.*' are used inconsistently" },
        { "a.0=1,a.b=2", NULL, "parameters 'a.*' are used inconsistently" },
        { "a.1=1", NULL, "parameter 'a.0' is missing" },
        { "a.0=1,a.2=1", NULL, "parameter 'a.1' is missing" },
        { "a.b.1.c=1", NULL, "parameter 'a.b.0' is missing" },
        { "a=\xff", NULL, "value of parameter 'a' is not UTF-8" },
        { "help", NULL, "help is not available for this option" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Error *err = NULL;

        g_assert_null(
            keyval_parse(cases[i].text, cases[i].implied, NULL, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].message);
        error_free(err);
    }
}

static void test_limits(void)
{
    Error *err = NULL;
    GString *key = g_string_new("a");

    for (int i = 1; i < KEYVAL_DEPTH_MAX; i++) {
        g_string_append(key, ".a");
    }
    g_autofree char *deep = g_strdup_printf("%s=1", key->str);
    g_autofree char *deeper = g_strdup_printf("%s.a=1", key->str);
    json_t *got = keyval_parse(deep, NULL, NULL, &error_abort);

    json_decref(got);
    g_assert_null(keyval_parse(deeper, NULL, NULL, &err));
    error_free_or_abort(&err);

    g_string_set_size(key, KEYVAL_KEY_PART_MAX + 1);
    memset(key->str, 'a', key->len);
    g_autofree char *longer = g_strdup_printf("%s=1", key->str);
    g_assert_null(keyval_parse(longer, NULL, NULL, &err));
    error_free_or_abort(&err);
    got = keyval_parse(longer + 1, NULL, NULL, &error_abort);
    json_decref(got);
    g_string_free(key, TRUE);

    char *huge = g_malloc(KEYVAL_TEXT_MAX_BYTES + 1);
    memset(huge, ',', KEYVAL_TEXT_MAX_BYTES);
    huge[KEYVAL_TEXT_MAX_BYTES] = '\0';
    memcpy(huge, "a=", 2);
    g_assert_null(keyval_parse(huge, NULL, NULL, &err));
    error_free_or_abort(&err);
    g_free(huge);
}

static void test_help(void)
{
    static const struct {
        const char *text, *implied, *json;
        bool help;
    } cases[] = {
        { "help", "k", "{}", true },
        { "?", NULL, "{}", true },
        { "val,help", "k", "{\"k\": \"val\"}", true },
        { "a=1,help,b=2", NULL, "{\"a\": \"1\", \"b\": \"2\"}", true },
        { "help,val", NULL, NULL, true },
        { "helper", "k", "{\"k\": \"helper\"}", false },
        { "help=1", "k", "{\"help\": \"1\"}", false },
        { "a=help", NULL, "{\"a\": \"help\"}", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool help = false;
        json_t *got =
            keyval_parse(cases[i].text, cases[i].implied, &help, NULL);

        if (!cases[i].json) {
            g_assert_null(got);
            continue;
        }
        expect_json(got, cases[i].json);
        g_assert_cmpint(help, ==, cases[i].help);
        json_decref(got);
    }
}

static void test_into(void)
{
    json_t *d = json_object();

    g_assert_true(keyval_parse_into(d, "a.0=1", NULL, NULL, &error_abort) == d);
    g_assert_true(keyval_parse_into(d, "a.1=2,b=3", NULL, NULL, &error_abort) ==
                  d);
    json_t *got = keyval_finish(d, &error_abort);

    expect_json(got, "{\"a\": [\"1\", \"2\"], \"b\": \"3\"}");
    json_decref(got);
}

static void test_merge(void)
{
    static const struct {
        const char *dest, *merged, *json;
    } cases[] = {
        { "{\"a\":\"1\"}", "{\"b\":\"2\"}", "{\"a\":\"1\",\"b\":\"2\"}" },
        { "{\"a\":\"1\"}", "{\"a\":\"2\"}", "{\"a\":\"2\"}" },
        { "{\"a\":{\"b\":\"1\"}}", "{\"a\":{\"c\":\"2\"}}",
          "{\"a\":{\"b\":\"1\",\"c\":\"2\"}}" },
        { "{\"a\":[\"1\"]}", "{\"a\":[\"2\"]}", "{\"a\":[\"1\",\"2\"]}" },
        { "{\"a\":\"1\"}", "{\"a\":[\"2\"]}", NULL },
        { "{\"a\":{\"b\":\"1\"}}", "{\"a\":{\"b\":{}}}", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_t *dest = json_loads(cases[i].dest, 0, NULL);
        json_t *merged = json_loads(cases[i].merged, 0, NULL);
        Error *err = NULL;

        g_assert_cmpint(keyval_merge(dest, merged, &err), ==,
                        cases[i].json != NULL);
        if (cases[i].json) {
            expect_json(dest, cases[i].json);
        } else {
            error_free_or_abort(&err);
        }
        json_decref(dest);
        json_decref(merged);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/keyval/parse", test_parse);
    g_test_add_func("/util/keyval/errors", test_errors);
    g_test_add_func("/util/keyval/limits", test_limits);
    g_test_add_func("/util/keyval/help", test_help);
    g_test_add_func("/util/keyval/into", test_into);
    g_test_add_func("/util/keyval/merge", test_merge);
    return g_test_run();
}
