/*
 * File monitor: events and their order, watches that come and go inside
 * handlers, directories that vanish, other threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "util/error.h"
#include "util/filemonitor.h"

typedef struct Fixture {
    QFileMonitor *mon;
    char *dir;
    GString *log;   /* "c:name m:name " ... */
    GMutex lock;    /* guards log */
    int64_t remove; /* watch that the handler removes; -1 = none */
} Fixture;

static void handler(int64_t id, QFileMonitorEvent event, const char *filename,
                    void *opaque)
{
    Fixture *f = opaque;

    g_mutex_lock(&f->lock);
    g_string_append_printf(f->log, "%c:%s ", "cmdai"[event], filename);
    g_mutex_unlock(&f->lock);
    if (f->remove >= 0) {
        qemu_file_monitor_remove_watch(f->mon, f->dir, f->remove);
        f->remove = -1;
    }
}

static void fixture_init(Fixture *f, const void *opaque)
{
    f->dir = g_dir_make_tmp("ferry-mon-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->mon = qemu_file_monitor_new(&error_abort);
    f->log = g_string_new(NULL);
    f->remove = -1;
    g_mutex_init(&f->lock);
}

static void fixture_clear(Fixture *f, const void *opaque)
{
    g_autofree char *cmd = g_strdup_printf("rm -r '%s'", f->dir);

    qemu_file_monitor_free(f->mon);
    g_assert_true(g_spawn_command_line_sync(cmd, NULL, NULL, NULL, NULL));
    g_string_free(f->log, TRUE);
    g_free(f->dir);
    g_mutex_clear(&f->lock);
}

static int64_t watch(Fixture *f, const char *name)
{
    int64_t id = qemu_file_monitor_add_watch(f->mon, f->dir, name, handler, f,
                                             &error_abort);

    g_assert_cmpint(id, >=, 0);
    return id;
}

static void put(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void loop(void)
{
    for (int i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

static void assert_log(Fixture *f, const char *want)
{
    loop();
    g_assert_cmpstr(f->log->str, ==, want);
    g_string_truncate(f->log, 0);
}

static void test_events(Fixture *f, const void *opaque)
{
    g_autofree char *a = g_build_filename(f->dir, "a", NULL);
    g_autofree char *b = g_build_filename(f->dir, "b", NULL);

    watch(f, NULL);
    put(f, "a", "");
    assert_log(f, "c:a ");
    put(f, "a", "x");
    assert_log(f, "m:a ");
    g_assert_cmpint(g_chmod(a, 0600), ==, 0);
    assert_log(f, "a:a ");
    g_assert_cmpint(g_rename(a, b), ==, 0);
    assert_log(f, "d:a c:b ");
    g_assert_cmpint(g_unlink(b), ==, 0);
    assert_log(f, "d:b ");
}

static void test_filter(Fixture *f, const void *opaque)
{
    int64_t id = watch(f, "b");

    put(f, "a", "x");
    put(f, "b", "");
    put(f, "bb", "x");
    assert_log(f, "c:b ");
    qemu_file_monitor_remove_watch(f->mon, f->dir, id);
    qemu_file_monitor_remove_watch(f->mon, f->dir, id);
    put(f, "b", "x");
    assert_log(f, "");
}

/* An event that waits when its watch goes is not delivered. */
static void test_late(Fixture *f, const void *opaque)
{
    int64_t id = watch(f, "a");

    put(f, "a", "");
    qemu_file_monitor_remove_watch(f->mon, f->dir, id);
    watch(f, "b");
    put(f, "b", "");
    assert_log(f, "c:b ");
}

static void test_two_paths(Fixture *f, const void *opaque)
{
    g_autofree char *other = g_strdup_printf("%s/.", f->dir);
    int64_t id = watch(f, "a");

    g_assert_cmpint(qemu_file_monitor_add_watch(f->mon, other, "a", handler, f,
                                                &error_abort),
                    !=, id);
    put(f, "a", "");
    assert_log(f, "c:a c:a ");
    qemu_file_monitor_remove_watch(f->mon, f->dir, id);
    put(f, "a", "x");
    assert_log(f, "m:a ");
}

static void test_remove_inside(Fixture *f, const void *opaque)
{
    int64_t id = watch(f, "a");

    f->remove = id; /* itself */
    put(f, "a", "");
    put(f, "a", "x");
    assert_log(f, "c:a ");
    watch(f, "a");
    f->remove = watch(f, "a"); /* one of two: which runs first is open */
    put(f, "a", "y");
    loop();
    g_assert_cmpstr(f->log->str + strlen(f->log->str) - 4, ==, "m:a ");
}

static void test_dir_gone(Fixture *f, const void *opaque)
{
    g_autofree char *sub = g_build_filename(f->dir, "sub", NULL);
    int64_t id;

    g_assert_cmpint(g_mkdir(sub, 0700), ==, 0);
    id =
        qemu_file_monitor_add_watch(f->mon, sub, "a", handler, f, &error_abort);
    g_assert_cmpint(g_rmdir(sub), ==, 0);
    assert_log(f, "i: ");
    qemu_file_monitor_remove_watch(f->mon, sub, id);
    g_assert_cmpint(g_mkdir(sub, 0700), ==, 0);
    qemu_file_monitor_add_watch(f->mon, sub, "a", handler, f, &error_abort);
}

static void test_missing(Fixture *f, const void *opaque)
{
    Error *err = NULL;

    g_assert_cmpint(qemu_file_monitor_add_watch(f->mon, "/nonexistent", NULL,
                                                handler, f, &err),
                    ==, -1);
    error_free_or_abort(&err);
}

static void *churn(void *opaque)
{
    Fixture *f = opaque;

    for (int i = 0; i < 500; i++) {
        int64_t id = watch(f, i % 2 ? "a" : NULL);

        put(f, "a", "x");
        qemu_file_monitor_remove_watch(f->mon, f->dir, id);
    }
    return NULL;
}

/* Another thread adds and removes while the loop delivers. */
static void test_threads(Fixture *f, const void *opaque)
{
    GThread *threads[2];

    for (int i = 0; i < 2; i++) {
        threads[i] = g_thread_new("churn", churn, f);
    }
    for (int i = 0; i < 300; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(200);
    }
    for (int i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
    g_mutex_lock(&f->lock);
    g_string_truncate(f->log, 0);
    g_mutex_unlock(&f->lock);
    assert_log(f, "");
}

#define ADD(name, fn)                                                          \
    g_test_add("/util/filemonitor/" name, Fixture, NULL, fixture_init, fn,     \
               fixture_clear)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("events", test_events);
    ADD("filter", test_filter);
    ADD("late", test_late);
    ADD("two-paths", test_two_paths);
    ADD("remove-inside", test_remove_inside);
    ADD("dir-gone", test_dir_gone);
    ADD("missing", test_missing);
    ADD("threads", test_threads);
    return g_test_run();
}
