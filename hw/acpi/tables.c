/*
 * ACPI tables: FACS, DSDT, FADT, MADT, HPET, WAET, RSDT, XSDT in one block,
 * and the RSDP. Addresses are offsets in the block until the linker has run.
 *
 * Source: ACPI 6.4, 5.2; IA-PC HPET 1.0a, 3.2.4; WAET (Windows ACPI emulated
 * devices table).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/tables.h"

#include "hw/acpi/piix4-pm.h"
#include "util/bswap.h"

#define HEADER_BYTES    36u
#define HEADER_LENGTH   4u
#define HEADER_CHECKSUM 9u
#define TABLES_ALIGN    64u
#define TABLES_MAX      8u
#define OEM_ID          "FERRY "
#define OEM_TABLE_ID    "FERRYPC "
#define OEM_REVISION    1u
#define CREATOR_ID      "FRRY"

#define FACS_BYTES        64u
#define FADT_BYTES        244u
#define FADT_REVISION     3u
#define RSDP_BYTES        36u
#define RSDP_V1_BYTES     20u
#define RSDP_REVISION     2u
#define RTC_CENTURY       0x32
#define NO_C_STATE        0x0fff /* latency: not supported */
#define BOOT_LEGACY       (1u << 0)
#define BOOT_8042         (1u << 1)
#define FADT_WBINVD       (1u << 0)
#define FADT_PROC_C1      (1u << 2)
#define FADT_SLP_BUTTON   (1u << 5) /* none in fixed hardware */
#define FADT_RESET_REG    (1u << 10)
#define FADT_APIC_CLUSTER (1u << 18)
#define CLUSTER_CPUS      8u
#define RESET_PORT        0xcf9
#define RESET_VALUE       0x0f
#define GAS_IO            1
#define LAPIC_ADDRESS     0xfee00000u
#define IOAPIC_ADDRESS    0xfec00000u
#define MADT_PCAT_COMPAT  1u
#define APIC_ID_8BIT_MAX  254u
#define INTI_LEVEL_HIGH   0x0d
#define HPET_ADDRESS      0xfed00000u
#define HPET_EVENT_ID     0x8086a201u
#define HPET_MIN_TICK     100u
#define WAET_PM_TIMER_OK  (1u << 1)

typedef struct Build {
    const AcpiConfig *config;
    AcpiTables *t;
    uint32_t table[TABLES_MAX]; /* offsets of what the RSDT lists */
    unsigned n_tables;
} Build;

/* -- bytes ------------------------------------------------------------------------ */

static void put(Build *b, uint64_t value, unsigned bytes)
{
    for (; bytes; bytes--, value >>= 8) {
        uint8_t byte = (uint8_t)value;

        g_byte_array_append(b->t->tables, &byte, 1);
    }
}

static void put_text(Build *b, const char *text, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        put(b, *text ? (uint8_t)*text++ : 0, 1);
    }
}

static uint32_t here(const Build *b)
{
    return b->t->tables->len;
}

/* The pointer that is put next, to @offset of the same block. */
static void put_pointer(Build *b, uint32_t offset, uint8_t size)
{
    bios_linker_add_pointer(b->t->linker, ACPI_TABLES_FILE, here(b), size,
                            ACPI_TABLES_FILE);
    put(b, offset, size);
}

static void align(Build *b, unsigned to)
{
    while (here(b) % to) {
        put(b, 0, 1);
    }
}

/* -- table header -------------------------------------------------------------------- */

static uint32_t begin_table(Build *b, const char *signature, uint8_t revision)
{
    const AcpiConfig *c = b->config;
    uint32_t start;

    align(b, 8);
    start = here(b);
    put_text(b, signature, 4);
    put(b, 0, 4); /* length, see end_table() */
    put(b, revision, 1);
    put(b, 0, 1); /* checksum */
    put_text(b, c->oem_id ? c->oem_id : OEM_ID, ACPI_OEM_ID_BYTES);
    put_text(b, c->oem_table_id ? c->oem_table_id : OEM_TABLE_ID,
             ACPI_OEM_TABLE_ID_BYTES);
    put(b, OEM_REVISION, 4);
    put_text(b, CREATOR_ID, 4);
    put(b, 1, 4);
    assert(here(b) - start == HEADER_BYTES);
    return start;
}

