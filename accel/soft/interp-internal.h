/*
 * What the files of the interpreter share.
 *
 * Each instruction is carried out by one handler, a function of the CPU and the
 * decoded instruction. interp_select() finds it; the block cache keeps it
 * beside the instruction. A handler is called with next_rip set to the
 * following instruction and the exceptions of soft-cpu.h apply: it returns
 * false with cpu->exception filled, and then has changed nothing.
 *
 * Flags of arithmetic are the host's: an operation is followed by LAHF and SETO
 * in the same asm statement, so that also those which the architecture leaves
 * open are as on a real CPU.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_INTERP_INTERNAL_H
#define ACCEL_SOFT_INTERP_INTERNAL_H

#include "insn.h"
#include "interp.h"
#include "mem.h"
#include "soft-cpu.h"
#include "sysinsn.h"

typedef bool InterpHandler(SoftCPU *cpu, const SoftInsn *insn);

/** interp_select: never NULL. */
InterpHandler *interp_select(const SoftInsn *insn);

/* Handlers by operand form, selected by each file: index is the log2 of the
 * operand size. */
typedef enum InterpForm {
    INTERP_RM_R, /* register, register */
    INTERP_R_RM, /* the same with SOFT_A_TO_REG */
    INTERP_R_M,
    INTERP_M_R,
    INTERP_R_I,
    INTERP_M_I,
    INTERP_FORMS
} InterpForm;

InterpHandler *interp_select_alu(const SoftInsn *insn);
InterpHandler *interp_select_unary(const SoftInsn *insn);
InterpHandler *interp_select_shift(const SoftInsn *insn);
InterpHandler *interp_select_mov(const SoftInsn *insn);

/* Handlers of everything else; see the table in interp.c. */
InterpHandler interp_bt, interp_bsf, interp_bsr, interp_tzcnt, interp_lzcnt,
    interp_popcnt, interp_crc32, interp_andn, interp_bextr, interp_bls,
    interp_bzhi, interp_mulx, interp_pdep, interp_pext, interp_rorx,
    interp_shiftx, interp_adcx, interp_rdrand;
InterpHandler interp_movzx, interp_movsx, interp_lea, interp_xchg, interp_xadd,
    interp_cmpxchg, interp_cmpxchg8b, interp_cmpxchg16b, interp_movbe,
    interp_bswap, interp_cmov, interp_setcc, interp_cbw, interp_cwd,
    interp_lahf, interp_sahf, interp_flag, interp_nop, interp_pause,
    interp_fence, interp_clflush, interp_xlat;
InterpHandler interp_mul, interp_imul, interp_imul2, interp_imul3, interp_div,
    interp_idiv;
InterpHandler interp_shld, interp_shrd;
InterpHandler interp_daa, interp_das, interp_aaa, interp_aas, interp_aam,
    interp_aad, interp_salc, interp_bound, interp_arpl;
InterpHandler interp_movs, interp_cmps, interp_stos, interp_lods, interp_scas,
    interp_ins, interp_outs;
InterpHandler interp_push, interp_pushi, interp_pushs, interp_pop, interp_pops,
    interp_pusha, interp_popa, interp_pushf, interp_popf, interp_enter,
    interp_leave;
InterpHandler interp_jcc, interp_jmp, interp_jmpi, interp_jmpf, interp_call,
    interp_calli, interp_callf, interp_ret, interp_retf, interp_iret,
    interp_loop, interp_jcxz, interp_int, interp_into, interp_int3, interp_int1,
    interp_syscall, interp_sysret, interp_sysenter, interp_sysexit;
InterpHandler interp_system;
InterpHandler interp_native;
InterpHandler interp_ud;

/* -- registers ------------------------------------------------------------- */

static inline uint64_t interp_mask(unsigned bytes)
{
    return bytes >= 8 ? ~(uint64_t)0 : ((uint64_t)1 << (8 * bytes)) - 1;
}

