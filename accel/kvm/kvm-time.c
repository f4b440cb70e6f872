/*
 * The guest's clocks inside of the kernel: time stamp counters, timers of the
 * local APICs, the paravirtual clock.
 *
 * When the guest stops, the time stamp counters of all CPUs are noted as they
 * are at one moment. The kernel's go on behind the guest's back, and it may
 * see that when it goes on here; but what is saved for another host are the
 * values noted. There they are set when the guest starts, not when they
 * arrive, so that the guest has no gap at all: then the counters of all CPUs
 * (by their offsets, where the kernel has them, so that they keep their
 * distance to each other to the cycle), the rest of a timer that counted down,
 * the deadline of one that waits for the counter, and the paravirtual clock,
 * which the kernel derives from the counter.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst (KVM_SET_CLOCK,
 * KVM_KVMCLOCK_CTRL), devices/vcpu.rst (KVM_VCPU_TSC_OFFSET).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "kvm-internal.h"

#define MSR_TSC_DEADLINE   0x6e0u
#define APIC_REG_BYTES     16u
#define APIC_TIMER_INITIAL (0x38u * APIC_REG_BYTES)
#define APIC_TIMER_CURRENT (0x39u * APIC_REG_BYTES)

static uint32_t lapic_get(const uint8_t *page, unsigned offset)
{
    uint32_t value;

    memcpy(&value, page + offset, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static void lapic_put(uint8_t *page, unsigned offset, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(page + offset, &value, sizeof(value));
}

/* -- what is saved and loaded ------------------------------------------------ */

void kvm_time_forget(KVMVCPU *vcpu)
{
    vcpu->time = (KVMVCPUTime){ 0 };
}

void kvm_time_adjust_msr(const KVMVCPU *vcpu, X86MSR *m)
{
    if (m->index == MSR_IA32_TSC && vcpu->time.has_tsc) {
        m->value = vcpu->time.tsc;
    } else if (m->index == MSR_TSC_DEADLINE && vcpu->time.loaded) {
        m->value = vcpu->time.deadline;
    }
}

bool kvm_time_take_msr(KVMVCPU *vcpu, const X86MSR *m)
{
    if (m->index == MSR_IA32_TSC) {
        vcpu->time.tsc = m->value;
        vcpu->time.has_tsc = true;
        vcpu->time.loaded = true;
        return true;
    }
    if (m->index == MSR_TSC_DEADLINE) {
        vcpu->time.deadline = m->value;
        return true;
    }
    return false;
}

void kvm_time_adjust_lapic(const KVMVCPU *vcpu, uint8_t *page)
{
    if (vcpu->time.loaded) {
        lapic_put(page, APIC_TIMER_INITIAL, vcpu->time.timer_initial);
        lapic_put(page, APIC_TIMER_CURRENT, vcpu->time.timer_current);
    }
}

void kvm_time_take_lapic(KVMVCPU *vcpu, uint8_t *page)
{
    vcpu->time.timer_initial = lapic_get(page, APIC_TIMER_INITIAL);
    vcpu->time.timer_current = lapic_get(page, APIC_TIMER_CURRENT);
    lapic_put(page, APIC_TIMER_INITIAL, 0);
    lapic_put(page, APIC_TIMER_CURRENT, 0);
}

/* -- time stamp counters ------------------------------------------------------- */

#ifdef KVM_VCPU_TSC_CTRL
static bool tsc_offset(KVMVCPU *vcpu, unsigned long request, uint64_t *value)
{
    struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
                                    .attr = KVM_VCPU_TSC_OFFSET,
                                    .addr = (uintptr_t)value };

    return kvm_ioctl(vcpu->fd, request, &attr) == 0;
}
#else
static bool tsc_offset(KVMVCPU *vcpu, unsigned long request, uint64_t *value)
{
    return false;
}
#define KVM_GET_DEVICE_ATTR 0
#define KVM_SET_DEVICE_ATTR 0
#endif

static KVMVCPU *vcpu_at(const KVMState *s, guint i)
{
    return g_ptr_array_index(s->vcpus, i);
}

/* Counter and offset of CPU 0; false: only one by one. */
static bool tsc_base(KVMState *s, uint64_t *ret_tsc, uint64_t *ret_offset)
{
    return s->vcpus->len > 0 &&
           kvm_get_msr(vcpu_at(s, 0), MSR_IA32_TSC, ret_tsc) &&
           tsc_offset(vcpu_at(s, 0), KVM_GET_DEVICE_ATTR, ret_offset);
}

