/*
 * Threads, locks, events, guards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/lockable.h"
#include "util/notify.h"
#include "util/thread.h"

#define N_THREADS 4
#define N_ROUNDS  20000

typedef struct Shared {
    QemuMutex mutex;
    QemuRecMutex rec;
    QemuSpin spin;
    int counter;
} Shared;

static void *with_mutex(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < N_ROUNDS; i++) {
        QEMU_LOCK_GUARD(&s->mutex);
        s->counter++;
    }
    return s;
}

static void *with_spin(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < N_ROUNDS; i++) {
        WITH_QEMU_LOCK_GUARD(&s->spin)
        {
            s->counter++;
        }
    }
    return s;
}

static void *with_rec(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < N_ROUNDS; i++) {
        QEMU_LOCK_GUARD(&s->rec);
        WITH_QEMU_LOCK_GUARD(&s->rec)
        {
            s->counter++;
            if (i % 2) {
                continue; /* leaves the block, and gives the lock back */
            }
        }
    }
    return s;
}

static void run_all(void *(*fn)(void *))
{
    Shared s = { 0 };
    QemuThread t[N_THREADS];

    qemu_mutex_init(&s.mutex);
    qemu_rec_mutex_init(&s.rec);
    qemu_spin_init(&s.spin);
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_create(&t[i], "worker", fn, &s, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < N_THREADS; i++) {
        g_assert_true(qemu_thread_join(&t[i]) == &s);
    }
    g_assert_cmpint(s.counter, ==, N_THREADS * N_ROUNDS);
    g_assert_false(qemu_spin_locked(&s.spin));
    g_assert_cmpint(qemu_rec_mutex_trylock(&s.rec), ==, 0);
    qemu_rec_mutex_unlock(&s.rec);
    qemu_rec_mutex_destroy(&s.rec);
    qemu_mutex_destroy(&s.mutex);
}

static void test_mutex(void)
{
    run_all(with_mutex);
}

static void test_spin(void)
{
    run_all(with_spin);
}

static void test_rec(void)
{
    run_all(with_rec);
}

static int guard_and_return(QemuMutex *m)
{
    QEMU_LOCK_GUARD(m);

    return qemu_mutex_trylock(m);
}

static void test_guard(void)
{
    QemuMutex m;

    qemu_mutex_init(&m);
    g_assert_cmpint(guard_and_return(&m), ==, -EBUSY);
    WITH_QEMU_LOCK_GUARD(&m)
    {
        g_assert_cmpint(qemu_mutex_trylock(&m), ==, -EBUSY);
        break;
    }
    WITH_QEMU_LOCK_GUARD(QEMU_MAKE_LOCKABLE(&m))
    {
        g_assert_cmpint(qemu_mutex_trylock(&m), ==, -EBUSY);
    }
    g_assert_cmpint(qemu_mutex_trylock(&m), ==, 0);
    qemu_mutex_unlock(&m);
    qemu_mutex_destroy(&m);
}

static void test_uninitialised(void)
{
    if (g_test_subprocess()) {
        QemuMutex m = { 0 };

        qemu_mutex_lock(&m);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
}

/* -- condition, semaphore -------------------------------------------------- */

typedef struct Box {
    QemuMutex mutex;
    QemuCond cond;
    int value; /* 0: empty */
} Box;

static void *box_filler(void *opaque)
{
    Box *b = opaque;

    for (int i = 1; i <= 1000; i++) {
        QEMU_LOCK_GUARD(&b->mutex);
        while (b->value) {
            qemu_cond_wait(&b->cond, &b->mutex);
        }
        b->value = i;
        qemu_cond_broadcast(&b->cond);
    }
    return NULL;
}

static void test_cond(void)
{
    Box b = { 0 };
    QemuThread t;
    int64_t start;

    qemu_mutex_init(&b.mutex);
    qemu_cond_init(&b.cond);
    qemu_thread_create(&t, "filler", box_filler, &b, QEMU_THREAD_JOINABLE);
    for (int i = 1; i <= 1000; i++) {
        QEMU_LOCK_GUARD(&b.mutex);
        while (!b.value) {
            qemu_cond_wait(&b.cond, &b.mutex);
        }
        g_assert_cmpint(b.value, ==, i);
        b.value = 0;
        qemu_cond_signal(&b.cond);
    }
    qemu_thread_join(&t);

    start = g_get_monotonic_time();
    qemu_mutex_lock(&b.mutex);
    g_assert_false(qemu_cond_timedwait(&b.cond, &b.mutex, 20));
    qemu_mutex_unlock(&b.mutex);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 20000);
    qemu_cond_destroy(&b.cond);
    qemu_mutex_destroy(&b.mutex);
}

