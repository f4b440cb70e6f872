/*
 * The main loop.
 *
 * GLib's default main context is the base: the main AioContext and a second
 * one for qemu_set_fd_handler() are sources of it, beside whatever GLib
 * users add. main_loop_wait() does by hand what g_main_context_iteration()
 * does, in order to sleep with the precision of timers and to let libraries
 * with loops of their own add descriptors (MainLoopPoll).
 *
 * Mutable file-scope state: the main loop; a process has one. Made before
 * threads and never freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/main-loop.h"

#include <sys/prctl.h>

#include "util/error.h"

static AioContext *main_context;      /* atomic */
static AioContext *iohandler_context; /* handlers of the main loop */
static GArray *poll_fds;              /* of GPollFD, kept between rounds */
static NotifierList poll_notifiers = NOTIFIER_LIST_INITIALIZER(poll_notifiers);

AioContext *qemu_get_aio_context(void)
{
    return qatomic_load_acquire(&main_context);
}

bool qemu_in_main_thread(void)
{
    AioContext *ctx = qemu_get_aio_context();

    return ctx && in_aio_context_home_thread(ctx);
}

AioContext *iohandler_get_aio_context(void)
{
    assert(iohandler_context);
    return iohandler_context;
}

GSource *iohandler_get_g_source(void)
{
    return aio_get_g_source(iohandler_get_aio_context());
}

void qemu_notify_event(void)
{
    AioContext *ctx = qemu_get_aio_context();

    if (ctx) {
        /* Wakes GLib's poll, whether or not it asked to be notified. */
        aio_notify(ctx);
        g_main_context_wakeup(NULL);
    }
}

static void attach_source(AioContext *ctx, const char *name)
{
    g_autoptr(GSource) source = aio_get_g_source(ctx);

    g_source_set_name(source, name);
    g_source_attach(source, NULL);
}

int qemu_init_main_loop(Error **errp)
{
    g_autoptr(AioContext) ctx = NULL;
    g_autoptr(AioContext) io_ctx = NULL;

    if (qemu_get_aio_context()) {
        return 0;
    }
    /* Timers of guests are due at their time, not up to 50 us later; threads
     * inherit it. */
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    ctx = aio_context_new(errp);
    if (!ctx) {
        return -EMFILE;
    }
    io_ctx = aio_context_new(errp);
    if (!io_ctx) {
        return -EMFILE;
    }
    attach_source(ctx, "aio-context");
    attach_source(io_ctx, "io-handler");
    poll_fds = g_array_new(FALSE, FALSE, sizeof(GPollFD));
    iohandler_context = g_steal_pointer(&io_ctx);
    qemu_set_current_aio_context(ctx);
    qatomic_store_release(&main_context, g_steal_pointer(&ctx));
    return 0;
}

/* -- one round ------------------------------------------------------------- */

/* Appends GLib's descriptors. Returns: its timeout in ns. */
static int64_t glib_query(GMainContext *context, gint max_priority,
                          guint *first)
{
    gint timeout_ms = -1, room, n;

    *first = poll_fds->len;
    for (room = 8;; room = n) {
        g_array_set_size(poll_fds, *first + (guint)room);
        n = g_main_context_query(context, max_priority, &timeout_ms,
                                 &g_array_index(poll_fds, GPollFD, *first),
                                 room);
        if (n <= room) {
            break;
        }
    }
    g_array_set_size(poll_fds, *first + (guint)n);
    return timeout_ms < 0 ? -1 : timeout_ms * (int64_t)SCALE_MS;
}

static void glib_round(GMainContext *context, MainLoopPoll *mlpoll,
                       int64_t timeout)
{
    gint max_priority = 0;
    guint first;
    int64_t glib_timeout;
    int ret;

    if (g_main_context_prepare(context, &max_priority)) {
        timeout = 0;
    }
    glib_timeout = glib_query(context, max_priority, &first);
    if (glib_timeout > 0) {
        /* The main AioContext rounded its timer's ns up to GLib's ms. */
        glib_timeout = qemu_soonest_timeout(
            glib_timeout, aio_compute_timeout(qemu_get_aio_context()));
    }
    timeout = qemu_soonest_timeout(timeout, glib_timeout);

    ret =
        qemu_poll_ns((GPollFD *)(void *)poll_fds->data, poll_fds->len, timeout);
    if (ret < 0) {
        /* Interrupted: the results are not set, and GLib reads them. */
        for (guint i = 0; i < poll_fds->len; i++) {
            g_array_index(poll_fds, GPollFD, i).revents = 0;
        }
    }
    mlpoll->state = ret < 0 ? MAIN_LOOP_POLL_ERR : MAIN_LOOP_POLL_OK;
    if (g_main_context_check(context, max_priority,
                             &g_array_index(poll_fds, GPollFD, first),
                             (gint)(poll_fds->len - first))) {
        g_main_context_dispatch(context);
    }
}

void main_loop_wait(int nonblocking)
{
    GMainContext *context = g_main_context_default();
    MainLoopPoll mlpoll = {
        .state = MAIN_LOOP_POLL_FILL,
        .timeout = nonblocking ? 0 : UINT32_MAX,
        .pollfds = poll_fds,
    };
    int64_t timeout;

    assert(qemu_in_main_thread());
    g_main_context_acquire(context);
    g_array_set_size(poll_fds, 0);
    notifier_list_notify(&poll_notifiers, &mlpoll);

    timeout =
        mlpoll.timeout == UINT32_MAX ? -1 : mlpoll.timeout * (int64_t)SCALE_MS;
    timeout = qemu_soonest_timeout(
        timeout, timerlistgroup_deadline_ns(main_loop_timers()));
    glib_round(context, &mlpoll, timeout);

    notifier_list_notify(&poll_notifiers, &mlpoll);
    g_main_context_release(context);
    qemu_clock_run_all_timers();
}

void main_loop_poll_add_notifier(Notifier *notify)
{
    notifier_list_add(&poll_notifiers, notify);
}

void main_loop_poll_remove_notifier(Notifier *notify)
{
    notifier_remove(notify);
}

/* -- short forms ----------------------------------------------------------- */

void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque)
{
    aio_set_fd_handler(iohandler_get_aio_context(), fd, false, fd_read,
                       fd_write, NULL, NULL, opaque);
}

void event_notifier_set_handler(EventNotifier *e, EventNotifierHandler *handler)
{
    aio_set_event_notifier(iohandler_get_aio_context(), e, false, handler, NULL,
                           NULL);
}

QEMUBH *qemu_bh_new_full(QEMUBHFunc *cb, void *opaque, const char *name)
{
    return aio_bh_new_full(qemu_get_aio_context(), cb, opaque, name);
}
