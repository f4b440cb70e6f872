/*
 * Start-up hooks and loadable modules.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/module.h"

static GString *hooks;

static void hook_a(void)
{
    g_string_append_c(hooks, 'a');
}

static void hook_b(void)
{
    g_string_append_c(hooks, 'b');
}

static void hook_other(void)
{
    g_string_append_c(hooks, 'o');
}

static void hook_late(void)
{
    g_string_append_c(hooks, 'l');
}

type_init(hook_a);
type_init(hook_b);
opts_init(hook_other);

static void test_hooks(void)
{
    hooks = g_string_new(NULL);
    module_call_init(MODULE_INIT_QOM);
    g_assert_cmpint(strlen(hooks->str), ==, 2);
    g_assert_null(strchr(hooks->str, 'o'));
    /* Each once; what a module adds later is called next time. */
    module_call_init(MODULE_INIT_QOM);
    g_assert_cmpint(strlen(hooks->str), ==, 2);
    register_module_init(hook_late, MODULE_INIT_QOM);
    module_call_init(MODULE_INIT_QOM);
    g_assert_true(g_str_has_suffix(hooks->str, "l"));
    module_call_init(MODULE_INIT_OPTS);
    g_assert_true(g_str_has_suffix(hooks->str, "o"));
    module_call_init(MODULE_INIT_BLOCK);
    g_string_free(hooks, TRUE);
}

static void test_load(void)
{
    g_unsetenv("SAMPLE_CALLS");
    g_assert_true(module_is_available("sample", "good"));
    g_assert_false(module_is_loaded("sample", "good"));
    g_assert_true(module_load("sample", "good", &error_abort));
    g_assert_cmpstr(g_getenv("SAMPLE_CALLS"), ==, "once");
    g_assert_true(module_is_loaded("sample", "good"));
    /* Again does nothing. */
    g_assert_true(module_load("sample", "good", &error_abort));
    g_assert_cmpstr(g_getenv("SAMPLE_CALLS"), ==, "once");
}

static void check_refused(const char *name, const char *message)
{
    Error *err = NULL;

    g_assert_false(module_load("sample", name, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), message));
    error_free_or_abort(&err);
    g_assert_false(module_is_loaded("sample", name));
    /* And without anybody who wants to know why. */
    g_assert_false(module_load("sample", name, NULL));
}

static void test_refuse(void)
{
    g_unsetenv("SAMPLE_CALLS");
    check_refused("absent", "module 'sample-absent' is not installed");
    check_refused("oldabi", "is of another build ('0.0.1 other'");
    check_refused("misnamed", "says that it is 'sample-other'");
    check_refused("notmodule", "is not a module of this program");
    check_refused("text", "could not load module");
    g_assert_null(g_getenv("SAMPLE_CALLS"));
    check_refused("fails", "module 'sample-fails': no luck");
    g_assert_false(module_is_available("sample", "absent"));
    g_assert_true(module_is_available("sample", "oldabi"));
}

/* A name is never a path. */
static void test_names(void)
{
    check_refused("../sample-good", "is not a module name");
    check_refused("", "is not a module name");
    check_refused("a.b", "is not a module name");
    g_assert_false(module_is_available("sample", "../good"));
}

static gpointer load_in_thread(gpointer opaque)
{
    return GINT_TO_POINTER(module_load("sample", "threads", NULL));
}

static void test_threads(void)
{
    GThread *t[4];

    g_unsetenv("SAMPLE_CALLS");
    for (int i = 0; i < 4; i++) {
        t[i] = g_thread_new("load", load_in_thread, NULL);
    }
    for (int i = 0; i < 4; i++) {
        g_assert_true(GPOINTER_TO_INT(g_thread_join(t[i])));
    }
    g_assert_cmpstr(g_getenv("SAMPLE_CALLS"), ==, "once");
}

int main(int argc, char **argv)
{
    int ret;
    g_autofree char *dir = NULL, *exe = NULL, *text = NULL;

    g_test_init(&argc, &argv, NULL);
    /* The samples lie beside us. */
    exe = g_file_read_link("/proc/self/exe", NULL);
    dir = g_path_get_dirname(exe);
    g_setenv("FERRY_MODULE_DIR", dir, TRUE);
    text = g_build_filename(dir, "sample-text.so", NULL);
    g_assert_true(g_file_set_contents(text, "not an object file", -1, NULL));
    g_test_add_func("/module/hooks", test_hooks);
    g_test_add_func("/module/load", test_load);
    g_test_add_func("/module/refuse", test_refuse);
    g_test_add_func("/module/names", test_names);
    g_test_add_func("/module/threads", test_threads);
    ret = g_test_run();
    unlink(text);
    return ret;
}
