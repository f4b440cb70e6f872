/*
 * The thread that looks for zero pages; see zero-ahead.h.
 *
 * @taken has a bit for each group that somebody has, @done for those whose word of
 * @zero is written. The job is changed only while the thread is idle, and whoever
 * sets all bits of @taken makes it so.
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

struct ZeroAhead {
    QemuThread thread;
    QemuSemaphore work;
    bool quit; /* atomic */
    bool busy; /* atomic: the job is the thread's */

    /* The job. */
    const uint8_t *base;
    unsigned groups;
    uint64_t wanted[64];

    uint64_t taken; /* atomic */
    uint64_t done;  /* atomic */
    uint64_t zero[64];
    uint64_t cpu_ns; /* atomic: of the thread, in all */

    /* The sender's. */
    uint64_t mine;  /* groups that it took */
    uint64_t known; /* groups that were found done */
    uint64_t told_ns;
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
        uint64_t bit = UINT64_C(1) << g;

        if (!z->wanted[g]) {
            continue;
        }
        if (qatomic_fetch_or(&z->taken, bit) & bit) {
            return; /* the sender has come so far, or there is no more to do */
        }
        z->zero[g] = look_at_group(
            z->base + g * ZERO_AHEAD_GROUP * RAM_PAGE_SIZE, z->wanted[g]);
        qatomic_fetch_or(&z->done, bit);
    }
}

static void *ahead_thread(void *opaque)
{
    ZeroAhead *z = opaque;

    for (;;) {
        struct timespec ts;

        qemu_sem_wait(&z->work);
        if (qatomic_read(&z->quit)) {
            return NULL;
        }
        look(z);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        qatomic_set(&z->cpu_ns,
                    (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
        qatomic_store_release(&z->busy, false);
    }
}

ZeroAhead *zero_ahead_new(void)
{
    cpu_set_t cpus;
    ZeroAhead *z;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) < 2) {
        return NULL;
    }
    z = g_new0(ZeroAhead, 1);
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

bool zero_ahead_begin(ZeroAhead *z, const uint8_t *base, const uint64_t *wanted,
                      unsigned groups)
{
    g_assert(groups <= 64);
    if (qatomic_load_acquire(&z->busy)) {
        return false;
    }
    z->base = base;
    z->groups = groups;
    memcpy(z->wanted, wanted, groups * sizeof(wanted[0]));
    z->mine = z->known = 0;
    qatomic_set(&z->done, 0);
    qatomic_set(&z->taken, 0);
    qatomic_store_release(&z->busy, true);
    qemu_sem_post(&z->work);
    return true;
}

bool zero_ahead_knows(ZeroAhead *z, unsigned page, bool *ret_zero)
{
    unsigned g = page / ZERO_AHEAD_GROUP;
    uint64_t bit = UINT64_C(1) << g;

    if (z->mine & bit) {
        return false;
    }
    if (!(z->known & bit)) {
        if (!(qatomic_fetch_or(&z->taken, bit) & bit)) {
            z->mine |= bit;
            return false;
        }
        if (!(qatomic_load_acquire(&z->done) & bit)) {
            return false;
        }
        z->known |= bit;
    }
    *ret_zero = z->zero[g] >> page % ZERO_AHEAD_GROUP & 1;
    return true;
}

void zero_ahead_cancel(ZeroAhead *z)
{
    if (z) {
        qatomic_fetch_or(&z->taken, UINT64_MAX);
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
