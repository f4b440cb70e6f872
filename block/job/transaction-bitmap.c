/*
 * Commands about dirty bitmaps, alone and in transactions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/job/transaction.h"
#include "qapi/qapi-commands-transaction.h"
#include "util/error.h"

typedef struct BitmapAction {
    BlockAction common;
    DirtyBitmap *bitmap;
    unsigned long *backup; /* bits before, or NULL */
    bool was_persistent;
    bool was_disabled;
} BitmapAction;

static BitmapAction *of(BlockAction *action)
{
    return container_of(action, BitmapAction, common);
}

static DirtyBitmap *find(const char *node_name, const char *name, Error **errp)
{
    BlockNode *node = block_find_disk(node_name, errp);
    DirtyBitmap *b = node ? dirty_bitmap_find(node, name) : NULL;

    if (node && !b) {
        error_setg(errp, "Dirty bitmap '%s' not found", name);
    }
    return b;
}

static bool find_for(BlockAction *action, unsigned uses, Error **errp)
{
    const BlockDirtyBitmap *arg = action->arg;
    DirtyBitmap *b = find(arg->node, arg->name, errp);

    of(action)->bitmap = b;
    return b && dirty_bitmap_check(b, uses, errp);
}

static void free_backup(BlockAction *action)
{
    g_free(of(action)->backup);
}

/* -- add ------------------------------------------------------------------------ */

static bool add_prepare(BlockAction *action, Error **errp)
{
    const BlockDirtyBitmapAdd *arg = action->arg;
    BlockNode *node = block_find_disk(arg->node, errp);
    DirtyBitmap *b;

    if (!node) {
        return false;
    }
    b = dirty_bitmap_new(node, arg->name,
                         arg->has_granularity ? arg->granularity : 0, errp);
    if (!b) {
        return false;
    }
    if (arg->has_persistent && arg->persistent) {
        if (!dirty_bitmap_can_store(b, errp)) {
            dirty_bitmap_release(b);
            return false;
        }
        b->persistent = true;
    }
    if (arg->has_disabled && arg->disabled) {
        dirty_bitmap_disable(b);
    }
    of(action)->bitmap = b;
    return true;
}

static void add_abort(BlockAction *action)
{
    dirty_bitmap_release(of(action)->bitmap);
}

const BlockActionKind block_action_bitmap_add = {
    .size = sizeof(BitmapAction),
    .prepare = add_prepare,
    .abort = add_abort,
};

/* -- remove --------------------------------------------------------------------------- */

typedef struct RemoveStored {
    DirtyBitmap *bitmap;
    Error **errp;
} RemoveStored;

static int coroutine_fn remove_stored(void *opaque)
{
    RemoveStored *r = opaque;
    BlockNode *node = r->bitmap->node;

    return BLOCK_NODE_GET_CLASS(node)->co_remove_bitmap(node, r->bitmap->name,
                                                        r->errp);
}

static bool remove_prepare(BlockAction *action, Error **errp)
{
    BitmapAction *a = of(action);
    DirtyBitmap *b;

    if (!find_for(action, DIRTY_BITMAP_NOT_BUSY | DIRTY_BITMAP_WRITABLE,
                  errp)) {
        return false;
    }
    b = a->bitmap;
    a->was_persistent = b->persistent;
    a->was_disabled = b->disabled;
    if (b->persistent) {
        RemoveStored r = { b, errp };

        if (node_run_co(b->node->ctx, remove_stored, &r) < 0) {
            return false;
        }
        b->persistent = false;
    }
    dirty_bitmap_disable(b);
    dirty_bitmap_set_busy(b, true); /* no later action may find it */
    return true;
}

/* Stored again when the image is closed. */
static void remove_abort(BlockAction *action)
{
    BitmapAction *a = of(action);

    dirty_bitmap_set_busy(a->bitmap, false);
    a->bitmap->persistent = a->was_persistent;
    if (!a->was_disabled) {
        dirty_bitmap_enable(a->bitmap);
    }
}

static void remove_commit(BlockAction *action)
{
    dirty_bitmap_release(of(action)->bitmap);
}

const BlockActionKind block_action_bitmap_remove = {
    .size = sizeof(BitmapAction),
    .prepare = remove_prepare,
    .commit = remove_commit,
    .abort = remove_abort,
};

/* -- clear ----------------------------------------------------------------------------- */

static bool clear_prepare(BlockAction *action, Error **errp)
{
    if (!find_for(action, DIRTY_BITMAP_ANY_CHANGE, errp)) {
        return false;
    }
    dirty_bitmap_clear(of(action)->bitmap, &of(action)->backup);
    return true;
}

