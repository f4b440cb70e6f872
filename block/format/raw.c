/*
 * Format "raw": the node below as it is, or a part of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "util/error.h"

#define TYPE_BLOCK_RAW TYPE_BLOCK_NODE "-raw"

OBJECT_DECLARE_SIMPLE_TYPE(BlockRaw, BLOCK_RAW)

struct BlockRaw {
    BlockNode parent_obj;

    json_t *file_ref;
    uint64_t offset;
    uint64_t size; /* 0: to the end */

    NodeLink file;
};

static bool check_place(BlockRaw *raw, uint64_t offset, uint64_t size,
                        Error **errp)
{
    int64_t length = block_node_length(raw->file.node);

    if (offset > (uint64_t)length || size > (uint64_t)length - offset) {
        error_setg(errp,
                   "offset %" PRIu64 " and size %" PRIu64
                   " do not lie inside the file of %" PRId64 " bytes",
                   offset, size, length);
        return false;
    }
    if (size % BLK_SECTOR_SIZE || offset % BLK_SECTOR_SIZE) {
        error_setg(errp, "offset and size must be multiples of %d",
                   BLK_SECTOR_SIZE);
        return false;
    }
    return true;
}

static int64_t place_length(const BlockRaw *raw)
{
    return raw->size ? (int64_t)raw->size
                     : block_node_length(raw->file.node) - (int64_t)raw->offset;
}

/*
 * Nobody said that the image is raw: a guest that writes the header of another
 * format would have the image taken for that at the next start.
 */
static int coroutine_fn check_first_block(BlockNode *node, int64_t offset,
                                          int64_t bytes, QEMUIOVector *qiov,
                                          size_t qiov_offset)
{
    uint8_t head[BLK_SECTOR_SIZE];

    if (!(node->open_flags & NODE_OPEN_PROBED) || offset >= BLK_SECTOR_SIZE) {
        return 0;
    }
    /* Requests have the alignment of a block while this is so. */
    qemu_iovec_to_buf(qiov, qiov_offset, head, sizeof(head));
    return g_str_equal(block_probe_format(head, sizeof(head), ""), "raw")
               ? 0
               : -EPERM;
}

static bool raw_open(BlockNode *node, Error **errp)
{
    BlockRaw *raw = BLOCK_RAW(node);
    BlockNode *file;

    if (!block_node_open_child(node, &raw->file, raw->file_ref, "file",
                               NODE_ROLE_DATA | NODE_ROLE_PRIMARY, errp) ||
        !check_place(raw, raw->offset, raw->size, errp)) {
        return false;
    }
    node->length = place_length(raw);
    file = raw->file.node;
    node->physical_block_size = file->physical_block_size;
    node->preferred_write = file->preferred_write;
    node->preferred_discard = file->preferred_discard;
    node->can_grow = file->can_grow && !raw->size;
    if (node->open_flags & NODE_OPEN_PROBED) {
        node->request_alignment = BLK_SECTOR_SIZE;
    }
    node->write_flags = BLK_REQ_FUA;
    node->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    return true;
}

static char *raw_filename(BlockNode *node)
{
    BlockNode *file = BLOCK_RAW(node)->file.node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->filename ? nc->filename(file) : g_strdup("");
}

static int64_t raw_allocated(BlockNode *node)
{
    BlockNode *file = BLOCK_RAW(node)->file.node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->allocated ? nc->allocated(file) : -ENOTSUP;
}

static int coroutine_fn raw_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_preadv(raw->file.node, offset + (int64_t)raw->offset, bytes,
                          qiov, qiov_offset, flags);
}

static int coroutine_fn raw_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);
    int ret = check_first_block(node, offset, bytes, qiov, qiov_offset);

    if (ret < 0) {
        return ret;
    }
    return node_co_pwritev(raw->file.node, offset + (int64_t)raw->offset, bytes,
                           qiov, qiov_offset, flags);
}

static int coroutine_fn raw_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_pdiscard(raw->file.node, offset + (int64_t)raw->offset,
                            bytes);
}

static int coroutine_fn raw_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_pwrite_zeroes(raw->file.node, offset + (int64_t)raw->offset,
                                 bytes, flags);
}

static int coroutine_fn raw_co_copy_range_to(BlockNode *node,
                                             int64_t src_offset, BlockNode *dst,
                                             int64_t dst_offset, int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_copy_range(raw->file.node, src_offset + (int64_t)raw->offset,
                              dst, dst_offset, bytes, flags);
}

static BlockNode *raw_writes_to(BlockNode *node, int64_t *offset)
{
    BlockRaw *raw = BLOCK_RAW(node);

    if (node->open_flags & NODE_OPEN_PROBED) {
        return NULL;
    }
    *offset += (int64_t)raw->offset;
    return raw->file.node;
}

