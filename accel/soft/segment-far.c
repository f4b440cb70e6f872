/*
 * Far jumps, calls and returns, in every mode.
 *
 * Each function reads and checks everything first; what can fault comes before
 * the first change of a register. Memory that was pushed to before a fault is
 * below the stack pointer and does not count.
 *
 * Source: Intel SDM volume 2 (JMP, CALL, RET, IRET), volume 3A 5.8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#define RPL 3u

static uint64_t cut(uint64_t value, unsigned op_bytes)
{
    return op_bytes == 8   ? value
           : op_bytes == 4 ? (uint32_t)value
                           : (uint16_t)value;
}

bool soft_near_target(SoftCPU *cpu, uint64_t target)
{
    if (soft_long64(cpu) ? !soft_canonical(target)
                         : target > cpu->seg[X86_CS].limit) {
        return soft_raise_gp(cpu);
    }
    cpu->next_rip = target;
    return true;
}

static bool is_protected(const SoftCPU *cpu)
{
    return cpu->mode_flags & SOFT_MODE_PE;
}

static bool is_long(const SoftCPU *cpu)
{
    return cpu->efer & SOFT_EFER_LMA;
}

static bool is_conforming(const SoftDescriptor *d)
{
    return d->hi & SOFT_SEG_C;
}

static bool is_code(const SoftDescriptor *d)
{
    return (d->hi & (SOFT_SEG_S | SOFT_SEG_CODE)) ==
           (SOFT_SEG_S | SOFT_SEG_CODE);
}

static bool selector_fault(SoftCPU *cpu, unsigned vector, uint16_t selector)
{
    return soft_raise_error(cpu, vector, selector & 0xfffcu);
}

/* L and D at once is reserved in long mode. */
static bool bad_long_code(const SoftCPU *cpu, const SoftDescriptor *d)
{
    return is_long(cpu) && (d->hi & SOFT_SEG_L) && (d->hi & SOFT_SEG_DB);
}

/* May execution go on at @offset of the code segment @d? */
static bool check_offset(SoftCPU *cpu, const SoftDescriptor *d, uint64_t offset)
{
    if (is_long(cpu) && (d->hi & SOFT_SEG_L) ? !soft_canonical(offset)
                                             : offset > soft_desc_limit(d)) {
        return soft_raise_gp(cpu);
    }
    return true;
}

static bool real_jump(SoftCPU *cpu, uint16_t selector, uint64_t offset)
{
    if (offset > cpu->seg[X86_CS].limit) {
        return soft_raise_gp(cpu);
    }
    soft_seg_real(cpu, X86_CS, selector, cpu->mode_flags & SOFT_MODE_VM86);
    cpu->next_rip = offset;
    soft_update_mode(cpu);
    return true;
}

/* A code segment as the target of a direct far JMP or CALL. */
static bool check_direct(SoftCPU *cpu, uint16_t selector,
                         const SoftDescriptor *d)
{
    unsigned cpl = soft_cpl(cpu);
    unsigned dpl = soft_desc_dpl(d);

    if (bad_long_code(cpu, d) ||
        (is_conforming(d) ? dpl > cpl : (selector & RPL) > cpl || dpl != cpl)) {
        return selector_fault(cpu, SOFT_EXC_GP, selector);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return selector_fault(cpu, SOFT_EXC_NP, selector);
    }
    return true;
}

static bool push_return(SoftCPU *cpu, SoftStack *st, unsigned bytes)
{
    return soft_stack_push(cpu, st, bytes, cpu->seg[X86_CS].selector) &&
           soft_stack_push(cpu, st, bytes, cpu->next_rip);
}

static bool direct(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                   unsigned op_bytes, bool call, SoftDescriptor *d)
{
    SoftStack st;

    soft_stack_current(cpu, &st);
    if (!check_direct(cpu, selector, d) || !check_offset(cpu, d, offset) ||
        (call && !push_return(cpu, &st, op_bytes)) ||
        !soft_desc_accessed(cpu, d)) {
        return false;
    }
    if (call) {
        soft_stack_commit(cpu, &st);
    }
    soft_set_cs(cpu, selector, d, soft_cpl(cpu));
    cpu->next_rip = offset;
    return true;
}

