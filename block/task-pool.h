/*
 * Task pool: a coroutine lets others work for it, a bounded number at a time.
 *
 * For copying: the loop that finds what to copy starts a task for each piece
 * and waits only when all slots are taken.
 *
 * Thread: all functions are called, and all tasks run, in the AioContext of
 * the coroutine that made the pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_TASK_POOL_H
#define BLOCK_TASK_POOL_H

#include "util/coroutine.h"

typedef struct TaskPool TaskPool;

/* Returns: 0 or -errno. */
typedef int coroutine_fn TaskFunc(void *opaque);

/** task_pool_new: @max: tasks at a time. */
TaskPool *coroutine_fn task_pool_new(unsigned max);
/** task_pool_free: nothing is running (task_pool_wait_all()). NULL is fine. */
void task_pool_free(TaskPool *pool);

/** task_pool_start: run @func(@opaque) in a coroutine; waits for a slot. */
void coroutine_fn task_pool_start(TaskPool *pool, TaskFunc *func, void *opaque);
/** task_pool_wait_slot: until task_pool_start() would not wait. */
void coroutine_fn task_pool_wait_slot(TaskPool *pool);
/** task_pool_wait_one: until at least one task that runs now has ended. */
void coroutine_fn task_pool_wait_one(TaskPool *pool);
void coroutine_fn task_pool_wait_all(TaskPool *pool);

/** task_pool_status: 0, or the first failure of a task: -errno. */
int task_pool_status(const TaskPool *pool);
/** task_pool_busy: tasks that run. */
unsigned task_pool_busy(const TaskPool *pool);

#endif
