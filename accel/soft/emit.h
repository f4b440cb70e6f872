/*
 * Writing x86-64 machine code: for the translator and the native stubs.
 *
 * A SoftEmit is a bounded window over code memory that is mapped twice: bytes
 * are stored through @rw and run at @rx, and no page is ever both writable and
 * executable. Positions are offsets into the window. When the window is full,
 * nothing more is written and @overflow says so: a caller looks once, at the
 * end.
 *
 * Sizes of operands are in bytes (1, 2, 4, 8). As on the CPU, writing 4 bytes
 * of a register clears its upper half, writing 1 or 2 leaves the rest alone.
 * Byte registers are always the low ones (SPL, R9B...; never AH); only
 * emit_renamed() produces AH, CH, DH, BH, when the guest's instruction has them.
 *
 * Nothing here changes flags behind the caller's back: emit_mov_ri() of zero is
 * a MOV and not a XOR.
 *
 * Source: Intel SDM, volume 2 (encodings).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_EMIT_H
#define ACCEL_SOFT_EMIT_H

#include "util/error.h"

typedef struct SoftInsn SoftInsn;

/* Registers of the host, by their number in the encoding. */
enum {
    HOST_RAX,
    HOST_RCX,
    HOST_RDX,
    HOST_RBX,
    HOST_RSP,
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15,
    HOST_NO_REG = 0xff,
};

/* Conditions, by their number in Jcc, SETcc and CMOVcc. ^ 1 inverts. */
typedef enum EmitCond {
    EMIT_CC_O,
    EMIT_CC_NO,
    EMIT_CC_B,
    EMIT_CC_AE,
    EMIT_CC_E,
    EMIT_CC_NE,
    EMIT_CC_BE,
    EMIT_CC_A,
    EMIT_CC_S,
    EMIT_CC_NS,
    EMIT_CC_P,
    EMIT_CC_NP,
    EMIT_CC_L,
    EMIT_CC_GE,
    EMIT_CC_LE,
    EMIT_CC_G,
} EmitCond;

typedef enum EmitAlu {
    EMIT_ADD,
    EMIT_OR,
    EMIT_ADC,
    EMIT_SBB,
    EMIT_AND,
    EMIT_SUB,
    EMIT_XOR,
    EMIT_CMP,
} EmitAlu;

typedef enum EmitShift {
    EMIT_ROL,
    EMIT_ROR,
    EMIT_RCL,
    EMIT_RCR,
    EMIT_SHL,
    EMIT_SHR,
    EMIT_SAR = 7,
} EmitShift;

/* One-operand group F6/F7. */
typedef enum EmitUnary {
    EMIT_NOT = 2,
    EMIT_NEG,
    EMIT_MUL,
    EMIT_IMUL,
    EMIT_DIV,
    EMIT_IDIV,
} EmitUnary;

typedef enum EmitBit {
    EMIT_BT = 4,
    EMIT_BTS,
    EMIT_BTR,
    EMIT_BTC,
} EmitBit;

/* A vector register's width and who clears what above it. */
typedef enum EmitVec {
    EMIT_VEC_SSE,  /* 16 bytes, the upper half of a YMM stays */
    EMIT_VEC_V128, /* 16 bytes, VEX encoded: the upper half becomes 0 */
    EMIT_VEC_V256, /* 32 bytes */
} EmitVec;

typedef struct SoftEmit {
    uint8_t *rw;       /* the window, where it can be written */
    const uint8_t *rx; /* the same memory, where it is executed */
    size_t size;       /* bytes */
    size_t pos;        /* of the next byte, <= size */
    bool overflow;     /* something did not fit; the code is unusable */
} SoftEmit;

/*
 * A memory operand: [gs:] base + (index << scale) + disp; either register may
 * be HOST_NO_REG. RSP cannot be an index.
 */
typedef struct EmitMem {
    uint8_t base;
    uint8_t index;
    uint8_t scale; /* 0..3 */
    bool gs;
    int32_t disp;
} EmitMem;

