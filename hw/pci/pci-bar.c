/*
 * Base address registers: where a function's regions appear.
 *
 * After each configuration write that matters, the address of every BAR is
 * computed from its register and the command register; what differs from the
 * present mapping is moved. An address that the guest cannot mean (zero, the
 * ones of a size probe, a range that wraps) does not decode.
 *
 * Source: PCI Local Bus Specification 3.0, 6.2.5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "trace/trace-hw.h"
#include "util/host-utils.h"

#define PORTS_LAST    0xffffu
#define BAR_IO_MIN    4u
#define BAR_MEM_MIN   16u
#define BAR_IO_FLAGS  0x3u
#define BAR_MEM_FLAGS 0xfu

static unsigned bar_offset(unsigned n)
{
    return n == PCI_ROM_SLOT ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * n;
}

static bool is_io(const PCIRegion *r)
{
    return r->type & PCI_BASE_ADDRESS_SPACE_IO;
}

static bool is_64bit(const PCIRegion *r)
{
    return !is_io(r) && (r->type & PCI_BASE_ADDRESS_MEM_TYPE_64);
}

static void init_register(PCIDevice *dev, unsigned n)
{
    PCIRegion *r = &dev->region[n];
    unsigned at = bar_offset(n);
    uint64_t mask = ~(r->size - 1);

    pci_set_long(dev->config + at, r->type);
    pci_set_long(dev->wmask + at,
                 (uint32_t)mask |
                     (n == PCI_ROM_SLOT ? PCI_ROM_ADDRESS_ENABLE : 0));
    if (is_64bit(r)) {
        pci_set_long(dev->config + at + 4, 0);
        pci_set_long(dev->wmask + at + 4, (uint32_t)(mask >> 32));
    }
}

static PCIRegion *new_region(PCIDevice *dev, unsigned n, uint8_t type,
                             uint64_t size)
{
    PCIRegion *r = &dev->region[n];
    uint64_t least =
        type & PCI_BASE_ADDRESS_SPACE_IO ? BAR_IO_MIN : BAR_MEM_MIN;

    assert(n < PCI_NUM_REGIONS && r->size == 0);
    assert(is_power_of_2(size) && size >= least);
    *r = (PCIRegion){ .addr = PCI_BAR_UNMAPPED, .size = size, .type = type };
    assert(!is_64bit(r) || (n < PCI_ROM_SLOT - 1 && !dev->region[n + 1].size));
    assert(is_64bit(r) || size <= 1u << 31);
    return r;
}

void pci_register_bar(PCIDevice *dev, unsigned n, uint8_t type,
                      IORegion *region)
{
    PCIRegion *r = new_region(dev, n, type, region->size);

    r->io = region;
    init_register(dev, n);
}

void pci_register_bar_ram(PCIDevice *dev, unsigned n, void *host, uint64_t size,
                          bool prefetchable)
{
    uint8_t type = n == PCI_ROM_SLOT || !prefetchable
                       ? PCI_BASE_ADDRESS_SPACE_MEMORY
                       : PCI_BASE_ADDRESS_MEM_PREFETCH;
    PCIRegion *r = new_region(dev, n, type, size);

    r->ram = (GuestMemoryRegion){
        .name = object_get_typename(OBJECT(dev)),
        .host = host,
        .size = size,
        .readonly = n == PCI_ROM_SLOT,
        .priority = GUEST_MEMORY_PRIO_BAR,
    };
    init_register(dev, n);
}

uint64_t pci_get_bar_addr(PCIDevice *dev, unsigned n)
{
    return n < PCI_NUM_REGIONS && dev->region[n].size ? dev->region[n].addr
                                                      : PCI_BAR_UNMAPPED;
}

/* -- decoding -------------------------------------------------------------------- */

static uint64_t register_value(const PCIDevice *dev, unsigned n)
{
    const PCIRegion *r = &dev->region[n];
    unsigned at = bar_offset(n);
    uint64_t v = pci_get_long(dev->config + at);

    if (is_64bit(r)) {
        v |= (uint64_t)pci_get_long(dev->config + at + 4) << 32;
    }
    return v;
}

static uint64_t wanted_address(const PCIDevice *dev, unsigned n)
{
    const PCIRegion *r = &dev->region[n];
    uint16_t command = pci_get_word(dev->config + PCI_COMMAND);
    uint64_t v = register_value(dev, n);
    uint64_t addr = v & ~(r->size - 1);
    uint64_t last = addr + (r->size - 1);

    if (addr == 0 || last < addr) {
        return PCI_BAR_UNMAPPED;
    }
    if (is_io(r)) {
        return command & PCI_COMMAND_IO && last <= PORTS_LAST
                   ? addr
                   : PCI_BAR_UNMAPPED;
    }
    if (!(command & PCI_COMMAND_MEMORY) || last == UINT64_MAX ||
        (!is_64bit(r) && last == UINT32_MAX) ||
        (n == PCI_ROM_SLOT && !(v & PCI_ROM_ADDRESS_ENABLE))) {
        return PCI_BAR_UNMAPPED;
    }
    return addr;
}

static void map_region(PCIDevice *dev, PCIRegion *r, uint64_t addr)
{
    PCIBus *bus = pci_get_bus(dev);

    if (!r->io) {
        guest_memory_remove(&r->ram);
        if (addr != PCI_BAR_UNMAPPED) {
            guest_memory_add(bus->memory, &r->ram, addr);
        }
        return;
    }
    io_space_remove(r->io);
    if (addr != PCI_BAR_UNMAPPED) {
        io_space_add_movable(is_io(r) ? bus->ports : bus->mmio, r->io, addr);
    }
}

static void move_region(PCIDevice *dev, unsigned n, uint64_t addr)
{
    PCIDeviceClass *pc = PCI_DEVICE_GET_CLASS(dev);
    PCIRegion *r = &dev->region[n];

    if (!r->size || r->addr == addr) {
        return;
    }
    trace_pci_bar(object_get_typename(OBJECT(dev)), n, addr, r->size);
    if (r->addr != PCI_BAR_UNMAPPED && addr != PCI_BAR_UNMAPPED &&
        pc->bar_changed) {
        pc->bar_changed(dev, n, PCI_BAR_UNMAPPED);
    }
    map_region(dev, r, addr);
    r->addr = addr;
    if (pc->bar_changed) {
        pc->bar_changed(dev, n, addr);
    }
}

void pci_update_mappings(PCIDevice *dev)
{
    GuestMemory *memory = pci_get_bus(dev)->memory;

    guest_memory_begin(memory);
    for (unsigned n = 0; n < PCI_NUM_REGIONS; n++) {
        if (dev->region[n].size) {
            move_region(dev, n, wanted_address(dev, n));
        }
    }
    guest_memory_commit(memory);
}

void pci_unmap_all(PCIDevice *dev)
{
    for (unsigned n = 0; n < PCI_NUM_REGIONS; n++) {
        move_region(dev, n, PCI_BAR_UNMAPPED);
    }
}

void pci_reset_bars(PCIDevice *dev)
{
    for (unsigned n = 0; n < PCI_NUM_REGIONS; n++) {
        if (dev->region[n].size) {
            init_register(dev, n);
        }
    }
}
