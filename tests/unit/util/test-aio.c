/*
 * AioContext: descriptors, bottom halves, timers, notification from other
 * threads, nesting, epoll with many descriptors, being a GSource.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/resource.h>

#include "util/aio.h"
#include "util/thread.h"

static AioContext *ctx;

static void drain(void)
{
    while (aio_poll(ctx, false)) {
    }
}

static void count(void *opaque)
{
    ++*(int *)opaque;
}

/* -- bottom halves --------------------------------------------------------- */

static void test_bh(void)
{
    int n = 0;
    QEMUBH *bh = aio_bh_new(ctx, count, &n);

    g_assert_false(aio_poll(ctx, false));
    qemu_bh_schedule(bh);
    qemu_bh_schedule(bh);
    g_assert_cmpint(n, ==, 0);
    g_assert_true(aio_pending(ctx));
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(n, ==, 1);
    g_assert_false(aio_poll(ctx, false));

    qemu_bh_schedule(bh);
    qemu_bh_cancel(bh);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(n, ==, 1);

    /* A schedule after a cancel counts, although it is still in the list. */
    qemu_bh_schedule(bh);
    qemu_bh_cancel(bh);
    qemu_bh_schedule(bh);
    g_assert_true(aio_poll(ctx, false));
    g_assert_cmpint(n, ==, 2);

    qemu_bh_schedule(bh);
    qemu_bh_delete(bh);
    drain();
    g_assert_cmpint(n, ==, 2);
}

typedef struct BHOrder {
    GString *log;
    char c;
} BHOrder;

static void append_char(void *opaque)
{
    BHOrder *o = opaque;

    g_string_append_c(o->log, o->c);
}

static void test_bh_order(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    BHOrder o[5];

    for (int i = 0; i < 5; i++) {
        o[i] = (BHOrder){ log, (char)('a' + i) };
        aio_bh_schedule_oneshot(ctx, append_char, &o[i]);
    }
    drain();
    g_assert_cmpstr(log->str, ==, "abcde");
}

typedef struct BHSelf {
    QEMUBH *bh;
    int n;
    int limit; /* delete at this one */
} BHSelf;

static void bh_again(void *opaque)
{
    BHSelf *s = opaque;

    if (++s->n == s->limit) {
        qemu_bh_delete(s->bh);
    } else {
        qemu_bh_schedule(s->bh);
    }
}

static void test_bh_reschedule(void)
{
    BHSelf s = { .limit = 10 };

    s.bh = aio_bh_new(ctx, bh_again, &s);
    qemu_bh_schedule(s.bh);
    /* One round calls it once: the others get their turn. */
    aio_poll(ctx, true);
    g_assert_cmpint(s.n, ==, 1);
    drain();
    g_assert_cmpint(s.n, ==, 10);
}

static void test_bh_idle(void)
{
    int n = 0;
    QEMUBH *bh = aio_bh_new(ctx, count, &n);

    qemu_bh_schedule_idle(bh);
    g_assert_cmpint(aio_compute_timeout(ctx), ==, 10 * SCALE_MS);
    g_assert_false(aio_poll(ctx, true)); /* runs, but is no progress */
    g_assert_cmpint(n, ==, 1);
    /* A real schedule makes an idle one urgent. */
    qemu_bh_schedule_idle(bh);
    qemu_bh_schedule(bh);
    g_assert_cmpint(aio_compute_timeout(ctx), ==, 0);
    g_assert_true(aio_poll(ctx, true));
    qemu_bh_delete(bh);
    drain();
    g_assert_cmpint(n, ==, 2);
}

typedef struct Nested {
    int inner;
    bool outer_done;
} Nested;

static void nested_outer(void *opaque)
{
    Nested *s = opaque;

    /* Waits for the BH that comes after us in the same round. */
    while (s->inner == 0) {
        aio_poll(ctx, true);
    }
    s->outer_done = true;
}

static void test_bh_nested(void)
{
    Nested s = { 0 };

    aio_bh_schedule_oneshot(ctx, nested_outer, &s);
    aio_bh_schedule_oneshot(ctx, count, &s.inner);
    drain();
    g_assert_cmpint(s.inner, ==, 1);
    g_assert_true(s.outer_done);
}

/* -- from other threads ---------------------------------------------------- */

#define N_THREADS    4
#define N_PER_THREAD 5000

typedef struct Storm {
    AioContext *ctx;
    int n; /* home thread only */
    QEMUBH *bh;
    int bh_calls;
} Storm;

