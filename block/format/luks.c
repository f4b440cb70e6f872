/*
 * Format "luks": LUKS1, the header in front of the data or, given as node
 * "header", in a file of its own.
 *
 * A request is cut into chunks; each goes through one buffer of cipher text
 * (format/crypt-io.h). Zeroes are data like any other: what they look like in the
 * file is secret. Discards are not passed on, as they would show which parts
 * are in use.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/format/crypt-header.h"
#include "block/format/crypt-io.h"
#include "block/format/luks-internal.h"
#include "qapi/qapi-types-block.h"
#include "util/error.h"

static BlockNode *header_node(BlockLuks *luks)
{
    return luks->header.node ? luks->header.node : luks->file.node;
}

static int coroutine_fn luks_co_read_header(void *opaque, size_t offset,
                                            uint8_t *buf, size_t bytes,
                                            Error **errp)
{
    BlockNode *node = header_node(opaque);
    int ret;

    if (offset + bytes > (uint64_t)block_node_length(node)) {
        error_setg(errp, "node '%s' ends before %zu", block_node_name(node),
                   offset + bytes);
        return -EINVAL;
    }
    ret = node_co_pread(node, (int64_t)offset, (int64_t)bytes, buf, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "node '%s'", block_node_name(node));
    }
    return ret;
}

static bool luks_open_children(BlockNode *node, Error **errp)
{
    BlockLuks *luks = BLOCK_LUKS(node);

    if (!luks->header_ref) {
        return block_node_open_child(node, &luks->file, luks->file_ref, "file",
                                     NODE_ROLE_IMAGE, errp);
    }
    return block_node_open_child(node, &luks->file, luks->file_ref, "file",
                                 NODE_ROLE_DATA | NODE_ROLE_PRIMARY, errp) &&
           block_node_open_child(node, &luks->header, luks->header_ref,
                                 "header", NODE_ROLE_METADATA, errp);
}

static int64_t luks_length(const BlockLuks *luks)
{
    int64_t length = block_node_length(luks->file.node) - luks->payload_offset;

    return ROUND_DOWN(MAX(0, length), luks->sector_size);
}

static bool luks_set_length(BlockNode *node, Error **errp)
{
    BlockLuks *luks = BLOCK_LUKS(node);
    int64_t length = block_node_length(luks->file.node);
    uint64_t payload = qcrypto_block_get_payload_offset(luks->block);

    if (payload > (uint64_t)length) {
        error_setg(errp,
                   "the payload begins at %" PRIu64
                   ", behind the end of node '%s' of %" PRId64 " bytes",
                   payload, block_node_name(luks->file.node), length);
        return false;
    }
    luks->payload_offset = (int64_t)payload;
    node->length = luks_length(luks);
    return true;
}

static bool luks_open(BlockNode *node, Error **errp)
{
    BlockLuks *luks = BLOCK_LUKS(node);
    QCryptoBlockOpenOptions options = {
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = { .key_secret = luks->key_secret },
    };
    CryptHeader header = { .co_read = luks_co_read_header, .opaque = luks };
    bool no_io = node->open_flags & NODE_OPEN_NO_IO && !luks->key_secret;
    unsigned flags = no_io ? QCRYPTO_BLOCK_OPEN_NO_IO : 0;

    if (!luks_open_children(node, errp)) {
        return false;
    }
    if (luks->header.node) {
        flags |= QCRYPTO_BLOCK_OPEN_DETACHED;
    }
    luks->block = crypt_open(node, &header, &options, NULL, flags, errp);
    if (!luks->block) {
        return false;
    }
    luks->sector_size = (uint32_t)qcrypto_block_get_sector_size(luks->block);
    if (!luks_set_length(node, errp)) {
        g_clear_pointer(&luks->block, qcrypto_block_free);
        return false;
    }
    if (!no_io) {
        crypt_io_init(&luks->io, luks->block);
    }
    node->request_alignment = luks->sector_size;
    node->physical_block_size = luks->file.node->physical_block_size;
    node->preferred_write = luks->file.node->preferred_write;
    node->write_flags = BLK_REQ_FUA;
    return true;
}

static void luks_close(BlockNode *node)
{
    BlockLuks *luks = BLOCK_LUKS(node);

    crypt_io_deinit(&luks->io);
    g_clear_pointer(&luks->block, qcrypto_block_free);
}

/* -- requests -------------------------------------------------------------------- */

