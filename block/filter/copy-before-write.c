/*
 * Filter "copy-before-write".
 *
 * A bitmap says which clusters are still to be copied. Whoever copies one
 * (the guest's write, which waits for it, or the job) holds its range, so that
 * it is copied once, and what the guest writes lands behind the copy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/copy-before-write.h"

#include "qapi/qapi-types-block-job.h"
#include "util/error.h"
#include "util/host-utils.h"

static int coroutine_fn copy_held(BlockCbw *cbw, int64_t start, int64_t end,
                                  bool *ret_is_read)
{
    int64_t at, n;

    while (dirty_bitmap_next_area(cbw->todo, start, end, COPIER_MAX_BYTES, &at,
                                  &n)) {
        int ret = copier_copy(&cbw->copier, at, n, ret_is_read);

        if (ret < 0) {
            return ret;
        }
        dirty_bitmap_reset(cbw->todo, at, n);
        block_progress_done(cbw->progress, (uint64_t)n);
        start = at + n;
    }
    return 0;
}

int coroutine_fn cbw_copy(BlockCbw *cbw, int64_t offset, int64_t bytes,
                          bool *ret_is_read)
{
    int64_t start = ROUND_DOWN(offset, cbw->cluster);
    int64_t end = ROUND_UP(offset + bytes, cbw->cluster);
    RangeHold hold;
    int ret;

    range_lock(&cbw->busy, &hold, start, end);
    ret = copy_held(cbw, start, end, ret_is_read);
    range_unlock(&cbw->busy, &hold);
    return ret;
}

void coroutine_fn cbw_leave_out(BlockCbw *cbw, int64_t start, int64_t end)
{
    RangeHold hold;
    int64_t at, n;

    range_lock(&cbw->busy, &hold, start, end);
    while (
        dirty_bitmap_next_area(cbw->todo, start, end, end - start, &at, &n)) {
        dirty_bitmap_reset(cbw->todo, at, n);
        block_progress_done(cbw->progress, (uint64_t)n);
        start = at + n;
    }
    range_unlock(&cbw->busy, &hold);
}

/* Before a write: 0: it may go on. */
static int coroutine_fn before_write(BlockNode *node, int64_t offset,
                                     int64_t bytes)
{
    BlockCbw *cbw = BLOCK_CBW(node);
    bool is_read;
    int ret;

    if (qatomic_read(&cbw->error)) {
        return 0;
    }
    ret = cbw_copy(cbw, offset, bytes, &is_read);
    if (ret < 0 && cbw->on_cbw_error == ON_CBW_ERROR_BREAK_SNAPSHOT) {
        qatomic_set(&cbw->error, ret);
        ret = 0;
    }
    return ret;
}

static int coroutine_fn cbw_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    int ret = 0;

    /* What does not change the contents has nothing to save. */
    if (!(flags & BLK_REQ_WRITE_UNCHANGED)) {
        ret = before_write(node, offset, bytes);
    }
    return ret < 0 ? ret
                   : node_co_pwritev(BLOCK_FILTER(node)->file.node, offset,
                                     bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn cbw_co_pwritev_compressed(BlockNode *node,
                                                  int64_t offset, int64_t bytes,
                                                  QEMUIOVector *qiov,
                                                  size_t qiov_offset)
{
    return cbw_co_pwritev(node, offset, bytes, qiov, qiov_offset,
                          BLK_REQ_WRITE_COMPRESSED);
}

static int coroutine_fn cbw_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    int ret = before_write(node, offset, bytes);

    return ret < 0 ? ret
                   : node_co_pwrite_zeroes(BLOCK_FILTER(node)->file.node,
                                           offset, bytes, flags);
}

static int coroutine_fn cbw_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    int ret = before_write(node, offset, bytes);

    return ret < 0
               ? ret
               : node_co_pdiscard(BLOCK_FILTER(node)->file.node, offset, bytes);
}

static int coroutine_fn cbw_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    error_setg(errp, "Node '%s' cannot be resized while it is being copied",
               node->name);
    return -ENOTSUP;
}

/* -- life --------------------------------------------------------------------- */

/* A piece that the target can write without reading around it. */
static bool choose_cluster(BlockCbw *cbw, Error **errp)
{
    BlockNode *target = cbw->target.node;
    int64_t pref = MAX(target->preferred_write, target->request_alignment);

    cbw->cluster = MAX((int64_t)CBW_CLUSTER_MIN, pref);
    if (cbw->cluster > COPIER_MAX_BYTES || !is_power_of_2(cbw->cluster)) {
        error_setg(errp,
                   "Node '%s' has clusters of %" PRId64
                   " bytes: more than can be copied in one piece",
                   target->name, cbw->cluster);
        return false;
    }
    return true;
}

