/*
 * The interrupt controllers of a PC as one thing: lines in, CPUs out.
 *
 * Where they are is the accelerator's choice (AccelIrqchip):
 *
 *   KERNEL  all inside: a line is AccelClass.set_irq, a message send_msi
 *   SPLIT   8259s and IOAPIC are ours: the IOAPIC's messages are send_msi, INT
 *           of the 8259 is the INTR of the bootstrap processor
 *   USER    the local APICs are ours as well
 *
 * A line of the ISA bus goes to the 8259s and to the IOAPIC, and only software
 * knows which of the two it listens to. With the HPET in place of the old
 * timers ("legacy replacement") the lines of the 8254 and of the clock lead
 * nowhere, and the HPET drives GSI 0 and 8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/irqchip.h"

#include "hw/core/machine-internal.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/machine-lock.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/x86/x86-cpu.h"
#include "trace/trace-hw.h"
#include "util/error.h"

#include "irqchip-internal.h"

#define GSI_PIT    0u
#define GSI_RTC    8u
#define PIT_IOAPIC 2u /* the pin of GSI 0 */
#define X2APIC_BIT 21u

static PCIrqchip *chip_of(MachineState *machine)
{
    return machine->irqchip;
}

/* -- lines ------------------------------------------------------------------------ */

static void drive(PCIrqchip *chip, unsigned gsi, bool level)
{
    if (chip->mode == ACCEL_IRQCHIP_KERNEL) {
        chip->ac->set_irq(chip->machine->accel, gsi, level);
        return;
    }
    if (chip->pics && gsi < ISA_IRQS) {
        i8259_set_irq(chip->pics, gsi, level);
    }
    ioapic_set_irq(chip->ioapic, gsi == GSI_PIT ? PIT_IOAPIC : gsi, level);
}

static bool is_replaced(const PCIrqchip *chip, unsigned gsi)
{
    return chip->legacy_replaced && (gsi == GSI_PIT || gsi == GSI_RTC);
}

void pc_irqchip_set_gsi(void *opaque, int n, int level)
{
    PCIrqchip *chip = opaque;
    unsigned gsi = (unsigned)n;
    uint32_t bit = 1u << gsi;

    if (gsi >= PC_IRQCHIP_GSIS || gsi == PIT_IOAPIC) {
        return; /* 2 is the cascade's, and the timer's on the IOAPIC */
    }
    if (!level == !(chip->lines & bit)) {
        return; /* a device that was loaded says what is known */
    }
    if (level) {
        chip->edges[gsi]++;
    }
    chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
    if (!is_replaced(chip, gsi)) {
        drive(chip, gsi, level);
    }
}

qemu_irq pc_irqchip_gsi(PCIrqchip *chip, unsigned n)
{
    return n < PC_IRQCHIP_GSIS ? chip->gsis[n] : NULL;
}

static void hpet_line(void *opaque, unsigned gsi, bool level)
{
    PCIrqchip *chip = opaque;

    if (gsi < PC_IRQCHIP_GSIS) {
        drive(chip, gsi, level);
    }
}

static void hpet_replace(void *opaque, bool on)
{
    PCIrqchip *chip = opaque;
    AccelState *accel = chip->machine->accel;

    if (chip->legacy_replaced == on) {
        return;
    }
    chip->legacy_replaced = on;
    if (chip->mode == ACCEL_IRQCHIP_KERNEL && chip->ac->pit_hpet_legacy) {
        chip->ac->pit_hpet_legacy(accel, on);
    }
    if (on) {
        drive(chip, GSI_PIT, false);
        drive(chip, GSI_RTC, false);
    } else {
        drive(chip, GSI_PIT, chip->lines >> GSI_PIT & 1);
        drive(chip, GSI_RTC, chip->lines >> GSI_RTC & 1);
    }
}

void pc_irqchip_reset_done(PCIrqchip *chip)
{
    if (!chip || chip->mode != ACCEL_IRQCHIP_KERNEL) {
        return;
    }
    for (unsigned gsi = 0; gsi < PC_IRQCHIP_GSIS; gsi++) {
        if ((chip->lines >> gsi & 1) && !is_replaced(chip, gsi)) {
            drive(chip, gsi, true);
        }
    }
}

/* -- messages ---------------------------------------------------------------------- */

/* IOAPICOps.send, and every other message. */
static void chip_send(void *opaque, uint64_t addr, uint32_t data)
{
    PCIrqchip *chip = opaque;

    if (chip->mode != ACCEL_IRQCHIP_USER) {
        chip->ac->send_msi(chip->machine->accel, addr, data);
    } else if (!apic_bus_msi(chip->apics, addr, data)) {
        trace_msi_dropped(addr, data);
    }
}

void machine_send_msi(MachineState *machine, uint64_t addr, uint32_t data)
{
    PCIrqchip *chip = chip_of(machine);

    if (!chip ||
        (addr & ~(uint64_t)(MSI_ADDRESS_BYTES - 1)) != MSI_ADDRESS_BASE) {
        trace_msi_dropped(addr, data);
        return;
    }
    chip_send(chip, addr, data);
}

