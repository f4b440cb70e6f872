/*
 * A PIIX3 IDE function on a PCI bus without a machine, and what a guest's
 * driver does with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_IDE_H
#define TESTS_HW_FAKE_IDE_H

#include "block/block-node.h"
#include "block/drive.h"
#include "block/types.h"
#include "hw/ide/ide.h"
#include "hw/ide/piix.h"
#include "hw/types.h"
#include "util/main-loop.h"

#include "fake-pci.h"

#define FAKE_IDE_RAM  (1u << 20)
#define FAKE_IDE_BM   0xc000u /* BAR 4 */
#define FAKE_IDE_PRDT 0x1000u

typedef struct FakeIDE {
    FakePCI pci;
    uint8_t *ram;
    PCIDevice *dev;
    IDEBus *bus;
} FakeIDE;

static inline void fake_ide_init(FakeIDE *f)
{
    fake_pci_init(&f->pci);
    f->ram = g_aligned_alloc0(1, FAKE_IDE_RAM, 4096);
    guest_memory_map(f->pci.memory, NULL, 0, FAKE_IDE_RAM, f->ram,
                     &error_abort);
    f->dev = pci_new(PIIX3_IDE_DEVFN, "piix3-ide");
    qdev_realize(DEVICE(f->dev), BUS(f->pci.bus), &error_abort);
    f->bus = IDE_BUS(DEVICE(f->dev)->child_buses->pdata[0]);
    device_cold_reset(DEVICE(f->dev));
    fake_pci_write(&f->pci, PIIX3_IDE_DEVFN, PCI_BASE_ADDRESS_0 + 16,
                   FAKE_IDE_BM, 4);
    fake_pci_write(&f->pci, PIIX3_IDE_DEVFN, PCI_COMMAND,
                   PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
}

static inline void fake_ide_deinit(FakeIDE *f)
{
    qdev_unrealize(DEVICE(f->dev));
    object_unref(OBJECT(f->dev));
    fake_pci_deinit(&f->pci);
    g_aligned_free(f->ram);
}

/* A drive of @type for the node or drive @id (NULL: none). */
static inline DeviceState *fake_ide_plug(FakeIDE *f, const char *type,
                                         const char *id, Error **errp)
{
    DeviceState *d = qdev_new(type);

    if ((id && !object_property_set_str(OBJECT(d), "drive", id, errp)) ||
        !qdev_realize(d, BUS(f->bus), errp)) {
        object_unref(OBJECT(d));
        return NULL;
    }
    return d;
}

static inline void fake_ide_unplug(DeviceState *d)
{
    qdev_unrealize(d);
    object_unref(OBJECT(d));
}

static inline void fake_bm_write(FakeIDE *f, unsigned offset, uint32_t value,
                                 unsigned size)
{
    io_space_write(f->pci.ports, FAKE_IDE_BM + offset, value, size);
}

static inline uint8_t fake_bm_status(FakeIDE *f)
{
    return (uint8_t)io_space_read(f->pci.ports, FAKE_IDE_BM + 2, 1);
}

#endif
