/*
 * QIOTask: one asynchronous operation, from its start to one callback.
 *
 * Every function of io/ that ends in _async, and the handshakes, takes
 * (callback, opaque, destroy, context) and creates a task. The callback runs
 * exactly once, never before the starting function has returned, in the
 * thread that runs the GMainContext. Then the task, and @opaque by @destroy,
 * are freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_TASK_H
#define IO_TASK_H

#include <glib.h>
#include <stdbool.h>

#include "util/typedefs.h"

typedef struct QIOTask QIOTask;

/** QIOTaskFunc: completion; look at qio_task_propagate_error() first. */
typedef void (*QIOTaskFunc)(QIOTask *task, gpointer opaque);
/** QIOTaskWorker: the blocking part; runs in a thread of its own. */
typedef void (*QIOTaskWorker)(QIOTask *task, gpointer opaque);

/**
 * qio_task_new:
 * @source: (in) object the operation belongs to; the task holds a reference
 * @func: (in) completion callback
 * @opaque: (in) for @func
 * @destroy: (in) frees @opaque after @func; or NULL
 *
 * Returns: (out) task; owned by itself, freed by qio_task_complete().
 */
QIOTask *qio_task_new(Object *source, QIOTaskFunc func, gpointer opaque,
                      GDestroyNotify destroy);

/**
 * qio_task_run_in_thread:
 * @worker: (in) blocking part; may set an error and a result
 * @opaque: (in) for @worker
 * @destroy: (in) frees @opaque after the completion callback; or NULL
 * @context: (in) where the completion callback runs; NULL = the default one
 *
 * Run @worker in a new thread, then qio_task_complete() in @context.
 */
void qio_task_run_in_thread(QIOTask *task, QIOTaskWorker worker,
                            gpointer opaque, GDestroyNotify destroy,
                            GMainContext *context);

/**
 * qio_task_wait_thread:
 *
 * Wait for the worker and run the completion callback in the calling thread
 * instead of the context. @task is freed on return.
 *
 * Thread: the one that runs the context given to qio_task_run_in_thread().
 */
void qio_task_wait_thread(QIOTask *task);

/** qio_task_complete: call the callback, then free @task. */
void qio_task_complete(QIOTask *task);

/**
 * qio_task_set_error:
 * @err: (in) why the operation failed; owned by @task from here. A second
 *       error is dropped.
 */
void qio_task_set_error(QIOTask *task, Error *err);

/**
 * qio_task_propagate_error:
 * @errp: (out) gets the error, once
 *
 * Returns: true = the operation failed.
 */
bool qio_task_propagate_error(QIOTask *task, Error **errp);

/** qio_task_set_result_pointer: @notify frees @result with the task. */
void qio_task_set_result_pointer(QIOTask *task, gpointer result,
                                 GDestroyNotify notify);
/** qio_task_get_result_pointer: borrowed; object results need a new ref. */
gpointer qio_task_get_result_pointer(QIOTask *task);
/** qio_task_get_source: the object given at qio_task_new(); borrowed. */
Object *qio_task_get_source(QIOTask *task);

#endif