static inline EmitMem emit_at(unsigned base, int32_t disp)
{
    return (EmitMem){ .base = base, .index = HOST_NO_REG, .disp = disp };
}

static inline EmitMem emit_at2(unsigned base, unsigned index)
{
    return (EmitMem){ .base = base, .index = index };
}

/* A field of the SoftCPU, to which GS points. */
static inline EmitMem emit_gs(int32_t disp)
{
    return (EmitMem){
        .base = HOST_NO_REG, .index = HOST_NO_REG, .gs = true, .disp = disp
    };
}

/*
 * A place that may be jumped to before it is known. Zero-initialise with
 * EMIT_LABEL; references that wait are chained through the code itself, so
 * there may be any number. A label that is used must be bound before the
 * window goes away.
 */
typedef struct EmitLabel {
    size_t pos;  /* where it is; SIZE_MAX = not bound */
    size_t last; /* newest waiting rel32 field; SIZE_MAX = none */
} EmitLabel;

#define EMIT_LABEL ((EmitLabel){ .pos = SIZE_MAX, .last = SIZE_MAX })

/* -- the window ----------------------------------------------------------- */

static inline void emit_init(SoftEmit *e, uint8_t *rw, const uint8_t *rx,
                             size_t size)
{
    *e = (SoftEmit){ .rw = rw, .rx = rx, .size = size };
}

/* emit_area_new: a window of @size bytes of memory of its own, mapped twice;
 * false if the host has none, or forbids it. emit_area_free: accepts one that
 * was only zero-initialised. */
bool emit_area_new(SoftEmit *e, size_t size, Error **errp);
void emit_area_free(SoftEmit *e);

/* Where the next byte will be executed. */
static inline const uint8_t *emit_here(const SoftEmit *e)
{
    return e->rx + e->pos;
}

static inline void emit_u8(SoftEmit *e, uint8_t v)
{
    if (unlikely(e->pos >= e->size)) {
        e->overflow = true;
        return;
    }
    e->rw[e->pos++] = v;
}

void emit_bytes(SoftEmit *e, const void *bytes, size_t n);
void emit_u16(SoftEmit *e, uint16_t v);
void emit_u32(SoftEmit *e, uint32_t v);
void emit_u64(SoftEmit *e, uint64_t v);
/* emit_align: NOPs up to a multiple of @align, a power of two. */
void emit_align(SoftEmit *e, size_t align);

/* -- moves ---------------------------------------------------------------- */

void emit_mov_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src);
/* emit_mov_ri: the shortest MOV; @imm is taken modulo the size. */
void emit_mov_ri(SoftEmit *e, unsigned size, unsigned dst, uint64_t imm);
void emit_load(SoftEmit *e, unsigned size, unsigned dst, EmitMem m);
void emit_store(SoftEmit *e, unsigned size, EmitMem m, unsigned src);
/* emit_store_i: @imm is sign-extended when @size is 8. */
void emit_store_i(SoftEmit *e, unsigned size, EmitMem m, int32_t imm);
/* From @size bytes (1, 2, 4) to all 8 with zeros / the sign. */
void emit_movzx_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src);
void emit_movsx_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src);
void emit_movzx_rm(SoftEmit *e, unsigned size, unsigned dst, EmitMem m);
void emit_movsx_rm(SoftEmit *e, unsigned size, unsigned dst, EmitMem m);
void emit_lea(SoftEmit *e, unsigned size, unsigned dst, EmitMem m);
void emit_xchg_rr(SoftEmit *e, unsigned size, unsigned a, unsigned b);
void emit_xchg_mr(SoftEmit *e, unsigned size, EmitMem m, unsigned reg);
void emit_bswap(SoftEmit *e, unsigned size, unsigned reg);
void emit_cmov_rr(SoftEmit *e, EmitCond cc, unsigned size, unsigned dst,
                  unsigned src);
void emit_cmov_rm(SoftEmit *e, EmitCond cc, unsigned size, unsigned dst,
                  EmitMem m);
