/*
 * Raising exceptions, and delivering exceptions and interrupts through the
 * IDT or, in real mode, the interrupt vector table.
 *
 * Delivery reads, checks and pushes first and changes registers last, so that
 * an exception on the way leaves the CPU where it was. Two in a row become a
 * double fault as SDM 3A table 6-5 says, three a shutdown.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "soft-accel.h"

#define RPL       3u
#define ERR_IDT   2u
#define DR7_GD    (1u << 13)
#define TSS64_IST 36u

/* -- raising -------------------------------------------------------------------- */

bool soft_raise(SoftCPU *cpu, unsigned vector)
{
    cpu->exception =
        (SoftException){ .pending = true, .vector = (uint8_t)vector };
    return false;
}

bool soft_raise_error(SoftCPU *cpu, unsigned vector, uint32_t error)
{
    cpu->exception = (SoftException){ .pending = true,
                                      .vector = (uint8_t)vector,
                                      .has_error = true,
                                      .error = error };
    return false;
}

bool soft_raise_page_fault(SoftCPU *cpu, uint64_t linear, uint32_t error)
{
    cpu->exception = (SoftException){ .pending = true,
                                      .vector = SOFT_EXC_PF,
                                      .has_error = true,
                                      .error = error,
                                      .value = linear };
    return false;
}

void soft_post_db(SoftCPU *cpu, uint64_t dr6_bits)
{
    cpu->dr6_pending |= dr6_bits;
    soft_exit_request(cpu, SOFT_EXIT_MODE);
}

/* -- what delivery is about ------------------------------------------------------- */

typedef struct Event {
    uint8_t vector;
    SoftEventKind kind;
    bool has_error;
    uint32_t error;
    uint64_t return_rip;
    uint32_t eflags; /* as pushed */
    unsigned ext;    /* bit 0 of error codes */
} Event;

typedef struct Gate {
    unsigned type;
    uint16_t selector;
    uint64_t offset;
    unsigned ist;
} Gate;

static bool is_long(const SoftCPU *cpu)
{
    return cpu->efer & SOFT_EFER_LMA;
}

static bool idt_fault(SoftCPU *cpu, const Event *ev, unsigned vector)
{
    return soft_raise_error(cpu, vector, ev->vector * 8u | ERR_IDT | ev->ext);
}

static bool selector_fault(SoftCPU *cpu, unsigned vector, uint16_t selector,
                           const Event *ev)
{
    return soft_raise_error(cpu, vector, (selector & 0xfffcu) | ev->ext);
}

static bool read_gate(SoftCPU *cpu, const Event *ev, Gate *gate)
{
    unsigned bytes = is_long(cpu) ? 16 : 8;
    uint64_t linear = cpu->idt.base + ev->vector * bytes;
    uint64_t raw[2] = { 0, 0 };
    unsigned dpl;

    if (ev->vector * bytes + bytes - 1 > cpu->idt.limit) {
        return idt_fault(cpu, ev, SOFT_EXC_GP);
    }
    if (!is_long(cpu)) {
        linear = (uint32_t)linear;
    }
    if (!soft_mem_read_as(cpu, soft_mmu_system(cpu), linear, raw, bytes)) {
        return false;
    }
    gate->type = raw[0] >> 40 & 31;
    gate->selector = (uint16_t)(raw[0] >> 16);
    gate->offset = (raw[0] & 0xffff) | (raw[0] >> 32 & 0xffff0000u);
    gate->ist = 0;
    dpl = raw[0] >> 45 & 3;
    if (is_long(cpu)) {
        gate->offset |= raw[1] << 32;
        gate->ist = raw[0] >> 32 & 7;
    }
    if (is_long(cpu)
            ? gate->type != SOFT_SYS_INT && gate->type != SOFT_SYS_TRAP
            : gate->type != SOFT_SYS_TASK_GATE && (gate->type & 0x16) != 0x06) {
        return idt_fault(cpu, ev, SOFT_EXC_GP);
    }
    if ((ev->kind == SOFT_EVENT_INT_N || ev->kind == SOFT_EVENT_INT3) &&
        dpl < soft_cpl(cpu)) {
        return idt_fault(cpu, ev, SOFT_EXC_GP);
    }
    if (!(raw[0] >> 47 & 1)) {
        return idt_fault(cpu, ev, SOFT_EXC_NP);
    }
    return true;
}