bool pc_irqchip_inject_nmi(PCIrqchip *chip)
{
    if (chip->mode != ACCEL_IRQCHIP_USER) {
        return false;
    }
    apic_bus_nmi(chip->apics);
    return true;
}

static void chip_route(void *opaque, unsigned pin, uint64_t addr, uint32_t data,
                       bool level, bool masked)
{
    PCIrqchip *chip = opaque;

    chip->ac->ioapic_route(chip->machine->accel, pin, addr, data, level,
                           masked);
}

static const IOAPICOps ioapic_user_ops = { .send = chip_send };
static const IOAPICOps ioapic_split_ops = { .send = chip_send,
                                            .route = chip_route };

/* -- 8259 and CPUs -------------------------------------------------------------------- */

static void chip_eoi(void *opaque, uint8_t vector)
{
    PCIrqchip *chip = opaque;

    ioapic_eoi(chip->ioapic, vector);
}

static uint8_t chip_pic_ack(void *opaque)
{
    PCIrqchip *chip = opaque;
    MACHINE_LOCK_GUARD();

    return i8259_ack(chip->pics);
}

static void chip_pic_taken(void *opaque, unsigned pin)
{
    PCIrqchip *chip = opaque;

    if (pin == GSI_PIT && !chip->legacy_replaced && chip->pit) {
        i8254_tick_taken(I8254(chip->pit));
    }
}

/* INT of the first 8259. */
static void chip_pic_output(void *opaque, int n, int level)
{
    PCIrqchip *chip = opaque;

    if (chip->mode == ACCEL_IRQCHIP_USER) {
        apic_bus_pic_level(chip->apics, level);
    } else if (chip->bsp) {
        chip->ac->vcpu_intr(chip->bsp, level);
    }
}

static int host_intr_ack(void *opaque, unsigned cpu)
{
    return apic_ack(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu));
}

static void host_apic_read(void *opaque, unsigned cpu, unsigned offset,
                           unsigned len, uint8_t *data)
{
    apic_mmio_read(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), offset, len,
                   data);
}

static void host_apic_write(void *opaque, unsigned cpu, unsigned offset,
                            unsigned len, const uint8_t *data)
{
    apic_mmio_write(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), offset, len,
                    data);
}

static bool host_msr_read(void *opaque, unsigned cpu, uint32_t index,
                          uint64_t *ret_value)
{
    return apic_msr_read(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), index,
                         ret_value);
}

static bool host_msr_write(void *opaque, unsigned cpu, uint32_t index,
                           uint64_t value)
{
    return apic_msr_write(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), index,
                          value);
}

static uint8_t host_get_tpr(void *opaque, unsigned cpu)
{
    return apic_get_tpr(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu));
}

static void host_set_tpr(void *opaque, unsigned cpu, uint8_t tpr)
{
    apic_set_tpr(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), tpr);
}

static void host_init(void *opaque, unsigned cpu)
{
    apic_init_signal(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu));
}

static void host_get_state(void *opaque, unsigned cpu, uint8_t *page)
{
    apic_get_page(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), page);
}

static bool host_set_state(void *opaque, unsigned cpu, const uint8_t *page,
                           uint64_t apic_base, Error **errp)
{
    return apic_set_page(apic_of_cpu(((PCIrqchip *)opaque)->apics, cpu), page,
                         apic_base, errp);
}

static const AccelIrqHost user_host = {
    .intr_ack = host_intr_ack,
    .apic_read = host_apic_read,
    .apic_write = host_apic_write,
    .msr_read = host_msr_read,
    .msr_write = host_msr_write,
    .get_tpr = host_get_tpr,
    .set_tpr = host_set_tpr,
    .init = host_init,
    .get_state = host_get_state,
    .set_state = host_set_state,
    .eoi = chip_eoi,
};

/* Only the 8259 is asked: its request may be gone. */
static int split_intr_ack(void *opaque, unsigned cpu)
{
    PCIrqchip *chip = opaque;
    MACHINE_LOCK_GUARD();

    return i8259_output(chip->pics) ? i8259_ack(chip->pics) : -1;
}

static const AccelIrqHost split_host = {
    .intr_ack = split_intr_ack,
    .eoi = chip_eoi,
};

/* -- making -------------------------------------------------------------------------- */

static bool make_outside(PCIrqchip *chip, Error **errp)
{
    MachineState *m = chip->machine;
    bool split = chip->mode == ACCEL_IRQCHIP_SPLIT;

    chip->ioapic = ioapic_new(
        m->mmio, split ? &ioapic_split_ops : &ioapic_user_ops, chip, errp);
    if (!chip->ioapic) {
        return false;
    }
    if (!split) {
        chip->apic_ops = (APICBusOps){
            .eoi = chip_eoi,
            .pic_ack = chip_pic_ack,
            .intr = chip->ac->vcpu_intr,
            .signal = chip->ac->vcpu_signal,
            .tsc_to_ns = chip->ac->vcpu_tsc_to_ns,
        };
        chip->apics = apic_bus_new(&chip->apic_ops, chip);
    }
    accel_attach_irq(m->accel, split ? &split_host : &user_host, chip);
    return true;
}

