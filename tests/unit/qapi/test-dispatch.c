/*
 * Dispatch: requests of all sorts through generated marshal functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-init-commands.h"
#include "qapi/qapi-types-compat.h"
#include "qapi/qmp-dispatch.h"
#include "util/error.h"

#include "test-commands.h"

static QmpCommandList *commands;

static char *dispatch_ctx(const char *request, bool allow_oob, QmpContext *ctx)
{
    g_autoptr(json_t) req = qobject_from_json(request, &error_abort);
    g_autoptr(json_t) rsp = qmp_dispatch(commands, req, allow_oob, ctx);

    return rsp ? g_string_free(qobject_to_json(rsp), false) : NULL;
}

static char *dispatch(const char *request)
{
    QmpContext ctx = { .commands = commands, .opaque = (void *)"me" };

    return dispatch_ctx(request, true, &ctx);
}

static void check(const char *request, const char *expected)
{
    g_autofree char *got = dispatch(request);

    g_assert_cmpstr(got, ==, expected);
}

/* The response to @request is an error of @class that mentions @text. */
static void check_error_ctx(const char *request, const char *class,
                            const char *text, bool allow_oob, QmpContext *ctx)
{
    g_autofree char *got = dispatch_ctx(request, allow_oob, ctx);
    g_autofree char *head =
        g_strdup_printf("{\"error\": {\"class\": \"%s\", \"desc\": \"", class);

    if (!g_str_has_prefix(got, head) || !strstr(got, text)) {
        g_error("'%s' gives '%s' which is no %s about '%s'", request, got,
                class, text);
    }
}

static void check_error(const char *request, const char *class,
                        const char *text)
{
    QmpContext ctx = { .commands = commands };

    check_error_ctx(request, class, text, true, &ctx);
}

static void test_success(void)
{
    check("{'execute': 'test-nothing'}", "{\"return\": {}}");
    check("{'execute': 'test-sum', 'arguments': {'a': 1}}",
          "{\"return\": 1001}");
    check("{'arguments': {'b': 2, 'a': 1}, 'execute': 'test-sum'}",
          "{\"return\": 3}");
    check("{'execute': 'test-leaf', 'arguments': {'name': 'n', 'size': 7, "
          "'next': {'name': 'm', 'size': 18446744073709551615}}}",
          "{\"return\": {\"size\": 7, \"name\": \"n\", \"next\": {\"size\": "
          "18446744073709551615, \"name\": \"m\"}}}");
    check("{'execute': 'test-list', 'arguments': {'words': ['a', 'b']}}",
          "{\"return\": [\"b\", \"a\", \"me\"]}");
    check("{'execute': 'test-list', 'arguments': {'words': []}}",
          "{\"return\": [\"me\"]}");
    check("{'execute': 'test-list'}", "{\"return\": [\"absent\", \"me\"]}");
    check("{'execute': 'test-shape', 'arguments': {'kind': 'red', 'name': "
          "'n', 'size': 1}}",
          "{\"return\": {}}");
    check("{'execute': 'test-raw', 'arguments': {'x': [1, null], 'y': 2}}",
          "{\"return\": [1, null]}");
    check("{'execute': 'test-either', 'arguments': {'e': 'x', 'm': 200}}",
          "{\"return\": {}}");
}

static void test_id(void)
{
    check("{'execute': 'test-nothing', 'id': 1}",
          "{\"return\": {}, \"id\": 1}");
    check("{'execute': 'test-nothing', 'id': null}",
          "{\"return\": {}, \"id\": null}");
    check("{'execute': 'test-sum', 'arguments': {'a': 1}, 'id': {'x': [2]}}",
          "{\"return\": 1001, \"id\": {\"x\": [2]}}");
    check("{'execute': 'no-such', 'id': 'x'}",
          "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"the "
          "command no-such has not been found\"}, \"id\": \"x\"}");
    check("{'bogus': 1, 'id': 'x'}",
          "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input "
          "member 'bogus' is unexpected\"}, \"id\": \"x\"}");
}

static void test_no_response(void)
{
    int before = test_command_log.silent_calls;
    g_autofree char *got = dispatch("{'execute': 'test-silent', 'id': 1}");

    g_assert_null(got);
    g_assert_cmpint(test_command_log.silent_calls, ==, before + 1);
    check_error("{'execute': 'test-silent', 'arguments': {'x': 1}}",
                "GenericError", "'x' is unexpected");
}