static int coroutine_fn luks_read_chunk(BlockLuks *luks, int64_t offset,
                                        size_t bytes, QEMUIOVector *qiov,
                                        size_t qiov_offset,
                                        BlkRequestFlags flags, uint8_t *buf)
{
    int ret = node_co_pread(luks->file.node, offset + luks->payload_offset,
                            (int64_t)bytes, buf, flags);

    return ret < 0 ? ret
                   : crypt_io_co_decrypt(&luks->io, (uint64_t)offset, qiov,
                                         qiov_offset, buf, bytes);
}

static int coroutine_fn luks_write_chunk(BlockLuks *luks, int64_t offset,
                                         size_t bytes, QEMUIOVector *qiov,
                                         size_t qiov_offset,
                                         BlkRequestFlags flags, uint8_t *buf)
{
    int ret = crypt_io_co_encrypt(&luks->io, (uint64_t)offset, qiov,
                                  qiov_offset, buf, bytes);

    return ret < 0
               ? ret
               : node_co_pwrite(luks->file.node, offset + luks->payload_offset,
                                (int64_t)bytes, buf, flags);
}

typedef int coroutine_fn (*LuksChunk)(BlockLuks *luks, int64_t offset,
                                      size_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags,
                                      uint8_t *buf);

static int coroutine_fn luks_co_chunks(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags, LuksChunk chunk)
{
    BlockLuks *luks = BLOCK_LUKS(node);
    size_t size = (size_t)MIN(bytes, CRYPT_IO_CHUNK);
    uint8_t *buf;
    int ret = 0;

    if (!luks->io.block) {
        return -EACCES;
    }
    buf = crypt_io_buffer_get(&luks->io, size);
    if (!buf) {
        return -ENOMEM;
    }
    while (bytes > 0 && ret == 0) {
        size_t n = (size_t)MIN(bytes, (int64_t)size);

        ret = chunk(luks, offset, n, qiov, qiov_offset, flags, buf);
        offset += (int64_t)n;
        qiov_offset += n;
        bytes -= (int64_t)n;
    }
    crypt_io_buffer_put(&luks->io, buf, size);
    return ret;
}

static int coroutine_fn luks_co_preadv(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    return luks_co_chunks(node, offset, bytes, qiov, qiov_offset, flags,
                          luks_read_chunk);
}

static int coroutine_fn luks_co_pwritev(BlockNode *node, int64_t offset,
                                        int64_t bytes, QEMUIOVector *qiov,
                                        size_t qiov_offset,
                                        BlkRequestFlags flags)
{
    return luks_co_chunks(node, offset, bytes, qiov, qiov_offset, flags,
                          luks_write_chunk);
}

static int coroutine_fn luks_co_truncate(BlockNode *node, int64_t bytes,
                                         bool exact, PreallocMode prealloc,
                                         BlkRequestFlags flags, Error **errp)
{
    BlockLuks *luks = BLOCK_LUKS(node);
    int ret;

    if (flags & BLK_REQ_ZERO_WRITE) {
        error_setg(errp, "format 'luks' cannot make new space read as zeroes");
        return -ENOTSUP;
    }
    if (bytes > BLK_LENGTH_MAX - luks->payload_offset) {
        error_setg(errp,
                   "size %" PRId64 " is too large for a payload at %" PRId64,
                   bytes, luks->payload_offset);
        return -EFBIG;
    }
    ret = node_co_truncate(luks->file.node, bytes + luks->payload_offset, exact,
                           prealloc, 0, errp);
    if (ret == 0) {
        block_node_set_length(node, luks_length(luks));
    }
    return ret;
}

