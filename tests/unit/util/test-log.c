/*
 * The log and trace events, which end up in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-util.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/log.h"
#include "util/thread.h"

static char *dir;

static char *log_path(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static char *read_log(const char *name)
{
    g_autofree char *path = log_path(name);
    g_autofree char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return g_steal_pointer(&text);
}

static void start_log(const char *name, int flags)
{
    g_autofree char *path = log_path(name);

    g_assert_true(qemu_set_log_filename_flags(path, flags, &error_abort));
}

static void stop_log(void)
{
    g_assert_true(qemu_set_log_filename_flags(NULL, 0, &error_abort));
}

static void test_mask(void)
{
    g_autofree char *text = NULL;

    g_assert_false(qemu_log_enabled());
    qemu_log("nowhere\n");
    start_log("mask", LOG_UNIMP);
    g_assert_true(qemu_log_enabled());
    g_assert_true(qemu_log_separate());
    qemu_log_mask(LOG_UNIMP, "one %d\n", 1);
    qemu_log_mask(LOG_GUEST_ERROR, "two\n");
    g_assert_true(qemu_set_log(LOG_GUEST_ERROR, &error_abort));
    qemu_log_mask(LOG_UNIMP, "three\n");
    qemu_log_mask(LOG_GUEST_ERROR, "four\n");
    /* Closed and opened again: what was written stays. */
    g_assert_true(qemu_set_log(0, &error_abort));
    g_assert_false(qemu_log_enabled());
    qemu_log("lost\n");
    g_assert_true(qemu_set_log(LOG_UNIMP, &error_abort));
    qemu_log("five\n");
    stop_log();
    text = read_log("mask");
    g_assert_cmpstr(text, ==, "one 1\nfour\nfive\n");
}

static void test_names(void)
{
    g_assert_cmpint(qemu_str_to_log_mask("unimp,guest_errors"), ==,
                    LOG_UNIMP | LOG_GUEST_ERROR);
    g_assert_cmpint(qemu_str_to_log_mask("nonsense"), ==, 0);
    g_assert_cmpint(qemu_str_to_log_mask("unimp,nonsense"), ==, 0);
    g_assert_cmpint(qemu_str_to_log_mask(""), ==, 0);
    g_assert_true(qemu_str_to_log_mask("all") & CPU_LOG_RESET);
    g_assert_false(qemu_str_to_log_mask("all") & LOG_PER_THREAD);
}

