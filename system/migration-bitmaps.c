/*
 * MigrationBitmapOps over the dirty bitmaps of block/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration-bitmaps.h"

#include "block/bitmap-move.h"
#include "util/main-call.h"

/* -- the source ------------------------------------------------------------------- */

typedef struct VisitCall {
    MigrationBitmapVisitor *visitor;
    void *arg;
} VisitCall;

static bool visit_one(void *arg, const BlockBitmapInfo *from, DirtyBitmap *b,
                      Error **errp)
{
    VisitCall *call = arg;
    MigrationBitmapInfo info = {
        .device = from->device,
        .node = from->node,
        .name = from->name,
        .granularity = from->granularity,
        .enabled = from->enabled,
        .persistent = from->persistent,
        .read_only = from->read_only,
    };

    return call->visitor(call->arg, &info, b, errp);
}

static bool visit_main(void *opaque, Error **errp)
{
    return block_bitmaps_visit(visit_one, opaque, errp);
}

static bool bitmaps_visit(void *opaque, MigrationBitmapVisitor *visitor,
                          void *arg, Error **errp)
{
    VisitCall call = { visitor, arg };

    return main_call(visit_main, &call, errp);
}

static bool hold_main(void *bitmap, Error **errp)
{
    return block_bitmap_hold(bitmap, errp);
}

static bool bitmap_hold(void *opaque, void *bitmap, Error **errp)
{
    return main_call(hold_main, bitmap, errp);
}

static bool unhold_main(void *bitmap, Error **errp)
{
    block_bitmap_unhold(bitmap);
    return true;
}

static void bitmap_unhold(void *opaque, void *bitmap)
{
    main_call(unhold_main, bitmap, NULL);
}

static int64_t bitmap_size(void *opaque, void *bitmap)
{
    return block_bitmap_size(bitmap);
}

static void bitmap_bits(void *opaque, void *bitmap, size_t from, size_t len,
                        uint8_t *buf)
{
    block_bitmap_bits(bitmap, from, len, buf);
}

/* -- the destination ---------------------------------------------------------------- */

typedef struct CreateCall {
    const MigrationBitmapInfo *info;
    DirtyBitmap *made;
} CreateCall;

static bool create_main(void *opaque, Error **errp)
{
    CreateCall *call = opaque;
    BlockBitmapInfo info = {
        .node = call->info->node,
        .name = call->info->name,
        .granularity = call->info->granularity,
        .enabled = call->info->enabled,
        .persistent = call->info->persistent,
    };

    call->made = block_bitmap_create(&info, errp);
    return call->made != NULL;
}

static void *bitmap_create(void *opaque, const MigrationBitmapInfo *info,
                           Error **errp)
{
    CreateCall call = { .info = info };

    return main_call(create_main, &call, errp) ? call.made : NULL;
}

static void bitmap_merge(void *opaque, void *bitmap, size_t from, size_t len,
                         const uint8_t *bits)
{
    block_bitmap_merge(bitmap, from, len, bits);
}

static void bitmap_begin(void *opaque, void *bitmap)
{
    block_bitmap_begin(bitmap);
}

static bool finish_main(void *bitmap, Error **errp)
{
    block_bitmap_finish(bitmap);
    return true;
}

static void bitmap_finish(void *opaque, void *bitmap)
{
    main_call(finish_main, bitmap, NULL);
}

static bool drop_main(void *bitmap, Error **errp)
{
    block_bitmap_drop(bitmap);
    return true;
}

static void bitmap_drop(void *opaque, void *bitmap)
{
    main_call(drop_main, bitmap, NULL);
}

const MigrationBitmapOps system_migration_bitmaps = {
    .visit = bitmaps_visit,
    .hold = bitmap_hold,
    .unhold = bitmap_unhold,
    .size = bitmap_size,
    .bits = bitmap_bits,
    .create = bitmap_create,
    .merge = bitmap_merge,
    .begin = bitmap_begin,
    .finish = bitmap_finish,
    .drop = bitmap_drop,
};
