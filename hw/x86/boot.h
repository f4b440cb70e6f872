/*
 * Starting a kernel without firmware: put it, its modules and the boot
 * information into RAM, and say in which state the first CPU begins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_BOOT_H
#define HW_X86_BOOT_H

#include "accel/x86-state.h"
#include "hw/core/guest-memory.h"

/* Kinds of memory, as in the e820 map of a BIOS. */
#define MEMMAP_RAM      1u
#define MEMMAP_RESERVED 2u
#define MEMMAP_ACPI     3u

typedef struct MemmapEntry {
    uint64_t start;
    uint64_t size;
    uint32_t type;
} MemmapEntry;

typedef struct BootKernel BootKernel;

/**
 * boot_kernel_open:
 * @kernel: file name
 * @initrd: (nullable) of Linux: file; else "file[ arguments][,file...]", where
 *          a comma in a name is ",,"
 * @append: (nullable) command line
 *
 * Check the kernel; the files stay open for later resets.
 *
 * Errors: a file cannot be read; boot_image_parse()'s, linux_image_parse()'s.
 */
BootKernel *boot_kernel_open(const char *kernel, const char *initrd,
                             const char *append, Error **errp);
void boot_kernel_free(BootKernel *bk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootKernel, boot_kernel_free)

/**
 * BootPlace: what a kernel is told of the machine.
 * @map: @n_map entries, ascending
 * @low_end: RAM without a gap from 1 MiB up to here, for kernel and modules
 * @rsdp: guest address of the ACPI tables' root, 0 = none
 */
typedef struct BootPlace {
    const MemmapEntry *map;
    size_t n_map;
    uint64_t low_end;
    uint64_t rsdp;
} BootPlace;

/**
 * boot_kernel_load:
 * @state: (out) the general, segment and control registers to start with
 *
 * Errors: a segment or module does not fit into RAM.
 */
bool boot_kernel_load(const BootKernel *bk, GuestMemory *memory,
                      const BootPlace *place, X86CPUState *state, Error **errp);

#endif
