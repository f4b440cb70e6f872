/*
 * The CPU's state after reset and INIT, and as X86CPUState for debuggers and
 * migration.
 *
 * Source: Intel SDM volume 3A, table 9-1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "insn.h"
#include "soft-accel.h"

#define RESET_CS_BASE 0xffff0000u
#define RESET_CS      0xf000u
#define RESET_RIP     0xfff0u
#define DR6_RESET     0xffff0ff0u
#define DR7_RESET     0x400u
#define MSRS_MAX      256u
#define MSR_APIC_BASE 0x1bu
#define HZ_PER_KHZ    1000u

/* -- reset --------------------------------------------------------------------------- */

static void reset_segments(SoftCPU *cpu)
{
    const uint32_t rw =
        SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_W | SOFT_SEG_ACCESSED;

    for (unsigned i = 0; i <= X86_GS; i++) {
        cpu->seg[i] = (SoftSegment){ .limit = 0xffff, .attr = rw };
    }
    cpu->seg[X86_CS].selector = RESET_CS;
    cpu->seg[X86_CS].base = RESET_CS_BASE;
    cpu->seg[X86_CS].attr = rw | SOFT_SEG_CODE;
    cpu->seg[X86_LDTR] =
        (SoftSegment){ .limit = 0xffff,
                       .attr = SOFT_SEG_P | SOFT_SYS_LDT << 8 };
    cpu->seg[X86_TR] =
        (SoftSegment){ .limit = 0xffff,
                       .attr = SOFT_SEG_P | SOFT_SYS_TSS_BUSY << 8 };
    cpu->gdt = (X86Table){ 0, 0xffff };
    cpu->idt = (X86Table){ 0, 0xffff };
}

/* What reset and INIT have in common. */
static void reset_common(SoftCPU *cpu)
{
    const X86CPUIDEntry *e =
        cpu->priv->cpuid ? x86_cpuid_find(cpu->priv->cpuid, 1, 0) : NULL;

    memset(cpu->gpr, 0, sizeof(cpu->gpr));
    cpu->gpr[X86_RDX] = e ? e->eax : 0;
    cpu->rip = RESET_RIP;
    cpu->next_rip = RESET_RIP;
    cpu->eflags = SOFT_EFL_ONE;
    reset_segments(cpu);
    cpu->cr2 = 0;
    cpu->cr3 = 0;
    cpu->cr4 = 0;
    cpu->efer = 0;
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr6 = DR6_RESET;
    cpu->dr7 = DR7_RESET;
    cpu->exception.pending = false;
    cpu->dr6_pending = 0;
    cpu->shadow = 0;
    cpu->cpl = 0;
    cpu->nmi_blocked = false;
    cpu->halted = false;
    cpu->triple_fault = false;
    cpu->priv->injected = -1;
    qatomic_set(&cpu->priv->nmi_pending, 0);
}

static void finish_reset(SoftCPU *cpu)
{
    soft_debug_changed(cpu);
    soft_apic_base_changed(cpu);
    soft_tlb_flush(cpu, true);
    soft_update_mode(cpu);
}

void soft_cpu_reset(SoftCPU *cpu, bool is_bsp)
{
    reset_common(cpu);
    cpu->cr0 = X86_CR0_ET | X86_CR0_NW | X86_CR0_CD;
    cpu->xcr0 = SOFT_XCR0_X87;
    cpu->mxcsr_mask = soft_mxcsr_mask();
    soft_fpu_reset(cpu, false);
    soft_msr_reset(cpu);
    soft_tsc_set(cpu, 0);
    cpu->priv->mp_state = is_bsp ? X86_MP_RUNNABLE : X86_MP_UNINITIALIZED;
    qatomic_and(&cpu->exit_request,
                ~(SOFT_EXIT_NMI | SOFT_EXIT_INIT | SOFT_EXIT_SIPI));
    finish_reset(cpu);
    soft_forget_code(cpu);
}

