/*
 * -drive's options as read, inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_DRIVE_INTERNAL_H
#define BLOCK_DRIVE_INTERNAL_H

#include "block/drive.h"

typedef struct DriveOptions {
    BlockInterfaceType type;
    bool has_place;
    int bus;
    int unit; /* -1: first that is free */
    bool media_cd;
    bool read_only;
    bool write_cache;
    bool copy_on_read;
    bool count_invalid;
    bool count_failed;
    bool snapshot; /* what is written is thrown away */
    char *id;
    char *serial;
    BlockdevOnError on_read;
    BlockdevOnError on_write;
    json_t *node; /* options of the root node, text leaves; NULL: no medium */
} DriveOptions;

/** drive_options_read: Errors: unknown key, bad value, what is not there. */
bool drive_options_read(DriveOptions *o, const json_t *opts,
                        BlockInterfaceType default_type, Error **errp);
/** drive_options_clear: free the members. */
void drive_options_clear(DriveOptions *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DriveOptions, drive_options_clear)

#endif
