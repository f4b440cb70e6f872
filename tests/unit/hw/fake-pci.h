/*
 * A PCI bus without a machine, for tests of single functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_PCI_H
#define TESTS_HW_FAKE_PCI_H

#include "hw/pci/pci.h"
#include "util/error.h"

typedef struct FakePCI {
    IOSpace *ports;
    IOSpace *mmio;
    GuestMemory *memory;
    DeviceState *bridge;
    PCIBus *bus;
    bool line[PCI_NUM_PINS];
    unsigned n_msi;
    MSIMessage msi; /* the last */
} FakePCI;

static void fake_pci_set_irq(void *opaque, unsigned pin, bool level)
{
    ((FakePCI *)opaque)->line[pin] = level;
}

static unsigned fake_pci_map_irq(void *opaque, unsigned slot, unsigned pin)
{
    return (slot + pin) % PCI_NUM_PINS;
}

static void fake_pci_send_msi(void *opaque, MSIMessage msg)
{
    FakePCI *f = opaque;

    f->n_msi++;
    f->msi = msg;
}

static const PCIRootOps fake_pci_ops = {
    .set_irq = fake_pci_set_irq,
    .map_irq = fake_pci_map_irq,
    .send_msi = fake_pci_send_msi,
};

static inline void fake_pci_init(FakePCI *f)
{
    *f = (FakePCI){ 0 };
    f->ports = io_space_new("I/O ports", 0xffff);
    f->mmio = io_space_new("addresses", UINT64_MAX);
    f->memory = guest_memory_new();
    f->bridge = qdev_new("isabus-bridge"); /* any device will do */
    f->bus = pci_root_bus_new(f->bridge, "pci.0", NULL, f->ports, f->mmio,
                              f->memory, &fake_pci_ops, f);
    qdev_realize(f->bridge, NULL, &error_abort);
}

/* There is no tree that would keep a device: the bus's list is ours. */
static inline bool fake_pci_realize(FakePCI *f, PCIDevice *dev, Error **errp)
{
    if (!qdev_realize(DEVICE(dev), BUS(f->bus), errp)) {
        object_unref(OBJECT(dev));
        return false;
    }
    return true;
}

static inline PCIDevice *fake_pci_add(FakePCI *f, int devfn, const char *type)
{
    PCIDevice *dev = pci_new(devfn, type);

    fake_pci_realize(f, dev, &error_abort);
    return dev;
}

static inline void fake_pci_remove(PCIDevice *dev)
{
    qdev_unrealize(DEVICE(dev));
    object_unref(OBJECT(dev));
}

static inline void fake_pci_deinit(FakePCI *f)
{
    while (BUS(f->bus)->children->len) {
        fake_pci_remove(g_ptr_array_index(BUS(f->bus)->children, 0));
    }
    qdev_unrealize(f->bridge);
    object_unref(OBJECT(f->bridge));
    guest_memory_free(f->memory);
    io_space_free(f->mmio);
    io_space_free(f->ports);
}

/* Configuration cycles as a guest makes them. */
static inline uint32_t fake_pci_read(FakePCI *f, unsigned devfn, uint32_t addr,
                                     unsigned len)
{
    return pci_bus_config_read(f->bus, devfn, addr, len);
}

static inline void fake_pci_write(FakePCI *f, unsigned devfn, uint32_t addr,
                                  uint32_t value, unsigned len)
{
    pci_bus_config_write(f->bus, devfn, addr, value, len);
}

#endif
