/*
 * What the files of this folder share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

struct PCIBus {
    BusState parent_obj;

    MachineState *machine;
    IOSpace *ports;
    IOSpace *mmio;
    GuestMemory *memory;
    const PCIRootOps *ops;
    void *opaque;

    PCIDevice *devices[PCI_DEVFN_MAX]; /* borrowed */
    unsigned irq_count[PCI_NUM_PINS];  /* functions that drive the line */
};

/* pci-bus.c */

/** pci_bus_choose: devfn for @dev, or the one it asks for if it is free. */
bool pci_bus_choose(PCIBus *bus, PCIDevice *dev, Error **errp);
/** pci_update_irq: carry the level that the function shows to the bus. */
void pci_update_irq(PCIDevice *dev);

/* pci-bar.c */

/** pci_update_mappings: let each BAR decode where its register says. */
void pci_update_mappings(PCIDevice *dev);
/** pci_unmap_all: no BAR decodes. */
void pci_unmap_all(PCIDevice *dev);
/** pci_reset_bars: registers to zero. */
void pci_reset_bars(PCIDevice *dev);

/* pci-vmstate.c */

/** pci_get_dev_path: BusClass.get_dev_path: "0000:00:03.0". */
char *pci_get_dev_path(DeviceState *qdev);

/* pci-rom.c */

/** pci_add_option_rom: load dev->romfile, if any, as the ROM BAR. */
bool pci_add_option_rom(PCIDevice *dev, Error **errp);
void pci_del_option_rom(PCIDevice *dev);

/** pci_del_ram_blocks: what pci_add_ram_block() added (pci-ram.c). */
void pci_del_ram_blocks(PCIDevice *dev);

#endif
