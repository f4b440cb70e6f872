/*
 * MigrationBitmapOps: the dirty bitmaps of the disks, as migration sees them.
 *
 * Part of MigrationHost; system/ fills it from block/. Functions get the opaque
 * of the host and may be called from any thread but that of a vCPU, with no
 * lock held; what is not marked "any thread, at once" waits for the main loop.
 *
 * A bitmap is an opaque pointer. On the source it is given by visit(), and
 * stays good between hold() and unhold(); on the destination from create() to
 * finish() or drop().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BITMAP_HOST_H
#define MIGRATION_BITMAP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Borrowed for a call. */
typedef struct MigrationBitmapInfo {
    const char *device;   /* whose disk the node is; NULL: nobody's */
    const char *node;     /* name of the node */
    const char *name;     /* of the bitmap */
    uint32_t granularity; /* bytes */
    bool enabled;         /* writes set bits */
    bool persistent;      /* stored in the image */
    bool read_only;       /* stored in an image that is not written to */
} MigrationBitmapInfo;

/** MigrationBitmapVisitor: Thread: main. Returns: false ends the visit with
 *  @errp. */
typedef bool MigrationBitmapVisitor(void *arg, const MigrationBitmapInfo *info,
                                    void *bitmap, Error **errp);

/**
 * MigrationBitmapOps: all mandatory.
 *
 * The source:
 * @visit: each bitmap that has a name, in an order that stays
 * @hold: nobody else changes, uses or removes it from now on, and it is not
 *     stored when the disks are given up: what is in memory counts.
 *     Errors: it is busy or inconsistent
 * @unhold: as before; also stored again
 * @size: bytes of the disk that it covers. Any thread, at once
 * @bits: bytes @from .. + @len of the map: bit n of byte m stands for piece
 *     8 m + n; bits beyond the end are 0. Any thread, at once
 *
 * The destination:
 * @create: a bitmap as @info says (persistent and enabled are what it will
 *     be) of the device or node named info->node. Busy, and blind to writes.
 *     Errors: no such node; there is one of that name; it cannot be stored
 * @merge: set bits; the others stay. Any thread, at once
 * @begin: the guest is about to run: from now on its writes set bits if it is
 *     enabled. Any thread, at once
 * @finish: all bits are here: as any other from now on
 * @drop: it will not be complete: gone
 */
typedef struct MigrationBitmapOps {
    bool (*visit)(void *opaque, MigrationBitmapVisitor *visitor, void *arg,
                  Error **errp);
    bool (*hold)(void *opaque, void *bitmap, Error **errp);
    void (*unhold)(void *opaque, void *bitmap);
    int64_t (*size)(void *opaque, void *bitmap);
    void (*bits)(void *opaque, void *bitmap, size_t from, size_t len,
                 uint8_t *buf);

    void *(*create)(void *opaque, const MigrationBitmapInfo *info,
                    Error **errp);
    void (*merge)(void *opaque, void *bitmap, size_t from, size_t len,
                  const uint8_t *bits);
    void (*begin)(void *opaque, void *bitmap);
    void (*finish)(void *opaque, void *bitmap);
    void (*drop)(void *opaque, void *bitmap);
} MigrationBitmapOps;

#endif