static void test_bad_file(void)
{
    Error *err = NULL;
    g_autofree char *text = NULL;

    start_log("good", LOG_UNIMP);
    qemu_log("before\n");
    g_assert_false(qemu_set_log_filename("/does/not/exist", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/does/not/exist"));
    error_free_or_abort(&err);
    g_assert_false(qemu_set_log_filename("a%sb", &err));
    error_free_or_abort(&err);
    g_assert_false(qemu_set_log_filename("a%db%d", &err));
    error_free_or_abort(&err);
    g_assert_false(qemu_set_log(LOG_PER_THREAD | LOG_UNIMP, &err));
    error_free_or_abort(&err);
    /* Goes on where it was. */
    qemu_log("after\n");
    stop_log();
    text = read_log("good");
    g_assert_cmpstr(text, ==, "before\nafter\n");
}

static void test_pid_in_name(void)
{
    g_autofree char *name = g_strdup_printf("pid-%d", (int)getpid());
    g_autofree char *text = NULL;

    start_log("pid-%d", LOG_UNIMP);
    qemu_log("x\n");
    stop_log();
    text = read_log(name);
    g_assert_cmpstr(text, ==, "x\n");
}

static void *log_own_file(void *opaque)
{
    qemu_log("from thread\n");
    *(int *)opaque = qemu_get_thread_id();
    return NULL;
}

static void test_per_thread(void)
{
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    QemuThread t;
    int id = 0;

    start_log("tid-%d", LOG_UNIMP | LOG_PER_THREAD);
    qemu_thread_create(&t, "log", log_own_file, &id, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&t);
    stop_log();
    name = g_strdup_printf("tid-%d", id);
    text = read_log(name);
    g_assert_cmpstr(text, ==, "from thread\n");
}

static void test_ranges(void)
{
    Error *err = NULL;
    static const char *const bad[] = { "",    "1",     "5..1",   "1..", "x..2",
                                       "1+0", "1-0",   "0-2",    "1.2", "1++2",
                                       ",",   "1..2,", "0x..0x1" };

    g_assert_true(qemu_log_in_addr_range(12345));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(qemu_set_dfilter_ranges(bad[i], &err));
        error_free_or_abort(&err);
    }
    g_assert_true(qemu_log_in_addr_range(12345));
    g_assert_true(qemu_set_dfilter_ranges(
        "0x1000..0x1fff,16384+16,0xffffffffffffffff-2", &error_abort));
    g_assert_true(qemu_log_in_addr_range(0x1000));
    g_assert_true(qemu_log_in_addr_range(0x1fff));
    g_assert_false(qemu_log_in_addr_range(0x2000));
    g_assert_false(qemu_log_in_addr_range(0xfff));
    g_assert_true(qemu_log_in_addr_range(16399));
    g_assert_false(qemu_log_in_addr_range(16400));
    g_assert_true(qemu_log_in_addr_range(UINT64_MAX - 1));
    g_assert_false(qemu_log_in_addr_range(UINT64_MAX - 2));
}

/* Lines of threads do not mix. */
#define N_THREADS 4
#define N_LINES   500

static void *log_lines(void *opaque)
{
    for (int i = 0; i < N_LINES; i++) {
        qemu_log("%s%s\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    }
    return NULL;
}

static void test_threads(void)
{
    QemuThread t[N_THREADS];
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    start_log("threads", LOG_UNIMP);
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_create(&t[i], "log", log_lines, NULL, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_join(&t[i]);
    }
    stop_log();
    text = read_log("threads");
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpint(g_strv_length(lines), ==, N_THREADS * N_LINES + 1);
    for (int i = 0; i < N_THREADS * N_LINES; i++) {
        g_assert_cmpuint(strlen(lines[i]), ==, 100);
    }
}

static void test_usage(void)
{
    g_autofree char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    qemu_print_log_usage(f);
    fclose(f);
    g_assert_nonnull(strstr(text, "guest_errors"));
    g_assert_nonnull(strstr(text, "trace:PATTERN"));
}

/* -- trace events ---------------------------------------------------------- */

static void all_off(void)
{
    trace_enable_events("-*");
}

static void count_event(TraceEvent *ev, void *opaque)
{
    ++*(int *)opaque;
}

static void test_trace_output(void)
{
    g_autofree char *text = NULL;
    g_autofree char *prefix = g_strdup_printf("%d@", (int)getpid());
    g_autofree char *rest = NULL;

    start_log("trace", 0);
    trace_module_load("nothing", "yet");
    trace_enable_events("module_lo*");
    g_assert_true(qemu_loglevel_mask(LOG_TRACE));
    g_assert_true(trace_event_get_state(module_load));
    trace_module_load("block-iscsi", "/tmp/x");
    trace_thread_pool_cancel(NULL, NULL); /* off */
    trace_enable_events("-module_load");
    trace_module_load("too", "late");
    stop_log();

    text = read_log("trace");
    g_assert_true(g_str_has_prefix(text, prefix));
    rest = g_strdup(strchr(text, ':'));
    g_assert_cmpstr(rest, ==, ":module_load module block-iscsi from /tmp/x\n");
}

static void test_trace_names(void)
{
    int n = 0, m = 0;
    TraceEvent *ev = trace_event_by_name("module_load");

    g_assert_nonnull(ev);
    g_assert_cmpstr(ev->name, ==, "module_load");
    g_assert_null(trace_event_by_name("no_such_event"));
    g_assert_null(trace_event_by_name("module_*"));
    g_assert_cmpuint(trace_events_foreach(NULL, count_event, &n), ==, n);
    g_assert_cmpuint(trace_events_foreach("thread_pool_*", count_event, &m), ==,
                     3);
    g_assert_cmpint(n, >, m);
    trace_event_set_state(ev, true);
    g_assert_true(trace_event_is_enabled(ev));
    all_off();
    g_assert_false(trace_event_is_enabled(ev));
}

static void append_report(const char *text, void *opaque)
{
    g_string_append(opaque, text);
}

static void test_trace_unknown(void)
{
    g_autoptr(GString) said = g_string_new(NULL);

    error_report_set_sink(append_report, said);
    trace_enable_events("no_such_event");
    g_assert_nonnull(strstr(said->str, "'no_such_event' does not exist"));
    g_string_truncate(said, 0);
    trace_enable_events("no_such*");
    trace_enable_events("");
    trace_enable_events("  # comment");
    g_assert_cmpstr(said->str, ==, "");
    error_report_set_sink(NULL, NULL);
}

static void test_trace_file(void)
{
    g_autofree char *path = log_path("events");
    Error *err = NULL;

    g_assert_true(g_file_set_contents(
        path, "# these\nthread_pool_*\n\n-thread_pool_cancel\n", -1, NULL));
    g_assert_true(trace_enable_events_file(path, &error_abort));
    g_assert_true(trace_event_get_state(thread_pool_submit));
    g_assert_false(trace_event_get_state(thread_pool_cancel));
    all_off();
    g_assert_false(trace_enable_events_file("/does/not/exist", &err));
    error_free_or_abort(&err);
    stop_log();
}

static void test_trace_option(void)
{
    g_autofree char *path = log_path("option");
    g_autofree char *opt = g_strdup_printf("enable=module_load,file=%s", path);
    g_autofree char *text = NULL;
    Error *err = NULL;
    bool help;

    g_assert_true(trace_opt_parse(opt, &help, &error_abort));
    g_assert_false(help);
    trace_module_load("a", "b");
    stop_log();
    all_off();
    text = read_log("option");
    g_assert_nonnull(strstr(text, "module a from b\n"));

    g_assert_true(trace_opt_parse("thread_pool_cancel", &help, &error_abort));
    g_assert_true(trace_event_get_state(thread_pool_cancel));
    all_off();
    g_assert_false(trace_opt_parse("a=b", &help, &err));
    error_free_or_abort(&err);
    g_assert_false(trace_opt_parse("enable=x*,nonsense", &help, &err));
    error_free_or_abort(&err);
    stop_log();
}

static void test_trace_mask(void)
{
    g_assert_cmpint(qemu_str_to_log_mask("unimp,trace:module_load"), ==,
                    LOG_UNIMP | LOG_TRACE);
    g_assert_true(trace_event_get_state(module_load));
    all_off();
    stop_log();
}

static void *toggle(void *opaque)
{
    for (int i = 0; i < 500; i++) {
        trace_enable_events(i % 2 ? "module_load" : "-module_load");
        trace_module_load("x", "y");
    }
    return NULL;
}

static void test_trace_threads(void)
{
    QemuThread t[3];

    start_log("toggle", LOG_TRACE);
    for (int i = 0; i < 3; i++) {
        qemu_thread_create(&t[i], "toggle", toggle, NULL, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < 3; i++) {
        qemu_thread_join(&t[i]);
    }
    all_off();
    stop_log();
}

static void remove_dir(void)
{
    GDir *d = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(d))) {
        g_autofree char *path = log_path(name);

        unlink(path);
    }
    g_dir_close(d);
    rmdir(dir);
    g_free(dir);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("ferry-log-XXXXXX", NULL);
    g_test_add_func("/log/mask", test_mask);
    g_test_add_func("/log/names", test_names);
    g_test_add_func("/log/bad-file", test_bad_file);
    g_test_add_func("/log/pid-in-name", test_pid_in_name);
    g_test_add_func("/log/per-thread", test_per_thread);
    g_test_add_func("/log/ranges", test_ranges);
    g_test_add_func("/log/threads", test_threads);
    g_test_add_func("/log/usage", test_usage);
    g_test_add_func("/trace/output", test_trace_output);
    g_test_add_func("/trace/names", test_trace_names);
    g_test_add_func("/trace/unknown", test_trace_unknown);
    g_test_add_func("/trace/file", test_trace_file);
    g_test_add_func("/trace/option", test_trace_option);
    g_test_add_func("/trace/mask", test_trace_mask);
    g_test_add_func("/trace/threads", test_trace_threads);
    ret = g_test_run();
    remove_dir();
    return ret;
}