static void *sem_poster(void *opaque)
{
    for (int i = 0; i < 1000; i++) {
        qemu_sem_post(opaque);
    }
    return NULL;
}

static void test_sem(void)
{
    QemuSemaphore sem;
    QemuThread t;

    qemu_sem_init(&sem, 1);
    qemu_sem_wait(&sem);
    g_assert_cmpint(qemu_sem_timedwait(&sem, 0), ==, -1);
    g_assert_cmpint(qemu_sem_timedwait(&sem, 10), ==, -1);
    qemu_thread_create(&t, "poster", sem_poster, &sem, QEMU_THREAD_JOINABLE);
    for (int i = 0; i < 999; i++) {
        qemu_sem_wait(&sem);
    }
    g_assert_cmpint(qemu_sem_timedwait(&sem, 10000), ==, 0);
    qemu_thread_join(&t);
    g_assert_cmpint(qemu_sem_timedwait(&sem, 0), ==, -1);
    qemu_sem_destroy(&sem);
}

/* -- event ----------------------------------------------------------------- */

typedef struct EventPair {
    QemuEvent there, back;
    int value; /* plain: the events must order it */
} EventPair;

static void *event_echo(void *opaque)
{
    EventPair *p = opaque;

    for (int i = 0; i < 2000; i++) {
        qemu_event_wait(&p->there);
        qemu_event_reset(&p->there);
        p->value++;
        qemu_event_set(&p->back);
    }
    return NULL;
}

static void test_event(void)
{
    EventPair p = { 0 };
    QemuThread t;

    qemu_event_init(&p.there, false);
    qemu_event_init(&p.back, true);
    qemu_event_wait(&p.back); /* set: at once */
    qemu_event_wait(&p.back); /* and it stays set */
    qemu_event_reset(&p.back);
    qemu_event_reset(&p.back);
    qemu_thread_create(&t, "echo", event_echo, &p, QEMU_THREAD_JOINABLE);
    for (int i = 0; i < 2000; i++) {
        g_assert_cmpint(p.value, ==, i);
        qemu_event_set(&p.there);
        qemu_event_wait(&p.back);
        qemu_event_reset(&p.back);
    }
    qemu_thread_join(&t);
    g_assert_cmpint(p.value, ==, 2000);
    qemu_event_destroy(&p.there);
    qemu_event_destroy(&p.back);
}

static void *wait_event(void *opaque)
{
    qemu_event_wait(opaque);
    return NULL;
}

static void test_event_wakes_all(void)
{
    QemuEvent ev;
    QemuThread t[N_THREADS];

    qemu_event_init(&ev, false);
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_create(&t[i], "waiter", wait_event, &ev,
                           QEMU_THREAD_JOINABLE);
    }
    g_usleep(10000);
    qemu_event_set(&ev);
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_join(&t[i]);
    }
    qemu_event_destroy(&ev);
}

/* -- threads --------------------------------------------------------------- */

typedef struct ThreadFacts {
    char name[16];
    sigset_t blocked;
    bool is_self;
    int id;
    QemuThread *handle;
    QemuEvent go;
} ThreadFacts;

