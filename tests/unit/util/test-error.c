/*
 * Error and error-report.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"
#include "util/error.h"

static bool fail(const char *why, Error **errp)
{
    error_setg(errp, "could not do '%s'", why);
    return false;
}

static void test_set(void)
{
    Error *err = NULL;

    errno = ENOTTY;
    g_assert_false(fail("it", NULL));
    g_assert_false(fail("it", &err));
    g_assert_cmpint(errno, ==, ENOTTY);
    g_assert_cmpstr(error_get_pretty(err), ==, "could not do 'it'");
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_GENERIC_ERROR);
    g_assert_null(error_get_hint(err));
    error_free_or_abort(&err);
    g_assert_null(err);
    error_free(NULL);
}

static void test_errno(void)
{
    Error *err = NULL;
    Error *copy = NULL;

    error_setg_errno(&err, ENOENT, "file '%s'", "x");
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "file 'x': No such file or directory");
    error_free_or_abort(&err);
    error_setg_file_open(&err, EACCES, "y");
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "could not open 'y': Permission denied");
    error_free_or_abort(&err);
    /* The number itself stays, whatever the message becomes. */
    error_setg_errno(&err, ECONNREFUSED, "peer");
    error_prepend(&err, "in front: ");
    copy = error_copy(err);
    g_assert_cmpint(error_get_errno(err), ==, ECONNREFUSED);
    g_assert_cmpint(error_get_errno(copy), ==, ECONNREFUSED);
    error_free_or_abort(&copy);
    error_note_errno(&err, EPIPE);
    g_assert_cmpint(error_get_errno(err), ==, EPIPE);
    error_free_or_abort(&err);
    error_note_errno(&err, EPIPE); /* of no error: nothing */
    /* 0 adds nothing. */
    error_setg_errno(&err, 0, "plain");
    g_assert_cmpstr(error_get_pretty(err), ==, "plain");
    error_free_or_abort(&err);
}

static void test_class(void)
{
    Error *err = NULL;

    error_set(&err, ERROR_CLASS_DEVICE_NOT_FOUND, "device '%s' not found", "d");
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    g_assert_cmpstr(error_class_str(error_get_class(err)), ==,
                    "DeviceNotFound");
    for (int c = 0; c < ERROR_CLASS__MAX; c++) {
        g_assert_nonnull(error_class_str((ErrorClass)c));
    }
    error_free_or_abort(&err);
}

static void test_text(void)
{
    Error *err = NULL;
    Error *copy;

    fail("a", &err);
    error_prepend(&err, "in %s: ", "b");
    error_append_hint(&err, "Try %s.\n", "this");
    error_append_hint(&err, "Or that.\n");
    copy = error_copy(err);
    error_free(err);
    g_assert_cmpstr(error_get_pretty(copy), ==, "in b: could not do 'a'");
    g_assert_cmpstr(error_get_hint(copy), ==, "Try this.\nOr that.\n");
    error_free(copy);
    /* Nowhere to put it. */
    error_prepend(NULL, "x");
    error_append_hint(NULL, "x");
    err = NULL;
    error_prepend(&err, "x");
    g_assert_null(err);
}

static void test_propagate(void)
{
    Error *first = NULL, *second = NULL, *none = NULL;

    error_propagate(&first, NULL);
    g_assert_null(first);
    fail("1", &first);
    fail("2", &second);
    error_propagate(&first, second); /* the first one stays */
    g_assert_cmpstr(error_get_pretty(first), ==, "could not do '1'");
    error_propagate_prepend(&none, first, "at %d: ", 5);
    g_assert_cmpstr(error_get_pretty(none), ==, "at 5: could not do '1'");
    error_propagate(NULL, none);
}

static bool guarded(const char *why, Error **errp)
{
    ERRP_GUARD();

    if (why) {
        fail(why, errp);
    }
    if (*errp) {
        error_prepend(errp, "guarded: ");
        return false;
    }
    return true;
}

static void test_guard(void)
{
    Error *err = NULL;

    g_assert_false(guarded("x", NULL)); /* can look although not asked for */
    g_assert_true(guarded(NULL, NULL));
    g_assert_true(guarded(NULL, &err));
    g_assert_null(err);
    g_assert_false(guarded("x", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "guarded: could not do 'x'");
    error_free_or_abort(&err);
}

static void test_abort(void)
{
    if (g_test_subprocess()) {
        fail("this", &error_abort);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
    /* The place that made it. */
    g_test_trap_assert_stderr(
        "*unexpected error in fail()*could not do 'this'*");
}

static void test_fatal(void)
{
    if (g_test_subprocess()) {
        guarded("that", &error_fatal);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*guarded: could not do 'that'*");
}

static void test_set_twice(void)
{
    if (g_test_subprocess()) {
        Error *err = NULL;

        fail("1", &err);
        fail("2", &err);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
}

/* -- reports --------------------------------------------------------------- */

static void sink(const char *text, void *opaque)
{
    g_string_append(opaque, text);
}

static void test_report(void)
{
    g_autoptr(GString) s = g_string_new(NULL);
    Error *err = NULL;

    error_report_set_sink(sink, s);
    error_report("e%d", 1);
    warn_report("w");
    info_report("i");
    error_printf("raw\n");
    fail("x", &err);
    error_append_hint(&err, "Hint.\n");
    error_report_err(err);
    err = NULL;
    fail("y", &err);
    warn_reportf_err(err, "%s: ", "pre");
    err = NULL;
    fail("z", &err);
    error_reportf_err(err, "at: ");
    for (int i = 0; i < 3; i++) {
        error_report_once("once");
    }
    error_report_set_sink(NULL, NULL);
    g_assert_cmpstr(s->str, ==,
                    "e1\nwarning: w\ninfo: i\nraw\ncould not do 'x'\nHint.\n"
                    "warning: pre: could not do 'y'\nat: could not do 'z'\n"
                    "once\n");
}

static void test_report_stderr(void)
{
    if (g_test_subprocess()) {
        g_set_prgname("prog");
        error_report_set_guest_name("guest");
        error_report("first");
        error_report_set_guest_name(NULL);
        error_report_set_timestamp(true);
        error_report("second");
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*guest prog: first\n2*-*T*:*Z prog: second\n*");
}

static gpointer report_in_thread(gpointer opaque)
{
    error_report_set_sink(sink, opaque);
    error_report("thread");
    return NULL;
}

/* A sink is its thread's own. */
static void test_report_threads(void)
{
    g_autoptr(GString) mine = g_string_new(NULL);
    g_autoptr(GString) other = g_string_new(NULL);

    error_report_set_sink(sink, mine);
    g_thread_join(g_thread_new("report", report_in_thread, other));
    error_report("main");
    error_report_set_sink(NULL, NULL);
    g_assert_cmpstr(mine->str, ==, "main\n");
    g_assert_cmpstr(other->str, ==, "thread\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/set", test_set);
    g_test_add_func("/error/errno", test_errno);
    g_test_add_func("/error/class", test_class);
    g_test_add_func("/error/text", test_text);
    g_test_add_func("/error/propagate", test_propagate);
    g_test_add_func("/error/guard", test_guard);
    g_test_add_func("/error/abort", test_abort);
    g_test_add_func("/error/fatal", test_fatal);
    g_test_add_func("/error/set-twice", test_set_twice);
    g_test_add_func("/error-report/sink", test_report);
    g_test_add_func("/error-report/stderr", test_report_stderr);
    g_test_add_func("/error-report/threads", test_report_threads);
    return g_test_run();
}