/* -- call gates ------------------------------------------------------------------ */

typedef struct CallGate {
    uint16_t selector;
    uint64_t offset;
    unsigned bytes; /* of what is pushed */
    unsigned params;
} CallGate;

static bool read_gate(SoftCPU *cpu, uint16_t selector, SoftDescriptor *d,
                      CallGate *gate)
{
    gate->selector = (uint16_t)(d->lo >> 16);
    gate->offset = (d->lo & 0xffff) | (d->hi & 0xffff0000u);
    gate->params = d->hi & 31;
    if (is_long(cpu)) {
        if (!soft_desc_read_high(cpu, selector, SOFT_EXC_GP, 0, d)) {
            return false;
        }
        gate->offset |= (uint64_t)d->hi2 << 32;
        gate->bytes = 8;
        gate->params = 0;
    } else if (soft_desc_type(d) == SOFT_SYS_CALL16) {
        gate->offset &= 0xffff;
        gate->bytes = 2;
    } else {
        gate->bytes = 4;
    }
    return true;
}

/* The new stack of a call to @cpl, with the old one's SS:SP and parameters. */
static bool gate_stack(SoftCPU *cpu, const CallGate *gate, unsigned cpl,
                       SoftStack *st)
{
    SoftStack old;
    SoftSegment ss = { 0 };

    soft_stack_current(cpu, &old);
    if (is_long(cpu)) {
        uint64_t rsp;

        if (!soft_tss_rsp(cpu, 4 + 8 * cpl, 0, &rsp)) {
            return false;
        }
        ss.selector = (uint16_t)cpl;
        ss.attr = cpl << SOFT_SEG_DPL_SHIFT;
        soft_stack_new(cpu, st, &ss, rsp, cpl, true);
    } else {
        uint16_t selector;
        uint32_t sp;
        SoftDescriptor d;

        if (!soft_tss_stack(cpu, cpl, 0, &selector, &sp) ||
            !soft_ss_check(cpu, selector, cpl, SOFT_EXC_TS, 0, &d) ||
            !soft_desc_accessed(cpu, &d)) {
            return false;
        }
        soft_seg_from_desc(&ss, selector, &d);
        soft_stack_new(cpu, st, &ss, sp, cpl, false);
    }
    if (!soft_stack_push(cpu, st, gate->bytes, old.ss.selector) ||
        !soft_stack_push(cpu, st, gate->bytes, cpu->gpr[X86_RSP])) {
        return false;
    }
    for (unsigned i = gate->params; i > 0; i--) {
        SoftStack at = old;
        uint64_t value;

        at.sp += (uint64_t)(i - 1) * gate->bytes;
        if (!soft_stack_pop(cpu, &at, gate->bytes, &value) ||
            !soft_stack_push(cpu, st, gate->bytes, value)) {
            return false;
        }
    }
    return true;
}

static bool check_gate_target(SoftCPU *cpu, const CallGate *gate, bool call,
                              SoftDescriptor *d)
{
    unsigned cpl = soft_cpl(cpu);
    unsigned dpl;

    if (!(gate->selector & ~RPL)) {
        return soft_raise_gp(cpu);
    }
    if (!soft_desc_read(cpu, gate->selector, SOFT_EXC_GP, 0, d)) {
        return false;
    }
    dpl = soft_desc_dpl(d);
    if (!is_code(d) || dpl > cpl ||
        (!call && !is_conforming(d) && dpl != cpl) ||
        (is_long(cpu) && (d->hi & (SOFT_SEG_L | SOFT_SEG_DB)) != SOFT_SEG_L)) {
        return selector_fault(cpu, SOFT_EXC_GP, gate->selector);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return selector_fault(cpu, SOFT_EXC_NP, gate->selector);
    }
    return check_offset(cpu, d, gate->offset);
}

