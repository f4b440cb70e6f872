/*
 * Keeping every vCPU out of the guest while the memory map changes.
 *
 * A vCPU says that it is about to enter the guest, then looks whether the gate
 * is closed; who closes it says so, then looks who is inside. Both are full
 * barriers, so one of the two sees the other. Who is inside is kicked and
 * waited for; who comes waits outside. Needed only while writes are logged:
 * what a vCPU writes to a slot after its last sync and before it goes would be
 * lost.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/lockable.h"

#include "kvm-internal.h"

void kvm_gate_init(KVMState *s)
{
    qemu_mutex_init(&s->gate_lock);
    qemu_cond_init(&s->gate_changed);
}

void kvm_gate_deinit(KVMState *s)
{
    qemu_cond_destroy(&s->gate_changed);
    qemu_mutex_destroy(&s->gate_lock);
}

void kvm_gate_enter(KVMVCPU *vcpu)
{
    KVMState *s = kvm_of(vcpu);

    for (;;) {
        qatomic_mb_set(&vcpu->in_guest, 1);
        if (likely(!qatomic_read(&s->gate_closed))) {
            return;
        }
        kvm_gate_leave(vcpu);
        QEMU_LOCK_GUARD(&s->gate_lock);
        while (qatomic_read(&s->gate_closed)) {
            qemu_cond_wait(&s->gate_changed, &s->gate_lock);
        }
    }
}

void kvm_gate_leave(KVMVCPU *vcpu)
{
    KVMState *s = kvm_of(vcpu);

    qatomic_mb_set(&vcpu->in_guest, 0);
    if (unlikely(qatomic_read(&s->gate_closed))) {
        QEMU_LOCK_GUARD(&s->gate_lock);
        qemu_cond_broadcast(&s->gate_changed);
    }
}

static bool all_outside(KVMState *s)
{
    for (guint i = 0; i < s->vcpus->len; i++) {
        const KVMVCPU *vcpu = g_ptr_array_index(s->vcpus, i);

        if (qatomic_mb_read(&vcpu->in_guest)) {
            return false;
        }
    }
    return true;
}

void kvm_ram_change_begin(AccelState *accel)
{
    KVMState *s = KVM_ACCEL(accel);

    trace_kvm_gate(true);
    QEMU_LOCK_GUARD(&s->gate_lock);
    qatomic_mb_set(&s->gate_closed, true);
    for (guint i = 0; i < s->vcpus->len; i++) {
        KVMVCPU *vcpu = g_ptr_array_index(s->vcpus, i);

        if (qatomic_read(&vcpu->in_guest)) {
            kvm_vcpu_kick(&vcpu->base);
        }
    }
    while (!all_outside(s)) {
        qemu_cond_wait(&s->gate_changed, &s->gate_lock);
    }
}

void kvm_ram_change_end(AccelState *accel)
{
    KVMState *s = KVM_ACCEL(accel);

    trace_kvm_gate(false);
    QEMU_LOCK_GUARD(&s->gate_lock);
    qatomic_mb_set(&s->gate_closed, false);
    qemu_cond_broadcast(&s->gate_changed);
}
