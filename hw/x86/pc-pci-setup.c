/*
 * A start without firmware: give the PCI functions their addresses and
 * interrupt lines, as firmware would, so that a kernel finds devices that
 * answer.
 *
 * Regions are placed from the largest down, each at a multiple of its size,
 * so no room is lost between them. Memory BARs go below the IOAPIC; 64-bit
 * ones that do not fit go behind all RAM.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/i440fx.h"
#include "hw/x86/pc.h"

#define PORTS_FIRST 0xc000u
#define PORTS_END   0x10000u
#define MEM32_FIRST 0xe0000000u
#define MEM32_END   0xfec00000u
#define PIRQ_ROUTE  0x60 /* of the PIIX3 */

/* Lines of PIRQA to PIRQD. */
static const uint8_t pirq_line[PCI_NUM_PINS] = { 10, 10, 11, 11 };

typedef struct Region {
    PCIDevice *dev;
    unsigned n;
    uint64_t size;
    bool io;
    bool wide; /* 64-bit */
} Region;

typedef struct Windows {
    uint64_t ports;
    uint64_t mem32;
    uint64_t mem64;
} Windows;

static int larger_first(const void *a, const void *b)
{
    uint64_t x = ((const Region *)a)->size;
    uint64_t y = ((const Region *)b)->size;

    return x < y ? 1 : x > y ? -1 : 0;
}

static void collect(PCIDevice *dev, GArray *regions)
{
    for (unsigned n = 0; n < PCI_ROM_SLOT; n++) {
        const PCIRegion *r = &dev->region[n];
        Region found = {
            .dev = dev,
            .n = n,
            .size = r->size,
            .io = r->type & PCI_BASE_ADDRESS_SPACE_IO,
        };

        found.wide = !found.io && (r->type & PCI_BASE_ADDRESS_MEM_TYPE_64);
        if (r->size) {
            g_array_append_val(regions, found);
        }
    }
}

/* Room for @size bytes from *@next on below @end; 0 if there is none. */
static uint64_t take(uint64_t *next, uint64_t size, uint64_t end)
{
    uint64_t at = (*next + size - 1) & ~(size - 1);

    if (at >= end || size > end - at) {
        return 0;
    }
    *next = at + size;
    return at;
}

static void write_config(PCIDevice *dev, uint32_t addr, uint32_t value,
                         unsigned len)
{
    pci_bus_config_write(pci_get_bus(dev), (unsigned)dev->devfn, addr, value,
                         len);
}

static void assign(Windows *w, const Region *r)
{
    uint32_t reg = PCI_BASE_ADDRESS_0 + 4 * r->n;
    uint64_t at = r->io ? take(&w->ports, r->size, PORTS_END)
                        : take(&w->mem32, r->size, MEM32_END);

    if (at == 0 && r->wide) {
        at = take(&w->mem64, r->size, UINT64_MAX);
    }
    write_config(r->dev, reg, (uint32_t)at, 4);
    if (r->wide) {
        write_config(r->dev, reg + 4, (uint32_t)(at >> 32), 4);
    }
}

static void enable(PCIDevice *dev)
{
    uint8_t pin = dev->config[PCI_INTERRUPT_PIN];
    uint16_t command = pci_get_word(dev->config + PCI_COMMAND);
    unsigned line;

    for (unsigned n = 0; n < PCI_ROM_SLOT; n++) {
        const PCIRegion *r = &dev->region[n];

        if (r->size) {
            command |= r->type & PCI_BASE_ADDRESS_SPACE_IO ? PCI_COMMAND_IO
                                                           : PCI_COMMAND_MEMORY;
        }
    }
    write_config(dev, PCI_COMMAND, command, 2);
    if (pin >= 1 && pin <= PCI_NUM_PINS && dev->devfn != PIIX4_PM_DEVFN) {
        line = (PCI_SLOT(dev->devfn) + pin - 1u + PCI_NUM_PINS - 1u) %
               PCI_NUM_PINS;
        write_config(dev, PCI_INTERRUPT_LINE, pirq_line[line], 1);
    }
}

void pc_set_up_pci(PCMachineState *pc)
{
    g_autoptr(GArray) regions = g_array_new(FALSE, FALSE, sizeof(Region));
    Windows w = {
        .ports = PORTS_FIRST,
        .mem32 = MAX(MEM32_FIRST, pc->low_end),
        .mem64 = pc_mmio64_base(pc),
    };

    for (unsigned devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = pci_bus_find(pc->pci, devfn);

        if (dev) {
            collect(dev, regions);
        }
    }
    g_array_sort(regions, larger_first);
    for (guint i = 0; i < regions->len; i++) {
        assign(&w, &g_array_index(regions, Region, i));
    }
    guest_memory_begin(MACHINE(pc)->memory);
    for (unsigned devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = pci_bus_find(pc->pci, devfn);

        if (dev) {
            enable(dev);
        }
    }
    guest_memory_commit(MACHINE(pc)->memory);
    for (unsigned i = 0; i < PCI_NUM_PINS; i++) {
        pci_bus_config_write(pc->pci, PIIX3_DEVFN, PIRQ_ROUTE + i, pirq_line[i],
                             1);
    }
}
