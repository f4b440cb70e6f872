/*
 * Task pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/task-pool.h"

struct TaskPool {
    unsigned max;
    unsigned busy;
    int status;
    CoQueue ended; /* who waits for a task's end */
};

typedef struct Task {
    TaskPool *pool;
    TaskFunc *func;
    void *opaque;
} Task;

TaskPool *coroutine_fn task_pool_new(unsigned max)
{
    TaskPool *pool = g_new0(TaskPool, 1);

    assert(max > 0);
    pool->max = max;
    qemu_co_queue_init(&pool->ended);
    return pool;
}

void task_pool_free(TaskPool *pool)
{
    assert(!pool || !pool->busy);
    g_free(pool);
}

static void coroutine_fn task_entry(void *opaque)
{
    Task task = *(Task *)opaque;
    TaskPool *pool = task.pool;
    int ret;

    g_free(opaque);
    ret = task.func(task.opaque);
    if (ret < 0 && pool->status == 0) {
        pool->status = ret;
    }
    pool->busy--;
    qemu_co_queue_restart_all(&pool->ended);
}

void coroutine_fn task_pool_start(TaskPool *pool, TaskFunc *func, void *opaque)
{
    Task *task = g_new(Task, 1);

    task_pool_wait_slot(pool);
    *task = (Task){ pool, func, opaque };
    pool->busy++;
    qemu_coroutine_enter(qemu_coroutine_create(task_entry, task));
}

void coroutine_fn task_pool_wait_slot(TaskPool *pool)
{
    while (pool->busy >= pool->max) {
        qemu_co_queue_wait(&pool->ended, NULL);
    }
}

void coroutine_fn task_pool_wait_one(TaskPool *pool)
{
    if (pool->busy > 0) {
        qemu_co_queue_wait(&pool->ended, NULL);
    }
}

void coroutine_fn task_pool_wait_all(TaskPool *pool)
{
    while (pool->busy > 0) {
        qemu_co_queue_wait(&pool->ended, NULL);
    }
}

int task_pool_status(const TaskPool *pool)
{
    return pool->status;
}

unsigned task_pool_busy(const TaskPool *pool)
{
    return pool->busy;
}
