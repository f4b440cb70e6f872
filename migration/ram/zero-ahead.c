/*
 * The thread that looks for zero pages; see zero-ahead.h.
 *
 * @taken has a bit for each group that somebody has, @done for those whose word of
 * @zero is written. Whoever sets all bits of @taken makes the thread idle. The job
 * is the sender's until the thread has made POSTED of @state to WORKING: one that it
 * has not come to is replaced by the next.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/zero-ahead.h"

#include <sched.h>

#include "migration/ram-block.h"
#include "migration/ram/page-zero.h"
#include "util/atomic.h"
#include "util/thread.h"

/* The CPU fetches ahead within a page only; see PREFETCH_AHEAD of writer.c. */
#define PREFETCH_BELOW (2 * RAM_PAGE_SIZE)

#define WORDS (ZERO_AHEAD_GROUPS / 64)

typedef enum State {
    IDLE,
    POSTED,  /* there is a job, and the thread will wake up */
    WORKING, /* the job is the thread's */
} State;

struct ZeroAhead {
    QemuThread thread;
    QemuSemaphore work;
    cpu_set_t cpus; /* where it may run */
    int tid;        /* atomic; 0: it has not begun to run */
    bool quit;      /* atomic */
    State state;    /* atomic */

    /* The job. */
    const uint8_t *base;
    unsigned groups;
    uint64_t wanted[ZERO_AHEAD_GROUPS];

    uint64_t taken[WORDS]; /* atomic */
    uint64_t done[WORDS];  /* atomic */
    uint64_t zero[ZERO_AHEAD_GROUPS];
    uint64_t cpu_ns; /* atomic: of the thread, in all */

    /* The sender's. */
    uint64_t mine[WORDS];  /* groups that it took */
    uint64_t known[WORDS]; /* groups that were found done */
    uint64_t told_ns;
    int away_from; /* the CPU that the thread has left to the sender; -1: none */
};

/* Downwards, as the groups are taken. */
static uint64_t look_at_group(const uint8_t *base, uint64_t wanted)
{
    uint64_t zero = 0;

    for (unsigned i = ZERO_AHEAD_GROUP; i-- > 0;) {
        const uint8_t *page = base + i * RAM_PAGE_SIZE;

        if (!(wanted >> i & 1)) {
            continue;
        }
        __builtin_prefetch(page -
                           PREFETCH_BELOW); /* harmless below the begin */
        __builtin_prefetch(page - PREFETCH_BELOW + 64);
        if (page_is_zero(page)) {
            zero |= UINT64_C(1) << i;
        }
    }
    return zero;
}

static void look(ZeroAhead *z)
{
    for (unsigned g = z->groups; g-- > 0;) {
        uint64_t bit = UINT64_C(1) << g % 64;

        if (!z->wanted[g]) {
            continue;
        }
        if (qatomic_fetch_or(&z->taken[g / 64], bit) & bit) {
            return; /* the sender has come so far, or there is no more to do */
        }
        z->zero[g] = look_at_group(
            z->base + g * ZERO_AHEAD_GROUP * RAM_PAGE_SIZE, z->wanted[g]);
        qatomic_fetch_or(&z->done[g / 64], bit);
    }
}

static void *ahead_thread(void *opaque)
{
    ZeroAhead *z = opaque;

    qatomic_set(&z->tid, qemu_get_thread_id());
    for (;;) {
        struct timespec ts;

        qemu_sem_wait(&z->work);
        if (qatomic_read(&z->quit)) {
            return NULL;
        }
        if (qatomic_cmpxchg(&z->state, POSTED, WORKING) != POSTED) {
            continue; /* more wake-ups than jobs */
        }
        look(z);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        qatomic_set(&z->cpu_ns,
                    (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
        qatomic_store_release(&z->state, IDLE);
    }
}

/*
 * It works for a millisecond at a time: where all processors have something to do
 * the scheduler wakes it where it ran last, on the sender's as well as on any
 * other, and never finds the time to move it.
 */
static void keep_away(ZeroAhead *z)
{
    int tid = qatomic_read(&z->tid);
    int cpu = sched_getcpu();
    cpu_set_t others = z->cpus;

    if (!tid || cpu < 0 || cpu >= CPU_SETSIZE || cpu == z->away_from) {
        return;
    }
    CPU_CLR(cpu, &others);
    /* Where that is refused (the cpuset was changed), it runs where it is. */
    sched_setaffinity(tid, sizeof(others), &others);
    z->away_from = cpu;
}

ZeroAhead *zero_ahead_new(void)
{
    cpu_set_t cpus;
    ZeroAhead *z;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) < 2) {
        return NULL;
    }
    z = g_new0(ZeroAhead, 1);
    z->cpus = cpus;
    z->away_from = -1;
    qemu_sem_init(&z->work, 0);
    if (qemu_thread_try_create(&z->thread, "mig-zero", ahead_thread, z,
                               QEMU_THREAD_JOINABLE) < 0) {
        qemu_sem_destroy(&z->work);
        g_free(z);
        return NULL;
    }
    return z;
}

void zero_ahead_free(ZeroAhead *z)
{
    if (!z) {
        return;
    }
    zero_ahead_cancel(z);
    qatomic_set(&z->quit, true);
    qemu_sem_post(&z->work);
    qemu_thread_join(&z->thread);
    qemu_sem_destroy(&z->work);
    g_free(z);
}

bool zero_ahead_ready(ZeroAhead *z)
{
    return qatomic_load_acquire(&z->state) != WORKING;
}

bool zero_ahead_begin(ZeroAhead *z, const uint8_t *base, const uint64_t *wanted,
                      unsigned groups)
{
    g_assert(groups <= ZERO_AHEAD_GROUPS);
    if (qatomic_cmpxchg(&z->state, POSTED, IDLE) == WORKING) {
        return false;
    }
    keep_away(z);
    z->base = base;
    z->groups = groups;
    memcpy(z->wanted, wanted, groups * sizeof(wanted[0]));
    for (unsigned i = 0; i < WORDS; i++) {
        z->mine[i] = z->known[i] = 0;
        qatomic_set(&z->done[i], 0);
        qatomic_set(&z->taken[i], 0);
    }
    qatomic_store_release(&z->state, POSTED);
    qemu_sem_post(&z->work);
    return true;
}

bool zero_ahead_knows(ZeroAhead *z, unsigned page, bool *ret_zero)
{
    unsigned g = page / ZERO_AHEAD_GROUP;
    unsigned word = g / 64;
    uint64_t bit = UINT64_C(1) << g % 64;

    if (z->mine[word] & bit) {
        return false;
    }
    if (!(z->known[word] & bit)) {
        if (!(qatomic_fetch_or(&z->taken[word], bit) & bit)) {
            z->mine[word] |= bit;
            return false;
        }
        if (!(qatomic_load_acquire(&z->done[word]) & bit)) {
            return false;
        }
        z->known[word] |= bit;
    }
    *ret_zero = z->zero[g] >> page % ZERO_AHEAD_GROUP & 1;
    return true;
}

void zero_ahead_cancel(ZeroAhead *z)
{
    for (unsigned i = 0; z && i < WORDS; i++) {
        qatomic_fetch_or(&z->taken[i], UINT64_MAX);
    }
}

uint64_t zero_ahead_cpu_ns(ZeroAhead *z)
{
    uint64_t now = z ? qatomic_read(&z->cpu_ns) : 0;
    uint64_t more = z ? now - z->told_ns : 0;

    if (z) {
        z->told_ns = now;
    }
    return more;
}
