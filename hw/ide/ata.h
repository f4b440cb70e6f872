/*
 * An ATA disk, for the files that implement it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_ATA_H
#define HW_IDE_ATA_H

#include "hw/ide/ide.h"

#define TYPE_IDE_HD "ide-hd"
OBJECT_DECLARE_SIMPLE_TYPE(ATADisk, IDE_HD)

struct ATADisk {
    IDEDevice parent_obj;

    uint64_t sectors;
    BlockGeometry geometry; /* what the guest computes cylinders with */
    uint32_t multiple;
    bool smart;
    bool smart_autosave;

    /* the transfer that runs */
    uint64_t lba;
    uint32_t left;  /* sectors */
    uint32_t block; /* sectors of a PIO block */
    bool write;
    bool fua;
};

/* Flags of a transfer. */
#define ATA_EXT   0x01u /* 48-bit address */
#define ATA_WRITE 0x02u
#define ATA_MULTI 0x04u
#define ATA_FUA   0x08u

/** ata_address: where the registers point to; false: not on the disk, or a
 *  cylinder address before its geometry is known. */
bool ata_address(const ATADisk *d, bool ext, uint64_t *ret_lba,
                 uint32_t *ret_count);
/** ata_note_address: put @lba into the registers. */
void ata_note_address(ATADisk *d, bool ext, uint64_t lba);

/* ata-transfer.c */
void ata_pio(ATADisk *d, unsigned flags);
void ata_dma(ATADisk *d, unsigned flags);
void ata_pio_done(IDEDevice *dev, IDEPIOKind kind);
void ata_dma_ready(IDEDevice *dev);
void ata_retry(IDEDevice *dev, IDERetry what);
void ata_verify(ATADisk *d, bool ext);
void ata_flush(ATADisk *d);

/* ata-smart.c */
void ata_smart(ATADisk *d);

#endif