/* -- real mode ---------------------------------------------------------------------- */

static bool push3(SoftCPU *cpu, SoftStack *st, unsigned bytes, const Event *ev)
{
    return soft_stack_push(cpu, st, bytes, ev->eflags) &&
           soft_stack_push(cpu, st, bytes, cpu->seg[X86_CS].selector) &&
           soft_stack_push(cpu, st, bytes, ev->return_rip);
}

static bool deliver_vector_table(SoftCPU *cpu, const Event *ev, uint64_t table,
                                 uint32_t clear)
{
    SoftStack st;
    uint32_t entry;

    if (!soft_mem_read_as(cpu, soft_mmu_system(cpu), table + ev->vector * 4u,
                          &entry, 4)) {
        return false;
    }
    soft_stack_current(cpu, &st);
    if (!push3(cpu, &st, 2, ev)) {
        return false;
    }
    soft_stack_commit(cpu, &st);
    soft_seg_real(cpu, X86_CS, (uint16_t)(entry >> 16),
                  cpu->mode_flags & SOFT_MODE_VM86);
    cpu->next_rip = entry & 0xffff;
    soft_set_eflags(cpu, cpu->eflags & ~clear);
    return true;
}

static bool deliver_real(SoftCPU *cpu, const Event *ev)
{
    if (ev->vector * 4u + 3 > cpu->idt.limit) {
        return idt_fault(cpu, ev, SOFT_EXC_GP);
    }
    return deliver_vector_table(cpu, ev, cpu->idt.base,
                                SOFT_EFL_IF | SOFT_EFL_TF | SOFT_EFL_AC |
                                    SOFT_EFL_RF);
}

/*
 * INT n of virtual-8086 code with VME: a clear bit in the TSS's redirection
 * bitmap sends it to the task's own vector table (SDM 3B 20.3.3).
 * *ret_done: it was.
 */
static bool deliver_vme(SoftCPU *cpu, Event *ev, bool *ret_done)
{
    const SoftSegment *tr = &cpu->seg[X86_TR];
    SoftMMU mmu = soft_mmu_system(cpu);
    bool low_iopl = (cpu->eflags & SOFT_EFL_IOPL) != SOFT_EFL_IOPL;
    uint16_t io_base;
    uint8_t byte;
    uint32_t at;

    *ret_done = false;
    if (!(cpu->cr4 & SOFT_CR4_VME) || tr->limit < 103) {
        return !low_iopl || soft_raise_gp(cpu);
    }
    if (!soft_mem_read_as(cpu, mmu, tr->base + 102, &io_base, 2)) {
        return false;
    }
    at = io_base - 32u + ev->vector / 8;
    if (io_base < 32 || at > tr->limit) {
        return soft_raise_gp(cpu);
    }
    if (!soft_mem_read_as(cpu, mmu, tr->base + at, &byte, 1)) {
        return false;
    }
    if (byte >> (ev->vector & 7) & 1) {
        return !low_iopl || soft_raise_gp(cpu);
    }
    *ret_done = true;
    if (low_iopl) {
        ev->eflags = (ev->eflags & ~SOFT_EFL_IF) | SOFT_EFL_IOPL |
                     (ev->eflags & SOFT_EFL_VIF ? SOFT_EFL_IF : 0);
    }
    return deliver_vector_table(
        cpu, ev, 0, SOFT_EFL_TF | (low_iopl ? SOFT_EFL_VIF : SOFT_EFL_IF));
}

/* -- protected mode -------------------------------------------------------------------- */

static bool check_handler(SoftCPU *cpu, const Event *ev, const Gate *gate,
                          SoftDescriptor *d)
{
    if (!(gate->selector & ~RPL)) {
        return soft_raise_error(cpu, SOFT_EXC_GP, ev->ext);
    }
    if (!soft_desc_read(cpu, gate->selector, SOFT_EXC_GP, ev->ext, d)) {
        return false;
    }
    if ((d->hi & (SOFT_SEG_S | SOFT_SEG_CODE)) !=
            (SOFT_SEG_S | SOFT_SEG_CODE) ||
        soft_desc_dpl(d) > soft_cpl(cpu) ||
        (is_long(cpu) && (d->hi & (SOFT_SEG_L | SOFT_SEG_DB)) != SOFT_SEG_L)) {
        return selector_fault(cpu, SOFT_EXC_GP, gate->selector, ev);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return selector_fault(cpu, SOFT_EXC_NP, gate->selector, ev);
    }
    return true;
}

