/*
 * Control and debug registers, descriptor table registers, and the mode word
 * that follows from all of them.
 *
 * Source: Intel SDM volume 3A 2.5, 4.1, volume 3B 17.2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "soft-accel.h"

/* -- the mode word ------------------------------------------------------------ */

static bool is_flat(const SoftSegment *s, bool code)
{
    const uint32_t bits = SOFT_SEG_P | SOFT_SEG_S;
    const uint32_t want = code ? bits | SOFT_SEG_CODE : bits | SOFT_SEG_W;
    const uint32_t mask =
        bits | SOFT_SEG_CODE | (code ? 0 : SOFT_SEG_W | SOFT_SEG_E);

    return s->base == 0 && s->limit == 0xffffffffu && (s->attr & mask) == want;
}

static uint32_t unit_flags(const SoftCPU *cpu)
{
    uint32_t f = 0;
    const uint64_t avx = SOFT_XCR0_SSE | SOFT_XCR0_AVX;

    if (cpu->cr0 & (SOFT_CR0_EM | SOFT_CR0_TS)) {
        f |= SOFT_MODE_X87_NM;
    }
    if ((cpu->cr0 & (X86_CR0_MP | SOFT_CR0_TS)) == (X86_CR0_MP | SOFT_CR0_TS)) {
        f |= SOFT_MODE_WAIT_NM;
    }
    if (cpu->cr0 & SOFT_CR0_EM) {
        f |= SOFT_MODE_MMX_UD;
    }
    if ((cpu->cr0 & SOFT_CR0_EM) || !(cpu->cr4 & SOFT_CR4_OSFXSR)) {
        f |= SOFT_MODE_SSE_UD;
    }
    if (!(cpu->cr4 & SOFT_CR4_OSXSAVE) || (cpu->xcr0 & avx) != avx ||
        !(cpu->cr0 & X86_CR0_PE) || (cpu->eflags & SOFT_EFL_VM)) {
        f |= SOFT_MODE_AVX_UD;
    }
    if (cpu->cr0 & SOFT_CR0_TS) {
        f |= SOFT_MODE_TS;
    }
    return f;
}

static uint32_t code_flags(const SoftCPU *cpu)
{
    uint32_t cs = cpu->seg[X86_CS].attr;
    uint32_t f = 0;

    if (cpu->efer & SOFT_EFER_LMA) {
        f |= SOFT_MODE_LMA;
    }
    if ((f & SOFT_MODE_LMA) && (cs & SOFT_SEG_L)) {
        return f | SOFT_MODE_CS64 | SOFT_MODE_SS32 | SOFT_MODE_FLAT;
    }
    if (cs & SOFT_SEG_DB) {
        f |= SOFT_MODE_CS32;
    }
    if (cpu->seg[X86_SS].attr & SOFT_SEG_DB) {
        f |= SOFT_MODE_SS32;
    }
    if (is_flat(&cpu->seg[X86_CS], true) && is_flat(&cpu->seg[X86_SS], false) &&
        is_flat(&cpu->seg[X86_DS], false) &&
        is_flat(&cpu->seg[X86_ES], false)) {
        f |= SOFT_MODE_FLAT;
    }
    return f;
}

static SoftMMU mmu_of(const SoftCPU *cpu)
{
    if (cpu->cpl == 3) {
        return SOFT_MMU_USER;
    }
    return (cpu->cr4 & SOFT_CR4_SMAP) && !(cpu->eflags & SOFT_EFL_AC)
               ? SOFT_MMU_KERNEL_SMAP
               : SOFT_MMU_KERNEL;
}

void soft_update_mode(SoftCPU *cpu)
{
    unsigned iopl = (cpu->eflags & SOFT_EFL_IOPL) >> SOFT_EFL_IOPL_SHIFT;
    uint32_t f = unit_flags(cpu) | code_flags(cpu);

    f |= cpu->cpl;
    if (cpu->cr0 & X86_CR0_PE) {
        f |= cpu->eflags & SOFT_EFL_VM ? SOFT_MODE_VM86 : SOFT_MODE_PE;
    }
    if (cpu->cr0 & X86_CR0_PG) {
        f |= SOFT_MODE_PG;
    }
    f |= (uint32_t)mmu_of(cpu) << SOFT_MODE_MMU_SHIFT;
    if ((cpu->eflags & SOFT_EFL_TF) || cpu->priv->n_points ||
        cpu->priv->debug.enabled || cpu->priv->debug.single_step) {
        f |= SOFT_MODE_STEP;
        soft_exit_request(cpu, SOFT_EXIT_MODE);
    }
    if (cpu->cpl > iopl) {
        f |= SOFT_MODE_IO_CPL;
    }
    if (cpu->cpl == 3 && (cpu->cr0 & SOFT_CR0_AM) &&
        (cpu->eflags & SOFT_EFL_AC)) {
        f |= SOFT_MODE_AC;
    }
    if ((cpu->cr4 & SOFT_CR4_UMIP) && cpu->cpl) {
        f |= SOFT_MODE_UMIP;
    }
    cpu->mode_flags = f;
}

