/*
 * Threads that run an AioContext each. Who only comes takes them in turn; who
 * comes and goes asks for the one with the fewest users.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "threads.h"

#include "util/atomic.h"
#include "util/thread.h"

typedef struct NBDThread {
    QemuThread thread;
    AioContext *ctx; /* owned */
    bool stop;       /* its own thread's */
    unsigned users;  /* atomic */
} NBDThread;

struct NBDThreads {
    unsigned n;
    unsigned turn; /* atomic */
    NBDThread t[];
};

static void *thread_run(void *opaque)
{
    NBDThread *t = opaque;

    qemu_set_current_aio_context(t->ctx);
    while (!t->stop) {
        aio_poll(t->ctx, true);
    }
    return NULL;
}

NBDThreads *nbd_threads_new(unsigned n, const char *name, Error **errp)
{
    NBDThreads *threads;

    if (n == 0) {
        n = MIN(g_get_num_processors(), NBD_THREADS_AUTO_MAX);
    }
    n = MIN(n, NBD_THREADS_MAX);
    threads = g_malloc0(sizeof(*threads) + n * sizeof(threads->t[0]));
    for (; threads->n < n; threads->n++) {
        NBDThread *t = &threads->t[threads->n];

        t->ctx = aio_context_new(errp);
        if (!t->ctx) {
            nbd_threads_free(threads);
            return NULL;
        }
        qemu_thread_create(&t->thread, name, thread_run, t,
                           QEMU_THREAD_JOINABLE);
    }
    return threads;
}

static void thread_stop(void *opaque)
{
    NBDThread *t = opaque;

    t->stop = true;
}

void nbd_threads_free(NBDThreads *threads)
{
    if (!threads) {
        return;
    }
    for (unsigned i = 0; i < threads->n; i++) {
        NBDThread *t = &threads->t[i];

        aio_bh_schedule_oneshot(t->ctx, thread_stop, t);
        qemu_thread_join(&t->thread);
        aio_context_unref(t->ctx);
    }
    g_free(threads);
}

AioContext *nbd_threads_take(NBDThreads *threads, unsigned **ret_users)
{
    NBDThread *best = &threads->t[0];

    for (unsigned i = 1; i < threads->n; i++) {
        if (qatomic_read(&threads->t[i].users) < qatomic_read(&best->users)) {
            best = &threads->t[i];
        }
    }
    qatomic_inc(&best->users);
    *ret_users = &best->users;
    return best->ctx;
}

AioContext *nbd_threads_next(NBDThreads *threads)
{
    return threads->t[qatomic_fetch_inc(&threads->turn) % threads->n].ctx;
}