/* The stack of an inner level in a 16- or 32-bit protected mode. */
static bool inner_stack(SoftCPU *cpu, const Event *ev, unsigned cpl,
                        SoftStack *st)
{
    SoftDescriptor d;
    SoftSegment ss;
    uint16_t selector;
    uint32_t sp;

    if (!soft_tss_stack(cpu, cpl, ev->ext, &selector, &sp) ||
        !soft_ss_check(cpu, selector, cpl, SOFT_EXC_TS, ev->ext, &d) ||
        !soft_desc_accessed(cpu, &d)) {
        return false;
    }
    soft_seg_from_desc(&ss, selector, &d);
    soft_stack_new(cpu, st, &ss, sp, cpl, false);
    return true;
}

static bool push_vm86_segments(SoftCPU *cpu, SoftStack *st, unsigned bytes)
{
    static const uint8_t order[] = { X86_GS, X86_FS, X86_DS, X86_ES };

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        if (!soft_stack_push(cpu, st, bytes, cpu->seg[order[i]].selector)) {
            return false;
        }
    }
    return true;
}

static void clear_vm86_segments(SoftCPU *cpu)
{
    soft_seg_null(&cpu->seg[X86_GS], 0);
    soft_seg_null(&cpu->seg[X86_FS], 0);
    soft_seg_null(&cpu->seg[X86_DS], 0);
    soft_seg_null(&cpu->seg[X86_ES], 0);
}

static void enter_handler(SoftCPU *cpu, const Gate *gate, SoftDescriptor *d,
                          const SoftStack *st, unsigned cpl)
{
    uint32_t clear = SOFT_EFL_TF | SOFT_EFL_NT | SOFT_EFL_RF | SOFT_EFL_VM;

    if (!(gate->type & 1)) {
        clear |= SOFT_EFL_IF;
    }
    cpu->seg[X86_SS] = st->ss;
    soft_stack_commit(cpu, st);
    cpu->eflags &= ~SOFT_EFL_VM;
    soft_set_cs(cpu, gate->selector, d, cpl);
    cpu->next_rip = gate->offset;
    soft_set_eflags(cpu, cpu->eflags & ~clear);
}

static bool deliver_protected(SoftCPU *cpu, const Event *ev, const Gate *gate)
{
    unsigned bytes = gate->type & 8 ? 4 : 2;
    bool vm86 = cpu->mode_flags & SOFT_MODE_VM86;
    unsigned cpl = soft_cpl(cpu);
    SoftDescriptor d;
    SoftStack st;

    if (!check_handler(cpu, ev, gate, &d)) {
        return false;
    }
    if (!(d.hi & SOFT_SEG_C) && soft_desc_dpl(&d) < cpl) {
        cpl = soft_desc_dpl(&d);
        if (vm86 && cpl != 0) {
            return selector_fault(cpu, SOFT_EXC_GP, gate->selector, ev);
        }
        if (!inner_stack(cpu, ev, cpl, &st) ||
            (vm86 && !push_vm86_segments(cpu, &st, bytes)) ||
            !soft_stack_push(cpu, &st, bytes, cpu->seg[X86_SS].selector) ||
            !soft_stack_push(cpu, &st, bytes, cpu->gpr[X86_RSP])) {
            return false;
        }
    } else if (vm86) {
        return selector_fault(cpu, SOFT_EXC_GP, gate->selector, ev);
    } else {
        soft_stack_current(cpu, &st);
    }
    if (!push3(cpu, &st, bytes, ev) ||
        (ev->has_error && !soft_stack_push(cpu, &st, bytes, ev->error)) ||
        !soft_desc_accessed(cpu, &d)) {
        return false;
    }
    if ((gate->type & 8 ? gate->offset : gate->offset & 0xffff) >
        soft_desc_limit(&d)) {
        return soft_raise_error(cpu, SOFT_EXC_GP, ev->ext);
    }
    if (vm86) {
        clear_vm86_segments(cpu);
    }
    enter_handler(cpu, gate, &d, &st, cpl);
    if (!(gate->type & 8)) {
        cpu->next_rip &= 0xffff;
    }
    return true;
}

