/*
 * Bitmaps that are stored in a qcow2 image, while its storage fails: none is
 * lost that is not the one being written, none counts for more than it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/qcow2/internal.h"
#include "qapi/json.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "qcow2-bench.h"

#define DISK (1024 * 1024)

static DirtyBitmap *stored_bitmap(BlockNode *top, const char *name)
{
    DirtyBitmap *b = dirty_bitmap_new(top, name, 65536, &error_abort);

    g_assert_true(dirty_bitmap_can_store(b, &error_abort));
    b->persistent = true;
    return b;
}

/* What is in @name, which counts for something. */
static int64_t stored_count(BlockNode *top, const char *name)
{
    DirtyBitmap *b = dirty_bitmap_find(top, name);

    g_assert_nonnull(b);
    g_assert_false(b->inconsistent);
    return dirty_bitmap_count(b);
}

/* Whatever fails while they are stored, those that are there are right, and
 * none is freed twice. */
static void test_bitmap_faults(void)
{
    bool failed = true;

    for (int n = 0; failed; n++) {
        MemNode *mem = mem_new("mem", "", 0);
        BlockNode *top;
        ImageCheck r;

        bench_create(DISK, "");
        top = bench_open("", 0, &error_abort);
        dirty_bitmap_disable(stored_bitmap(top, "a"));
        stored_bitmap(top, "b");
        block_node_unref(top);
        top = bench_open("", 0, &error_abort);
        dirty_bitmap_set(dirty_bitmap_find(top, "b"), 0, 3 * 65536);
        mem->fail_writes_after = n;
        if (!node_inactivate_all(NULL)) {
            g_assert_cmpint(mem->fail_writes_after, ==, -1);
            g_assert_cmpint(bench_zero(top, 0, 65536, false), ==, 0);
            g_assert_true(node_inactivate_all(&error_abort));
        }
        failed = mem->fail_writes_after < 0;
        mem->fail_writes_after = -1;
        g_assert_true(node_activate_all(&error_abort));
        g_assert_cmpint(stored_count(top, "b"), ==, 3 * 65536);
        g_assert_cmpint(stored_count(top, "a"), ==, 0);
        block_node_unref(top);
        top = bench_open("", 0, &error_abort);
        g_assert_cmpint(stored_count(top, "b"), ==, 3 * 65536);
        g_assert_cmpint(bench_check(top, &r, 0), ==, 0);
        g_assert_cmpint(r.corruptions, ==, 0);
        block_node_unref(top);
        mem_free(mem);
    }
}

