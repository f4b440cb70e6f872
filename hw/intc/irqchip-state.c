/*
 * What a migration carries of the interrupt controllers as a whole: where they
 * are, which must be the same on both sides, and the levels of the lines as
 * the devices have them; and of those inside of the accelerator all of it.
 *
 * Devices drive their lines again when they are loaded. A level that is there
 * already makes no edge (pc_irqchip_set_gsi()), so this section comes before
 * theirs; the controllers' own sections carry the levels of their inputs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/machine-lock.h"
#include "hw/x86/x86-cpu.h"
#include "migration/register.h"
#include "util/error.h"

#include "irqchip-internal.h"

#define LINES_MASK     ((1u << PC_IRQCHIP_GSIS) - 1)
#define PIC_PINS       8u
#define PIC_STEPS      4u
#define PIT_RANGE      65536u
#define PIT_MODES      6u
#define PIT_MODE_NONE  0xffu
#define PIT_STATES     5u
#define PIT_FLAGS      3u
#define KVM_CLOCK_BITS 0x9u /* kvmclock, kvmclock2 */
#define CLOCK_NS_MAX   (INT64_MAX / 4)

/* -- where they are, lines --------------------------------------------------------- */

static const char *mode_name(unsigned mode)
{
    switch (mode) {
    case ACCEL_IRQCHIP_USER:
        return "off (outside of the accelerator)";
    case ACCEL_IRQCHIP_SPLIT:
        return "split";
    case ACCEL_IRQCHIP_KERNEL:
        return "on (inside of the accelerator)";
    default:
        return "unknown";
    }
}

static int lines_pre_save(void *opaque)
{
    PCIrqchip *chip = opaque;

    chip->saved.mode = (uint8_t)chip->mode;
    return 0;
}