/* @high: AH..BH as registers 4..7. */
static inline uint8_t *interp_r8(SoftCPU *cpu, unsigned n, bool high)
{
    return (uint8_t *)&cpu->gpr[high ? n - 4 : n] + high;
}

static inline void interp_set_r16(SoftCPU *cpu, unsigned n, uint16_t v)
{
    *(uint16_t *)&cpu->gpr[n] = v;
}

/* A register of any size; not AH..BH. */
static inline uint64_t interp_get(const SoftCPU *cpu, unsigned n,
                                  unsigned bytes)
{
    return cpu->gpr[n] & interp_mask(bytes);
}

static inline void interp_set(SoftCPU *cpu, unsigned n, unsigned bytes,
                              uint64_t v)
{
    if (bytes >= 4) {
        cpu->gpr[n] = bytes == 4 ? (uint32_t)v : v;
    } else if (bytes == 2) {
        interp_set_r16(cpu, n, v);
    } else {
        *(uint8_t *)&cpu->gpr[n] = v;
    }
}

static inline uint64_t interp_get_reg(SoftCPU *cpu, const SoftInsn *insn,
                                      unsigned bytes)
{
    return bytes == 1 ? *interp_r8(cpu, insn->reg, insn->attrs & SOFT_A_REG_H8)
                      : interp_get(cpu, insn->reg, bytes);
}

static inline void interp_set_reg(SoftCPU *cpu, const SoftInsn *insn,
                                  unsigned bytes, uint64_t v)
{
    if (bytes == 1) {
        *interp_r8(cpu, insn->reg, insn->attrs & SOFT_A_REG_H8) = v;
    } else {
        interp_set(cpu, insn->reg, bytes, v);
    }
}

static inline uint64_t interp_get_rm(SoftCPU *cpu, const SoftInsn *insn,
                                     unsigned bytes)
{
    return bytes == 1 ? *interp_r8(cpu, insn->rm, insn->attrs & SOFT_A_RM_H8)
                      : interp_get(cpu, insn->rm, bytes);
}

static inline void interp_set_rm(SoftCPU *cpu, const SoftInsn *insn,
                                 unsigned bytes, uint64_t v)
{
    if (bytes == 1) {
        *interp_r8(cpu, insn->rm, insn->attrs & SOFT_A_RM_H8) = v;
    } else {
        interp_set(cpu, insn->rm, bytes, v);
    }
}

/* -- memory ---------------------------------------------------------------- */

/* The offset of the memory operand in its segment. */
static inline uint64_t interp_ea(const SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t a = (uint64_t)insn->disp;

    if (insn->base != SOFT_NO_REG) {
        a += cpu->gpr[insn->base];
    } else if (insn->attrs & SOFT_A_RIP) {
        a += cpu->next_rip;
    }
    if (insn->index != SOFT_NO_REG) {
        a += cpu->gpr[insn->index] << insn->scale;
    }
    if (insn->addr_bytes == 8) {
        return a;
    }
    return insn->addr_bytes == 4 ? (uint32_t)a : (uint16_t)a;
}

/** interp_check_align: #AC(0) under SOFT_MODE_AC. */
bool interp_check_align(SoftCPU *cpu, uint64_t linear, unsigned size);

/* An operand at @seg:@offset, checked. */
static inline bool interp_linear_at(SoftCPU *cpu, unsigned seg, uint64_t offset,
                                    unsigned size, SoftAccess access,
                                    uint64_t *ret)
{
    if (!soft_seg_linear(cpu, seg, offset, size, access, ret)) {
        return false;
    }
    return likely(!(cpu->mode_flags & SOFT_MODE_AC)) ||
           interp_check_align(cpu, *ret, size);
}

/* The explicit memory operand. */
static inline bool interp_linear(SoftCPU *cpu, const SoftInsn *insn,
                                 unsigned size, SoftAccess access,
                                 uint64_t *ret)
{
    return interp_linear_at(cpu, insn->seg, interp_ea(cpu, insn), size, access,
                            ret);
}

