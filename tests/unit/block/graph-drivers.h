/*
 * Drivers for the tests of the graph: "mem" keeps its bytes in memory, "cow"
 * is a format with a map of clusters and a backing image, "pass" a filter.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_GRAPH_DRIVERS_H
#define TESTS_GRAPH_DRIVERS_H

#include "block/block-internal.h"
#include "qapi/json.h"
#include "util/main-loop.h"

#define MEM_BYTES   (1024 * 1024)
#define COW_CLUSTER 65536
#define COW_MAGIC   "COWTEST"

#define TYPE_TEST_MEM TYPE_BLOCK_NODE "-mem"
OBJECT_DECLARE_SIMPLE_TYPE(TestMem, TEST_MEM)
struct TestMem {
    BlockNode parent_obj;
    uint8_t *data;
    uint64_t size;
    int64_t delay_ns; /* of each write */
    int fail_writes;  /* -errno, or 0; atomic */
    int fail_flushes; /* the same */
    unsigned writes;  /* atomic */
    unsigned flushes; /* atomic */
    unsigned inside;  /* writes that are inside; atomic */
    unsigned perm;    /* of set_perm() */
    unsigned shared;
    bool refuse; /* set_perm() fails */
    unsigned hurried;
};

static int coroutine_fn mem_preadv(BlockNode *node, int64_t offset,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   size_t qiov_offset, BlkRequestFlags flags)
{
    qemu_iovec_from_buf(qiov, qiov_offset, TEST_MEM(node)->data + offset,
                        (size_t)bytes);
    return 0;
}

static int coroutine_fn mem_pwritev(BlockNode *node, int64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset, BlkRequestFlags flags)
{
    TestMem *m = TEST_MEM(node);

    qatomic_inc(&m->inside);
    if (m->delay_ns) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, m->delay_ns);
    }
    qatomic_inc(&m->writes);
    if (!qatomic_read(&m->fail_writes)) {
        qemu_iovec_to_buf(qiov, qiov_offset, m->data + offset, (size_t)bytes);
    }
    qatomic_dec(&m->inside);
    return qatomic_read(&m->fail_writes);
}

static int coroutine_fn mem_flush(BlockNode *node)
{
    qatomic_inc(&TEST_MEM(node)->flushes);
    return qatomic_read(&TEST_MEM(node)->fail_flushes);
}

static int coroutine_fn mem_truncate(BlockNode *node, int64_t bytes, bool exact,
                                     PreallocMode prealloc,
                                     BlkRequestFlags flags, Error **errp)
{
    if (bytes > MEM_BYTES) {
        error_setg(errp, "too long");
        return -ENOSPC;
    }
    block_node_set_length(node, bytes);
    return 0;
}

static bool mem_set_perm(BlockNode *node, unsigned perm, unsigned shared,
                         Error **errp)
{
    TestMem *m = TEST_MEM(node);

    if (m->refuse) {
        error_setg(errp, "refused by the test");
        return false;
    }
    m->perm = perm;
    m->shared = shared;
    return true;
}

static bool mem_open(BlockNode *node, Error **errp)
{
    TestMem *m = TEST_MEM(node);

    m->data = g_malloc0(MEM_BYTES);
    m->shared = NODE_PERM_ALL;
    node->length = (int64_t)MIN(m->size, MEM_BYTES);
    return true;
}

static void mem_close(BlockNode *node)
{
    g_clear_pointer(&TEST_MEM(node)->data, g_free);
}

static void mem_drain_begin(BlockNode *node)
{
    TEST_MEM(node)->hurried++;
}

static void mem_drain_end(BlockNode *node)
{
    TEST_MEM(node)->hurried--;
}

static bool mem_reopen_prepare(BlockNode *node, const json_t *opts,
                               void **state, Error **errp)
{
    return true;
}

static const Property mem_props[] = {
    { "size", PROP_SIZE, offsetof(TestMem, size), .def = "1M", .help = "size",
      .since = "0.1" },
    {},
};

static void mem_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "mem";
    nc->help = "test";
    nc->open = mem_open;
    nc->close = mem_close;
    nc->set_perm = mem_set_perm;
    nc->reopen_prepare = mem_reopen_prepare;
    nc->co_preadv = mem_preadv;
    nc->co_pwritev = mem_pwritev;
    nc->co_flush = mem_flush;
    nc->co_truncate = mem_truncate;
    nc->drain_begin = mem_drain_begin;
    nc->drain_end = mem_drain_end;
}

static const TypeInfo mem_type = {
    .name = TYPE_TEST_MEM,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(TestMem),
    .class_init = mem_class_init,
    .props = mem_props,
};

/* -- copy on write --------------------------------------------------------------- */

#define TYPE_TEST_COW TYPE_BLOCK_NODE "-cow"
OBJECT_DECLARE_SIMPLE_TYPE(TestCow, TEST_COW)
struct TestCow {
    BlockNode parent_obj;
    json_t *file_ref;
    json_t *backing_ref;
    NodeLink file;
    NodeLink backing;
    bool has[MEM_BYTES / COW_CLUSTER]; /* clusters that are here */
    unsigned activated;
    unsigned inactivated;
    bool fail_activate; /* after it wrote something */
};

/* After the magic: name of the backing file, ended by a newline. */
static bool cow_open_backing(TestCow *c, Error **errp)
{
    BlockNode *node = BLOCK_NODE(c);
    char head[512] = "";

    node->backing_link = &c->backing;
    if (json_is_null(c->backing_ref)) {
        return true;
    }
    if (c->backing_ref) {
        return block_node_open_child(node, &c->backing, c->backing_ref,
                                     "backing", NODE_ROLE_COW, errp);
    }
    node_pread(c->file.node, 0, sizeof(head) - 1, head);
    if (g_str_has_prefix(head, COW_MAGIC) && head[7] && head[7] != '\n') {
        *strchrnul(head + 7, '\n') = '\0';
        node->backing_file = g_strdup(head + 7);
        return block_open_backing(node, &c->backing, head + 7, NULL, errp);
    }
    return true;
}

