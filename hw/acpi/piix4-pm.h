/*
 * PIIX4 power management: function 3 of the PIIX.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_PIIX4_PM_H
#define HW_ACPI_PIIX4_PM_H

#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

/* Ports, for the ACPI tables. */
#define PIIX4_SMI_CMD      0xb2
#define PIIX4_ACPI_ENABLE  0xf1 /* written to SMI_CMD */
#define PIIX4_ACPI_DISABLE 0xf0
#define PIIX4_PM_BASE      0x600
#define PIIX4_SMB_BASE     0x700
#define PIIX4_GPE_BASE     0xafe0
#define PIIX4_GPE_BYTES    4
#define PIIX4_SCI          9

/** piix4_pm_new: at @devfn of @bus; its SCI is line 9 of @isa. (transfer
 *  none) */
PCIDevice *piix4_pm_new(PCIBus *bus, int devfn, ISABus *isa, Error **errp);

/** piix4_pm_power_button: the user pressed it. */
void piix4_pm_power_button(PCIDevice *dev);

/** piix4_pm_base: port of the ACPI registers, or where firmware is expected
 *  to put them. */
uint16_t piix4_pm_base(const PCIDevice *dev);

/** piix4_pm_set_up: registers as firmware leaves them, for a start without
 *  firmware. */
void piix4_pm_set_up(PCIDevice *dev);

#endif