void emit_push(SoftEmit *e, unsigned reg);
void emit_pop(SoftEmit *e, unsigned reg);
void emit_push_m(SoftEmit *e, EmitMem m);
void emit_pop_m(SoftEmit *e, EmitMem m);

/* -- arithmetic ----------------------------------------------------------- */

void emit_alu_rr(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 unsigned src);
void emit_alu_rm(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 EmitMem m);
void emit_alu_mr(SoftEmit *e, EmitAlu op, unsigned size, EmitMem m,
                 unsigned src);
/* @imm is sign-extended when @size is 8. */
void emit_alu_ri(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 int32_t imm);
void emit_alu_mi(SoftEmit *e, EmitAlu op, unsigned size, EmitMem m,
                 int32_t imm);
void emit_test_rr(SoftEmit *e, unsigned size, unsigned a, unsigned b);
void emit_test_ri(SoftEmit *e, unsigned size, unsigned reg, int32_t imm);
void emit_test_mi(SoftEmit *e, unsigned size, EmitMem m, int32_t imm);
void emit_inc(SoftEmit *e, unsigned size, unsigned reg);
void emit_dec(SoftEmit *e, unsigned size, unsigned reg);
void emit_unary_r(SoftEmit *e, EmitUnary op, unsigned size, unsigned reg);
void emit_unary_m(SoftEmit *e, EmitUnary op, unsigned size, EmitMem m);
void emit_imul_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src);
void emit_shift_ri(SoftEmit *e, EmitShift op, unsigned size, unsigned reg,
                   unsigned count);
void emit_shift_cl(SoftEmit *e, EmitShift op, unsigned size, unsigned reg);
void emit_bit_ri(SoftEmit *e, EmitBit op, unsigned size, unsigned reg,
                 unsigned bit);
void emit_bit_mi(SoftEmit *e, EmitBit op, unsigned size, EmitMem m,
                 unsigned bit);
void emit_setcc_r(SoftEmit *e, EmitCond cc, unsigned reg);
void emit_setcc_m(SoftEmit *e, EmitCond cc, EmitMem m);

/* BMI2 (only when the host has it): no flags are changed; size 4 or 8.
 * @op is EMIT_SHL, EMIT_SHR or EMIT_SAR. */
void emit_shiftx(SoftEmit *e, EmitShift op, unsigned size, unsigned dst,
                 unsigned src, unsigned count);
void emit_rorx(SoftEmit *e, unsigned size, unsigned dst, unsigned src,
               unsigned count);

/* -- flags ---------------------------------------------------------------- */

void emit_lahf(SoftEmit *e);
void emit_sahf(SoftEmit *e);
void emit_pushf(SoftEmit *e);
void emit_popf(SoftEmit *e);
void emit_cld(SoftEmit *e);
void emit_cmc(SoftEmit *e);
void emit_clc(SoftEmit *e);
void emit_stc(SoftEmit *e);

/* -- vectors and x87 ------------------------------------------------------ */

void emit_vec_load(SoftEmit *e, EmitVec kind, unsigned vreg, EmitMem m);
void emit_vec_store(SoftEmit *e, EmitVec kind, EmitMem m, unsigned vreg);
/* MOVD/MOVQ; size 4 or 8. */
void emit_movq_xr(SoftEmit *e, unsigned size, unsigned vreg, unsigned reg);
void emit_movq_rx(SoftEmit *e, unsigned size, unsigned reg, unsigned vreg);
void emit_vzeroupper(SoftEmit *e);
void emit_ldmxcsr(SoftEmit *e, EmitMem m);
void emit_stmxcsr(SoftEmit *e, EmitMem m);
/* With REX.W, so that the pointers of x87 are 64 bits wide. */
void emit_fxsave64(SoftEmit *e, EmitMem m);
void emit_fxrstor64(SoftEmit *e, EmitMem m);

/* -- control -------------------------------------------------------------- */

/* All with rel32. */
void emit_jcc(SoftEmit *e, EmitCond cc, EmitLabel *to);
void emit_jmp(SoftEmit *e, EmitLabel *to);
void emit_call(SoftEmit *e, EmitLabel *to);
void emit_bind(SoftEmit *e, EmitLabel *l);