static void *gather_facts(void *opaque)
{
    ThreadFacts *f = opaque;

    qemu_event_wait(&f->go);
    pthread_getname_np(pthread_self(), f->name, sizeof(f->name));
    pthread_sigmask(SIG_SETMASK, NULL, &f->blocked);
    f->is_self = qemu_thread_is_self(f->handle);
    f->id = qemu_get_thread_id();
    qemu_thread_exit(f);
}

static void test_thread(void)
{
    ThreadFacts f = { 0 };
    QemuThread t, self;
    sigset_t mine;
    unsigned long cpus[16] = { 0 };

    f.handle = &t;
    qemu_event_init(&f.go, false);
    qemu_thread_create(&t, "a-name-longer-than-15", gather_facts, &f,
                       QEMU_THREAD_JOINABLE);
    qemu_event_set(&f.go);
    g_assert_true(qemu_thread_join(&t) == &f);
    g_assert_cmpstr(f.name, ==, "a-name-longer-t");
    g_assert_true(f.is_self);
    g_assert_cmpint(f.id, !=, qemu_get_thread_id());
    g_assert_true(sigismember(&f.blocked, SIGINT));
    g_assert_true(sigismember(&f.blocked, SIGTERM));
    g_assert_false(sigismember(&f.blocked, SIGSEGV));
    g_assert_false(sigismember(&f.blocked, SIGBUS));
    /* Ours is as it was. */
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    g_assert_false(sigismember(&mine, SIGINT));

    qemu_thread_get_self(&self);
    g_assert_true(qemu_thread_is_self(&self));
    g_assert_cmpint(qemu_get_thread_id(), ==, getpid());
    /* No CPU at all is refused. */
    g_assert_cmpint(qemu_thread_set_affinity(&self, cpus, 1024), ==, -EINVAL);
    qemu_event_destroy(&f.go);
}

typedef struct ExitNote {
    Notifier notifier; /* first */
    int *calls;
} ExitNote;

static void exit_note(Notifier *notifier, void *data)
{
    ++*((ExitNote *)notifier)->calls;
}

static void *exit_thread(void *opaque)
{
    ExitNote *notes = opaque;

    for (int i = 0; i < 3; i++) {
        notes[i].notifier.notify = exit_note;
        qemu_thread_atexit_add(&notes[i].notifier);
    }
    qemu_thread_atexit_remove(&notes[1].notifier);
    return NULL;
}

static void test_atexit(void)
{
    int calls = 0;
    ExitNote notes[3] = { { .calls = &calls },
                          { .calls = &calls },
                          { .calls = &calls } };
    QemuThread t;

    qemu_thread_create(&t, "exit", exit_thread, notes, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&t);
    g_assert_cmpint(calls, ==, 2);
}

static void *post_and_leave(void *opaque)
{
    qemu_sem_post(opaque);
    return NULL;
}

static void test_detached(void)
{
    QemuSemaphore *sem = g_new0(QemuSemaphore, 1);
    QemuThread t;

    qemu_sem_init(sem, 0);
    qemu_thread_create(&t, NULL, post_and_leave, sem, QEMU_THREAD_DETACHED);
    qemu_sem_wait(sem);
    /* The waiter got out, so the poster is out of the lock: may go. */
    qemu_sem_destroy(sem);
    g_free(sem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/mutex", test_mutex);
    g_test_add_func("/thread/spin", test_spin);
    g_test_add_func("/thread/rec-mutex", test_rec);
    g_test_add_func("/thread/guard", test_guard);
    g_test_add_func("/thread/uninitialised", test_uninitialised);
    g_test_add_func("/thread/cond", test_cond);
    g_test_add_func("/thread/semaphore", test_sem);
    g_test_add_func("/thread/event", test_event);
    g_test_add_func("/thread/event-wakes-all", test_event_wakes_all);
    g_test_add_func("/thread/create", test_thread);
    g_test_add_func("/thread/atexit", test_atexit);
    g_test_add_func("/thread/detached", test_detached);
    return g_test_run();
}