static void restore(BlockAction *action)
{
    BitmapAction *a = of(action);

    if (a->backup) {
        dirty_bitmap_restore(a->bitmap, g_steal_pointer(&a->backup));
    }
}

const BlockActionKind block_action_bitmap_clear = {
    .size = sizeof(BitmapAction),
    .prepare = clear_prepare,
    .abort = restore,
    .clean = free_backup,
};

/* -- enable, disable -------------------------------------------------------------------- */

static bool switch_to(BlockAction *action, bool disabled, Error **errp)
{
    BitmapAction *a = of(action);

    if (!find_for(action, DIRTY_BITMAP_ANY_CHANGE, errp)) {
        return false;
    }
    a->was_disabled = a->bitmap->disabled;
    if (disabled) {
        dirty_bitmap_disable(a->bitmap);
    } else {
        dirty_bitmap_enable(a->bitmap);
    }
    return true;
}

static bool enable_prepare(BlockAction *action, Error **errp)
{
    return switch_to(action, false, errp);
}

static bool disable_prepare(BlockAction *action, Error **errp)
{
    return switch_to(action, true, errp);
}

static void switch_abort(BlockAction *action)
{
    BitmapAction *a = of(action);

    if (a->was_disabled) {
        dirty_bitmap_disable(a->bitmap);
    } else {
        dirty_bitmap_enable(a->bitmap);
    }
}

const BlockActionKind block_action_bitmap_enable = {
    .size = sizeof(BitmapAction),
    .prepare = enable_prepare,
    .abort = switch_abort,
};

const BlockActionKind block_action_bitmap_disable = {
    .size = sizeof(BitmapAction),
    .prepare = disable_prepare,
    .abort = switch_abort,
};

/* -- merge -------------------------------------------------------------------------------- */

static bool merge_sources(BitmapAction *a, const BlockDirtyBitmapMerge *arg,
                          Error **errp)
{
    for (const BlockDirtyBitmapOrStrList *l = arg->bitmaps; l; l = l->next) {
        const BlockDirtyBitmapOrStr *s = l->value;
        DirtyBitmap *src =
            s->type == QTYPE_QSTRING
                ? find(arg->node, s->u.local, errp)
                : find(s->u.external.node, s->u.external.name, errp);

        if (!src || !dirty_bitmap_merge(a->bitmap, src,
                                        a->backup ? NULL : &a->backup, errp)) {
            return false;
        }
    }
    return true;
}

static bool merge_prepare(BlockAction *action, Error **errp)
{
    const BlockDirtyBitmapMerge *arg = action->arg;
    BitmapAction *a = of(action);

    a->bitmap = find(arg->node, arg->target, errp);
    if (!a->bitmap) {
        return false;
    }
    if (!merge_sources(a, arg, errp)) {
        restore(action);
        return false;
    }
    return true;
}

const BlockActionKind block_action_bitmap_merge = {
    .size = sizeof(BitmapAction),
    .prepare = merge_prepare,
    .abort = restore,
    .clean = free_backup,
};

/* -- the commands ----------------------------------------------------------------------------- */

void qmp_block_dirty_bitmap_add(BlockDirtyBitmapAdd *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_add, arg, errp);
}

void qmp_block_dirty_bitmap_remove(BlockDirtyBitmap *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_remove, arg, errp);
}

void qmp_block_dirty_bitmap_clear(BlockDirtyBitmap *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_clear, arg, errp);
}

void qmp_block_dirty_bitmap_enable(BlockDirtyBitmap *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_enable, arg, errp);
}

void qmp_block_dirty_bitmap_disable(BlockDirtyBitmap *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_disable, arg, errp);
}

void qmp_block_dirty_bitmap_merge(BlockDirtyBitmapMerge *arg, Error **errp)
{
    block_action_run(&block_action_bitmap_merge, arg, errp);
}

BlockDirtyBitmapSha256 *qmp_x_debug_block_dirty_bitmap_sha256(
    BlockDirtyBitmap *arg, Error **errp)
{
    DirtyBitmap *b = find(arg->node, arg->name, errp);
    BlockDirtyBitmapSha256 *ret;
    char *digest = b ? dirty_bitmap_sha256(b, errp) : NULL;

    if (!digest) {
        return NULL;
    }
    ret = g_new0(BlockDirtyBitmapSha256, 1);
    ret->sha256 = digest;
    return ret;
}
