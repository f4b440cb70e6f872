/*
 * Running a vCPU: what happens between blocks.
 *
 * The engines (translator, interpreter) run until exit_request is set or an
 * exception was raised. Here its bits are taken one after another, in the
 * architecture's order of events at an instruction boundary (SDM 3A table
 * 6-2): shutdown and reset, traps of the last instruction, NMI, interrupts,
 * faults of the next one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "interp.h"
#include "soft-accel.h"

/* What wakes a CPU that waits for an interrupt or for SIPI. */
#define WAKES                                                                  \
    (SOFT_EXIT_KICK | SOFT_EXIT_INTR | SOFT_EXIT_NMI | SOFT_EXIT_INIT |        \
     SOFT_EXIT_SIPI)

static bool take_request(SoftCPU *cpu, uint32_t bit)
{
    return qatomic_fetch_and(&cpu->exit_request, ~bit) & bit;
}

/* Clears itself once the next instruction is done. */
static bool in_shadow(const SoftCPU *cpu, uint32_t kinds)
{
    return (cpu->shadow & kinds) && cpu->shadow_rip == cpu->rip;
}

/* -- INIT and SIPI --------------------------------------------------------------- */

static void take_init(SoftCPU *cpu)
{
    AccelState *a = cpu->base.accel;
    uint64_t apic_base = X86_APICBASE_BSP;

    trace_soft_signal(cpu->base.index, "INIT", 0);
    if (cpu->priv->has_apic) {
        a->irq_host->init(a->irq_opaque, cpu->base.index);
        soft_msr_read(cpu, 0x1b, &apic_base);
    }
    soft_cpu_init(cpu);
    cpu->priv->mp_state =
        apic_base & X86_APICBASE_BSP ? X86_MP_RUNNABLE : X86_MP_INIT_RECEIVED;
}

static void take_sipi(SoftCPU *cpu)
{
    unsigned vector = (unsigned)qatomic_read(&cpu->priv->sipi_vector);

    if (cpu->priv->mp_state != X86_MP_INIT_RECEIVED &&
        cpu->priv->mp_state != X86_MP_UNINITIALIZED) {
        return;
    }
    trace_soft_signal(cpu->base.index, "SIPI", vector);
    cpu->seg[X86_CS].selector = (uint16_t)(vector << 8);
    cpu->seg[X86_CS].base = vector << 12;
    cpu->rip = 0;
    cpu->priv->mp_state = X86_MP_RUNNABLE;
}

/* -- interrupts -------------------------------------------------------------------- */

static bool take_nmi(SoftCPU *cpu)
{
    if (!qatomic_read(&cpu->priv->nmi_pending) || cpu->nmi_blocked ||
        in_shadow(cpu, SOFT_SHADOW_MOV_SS)) {
        return false;
    }
    qatomic_set(&cpu->priv->nmi_pending, 0);
    trace_soft_signal(cpu->base.index, "NMI", 0);
    cpu->halted = false;
    soft_deliver_interrupt(cpu, SOFT_EXC_NMI);
    cpu->nmi_blocked = true;
    return true;
}

/* The interrupt acknowledge cycle. It may take the machine lock. */
static int acknowledge(SoftCPU *cpu)
{
    AccelState *a = cpu->base.accel;
    int vector = cpu->priv->injected;

    if (vector >= 0) {
        cpu->priv->injected = -1;
        return vector;
    }
    if (!cpu->priv->has_apic || !qatomic_read(&cpu->priv->intr_line)) {
        return -1;
    }
    soft_leave_guest(cpu);
    vector = a->irq_host->intr_ack(a->irq_opaque, cpu->base.index);
    soft_enter_guest(cpu);
    return vector;
}

/* The bit stays set only while there is something that can be taken: with
 * interrupts off, soft_set_eflags() sets it again when they go on. */
static void take_interrupt(SoftCPU *cpu)
{
    int vector;

    if (!(cpu->eflags & SOFT_EFL_IF)) {
        return;
    }
    vector = acknowledge(cpu);
    if (vector >= 0) {
        cpu->halted = false;
        soft_deliver_interrupt(cpu, (uint8_t)vector);
    }
    if ((cpu->eflags & SOFT_EFL_IF) && qatomic_read(&cpu->priv->intr_line)) {
        soft_exit_request(cpu, SOFT_EXIT_INTR);
    }
}

/* An event is due, but not before the next instruction. */
static void step_through_shadow(SoftCPU *cpu)
{
    cpu->shadow = 0;
    if (cpu->mode_flags & SOFT_MODE_STEP) {
        soft_debug_step(cpu);
    } else if (!soft_interp_one(cpu)) {
        soft_deliver_exception(cpu);
    }
}

static void take_events(SoftCPU *cpu, uint32_t req)
{
    if ((req & (SOFT_EXIT_NMI | SOFT_EXIT_INTR)) &&
        in_shadow(cpu, SOFT_SHADOW_STI | SOFT_SHADOW_MOV_SS)) {
        if (!cpu->halted) {
            step_through_shadow(cpu);
        }
        cpu->shadow = 0;
        if (cpu->triple_fault) {
            return;
        }
    }
    if (take_request(cpu, SOFT_EXIT_NMI) && take_nmi(cpu)) {
        return;
    }
    if (take_request(cpu, SOFT_EXIT_INTR)) {
        take_interrupt(cpu);
    }
}

