/*
 * Making vCPUs, telling them their CPUID, and resetting them.
 *
 * A vCPU's state right after creation is its state after power-on; it is
 * taken once, at the first reset, and put back at each later one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <asm/kvm_para.h>
#include <sys/mman.h>

#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

#define CPUID_1_ECX_X2APIC       (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
/* Paravirtual features that the local APIC in the kernel has a part in. */
#define KVM_NEEDS_LOCAL_APIC                                                   \
    (1u << KVM_FEATURE_ASYNC_PF | 1u << KVM_FEATURE_PV_EOI |                   \
     1u << KVM_FEATURE_PV_UNHALT | 1u << KVM_FEATURE_PV_SEND_IPI |             \
     1u << KVM_FEATURE_ASYNC_PF_INT)

QEMU_BUILD_BUG_ON(X86_LAPIC_BYTES != sizeof(struct kvm_lapic_state));

static struct kvm_cpuid2 *cpuid_buffer(void)
{
    struct kvm_cpuid2 *buf = g_malloc0(
        sizeof(*buf) + X86_CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));

    buf->nent = X86_CPUID_ENTRIES_MAX;
    return buf;
}

/* What the kernel can give depends on where the interrupt controllers are. */
static void adjust_supported(KVMState *s, struct kvm_cpuid_entry2 *e)
{
    bool outside = s->irqchip_mode == KVM_IRQCHIP_MODE_OFF;

    if (e->function == 1) {
        if (outside) {
            e->ecx &= ~(CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE);
        } else if (kvm_check_extension(s->fd, KVM_CAP_TSC_DEADLINE_TIMER)) {
            e->ecx |= CPUID_1_ECX_TSC_DEADLINE;
        }
    } else if (e->function == KVM_CPUID_FEATURES && outside) {
        e->eax &= ~KVM_NEEDS_LOCAL_APIC;
    }
}

X86CPUIDTable *kvm_cpuid_supported(AccelState *accel, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    g_autofree struct kvm_cpuid2 *buf = cpuid_buffer();
    g_autoptr(X86CPUIDTable) table = g_new0(X86CPUIDTable, 1);
    int ret = kvm_ioctl(s->fd, KVM_GET_SUPPORTED_CPUID, buf);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_GET_SUPPORTED_CPUID failed");
        return NULL;
    }
    for (uint32_t i = 0; i < buf->nent && i < X86_CPUID_ENTRIES_MAX; i++) {
        struct kvm_cpuid_entry2 *e = &buf->entries[i];

        adjust_supported(s, e);
        x86_cpuid_add(table, &(X86CPUIDEntry){
                                 .function = e->function,
                                 .index = e->index,
                                 .has_index =
                                     e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                                 .eax = e->eax,
                                 .ebx = e->ebx,
                                 .ecx = e->ecx,
                                 .edx = e->edx,
                             });
    }
    return g_steal_pointer(&table);
}

bool kvm_vcpu_set_cpuid(AccelVCPU *base, const X86CPUIDTable *table,
                        Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    g_autofree struct kvm_cpuid2 *buf = cpuid_buffer();
    int ret;

    buf->nent = table->count;
    for (unsigned i = 0; i < table->count; i++) {
        const X86CPUIDEntry *e = &table->entry[i];

        buf->entries[i] = (struct kvm_cpuid_entry2){
            .function = e->function,
            .index = e->index,
            .flags = e->has_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = e->eax,
            .ebx = e->ebx,
            .ecx = e->ecx,
            .edx = e->edx,
        };
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, buf);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "CPU %u: KVM_SET_CPUID2 failed",
                         base->index);
        return false;
    }
    return true;
}