static void end_table(Build *b, uint32_t start)
{
    uint32_t len = here(b) - start;

    stl_le_p(b->t->tables->data + start + HEADER_LENGTH, len);
    bios_linker_add_checksum(b->t->linker, ACPI_TABLES_FILE,
                             start + HEADER_CHECKSUM, start, len);
}

static void list_table(Build *b, uint32_t start)
{
    assert(b->n_tables < TABLES_MAX);
    b->table[b->n_tables++] = start;
}

/* -- FACS, DSDT, FADT ------------------------------------------------------------------ */

static uint32_t build_facs(Build *b)
{
    uint32_t start;

    align(b, TABLES_ALIGN);
    start = here(b);
    put_text(b, "FACS", 4);
    put(b, FACS_BYTES, 4);
    for (unsigned i = 8; i < FACS_BYTES; i++) {
        put(b, i == 32, 1); /* version 1 */
    }
    return start;
}

static uint32_t build_dsdt(Build *b)
{
    g_autoptr(GBytes) code = dsdt_build(&b->config->dsdt);
    uint32_t start = begin_table(b, "DSDT", 2);
    gsize len;
    const uint8_t *p = g_bytes_get_data(code, &len);

    g_byte_array_append(b->t->tables, p, (guint)len);
    end_table(b, start);
    return start;
}

/* Generic address of ports (5.2.3.2); @access: 1 byte, 2 word, 3 dword. */
static void put_port_gas(Build *b, unsigned bits, unsigned access,
                         uint64_t address)
{
    put(b, GAS_IO, 1);
    put(b, bits, 1);
    put(b, 0, 1);
    put(b, access, 1);
    put(b, address, 8);
}

static void put_no_gas(Build *b)
{
    put(b, 0, 8);
    put(b, 0, 4);
}

/* Where the PM registers are, and how long. */
static void put_pm_blocks(Build *b)
{
    uint16_t base = b->config->dsdt.pm_base;

    put(b, base, 4);           /* PM1a_EVT */
    put(b, 0, 4);              /* PM1b_EVT */
    put(b, base + 4, 4);       /* PM1a_CNT */
    put(b, 0, 4);              /* PM1b_CNT */
    put(b, 0, 4);              /* PM2_CNT */
    put(b, base + 8, 4);       /* PM_TMR */
    put(b, PIIX4_GPE_BASE, 4); /* GPE0 */
    put(b, 0, 4);              /* GPE1 */
    put(b, 4, 1);              /* PM1_EVT_LEN */
    put(b, 2, 1);              /* PM1_CNT_LEN */
    put(b, 0, 1);              /* PM2_CNT_LEN */
    put(b, 4, 1);              /* PM_TMR_LEN */
    put(b, PIIX4_GPE_BYTES, 1);
    put(b, 0, 1); /* GPE1_BLK_LEN */
    put(b, 0, 1); /* GPE1_BASE */
    put(b, 0, 1); /* CST_CNT */
}

static uint32_t fadt_flags(const Build *b)
{
    uint32_t flags =
        FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RESET_REG;

    return b->config->dsdt.cpus > CLUSTER_CPUS ? flags | FADT_APIC_CLUSTER
                                               : flags;
}

static void put_extended(Build *b, uint32_t dsdt)
{
    uint16_t base = b->config->dsdt.pm_base;

    put_port_gas(b, 8, 1, RESET_PORT);
    put(b, RESET_VALUE, 1);
    put(b, 0, 3);
    put(b, 0, 8); /* X_FIRMWARE_CTRL: the 32-bit one is used */
    put_pointer(b, dsdt, 8);
    put_port_gas(b, 32, 2, base);
    put_no_gas(b);
    put_port_gas(b, 16, 2, base + 4);
    put_no_gas(b);
    put_no_gas(b); /* PM2 */
    put_port_gas(b, 32, 3, base + 8);
    put_port_gas(b, 8 * PIIX4_GPE_BYTES, 1, PIIX4_GPE_BASE);
    put_no_gas(b); /* GPE1 */
}

