/*
 * Option lists with known parameters, and configuration files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/config-file.h"
#include "util/error.h"
#include "util/option.h"

static const QemuOptDesc port_desc[] = {
    { "host", QEMU_OPT_STRING, "name or address", NULL },
    { "server", QEMU_OPT_BOOL, "wait for a client", "off" },
    { "delay", QEMU_OPT_BOOL, NULL, NULL },
    { "nodelay", QEMU_OPT_BOOL, NULL, NULL },
    { "wait", QEMU_OPT_BOOL, NULL, "on" },
    { "reconnect", QEMU_OPT_NUMBER, "seconds", "0" },
    { "buffer", QEMU_OPT_SIZE, NULL, "64k" },
    {},
};

static const QemuOptsList port_list = {
    .name = "port",
    .implied_opt_name = "host",
    .desc = port_desc,
};

static const QemuOptsList free_list = { .name = "free" };

static void test_parse(void)
{
    g_autoptr(QemuOpts) opts =
        qemu_opts_parse(&port_list,
                        "a,,b,server,nowait,nodelay,id=p0,buffer=1M,"
                        "reconnect=0x10,host=last",
                        true, &error_abort);

    g_assert_cmpstr(qemu_opts_id(opts), ==, "p0");
    g_assert_cmpstr(qemu_opt_get(opts, "host"), ==, "last");
    g_assert_true(qemu_opt_get_bool(opts, "server", false));
    g_assert_false(qemu_opt_get_bool(opts, "wait", true));
    g_assert_true(qemu_opt_get_bool(opts, "nodelay", false));
    g_assert_false(qemu_opt_is_given(opts, "delay"));
    g_assert_cmpuint(qemu_opt_get_size(opts, "buffer", 0), ==, 1 << 20);
    g_assert_cmpuint(qemu_opt_get_number(opts, "reconnect", 0), ==, 16);

    g_autoptr(QemuOpts) empty =
        qemu_opts_parse(&port_list, "", true, &error_abort);
    g_assert_null(qemu_opts_id(empty));
    g_assert_null(qemu_opt_get(empty, "host"));
    g_assert_cmpuint(qemu_opt_get_size(empty, "buffer", 1), ==, 65536);
    g_assert_true(qemu_opt_get_bool(empty, "wait", false));
    g_assert_true(qemu_opt_get_bool(empty, "delay", true));

    g_autoptr(QemuOpts) anything =
        qemu_opts_parse(&free_list, "x=1,flag", false, &error_abort);
    g_assert_cmpstr(qemu_opt_get(anything, "x"), ==, "1");
    g_assert_cmpstr(qemu_opt_get(anything, "flag"), ==, "on");
    g_assert_true(qemu_opt_unset(anything, "x"));
    g_assert_false(qemu_opt_unset(anything, "x"));
    json_t *json = qemu_opts_to_json(anything);
    g_assert_cmpuint(json_object_size(json), ==, 1);
    json_decref(json);
}

static void test_errors(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "host=a,port=1", "port has no parameter 'port'" },
        { "host=a,listen", "port has no parameter 'listen'" },
        { "host=a,nohost", "port has no parameter 'nohost'" },
        { "host=a,buffer", "parameter 'buffer' of port needs a value" },
        { "server=maybe",
          "value 'maybe' of parameter 'server' is not on or off" },
        { "reconnect=x", "value 'x' of parameter 'reconnect' is not a number" },
        { "reconnect=18446744073709551616",
          "value '18446744073709551616' is too large for parameter "
          "'reconnect'" },
        { "buffer=1x", "value '1x' of parameter 'buffer' is not a size" },
        { "buffer=16E", "value '16E' is out of range for parameter 'buffer'" },
        { "id=1", "'1' is not a valid id for port" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Error *err = NULL;

        g_assert_null(qemu_opts_parse(&port_list, cases[i].text, true, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].message);
        error_free(err);
    }
    Error *err = NULL;
    g_assert_null(qemu_opts_parse(&port_list, "host", false, &err));
    error_free_or_abort(&err);
}

static bool join(void *opaque, const char *name, const char *value,
                 Error **errp)
{
    g_string_append_printf(opaque, "%s=%s;", name, value);
    return !g_str_equal(value, "stop");
}

static void test_foreach_and_help(void)
{
    g_autoptr(QemuOpts) opts =
        qemu_opts_parse(&free_list, "a=1,a=2,b=stop,c=3", false, &error_abort);
    GString *out = g_string_new(NULL);
    g_autofree char *help = qemu_opts_help(&port_list);

    g_assert_false(qemu_opt_foreach(opts, join, out, NULL));
    g_assert_cmpstr(out->str, ==, "a=1;a=2;b=stop;");
    g_string_free(out, TRUE);
    g_assert_true(g_str_has_prefix(help, "  host=<string> - name or address\n"
                                         "  server=<bool (on/off)> - wait for "
                                         "a client (default: off)\n"));
    g_assert_true(has_help_option("a=1,help"));
    g_assert_true(has_help_option("?"));
    g_assert_false(has_help_option("a=help,helper,x,,help"));
}

/* -- configuration files -------------------------------------------------- */

