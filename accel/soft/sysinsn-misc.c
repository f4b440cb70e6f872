/*
 * Flags, ports, time stamps, fast system calls, and waiting.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "soft-accel.h"

/* -- flags -------------------------------------------------------------------- */

void soft_set_eflags(SoftCPU *cpu, uint32_t eflags)
{
    const uint32_t mode =
        SOFT_EFL_TF | SOFT_EFL_IOPL | SOFT_EFL_VM | SOFT_EFL_AC;
    uint32_t changed;

    eflags = (eflags & SOFT_EFL_MASK) | SOFT_EFL_ONE;
    changed = eflags ^ cpu->eflags;
    cpu->eflags = eflags;
    if ((changed & eflags & SOFT_EFL_IF) &&
        qatomic_read(&cpu->priv->intr_line)) {
        soft_exit_request(cpu, SOFT_EXIT_INTR);
    }
    if (changed & mode) {
        soft_update_mode(cpu);
    }
}

void soft_set_shadow(SoftCPU *cpu, uint32_t kind)
{
    cpu->shadow = kind;
    cpu->shadow_rip = cpu->next_rip;
}

static unsigned iopl(const SoftCPU *cpu)
{
    return (cpu->eflags & SOFT_EFL_IOPL) >> SOFT_EFL_IOPL_SHIFT;
}

/* May CLI and STI work on VIF instead of IF (SDM 3B 20.3, 20.4)? */
static bool virtual_if(const SoftCPU *cpu)
{
    if (cpu->mode_flags & SOFT_MODE_VM86) {
        return cpu->cr4 & SOFT_CR4_VME;
    }
    return (cpu->cr4 & SOFT_CR4_PVI) && soft_cpl(cpu) == 3;
}

bool soft_cli(SoftCPU *cpu)
{
    if (soft_cpl(cpu) <= iopl(cpu) || !(cpu->cr0 & X86_CR0_PE)) {
        cpu->eflags &= ~SOFT_EFL_IF;
        return true;
    }
    if (!virtual_if(cpu)) {
        return soft_raise_gp(cpu);
    }
    cpu->eflags &= ~SOFT_EFL_VIF;
    return true;
}

bool soft_sti(SoftCPU *cpu)
{
    if (soft_cpl(cpu) <= iopl(cpu) || !(cpu->cr0 & X86_CR0_PE)) {
        if (!(cpu->eflags & SOFT_EFL_IF)) {
            soft_set_shadow(cpu, SOFT_SHADOW_STI);
            soft_set_eflags(cpu, cpu->eflags | SOFT_EFL_IF);
        }
        return true;
    }
    if (!virtual_if(cpu) || (cpu->eflags & SOFT_EFL_VIP)) {
        return soft_raise_gp(cpu);
    }
    cpu->eflags |= SOFT_EFL_VIF;
    return true;
}

static bool set_ac(SoftCPU *cpu, bool on)
{
    if (soft_cpl(cpu) != 0) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    soft_set_eflags(cpu, on ? cpu->eflags | SOFT_EFL_AC
                            : cpu->eflags & ~SOFT_EFL_AC);
    return true;
}

bool soft_stac(SoftCPU *cpu)
{
    return set_ac(cpu, true);
}

bool soft_clac(SoftCPU *cpu)
{
    return set_ac(cpu, false);
}

/* In virtual-8086 mode with IOPL < 3, PUSHF and POPF need VME and 16 bits. */
static bool check_vm86(SoftCPU *cpu, unsigned op_bytes, bool *ret_virtual)
{
    *ret_virtual = (cpu->mode_flags & SOFT_MODE_VM86) && iopl(cpu) < 3;
    if (*ret_virtual && (op_bytes != 2 || !(cpu->cr4 & SOFT_CR4_VME))) {
        return soft_raise_gp(cpu);
    }
    return true;
}

bool soft_pushf(SoftCPU *cpu, unsigned op_bytes)
{
    uint32_t value = cpu->eflags & ~(SOFT_EFL_RF | SOFT_EFL_VM);
    SoftStack st;
    bool vif;

    if (!check_vm86(cpu, op_bytes, &vif)) {
        return false;
    }
    if (vif) {
        value = (value & ~SOFT_EFL_IF) | SOFT_EFL_IOPL |
                (value & SOFT_EFL_VIF ? SOFT_EFL_IF : 0);
    }
    soft_stack_current(cpu, &st);
    if (!soft_stack_push(cpu, &st, op_bytes, value)) {
        return false;
    }
    soft_stack_commit(cpu, &st);
    return true;
}

