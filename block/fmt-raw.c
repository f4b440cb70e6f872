/*
 * Format "raw": the node below as it is, or a part of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "block-internal.h"

#define TYPE_BLOCK_RAW TYPE_BLOCK_NODE "-raw"

OBJECT_DECLARE_SIMPLE_TYPE(BlockRaw, BLOCK_RAW)

struct BlockRaw {
    BlockNode parent_obj;

    json_t *file_ref;
    uint64_t offset;
    uint64_t size; /* 0: to the end */

    BlockNode *file;
    NodeUser user;
};

static bool place(BlockRaw *raw, Error **errp)
{
    int64_t length = block_node_length(raw->file);

    if (raw->offset > (uint64_t)length ||
        raw->size > (uint64_t)length - raw->offset) {
        error_setg(errp,
                   "offset %" PRIu64 " and size %" PRIu64
                   " do not lie inside the file of %" PRId64 " bytes",
                   raw->offset, raw->size, length);
        return false;
    }
    if (raw->size % BLK_SECTOR_SIZE || raw->offset % BLK_SECTOR_SIZE) {
        error_setg(errp, "offset and size must be multiples of %d",
                   BLK_SECTOR_SIZE);
        return false;
    }
    BLOCK_NODE(raw)->length =
        raw->size ? (int64_t)raw->size : length - (int64_t)raw->offset;
    return true;
}

static bool raw_open(BlockNode *node, Error **errp)
{
    BlockRaw *raw = BLOCK_RAW(node);

    raw->file = block_node_child(node, raw->file_ref, "file", errp);
    if (!raw->file) {
        return false;
    }
    if (raw->file->read_only && !node->read_only) {
        if (!node->auto_read_only && !raw->file->auto_read_only) {
            error_setg(errp, "Node '%s' is read-only",
                       block_node_name(raw->file));
        } else {
            node->read_only = true;
        }
    }
    raw->user.what = node->name;
    if ((raw->file->read_only && !node->read_only) || !place(raw, errp) ||
        !block_node_use(raw->file, &raw->user, 0, NODE_PERM_ALL, errp)) {
        g_clear_pointer(&raw->file, block_node_unref);
        return false;
    }
    node->physical_block_size = raw->file->physical_block_size;
    return true;
}

static void raw_close(BlockNode *node)
{
    BlockRaw *raw = BLOCK_RAW(node);

    block_node_unuse(raw->file, &raw->user);
    g_clear_pointer(&raw->file, block_node_unref);
}

static bool raw_set_perm(BlockNode *node, unsigned perm, unsigned shared,
                         Error **errp)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return block_node_set_user(raw->file, &raw->user, perm, shared, errp);
}

static char *raw_filename(BlockNode *node)
{
    BlockNode *file = BLOCK_RAW(node)->file;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->filename ? nc->filename(file) : g_strdup("");
}

static int64_t raw_allocated(BlockNode *node)
{
    BlockNode *file = BLOCK_RAW(node)->file;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->allocated ? nc->allocated(file) : -ENOTSUP;
}

static int coroutine_fn raw_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_preadv(raw->file, offset + (int64_t)raw->offset, qiov);
}

static int coroutine_fn raw_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_pwritev(raw->file, offset + (int64_t)raw->offset, qiov,
                           flags);
}

static int coroutine_fn raw_co_flush(BlockNode *node)
{
    return node_co_flush(BLOCK_RAW(node)->file);
}

static int coroutine_fn raw_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_pdiscard(raw->file, offset + (int64_t)raw->offset, bytes);
}

static int coroutine_fn raw_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockRaw *raw = BLOCK_RAW(node);

    return node_co_pwrite_zeroes(raw->file, offset + (int64_t)raw->offset,
                                 bytes, flags);
}

static int coroutine_fn raw_co_truncate(BlockNode *node, int64_t bytes)
{
    BlockRaw *raw = BLOCK_RAW(node);
    int ret;

    if (raw->size || raw->offset) {
        return -ENOTSUP;
    }
    ret = node_co_truncate(raw->file, bytes);
    if (ret == 0) {
        __atomic_store_n(&node->length, block_node_length(raw->file),
                         __ATOMIC_RELEASE);
    }
    return ret;
}

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
    nc->open = raw_open;
    nc->close = raw_close;
    nc->set_perm = raw_set_perm;
    nc->filename = raw_filename;
    nc->allocated = raw_allocated;
    nc->co_preadv = raw_co_preadv;
    nc->co_pwritev = raw_co_pwritev;
    nc->co_flush = raw_co_flush;
    nc->co_pdiscard = raw_co_pdiscard;
    nc->co_pwrite_zeroes = raw_co_pwrite_zeroes;
    nc->co_truncate = raw_co_truncate;
}

extern const TypeInfo block_type_raw;
const TypeInfo block_type_raw = {
    .name = TYPE_BLOCK_RAW,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockRaw),
    .class_init = raw_class_init,
    .props = raw_props,
};
