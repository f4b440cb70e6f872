/*
 * Dirty bitmaps on their way to another process, for who moves them.
 *
 * On the source a bitmap is held: busy, so that nobody changes it but the
 * guest's writes, and not stored when its node is made inactive: a copy in the
 * image would be out of date as soon as the destination writes. On the
 * destination a bitmap begins busy, empty and blind to writes; bits are merged
 * into it, before or while the guest writes, until it is finished.
 *
 * Thread: main loop, unless it says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BITMAP_MOVE_H
#define BLOCK_BITMAP_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct DirtyBitmap DirtyBitmap;

typedef struct BlockBitmapInfo {
    const char *device; /* of which the node is the disk, below filters without
                           bitmaps; NULL: of none */
    const char *node;
    const char *name;
    uint32_t granularity;
    bool enabled;
    bool persistent;
    bool read_only;
} BlockBitmapInfo;

/** BlockBitmapVisitor: Returns: false ends the visit with @errp. */
typedef bool BlockBitmapVisitor(void *arg, const BlockBitmapInfo *info,
                                DirtyBitmap *b, Error **errp);

/** block_bitmaps_visit: all bitmaps that have a name. */
bool block_bitmaps_visit(BlockBitmapVisitor *visitor, void *arg, Error **errp);

/** block_bitmap_hold: @b and its node stay until block_bitmap_unhold().
 *  Errors: it is busy or inconsistent; the message names it and its node. */
bool block_bitmap_hold(DirtyBitmap *b, Error **errp);
void block_bitmap_unhold(DirtyBitmap *b);

/** block_bitmap_size: bytes of the disk. Thread: any. */
int64_t block_bitmap_size(DirtyBitmap *b);
/** block_bitmap_bits: of the map, as dirty_bitmap_store(). Thread: any. */
void block_bitmap_bits(DirtyBitmap *b, size_t from, size_t len, uint8_t *buf);

/**
 * block_bitmap_create:
 * @info: (in) node is that of a device or node; device is not looked at
 *
 * Returns: (transfer none) a bitmap until block_bitmap_drop() or, as all
 *   others, after block_bitmap_finish(); NULL.
 * Errors: no such node; one of that name; a bad granularity; it is to be
 *   persistent in an image that cannot store it.
 */
DirtyBitmap *block_bitmap_create(const BlockBitmapInfo *info, Error **errp);
/** block_bitmap_merge: set bits. Thread: any. */
void block_bitmap_merge(DirtyBitmap *b, size_t from, size_t len,
                        const uint8_t *bits);
/** block_bitmap_begin: writes count from now on, if it is enabled. Thread:
 *  any. */
void block_bitmap_begin(DirtyBitmap *b);
void block_bitmap_finish(DirtyBitmap *b);
void block_bitmap_drop(DirtyBitmap *b);

#endif