/* What POPF may change. */
static uint32_t popf_mask(const SoftCPU *cpu, unsigned op_bytes)
{
    uint32_t mask = SOFT_EFL_ARITH | SOFT_EFL_TF | SOFT_EFL_DF | SOFT_EFL_NT |
                    SOFT_EFL_AC | SOFT_EFL_ID;

    if (soft_cpl(cpu) == 0) {
        mask |= SOFT_EFL_IOPL;
    }
    if (soft_cpl(cpu) <= iopl(cpu)) {
        mask |= SOFT_EFL_IF;
    }
    return op_bytes == 2 ? mask & 0xffff : mask;
}

bool soft_popf(SoftCPU *cpu, unsigned op_bytes)
{
    uint32_t mask = popf_mask(cpu, op_bytes);
    uint32_t flags;
    SoftStack st;
    uint64_t value;
    bool vif;

    if (!check_vm86(cpu, op_bytes, &vif)) {
        return false;
    }
    soft_stack_current(cpu, &st);
    if (!soft_stack_pop(cpu, &st, op_bytes, &value)) {
        return false;
    }
    flags = (uint32_t)value;
    if (vif) {
        if ((flags & SOFT_EFL_TF) ||
            ((flags & SOFT_EFL_IF) && (cpu->eflags & SOFT_EFL_VIP))) {
            return soft_raise_gp(cpu);
        }
        mask |= SOFT_EFL_VIF;
        flags =
            (flags & ~SOFT_EFL_VIF) | (flags & SOFT_EFL_IF ? SOFT_EFL_VIF : 0);
    }
    soft_stack_commit(cpu, &st);
    soft_set_eflags(cpu, (cpu->eflags & ~mask & ~SOFT_EFL_RF) | (flags & mask));
    return true;
}

/* -- ports ----------------------------------------------------------------------- */

static bool io_bitmap_allows(SoftCPU *cpu, uint16_t port, unsigned size,
                             bool *ret)
{
    const SoftSegment *tr = &cpu->seg[X86_TR];
    unsigned type = (tr->attr & SOFT_SEG_TYPE) >> SOFT_SEG_TYPE_SHIFT;
    SoftMMU mmu = soft_mmu_system(cpu);
    uint32_t mask = ((1u << size) - 1) << (port & 7);
    uint16_t base;
    uint16_t bits;
    uint32_t at;

    *ret = false;
    if (!(tr->attr & SOFT_SEG_P) || !(type & 8) || tr->limit < 103) {
        return true;
    }
    if (!soft_mem_read_as(cpu, mmu, tr->base + 102, &base, 2)) {
        return false;
    }
    at = base + port / 8u;
    if (at + 1 > tr->limit) {
        return true;
    }
    if (!soft_mem_read_as(cpu, mmu, tr->base + at, &bits, 2)) {
        return false;
    }
    *ret = !(bits & mask);
    return true;
}

bool soft_io_check(SoftCPU *cpu, uint16_t port, unsigned size)
{
    bool allowed;

    if (!(cpu->cr0 & X86_CR0_PE) ||
        (!(cpu->mode_flags & SOFT_MODE_VM86) && soft_cpl(cpu) <= iopl(cpu))) {
        return true;
    }
    if (!io_bitmap_allows(cpu, port, size, &allowed)) {
        return false;
    }
    return allowed || soft_raise_gp(cpu);
}

void soft_io_string(SoftCPU *cpu, uint16_t port, unsigned size, bool is_out,
                    uint32_t count, void *buf)
{
    AccelState *a = cpu->base.accel;

    soft_leave_guest(cpu);
    a->host->pio(a->host_opaque, port, is_out, size, count, buf);
    soft_enter_guest(cpu);
}

bool soft_in(SoftCPU *cpu, uint16_t port, unsigned size, uint32_t *ret)
{
    uint32_t value = 0;

    if (!soft_io_check(cpu, port, size)) {
        return false;
    }
    soft_io_string(cpu, port, size, false, 1, &value);
    *ret = value;
    return true;
}