void soft_cpu_init(SoftCPU *cpu)
{
    /* INIT leaves CD and NW, FPU and vectors, MSRs and the TSC. */
    uint64_t cache = cpu->cr0 & (X86_CR0_CD | X86_CR0_NW);

    reset_common(cpu);
    cpu->cr0 = X86_CR0_ET | cache;
    finish_reset(cpu);
}

/* -- segments ------------------------------------------------------------------------- */

static X86Segment segment_out(const SoftSegment *s)
{
    uint32_t a = s->attr;

    return (X86Segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = (a & SOFT_SEG_TYPE) >> SOFT_SEG_TYPE_SHIFT,
        .s = a & SOFT_SEG_S,
        .dpl = (a & SOFT_SEG_DPL) >> SOFT_SEG_DPL_SHIFT,
        .present = a & SOFT_SEG_P,
        .avl = a & SOFT_SEG_AVL,
        .l = a & SOFT_SEG_L,
        .db = a & SOFT_SEG_DB,
        .g = a & SOFT_SEG_G,
        .unusable = !(a & SOFT_SEG_P),
    };
}

static SoftSegment segment_in(const X86Segment *s)
{
    uint32_t a = (uint32_t)(s->type & 15) << SOFT_SEG_TYPE_SHIFT |
                 (uint32_t)(s->dpl & 3) << SOFT_SEG_DPL_SHIFT;

    a |= s->s ? SOFT_SEG_S : 0;
    a |= s->present && !s->unusable ? SOFT_SEG_P : 0;
    a |= s->avl ? SOFT_SEG_AVL : 0;
    a |= s->l ? SOFT_SEG_L : 0;
    a |= s->db ? SOFT_SEG_DB : 0;
    a |= s->g ? SOFT_SEG_G : 0;
    return (SoftSegment){
        .base = s->base, .limit = s->limit, .attr = a, .selector = s->selector
    };
}

/* PAE paging: its four top entries are registers. */
static bool uses_pdptrs(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & X86_CR0_PG) && (cr4 & SOFT_CR4_PAE) &&
           !(efer & SOFT_EFER_LMA);
}

static void get_sregs(SoftCPU *cpu, X86CPUState *st)
{
    AccelState *a = cpu->base.accel;

    for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
        st->seg[i] = segment_out(&cpu->seg[i]);
    }
    /* The privilege level is SS's, also where SS is null. */
    st->seg[X86_SS].dpl = cpu->cpl;
    st->gdt = cpu->gdt;
    st->idt = cpu->idt;
    st->cr0 = cpu->cr0;
    st->cr2 = cpu->cr2;
    st->cr3 = cpu->cr3;
    st->cr4 = cpu->cr4;
    st->efer = cpu->efer;
    st->pdptrs_valid = uses_pdptrs(cpu->cr0, cpu->cr4, cpu->efer);
    memcpy(st->pdptrs, cpu->priv->pdpte, sizeof(st->pdptrs));
    st->cr8 = 0;
    st->apic_base = X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE |
                    (cpu->base.index == 0 ? X86_APICBASE_BSP : 0);
    if (cpu->priv->has_apic) {
        st->cr8 = a->irq_host->get_tpr(a->irq_opaque, cpu->base.index);
        soft_msr_read(cpu, MSR_APIC_BASE, &st->apic_base);
    }
}

