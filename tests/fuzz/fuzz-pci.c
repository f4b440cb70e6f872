/*
 * A guest that does anything to the PCI host bridge and what is on its bus:
 * configuration cycles, ports, memory; also with the PAM registers.
 *
 * Input: records of one byte of kind and size, an address and a value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/isa/isa.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/types.h"
#include "hw/x86/pam.h"
#include "util/bswap.h"
#include "util/error.h"

#define TYPE_FUZZ_PCI "fuzz-pci"
OBJECT_DECLARE_SIMPLE_TYPE(FuzzPCI, FUZZ_PCI)

#define RECORD_BYTES 9u
#define RECORDS_MAX  256u
#define LOW_BYTES    0x100000u
#define BAR_BYTES    0x4000u

struct FuzzPCI {
    PCIDevice parent_obj;

    IORegion io;
    IORegion mem;
    uint8_t *ram;
};

typedef struct Board {
    IOSpace *ports;
    IOSpace *mmio;
    GuestMemory *memory;
    DeviceState *bridge;
    PCIBus *bus;
    uint8_t *low;
    uint8_t *rom;
    PAM pam;
} Board;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t dev_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset;
}

static void dev_write(void *opaque, uint64_t offset, uint64_t value,
                      unsigned size)
{
    PCIDevice *dev = opaque;

    if (offset + size > BAR_BYTES) {
        abort();
    }
    pci_set_irq(dev, value & 1);
    msix_notify(dev, (unsigned)offset);
    msi_notify(dev, (unsigned)value);
}

static const IORegionOps dev_ops = { dev_read, dev_write, 8 };

static bool fuzz_realize(PCIDevice *dev, Error **errp)
{
    FuzzPCI *d = FUZZ_PCI(dev);

    io_region_init(&d->io, "fuzz-io", 64, &dev_ops, d);
    io_region_init(&d->mem, "fuzz-mem", BAR_BYTES, &dev_ops, d);
    d->ram = g_aligned_alloc0(1, BAR_BYTES, 4096);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_SPACE_IO, &d->io);
    pci_register_bar(dev, 1, PCI_BASE_ADDRESS_MEM_TYPE_64, &d->mem);
    pci_register_bar_ram(dev, 3, d->ram, BAR_BYTES, true);
    pci_config_set_interrupt_pin(dev, 2);
    return msix_init_exclusive_bar(dev, 33, 4, errp) &&
           msi_init(dev, 0, 8, true, true, errp);
}

static void fuzz_exit(PCIDevice *dev)
{
    g_aligned_free(FUZZ_PCI(dev)->ram);
}

static void fuzz_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    pc->vendor_id = 0x1234;
    pc->realize = fuzz_realize;
    pc->exit = fuzz_exit;
}

static const TypeInfo fuzz_type = {
    .name = TYPE_FUZZ_PCI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(FuzzPCI),
    .class_init = fuzz_class_init,
};

static void set_irq(void *opaque, unsigned pin, bool level)
{
    if (pin >= PCI_NUM_PINS) {
        abort();
    }
}

static unsigned map_irq(void *opaque, unsigned slot, unsigned pin)
{
    return slot + pin;
}

static void send_msi(void *opaque, MSIMessage msg)
{
}

static const PCIRootOps root_ops = { set_irq, map_irq, send_msi };

static void board_init(Board *b)
{
    b->ports = io_space_new("I/O ports", 0xffff);
    b->mmio = io_space_new("addresses", UINT64_MAX);
    b->memory = guest_memory_new();
    b->low = g_aligned_alloc0(1, LOW_BYTES, 4096);
    b->rom = g_aligned_alloc0(1, 0x20000, 4096);
    pam_init(&b->pam, b->memory, b->mmio, b->low, b->rom, 0x20000);
    b->bridge = qdev_new("isabus-bridge");
    b->bus = pci_root_bus_new(b->bridge, "pci.0", NULL, b->ports, b->mmio,
                              b->memory, &root_ops, NULL);
    qdev_realize(b->bridge, NULL, &error_abort);
    for (int i = 0; i < 2; i++) {
        qdev_realize(DEVICE(pci_new(i * 8, TYPE_FUZZ_PCI)), BUS(b->bus),
                     &error_abort);
    }
}

static void board_deinit(Board *b)
{
    pam_deinit(&b->pam);
    while (BUS(b->bus)->children->len) {
        DeviceState *dev = g_ptr_array_index(BUS(b->bus)->children, 0);

        qdev_unrealize(dev);
        object_unref(OBJECT(dev));
    }
    qdev_unrealize(b->bridge);
    object_unref(OBJECT(b->bridge));
    guest_memory_free(b->memory);
    io_space_free(b->mmio);
    io_space_free(b->ports);
    g_aligned_free(b->low);
    g_aligned_free(b->rom);
}

static void one_access(Board *b, uint8_t kind, uint32_t addr, uint32_t value)
{
    unsigned size = 1u << (kind & 3);
    uint8_t buf[8] = { (uint8_t)value };

    switch (kind >> 2 & 7) {
    case 0:
        pci_bus_config_write(b->bus, addr >> 8 & 0xff, addr & 0xff, value,
                             size);
        break;
    case 1:
        pci_bus_config_read(b->bus, addr >> 8 & 0xff, addr & 0xff, size);
        break;
    case 2:
        io_space_write(b->ports, addr & 0xffff, value, size);
        break;
    case 3:
        io_space_write(b->mmio, addr, value, size);
        break;
    case 4:
        io_space_read(b->mmio, addr, size);
        break;
    case 5:
        guest_memory_write(b->memory, addr, buf, size);
        break;
    case 6:
        pam_set(&b->pam, addr % PAM_SEGMENTS, (uint8_t)value);
        break;
    default:
        device_cold_reset(b->bridge);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gsize once;
    Board b;

    if (g_once_init_enter(&once)) {
        hw_register_types();
        type_register_static(&fuzz_type);
        g_once_init_leave(&once, 1);
    }
    board_init(&b);
    for (unsigned n = 0; n < RECORDS_MAX && size >= RECORD_BYTES; n++) {
        one_access(&b, data[0], (uint32_t)ldl_le_p(data + 1),
                   (uint32_t)ldl_le_p(data + 5));
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
    }
    board_deinit(&b);
    return 0;
}