static void build_fadt(Build *b, uint32_t facs, uint32_t dsdt)
{
    uint32_t start = begin_table(b, "FACP", FADT_REVISION);
    bool i8042 = b->config->dsdt.i8042;

    put_pointer(b, facs, 4);
    put_pointer(b, dsdt, 4);
    put(b, 0, 1); /* interrupt model, of ACPI 1.0 */
    put(b, 0, 1); /* preferred profile: unspecified */
    put(b, PIIX4_SCI, 2);
    put(b, PIIX4_SMI_CMD, 4);
    put(b, PIIX4_ACPI_ENABLE, 1);
    put(b, PIIX4_ACPI_DISABLE, 1);
    put(b, 0, 2); /* S4BIOS_REQ, PSTATE_CNT */
    put_pm_blocks(b);
    put(b, NO_C_STATE, 2);
    put(b, NO_C_STATE, 2);
    put(b, 0, 4); /* FLUSH_SIZE, FLUSH_STRIDE: WBINVD works */
    put(b, 0, 4); /* DUTY_OFFSET, DUTY_WIDTH, DAY_ALRM, MON_ALRM */
    put(b, RTC_CENTURY, 1);
    put(b, BOOT_LEGACY | (i8042 ? BOOT_8042 : 0), 2);
    put(b, 0, 1);
    put(b, fadt_flags(b), 4);
    put_extended(b, dsdt);
    assert(here(b) - start == FADT_BYTES);
    end_table(b, start);
    list_table(b, start);
}

/* -- MADT ---------------------------------------------------------------------------------- */

static void put_processor(Build *b, uint32_t uid, uint32_t apic_id)
{
    if (apic_id <= APIC_ID_8BIT_MAX && uid < UINT8_MAX) {
        put(b, 0, 1); /* local APIC */
        put(b, 8, 1);
        put(b, uid, 1);
        put(b, apic_id, 1);
        put(b, 1, 4);
    } else {
        put(b, 9, 1); /* local x2APIC */
        put(b, 16, 1);
        put(b, 0, 2);
        put(b, apic_id, 4);
        put(b, 1, 4);
        put(b, uid, 4);
    }
}

static void put_override(Build *b, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put(b, 2, 1);
    put(b, 10, 1);
    put(b, 0, 1); /* ISA */
    put(b, irq, 1);
    put(b, gsi, 4);
    put(b, flags, 2);
}

/* NMI is LINT1 of all CPUs. */
static void put_nmi(Build *b, bool x2apic)
{
    put(b, 4, 1);
    put(b, 6, 1);
    put(b, 0xff, 1);
    put(b, 0, 2);
    put(b, 1, 1);
    if (x2apic) {
        put(b, 0xa, 1);
        put(b, 12, 1);
        put(b, 0, 2);
        put(b, UINT32_MAX, 4);
        put(b, 1, 1);
        put(b, 0, 3);
    }
}

static void build_madt(Build *b)
{
    /* Lines of PCI interrupts and the SCI are level-triggered. */
    static const uint8_t level[] = { 5, 9, 10, 11 };
    const AcpiConfig *c = b->config;
    uint32_t start = begin_table(b, "APIC", 3);
    bool x2apic = false;

    put(b, LAPIC_ADDRESS, 4);
    put(b, MADT_PCAT_COMPAT, 4);
    for (unsigned i = 0; i < c->dsdt.cpus; i++) {
        put_processor(b, i, c->apic_ids[i]);
        x2apic |= c->apic_ids[i] > APIC_ID_8BIT_MAX;
    }
    put(b, 1, 1); /* IOAPIC */
    put(b, 12, 1);
    put(b, c->ioapic_id, 1);
    put(b, 0, 1);
    put(b, IOAPIC_ADDRESS, 4);
    put(b, 0, 4);
    put_override(b, 0, 2, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(level); i++) {
        put_override(b, level[i], level[i], INTI_LEVEL_HIGH);
    }
    put_nmi(b, x2apic);
    end_table(b, start);
    list_table(b, start);
}

