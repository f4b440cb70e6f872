/*
 * Exports of kind "nbd", among their files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_EXPORT_NBD_H
#define BLOCK_EXPORT_NBD_H

#include "block/dirty-bitmap.h"
#include "block/export/internal.h"
#include "nbd/server.h"

OBJECT_DECLARE_SIMPLE_TYPE(BlockExportNbd, BLOCK_EXPORT_NBD)

/* A metadata context. Without the others it is base:allocation. */
typedef struct NBDExportContext {
    char *name;
    bool depth;          /* qemu:allocation-depth */
    DirtyBitmap *bitmap; /* taken; or NULL */
} NBDExportContext;

struct BlockExportNbd {
    BlockExport parent_obj;

    NBDServer *server; /* while there is @export */
    NBDExport *export;
    GArray *contexts; /* of NBDExportContext */
    bool no_map;      /* the data is in no file that sendfile() takes; atomic */
};

/* -- export/bitmap.c ----------------------------------------------------------- */

/**
 * nbd_bitmap_take:
 * @writable: what the export is: one that others change while clients of the
 *   export do not would show them data and bitmap of different moments
 * @context: (out) (transfer full) "qemu:dirty-bitmap:NAME"
 *
 * Find a bitmap of @blk's node, or of one below it, and keep others from
 * changing it.
 */
DirtyBitmap *nbd_bitmap_take(BlockBackend *blk,
                             const BlockDirtyBitmapOrStr *which, bool writable,
                             char **context, Error **errp);
void nbd_bitmap_release(DirtyBitmap *bitmap);
/** nbd_bitmap_extents: as NBDBackendOps.co_extents. Thread: any. */
int nbd_bitmap_extents(DirtyBitmap *bitmap, int64_t offset, int64_t bytes,
                       NBDExtent *ext, unsigned max);

#endif
