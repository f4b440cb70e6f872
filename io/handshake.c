/*
 * Driver of layered handshakes; see handshake-internal.h.
 *
 * Everything happens in the caller's GMainContext: an idle source for the
 * first step, then one watch of the master at a time, beside it one timer.
 * Cancelling from another thread only adds a source there. The handshake
 * holds references to layer and master until its callback has returned.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-io.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/timer.h"

#include "channel-internal.h"
#include "handshake-internal.h"

struct QIOHandshake {
    QIOHandshakeSlot *slot; /* within @ioc */
    QIOChannel *ioc;        /* owned reference */
    QIOChannel *master;     /* owned reference */
    const char *what;
    QIOHandshakeStep step;
    bool nonblocking; /* the master was so before */
    QIOTask *task;
    GMainContext *context; /* owned reference or NULL */
    GSource *wait;         /* first step or watch; owned */
    GSource *timer;        /* owned, or NULL */
    GSource *cancel;       /* owned, or NULL; guarded by @slot->lock */
};

void qio_handshake_slot_init(QIOHandshakeSlot *slot)
{
    qemu_mutex_init(&slot->lock);
    slot->handshake = NULL;
}

void qio_handshake_slot_deinit(QIOHandshakeSlot *slot)
{
    /* A handshake holds a reference to the owner of the slot. */
    assert(!slot->handshake);
    qemu_mutex_destroy(&slot->lock);
}

static void source_clear(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

/* The end. @err is owned; NULL = success. */
static void handshake_finish(QIOHandshake *h, Error *err)
{
    QIOTask *task = h->task;

    WITH_QEMU_LOCK_GUARD(&h->slot->lock)
    {
        h->slot->handshake = NULL;
        source_clear(&h->cancel);
    }
    source_clear(&h->wait);
    source_clear(&h->timer);
    if (!err && !h->nonblocking) {
        qio_channel_set_blocking(h->master, true, &err);
    }
    trace_qio_handshake_done(h->ioc, h->what,
                             err ? error_get_pretty(err) : "completed");
    if (err) {
        qio_task_set_error(task, err);
    }
    if (h->context) {
        g_main_context_unref(h->context);
    }
    object_unref(OBJECT(h->master));
    object_unref(OBJECT(h->ioc));
    g_free(h);
    /* The task has its own reference to the layer. */
    qio_task_complete(task);
}

static gboolean handshake_ready(QIOChannel *master, GIOCondition condition,
                                gpointer opaque);

static void handshake_step(QIOHandshake *h)
{
    Error *err = NULL;
    int ret;

    WITH_QEMU_LOCK_GUARD(&h->slot->lock)
    {
        if (h->cancel) {
            return; /* whose turn comes in this round of the loop */
        }
    }
    ret = h->step(h->ioc, &err);
    if (ret <= 0) {
        handshake_finish(h, err);
        return;
    }
    source_clear(&h->wait);
    h->wait = qio_channel_add_watch_source(h->master, ret, handshake_ready, h,
                                           NULL, h->context);
}

static gboolean handshake_ready(QIOChannel *master, GIOCondition condition,
                                gpointer opaque)
{
    handshake_step(opaque);
    return G_SOURCE_REMOVE;
}

static gboolean handshake_begin(gpointer opaque)
{
    QIOHandshake *h = opaque;
    Error *err = NULL;

    WITH_QEMU_LOCK_GUARD(&h->slot->lock)
    {
        /* Orders this after qio_handshake_start() in another thread. */
        if (h->cancel) {
            return G_SOURCE_REMOVE;
        }
    }
    h->nonblocking = h->master->nonblocking;
    if (qio_channel_set_blocking(h->master, false, &err) < 0) {
        handshake_finish(h, err);
    } else {
        handshake_step(h);
    }
    return G_SOURCE_REMOVE;
}

static gboolean handshake_expired(gpointer opaque)
{
    QIOHandshake *h = opaque;
    Error *err = NULL;

    error_setg(&err, "%s did not complete in time", h->what);
    handshake_finish(h, err);
    return G_SOURCE_REMOVE;
}

static GSource *source_attach(GSource *source, GSourceFunc func,
                              QIOHandshake *h)
{
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, func, h, NULL);
    g_source_attach(source, h->context);
    return source;
}

