/*
 * A vCPU whose interrupts come from outside of the kernel: all of them
 * (kernel-irqchip=off), or only those of the 8259 (split).
 *
 * INTR is a level, NMI, SMI, INIT and SIPI are remembered as bits; whoever
 * changes one makes the vCPU look before it enters the guest again. With the
 * interrupt flag off the kernel is asked to leave the guest when it is on
 * ("interrupt window"). Without local APICs in the kernel, a halted CPU and
 * one that waits for a SIPI wait here, and CR8 is carried between the kernel
 * and the local APIC.
 *
 * Source: Documentation/virt/kvm/api.rst: KVM_INTERRUPT, struct kvm_run
 * (request_interrupt_window, ready_for_interrupt_injection, if_flag, cr8);
 * SDM 3A 8.4 (INIT, SIPI), 10.8.6 (CR8).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

#define SIPI_SEGMENT_SHIFT 8
#define SIPI_BASE_SHIFT    12
#define APIC_PAGE_MASK     (~0xfffull)
#define APIC_X2APIC        0x400u

static bool is_own_thread(const KVMVCPU *vcpu)
{
    return qatomic_load_acquire(&vcpu->has_thread) &&
           pthread_equal(vcpu->thread, pthread_self());
}

/* Make it look; not needed if it is the one who speaks. */
static void poke(KVMVCPU *vcpu)
{
    if (!is_own_thread(vcpu)) {
        kvm_vcpu_kick(&vcpu->base);
    }
}

void kvm_vcpu_intr(AccelVCPU *base, bool level)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    if (qatomic_xchg(&vcpu->intr, level) != level && level) {
        poke(vcpu);
    }
}

void kvm_vcpu_signal(AccelVCPU *base, AccelSignal signal, uint8_t vector)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    if (signal == ACCEL_SIGNAL_SIPI) {
        qatomic_set(&vcpu->sipi_vector, vector);
    } else if (signal == ACCEL_SIGNAL_INIT) {
        /* An earlier SIPI has found a CPU that did not wait for it. */
        qatomic_fetch_and(&vcpu->signals, ~(1u << ACCEL_SIGNAL_SIPI));
    }
    qatomic_fetch_or(&vcpu->signals, 1u << signal);
    poke(vcpu);
}

/* -- waiting ------------------------------------------------------------------------- */

void kvm_intr_init(KVMVCPU *vcpu)
{
    qemu_mutex_init(&vcpu->wait_lock);
    qemu_cond_init(&vcpu->wait_cond);
}

void kvm_intr_deinit(KVMVCPU *vcpu)
{
    qemu_cond_destroy(&vcpu->wait_cond);
    qemu_mutex_destroy(&vcpu->wait_lock);
}

void kvm_intr_wake(KVMVCPU *vcpu)
{
    QEMU_LOCK_GUARD(&vcpu->wait_lock);

    qemu_cond_signal(&vcpu->wait_cond);
}

static bool may_wake(const KVMVCPU *vcpu)
{
    return qatomic_mb_read(&vcpu->signals) ||
           (vcpu->mp_state == X86_MP_HALTED && vcpu->run->if_flag &&
            qatomic_mb_read(&vcpu->intr));
}

/* Returns: false if it was kicked: its caller is wanted. */
static bool wait_for_event(KVMVCPU *vcpu)
{
    QEMU_LOCK_GUARD(&vcpu->wait_lock);

    while (!may_wake(vcpu)) {
        if (qatomic_mb_read(&vcpu->run->immediate_exit)) {
            return false;
        }
        qemu_cond_wait(&vcpu->wait_cond, &vcpu->wait_lock);
    }
    return true;
}

/* -- INIT, SIPI, NMI, SMI --------------------------------------------------------------- */

static bool take_init(KVMVCPU *vcpu, Error **errp)
{
    AccelState *accel = vcpu->base.accel;
    unsigned mask =
        X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_EVENTS | X86_STATE_DEBUG;
    uint64_t base;

    accel->irq_host->init(accel->irq_opaque, vcpu->base.index);
    if (accel->irq_host->msr_read(accel->irq_opaque, vcpu->base.index,
                                  MSR_IA32_APIC_BASE, &base)) {
        vcpu->reset_state->apic_base = base;
    }
    vcpu->mp_state = vcpu->reset_state->apic_base & X86_APICBASE_BSP
                         ? X86_MP_RUNNABLE
                         : X86_MP_INIT_RECEIVED;
    return kvm_vcpu_set_state(&vcpu->base, mask, vcpu->reset_state, errp);
}

static bool take_sipi(KVMVCPU *vcpu, Error **errp)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    unsigned mask = X86_STATE_REGS | X86_STATE_SREGS;
    uint8_t vector = (uint8_t)qatomic_read(&vcpu->sipi_vector);

    if (vcpu->mp_state != X86_MP_INIT_RECEIVED &&
        vcpu->mp_state != X86_MP_UNINITIALIZED) {
        return true;
    }
    if (!kvm_vcpu_get_state(&vcpu->base, mask, st, errp)) {
        return false;
    }
    st->seg[X86_CS].selector = (uint16_t)(vector << SIPI_SEGMENT_SHIFT);
    st->seg[X86_CS].base = (uint64_t)vector << SIPI_BASE_SHIFT;
    st->rip = 0;
    vcpu->mp_state = X86_MP_RUNNABLE;
    return kvm_vcpu_set_state(&vcpu->base, mask, st, errp);
}

static bool inject_now(KVMVCPU *vcpu, unsigned long request, const char *name,
                       Error **errp)
{
    int ret = kvm_ioctl_arg(vcpu->fd, request, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "CPU %u: %s failed", vcpu->base.index,
                         name);
        return false;
    }
    if (vcpu->mp_state == X86_MP_HALTED) {
        vcpu->mp_state = X86_MP_RUNNABLE;
    }
    return true;
}

