/*
 * Whose turn it is to use the disks: while a guest moves, its images belong to
 * one of two processes at a time.
 *
 * An inactive backend keeps its medium open and remembers what its device wants
 * to do with it, but holds no lock of the image. The source of a migration
 * makes all of them inactive when its guest stands for good, after everything is
 * written; the destination begins with them inactive and takes them before its
 * guest runs. Nobody sends requests to one meanwhile: the guest stands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/block-backend.h"
#include "trace/trace-block.h"
#include "util/error.h"

/* Set once while the program starts, ended by blk_activate_all(). */
static bool begin_inactive;

void blk_begin_inactive(void)
{
    begin_inactive = true;
}

bool blk_begins_inactive(void)
{
    return begin_inactive;
}

static bool set_inactive(BlockBackend *blk, bool inactive, Error **errp)
{
    bool before = blk->inactive;

    if (before == inactive) {
        return true;
    }
    trace_blk_inactive(blk_name(blk), inactive);
    blk->inactive = inactive;
    if (!blk_apply_perm(blk, errp)) {
        blk->inactive = before;
        error_prepend(errp, "disk '%s': ", blk_name(blk));
        return false;
    }
    return true;
}

static void all_inactive(bool inactive, GPtrArray *done)
{
    for (guint i = 0; i < done->len; i++) {
        set_inactive(g_ptr_array_index(done, i), inactive, NULL);
    }
}

bool blk_inactivate_all(Error **errp)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new();
    GPtrArray *drained;

    drained = node_drained_all_begin();
    blk_drain_all();
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        /* Less is always allowed. */
        if (!blk->inactive && set_inactive(blk, true, NULL)) {
            g_ptr_array_add(done, blk);
        }
    }
    if (!node_inactivate_all(errp)) {
        /* Fails where a node could not be taken back: the disk stays inactive,
         * for blk_activate_all(). */
        all_inactive(false, done);
        node_drained_all_end(drained);
        return false;
    }
    node_drained_all_end(drained);
    return true;
}

bool blk_activate_all(Error **errp)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new();

    if (!node_activate_all(errp)) {
        return false;
    }
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (!blk->inactive) {
            continue;
        }
        if (!set_inactive(blk, false, errp)) {
            all_inactive(true, done);
            node_inactivate_all(NULL);
            return false;
        }
        g_ptr_array_add(done, blk);
    }
    begin_inactive = false;
    return true;
}

bool blk_activate(BlockBackend *blk, Error **errp)
{
    BlockNode *node = blk->root.node;

    return (!node || node_activate(node, errp)) &&
           set_inactive(blk, false, errp);
}