bool soft_out(SoftCPU *cpu, uint16_t port, unsigned size, uint32_t value)
{
    if (!soft_io_check(cpu, port, size)) {
        return false;
    }
    soft_io_string(cpu, port, size, true, 1, &value);
    return true;
}

/* -- time stamps ---------------------------------------------------------------------- */

static void set_edx_eax(SoftCPU *cpu, uint64_t value)
{
    cpu->gpr[X86_RAX] = (uint32_t)value;
    cpu->gpr[X86_RDX] = value >> 32;
}

bool soft_rdtsc(SoftCPU *cpu)
{
    if ((cpu->cr4 & SOFT_CR4_TSD) && soft_cpl(cpu) && (cpu->cr0 & X86_CR0_PE)) {
        return soft_raise_gp(cpu);
    }
    set_edx_eax(cpu, soft_tsc(cpu));
    return true;
}

bool soft_rdtscp(SoftCPU *cpu)
{
    if (!soft_rdtsc(cpu)) {
        return false;
    }
    cpu->gpr[X86_RCX] = (uint32_t)cpu->msr.tsc_aux;
    return true;
}

bool soft_rdpid(SoftCPU *cpu, uint64_t *ret)
{
    *ret = cpu->msr.tsc_aux;
    return true;
}

/* There are no performance counters. */
bool soft_rdpmc(SoftCPU *cpu)
{
    return soft_raise_gp(cpu);
}

/* -- FS and GS bases ------------------------------------------------------------------- */

