/*
 * The bench of qcow2-bench.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qcow2-bench.h"

#include "block/create.h"
#include "block/types.h"
#include "qapi/json.h"
#include "util/error.h"
#include "util/main-loop.h"

/* Longest file. */
#define MEM_BYTES_MAX (256 * 1024 * 1024)

/* -- the node ----------------------------------------------------------------- */

static uint32_t mem_random(MemNode *mem)
{
    mem->seed = mem->seed * 1664525u + 1013904223u;
    return mem->seed >> 8;
}

/* A few rounds of the loop later. */
static void coroutine_fn mem_wait(MemNode *mem)
{
    AioContext *ctx = qemu_coroutine_get_aio_context(qemu_coroutine_self());
    uint32_t n = 0;

    WITH_QEMU_LOCK_GUARD(&mem->lock)
    {
        n = mem->jitter ? mem_random(mem) % 4 : 0;
    }
    while (n-- > 0) {
        aio_co_schedule(ctx, qemu_coroutine_self());
        qemu_coroutine_yield();
    }
}

/* Count down to a failure. The lock is held. */
static int fault(MemNode *mem, int *left)
{
    if (*left < 0) {
        return 0;
    }
    if (*left > 0) {
        --*left;
        return 0;
    }
    if (left != &mem->fail_writes_after || --mem->fail_writes_for <= 0) {
        *left = -1;
    }
    return -mem->error;
}

void mem_apply(GByteArray *bytes, const MemEntry *e, const uint8_t *sectors)
{
    if (e->what == MEM_TRUNCATE) {
        guint old = bytes->len;

        g_byte_array_set_size(bytes, (guint)e->offset);
        if ((guint)e->offset > old) {
            memset(bytes->data + old, 0, (guint)e->offset - old);
        }
        return;
    }
    if (e->what == MEM_FLUSH) {
        return;
    }
    if (e->offset + e->bytes > bytes->len) {
        MemEntry grow = { MEM_TRUNCATE, e->offset + e->bytes };

        mem_apply(bytes, &grow, NULL);
    }
    for (int64_t done = 0, i = 0; done < e->bytes; i++) {
        int64_t at = e->offset + done;
        int64_t n = MIN(512 - (at & 511), e->bytes - done);

        if (!sectors || sectors[i]) {
            if (e->data) {
                memcpy(bytes->data + at, e->data + done, (size_t)n);
            } else {
                memset(bytes->data + at, 0, (size_t)n);
            }
        }
        done += n;
    }
}

static void mem_do(MemNode *mem, int what, int64_t offset, int64_t bytes,
                   const void *data)
{
    MemEntry e = { what, offset, bytes,
                   data ? g_memdup2(data, (size_t)bytes) : NULL, mem->file };

    mem_apply(mem->bytes, &e, NULL);
    if (mem->logging) {
        g_array_append_val(mem->log, e);
    } else {
        g_free(e.data);
    }
}

static int coroutine_fn mem_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    MemNode *mem = MEM_NODE(node);
    int ret;

    mem_wait(mem);
    QEMU_LOCK_GUARD(&mem->lock);
    ret = fault(mem, &mem->fail_reads_after);
    if (ret == 0) {
        qemu_iovec_from_buf(qiov, qiov_offset, mem->bytes->data + offset,
                            (size_t)bytes);
    }
    return ret;
}

static int coroutine_fn mem_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    MemNode *mem = MEM_NODE(node);
    g_autofree uint8_t *buf = g_malloc((size_t)bytes);
    int ret;

    mem_wait(mem);
    qemu_iovec_to_buf(qiov, qiov_offset, buf, (size_t)bytes);
    QEMU_LOCK_GUARD(&mem->lock);
    ret = offset + bytes > MEM_BYTES_MAX ? -EFBIG
                                         : fault(mem, &mem->fail_writes_after);
    if (ret == 0) {
        mem_do(mem, MEM_WRITE, offset, bytes, buf);
        if (offset + bytes > block_node_length(node)) {
            block_node_set_length(node, offset + bytes);
        }
    }
    return ret;
}

static int coroutine_fn mem_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    MemNode *mem = MEM_NODE(node);
    int ret;

    mem_wait(mem);
    QEMU_LOCK_GUARD(&mem->lock);
    ret = offset + bytes > MEM_BYTES_MAX ? -EFBIG
                                         : fault(mem, &mem->fail_writes_after);
    if (ret == 0) {
        mem_do(mem, MEM_WRITE, offset, bytes, NULL);
        if (offset + bytes > block_node_length(node)) {
            block_node_set_length(node, offset + bytes);
        }
    }
    return ret;
}

/* What was discarded is gone: the worst that a disk may do. */
static int coroutine_fn mem_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    MemNode *mem = MEM_NODE(node);
    g_autofree uint8_t *junk = g_malloc((size_t)bytes);

    memset(junk, 0xdd, (size_t)bytes);
    mem_wait(mem);
    QEMU_LOCK_GUARD(&mem->lock);
    mem_do(mem, MEM_WRITE, offset, bytes, junk);
    return 0;
}

