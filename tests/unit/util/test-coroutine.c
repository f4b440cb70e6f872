/*
 * Coroutines: life, order of wakeups, the locks, the guard page, the pool.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/coroutine.h"
#include "util/main-loop.h"

/* -- life ------------------------------------------------------------------ */

static void coroutine_fn append_self(void *opaque)
{
    GString *log = opaque;

    g_assert_true(qemu_in_coroutine());
    g_string_append_c(log, 'a');
    qemu_coroutine_yield();
    g_string_append_c(log, 'b');
}

static void test_life(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Coroutine *co = qemu_coroutine_create(append_self, log);

    g_assert_false(qemu_in_coroutine());
    g_assert_false(qemu_coroutine_entered(co));
    g_string_append_c(log, '1');
    qemu_coroutine_enter(co);
    g_string_append_c(log, '2');
    qemu_coroutine_enter(co);
    g_string_append_c(log, '3');
    g_assert_cmpstr(log->str, ==, "1a2b3");
    g_assert_false(qemu_in_coroutine());
}

static void coroutine_fn check_self(void *opaque)
{
    Coroutine **co = opaque;

    g_assert_true(qemu_coroutine_self() == *co);
    g_assert_true(qemu_coroutine_entered(*co));
    *co = NULL;
}

static void test_self(void)
{
    Coroutine *co = qemu_coroutine_create(check_self, &co);

    qemu_coroutine_enter(co);
    g_assert_null(co);
}

static void coroutine_fn nest(void *opaque)
{
    int *depth = opaque;

    if (--*depth > 0) {
        Coroutine *self = qemu_coroutine_self();

        qemu_coroutine_enter(qemu_coroutine_create(nest, depth));
        g_assert_true(qemu_coroutine_self() == self);
    }
}

static void test_nesting(void)
{
    int depth = 200;

    qemu_coroutine_enter(qemu_coroutine_create(nest, &depth));
    g_assert_cmpint(depth, ==, 0);
}

/* Values in callee-saved and floating point registers survive a yield. */
static void coroutine_fn churn(void *opaque)
{
    unsigned n = GPOINTER_TO_UINT(opaque);
    double f = n * 1.5;
    unsigned a = n, b = n * 3, c = n * 5, d = n * 7, e = n * 11;

    for (int i = 0; i < 50; i++) {
        qemu_coroutine_yield();
        a += 1;
        b += a;
        c ^= b;
        d += c;
        e ^= d;
        f += 0.25;
    }
    g_assert_cmpuint(a, ==, n + 50);
    g_assert_cmpfloat(f, ==, n * 1.5 + 12.5);
    g_assert_cmpuint(b, ==, n * 3 + 50 * n + 50 * 51 / 2);
    (void)c;
    (void)e;
}

static void test_registers(void)
{
    Coroutine *co[20];

    for (unsigned i = 0; i < G_N_ELEMENTS(co); i++) {
        co[i] = qemu_coroutine_create(churn, GUINT_TO_POINTER(i + 1));
    }
    for (int round = 0; round < 51; round++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(co); i++) {
            qemu_coroutine_enter(co[i]);
        }
    }
}

static void coroutine_fn nothing(void *opaque)
{
}

static void coroutine_fn yield_once(void *opaque)
{
    qemu_coroutine_yield();
}

/* Far more at once than the pool keeps. */
static void test_many(void)
{
    enum {
        N = 3000
    };
    g_autofree Coroutine **co = g_new(Coroutine *, N);

    qemu_coroutine_inc_pool_size(100);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            co[i] = qemu_coroutine_create(yield_once, NULL);
            qemu_coroutine_enter(co[i]);
        }
        for (int i = 0; i < N; i++) {
            qemu_coroutine_enter(co[i]);
        }
    }
    qemu_coroutine_dec_pool_size(100);
}

/* -- errors that must not go unnoticed ------------------------------------- */

