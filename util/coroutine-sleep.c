/*
 * Coroutines that wait for time or for a descriptor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/coroutine.h"

#include "coroutine-internal.h"

void coroutine_fn qemu_co_sleep(QemuCoSleep *w)
{
    Coroutine *self = qemu_coroutine_self();
    const char *scheduled =
        qatomic_cmpxchg(&self->scheduled, (const char *)NULL, __func__);

    if (scheduled) {
        g_error("coroutine that goes to sleep was scheduled by %s()",
                scheduled);
    }
    /* Marked as scheduled, so that nobody but the waker enters us. */
    w->to_wake = self;
    qemu_coroutine_yield();
    assert(w->to_wake == NULL);
}

void qemu_co_sleep_wake(QemuCoSleep *w)
{
    Coroutine *co = w->to_wake;

    w->to_wake = NULL;
    if (co) {
        qatomic_store_release(&co->scheduled, (const char *)NULL);
        aio_co_wake(co);
    }
}

static void sleep_timer_cb(void *opaque)
{
    qemu_co_sleep_wake(opaque);
}

void coroutine_fn qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type,
                                            int64_t ns)
{
    AioContext *ctx = qemu_get_current_aio_context();
    QEMUTimer ts;

    assert(ctx);
    aio_timer_init(ctx, &ts, type, SCALE_NS, sleep_timer_cb, w);
    timer_mod(&ts, qemu_clock_get_ns(type) + MAX(ns, 0));
    qemu_co_sleep(w);
    timer_del(&ts);
}

void coroutine_fn qemu_co_sleep_ns(QEMUClockType type, int64_t ns)
{
    QemuCoSleep w = { 0 };

    qemu_co_sleep_ns_wakeable(&w, type, ns);
}

typedef struct FdWait {
    AioContext *ctx;
    Coroutine *co;
    int fd;
} FdWait;

static void fd_readable(void *opaque)
{
    FdWait *wait = opaque;

    aio_set_fd_handler(wait->ctx, wait->fd, false, NULL, NULL, NULL, NULL,
                       NULL);
    aio_co_wake(wait->co);
}

void coroutine_fn yield_until_fd_readable(int fd)
{
    FdWait wait = {
        .ctx = qemu_get_current_aio_context(),
        .co = qemu_coroutine_self(),
        .fd = fd,
    };

    assert(qemu_in_coroutine() && wait.ctx);
    aio_set_fd_handler(wait.ctx, fd, false, fd_readable, NULL, NULL, NULL,
                       &wait);
    qemu_coroutine_yield();
}
