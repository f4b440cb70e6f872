/*
 * The state of a machine inside of the kernel that is not a vCPU's:
 * interrupt controllers, interval timer, paravirtual clock; and whether a
 * vCPU has state that nothing here can carry.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "kvm-internal.h"

#define KVM_CHIP_PICS   2u
#define KVM_CHIP_IOAPIC 2u
#define EFER_SVME       (1u << 12)
#define VMX_NOT_ON      (~(uint64_t)0)

QEMU_BUILD_BUG_ON(X86_IOAPIC_PINS != KVM_IOAPIC_LINES);
QEMU_BUILD_BUG_ON(X86_PIT_COUNTERS != 3);

unsigned kvm_vm_state_parts(AccelState *accel)
{
    KVMState *s = KVM_ACCEL(accel);

    return (s->has_irqchip ? X86_VM_IRQCHIP : 0) |
           (s->has_pit ? X86_VM_PIT : 0) |
           (s->caps.adjust_clock ? X86_VM_CLOCK : 0);
}

static bool chip_ioctl(KVMState *s, unsigned long request, const char *name,
                       struct kvm_irqchip *chip, Error **errp)
{
    int ret = kvm_ioctl(s->vm_fd, request, chip);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s %u failed", name, chip->chip_id);
        return false;
    }
    return true;
}

/* -- 8259 and IOAPIC ---------------------------------------------------------- */

static void pic_from_kvm(X86PICState *pic, const struct kvm_pic_state *k)
{
    *pic = (X86PICState){
        .last_irr = k->last_irr,
        .irr = k->irr,
        .imr = k->imr,
        .isr = k->isr,
        .priority_add = k->priority_add,
        .irq_base = k->irq_base,
        .read_reg_select = k->read_reg_select,
        .poll = k->poll,
        .special_mask = k->special_mask,
        .init_step = k->init_state,
        .auto_eoi = k->auto_eoi,
        .rotate_on_auto_eoi = k->rotate_on_auto_eoi,
        .special_fully_nested = k->special_fully_nested_mode,
        .init4 = k->init4,
        .elcr = k->elcr,
        .elcr_mask = k->elcr_mask,
    };
}

static void pic_to_kvm(struct kvm_pic_state *k, const X86PICState *pic)
{
    *k = (struct kvm_pic_state){
        .last_irr = pic->last_irr,
        .irr = pic->irr,
        .imr = pic->imr,
        .isr = pic->isr,
        .priority_add = pic->priority_add,
        .irq_base = pic->irq_base,
        .read_reg_select = pic->read_reg_select,
        .poll = pic->poll,
        .special_mask = pic->special_mask,
        .init_state = pic->init_step,
        .auto_eoi = pic->auto_eoi,
        .rotate_on_auto_eoi = pic->rotate_on_auto_eoi,
        .special_fully_nested_mode = pic->special_fully_nested,
        .init4 = pic->init4,
        .elcr = pic->elcr,
        .elcr_mask = pic->elcr_mask,
    };
}

static void ioapic_from_kvm(X86IOAPICState *io,
                            const struct kvm_ioapic_state *k)
{
    *io = (X86IOAPICState){ .base_address = k->base_address,
                            .select = k->ioregsel,
                            .id = k->id,
                            .irr = k->irr };
    for (unsigned i = 0; i < X86_IOAPIC_PINS; i++) {
        io->entry[i] = k->redirtbl[i].bits;
    }
}

static void ioapic_to_kvm(struct kvm_ioapic_state *k, const X86IOAPICState *io)
{
    *k = (struct kvm_ioapic_state){ .base_address = io->base_address,
                                    .ioregsel = io->select,
                                    .id = io->id,
                                    .irr = io->irr };
    for (unsigned i = 0; i < X86_IOAPIC_PINS; i++) {
        k->redirtbl[i].bits = io->entry[i];
    }
}

static bool get_chips(KVMState *s, X86VMState *st, Error **errp)
{
    for (uint32_t i = 0; i < KVM_IRQCHIPS; i++) {
        struct kvm_irqchip chip = { .chip_id = i };

        if (!chip_ioctl(s, KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip, errp)) {
            return false;
        }
        if (i < KVM_CHIP_PICS) {
            pic_from_kvm(&st->pic[i], &chip.chip.pic);
        } else {
            ioapic_from_kvm(&st->ioapic, &chip.chip.ioapic);
        }
    }
    return true;
}

static bool set_chips(KVMState *s, const X86VMState *st, Error **errp)
{
    for (uint32_t i = 0; i < KVM_IRQCHIPS; i++) {
        struct kvm_irqchip chip = { .chip_id = i };

        if (i < KVM_CHIP_PICS) {
            pic_to_kvm(&chip.chip.pic, &st->pic[i]);
        } else {
            ioapic_to_kvm(&chip.chip.ioapic, &st->ioapic);
        }
        if (!chip_ioctl(s, KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &chip, errp)) {
            return false;
        }
    }
    return true;
}

