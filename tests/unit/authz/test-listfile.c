/*
 * authz-list-file: contents, both spellings, refresh, broken files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "authz/listfile.h"
#include "authz/types.h"
#include "qom/object_interfaces.h"
#include "util/error-report.h"
#include "util/error.h"

#define ALLOW_FRED                                                             \
    "{ \"policy\": \"deny\", \"rules\": [ { \"match\": \"fred\","              \
    " \"policy\": \"allow\" } ] }"
#define ALLOW_BOB                                                              \
    "{ \"rules\": [ { \"match\": \"b*\", \"policy\": \"allow\","               \
    " \"format\": \"glob\" } ] }"

static char *dir, *file;
static GString *reports;

static void set_file(const char *text)
{
    g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

/* Writes in place, not by rename. */
static void overwrite_file(const char *text)
{
    FILE *f = fopen(file, "w");

    g_assert_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static bool allowed(const char *identity)
{
    return qauthz_is_allowed_by_id("f0", identity, &error_abort);
}

/* Runs the loop until @identity gets the wanted answer. */
static void wait_allowed(const char *identity, bool want)
{
    gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    while (allowed(identity) != want) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
}

static void run_loop_ms(unsigned ms)
{
    gint64 end = g_get_monotonic_time() + ms * 1000;

    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
}

static void test_static(void)
{
    QAuthZListFile *f;

    set_file(ALLOW_FRED);
    f = qauthz_list_file_new("f0", file, false, &error_abort);
    g_assert_true(allowed("fred"));
    g_assert_false(allowed("bob"));
    set_file(ALLOW_BOB);
    run_loop_ms(100);
    g_assert_true(allowed("fred"));
    object_unparent(OBJECT(f));
}

static void test_refresh(void)
{
    QAuthZListFile *f;

    set_file(ALLOW_FRED);
    f = qauthz_list_file_new("f0", file, true, &error_abort);
    g_assert_true(allowed("fred"));
    set_file(ALLOW_BOB);
    wait_allowed("bob", true);
    g_assert_false(allowed("fred"));
    overwrite_file(ALLOW_FRED);
    wait_allowed("fred", true);
    g_assert_false(allowed("bob"));
    /* deleted and made again */
    g_unlink(file);
    run_loop_ms(60);
    g_assert_true(allowed("fred"));
    set_file(ALLOW_BOB);
    wait_allowed("bob", true);
    object_unparent(OBJECT(f));
}

static void report_sink(const char *text, void *opaque)
{
    g_string_append(reports, text);
}

/* A broken file changes nothing and is reported. */
static void test_broken(void)
{
    QAuthZListFile *f;

    set_file(ALLOW_FRED);
    f = qauthz_list_file_new("f0", file, true, &error_abort);
    g_string_truncate(reports, 0);
    error_report_set_sink(report_sink, NULL);
    set_file("{ \"rules\": [ ");
    while (!strstr(reports->str, "keeping the rules in force")) {
        run_loop_ms(1);
    }
    error_report_set_sink(NULL, NULL);
    g_assert_nonnull(strstr(reports->str, file));
    g_assert_true(allowed("fred"));
    set_file(ALLOW_BOB);
    wait_allowed("bob", true);
    object_unparent(OBJECT(f));
}

/* Deleting the object while a change is pending. */
static void test_delete(void)
{
    QAuthZListFile *f;

    set_file(ALLOW_FRED);
    f = qauthz_list_file_new("f0", file, true, &error_abort);
    set_file(ALLOW_BOB);
    run_loop_ms(5);
    object_unparent(OBJECT(f));
    run_loop_ms(50);
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{ \"policy\": \"perhaps\" }",
        "{ \"polcy\": \"allow\" }",
        "{ \"rules\": {} }",
        "{ \"rules\": [ { \"match\": 1, \"policy\": \"allow\" } ] }",
        "{ \"policy\": \"deny\", \"policy\": \"allow\" }",
    };
    g_autofree char *big = g_malloc(QAUTHZ_LIST_FILE_MAX_BYTES + 1);
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        set_file(texts[i]);
        g_assert_null(qauthz_list_file_new("f0", file, true, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), file));
        error_free_or_abort(&err);
    }
    memset(big, ' ', QAUTHZ_LIST_FILE_MAX_BYTES + 1);
    g_assert_true(
        g_file_set_contents(file, big, QAUTHZ_LIST_FILE_MAX_BYTES + 1, NULL));
    g_assert_null(qauthz_list_file_new("f0", file, true, &err));
    error_free_or_abort(&err);
    g_unlink(file);
    g_assert_null(qauthz_list_file_new("f0", file, true, &err));
    error_free_or_abort(&err);
    g_assert_null(qauthz_list_file_new("f0", "/nonexistent/x", true, &err));
    error_free_or_abort(&err);
    g_assert_null(object_resolve_path("/objects/f0", NULL));
}

static void test_spellings(void)
{
    static const char *const names[] = { "authz-list-file", "authz-listfile" };

    set_file(ALLOW_FRED);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *opt =
            g_strdup_printf("%s,id=f0,filename=%s", names[i], file);

        user_creatable_add_from_str(opt, &error_abort);
        g_assert_true(allowed("fred"));
        user_creatable_del("f0", &error_abort);
    }
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    authz_register_types();
    dir = g_dir_make_tmp("ferry-authz-XXXXXX", NULL);
    g_assert_nonnull(dir);
    file = g_build_filename(dir, "list.json", NULL);
    reports = g_string_new(NULL);
    g_test_add_func("/authz/listfile/static", test_static);
    g_test_add_func("/authz/listfile/refresh", test_refresh);
    g_test_add_func("/authz/listfile/broken", test_broken);
    g_test_add_func("/authz/listfile/delete", test_delete);
    g_test_add_func("/authz/listfile/refused", test_refused);
    g_test_add_func("/authz/listfile/spellings", test_spellings);
    ret = g_test_run();
    g_unlink(file);
    g_rmdir(dir);
    g_free(file);
    g_free(dir);
    g_string_free(reports, TRUE);
    return ret;
}