static inline bool interp_load_linear(SoftCPU *cpu, uint64_t linear,
                                      unsigned size, uint64_t *ret)
{
    const void *p = soft_tlb_read_ptr(cpu, linear, size);

    if (likely(p != NULL)) {
        *ret = guest_ram_load(p, size);
        return true;
    }
    *ret = 0;
    return soft_mem_read(cpu, linear, ret, size);
}

static inline bool interp_store_linear(SoftCPU *cpu, uint64_t linear,
                                       unsigned size, uint64_t v)
{
    void *p = soft_tlb_write_ptr(cpu, linear, size);

    if (likely(p != NULL)) {
        guest_ram_store(p, size, v);
        return true;
    }
    return soft_mem_write(cpu, linear, &v, size);
}

/* Load and store of the explicit memory operand, 1, 2, 4 or 8 bytes. */
static inline bool interp_load(SoftCPU *cpu, const SoftInsn *insn,
                               unsigned size, uint64_t *ret)
{
    uint64_t linear;

    return interp_linear(cpu, insn, size, SOFT_ACCESS_READ, &linear) &&
           interp_load_linear(cpu, linear, size, ret);
}

static inline bool interp_store(SoftCPU *cpu, const SoftInsn *insn,
                                unsigned size, uint64_t v)
{
    uint64_t linear;

    return interp_linear(cpu, insn, size, SOFT_ACCESS_WRITE, &linear) &&
           interp_store_linear(cpu, linear, size, v);
}

/* modrm.rm, register or memory. */
static inline bool interp_read_rm(SoftCPU *cpu, const SoftInsn *insn,
                                  unsigned size, uint64_t *ret)
{
    if (insn->mem != SOFT_MEM_NONE) {
        return interp_load(cpu, insn, size, ret);
    }
    *ret = interp_get_rm(cpu, insn, size);
    return true;
}

static inline bool interp_write_rm(SoftCPU *cpu, const SoftInsn *insn,
                                   unsigned size, uint64_t v)
{
    if (insn->mem != SOFT_MEM_NONE) {
        return interp_store(cpu, insn, size, v);
    }
    interp_set_rm(cpu, insn, size, v);
    return true;
}

/*
 * A pointer for a read-modify-write: guest RAM itself on the fast path, else by
 * way of @rmw. interp_rmw_end() must follow.
 */
static inline void *interp_rmw_begin_at(SoftCPU *cpu, const SoftInsn *insn,
                                        uint64_t linear, unsigned size,
                                        SoftRMW *rmw)
{
    void *p = soft_tlb_write_ptr(cpu, linear, size);

    if (likely(p != NULL)) {
        rmw->ptr = NULL;
        return p;
    }
    if (!soft_rmw_begin(cpu, linear, size, insn->attrs & SOFT_A_LOCKED, rmw)) {
        return NULL;
    }
    return rmw->ptr;
}

static inline void *interp_rmw_begin(SoftCPU *cpu, const SoftInsn *insn,
                                     unsigned size, SoftRMW *rmw)
{
    uint64_t linear;

    if (!interp_linear(cpu, insn, size, SOFT_ACCESS_RMW, &linear)) {
        return NULL;
    }
    return interp_rmw_begin_at(cpu, insn, linear, size, rmw);
}

static inline void interp_rmw_end(SoftCPU *cpu, SoftRMW *rmw)
{
    if (unlikely(rmw->ptr != NULL)) {
        soft_rmw_end(cpu, rmw);
    }
}

/* -- flags ----------------------------------------------------------------- */

/* Behind an operation in one asm statement: AH and AL for the next function. */
#define INTERP_GET_FLAGS "\n\tlahf\n\tseto %%al"
/* In front of one: CF as the guest has it. */
#define INTERP_PUT_CARRY "btl $0, %[efl]\n\t"