static int coroutine_fn raw_co_block_status(BlockNode *node, unsigned want,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    BlockRaw *raw = BLOCK_RAW(node);

    *pnum = bytes;
    *map = offset + (int64_t)raw->offset;
    *file = raw->file.node;
    return NODE_STATUS_RAW | NODE_STATUS_OFFSET;
}

static int coroutine_fn raw_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    BlockRaw *raw = BLOCK_RAW(node);
    int ret;

    if (raw->size) {
        error_setg(errp, "node '%s' has a fixed size", block_node_name(node));
        return -ENOTSUP;
    }
    if (bytes > BLK_LENGTH_MAX - (int64_t)raw->offset) {
        error_setg(errp, "size %" PRId64 " is too large for offset %" PRIu64,
                   bytes, raw->offset);
        return -EINVAL;
    }
    ret = node_co_truncate(raw->file.node, bytes + (int64_t)raw->offset, exact,
                           prealloc, flags, errp);
    if (ret == 0) {
        block_node_set_length(node, block_node_length(raw->file.node) -
                                        (int64_t)raw->offset);
    }
    return ret;
}

typedef struct RawReopen {
    uint64_t offset;
    uint64_t size;
} RawReopen;

static uint64_t wanted(const json_t *opts, const char *key, uint64_t now)
{
    const json_t *value = json_object_get(opts, key);

    return value ? (uint64_t)json_integer_value(value) : now;
}

static bool raw_reopen_prepare(BlockNode *node, const json_t *opts,
                               void **state, Error **errp)
{
    BlockRaw *raw = BLOCK_RAW(node);
    RawReopen r = { wanted(opts, "offset", raw->offset),
                    wanted(opts, "size", raw->size) };

    if ((r.offset != raw->offset || r.size != raw->size) &&
        !check_place(raw, r.offset, r.size, errp)) {
        return false;
    }
    *state = g_memdup2(&r, sizeof(r));
    return true;
}

static void raw_reopen_commit(BlockNode *node, void *state)
{
    BlockRaw *raw = BLOCK_RAW(node);
    g_autofree RawReopen *r = state;

    raw->offset = r->offset;
    raw->size = r->size;
    node->can_grow = raw->file.node->can_grow && !raw->size;
    if (block_node_length(node) != place_length(raw) &&
        place_length(raw) >= 0) {
        block_node_set_length(node, place_length(raw));
    }
}

static void raw_reopen_abort(BlockNode *node, void *state)
{
    g_free(state);
}

static const char *const raw_reopen_props[] = { "offset", "size", NULL };

static void raw_child_resized(BlockNode *node, NodeLink *link)
{
    BlockRaw *raw = BLOCK_RAW(node);

    if (!raw->size) {
        block_node_set_length(
            node, MAX(0, block_node_length(link->node) - (int64_t)raw->offset));
    }
}

static int coroutine_fn raw_co_activate(BlockNode *node, Error **errp)
{
    raw_child_resized(node, &BLOCK_RAW(node)->file);
    return 0;
}

static const char *const raw_name_props[] = { "offset", "size", NULL };

static const Property raw_props[] = {
    { "file", PROP_JSON, offsetof(BlockRaw, file_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make",
      .since = "0.1" },
    { "offset", PROP_SIZE, offsetof(BlockRaw, offset), .unit = "bytes",
      .help = "where the image begins in the file", .since = "0.1" },
    { "size", PROP_SIZE, offsetof(BlockRaw, size), .unit = "bytes",
      .help = "size of the image; 0 = to the file's end", .since = "0.1" },
    {},
};

static void raw_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "raw";
    nc->help = "an image without a format";
    nc->is_format = true;
    nc->open = raw_open;
    nc->reopen_props = raw_reopen_props;
    nc->reopen_prepare = raw_reopen_prepare;
    nc->reopen_commit = raw_reopen_commit;
    nc->reopen_abort = raw_reopen_abort;
    nc->child_resized = raw_child_resized;
    nc->filename = raw_filename;
    nc->name_props = raw_name_props;
    nc->allocated = raw_allocated;
    nc->co_preadv = raw_co_preadv;
    nc->co_pwritev = raw_co_pwritev;
    nc->co_pdiscard = raw_co_pdiscard;
    nc->co_pwrite_zeroes = raw_co_pwrite_zeroes;
    nc->co_copy_range_to = raw_co_copy_range_to;
    nc->writes_to = raw_writes_to;
    nc->co_block_status = raw_co_block_status;
    nc->co_truncate = raw_co_truncate;
    nc->co_activate = raw_co_activate;
}

extern const TypeInfo block_type_raw;
const TypeInfo block_type_raw = {
    .name = TYPE_BLOCK_RAW,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockRaw),
    .class_init = raw_class_init,
    .props = raw_props,
};
