/*
 * PCI functions as a guest sees them: configuration space, BARs, interrupts;
 * and what a hostile guest cannot do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/types.h"
#include "qom/property.h"

#include "fake-pci.h"

#define TYPE_TEST_PCI "test-pci"
OBJECT_DECLARE_SIMPLE_TYPE(TestPCI, TEST_PCI)

#define RAM_BYTES   0x10000u
#define VECTORS     3u
#define DEVFN       PCI_DEVFN(3, 0)
#define COMMAND_ALL (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

struct TestPCI {
    PCIDevice parent_obj;

    bool fail;
    IORegion io;
    IORegion mem;
    uint8_t *ram;
    uint64_t last_write;
    uint64_t bar_addr[PCI_NUM_REGIONS];
    unsigned n_changes;
};

static uint64_t test_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x1100 + offset;
}

static void test_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    TEST_PCI(opaque)->last_write = offset << 32 | value;
}

static const IORegionOps test_ops = { test_read, test_write, 4 };

static void test_bar_changed(PCIDevice *dev, unsigned n, uint64_t addr)
{
    TEST_PCI(dev)->bar_addr[n] = addr;
    TEST_PCI(dev)->n_changes++;
}

static bool test_realize(PCIDevice *dev, Error **errp)
{
    TestPCI *t = TEST_PCI(dev);

    io_region_init(&t->io, "test-io", 16, &test_ops, t);
    io_region_init(&t->mem, "test-mem", 0x1000, &test_ops, t);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_SPACE_IO, &t->io);
    pci_register_bar(
        dev, 1, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
        &t->mem);
    if (t->fail) {
        error_setg(errp, "told to fail");
        return false;
    }
    t->ram = g_aligned_alloc0(1, RAM_BYTES, 4096);
    pci_register_bar_ram(dev, 3, t->ram, RAM_BYTES, true);
    pci_config_set_interrupt_pin(dev, 1);
    return msix_init_exclusive_bar(dev, VECTORS, 4, errp) &&
           msi_init(dev, 0, 4, true, true, errp);
}

static void test_exit(PCIDevice *dev)
{
    g_clear_pointer(&TEST_PCI(dev)->ram, g_aligned_free);
}

static const Property test_props[] = {
    { "fail", PROP_BOOL, offsetof(TestPCI, fail), .def = "off" },
    {},
};

static void test_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    pc->vendor_id = 0x1234;
    pc->device_id = 0x5678;
    pc->revision = 9;
    pc->class_id = PCI_CLASS_STORAGE_SCSI;
    pc->realize = test_realize;
    pc->exit = test_exit;
    pc->bar_changed = test_bar_changed;
}

static const TypeInfo test_type = {
    .name = TYPE_TEST_PCI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(TestPCI),
    .class_init = test_class_init,
    .props = test_props,
};

typedef struct Fixture {
    FakePCI pci;
    TestPCI *dev;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    fake_pci_init(&f->pci);
    f->dev = TEST_PCI(fake_pci_add(&f->pci, DEVFN, TYPE_TEST_PCI));
    device_cold_reset(DEVICE(f->dev));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    fake_pci_deinit(&f->pci);
}

static uint32_t rd(Fixture *f, uint32_t addr, unsigned len)
{
    return fake_pci_read(&f->pci, DEVFN, addr, len);
}

static void wr(Fixture *f, uint32_t addr, uint32_t value, unsigned len)
{
    fake_pci_write(&f->pci, DEVFN, addr, value, len);
}

/* -- configuration space ---------------------------------------------------------- */