static void *storm_thread(void *opaque)
{
    Storm *s = opaque;

    for (int i = 0; i < N_PER_THREAD; i++) {
        aio_bh_schedule_oneshot(s->ctx, count, &s->n);
        qemu_bh_schedule(s->bh);
    }
    return NULL;
}

static void test_bh_threads(void)
{
    Storm s = { .ctx = ctx };
    QemuThread t[N_THREADS];

    s.bh = aio_bh_new(ctx, count, &s.bh_calls);
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_create(&t[i], "storm", storm_thread, &s,
                           QEMU_THREAD_JOINABLE);
    }
    /* Blocking: a lost wake-up hangs here. */
    while (s.n < N_THREADS * N_PER_THREAD) {
        aio_poll(ctx, true);
    }
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_join(&t[i]);
    }
    drain();
    g_assert_cmpint(s.n, ==, N_THREADS * N_PER_THREAD);
    g_assert_cmpint(s.bh_calls, >, 0);
    g_assert_cmpint(s.bh_calls, <=, N_THREADS * N_PER_THREAD);
    qemu_bh_delete(s.bh);
    drain();
}

/* Ping-pong between two sleeping loops: each wake-up counts. */
typedef struct PingPong {
    AioContext *peer;
    int left;
    struct PingPong *other;
} PingPong;

static void ping(void *opaque)
{
    PingPong *p = opaque;

    if (p->left-- > 0) {
        aio_bh_schedule_oneshot(p->other->peer, ping, p->other);
    }
}

static void *ping_thread(void *opaque)
{
    PingPong *p = opaque;

    qemu_set_current_aio_context(p->peer);
    while (p->left >= 0) {
        aio_poll(p->peer, true);
    }
    return NULL;
}

static void test_ping_pong(void)
{
    AioContext *ctx2 = aio_context_new(&error_abort);
    PingPong a = { .peer = ctx, .left = 3000 };
    PingPong b = { .peer = ctx2, .left = 3000, .other = &a };
    QemuThread t;

    a.other = &b;
    qemu_thread_create(&t, "ping", ping_thread, &b, QEMU_THREAD_JOINABLE);
    aio_bh_schedule_oneshot(ctx, ping, &a);
    while (a.left >= 0) {
        aio_poll(ctx, true);
    }
    aio_bh_schedule_oneshot(ctx2, ping, &b);
    qemu_thread_join(&t);
    drain();
    aio_context_unref(ctx2);
}

/* -- descriptors ----------------------------------------------------------- */

typedef struct FdCase {
    int fd[2];
    int reads;
    int writes;
    bool remove;
} FdCase;

static void fd_case_open(FdCase *c)
{
    memset(c, 0, sizeof(*c));
    g_assert_cmpint(pipe2(c->fd, O_NONBLOCK | O_CLOEXEC), ==, 0);
}

static void fd_case_close(FdCase *c)
{
    fd_close(c->fd[0]);
    fd_close(c->fd[1]);
}

static void set_reader(int fd, IOHandler *cb, void *opaque)
{
    aio_set_fd_handler(ctx, fd, false, cb, NULL, NULL, NULL, opaque);
}

static void clear_fd(int fd)
{
    aio_set_fd_handler(ctx, fd, false, NULL, NULL, NULL, NULL, NULL);
}

static void fd_read(void *opaque)
{
    FdCase *c = opaque;
    char buf[16];

    while (read(c->fd[0], buf, sizeof(buf)) > 0) {
    }
    c->reads++;
    if (c->remove) {
        clear_fd(c->fd[0]);
    }
}

static void fd_write(void *opaque)
{
    FdCase *c = opaque;

    c->writes++;
    clear_fd(c->fd[1]);
}

static void put_byte(FdCase *c)
{
    g_assert_cmpint(write(c->fd[1], "x", 1), ==, 1);
}

static void check_fd_basics(void)
{
    FdCase c;

    fd_case_open(&c);
    set_reader(c.fd[0], fd_read, &c);
    g_assert_false(aio_poll(ctx, false));
    put_byte(&c);
    g_assert_true(aio_pending(ctx));
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(c.reads, ==, 1);
    g_assert_false(aio_poll(ctx, false));

    aio_set_fd_handler(ctx, c.fd[1], false, NULL, fd_write, NULL, NULL, &c);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(c.writes, ==, 1);
    g_assert_false(aio_poll(ctx, false));

    /* The end of the file is an event for the reader. */
    c.fd[1] = fd_close(c.fd[1]);
    c.remove = true;
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(c.reads, ==, 2);
    g_assert_false(aio_poll(ctx, false));
    fd_case_close(&c);
}

