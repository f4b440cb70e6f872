/*
 * Waiting for a channel: sources for GLib, handlers for an AioContext,
 * yielding for coroutines, sleeping for threads.
 *
 * A coroutine that yields is remembered in the channel; a handler in its
 * AioContext wakes it. Reader and writer may belong to different contexts:
 * each context then watches only its own direction.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-watch.h"
#include "util/atomic.h"
#include "util/coroutine.h"

#include "channel-internal.h"

GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    GSource *source =
        QIO_CHANNEL_GET_CLASS(ioc)->io_create_watch(ioc, condition);

    if (ioc->name) {
        g_source_set_name(source, ioc->name);
    }
    return source;
}

GSource *qio_channel_add_watch_source(QIOChannel *ioc, GIOCondition condition,
                                      QIOChannelFunc func, gpointer user_data,
                                      GDestroyNotify notify,
                                      GMainContext *context)
{
    GSource *source = qio_channel_create_watch(ioc, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(func), user_data, notify);
    g_source_attach(source, context);
    return source;
}

guint qio_channel_add_watch_full(QIOChannel *ioc, GIOCondition condition,
                                 QIOChannelFunc func, gpointer user_data,
                                 GDestroyNotify notify, GMainContext *context)
{
    g_autoptr(GSource) source = qio_channel_add_watch_source(
        ioc, condition, func, user_data, notify, context);

    return g_source_get_id(source);
}

guint qio_channel_add_watch(QIOChannel *ioc, GIOCondition condition,
                            QIOChannelFunc func, gpointer user_data,
                            GDestroyNotify notify)
{
    return qio_channel_add_watch_full(ioc, condition, func, user_data, notify,
                                      NULL);
}

void qio_channel_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                    IOHandler *io_read, IOHandler *io_write,
                                    void *opaque)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    assert(klass->io_set_aio_fd_handler);
    klass->io_set_aio_fd_handler(ioc, ctx, io_read, io_write, opaque);
}

void fd_set_aio_handlers(AioContext *ctx, int read_fd, int write_fd,
                         IOHandler *io_read, IOHandler *io_write, void *opaque)
{
    if (read_fd == write_fd) {
        if (read_fd >= 0) {
            aio_set_fd_handler(ctx, read_fd, false, io_read, io_write, NULL,
                               NULL, opaque);
        }
        return;
    }
    if (read_fd >= 0) {
        aio_set_fd_handler(ctx, read_fd, false, io_read, NULL, NULL, NULL,
                           opaque);
    }
    if (write_fd >= 0) {
        aio_set_fd_handler(ctx, write_fd, false, NULL, io_write, NULL, NULL,
                           opaque);
    }
}

void qio_channel_attach_aio_context(QIOChannel *ioc, AioContext *ctx)
{
    assert(!qatomic_read(&ioc->read_coroutine));
    assert(!qatomic_read(&ioc->write_coroutine));
    ioc->ctx = ctx;
}

void qio_channel_detach_aio_context(QIOChannel *ioc)
{
    assert(!qatomic_read(&ioc->read_coroutine));
    assert(!qatomic_read(&ioc->write_coroutine));
    ioc->ctx = NULL;
}

static void yield_read_ready(void *opaque);
static void yield_write_ready(void *opaque);

/* Tell @ctx which of our yielded coroutines it has to watch for. */
static void yield_update_handlers(QIOChannel *ioc, AioContext *ctx)
{
    bool rd = qatomic_read(&ioc->read_ctx) == ctx;
    bool wr = qatomic_read(&ioc->write_ctx) == ctx;

    qio_channel_set_aio_fd_handler(ioc, ctx, rd ? yield_read_ready : NULL,
                                   wr ? yield_write_ready : NULL, ioc);
}

static void yield_wake(QIOChannel *ioc, Coroutine **slot, AioContext **ctxp)
{
    Coroutine *co = qatomic_xchg(slot, NULL);
    AioContext *ctx = qatomic_xchg(ctxp, NULL);

    if (ctx) {
        yield_update_handlers(ioc, ctx);
    }
    if (co) {
        aio_co_wake(co);
    }
}

static void yield_read_ready(void *opaque)
{
    QIOChannel *ioc = opaque;

    yield_wake(ioc, &ioc->read_coroutine, &ioc->read_ctx);
}

static void yield_write_ready(void *opaque)
{
    QIOChannel *ioc = opaque;

    yield_wake(ioc, &ioc->write_coroutine, &ioc->write_ctx);
}

void coroutine_fn qio_channel_yield(QIOChannel *ioc, GIOCondition condition)
{
    Coroutine *self = qemu_coroutine_self();
    AioContext *ctx =
        ioc->ctx ? ioc->ctx : qemu_coroutine_get_aio_context(self);
    bool rd = condition == G_IO_IN;
    Coroutine **slot = rd ? &ioc->read_coroutine : &ioc->write_coroutine;
    AioContext **ctxp = rd ? &ioc->read_ctx : &ioc->write_ctx;

    assert(qemu_in_coroutine() && ctx);
    assert(condition == G_IO_IN || condition == G_IO_OUT);
    assert(!qatomic_read(slot));

    if (qio_channel_held(ioc, condition)) {
        /* The descriptor may never tell: come back from the loop at once. */
        aio_co_schedule(qemu_coroutine_get_aio_context(self), self);
        qemu_coroutine_yield();
        return;
    }
    qatomic_set(slot, self);
    qatomic_set(ctxp, ctx);
    yield_update_handlers(ioc, ctx);
    qemu_coroutine_yield();

    /* Somebody else may have entered us: then we are still remembered. */
    if (qatomic_xchg(slot, NULL) == self) {
        qatomic_set(ctxp, NULL);
        yield_update_handlers(ioc, ctx);
    }
}

static gboolean wait_fired(QIOChannel *ioc, GIOCondition condition,
                           gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

static gboolean wait_expired(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

bool qio_channel_wait_timeout(QIOChannel *ioc, GIOCondition condition,
                              int timeout_ms)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timer = NULL;
    g_autoptr(GSource) watch = NULL;
    bool fired = false, expired = timeout_ms == 0;

    watch = qio_channel_add_watch_source(ioc, condition, wait_fired, &fired,
                                         NULL, context);
    if (timeout_ms > 0) {
        timer = g_timeout_source_new(timeout_ms);
        g_source_set_callback(timer, wait_expired, &expired, NULL);
        g_source_attach(timer, context);
    }
    do {
        g_main_context_iteration(context, !expired);
    } while (!fired && !expired);
    g_source_destroy(watch);
    if (timer) {
        g_source_destroy(timer);
    }
    return fired;
}

void qio_channel_wait(QIOChannel *ioc, GIOCondition condition)
{
    qio_channel_wait_timeout(ioc, condition, -1);
}
