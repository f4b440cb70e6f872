/*
 * The main loop: GLib's default main context, the main AioContext and the
 * timers of timer_new(), run by one thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_MAIN_LOOP_H
#define UTIL_MAIN_LOOP_H

#include "util/aio.h"
#include "util/notify.h"

/**
 * qemu_init_main_loop:
 *
 * Make the calling thread the main loop's. Before threads; again has no effect.
 *
 * Returns: 0, or -errno with @errp set.
 */
int qemu_init_main_loop(Error **errp);
/** main_loop_wait: one round; with @nonblocking != 0 without waiting. */
void main_loop_wait(int nonblocking);
/** qemu_get_aio_context: the main AioContext; NULL before init. Any thread. */
AioContext *qemu_get_aio_context(void);
/** qemu_notify_event: make main_loop_wait() look again. Any thread. */
void qemu_notify_event(void);
/** qemu_in_main_thread: whether this is the main loop's thread. */
bool qemu_in_main_thread(void);

/* How many bytes the reader takes now; 0: wait. */
typedef int IOCanReadHandler(void *opaque);
typedef void IOReadHandler(void *opaque, const uint8_t *buf, int size);

/**
 * qemu_set_fd_handler: aio_set_fd_handler() for the main loop. These are not
 * served by a nested aio_poll() of the main AioContext.
 *
 * Thread: any.
 */
void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque);
/** event_notifier_set_handler: @handler NULL removes. */
void event_notifier_set_handler(EventNotifier *e,
                                EventNotifierHandler *handler);
/** iohandler_get_aio_context: the context behind the two functions above. */
AioContext *iohandler_get_aio_context(void);
GSource *iohandler_get_g_source(void);

#define qemu_bh_new(cb, opaque) qemu_bh_new_full((cb), (opaque), stringify(cb))
QEMUBH *qemu_bh_new_full(QEMUBHFunc *cb, void *opaque, const char *name);

enum {
    MAIN_LOOP_POLL_FILL, /* add your descriptors, lower the timeout */
    MAIN_LOOP_POLL_ERR,  /* poll failed */
    MAIN_LOOP_POLL_OK,   /* look at your descriptors' revents */
};

/* For libraries with an event loop interface of their own (libslirp). */
typedef struct MainLoopPoll {
    int state;
    uint32_t timeout; /* ms, UINT32_MAX for none */
    GArray *pollfds;  /* of GPollFD */
} MainLoopPoll;

/** main_loop_poll_add_notifier: @notify is called with a MainLoopPoll. */
void main_loop_poll_add_notifier(Notifier *notify);
void main_loop_poll_remove_notifier(Notifier *notify);

#endif
