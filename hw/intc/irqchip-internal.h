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
};

/* pc_irqchip_describe: (transfer full) 8259s and IOAPIC as text; NULL if they
 * are inside of the accelerator. */
char *pc_irqchip_describe(PCIrqchip *chip);
/* pc_irqchip_counts: how often each line was raised. */
void pc_irqchip_counts(PCIrqchip *chip, uint64_t edges[PC_IRQCHIP_GSIS]);

#endif