static void test_fd(void)
{
    check_fd_basics();
}

static void test_hangup_writer(void)
{
    FdCase c;

    fd_case_open(&c);
    aio_set_fd_handler(ctx, c.fd[1], false, NULL, fd_write, NULL, NULL, &c);
    c.fd[0] = fd_close(c.fd[0]);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(c.writes, ==, 1);
    fd_case_close(&c);
}

typedef struct Killer {
    FdCase a, b;
} Killer;

/* Whichever of the two is called first removes the other. */
static void kill_other(void *opaque)
{
    Killer *k = opaque;

    k->a.reads++;
    clear_fd(k->a.fd[0]);
    clear_fd(k->b.fd[0]);
}

static void test_fd_remove_other(void)
{
    Killer k;

    fd_case_open(&k.a);
    fd_case_open(&k.b);
    set_reader(k.a.fd[0], kill_other, &k);
    set_reader(k.b.fd[0], kill_other, &k);
    put_byte(&k.a);
    put_byte(&k.b);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(k.a.reads, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    fd_case_close(&k.a);
    fd_case_close(&k.b);
}

static void test_external(void)
{
    FdCase c;

    fd_case_open(&c);
    aio_set_fd_handler(ctx, c.fd[0], true, fd_read, NULL, NULL, NULL, &c);
    aio_disable_external(ctx);
    aio_disable_external(ctx);
    put_byte(&c);
    g_assert_false(aio_poll(ctx, false));
    aio_enable_external(ctx);
    g_assert_true(aio_external_disabled(ctx));
    g_assert_false(aio_poll(ctx, false));
    aio_enable_external(ctx);
    g_assert_false(aio_external_disabled(ctx));
    g_assert_true(aio_poll(ctx, false));
    g_assert_cmpint(c.reads, ==, 1);
    clear_fd(c.fd[0]);
    fd_case_close(&c);
}

typedef struct NestedFd {
    FdCase a, b;
    int depth;
} NestedFd;

static void nested_fd_read(void *opaque)
{
    NestedFd *s = opaque;

    s->depth++;
    fd_read(&s->a);
    put_byte(&s->b);
    while (s->b.reads == 0) {
        aio_poll(ctx, true);
    }
    s->depth--;
}

static void test_fd_nested(void)
{
    NestedFd s = { 0 };

    fd_case_open(&s.a);
    fd_case_open(&s.b);
    set_reader(s.a.fd[0], nested_fd_read, &s);
    set_reader(s.b.fd[0], fd_read, &s.b);
    put_byte(&s.a);
    aio_poll(ctx, true);
    g_assert_cmpint(s.a.reads, ==, 1);
    g_assert_cmpint(s.b.reads, ==, 1);
    g_assert_cmpint(s.depth, ==, 0);
    g_assert_false(aio_poll(ctx, false));
    clear_fd(s.a.fd[0]);
    clear_fd(s.b.fd[0]);
    fd_case_close(&s.a);
    fd_case_close(&s.b);
}

static void regular_file_ready(void *opaque)
{
    FdCase *c = opaque;

    if (++c->reads == 3) {
        clear_fd(c->fd[0]);
    }
}

/* epoll refuses regular files; they are ready always. */
static void test_regular_file(void)
{
    FdCase c = { .fd = { -1, -1 } };
    AUTO_FD fd = g_file_open_tmp(NULL, NULL, NULL);

    c.fd[0] = fd;
    set_reader(fd, regular_file_ready, &c);
    for (int i = 0; i < 3; i++) {
        g_assert_true(aio_poll(ctx, true));
    }
    g_assert_cmpint(c.reads, ==, 3);
    g_assert_false(aio_poll(ctx, false));
}

static bool poll_flag(void *opaque)
{
    return qatomic_load_acquire((int *)opaque) != 0;
}

static void poll_ready(void *opaque)
{
    /* Once. */
    qatomic_set((int *)opaque, -1);
}

static void never_called(void *opaque)
{
    g_assert_not_reached();
}

static void *set_flag_later(void *opaque)
{
    g_usleep(20000);
    qatomic_store_release((int *)opaque, 1);
    return NULL;
}

/* A handler whose descriptor never becomes readable, found by polling. */
static void test_busy_poll(void)
{
    AioContext *saved = ctx;
    FdCase c;
    QemuThread t;
    int flag = 0;

    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(NULL);
    qemu_set_current_aio_context(ctx);
    fd_case_open(&c);
    g_assert_true(aio_context_set_poll_params(ctx, NANOSECONDS_PER_SECOND, 0, 0,
                                              &error_abort));
    aio_set_fd_handler(ctx, c.fd[0], false, never_called, NULL, poll_flag,
                       poll_ready, &flag);
    /* Let it learn that waiting pays. */
    for (int i = 0; i < 40; i++) {
        QEMUTimer *ts =
            aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count, &c.writes);

        timer_mod(ts, get_clock() + (int64_t)4000 * (1 << MIN(i, 13)));
        aio_poll(ctx, true);
        timer_free(ts);
    }
    qemu_thread_create(&t, "flag", set_flag_later, &flag, QEMU_THREAD_JOINABLE);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(flag, ==, -1);
    qemu_thread_join(&t);
    clear_fd(c.fd[0]);
    fd_case_close(&c);
    aio_context_unref(ctx);
    ctx = saved;
    qemu_set_current_aio_context(NULL);
    qemu_set_current_aio_context(ctx);
}

