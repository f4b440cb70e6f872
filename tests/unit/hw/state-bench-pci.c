/*
 * PCI functions of the board, display devices and IDE on a bench.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/display/vga.h"
#include "hw/machine-lock.h"
#include "util/bswap.h"

#include "fake-ide.h"
#include "state-bench.h"

#define BAR_MMIO 0xe0000000u /* and every 32 MiB from there */
#define BAR_STEP 0x02000000u
#define DEVFN    PCI_DEVFN(2, 0)

static uint32_t access_size(uint8_t v)
{
    return 1u << v % 3;
}

/* -- power management ------------------------------------------------------------- */

typedef struct PMBench {
    StateBench parent;

    AcpiPM pm;
} PMBench;

static void soft_off(void *opaque)
{
}

static StateBench *make_pm(void)
{
    PMBench *b = g_new0(PMBench, 1);

    acpi_pm_init(&b->pm, NULL, soft_off, b);
    acpi_pm_reset(&b->pm);
    b->parent.part[b->parent.n_parts++] =
        (StateBenchPart){ &vmstate_acpi_pm, &b->pm };
    return &b->parent;
}

static void step_pm(StateBench *sb, const uint8_t *p)
{
    PMBench *b = (PMBench *)sb;
    uint32_t size = access_size(p[1]);
    unsigned offset = p[2] % 12 & ~(size - 1);

    switch (p[0] & 7) {
    case 0:
        acpi_pm_power_button(&b->pm);
        break;
    case 1:
        acpi_pm_set_enabled(&b->pm, p[1] & 1);
        break;
    case 2:
        acpi_pm_gpe_write(&b->pm, p[2] & 3, p[3]);
        break;
    case 3:
        acpi_pm_read(&b->pm, offset, size);
        break;
    default:
        acpi_pm_write(&b->pm, offset, ldl_le_p(p + 4), size);
        break;
    }
}

static void reset_pm(StateBench *sb)
{
    acpi_pm_reset(&((PMBench *)sb)->pm);
}

static void destroy_pm(StateBench *sb)
{
    acpi_pm_deinit(&((PMBench *)sb)->pm);
    g_free(sb);
}

const StateBenchKind sb_acpi_pm = { .name = "acpi-pm",
                                    .make = make_pm,
                                    .step = step_pm,
                                    .reset = reset_pm,
                                    .destroy = destroy_pm };

/* -- display devices ----------------------------------------------------------------- */

typedef struct CardBench {
    StateBench parent;

    FakePCI pci;
} CardBench;

static StateBench *make_card(const char *type, const char *memory,
                             const char *size)
{
    CardBench *b = g_new0(CardBench, 1);
    PCIDevice *dev;

    fake_pci_init(&b->pci);
    dev = pci_new(DEVFN, type);
    object_property_parse(OBJECT(dev), "romfile", "", &error_abort);
    object_property_parse(OBJECT(dev), memory, size, &error_abort);
    fake_pci_realize(&b->pci, dev, &error_abort);
    device_cold_reset(DEVICE(dev));
    sb_add_part(&b->parent, dev);
    return &b->parent;
}

static StateBench *make_vga(void)
{
    return make_card("VGA", "vgamem_mb", "1");
}

static StateBench *make_bochs(void)
{
    return make_card("bochs-display", "vgamem", "1M");
}