static bool deliver_task(SoftCPU *cpu, const Event *ev, const Gate *gate)
{
    SoftStack st;

    if (!soft_task_switch(cpu, gate->selector, SOFT_TASK_CALL, ev->return_rip,
                          ev->ext)) {
        return false;
    }
    if (ev->has_error) {
        unsigned type =
            (cpu->seg[X86_TR].attr & SOFT_SEG_TYPE) >> SOFT_SEG_TYPE_SHIFT;

        soft_stack_current(cpu, &st);
        if (!soft_stack_push(cpu, &st, type & 8 ? 4 : 2, ev->error)) {
            return false;
        }
        soft_stack_commit(cpu, &st);
    }
    return true;
}

/* -- long mode ------------------------------------------------------------------------ */

static bool deliver_long(SoftCPU *cpu, const Event *ev, const Gate *gate)
{
    unsigned cpl = soft_cpl(cpu);
    SoftSegment ss = cpu->seg[X86_SS];
    SoftDescriptor d;
    SoftStack st;
    uint64_t rsp = cpu->gpr[X86_RSP];

    if (!check_handler(cpu, ev, gate, &d)) {
        return false;
    }
    if (!(d.hi & SOFT_SEG_C) && soft_desc_dpl(&d) < cpl) {
        cpl = soft_desc_dpl(&d);
        ss = (SoftSegment){ .selector = (uint16_t)cpl,
                            .attr = cpl << SOFT_SEG_DPL_SHIFT };
        if (!gate->ist && !soft_tss_rsp(cpu, 4 + 8 * cpl, ev->ext, &rsp)) {
            return false;
        }
    }
    if (gate->ist &&
        !soft_tss_rsp(cpu, TSS64_IST + 8 * (gate->ist - 1), ev->ext, &rsp)) {
        return false;
    }
    if (!soft_canonical(gate->offset)) {
        return soft_raise_error(cpu, SOFT_EXC_GP, ev->ext);
    }
    soft_stack_new(cpu, &st, &ss, rsp & ~15ull, cpl, true);
    if (!soft_stack_push(cpu, &st, 8, cpu->seg[X86_SS].selector) ||
        !soft_stack_push(cpu, &st, 8, cpu->gpr[X86_RSP]) ||
        !push3(cpu, &st, 8, ev) ||
        (ev->has_error && !soft_stack_push(cpu, &st, 8, ev->error)) ||
        !soft_desc_accessed(cpu, &d)) {
        return false;
    }
    enter_handler(cpu, gate, &d, &st, cpl);
    return true;
}

/* -- all of it -------------------------------------------------------------------------- */

/* Faults are restarted without their instruction breakpoint (SDM 3B 17.3.1.1). */
static bool sets_rf(const SoftException *e)
{
    return e && !e->trap;
}

static bool deliver(SoftCPU *cpu, Event *ev)
{
    Gate gate;
    bool done;

    if (!(cpu->cr0 & X86_CR0_PE)) {
        return deliver_real(cpu, ev);
    }
    if ((cpu->mode_flags & SOFT_MODE_VM86) && ev->kind == SOFT_EVENT_INT_N) {
        if (!deliver_vme(cpu, ev, &done)) {
            return false;
        }
        if (done) {
            return true;
        }
    }
    if (!read_gate(cpu, ev, &gate)) {
        return false;
    }
    if (gate.type == SOFT_SYS_TASK_GATE) {
        return deliver_task(cpu, ev, &gate);
    }
    return is_long(cpu) ? deliver_long(cpu, ev, &gate)
                        : deliver_protected(cpu, ev, &gate);
}

