/*
 * Guest instructions executed by the host's own CPU: vectors, MMX and x87.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_NATIVE_H
#define ACCEL_SOFT_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct SoftCPU SoftCPU;
typedef struct SoftInsn SoftInsn;
typedef struct SoftNative SoftNative;

/**
 * soft_native_features:
 *
 * Returns: SOFT_FEATURE_BIT()s (insn.h) of what the host's CPU executes; a CPU
 *   model must offer no vector, MMX or x87 feature beside these.
 */
uint64_t soft_native_features(void);

/**
 * soft_native_new:
 * @errp: (out) set when the return is NULL
 *
 * One CPU's stubs, for SoftCPU.native.
 *
 * Returns: (transfer full).
 * Errors: no memory for code.
 */
SoftNative *soft_native_new(Error **errp);
/** soft_native_free: accepts NULL. */
void soft_native_free(SoftNative *native);

/**
 * soft_native_exec:
 * @cpu: (inout) rip is the instruction's
 * @insn: (in) decoded from the bytes at cs:rip; operation X87, FWAIT, MMX, SSE,
 *        AVX, MASKMOVQ, MASKMOVDQU, VMASKMOV, VGATHER, LDMXCSR or STMXCSR
 *
 * Execute one instruction, with its checks: #UD and #NM by control registers,
 * #MF of an earlier x87 instruction, #GP of a misplaced operand, #PF, #XM. Does
 * not touch rip and next_rip.
 *
 * x87 and MMX registers stay in the host's FPU afterwards (cpu->x87_live); the
 * thread must not use long double or MMX until soft_x87_sync(), as
 * soft_leave_guest() does.
 *
 * Thread: the vCPU's.
 * Returns: false if cpu->exception was filled; nothing else changed then, but
 *   elements that a gather has completed.
 */
bool soft_native_exec(SoftCPU *cpu, const SoftInsn *insn);

/** soft_x87_load: x87 and MMX registers into the host's FPU, unless they are
 *  there. The opposite of soft_x87_sync(). Does not raise. */
void soft_x87_load(SoftCPU *cpu);

/** soft_x87_note: FIP, FDP and FOP after an x87 instruction that was executed
 *  by other means than soft_native_exec(). @offset: of a memory operand. */
void soft_x87_note(SoftCPU *cpu, const SoftInsn *insn, uint64_t offset);

/** soft_x87_leaves_pointers: after @insn the pointers are as before it: control
 *  instructions. */
bool soft_x87_leaves_pointers(const SoftInsn *insn);

/** soft_x87_note_rip: FIP only. */
void soft_x87_note_rip(SoftCPU *cpu, uint64_t rip);

#endif
