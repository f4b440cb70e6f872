/*
 * Interrupt controllers and interval timer inside the kernel.
 *
 * All controllers are there (kernel-irqchip=on), or only the local APICs
 * (split), or none (off); the others are models outside of the accelerator.
 *
 * A reset puts back the state that the kernel gave right after creation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "kvm-internal.h"

static bool get_irqchips(KVMState *s, struct kvm_irqchip *chips, Error **errp)
{
    for (uint32_t i = 0; i < KVM_IRQCHIPS; i++) {
        int ret;

        chips[i] = (struct kvm_irqchip){ .chip_id = i };
        ret = kvm_ioctl(s->vm_fd, KVM_GET_IRQCHIP, &chips[i]);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "KVM_GET_IRQCHIP %u failed", i);
            return false;
        }
    }
    return true;
}

AccelIrqchip kvm_irqchip(AccelState *accel)
{
    switch (KVM_ACCEL(accel)->irqchip_mode) {
    case KVM_IRQCHIP_MODE_OFF:
        return ACCEL_IRQCHIP_USER;
    case KVM_IRQCHIP_MODE_SPLIT:
        return ACCEL_IRQCHIP_SPLIT;
    default:
        return ACCEL_IRQCHIP_KERNEL;
    }
}

static bool split_irqchip(KVMState *s, Error **errp)
{
    struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP,
                                  .args = { KVM_IOAPIC_LINES } };
    int ret;

    if (!kvm_check_extension(s->vm_fd, KVM_CAP_SPLIT_IRQCHIP) ||
        !s->caps.signal_msi) {
        error_setg(errp, "the host kernel's KVM lacks KVM_CAP_SPLIT_IRQCHIP, "
                         "which kernel-irqchip=split needs");
        return false;
    }
    ret = kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &cap);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_CAP_SPLIT_IRQCHIP failed");
        return false;
    }
    return true;
}

bool kvm_create_irqchip(AccelState *accel, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    int ret;

    if (s->irqchip_mode == KVM_IRQCHIP_MODE_SPLIT) {
        return split_irqchip(s, errp);
    }
    ret = kvm_ioctl_arg(s->vm_fd, KVM_CREATE_IRQCHIP, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_CREATE_IRQCHIP failed");
        return false;
    }
    s->has_irqchip = true;
    /* The timer's line is pin 2 of a PC's IOAPIC, not pin 0. */
    if (kvm_check_extension(s->vm_fd, KVM_CAP_IRQ_ROUTING) &&
        !kvm_routes_commit(s, errp)) {
        return false;
    }
    return get_irqchips(s, s->irqchip_reset, errp);
}

bool kvm_create_pit(AccelState *accel, bool reinject, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
    int ret;

    if (!kvm_check_extension(s->vm_fd, KVM_CAP_PIT2) ||
        !kvm_check_extension(s->vm_fd, KVM_CAP_PIT_STATE2)) {
        error_setg(errp, "the host kernel's KVM lacks KVM_CAP_PIT2");
        return false;
    }
    ret = kvm_ioctl(s->vm_fd, KVM_CREATE_PIT2, &config);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_CREATE_PIT2 failed");
        return false;
    }
    s->has_pit = true;
    if (s->caps.reinject_control) {
        struct kvm_reinject_control control = { .pit_reinject = reinject };
        ret = kvm_ioctl(s->vm_fd, KVM_REINJECT_CONTROL, &control);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "KVM_REINJECT_CONTROL failed");
            return false;
        }
    }
    ret = kvm_ioctl(s->vm_fd, KVM_GET_PIT2, &s->pit_reset);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_GET_PIT2 failed");
        return false;
    }
    return true;
}

void kvm_pit_hpet_legacy(AccelState *accel, bool on)
{
    KVMState *s = KVM_ACCEL(accel);
    struct kvm_pit_state2 pit;

    if (s->has_pit && kvm_ioctl(s->vm_fd, KVM_GET_PIT2, &pit) == 0) {
        pit.flags = on ? pit.flags | KVM_PIT_FLAGS_HPET_LEGACY
                       : pit.flags & ~(uint32_t)KVM_PIT_FLAGS_HPET_LEGACY;
        kvm_ioctl(s->vm_fd, KVM_SET_PIT2, &pit);
        s->pit.flags = pit.flags;
    }
}

void kvm_set_irq(AccelState *accel, unsigned gsi, bool level)
{
    KVMState *s = KVM_ACCEL(accel);
    struct kvm_irq_level event = { .irq = gsi, .level = level };

    /* Fails only without interrupt controllers, which is our own mistake. */
    kvm_ioctl(s->vm_fd, KVM_IRQ_LINE, &event);
}

bool kvm_reset_irqchip(AccelState *accel, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    int ret;

    for (int i = 0; s->has_irqchip && i < KVM_IRQCHIPS; i++) {
        ret = kvm_ioctl(s->vm_fd, KVM_SET_IRQCHIP, &s->irqchip_reset[i]);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "KVM_SET_IRQCHIP %d failed", i);
            return false;
        }
    }
    s->pit_loaded = false;
    if (s->has_pit) {
        ret = kvm_ioctl(s->vm_fd, KVM_SET_PIT2, &s->pit_reset);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "KVM_SET_PIT2 failed");
            return false;
        }
    }
    return true;
}
