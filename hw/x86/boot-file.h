/*
 * A file of a direct boot: kernel, initial ramdisk or module. Kept open, and
 * read straight into guest RAM at each start of the guest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_BOOT_FILE_H
#define HW_X86_BOOT_FILE_H

#include "hw/core/guest-memory.h"

typedef struct BootFile BootFile;

#define BOOT_FILE_BYTES_MAX (1ull << 32)

/**
 * boot_file_open:
 * @path: regular file; anything else (a pipe) is read into memory
 *
 * Errors: cannot be opened; empty; more than BOOT_FILE_BYTES_MAX.
 */
BootFile *boot_file_open(const char *path, Error **errp);
void boot_file_free(BootFile *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootFile, boot_file_free)

/** boot_file_size: bytes when it was opened, at least 1. */
uint64_t boot_file_size(const BootFile *f);
/** boot_file_path: borrowed. */
const char *boot_file_path(const BootFile *f);

/** boot_file_bytes: (transfer full) the whole file, mapped, to be parsed;
 *  NULL with @errp. Not to be kept. */
GBytes *boot_file_bytes(const BootFile *f, Error **errp);
/** boot_file_read: exactly @len bytes at @offset. Errors: the file is shorter,
 *  or cannot be read. */
bool boot_file_read(const BootFile *f, uint64_t offset, void *buf, size_t len,
                    Error **errp);
/** boot_file_load: the same, into guest memory at @gpa. Errors: as before; not
 *  RAM. */
bool boot_file_load(const BootFile *f, uint64_t offset, uint64_t len,
                    GuestMemory *memory, uint64_t gpa, Error **errp);

#endif
