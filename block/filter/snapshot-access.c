/*
 * Driver "snapshot-access": a disk as it was when a copy-before-write filter was
 * put above it, for reading (an NBD export of it, a backup).
 *
 * What the filter has copied comes from its target, the rest from the disk. A
 * read holds the clusters it is at as a copy does, so a write to one of them,
 * which has to copy it first, waits until it is read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/copy-before-write.h"
#include "block/filter/internal.h"
#include "util/error.h"

#define TYPE_BLOCK_SNAPSHOT_ACCESS TYPE_BLOCK_NODE "-snapshot-access"

/* What is below may be replaced (a job ends, blockdev-reopen). NULL: by a node
 * that does not have the old contents. */
static BlockCbw *cbw_of(BlockNode *node)
{
    Object *below = OBJECT(filter_child(node));
    BlockCbw *cbw = (BlockCbw *)object_dynamic_cast(below, TYPE_BLOCK_CBW);

    return cbw && !cbw->bitmap_ref ? cbw : NULL;
}

/* Held: where do the first bytes of the range come from, and how many? */
static BlockNode *source_of(BlockCbw *cbw, int64_t offset, int64_t bytes,
                            int64_t *ret_bytes)
{
    bool todo = dirty_bitmap_get(cbw->todo, offset);
    int64_t end = todo ? dirty_bitmap_next_zero(cbw->todo, offset, bytes)
                       : dirty_bitmap_next_dirty(cbw->todo, offset, bytes);

    *ret_bytes = end < 0 ? bytes : MIN(end - offset, bytes);
    return todo ? BLOCK_FILTER(cbw)->file.node : cbw->target.node;
}

static int coroutine_fn read_held(BlockCbw *cbw, int64_t offset, int64_t bytes,
                                  QEMUIOVector *qiov, size_t qiov_offset)
{
    while (bytes > 0) {
        int64_t n;
        BlockNode *from = source_of(cbw, offset, bytes, &n);
        int ret = node_co_preadv(from, offset, n, qiov, qiov_offset, 0);

        if (ret < 0) {
            return ret;
        }
        offset += n;
        qiov_offset += (size_t)n;
        bytes -= n;
    }
    /* A write whose copy failed went on without it. */
    return qatomic_read(&cbw->error) ? -EACCES : 0;
}

static int coroutine_fn access_co_preadv(BlockNode *node, int64_t offset,
                                         int64_t bytes, QEMUIOVector *qiov,
                                         size_t qiov_offset,
                                         BlkRequestFlags flags)
{
    BlockCbw *cbw = cbw_of(node);
    RangeHold hold;
    int ret;

    if (!cbw) {
        return -EACCES;
    }
    range_lock(&cbw->busy, &hold, ROUND_DOWN(offset, cbw->cluster),
               ROUND_UP(offset + bytes, cbw->cluster));
    ret = read_held(cbw, offset, bytes, qiov, qiov_offset);
    range_unlock(&cbw->busy, &hold);
    return ret;
}

static int coroutine_fn access_co_block_status(BlockNode *node, unsigned want,
                                               int64_t offset, int64_t bytes,
                                               int64_t *pnum, int64_t *map,
                                               BlockNode **file)
{
    BlockCbw *cbw = cbw_of(node);
    RangeHold hold;
    BlockNode *from;
    int ret;

    if (!cbw) {
        return -EACCES;
    }
    range_lock(&cbw->busy, &hold, ROUND_DOWN(offset, cbw->cluster),
               ROUND_UP(offset + bytes, cbw->cluster));
    from = source_of(cbw, offset, bytes, &bytes);
    ret = node_co_status_above(from, NULL, want, offset, bytes, pnum, NULL,
                               NULL, NULL);
    range_unlock(&cbw->busy, &hold);
    return ret < 0 ? ret
                   : (ret & (NODE_STATUS_DATA | NODE_STATUS_ZERO)) |
                         NODE_STATUS_ALLOCATED;
}

static int coroutine_fn refuse_write(BlockNode *node, int64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset, BlkRequestFlags flags)
{
    return -EROFS;
}

static int coroutine_fn refuse_zeroes(BlockNode *node, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags)
{
    return -EROFS;
}

static int coroutine_fn refuse_discard(BlockNode *node, int64_t offset,
                                       int64_t bytes)
{
    return -EROFS;
}

static bool access_open(BlockNode *node, Error **errp)
{
    BlockNode *below;

    if (!filter_base()->open(node, errp)) {
        return false;
    }
    below = filter_child(node);
    if (!object_dynamic_cast(OBJECT(below), TYPE_BLOCK_CBW)) {
        error_setg(errp,
                   "'file' of a snapshot-access node is a "
                   "copy-before-write node, not '%s'",
                   below->name);
        return false;
    }
    if (BLOCK_CBW(below)->bitmap_ref) {
        error_setg(errp,
                   "node '%s' copies what a bitmap says only: it does not "
                   "have the whole disk as it was",
                   below->name);
        return false;
    }
    if (BLOCK_CBW(below)->progress) {
        error_setg(errp, "node '%s' belongs to a job, and goes when that ends",
                   below->name);
        return false;
    }
    node->read_only = true;
    return true;
}

/* Whoever writes through the filter may. */
static void access_child_perm(BlockNode *node, const NodeLink *link,
                              unsigned perm, unsigned shared,
                              unsigned *ret_perm, unsigned *ret_shared)
{
    *ret_perm = NODE_PERM_CONSISTENT_READ;
    *ret_shared = NODE_PERM_ALL & ~(unsigned)NODE_PERM_RESIZE;
}

static void access_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "snapshot-access";
    nc->help = "the disk as it was below a copy-before-write node, to read";
    nc->is_filter = false;
    nc->open = access_open;
    nc->child_perm = access_child_perm;
    nc->co_preadv = access_co_preadv;
    nc->co_pwritev = refuse_write;
    nc->co_pwrite_zeroes = refuse_zeroes;
    nc->co_pdiscard = refuse_discard;
    nc->co_block_status = access_co_block_status;
}

extern const TypeInfo block_type_snapshot_access;
const TypeInfo block_type_snapshot_access = {
    .name = TYPE_BLOCK_SNAPSHOT_ACCESS,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockFilter),
    .class_init = access_class_init,
};
