/*
 * A stopped virtual CPU and its memory, as a debugger or the monitor sees
 * them.
 *
 * Thread: the main loop's, machine lock not held. Functions about registers
 * stop the guest for the time of the call if it runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CPU_DEBUG_H
#define HW_CPU_DEBUG_H

#include "accel/accel.h"
#include "hw/boards.h"

/** machine_cpu_count: CPUs that are there; numbered from 0. */
unsigned machine_cpu_count(MachineState *machine);

/**
 * machine_cpu_get_state, machine_cpu_set_state:
 * @index: which CPU; must be there
 * @mask: of X86_STATE_*
 *
 * Errors: what the accelerator says.
 */
bool machine_cpu_get_state(MachineState *machine, unsigned index, unsigned mask,
                           X86CPUState *state, Error **errp);
bool machine_cpu_set_state(MachineState *machine, unsigned index, unsigned mask,
                           const X86CPUState *state, Error **errp);

/** machine_can_debug: does the accelerator support machine_cpu_set_debug()? */
bool machine_can_debug(MachineState *machine);
/** machine_cpu_set_debug: replaces what was set; guest stopped. */
bool machine_cpu_set_debug(MachineState *machine, unsigned index,
                           const AccelDebug *debug, Error **errp);
/** machine_cpu_debug_hit: after MachineHost.debug_stop; guest stopped. */
void machine_cpu_debug_hit(MachineState *machine, unsigned index,
                           AccelDebugHit *hit);
/** machine_cpu_hold: from the next machine_start() on the CPU stays stopped
 *  (or not). */
void machine_cpu_hold(MachineState *machine, unsigned index, bool hold);

/**
 * machine_memory_rw:
 * @state: (in) (nullable) registers of the CPU whose addresses @addr is in
 *         (X86_STATE_REGS and _SREGS); NULL: guest-physical
 * @write: copy from @buf, else to it
 *
 * Only RAM is touched, never a device. A write ignores the guest's write
 * protection.
 *
 * Returns: bytes from the start that could be copied.
 */
size_t machine_memory_rw(MachineState *machine, const X86CPUState *state,
                         uint64_t addr, void *buf, size_t len, bool write);

#endif
