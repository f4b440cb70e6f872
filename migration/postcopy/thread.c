/*
 * Threads that a guest waits for, and the guest's own; see postcopy/thread.h.
 *
 * Each missing page passes through three threads that have slept until then.
 * On a busy host they must not wait for the end of another's time slice. A
 * thread with a short slice has an early deadline and is let in when it wakes
 * (Linux 6.12; older kernels ignore the number); a better nice value, where
 * the process may set one, does the same on all kernels.
 *
 * The last to wake is the guest's own thread. Beside threads with short slices
 * one with a long slice is let in last: until the next tick it would wait for
 * the one that has just brought its page. So it gets a short slice as well while
 * pages are missing. And threads that carry what nobody waits for do not preempt
 * anybody when they wake (SCHED_BATCH), and get less than others.
 *
 * Threads inherit all this from the one that makes them. So who has it for a
 * while gives it back before it makes another.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/thread.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "util/lockable.h"

#define URGENT_SLICE_NS 100000 /* the shortest that the kernel takes */
#define URGENT_NICE     -10
#define BULK_NICE       5 /* more than it is */
#define NICE_MAX        19

/* The first version of the kernel's struct sched_attr (sched_setattr(2)),
 * which not every libc has. */
typedef struct SchedAttr {
    uint32_t size;
    uint32_t sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime;
    uint64_t sched_deadline;
    uint64_t sched_period;
} SchedAttr;

_Static_assert(sizeof(SchedAttr) == 48, "SCHED_ATTR_SIZE_VER0");

static bool thread_get(int tid, SchedAttr *attr)
{
    *attr = (SchedAttr){ .size = sizeof(*attr) };
    if (syscall(SYS_sched_getattr, tid, attr, sizeof(*attr), 0) < 0) {
        return false;
    }
    attr->size = sizeof(*attr);
    /* Somebody has arranged for real time, or for idle time only. */
    return attr->sched_policy == SCHED_OTHER;
}

static bool thread_set(int tid, SchedAttr *attr)
{
    return syscall(SYS_sched_setattr, tid, attr, 0) == 0;
}

static bool set_urgent(int tid, int nice)
{
    SchedAttr attr = {
        .size = sizeof(attr),
        .sched_policy = SCHED_OTHER,
        .sched_nice = nice,
        .sched_runtime = URGENT_SLICE_NS,
    };

    return thread_set(tid, &attr);
}

static bool set_bulk(int tid, int nice)
{
    SchedAttr attr = {
        .size = sizeof(attr),
        .sched_policy = SCHED_BATCH,
        .sched_nice = nice,
    };

    return thread_set(tid, &attr);
}

static int bulk_nice(int nice)
{
    return MAX(nice, MIN(nice + BULK_NICE, NICE_MAX));
}

void postcopy_slice_shorten(PostcopySlice *s, int tid)
{
    SchedAttr attr;

    *s = (PostcopySlice){ 0 };
    if (!thread_get(tid, &attr)) {
        return;
    }
    s->before_ns = attr.sched_runtime;
    attr.sched_runtime = URGENT_SLICE_NS;
    if (thread_set(tid, &attr)) {
        s->tid = tid;
    }
}

void postcopy_slice_restore(PostcopySlice *s, int tid)
{
    SchedAttr attr;

    /* Not what somebody else has set meanwhile. */
    if (s->tid && s->tid == tid && thread_get(tid, &attr) &&
        attr.sched_runtime == URGENT_SLICE_NS) {
        attr.sched_runtime = s->before_ns;
        thread_set(tid, &attr);
    }
    s->tid = 0;
}

void postcopy_thread_urgent(void)
{
    SchedAttr attr;

    /* Without the privilege: as nice as it is, but with short slices. */
    if (thread_get(0, &attr) &&
        !set_urgent(0, MIN(attr.sched_nice, URGENT_NICE))) {
        set_urgent(0, attr.sched_nice);
    }
}

void postcopy_thread_avoid(int tid, unsigned cpu, PostcopyAway *ret)
{
    PostcopyAway away = { .tid = tid };

    if (ret) {
        ret->tid = 0;
    }
    /* 0 would be the caller. */
    if (tid <= 0 || cpu >= CPU_SETSIZE ||
        sched_getaffinity(tid, sizeof(away.before), &away.before) < 0) {
        return;
    }
    away.since = away.before;
    CPU_CLR(cpu, &away.since);
    if (CPU_COUNT(&away.since) > 0 &&
        sched_setaffinity(tid, sizeof(away.since), &away.since) == 0 && ret) {
        *ret = away;
    }
}

void postcopy_thread_back(PostcopyAway *away)
{
    cpu_set_t now;

    if (away->tid && sched_getaffinity(away->tid, sizeof(now), &now) == 0 &&
        CPU_EQUAL(&now, &away->since)) {
        sched_setaffinity(away->tid, sizeof(away->before), &away->before);
    }
    away->tid = 0;
}

/* -- both in turn --------------------------------------------------------------- */

void postcopy_carrier_init(PostcopyCarrier *c)
{
    *c = (PostcopyCarrier){ 0 };
    qemu_mutex_init(&c->lock);
}

void postcopy_carrier_destroy(PostcopyCarrier *c)
{
    qemu_mutex_destroy(&c->lock);
}

void postcopy_carrier_begin(PostcopyCarrier *c)
{
    SchedAttr attr;

    QEMU_LOCK_GUARD(&c->lock);
    if (c->tid || !thread_get(0, &attr)) {
        return;
    }
    c->nice_before = attr.sched_nice;
    c->slice_before_ns = attr.sched_runtime;
    c->nice_urgent = MIN(attr.sched_nice, URGENT_NICE);
    c->nice_bulk = bulk_nice(attr.sched_nice);
    if (!set_urgent(0, c->nice_urgent)) {
        /* A nicer one could not come back. */
        c->nice_urgent = c->nice_bulk = attr.sched_nice;
    }
    set_bulk(0, c->nice_bulk);
    c->awaited = false;
    c->tid = qemu_get_thread_id();
}

void postcopy_carrier_end(PostcopyCarrier *c)
{
    SchedAttr attr = {
        .size = sizeof(attr),
        .sched_policy = SCHED_OTHER,
    };

    QEMU_LOCK_GUARD(&c->lock);
    if (c->tid) {
        attr.sched_nice = c->nice_before;
        attr.sched_runtime = c->slice_before_ns;
        thread_set(c->tid, &attr);
        c->tid = 0;
        c->awaited = false;
    }
}

void postcopy_carrier_awaited(PostcopyCarrier *c, bool awaited)
{
    QEMU_LOCK_GUARD(&c->lock);
    if (!c->tid || c->awaited == awaited) {
        return;
    }
    c->awaited = awaited;
    if (awaited) {
        set_urgent(c->tid, c->nice_urgent);
    } else {
        set_bulk(c->tid, c->nice_bulk);
    }
}
