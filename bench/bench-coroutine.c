/*
 * What the loop and coroutines cost: nanoseconds for one switch there and
 * back, one life of a coroutine, one uncontended CoMutex round, one bottom
 * half, one timer, one event of a descriptor, one wake-up of another thread
 * and back. Best of several runs. `bare` is the least that the kernel asks for
 * the same: to signal an eventfd, poll it and read it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "util/aio.h"
#include "util/coroutine.h"
#include "util/thread.h"
#include "util/timer.h"

#define RUNS 5

static AioContext *ctx;

static void coroutine_fn yield_for_ever(void *opaque)
{
    const bool *stop = opaque;

    while (!*stop) {
        qemu_coroutine_yield();
    }
}

static void bench_switch(long n)
{
    bool stop = false;
    Coroutine *co = qemu_coroutine_create(yield_for_ever, &stop);

    for (long i = 0; i < n; i++) {
        qemu_coroutine_enter(co);
    }
    stop = true;
    qemu_coroutine_enter(co);
}

static void coroutine_fn nothing(void *opaque)
{
}

static void bench_life(long n)
{
    for (long i = 0; i < n; i++) {
        qemu_coroutine_enter(qemu_coroutine_create(nothing, NULL));
    }
}

static void coroutine_fn lock_unlock(void *opaque)
{
    long n = *(long *)opaque;
    CoMutex mutex;

    qemu_co_mutex_init(&mutex);
    for (long i = 0; i < n; i++) {
        qemu_co_mutex_lock(&mutex);
        qemu_co_mutex_unlock(&mutex);
    }
}

static void bench_mutex(long n)
{
    qemu_coroutine_enter(qemu_coroutine_create(lock_unlock, &n));
}

static void bh_nothing(void *opaque)
{
}

static void bench_bh(long n)
{
    QEMUBH *bh = aio_bh_new(ctx, bh_nothing, NULL);

    for (long i = 0; i < n; i++) {
        qemu_bh_schedule(bh);
        aio_bh_poll(ctx);
    }
    qemu_bh_delete(bh);
    aio_bh_poll(ctx);
}

static void timer_nothing(void *opaque)
{
    ++*(long *)opaque;
}

static void bench_timer(long n)
{
    long fired = 0;
    QEMUTimer *t = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS,
                                 timer_nothing, &fired);

    for (long i = 0; i < n; i++) {
        timer_mod(t, 1); /* long ago */
        aio_poll(ctx, false);
    }
    g_assert_cmpint(fired, ==, n);
    timer_free(t);
}

typedef struct Event {
    int fd;
    long seen;
} Event;

static void event_signal(const Event *e)
{
    uint64_t one = 1;

    g_assert_cmpint(write(e->fd, &one, sizeof(one)), ==, sizeof(one));
}

static void event_take(void *opaque)
{
    Event *e = opaque;
    uint64_t count;

    g_assert_cmpint(read(e->fd, &count, sizeof(count)), ==, sizeof(count));
    e->seen++;
}

static void bench_event(long n)
{
    Event e = { .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };

    aio_set_fd_handler(ctx, e.fd, false, event_take, NULL, NULL, NULL, &e);
    for (long i = 1; i <= n; i++) {
        event_signal(&e);
        while (e.seen < i) {
            aio_poll(ctx, true);
        }
    }
    aio_set_fd_handler(ctx, e.fd, false, NULL, NULL, NULL, NULL, NULL);
    fd_close(e.fd);
}

static void bench_event_bare(long n)
{
    Event e = { .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    struct pollfd p = { .fd = e.fd, .events = POLLIN };

    for (long i = 0; i < n; i++) {
        event_signal(&e);
        g_assert_cmpint(poll(&p, 1, -1), ==, 1);
        event_take(&e);
    }
    fd_close(e.fd);
}

typedef struct Peer {
    AioContext *ctx;
    bool stop;
    long back; /* home thread of the main context */
} Peer;

static void *peer_thread(void *opaque)
{
    Peer *p = opaque;

    qemu_set_current_aio_context(p->ctx);
    while (!p->stop) {
        aio_poll(p->ctx, true);
    }
    return NULL;
}

static void peer_back(void *opaque)
{
    ((Peer *)opaque)->back++;
}

static void peer_there(void *opaque)
{
    aio_bh_schedule_oneshot(ctx, peer_back, opaque);
}

static void peer_stop(void *opaque)
{
    ((Peer *)opaque)->stop = true;
}

static void bench_wake(long n)
{
    Peer p = { .ctx = aio_context_new(&error_abort) };
    QemuThread t;

    qemu_thread_create(&t, "peer", peer_thread, &p, QEMU_THREAD_JOINABLE);
    for (long i = 1; i <= n; i++) {
        aio_bh_schedule_oneshot(p.ctx, peer_there, &p);
        while (p.back < i) {
            aio_poll(ctx, true);
        }
    }
    aio_bh_schedule_oneshot(p.ctx, peer_stop, &p);
    qemu_thread_join(&t);
    aio_context_unref(p.ctx);
}

static void measure(const char *name, void (*fn)(long n), long n)
{
    double best = 0;

    for (int run = 0; run < RUNS; run++) {
        int64_t start = get_clock();
        double ns;

        fn(n);
        ns = (double)(get_clock() - start) / (double)n;
        best = run == 0 ? ns : MIN(best, ns);
    }
    printf("%-30s %10.1f ns\n", name, best);
}

int main(void)
{
    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);
    measure("coroutine enter and yield", bench_switch, 2000000);
    measure("coroutine create and end", bench_life, 1000000);
    measure("CoMutex lock and unlock", bench_mutex, 2000000);
    measure("bottom half", bench_bh, 1000000);
    measure("timer", bench_timer, 500000);
    measure("event of a descriptor", bench_event, 200000);
    measure("event of a descriptor, bare", bench_event_bare, 200000);
    measure("wake another loop and back", bench_wake, 10000);
    aio_context_unref(ctx);
    return 0;
}