static int coroutine_fn mem_co_flush(BlockNode *node)
{
    MemNode *mem = MEM_NODE(node);
    int ret;

    mem_wait(mem);
    QEMU_LOCK_GUARD(&mem->lock);
    ret = fault(mem, &mem->fail_writes_after);
    if (ret == 0) {
        mem_do(mem, MEM_FLUSH, 0, 0, NULL);
    }
    return ret;
}

static int coroutine_fn mem_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    MemNode *mem = MEM_NODE(node);

    if (bytes > MEM_BYTES_MAX) {
        error_setg(errp, "too long");
        return -EFBIG;
    }
    QEMU_LOCK_GUARD(&mem->lock);
    mem_do(mem, MEM_TRUNCATE, bytes, 0, NULL);
    block_node_set_length(node, bytes);
    return 0;
}

static bool mem_open(BlockNode *node, Error **errp)
{
    node->can_grow = true;
    node->zero_flags = BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    return true;
}

static void entry_clear(void *entry)
{
    g_free(((MemEntry *)entry)->data);
}

static void mem_instance_init(Object *obj)
{
    MemNode *mem = MEM_NODE(obj);

    qemu_mutex_init(&mem->lock);
    mem->bytes = g_byte_array_new();
    mem->log = g_array_new(false, false, sizeof(MemEntry));
    g_array_set_clear_func(mem->log, entry_clear);
    mem->fail_writes_after = mem->fail_reads_after = -1;
    mem->error = EIO;
    mem->seed = 1;
}

static void mem_instance_finalize(Object *obj)
{
    MemNode *mem = MEM_NODE(obj);

    g_array_unref(mem->log);
    g_byte_array_unref(mem->bytes);
    qemu_mutex_destroy(&mem->lock);
}

static void mem_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "testmem";
    nc->help = "memory";
    nc->open = mem_open;
    nc->co_preadv = mem_co_preadv;
    nc->co_pwritev = mem_co_pwritev;
    nc->co_pwrite_zeroes = mem_co_pwrite_zeroes;
    nc->co_pdiscard = mem_co_pdiscard;
    nc->co_flush = mem_co_flush;
    nc->co_truncate = mem_co_truncate;
}

static const TypeInfo mem_type = {
    .name = TYPE_MEM_NODE,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(MemNode),
    .instance_init = mem_instance_init,
    .instance_finalize = mem_instance_finalize,
    .class_init = mem_class_init,
};

void bench_init(void)
{
    qemu_init_main_loop(&error_abort);
    block_register_types();
    type_register_static(&mem_type);
}

MemNode *mem_new(const char *name, const void *data, size_t len)
{
    g_autoptr(json_t) opts = json_pack("{s:s, s:s, s:s}", "driver", "testmem",
                                       "node-name", name, "discard", "unmap");
    BlockNode *node =
        block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
    MemNode *mem = MEM_NODE(node);

    g_byte_array_append(mem->bytes, data, (guint)len);
    block_node_set_length(node, (int64_t)len);
    return mem;
}

void mem_free(MemNode *mem)
{
    block_node_unref(BLOCK_NODE(mem));
}

void mem_log_start(MemNode *mem)
{
    g_array_set_size(mem->log, 0);
    mem->logging = true;
}

void mem_log_share(MemNode *mem, MemNode *other, unsigned file)
{
    g_array_unref(mem->log);
    mem->log = g_array_ref(other->log);
    mem->file = file;
    mem->logging = true;
}

/* -- images --------------------------------------------------------------------- */

void bench_create(uint64_t size, const char *options)
{
    g_autofree char *text =
        g_strdup_printf("{\"file\":\"mem\",\"size\":%" PRIu64 "%s%s}", size,
                        *options ? "," : "", options);
    g_autoptr(json_t) opts = qobject_from_json(text, &error_abort);

    g_assert_true(block_create("qcow2", opts, false, qemu_get_aio_context(),
                               NULL, &error_abort));
}

BlockNode *bench_open(const char *options, unsigned flags, Error **errp)
{
    g_autofree char *text = g_strdup_printf(
        "{\"driver\":\"qcow2\",\"file\":\"mem\",\"node-name\":\"top\"%s%s}",
        *options ? "," : "", options);
    g_autoptr(json_t) opts = qobject_from_json(text, &error_abort);

    return block_node_new_with_flags(opts, false, qemu_get_aio_context(), flags,
                                     errp);
}

/* -- requests, waiting -------------------------------------------------------------- */

