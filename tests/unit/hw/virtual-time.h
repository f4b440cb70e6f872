/*
 * The guest's clock in the hands of a test: it stands still, and each step
 * lets every timer that became due fire in its order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_VIRTUAL_TIME_H
#define TESTS_HW_VIRTUAL_TIME_H

#include "util/timer.h"

#define TEST_US 1000ll
#define TEST_MS 1000000ll

static inline void virtual_time_init(void)
{
    cpu_disable_ticks();
    cpu_set_clock(1000 * TEST_MS);
}

/* Timers run while the clock does; what it goes on meanwhile is taken back. */
static inline void virtual_time_fire(void)
{
    int64_t now = cpu_get_clock();

    cpu_enable_ticks();
    qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
    cpu_disable_ticks();
    cpu_set_clock(now);
}

/* To @ns from now, stopping at each timer on the way. */
static inline void virtual_time_step(int64_t ns)
{
    int64_t end = cpu_get_clock() + ns;

    for (;;) {
        int64_t next;

        cpu_enable_ticks();
        next = timerlist_deadline_ns(
            main_loop_timers()->tl[QEMU_CLOCK_VIRTUAL]);
        cpu_disable_ticks();
        if (next < 0 || cpu_get_clock() + next >= end) {
            break;
        }
        cpu_set_clock(cpu_get_clock() + next);
        virtual_time_fire();
    }
    cpu_set_clock(end);
    virtual_time_fire();
}

#endif