static bool set_sregs(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    const bool lma = st->efer & SOFT_EFER_LMA;
    AccelState *a = cpu->base.accel;

    if (((st->cr0 & X86_CR0_PG) && !(st->cr0 & X86_CR0_PE)) ||
        (lma && (!(st->cr0 & X86_CR0_PG) || !(st->cr4 & SOFT_CR4_PAE)))) {
        error_setg(errp,
                   "CPU %u: cr0 0x%" PRIx64 ", cr4 0x%" PRIx64
                   " and efer 0x%" PRIx64 " do not go together",
                   cpu->base.index, st->cr0, st->cr4, st->efer);
        return false;
    }
    for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
        cpu->seg[i] = segment_in(&st->seg[i]);
    }
    cpu->gdt = st->gdt;
    cpu->idt = st->idt;
    cpu->cr0 = (st->cr0 & 0xffffffff) | X86_CR0_ET;
    cpu->cr2 = st->cr2;
    cpu->cr3 = st->cr3;
    cpu->cr4 = st->cr4;
    cpu->efer = st->efer;
    cpu->cpl = st->cr0 & X86_CR0_PE ? st->seg[X86_SS].dpl & 3 : 0;
    if (cpu->eflags & SOFT_EFL_VM) {
        cpu->cpl = 3;
    }
    if (cpu->priv->has_apic) {
        a->irq_host->set_tpr(a->irq_opaque, cpu->base.index, st->cr8 & 15);
        if (!soft_msr_restore(cpu, MSR_APIC_BASE, st->apic_base) && incoming) {
            error_setg(errp, "CPU %u: APIC base 0x%" PRIx64 " is not valid",
                       cpu->base.index, st->apic_base);
            return false;
        }
    }
    if (st->pdptrs_valid) {
        memcpy(cpu->priv->pdpte, st->pdptrs, sizeof(st->pdptrs));
    } else if (uses_pdptrs(cpu->cr0, cpu->cr4, cpu->efer) &&
               !soft_load_pdptes(cpu, cpu->cr3)) {
        cpu->exception.pending = false;
    }
    soft_apic_base_changed(cpu);
    soft_tlb_flush(cpu, true);
    soft_update_mode(cpu);
    return true;
}

/* -- the other parts --------------------------------------------------------------------- */

static void get_regs(SoftCPU *cpu, X86CPUState *st)
{
    memcpy(st->gpr, cpu->gpr, sizeof(st->gpr));
    st->rip = cpu->rip;
    st->rflags = cpu->eflags;
}

static bool set_regs(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                     Error **errp)
{
    memcpy(cpu->gpr, st->gpr, sizeof(cpu->gpr));
    cpu->rip = st->rip;
    cpu->next_rip = st->rip;
    soft_set_eflags(cpu, (uint32_t)st->rflags);
    cpu->shadow = 0;
    return true;
}

static void get_fpu(SoftCPU *cpu, X86CPUState *st)
{
    g_free(st->xsave);
    st->xsave = g_malloc0(SOFT_XSAVE_BYTES);
    st->xsave_bytes = SOFT_XSAVE_BYTES;
    soft_xsave_image(cpu, st->xsave);
    st->xcr0 = cpu->xcr0;
}

static bool set_fpu(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                    Error **errp)
{
    uint64_t allowed = cpu->xcr0_allowed | SOFT_XCR0_X87;

    if (st->xcr0 & ~allowed) {
        error_setg(errp,
                   "CPU %u: XCR0 0x%" PRIx64
                   " has state that the CPU model has not",
                   cpu->base.index, st->xcr0);
        return false;
    }
    if (st->xsave) {
        uint8_t image[SOFT_XSAVE_BYTES] = { 0 };

        if (st->xsave_bytes < 576) {
            error_setg(errp, "CPU %u: XSAVE area of %zu bytes is too small",
                       cpu->base.index, st->xsave_bytes);
            return false;
        }
        memcpy(image, st->xsave, MIN(st->xsave_bytes, sizeof(image)));
        soft_xrstor_image(cpu, image);
    }
    cpu->xcr0 = st->xcr0 | SOFT_XCR0_X87;
    soft_update_mode(cpu);
    return true;
}

static void get_msrs(SoftCPU *cpu, X86CPUState *st)
{
    uint32_t list[MSRS_MAX];
    size_t n = soft_msr_list(cpu, list, MSRS_MAX);

    g_free(st->msrs);
    st->msrs = g_new0(X86MSR, n);
    st->n_msrs = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t value;

        if (soft_msr_read(cpu, list[i], &value)) {
            st->msrs[st->n_msrs++] = (X86MSR){ list[i], value };
        } else {
            cpu->exception.pending = false;
        }
    }
    st->tsc_khz = (uint32_t)(soft_accel_of(cpu)->tsc_hz / HZ_PER_KHZ);
}