static unsigned use_stack(unsigned depth)
{
    volatile char page[3000];

    page[0] = (char)depth;
    page[sizeof(page) - 1] = (char)depth;
    return depth == 0 ? 0 : use_stack(depth - 1) + (unsigned)page[0];
}

static void coroutine_fn overflow_stack(void *opaque)
{
    use_stack(1000000);
}

static void test_guard_page(void)
{
    if (g_test_subprocess()) {
        struct sigaction dfl = { .sa_handler = SIG_DFL };

        /* The sanitizers' own report is not wanted. */
        sigaction(SIGSEGV, &dfl, NULL);
        qemu_coroutine_enter(qemu_coroutine_create(overflow_stack, NULL));
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
}

static void coroutine_fn enter_again(void *opaque)
{
    qemu_coroutine_enter(qemu_coroutine_self());
}

static void test_reentry(void)
{
    if (g_test_subprocess()) {
        qemu_coroutine_enter(qemu_coroutine_create(enter_again, NULL));
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*entered while it runs*");
}

static void test_yield_outside(void)
{
    if (g_test_subprocess()) {
        qemu_coroutine_yield();
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*yield outside*");
}

/* -- order of wakeups ------------------------------------------------------ */

typedef struct WakeOrder {
    GString *log;
    Coroutine *first, *second;
} WakeOrder;

static void coroutine_fn wake_first(void *opaque)
{
    WakeOrder *w = opaque;

    qemu_coroutine_yield();
    g_string_append_c(w->log, 'f');
}

static void coroutine_fn wake_second(void *opaque)
{
    WakeOrder *w = opaque;

    qemu_coroutine_yield();
    g_string_append_c(w->log, 's');
}

static void coroutine_fn waker(void *opaque)
{
    WakeOrder *w = opaque;

    aio_co_wake(w->first);
    aio_co_wake(w->second);
    g_string_append_c(w->log, 'w'); /* before both */
    qemu_coroutine_yield();
    g_string_append_c(w->log, 'x');
}

static void test_wake_order(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    WakeOrder w = { .log = log };
    Coroutine *co = qemu_coroutine_create(waker, &w);

    w.first = qemu_coroutine_create(wake_first, &w);
    w.second = qemu_coroutine_create(wake_second, &w);
    qemu_coroutine_enter(w.first);
    qemu_coroutine_enter(w.second);
    qemu_coroutine_enter(co);
    g_assert_cmpstr(log->str, ==, "wfs");
    qemu_coroutine_enter(co);
    g_assert_cmpstr(log->str, ==, "wfsx");
}

/* -- locks in one thread --------------------------------------------------- */

typedef struct LockTest {
    CoMutex mutex;
    CoRwlock rw;
    CoQueue queue;
    GString *log;
    bool flag;
    Coroutine *holder;
} LockTest;

static void lock_test_init(LockTest *t)
{
    memset(t, 0, sizeof(*t));
    qemu_co_mutex_init(&t->mutex);
    qemu_co_rwlock_init(&t->rw);
    qemu_co_queue_init(&t->queue);
    t->log = g_string_new(NULL);
}

static void coroutine_fn hold_mutex(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_mutex_lock(&t->mutex);
    g_string_append_c(t->log, 'h');
    qemu_coroutine_yield();
    g_string_append_c(t->log, 'u');
    qemu_co_mutex_unlock(&t->mutex);
}

static void coroutine_fn guard_mutex(void *opaque)
{
    LockTest *t = opaque;
    QEMU_LOCK_GUARD(&t->mutex);

    qemu_co_mutex_assert_locked(&t->mutex);
    g_string_append_c(t->log, 'g');
}

static void test_mutex(void)
{
    LockTest t;
    Coroutine *co;

    lock_test_init(&t);
    co = qemu_coroutine_create(hold_mutex, &t);
    qemu_coroutine_enter(co);
    qemu_coroutine_enter(qemu_coroutine_create(guard_mutex, &t));
    qemu_coroutine_enter(qemu_coroutine_create(guard_mutex, &t));
    g_assert_cmpstr(t.log->str, ==, "h");
    qemu_coroutine_enter(co);
    g_assert_cmpstr(t.log->str, ==, "hugg");
    g_assert_false(t.mutex.locked);
    g_string_free(t.log, TRUE);
}

static void coroutine_fn wait_flag(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_mutex_lock(&t->mutex);
    while (!t->flag) {
        qemu_co_queue_wait(&t->queue, &t->mutex);
        qemu_co_mutex_assert_locked(&t->mutex);
    }
    g_string_append_c(t->log, 'q');
    qemu_co_mutex_unlock(&t->mutex);
}

static void coroutine_fn set_flag(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_mutex_lock(&t->mutex);
    t->flag = true;
    qemu_co_queue_restart_all(&t->queue);
    g_string_append_c(t->log, 's');
    qemu_co_mutex_unlock(&t->mutex);
}

static void test_queue(void)
{
    LockTest t;

    lock_test_init(&t);
    for (int i = 0; i < 3; i++) {
        qemu_coroutine_enter(qemu_coroutine_create(wait_flag, &t));
    }
    g_assert_false(qemu_co_queue_empty(&t.queue));
    /* One wakes for nothing and waits again. */
    g_assert_true(qemu_co_enter_next(&t.queue, NULL));
    g_assert_cmpstr(t.log->str, ==, "");
    qemu_coroutine_enter(qemu_coroutine_create(set_flag, &t));
    g_assert_cmpstr(t.log->str, ==, "sqqq");
    g_assert_true(qemu_co_queue_empty(&t.queue));
    g_assert_false(qemu_co_enter_next(&t.queue, NULL));
    g_string_free(t.log, TRUE);
}

static void coroutine_fn read_lock(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_rwlock_rdlock(&t->rw);
    g_string_append_c(t->log, 'r');
    qemu_coroutine_yield();
    qemu_co_rwlock_unlock(&t->rw);
}

static void coroutine_fn write_lock(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_rwlock_wrlock(&t->rw);
    g_string_append_c(t->log, 'w');
    qemu_coroutine_yield();
    g_string_append_c(t->log, 'd');
    qemu_co_rwlock_downgrade(&t->rw);
    qemu_coroutine_yield();
    qemu_co_rwlock_unlock(&t->rw);
}

static void test_rwlock(void)
{
    LockTest t;
    Coroutine *r1, *r2, *r3, *w;

    lock_test_init(&t);
    r1 = qemu_coroutine_create(read_lock, &t);
    r2 = qemu_coroutine_create(read_lock, &t);
    r3 = qemu_coroutine_create(read_lock, &t);
    w = qemu_coroutine_create(write_lock, &t);
    qemu_coroutine_enter(r1);
    qemu_coroutine_enter(r2);
    qemu_coroutine_enter(w);  /* waits for both */
    qemu_coroutine_enter(r3); /* waits behind the writer */
    g_assert_cmpstr(t.log->str, ==, "rr");
    qemu_coroutine_enter(r1);
    g_assert_cmpstr(t.log->str, ==, "rr");
    qemu_coroutine_enter(r2); /* gives it to the writer */
    g_assert_cmpstr(t.log->str, ==, "rrw");
    qemu_coroutine_enter(w); /* downgrade lets r3 in */
    g_assert_cmpstr(t.log->str, ==, "rrwdr");
    g_assert_cmpint(t.rw.owners, ==, 2);
    qemu_coroutine_enter(w);
    qemu_coroutine_enter(r3);
    g_assert_cmpint(t.rw.owners, ==, 0);
    g_string_free(t.log, TRUE);
}

static void coroutine_fn upgrade_lock(void *opaque)
{
    LockTest *t = opaque;

    qemu_co_rwlock_rdlock(&t->rw);
    qemu_coroutine_yield();
    qemu_co_rwlock_upgrade(&t->rw);
    g_assert_cmpint(t->rw.owners, ==, -1);
    g_string_append_c(t->log, 'U');
    qemu_co_rwlock_unlock(&t->rw);
}

static void test_rwlock_upgrade(void)
{
    LockTest t;
    Coroutine *a, *b;

    lock_test_init(&t);
    a = qemu_coroutine_create(upgrade_lock, &t);
    b = qemu_coroutine_create(upgrade_lock, &t);
    qemu_coroutine_enter(a);
    qemu_coroutine_enter(b);
    qemu_coroutine_enter(a); /* waits for the other reader */
    g_assert_cmpstr(t.log->str, ==, "");
    /* Both upgrade: the first goes first, then the second. */
    qemu_coroutine_enter(b);
    g_assert_cmpstr(t.log->str, ==, "UU");
    g_assert_cmpint(t.rw.owners, ==, 0);

    /* Alone: at once. */
    a = qemu_coroutine_create(upgrade_lock, &t);
    qemu_coroutine_enter(a);
    qemu_coroutine_enter(a);
    g_assert_cmpstr(t.log->str, ==, "UUU");
    g_string_free(t.log, TRUE);
}

/* -- sleeping -------------------------------------------------------------- */

static void coroutine_fn sleeper(void *opaque)
{
    int64_t *slept = opaque;
    int64_t start = get_clock();

    qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, 20 * SCALE_MS);
    *slept = get_clock() - start;
}

static void test_sleep(void)
{
    int64_t slept = 0;

    qemu_init_main_loop(&error_abort);
    qemu_coroutine_enter(qemu_coroutine_create(sleeper, &slept));
    g_assert_cmpint(slept, ==, 0);
    while (!slept) {
        aio_poll(qemu_get_aio_context(), true);
    }
    g_assert_cmpint(slept, >=, 20 * SCALE_MS);
}

typedef struct Wakeable {
    QemuCoSleep sleep;
    bool done;
} Wakeable;

static void coroutine_fn wakeable_sleeper(void *opaque)
{
    Wakeable *w = opaque;

    qemu_co_sleep_ns_wakeable(&w->sleep, QEMU_CLOCK_REALTIME,
                              3600 * NANOSECONDS_PER_SECOND);
    w->done = true;
}

static void test_sleep_wake(void)
{
    Wakeable w = { 0 };

    qemu_init_main_loop(&error_abort);
    qemu_co_sleep_wake(&w.sleep); /* nobody there */
    qemu_coroutine_enter(qemu_coroutine_create(wakeable_sleeper, &w));
    g_assert_false(w.done);
    qemu_co_sleep_wake(&w.sleep);
    g_assert_true(w.done);
}

/* -- between threads ------------------------------------------------------- */

#define N_THREADS 4
#define N_CO      5
#define N_ROUNDS  400

typedef struct SharedState {
    CoMutex mutex;
    CoRwlock rw;
    QemuMutex plain;
    CoQueue queue;
    int inside; /* plain ints: the locks must order them */
    int counter;
    int rw_value;
    int turns;
} SharedState;

typedef struct CoThread {
    SharedState *shared;
    QemuThread thread;
    int running;
} CoThread;

static void coroutine_fn hammer_mutex(void *opaque)
{
    CoThread *t = opaque;
    SharedState *s = t->shared;

    for (int i = 0; i < N_ROUNDS; i++) {
        qemu_co_mutex_lock(&s->mutex);
        g_assert_cmpint(s->inside++, ==, 0);
        s->counter++;
        if (i % 16 == 0) {
            /* Held while others of this thread run. */
            qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, 0);
        }
        g_assert_cmpint(--s->inside, ==, 0);
        qemu_co_mutex_unlock(&s->mutex);
    }
    t->running--;
}

static void coroutine_fn hammer_rwlock(void *opaque)
{
    CoThread *t = opaque;
    SharedState *s = t->shared;

    for (int i = 0; i < N_ROUNDS; i++) {
        if (i % 4 == 0) {
            qemu_co_rwlock_wrlock(&s->rw);
            s->rw_value++;
            if (i % 8 == 0) {
                qemu_co_rwlock_downgrade(&s->rw);
            }
            qemu_co_rwlock_unlock(&s->rw);
        } else if (i % 4 == 1) {
            qemu_co_rwlock_rdlock(&s->rw);
            qemu_co_rwlock_upgrade(&s->rw);
            s->rw_value++;
            qemu_co_rwlock_unlock(&s->rw);
        } else {
            int before;

            qemu_co_rwlock_rdlock(&s->rw);
            before = s->rw_value;
            if (i % 16 == 2) {
                qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, 0);
            }
            g_assert_cmpint(s->rw_value, ==, before);
            qemu_co_rwlock_unlock(&s->rw);
        }
    }
    t->running--;
}