static bool take_signals(KVMVCPU *vcpu, Error **errp)
{
    unsigned signals = qatomic_xchg(&vcpu->signals, 0);

    trace_kvm_signals(vcpu->base.index, signals);
    if (signals & 1u << ACCEL_SIGNAL_INIT) {
        /* What came before is forgotten; a SIPI came behind it. */
        signals &= 1u << ACCEL_SIGNAL_SIPI;
        if (!take_init(vcpu, errp)) {
            return false;
        }
    }
    if ((signals & 1u << ACCEL_SIGNAL_SIPI) && !take_sipi(vcpu, errp)) {
        return false;
    }
    if ((signals & 1u << ACCEL_SIGNAL_NMI) &&
        !inject_now(vcpu, KVM_NMI, "KVM_NMI", errp)) {
        return false;
    }
    /* A kernel without system management mode has no SMI. */
    return !(signals & 1u << ACCEL_SIGNAL_SMI) || !kvm_of(vcpu)->caps.smm ||
           inject_now(vcpu, KVM_SMI, "KVM_SMI", errp);
}

/* -- before and after KVM_RUN ------------------------------------------------------------- */

static bool has_local_apic_outside(const KVMVCPU *vcpu)
{
    return kvm_of(vcpu)->irqchip_mode == KVM_IRQCHIP_MODE_OFF;
}

static bool inject_interrupt(KVMVCPU *vcpu, Error **errp)
{
    AccelState *accel = vcpu->base.accel;
    struct kvm_run *run = vcpu->run;
    int vector, ret;

    if (run->ready_for_interrupt_injection && run->if_flag) {
        vector = accel->irq_host->intr_ack(accel->irq_opaque, vcpu->base.index);
        if (vector >= 0) {
            struct kvm_interrupt irq = { .irq = (uint32_t)vector };

            ret = kvm_ioctl(vcpu->fd, KVM_INTERRUPT, &irq);
            trace_kvm_interrupt(vcpu->base.index, (unsigned)vector, ret);
            if (ret < 0) {
                error_setg_errno(errp, -ret,
                                 "CPU %u: KVM_INTERRUPT 0x%x failed",
                                 vcpu->base.index, (unsigned)vector);
                return false;
            }
            /* One at a time; the next when the kernel is ready for it. */
            run->ready_for_interrupt_injection = 0;
        }
    }
    run->request_interrupt_window = qatomic_mb_read(&vcpu->intr);
    return true;
}

KVMIntrNext kvm_intr_before_run(KVMVCPU *vcpu, Error **errp)
{
    AccelState *accel = vcpu->base.accel;

    if (!accel->irq_host) {
        return KVM_INTR_RUN;
    }
    if (has_local_apic_outside(vcpu)) {
        if (qatomic_mb_read(&vcpu->signals) && !take_signals(vcpu, errp)) {
            return KVM_INTR_FAILED;
        }
        if (vcpu->mp_state == X86_MP_HALTED && may_wake(vcpu)) {
            vcpu->mp_state = X86_MP_RUNNABLE;
        }
        if (vcpu->mp_state != X86_MP_RUNNABLE) {
            return wait_for_event(vcpu) ? KVM_INTR_AGAIN : KVM_INTR_KICKED;
        }
        vcpu->cr8 =
            accel->irq_host->get_tpr(accel->irq_opaque, vcpu->base.index);
        vcpu->run->cr8 = vcpu->cr8;
    }
    vcpu->run->request_interrupt_window = 0;
    if (qatomic_mb_read(&vcpu->intr) && !inject_interrupt(vcpu, errp)) {
        return KVM_INTR_FAILED;
    }
    return KVM_INTR_RUN;
}

void kvm_intr_after_run(KVMVCPU *vcpu)
{
    AccelState *accel = vcpu->base.accel;
    struct kvm_run *run = vcpu->run;

    if (!accel->irq_host || !has_local_apic_outside(vcpu)) {
        return;
    }
    if (run->cr8 != vcpu->cr8) {
        accel->irq_host->set_tpr(accel->irq_opaque, vcpu->base.index,
                                 (uint8_t)run->cr8);
    }
    if (run->apic_base != vcpu->apic_base) {
        vcpu->apic_base = run->apic_base;
        accel->irq_host->msr_write(accel->irq_opaque, vcpu->base.index,
                                   MSR_IA32_APIC_BASE, run->apic_base);
    }
}

bool kvm_intr_halt(KVMVCPU *vcpu)
{
    if (!has_local_apic_outside(vcpu)) {
        return false;
    }
    vcpu->mp_state = X86_MP_HALTED;
    return true;
}

bool kvm_intr_mmio(KVMVCPU *vcpu)
{
    AccelState *accel = vcpu->base.accel;
    struct kvm_run *run = vcpu->run;
    uint64_t base = vcpu->apic_base;
    unsigned offset;

    if (!has_local_apic_outside(vcpu) || !(base & X86_APICBASE_ENABLE) ||
        (base & APIC_X2APIC) || (run->mmio.phys_addr ^ base) & APIC_PAGE_MASK) {
        return false;
    }
    offset = (unsigned)(run->mmio.phys_addr & ~APIC_PAGE_MASK);
    if (run->mmio.is_write) {
        accel->irq_host->apic_write(accel->irq_opaque, vcpu->base.index, offset,
                                    run->mmio.len, run->mmio.data);
    } else {
        accel->irq_host->apic_read(accel->irq_opaque, vcpu->base.index, offset,
                                   run->mmio.len, run->mmio.data);
    }
    return true;
}