/* -- HPET, WAET -------------------------------------------------------------------------------- */

static void build_hpet(Build *b)
{
    uint32_t start = begin_table(b, "HPET", 1);

    put(b, HPET_EVENT_ID, 4);
    put(b, 0, 4); /* memory, any width */
    put(b, HPET_ADDRESS, 8);
    put(b, 0, 1); /* number */
    put(b, HPET_MIN_TICK, 2);
    put(b, 0, 1);
    end_table(b, start);
    list_table(b, start);
}

static void build_waet(Build *b)
{
    uint32_t start = begin_table(b, "WAET", 1);

    put(b, WAET_PM_TIMER_OK, 4);
    end_table(b, start);
    list_table(b, start);
}

/* -- roots ----------------------------------------------------------------------------------------- */

static uint32_t build_root(Build *b, const char *signature, uint8_t pointer)
{
    uint32_t start = begin_table(b, signature, 1);

    for (unsigned i = 0; i < b->n_tables; i++) {
        put_pointer(b, b->table[i], pointer);
    }
    end_table(b, start);
    return start;
}

static void build_rsdp(Build *b, uint32_t rsdt, uint32_t xsdt)
{
    const char *oem = b->config->oem_id ? b->config->oem_id : OEM_ID;
    BiosLinker *l = b->t->linker;
    uint8_t p[RSDP_BYTES] = { 0 };

    memcpy(p, "RSD PTR ", 8);
    strncpy((char *)p + 9, oem, ACPI_OEM_ID_BYTES);
    p[15] = RSDP_REVISION;
    stl_le_p(p + 16, rsdt);
    stl_le_p(p + 20, RSDP_BYTES);
    stq_le_p(p + 24, xsdt);
    g_byte_array_append(b->t->rsdp, p, sizeof(p));
    bios_linker_add_pointer(l, ACPI_RSDP_FILE, 16, 4, ACPI_TABLES_FILE);
    bios_linker_add_pointer(l, ACPI_RSDP_FILE, 24, 8, ACPI_TABLES_FILE);
    bios_linker_add_checksum(l, ACPI_RSDP_FILE, 8, 0, RSDP_V1_BYTES);
    bios_linker_add_checksum(l, ACPI_RSDP_FILE, 32, 0, RSDP_BYTES);
}

AcpiTables *acpi_tables_build(const AcpiConfig *config)
{
    AcpiTables *t = g_new0(AcpiTables, 1);
    Build b = { .config = config, .t = t };
    uint32_t facs, dsdt, rsdt, xsdt;

    t->tables = g_byte_array_new();
    t->rsdp = g_byte_array_new();
    t->linker = bios_linker_new();
    bios_linker_allocate(t->linker, ACPI_RSDP_FILE, t->rsdp, 16,
                         BIOS_LINKER_FSEG);
    bios_linker_allocate(t->linker, ACPI_TABLES_FILE, t->tables, TABLES_ALIGN,
                         BIOS_LINKER_HIGH);
    facs = build_facs(&b);
    dsdt = build_dsdt(&b);
    build_fadt(&b, facs, dsdt);
    build_madt(&b);
    if (config->dsdt.hpet) {
        build_hpet(&b);
    }
    build_waet(&b);
    rsdt = build_root(&b, "RSDT", 4);
    xsdt = build_root(&b, "XSDT", 8);
    build_rsdp(&b, rsdt, xsdt);
    return t;
}

void acpi_tables_free(AcpiTables *t)
{
    if (t) {
        g_byte_array_unref(t->tables);
        g_byte_array_unref(t->rsdp);
        bios_linker_free(t->linker);
        g_free(t);
    }
}