static void test_bad_params(void)
{
    Error *err = NULL;

    g_assert_false(aio_context_set_poll_params(ctx, -1, 0, 0, &err));
    error_free_or_abort(&err);
    g_assert_false(aio_context_set_aio_params(ctx, -1, &err));
    error_free_or_abort(&err);
    g_assert_false(aio_context_set_thread_pool_params(ctx, 5, 4, &err));
    error_free_or_abort(&err);
    g_assert_false(aio_context_set_thread_pool_params(ctx, 0, 0, &err));
    error_free_or_abort(&err);
}

/* -- event notifier -------------------------------------------------------- */

typedef struct NotifierCase {
    EventNotifier e; /* first */
    int n;
} NotifierCase;

static void notifier_cb(EventNotifier *e)
{
    NotifierCase *c = container_of(e, NotifierCase, e);

    g_assert_true(event_notifier_test_and_clear(e));
    c->n++;
}

static void test_event_notifier(void)
{
    NotifierCase c = { 0 };

    g_assert_cmpint(event_notifier_init(&c.e, false), ==, 0);
    aio_set_event_notifier(ctx, &c.e, false, notifier_cb, NULL, NULL);
    g_assert_false(aio_poll(ctx, false));
    event_notifier_set(&c.e);
    event_notifier_set(&c.e);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(c.n, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    aio_set_event_notifier(ctx, &c.e, false, NULL, NULL, NULL);
    event_notifier_set(&c.e);
    g_assert_false(aio_poll(ctx, false));
    g_assert_true(event_notifier_test_and_clear(&c.e));
    event_notifier_cleanup(&c.e);
    event_notifier_cleanup(&c.e);
}

/* -- timers ---------------------------------------------------------------- */

static void test_timer(void)
{
    int n = 0;
    QEMUTimer *ts =
        aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_US, count, &n);
    int64_t start = get_clock();

    timer_mod(ts, qemu_clock_get_us(QEMU_CLOCK_REALTIME) + 5000);
    g_assert_true(timer_pending(ts));
    g_assert_false(aio_poll(ctx, false));
    while (n == 0) {
        aio_poll(ctx, true);
    }
    g_assert_cmpint(get_clock() - start, >=, 5 * SCALE_MS);
    g_assert_false(timer_pending(ts));
    timer_free(ts);
}

static void *arm_timer(void *opaque)
{
    g_usleep(10000);
    timer_mod(opaque, get_clock() + SCALE_MS);
    return NULL;
}

/* Another thread makes a timer due sooner than what we sleep for. */
static void test_timer_thread(void)
{
    int n = 0, late = 0;
    QEMUTimer *ts =
        aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count, &n);
    QEMUTimer *far =
        aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count, &late);
    QemuThread t;

    timer_mod(far, get_clock() + 3600 * NANOSECONDS_PER_SECOND);
    qemu_thread_create(&t, "arm", arm_timer, ts, QEMU_THREAD_JOINABLE);
    while (n == 0) {
        aio_poll(ctx, true);
    }
    qemu_thread_join(&t);
    g_assert_cmpint(late, ==, 0);
    timer_free(far);
    timer_free(ts);
}

/* -- many descriptors ------------------------------------------------------ */

#define N_MANY 1000

