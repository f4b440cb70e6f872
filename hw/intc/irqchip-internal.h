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
    APICBusOps apic_ops;
    AccelVCPU *bsp;

    /* guarded by the machine lock */
    uint32_t lines; /* levels as the devices have them */
    bool legacy_replaced;
    uint64_t edges[PC_IRQCHIP_GSIS];
};

/* (transfer full) text for the monitor. */
char *pc_irqchip_describe_pics(PCIrqchip *chip);
char *pc_irqchip_describe_apic(PCIrqchip *chip, unsigned cpu);
char *pc_irqchip_describe_counts(PCIrqchip *chip);

#endif
