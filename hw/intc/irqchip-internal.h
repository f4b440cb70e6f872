/*
 * Inside of PCIrqchip, for the monitor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_IRQCHIP_INTERNAL_H
#define HW_INTC_IRQCHIP_INTERNAL_H

#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/irqchip.h"

struct PCIrqchip {
    MachineState *machine; /* borrowed */
    AccelClass *ac;
    AccelIrqchip mode;
    qemu_irq *gsis;

    /* those that are outside of the accelerator, else NULL */
    I8259Pair *pics;
    IOAPICState *ioapic;
    APICBus *apics;
    DeviceState *pit; /* borrowed */
    APICBusOps apic_ops;
    AccelVCPU *bsp;

    /* guarded by the machine lock */
    uint32_t lines; /* levels as the devices have them */
    bool legacy_replaced;
    uint64_t edges[PC_IRQCHIP_GSIS];
    /* what a state that is saved or loaded has (irqchip-state.c) */
    struct {
        uint8_t mode; /* AccelIrqchip */
        X86VMState vm;
    } saved;
};

/* irqchip-state.c */

/* pc_irqchip_state_lines: register the lines' levels: before any device. */
bool pc_irqchip_state_lines(PCIrqchip *chip, Error **errp);
/* pc_irqchip_state_inside: register what is inside of the accelerator: after
 * the CPUs, for controllers that are loaded send to their local APICs. */
bool pc_irqchip_state_inside(PCIrqchip *chip, Error **errp);
void pc_irqchip_state_remove(PCIrqchip *chip);

/* pc_irqchip_describe: (transfer full) 8259s and IOAPIC as text; NULL if they
 * are inside of the accelerator. */
char *pc_irqchip_describe(PCIrqchip *chip);
/* pc_irqchip_counts: how often each line was raised. */
void pc_irqchip_counts(PCIrqchip *chip, uint64_t edges[PC_IRQCHIP_GSIS]);

#endif
