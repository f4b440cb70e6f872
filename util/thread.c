/*
 * Threads, locks and waits over pthreads and futexes.
 *
 * QemuEvent is one futex word:
 *
 *   EVENT_SET --reset--> EVENT_UNSET --wait--> EVENT_WAITED
 *       ^-------- set ------'                       |
 *       ^-------- set, and wake all ----------------'
 *
 * so that set() enters the kernel only when somebody sleeps.
 *
 * Mutable file-scope state: whether threads get names (set from the command
 * line before threads start).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/thread.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>

#include "util/bitops.h"
#include "util/notify.h"

enum {
    EVENT_SET,
    EVENT_UNSET,
    EVENT_WAITED,
};

#define THREAD_NAME_SIZE 16 /* the kernel's limit, with the NUL */

static bool name_threads = true;

/* A pthread call failed: a bug of ours or a system that can not go on. */
static void check_pthread(int err, const char *func)
{
    if (unlikely(err)) {
        fprintf(stderr, "ferry: %s: %s\n", func, g_strerror(err));
        abort();
    }
}

/* -- mutex ----------------------------------------------------------------- */

static void mutex_init_type(QemuMutex *mutex, int type)
{
    pthread_mutexattr_t attr;

    check_pthread(pthread_mutexattr_init(&attr), __func__);
    check_pthread(pthread_mutexattr_settype(&attr, type), __func__);
    check_pthread(pthread_mutex_init(&mutex->lock, &attr), __func__);
    pthread_mutexattr_destroy(&attr);
    mutex->initialized = true;
}

void qemu_mutex_init(QemuMutex *mutex)
{
    mutex_init_type(mutex, PTHREAD_MUTEX_DEFAULT);
}

void qemu_mutex_destroy(QemuMutex *mutex)
{
    assert(mutex->initialized);
    mutex->initialized = false;
    check_pthread(pthread_mutex_destroy(&mutex->lock), __func__);
}

void qemu_mutex_lock(QemuMutex *mutex)
{
    assert(mutex->initialized);
    check_pthread(pthread_mutex_lock(&mutex->lock), __func__);
}

int qemu_mutex_trylock(QemuMutex *mutex)
{
    int err;

    assert(mutex->initialized);
    err = pthread_mutex_trylock(&mutex->lock);
    if (err == EBUSY) {
        return -EBUSY;
    }
    check_pthread(err, __func__);
    return 0;
}

void qemu_mutex_unlock(QemuMutex *mutex)
{
    assert(mutex->initialized);
    check_pthread(pthread_mutex_unlock(&mutex->lock), __func__);
}

void qemu_rec_mutex_init(QemuRecMutex *mutex)
{
    mutex_init_type(&mutex->m, PTHREAD_MUTEX_RECURSIVE);
}

void qemu_rec_mutex_destroy(QemuRecMutex *mutex)
{
    qemu_mutex_destroy(&mutex->m);
}

void qemu_rec_mutex_lock(QemuRecMutex *mutex)
{
    qemu_mutex_lock(&mutex->m);
}

int qemu_rec_mutex_trylock(QemuRecMutex *mutex)
{
    return qemu_mutex_trylock(&mutex->m);
}

void qemu_rec_mutex_unlock(QemuRecMutex *mutex)
{
    qemu_mutex_unlock(&mutex->m);
}

void qemu_spin_lock_slow(QemuSpin *spin)
{
    unsigned int tries = 0;

    do {
        while (qemu_spin_locked(spin)) {
            /* The holder may not be running: a spinner must not keep it so. */
            if (++tries % 128 == 0) {
                sched_yield();
            } else {
                cpu_relax();
            }
        }
    } while (qemu_spin_trylock(spin));
}

/* -- condition ------------------------------------------------------------- */

void qemu_cond_init(QemuCond *cond)
{
    pthread_condattr_t attr;

    check_pthread(pthread_condattr_init(&attr), __func__);
    check_pthread(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), __func__);
    check_pthread(pthread_cond_init(&cond->cond, &attr), __func__);
    pthread_condattr_destroy(&attr);
    cond->initialized = true;
}

void qemu_cond_destroy(QemuCond *cond)
{
    assert(cond->initialized);
    cond->initialized = false;
    check_pthread(pthread_cond_destroy(&cond->cond), __func__);
}