/* Where the tables of bitmaps are is unknown: nothing looks like a leak. */
static void test_bitmap_list_broken(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree uint8_t *before = NULL;
    BlockNode *top;
    ImageCheck r;
    uint64_t list;
    guint len;

    bench_create(DISK, "");
    top = bench_open("", 0, &error_abort);
    dirty_bitmap_set(stored_bitmap(top, "a"), 0, 65536);
    block_node_unref(top);
    top = bench_open("\"read-only\":true", 0, &error_abort);
    list = BLOCK_QCOW2(top)->header.bitmap_dir_offset;
    block_node_unref(top);
    mem->bytes->data[list + 17] ^= 0xff; /* its granularity */
    len = mem->bytes->len;
    before = g_memdup2(mem->bytes->data, len);
    top = bench_open("", NODE_OPEN_CHECK, &error_abort);
    g_assert_cmpint(bench_check(top, &r, 0), ==, 0);
    g_assert_cmpint(r.check_errors, ==, 1);
    g_assert_cmpint(r.leaks, ==, 0);
    g_assert_cmpint(bench_check(top, &r, NODE_FIX_LEAKS), ==, -EIO);
    g_assert_cmpint(bench_check(top, &r, NODE_FIX_LEAKS | NODE_FIX_ERRORS), ==,
                    -EIO);
    block_node_unref(top);
    g_assert_cmpmem(mem->bytes->data, mem->bytes->len, before, len);
    mem->bytes->data[list + 17] ^= 0xff;
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(stored_count(top, "a"), ==, 65536);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* A table that leads where no cluster begins, or says two things at once: what
 * it meant is not freed. */
static void test_bitmap_table_broken(void)
{
    static const uint64_t wrong[] = { 512, 1, 2 };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        MemNode *mem = mem_new("mem", "", 0);
        g_autofree uint8_t *before = NULL;
        uint64_t table;
        BlockNode *top;
        ImageCheck r;
        guint len;

        bench_create(DISK, "");
        top = bench_open("", 0, &error_abort);
        dirty_bitmap_set(stored_bitmap(top, "a"), 0, 65536);
        block_node_unref(top);
        top = bench_open("\"read-only\":true", 0, &error_abort);
        table = BLOCK_QCOW2(top)->bitmaps[0].table_offset;
        block_node_unref(top);
        stq_be_p(mem->bytes->data + table,
                 ldq_be_p(mem->bytes->data + table) + wrong[i]);
        len = mem->bytes->len;
        before = g_memdup2(mem->bytes->data, len);
        for (unsigned fix = 0; fix <= (NODE_FIX_LEAKS | NODE_FIX_ERRORS);
             fix++) {
            top = bench_open("", NODE_OPEN_CHECK, &error_abort);
            g_assert_cmpint(bench_check(top, &r, fix), ==, 0);
            g_assert_cmpint(r.corruptions, ==, 1);
            g_assert_cmpint(r.leaks, ==, 1);
            g_assert_cmpint(r.leaks_fixed + r.corruptions_fixed, ==, 0);
            block_node_unref(top);
            g_assert_cmpmem(mem->bytes->data, mem->bytes->len, before, len);
        }
        mem_free(mem);
    }
}

/* One that fails to be read costs no other one: the next time they count. */
static void test_bitmap_reads(void)
{
    bool failed = true;

    for (int n = 0; failed; n++) {
        MemNode *mem = mem_new("mem", "", 0);
        BlockNode *top;

        bench_create(DISK, "");
        top = bench_open("", 0, &error_abort);
        dirty_bitmap_set(stored_bitmap(top, "a"), 0, 65536);
        dirty_bitmap_set(stored_bitmap(top, "b"), 0, 2 * 65536);
        for (int opening = 0; opening < 2; opening++) {
            if (opening) {
                block_node_unref(top);
            } else {
                g_assert_true(node_inactivate_all(&error_abort));
            }
            mem->fail_reads_after = n;
            if (opening) {
                top = bench_open("", 0, NULL);
                failed = !top;
            } else {
                failed = !node_activate_all(NULL);
            }
            g_assert_cmpint(failed, ==, mem->fail_reads_after < 0);
            mem->fail_reads_after = -1;
            if (failed && opening) {
                top = bench_open("", 0, &error_abort);
            } else if (failed) {
                g_assert_true(node_activate_all(&error_abort));
            }
            g_assert_cmpint(stored_count(top, "a"), ==, 65536);
            g_assert_cmpint(stored_count(top, "b"), ==, 2 * 65536);
        }
        block_node_unref(top);
        mem_free(mem);
    }
}

static BlockNode *open_disk(const char *file)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s}", "driver", "qcow2", "file", file);

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

/* For the process whose turn it is: the bitmap counts. */
static void assert_given_back(const GByteArray *bytes)
{
    MemNode *mem = mem_new("mem", bytes->data, bytes->len);
    BlockNode *top = bench_open("", 0, &error_abort);

    g_assert_cmpint(stored_count(top, "a"), ==, 65536);
    block_node_unref(top);
    mem_free(mem);
}

/* A disk that was activated before another one that cannot be is given back
 * as it was. */
