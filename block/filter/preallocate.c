/*
 * Filter "preallocate": a file that grows does so by large steps, of zeroes
 * that the file system only notes, so that each small write past the end need
 * not allocate. What was too much is cut off when the node is closed, or when
 * another process takes the image.
 *
 * Between format and file. The node's length is where data ends; the file's
 * may be more, up to file_end. A crash leaves the file too long, with zeroes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

#define TYPE_BLOCK_PREALLOCATE TYPE_BLOCK_NODE "-preallocate"
OBJECT_DECLARE_SIMPLE_TYPE(BlockPreallocate, BLOCK_PREALLOCATE)

struct BlockPreallocate {
    BlockFilter parent_obj;

    uint64_t align;
    uint64_t step;

    CoMutex lock;     /* guards what follows */
    int64_t file_end; /* what the file was made to reach; atomic reads */
    bool unsupported; /* zeroes would have to be written out */
};

static bool pre_open(BlockNode *node, Error **errp)
{
    BlockPreallocate *p = BLOCK_PREALLOCATE(node);

    if (!is_power_of_2(p->align) || p->align % BLK_SECTOR_SIZE ||
        p->step > BLK_LENGTH_MAX / 2 || p->align > BLK_LENGTH_MAX / 2) {
        error_setg(errp,
                   "prealloc-align %" PRIu64 " or prealloc-size %" PRIu64
                   " is not valid",
                   p->align, p->step);
        return false;
    }
    if (!filter_base()->open(node, errp)) {
        return false;
    }
    node->can_grow = filter_child(node)->can_grow;
    p->file_end = node->length;
    return true;
}

/* The file gets longer than anybody asked for. */
static void pre_child_perm(BlockNode *node, const NodeLink *link, unsigned perm,
                           unsigned shared, unsigned *ret_perm,
                           unsigned *ret_shared)
{
    if (perm & NODE_PERM_WRITE) {
        *ret_perm = perm | NODE_PERM_RESIZE;
    }
}

/* Nothing is wrong if this fails: the write allocates as it would without. */
static void coroutine_fn pre_extend(BlockNode *node, int64_t end)
{
    BlockPreallocate *p = BLOCK_PREALLOCATE(node);
    int64_t start;
    int64_t new_end;

    QEMU_LOCK_GUARD(&p->lock);
    if (p->unsupported || end <= p->file_end) {
        return;
    }
    start = MAX(p->file_end, block_node_length(node));
    new_end = (int64_t)ROUND_UP((uint64_t)end + p->step, p->align);
    if (new_end > BLK_LENGTH_MAX) {
        return;
    }
    if (node_co_pwrite_zeroes(filter_child(node), start, new_end - start,
                              BLK_REQ_NO_FALLBACK) < 0) {
        p->unsupported = true;
        return;
    }
    qatomic_set(&p->file_end, new_end);
}

static int coroutine_fn pre_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    int64_t end = offset + bytes;

    if (end > block_node_length(node) &&
        end > qatomic_read(&BLOCK_PREALLOCATE(node)->file_end)) {
        pre_extend(node, end);
    }
    return node_co_pwritev(filter_child(node), offset, bytes, qiov, qiov_offset,
                           flags);
}

static int coroutine_fn pre_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    int64_t end = offset + bytes;

    if (end > block_node_length(node) &&
        end > qatomic_read(&BLOCK_PREALLOCATE(node)->file_end)) {
        pre_extend(node, end);
    }
    return node_co_pwrite_zeroes(filter_child(node), offset, bytes, flags);
}

/* The file ends where the data does again. */
static int coroutine_fn pre_co_cut(BlockNode *node, Error **errp)
{
    BlockPreallocate *p = BLOCK_PREALLOCATE(node);
    BlockNode *file = filter_child(node);
    int64_t length = block_node_length(node);
    int ret = 0;

    QEMU_LOCK_GUARD(&p->lock);
    if (p->file_end > length && block_node_length(file) > length &&
        !file->read_only) {
        ret = node_co_truncate(file, length, true, PREALLOC_MODE_OFF, 0, errp);
    }
    if (ret == 0) {
        qatomic_set(&p->file_end, length);
    }
    return ret;
}

static int coroutine_fn pre_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    BlockPreallocate *p = BLOCK_PREALLOCATE(node);
    int ret;

    if (bytes > block_node_length(node) && prealloc == PREALLOC_MODE_OFF) {
        pre_extend(node, bytes);
        if (bytes <= qatomic_read(&p->file_end)) {
            block_node_set_length(node, bytes); /* zeroes are there */
            return 0;
        }
    }
    ret = pre_co_cut(node, errp);
    if (ret == 0) {
        ret = filter_base()->co_truncate(node, bytes, exact, prealloc, flags,
                                         errp);
    }
    if (ret == 0) {
        QEMU_LOCK_GUARD(&p->lock);
        qatomic_set(&p->file_end, block_node_length(node));
    }
    return ret;
}

/* The other process cut it, too. */
static int coroutine_fn pre_co_activate(BlockNode *node, Error **errp)
{
    BlockPreallocate *p = BLOCK_PREALLOCATE(node);
    int ret = filter_base()->co_activate(node, errp);

    QEMU_LOCK_GUARD(&p->lock);
    qatomic_set(&p->file_end, block_node_length(node));
    return ret;
}

static int coroutine_fn pre_close_entry(void *opaque)
{
    return pre_co_cut(opaque, NULL);
}

static void pre_close(BlockNode *node)
{
    if (node->is_open && !node->inactive) {
        node_run_co(node->ctx, pre_close_entry, node);
    }
}

static int coroutine_fn pre_co_block_status(BlockNode *node, unsigned want,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    int64_t length = block_node_length(node);

    if (offset >= length) {
        *pnum = bytes;
        return NODE_STATUS_ZERO | NODE_STATUS_EOF;
    }
    return filter_base()->co_block_status(
        node, want, offset, MIN(bytes, length - offset), pnum, map, file);
}

static void pre_child_resized(BlockNode *node, NodeLink *link)
{
    /* The file's length is not the node's. */
}

static void pre_init(Object *obj)
{
    qemu_co_mutex_init(&BLOCK_PREALLOCATE(obj)->lock);
}

static const Property pre_props[] = {
    { "prealloc-align", PROP_SIZE, offsetof(BlockPreallocate, align),
      .def = "1M", .unit = "bytes", .help = "the file's length is a multiple",
      .since = "0.2" },
    { "prealloc-size", PROP_SIZE, offsetof(BlockPreallocate, step),
      .def = "128M", .unit = "bytes", .help = "how much more than is needed",
      .since = "0.2" },
    {},
};

static void pre_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "preallocate";
    nc->help = "a file that grows by large steps";
    nc->open = pre_open;
    nc->close = pre_close;
    nc->child_perm = pre_child_perm;
    nc->child_resized = pre_child_resized;
    nc->co_pwritev = pre_co_pwritev;
    nc->co_pwrite_zeroes = pre_co_pwrite_zeroes;
    nc->co_truncate = pre_co_truncate;
    nc->co_block_status = pre_co_block_status;
    nc->co_inactivate = pre_co_cut;
    nc->co_activate = pre_co_activate;
}

extern const TypeInfo block_type_preallocate;
const TypeInfo block_type_preallocate = {
    .name = TYPE_BLOCK_PREALLOCATE,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockPreallocate),
    .instance_init = pre_init,
    .class_init = pre_class_init,
    .props = pre_props,
};