void qio_handshake_start(QIOHandshakeSlot *slot, QIOChannel *ioc,
                         QIOChannel *master, const char *what,
                         QIOHandshakeStep step, unsigned timeout_ms,
                         QIOTaskFunc func, gpointer opaque,
                         GDestroyNotify destroy, GMainContext *context)
{
    QIOHandshake *h = g_new0(QIOHandshake, 1);

    h->slot = slot;
    h->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    h->master = QIO_CHANNEL(object_ref(OBJECT(master)));
    h->what = what;
    h->step = step;
    h->task = qio_task_new(OBJECT(ioc), func, opaque, destroy);
    h->context = context ? g_main_context_ref(context) : NULL;

    trace_qio_handshake_start(ioc, what, timeout_ms);
    QEMU_LOCK_GUARD(&slot->lock);
    assert(!slot->handshake);
    slot->handshake = h;
    if (timeout_ms) {
        h->timer = source_attach(g_timeout_source_new(timeout_ms),
                                 handshake_expired, h);
    }
    h->wait = source_attach(g_idle_source_new(), handshake_begin, h);
}

static gboolean handshake_cancelled(gpointer opaque)
{
    QIOHandshake *h = opaque;
    Error *err = NULL;

    error_setg(&err, "%s was cancelled", h->what);
    handshake_finish(h, err);
    return G_SOURCE_REMOVE;
}

void qio_handshake_cancel(QIOHandshakeSlot *slot)
{
    QEMU_LOCK_GUARD(&slot->lock);
    QIOHandshake *h = slot->handshake;

    if (h && !h->cancel) {
        h->cancel = source_attach(g_idle_source_new(), handshake_cancelled, h);
    }
}

/* -- in a thread or coroutine ---------------------------------------------- */

/* Wakes a coroutine that waits for too long. */
typedef struct WakeTimer {
    Coroutine *co;
    bool expired;
    QEMUTimer *timer;
} WakeTimer;

static void wake_timer_expired(void *opaque)
{
    WakeTimer *w = opaque;

    w->expired = true;
    aio_co_wake(w->co);
}

static void wake_timer_clear(WakeTimer *w)
{
    if (w->timer) {
        timer_free(w->timer);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WakeTimer, wake_timer_clear)

static int coroutine_fn sync_in_coroutine(QIOChannel *ioc, QIOChannel *master,
                                          QIOHandshakeStep step,
                                          unsigned timeout_ms, bool *expired,
                                          Error **errp)
{
    g_auto(WakeTimer) w = { .co = qemu_coroutine_self() };
    int ret;

    if (timeout_ms) {
        w.timer = aio_timer_new(qemu_coroutine_get_aio_context(w.co),
                                QEMU_CLOCK_REALTIME, SCALE_MS,
                                wake_timer_expired, &w);
        timer_mod(w.timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + timeout_ms);
    }
    while ((ret = step(ioc, errp)) > 0 && !w.expired) {
        qio_channel_yield(master, ret);
    }
    *expired = ret > 0;
    return ret;
}

static int sync_in_thread(QIOChannel *ioc, QIOChannel *master,
                          QIOHandshakeStep step, unsigned timeout_ms,
                          bool *expired, Error **errp)
{
    int64_t end_us = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    int ret;

    while ((ret = step(ioc, errp)) > 0) {
        int64_t left_us = end_us - g_get_monotonic_time();
        int wait_ms = timeout_ms ? MAX(left_us + 999, 0) / 1000 : -1;

        if (!qio_channel_wait_timeout(master, ret, wait_ms)) {
            *expired = true;
            break;
        }
    }
    return ret;
}

int qio_handshake_sync(QIOChannel *ioc, QIOChannel *master, const char *what,
                       QIOHandshakeStep step, unsigned timeout_ms, Error **errp)
{
    bool nonblocking = master->nonblocking, expired = false;
    int ret;

    if (qio_channel_set_blocking(master, false, errp) < 0) {
        return -1;
    }
    if (qemu_in_coroutine()) {
        ret = sync_in_coroutine(ioc, master, step, timeout_ms, &expired, errp);
    } else {
        ret = sync_in_thread(ioc, master, step, timeout_ms, &expired, errp);
    }
    if (expired) {
        error_setg(errp, "%s did not complete in time", what);
        return -1;
    }
    if (ret == 0 && !nonblocking) {
        ret = qio_channel_set_blocking(master, true, errp);
    }
    return ret;
}
