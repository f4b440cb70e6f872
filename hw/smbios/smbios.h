/*
 * SMBIOS 2.8: what the machine says about itself.
 *
 * Source: DMTF DSP0134, System Management BIOS Reference Specification 2.8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_SMBIOS_SMBIOS_H
#define HW_SMBIOS_SMBIOS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

#define SMBIOS_TABLES_FILE "etc/smbios/smbios-tables"
#define SMBIOS_ANCHOR_FILE "etc/smbios/smbios-anchor"

/* Files of the user, and OEM strings, at most. */
#define SMBIOS_FILES_MAX   64u
#define SMBIOS_STRINGS_MAX 255u

/* What -smbios may say of one type; NULL: not there. */
typedef struct SmbiosFields {
    char *manufacturer; /* vendor of type 0 */
    char *product;
    char *version;
    char *serial;
    char *asset;
    char *sku; /* type 4: processor id is not a text */
    char *family;
    char *location; /* type 17: loc_pfx, type 4: sock_pfx */
    char *bank;
    char *part;
    char *date;             /* type 0 */
    char *release;          /* type 0, "MAJOR.MINOR" */
    char *uuid;             /* type 1 */
    unsigned speed_mhz;     /* type 17 */
    unsigned max_speed_mhz; /* type 4 */
    unsigned current_speed_mhz;
    bool uefi;
    bool given; /* the type was named at all */
} SmbiosFields;

typedef struct SmbiosOptions {
    SmbiosFields bios;      /* type 0 */
    SmbiosFields system;    /* type 1 */
    SmbiosFields board;     /* type 2 */
    SmbiosFields chassis;   /* type 3 */
    SmbiosFields processor; /* type 4 */
    SmbiosFields memory;    /* type 17 */
    GPtrArray *oem_strings; /* type 11, char * */
    GPtrArray *files;       /* GBytes: whole structures */
} SmbiosOptions;

/** smbios_options_parse: the texts of -smbios, ended by NULL; NULL for none.
 *  (transfer full). Errors: unknown type or key, bad value, bad file. */
SmbiosOptions *smbios_options_parse(char *const *texts, Error **errp);
void smbios_options_free(SmbiosOptions *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmbiosOptions, smbios_options_free)

/* A piece of RAM that the tables name. */
typedef struct SmbiosMemory {
    uint64_t start;
    uint64_t size;
} SmbiosMemory;

/**
 * SmbiosConfig: the machine.
 * @bios_vendor: (nullable) NULL: firmware adds its own type 0
 * @uuid: (nullable) text; the option of type 1 wins
 * @processor_id: CPUID leaf 1 EAX and EDX
 * @memory: @n_memory pieces, ascending
 */
typedef struct SmbiosConfig {
    const char *bios_vendor;
    const char *manufacturer;
    const char *product;
    const char *version;
    const char *uuid;
    const char *processor_version;
    uint64_t processor_id;
    unsigned sockets;
    unsigned cores;   /* of a socket */
    unsigned threads; /* of a socket */
    uint64_t ram_bytes;
    const SmbiosMemory *memory;
    unsigned n_memory;
} SmbiosConfig;

typedef struct SmbiosTables {
    GByteArray *tables;
    GByteArray *anchor; /* "_SM_", with table address 0 */
} SmbiosTables;

/** smbios_build: (transfer full). */
SmbiosTables *smbios_build(const SmbiosConfig *config, const SmbiosOptions *o,
                           Error **errp);
void smbios_tables_free(SmbiosTables *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmbiosTables, smbios_tables_free)

/** smbios_set_address: where the tables stand; updates the anchor. */
void smbios_set_address(SmbiosTables *t, uint32_t address);

#endif