/* -- waiting ------------------------------------------------------------------------- */

static bool is_waiting(const SoftCPU *cpu)
{
    return cpu->halted || cpu->priv->mp_state != X86_MP_RUNNABLE;
}

static void wait_for_event(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;
    uint32_t wakes = WAKES;

    if (priv->mp_state != X86_MP_RUNNABLE) {
        wakes &= ~(SOFT_EXIT_INTR | SOFT_EXIT_NMI);
    }
    soft_leave_guest(cpu);
    WITH_QEMU_LOCK_GUARD(&priv->lock)
    {
        priv->sleeping = true;
        while (!(qatomic_read(&cpu->exit_request) & wakes)) {
            qemu_cond_wait(&priv->wake, &priv->lock);
        }
        priv->sleeping = false;
    }
    soft_enter_guest(cpu);
}

/* -- the loop --------------------------------------------------------------------------- */

/* Returns: true to leave with *ret. */
static bool take_requests(SoftCPU *cpu, AccelExit *ret)
{
    uint32_t req = qatomic_mb_read(&cpu->exit_request);

    if (req & SOFT_EXIT_WORK) {
        soft_do_work(cpu);
    }
    if (take_request(cpu, SOFT_EXIT_MODE) && cpu->priv->grow_tlb) {
        soft_tlb_grow(cpu);
    }
    if (cpu->triple_fault) {
        *ret = ACCEL_EXIT_RESET;
        return true;
    }
    if (cpu->priv->debug_exit) {
        cpu->priv->debug_exit = false;
        cpu->priv->skip_point =
            cpu->priv->debug_hit.reason == ACCEL_DEBUG_HIT_POINT;
        *ret = ACCEL_EXIT_DEBUG;
        return true;
    }
    if (take_request(cpu, SOFT_EXIT_KICK)) {
        *ret = ACCEL_EXIT_INTERRUPTED;
        return true;
    }
    if (take_request(cpu, SOFT_EXIT_INIT)) {
        take_init(cpu);
    }
    if (take_request(cpu, SOFT_EXIT_SIPI)) {
        take_sipi(cpu);
    }
    if (cpu->exception.pending) {
        soft_deliver_exception(cpu);
    }
    if (cpu->priv->mp_state == X86_MP_RUNNABLE &&
        (cpu->halted || !cpu->priv->debug.single_step)) {
        take_events(cpu, qatomic_read(&cpu->exit_request));
    }
    return false;
}

static void run_engine(SoftCPU *cpu, const SoftTranslator *t)
{
    bool ok = t && t->usable(cpu) ? t->run(cpu) : soft_interp_run(cpu);

    if (!ok) {
        soft_deliver_exception(cpu);
    }
}

static AccelExit run(SoftCPU *cpu)
{
    const SoftTranslator *t = soft_accel_of(cpu)->translator;
    AccelExit ret = ACCEL_EXIT_INTERRUPTED;

    for (;;) {
        if (qatomic_read(&cpu->exit_request) && take_requests(cpu, &ret)) {
            return ret;
        }
        if (is_waiting(cpu)) {
            /* A request that came with the interrupts off stays unserved:
             * only what sets a new one wakes. */
            wait_for_event(cpu);
        } else if ((cpu->mode_flags & SOFT_MODE_STEP) || cpu->dr6_pending) {
            soft_debug_step(cpu);
        } else {
            run_engine(cpu, t);
        }
    }
}

AccelExit soft_vcpu_run(AccelVCPU *base, Error **errp)
{
    SoftCPU *cpu = soft_cpu(base);
    AccelExit ret;

    soft_enter_guest(cpu);
    ret = run(cpu);
    soft_leave_guest(cpu);
    return ret;
}

/* -- other threads ----------------------------------------------------------------------- */

void soft_vcpu_kick(AccelVCPU *base)
{
    soft_wake(soft_cpu(base), SOFT_EXIT_KICK);
}

void soft_vcpu_intr(AccelVCPU *base, bool level)
{
    SoftCPU *cpu = soft_cpu(base);

    if (qatomic_xchg(&cpu->priv->intr_line, level) != level && level) {
        soft_wake(cpu, SOFT_EXIT_INTR);
    }
}

void soft_vcpu_signal(AccelVCPU *base, AccelSignal signal, uint8_t vector)
{
    SoftCPU *cpu = soft_cpu(base);

    switch (signal) {
    case ACCEL_SIGNAL_NMI:
        qatomic_set(&cpu->priv->nmi_pending, 1);
        soft_wake(cpu, SOFT_EXIT_NMI);
        break;
    case ACCEL_SIGNAL_INIT:
        soft_wake(cpu, SOFT_EXIT_INIT);
        break;
    case ACCEL_SIGNAL_SIPI:
        qatomic_set(&cpu->priv->sipi_vector, vector);
        soft_wake(cpu, SOFT_EXIT_SIPI);
        break;
    case ACCEL_SIGNAL_SMI:
        trace_soft_signal(cpu->base.index, "SMI ignored", 0);
        break;
    }
}

bool soft_vcpu_nmi(AccelVCPU *base, Error **errp)
{
    soft_vcpu_signal(base, ACCEL_SIGNAL_NMI, 0);
    return true;
}
