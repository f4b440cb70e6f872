/*
 * The PCI bus: who is where, interrupt lines, configuration cycles.
 *
 * Each INTx pin of a function drives one of four bus lines, which the host
 * bridge assigns; a line is the wired-or of all that drive it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "trace/trace-hw.h"
#include "util/error.h"

/* -- slots ------------------------------------------------------------------------ */

static bool slot_free(const PCIBus *bus, unsigned slot)
{
    for (unsigned f = 0; f < PCI_FUNC_MAX; f++) {
        if (bus->devices[PCI_DEVFN(slot, f)]) {
            return false;
        }
    }
    return true;
}

static int free_devfn(const PCIBus *bus)
{
    for (unsigned slot = 0; slot < PCI_SLOT_MAX; slot++) {
        if (slot_free(bus, slot)) {
            return PCI_DEVFN(slot, 0);
        }
    }
    return -1;
}

/* Function 0 says whether the others are looked for (PCI 3.0, 6.2.1). */
static bool check_multifunction(const PCIBus *bus, const PCIDevice *dev,
                                unsigned devfn, Error **errp)
{
    unsigned slot = PCI_SLOT(devfn);
    const PCIDevice *zero = bus->devices[PCI_DEVFN(slot, 0)];

    if (PCI_FUNC(devfn) && zero && !zero->multifunction) {
        error_setg(errp,
                   "PCI function %x.%u cannot be used: function %x.0 does not "
                   "have multifunction=on",
                   slot, PCI_FUNC(devfn), slot);
        return false;
    }
    if (PCI_FUNC(devfn) == 0 && !dev->multifunction && !slot_free(bus, slot)) {
        error_setg(errp,
                   "PCI function %x.0 needs multifunction=on: the slot has "
                   "other functions",
                   slot);
        return false;
    }
    return true;
}

bool pci_bus_choose(PCIBus *bus, PCIDevice *dev, Error **errp)
{
    int devfn = dev->devfn < 0 ? free_devfn(bus) : dev->devfn;
    const PCIDevice *other;

    if (devfn < 0) {
        error_setg(errp, "no free slot on PCI bus '%s'", BUS(bus)->name);
        return false;
    }
    other = bus->devices[devfn];
    if (other) {
        error_setg(errp, "PCI slot %x function %x of '%s' is taken by '%s'",
                   PCI_SLOT(devfn), PCI_FUNC(devfn), BUS(bus)->name,
                   object_get_typename(OBJECT(other)));
        return false;
    }
    if (!check_multifunction(bus, dev, (unsigned)devfn, errp)) {
        return false;
    }
    dev->devfn = devfn;
    return true;
}

PCIDevice *pci_bus_find(PCIBus *bus, unsigned devfn)
{
    return devfn < PCI_DEVFN_MAX ? bus->devices[devfn] : NULL;
}

/* -- interrupts -------------------------------------------------------------------- */

void pci_update_irq(PCIDevice *dev)
{
    PCIBus *bus = pci_get_bus(dev);
    uint16_t command = pci_get_word(dev->config + PCI_COMMAND);
    uint8_t pin = dev->config[PCI_INTERRUPT_PIN];
    bool level = dev->irq_level && !(command & PCI_COMMAND_INTX_DISABLE);
    unsigned line;

    if (level == dev->irq_driven || pin == 0 || pin > PCI_NUM_PINS) {
        return;
    }
    dev->irq_driven = level;
    line = bus->ops->map_irq(bus->opaque, PCI_SLOT(dev->devfn), pin - 1u) %
           PCI_NUM_PINS;
    bus->irq_count[line] += level ? 1u : -1u;
    if (bus->irq_count[line] == (level ? 1u : 0u)) {
        bus->ops->set_irq(bus->opaque, line, level);
    }
}

void pci_set_irq(PCIDevice *dev, int level)
{
    uint8_t *status = dev->config + PCI_STATUS;

    dev->irq_level = level != 0;
    *status = (uint8_t)(level ? *status | PCI_STATUS_INTERRUPT
                              : *status & ~PCI_STATUS_INTERRUPT);
    pci_update_irq(dev);
}

static void irq_handler(void *opaque, int n, int level)
{
    pci_set_irq(opaque, level);
}

