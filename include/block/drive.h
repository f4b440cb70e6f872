/*
 * -drive: a disk image and where it is plugged in.
 *
 * A drive is a BlockBackend with its node, and says which board connector
 * (`if`) it wants. The block layer does not create devices: the board takes
 * its drives by drive_get(), system/ makes the rest.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H

#include <jansson.h>

#include "block/block-backend.h"

typedef enum BlockInterfaceType {
    IF_NONE,   /* named by a device's drive= */
    IF_IDE,    /* default of -drive, -hda, -cdrom */
    IF_VIRTIO, /* a virtio-blk-pci device */
    IF_FLOPPY,
    IF_PFLASH, /* firmware */
    IF_SCSI,
    IF_SD,
    IF_MTD,
    IF_COUNT,
} BlockInterfaceType;

typedef struct DriveInfo {
    BlockInterfaceType type;
    int bus;
    int unit;
    bool media_cd;   /* media=cdrom */
    bool is_default; /* made without being asked for */
    bool claimed;    /* a device has it */
    BlockBackend *blk;
} DriveInfo;

/**
 * drive_new:
 * @opts: (in) -drive's keys, as from keyval
 * @default_type: `if` when it is not given
 * @ctx: where its requests run
 *
 * Open the image and register the drive. Keys: file, if, index, bus, unit,
 * media, id, format, readonly, cache, aio, discard, detect-zeroes, serial,
 * werror, rerror, copy-on-read, snapshot, locking and node options
 * ("file.filename").
 *
 * Returns: (transfer none) the drive; NULL on error.
 */
DriveInfo *drive_new(json_t *opts, BlockInterfaceType default_type,
                     AioContext *ctx, Error **errp);
/** drive_get: by place, or NULL. */
DriveInfo *drive_get(BlockInterfaceType type, int bus, int unit);
/** drive_get_by_index: place as if numbered through. */
DriveInfo *drive_get_by_index(BlockInterfaceType type, int index);
/** drive_text_parse: (transfer full) options of -drive's text; @help: (out,
 *  nullable) as for keyval_parse(). */
json_t *drive_text_parse(const char *text, bool *help, Error **errp);
/** drive_new_str: -drive's text: "file=disk.img,if=virtio". */
DriveInfo *drive_new_str(const char *text, BlockInterfaceType default_type,
                         AioContext *ctx, Error **errp);
/** drive_of_blk: or NULL. */
DriveInfo *drive_of_blk(BlockBackend *blk);
/** drive_next: NULL starts, NULL ends. In the order given. */
DriveInfo *drive_next(DriveInfo *d);
/** drive_max_devs: units on a bus of @type; 0 = no limit. */
int drive_max_devs(BlockInterfaceType type);
const char *drive_if_name(BlockInterfaceType type);
/** drives_cleanup: close all; for the end of main(). */
void drives_cleanup(void);

#endif
