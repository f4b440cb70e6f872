/*
 * The ACPI tables of the PC.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include "hw/acpi/bios-linker.h"
#include "hw/acpi/dsdt.h"

/* Files of fw_cfg. */
#define ACPI_TABLES_FILE "etc/acpi/tables"
#define ACPI_RSDP_FILE   "etc/acpi/rsdp"
#define ACPI_LOADER_FILE "etc/table-loader"

#define ACPI_OEM_ID_BYTES       6u
#define ACPI_OEM_TABLE_ID_BYTES 8u

typedef struct AcpiConfig {
    DsdtConfig dsdt;
    const uint32_t *apic_ids; /* of dsdt.cpus CPUs */
    unsigned ioapic_id;
    const char *oem_id;       /* NULL: ours */
    const char *oem_table_id; /* NULL: ours */
} AcpiConfig;

typedef struct AcpiTables {
    GByteArray *tables;
    GByteArray *rsdp;
    BiosLinker *linker;
} AcpiTables;

/** acpi_tables_build: (transfer full). */
AcpiTables *acpi_tables_build(const AcpiConfig *config);
void acpi_tables_free(AcpiTables *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiTables, acpi_tables_free)

#endif
