/*
 * Command lines of the tools: every form of an option, what is refused, and
 * that help names what is accepted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tools/tool-common.h"
#include "util/error.h"

typedef struct Args {
    bool quiet;
    bool progress;
    const char *format;
    GPtrArray *list;
    ToolSize size;
    ToolSize number;
} Args;

static const ToolOption table[] = {
    { 'q', "quiet", TOOL_FLAG, offsetof(Args, quiet), NULL, "be quiet", 0, 0 },
    { 'p', NULL, TOOL_FLAG, offsetof(Args, progress), NULL, "progress", 0, 0 },
    { 'f', "format", TOOL_STRING, offsetof(Args, format), "FMT", "format", 0,
      0 },
    { 0, "object", TOOL_LIST, offsetof(Args, list), "OBJECT", "objects", 0, 0 },
    { 's', "size", TOOL_SIZE, offsetof(Args, size), "SIZE", "a size", 512,
      1 << 20 },
    { 'n', "number", TOOL_NUMBER, offsetof(Args, number), "N", "a number", 0,
      255 },
    { 0, "numbering", TOOL_FLAG, offsetof(Args, progress), NULL, "a prefix", 0,
      0 },
    {},
};

typedef struct Parsed {
    Args args;
    GPtrArray *positional;
    bool help;
    bool ok;
    char *message;
} Parsed;

static Parsed parse(const char *line)
{
    Parsed p = { .positional = g_ptr_array_new_with_free_func(g_free) };
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    g_autoptr(GPtrArray) borrowed = g_ptr_array_new();
    Error *err = NULL;

    p.ok = tool_options_parse(table, (int)g_strv_length(words), words, &p.args,
                              borrowed, &p.help, &err);
    p.args.format = g_intern_string(p.args.format);
    for (guint i = 0; i < borrowed->len; i++) {
        g_ptr_array_add(p.positional, g_strdup(borrowed->pdata[i]));
    }
    g_assert_true(p.ok == !err);
    p.message = g_strdup(err ? error_get_pretty(err) : "");
    error_free(err);
    return p;
}

static void done(Parsed *p)
{
    tool_options_free(table, &p->args);
    g_ptr_array_unref(p->positional);
    g_free(p->message);
}

static void test_forms(void)
{
    static const char *const lines[] = {
        "-q -p -f raw a b",      "-qpf raw a b",
        "a -pqfraw b",           "--quiet -p --format raw a b",
        "--format=raw a -qp b",  "-f qcow2 -q -p -f raw -- a b",
        "--qui -p --fo=raw a b", "--q --numberi --form raw a b",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Parsed p = parse(lines[i]);

        g_assert_cmpstr(p.message, ==, "");
        g_assert_true(p.args.quiet && p.args.progress && !p.help);
        g_assert_cmpstr(p.args.format, ==, "raw");
        g_assert_cmpuint(p.positional->len, ==, 2);
        g_assert_cmpstr(p.positional->pdata[0], ==, "a");
        g_assert_cmpstr(p.positional->pdata[1], ==, "b");
        done(&p);
    }
}

static void test_positional(void)
{
    Parsed p = parse("disk -1G - -- -q --size");

    g_assert_cmpstr(p.message, ==, "");
    g_assert_cmpuint(p.positional->len, ==, 5);
    g_assert_cmpstr(p.positional->pdata[1], ==, "-1G");
    g_assert_cmpstr(p.positional->pdata[2], ==, "-");
    g_assert_cmpstr(p.positional->pdata[3], ==, "-q");
    g_assert_false(p.args.quiet);
    done(&p);
}

static void test_values(void)
{
    Parsed p = parse("--object a --obj=b -s 64k --number 0x10");

    g_assert_cmpstr(p.message, ==, "");
    g_assert_cmpuint(p.args.list->len, ==, 2);
    g_assert_true(p.args.size.given && p.args.number.given);
    g_assert_cmpuint(p.args.size.value, ==, 65536);
    g_assert_cmpuint(p.args.number.value, ==, 16);
    done(&p);
}

static void test_refused(void)
{
    static const struct {
        const char *line;
        const char *word; /* in the message */
    } cases[] = {
        { "-x", "-x" },
        { "-qx", "-x" },
        { "--frobnicate", "--frobnicate" },
        { "--quiet=yes", "--quiet" },
        { "--qui=yes", "--qui" },
        { "--num 1", "option '--num' is ambiguous" },
        { "--quietly", "unrecognized option '--quietly'" },
        { "-f", "-f" },
        { "-q --format", "--format" },
        { "-s 100", "512" },
        { "-s 2M", "1048576" },
        { "-s many", "many" },
        { "-s -1", "-1" },
        { "-n 256", "256" },
        { "-n 4k", "4k" },
        { "-n -1", "-1" },
        { "-n 99999999999999999999", "99999999999999999999" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Parsed p = parse(cases[i].line);

        g_assert_false(p.ok);
        g_assert_nonnull(strstr(p.message, cases[i].word));
        done(&p);
    }
}

static void test_help(void)
{
    g_autofree char *text = tool_options_help(table);

    for (const ToolOption *o = table; o->letter || o->name; o++) {
        g_assert_nonnull(strstr(text, o->help));
        if (o->name) {
            g_autofree char *name = g_strdup_printf("--%s", o->name);

            g_assert_nonnull(strstr(text, name));
        }
    }
    for (int i = 0; i < 2; i++) {
        Parsed p = parse(i ? "-h -x" : "a --help --frobnicate");

        g_assert_true(p.ok && p.help);
        done(&p);
    }
}

static void test_size(void)
{
    uint64_t n;
    Error *err = NULL;

    g_assert_true(tool_parse_size("1.5G", "x", INT64_MAX, &n, &error_abort));
    g_assert_cmpuint(n, ==, 3ull << 29);
    g_assert_false(tool_parse_size("9E", "image size", INT64_MAX, &n, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "image size"));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/options/forms", test_forms);
    g_test_add_func("/tools/options/positional", test_positional);
    g_test_add_func("/tools/options/values", test_values);
    g_test_add_func("/tools/options/refused", test_refused);
    g_test_add_func("/tools/options/help", test_help);
    g_test_add_func("/tools/options/size", test_size);
    return g_test_run();
}
