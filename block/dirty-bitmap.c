/*
 * Dirty bitmaps: life, names, states, successors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"

#include "qapi/util.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

#define DEFAULT_GRANULARITY_MIN 4096u
#define DEFAULT_GRANULARITY_MAX 65536u

static uint32_t default_granularity(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    uint32_t pref = MAX(node->preferred_write, node->preferred_discard);

    if (!nc->is_format || !is_power_of_2(pref)) {
        return DEFAULT_GRANULARITY_MAX;
    }
    return MIN(MAX(pref, DEFAULT_GRANULARITY_MIN), DEFAULT_GRANULARITY_MAX);
}

static bool check_new(BlockNode *node, const char *name, uint32_t granularity,
                      Error **errp)
{
    if (name && (!*name || strlen(name) > DIRTY_BITMAP_NAME_MAX)) {
        error_setg(errp, "Bitmap name must have 1 to %d bytes",
                   DIRTY_BITMAP_NAME_MAX);
        return false;
    }
    if (!is_power_of_2(granularity) ||
        granularity < DIRTY_BITMAP_GRANULARITY_MIN ||
        granularity > DIRTY_BITMAP_GRANULARITY_MAX) {
        error_setg(errp,
                   "Granularity %" PRIu32 " must be a power of 2 from %u to %u",
                   granularity, DIRTY_BITMAP_GRANULARITY_MIN,
                   DIRTY_BITMAP_GRANULARITY_MAX);
        return false;
    }
    if (block_node_length(node) / granularity / 8 > DIRTY_BITMAP_MAP_MAX) {
        error_setg(errp,
                   "Granularity %" PRIu32 " is too small for node '%s' of "
                   "%" PRId64 " bytes",
                   granularity, node->name, block_node_length(node));
        return false;
    }
    return true;
}

static DirtyBitmap *alloc(BlockNode *node, const char *name,
                          uint32_t granularity, Error **errp)
{
    int64_t size = block_node_length(node);
    long bits = (long)DIV_ROUND_UP((uint64_t)size, granularity);
    unsigned long *map = bitmap_try_new(bits + 1);
    DirtyBitmap *b;

    if (!map) {
        error_setg(errp, "No memory for a bitmap of %ld bits", bits);
        return NULL;
    }
    b = g_new0(DirtyBitmap, 1);
    b->node = node;
    b->name = g_strdup(name);
    b->granularity = granularity;
    b->shift = (unsigned)ctz32(granularity);
    b->size = size;
    b->bits = bits;
    b->map = map;
    return b;
}

DirtyBitmap *dirty_bitmap_new(BlockNode *node, const char *name,
                              uint32_t granularity, Error **errp)
{
    if (name && dirty_bitmap_find(node, name)) {
        error_setg(errp, "Bitmap already exists: %s", name);
        return NULL;
    }
    return dirty_bitmap_add(node, name, granularity, errp);
}

DirtyBitmap *dirty_bitmap_add(BlockNode *node, const char *name,
                              uint32_t granularity, Error **errp)
{
    DirtyBitmap *b;

    if (!granularity) {
        granularity = default_granularity(node);
    }
    if (!check_new(node, name, granularity, errp)) {
        return NULL;
    }
    b = alloc(node, name, granularity, errp);
    if (b) {
        QEMU_LOCK_GUARD(&node->bitmap_lock);

        QLIST_INSERT_HEAD(&node->bitmaps, b, next);
        qatomic_inc(&node->n_bitmaps);
    }
    return b;
}

static void free_bitmap(DirtyBitmap *b)
{
    if (b) {
        g_free(b->map);
        g_free(b->name);
        g_free(b);
    }
}

void dirty_bitmap_release(DirtyBitmap *b)
{
    {
        QEMU_LOCK_GUARD(&b->node->bitmap_lock);

        QLIST_REMOVE(b, next);
        qatomic_dec(&b->node->n_bitmaps);
    }
    free_bitmap(b->successor);
    free_bitmap(b);
}

void dirty_bitmaps_release_all(BlockNode *node)
{
    DirtyBitmap *b;

    while ((b = QLIST_FIRST(&node->bitmaps))) {
        dirty_bitmap_release(b);
    }
}

DirtyBitmap *dirty_bitmap_find(BlockNode *node, const char *name)
{
    DirtyBitmap *b;

    QEMU_LOCK_GUARD(&node->bitmap_lock);
    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->name && g_str_equal(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

bool dirty_bitmap_check(const DirtyBitmap *b, unsigned uses, Error **errp)
{
    const char *name = b->name ? b->name : "";

    if ((uses & DIRTY_BITMAP_NOT_BUSY) && b->busy) {
        error_setg(errp,
                   "Bitmap '%s' is currently in use by another operation and "
                   "cannot be used",
                   name);
        return false;
    }
    if ((uses & DIRTY_BITMAP_WRITABLE) && b->read_only) {
        error_setg(errp,
                   "Bitmap '%s' is stored in an image that is read-only, so "
                   "it cannot be changed",
                   name);
        return false;
    }
    if ((uses & DIRTY_BITMAP_CONSISTENT) && b->inconsistent) {
        error_setg(errp, "Bitmap '%s' is inconsistent and cannot be used",
                   name);
        error_append_hint(errp, "Remove it by block-dirty-bitmap-remove or by "
                                "ferry-img bitmap --remove.\n");
        return false;
    }
    return true;
}

typedef struct CanStore {
    DirtyBitmap *b;
    Error **errp;
} CanStore;

static int coroutine_fn can_store_entry(void *opaque)
{
    CanStore *c = opaque;
    BlockNode *node = c->b->node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    if (!nc->co_can_store_bitmap) {
        error_setg(c->errp, "Node '%s' has a format that cannot store bitmaps",
                   node->name);
        return -ENOTSUP;
    }
    return nc->co_can_store_bitmap(node, c->b->name, c->b->granularity, c->errp)
               ? 0
               : -EINVAL;
}

bool dirty_bitmap_can_store(DirtyBitmap *b, Error **errp)
{
    CanStore c = { b, errp };

    return node_run_co(b->node->ctx, can_store_entry, &c) == 0;
}

void dirty_bitmap_enable(DirtyBitmap *b)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    b->disabled = false;
}

void dirty_bitmap_disable(DirtyBitmap *b)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    b->disabled = true;
}

void dirty_bitmap_set_busy(DirtyBitmap *b, bool busy)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    b->busy = busy;
}

/* -- successors -------------------------------------------------------------------- */