static void test_bad_requests(void)
{
    static const char *const bad[][2] = {
        { "42", "must be a JSON object" },
        { "'test-nothing'", "must be a JSON object" },
        { "[]", "must be a JSON object" },
        { "null", "must be a JSON object" },
        { "{}", "lacks member 'execute'" },
        { "{'execute': 1}", "'execute' must be a string" },
        { "{'execute': null}", "'execute' must be a string" },
        { "{'execute': 'test-nothing\\u0000'}", "must be a string" },
        { "{'execute': 18446744073709551615}", "must be a string" },
        { "{'execute': 'test-sum', 'exec-oob': 'test-sum'}", "exclude" },
        { "{'execute': 'test-nothing', 'arguments': []}",
          "'arguments' must be an object" },
        { "{'execute': 'test-nothing', 'arguments': null}",
          "'arguments' must be an object" },
        { "{'execute': 'test-nothing', 'x': 1}", "'x' is unexpected" },
        { "{'execute': 'test-nothing', 'arguments': {'x': 1}}",
          "'x' is unexpected" },
        { "{'execute': 'test-sum'}", "'a' is missing" },
        { "{'execute': 'test-sum', 'arguments': {'a': '1'}}",
          "'a', expected: integer" },
        { "{'execute': 'test-sum', 'arguments': {'a': 1.5}}",
          "'a', expected: integer" },
        { "{'execute': 'test-sum', 'arguments': {'a': 9223372036854775808}}",
          "'a', expected: integer" },
        { "{'execute': 'test-sum', 'arguments': {'a': 1, 'b': 0}}",
          "makes no sense" },
        { "{'execute': 'test-leaf', 'arguments': {'name': 'a', 'size': 1, "
          "'next': {'name': 'b', 'size': -1}}}",
          "'next.size', expected: uint64" },
        { "{'execute': 'test-leaf', 'arguments': {'name': 'a', 'size': 1, "
          "'next': {'name': 'b', 'size': 1, 'tail': 1}}}",
          "'next.tail' is unexpected" },
        { "{'execute': 'test-list', 'arguments': {'words': ['a', 2]}}",
          "'words[1]', expected: string" },
        { "{'execute': 'test-shape', 'arguments': {'kind': 'blue'}}",
          "'kind', expected: one of its names, not 'blue'" },
        { "{'execute': 'test-shape', 'arguments': {'kind': 'red', 'b': true}}",
          "'size' is missing" },
        { "{'execute': 'test-shape', 'arguments': {'kind': 'dark-green'}}",
          "dark-green is not a color" },
        { "{'execute': 'test-raw'}", "'x' is missing" },
        { "{'execute': 'test-either', 'arguments': {'e': 5}}",
          "'e', expected: str or TestLeaf or null" },
        { "{'execute': 'test-either', 'arguments': {'e': null}}",
          "not welcome" },
        { "{'execute': 'test-either', 'arguments': {'m': 256}}",
          "'m', expected: uint8_t" },
        { "{'execute': 'test-gone'}", "has not been found" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        check_error(bad[i][0],
                    strstr(bad[i][1], "found") ? "CommandNotFound"
                                               : "GenericError",
                    bad[i][1]);
    }
}

static void test_error_class(void)
{
    /* ... and a message that is not UTF-8 */
    check("{'execute': 'test_old_name'}",
          "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no device "
          "\\uFFFD here\"}}");
}

static void test_oob(void)
{
    QmpContext ctx = { .commands = commands };
    g_auto(QmpRequest) req = { 0 };
    g_autoptr(json_t) request = qobject_from_json(
        "{'exec-oob': 'test-sum', 'arguments': {'a': 1}}", &error_abort);
    g_autoptr(json_t) scalar = json_integer(1);

    check("{'exec-oob': 'test-sum', 'arguments': {'a': 1}}",
          "{\"return\": 1001}");
    check_error("{'exec-oob': 'test-nothing'}", "GenericError",
                "does not support OOB");
    check_error_ctx("{'exec-oob': 'test-sum', 'arguments': {'a': 1}}",
                    "GenericError", "'exec-oob' is unexpected", false, &ctx);
    g_assert_true(qmp_is_oob(request));
    g_assert_false(qmp_is_oob(scalar));
    g_assert_true(
        qmp_request_parse(commands, request, true, &ctx, &req, &error_abort));
    g_assert_true(req.oob);
    g_assert_cmpstr(qmp_command_name(req.cmd), ==, "test-sum");
}

static void test_preconfig(void)
{
    QmpContext ctx = { .commands = commands, .preconfig = true };
    g_autofree char *got = dispatch_ctx(
        "{'execute': 'test-sum', 'arguments': {'a': 1}}", true, &ctx);

    g_assert_cmpstr(got, ==, "{\"return\": 1001}");
    check_error_ctx("{'execute': 'test-nothing'}", "GenericError",
                    "before the machine", true, &ctx);
}

static void test_policy_input(void)
{
    CompatPolicy policy = {
        .has_deprecated_input = true,
        .deprecated_input = COMPAT_POLICY_INPUT_REJECT,
        .has_unstable_input = true,
        .unstable_input = COMPAT_POLICY_INPUT_REJECT,
    };
    QmpContext ctx = { .commands = commands, .compat = &policy };

    check_error_ctx("{'execute': 'test_old_name'}", "CommandNotFound",
                    "deprecated command 'test_old_name' disabled by policy",
                    true, &ctx);
    check_error_ctx("{'execute': 'test-leaf', 'arguments': {'name': 'a', "
                    "'size': 1, 'next': {'name': 'b', 'size': 1, 'old': 1}}}",
                    "GenericError",
                    "deprecated parameter 'next.old' disabled by policy", true,
                    &ctx);
    check_error_ctx("{'execute': 'test-leaf', 'arguments': {'name': 'a', "
                    "'size': 1, 'new': 1}}",
                    "GenericError",
                    "unstable parameter 'new' disabled by policy", true, &ctx);
    check_error_ctx("{'execute': 'test-shape', 'arguments': {'kind': "
                    "'puce'}}",
                    "GenericError",
                    "deprecated value 'puce' disabled by policy", true, &ctx);
}

static void test_policy_output(void)
{
    CompatPolicy policy = {
        .has_deprecated_output = true,
        .deprecated_output = COMPAT_POLICY_OUTPUT_HIDE,
    };
    QmpContext ctx = { .commands = commands, .compat = &policy };
    const char *request = "{'execute': 'test-leaf', 'arguments': {'name': "
                          "'a', 'size': 1, 'old': 1, 'new': 2}}";
    g_autofree char *shown = dispatch(request);
    g_autofree char *hidden = dispatch_ctx(request, true, &ctx);

    g_assert_cmpstr(shown, ==,
                    "{\"return\": {\"size\": 1, \"name\": \"a\", \"old\": 1, "
                    "\"new\": 2}}");
    g_assert_cmpstr(hidden, ==,
                    "{\"return\": {\"size\": 1, \"name\": \"a\", "
                    "\"new\": 2}}");
}

static void test_policy_crash(void)
{
    CompatPolicy policy = {
        .has_deprecated_input = true,
        .deprecated_input = COMPAT_POLICY_INPUT_CRASH,
    };
    QmpContext ctx = { .commands = commands, .compat = &policy };

    if (g_test_subprocess()) {
        g_free(dispatch_ctx("{'execute': 'test_old_name'}", true, &ctx));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

static void test_disable(void)
{
    qmp_disable_command(commands, "test-nothing", "not today");
    check_error("{'execute': 'test-nothing'}", "CommandNotFound",
                "has been disabled: not today");
    g_assert_false(
        qmp_command_is_enabled(qmp_find_command(commands, "test-nothing")));
    qmp_disable_command(commands, "test-nothing", NULL);
    check_error("{'execute': 'test-nothing'}", "CommandNotFound",
                "has been disabled\"");
    qmp_enable_command(commands, "test-nothing");
    check("{'execute': 'test-nothing'}", "{\"return\": {}}");
    qmp_disable_command(commands, "no-such", NULL);
}

static void test_options(void)
{
    static const struct {
        const char *name;
        unsigned options, features;
    } expected[] = {
        { "test-nothing", QCO_NO_OPTIONS, 0 },
        { "test-sum", QCO_ALLOW_OOB | QCO_ALLOW_PRECONFIG, 0 },
        { "test-list", QCO_CONCURRENT, 0 },
        { "test-shape", QCO_COROUTINE, 0 },
        { "test-silent", QCO_NO_SUCCESS_RESP, 0 },
        { "test_old_name", QCO_NO_OPTIONS, 1u << QAPI_DEPRECATED },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        const QmpCommand *cmd = qmp_find_command(commands, expected[i].name);

        g_assert_cmpuint(qmp_command_options(cmd), ==, expected[i].options);
        g_assert_cmpuint(qmp_command_special_features(cmd), ==,
                         expected[i].features);
    }
    g_assert_null(qmp_find_command(commands, "test-gone"));
}

static void collect_name(const QmpCommand *cmd, void *opaque)
{
    g_string_append_printf(opaque, "%s ", qmp_command_name(cmd));
}

static void test_for_each(void)
{
    GString *names = g_string_new(NULL);

    qmp_for_each_command(commands, collect_name, names);
    g_assert_cmpstr(names->str, ==,
                    "test-backend test-either test-leaf test-list "
                    "test-nothing test-open test-raw test-shape test-silent "
                    "test-sum test_old_name ");
    g_string_free(names, true);
}

static void test_open(void)
{
    check("{'execute': 'test-open', 'arguments': {'qom-type': 'thing', "
          "'prop': [1], 'id': 'x', 'other': null}}",
          "{\"return\": {}}");
    g_assert_cmpstr(test_command_log.open_type, ==, "thing");
    g_assert_cmpstr(test_command_log.open_members, ==,
                    "{\"prop\": [1], \"other\": null}");
    check("{'execute': 'test-backend', 'arguments': {'id': 'x', 'backend': "
          "{'data': {}, 'type': 'red'}}}",
          "{\"return\": {}}");
    g_assert_cmpstr(test_command_log.open_type, ==, "red");
    g_assert_cmpstr(test_command_log.open_members, ==, "{\"data\": {}}");
    check_error("{'execute': 'test-open', 'arguments': {'qom-type': 'thing', "
                "'prop': [1]}}",
                "GenericError", "'id' is missing");
}

static void *dispatch_many(void *stop)
{
    while (!g_atomic_int_get((int *)stop)) {
        g_free(dispatch("{'execute': 'test-sum', 'arguments': {'a': 1}}"));
    }
    return NULL;
}

/* Sessions run commands side by side while one is being disabled. */
static void test_threads(void)
{
    int stop = 0;
    GThread *threads[3];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("dispatch", dispatch_many, &stop);
    }
    for (int i = 0; i < 200; i++) {
        qmp_disable_command(commands, "test-sum", "for a moment");
        g_usleep(50);
        qmp_enable_command(commands, "test-sum");
    }
    g_atomic_int_set(&stop, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
}

int main(int argc, char **argv)
{
    int status;

    commands = qmp_command_list_new();
    qmp_init_commands(commands);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/dispatch/success", test_success);
    g_test_add_func("/qapi/dispatch/id", test_id);
    g_test_add_func("/qapi/dispatch/no-response", test_no_response);
    g_test_add_func("/qapi/dispatch/bad-requests", test_bad_requests);
    g_test_add_func("/qapi/dispatch/error-class", test_error_class);
    g_test_add_func("/qapi/dispatch/oob", test_oob);
    g_test_add_func("/qapi/dispatch/preconfig", test_preconfig);
    g_test_add_func("/qapi/dispatch/policy-input", test_policy_input);
    g_test_add_func("/qapi/dispatch/policy-output", test_policy_output);
    g_test_add_func("/qapi/dispatch/policy-crash", test_policy_crash);
    g_test_add_func("/qapi/dispatch/disable", test_disable);
    g_test_add_func("/qapi/dispatch/options", test_options);
    g_test_add_func("/qapi/dispatch/for-each", test_for_each);
    g_test_add_func("/qapi/dispatch/open", test_open);
    g_test_add_func("/qapi/dispatch/threads", test_threads);
    status = g_test_run();
    qmp_command_list_free(commands);
    g_free(test_command_log.open_type);
    g_free(test_command_log.open_members);
    return status;
}
