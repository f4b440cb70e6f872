/*
 * Drivers "null-co" and "null-aio": an image without contents, for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/null-internal.h"
#include "util/coroutine.h"
#include "util/error.h"

static int coroutine_fn null_delay(BlockNode *node)
{
    BlockNull *n = BLOCK_NULL(node);

    if (n->latency_ns) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME,
                         (int64_t)MIN(n->latency_ns, (uint64_t)INT64_MAX));
    }
    return 0;
}

static int coroutine_fn null_co_preadv(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    if (BLOCK_NULL(node)->read_zeroes) {
        qemu_iovec_memset(qiov, qiov_offset, 0, (size_t)bytes);
    }
    return null_delay(node);
}

static int coroutine_fn null_co_pwritev(BlockNode *node, int64_t offset,
                                        int64_t bytes, QEMUIOVector *qiov,
                                        size_t qiov_offset,
                                        BlkRequestFlags flags)
{
    return null_delay(node);
}

static int coroutine_fn null_co_range(BlockNode *node, int64_t offset,
                                      int64_t bytes)
{
    return null_delay(node);
}

static int coroutine_fn null_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                              int64_t bytes,
                                              BlkRequestFlags flags)
{
    return null_delay(node);
}

static int coroutine_fn null_co_block_status(BlockNode *node, unsigned want,
                                             int64_t offset, int64_t bytes,
                                             int64_t *pnum, int64_t *map,
                                             BlockNode **file)
{
    *pnum = bytes;
    *map = offset;
    *file = node;
    return NODE_STATUS_OFFSET |
           (BLOCK_NULL(node)->read_zeroes ? NODE_STATUS_ZERO
                                          : NODE_STATUS_DATA);
}

static char *null_filename(BlockNode *node)
{
    return g_strdup_printf("%s://", BLOCK_NODE_GET_CLASS(node)->driver);
}

static void null_name_options(BlockNode *node, json_t *opts)
{
}

static int64_t null_allocated(BlockNode *node)
{
    return 0;
}

static bool null_open(BlockNode *node, Error **errp)
{
    BlockNull *n = BLOCK_NULL(node);

    if (n->size > BLK_LENGTH_MAX) {
        error_setg(errp, "size is too large");
        return false;
    }
    node->length = (int64_t)n->size;
    node->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    node->write_flags = BLK_REQ_FUA;
    return true;
}

static bool null_reopen_prepare(BlockNode *node, const json_t *opts,
                                void **state, Error **errp)
{
    return true;
}

static const char *const null_schemes[] = { "null-co", NULL };

static const char *const null_name_props[] = { "size", "read-zeroes", NULL };

static const Property null_props[] = {
    { "size", PROP_SIZE, offsetof(BlockNull, size), .def = "1G",
      .unit = "bytes", .help = "size of the image", .since = "0.1" },
    { "latency-ns", PROP_UINT64, offsetof(BlockNull, latency_ns), .def = "0",
      .unit = "ns", .help = "time that each request takes", .since = "0.1" },
    { "read-zeroes", PROP_BOOL, offsetof(BlockNull, read_zeroes), .def = "off",
      .help = "fill what is read with zeroes; else it is left as it is",
      .since = "0.1" },
    {},
};

static void null_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "null-co";
    nc->help = "no contents, for tests";
    nc->open = null_open;
    nc->uri_schemes = null_schemes;
    nc->reopen_prepare = null_reopen_prepare;
    nc->filename = null_filename;
    nc->name_props = null_name_props;
    nc->name_options = null_name_options;
    nc->allocated = null_allocated;
    nc->co_preadv = null_co_preadv;
    nc->co_pwritev = null_co_pwritev;
    nc->co_flush = null_delay;
    nc->co_pdiscard = null_co_range;
    nc->co_pwrite_zeroes = null_co_pwrite_zeroes;
    nc->co_block_status = null_co_block_status;
}

extern const TypeInfo block_type_null_co;
const TypeInfo block_type_null_co = {
    .name = TYPE_BLOCK_NULL,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockNull),
    .class_init = null_class_init,
    .props = null_props,
};
