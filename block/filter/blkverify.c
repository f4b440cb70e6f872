/*
 * Filter "blkverify": two images with the same contents; every write goes to
 * both, every read is compared, and fails with EIO at the first difference.
 *
 * "test" is the image under test, "raw" the one to be trusted. As a file name:
 * blkverify:RAW:TEST.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"

#define TYPE_BLOCK_VERIFY TYPE_BLOCK_NODE "-blkverify"
OBJECT_DECLARE_SIMPLE_TYPE(BlockVerify, BLOCK_VERIFY)

struct BlockVerify {
    BlockFilter parent_obj; /* its file is the image under test */

    json_t *test_ref;
    json_t *raw_ref;
    NodeLink raw;
};

static BlockNode *raw_node(BlockNode *node)
{
    return BLOCK_VERIFY(node)->raw.node;
}

static bool verify_open(BlockNode *node, Error **errp)
{
    BlockVerify *b = BLOCK_VERIFY(node);
    BlockFilter *f = BLOCK_FILTER(node);

    if (!f->file_ref == !b->test_ref) {
        error_setg(errp, "parameter 'test' is %s",
                   b->test_ref ? "given twice, also as 'file'" : "missing");
        return false;
    }
    if (!f->file_ref) {
        f->file_ref = json_incref(b->test_ref);
    }
    if (!filter_base()->open(node, errp) ||
        !block_node_open_child(node, &b->raw, b->raw_ref, "raw", NODE_ROLE_DATA,
                               errp)) {
        return false;
    }
    if (block_node_length(raw_node(node)) != node->length) {
        error_setg(errp,
                   "nodes '%s' and '%s' have different sizes: %" PRId64
                   " and %" PRId64 " bytes",
                   block_node_name(filter_child(node)),
                   block_node_name(raw_node(node)), node->length,
                   block_node_length(raw_node(node)));
        return false;
    }
    node->can_grow = false;
    node->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP;
    return true;
}

static int64_t first_difference(const uint8_t *a, QEMUIOVector *qiov,
                                size_t qiov_offset, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        uint8_t b;

        qemu_iovec_to_buf(qiov, qiov_offset + (size_t)i, &b, 1);
        if (a[i] != b) {
            return i;
        }
    }
    return -1;
}

static int coroutine_fn verify_compare(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset, void *want,
                                       void *got)
{
    int64_t at;

    qemu_iovec_to_buf(qiov, qiov_offset, got, (size_t)bytes);
    if (!memcmp(got, want, (size_t)bytes)) {
        return 0;
    }
    at = first_difference(want, qiov, qiov_offset, bytes);
    error_report("node '%s': '%s' differs from '%s' at byte %" PRId64,
                 block_node_name(node), block_node_name(filter_child(node)),
                 block_node_name(raw_node(node)), offset + MAX(at, 0));
    return -EIO;
}

static int coroutine_fn verify_co_preadv(BlockNode *node, int64_t offset,
                                         int64_t bytes, QEMUIOVector *qiov,
                                         size_t qiov_offset,
                                         BlkRequestFlags flags)
{
    g_autofree void *want = g_try_malloc((gsize)bytes);
    g_autofree void *got = g_try_malloc((gsize)bytes);
    int ret = want && got ? 0 : -ENOMEM;

    if (ret == 0) {
        ret = node_co_preadv(filter_child(node), offset, bytes, qiov,
                             qiov_offset, flags);
    }
    if (ret == 0) {
        ret = node_co_pread(raw_node(node), offset, bytes, want, 0);
    }
    return ret < 0 ? ret
                   : verify_compare(node, offset, bytes, qiov, qiov_offset,
                                    want, got);
}

static int coroutine_fn verify_co_pwritev(BlockNode *node, int64_t offset,
                                          int64_t bytes, QEMUIOVector *qiov,
                                          size_t qiov_offset,
                                          BlkRequestFlags flags)
{
    int ret = node_co_pwritev(filter_child(node), offset, bytes, qiov,
                              qiov_offset, flags);

    return ret < 0 ? ret
                   : node_co_pwritev(raw_node(node), offset, bytes, qiov,
                                     qiov_offset, flags);
}

static int coroutine_fn verify_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                                int64_t bytes,
                                                BlkRequestFlags flags)
{
    int ret = node_co_pwrite_zeroes(filter_child(node), offset, bytes, flags);

    return ret < 0
               ? ret
               : node_co_pwrite_zeroes(raw_node(node), offset, bytes, flags);
}

/* What is discarded may read as anything: it is not discarded. */
static int coroutine_fn verify_co_pdiscard(BlockNode *node, int64_t offset,
                                           int64_t bytes)
{
    return 0;
}

static int coroutine_fn verify_co_truncate(BlockNode *node, int64_t bytes,
                                           bool exact, PreallocMode prealloc,
                                           BlkRequestFlags flags, Error **errp)
{
    error_setg(errp, "node '%s' has a fixed size", block_node_name(node));
    return -ENOTSUP;
}

static bool verify_parse_filename(const char *filename, json_t *opts,
                                  Error **errp)
{
    const char *rest;
    const char *colon;
    g_autofree char *name = NULL;
    json_t *raw;
    json_t *test;

    if (!strstart(filename, "blkverify:", &rest) ||
        !(colon = strchr(rest, ':'))) {
        error_setg(errp, "'%s' is not blkverify:RAW:TEST", filename);
        return false;
    }
    name = g_strndup(rest, (gsize)(colon - rest));
    raw = block_filename_options(name, errp);
    if (!raw) {
        return false;
    }
    json_object_set_new(opts, "raw", raw);
    test = block_filename_options(colon + 1, errp);
    if (!test) {
        return false;
    }
    json_object_set_new(opts, "test", test);
    return true;
}

static const Property verify_props[] = {
    { "file", PROP_JSON, offsetof(BlockFilter, file_ref), .qapi_type = "any",
      .flags = PROP_F_HIDDEN, .help = "the same as test", .since = "0.2" },
    { "test", PROP_JSON, offsetof(BlockVerify, test_ref), .qapi_type = "any",
      .help = "node-name, or a node to make: the image under test",
      .since = "0.2" },
    { "raw", PROP_JSON, offsetof(BlockVerify, raw_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED,
      .help = "node-name, or a node to make: the image to be trusted",
      .since = "0.2" },
    {},
};

static void verify_class_init(ObjectClass *oc, void *data)
{
    static const char *const schemes[] = { "blkverify", NULL };
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "blkverify";
    nc->help = "two images that must be the same, for tests";
    nc->uri_schemes = schemes;
    nc->parse_filename = verify_parse_filename;
    nc->open = verify_open;
    nc->co_preadv = verify_co_preadv;
    nc->co_pwritev = verify_co_pwritev;
    nc->co_pwritev_compressed = NULL;
    nc->co_pwrite_zeroes = verify_co_pwrite_zeroes;
    nc->co_pdiscard = verify_co_pdiscard;
    nc->co_truncate = verify_co_truncate;
}

extern const TypeInfo block_type_blkverify;
const TypeInfo block_type_blkverify = {
    .name = TYPE_BLOCK_VERIFY,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockVerify),
    .class_init = verify_class_init,
    .props = verify_props,
};
