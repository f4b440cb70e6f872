/*
 * Worker threads for calls that block. A context's pool grows to the
 * configured number of threads; idle ones leave after 10 seconds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_THREAD_POOL_H
#define UTIL_THREAD_POOL_H

#include "util/aio.h"

/* Returns: the request's result, handed to the completion function. */
typedef int ThreadPoolFunc(void *opaque);

#define THREAD_POOL_MAX_THREADS_DEFAULT 64

ThreadPool *thread_pool_new(AioContext *ctx);
/** thread_pool_free: all requests must have completed; waits for workers. */
void thread_pool_free(ThreadPool *pool);

/**
 * thread_pool_submit_aio:
 * @func: runs in a worker with @arg
 * @cb: (in) called in the context with @opaque and the result
 *
 * Returns: the request, for qemu_aio_cancel_async(): completes with
 * -ECANCELED if no worker had begun it.
 * Thread: home thread of the pool's context.
 */
BlockAIOCB *thread_pool_submit_aio(ThreadPool *pool, ThreadPoolFunc *func,
                                   void *arg, BlockCompletionFunc *cb,
                                   void *opaque);
/** thread_pool_submit_co: the same for coroutines; Returns: the result. */
int coroutine_fn thread_pool_submit_co(ThreadPool *pool, ThreadPoolFunc *func,
                                       void *arg);
/** thread_pool_submit: without a completion. */
void thread_pool_submit(ThreadPool *pool, ThreadPoolFunc *func, void *arg);

/** thread_pool_update_params: take over @ctx's thread-pool-min and -max. */
void thread_pool_update_params(ThreadPool *pool, AioContext *ctx);

#endif