/* -- interval timer -------------------------------------------------------------- */

static void pit_from_kvm(X86PITState *pit, const struct kvm_pit_state2 *k)
{
    pit->flags = k->flags;
    for (unsigned i = 0; i < X86_PIT_COUNTERS; i++) {
        const struct kvm_pit_channel_state *c = &k->channels[i];

        pit->counter[i] = (X86PITCounter){
            .count = c->count,
            .latched_count = c->latched_count,
            .count_latched = c->count_latched,
            .status_latched = c->status_latched,
            .status = c->status,
            .read_state = c->read_state,
            .write_state = c->write_state,
            .write_latch = c->write_latch,
            .rw_mode = c->rw_mode,
            .mode = c->mode,
            .bcd = c->bcd,
            .gate = c->gate,
        };
    }
}

static void pit_to_kvm(struct kvm_pit_state2 *k, const X86PITState *pit)
{
    *k = (struct kvm_pit_state2){ .flags = pit->flags };
    for (unsigned i = 0; i < X86_PIT_COUNTERS; i++) {
        const X86PITCounter *c = &pit->counter[i];

        k->channels[i] = (struct kvm_pit_channel_state){
            .count = c->count,
            .latched_count = c->latched_count,
            .count_latched = c->count_latched,
            .status_latched = c->status_latched,
            .status = c->status,
            .read_state = c->read_state,
            .write_state = c->write_state,
            .write_latch = c->write_latch,
            .rw_mode = c->rw_mode,
            .mode = c->mode,
            .bcd = c->bcd,
            .gate = c->gate,
        };
    }
}

static bool get_pit(KVMState *s, X86VMState *st, Error **errp)
{
    struct kvm_pit_state2 pit;
    int ret = kvm_ioctl(s->vm_fd, KVM_GET_PIT2, &pit);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_GET_PIT2 failed");
        return false;
    }
    pit_from_kvm(&st->pit, &pit);
    return true;
}

static bool set_pit(KVMState *s, const X86VMState *st, Error **errp)
{
    int ret;

    pit_to_kvm(&s->pit, &st->pit);
    ret = kvm_ioctl(s->vm_fd, KVM_SET_PIT2, &s->pit);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_SET_PIT2 failed");
        return false;
    }
    s->pit_loaded = true;
    return true;
}

/* -- all of it --------------------------------------------------------------------- */

static bool get_clock(KVMState *s, X86VMState *st, Error **errp)
{
    struct kvm_clock_data now = { 0 };
    int ret;

    if (s->clock_stopped) {
        st->clock_ns = s->clock.clock;
        return true;
    }
    ret = kvm_ioctl(s->vm_fd, KVM_GET_CLOCK, &now);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_GET_CLOCK failed");
        return false;
    }
    st->clock_ns = now.clock;
    return true;
}

bool kvm_vm_get_state(AccelState *accel, unsigned mask, X86VMState *state,
                      Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);

    return (!(mask & X86_VM_IRQCHIP) || get_chips(s, state, errp)) &&
           (!(mask & X86_VM_PIT) || get_pit(s, state, errp)) &&
           (!(mask & X86_VM_CLOCK) || get_clock(s, state, errp));
}

bool kvm_vm_set_state(AccelState *accel, unsigned mask, const X86VMState *state,
                      Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);

    if (((mask & X86_VM_IRQCHIP) && !set_chips(s, state, errp)) ||
        ((mask & X86_VM_PIT) && !set_pit(s, state, errp))) {
        return false;
    }
    if (mask & X86_VM_CLOCK) {
        s->clock = (struct kvm_clock_data){ .clock = state->clock_ns };
        s->clock_stopped = true;
    }
    return true;
}

/* -- what cannot be carried ---------------------------------------------------------- */

static bool in_use(KVMVCPU *vcpu, const struct kvm_nested_state *nested)
{
    struct kvm_sregs sregs;

    if (nested->format == KVM_STATE_NESTED_FORMAT_VMX) {
        return nested->hdr.vmx.vmxon_pa != VMX_NOT_ON;
    }
    return kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) == 0 &&
           (sregs.efer & EFER_SVME);
}

bool kvm_vcpu_savable(AccelVCPU *base, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    int bytes = kvm_check_extension(kvm_of(vcpu)->vm_fd, KVM_CAP_NESTED_STATE);
    g_autofree struct kvm_nested_state *nested = NULL;

    if (bytes < (int)sizeof(*nested)) {
        return true;
    }
    nested = g_malloc0((size_t)bytes);
    nested->size = (uint32_t)bytes;
    if (kvm_ioctl(vcpu->fd, KVM_GET_NESTED_STATE, nested) == 0 &&
        in_use(vcpu, nested)) {
        error_setg(errp,
                   "CPU %u: the guest uses nested virtualization, whose state "
                   "cannot be migrated",
                   base->index);
        return false;
    }
    return true;
}
