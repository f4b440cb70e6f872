/*
 * The main loop, and waiting in it for other loops.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-wait.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

typedef struct FdCase {
    int fd[2];
    int reads;
} FdCase;

static void count(void *opaque)
{
    ++*(int *)opaque;
}

static void fd_read(void *opaque)
{
    FdCase *c = opaque;
    char buf[16];

    g_assert_cmpint(read(c->fd[0], buf, sizeof(buf)), >, 0);
    c->reads++;
}

static gboolean set_true(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

static void drain(void)
{
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
}

static void test_main_loop(void)
{
    int n = 0;
    FdCase c = { 0 };
    bool idle_ran = false;
    QEMUTimer *ts = timer_new_ms(QEMU_CLOCK_REALTIME, count, &n);
    QEMUBH *bh = qemu_bh_new(count, &n);

    g_assert_true(qemu_in_main_thread());
    timer_mod(ts, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 5);
    while (n < 1) {
        main_loop_wait(false);
    }
    qemu_bh_schedule(bh);
    main_loop_wait(true);
    g_assert_cmpint(n, ==, 2);

    g_assert_cmpint(pipe2(c.fd, O_NONBLOCK | O_CLOEXEC), ==, 0);
    qemu_set_fd_handler(c.fd[0], fd_read, NULL, &c);
    g_assert_cmpint(write(c.fd[1], "x", 1), ==, 1);
    /* Not served by a nested poll of the main context. */
    aio_poll(qemu_get_aio_context(), false);
    g_assert_cmpint(c.reads, ==, 0);
    while (c.reads < 1) {
        main_loop_wait(false);
    }
    qemu_set_fd_handler(c.fd[0], NULL, NULL, NULL);
    fd_close(c.fd[0]);
    fd_close(c.fd[1]);

    /* Others' sources of the default context are served. */
    g_idle_add(set_true, &idle_ran);
    main_loop_wait(false);
    g_assert_true(idle_ran);
    qemu_bh_delete(bh);
    timer_free(ts);
    drain();
}

static void *notify_later(void *opaque)
{
    g_usleep(10000);
    qatomic_store_release((bool *)opaque, true);
    qemu_notify_event();
    return NULL;
}

static void test_notify_event(void)
{
    bool flag = false;
    QemuThread t;

    qemu_thread_create(&t, "notify", notify_later, &flag, QEMU_THREAD_JOINABLE);
    while (!qatomic_load_acquire(&flag)) {
        main_loop_wait(false);
    }
    qemu_thread_join(&t);
}

static void *timer_in_main_loop(void *opaque)
{
    g_usleep(10000);
    timer_mod(opaque, get_clock());
    return NULL;
}

/* A vCPU-like thread arms a timer of the sleeping main loop. */
static void test_main_loop_timer_thread(void)
{
    int n = 0;
    QEMUTimer *ts = timer_new_ns(QEMU_CLOCK_REALTIME, count, &n);
    QemuThread t;

    qemu_thread_create(&t, "timer", timer_in_main_loop, ts,
                       QEMU_THREAD_JOINABLE);
    while (n == 0) {
        main_loop_wait(false);
    }
    qemu_thread_join(&t);
    timer_free(ts);
}

/* -- descriptors of libraries --------------------------------------------- */

typedef struct PollUser {
    Notifier notifier; /* first */
    int fd;
    int index;
    int hits;
} PollUser;

static void poll_user_notify(Notifier *notifier, void *data)
{
    PollUser *u = container_of(notifier, PollUser, notifier);
    MainLoopPoll *poll = data;

    if (poll->state == MAIN_LOOP_POLL_FILL) {
        GPollFD pfd = { .fd = u->fd, .events = G_IO_IN };

        u->index = (int)poll->pollfds->len;
        g_array_append_val(poll->pollfds, pfd);
        poll->timeout = MIN(poll->timeout, 5000);
    } else if (poll->state == MAIN_LOOP_POLL_OK) {
        u->hits += !!g_array_index(poll->pollfds, GPollFD, u->index).revents;
    }
}

static void test_poll_notifier(void)
{
    PollUser u = { .notifier.notify = poll_user_notify };
    int fd[2];

    g_assert_cmpint(pipe2(fd, O_CLOEXEC), ==, 0);
    u.fd = fd[0];
    main_loop_poll_add_notifier(&u.notifier);
    main_loop_wait(true);
    g_assert_cmpint(u.hits, ==, 0);
    g_assert_cmpint(write(fd[1], "x", 1), ==, 1);
    main_loop_wait(false);
    g_assert_cmpint(u.hits, ==, 1);
    main_loop_poll_remove_notifier(&u.notifier);
    main_loop_wait(true);
    g_assert_cmpint(u.hits, ==, 1);
    fd_close(fd[0]);
    fd_close(fd[1]);
}

/* -- AIO_WAIT_WHILE -------------------------------------------------------- */

typedef struct Iothread {
    AioContext *ctx;
    QemuThread thread;
    bool stop;
    int n;
} Iothread;

static void *iothread_run(void *opaque)
{
    Iothread *io = opaque;

    qemu_set_current_aio_context(io->ctx);
    while (!io->stop) {
        aio_poll(io->ctx, true);
    }
    return NULL;
}

static void iothread_stop(void *opaque)
{
    ((Iothread *)opaque)->stop = true;
}

static void iothread_work(void *opaque)
{
    Iothread *io = opaque;

    g_assert_true(in_aio_context_home_thread(io->ctx));
    qatomic_store_release(&io->n, io->n + 1);
    aio_wait_kick();
}

static void test_wait_while(void)
{
    Iothread io = { .ctx = aio_context_new(&error_abort) };

    qemu_thread_create(&io.thread, "iothread", iothread_run, &io,
                       QEMU_THREAD_JOINABLE);
    for (int i = 1; i <= 200; i++) {
        aio_bh_schedule_oneshot(io.ctx, iothread_work, &io);
        AIO_WAIT_WHILE_UNLOCKED(io.ctx, qatomic_load_acquire(&io.n) < i);
    }
    aio_wait_bh_oneshot(io.ctx, iothread_work, &io);
    g_assert_cmpint(io.n, ==, 201);
    aio_context_acquire(io.ctx);
    aio_bh_schedule_oneshot(io.ctx, iothread_work, &io);
    AIO_WAIT_WHILE(io.ctx, qatomic_load_acquire(&io.n) < 202);
    g_assert_cmpint(io.n, ==, 202);
    aio_context_release(io.ctx);
    aio_bh_schedule_oneshot(io.ctx, iothread_stop, &io);
    qemu_thread_join(&io.thread);
    aio_context_unref(io.ctx);
    drain();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_null(qemu_get_aio_context());
    g_assert_cmpint(qemu_init_main_loop(&error_abort), ==, 0);
    g_assert_cmpint(qemu_init_main_loop(&error_abort), ==, 0);
    g_test_add_func("/main-loop/basics", test_main_loop);
    g_test_add_func("/main-loop/notify-event", test_notify_event);
    g_test_add_func("/main-loop/timer-thread", test_main_loop_timer_thread);
    g_test_add_func("/main-loop/poll-notifier", test_poll_notifier);
    g_test_add_func("/main-loop/wait-while", test_wait_while);
    return g_test_run();
}
