/*
 * System instructions: everything that is not data processing. The interpreter
 * decodes, computes addresses and values, and calls these.
 *
 * All of them: own thread; cpu->rip is the instruction's, cpu->next_rip the
 * one after it (soft-cpu.h). They check privilege and mode themselves, change
 * cpu->next_rip for a transfer of control, keep mode_flags true, and
 * return false with cpu->exception filled and nothing changed. #UD that
 * follows from the encoding alone, LOCK prefixes and SOFT_A_CPL0 of insn.h are
 * the interpreter's (checking them twice does no harm).
 *
 * @op_bytes: operand size 2, 4 or 8 as in SoftInsn.op_bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_SYSINSN_H
#define ACCEL_SOFT_SYSINSN_H

#include "soft-cpu.h"

/* -- segment registers and far transfers (segment.c, far.c) ---------------- */

/** soft_load_seg: mov/pop/lds to ES, SS, DS, FS, GS. Does not set the
 *  interrupt shadow of SS: see soft_set_shadow(). */
bool soft_load_seg(SoftCPU *cpu, unsigned seg, uint16_t selector);
/** soft_set_shadow: after mov ss and pop ss, when they are complete;
 *  SOFT_SHADOW_*. */
void soft_set_shadow(SoftCPU *cpu, uint32_t kind);

bool soft_far_jmp(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                  unsigned op_bytes);
bool soft_far_call(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                   unsigned op_bytes);
/** soft_far_ret: @pop: bytes of parameters (the instruction's imm16). */
bool soft_far_ret(SoftCPU *cpu, unsigned op_bytes, uint16_t pop);
bool soft_iret(SoftCPU *cpu, unsigned op_bytes);

/** soft_near_target: a near branch's target: limit or canonical check; sets
 *  next_rip. */
bool soft_near_target(SoftCPU *cpu, uint64_t target);

/* -- software interrupts and fast calls ----------------------------------- */

bool soft_int(SoftCPU *cpu, uint8_t vector); /* CD ib */
bool soft_int3(SoftCPU *cpu);
bool soft_into(SoftCPU *cpu); /* EFLAGS.OF is tested here */
bool soft_int1(SoftCPU *cpu); /* F1, ICEBP */
bool soft_syscall(SoftCPU *cpu);
bool soft_sysret(SoftCPU *cpu, unsigned op_bytes);
bool soft_sysenter(SoftCPU *cpu);
bool soft_sysexit(SoftCPU *cpu, unsigned op_bytes);

/* -- system registers ----------------------------------------------------- */

/** soft_need_cpl0: #GP(0) unless CPL is 0. */
bool soft_need_cpl0(SoftCPU *cpu);
/** soft_umip: for SGDT, SIDT, SLDT, STR, SMSW: #GP(0) under CR4.UMIP. */
bool soft_umip(SoftCPU *cpu);

/* @linear: of the memory operand, checked by soft_seg_linear() for 2 + (4 or
 * 8) bytes. */
bool soft_lgdt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes);
bool soft_lidt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes);
bool soft_sgdt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes);
bool soft_sidt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes);
bool soft_lldt(SoftCPU *cpu, uint16_t selector);
bool soft_ltr(SoftCPU *cpu, uint16_t selector);
/* SLDT, STR, SMSW: after soft_umip(), take seg[].selector, cr0. */

/* @n: 0, 2, 3, 4, 8 (others: #UD). Values are 64 bits wide; in 32-bit modes
 * the interpreter zero-extends and cuts. */
bool soft_read_cr(SoftCPU *cpu, unsigned n, uint64_t *ret);
bool soft_write_cr(SoftCPU *cpu, unsigned n, uint64_t value);
bool soft_read_dr(SoftCPU *cpu, unsigned n, uint64_t *ret);
bool soft_write_dr(SoftCPU *cpu, unsigned n, uint64_t value);
bool soft_lmsw(SoftCPU *cpu, uint16_t value);
bool soft_clts(SoftCPU *cpu);
bool soft_invlpg(SoftCPU *cpu, uint64_t linear); /* no canonical check due */
bool soft_invpcid(SoftCPU *cpu, uint64_t type, uint64_t desc_linear);
bool soft_wbinvd(SoftCPU *cpu); /* also INVD */

