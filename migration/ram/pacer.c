/*
 * The pacer's clock: @free_ns is the moment up to which the link is given away.
 * A charge moves it by bytes / rate and waits for the moment at which its own
 * share begins; so a piece is sent when all before it have had their time, and
 * nobody is overtaken. @free_ns never lies more than PACER_BURST_NS in the past.
 *
 * When the rate changes, what is already given away is converted to the new
 * rate, and the sleepers look again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/pacer.h"

#include "util/thread.h"

#define NS_PER_S INT64_C(1000000000)
/* A quantum takes this part of a second at most. */
#define QUANTUM_PER_S 200
/* Slowest rate that is kept exactly; time never overflows. */
#define RATE_MIN 1024

struct Pacer {
    QemuMutex lock; /* guards everything below */
    QemuCond changed;
    uint64_t rate;    /* bytes a second; 0 = no limit; atomic for readers */
    int64_t free_ns;  /* see the top; meaningless without a limit */
    uint64_t changes; /* of the rate: sleepers compute anew */
    bool stopped;
    uint64_t waited_ns; /* atomic */
    uint64_t charged;   /* atomic */
    uint64_t urgent;    /* atomic */
};

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

Pacer *pacer_new(void)
{
    Pacer *p = g_new0(Pacer, 1);

    qemu_mutex_init(&p->lock);
    qemu_cond_init(&p->changed);
    return p;
}

void pacer_free(Pacer *p)
{
    if (p) {
        qemu_cond_destroy(&p->changed);
        qemu_mutex_destroy(&p->lock);
        g_free(p);
    }
}

void pacer_set_rate(Pacer *p, uint64_t bytes_per_s)
{
    int64_t now = now_ns();

    if (bytes_per_s && bytes_per_s < RATE_MIN) {
        bytes_per_s = RATE_MIN;
    }
    qemu_mutex_lock(&p->lock);
    if (bytes_per_s != p->rate) {
        if (!p->rate || !bytes_per_s) {
            p->free_ns = now;
        } else if (p->free_ns > now) {
            p->free_ns = now + (int64_t)((double)(p->free_ns - now) *
                                         (double)p->rate / (double)bytes_per_s);
        }
        qatomic_set(&p->rate, bytes_per_s);
        p->changes++;
        qemu_cond_broadcast(&p->changed);
    }
    qemu_mutex_unlock(&p->lock);
}

uint64_t pacer_rate(Pacer *p)
{
    return qatomic_read(&p->rate);
}

uint64_t pacer_quantum(Pacer *p)
{
    uint64_t rate = qatomic_read(&p->rate);

    return rate ? CLAMP(rate / QUANTUM_PER_S, PACER_QUANTUM_MIN,
                        PACER_QUANTUM_MAX)
                : PACER_QUANTUM_MAX;
}

static int64_t cost_ns(uint64_t bytes, uint64_t rate)
{
    return (int64_t)((unsigned __int128)bytes * NS_PER_S / rate);
}

/*
 * Sleep until @begin_ns, the lock held. A change of the rate moves what is left
 * of the wait in proportion.
 */
static void wait_turn(Pacer *p, int64_t begin_ns)
{
    uint64_t rate = p->rate;
    uint64_t changes = p->changes;
    int64_t start = now_ns();
    int64_t now = start;

    while (!p->stopped && p->rate && now < begin_ns) {
        qemu_cond_timedwait(&p->changed, &p->lock,
                            (int)MIN((begin_ns - now + 999999) / 1000000,
                                     INT64_C(10000)));
        now = now_ns();
        if (p->changes != changes && p->rate) {
            begin_ns = now + (int64_t)((double)(begin_ns - now) * (double)rate /
                                       (double)p->rate);
            rate = p->rate;
            changes = p->changes;
        }
    }
    qatomic_add(&p->waited_ns, (uint64_t)(now - start));
}

bool pacer_charge(Pacer *p, uint64_t bytes)
{
    bool go;

    qatomic_add(&p->charged, bytes);
    qemu_mutex_lock(&p->lock);
    if (p->rate && !p->stopped) {
        int64_t now = now_ns();
        int64_t begin = MAX(p->free_ns, now - PACER_BURST_NS);

        p->free_ns = begin + cost_ns(bytes, p->rate);
        if (begin > now) {
            wait_turn(p, begin);
        }
    }
    go = !p->stopped;
    qemu_mutex_unlock(&p->lock);
    return go;
}

void pacer_urgent(Pacer *p, uint64_t bytes)
{
    qatomic_add(&p->urgent, bytes);
}

static void set_stopped(Pacer *p, bool stopped)
{
    qemu_mutex_lock(&p->lock);
    p->stopped = stopped;
    p->free_ns = now_ns();
    qemu_cond_broadcast(&p->changed);
    qemu_mutex_unlock(&p->lock);
}

void pacer_stop(Pacer *p)
{
    set_stopped(p, true);
}

void pacer_restart(Pacer *p)
{
    set_stopped(p, false);
}

uint64_t pacer_waited_ns(Pacer *p)
{
    return qatomic_read(&p->waited_ns);
}

uint64_t pacer_passed(Pacer *p, uint64_t *ret_urgent)
{
    *ret_urgent = qatomic_read(&p->urgent);
    return qatomic_read(&p->charged);
}
