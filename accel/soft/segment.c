/*
 * Segment registers: descriptors, loading, and the checks of an access.
 *
 * Source: Intel SDM volume 3A, chapters 3 and 5; volume 2 (MOV, LAR, LSL).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#define SELECTOR_RPL 3u
#define SELECTOR_TI  4u

/* -- descriptors -------------------------------------------------------------- */

static bool table_of(SoftCPU *cpu, uint16_t selector, uint64_t *ret_base,
                     uint32_t *ret_limit)
{
    if (!(selector & SELECTOR_TI)) {
        *ret_base = cpu->gdt.base;
        *ret_limit = cpu->gdt.limit;
        return true;
    }
    *ret_base = cpu->seg[X86_LDTR].base;
    *ret_limit = cpu->seg[X86_LDTR].limit;
    return cpu->seg[X86_LDTR].attr & SOFT_SEG_P;
}

static bool read_table(SoftCPU *cpu, uint16_t selector, unsigned offset,
                       unsigned vector, unsigned ext, uint64_t *ret_linear,
                       uint64_t *ret)
{
    uint64_t base;
    uint32_t limit;
    uint32_t at = (selector & 0xfff8u) + offset;

    if (!table_of(cpu, selector, &base, &limit) || at + 7 > limit) {
        return soft_raise_error(cpu, vector, (selector & 0xfffcu) | ext);
    }
    *ret_linear = base + at;
    if (!(cpu->efer & SOFT_EFER_LMA)) {
        *ret_linear = (uint32_t)*ret_linear;
    }
    return soft_mem_read_as(cpu, soft_mmu_system(cpu), *ret_linear, ret, 8);
}

bool soft_desc_read(SoftCPU *cpu, uint16_t selector, unsigned vector,
                    unsigned ext, SoftDescriptor *d)
{
    uint64_t value;

    if (!read_table(cpu, selector, 0, vector, ext, &d->linear, &value)) {
        return false;
    }
    d->lo = (uint32_t)value;
    d->hi = (uint32_t)(value >> 32);
    d->hi2 = 0;
    return true;
}

bool soft_desc_read_high(SoftCPU *cpu, uint16_t selector, unsigned vector,
                         unsigned ext, SoftDescriptor *d)
{
    uint64_t linear;
    uint64_t value;

    if (!read_table(cpu, selector, 8, vector, ext, &linear, &value)) {
        return false;
    }
    /* The type field of the upper half must be 0 (SDM 3A 3.5.2). */
    if (value >> 32 & 0x1f00) {
        return soft_raise_error(cpu, vector, (selector & 0xfffcu) | ext);
    }
    d->hi2 = (uint32_t)value;
    return true;
}

bool soft_desc_accessed(SoftCPU *cpu, SoftDescriptor *d)
{
    uint8_t byte;

    if (d->hi & SOFT_SEG_ACCESSED) {
        return true;
    }
    d->hi |= SOFT_SEG_ACCESSED;
    byte = (uint8_t)(d->hi >> 8);
    return soft_mem_write_as(cpu, soft_mmu_system(cpu), d->linear + 5, &byte,
                             1);
}

void soft_seg_from_desc(SoftSegment *seg, uint16_t selector,
                        const SoftDescriptor *d)
{
    seg->selector = selector;
    seg->base = soft_desc_base(d);
    seg->limit = soft_desc_limit(d);
    seg->attr = d->hi & SOFT_SEG_ATTRS;
}

void soft_seg_null(SoftSegment *seg, uint16_t selector)
{
    *seg = (SoftSegment){ .selector = selector };
}

void soft_seg_real(SoftCPU *cpu, unsigned n, uint16_t selector, bool vm86)
{
    SoftSegment *seg = &cpu->seg[n];
    const uint32_t rw =
        SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_W | SOFT_SEG_ACCESSED;

    seg->selector = selector;
    seg->base = (uint32_t)selector << 4;
    if (vm86) {
        seg->limit = 0xffff;
        seg->attr = rw | SOFT_SEG_DPL;
    } else if (!(seg->attr & SOFT_SEG_P)) {
        seg->limit = 0xffff;
        seg->attr = rw;
    }
    /* Real mode loads the base only: limit and attributes stay as they were
     * in protected mode ("unreal" mode). */
}

void soft_set_cs(SoftCPU *cpu, uint16_t selector, const SoftDescriptor *d,
                 unsigned cpl)
{
    SoftSegment *cs = &cpu->seg[X86_CS];

    soft_seg_from_desc(cs, (uint16_t)((selector & ~SELECTOR_RPL) | cpl), d);
    cpu->cpl = (uint8_t)cpl;
    soft_update_mode(cpu);
}

/* -- loading data segment registers ------------------------------------------- */