static bool through_gate(SoftCPU *cpu, uint16_t selector, bool call,
                         SoftDescriptor *d)
{
    CallGate gate;
    SoftDescriptor code;
    SoftStack st;
    unsigned cpl = soft_cpl(cpu);

    if (!read_gate(cpu, selector, d, &gate) ||
        !check_gate_target(cpu, &gate, call, &code)) {
        return false;
    }
    if (call && !is_conforming(&code) && soft_desc_dpl(&code) < cpl) {
        cpl = soft_desc_dpl(&code);
        if (!gate_stack(cpu, &gate, cpl, &st)) {
            return false;
        }
    } else {
        soft_stack_current(cpu, &st);
    }
    if ((call && !push_return(cpu, &st, gate.bytes)) ||
        !soft_desc_accessed(cpu, &code)) {
        return false;
    }
    if (call) {
        cpu->seg[X86_SS] = st.ss;
        soft_stack_commit(cpu, &st);
    }
    soft_set_cs(cpu, gate.selector, &code, cpl);
    cpu->next_rip = gate.offset;
    return true;
}

/* A system descriptor as the target of a far JMP or CALL. */
static bool through_system(SoftCPU *cpu, uint16_t selector, bool call,
                           SoftDescriptor *d)
{
    SoftTaskSwitch how = call ? SOFT_TASK_CALL : SOFT_TASK_JMP;
    unsigned type = soft_desc_type(d);
    unsigned dpl = soft_desc_dpl(d);
    bool task =
        !is_long(cpu) && (type == SOFT_SYS_TASK_GATE ||
                          type == SOFT_SYS_TSS16 || type == SOFT_SYS_TSS);
    bool gate =
        type == SOFT_SYS_CALL || (type == SOFT_SYS_CALL16 && !is_long(cpu));

    if ((!task && !gate) || dpl < soft_cpl(cpu) || dpl < (selector & RPL)) {
        return selector_fault(cpu, SOFT_EXC_GP, selector);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return selector_fault(cpu, SOFT_EXC_NP, selector);
    }
    if (gate) {
        return through_gate(cpu, selector, call, d);
    }
    if (type == SOFT_SYS_TASK_GATE) {
        selector = (uint16_t)(d->lo >> 16);
    }
    return soft_task_switch(cpu, selector, how, cpu->next_rip, 0);
}

static bool far_transfer(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                         unsigned op_bytes, bool call)
{
    SoftDescriptor d;
    SoftStack st;

    offset = cut(offset, op_bytes);
    if (!is_protected(cpu)) {
        soft_stack_current(cpu, &st);
        if ((call && !push_return(cpu, &st, op_bytes)) ||
            !real_jump(cpu, selector, offset)) {
            return false;
        }
        if (call) {
            soft_stack_commit(cpu, &st);
        }
        return true;
    }
    if (!(selector & ~RPL)) {
        return soft_raise_gp(cpu);
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_GP, 0, &d)) {
        return false;
    }
    if (!(d.hi & SOFT_SEG_S)) {
        return through_system(cpu, selector, call, &d);
    }
    if (!is_code(&d)) {
        return selector_fault(cpu, SOFT_EXC_GP, selector);
    }
    return direct(cpu, selector, offset, op_bytes, call, &d);
}

bool soft_far_jmp(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                  unsigned op_bytes)
{
    return far_transfer(cpu, selector, offset, op_bytes, false);
}

bool soft_far_call(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                   unsigned op_bytes)
{
    return far_transfer(cpu, selector, offset, op_bytes, true);
}

/* -- returns --------------------------------------------------------------------- */

