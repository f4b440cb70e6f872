/*
 * Memory of PCI functions as RAM blocks of the machine, so that a migration
 * carries it: "0000:00:02.0/vga.vram".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/ram-blocks.h"
#include "hw/pci/pci-internal.h"

bool pci_add_ram_block(PCIDevice *dev, const char *name, void *host,
                       uint64_t bytes, unsigned flags, Error **errp)
{
    GuestMemory *memory = pci_get_memory(dev);
    g_autofree char *path = qdev_get_dev_path(DEVICE(dev));
    g_autofree char *full =
        path ? g_strconcat(path, "/", name, NULL) : g_strdup(name);

    return !memory || ram_blocks_add(guest_memory_blocks(memory), full, host,
                                     bytes, flags, errp);
}

void pci_del_ram_blocks(PCIDevice *dev)
{
    GuestMemory *memory = pci_get_memory(dev);

    for (unsigned n = 0; memory && n < PCI_NUM_REGIONS; n++) {
        ram_blocks_remove_at(guest_memory_blocks(memory),
                             dev->region[n].ram.host);
    }
}