typedef struct Call {
    enum {
        CALL_WRITE,
        CALL_COMPRESSED,
        CALL_ZERO,
        CALL_DISCARD,
        CALL_TRUNCATE,
        CALL_CHECK,
        CALL_SNAPSHOT,
        CALL_DELETE,
        CALL_GOTO,
        CALL_LOAD,
        CALL_REMOVE_BITMAP,
        CALL_CHANGE_BACKING,
    } what;
    BlockNode *node;
    int64_t offset;
    int64_t bytes;
    const void *buf;
    unsigned flags;
    ImageCheck *check;
    SnapshotInfo *info;
    const char *id;
    Error **errp;
} Call;

static int coroutine_fn call_entry(void *opaque)
{
    Call *c = opaque;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(c->node);
    QEMUIOVector qiov;

    switch (c->what) {
    case CALL_WRITE:
        return node_co_pwrite(c->node, c->offset, c->bytes, c->buf, 0);
    case CALL_COMPRESSED:
        qemu_iovec_init_buf(&qiov, (void *)c->buf, (size_t)c->bytes);
        return node_co_pwritev(c->node, c->offset, c->bytes, &qiov, 0,
                               BLK_REQ_WRITE_COMPRESSED);
    case CALL_ZERO:
        return node_co_pwrite_zeroes(c->node, c->offset, c->bytes, c->flags);
    case CALL_DISCARD:
        return node_co_pdiscard(c->node, c->offset, c->bytes);
    case CALL_TRUNCATE:
        return node_co_truncate(c->node, c->bytes, true, c->flags, 0, c->errp);
    case CALL_CHECK:
        return nc->co_check(c->node, c->flags, NULL, c->check, NULL);
    case CALL_SNAPSHOT:
        return nc->co_snapshot_create(c->node, c->info, NULL);
    case CALL_DELETE:
        return nc->co_snapshot_delete(c->node, c->id, NULL, NULL);
    case CALL_GOTO:
        return nc->co_snapshot_goto(c->node, c->id, NULL);
    case CALL_LOAD:
        return nc->co_snapshot_load_tmp(c->node, c->id, NULL, NULL);
    case CALL_REMOVE_BITMAP:
        return nc->co_remove_bitmap(c->node, c->id, NULL);
    case CALL_CHANGE_BACKING:
        return nc->co_change_backing(c->node, c->id, "raw", NULL);
    }
    return -EINVAL;
}

static int run(Call c)
{
    return node_run_co(qemu_get_aio_context(), call_entry, &c);
}

int bench_write(BlockNode *node, int64_t offset, const void *buf, int64_t bytes)
{
    return run((Call){ CALL_WRITE, node, offset, bytes, buf });
}

int bench_compressed(BlockNode *node, int64_t offset, const void *buf,
                     int64_t bytes)
{
    return run((Call){ CALL_COMPRESSED, node, offset, bytes, buf });
}

int bench_zero(BlockNode *node, int64_t offset, int64_t bytes, bool unmap)
{
    return run((Call){ CALL_ZERO, node, offset, bytes,
                       .flags = unmap ? BLK_REQ_MAY_UNMAP : 0 });
}

int bench_discard(BlockNode *node, int64_t offset, int64_t bytes)
{
    return run((Call){ CALL_DISCARD, node, offset, bytes });
}

int bench_truncate(BlockNode *node, int64_t bytes, PreallocMode mode,
                   Error **errp)
{
    return run(
        (Call){ CALL_TRUNCATE, node, 0, bytes, .flags = mode, .errp = errp });
}

int bench_check(BlockNode *node, ImageCheck *result, unsigned fix)
{
    memset(result, 0, sizeof(*result));
    return run((Call){ CALL_CHECK, node, .flags = fix, .check = result });
}

int bench_snapshot(BlockNode *node, const char *name, char **ret_id)
{
    SnapshotInfo info = { .name = (char *)name };
    int ret = run((Call){ CALL_SNAPSHOT, node, .info = &info });

    *ret_id = info.id;
    return ret;
}

int bench_snapshot_delete(BlockNode *node, const char *id)
{
    return run((Call){ CALL_DELETE, node, .id = id });
}

int bench_snapshot_goto(BlockNode *node, const char *id)
{
    return run((Call){ CALL_GOTO, node, .id = id });
}

int bench_snapshot_load(BlockNode *node, const char *id)
{
    return run((Call){ CALL_LOAD, node, .id = id });
}

int bench_remove_bitmap(BlockNode *node, const char *name)
{
    return run((Call){ CALL_REMOVE_BITMAP, node, .id = name });
}

int bench_change_backing(BlockNode *node, const char *file)
{
    return run((Call){ CALL_CHANGE_BACKING, node, .id = file });
}

void bench_assert_clean(BlockNode *node)
{
    ImageCheck r;

    g_assert_cmpint(bench_check(node, &r, 0), ==, 0);
    g_assert_cmpint(r.check_errors, ==, 0);
    g_assert_cmpint(r.corruptions, ==, 0);
    g_assert_cmpint(r.leaks, ==, 0);
}