static void test_many_fds(void)
{
    g_autofree FdCase *c = g_new0(FdCase, N_MANY);
    struct rlimit rl;
    int total = 0;
    int64_t start;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &rl), ==, 0);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    if (rl.rlim_cur < 2 * N_MANY + 64) {
        g_test_skip("too few descriptors");
        return;
    }
    for (int i = 0; i < N_MANY; i++) {
        fd_case_open(&c[i]);
        set_reader(c[i].fd[0], fd_read, &c[i]);
    }
    /* All at once: more than one wait returns. */
    for (int i = 0; i < N_MANY; i++) {
        put_byte(&c[i]);
    }
    drain();
    for (int i = 0; i < N_MANY; i++) {
        g_assert_cmpint(c[i].reads, ==, 1);
    }
    /* One of them, often: costs the same as with few. */
    start = get_clock();
    for (int i = 0; i < 2000; i++) {
        FdCase *one = &c[(i * 7) % N_MANY];

        put_byte(one);
        g_assert_true(aio_poll(ctx, true));
        total++;
    }
    g_test_message("%d events among %d descriptors: %.2f us each", total,
                   N_MANY, (double)(get_clock() - start) / total / 1000);
    for (int i = 0; i < N_MANY; i++) {
        clear_fd(c[i].fd[0]);
        fd_case_close(&c[i]);
    }
    g_assert_false(aio_poll(ctx, false));
}

/* All of the above must hold in epoll mode too, which it is in from now on. */
static void test_fd_epoll(void)
{
    check_fd_basics();
    test_hangup_writer();
    test_fd_remove_other();
    test_external();
    test_fd_nested();
    test_regular_file();
    test_event_notifier();
}

/* -- GSource --------------------------------------------------------------- */

static gboolean set_true(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

static void iterate_until(GMainContext *gctx, const int *n, int wanted)
{
    bool timed_out = false;
    g_autoptr(GSource) guard = g_timeout_source_new_seconds(20);

    g_source_set_callback(guard, set_true, &timed_out, NULL);
    g_source_attach(guard, gctx);
    while (*n < wanted && !timed_out) {
        g_main_context_iteration(gctx, TRUE);
    }
    g_assert_false(timed_out);
    g_source_destroy(guard);
}

static void test_gsource(void)
{
    g_autoptr(GMainContext) gctx = g_main_context_new();
    g_autoptr(GSource) source = aio_get_g_source(ctx);
    QEMUTimer *ts;
    FdCase c;
    QemuThread t;
    int n = 0;

    g_source_attach(source, gctx);
    aio_bh_schedule_oneshot(ctx, count, &n);
    iterate_until(gctx, &n, 1);

    fd_case_open(&c);
    set_reader(c.fd[0], fd_read, &c);
    put_byte(&c);
    iterate_until(gctx, &c.reads, 1);

    ts = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count, &n);
    timer_mod(ts, get_clock() + 5 * SCALE_MS);
    iterate_until(gctx, &n, 2);

    /* Woken from GLib's poll by another thread. */
    qemu_thread_create(&t, "arm", arm_timer, ts, QEMU_THREAD_JOINABLE);
    iterate_until(gctx, &n, 3);
    qemu_thread_join(&t);

    timer_free(ts);
    clear_fd(c.fd[0]);
    fd_case_close(&c);
    g_source_destroy(source);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);

    g_test_add_func("/aio/bh/basics", test_bh);
    g_test_add_func("/aio/bh/order", test_bh_order);
    g_test_add_func("/aio/bh/reschedule", test_bh_reschedule);
    g_test_add_func("/aio/bh/idle", test_bh_idle);
    g_test_add_func("/aio/bh/nested", test_bh_nested);
    g_test_add_func("/aio/bh/threads", test_bh_threads);
    g_test_add_func("/aio/bh/ping-pong", test_ping_pong);
    g_test_add_func("/aio/fd/basics", test_fd);
    g_test_add_func("/aio/fd/hangup-writer", test_hangup_writer);
    g_test_add_func("/aio/fd/remove-other", test_fd_remove_other);
    g_test_add_func("/aio/fd/external", test_external);
    g_test_add_func("/aio/fd/nested", test_fd_nested);
    g_test_add_func("/aio/fd/regular-file", test_regular_file);
    g_test_add_func("/aio/fd/busy-poll", test_busy_poll);
    g_test_add_func("/aio/bad-params", test_bad_params);
    g_test_add_func("/aio/event-notifier", test_event_notifier);
    g_test_add_func("/aio/timer/basics", test_timer);
    g_test_add_func("/aio/timer/thread", test_timer_thread);
    g_test_add_func("/aio/fd/many", test_many_fds);
    g_test_add_func("/aio/fd/epoll-mode", test_fd_epoll);
    g_test_add_func("/aio/gsource", test_gsource);
    ret = g_test_run();
    aio_context_unref(ctx);
    return ret;
}
