/*
 * ACPI and SMBIOS tables of the PC: given to firmware as files, or put into
 * RAM when there is none.
 *
 * Without firmware the ACPI tables stand at the end of RAM below 4 GiB, in a
 * piece that the memory map calls "ACPI"; the RSDP and SMBIOS in the segment
 * F0000h, where operating systems look for them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/tables.h"
#include "hw/isa/isa.h"
#include "hw/smbios/smbios.h"
#include "hw/x86/pc.h"
#include "hw/x86/x86-cpu.h"
#include "util/error.h"

#define FSEG_BASE   0xf0000u
#define FSEG_END    0x100000u
#define PAGE        4096u
#define MMIO32_LAST 0xfebfffffu
#define GIB_MASK    (PC_GIB - 1)
#define WINDOW64    (512 * PC_GIB)
#define COM_IRQS    16u

/* -- what the board has ------------------------------------------------------------ */

static void add_port(DsdtConfig *c, DeviceState *dev, bool parallel)
{
    unsigned uid = 1;
    uint64_t base = object_property_get_uint(OBJECT(dev), "iobase", NULL);
    uint64_t irq = object_property_get_uint(OBJECT(dev), "irq", NULL);

    if (c->n_ports == DSDT_PORTS_MAX || base > UINT16_MAX || irq >= COM_IRQS) {
        return;
    }
    for (unsigned i = 0; i < c->n_ports; i++) {
        uid += c->port[i].parallel == parallel;
    }
    c->port[c->n_ports++] = (DsdtPort){ .parallel = parallel,
                                        .uid = uid,
                                        .base = (uint16_t)base,
                                        .irq = (uint8_t)irq };
}

static void find_ports(DsdtConfig *c)
{
    BusState *isa = qdev_find_bus("isa.0");

    for (guint i = 0; isa && i < isa->children->len; i++) {
        DeviceState *dev = g_ptr_array_index(isa->children, i);

        if (object_dynamic_cast(OBJECT(dev), "isa-serial")) {
            add_port(c, dev, false);
        } else if (object_dynamic_cast(OBJECT(dev), "isa-parallel")) {
            add_port(c, dev, true);
        } else if (object_dynamic_cast(OBJECT(dev), "i8042")) {
            c->i8042 = true;
        }
    }
}

static void fill_windows(PCMachineState *pc, DsdtConfig *c)
{
    c->mem32_first = (uint32_t)pc->low_end;
    c->mem32_last = MMIO32_LAST;
    c->mem64_first = pc_mmio64_base(pc);
    c->mem64_last = c->mem64_first + WINDOW64 - 1;
}

static AcpiTables *build_acpi(PCMachineState *pc)
{
    MachineState *m = MACHINE(pc);
    g_autofree uint32_t *ids = g_new(uint32_t, m->smp.cpus);
    AcpiConfig c = {
        .dsdt = { .cpus = m->smp.cpus,
                  .pm_base = piix4_pm_base(pc->pm),
                  .hpet = pc->hpet,
                  .fw_cfg = true },
        .apic_ids = ids,
        .ioapic_id = PC_IOAPIC_ID,
        .oem_id = pc->oem_id,
        .oem_table_id = pc->oem_table_id,
    };

    for (unsigned i = 0; i < m->smp.cpus; i++) {
        ids[i] = x86_cpu_place(&m->smp, i).apic_id;
    }
    find_ports(&c.dsdt);
    fill_windows(pc, &c.dsdt);
    return acpi_tables_build(&c);
}

uint64_t pc_mmio64_base(PCMachineState *pc)
{
    uint64_t high = MACHINE(pc)->ram_bytes - pc->low_end;

    return (PC_HIGH_RAM_BASE + high + GIB_MASK) & ~GIB_MASK;
}

/* -- for firmware ---------------------------------------------------------------------- */

static GBytes *bytes_of(const GByteArray *array)
{
    return g_bytes_new(array->data, array->len);
}

static bool add_acpi(PCMachineState *pc, Error **errp)
{
    FWCfgState *f = MACHINE(pc)->fw_cfg;
    g_autoptr(AcpiTables) t = build_acpi(pc);

    return fw_cfg_add_file(f, ACPI_TABLES_FILE, bytes_of(t->tables), errp) &&
           fw_cfg_add_file(f, ACPI_RSDP_FILE, bytes_of(t->rsdp), errp) &&
           fw_cfg_add_file(f, ACPI_LOADER_FILE, bios_linker_script(t->linker),
                           errp);
}

