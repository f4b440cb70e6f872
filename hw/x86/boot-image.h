/*
 * Kernel files that start without firmware: what a file says about where it
 * goes and how it is entered. A pure codec: bytes in, plan out.
 *
 * Sources: Multiboot Specification 0.6.96, 3.1; System V ABI (ELF); Xen's
 * public/elfnote.h and the PVH boot ABI (misc/pvh).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_BOOT_IMAGE_H
#define HW_X86_BOOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"

typedef enum BootProtocol {
    BOOT_MULTIBOOT,
    BOOT_PVH,
} BootProtocol;

/* More than any linker makes for a kernel. */
#define BOOT_SEGMENTS_MAX 64u
/* Largest note segment that is searched, bytes. */
#define BOOT_NOTES_BYTES_MAX (1u << 20)

/* @file_bytes of the file at @offset go to @paddr; zeros up to @mem_bytes. */
typedef struct BootSegment {
    uint64_t paddr;
    uint64_t offset;
    uint64_t file_bytes;
    uint64_t mem_bytes;
} BootSegment;

typedef struct BootImage {
    BootProtocol protocol;
    uint32_t entry; /* guest-physical */
    uint32_t flags; /* of the Multiboot header */
    unsigned n_segments;
    BootSegment segment[BOOT_SEGMENTS_MAX];
} BootImage;

/**
 * boot_image_parse:
 * @data: (in) @len bytes of a hostile file
 * @ret: (out) set on success; every segment's file range is inside @len, and
 *       no address range wraps
 *
 * A Multiboot header wins over a PVH note, as in other loaders.
 *
 * Limit: BOOT_SEGMENTS_MAX segments, BOOT_NOTES_BYTES_MAX bytes of notes.
 * Errors: neither Multiboot nor PVH; a part lies outside the file; a feature
 *   that the header demands is not there.
 */
bool boot_image_parse(const uint8_t *data, size_t len, BootImage *ret,
                      Error **errp);

#endif