/* The other process may have made it longer. */
static int coroutine_fn luks_co_activate(BlockNode *node, Error **errp)
{
    block_node_set_length(node, luks_length(BLOCK_LUKS(node)));
    return 0;
}

/* -- what it is ------------------------------------------------------------------- */

static int luks_probe(const uint8_t *buf, size_t len, const char *filename)
{
    return qcrypto_block_has_format(QCRYPTO_BLOCK_FORMAT_LUKS, buf, len) ? 100
                                                                         : 0;
}

static char *luks_filename(BlockNode *node)
{
    BlockNode *file = BLOCK_LUKS(node)->file.node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->filename ? nc->filename(file) : g_strdup("");
}

static int64_t luks_allocated(BlockNode *node)
{
    BlockNode *file = BLOCK_LUKS(node)->file.node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->allocated ? nc->allocated(file) : -ENOTSUP;
}

static ImageInfoSpecific *luks_specific_info(BlockNode *node, Error **errp)
{
    QCryptoBlockInfo *info =
        qcrypto_block_get_info(BLOCK_LUKS(node)->block, errp);
    ImageInfoSpecific *specific = g_new0(ImageInfoSpecific, 1);

    specific->type = IMAGE_INFO_SPECIFIC_KIND_LUKS;
    specific->u.luks.data = g_new(QCryptoBlockInfoLUKS, 1);
    *specific->u.luks.data = info->u.luks;
    /* Its members belong to @specific now. */
    memset(&info->u.luks, 0, sizeof(info->u.luks));
    qapi_free_QCryptoBlockInfo(info);
    return specific;
}

/* -- amendment ------------------------------------------------------------------- */

/* Key material and header must reach the disk in this order. */
static int coroutine_fn luks_co_write_header(void *opaque, size_t offset,
                                             const uint8_t *buf, size_t bytes)
{
    BlockNode *node = header_node(opaque);
    int ret = node_co_pwrite(node, (int64_t)offset, (int64_t)bytes, buf, 0);

    return ret < 0 ? ret : node_co_flush(node);
}

bool coroutine_fn luks_co_amend(BlockNode *node,
                                QCryptoBlockAmendOptions *options, bool force,
                                Error **errp)
{
    BlockLuks *luks = BLOCK_LUKS(node);
    CryptHeader header = {
        .co_read = luks_co_read_header,
        .co_write = luks_co_write_header,
        .opaque = luks,
    };

    return crypt_co_amend(&header, luks->block, options, force, errp);
}

static const char *const luks_name_props[] = { "key-secret", NULL };

static const Property luks_props[] = {
    { "file", PROP_JSON, offsetof(BlockLuks, file_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make",
      .since = "0.2" },
    { "header", PROP_JSON, offsetof(BlockLuks, header_ref), .qapi_type = "any",
      .help = "where the header is, if it is not in the file", .since = "0.2" },
    { "key-secret", PROP_STR, offsetof(BlockLuks, key_secret),
      .help = "id of the secret object with the passphrase", .since = "0.2" },
    {},
};

static void luks_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "luks";
    nc->help = "an encrypted image, LUKS version 1";
    nc->is_format = true;
    nc->probe = luks_probe;
    nc->open = luks_open;
    nc->close = luks_close;
    nc->filename = luks_filename;
    nc->name_props = luks_name_props;
    nc->allocated = luks_allocated;
    nc->co_preadv = luks_co_preadv;
    nc->co_pwritev = luks_co_pwritev;
    nc->co_truncate = luks_co_truncate;
    nc->co_activate = luks_co_activate;
    nc->specific_info = luks_specific_info;
}

extern const TypeInfo block_type_luks;
const TypeInfo block_type_luks = {
    .name = TYPE_BLOCK_LUKS,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockLuks),
    .class_init = luks_class_init,
    .props = luks_props,
};
