/*
 * The chipset: 82441FX host bridge with PCI bus 0, PIIX3 ISA bridge.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_I440FX_H
#define HW_X86_I440FX_H

#include "hw/isa/isa.h"
#include "hw/pci/pci.h"
#include "hw/x86/pam.h"

#define I440FX_DEVFN    PCI_DEVFN(0, 0)
#define PIIX3_DEVFN     PCI_DEVFN(1, 0)
#define PIIX3_IDE_DEVFN PCI_DEVFN(1, 1)
#define PIIX4_PM_DEVFN  PCI_DEVFN(1, 3)

/**
 * i440fx_new:
 * @machine: its ports, memory and MSI sink are used
 * @pam: (nullable) for tests; outlives the bridge
 * @pam_reset: attribute of all segments after a reset
 * @send_msi: called with @opaque; any thread
 *
 * The host bridge "i440FX-pcihost" and its function 0 ("i440FX").
 *
 * Returns: (transfer none) bus "pci.0"; NULL.
 */
PCIBus *i440fx_new(MachineState *machine, PAM *pam, uint8_t pam_reset,
                   void (*send_msi)(void *opaque, MSIMessage msg), void *opaque,
                   Error **errp);

/**
 * i440fx_set_pirq_handler:
 * @set_pirq: level of PIRQA (0) to PIRQD (3); called with @opaque
 */
void i440fx_set_pirq_handler(PCIBus *bus,
                             void (*set_pirq)(void *opaque, unsigned pirq,
                                              bool level),
                             void *opaque);

/** piix3_new: the ISA bridge "PIIX3" at 1.0: routes PIRQ lines to the lines of
 *  @isa. */
bool piix3_new(PCIBus *bus, ISABus *isa, Error **errp);

#endif