static inline void interp_set_flags(SoftCPU *cpu, uint16_t ax)
{
    cpu->eflags =
        (cpu->eflags & ~SOFT_EFL_ARITH) | ax >> 8 | (uint32_t)(ax & 1) << 11;
}

/* The same for some of the flags; @mask of SOFT_EFL_*. */
static inline void interp_set_some_flags(SoftCPU *cpu, uint16_t ax,
                                         uint32_t mask)
{
    uint32_t all = ax >> 8 | (uint32_t)(ax & 1) << 11;

    cpu->eflags = (cpu->eflags & ~mask) | (all & mask);
}

static inline void interp_put_flag(SoftCPU *cpu, uint32_t flag, bool on)
{
    cpu->eflags = on ? cpu->eflags | flag : cpu->eflags & ~flag;
}

/* Condition @cond of jcc, setcc, cmov. */
static inline bool interp_cond(const SoftCPU *cpu, unsigned cond)
{
    uint32_t f = cpu->eflags;
    bool r;

    switch (cond >> 1) {
    case 0:
        r = f & SOFT_EFL_OF;
        break;
    case 1:
        r = f & SOFT_EFL_CF;
        break;
    case 2:
        r = f & SOFT_EFL_ZF;
        break;
    case 3:
        r = f & (SOFT_EFL_CF | SOFT_EFL_ZF);
        break;
    case 4:
        r = f & SOFT_EFL_SF;
        break;
    case 5:
        r = f & SOFT_EFL_PF;
        break;
    case 6:
        r = (f ^ f >> 4) & SOFT_EFL_SF;
        break;
    default:
        r = ((f ^ f >> 4) & SOFT_EFL_SF) || (f & SOFT_EFL_ZF);
        break;
    }
    return r ^ (cond & 1);
}

/* -- stack ----------------------------------------------------------------- */

static inline unsigned interp_stack_bytes(const SoftCPU *cpu)
{
    if (likely(cpu->mode_flags & SOFT_MODE_CS64)) {
        return 8;
    }
    return cpu->mode_flags & SOFT_MODE_SS32 ? 4 : 2;
}

static inline uint64_t interp_stack_add(const SoftCPU *cpu, uint64_t rsp,
                                        int64_t n)
{
    unsigned bytes = interp_stack_bytes(cpu);
    uint64_t mask = interp_mask(bytes);

    return bytes == 4 ? (uint32_t)(rsp + n)
                      : (rsp & ~mask) | ((rsp + n) & mask);
}

/* Store below rsp, and load from it; neither changes rsp. @rsp as given is cut
 * to the stack's size. */
static inline bool interp_stack_store(SoftCPU *cpu, uint64_t rsp, unsigned size,
                                      uint64_t v)
{
    uint64_t linear;

    return interp_linear_at(cpu, X86_SS,
                            rsp & interp_mask(interp_stack_bytes(cpu)), size,
                            SOFT_ACCESS_WRITE, &linear) &&
           interp_store_linear(cpu, linear, size, v);
}

static inline bool interp_stack_load(SoftCPU *cpu, uint64_t rsp, unsigned size,
                                     uint64_t *ret)
{
    uint64_t linear;

    return interp_linear_at(cpu, X86_SS,
                            rsp & interp_mask(interp_stack_bytes(cpu)), size,
                            SOFT_ACCESS_READ, &linear) &&
           interp_load_linear(cpu, linear, size, ret);
}

static inline bool interp_do_push(SoftCPU *cpu, unsigned size, uint64_t v)
{
    uint64_t rsp = interp_stack_add(cpu, cpu->gpr[X86_RSP], -(int64_t)size);

    if (!interp_stack_store(cpu, rsp, size, v)) {
        return false;
    }
    cpu->gpr[X86_RSP] = rsp;
    return true;
}

#endif