void qemu_cond_signal(QemuCond *cond)
{
    assert(cond->initialized);
    check_pthread(pthread_cond_signal(&cond->cond), __func__);
}

void qemu_cond_broadcast(QemuCond *cond)
{
    assert(cond->initialized);
    check_pthread(pthread_cond_broadcast(&cond->cond), __func__);
}

void qemu_cond_wait(QemuCond *cond, QemuMutex *mutex)
{
    assert(cond->initialized);
    check_pthread(pthread_cond_wait(&cond->cond, &mutex->lock), __func__);
}

static struct timespec deadline_after_ms(int ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (ms % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_nsec -= 1000000000L;
        ts.tv_sec++;
    }
    return ts;
}

static bool cond_wait_until(QemuCond *cond, QemuMutex *mutex,
                            const struct timespec *ts)
{
    int err = pthread_cond_timedwait(&cond->cond, &mutex->lock, ts);

    if (err == ETIMEDOUT) {
        return false;
    }
    check_pthread(err, __func__);
    return true;
}

bool qemu_cond_timedwait(QemuCond *cond, QemuMutex *mutex, int ms)
{
    struct timespec ts = deadline_after_ms(ms);

    assert(cond->initialized);
    return cond_wait_until(cond, mutex, &ts);
}

/* -- semaphore ------------------------------------------------------------- */

void qemu_sem_init(QemuSemaphore *sem, int init)
{
    assert(init >= 0);
    qemu_mutex_init(&sem->mutex);
    qemu_cond_init(&sem->cond);
    sem->count = (unsigned int)init;
}

void qemu_sem_destroy(QemuSemaphore *sem)
{
    qemu_cond_destroy(&sem->cond);
    qemu_mutex_destroy(&sem->mutex);
}

void qemu_sem_post(QemuSemaphore *sem)
{
    qemu_mutex_lock(&sem->mutex);
    assert(sem->count < UINT_MAX);
    sem->count++;
    /* Inside the lock: the waiter may destroy @sem as soon as it is out. */
    qemu_cond_signal(&sem->cond);
    qemu_mutex_unlock(&sem->mutex);
}

void qemu_sem_wait(QemuSemaphore *sem)
{
    qemu_mutex_lock(&sem->mutex);
    while (sem->count == 0) {
        qemu_cond_wait(&sem->cond, &sem->mutex);
    }
    sem->count--;
    qemu_mutex_unlock(&sem->mutex);
}

int qemu_sem_timedwait(QemuSemaphore *sem, int ms)
{
    struct timespec ts = deadline_after_ms(ms);
    bool in_time = true;

    qemu_mutex_lock(&sem->mutex);
    while (sem->count == 0 && in_time) {
        in_time = cond_wait_until(&sem->cond, &sem->mutex, &ts);
    }
    if (sem->count > 0) {
        sem->count--;
        in_time = true;
    }
    qemu_mutex_unlock(&sem->mutex);
    return in_time ? 0 : -1;
}

/* -- event ----------------------------------------------------------------- */

static void futex_wake_all(unsigned *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Returns when woken, at once when *@word is not @val, or for a signal. */
static void futex_wait(unsigned *word, unsigned val)
{
    long ret = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, val, NULL, NULL, 0);

    if (ret < 0 && errno != EAGAIN && errno != EINTR) {
        check_pthread(errno, __func__);
    }
}

void qemu_event_init(QemuEvent *ev, bool init)
{
    ev->value = init ? EVENT_SET : EVENT_UNSET;
    ev->initialized = true;
}

void qemu_event_destroy(QemuEvent *ev)
{
    assert(ev->initialized);
    ev->initialized = false;
}

void qemu_event_set(QemuEvent *ev)
{
    assert(ev->initialized);
    if (qatomic_xchg(&ev->value, EVENT_SET) == EVENT_WAITED) {
        futex_wake_all(&ev->value);
    }
}

void qemu_event_reset(QemuEvent *ev)
{
    assert(ev->initialized);
    qatomic_cmpxchg(&ev->value, EVENT_SET, EVENT_UNSET);
}

void qemu_event_wait(QemuEvent *ev)
{
    assert(ev->initialized);
    while (qatomic_load_acquire(&ev->value) != EVENT_SET) {
        if (qatomic_cmpxchg(&ev->value, EVENT_UNSET, EVENT_WAITED) !=
            EVENT_SET) {
            futex_wait(&ev->value, EVENT_WAITED);
        }
    }
}