/* Passes a turn round all coroutines: each waits on the queue for its own. */
static void coroutine_fn hammer_queue(void *opaque)
{
    CoThread *t = opaque;
    SharedState *s = t->shared;

    for (int i = 0; i < N_ROUNDS / 8; i++) {
        qemu_mutex_lock(&s->plain);
        s->turns++;
        /* Lets one other go on that waited; waits unless it is the last. */
        if (qemu_co_queue_empty(&s->queue)) {
            qemu_mutex_unlock(&s->plain);
            qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, 0);
            continue;
        }
        qemu_co_enter_all(&s->queue, &s->plain);
        qemu_mutex_unlock(&s->plain);
    }
    t->running--;
}

static void coroutine_fn queue_waiter(void *opaque)
{
    CoThread *t = opaque;
    SharedState *s = t->shared;

    qemu_mutex_lock(&s->plain);
    while (s->turns < N_THREADS * (N_ROUNDS / 8)) {
        qemu_co_queue_wait(&s->queue, &s->plain);
    }
    /* The last turn was made: so everybody may leave. */
    qemu_co_enter_all(&s->queue, &s->plain);
    qemu_mutex_unlock(&s->plain);
    t->running--;
}

typedef struct HammerJob {
    CoThread base;
    CoroutineEntry *entry[2];
    int n[2];
} HammerJob;