static bool is_writable_data(const SoftDescriptor *d)
{
    return (d->hi & (SOFT_SEG_S | SOFT_SEG_CODE | SOFT_SEG_W)) ==
           (SOFT_SEG_S | SOFT_SEG_W);
}

bool soft_ss_check(SoftCPU *cpu, uint16_t selector, unsigned cpl,
                   unsigned vector, unsigned ext, SoftDescriptor *d)
{
    uint32_t error = (selector & 0xfffcu) | ext;

    if (!(selector & ~SELECTOR_RPL)) {
        return soft_raise_error(cpu, vector, ext);
    }
    if (!soft_desc_read(cpu, selector, vector, ext, d)) {
        return false;
    }
    if ((selector & SELECTOR_RPL) != cpl || soft_desc_dpl(d) != cpl ||
        !is_writable_data(d)) {
        return soft_raise_error(cpu, vector, error);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_SS, error);
    }
    return true;
}

static bool load_ss(SoftCPU *cpu, uint16_t selector)
{
    unsigned cpl = soft_cpl(cpu);
    SoftDescriptor d;

    if (!(selector & ~SELECTOR_RPL)) {
        if (!soft_long64(cpu) || cpl == 3 || (selector & SELECTOR_RPL) != cpl) {
            return soft_raise_gp(cpu);
        }
        soft_seg_null(&cpu->seg[X86_SS], selector);
        cpu->seg[X86_SS].attr = cpl << SOFT_SEG_DPL_SHIFT;
        return true;
    }
    if (!soft_ss_check(cpu, selector, cpl, SOFT_EXC_GP, 0, &d) ||
        !soft_desc_accessed(cpu, &d)) {
        return false;
    }
    soft_seg_from_desc(&cpu->seg[X86_SS], selector, &d);
    return true;
}

static bool load_data(SoftCPU *cpu, unsigned seg, uint16_t selector)
{
    uint32_t error = selector & 0xfffcu;
    unsigned dpl;
    SoftDescriptor d;

    if (!(selector & ~SELECTOR_RPL)) {
        soft_seg_null(&cpu->seg[seg], selector);
        return true;
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_GP, 0, &d)) {
        return false;
    }
    dpl = soft_desc_dpl(&d);
    if (!(d.hi & SOFT_SEG_S) ||
        (d.hi & (SOFT_SEG_CODE | SOFT_SEG_R)) == SOFT_SEG_CODE) {
        return soft_raise_error(cpu, SOFT_EXC_GP, error);
    }
    if ((d.hi & (SOFT_SEG_CODE | SOFT_SEG_C)) != (SOFT_SEG_CODE | SOFT_SEG_C) &&
        (dpl < soft_cpl(cpu) || dpl < (selector & SELECTOR_RPL))) {
        return soft_raise_error(cpu, SOFT_EXC_GP, error);
    }
    if (!(d.hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_NP, error);
    }
    if (!soft_desc_accessed(cpu, &d)) {
        return false;
    }
    soft_seg_from_desc(&cpu->seg[seg], selector, &d);
    return true;
}

bool soft_load_seg(SoftCPU *cpu, unsigned seg, uint16_t selector)
{
    if (!(cpu->mode_flags & SOFT_MODE_PE)) {
        soft_seg_real(cpu, seg, selector, cpu->mode_flags & SOFT_MODE_VM86);
    } else if (seg == X86_SS ? !load_ss(cpu, selector)
                             : !load_data(cpu, seg, selector)) {
        return false;
    }
    soft_update_mode(cpu);
    return true;
}

void soft_drop_segments(SoftCPU *cpu, unsigned cpl)
{
    static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
        SoftSegment *seg = &cpu->seg[data[i]];
        unsigned dpl = (seg->attr & SOFT_SEG_DPL) >> SOFT_SEG_DPL_SHIFT;
        bool conforming = (seg->attr & (SOFT_SEG_CODE | SOFT_SEG_C)) ==
                          (SOFT_SEG_CODE | SOFT_SEG_C);

        if ((seg->attr & SOFT_SEG_P) && dpl < cpl && !conforming) {
            /* The base of FS and GS may be in use all the same. */
            seg->selector = 0;
            seg->attr = 0;
        }
    }
}

/* -- checking an access --------------------------------------------------------- */

static bool seg_fault(SoftCPU *cpu, unsigned seg)
{
    return soft_raise_error(cpu, seg == X86_SS ? SOFT_EXC_SS : SOFT_EXC_GP, 0);
}

static bool type_allows(const SoftCPU *cpu, const SoftSegment *s,
                        SoftAccess access)
{
    if (!(s->attr & SOFT_SEG_P)) {
        return false;
    }
    if (!(cpu->mode_flags & SOFT_MODE_PE) || access == SOFT_ACCESS_EXEC) {
        return true;
    }
    if (access == SOFT_ACCESS_READ) {
        return !(s->attr & SOFT_SEG_CODE) || (s->attr & SOFT_SEG_R);
    }
    return !(s->attr & SOFT_SEG_CODE) && (s->attr & SOFT_SEG_W);
}