/* -- things to do when a thread ends --------------------------------------- */

static __thread NotifierList thread_exit_list;
static pthread_key_t thread_exit_key;
static pthread_once_t thread_exit_once = PTHREAD_ONCE_INIT;

static void thread_exit_run(void *arg)
{
    notifier_list_notify(arg, NULL);
}

static void thread_exit_key_create(void)
{
    check_pthread(pthread_key_create(&thread_exit_key, thread_exit_run),
                  __func__);
}

void qemu_thread_atexit_add(Notifier *notifier)
{
    check_pthread(pthread_once(&thread_exit_once, thread_exit_key_create),
                  __func__);
    /* The destructor runs for a key that is not NULL. */
    check_pthread(pthread_setspecific(thread_exit_key, &thread_exit_list),
                  __func__);
    notifier_list_add(&thread_exit_list, notifier);
}

void qemu_thread_atexit_remove(Notifier *notifier)
{
    notifier_remove(notifier);
}

/* -- threads --------------------------------------------------------------- */

typedef struct ThreadStart {
    void *(*routine)(void *);
    void *arg;
    char name[THREAD_NAME_SIZE];
} ThreadStart;

static void *thread_main(void *opaque)
{
    g_autofree ThreadStart *start = opaque;
    void *(*routine)(void *) = start->routine;
    void *arg = start->arg;

    if (start->name[0]) {
        pthread_setname_np(pthread_self(), start->name);
    }
    /* Freed here, because the routine may leave by qemu_thread_exit(). */
    g_free(g_steal_pointer(&start));
    return routine(arg);
}

int qemu_thread_try_create(QemuThread *thread, const char *name,
                           void *(*start_routine)(void *), void *arg, int mode)
{
    ThreadStart *start = g_new0(ThreadStart, 1);
    sigset_t block, old;
    pthread_attr_t attr;
    int err;

    start->routine = start_routine;
    start->arg = arg;
    if (name && qatomic_read(&name_threads)) {
        g_strlcpy(start->name, name, sizeof(start->name));
    }

    /* A signal that the thread's own instruction raises can't be blocked. */
    sigfillset(&block);
    sigdelset(&block, SIGSEGV);
    sigdelset(&block, SIGFPE);
    sigdelset(&block, SIGILL);
    sigdelset(&block, SIGBUS);
    sigdelset(&block, SIGTRAP);
    sigdelset(&block, SIGSYS);

    check_pthread(pthread_attr_init(&attr), __func__);
    if (mode == QEMU_THREAD_DETACHED) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    pthread_sigmask(SIG_SETMASK, &block, &old);
    err = pthread_create(&thread->thread, &attr, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err) {
        g_free(start);
    }
    return -err;
}

void qemu_thread_create(QemuThread *thread, const char *name,
                        void *(*start_routine)(void *), void *arg, int mode)
{
    check_pthread(-qemu_thread_try_create(thread, name, start_routine, arg,
                                          mode),
                  __func__);
}

void *qemu_thread_join(QemuThread *thread)
{
    void *ret;

    check_pthread(pthread_join(thread->thread, &ret), __func__);
    return ret;
}

void qemu_thread_get_self(QemuThread *thread)
{
    thread->thread = pthread_self();
}

bool qemu_thread_is_self(QemuThread *thread)
{
    return pthread_equal(pthread_self(), thread->thread);
}

void qemu_thread_exit(void *retval)
{
    pthread_exit(retval);
}

void qemu_thread_naming(bool enable)
{
    qatomic_set(&name_threads, enable);
}

int qemu_get_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

int qemu_thread_set_affinity(QemuThread *thread, unsigned long *host_cpus,
                             unsigned long nbits)
{
    const size_t setsize = CPU_ALLOC_SIZE(nbits);
    cpu_set_t *set = CPU_ALLOC(nbits);
    unsigned long cpu;
    int err;

    CPU_ZERO_S(setsize, set);
    for (cpu = find_first_bit(host_cpus, nbits); cpu < nbits;
         cpu = find_next_bit(host_cpus, nbits, cpu + 1)) {
        CPU_SET_S(cpu, setsize, set);
    }
    err = pthread_setaffinity_np(thread->thread, setsize, set);
    CPU_FREE(set);
    return -err;
}
