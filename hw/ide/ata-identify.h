/*
 * IDENTIFY data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_ATA_IDENTIFY_H
#define HW_IDE_ATA_IDENTIFY_H

#include "hw/ide/ide.h"

/* What IDENTIFY says of a disk beyond the IDEDevice. */
typedef struct ATAIdentity {
    uint64_t sectors;
    unsigned cylinders; /* translation in use */
    unsigned heads;
    unsigned per_track;
    unsigned multiple; /* sectors of a READ MULTIPLE block; 0 = off */
    bool write_cache;
    bool smart;
} ATAIdentity;

/** ata_identify: fill @buf (IDE_SECTOR_BYTES) for a disk. */
void ata_identify(const IDEDevice *dev, const ATAIdentity *id, uint8_t *buf);
/** atapi_identify: the same for a CD-ROM. */
void atapi_identify(const IDEDevice *dev, uint8_t *buf);

#endif