AccelVCPU *kvm_vcpu_new(AccelState *accel, unsigned index, uint32_t apic_id,
                        Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    KVMVCPU *vcpu;
    AUTO_FD fd = -1;
    void *run;

    if (apic_id >= (uint32_t)s->caps.max_vcpu_id) {
        error_setg(errp, "CPU %u: APIC id %u is over the %d of the host's KVM",
                   index, apic_id, s->caps.max_vcpu_id - 1);
        return NULL;
    }
    fd = kvm_ioctl_arg(s->vm_fd, KVM_CREATE_VCPU, apic_id);
    if (fd < 0) {
        error_setg_errno(errp, -fd, "CPU %u: KVM_CREATE_VCPU failed", index);
        fd = -1;
        return NULL;
    }
    run = mmap(NULL, (size_t)s->vcpu_mmap_bytes, PROT_READ | PROT_WRITE,
               MAP_SHARED, fd, 0);
    if (run == MAP_FAILED) {
        error_setg_errno(errp, errno, "CPU %u: mmap of its state failed",
                         index);
        return NULL;
    }
    vcpu = g_new0(KVMVCPU, 1);
    vcpu->base = (AccelVCPU){ accel, index, apic_id };
    vcpu->fd = fd_steal(&fd);
    vcpu->run = run;
    kvm_intr_init(vcpu);
    if (!kvm_ring_map(vcpu, errp)) {
        kvm_vcpu_free(&vcpu->base);
        return NULL;
    }
    /* As in kvm_vcpu_free(): each has its readers. */
    WITH_QEMU_LOCK_GUARD(&s->slots_lock)
    {
        WITH_QEMU_LOCK_GUARD(&s->nudge.lock)
        {
            g_ptr_array_add(s->vcpus, vcpu);
        }
    }
    return &vcpu->base;
}

void kvm_vcpu_free(AccelVCPU *base)
{
    KVMVCPU *vcpu;
    KVMState *s;

    if (!base) {
        return;
    }
    vcpu = container_of(base, KVMVCPU, base);
    s = kvm_of(vcpu);
    /* Rings are collected by a thread. */
    WITH_QEMU_LOCK_GUARD(&s->slots_lock)
    {
        WITH_QEMU_LOCK_GUARD(&s->nudge.lock)
        {
            g_ptr_array_remove(s->vcpus, vcpu);
        }
        kvm_ring_unmap(vcpu);
    }
    munmap(vcpu->run, (size_t)s->vcpu_mmap_bytes);
    fd_close(vcpu->fd);
    kvm_intr_deinit(vcpu);
    x86_state_free(vcpu->reset_state);
    g_free(vcpu->msrs);
    g_free(vcpu);
}

/* First reset: the state is that of power-on already; remember it. */
static bool take_reset_state(KVMVCPU *vcpu, Error **errp)
{
    g_autoptr(X86CPUState) state = x86_state_new();

    if (!kvm_vcpu_probe_msrs(vcpu, errp) ||
        !kvm_vcpu_get_state(&vcpu->base, X86_STATE_ALL, state, errp)) {
        return false;
    }
    for (size_t i = 0; i < state->n_msrs; i++) {
        if (state->msrs[i].index == MSR_IA32_TSC) {
            state->msrs[i].value = 0;
        }
    }
    vcpu->reset_state = g_steal_pointer(&state);
    return true;
}

bool kvm_vcpu_reset(AccelVCPU *base, bool is_bsp, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    unsigned mask = X86_STATE_ALL;

    if (!vcpu->reset_state) {
        if (!take_reset_state(vcpu, errp)) {
            return false;
        }
        mask = X86_STATE_MP;
    }
    vcpu->reset_state->mp_state =
        is_bsp ? X86_MP_RUNNABLE : X86_MP_UNINITIALIZED;
    qatomic_set(&vcpu->signals, 0);
    if (kvm_of(vcpu)->irqchip_mode == KVM_IRQCHIP_MODE_OFF) {
        const AccelIrqHost *host = base->accel->irq_host;

        host->msr_read(base->accel->irq_opaque, base->index, MSR_IA32_APIC_BASE,
                       &vcpu->apic_base);
        vcpu->reset_state->apic_base = vcpu->apic_base;
        mask |= X86_STATE_SREGS;
    }
    return kvm_vcpu_set_state(base, mask, vcpu->reset_state, errp);
}

bool kvm_vcpu_nmi(AccelVCPU *base, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    int ret;

    if (kvm_of(vcpu)->irqchip_mode == KVM_IRQCHIP_MODE_OFF) {
        kvm_vcpu_signal(base, ACCEL_SIGNAL_NMI, 0);
        return true;
    }
    ret = kvm_ioctl_arg(vcpu->fd, KVM_NMI, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "CPU %u: KVM_NMI failed", base->index);
        return false;
    }
    return true;
}
