/*
 * Option ROMs: a file as read-only memory behind the expansion ROM BAR.
 *
 * A ROM that the user names must be there; the one that a class names is left
 * out when its firmware package is not installed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/datadir.h"
#include "hw/pci/pci-internal.h"
#include "migration/ram-block.h"
#include "migration/vmstate.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/read-file.h"

#define ROM_PAGE      4096u
#define ROM_BYTES_MAX (16u << 20)

static bool load_rom(PCIDevice *dev, const char *path, Error **errp)
{
    const VMStateDescription *vmsd = DEVICE_GET_CLASS(dev)->vmsd;
    g_autofree char *block = g_strconcat(
        vmsd ? vmsd->name : object_get_typename(OBJECT(dev)), ".rom", NULL);
    size_t len;
    uint64_t size;
    g_autofree char *data = read_file_bounded(path, ROM_BYTES_MAX, &len, errp);

    if (!data) {
        return false;
    }
    if (len == 0) {
        error_setg(errp, "option ROM '%s' is empty", path);
        return false;
    }
    size = MAX(ROM_PAGE, pow2ceil(len));
    dev->rom = g_aligned_alloc0(1, size, ROM_PAGE);
    memcpy(dev->rom, data, len);
    pci_register_bar_ram(dev, PCI_ROM_SLOT, dev->rom, size, false);
    trace_pci_rom(object_get_typename(OBJECT(dev)), path, size);
    return pci_add_ram_block(dev, block, dev->rom, size, RAM_BLOCK_ROM, errp);
}

bool pci_add_option_rom(PCIDevice *dev, Error **errp)
{
    PCIDeviceClass *pc = PCI_DEVICE_GET_CLASS(dev);
    const char *name = dev->romfile ? dev->romfile : pc->romfile;
    g_autofree char *path = NULL;

    if (!name || !*name || !dev->rombar || dev->region[PCI_ROM_SLOT].size) {
        return true;
    }
    path = datadir_find(pci_get_machine(dev), name);
    if (!path && dev->romfile) {
        error_setg(errp, "option ROM '%s' not found", name);
        return false;
    }
    return !path || load_rom(dev, path, errp);
}

void pci_del_option_rom(PCIDevice *dev)
{
    if (dev->rom) {
        dev->region[PCI_ROM_SLOT].size = 0;
        g_aligned_free(dev->rom);
        dev->rom = NULL;
    }
}
