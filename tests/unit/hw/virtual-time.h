/*
 * The guest's clock in the hands of a test: time goes on only when the test
 * says so, and then every timer fires at its nanosecond.
 *
 * The program's own clock_gettime() stands in for the C library's. To be
 * included by one file of a program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_VIRTUAL_TIME_H
#define TESTS_HW_VIRTUAL_TIME_H

#include <sys/syscall.h>
#include <time.h>

#include "util/atomic.h"
#include "util/timer.h"

#define TEST_US 1000ll
#define TEST_MS 1000000ll
#define TEST_S  1000000000ll

static int64_t virtual_time_ns = 1000 * TEST_S;

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t ns;

    if (id != CLOCK_MONOTONIC) {
        return (int)syscall(SYS_clock_gettime, id, ts);
    }
    ns = qatomic_read(&virtual_time_ns);
    ts->tv_sec = ns / TEST_S;
    ts->tv_nsec = ns % TEST_S;
    return 0;
}

/** virtual_time_jump: @ns later, without a timer on the way; they are late. */
static inline void virtual_time_jump(int64_t ns)
{
    qatomic_set(&virtual_time_ns, virtual_time_ns + ns);
}

/** virtual_time_fire: all that are due. */
static inline void virtual_time_fire(void)
{
    qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
}

/** virtual_time_step: @ns later, each timer at its time. */
static inline void virtual_time_step(int64_t ns)
{
    QEMUTimerList *list = main_loop_timers()->tl[QEMU_CLOCK_VIRTUAL];
    int64_t end = virtual_time_ns + ns;

    for (;;) {
        int64_t next = timerlist_deadline_ns(list);

        if (next < 0 || virtual_time_ns + next > end) {
            break;
        }
        virtual_time_jump(next);
        virtual_time_fire();
    }
    qatomic_set(&virtual_time_ns, end);
}

#endif