bool soft_swapgs(SoftCPU *cpu)
{
    uint64_t base = cpu->seg[X86_GS].base;

    if (!soft_long64(cpu)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    cpu->seg[X86_GS].base = cpu->msr.kernel_gs_base;
    cpu->msr.kernel_gs_base = base;
    return true;
}

static bool check_fsgsbase(SoftCPU *cpu)
{
    return (soft_long64(cpu) && (cpu->cr4 & SOFT_CR4_FSGSBASE)) ||
           soft_raise(cpu, SOFT_EXC_UD);
}

bool soft_rd_segbase(SoftCPU *cpu, unsigned seg, uint64_t *ret)
{
    if (!check_fsgsbase(cpu)) {
        return false;
    }
    *ret = cpu->seg[seg].base;
    return true;
}

bool soft_wr_segbase(SoftCPU *cpu, unsigned seg, uint64_t value)
{
    if (!check_fsgsbase(cpu)) {
        return false;
    }
    if (!soft_canonical(value)) {
        return soft_raise_gp(cpu);
    }
    cpu->seg[seg].base = value;
    return true;
}

/* -- fast system calls --------------------------------------------------------------------- */

static void flat_segment(SoftSegment *seg, uint16_t selector, bool code,
                         bool long64, unsigned dpl)
{
    seg->selector = selector;
    seg->base = 0;
    seg->limit = 0xffffffffu;
    seg->attr = SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_G | SOFT_SEG_ACCESSED |
                SOFT_SEG_W | dpl << SOFT_SEG_DPL_SHIFT;
    if (code) {
        seg->attr |= SOFT_SEG_CODE | (long64 ? SOFT_SEG_L : SOFT_SEG_DB);
    } else {
        seg->attr |= SOFT_SEG_DB;
    }
}

static void set_flat(SoftCPU *cpu, uint16_t cs, uint16_t ss, bool long64,
                     unsigned cpl)
{
    flat_segment(&cpu->seg[X86_CS], cs, true, long64, cpl);
    flat_segment(&cpu->seg[X86_SS], ss, false, false, cpl);
    cpu->cpl = (uint8_t)cpl;
    soft_update_mode(cpu);
}

bool soft_syscall(SoftCPU *cpu)
{
    uint16_t cs = cpu->msr.star >> 32 & 0xfffc;
    bool long_mode = cpu->efer & SOFT_EFER_LMA;

    if (!(cpu->efer & SOFT_EFER_SCE) || !(cpu->mode_flags & SOFT_MODE_PE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    cpu->gpr[X86_RCX] = cpu->next_rip;
    cpu->priv->no_step = true;
    if (long_mode) {
        cpu->gpr[X86_R8 + 3] = cpu->eflags & ~SOFT_EFL_RF;
        cpu->next_rip = soft_long64(cpu) ? cpu->msr.lstar : cpu->msr.cstar;
        soft_set_eflags(cpu,
                        cpu->eflags & ~(uint32_t)cpu->msr.fmask & ~SOFT_EFL_RF);
    } else {
        cpu->next_rip = (uint32_t)cpu->msr.star;
        soft_set_eflags(cpu, cpu->eflags &
                                 ~(SOFT_EFL_IF | SOFT_EFL_VM | SOFT_EFL_RF));
    }
    set_flat(cpu, cs, (uint16_t)(cs + 8), long_mode, 0);
    return true;
}

bool soft_sysret(SoftCPU *cpu, unsigned op_bytes)
{
    uint16_t base = (uint16_t)(cpu->msr.star >> 48);
    bool long64 = op_bytes == 8;
    uint64_t target = cpu->gpr[X86_RCX];

    if (!(cpu->efer & SOFT_EFER_SCE) || !(cpu->mode_flags & SOFT_MODE_PE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    if (long64 && !soft_canonical(target)) {
        return soft_raise_gp(cpu);
    }
    cpu->next_rip = long64 ? target : (uint32_t)target;
    if (cpu->efer & SOFT_EFER_LMA) {
        /* RF and VM are cleared. */
        soft_set_eflags(cpu, (uint32_t)cpu->gpr[X86_R8 + 3] & 0x3c7fd7u);
    } else {
        soft_set_eflags(cpu, cpu->eflags | SOFT_EFL_IF);
    }
    set_flat(cpu, (uint16_t)((base + (long64 ? 16 : 0)) | 3),
             (uint16_t)((base + 8) | 3), long64, 3);
    return true;
}

bool soft_sysenter(SoftCPU *cpu)
{
    uint16_t cs = cpu->msr.sysenter_cs & 0xfffc;
    bool long_mode = cpu->efer & SOFT_EFER_LMA;

    if (!(cpu->cr0 & X86_CR0_PE) || !cs) {
        return soft_raise_gp(cpu);
    }
    cpu->priv->no_step = true;
    soft_set_eflags(cpu,
                    cpu->eflags & ~(SOFT_EFL_VM | SOFT_EFL_IF | SOFT_EFL_RF));
    cpu->gpr[X86_RSP] =
        long_mode ? cpu->msr.sysenter_esp : (uint32_t)cpu->msr.sysenter_esp;
    cpu->next_rip =
        long_mode ? cpu->msr.sysenter_eip : (uint32_t)cpu->msr.sysenter_eip;
    set_flat(cpu, cs, (uint16_t)(cs + 8), long_mode, 0);
    return true;
}

bool soft_sysexit(SoftCPU *cpu, unsigned op_bytes)
{
    uint16_t cs = cpu->msr.sysenter_cs & 0xfffc;
    bool long64 = op_bytes == 8;
    uint64_t sp = cpu->gpr[X86_RCX];
    uint64_t target = cpu->gpr[X86_RDX];

    if (!(cpu->mode_flags & SOFT_MODE_PE) || !cs || soft_cpl(cpu)) {
        return soft_raise_gp(cpu);
    }
    if (long64 && (!soft_canonical(sp) || !soft_canonical(target))) {
        return soft_raise_gp(cpu);
    }
    cs = (uint16_t)(cs + (long64 ? 32 : 16));
    cpu->gpr[X86_RSP] = long64 ? sp : (uint32_t)sp;
    cpu->next_rip = long64 ? target : (uint32_t)target;
    set_flat(cpu, cs | 3, (uint16_t)(cs + 8) | 3, long64, 3);
    return true;
}

/* -- waiting ------------------------------------------------------------------------------------ */

bool soft_hlt(SoftCPU *cpu)
{
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    cpu->halted = true;
    soft_exit_request(cpu, SOFT_EXIT_MODE);
    return true;
}

/* No CPU model offers MONITOR: these exist for a guest that was told so by
 * the user, and any store ends the wait. */
bool soft_monitor(SoftCPU *cpu, uint64_t linear)
{
    uint8_t byte;

    return soft_need_cpl0(cpu) && soft_mem_read(cpu, linear, &byte, 1);
}

bool soft_mwait(SoftCPU *cpu)
{
    return soft_need_cpl0(cpu);
}