qemu_irq pci_allocate_irq(PCIDevice *dev)
{
    return qemu_allocate_irq(irq_handler, dev, 0);
}

bool pci_bus_irq_level(PCIBus *bus, unsigned pin)
{
    return bus->irq_count[pin % PCI_NUM_PINS] > 0;
}

void pci_send_msi(PCIDevice *dev, MSIMessage msg)
{
    PCIBus *bus = pci_get_bus(dev);

    if (pci_bus_master(dev) && bus->ops->send_msi) {
        bus->ops->send_msi(bus->opaque, msg);
    }
}

/* -- configuration cycles ------------------------------------------------------------- */

static bool config_range_ok(uint32_t addr, unsigned len)
{
    return (len == 1 || len == 2 || len == 4) && addr % 4 + len <= 4 &&
           addr < PCI_CONFIG_BYTES;
}

static uint32_t all_ones(unsigned len)
{
    return len >= 4 ? UINT32_MAX : (1u << (len * 8)) - 1;
}

uint32_t pci_bus_config_read(PCIBus *bus, unsigned devfn, uint32_t addr,
                             unsigned len)
{
    PCIDevice *dev = pci_bus_find(bus, devfn);
    uint32_t value = all_ones(len);

    if (dev && config_range_ok(addr, len)) {
        value &= PCI_DEVICE_GET_CLASS(dev)->config_read(dev, addr, len);
    }
    trace_pci_config_read(PCI_SLOT(devfn), PCI_FUNC(devfn), addr, len, value);
    return value;
}

void pci_bus_config_write(PCIBus *bus, unsigned devfn, uint32_t addr,
                          uint32_t value, unsigned len)
{
    PCIDevice *dev = pci_bus_find(bus, devfn);

    trace_pci_config_write(PCI_SLOT(devfn), PCI_FUNC(devfn), addr, len, value);
    if (dev && config_range_ok(addr, len)) {
        PCI_DEVICE_GET_CLASS(dev)->config_write(dev, addr, value, len);
    }
}

/* -- making ------------------------------------------------------------------------------ */

PCIBus *pci_root_bus_new(DeviceState *parent, const char *name,
                         MachineState *machine, IOSpace *ports, IOSpace *mmio,
                         GuestMemory *memory, const PCIRootOps *ops,
                         void *opaque)
{
    PCIBus *bus = PCI_BUS(qbus_new(TYPE_PCI_BUS, parent, name));

    bus->machine = machine;
    bus->ports = ports;
    bus->mmio = mmio;
    bus->memory = memory;
    bus->ops = ops;
    bus->opaque = opaque;
    return bus;
}

PCIDevice *pci_new(int devfn, const char *type)
{
    PCIDevice *dev = PCI_DEVICE(qdev_new(type));

    dev->devfn = devfn;
    return dev;
}

PCIDevice *pci_new_multifunction(int devfn, const char *type)
{
    PCIDevice *dev = pci_new(devfn, type);

    dev->multifunction = true;
    return dev;
}

bool pci_realize_and_unref(PCIDevice *dev, PCIBus *bus, Error **errp)
{
    if (!qdev_globals_apply(OBJECT(dev), errp)) {
        object_unref(OBJECT(dev));
        return false;
    }
    return qdev_realize_and_unref(DEVICE(dev), BUS(bus), errp);
}

PCIDevice *pci_create_simple(PCIBus *bus, int devfn, const char *type,
                             Error **errp)
{
    PCIDevice *dev = pci_new(devfn, type);

    return pci_realize_and_unref(dev, bus, errp) ? dev : NULL;
}

static bool check_plug(BusState *bus, DeviceState *dev, Error **errp)
{
    return pci_bus_choose(PCI_BUS(bus), PCI_DEVICE(dev), errp);
}

static void pci_bus_class_init(ObjectClass *oc, void *data)
{
    BUS_CLASS(oc)->check_plug = check_plug;
    BUS_CLASS(oc)->get_dev_path = pci_get_dev_path;
}

extern const TypeInfo hw_type_pci_bus;
const TypeInfo hw_type_pci_bus = {
    .name = TYPE_PCI_BUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(PCIBus),
    .class_init = pci_bus_class_init,
};
