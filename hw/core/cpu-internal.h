/*
 * A virtual CPU and its thread, and what the machine does with all of them.
 *
 * A CPU is stopped when it is made. Run state is guarded by
 * CPUSet.lock, which is taken after the machine lock and held only for a few
 * instructions, so that a CPU waiting for the machine lock can still be told
 * to stop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_CPU_INTERNAL_H
#define HW_CORE_CPU_INTERNAL_H

#include "accel/accel.h"
#include "hw/boards.h"
#include "hw/cpu.h"
#include "util/thread.h"

OBJECT_DECLARE_TYPE(CPUState, CPUClass, CPU)

struct CPUClass {
    DeviceClass parent_class;
};

struct CPUState {
    DeviceState parent_obj;

    int cpu_index;
    uint32_t apic_id;
    MachineState *machine; /* borrowed; set before realize */
    AccelVCPU *vcpu;       /* owned while the thread exists */

    QemuThread thread;
    bool has_thread; /* main thread only */

    /* guarded by CPUSet.lock */
    int thread_id;
    bool created;
    Error *init_error;
    bool held;    /* a debugger wants it to stay when the others go on */
    bool stop;    /* told to stop */
    bool stopped; /* has stopped */
    bool quit;
    unsigned throttle_share; /* this one's (cpu-throttle.h) */
    bool throttle_due;       /* it is to sleep */
    bool throttle_sleeps;
    int64_t throttle_ran_ns;  /* get_clock() since when it runs */
    int64_t throttle_kick_ns; /* when it is to leave the guest */

    uint64_t throttled_ns; /* atomic; own thread writes */
};

/* Who makes CPUs sleep a share of their time; guarded by CPUSet.lock. */
typedef struct CPUThrottle {
    unsigned percent; /* of all */
    bool quit;
    bool has_thread;
    QemuThread thread;
    QemuCond work; /* percentages changed, quit */
    QemuCond wake; /* for CPUs that sleep: look again */
} CPUThrottle;

/* The machine's CPUs; embedded in MachineState. */
typedef struct CPUSet {
    GPtrArray *cpus; /* CPUState, referenced; by index */
    QemuMutex lock;
    QemuCond changed; /* created, stopped */
    QemuCond resume;  /* stop cleared, quit */
    CPUThrottle throttle;
} CPUSet;

/** cpu_set_of: the set that @cpu belongs to. */
CPUSet *cpu_set_of(CPUState *cpu);

void cpu_set_init(CPUSet *set);
void cpu_set_deinit(CPUSet *set);

/** cpu_thread_start: make the thread of @cpu, which must have its vcpu; waits
 *  until it is ready. */
bool cpu_thread_start(CPUState *cpu, bool named, Error **errp);
/** cpu_thread_end: the thread is gone when it returns. */
void cpu_thread_end(CPUState *cpu);

/** cpus_pause: no CPU runs guest code when it returns. Not in a vCPU thread,
 *  machine lock not held. */
void cpus_pause(CPUSet *set);
/** cpus_pause_soon: cpus_pause() without the wait. */
void cpus_pause_soon(CPUSet *set);
/** cpus_resume: all of them run but those that are held. */
void cpus_resume(CPUSet *set);
/** cpus_kick: make each running CPU leave the guest once. */
void cpus_kick(CPUSet *set);

/** cpu_stop_current: the calling thread's CPU, if it is one, stops before its
 *  next instruction until cpus_resume(). */
void cpu_stop_current(void);

#endif
