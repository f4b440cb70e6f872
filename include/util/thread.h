/*
 * Threads, locks and waits. Thin over pthreads: misuse (destroying a held
 * mutex, locking one that was never initialised, a failing pthread call)
 * ends the process, because no caller could carry on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <glib.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "util/atomic.h"
#include "util/typedefs.h"

struct QemuMutex {
    pthread_mutex_t lock;
    bool initialized;
};

/* For a mutex of static storage, which needs no qemu_mutex_init(). */
#define QEMU_MUTEX_INITIALIZER                                                 \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER, .initialized = true                 \
    }

typedef struct QemuRecMutex {
    QemuMutex m;
} QemuRecMutex;

typedef struct QemuCond {
    pthread_cond_t cond; /* on CLOCK_MONOTONIC */
    bool initialized;
} QemuCond;

typedef struct QemuSemaphore {
    QemuMutex mutex; /* guards count */
    QemuCond cond;
    unsigned int count;
} QemuSemaphore;

/* Manual-reset event; see qemu_event_init(). */
typedef struct QemuEvent {
    unsigned value; /* futex word, states in thread.c */
    bool initialized;
} QemuEvent;

/* Test-and-set lock for sections of a few instructions that never sleep. */
typedef struct QemuSpin {
    int value;
} QemuSpin;

typedef struct QemuThread {
    pthread_t thread;
} QemuThread;

#define QEMU_THREAD_JOINABLE 0
#define QEMU_THREAD_DETACHED 1

void qemu_mutex_init(QemuMutex *mutex);
void qemu_mutex_destroy(QemuMutex *mutex);
void qemu_mutex_lock(QemuMutex *mutex);
/** qemu_mutex_trylock: Returns: 0 when taken, -EBUSY when another holds it. */
int qemu_mutex_trylock(QemuMutex *mutex);
void qemu_mutex_unlock(QemuMutex *mutex);

/* May be taken again by the thread that holds it. */
void qemu_rec_mutex_init(QemuRecMutex *mutex);
void qemu_rec_mutex_destroy(QemuRecMutex *mutex);
void qemu_rec_mutex_lock(QemuRecMutex *mutex);
int qemu_rec_mutex_trylock(QemuRecMutex *mutex);
void qemu_rec_mutex_unlock(QemuRecMutex *mutex);

void qemu_cond_init(QemuCond *cond);
void qemu_cond_destroy(QemuCond *cond);
/* Signal and broadcast are cheapest with the mutex held; that is not needed. */
void qemu_cond_signal(QemuCond *cond);
void qemu_cond_broadcast(QemuCond *cond);
/** qemu_cond_wait: @mutex is held at call and return; may wake for nothing. */
void qemu_cond_wait(QemuCond *cond, QemuMutex *mutex);
/**
 * qemu_cond_timedwait:
 * @ms: longest wait in milliseconds, not negative
 *
 * Returns: false when the time ran out.
 */
bool qemu_cond_timedwait(QemuCond *cond, QemuMutex *mutex, int ms);

void qemu_sem_init(QemuSemaphore *sem, int init);
void qemu_sem_destroy(QemuSemaphore *sem);
void qemu_sem_post(QemuSemaphore *sem);
void qemu_sem_wait(QemuSemaphore *sem);
/** qemu_sem_timedwait: Returns: 0, or -1 when @ms milliseconds passed. */
int qemu_sem_timedwait(QemuSemaphore *sem, int ms);

/**
 * qemu_event_init:
 * @init: true makes it set from the start
 *
 * An event is set or not; qemu_event_wait() returns as soon as it is set.
 * What was written before qemu_event_set() is visible after the wait.
 */
void qemu_event_init(QemuEvent *ev, bool init);
void qemu_event_destroy(QemuEvent *ev);
void qemu_event_set(QemuEvent *ev);
void qemu_event_reset(QemuEvent *ev);
void qemu_event_wait(QemuEvent *ev);

/**
 * qemu_thread_create:
 * @thread: (out) handle; for a detached thread only good for is_self
 * @name: shown by debuggers and top, cut to 15 bytes; copied
 * @start_routine: body, its return value goes to qemu_thread_join()
 * @arg: for @start_routine
 * @mode: QEMU_THREAD_JOINABLE or QEMU_THREAD_DETACHED
 *
 * Starts with all signals blocked but those a fault raises, so that only the
 * main thread handles signals. Ends the process when the system has no
 * thread to give.
 */
void qemu_thread_create(QemuThread *thread, const char *name,
                        void *(*start_routine)(void *), void *arg, int mode);
/** qemu_thread_try_create: as above; Returns: 0 or -errno. */
int qemu_thread_try_create(QemuThread *thread, const char *name,
                           void *(*start_routine)(void *), void *arg, int mode);
void *qemu_thread_join(QemuThread *thread);
void qemu_thread_get_self(QemuThread *thread);
bool qemu_thread_is_self(QemuThread *thread);
G_NORETURN void qemu_thread_exit(void *retval);
/** qemu_thread_naming: whether threads get their names; on by default. */
void qemu_thread_naming(bool enable);
/** qemu_get_thread_id: the kernel's id of the calling thread. */
int qemu_get_thread_id(void);
/**
 * qemu_thread_set_affinity:
 * @host_cpus: (in) bitmap of @nbits host CPUs to run on
 *
 * Returns: 0 or -errno.
 */
int qemu_thread_set_affinity(QemuThread *thread, unsigned long *host_cpus,
                             unsigned long nbits);

/**
 * qemu_thread_atexit_add:
 * @notifier: (in) called with NULL when the calling thread ends; caller's
 *
 * Thread: add and remove in the thread that it is about.
 */
void qemu_thread_atexit_add(Notifier *notifier);
void qemu_thread_atexit_remove(Notifier *notifier);

static inline void qemu_spin_init(QemuSpin *spin)
{
    qatomic_set(&spin->value, 0);
}

static inline void qemu_spin_destroy(QemuSpin *spin)
{
}

static inline bool qemu_spin_trylock(QemuSpin *spin)
{
    return __atomic_exchange_n(&spin->value, 1, __ATOMIC_ACQUIRE) != 0;
}

static inline bool qemu_spin_locked(QemuSpin *spin)
{
    return qatomic_read(&spin->value) != 0;
}

/* Out of line: spins, and gives the CPU away when that takes long. */
void qemu_spin_lock_slow(QemuSpin *spin);

static inline void qemu_spin_lock(QemuSpin *spin)
{
    if (qemu_spin_trylock(spin)) {
        qemu_spin_lock_slow(spin);
    }
}

static inline void qemu_spin_unlock(QemuSpin *spin)
{
    qatomic_store_release(&spin->value, 0);
}

#endif