/*
 * To an absolute address, rel32 when it can be reached; when not, through
 * @scratch (HOST_NO_REG: then overflow is set). emit_jmp_to and emit_jcc_to
 * to a target inside the window or its neighbourhood always reach.
 */
void emit_jmp_to(SoftEmit *e, const void *target, unsigned scratch);
void emit_jcc_to(SoftEmit *e, EmitCond cc, const void *target);
void emit_call_to(SoftEmit *e, const void *target, unsigned scratch);
void emit_jmp_r(SoftEmit *e, unsigned reg);
void emit_jmp_m(SoftEmit *e, EmitMem m);
void emit_call_r(SoftEmit *e, unsigned reg);
void emit_call_m(SoftEmit *e, EmitMem m);
void emit_ret(SoftEmit *e);
void emit_int3(SoftEmit *e);
void emit_ud2(SoftEmit *e);

/*
 * emit_rel32_pos: position of the rel32 of the jmp/jcc/call just emitted, to
 * be patched later. emit_patch_rel32: let it lead to @target. The field is
 * written in one store when it is aligned; emit_align_rel32 puts NOPs so that
 * the rel32 of an instruction with @opcode_bytes (1 jmp/call, 2 jcc) is.
 */
static inline size_t emit_rel32_pos(const SoftEmit *e)
{
    return e->pos - 4;
}
void emit_patch_rel32(SoftEmit *e, size_t field, const void *target);
void emit_align_rel32(SoftEmit *e, unsigned opcode_bytes);

/* -- the guest's own instructions ----------------------------------------- */

/*
 * Registers that an instruction of class NATIVE names.
 * @gprs: guest's general registers as operands (in ModRM, VEX.vvvv or the
 *        opcode), read or written; not those of the memory operand's address
 * @fixed: guest's general registers that the opcode implies (RAX and RDX of
 *         MUL, RCX of SHL ..,CL): these must be mapped to themselves
 * @vecs: XMM/YMM registers, also implied ones (XMM0 of BLENDVPS)
 * @high_byte: AH, CH, DH or BH is an operand (@gprs then has RAX, RCX, ...)
 * @mem: it has a memory operand, which emit_renamed() wants to be told
 * @x87, @mmx: it uses the x87 stack / MMX registers
 */
typedef struct EmitRegs {
    uint16_t gprs;
    uint16_t fixed;
    uint16_t vecs;
    bool high_byte;
    bool mem;
    bool x87;
    bool mmx;
} EmitRegs;

/*
 * emit_insn_regs:
 * @insn: (in) decoded, class NATIVE
 * @ret: (out) set when true
 *
 * Returns: false if this instruction cannot be re-encoded whatever the map
 *   (VSIB, XLAT, LEA, implied memory operands, x87 environments, not class
 *   NATIVE).
 */
bool emit_insn_regs(const SoftInsn *insn, EmitRegs *ret);

/*
 * emit_renamed:
 * @insn: as above; decoded in any mode, it is encoded anew for 64-bit mode
 * @map: host register that holds each guest general register, HOST_NO_REG =
 *         none does
 * @mem: (nullable) what stands for the memory operand; its effective address
 *         is the caller's work, RIP-relative too
 *
 * Prefixes that matter (operand size, LOCK, REP as part of the opcode),
 * immediates and the vector registers' numbers stay; segment overrides and
 * address size prefixes go. Upper halves: a 32-bit guest's 4-byte operation
 * clears the host's bits 63:32 as usual.
 *
 * Returns: false, and nothing emitted, if it cannot be done with this map:
 *   a register has no host register, an implied one is not mapped to itself,
 *   or AH/CH/DH/BH would need a REX prefix (avoid: map RAX..RBX to themselves
 *   and use a @mem whose registers are below R8). Overflow is no failure.
 */
bool emit_renamed(SoftEmit *e, const SoftInsn *insn, const uint8_t map[16],
                  const EmitMem *mem);

#endif