static bool cow_open(BlockNode *node, Error **errp)
{
    TestCow *c = TEST_COW(node);

    if (!block_node_open_child(node, &c->file, c->file_ref, "file",
                               NODE_ROLE_IMAGE, errp)) {
        return false;
    }
    node->length = block_node_length(c->file.node);
    return cow_open_backing(c, errp);
}

static int cow_probe(const uint8_t *buf, size_t len, const char *filename)
{
    return len >= 7 && memcmp(buf, COW_MAGIC, 7) == 0 ? 100 : 0;
}

static int coroutine_fn cow_preadv(BlockNode *node, int64_t offset,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   size_t qiov_offset, BlkRequestFlags flags)
{
    TestCow *c = TEST_COW(node);
    int ret = 0;

    while (bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, COW_CLUSTER - offset % COW_CLUSTER);
        BlockNode *from = qatomic_read(&c->has[offset / COW_CLUSTER])
                              ? c->file.node
                              : c->backing.node;

        if (from) {
            ret = node_co_preadv(from, offset, n, qiov, qiov_offset, 0);
        } else {
            qemu_iovec_memset(qiov, qiov_offset, 0, (size_t)n);
        }
        offset += n;
        qiov_offset += (size_t)n;
        bytes -= n;
    }
    return ret;
}

/* Whole clusters only. */
static int coroutine_fn cow_pwritev(BlockNode *node, int64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset, BlkRequestFlags flags)
{
    TestCow *c = TEST_COW(node);
    int ret =
        node_co_pwritev(c->file.node, offset, bytes, qiov, qiov_offset, flags);

    for (int64_t i = offset / COW_CLUSTER; i * COW_CLUSTER < offset + bytes;
         i++) {
        qatomic_set(&c->has[i], true);
    }
    return ret;
}

static int coroutine_fn cow_block_status(BlockNode *node, unsigned want,
                                         int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map,
                                         BlockNode **file)
{
    TestCow *c = TEST_COW(node);
    bool has = c->has[offset / COW_CLUSTER];
    int64_t end = offset;

    while (end < offset + bytes && c->has[end / COW_CLUSTER] == has) {
        end = (end / COW_CLUSTER + 1) * COW_CLUSTER;
    }
    *pnum = MIN(end - offset, bytes);
    *map = offset;
    *file = c->file.node;
    return has ? NODE_STATUS_DATA | NODE_STATUS_OFFSET : 0;
}

static int coroutine_fn cow_inactivate(BlockNode *node, Error **errp)
{
    TEST_COW(node)->inactivated++;
    return 0;
}

static int coroutine_fn cow_activate(BlockNode *node, Error **errp)
{
    TestCow *c = TEST_COW(node);

    c->activated++;
    if (c->fail_activate) {
        node_co_pwrite(c->file.node, 0, 1, "", 0);
        error_setg(errp, "not activated by the test");
        return -EIO;
    }
    return 0;
}

static const Property cow_props[] = {
    { "file", PROP_JSON, offsetof(TestCow, file_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "file", .since = "0.1" },
    { "backing", PROP_JSON, offsetof(TestCow, backing_ref), .qapi_type = "any",
      .help = "backing", .since = "0.1" },
    {},
};

static void cow_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "cow";
    nc->help = "test";
    nc->is_format = true;
    nc->supports_backing = true;
    nc->probe = cow_probe;
    nc->open = cow_open;
    nc->reopen_prepare = mem_reopen_prepare;
    nc->co_preadv = cow_preadv;
    nc->co_pwritev = cow_pwritev;
    nc->co_block_status = cow_block_status;
    nc->co_inactivate = cow_inactivate;
    nc->co_activate = cow_activate;
}

static const TypeInfo cow_type = {
    .name = TYPE_TEST_COW,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(TestCow),
    .class_init = cow_class_init,
    .props = cow_props,
};

/* -- filter ---------------------------------------------------------------------- */

static void pass_class_init(ObjectClass *oc, void *data)
{
    BLOCK_NODE_CLASS(oc)->driver = "pass";
    BLOCK_NODE_CLASS(oc)->help = "test";
}

static const TypeInfo pass_type = {
    .name = TYPE_BLOCK_NODE "-pass",
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockFilter),
    .class_init = pass_class_init,
};

static inline void drivers_register(void)
{
    type_register_static(&mem_type);
    type_register_static(&cow_type);
    type_register_static(&pass_type);
}

static inline BlockNode *open_json(const char *text)
{
    g_autoptr(json_t) opts = qobject_from_json(text, &error_abort);

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

static inline BlockNode *open_mem(const char *name)
{
    g_autofree char *text =
        g_strdup_printf("{\"driver\":\"mem\",\"node-name\":\"%s\"}", name);

    return open_json(text);
}

static inline BlockNode *open_over(const char *driver, const char *name,
                                   const char *file, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "{\"driver\":\"%s\",\"node-name\":\"%s\",\"file\":\"%s\"%s}", driver,
        name, file, more);

    return open_json(text);
}

static inline BlockBackend *backend_on(BlockNode *node, bool write, bool share)
{
    BlockBackend *blk = blk_new(qemu_get_aio_context());

    blk_insert(blk, node, &error_abort);
    blk_set_perm(blk, write, share, &error_abort);
    return blk;
}

#endif