static void note_tscs(KVMState *s)
{
    uint64_t tsc, base, offset;
    bool exact = tsc_base(s, &tsc, &base);

    for (guint i = 0; i < s->vcpus->len; i++) {
        KVMVCPU *vcpu = vcpu_at(s, i);
        KVMVCPUTime *t = &vcpu->time;

        if (exact && tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &offset)) {
            t->tsc = tsc + (offset - base);
            t->has_tsc = true;
        } else {
            t->has_tsc = kvm_get_msr(vcpu, MSR_IA32_TSC, &t->tsc);
        }
    }
}

/* From now on each counter goes on from its value in time.tsc. */
static void start_tscs(KVMState *s)
{
    uint64_t now, base;
    bool exact = tsc_base(s, &now, &base);

    base += vcpu_at(s, 0)->time.tsc - now;
    for (guint i = 0; i < s->vcpus->len; i++) {
        KVMVCPU *vcpu = vcpu_at(s, i);
        uint64_t tsc = vcpu->time.tsc;
        uint64_t offset = base + (tsc - vcpu_at(s, 0)->time.tsc);

        trace_kvm_tsc_start(vcpu->base.index, tsc, exact);
        if (!exact || !tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &offset)) {
            /* The kernel takes counters that are written within a second for
             * ones that run together. */
            kvm_set_msr(vcpu, MSR_IA32_TSC, tsc);
        }
    }
}

/* -- timers ---------------------------------------------------------------------- */

static void start_timer(KVMVCPU *vcpu)
{
    const KVMVCPUTime *t = &vcpu->time;
    struct kvm_lapic_state lapic;

    if (t->timer_initial && kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) == 0) {
        lapic_put((uint8_t *)lapic.regs, APIC_TIMER_INITIAL, t->timer_initial);
        lapic_put((uint8_t *)lapic.regs, APIC_TIMER_CURRENT, t->timer_current);
        kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
    }
    if (t->deadline) {
        kvm_set_msr(vcpu, MSR_TSC_DEADLINE, t->deadline);
    }
}

/* What came from another host; a failure was found when it came. */
static void start_loaded(KVMState *s)
{
    bool loaded = s->vcpus->len > 0;

    for (guint i = 0; i < s->vcpus->len; i++) {
        loaded &= vcpu_at(s, i)->time.loaded;
    }
    if (loaded) {
        start_tscs(s);
    }
    for (guint i = 0; loaded && i < s->vcpus->len; i++) {
        start_timer(vcpu_at(s, i));
    }
    for (guint i = 0; i < s->vcpus->len; i++) {
        kvm_time_forget(vcpu_at(s, i));
    }
    if (s->pit_loaded) {
        /* The kernel restarts its counters whenever they are set. */
        s->pit_loaded = false;
        kvm_ioctl(s->vm_fd, KVM_SET_PIT2, &s->pit);
    }
}

/* -- run and stop ------------------------------------------------------------------ */

static void stopped(KVMState *s)
{
    note_tscs(s);
    if (s->caps.adjust_clock) {
        s->clock = (struct kvm_clock_data){ 0 };
        s->clock_stopped = kvm_ioctl(s->vm_fd, KVM_GET_CLOCK, &s->clock) == 0;
    }
}

static void started(KVMState *s)
{
    start_loaded(s);
    if (s->clock_stopped) {
        struct kvm_clock_data data = { .clock = s->clock.clock };
        kvm_ioctl(s->vm_fd, KVM_SET_CLOCK, &data);
        s->clock_stopped = false;
    }
    for (guint i = 0; s->caps.kvmclock_ctrl && i < s->vcpus->len; i++) {
        /* Tells the guest's watchdogs of the gap; -EINVAL: no clock page. */
        kvm_ioctl_arg(vcpu_at(s, i)->fd, KVM_KVMCLOCK_CTRL, 0);
    }
}

/* The guest's clock page stands still while the guest does. */
void kvm_vm_state_changed(AccelState *accel, bool running)
{
    KVMState *s = KVM_ACCEL(accel);

    if (running) {
        started(s);
    } else {
        stopped(s);
    }
}
