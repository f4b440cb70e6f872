/*
 * AioContext: an event loop of one thread.
 *
 * It has file descriptor handlers, bottom halves (BHs: functions to call
 * soon), timers, coroutines, a thread pool for blocking calls and, where
 * the kernel offers it, an io_uring for files (util/aio-file.h). Drive it
 * with aio_poll() in a loop, or attach aio_get_g_source() to a GMainContext;
 * either way always in the same thread, its home thread.
 *
 * Thread: home thread unless the block says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_AIO_H
#define UTIL_AIO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/error.h"
#include "util/event_notifier.h"
#include "util/timer.h"
#include "util/typedefs.h"

typedef struct BlockAIOCB BlockAIOCB;
typedef struct ThreadPool ThreadPool;

typedef void BlockCompletionFunc(void *opaque, int ret);
typedef void IOHandler(void *opaque);
/* Returns: true when there is something to do; called often, must be cheap. */
typedef bool AioPollFn(void *opaque);
typedef void QEMUBHFunc(void *opaque);

/* -- asynchronous requests ------------------------------------------------- */

typedef struct AIOCBInfo {
    void (*cancel_async)(BlockAIOCB *acb); /* optional */
    AioContext *(*get_aio_context)(BlockAIOCB *acb);
    size_t aiocb_size;
} AIOCBInfo;

/* First member of every kind of request. */
struct BlockAIOCB {
    const AIOCBInfo *aiocb_info;
    AioContext *ctx;
    BlockCompletionFunc *cb;
    void *opaque;
    int refcnt;
};

/** qemu_aio_get: a request of @aiocb_info->aiocb_size zeroed bytes. */
void *qemu_aio_get(const AIOCBInfo *aiocb_info, AioContext *ctx,
                   BlockCompletionFunc *cb, void *opaque);
void qemu_aio_ref(void *p);
void qemu_aio_unref(void *p);
/**
 * qemu_aio_cancel_async: ask for an early end; the callback is called in any
 * case, with -ECANCELED if the request never started.
 */
void qemu_aio_cancel_async(BlockAIOCB *acb);

/* -- the context ----------------------------------------------------------- */

/** aio_context_new: Errors: no eventfd or epoll descriptor to be had. */
AioContext *aio_context_new(Error **errp);
/** aio_context_ref / aio_context_unref: any thread. */
void aio_context_ref(AioContext *ctx);
void aio_context_unref(AioContext *ctx);

/** aio_context_acquire / release: a recursive lock for users; any thread. */
void aio_context_acquire(AioContext *ctx);
void aio_context_release(AioContext *ctx);

/** aio_get_g_source: Returns: a reference to the context as a GSource. */
GSource *aio_get_g_source(AioContext *ctx);

/**
 * aio_poll:
 * @blocking: wait until there is something to do
 *
 * One round: handlers, BHs, timers. May be called from within them.
 *
 * Returns: whether anything was done (idle BHs do not count).
 */
bool aio_poll(AioContext *ctx, bool blocking);
/** aio_notify: make a blocking aio_poll() look again; any thread. */
void aio_notify(AioContext *ctx);
/** aio_pending: whether a non-blocking aio_poll() would do something. */
bool aio_pending(AioContext *ctx);
/** aio_dispatch: do what is ready, without polling for longer than that. */
void aio_dispatch(AioContext *ctx);
/** aio_compute_timeout: ns that a poll may wait; -1 for ever. */
int64_t aio_compute_timeout(AioContext *ctx);

/** qemu_get_current_aio_context: that of the calling thread, or NULL. */
AioContext *qemu_get_current_aio_context(void);
/** qemu_set_current_aio_context: once, by the thread that will run @ctx. */
void qemu_set_current_aio_context(AioContext *ctx);
/** in_aio_context_home_thread: any thread. */
static inline bool in_aio_context_home_thread(AioContext *ctx)
{
    return ctx == qemu_get_current_aio_context();
}

/**
 * aio_context_set_poll_params:
 * @max_ns: longest busy wait before sleeping, 0 = none
 * @grow, @shrink: factors for adapting it; 0 = built-in
 */
bool aio_context_set_poll_params(AioContext *ctx, int64_t max_ns, int64_t grow,
                                 int64_t shrink, Error **errp);
/** aio_context_set_aio_params: requests handed to the kernel at once, 0=auto. */
bool aio_context_set_aio_params(AioContext *ctx, int64_t max_batch,
                                Error **errp);
/** aio_context_set_thread_pool_params: numbers of worker threads. */
bool aio_context_set_thread_pool_params(AioContext *ctx, int64_t min,
                                        int64_t max, Error **errp);

/* -- descriptors ----------------------------------------------------------- */

