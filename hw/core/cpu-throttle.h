/*
 * Making vCPUs sleep a share of their time.
 *
 * A thread takes throttled vCPUs out of the guest after a slice of 10 ms; each
 * then sleeps as its share says for the time that it really ran, and gets a new
 * slice. So the share is right however late the thread comes, and up to 99
 * percent a guest stands still for no longer than 10 ms. A vCPU that is to
 * stop, or whose throttle ends, wakes at once.
 *
 * Thread: any; takes CPUSet.lock for a moment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_CPU_THROTTLE_H
#define HW_CORE_CPU_THROTTLE_H

#include "hw/core/cpu-internal.h"

/* Percent. */
#define CPU_THROTTLE_MAX 99u
/* A share of all time, and the largest for one vCPU. */
#define CPU_THROTTLE_UNITS     10000u
#define CPU_THROTTLE_SHARE_MAX 9999u

void cpu_throttle_init(CPUSet *set);
/** cpu_throttle_deinit: the vCPU threads have ended. */
void cpu_throttle_deinit(CPUSet *set);

/** cpu_throttle_set: every vCPU, at least; more than the maximum is that. */
void cpu_throttle_set(CPUSet *set, unsigned percent);
unsigned cpu_throttle_get(CPUSet *set);
/** cpu_throttle_set_one: vCPU @index sleeps at least @share, in
 *  CPU_THROTTLE_UNITS. No-op without that vCPU. */
void cpu_throttle_set_one(CPUSet *set, unsigned index, unsigned share);
/** cpu_throttled_ns: time that vCPU @index has slept, ever. */
uint64_t cpu_throttled_ns(CPUSet *set, unsigned index);

/** cpu_throttle_wait: sleep if it is time to. Own thread, CPUSet.lock held
 *  (given up meanwhile), outside of the guest. */
void cpu_throttle_wait(CPUState *cpu);
/** cpu_throttle_wake: look whether to stop. CPUSet.lock held. */
void cpu_throttle_wake(CPUSet *set);

#endif