/* The code segment that a RET or IRET returns to. */
static bool check_return_cs(SoftCPU *cpu, uint16_t selector, uint64_t offset,
                            SoftDescriptor *d)
{
    unsigned rpl = selector & RPL;

    if (!(selector & ~RPL)) {
        return soft_raise_gp(cpu);
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_GP, 0, d)) {
        return false;
    }
    if (!is_code(d) || rpl < soft_cpl(cpu) || bad_long_code(cpu, d) ||
        (is_conforming(d) ? soft_desc_dpl(d) > rpl : soft_desc_dpl(d) != rpl)) {
        return selector_fault(cpu, SOFT_EXC_GP, selector);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return selector_fault(cpu, SOFT_EXC_NP, selector);
    }
    return check_offset(cpu, d, offset);
}

/* SS:SP of the outer (or, in long mode, any) level, for code @cs. */
static bool return_stack(SoftCPU *cpu, uint16_t selector, uint64_t sp,
                         unsigned cpl, const SoftDescriptor *cs, SoftStack *st)
{
    bool to_long64 = is_long(cpu) && (cs->hi & SOFT_SEG_L);
    SoftSegment ss = { .selector = selector,
                       .attr = cpl << SOFT_SEG_DPL_SHIFT };
    SoftDescriptor d;

    if ((selector & ~RPL) || !to_long64 || cpl == 3 ||
        (selector & RPL) != cpl) {
        if (!soft_ss_check(cpu, selector, cpl, SOFT_EXC_GP, 0, &d) ||
            !soft_desc_accessed(cpu, &d)) {
            return false;
        }
        soft_seg_from_desc(&ss, selector, &d);
    }
    soft_stack_new(cpu, st, &ss, sp, cpl, to_long64);
    return true;
}

static void commit_outer(SoftCPU *cpu, const SoftStack *st, unsigned cpl)
{
    cpu->seg[X86_SS] = st->ss;
    soft_stack_commit(cpu, st);
    soft_drop_segments(cpu, cpl);
}

static void stack_skip(SoftStack *st, uint64_t bytes)
{
    st->sp = (st->sp & ~st->mask) | ((st->sp + bytes) & st->mask);
}

static bool real_ret(SoftCPU *cpu, unsigned op_bytes, uint16_t pop)
{
    SoftStack st;
    uint64_t ip;
    uint64_t cs;

    soft_stack_current(cpu, &st);
    if (!soft_stack_pop(cpu, &st, op_bytes, &ip) ||
        !soft_stack_pop(cpu, &st, op_bytes, &cs) ||
        !real_jump(cpu, (uint16_t)cs, ip)) {
        return false;
    }
    stack_skip(&st, pop);
    soft_stack_commit(cpu, &st);
    return true;
}

bool soft_far_ret(SoftCPU *cpu, unsigned op_bytes, uint16_t pop)
{
    SoftStack st;
    SoftStack outer;
    SoftDescriptor d;
    uint64_t ip;
    uint64_t cs;
    uint64_t sp;
    uint64_t ss;
    unsigned rpl;

    if (!is_protected(cpu)) {
        return real_ret(cpu, op_bytes, pop);
    }
    soft_stack_current(cpu, &st);
    if (!soft_stack_pop(cpu, &st, op_bytes, &ip) ||
        !soft_stack_pop(cpu, &st, op_bytes, &cs) ||
        !check_return_cs(cpu, (uint16_t)cs, ip, &d)) {
        return false;
    }
    rpl = cs & RPL;
    stack_skip(&st, pop);
    if (rpl == soft_cpl(cpu)) {
        if (!soft_desc_accessed(cpu, &d)) {
            return false;
        }
        soft_stack_commit(cpu, &st);
    } else {
        if (!soft_stack_pop(cpu, &st, op_bytes, &sp) ||
            !soft_stack_pop(cpu, &st, op_bytes, &ss) ||
            !return_stack(cpu, (uint16_t)ss, sp, rpl, &d, &outer) ||
            !soft_desc_accessed(cpu, &d)) {
            return false;
        }
        stack_skip(&outer, pop);
        commit_outer(cpu, &outer, rpl);
    }
    soft_set_cs(cpu, (uint16_t)cs, &d, rpl);
    cpu->next_rip = ip;
    return true;
}

