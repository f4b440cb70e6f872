/*
 * Qcow2: other versions of the format, with snapshots; going back to larger
 * disks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/dirty-bitmap.h"
#include "qapi/json.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "qcow2-bench.h"

#define DISK (256 * 1024)

static bool amend(BlockNode *top, const char *version, Error **errp)
{
    g_autoptr(json_t) opts = json_pack("{s:s}", "version", version);
    BlockBackend *blk = blk_new(qemu_get_aio_context());
    bool ok;

    blk_insert(blk, top, &error_abort);
    blk_set_perm(blk, true, true, &error_abort);
    ok = block_amend(blk, "qcow2", opts, false, false, NULL, errp);
    blk_unref(blk);
    return ok;
}

static void fill(BlockNode *top, int value)
{
    int64_t bytes = block_node_length(top);
    g_autofree uint8_t *buf = g_malloc((size_t)bytes);

    memset(buf, value, (size_t)bytes);
    g_assert_cmpint(bench_write(top, 0, buf, bytes), ==, 0);
}

static void assert_filled(BlockNode *top, int64_t from, int64_t to, int value)
{
    for (int64_t at = from; at < to; at += 4096) {
        uint8_t byte = (uint8_t)~value;

        g_assert_cmpint(node_pread(top, at, 1, &byte), ==, 0);
        g_assert_cmpint(byte, ==, value);
    }
}

/* The table of one snapshot "one" as the first programs wrote it: nothing
 * says how large its disk was. */
static void forget_extra(MemNode *mem)
{
    uint8_t *header = mem->bytes->data;
    uint8_t *entry = header + ldq_be_p(header + 64);

    g_assert_cmpuint(ldl_be_p(header + 60), ==, 1);
    g_assert_cmpmem(entry + 64, 4, "1one", 4);
    stl_be_p(entry + 36, 0);
    memcpy(entry + 40, "1one", 4);
    memset(entry + 44, 0, 28);
}

static void test_upgrade(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    BlockNode *top;
    Error *err = NULL;

    bench_create(DISK, "\"version\":\"v2\"");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_cmpint(bench_snapshot(top, "one", &id), ==, 0);
    fill(top, 2);
    g_assert_cmpint(bench_truncate(top, 2 * DISK, PREALLOC_MODE_OFF, &err), <,
                    0);
    error_free_or_abort(&err);
    block_node_unref(top);
    forget_extra(mem);

    top = bench_open("", 0, &error_abort);
    g_assert_true(amend(top, "v3", &error_abort));
    bench_assert_clean(top);
    g_assert_cmpint(bench_truncate(top, 2 * DISK, PREALLOC_MODE_OFF, NULL), ==,
                    0);
    block_node_unref(top);
    top = bench_open("", 0, &error_abort);
    assert_filled(top, 0, DISK, 2);
    assert_filled(top, DISK, 2 * DISK, 0);
    g_assert_cmpint(bench_snapshot_goto(top, "one"), ==, 0);
    g_assert_cmpint(block_node_length(top), ==, DISK);
    assert_filled(top, 0, DISK, 1);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

static void test_downgrade(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    BlockNode *top;
    Error *err = NULL;

    bench_create(DISK, "");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_cmpint(bench_snapshot(top, "one", &id), ==, 0);
    g_assert_cmpint(bench_zero(top, 0, DISK / 2, false), ==, 0);
    g_assert_false(amend(top, "v2", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "Internal snapshots"));
    error_free(err);
    g_assert_cmpint(bench_snapshot_delete(top, "1"), ==, 0);
    g_assert_true(amend(top, "v2", &error_abort));
    bench_assert_clean(top);
    block_node_unref(top);
    top = bench_open("", 0, &error_abort);
    assert_filled(top, 0, DISK / 2, 0);
    assert_filled(top, DISK / 2, DISK, 1);
    block_node_unref(top);
    mem_free(mem);
}

/* A bitmap that suits a small disk may be impossible for an older, larger
 * one. */
static void test_back_to_larger(void)
{
    const int64_t huge = INT64_C(64) << 40;
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    DirtyBitmap *b;
    BlockNode *top;

    bench_create((uint64_t)huge, "\"cluster-size\":2097152");
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(bench_snapshot(top, "large", &id), ==, 0);
    g_assert_cmpint(bench_truncate(top, DISK, PREALLOC_MODE_OFF, NULL), ==, 0);
    b = dirty_bitmap_new(top, "b", 512, &error_abort);
    b->persistent = true;
    g_assert_cmpint(bench_snapshot_goto(top, "large"), ==, -EINVAL);
    g_assert_cmpint(block_node_length(top), ==, DISK);
    dirty_bitmap_release(b);
    g_assert_cmpint(bench_snapshot_goto(top, "large"), ==, 0);
    g_assert_cmpint(block_node_length(top), ==, huge);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/qcow2/amend/upgrade", test_upgrade);
    g_test_add_func("/qcow2/amend/downgrade", test_downgrade);
    g_test_add_func("/qcow2/amend/back-to-larger", test_back_to_larger);
    return g_test_run();
}