static bool set_msrs(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                     Error **errp)
{
    for (size_t i = 0; i < st->n_msrs; i++) {
        const X86MSR *m = &st->msrs[i];

        if (!soft_msr_restore(cpu, m->index, m->value) && incoming &&
            !soft_msr_may_leave_out(cpu, m, errp)) {
            return false;
        }
    }
    return true;
}

static void get_lapic(SoftCPU *cpu, X86CPUState *st)
{
    AccelState *a = cpu->base.accel;

    memset(st->lapic, 0, sizeof(st->lapic));
    if (cpu->priv->has_apic) {
        a->irq_host->get_state(a->irq_opaque, cpu->base.index, st->lapic);
    }
}

static bool set_lapic(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    AccelState *a = cpu->base.accel;
    uint64_t apic_base = 0;

    if (!cpu->priv->has_apic) {
        return true;
    }
    soft_msr_read(cpu, MSR_APIC_BASE, &apic_base);
    if (!a->irq_host->set_state(a->irq_opaque, cpu->base.index, st->lapic,
                                apic_base, errp)) {
        return false;
    }
    soft_apic_base_changed(cpu);
    return true;
}

/* The exception that is next: one that was raised, or the traps that wait for
 * the end of an instruction. */
static void get_exception(const SoftCPU *cpu, X86Events *ev)
{
    const SoftException *e = &cpu->exception;

    if (!e->pending && cpu->dr6_pending) {
        ev->exception_pending = true;
        ev->exception_vector = SOFT_EXC_DB;
        ev->exception_has_payload = true;
        ev->exception_payload = cpu->dr6_pending;
        return;
    }
    ev->exception_pending = e->pending;
    ev->exception_vector = e->vector;
    ev->exception_has_error = e->has_error;
    ev->exception_error = e->error;
    ev->exception_payload = e->value;
    ev->exception_has_payload =
        e->pending && (e->vector == SOFT_EXC_PF || e->vector == SOFT_EXC_DB);
}

static void get_events(SoftCPU *cpu, X86CPUState *st)
{
    bool shadow = cpu->shadow && cpu->shadow_rip == cpu->rip;
    int injected = cpu->priv->injected;
    uint32_t requests = qatomic_read(&cpu->exit_request);

    st->events = (X86Events){
        .interrupt_injected = injected >= 0,
        .interrupt_vector = injected >= 0 ? (uint8_t)injected : 0,
        .interrupt_shadow = shadow ? (uint8_t)cpu->shadow : 0,
        .nmi_pending = qatomic_read(&cpu->priv->nmi_pending),
        .nmi_masked = cpu->nmi_blocked,
        .sipi_vector = (uint32_t)qatomic_read(&cpu->priv->sipi_vector),
        .triple_fault_pending = cpu->triple_fault,
        .init_pending = requests & SOFT_EXIT_INIT,
        .sipi_pending = requests & SOFT_EXIT_SIPI,
    };
    get_exception(cpu, &st->events);
}

static void set_exception(SoftCPU *cpu, const X86Events *ev)
{
    bool trap = ev->exception_pending && ev->exception_has_payload &&
                ev->exception_vector == SOFT_EXC_DB;

    cpu->dr6_pending = trap ? ev->exception_payload : 0;
    cpu->exception = (SoftException){
        .pending = !trap && (ev->exception_pending || ev->exception_injected),
        .vector = ev->exception_vector,
        .has_error = ev->exception_has_error,
        .error = ev->exception_error,
        .value = ev->exception_has_payload             ? ev->exception_payload
                 : ev->exception_vector == SOFT_EXC_PF ? cpu->cr2
                                                       : 0,
    };
}