/* -- IRET --------------------------------------------------------------------------- */

/* Flags that IRET loads at the present CPL and IOPL. */
static void load_flags(SoftCPU *cpu, uint64_t value, unsigned op_bytes,
                       unsigned cpl, bool keep_iopl)
{
    uint32_t mask = SOFT_EFL_ARITH | SOFT_EFL_TF | SOFT_EFL_DF | SOFT_EFL_NT |
                    SOFT_EFL_RF | SOFT_EFL_AC | SOFT_EFL_ID;
    unsigned iopl = (cpu->eflags & SOFT_EFL_IOPL) >> SOFT_EFL_IOPL_SHIFT;

    if (cpl == 0 && !keep_iopl) {
        mask |= SOFT_EFL_IOPL | SOFT_EFL_VIF | SOFT_EFL_VIP;
    }
    if (cpl <= iopl) {
        mask |= SOFT_EFL_IF;
    }
    if (op_bytes == 2) {
        mask &= 0xffff;
    }
    if (!cpu->priv->n_points) {
        /* The next instruction would clear it; nobody sees it before. */
        value &= ~(uint64_t)SOFT_EFL_RF;
    }
    soft_set_eflags(cpu, (cpu->eflags & ~mask) | ((uint32_t)value & mask));
}

static bool pop3(SoftCPU *cpu, SoftStack *st, unsigned bytes, uint64_t *ip,
                 uint64_t *cs, uint64_t *flags)
{
    return soft_stack_pop(cpu, st, bytes, ip) &&
           soft_stack_pop(cpu, st, bytes, cs) &&
           soft_stack_pop(cpu, st, bytes, flags);
}

static bool iret_real(SoftCPU *cpu, unsigned op_bytes)
{
    SoftStack st;
    uint64_t ip;
    uint64_t cs;
    uint64_t flags;

    soft_stack_current(cpu, &st);
    if (!pop3(cpu, &st, op_bytes, &ip, &cs, &flags) ||
        !real_jump(cpu, (uint16_t)cs, ip)) {
        return false;
    }
    soft_stack_commit(cpu, &st);
    load_flags(cpu, flags, op_bytes, 0, false);
    return true;
}

/* In virtual-8086 mode: IOPL stays; with VME and IOPL < 3 the guest's
 * interrupt flag is VIF (SDM 3B 20.3). */
static bool iret_vm86(SoftCPU *cpu, unsigned op_bytes)
{
    bool vme = (cpu->eflags & SOFT_EFL_IOPL) != SOFT_EFL_IOPL;
    SoftStack st;
    uint64_t ip;
    uint64_t cs;
    uint64_t flags;

    if (vme && (!(cpu->cr4 & SOFT_CR4_VME) || op_bytes != 2)) {
        return soft_raise_gp(cpu);
    }
    soft_stack_current(cpu, &st);
    if (!pop3(cpu, &st, op_bytes, &ip, &cs, &flags)) {
        return false;
    }
    if (vme && ((flags & SOFT_EFL_TF) ||
                ((flags & SOFT_EFL_IF) && (cpu->eflags & SOFT_EFL_VIP)))) {
        return soft_raise_gp(cpu);
    }
    if (!real_jump(cpu, (uint16_t)cs, ip)) {
        return false;
    }
    soft_stack_commit(cpu, &st);
    if (vme) {
        uint32_t mask = 0xffffu & SOFT_EFL_MASK & ~SOFT_EFL_IOPL & ~SOFT_EFL_IF;
        uint32_t vif = flags & SOFT_EFL_IF ? SOFT_EFL_VIF : 0;

        soft_set_eflags(cpu, (cpu->eflags & ~mask & ~SOFT_EFL_VIF) |
                                 ((uint32_t)flags & mask) | vif);
    } else {
        load_flags(cpu, flags, op_bytes, 3, true);
    }
    return true;
}

