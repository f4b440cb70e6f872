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

#include "block/block-backend.h"
#include "trace/trace-block.h"
#include "util/error.h"

#include "backend-internal.h"

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

static bool write_out(BlockBackend *blk, Error **errp)
{
    int ret = blk_is_writable(blk) ? blk_flush(blk) : 0;

    if (ret < 0) {
        error_setg_errno(errp, -ret, "disk '%s': could not write it out",
                         blk_name(blk));
    }
    return ret >= 0;
}

bool blk_inactivate_all(Error **errp)
{
    blk_drain_all();
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (!blk->inactive &&
            (!write_out(blk, errp) || !set_inactive(blk, true, errp))) {
            blk_activate_all(NULL);
            return false;
        }
    }
    return true;
}

bool blk_activate_all(Error **errp)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new();

    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (!blk->inactive) {
            continue;
        }
        if (!set_inactive(blk, false, errp)) {
            for (guint i = 0; i < done->len; i++) {
                /* Giving up locks cannot fail. */
                set_inactive(g_ptr_array_index(done, i), true, NULL);
            }
            return false;
        }
        g_ptr_array_add(done, blk);
    }
    begin_inactive = false;
    return true;
}