static bool lines_post_load(void *opaque, int version_id, Error **errp)
{
    PCIrqchip *chip = opaque;

    if (chip->saved.mode != chip->mode) {
        error_setg(errp,
                   "the source has its interrupt controllers kernel-irqchip=%s"
                   ", this machine %s",
                   mode_name(chip->saved.mode), mode_name(chip->mode));
        return false;
    }
    if (chip->lines & ~LINES_MASK) {
        error_setg(errp, "levels 0x%x of %u interrupt lines", chip->lines,
                   PC_IRQCHIP_GSIS);
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_lines = {
    .name = "pc-irqchip",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = lines_pre_save,
    .post_load_errp = lines_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(saved.mode, PCIrqchip),
                                      VMSTATE_UINT32(lines, PCIrqchip),
                                      VMSTATE_BOOL(legacy_replaced, PCIrqchip),
                                      VMSTATE_END_OF_LIST() },
};

/* -- inside of the accelerator: controllers ------------------------------------------- */

static bool vm_get(PCIrqchip *chip, unsigned part, Error **errp)
{
    return chip->ac->vm_get_state(chip->machine->accel, part, &chip->saved.vm,
                                  errp);
}

static bool vm_set(PCIrqchip *chip, unsigned part, Error **errp)
{
    return chip->ac->vm_set_state(chip->machine->accel, part, &chip->saved.vm,
                                  errp);
}

static bool chips_pre_save(void *opaque, Error **errp)
{
    return vm_get(opaque, X86_VM_IRQCHIP, errp);
}

static bool check_pic(const X86PICState *pic, unsigned n, Error **errp)
{
    if (pic->priority_add >= PIC_PINS || pic->init_step >= PIC_STEPS ||
        (pic->irq_base & (PIC_PINS - 1))) {
        error_setg(errp, "8259 %u: priority %u, step %u, vector 0x%x", n,
                   pic->priority_add, pic->init_step, pic->irq_base);
        return false;
    }
    return true;
}

static bool chips_post_load(void *opaque, int version_id, Error **errp)
{
    PCIrqchip *chip = opaque;
    const X86VMState *vm = &chip->saved.vm;

    if (vm->ioapic.base_address != X86_IOAPIC_ADDRESS) {
        error_setg(errp, "IOAPIC at 0x%" PRIx64 ", not 0x%x",
                   vm->ioapic.base_address, X86_IOAPIC_ADDRESS);
        return false;
    }
    return check_pic(&vm->pic[0], 0, errp) && check_pic(&vm->pic[1], 1, errp) &&
           vm_set(chip, X86_VM_IRQCHIP, errp);
}

static const VMStateDescription vmstate_pic = {
    .name = "kvm-irqchip-i8259",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8(last_irr, X86PICState),
            VMSTATE_UINT8(irr, X86PICState), VMSTATE_UINT8(imr, X86PICState),
            VMSTATE_UINT8(isr, X86PICState),
            VMSTATE_UINT8(priority_add, X86PICState),
            VMSTATE_UINT8(irq_base, X86PICState),
            VMSTATE_UINT8(read_reg_select, X86PICState),
            VMSTATE_UINT8(poll, X86PICState),
            VMSTATE_UINT8(special_mask, X86PICState),
            VMSTATE_UINT8(init_step, X86PICState),
            VMSTATE_UINT8(auto_eoi, X86PICState),
            VMSTATE_UINT8(rotate_on_auto_eoi, X86PICState),
            VMSTATE_UINT8(special_fully_nested, X86PICState),
            VMSTATE_UINT8(init4, X86PICState), VMSTATE_UINT8(elcr, X86PICState),
            VMSTATE_UINT8(elcr_mask, X86PICState), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_ioapic = {
    .name = "kvm-irqchip-ioapic",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(base_address, X86IOAPICState),
            VMSTATE_UINT32(select, X86IOAPICState),
            VMSTATE_UINT32(id, X86IOAPICState),
            VMSTATE_UINT32(irr, X86IOAPICState),
            VMSTATE_UINT64_ARRAY(entry, X86IOAPICState, X86_IOAPIC_PINS),
            VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_chips = {
    .name = "kvm-irqchip",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save_errp = chips_pre_save,
    .post_load_errp = chips_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_STRUCT_ARRAY(saved.vm.pic, PCIrqchip, 2,
                                                     1, vmstate_pic,
                                                     X86PICState),
                                VMSTATE_STRUCT(saved.vm.ioapic, PCIrqchip, 1,
                                               vmstate_ioapic, X86IOAPICState),
                                VMSTATE_END_OF_LIST() },
};

/* -- inside of the accelerator: interval timer, clock ------------------------------------- */

static bool pit_pre_save(void *opaque, Error **errp)
{
    return vm_get(opaque, X86_VM_PIT, errp);
}

static bool pit_post_load(void *opaque, int version_id, Error **errp)
{
    PCIrqchip *chip = opaque;
    const X86PITState *pit = &chip->saved.vm.pit;

    for (unsigned i = 0; i < X86_PIT_COUNTERS; i++) {
        const X86PITCounter *c = &pit->counter[i];

        if (c->count > PIT_RANGE || c->rw_mode >= PIT_STATES ||
            c->read_state >= PIT_STATES || c->write_state >= PIT_STATES ||
            (c->mode >= PIT_MODES && c->mode != PIT_MODE_NONE)) {
            error_setg(errp, "8254: counter %u has mode %u, count %u", i,
                       c->mode, c->count);
            return false;
        }
    }
    if (pit->flags & ~PIT_FLAGS) {
        error_setg(errp, "8254: flags 0x%x", pit->flags);
        return false;
    }
    return vm_set(chip, X86_VM_PIT, errp);
}

static const VMStateDescription vmstate_counter = {
    .name = "kvm-pit-counter",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){ VMSTATE_UINT32(count, X86PITCounter),
                                VMSTATE_UINT16(latched_count, X86PITCounter),
                                VMSTATE_UINT8(count_latched, X86PITCounter),
                                VMSTATE_UINT8(status_latched, X86PITCounter),
                                VMSTATE_UINT8(status, X86PITCounter),
                                VMSTATE_UINT8(read_state, X86PITCounter),
                                VMSTATE_UINT8(write_state, X86PITCounter),
                                VMSTATE_UINT8(write_latch, X86PITCounter),
                                VMSTATE_UINT8(rw_mode, X86PITCounter),
                                VMSTATE_UINT8(mode, X86PITCounter),
                                VMSTATE_UINT8(bcd, X86PITCounter),
                                VMSTATE_UINT8(gate, X86PITCounter),
                                VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_pit = {
    .name = "kvm-pit",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save_errp = pit_pre_save,
    .post_load_errp = pit_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT_ARRAY(saved.vm.pit.counter, PCIrqchip,
                                 X86_PIT_COUNTERS, 1, vmstate_counter,
                                 X86PITCounter),
            VMSTATE_UINT32(saved.vm.pit.flags, PCIrqchip),
            VMSTATE_END_OF_LIST() },
};

/* A guest that was not shown the clock can go where there is none. */
static bool clock_needed(void *opaque)
{
    const GPtrArray *cpus = ((PCIrqchip *)opaque)->machine->cpus.cpus;

    return cpus->len > 0 &&
           (X86_CPU(cpus->pdata[0])->features[FEAT_KVM_EAX] & KVM_CLOCK_BITS);
}

static bool clock_pre_save(void *opaque, Error **errp)
{
    return vm_get(opaque, X86_VM_CLOCK, errp);
}

static bool clock_post_load(void *opaque, int version_id, Error **errp)
{
    PCIrqchip *chip = opaque;

    if (chip->saved.vm.clock_ns > CLOCK_NS_MAX) {
        error_setg(errp, "the paravirtual clock cannot be %" PRIu64 " ns",
                   chip->saved.vm.clock_ns);
        return false;
    }
    return vm_set(chip, X86_VM_CLOCK, errp);
}

static const VMStateDescription vmstate_kvmclock = {
    .name = "kvmclock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = clock_needed,
    .pre_save_errp = clock_pre_save,
    .post_load_errp = clock_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_UINT64(saved.vm.clock_ns, PCIrqchip),
                                VMSTATE_END_OF_LIST() },
};

/* -- registration ---------------------------------------------------------------------------- */

static bool add(PCIrqchip *chip, const VMStateDescription *vmsd, Error **errp)
{
    MACHINE_LOCK_GUARD();

    return vmstate_register_with(machine_savevm(chip->machine), vmsd->name, 0,
                                 vmsd, chip, MIG_PRI_DEFAULT, errp) == 0;
}

bool pc_irqchip_state_lines(PCIrqchip *chip, Error **errp)
{
    return add(chip, &vmstate_lines, errp);
}

bool pc_irqchip_state_inside(PCIrqchip *chip, Error **errp)
{
    unsigned parts = chip->ac->vm_state_parts
                         ? chip->ac->vm_state_parts(chip->machine->accel)
                         : 0;

    return (!(parts & X86_VM_IRQCHIP) || add(chip, &vmstate_chips, errp)) &&
           (!(parts & X86_VM_PIT) || add(chip, &vmstate_pit, errp)) &&
           (!(parts & X86_VM_CLOCK) || add(chip, &vmstate_kvmclock, errp));
}

void pc_irqchip_state_remove(PCIrqchip *chip)
{
    static const VMStateDescription *const all[] = {
        &vmstate_lines, &vmstate_chips, &vmstate_pit, &vmstate_kvmclock
    };
    SaveVMRegistry *registry = machine_savevm(chip->machine);
    MACHINE_LOCK_GUARD();

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        vmstate_unregister_with(registry, all[i], chip);
    }
}
