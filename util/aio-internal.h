/*
 * The inside of an AioContext, shared by util/aio-*.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_AIO_INTERNAL_H
#define UTIL_AIO_INTERNAL_H

#include "util/aio-file.h"
#include "util/aio.h"
#include "util/queue.h"
#include "util/thread.h"

typedef struct AioUring AioUring;

/* What is set for one descriptor. All but fd is guarded by fd_lock. */
typedef struct AioHandler {
    int fd;
    bool is_external;
    bool internal;   /* our notifier: no progress for the user */
    bool deleted;    /* on ctx->deleted, freed when nobody walks */
    bool always;     /* epoll refuses it: a regular file, always ready */
    uint32_t armed;  /* events that epoll watches, 0: not registered */
    uint64_t served; /* number of the wait whose event was served last */
    IOHandler *io_read;
    IOHandler *io_write;
    AioPollFn *io_poll;
    IOHandler *io_poll_ready;
    void *opaque;
    QLIST_ENTRY(AioHandler) link; /* in handlers, then in deleted */
} AioHandler;

typedef QLIST_HEAD(AioHandlerList, AioHandler) AioHandlerList;

struct QEMUBH {
    AioContext *ctx;
    const char *name;
    QEMUBHFunc *cb;
    void *opaque;
    unsigned flags;               /* atomic, BH_* of aio-bh.c */
    uint64_t seq;                 /* in ready: order of arrival */
    QSLIST_ENTRY(QEMUBH) next;    /* in ctx->bh_new */
    QSIMPLEQ_ENTRY(QEMUBH) ready; /* in ctx->bh_ready */
};

typedef QSLIST_HEAD(BHStack, QEMUBH) BHStack;

struct AioContext {
    GSource source; /* first; its reference count is ours */
#ifdef __SANITIZE_THREAD__
    unsigned unrefs; /* see tell_sanitizer() */
#endif

    QemuRecMutex lock; /* for users: aio_context_acquire() */

    /*
     * Not 0 while the home thread sleeps or is about to: then a change must
     * come with a wake-up. Bit 0 for the GSource, aio_poll() adds 2. Atomic.
     */
    unsigned notify_me;
    bool notified; /* atomic: notifier was set and not yet cleared */
    EventNotifier notifier;

    BHStack bh_new; /* atomic: newest first, any thread pushes */
    QSIMPLEQ_HEAD(, QEMUBH) bh_ready; /* home thread: oldest first */
    uint64_t bh_seq;

    QSLIST_HEAD(, Coroutine) co_scheduled; /* atomic */
    QSIMPLEQ_HEAD(, Coroutine) co_ready;   /* home thread */
    QEMUBH *co_schedule_bh;

    QEMUTimerListGroup tlg;

    QemuMutex fd_lock; /* guards up to "end of fd_lock" */
    GHashTable *by_fd; /* GINT_TO_POINTER(fd) -> AioHandler */
    AioHandlerList handlers;
    AioHandlerList deleted;
    unsigned n_handlers;
    unsigned n_always;  /* of them with .always */
    unsigned n_no_poll; /* of them that can't be polled in a busy wait */
    unsigned walking;   /* nested waits that hold pointers to handlers */
    bool use_epoll;
    int external_disable_cnt;
    /* end of fd_lock */
    int epollfd;
    gpointer epoll_tag; /* of the GSource; NULL before aio_get_g_source() */
    uint64_t wait_seq;  /* home thread: number of the last wait */

    /* Busy waiting; atomic, because another thread may set them. */
    int64_t poll_max_ns;
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t poll_ns; /* home thread: current length */

    int64_t aio_max_batch;
    int64_t thread_pool_min;
    int64_t thread_pool_max;
    ThreadPool *thread_pool; /* home thread */

    AioUring *uring; /* home thread; NULL: not tried or not available */
    bool uring_tried;
    bool uring_disabled;
    bool may_block;
};

/* -- aio-fd.c -------------------------------------------------------------- */

#define AIO_READY_MAX 64

/* What one wait found. */
typedef struct AioReadySet {
    uint64_t seq; /* of the wait */
    int n;
    struct {
        AioHandler *handler;
        uint32_t events; /* EPOLL* */
    } e[AIO_READY_MAX];
} AioReadySet;

bool aio_fd_setup(AioContext *ctx, Error **errp);
void aio_fd_cleanup(AioContext *ctx);
void aio_fd_set_internal(AioContext *ctx, int fd, IOHandler *io_read,
                         AioPollFn *io_poll);
/* From now on epollfd is readable when a handler is ready. */
void aio_fd_use_epoll(AioContext *ctx);
/* Around every wait and dispatch: handlers are not freed in between. */
void aio_fd_walk_begin(AioContext *ctx);
void aio_fd_walk_end(AioContext *ctx);
/* Waits up to @timeout ns, -1 for ever. */
void aio_fd_wait(AioContext *ctx, int64_t timeout, AioReadySet *ready);
/* Calls the handlers. Returns: whether one was not internal. */
bool aio_fd_dispatch(AioContext *ctx, const AioReadySet *ready);
/* Whether a regular file waits, which is ready all the time. */
bool aio_fd_always_ready(AioContext *ctx);
/* Calls every io_poll until one says yes or @ns passed; takes that off
 * *@timeout. Returns: whether one did and its io_poll_ready was called. */
bool aio_fd_busy_wait(AioContext *ctx, int64_t ns, int64_t *timeout);

/* -- aio-bh.c -------------------------------------------------------------- */

/* ns until BHs want to run: 0 now, 10 ms for idle ones, -1 none. */
int64_t aio_bh_timeout(AioContext *ctx);
/* The context dies: frees what is left. */
void aio_bh_cleanup(AioContext *ctx);

/* -- aio-context.c --------------------------------------------------------- */

/* Home thread, awake: forget notifications that came so far. */
void aio_notify_accept(AioContext *ctx);

/* -- aio-co.c -------------------------------------------------------------- */

void aio_co_setup(AioContext *ctx);
void aio_co_cleanup(AioContext *ctx);

/* -- aio-uring.c ----------------------------------------------------------- */

/* Returns: NULL when the kernel has or allows no io_uring. */
AioUring *aio_uring_new(AioContext *ctx);
void aio_uring_free(AioUring *uring);
BlockAIOCB *aio_uring_submit(AioUring *uring, AioFileOp op, int fd,
                             const struct iovec *iov, int niov, uint64_t offset,
                             BlockCompletionFunc *cb, void *opaque);

#endif