static void test_header(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(rd(f, PCI_VENDOR_ID, 4), ==, 0x56781234);
    g_assert_cmphex(rd(f, PCI_REVISION_ID, 1), ==, 9);
    g_assert_cmphex(rd(f, PCI_CLASS_DEVICE, 2), ==, PCI_CLASS_STORAGE_SCSI);
    g_assert_cmphex(rd(f, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
    g_assert_cmphex(rd(f, PCI_HEADER_TYPE, 1), ==, 0);
    /* The guest cannot change who it is. */
    for (uint32_t at = 0; at < PCI_COMMAND; at += 4) {
        wr(f, at, 0, 4);
    }
    wr(f, PCI_REVISION_ID, 0, 4);
    wr(f, PCI_SUBSYSTEM_VENDOR_ID, 0, 4);
    g_assert_cmphex(rd(f, PCI_VENDOR_ID, 4), ==, 0x56781234);
    g_assert_cmphex(rd(f, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
    /* Nobody there, or a cycle that cannot be. */
    g_assert_cmphex(fake_pci_read(&f->pci, PCI_DEVFN(9, 0), 0, 4), ==,
                    0xffffffff);
    g_assert_cmphex(fake_pci_read(&f->pci, PCI_DEVFN(9, 0), 0, 2), ==, 0xffff);
    g_assert_cmphex(rd(f, 3, 2), ==, 0xffff);
    g_assert_cmphex(rd(f, 256, 4), ==, 0xffffffff);
    wr(f, 255, 0xffff, 2);
    wr(f, UINT32_MAX, 0, 4);
    fake_pci_write(&f->pci, UINT_MAX, 0, 0, 4);
}

static void test_capabilities(Fixture *f, gconstpointer data)
{
    uint8_t at = (uint8_t)rd(f, PCI_CAPABILITY_LIST, 1);
    unsigned seen = 0;
    Error *err = NULL;

    g_assert_cmphex(rd(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, !=, 0);
    while (at) {
        g_assert_cmpuint(at % 4, ==, 0);
        g_assert_cmpuint(at, >=, 0x40);
        seen |= 1u << rd(f, at, 1);
        at = (uint8_t)rd(f, at + 1u, 1);
    }
    g_assert_cmphex(seen, ==, 1u << PCI_CAP_ID_MSI | 1u << PCI_CAP_ID_MSIX);
    g_assert_cmpuint(pci_find_capability(PCI_DEVICE(f->dev), PCI_CAP_ID_MSIX),
                     !=, 0);
    g_assert_cmpuint(pci_find_capability(PCI_DEVICE(f->dev), PCI_CAP_ID_PM), ==,
                     0);
    g_assert_cmpuint(pci_add_capability(PCI_DEVICE(f->dev), 1, 0x40, 8, &err),
                     ==, 0);
    error_free_or_abort(&err);
    g_assert_cmpuint(pci_add_capability(PCI_DEVICE(f->dev), 1, 0, 0xc0, &err),
                     ==, 0);
    error_free_or_abort(&err);
    g_assert_cmpuint(pci_add_capability(PCI_DEVICE(f->dev), 1, 0xf8, 8,
                                        &error_abort),
                     ==, 0xf8);
}

/* -- BARs ---------------------------------------------------------------------------- */

static void test_bar_sizes(Fixture *f, gconstpointer data)
{
    static const struct {
        uint32_t reg;
        uint32_t expect;
    } bars[] = {
        { 0x10, 0xfffffff1 }, { 0x14, 0xfffff00c }, { 0x18, 0xffffffff },
        { 0x1c, 0xffff0008 }, { 0x20, 0xfffff000 }, { 0x24, 0 },
        { 0x30, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bars); i++) {
        wr(f, bars[i].reg, UINT32_MAX, 4);
        g_assert_cmphex(rd(f, bars[i].reg, 4), ==, bars[i].expect);
    }
    /* Decoding is off, and what a size probe leaves does not decode. */
    g_assert_cmpuint(f->dev->n_changes, ==, 0);
    wr(f, PCI_COMMAND, COMMAND_ALL, 2);
    for (unsigned n = 0; n < 5; n++) {
        g_assert_cmphex(pci_get_bar_addr(PCI_DEVICE(f->dev), n), ==,
                        PCI_BAR_UNMAPPED);
    }
    /* By bytes, as some firmware does. */
    wr(f, 0x13, 0, 1);
    wr(f, 0x12, 0, 1);
    wr(f, 0x11, 0xc0, 1);
    wr(f, 0x10, 0x3f, 1);
    g_assert_cmphex(rd(f, 0x10, 4), ==, 0xc031);
    g_assert_cmphex(f->dev->bar_addr[0], ==, 0xc030);
}

static void test_bar_map(Fixture *f, gconstpointer data)
{
    wr(f, 0x10, 0xc000, 4);
    wr(f, 0x14, 0xe0000000, 4);
    wr(f, 0x18, 0x12, 4);
    wr(f, PCI_COMMAND, PCI_COMMAND_IO, 2);
    g_assert_cmphex(io_space_read(f->pci.ports, 0xc004, 4), ==, 0x1104);
    io_space_write(f->pci.ports, 0xc008, 0x1234, 2);
    g_assert_cmphex(f->dev->last_write, ==, 0x800001234);
    g_assert_null(io_space_find(f->pci.mmio, 0x12e0000000));
    wr(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_null(io_space_find(f->pci.ports, 0xc004));
    g_assert_cmphex(io_space_read(f->pci.mmio, 0x12e0000ffc, 4), ==, 0x20fc);
    g_assert_cmphex(f->dev->bar_addr[1], ==, 0x12e0000000);
    /* A reset takes everything away. */
    device_cold_reset(DEVICE(f->dev));
    g_assert_null(io_space_find(f->pci.mmio, 0x12e0000000));
    g_assert_cmphex(f->dev->bar_addr[1], ==, PCI_BAR_UNMAPPED);
    g_assert_cmphex(rd(f, 0x18, 4), ==, 0);
}

static void test_bar_ram(Fixture *f, gconstpointer data)
{
    /* The memory of the fixture keeps it. */
    static uint8_t board[0x2000] __attribute__((aligned(4096)));
    uint8_t byte = 0;

    guest_memory_map(f->pci.memory, NULL, 0x20000, 0x2000, board, &error_abort);
    wr(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    wr(f, 0x1c, 0xd0000000, 4);
    g_assert_true(guest_memory_write(f->pci.memory, 0xd000ffff, "x", 1));
    g_assert_cmphex(f->dev->ram[0xffff], ==, 'x');
    g_assert_false(guest_memory_write(f->pci.memory, 0xd000ffff, "xy", 2));
    /* Over the board's RAM it is seen only around it. */
    wr(f, 0x1c, 0x20000, 4);
    g_assert_true(guest_memory_write(f->pci.memory, 0x21fff, "ab", 2));
    g_assert_cmphex(board[0x1fff], ==, 'a');
    g_assert_cmphex(f->dev->ram[0x2000], ==, 'b');
    wr(f, PCI_COMMAND, 0, 2);
    g_assert_false(guest_memory_read(f->pci.memory, 0x22000, &byte, 1));
    g_assert_true(guest_memory_read(f->pci.memory, 0x21fff, &byte, 1));
}

/* BARs over each other, over the board, at the ends of the spaces. */
static void test_bar_hostile(Fixture *f, gconstpointer data)
{
    IORegion fixed;
    TestPCI *two =
        TEST_PCI(fake_pci_add(&f->pci, PCI_DEVFN(4, 0), TYPE_TEST_PCI));

    io_region_init(&fixed, "fixed", 4, &test_ops, two);
    io_space_add(f->pci.ports, &fixed, 0xc004, &error_abort);
    wr(f, 0x10, 0xc000, 4);
    wr(f, PCI_COMMAND, COMMAND_ALL, 2);
    fake_pci_write(&f->pci, PCI_DEVFN(4, 0), 0x10, 0xc000, 4);
    fake_pci_write(&f->pci, PCI_DEVFN(4, 0), PCI_COMMAND, COMMAND_ALL, 2);
    g_assert_true(io_space_find(f->pci.ports, 0xc000) == &two->io);
    g_assert_true(io_space_find(f->pci.ports, 0xc004) == &fixed);
    g_assert_true(io_space_find(f->pci.ports, 0xc008) == &two->io);
    /* An access over the seam is cut there. */
    io_space_write(f->pci.ports, 0xc002, 0xaabbccdd, 4);
    g_assert_cmphex(two->last_write, ==, 0xaabb);
    fake_pci_write(&f->pci, PCI_DEVFN(4, 0), PCI_COMMAND, 0, 2);
    g_assert_true(io_space_find(f->pci.ports, 0xc008) == &f->dev->io);
    io_space_remove(&fixed);
    for (unsigned bar = 0; bar < 6; bar++) {
        for (unsigned shift = 0; shift < 32; shift++) {
            wr(f, 0x10 + 4 * bar, 1u << shift, 4);
            wr(f, 0x10 + 4 * bar, UINT32_MAX << shift, 4);
        }
    }
    wr(f, 0x18, UINT32_MAX, 4);
    wr(f, 0x14, UINT32_MAX, 4);
    g_assert_cmphex(f->dev->bar_addr[1], ==, PCI_BAR_UNMAPPED);
    wr(f, 0x14, 0xffffe000, 4);
    g_assert_cmphex(f->dev->bar_addr[1], ==, 0xffffffffffffe000);
}

static void test_rom(Fixture *f, gconstpointer data)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ferry-rom-XXXXXX", &path, NULL);
    PCIDevice *dev = pci_new(PCI_DEVFN(5, 0), TYPE_TEST_PCI);
    uint8_t head[2];

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_file_set_contents(path, "\x55\xaa option ROM", 13, NULL);
    object_property_set_str(OBJECT(dev), "romfile", path, &error_abort);
    g_assert_true(fake_pci_realize(&f->pci, dev, &error_abort));
    fake_pci_write(&f->pci, PCI_DEVFN(5, 0), 0x30, UINT32_MAX, 4);
    g_assert_cmphex(fake_pci_read(&f->pci, PCI_DEVFN(5, 0), 0x30, 4), ==,
                    0xfffff001);
    fake_pci_write(&f->pci, PCI_DEVFN(5, 0), 0x30, 0xc0000000, 4);
    fake_pci_write(&f->pci, PCI_DEVFN(5, 0), PCI_COMMAND, COMMAND_ALL, 2);
    g_assert_false(guest_memory_read(f->pci.memory, 0xc0000000, head, 2));
    fake_pci_write(&f->pci, PCI_DEVFN(5, 0), 0x30, 0xc0000001, 4);
    g_assert_true(guest_memory_read(f->pci.memory, 0xc0000000, head, 2));
    g_assert_cmpmem(head, 2, "\x55\xaa", 2);
    g_assert_false(guest_memory_write(f->pci.memory, 0xc0000000, head, 2));
    g_unlink(path);
}

/* -- plugging ------------------------------------------------------------------------- */

static PCIDevice *plug(Fixture *f, const char *addr, bool multi, Error **errp)
{
    PCIDevice *dev = pci_new(-1, TYPE_TEST_PCI);

    object_property_set_bool(OBJECT(dev), "multifunction", multi, &error_abort);
    if (!object_property_set_str(OBJECT(dev), "addr", addr, errp)) {
        object_unref(OBJECT(dev));
        return NULL;
    }
    return fake_pci_realize(&f->pci, dev, errp) ? dev : NULL;
}

static void test_addresses(Fixture *f, gconstpointer data)
{
    static const char *const bad[] = { "20",    "3.8", "3.", "x",  "",
                                       "3.1.1", "-2",  "0x", "3 ", "3:1" };
    PCIDevice *dev;
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("'%s'", bad[i]);
        g_assert_null(plug(f, bad[i], false, &err));
        error_free_or_abort(&err);
    }
    g_assert_cmpint(plug(f, "0x1f", false, &error_abort)->devfn, ==, 0xf8);
    g_assert_cmpint(plug(f, "7.0", true, &error_abort)->devfn, ==, 0x38);
    g_assert_cmpint(plug(f, "07.2", false, &error_abort)->devfn, ==, 0x3a);
    g_assert_cmphex(fake_pci_read(&f->pci, 0x38, PCI_HEADER_TYPE, 1), ==, 0x80);
    g_assert_cmpint(plug(f, "-1", false, &error_abort)->devfn, ==, 0);
    /* Taken; function 0 without multifunction; and the other way round. */
    g_assert_null(plug(f, "3", false, &err));
    error_free_or_abort(&err);
    g_assert_null(plug(f, "3.1", false, &err));
    error_free_or_abort(&err);
    g_assert_nonnull(plug(f, "9.1", false, &error_abort));
    g_assert_null(plug(f, "9", false, &err));
    error_free_or_abort(&err);
    dev = plug(f, "9", true, &error_abort);
    g_assert_nonnull(dev);
}

static void test_failed_realize(Fixture *f, gconstpointer data)
{
    PCIDevice *dev = pci_new(PCI_DEVFN(8, 0), TYPE_TEST_PCI);
    Error *err = NULL;

    object_property_set_bool(OBJECT(dev), "fail", true, &error_abort);
    g_assert_false(fake_pci_realize(&f->pci, dev, &err));
    error_free_or_abort(&err);
    g_assert_null(pci_bus_find(f->pci.bus, PCI_DEVFN(8, 0)));
    g_assert_nonnull(plug(f, "8", false, &error_abort));
}

/* -- interrupts -------------------------------------------------------------------------- */

static void test_intx(Fixture *f, gconstpointer data)
{
    PCIDevice *dev = PCI_DEVICE(f->dev);
    PCIDevice *two = fake_pci_add(&f->pci, PCI_DEVFN(7, 0), TYPE_TEST_PCI);

    pci_set_irq(dev, 1);
    g_assert_true(f->pci.line[3]);
    g_assert_cmphex(rd(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
    pci_set_irq(two, 1); /* the same line */
    pci_set_irq(dev, 0);
    g_assert_true(f->pci.line[3]);
    g_assert_true(pci_bus_irq_level(f->pci.bus, 3));
    pci_set_irq(two, 0);
    g_assert_false(f->pci.line[3]);
    pci_set_irq(dev, 1);
    wr(f, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    g_assert_false(f->pci.line[3]);
    g_assert_cmphex(rd(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
    wr(f, PCI_COMMAND, 0, 2);
    g_assert_true(f->pci.line[3]);
    device_cold_reset(DEVICE(dev));
    g_assert_false(f->pci.line[3]);
    pci_set_irq(two, 1);
    fake_pci_remove(two);
    g_assert_false(f->pci.line[3]);
}

#define TABLE 0xe0010000u

static void enable_msix(Fixture *f, uint16_t flags)
{
    uint8_t cap = pci_find_capability(PCI_DEVICE(f->dev), PCI_CAP_ID_MSIX);

    g_assert_cmphex(rd(f, cap + 2u, 2) & PCI_MSIX_FLAGS_QSIZE, ==, VECTORS - 1);
    g_assert_cmphex(rd(f, cap + 4u, 4), ==, 4);          /* table: BAR 4 at 0 */
    g_assert_cmphex(rd(f, cap + 8u, 4), ==, 0x800 | 4u); /* PBA */
    wr(f, cap + 2u, flags, 2);
    wr(f, 0x20, TABLE, 4);
    wr(f, PCI_COMMAND, COMMAND_ALL, 2);
}

static void set_vector(Fixture *f, unsigned n, uint32_t data, uint32_t control)
{
    uint64_t at = TABLE + n * PCI_MSIX_ENTRY_BYTES;

    io_space_write(f->pci.mmio, at, 0xfee01000, 8);
    io_space_write(f->pci.mmio, at + 8, data, 4);
    io_space_write(f->pci.mmio, at + 12, control, 4);
}

static void test_msix(Fixture *f, gconstpointer data)
{
    PCIDevice *dev = PCI_DEVICE(f->dev);

    msix_notify(dev, 0); /* off: nothing */
    g_assert_cmpuint(f->pci.n_msi, ==, 0);
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE);
    g_assert_true(msix_is_masked(dev, 1)); /* as after reset */
    set_vector(f, 1, 0x41, 0);
    msix_notify(dev, 1);
    g_assert_cmpuint(f->pci.n_msi, ==, 1);
    g_assert_cmphex(f->pci.msi.address, ==, 0xfee01000);
    g_assert_cmphex(f->pci.msi.data, ==, 0x41);
    /* Pending while masked, sent once when unmasked. */
    io_space_write(f->pci.mmio, TABLE + 16 + 12, UINT32_MAX, 4);
    g_assert_cmphex(io_space_read(f->pci.mmio, TABLE + 16 + 12, 4), ==, 1);
    msix_notify(dev, 1);
    msix_notify(dev, 1);
    g_assert_cmphex(io_space_read(f->pci.mmio, TABLE + 0x800, 8), ==, 2);
    io_space_write(f->pci.mmio, TABLE + 0x800, 0, 8); /* read-only */
    g_assert_cmphex(io_space_read(f->pci.mmio, TABLE + 0x800, 1), ==, 2);
    io_space_write(f->pci.mmio, TABLE + 16 + 12, 0, 4);
    g_assert_cmpuint(f->pci.n_msi, ==, 2);
    g_assert_cmphex(io_space_read(f->pci.mmio, TABLE + 0x800, 4), ==, 0);
    /* The function's mask; and no DMA without bus mastering. */
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    msix_notify(dev, 1);
    g_assert_cmpuint(f->pci.n_msi, ==, 2);
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE);
    g_assert_cmpuint(f->pci.n_msi, ==, 3);
    wr(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    msix_notify(dev, 1);
    g_assert_cmpuint(f->pci.n_msi, ==, 3);
    msix_notify(dev, VECTORS);
    msix_set_pending(dev, UINT_MAX);
    g_assert_true(msix_is_masked(dev, UINT_MAX));
    /* Every byte of the BAR can be touched. */
    for (unsigned at = 0; at < 0x1000; at++) {
        io_space_write(f->pci.mmio, TABLE + at, UINT64_MAX, 1u << at % 4);
        io_space_read(f->pci.mmio, TABLE + at, 8);
    }
}

static unsigned used, released;
static MSIMessage used_msg;

static void on_use(PCIDevice *dev, unsigned vector, MSIMessage msg)
{
    used |= 1u << vector;
    used_msg = msg;
}

static void on_release(PCIDevice *dev, unsigned vector)
{
    released |= 1u << vector;
}

static void test_msix_notifiers(Fixture *f, gconstpointer data)
{
    static const MSIXNotifiers notifiers = { on_use, on_release };
    PCIDevice *dev = PCI_DEVICE(f->dev);

    used = released = 0;
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE);
    set_vector(f, 0, 0x30, 0);
    set_vector(f, 2, 0x32, 1);
    msix_set_vector_notifiers(dev, &notifiers);
    g_assert_cmphex(used, ==, 1);
    set_vector(f, 2, 0x33, 0);
    g_assert_cmphex(used, ==, 5);
    g_assert_cmphex(used_msg.data, ==, 0x33);
    io_space_write(f->pci.mmio, TABLE + 2 * 16 + 8, 0x34, 4); /* no mask */
    g_assert_cmphex(used_msg.data, ==, 0x34);
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    g_assert_cmphex(released, ==, 5);
    used = released = 0;
    enable_msix(f, PCI_MSIX_FLAGS_ENABLE);
    g_assert_cmphex(used, ==, 5);
    device_cold_reset(DEVICE(dev));
    g_assert_cmphex(released, ==, 5);
    msix_set_vector_notifiers(dev, NULL);
}

static void test_msi(Fixture *f, gconstpointer data)
{
    PCIDevice *dev = PCI_DEVICE(f->dev);
    uint8_t cap = pci_find_capability(dev, PCI_CAP_ID_MSI);

    g_assert_cmphex(rd(f, cap + 2u, 2), ==, 0x0184); /* mask, 64 bits, 4 */
    wr(f, PCI_COMMAND, COMMAND_ALL, 2);
    wr(f, cap + 4u, 0xfee00003, 4);
    wr(f, cap + 8u, 1, 4);
    wr(f, cap + 12u, 0x4f, 2);
    msi_notify(dev, 1);
    g_assert_cmpuint(f->pci.n_msi, ==, 0);
    wr(f, cap + 2u, 0x0011, 2); /* two vectors */
    g_assert_cmpuint(msi_nr_vectors_allocated(dev), ==, 2);
    msi_notify(dev, 3); /* modulo 2 */
    g_assert_cmphex(f->pci.msi.address, ==, 0x1fee00000);
    g_assert_cmphex(f->pci.msi.data, ==, 0x4f);
    msi_notify(dev, 0);
    g_assert_cmphex(f->pci.msi.data, ==, 0x4e);
    wr(f, cap + 16u, UINT32_MAX, 4);
    g_assert_cmphex(rd(f, cap + 16u, 4), ==, 0xf);
    msi_notify(dev, 1);
    g_assert_cmpuint(f->pci.n_msi, ==, 2);
    g_assert_cmphex(rd(f, cap + 20u, 4), ==, 2);
    wr(f, cap + 16u, 0, 4);
    g_assert_cmpuint(f->pci.n_msi, ==, 3);
    g_assert_cmphex(rd(f, cap + 20u, 4), ==, 0);
    wr(f, cap + 2u, 0x0071, 2); /* more than there are */
    g_assert_cmpuint(msi_nr_vectors_allocated(dev), ==, 4);
    device_cold_reset(DEVICE(dev));
    g_assert_false(msi_enabled(dev));
}

#define ADD(name, func)                                                        \
    g_test_add("/pci/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    type_register_static(&test_type);
    ADD("header", test_header);
    ADD("capabilities", test_capabilities);
    ADD("bar/sizes", test_bar_sizes);
    ADD("bar/map", test_bar_map);
    ADD("bar/ram", test_bar_ram);
    ADD("bar/hostile", test_bar_hostile);
    ADD("rom", test_rom);
    ADD("addresses", test_addresses);
    ADD("failed-realize", test_failed_realize);
    ADD("intx", test_intx);
    ADD("msix", test_msix);
    ADD("msix/notifiers", test_msix_notifiers);
    ADD("msi", test_msi);
    return g_test_run();
}
