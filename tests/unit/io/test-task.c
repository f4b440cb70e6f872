/*
 * QIOTask: results, errors, threads, and who is freed when.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-null.h"
#include "io/task.h"
#include "util/error.h"
#include "util/thread.h"

typedef struct Record {
    GMainContext *ctx;
    QemuThread thread; /* where the callback ran */
    bool worked, called, destroyed, worker_destroyed;
    Error *err;
    char *result; /* copy */
} Record;

static Object *source_new(void)
{
    return OBJECT(qio_channel_null_new());
}

static void on_done(QIOTask *task, gpointer opaque)
{
    Record *r = opaque;
    const char *result = qio_task_get_result_pointer(task);

    g_assert_false(r->called);
    g_assert_false(r->destroyed || r->worker_destroyed);
    r->called = true;
    r->result = g_strdup(result);
    qio_task_propagate_error(task, &r->err);
    /* It is given once. */
    g_assert_false(qio_task_propagate_error(task, &error_abort));
    qemu_thread_get_self(&r->thread);
}

static void on_destroy(gpointer opaque)
{
    ((Record *)opaque)->destroyed = true;
}

static void on_worker_destroy(gpointer opaque)
{
    ((Record *)opaque)->worker_destroyed = true;
}

static void test_complete(void)
{
    Object *source = source_new();
    Record r = { 0 };
    QIOTask *task = qio_task_new(source, on_done, &r, on_destroy);

    g_assert_true(qio_task_get_source(task) == source);
    qio_task_set_result_pointer(task, g_strdup("42"), g_free);
    qio_task_complete(task);
    g_assert_true(r.called && r.destroyed);
    g_assert_cmpstr(r.result, ==, "42");
    g_assert_null(r.err);
    g_free(r.result);
    object_unref(source);
}

static void test_error(void)
{
    Object *source = source_new();
    Record r = { 0 };
    QIOTask *task = qio_task_new(source, on_done, &r, on_destroy);
    Error *one = NULL, *two = NULL;

    error_setg(&one, "first");
    error_setg(&two, "second");
    qio_task_set_error(task, one);
    qio_task_set_error(task, two);
    qio_task_complete(task);
    g_assert_cmpstr(error_get_pretty(r.err), ==, "first");
    error_free(r.err);
    object_unref(source);
}

/* An error nobody asks for is freed with the task. */
static void ignore(QIOTask *task, gpointer opaque)
{
}

static void test_error_ignored(void)
{
    Object *source = source_new();
    QIOTask *task = qio_task_new(source, ignore, NULL, NULL);
    Error *err = NULL;

    error_setg(&err, "nobody cares");
    qio_task_set_error(task, err);
    qio_task_complete(task);
    object_unref(source);
}

static void work(QIOTask *task, gpointer opaque)
{
    Record *r = opaque;
    Error *err = NULL;

    g_assert_false(qemu_thread_is_self(&r->thread));
    g_usleep(5000);
    r->worked = true;
    qio_task_set_result_pointer(task, g_strdup("done"), g_free);
    error_setg(&err, "but failed");
    qio_task_set_error(task, err);
}

static void check_thread(Record *r)
{
    g_assert_true(r->worked && r->called && r->destroyed &&
                  r->worker_destroyed);
    g_assert_true(qemu_thread_is_self(&r->thread));
    g_assert_cmpstr(r->result, ==, "done");
    g_assert_cmpstr(error_get_pretty(r->err), ==, "but failed");
    error_free(r->err);
    g_free(r->result);
}

static void test_thread(void)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();
    Object *source = source_new();
    Record r = { 0 };

    qemu_thread_get_self(&r.thread);
    qio_task_run_in_thread(qio_task_new(source, on_done, &r, on_destroy), work,
                           &r, on_worker_destroy, ctx);
    while (!r.destroyed) {
        g_main_context_iteration(ctx, true);
    }
    check_thread(&r);
    object_unref(source);
}

static void test_wait_thread(void)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();
    Object *source = source_new();
    Record r = { 0 };
    QIOTask *task = qio_task_new(source, on_done, &r, on_destroy);

    qemu_thread_get_self(&r.thread);
    qio_task_run_in_thread(task, work, &r, on_worker_destroy, ctx);
    qio_task_wait_thread(task);
    check_thread(&r);
    /* The completion does not come a second time. */
    g_assert_false(g_main_context_iteration(ctx, false));
    object_unref(source);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/complete", test_complete);
    g_test_add_func("/error", test_error);
    g_test_add_func("/error-ignored", test_error_ignored);
    g_test_add_func("/thread", test_thread);
    g_test_add_func("/wait-thread", test_wait_thread);
    return g_test_run();
}
