/*
 * The IDE function of the PIIX3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_PIIX_H
#define HW_IDE_PIIX_H

#include "hw/pci/pci.h"

#define PIIX3_IDE_DEVFN PCI_DEVFN(1, 1)

/** piix3_ide_new: with its buses "ide.0" and "ide.1", whose interrupts are
 *  lines of the machine's ISA bus. */
bool piix3_ide_new(PCIBus *bus, unsigned devfn, Error **errp);

#endif
