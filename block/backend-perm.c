/*
 * BlockBackend: what its device does with the medium and lets others do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/block-backend.h"

void blk_current_perm(BlockBackend *blk, unsigned *perm, unsigned *shared)
{
    bool uses = blk->has_perm && !blk->inactive;

    *perm = uses ? blk->perm : 0;
    *shared = uses ? blk->shared : NODE_PERM_ALL;
}

bool blk_apply_perm(BlockBackend *blk, Error **errp)
{
    unsigned perm, shared;

    blk_current_perm(blk, &perm, &shared);
    return node_link_set_perm(&blk->root, perm, shared, errp);
}

bool blk_set_node_perm(BlockBackend *blk, unsigned perm, unsigned shared,
                       Error **errp)
{
    bool old_has = blk->has_perm;
    unsigned old_perm = blk->perm;
    unsigned old_shared = blk->shared;

    blk->has_perm = true;
    blk->perm = perm;
    blk->shared = shared;
    if (!blk_apply_perm(blk, errp)) {
        blk->has_perm = old_has;
        blk->perm = old_perm;
        blk->shared = old_shared;
        return false;
    }
    return true;
}

bool blk_set_perm(BlockBackend *blk, bool write, bool share_write, Error **errp)
{
    unsigned perm = NODE_PERM_CONSISTENT_READ | (write ? NODE_PERM_WRITE : 0u);
    unsigned shared = NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE_UNCHANGED |
                      NODE_PERM_RESIZE | (share_write ? NODE_PERM_WRITE : 0u);

    return blk_set_node_perm(blk, perm, shared, errp);
}