PCIrqchip *pc_irqchip_new(MachineState *machine, Error **errp)
{
    PCIrqchip *chip = g_new0(PCIrqchip, 1);

    assert(!machine->irqchip);
    machine->irqchip = chip;
    chip->machine = machine;
    chip->ac = ACCEL_GET_CLASS(machine->accel);
    chip->mode = accel_irqchip(machine->accel);
    chip->gsis = qemu_allocate_irqs(pc_irqchip_set_gsi, chip, PC_IRQCHIP_GSIS);
    if (chip->mode != ACCEL_IRQCHIP_USER &&
        !chip->ac->create_irqchip(machine->accel, errp)) {
        return NULL;
    }
    if (!pc_irqchip_state_lines(chip, errp) ||
        (chip->mode != ACCEL_IRQCHIP_KERNEL && !make_outside(chip, errp))) {
        return NULL;
    }
    return chip;
}

void pc_irqchip_free(PCIrqchip *chip)
{
    if (!chip) {
        return;
    }
    pc_irqchip_state_remove(chip);
    i8259_pair_free(chip->pics);
    if (chip->ioapic) {
        qdev_unrealize(DEVICE(chip->ioapic));
        object_unref(OBJECT(chip->ioapic));
    }
    apic_bus_free(chip->apics);
    qemu_free_irqs(chip->gsis, PC_IRQCHIP_GSIS);
    g_free(chip);
}

bool pc_irqchip_add_cpu(PCIrqchip *chip, CPUState *cpu, Error **errp)
{
    const X86CPU *x86 = X86_CPU(cpu);
    APICState *apic;
    bool ok;

    if (cpu->cpu_index == 0) {
        chip->bsp = cpu->vcpu;
    }
    if (chip->mode != ACCEL_IRQCHIP_USER) {
        return true;
    }
    apic = apic_new(chip->apics, cpu->vcpu, cpu->cpu_index == 0,
                    x86_feature_test(x86->features, FEAT_1_ECX, X2APIC_BIT));
    object_property_add_child(OBJECT(cpu), "lapic", OBJECT(apic));
    ok = qdev_realize(DEVICE(apic), NULL, errp);
    object_unref(OBJECT(apic));
    return ok;
}

static DeviceState *add_isa(ISABus *bus, const char *type, Error **errp)
{
    DeviceState *dev = qdev_new(type);
    bool ok = qdev_globals_apply(OBJECT(dev), errp) &&
              qdev_realize(dev, bus ? BUS(bus) : NULL, errp);

    object_unref(OBJECT(dev)); /* the tree has it if it is realized */
    return ok ? dev : NULL;
}

bool pc_irqchip_add_pit(PCIrqchip *chip, ISABus *bus, DeviceState **ret_pit,
                        Error **errp)
{
    DeviceState *pit = NULL;

    if (chip->mode == ACCEL_IRQCHIP_KERNEL) {
        if (!add_isa(NULL, "kvm-pit", errp)) {
            return false;
        }
    } else {
        chip->pics = i8259_pair_new(bus, chip_pic_output, chip, errp);
        if (!chip->pics) {
            return false;
        }
        i8259_on_ack(chip->pics, chip_pic_taken, chip);
        pit = add_isa(bus, TYPE_I8254, errp);
        chip->pit = pit;
        if (!pit || !add_isa(bus, "isa-pcspk", errp)) {
            return false;
        }
    }
    if (!pc_irqchip_state_inside(chip, errp)) {
        return false;
    }
    if (ret_pit) {
        *ret_pit = pit;
    }
    return true;
}

static void hpet_msi(void *opaque, uint64_t addr, uint32_t data)
{
    machine_send_msi(((PCIrqchip *)opaque)->machine, addr, data);
}

static const HPETOps hpet_ops = {
    .line = hpet_line,
    .replace = hpet_replace,
    .msi = hpet_msi,
};

bool pc_irqchip_add_hpet(PCIrqchip *chip, Error **errp)
{
    DeviceState *dev = hpet_new(chip->machine->mmio, &hpet_ops, chip);
    bool ok =
        qdev_globals_apply(OBJECT(dev), errp) && qdev_realize(dev, NULL, errp);

    object_unref(OBJECT(dev));
    return ok;
}

/* -- for people ------------------------------------------------------------------------- */

char *pc_irqchip_describe(PCIrqchip *chip)
{
    GString *out;
    MACHINE_LOCK_GUARD();

    if (chip->mode == ACCEL_IRQCHIP_KERNEL) {
        return NULL;
    }
    out = g_string_new(NULL);
    ioapic_describe(chip->ioapic, out);
    if (chip->pics) {
        i8259_describe(chip->pics, out);
    }
    return g_string_free(out, FALSE);
}

void pc_irqchip_counts(PCIrqchip *chip, uint64_t edges[PC_IRQCHIP_GSIS])
{
    MACHINE_LOCK_GUARD();

    memcpy(edges, chip->edges, sizeof(chip->edges));
}