bool soft_event_deliver(SoftCPU *cpu, uint8_t vector, SoftEventKind kind,
                        const SoftException *exception, uint64_t return_rip)
{
    Event ev = { .vector = vector,
                 .kind = kind,
                 .return_rip = return_rip,
                 .eflags = cpu->eflags };

    ev.ext = kind == SOFT_EVENT_EXCEPTION || kind == SOFT_EVENT_EXTERNAL ||
             kind == SOFT_EVENT_INT1;
    if (exception && (cpu->cr0 & X86_CR0_PE)) {
        ev.has_error = exception->has_error;
        ev.error = exception->error;
    }
    if (sets_rf(exception)) {
        ev.eflags |= SOFT_EFL_RF;
    } else if (kind == SOFT_EVENT_INT_N || kind == SOFT_EVENT_INT3) {
        ev.eflags &= ~SOFT_EFL_RF;
    }
    trace_soft_event(cpu->base.index, vector, (unsigned)kind, ev.error,
                     cpu->seg[X86_CS].selector, return_rip);
    if (!deliver(cpu, &ev)) {
        return false;
    }
    cpu->shadow = 0;
    cpu->priv->no_step = true;
    return true;
}

static bool is_contributory(unsigned vector)
{
    return vector == SOFT_EXC_DE ||
           (vector >= SOFT_EXC_TS && vector <= SOFT_EXC_GP);
}

/* What becomes of @second, raised while @first was delivered. Returns: false
 * for a triple fault. */
static bool combine(SoftCPU *cpu, unsigned first, unsigned second)
{
    if (first == SOFT_EXC_DF) {
        return false;
    }
    if ((is_contributory(first) && is_contributory(second)) ||
        (first == SOFT_EXC_PF &&
         (second == SOFT_EXC_PF || is_contributory(second)))) {
        soft_raise_error(cpu, SOFT_EXC_DF, 0);
    }
    return true;
}

static void triple_fault(SoftCPU *cpu)
{
    trace_soft_triple_fault(cpu->base.index, cpu->seg[X86_CS].selector,
                            cpu->rip);
    cpu->exception.pending = false;
    cpu->triple_fault = true;
    soft_exit_request(cpu, SOFT_EXIT_MODE);
}

static void note_registers(SoftCPU *cpu, const SoftException *e)
{
    if (e->vector == SOFT_EXC_PF) {
        cpu->cr2 = e->value;
    } else if (e->vector == SOFT_EXC_DB) {
        cpu->dr6 = (cpu->dr6 & ~0xfull) | e->value;
        cpu->dr7 &= ~(uint64_t)DR7_GD;
    }
}

void soft_deliver_exception(SoftCPU *cpu)
{
    while (cpu->exception.pending) {
        SoftException e = cpu->exception;

        cpu->exception.pending = false;
        note_registers(cpu, &e);
        if (soft_event_deliver(cpu, e.vector, SOFT_EVENT_EXCEPTION, &e,
                               cpu->rip)) {
            cpu->rip = cpu->next_rip;
            return;
        }
        if (!combine(cpu, e.vector, cpu->exception.vector)) {
            triple_fault(cpu);
            return;
        }
    }
}

void soft_deliver_interrupt(SoftCPU *cpu, uint8_t vector)
{
    if (soft_event_deliver(cpu, vector, SOFT_EVENT_EXTERNAL, NULL, cpu->rip)) {
        cpu->rip = cpu->next_rip;
    } else {
        soft_deliver_exception(cpu);
    }
}

/* -- instructions that are events ---------------------------------------------------------- */

static bool software_event(SoftCPU *cpu, uint8_t vector, SoftEventKind kind)
{
    return soft_event_deliver(cpu, vector, kind, NULL, cpu->next_rip);
}

bool soft_int(SoftCPU *cpu, uint8_t vector)
{
    return software_event(cpu, vector, SOFT_EVENT_INT_N);
}

bool soft_int3(SoftCPU *cpu)
{
    return software_event(cpu, SOFT_EXC_BP, SOFT_EVENT_INT3);
}

bool soft_into(SoftCPU *cpu)
{
    if (!(cpu->eflags & SOFT_EFL_OF)) {
        return true;
    }
    return software_event(cpu, SOFT_EXC_OF, SOFT_EVENT_INT3);
}

bool soft_int1(SoftCPU *cpu)
{
    return software_event(cpu, SOFT_EXC_DB, SOFT_EVENT_INT1);
}