static void test_bitmap_give_back(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    MemNode *files[2];
    BlockNode *disks[2];
    BlockNode *top;

    bench_create(DISK, "");
    top = bench_open("", 0, &error_abort);
    dirty_bitmap_set(stored_bitmap(top, "a"), 0, 65536);
    block_node_unref(top);
    files[0] = mem_new("file0", mem->bytes->data, mem->bytes->len);
    files[1] = mem_new("file1", mem->bytes->data, mem->bytes->len);
    mem_free(mem);
    disks[0] = open_disk("file0");
    disks[1] = open_disk("file1");
    g_assert_true(node_inactivate_all(&error_abort));
    for (int bad = 0; bad < 2; bad++) { /* one of them is the second */
        Error *err = NULL;

        files[bad]->fail_reads_after = 0;
        g_assert_false(node_activate_all(&err));
        error_free_or_abort(&err);
        assert_given_back(files[0]->bytes);
        assert_given_back(files[1]->bytes);
    }
    g_assert_true(node_activate_all(&error_abort));
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(stored_count(disks[i], "a"), ==, 65536);
        block_node_unref(disks[i]);
        mem_free(files[i]);
    }
}

/* One that was dropped, as after a broken migration, can be made anew. */
static void test_bitmap_anew(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;

    bench_create(DISK, "");
    for (int i = 0; i < 3; i++) {
        top = bench_open("", 0, &error_abort);
        if (i > 0) {
            g_assert_cmpint(stored_count(top, "a"), ==, i * 65536);
            dirty_bitmap_release(dirty_bitmap_find(top, "a"));
        }
        dirty_bitmap_set(stored_bitmap(top, "a"), 0, (i + 1) * 65536);
        block_node_unref(top);
    }
    top = bench_open("", 0, &error_abort);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* What could not be loaded again is not made: too much of all, or of one. */
static void test_bitmap_limits(void)
{
    const uint64_t disk = UINT64_C(2) << 40;
    const char *names[] = { "a", "b", "c" };
    MemNode *mem = mem_new("mem", "", 0);
    DirtyBitmap *b[3];
    BlockNode *top;
    Error *err = NULL;

    bench_create(disk, "");
    top = bench_open("", 0, &error_abort);
    for (int i = 0; i < 3; i++) {
        b[i] = dirty_bitmap_new(top, names[i], 512, &error_abort);
        if (i < 2) {
            g_assert_true(dirty_bitmap_can_store(b[i], &error_abort));
            b[i]->persistent = true;
        }
    }
    g_assert_false(dirty_bitmap_can_store(b[2], &err));
    error_free_or_abort(&err);
    for (int n = 2; n > 0; n--) {
        g_assert_cmpint(bench_truncate(top, (int64_t)disk + 65536,
                                       PREALLOC_MODE_OFF, &err),
                        <, 0);
        g_assert_nonnull(strstr(error_get_pretty(err),
                                n == 2 ? "The 2 bitmaps" : "bitmap 'a'"));
        error_free_or_abort(&err);
        b[n - 1]->persistent = false;
    }
    for (int i = 0; i < 3; i++) {
        dirty_bitmap_release(b[i]);
    }
    g_assert_cmpint(bench_truncate(top, (int64_t)disk + 65536,
                                   PREALLOC_MODE_OFF, &error_abort),
                    ==, 0);
    block_node_unref(top);
    mem_free(mem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/qcow2-bitmaps/faults", test_bitmap_faults);
    g_test_add_func("/qcow2-bitmaps/list-broken", test_bitmap_list_broken);
    g_test_add_func("/qcow2-bitmaps/table-broken", test_bitmap_table_broken);
    g_test_add_func("/qcow2-bitmaps/reads", test_bitmap_reads);
    g_test_add_func("/qcow2-bitmaps/give-back", test_bitmap_give_back);
    g_test_add_func("/qcow2-bitmaps/anew", test_bitmap_anew);
    g_test_add_func("/qcow2-bitmaps/limits", test_bitmap_limits);
    return g_test_run();
}
