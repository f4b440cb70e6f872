/*
 * BlockBackend: what its device does with the medium and lets others do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-backend.h"

#include "backend-internal.h"

bool blk_apply_perm(BlockBackend *blk, BlockNode *node, Error **errp)
{
    unsigned perm = 0;
    unsigned shared = NODE_PERM_ALL;

    if (blk->has_perm && !blk->inactive) {
        perm = NODE_PERM_CONSISTENT_READ |
               (blk->wants_write ? NODE_PERM_WRITE : 0u);
        shared = NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE_UNCHANGED |
                 NODE_PERM_RESIZE | (blk->shares_write ? NODE_PERM_WRITE : 0u);
    }
    return node == blk->node
               ? block_node_set_user(node, &blk->user, perm, shared, errp)
               : block_node_use(node, &blk->user, perm, shared, errp);
}

bool blk_set_perm(BlockBackend *blk, bool write, bool share_write, Error **errp)
{
    bool old_has = blk->has_perm;
    bool old_write = blk->wants_write;
    bool old_share = blk->shares_write;

    blk->has_perm = true;
    blk->wants_write = write;
    blk->shares_write = share_write;
    if (blk->node && !blk_apply_perm(blk, blk->node, errp)) {
        blk->has_perm = old_has;
        blk->wants_write = old_write;
        blk->shares_write = old_share;
        return false;
    }
    return true;
}
