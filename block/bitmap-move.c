/*
 * Dirty bitmaps on their way to another process.
 *
 * Bits that come and bits that the guest's writes set go into the same map:
 * nothing clears a bit while the bitmap is busy, so the order does not matter
 * and no second map has to be merged at the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/bitmap-move.h"

#include "block/block-backend.h"
#include "block/dirty-bitmap.h"
#include "block/job/transaction.h"
#include "trace/trace-block.h"
#include "util/lockable.h"

/* -- looking around ---------------------------------------------------------------- */

typedef struct Visit {
    BlockBitmapVisitor *visitor;
    void *arg;
    GHashTable *devices; /* node -> name of the device whose disk it is */
    Error **errp;
    bool ok;
} Visit;

static bool has_named_bitmaps(BlockNode *node)
{
    DirtyBitmap *b;

    QEMU_LOCK_GUARD(&node->bitmap_lock);
    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->name) {
            return true;
        }
    }
    return false;
}

/* The disk of a device is below the filters that somebody put over it. */
static BlockNode *disk_of(BlockBackend *blk)
{
    BlockNode *node = blk_node(blk);

    return node && has_named_bitmaps(node) ? node : node_skip_filters(node);
}

static GHashTable *devices_by_node(void)
{
    GHashTable *devices = g_hash_table_new(NULL, NULL);

    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        const char *name = blk_name(blk);
        BlockNode *node = disk_of(blk);

        if (name && *name && node && !BLOCK_NODE_GET_CLASS(node)->is_filter &&
            !g_hash_table_contains(devices, node)) {
            g_hash_table_insert(devices, node, (void *)name);
        }
    }
    return devices;
}

static bool visit_bitmap(Visit *v, DirtyBitmap *b)
{
    BlockBitmapInfo info = {
        .device = g_hash_table_lookup(v->devices, b->node),
        .node = b->node->name,
        .name = b->name,
        .granularity = b->granularity,
        .enabled = !b->disabled,
        .persistent = b->persistent,
        .read_only = b->read_only,
    };

    return v->visitor(v->arg, &info, b, v->errp);
}

/* The visitor may hold bitmaps, which takes the lock; only the main loop adds
 * and removes them. */
static bool visit_node(BlockNode *node, void *opaque)
{
    Visit *v = opaque;
    DirtyBitmap *b;

    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->name && !visit_bitmap(v, b)) {
            v->ok = false;
            break;
        }
    }
    return v->ok;
}

bool block_bitmaps_visit(BlockBitmapVisitor *visitor, void *arg, Error **errp)
{
    Visit v = {
        .visitor = visitor,
        .arg = arg,
        .devices = devices_by_node(),
        .errp = errp,
        .ok = true,
    };

    node_foreach(visit_node, &v);
    g_hash_table_destroy(v.devices);
    return v.ok;
}

/* -- the source ----------------------------------------------------------------------- */

bool block_bitmap_hold(DirtyBitmap *b, Error **errp)
{
    if (!dirty_bitmap_check(b, DIRTY_BITMAP_NOT_BUSY | DIRTY_BITMAP_CONSISTENT,
                            errp)) {
        error_prepend(errp, "node '%s': ", b->node->name);
        return false;
    }
    block_node_ref(b->node);
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);
    b->busy = true;
    b->moving = true;
    trace_block_bitmap_hold(b->node->name, b->name);
    return true;
}

void block_bitmap_unhold(DirtyBitmap *b)
{
    BlockNode *node = b->node;

    WITH_QEMU_LOCK_GUARD(&node->bitmap_lock)
    {
        b->busy = false;
        b->moving = false;
    }
    block_node_unref(node);
}

int64_t block_bitmap_size(DirtyBitmap *b)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    return b->size;
}

void block_bitmap_bits(DirtyBitmap *b, size_t from, size_t len, uint8_t *buf)
{
    dirty_bitmap_store(b, from, len, buf);
}

/* -- the destination -------------------------------------------------------------------- */

DirtyBitmap *block_bitmap_create(const BlockBitmapInfo *info, Error **errp)
{
    BlockNode *node = block_find_disk(info->node, errp);
    DirtyBitmap *b;

    if (node && blk_by_name(info->node)) {
        node = node_skip_filters(node);
    }
    b = node ? dirty_bitmap_new(node, info->name, info->granularity, errp)
             : NULL;
    if (!b) {
        return NULL;
    }
    if (info->persistent && !dirty_bitmap_can_store(b, errp)) {
        dirty_bitmap_release(b);
        return NULL;
    }
    block_node_ref(node);
    QEMU_LOCK_GUARD(&node->bitmap_lock);
    b->persistent = info->persistent;
    b->enable_later = info->enabled;
    b->disabled = true;
    b->busy = true;
    b->moving = true;
    return b;
}

void block_bitmap_merge(DirtyBitmap *b, size_t from, size_t len,
                        const uint8_t *bits)
{
    dirty_bitmap_load(b, from, len, bits);
}

void block_bitmap_begin(DirtyBitmap *b)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    b->disabled = !b->enable_later;
}

void block_bitmap_finish(DirtyBitmap *b)
{
    block_bitmap_begin(b);
    block_bitmap_unhold(b);
}

void block_bitmap_drop(DirtyBitmap *b)
{
    BlockNode *node = b->node;

    dirty_bitmap_release(b);
    block_node_unref(node);
}
