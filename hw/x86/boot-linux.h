/*
 * Linux kernels in the bzImage format: what their header says, and how they
 * are put into RAM and entered.
 *
 * Source: the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst), up to
 * version 2.15.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_BOOT_LINUX_H
#define HW_X86_BOOT_LINUX_H

#include "hw/x86/boot-file.h"
#include "hw/x86/boot.h"

/* The setup header begins here in the file and in the zero page. */
#define LINUX_HEADER_OFFSET    0x1f1u
#define LINUX_HEADER_END_MAX   0x290u
#define LINUX_HEADER_BYTES_MAX (LINUX_HEADER_END_MAX - LINUX_HEADER_OFFSET)

typedef struct LinuxImage {
    uint16_t version;
    uint32_t setup_bytes;  /* real-mode part at the start of the file */
    uint64_t kernel_bytes; /* the rest */
    uint64_t load;         /* where the rest goes */
    uint64_t run_start;    /* the kernel uses RAM from here */
    uint64_t run_end;      /* to here, before it looks at the memory map */
    uint64_t initrd_max;   /* highest address of the initial ramdisk */
    uint32_t cmdline_max;  /* bytes without the NUL */
    bool entry64;          /* has a 64-bit entry at load + 200h */
    uint32_t header_bytes; /* in @header */
    uint8_t header[LINUX_HEADER_BYTES_MAX];
} LinuxImage;

/** linux_image_is: does a file of @len bytes begin like a bzImage? */
bool linux_image_is(const uint8_t *data, size_t len);

/**
 * linux_image_parse:
 * @data: (in) first @len bytes of a hostile file, at least
 *        LINUX_HEADER_END_MAX unless the file is shorter
 * @file_bytes: length of the file
 * @ret: (out) set on success
 *
 * Errors: not a bzImage; boot protocol before 2.02, or not loaded high; sizes
 *   that are not in the file.
 */
bool linux_image_parse(const uint8_t *data, size_t len, uint64_t file_bytes,
                       LinuxImage *ret, Error **errp);

/**
 * linux_load:
 * @initrd: (nullable)
 * @state: (out) registers to start with
 *
 * Errors: something does not fit into RAM; the command line is too long.
 */
bool linux_load(const LinuxImage *img, const BootFile *kernel,
                const BootFile *initrd, const char *cmdline,
                GuestMemory *memory, const BootPlace *place, X86CPUState *state,
                Error **errp);

#endif