static void *hammer_thread(void *opaque)
{
    HammerJob *job = opaque;
    AioContext *ctx = aio_context_new(&error_abort);

    qemu_set_current_aio_context(ctx);
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < job->n[kind]; i++) {
            job->base.running++;
            aio_co_enter(ctx,
                         qemu_coroutine_create(job->entry[kind], &job->base));
        }
    }
    while (job->base.running) {
        aio_poll(ctx, true);
    }
    /* Another thread may still be on the way out of aio_notify(). */
    return ctx;
}

static void hammer(SharedState *s, CoroutineEntry *a, int na, CoroutineEntry *b,
                   int nb)
{
    HammerJob jobs[N_THREADS] = { 0 };
    AioContext *ctx[N_THREADS];

    qemu_co_mutex_init(&s->mutex);
    qemu_co_rwlock_init(&s->rw);
    qemu_co_queue_init(&s->queue);
    qemu_mutex_init(&s->plain);
    for (int i = 0; i < N_THREADS; i++) {
        jobs[i].base.shared = s;
        jobs[i].entry[0] = a;
        jobs[i].n[0] = na;
        jobs[i].entry[1] = b;
        jobs[i].n[1] = nb;
        qemu_thread_create(&jobs[i].base.thread, "hammer", hammer_thread,
                           &jobs[i], QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < N_THREADS; i++) {
        ctx[i] = qemu_thread_join(&jobs[i].base.thread);
    }
    for (int i = 0; i < N_THREADS; i++) {
        aio_context_unref(ctx[i]);
    }
    qemu_mutex_destroy(&s->plain);
}

static void test_mutex_threads(void)
{
    SharedState s = { 0 };

    hammer(&s, hammer_mutex, N_CO, nothing, 0);
    g_assert_cmpint(s.counter, ==, N_THREADS * N_CO * N_ROUNDS);
    g_assert_false(s.mutex.locked);
}

static void test_rwlock_threads(void)
{
    SharedState s = { 0 };

    hammer(&s, hammer_rwlock, N_CO, nothing, 0);
    g_assert_cmpint(s.rw_value, ==, N_THREADS * N_CO * N_ROUNDS / 2);
    g_assert_cmpint(s.rw.owners, ==, 0);
}

static void test_queue_threads(void)
{
    SharedState s = { 0 };

    hammer(&s, queue_waiter, N_CO, hammer_queue, 1);
    g_assert_true(qemu_co_queue_empty(&s.queue));
}

/* A coroutine that hops from thread to thread. */
typedef struct Hop {
    AioContext *ctx[2];
    QemuThread thread[2];
    bool stop;
    int hops;
    QemuSemaphore done;
} Hop;

static void *hop_thread(void *opaque)
{
    void **args = opaque;
    Hop *hop = args[0];
    AioContext *ctx = args[1];

    qemu_set_current_aio_context(ctx);
    while (!qatomic_load_acquire(&hop->stop)) {
        aio_poll(ctx, true);
    }
    return NULL;
}

static void coroutine_fn hopper(void *opaque)
{
    Hop *hop = opaque;
    Coroutine *self = qemu_coroutine_self();

    for (int i = 0; i < 500; i++) {
        AioContext *to = hop->ctx[i % 2];

        aio_co_reschedule_self(to);
        g_assert_true(qemu_get_current_aio_context() == to);
        g_assert_true(qemu_coroutine_self() == self);
        g_assert_true(qemu_coroutine_get_aio_context(self) == to);
        hop->hops++;
    }
    qemu_sem_post(&hop->done);
}

static void test_hop(void)
{
    Hop hop = { 0 };
    void *args[2][2];

    qemu_sem_init(&hop.done, 0);
    for (int i = 0; i < 2; i++) {
        hop.ctx[i] = aio_context_new(&error_abort);
        args[i][0] = &hop;
        args[i][1] = hop.ctx[i];
        qemu_thread_create(&hop.thread[i], "hop", hop_thread, args[i],
                           QEMU_THREAD_JOINABLE);
    }
    aio_co_schedule(hop.ctx[1], qemu_coroutine_create(hopper, &hop));
    qemu_sem_wait(&hop.done);
    g_assert_cmpint(hop.hops, ==, 500);
    qatomic_store_release(&hop.stop, true);
    for (int i = 0; i < 2; i++) {
        /* aio_notify() alone would not reach one that is about to sleep. */
        aio_bh_schedule_oneshot(hop.ctx[i], nothing, NULL);
        qemu_thread_join(&hop.thread[i]);
    }
    for (int i = 0; i < 2; i++) {
        aio_context_unref(hop.ctx[i]);
    }
    qemu_sem_destroy(&hop.done);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/coroutine/life", test_life);
    g_test_add_func("/coroutine/self", test_self);
    g_test_add_func("/coroutine/nesting", test_nesting);
    g_test_add_func("/coroutine/registers", test_registers);
    g_test_add_func("/coroutine/many", test_many);
    g_test_add_func("/coroutine/guard-page", test_guard_page);
    g_test_add_func("/coroutine/reentry", test_reentry);
    g_test_add_func("/coroutine/yield-outside", test_yield_outside);
    g_test_add_func("/coroutine/wake-order", test_wake_order);
    g_test_add_func("/coroutine/mutex", test_mutex);
    g_test_add_func("/coroutine/queue", test_queue);
    g_test_add_func("/coroutine/rwlock", test_rwlock);
    g_test_add_func("/coroutine/rwlock-upgrade", test_rwlock_upgrade);
    g_test_add_func("/coroutine/threads/mutex", test_mutex_threads);
    g_test_add_func("/coroutine/threads/rwlock", test_rwlock_threads);
    g_test_add_func("/coroutine/threads/queue", test_queue_threads);
    g_test_add_func("/coroutine/threads/hop", test_hop);
    g_test_add_func("/coroutine/sleep", test_sleep);
    g_test_add_func("/coroutine/sleep-wake", test_sleep_wake);
    return g_test_run();
}
