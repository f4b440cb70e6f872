/*
 * Threads that a guest waits for; see postcopy-thread.h.
 *
 * Each missing page passes through three threads that have slept until then.
 * On a busy host they must not wait for the end of another's time slice. A
 * thread with a short slice has an early deadline and is let in when it wakes
 * (Linux 6.12; older kernels ignore the number); a better nice value, where
 * the process may set one, does the same on all kernels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "postcopy-thread.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define URGENT_SLICE_NS 100000 /* the shortest that the kernel takes */
#define URGENT_NICE     -10

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

void postcopy_thread_urgent(void)
{
    int nice = getpriority(PRIO_PROCESS, 0);
    SchedAttr attr = {
        .size = sizeof(attr),
        .sched_policy = SCHED_OTHER,
        .sched_nice = MIN(nice, URGENT_NICE),
        .sched_runtime = URGENT_SLICE_NS,
    };

    /* Somebody has arranged for real time, or for idle time only. */
    if (sched_getscheduler(0) != SCHED_OTHER) {
        return;
    }
    if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0) {
        /* Without the privilege: as nice as it is, but with short slices. */
        attr.sched_nice = nice;
        syscall(SYS_sched_setattr, 0, &attr, 0);
    }
}