static bool set_events(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                       Error **errp)
{
    const X86Events *ev = &st->events;

    set_exception(cpu, ev);
    cpu->shadow = ev->interrupt_shadow & 3;
    cpu->shadow_rip = cpu->rip;
    cpu->nmi_blocked = ev->nmi_masked;
    cpu->triple_fault = ev->triple_fault_pending;
    qatomic_set(&cpu->priv->sipi_vector, (int)(ev->sipi_vector & 255));
    qatomic_set(&cpu->priv->nmi_pending, ev->nmi_pending || ev->nmi_injected);
    /* An interrupt that another accelerator had acknowledged already. */
    cpu->priv->injected =
        ev->interrupt_injected ? (int)ev->interrupt_vector : -1;
    soft_exit_request(cpu, SOFT_EXIT_NMI | SOFT_EXIT_INTR | SOFT_EXIT_MODE |
                               (ev->init_pending ? SOFT_EXIT_INIT : 0) |
                               (ev->sipi_pending ? SOFT_EXIT_SIPI : 0));
    return true;
}

static void get_mp(SoftCPU *cpu, X86CPUState *st)
{
    st->mp_state = cpu->priv->mp_state;
    if (st->mp_state == X86_MP_RUNNABLE && cpu->halted) {
        st->mp_state = X86_MP_HALTED;
    }
}

static bool set_mp(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                   Error **errp)
{
    cpu->halted = st->mp_state == X86_MP_HALTED;
    cpu->priv->mp_state = cpu->halted ? X86_MP_RUNNABLE : st->mp_state;
    if (st->mp_state == X86_MP_SIPI_RECEIVED) {
        cpu->priv->mp_state = X86_MP_INIT_RECEIVED;
        soft_exit_request(cpu, SOFT_EXIT_SIPI);
    }
    return true;
}

static void get_debug(SoftCPU *cpu, X86CPUState *st)
{
    memcpy(st->dr, cpu->dr, sizeof(st->dr));
    st->dr6 = cpu->dr6;
    st->dr7 = cpu->dr7;
}

static bool set_debug(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    memcpy(cpu->dr, st->dr, sizeof(cpu->dr));
    cpu->dr6 = (st->dr6 & 0xe00f) | DR6_RESET;
    cpu->dr7 = (st->dr7 & 0xffff23ff) | DR7_RESET;
    soft_debug_changed(cpu);
    return true;
}

/* -- all of it ------------------------------------------------------------------------------ */

/* In the order in which parts must be set. */
static const struct {
    unsigned mask;
    void (*get)(SoftCPU *cpu, X86CPUState *st);
    bool (*set)(SoftCPU *cpu, const X86CPUState *st, bool incoming,
                Error **errp);
} parts[] = {
    { X86_STATE_REGS, get_regs, set_regs },
    { X86_STATE_FPU, get_fpu, set_fpu },
    { X86_STATE_SREGS, get_sregs, set_sregs },
    { X86_STATE_MSRS, get_msrs, set_msrs },
    { X86_STATE_MP, get_mp, set_mp },
    { X86_STATE_LAPIC, get_lapic, set_lapic },
    { X86_STATE_EVENTS, get_events, set_events },
    { X86_STATE_DEBUG, get_debug, set_debug },
};

bool soft_vcpu_get_state(AccelVCPU *base, unsigned mask, X86CPUState *state,
                         Error **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (mask & parts[i].mask) {
            parts[i].get(soft_cpu(base), state);
        }
    }
    return true;
}

bool soft_vcpu_set_state(AccelVCPU *base, unsigned mask,
                         const X86CPUState *state, Error **errp)
{
    bool incoming = mask & X86_STATE_INCOMING;

    if (incoming && !soft_state_check(soft_cpu(base), state, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if ((mask & parts[i].mask) &&
            !parts[i].set(soft_cpu(base), state, incoming, errp)) {
            return false;
        }
    }
    return true;
}
