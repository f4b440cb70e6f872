/*
 * The interpreter of the software CPU: the reference that the translator is
 * checked against, its fallback, and what runs 16-bit code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_INTERP_H
#define ACCEL_SOFT_INTERP_H

#include <stdbool.h>

#include "insn.h"

typedef struct SoftCPU SoftCPU;
typedef struct SoftInterp SoftInterp;

/**
 * soft_interp_new:
 *
 * The interpreter's own part of a CPU: its cache of decoded blocks. Kept in
 * SoftCPU.interp.
 *
 * Returns: (transfer full).
 */
SoftInterp *soft_interp_new(void);
/** soft_interp_free: accepts NULL. */
void soft_interp_free(SoftInterp *interp);

/**
 * soft_interp_one:
 * @cpu: (inout) registers canonical, no exception pending
 *
 * Execute exactly one instruction at cs:rip (a string instruction: until its
 * end, an interrupt or a chunk is done; rip stays on it while there is more).
 *
 * Thread: the vCPU's.
 * Returns: true if it completed; false if it raised an exception: then
 *   cpu->exception is filled, rip and all registers are those before the
 *   instruction (trap-like ones: after it), and the caller delivers it.
 */
bool soft_interp_one(SoftCPU *cpu);

/**
 * soft_interp_insn:
 * @insn: (in) decoded from the bytes at cs:rip in the CPU's present mode;
 *        borrowed for the call
 *
 * soft_interp_one() without fetch and decode; does not look at instruction
 * breakpoints and the trap flag.
 *
 * Thread: the vCPU's.
 * Returns: as soft_interp_one().
 */
bool soft_interp_insn(SoftCPU *cpu, const SoftInsn *insn);

/**
 * soft_interp_run:
 *
 * Execute instructions from the cache of decoded blocks until
 * cpu->exit_request is set (looked at between blocks), the CPU halts or an
 * exception is raised.
 *
 * Thread: the vCPU's.
 * Returns: false if cpu->exception is to be delivered, else true.
 */
bool soft_interp_run(SoftCPU *cpu);

/**
 * soft_interp_fetch:
 * @insn: (out) set when the return is true
 *
 * Fetch and decode the instruction at cs:rip, through the TLB.
 *
 * Thread: the vCPU's.
 * Returns: false if cpu->exception was filled (#PF, #GP, #UD).
 */
bool soft_interp_fetch(SoftCPU *cpu, SoftInsn *insn);

/**
 * soft_interp_invalidate_page:
 * @page: guest-physical address of a page whose code was written
 *
 * Forget decoded blocks of the page. Safe in the middle of a block: the block
 * under execution ends after the present instruction.
 *
 * Thread: the vCPU's.
 */
void soft_interp_invalidate_page(SoftCPU *cpu, uint64_t page);

/** soft_interp_invalidate_all: forget every decoded block. */
void soft_interp_invalidate_all(SoftCPU *cpu);

#endif