static DirtyBitmap *find_bitmap(BlockCbw *cbw, Error **errp)
{
    const char *node_name =
        json_string_value(json_object_get(cbw->bitmap_ref, "node"));
    const char *name =
        json_string_value(json_object_get(cbw->bitmap_ref, "name"));
    BlockNode *node = node_name ? block_node_find(node_name) : NULL;
    DirtyBitmap *b = node && name ? dirty_bitmap_find(node, name) : NULL;

    if (!b) {
        error_setg(errp, "Bitmap '%s' of node '%s' not found", name ? name : "",
                   node_name ? node_name : "");
        return NULL;
    }
    return dirty_bitmap_check(b, DIRTY_BITMAP_CONSISTENT, errp) ? b : NULL;
}

static bool fill_todo(BlockCbw *cbw, Error **errp)
{
    BlockNode *source = BLOCK_FILTER(cbw)->file.node;
    DirtyBitmap *from = NULL;

    if (cbw->bitmap_ref && !(from = find_bitmap(cbw, errp))) {
        return false;
    }
    cbw->todo = dirty_bitmap_new(source, NULL, (uint32_t)cbw->cluster, errp);
    if (!cbw->todo) {
        return false;
    }
    dirty_bitmap_disable(cbw->todo);
    if (!from) {
        dirty_bitmap_set(cbw->todo, 0, block_node_length(source));
    } else if (!dirty_bitmap_merge(cbw->todo, from, NULL, errp)) {
        g_clear_pointer(&cbw->todo, dirty_bitmap_release);
        return false;
    }
    return true;
}

static bool cbw_open(BlockNode *node, Error **errp)
{
    BlockCbw *cbw = BLOCK_CBW(node);
    BlockNodeClass *parent = BLOCK_NODE_CLASS(
        object_class_get_parent(OBJECT_CLASS(BLOCK_NODE_GET_CLASS(node))));
    BlockNode *source;

    if (!parent->open(node, errp) ||
        !block_node_open_child(node, &cbw->target, cbw->target_ref, "target",
                               NODE_ROLE_DATA, errp)) {
        return false;
    }
    source = BLOCK_FILTER(node)->file.node;
    if (block_node_length(cbw->target.node) < block_node_length(source)) {
        error_setg(errp,
                   "Target '%s' has %" PRId64 " bytes, less than the %" PRId64
                   " of '%s'",
                   cbw->target.node->name, block_node_length(cbw->target.node),
                   block_node_length(source), source->name);
        return false;
    }
    if (!choose_cluster(cbw, errp) || !fill_todo(cbw, errp)) {
        return false;
    }
    copier_init(&cbw->copier, source, cbw->target.node);
    range_lock_init(&cbw->busy);
    return true;
}

static void cbw_close(BlockNode *node)
{
    BlockCbw *cbw = BLOCK_CBW(node);

    if (cbw->todo) {
        dirty_bitmap_release(cbw->todo);
    }
    if (cbw->copier.source) {
        copier_destroy(&cbw->copier);
        range_lock_destroy(&cbw->busy);
    }
}

/* The target is ours to write; others may look at what it has. */
static void cbw_child_perm(BlockNode *node, const NodeLink *link, unsigned perm,
                           unsigned shared, unsigned *ret_perm,
                           unsigned *ret_shared)
{
    BlockCbw *cbw = BLOCK_CBW(node);

    if (link == &cbw->target) {
        *ret_perm = NODE_PERM_WRITE;
        *ret_shared = NODE_PERM_ALL & ~(unsigned)NODE_PERM_RESIZE;
        return;
    }
    *ret_perm = perm | NODE_PERM_CONSISTENT_READ;
    *ret_shared = shared;
    /* A write beside us would not be noticed; but before it is put above the
     * disk, the disk's users are beside us. */
    if (!QLIST_EMPTY(&node->users)) {
        *ret_shared &= ~(unsigned)(NODE_PERM_WRITE | NODE_PERM_RESIZE);
    }
}

static const Property cbw_props[] = {
    { "target", PROP_JSON, offsetof(BlockCbw, target_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make",
      .since = "0.1" },
    { "bitmap", PROP_JSON, offsetof(BlockCbw, bitmap_ref), .qapi_type = "any",
      .help = "copy only what this bitmap says: {node, name}", .since = "0.1" },
    { "on-cbw-error", PROP_ENUM, offsetof(BlockCbw, on_cbw_error),
      .qapi_type = "OnCbwError", .lookup = &OnCbwError_lookup,
      .def = "break-guest-write", .help = "what fails when a copy fails",
      .since = "0.1" },
    {},
};

static void cbw_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "copy-before-write";
    nc->help = "saves to a target what writes would destroy";
    nc->open = cbw_open;
    nc->close = cbw_close;
    nc->child_perm = cbw_child_perm;
    nc->co_pwritev = cbw_co_pwritev;
    nc->co_pwritev_compressed = cbw_co_pwritev_compressed;
    nc->co_pwrite_zeroes = cbw_co_pwrite_zeroes;
    nc->co_pdiscard = cbw_co_pdiscard;
    nc->co_truncate = cbw_co_truncate;
}

extern const TypeInfo block_type_copy_before_write;
const TypeInfo block_type_copy_before_write = {
    .name = TYPE_BLOCK_CBW,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockCbw),
    .class_init = cbw_class_init,
    .props = cbw_props,
};
