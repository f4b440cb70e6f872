/*
 * QIOTask: see include/io/task.h for the rules.
 *
 * A worker thread hands its task over by an idle source on the caller's
 * context. The hand-over passes through @lock on both sides: that orders what
 * the worker wrote before what the callback reads, and lets
 * qio_task_wait_thread() take the completion for itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/task.h"

#include "qom/object.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/thread.h"

typedef struct TaskThread {
    QIOTaskWorker worker;
    gpointer opaque;
    GDestroyNotify destroy;
    GMainContext *context; /* owned reference or NULL */
    QemuMutex lock;        /* guards @completion and @done */
    QemuCond cond;         /* @done became true */
    GSource *completion;   /* owned; set with @done */
    bool done;
} TaskThread;

struct QIOTask {
    Object *source; /* owned reference */
    QIOTaskFunc func;
    gpointer opaque;
    GDestroyNotify destroy;
    Error *err;
    gpointer result;
    GDestroyNotify result_destroy;
    TaskThread *thread; /* NULL = no worker */
};

QIOTask *qio_task_new(Object *source, QIOTaskFunc func, gpointer opaque,
                      GDestroyNotify destroy)
{
    QIOTask *task = g_new0(QIOTask, 1);

    task->source = object_ref(source);
    task->func = func;
    task->opaque = opaque;
    task->destroy = destroy;
    return task;
}

static void task_thread_free(TaskThread *t)
{
    if (!t) {
        return;
    }
    if (t->destroy) {
        t->destroy(t->opaque);
    }
    if (t->completion) {
        g_source_unref(t->completion);
    }
    if (t->context) {
        g_main_context_unref(t->context);
    }
    qemu_cond_destroy(&t->cond);
    qemu_mutex_destroy(&t->lock);
    g_free(t);
}

static void task_free(QIOTask *task)
{
    task_thread_free(task->thread);
    if (task->destroy) {
        task->destroy(task->opaque);
    }
    if (task->result_destroy) {
        task->result_destroy(task->result);
    }
    error_free(task->err);
    object_unref(task->source);
    g_free(task);
}

void qio_task_complete(QIOTask *task)
{
    task->func(task, task->opaque);
    task_free(task);
}

static gboolean task_thread_complete(gpointer opaque)
{
    QIOTask *task = opaque;

    WITH_QEMU_LOCK_GUARD(&task->thread->lock)
    {
        assert(task->thread->done);
    }
    qio_task_complete(task);
    return G_SOURCE_REMOVE;
}

/* After this the task is the context's: it may be gone any moment. */
static void task_thread_done(QIOTask *task)
{
    TaskThread *t = task->thread;

    QEMU_LOCK_GUARD(&t->lock);
    t->completion = g_idle_source_new();
    g_source_set_priority(t->completion, G_PRIORITY_DEFAULT);
    g_source_set_callback(t->completion, task_thread_complete, task, NULL);
    g_source_attach(t->completion, t->context);
    t->done = true;
    qemu_cond_signal(&t->cond);
}

static void *task_thread_run(void *opaque)
{
    QIOTask *task = opaque;

    task->thread->worker(task, task->thread->opaque);
    task_thread_done(task);
    return NULL;
}

void qio_task_run_in_thread(QIOTask *task, QIOTaskWorker worker,
                            gpointer opaque, GDestroyNotify destroy,
                            GMainContext *context)
{
    TaskThread *t = g_new0(TaskThread, 1);
    QemuThread thread;
    int ret;

    t->worker = worker;
    t->opaque = opaque;
    t->destroy = destroy;
    t->context = context ? g_main_context_ref(context) : NULL;
    qemu_mutex_init(&t->lock);
    qemu_cond_init(&t->cond);
    task->thread = t;

    ret = qemu_thread_try_create(&thread, "io-task-worker", task_thread_run,
                                 task, QEMU_THREAD_DETACHED);
    if (ret < 0) {
        Error *err = NULL;

        error_setg_errno(&err, -ret, "could not start a thread");
        qio_task_set_error(task, err);
        task_thread_done(task);
    }
}

void qio_task_wait_thread(QIOTask *task)
{
    TaskThread *t = task->thread;

    assert(t != NULL);
    WITH_QEMU_LOCK_GUARD(&t->lock)
    {
        while (!t->done) {
            qemu_cond_wait(&t->cond, &t->lock);
        }
        g_source_destroy(t->completion);
    }
    qio_task_complete(task);
}

void qio_task_set_error(QIOTask *task, Error *err)
{
    error_propagate(&task->err, err);
}

bool qio_task_propagate_error(QIOTask *task, Error **errp)
{
    if (!task->err) {
        return false;
    }
    error_propagate(errp, g_steal_pointer(&task->err));
    return true;
}

void qio_task_set_result_pointer(QIOTask *task, gpointer result,
                                 GDestroyNotify notify)
{
    task->result = result;
    task->result_destroy = notify;
}

gpointer qio_task_get_result_pointer(QIOTask *task)
{
    return task->result;
}

Object *qio_task_get_source(QIOTask *task)
{
    return task->source;
}