static void step_card(StateBench *sb, const uint8_t *p)
{
    CardBench *b = (CardBench *)sb;
    uint32_t size = access_size(p[1]);
    uint64_t at =
        BAR_MMIO + BAR_STEP + (lduw_le_p(p + 2) & 0xfff & ~(size - 1));

    switch (p[0] & 3) {
    case 0:
        fake_pci_write(&b->pci, DEVFN, PCI_BASE_ADDRESS_0, BAR_MMIO, 4);
        fake_pci_write(&b->pci, DEVFN, PCI_BASE_ADDRESS_0 + 8,
                       BAR_MMIO + BAR_STEP, 4);
        fake_pci_write(&b->pci, DEVFN, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        break;
    case 1:
        fake_pci_write(&b->pci, DEVFN, p[2] & ~(size - 1), ldl_le_p(p + 4),
                       size);
        break;
    case 2:
        io_space_read(b->pci.mmio, at, size);
        break;
    default:
        io_space_write(b->pci.mmio, at, ldl_le_p(p + 4), size);
        break;
    }
}

static void destroy_card(StateBench *sb)
{
    fake_pci_deinit(&((CardBench *)sb)->pci);
    g_free(sb);
}

const StateBenchKind sb_vga = {
    .name = "VGA", .make = make_vga, .step = step_card, .destroy = destroy_card
};
const StateBenchKind sb_bochs = { .name = "bochs-display",
                                  .make = make_bochs,
                                  .step = step_card,
                                  .destroy = destroy_card };

/* The registers of a VGA, its window and its picture. */
typedef struct CoreBench {
    StateBench parent;

    GuestMemory *memory;
    VGAState vga;
    unsigned pictures;
} CoreBench;

static void refresh(void *opaque)
{
    vga_refresh(opaque);
}

static const ConsoleOps console_ops = { .refresh = refresh };

static StateBench *make_core(void)
{
    CoreBench *b = g_new0(CoreBench, 1);

    b->parent.ram_bytes = VGA_MEMORY_MIN;
    b->parent.ram = g_aligned_alloc0(1, VGA_MEMORY_MIN, 4096);
    b->memory = guest_memory_new();
    vga_init(&b->vga, b->parent.ram, VGA_MEMORY_MIN, b->memory);
    b->vga.console = console_new(NULL, NULL, 0, &console_ops, &b->vga);
    b->parent.part[b->parent.n_parts++] =
        (StateBenchPart){ &vmstate_vga, &b->vga };
    return &b->parent;
}

static void step_core(StateBench *sb, const uint8_t *p)
{
    CoreBench *b = (CoreBench *)sb;
    unsigned place = lduw_le_p(p + 2);

    switch (p[0] & 7) {
    case 0:
    case 1:
        vga_port_write(&b->vga, (uint16_t)(0x3b0 + place % 0x30), p[4]);
        break;
    case 2:
        vga_port_read(&b->vga, (uint16_t)(0x3b0 + place % 0x30));
        break;
    case 3:
        vga_mem_write(&b->vga, place | (p[1] & 1u) << 16, p[4]);
        break;
    case 4:
        vga_mem_read(&b->vga, place | (p[1] & 1u) << 16);
        break;
    case 5:
        vga_vbe_write(&b->vga, p[1] & 0x0f, (uint16_t)place);
        break;
    case 6:
        for (int i = 0; i < 256; i++) {
            vga_window_accessed(&b->vga);
        }
        break;
    default:
        if (b->pictures++ < 2) {
            b->vga.attr_index |= VGA_ATTR_UNBLANK;
            console_refresh(b->vga.console);
        }
        break;
    }
}

static void stop_core(StateBench *sb)
{
    vga_window_unmap(&((CoreBench *)sb)->vga);
}

static void reset_core(StateBench *sb)
{
    vga_reset(&((CoreBench *)sb)->vga);
}

static void destroy_core(StateBench *sb)
{
    CoreBench *b = (CoreBench *)sb;

    vga_deinit(&b->vga);
    guest_memory_free(b->memory);
    g_aligned_free(sb->ram);
    g_free(b);
}

const StateBenchKind sb_vga_core = { .name = "vga-core",
                                     .make = make_core,
                                     .step = step_core,
                                     .stop = stop_core,
                                     .reset = reset_core,
                                     .destroy = destroy_core };

/* -- IDE -------------------------------------------------------------------------------- */

typedef struct IDEBench {
    StateBench parent;

    FakeIDE ide;
    DeviceState *hd;
    DeviceState *cd;
    char *nodes[2];
} IDEBench;

static char *add_node(const char *more)
{
    static unsigned n;
    char *name = g_strdup_printf("sbnode%u", n++);
    g_autofree char *option = g_strdup_printf(
        "driver=null-co,node-name=%s,size=1M,read-zeroes=on%s", name, more);

    blockdev_add_str(option, qemu_get_aio_context(), &error_abort);
    return name;
}

static StateBench *make_ide(void)
{
    IDEBench *b = g_new0(IDEBench, 1);

    fake_ide_init(&b->ide);
    b->parent.ram = b->ide.ram;
    b->parent.ram_bytes = FAKE_IDE_RAM;
    b->nodes[0] = add_node("");
    b->nodes[1] = add_node(",read-only=on");
    b->hd = fake_ide_plug(&b->ide, "ide-hd", b->nodes[0], &error_abort);
    b->cd = fake_ide_plug(&b->ide, "ide-cd", b->nodes[1], &error_abort);
    sb_add_part(&b->parent, b->ide.dev);
    sb_add_part(&b->parent, b->hd);
    sb_add_part(&b->parent, b->cd);
    return &b->parent;
}

static void step_ide(StateBench *sb, const uint8_t *p)
{
    static const uint8_t commands[] = { 0x20, 0x30, 0xc4, 0xc5, 0xc8, 0xca,
                                        0xec, 0xef, 0xc6, 0xa0, 0xa1, 0xe7,
                                        0xb0, 0x91, 0x25, 0x35 };
    IDEBench *b = (IDEBench *)sb;
    unsigned size = access_size(p[1]);

    switch (p[0] & 7) {
    case 0:
        ide_write(b->ide.bus, 1 + p[1] % 6, p[2], 1);
        break;
    case 1:
        ide_write(b->ide.bus, 7, commands[p[2] % sizeof(commands)], 1);
        break;
    case 2:
        ide_read(b->ide.bus, p[1] & 7, 1);
        break;
    case 3:
        for (unsigned i = 0; i < p[3] * 2u; i++) {
            if (p[1] & 0x80) {
                ide_read(b->ide.bus, 0, 2);
            } else {
                ide_write(b->ide.bus, 0, lduw_le_p(p + 4), 2);
            }
        }
        break;
    case 4:
        fake_bm_write(&b->ide, p[3] & 7 & ~(size - 1), ldl_le_p(p + 4), size);
        break;
    case 5:
        stl_le_p(sb->ram + FAKE_IDE_PRDT + p[1] * 4u, ldl_le_p(p + 4));
        break;
    case 6:
        ide_write_control(b->ide.bus, p[2]);
        break;
    default:
        while (aio_poll(qemu_get_aio_context(), false)) {
        }
        break;
    }
}

static void stop_ide(StateBench *sb)
{
    ide_drain(((IDEBench *)sb)->ide.bus);
}

static void go_ide(StateBench *sb)
{
    ide_retry_stopped(((IDEBench *)sb)->ide.bus);
}

static void destroy_ide(StateBench *sb)
{
    IDEBench *b = (IDEBench *)sb;

    fake_ide_unplug(b->cd);
    fake_ide_unplug(b->hd);
    fake_ide_deinit(&b->ide);
    for (int i = 0; i < 2; i++) {
        blockdev_del(b->nodes[i], &error_abort);
        g_free(b->nodes[i]);
    }
    g_free(b);
}

const StateBenchKind sb_ide = { .name = "ide",
                                .make = make_ide,
                                .step = step_ide,
                                .stop = stop_ide,
                                .go = go_ide,
                                .destroy = destroy_ide };