/* -- privilege ------------------------------------------------------------------ */

bool soft_need_cpl0(SoftCPU *cpu)
{
    return soft_cpl(cpu) == 0 || soft_raise_gp(cpu);
}

bool soft_umip(SoftCPU *cpu)
{
    return !(cpu->mode_flags & SOFT_MODE_UMIP) || soft_raise_gp(cpu);
}

/* -- descriptor tables ------------------------------------------------------------ */

static bool load_table(SoftCPU *cpu, uint64_t linear, unsigned op_bytes,
                       X86Table *table)
{
    unsigned bytes = soft_long64(cpu) ? 8 : 4;
    uint64_t base = 0;
    uint16_t limit;

    if (!soft_need_cpl0(cpu) || !soft_mem_read(cpu, linear, &limit, 2) ||
        !soft_mem_read(cpu, linear + 2, &base, bytes)) {
        return false;
    }
    if (bytes == 4 && op_bytes == 2) {
        base &= 0xffffff;
    }
    if (!soft_canonical(base)) {
        return soft_raise_gp(cpu);
    }
    *table = (X86Table){ base, limit };
    return true;
}

bool soft_lgdt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes)
{
    return load_table(cpu, linear, op_bytes, &cpu->gdt);
}

bool soft_lidt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes)
{
    return load_table(cpu, linear, op_bytes, &cpu->idt);
}

static bool store_table(SoftCPU *cpu, uint64_t linear, const X86Table *table)
{
    unsigned bytes = soft_long64(cpu) ? 8 : 4;
    uint8_t raw[10];

    memcpy(raw, &table->limit, 2);
    memcpy(raw + 2, &table->base, 8);
    return soft_umip(cpu) && soft_mem_write(cpu, linear, raw, 2 + bytes);
}

bool soft_sgdt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes)
{
    return store_table(cpu, linear, &cpu->gdt);
}

bool soft_sidt(SoftCPU *cpu, uint64_t linear, unsigned op_bytes)
{
    return store_table(cpu, linear, &cpu->idt);
}

/* LLDT and LTR: the descriptor, of a type in @types, 16 bytes in long mode. */
static bool load_system(SoftCPU *cpu, uint16_t selector, uint32_t types,
                        SoftDescriptor *d)
{
    uint32_t error = selector & 0xfffcu;

    if (selector & 4) {
        return soft_raise_error(cpu, SOFT_EXC_GP, error);
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_GP, 0, d)) {
        return false;
    }
    if ((d->hi & SOFT_SEG_S) || !(types >> soft_desc_type(d) & 1)) {
        return soft_raise_error(cpu, SOFT_EXC_GP, error);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_NP, error);
    }
    return !(cpu->efer & SOFT_EFER_LMA) ||
           soft_desc_read_high(cpu, selector, SOFT_EXC_GP, 0, d);
}

static void set_system(SoftSegment *seg, uint16_t selector,
                       const SoftDescriptor *d)
{
    soft_seg_from_desc(seg, selector, d);
    seg->base |= (uint64_t)d->hi2 << 32;
}

