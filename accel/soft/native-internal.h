/*
 * What the files of the native thunk share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_NATIVE_INTERNAL_H
#define ACCEL_SOFT_NATIVE_INTERNAL_H

#include "emit.h"
#include "insn.h"
#include "mem.h"
#include "native.h"
#include "soft-cpu.h"

/* With every exception masked, no flag set: what C code runs with. */
#define MXCSR_HOST       0x1f80u
#define MXCSR_FLAGS      0x3fu
#define MXCSR_MASK_SHIFT 7
#define MXCSR_MASKS      (MXCSR_FLAGS << MXCSR_MASK_SHIFT)
#define MXCSR_FTZ        (1u << 15)

/* Of a FXSAVE64 image. */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4, /* abridged: one bit a register */
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_ST = 32,
};

#define FSW_ES    (1u << 7)
#define X87_FLAGS 0x3fu /* in FSW, and their masks in FCW */
#define X87_PE    0x20u

/*
 * A stub executes one instruction with the registers it names loaded from and
 * stored to @cpu; @mem stands for the memory operand. It returns what MXCSR
 * held afterwards, if the instruction obeys it, started with @mxcsr.
 */
typedef uint32_t (*SoftStub)(SoftCPU *cpu, void *mem, uint32_t mxcsr);

typedef struct SoftStubEntry {
    uint64_t key; /* 0: free */
    SoftStub code;
} SoftStubEntry;

#define STUB_TABLE_BITS 13
#define STUB_TABLE_SIZE (1u << STUB_TABLE_BITS)
#define STUB_TABLE_FULL (STUB_TABLE_SIZE / 4 * 3)

struct SoftNative {
    SoftEmit code; /* both views of the stubs */
    SoftStubEntry table[STUB_TABLE_SIZE];
    unsigned stubs;
    uint64_t host_features;
    bool avx;      /* the host's registers are 32 bytes wide */
    bool fdp_lazy; /* FDP changes with unmasked exceptions only */

    /* Of the last x87 instruction, while the rest of it is in the host. */
    uint64_t fip;
    uint64_t fdp;
    uint16_t fop;
};

/* native-stub.c: NULL if the host cannot execute this one. */
SoftStub native_stub(SoftNative *n, const SoftInsn *insn);

/* Effective address of the memory operand, cut to the address size. */
uint64_t native_offset(const SoftCPU *cpu, const SoftInsn *insn);

/* native-x87.c */
/* Instructions that do not wait for a pending exception, or other than plain
 * execution: FLDENV, FNSTENV, FNSAVE, FRSTOR. */
bool native_x87_waits(const SoftInsn *insn);
bool native_x87_is_env(const SoftInsn *insn);
bool native_x87_env(SoftCPU *cpu, const SoftInsn *insn);
/* What every MMX instruction but EMMS does: TOP = 0, all registers valid. */
void native_enter_mmx(SoftCPU *cpu);
uint16_t native_x87_fsw(void);
uint16_t native_x87_fcw(void);

/* native-mask.c */
bool native_maskmov(SoftCPU *cpu, const SoftInsn *insn);
bool native_vmaskmov(SoftCPU *cpu, const SoftInsn *insn);
bool native_gather(SoftCPU *cpu, const SoftInsn *insn);

#endif
