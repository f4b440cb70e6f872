/*
 * Dirty bitmaps as metadata contexts of NBD exports: what was written since
 * the bitmap was cleared, for incremental backups by clients.
 *
 * While an export offers a bitmap it is busy: no command changes it. A bitmap
 * that still records goes with a writable export, or with a node that nobody
 * can write to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/export/nbd.h"

/* @name at or below @node, where the contents are the same or show through. */
static DirtyBitmap *find_below(BlockNode *node, const char *name)
{
    DirtyBitmap *b = NULL;

    while (node && !b) {
        b = dirty_bitmap_find(node, name);
        node = node_child_of_role(node, NODE_ROLE_FILTERED | NODE_ROLE_COW);
    }
    return b;
}

static DirtyBitmap *find_bitmap(BlockBackend *blk,
                                const BlockDirtyBitmapOrStr *which,
                                const char **name, Error **errp)
{
    BlockNode *node = blk_node(blk);
    DirtyBitmap *b;

    if (which->type == QTYPE_QSTRING) {
        *name = which->u.local;
        b = find_below(node, *name);
    } else {
        *name = which->u.external.name;
        node = block_node_find(which->u.external.node);
        if (!node) {
            error_setg(errp, "Cannot find node '%s'", which->u.external.node);
            return NULL;
        }
        b = dirty_bitmap_find(node, *name);
    }
    if (!b) {
        error_setg(errp, "Bitmap '%s' is not found", *name);
    }
    return b;
}

DirtyBitmap *nbd_bitmap_take(BlockBackend *blk,
                             const BlockDirtyBitmapOrStr *which, bool writable,
                             char **context, Error **errp)
{
    const char *name;
    DirtyBitmap *b = find_bitmap(blk, which, &name, errp);

    if (!b || !dirty_bitmap_check(
                  b, DIRTY_BITMAP_NOT_BUSY | DIRTY_BITMAP_CONSISTENT, errp)) {
        return NULL;
    }
    if (!writable && !b->disabled && !b->node->read_only) {
        error_setg(errp,
                   "Enabled bitmap '%s' incompatible with readonly export",
                   name);
        return NULL;
    }
    if (b->size != blk_getlength(blk)) {
        error_setg(errp, "Bitmap '%s' is not of the size of the export", name);
        return NULL;
    }
    dirty_bitmap_set_busy(b, true);
    *context = g_strconcat(NBD_CONTEXT_DIRTY_BITMAP, name, NULL);
    return b;
}

void nbd_bitmap_release(DirtyBitmap *bitmap)
{
    dirty_bitmap_set_busy(bitmap, false);
}

int nbd_bitmap_extents(DirtyBitmap *bitmap, int64_t offset, int64_t bytes,
                       NBDExtent *ext, unsigned max)
{
    unsigned n = 0;

    while (bytes > 0 && n < max) {
        bool dirty = dirty_bitmap_get(bitmap, offset);
        int64_t end = dirty ? dirty_bitmap_next_zero(bitmap, offset, bytes)
                            : dirty_bitmap_next_dirty(bitmap, offset, bytes);
        int64_t length = end < 0 ? bytes : end - offset;

        if (length == 0) {
            continue; /* it became dirty between two looks */
        }
        ext[n++] = (NBDExtent){ (uint64_t)length, dirty ? NBD_STATE_DIRTY : 0 };
        offset += length;
        bytes -= length;
    }
    return (int)n;
}