/* Registers as the instruction has them: ECX, EDX:EAX. */
bool soft_rdmsr(SoftCPU *cpu);
bool soft_wrmsr(SoftCPU *cpu);
bool soft_cpuid(SoftCPU *cpu);
bool soft_rdtsc(SoftCPU *cpu);
bool soft_rdtscp(SoftCPU *cpu);
bool soft_rdpmc(SoftCPU *cpu);
bool soft_xgetbv(SoftCPU *cpu);
bool soft_xsetbv(SoftCPU *cpu);

/* msr.c: by number, without privilege check. Errors: #GP(0). */
bool soft_msr_read(SoftCPU *cpu, uint32_t index, uint64_t *ret);
bool soft_msr_write(SoftCPU *cpu, uint32_t index, uint64_t value);

bool soft_swapgs(SoftCPU *cpu);
/** soft_rd_segbase, soft_wr_segbase: @seg X86_FS or X86_GS; RDFSBASE ... */
bool soft_rd_segbase(SoftCPU *cpu, unsigned seg, uint64_t *ret);
bool soft_wr_segbase(SoftCPU *cpu, unsigned seg, uint64_t value);
bool soft_rdpid(SoftCPU *cpu, uint64_t *ret);

/* -- descriptors' rights -------------------------------------------------- */

/* Set or clear ZF; *ret is set only if ZF is. */
bool soft_lar(SoftCPU *cpu, uint16_t selector, uint32_t *ret);
bool soft_lsl(SoftCPU *cpu, uint16_t selector, uint32_t *ret);
bool soft_verr(SoftCPU *cpu, uint16_t selector);
bool soft_verw(SoftCPU *cpu, uint16_t selector);

/* -- flags ---------------------------------------------------------------- */

bool soft_cli(SoftCPU *cpu);
bool soft_sti(SoftCPU *cpu);
bool soft_stac(SoftCPU *cpu);
bool soft_clac(SoftCPU *cpu);
/* With the stack access. */
bool soft_pushf(SoftCPU *cpu, unsigned op_bytes);
bool soft_popf(SoftCPU *cpu, unsigned op_bytes);

/* -- ports ---------------------------------------------------------------- */

/** soft_io_check: IOPL and the TSS's bitmap; #GP(0). */
bool soft_io_check(SoftCPU *cpu, uint16_t port, unsigned size);
/** soft_in, soft_out: checked; @size 1, 2 or 4. */
bool soft_in(SoftCPU *cpu, uint16_t port, unsigned size, uint32_t *ret);
bool soft_out(SoftCPU *cpu, uint16_t port, unsigned size, uint32_t value);
/** soft_io_string: @count elements to or from @buf, after soft_io_check(). */
void soft_io_string(SoftCPU *cpu, uint16_t port, unsigned size, bool is_out,
                    uint32_t count, void *buf);

/* -- processor state in memory -------------------------------------------- */

/* @linear: checked for alignment here (#GP(0)). @wide: REX.W, the 64-bit form
 * of instruction and data pointers. Units are checked here. */
bool soft_fxsave(SoftCPU *cpu, uint64_t linear, bool wide);
bool soft_fxrstor(SoftCPU *cpu, uint64_t linear, bool wide);

typedef enum SoftXsave {
    SOFT_XSAVE,
    SOFT_XSAVEOPT,
    SOFT_XSAVEC,
} SoftXsave;

bool soft_xsave(SoftCPU *cpu, uint64_t linear, bool wide, SoftXsave form);
bool soft_xrstor(SoftCPU *cpu, uint64_t linear, bool wide);
/** soft_ldmxcsr: #GP(0) for reserved bits; unit is checked by the caller. */
bool soft_ldmxcsr(SoftCPU *cpu, uint32_t value);

/* -- waiting -------------------------------------------------------------- */

bool soft_hlt(SoftCPU *cpu);
bool soft_monitor(SoftCPU *cpu, uint64_t linear);
bool soft_mwait(SoftCPU *cpu);

#endif