/* Firmware may have put the power management registers elsewhere before it
 * reads the tables. Files keep their sizes. */
static void refresh_acpi(void *opaque)
{
    add_acpi(opaque, NULL);
}

bool pc_add_tables(PCMachineState *pc, Error **errp)
{
    FWCfgState *f = MACHINE(pc)->fw_cfg;
    g_autoptr(SmbiosTables) s = pc_build_smbios(pc, errp);

    if (!s ||
        !fw_cfg_add_file(f, SMBIOS_TABLES_FILE, bytes_of(s->tables), errp) ||
        !fw_cfg_add_file(f, SMBIOS_ANCHOR_FILE, bytes_of(s->anchor), errp)) {
        return false;
    }
    if (!pc->acpi) {
        return true;
    }
    if (!add_acpi(pc, errp)) {
        return false;
    }
    fw_cfg_on_select(f, ACPI_TABLES_FILE, refresh_acpi, pc);
    return true;
}

/* -- without firmware -------------------------------------------------------------------- */

typedef struct Placement {
    uint64_t high; /* free below this */
    uint64_t fseg; /* free from here */
    uint64_t rsdp;
    uint64_t tables;
} Placement;

static uint64_t place(void *opaque, const char *file, uint32_t len,
                      uint32_t align, BiosLinkerZone zone)
{
    Placement *p = opaque;

    if (zone == BIOS_LINKER_FSEG) {
        p->rsdp = ROUND_UP(p->fseg, (uint64_t)align);
        p->fseg = p->rsdp + len;
        return p->rsdp;
    }
    p->high = ROUND_DOWN(p->high - len, (uint64_t)MAX(align, PAGE));
    p->tables = p->high;
    return p->tables;
}

static bool put(PCMachineState *pc, uint64_t gpa, const GByteArray *bytes,
                Error **errp)
{
    if (!guest_memory_write(MACHINE(pc)->memory, gpa, bytes->data,
                            bytes->len)) {
        error_setg(errp, "no RAM for tables of %u bytes at 0x%" PRIx64,
                   bytes->len, gpa);
        return false;
    }
    return true;
}

static bool put_acpi(PCMachineState *pc, Placement *p, Error **errp)
{
    g_autoptr(AcpiTables) t = build_acpi(pc);

    if (t->tables->len > pc->low_end / 2) {
        error_setg(errp, "no RAM for ACPI tables of %u bytes", t->tables->len);
        return false;
    }
    bios_linker_run(t->linker, place, p);
    return put(pc, p->tables, t->tables, errp) &&
           put(pc, p->rsdp, t->rsdp, errp);
}

static bool put_smbios(PCMachineState *pc, Placement *p, Error **errp)
{
    g_autoptr(SmbiosTables) s = pc_build_smbios(pc, errp);
    uint64_t anchor = ROUND_UP(p->fseg, 16u);
    uint64_t tables;

    if (!s) {
        return false;
    }
    tables = ROUND_UP(anchor + s->anchor->len, 16u);
    if (tables + s->tables->len > FSEG_END) {
        p->high = ROUND_DOWN(p->high - s->tables->len, (uint64_t)PAGE);
        tables = p->high;
    } else {
        p->fseg = tables + s->tables->len;
    }
    smbios_set_address(s, (uint32_t)tables);
    return put(pc, tables, s->tables, errp) && put(pc, anchor, s->anchor, errp);
}

bool pc_put_tables(PCMachineState *pc, BootPlace *boot, Error **errp)
{
    Placement p = { .high = pc->low_end, .fseg = FSEG_BASE };
    size_t n = 0;

    if ((pc->acpi && !put_acpi(pc, &p, errp)) || !put_smbios(pc, &p, errp)) {
        return false;
    }
    /* The end of low RAM becomes a piece of its own. */
    for (size_t i = 0; i < pc->n_memmap; i++) {
        MemmapEntry e = pc->memmap[i];

        if (e.type == MEMMAP_RAM && e.start + e.size == pc->low_end &&
            p.high < pc->low_end) {
            e.size = p.high - e.start;
            pc->boot_map[n++] = e;
            e = (MemmapEntry){ p.high, pc->low_end - p.high, MEMMAP_ACPI };
        }
        pc->boot_map[n++] = e;
    }
    *boot = (BootPlace){
        .map = pc->boot_map, .n_map = n, .low_end = p.high, .rsdp = p.rsdp
    };
    return true;
}
