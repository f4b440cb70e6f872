/*
 * Human monitor lines: words and arguments, as tables of line and result.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "monitor/hmp-parse.h"
#include "qapi/json.h"
#include "util/error.h"

typedef struct Case {
    const char *args;
    const char *line;
    const char *json; /* NULL: an error */
} Case;

static const Case cases[] = {
    { "", "", "{}" },
    { "", "  ", "{}" },
    { "", "x", NULL },
    { "a:s", "", NULL },
    { "a:s?", "", "{}" },
    { "a:s", "word", "{\"a\": \"word\"}" },
    { "a:s", "\"two words\"", "{\"a\": \"two words\"}" },
    { "a:s", "\"q\\\"\\\\\\n\"", "{\"a\": \"q\\\"\\\\\\n\"}" },
    { "a:s", "\"open", NULL },
    { "a:s", "\"bad \\q\"", NULL },
    { "a:s", "\"end\\", NULL },
    { "a:s,b:S", "x the rest  ", "{\"a\": \"x\", \"b\": \"the rest\"}" },
    { "a:i", "42", "{\"a\": 42}" },
    { "a:i", "0x10", "{\"a\": 16}" },
    { "a:i", "99999999999", NULL },
    { "a:i", "4x", NULL },
    { "a:l", "99999999999", "{\"a\": 99999999999}" },
    { "a:l", "99999999999999999999", NULL },
    { "a:l", "0xffffffffffffff00", "{\"a\": -256}" },
    { "a:l", "-99999999999999999999", NULL },
    { "a:M", "3", "{\"a\": 3145728}" },
    { "a:M", "-3", NULL },
    { "a:M", "9223372036854775807", NULL },
    { "a:o", "1", "{\"a\": 1048576}" },
    { "a:o", "4k", "{\"a\": 4096}" },
    { "a:T", "300ms", "{\"a\": 0.3}" },
    { "a:T", "2", "{\"a\": 2.0}" },
    { "a:T", "nan", NULL },
    { "a:T", "2h", NULL },
    { "a:b", "on", "{\"a\": true}" },
    { "a:b", "maybe", NULL },
    { "f:-f,a:s", "-f x", "{\"f\": true, \"a\": \"x\"}" },
    { "f:-f,a:s", "x", "{\"a\": \"x\"}" },
    { "f:-f,a:s", "-fx", "{\"a\": \"-fx\"}" },
    { "fmt:/,a:l", "/4xw 16",
      "{\"count\": 4, \"format\": \"x\", "
      "\"size\": \"w\", \"a\": 16}" },
    { "fmt:/,a:l", "16", "{\"a\": 16}" },
    { "type:O", "null,id=x", "{\"type\": \"null\", \"id\": \"x\"}" },
};

static void test_args(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        HMPCommand cmd = { .name = "cmd", .args = cases[i].args };
        Error *err = NULL;
        g_autoptr(json_t) got = hmp_parse_args(&cmd, cases[i].line, &err);

        g_test_message("'%s' by '%s'", cases[i].line, cases[i].args);
        if (cases[i].json) {
            g_autoptr(json_t) want = json_parse_text(
                cases[i].json, strlen(cases[i].json), &error_abort);

            g_assert_null(err);
            g_assert_true(json_equal(got, want));
        } else {
            g_assert_null(got);
            error_free_or_abort(&err);
        }
    }
}

static void test_find(void)
{
    static const HMPCommand a[] = { { .name = "quit", .aliases = "q|exit" },
                                    { NULL } };
    static const HMPCommand b[] = { { .name = "stop" }, { NULL } };
    const HMPCommand *const tables[] = { a, b, NULL };

    g_assert_true(hmp_command_find(tables, "quit") == a);
    g_assert_true(hmp_command_find(tables, "q") == a);
    g_assert_true(hmp_command_find(tables, "exit") == a);
    g_assert_true(hmp_command_find(tables, "stop") == b);
    g_assert_null(hmp_command_find(tables, "ex"));
    g_assert_null(hmp_command_find(tables, ""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/hmp-parse/args", test_args);
    g_test_add_func("/monitor/hmp-parse/find", test_find);
    return g_test_run();
}