static bool limit_allows(const SoftSegment *s, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;

    if ((s->attr & (SOFT_SEG_CODE | SOFT_SEG_E)) == SOFT_SEG_E) {
        return offset > s->limit &&
               last <= (s->attr & SOFT_SEG_DB ? 0xffffffffu : 0xffffu);
    }
    return last <= s->limit;
}

bool soft_seg_check(SoftCPU *cpu, unsigned seg, uint64_t offset, unsigned size,
                    SoftAccess access, uint64_t *ret_linear)
{
    const SoftSegment *s = &cpu->seg[seg];

    if (soft_long64(cpu)) {
        uint64_t linear = seg >= X86_FS ? offset + s->base : offset;

        if (!soft_canonical(linear) || !soft_canonical(linear + size - 1)) {
            return seg_fault(cpu, seg);
        }
        *ret_linear = linear;
        return true;
    }
    if (!type_allows(cpu, s, access) || !limit_allows(s, offset, size)) {
        return seg_fault(cpu, seg);
    }
    *ret_linear = (uint32_t)(s->base + offset);
    return true;
}

/* -- LAR, LSL, VERR, VERW --------------------------------------------------------- */

static void set_zf(SoftCPU *cpu, bool on)
{
    cpu->eflags = on ? cpu->eflags | SOFT_EFL_ZF : cpu->eflags & ~SOFT_EFL_ZF;
}

/* Is the descriptor there and visible at this CPL? Returns: false with an
 * exception (a page fault); *ret_visible otherwise. */
static bool visible(SoftCPU *cpu, uint16_t selector, SoftDescriptor *d,
                    bool *ret_visible)
{
    bool conforming;
    unsigned dpl;

    *ret_visible = false;
    if (!(cpu->mode_flags & SOFT_MODE_PE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (!(selector & ~SELECTOR_RPL)) {
        return true;
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_GP, 0, d)) {
        if (cpu->exception.vector == SOFT_EXC_PF) {
            return false;
        }
        cpu->exception.pending = false;
        return true;
    }
    conforming = (d->hi & (SOFT_SEG_S | SOFT_SEG_CODE | SOFT_SEG_C)) ==
                 (SOFT_SEG_S | SOFT_SEG_CODE | SOFT_SEG_C);
    dpl = soft_desc_dpl(d);
    *ret_visible = conforming ||
                   (dpl >= soft_cpl(cpu) && dpl >= (selector & SELECTOR_RPL));
    return true;
}

static bool system_type_in(const SoftCPU *cpu, const SoftDescriptor *d,
                           uint32_t legacy, uint32_t long_mode)
{
    uint32_t set = cpu->efer & SOFT_EFER_LMA ? long_mode : legacy;

    return set >> soft_desc_type(d) & 1;
}

bool soft_lar(SoftCPU *cpu, uint16_t selector, uint32_t *ret)
{
    SoftDescriptor d;
    bool ok;

    if (!visible(cpu, selector, &d, &ok)) {
        return false;
    }
    /* TSS, LDT, call and task gates; in long mode the 64-bit ones. */
    ok = ok && ((d.hi & SOFT_SEG_S) || system_type_in(cpu, &d, 0x1a3e, 0x1a04));
    set_zf(cpu, ok);
    if (ok) {
        *ret = d.hi & 0x00f0ff00u;
    }
    return true;
}

bool soft_lsl(SoftCPU *cpu, uint16_t selector, uint32_t *ret)
{
    SoftDescriptor d;
    bool ok;

    if (!visible(cpu, selector, &d, &ok)) {
        return false;
    }
    ok = ok && ((d.hi & SOFT_SEG_S) || system_type_in(cpu, &d, 0x0a0e, 0x0a04));
    set_zf(cpu, ok);
    if (ok) {
        *ret = soft_desc_limit(&d);
    }
    return true;
}

bool soft_verr(SoftCPU *cpu, uint16_t selector)
{
    SoftDescriptor d;
    bool ok;

    if (!visible(cpu, selector, &d, &ok)) {
        return false;
    }
    set_zf(cpu, ok && (d.hi & SOFT_SEG_S) &&
                    (!(d.hi & SOFT_SEG_CODE) || (d.hi & SOFT_SEG_R)));
    return true;
}

bool soft_verw(SoftCPU *cpu, uint16_t selector)
{
    SoftDescriptor d;
    bool ok;

    if (!visible(cpu, selector, &d, &ok)) {
        return false;
    }
    set_zf(cpu, ok && is_writable_data(&d));
    return true;
}
