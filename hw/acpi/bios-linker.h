/*
 * The script by which firmware puts files from fw_cfg into memory: allocate,
 * patch pointers between them, compute checksums (file "etc/table-loader").
 * Without firmware we carry it out ourselves, so tables have one form.
 *
 * Source: the public fw_cfg "table-loader" interface.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_BIOS_LINKER_H
#define HW_ACPI_BIOS_LINKER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct BiosLinker BiosLinker;

typedef enum BiosLinkerZone {
    BIOS_LINKER_HIGH = 1, /* anywhere below 4 GiB */
    BIOS_LINKER_FSEG = 2, /* F0000h to FFFFFh */
} BiosLinkerZone;

BiosLinker *bios_linker_new(void);
void bios_linker_free(BiosLinker *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BiosLinker, bios_linker_free)

/**
 * bios_linker_allocate:
 * @bytes: contents of @file; borrowed, may grow and change until the script is
 *         used
 * @align: power of two
 */
void bios_linker_allocate(BiosLinker *l, const char *file, GByteArray *bytes,
                          uint32_t align, BiosLinkerZone zone);
/** bios_linker_add_pointer: the @size bytes at @offset of @file hold an offset
 *  in @target; its address is added. */
void bios_linker_add_pointer(BiosLinker *l, const char *file, uint32_t offset,
                             uint8_t size, const char *target);
/** bios_linker_add_checksum: the byte at @offset of @file makes the sum of
 *  @len bytes at @start zero; it is zero before. */
void bios_linker_add_checksum(BiosLinker *l, const char *file, uint32_t offset,
                              uint32_t start, uint32_t len);

/** bios_linker_script: (transfer full) "etc/table-loader". */
GBytes *bios_linker_script(const BiosLinker *l);

/**
 * bios_linker_run:
 * @place: address for @bytes of @file
 *
 * Do what the script says to the files' contents themselves. Once.
 */
void bios_linker_run(BiosLinker *l,
                     uint64_t (*place)(void *opaque, const char *file,
                                       uint32_t len, uint32_t align,
                                       BiosLinkerZone zone),
                     void *opaque);

#endif