/**
 * aio_set_fd_handler:
 * @fd: descriptor; stays the caller's
 * @is_external: not called between aio_disable_external() and enable
 * @io_read: (in) called while @fd is readable, hung up or in error; or NULL
 * @io_write: (in) called while @fd is writable or in error; or NULL
 * @io_poll: (in) optional, for busy waiting
 * @io_poll_ready: (in) called when @io_poll said true
 * @opaque: for all of them
 *
 * Replaces what was set for @fd. All NULL removes; do that before closing.
 *
 * Thread: any; after a removal from another thread a callback that has
 * begun may still be running.
 */
void aio_set_fd_handler(AioContext *ctx, int fd, bool is_external,
                        IOHandler *io_read, IOHandler *io_write,
                        AioPollFn *io_poll, IOHandler *io_poll_ready,
                        void *opaque);
/** aio_set_event_notifier: a handler for @notifier; NULLs remove. */
void aio_set_event_notifier(AioContext *ctx, EventNotifier *notifier,
                            bool is_external, EventNotifierHandler *io_read,
                            AioPollFn *io_poll,
                            EventNotifierHandler *io_poll_ready);

void aio_disable_external(AioContext *ctx);
void aio_enable_external(AioContext *ctx);
bool aio_external_disabled(AioContext *ctx);

/* -- bottom halves --------------------------------------------------------- */

/**
 * aio_bh_new: a BH for many uses; free with qemu_bh_delete().
 * Thread: any.
 */
#define aio_bh_new(ctx, cb, opaque)                                            \
    aio_bh_new_full((ctx), (cb), (opaque), stringify(cb))
QEMUBH *aio_bh_new_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque,
                        const char *name);
/** aio_bh_schedule_oneshot: call @cb(@opaque) once, soon. Thread: any. */
#define aio_bh_schedule_oneshot(ctx, cb, opaque)                               \
    aio_bh_schedule_oneshot_full((ctx), (cb), (opaque), stringify(cb))
void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque,
                                  const char *name);
/** qemu_bh_schedule: call soon; once, however often asked. Thread: any. */
void qemu_bh_schedule(QEMUBH *bh);
/** qemu_bh_schedule_idle: call within 10 ms, without keeping the loop awake. */
void qemu_bh_schedule_idle(QEMUBH *bh);
/** qemu_bh_cancel: undo a schedule that has not been served. Thread: any. */
void qemu_bh_cancel(QEMUBH *bh);
/** qemu_bh_delete: free, later, in the home thread. Thread: any. */
void qemu_bh_delete(QEMUBH *bh);
/** aio_bh_call: call @bh's function right now. */
void aio_bh_call(QEMUBH *bh);
/** aio_bh_poll: serve scheduled BHs; Returns: 1 if one was not idle, else 0. */
int aio_bh_poll(AioContext *ctx);

/* -- timers ---------------------------------------------------------------- */

QEMUTimerListGroup *aio_context_timers(AioContext *ctx);

/** aio_timer_new: as timer_new(), for this loop. Thread: any. */
static inline QEMUTimer *aio_timer_new_with_attrs(AioContext *ctx,
                                                  QEMUClockType type, int scale,
                                                  int attributes,
                                                  QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(aio_context_timers(ctx), type, scale, attributes, cb,
                          opaque);
}

static inline QEMUTimer *aio_timer_new(AioContext *ctx, QEMUClockType type,
                                       int scale, QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(aio_context_timers(ctx), type, scale, 0, cb, opaque);
}

static inline void aio_timer_init_with_attrs(AioContext *ctx, QEMUTimer *ts,
                                             QEMUClockType type, int scale,
                                             int attributes, QEMUTimerCB *cb,
                                             void *opaque)
{
    timer_init_full(ts, aio_context_timers(ctx), type, scale, attributes, cb,
                    opaque);
}

static inline void aio_timer_init(AioContext *ctx, QEMUTimer *ts,
                                  QEMUClockType type, int scale,
                                  QEMUTimerCB *cb, void *opaque)
{
    timer_init_full(ts, aio_context_timers(ctx), type, scale, 0, cb, opaque);
}

/* -- coroutines ------------------------------------------------------------ */

/** aio_co_schedule: enter @co from a BH of @ctx. Thread: any. */
void aio_co_schedule(AioContext *ctx, Coroutine *co);
/** aio_co_reschedule_self: go on in @new_ctx, its home thread. */
void coroutine_fn aio_co_reschedule_self(AioContext *new_ctx);
/**
 * aio_co_wake: continue a coroutine that yielded, in its own context; at
 * once when that is the calling thread's, but inside a coroutine only when
 * that one yields.
 *
 * Thread: any. Order: what the waker wrote is visible to the coroutine.
 */
void aio_co_wake(Coroutine *co);
/** aio_co_enter: as aio_co_wake(), in @ctx. */
void aio_co_enter(AioContext *ctx, Coroutine *co);

/** aio_get_thread_pool: made at the first call; freed with the context. */
ThreadPool *aio_get_thread_pool(AioContext *ctx);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AioContext, aio_context_unref)

#endif
