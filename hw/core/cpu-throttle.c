/*
 * Making vCPUs sleep a share of their time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/cpu-throttle.h"

#include <time.h>

#include "trace/trace-hw.h"
#include "util/lockable.h"
#include "util/timer.h"

#define MS INT64_C(1000000)
/* Running and sleeping together, as far as a vCPU then runs SLICE_MIN_NS. */
#define PERIOD_NS    (10 * MS)
#define SLICE_MIN_NS (MS / 10)
/* Longest sleep at once: a vCPU that came late is forgiven the rest. */
#define SLEEP_MAX_NS (1000 * MS)

static unsigned share_of(const CPUSet *set, const CPUState *cpu)
{
    return MAX(set->throttle.percent * CPU_THROTTLE_UNITS / 100,
               cpu->throttle_share);
}

static bool any_throttled(const CPUSet *set)
{
    for (guint i = 0; i < set->cpus->len; i++) {
        if (share_of(set, set->cpus->pdata[i])) {
            return true;
        }
    }
    return false;
}

/* Less than a millisecond, which condition variables do not wait. Gives the lock
 * up meanwhile. */
static void sleep_rest(CPUSet *set, int64_t ns)
{
    struct timespec ts = { .tv_nsec = (long)ns };

    qemu_mutex_unlock(&set->lock);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
    qemu_mutex_lock(&set->lock);
}

/* -- the thread that takes vCPUs out of the guest ------------------------------ */

/* Returns: when to look again. */
static int64_t look(CPUSet *set)
{
    int64_t now = get_clock();
    int64_t next = now + PERIOD_NS;

    for (guint i = 0; i < set->cpus->len; i++) {
        CPUState *cpu = set->cpus->pdata[i];

        if (!share_of(set, cpu) || cpu->stopped || cpu->throttle_due ||
            cpu->throttle_sleeps) {
            continue;
        }
        if (cpu->throttle_kick_ns <= now) {
            cpu->throttle_due = true;
            ACCEL_GET_CLASS(cpu->vcpu->accel)->vcpu_kick(cpu->vcpu);
        } else {
            next = MIN(next, cpu->throttle_kick_ns);
        }
    }
    return next;
}

static void *throttle_thread(void *opaque)
{
    CPUSet *set = opaque;

    QEMU_LOCK_GUARD(&set->lock);
    while (!set->throttle.quit) {
        int64_t left;

        if (!any_throttled(set)) {
            qemu_cond_wait(&set->throttle.work, &set->lock);
            continue;
        }
        left = look(set) - get_clock();
        if (left >= MS) {
            qemu_cond_timedwait(&set->throttle.work, &set->lock,
                                (int)(left / MS));
        } else if (left > 0) {
            sleep_rest(set, left);
        }
    }
    return NULL;
}

/* -- the vCPU's side ----------------------------------------------------------- */

static bool may_sleep(const CPUSet *set, const CPUState *cpu)
{
    return !cpu->stop && !cpu->quit && share_of(set, cpu);
}

static void sleep_until(CPUSet *set, CPUState *cpu, int64_t end)
{
    while (may_sleep(set, cpu)) {
        int64_t left = end - get_clock();

        if (left <= 0) {
            break;
        }
        if (left >= MS) {
            qemu_cond_timedwait(&set->throttle.wake, &set->lock,
                                (int)(left / MS));
        } else {
            sleep_rest(set, left);
        }
    }
}

/* It runs from now on. */
static void begins(CPUSet *set, CPUState *cpu)
{
    int64_t slice = PERIOD_NS / CPU_THROTTLE_UNITS *
                    (CPU_THROTTLE_UNITS - share_of(set, cpu));

    cpu->throttle_ran_ns = get_clock();
    cpu->throttle_kick_ns = cpu->throttle_ran_ns + MAX(slice, SLICE_MIN_NS);
    qemu_cond_signal(&set->throttle.work);
}

void cpu_throttle_wait(CPUState *cpu)
{
    CPUSet *set = cpu_set_of(cpu);
    int64_t now, ran, sleep;

    if (likely(!cpu->throttle_due)) {
        return;
    }
    cpu->throttle_due = false;
    if (!may_sleep(set, cpu)) {
        return;
    }
    now = get_clock();
    ran = now - cpu->throttle_ran_ns;
    sleep = MIN(ran, SLEEP_MAX_NS) * share_of(set, cpu) /
            (CPU_THROTTLE_UNITS - share_of(set, cpu));
    cpu->throttle_sleeps = true;
    sleep_until(set, cpu, now + MIN(sleep, SLEEP_MAX_NS));
    cpu->throttle_sleeps = false;
    qatomic_set(&cpu->throttled_ns,
                cpu->throttled_ns + (uint64_t)(get_clock() - now));
    begins(set, cpu);
}

void cpu_throttle_wake(CPUSet *set)
{
    qemu_cond_broadcast(&set->throttle.wake);
}

/* -- settings ------------------------------------------------------------------ */

static void apply(CPUSet *set)
{
    if (!set->throttle.has_thread && any_throttled(set)) {
        qemu_thread_create(&set->throttle.thread, "throttle", throttle_thread,
                           set, QEMU_THREAD_JOINABLE);
        set->throttle.has_thread = true;
    }
    qemu_cond_signal(&set->throttle.work);
    qemu_cond_broadcast(&set->throttle.wake);
}

void cpu_throttle_set(CPUSet *set, unsigned percent)
{
    percent = MIN(percent, CPU_THROTTLE_MAX);
    QEMU_LOCK_GUARD(&set->lock);
    if (percent == set->throttle.percent) {
        return;
    }
    trace_cpu_throttle(-1, percent);
    for (guint i = 0; i < set->cpus->len; i++) {
        CPUState *cpu = set->cpus->pdata[i];

        if (!share_of(set, cpu)) {
            begins(set, cpu);
        }
    }
    set->throttle.percent = percent;
    apply(set);
}

unsigned cpu_throttle_get(CPUSet *set)
{
    QEMU_LOCK_GUARD(&set->lock);
    return set->throttle.percent;
}

void cpu_throttle_set_one(CPUSet *set, unsigned index, unsigned share)
{
    CPUState *cpu;

    share = MIN(share, CPU_THROTTLE_SHARE_MAX);
    QEMU_LOCK_GUARD(&set->lock);
    if (index >= set->cpus->len) {
        return;
    }
    cpu = set->cpus->pdata[index];
    if (cpu->throttle_share == share) {
        return;
    }
    trace_cpu_throttle((int)index, share / 100);
    if (!share_of(set, cpu)) {
        begins(set, cpu);
    }
    cpu->throttle_share = share;
    apply(set);
}

uint64_t cpu_throttled_ns(CPUSet *set, unsigned index)
{
    /* CPUs stay as they are while the machine runs. */
    return index < set->cpus->len
               ? qatomic_read(
                     &((CPUState *)set->cpus->pdata[index])->throttled_ns)
               : 0;
}

void cpu_throttle_init(CPUSet *set)
{
    qemu_cond_init(&set->throttle.work);
    qemu_cond_init(&set->throttle.wake);
}

void cpu_throttle_deinit(CPUSet *set)
{
    if (set->throttle.has_thread) {
        WITH_QEMU_LOCK_GUARD(&set->lock)
        {
            set->throttle.quit = true;
            qemu_cond_signal(&set->throttle.work);
        }
        qemu_thread_join(&set->throttle.thread);
    }
    qemu_cond_destroy(&set->throttle.work);
    qemu_cond_destroy(&set->throttle.wake);
}