static bool iret_to_vm86(SoftCPU *cpu, SoftStack *st, uint64_t ip, uint64_t cs,
                         uint64_t flags)
{
    static const uint8_t order[] = { X86_ES, X86_DS, X86_FS, X86_GS };
    uint64_t seg[4];
    uint64_t sp;
    uint64_t ss;

    if (!soft_stack_pop(cpu, st, 4, &sp) || !soft_stack_pop(cpu, st, 4, &ss)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (!soft_stack_pop(cpu, st, 4, &seg[i])) {
            return false;
        }
    }
    cpu->cpl = 3;
    soft_set_eflags(cpu, (uint32_t)flags);
    for (int i = 0; i < 4; i++) {
        soft_seg_real(cpu, order[i], (uint16_t)seg[i], true);
    }
    soft_seg_real(cpu, X86_CS, (uint16_t)cs, true);
    soft_seg_real(cpu, X86_SS, (uint16_t)ss, true);
    cpu->gpr[X86_RSP] = (uint32_t)sp;
    cpu->next_rip = (uint16_t)ip;
    soft_update_mode(cpu);
    return true;
}

static bool iret_task(SoftCPU *cpu)
{
    uint16_t link;

    return soft_mem_read_as(cpu, soft_mmu_system(cpu), cpu->seg[X86_TR].base,
                            &link, 2) &&
           soft_task_switch(cpu, link, SOFT_TASK_IRET, cpu->next_rip, 0);
}

static bool iret_protected(SoftCPU *cpu, unsigned op_bytes)
{
    unsigned old_cpl = soft_cpl(cpu);
    SoftDescriptor d;
    SoftStack st;
    SoftStack outer;
    uint64_t ip;
    uint64_t cs;
    uint64_t flags;
    uint64_t sp;
    uint64_t ss;
    unsigned rpl;

    soft_stack_current(cpu, &st);
    if (!pop3(cpu, &st, op_bytes, &ip, &cs, &flags)) {
        return false;
    }
    if ((flags & SOFT_EFL_VM) && op_bytes == 4 && old_cpl == 0 &&
        !is_long(cpu)) {
        return iret_to_vm86(cpu, &st, ip, cs, flags);
    }
    if (!check_return_cs(cpu, (uint16_t)cs, ip, &d)) {
        return false;
    }
    rpl = cs & RPL;
    if (rpl == old_cpl && !soft_long64(cpu)) {
        if (!soft_desc_accessed(cpu, &d)) {
            return false;
        }
        soft_stack_commit(cpu, &st);
    } else {
        if (!soft_stack_pop(cpu, &st, op_bytes, &sp) ||
            !soft_stack_pop(cpu, &st, op_bytes, &ss) ||
            !return_stack(cpu, (uint16_t)ss, sp, rpl, &d, &outer) ||
            !soft_desc_accessed(cpu, &d)) {
            return false;
        }
        commit_outer(cpu, &outer, rpl);
    }
    load_flags(cpu, flags, op_bytes, old_cpl, false);
    soft_set_cs(cpu, (uint16_t)cs, &d, rpl);
    cpu->next_rip = ip;
    return true;
}

bool soft_iret(SoftCPU *cpu, unsigned op_bytes)
{
    bool ok;

    if (cpu->mode_flags & SOFT_MODE_VM86) {
        ok = iret_vm86(cpu, op_bytes);
    } else if (!is_protected(cpu)) {
        ok = iret_real(cpu, op_bytes);
    } else if (cpu->eflags & SOFT_EFL_NT) {
        ok = is_long(cpu) ? soft_raise_gp(cpu) : iret_task(cpu);
    } else {
        ok = iret_protected(cpu, op_bytes);
    }
    if (ok && cpu->nmi_blocked) {
        cpu->nmi_blocked = false;
        soft_exit_request(cpu, SOFT_EXIT_NMI);
    }
    return ok;
}