static bool section(const char *group, const char *id, json_t *opts,
                    void *opaque, Error **errp)
{
    g_autofree char *json = json_dumps(opts, JSON_SORT_KEYS | JSON_COMPACT);

    g_string_append_printf(opaque, "%s/%s/%s\n", group, id ? id : "-", json);
    if (g_str_equal(group, "bad")) {
        error_setg(errp, "bad group");
        return false;
    }
    return true;
}

static void test_config(void)
{
    static const char text[] = "# comment\n"
                               "[object \"sec0\"]\r\n"
                               "  qom-type = \"secret\"\n"
                               "\tfile=\"/a b,c\"\n"
                               "\n"
                               "[machine]\n"
                               "[name \"\"]\n"
                               "a.b = \"\"";
    GString *out = g_string_new(NULL);

    g_assert_true(
        config_file_parse("f", text, strlen(text), section, out, &error_abort));
    g_assert_cmpstr(out->str, ==,
                    "object/sec0/{\"file\":\"/a b,c\",\"id\":\"sec0\","
                    "\"qom-type\":\"secret\"}\n"
                    "machine/-/{}\n"
                    "name//{\"a.b\":\"\",\"id\":\"\"}\n");
    g_string_free(out, TRUE);
}

static void test_config_errors(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "a = \"1\"\n", "f:1: a value outside of any [group]" },
        { "\n[]\n", "f:2: expected the name of a group" },
        { "[a\n", "f:1: expected ']' at the end of the line" },
        { "[a \"b]\n", "f:1: expected '\"' after the id" },
        { "[a] x\n", "f:1: expected ']' at the end of the line" },
        { "[a]\nk\n", "f:2: expected 'key = \"value\"'" },
        { "[a]\nk = v\n", "f:2: expected 'key = \"value\"'" },
        { "[a]\nk = \"v\n", "f:2: expected 'key = \"value\"'" },
        { "[a]\nk = \"v\" x\n", "f:2: expected 'key = \"value\"'" },
        { "[a]\n= \"v\"\n", "f:2: expected 'key = \"value\"'" },
        { "[a]\nk = \"\xff\"\n", "f:2: the value is not UTF-8" },
        { "[a \"\xff\"]\n", "f:1: the id is not UTF-8" },
        { "[a]\n\n[bad]\nk = \"v\"\n", "f:3: bad group" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *out = g_string_new(NULL);
        Error *err = NULL;

        g_assert_false(config_file_parse(
            "f", cases[i].text, strlen(cases[i].text), section, out, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].message);
        error_free(err);
        g_string_free(out, TRUE);
    }
    Error *err = NULL;
    g_assert_false(config_file_parse("f", "[a]\n\0x", 6, section, NULL, &err));
    error_free_or_abort(&err);
    g_assert_false(config_file_read("/nonexistent/x", section, NULL, &err));
    error_free_or_abort(&err);
}

static void test_config_read(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ferry-config-XXXXXX", &path, NULL);
    GString *out = g_string_new(NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "[a \"b\"]\n", 8), ==, 8);
    fd_close(fd);
    g_assert_true(config_file_read(path, section, out, &error_abort));
    g_assert_cmpstr(out->str, ==, "a/b/{\"id\":\"b\"}\n");
    g_string_free(out, TRUE);
    g_assert_cmpint(unlink(path), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/option/parse", test_parse);
    g_test_add_func("/util/option/errors", test_errors);
    g_test_add_func("/util/option/foreach-and-help", test_foreach_and_help);
    g_test_add_func("/util/config-file/parse", test_config);
    g_test_add_func("/util/config-file/errors", test_config_errors);
    g_test_add_func("/util/config-file/read", test_config_read);
    return g_test_run();
}