bool dirty_bitmap_split(DirtyBitmap *b, Error **errp)
{
    DirtyBitmap *successor;

    if (!dirty_bitmap_check(b, DIRTY_BITMAP_NOT_BUSY, errp)) {
        return false;
    }
    successor = alloc(b->node, NULL, b->granularity, errp);
    if (!successor) {
        return false;
    }
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);
    successor->disabled = b->disabled;
    b->successor = successor;
    b->busy = true;
    return true;
}

/* The successor's map becomes @b's. */
void dirty_bitmap_abdicate(DirtyBitmap *b)
{
    DirtyBitmap *s = b->successor;

    {
        QEMU_LOCK_GUARD(&b->node->bitmap_lock);

        g_free(b->map);
        b->map = g_steal_pointer(&s->map);
        b->count = s->count;
        b->successor = NULL;
        b->busy = false;
    }
    free_bitmap(s);
}

void dirty_bitmap_reclaim(DirtyBitmap *b)
{
    DirtyBitmap *s = b->successor;

    {
        QEMU_LOCK_GUARD(&b->node->bitmap_lock);

        bitmap_or(b->map, b->map, s->map, b->bits);
        b->count = b->bits ? bitmap_count_one(b->map, b->bits) : 0;
        b->successor = NULL;
        b->busy = false;
    }
    free_bitmap(s);
}

/* -- query-block ------------------------------------------------------------------- */

static BlockDirtyInfo *info_of(DirtyBitmap *b)
{
    BlockDirtyInfo *info = g_new0(BlockDirtyInfo, 1);
    DirtyBitmap *collects = b->successor ? b->successor : b;

    info->name = g_strdup(b->name);
    info->count = (int64_t)collects->count << b->shift;
    info->granularity = b->granularity;
    info->recording = !b->disabled;
    info->busy = b->busy;
    info->persistent = b->persistent;
    info->has_inconsistent = b->inconsistent;
    info->inconsistent = b->inconsistent;
    return info;
}

BlockDirtyInfoList *dirty_bitmaps_info(BlockNode *node)
{
    BlockDirtyInfoList *list = NULL;
    DirtyBitmap *b;

    QEMU_LOCK_GUARD(&node->bitmap_lock);
    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->name) {
            QAPI_LIST_PREPEND(list, info_of(b));
        }
    }
    return list;
}