static bool need_protected(SoftCPU *cpu)
{
    if (!(cpu->mode_flags & SOFT_MODE_PE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    return soft_need_cpl0(cpu);
}

bool soft_lldt(SoftCPU *cpu, uint16_t selector)
{
    SoftDescriptor d;

    if (!need_protected(cpu)) {
        return false;
    }
    if (!(selector & ~3u)) {
        soft_seg_null(&cpu->seg[X86_LDTR], selector);
        return true;
    }
    if (!load_system(cpu, selector, 1u << SOFT_SYS_LDT, &d)) {
        return false;
    }
    set_system(&cpu->seg[X86_LDTR], selector, &d);
    return true;
}

bool soft_ltr(SoftCPU *cpu, uint16_t selector)
{
    uint32_t types = 1u << SOFT_SYS_TSS;
    SoftDescriptor d;
    uint8_t byte;

    if (!need_protected(cpu)) {
        return false;
    }
    if (!(selector & ~3u)) {
        return soft_raise_gp(cpu);
    }
    if (!(cpu->efer & SOFT_EFER_LMA)) {
        types |= 1u << SOFT_SYS_TSS16;
    }
    if (!load_system(cpu, selector, types, &d)) {
        return false;
    }
    d.hi |= SOFT_SEG_W; /* busy */
    byte = (uint8_t)(d.hi >> 8);
    if (!soft_mem_write_as(cpu, soft_mmu_system(cpu), d.linear + 5, &byte, 1)) {
        return false;
    }
    set_system(&cpu->seg[X86_TR], selector, &d);
    return true;
}

/* -- control registers -------------------------------------------------------------- */

bool soft_read_cr(SoftCPU *cpu, unsigned n, uint64_t *ret)
{
    AccelState *a = cpu->base.accel;

    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    switch (n) {
    case 0:
        *ret = cpu->cr0;
        return true;
    case 2:
        *ret = cpu->cr2;
        return true;
    case 3:
        *ret = cpu->cr3;
        return true;
    case 4:
        *ret = cpu->cr4;
        return true;
    case 8:
        *ret = a->irq_host
                   ? a->irq_host->get_tpr(a->irq_opaque, cpu->base.index)
                   : 0;
        return true;
    default:
        return soft_raise(cpu, SOFT_EXC_UD);
    }
}

static bool set_cr0(SoftCPU *cpu, uint64_t value)
{
    const uint64_t valid = 0xe005003full;
    uint64_t old = cpu->cr0;
    uint64_t changed;
    bool long_mode = cpu->efer & SOFT_EFER_LME;

    if (value >> 32) {
        return soft_raise_gp(cpu);
    }
    value = (value & valid) | X86_CR0_ET;
    changed = old ^ value;
    if (((value & X86_CR0_PG) && !(value & X86_CR0_PE)) ||
        ((value & X86_CR0_NW) && !(value & X86_CR0_CD))) {
        return soft_raise_gp(cpu);
    }
    if (changed & X86_CR0_PG) {
        bool on = value & X86_CR0_PG;

        if (on ? long_mode && (!(cpu->cr4 & SOFT_CR4_PAE) ||
                               (cpu->seg[X86_CS].attr & SOFT_SEG_L))
               : soft_long64(cpu)) {
            return soft_raise_gp(cpu);
        }
        if (on && !long_mode && (cpu->cr4 & SOFT_CR4_PAE) &&
            !soft_load_pdptes(cpu, cpu->cr3)) {
            return false;
        }
        if (long_mode) {
            cpu->efer = on ? cpu->efer | SOFT_EFER_LMA
                           : cpu->efer & ~(uint64_t)SOFT_EFER_LMA;
        }
    }
    cpu->cr0 = value;
    if (changed & X86_CR0_PE) {
        cpu->cpl = 0;
    }
    if (changed & (X86_CR0_PG | X86_CR0_PE | SOFT_CR0_WP)) {
        soft_tlb_flush(cpu, true);
    }
    soft_update_mode(cpu);
    trace_soft_cr_write(cpu->base.index, 0, value);
    return true;
}

static bool set_cr3(SoftCPU *cpu, uint64_t value)
{
    if (cpu->efer & SOFT_EFER_LMA) {
        if (value & ~((1ull << cpu->priv->phys_bits) - 1)) {
            return soft_raise_gp(cpu);
        }
    } else {
        value = (uint32_t)value;
        if ((cpu->cr0 & X86_CR0_PG) && (cpu->cr4 & SOFT_CR4_PAE) &&
            !soft_load_pdptes(cpu, value)) {
            return false;
        }
    }
    cpu->cr3 = value;
    soft_tlb_flush(cpu, false);
    return true;
}

static bool set_cr4(SoftCPU *cpu, uint64_t value)
{
    const uint64_t paging = SOFT_CR4_PSE | SOFT_CR4_PAE | SOFT_CR4_PGE |
                            SOFT_CR4_SMEP | SOFT_CR4_SMAP;
    uint64_t changed = value ^ cpu->cr4;

    if ((value & ~cpu->priv->cr4_valid) ||
        ((cpu->efer & SOFT_EFER_LMA) && !(value & SOFT_CR4_PAE))) {
        return soft_raise_gp(cpu);
    }
    if ((changed & SOFT_CR4_PAE) && (value & SOFT_CR4_PAE) &&
        (cpu->cr0 & X86_CR0_PG) && !soft_load_pdptes(cpu, cpu->cr3)) {
        return false;
    }
    cpu->cr4 = value;
    if (changed & paging) {
        soft_tlb_flush(cpu, true);
    }
    soft_update_mode(cpu);
    trace_soft_cr_write(cpu->base.index, 4, value);
    return true;
}

bool soft_write_cr(SoftCPU *cpu, unsigned n, uint64_t value)
{
    AccelState *a = cpu->base.accel;

    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    switch (n) {
    case 0:
        return set_cr0(cpu, value);
    case 2:
        cpu->cr2 = value;
        return true;
    case 3:
        return set_cr3(cpu, value);
    case 4:
        return set_cr4(cpu, value);
    case 8:
        if (value > 15) {
            return soft_raise_gp(cpu);
        }
        if (cpu->priv->has_apic) {
            a->irq_host->set_tpr(a->irq_opaque, cpu->base.index,
                                 (uint8_t)value);
        }
        return true;
    default:
        return soft_raise(cpu, SOFT_EXC_UD);
    }
}

bool soft_lmsw(SoftCPU *cpu, uint16_t value)
{
    uint64_t low = value & 15u;

    return soft_need_cpl0(cpu) && set_cr0(cpu, (cpu->cr0 & ~14ull) | low);
}

bool soft_clts(SoftCPU *cpu)
{
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    cpu->cr0 &= ~(uint64_t)SOFT_CR0_TS;
    soft_update_mode(cpu);
    return true;
}

/* -- debug registers ----------------------------------------------------------------- */

#define DR6_FIXED 0xffff0ff0ull
#define DR6_VALID 0x0000e00full
#define DR6_BD    (1u << 13)
#define DR7_FIXED 0x400ull
#define DR7_VALID 0xffff23ffull
#define DR7_GD    (1u << 13)

/* Which register DR @n is; false with an exception. */
static bool check_dr(SoftCPU *cpu, unsigned *n)
{
    if (*n > 7 || ((*n == 4 || *n == 5) && (cpu->cr4 & SOFT_CR4_DE))) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    if (cpu->dr7 & DR7_GD) {
        soft_raise(cpu, SOFT_EXC_DB);
        cpu->exception.value = DR6_BD;
        return false;
    }
    if (*n == 4 || *n == 5) {
        *n += 2;
    }
    return true;
}

bool soft_read_dr(SoftCPU *cpu, unsigned n, uint64_t *ret)
{
    if (!check_dr(cpu, &n)) {
        return false;
    }
    *ret = n < 4 ? cpu->dr[n] : n == 6 ? cpu->dr6 : cpu->dr7;
    return true;
}

bool soft_write_dr(SoftCPU *cpu, unsigned n, uint64_t value)
{
    if (!check_dr(cpu, &n)) {
        return false;
    }
    if (n < 4) {
        cpu->dr[n] = value;
    } else if (value >> 32) {
        return soft_raise_gp(cpu);
    } else if (n == 6) {
        cpu->dr6 = (value & DR6_VALID) | DR6_FIXED;
        return true;
    } else {
        cpu->dr7 = (value & DR7_VALID) | DR7_FIXED;
    }
    soft_debug_changed(cpu);
    return true;
}

/* -- TLB -------------------------------------------------------------------------------- */

bool soft_invlpg(SoftCPU *cpu, uint64_t linear)
{
    if (!soft_need_cpl0(cpu)) {
        return false;
    }
    soft_tlb_flush_page(cpu, linear);
    return true;
}

bool soft_invpcid(SoftCPU *cpu, uint64_t type, uint64_t desc_linear)
{
    uint64_t desc[2];

    if (!soft_need_cpl0(cpu) ||
        !soft_mem_read(cpu, desc_linear, desc, sizeof(desc))) {
        return false;
    }
    /* PCIDs are not offered: only 0 is valid. */
    if (type > 3 || (desc[0] >> 12) || (type < 2 && desc[0]) ||
        (type == 0 && !soft_canonical(desc[1]))) {
        return soft_raise_gp(cpu);
    }
    if (type == 0) {
        soft_tlb_flush_page(cpu, desc[1]);
    } else {
        soft_tlb_flush(cpu, type == 2);
    }
    return true;
}

bool soft_wbinvd(SoftCPU *cpu)
{
    return soft_need_cpl0(cpu);
}
