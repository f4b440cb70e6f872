/*
 * A disk in memory behind an NBD export, for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_NBD_DISK_H
#define TESTS_LIB_NBD_DISK_H

#include "nbd/server.h"

#define NBD_DISK_BLOCK 4096

typedef struct NBDDisk {
    uint8_t *data;
    size_t size;
    bool *hole;        /* per block: nothing was written there */
    int fail_errno;    /* every request fails with it; 0: none */
    unsigned delay_ms; /* of each request; 0: it ends at once */
    unsigned writes;   /* atomic, as the next ones */
    unsigned flushes;
    unsigned trims;
    unsigned zeroes;
    unsigned caches;
    unsigned gone;
} NBDDisk;

/** nbd_disk_new: all holes; contexts base:allocation and x-test:odd, which
 *  says 1 for every other block. */
NBDDisk *nbd_disk_new(size_t size);
void nbd_disk_free(NBDDisk *disk);
/** nbd_disk_fill: data that tells where it is. */
void nbd_disk_fill(NBDDisk *disk, size_t offset, size_t bytes);
uint8_t nbd_disk_byte(size_t offset);
/** nbd_disk_export: config of an export named @name. */
NBDExportConfig nbd_disk_export(NBDDisk *disk, const char *name, bool writable);

#endif
