/*
 * The interrupt controllers of a PC as one thing for a board: two 8259, an
 * IOAPIC, a local APIC for each CPU, wherever the accelerator wants them
 * (its own, ours, or split), and the sink of message signalled interrupts.
 *
 * A board calls, in this order, in its MachineClass.init:
 *   pc_irqchip_new()       before the first CPU
 *   machine_add_cpu(), pc_irqchip_add_cpu()  for each CPU
 *   pc_irqchip_add_pit()   when the ISA bus is there
 * and connects its devices to pc_irqchip_gsi() or pc_irqchip_isa_irq().
 * Reset and finalization are the machine's: nothing else to call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_IRQCHIP_H
#define HW_INTC_IRQCHIP_H

#include "hw/boards.h"
#include "hw/core/cpu-internal.h"
#include "hw/irq.h"
#include "hw/isa/isa.h"

#define PC_IRQCHIP_GSIS   24u
#define IOAPIC_ADDRESS    0xfec00000u
#define MSI_ADDRESS_BASE  0xfee00000u
#define MSI_ADDRESS_BYTES 0x100000u

typedef struct PCIrqchip PCIrqchip;

/**
 * pc_irqchip_new:
 * @machine: accelerator open, port and memory spaces there; machine->irqchip
 *           must be NULL and is set
 *
 * Returns: (transfer none) the machine's; NULL.
 * Errors: the accelerator cannot make its part; a port is taken.
 */
PCIrqchip *pc_irqchip_new(MachineState *machine, Error **errp);
/** pc_irqchip_free: for MachineState's finalize; accepts NULL. */
void pc_irqchip_free(PCIrqchip *chip);

/** pc_irqchip_add_cpu: its local APIC (QOM child "lapic" of @cpu), unless the
 *  accelerator has it inside; @cpu has its vcpu and has not run yet. */
bool pc_irqchip_add_cpu(PCIrqchip *chip, CPUState *cpu, Error **errp);

/**
 * pc_irqchip_add_pit:
 * @bus: where the timer's ports are; its line 0 is GSI 0 and 8259 pin 0
 * @ret_pit: (out) (optional) (transfer none) NULL if the timer is inside the
 *           accelerator: then it has the speaker's port 61h as well
 *
 * The interval timer: "kvm-pit" with all controllers in the kernel, else
 * "isa-pit" and "isa-pcspk".
 */
bool pc_irqchip_add_pit(PCIrqchip *chip, ISABus *bus, DeviceState **ret_pit,
                        Error **errp);
/** pc_irqchip_add_hpet: the HPET at FED00000h (machine option hpet=on). After
 *  pc_irqchip_add_pit() and the RTC. */
bool pc_irqchip_add_hpet(PCIrqchip *chip, Error **errp);

/**
 * pc_irqchip_gsi:
 * @n: 0 to 23: pins of the IOAPIC; 0 to 15 are the 8259s' as well (0 is pin 2
 *     of the IOAPIC as on every PC; 2 is nobody's)
 *
 * Returns: (transfer none) a line; set it under the machine lock.
 */
qemu_irq pc_irqchip_gsi(PCIrqchip *chip, unsigned n);
/** pc_irqchip_set_gsi: as a qemu_irq_handler, @opaque is the PCIrqchip. */
void pc_irqchip_set_gsi(void *opaque, int n, int level);

/**
 * machine_send_msi:
 * @addr, @data: as a device writes them; an address that is not an
 *               interrupt's is traced and dropped
 *
 * Thread: any, with or without the machine lock.
 */
void machine_send_msi(MachineState *machine, uint64_t addr, uint32_t data);

/** pc_irqchip_reset_done: controllers inside of the accelerator are as after
 *  power-on: they learn of lines that devices hold. Accepts NULL. */
void pc_irqchip_reset_done(PCIrqchip *chip);

/** pc_irqchip_inject_nmi: as the chipset's NMI line: to LINT1 of every local
 *  APIC; false if the accelerator has the APICs: use AccelClass.vcpu_nmi. */
bool pc_irqchip_inject_nmi(PCIrqchip *chip);

#endif
