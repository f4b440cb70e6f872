/*
 * Bitmaps that are stored in a qcow2 image, while its storage fails: none is
 * lost that is not the one being written, none counts for more than it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "util/error.h"

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
        stored_bitmap(top, "a");
        stored_bitmap(top, "b");
        block_node_unref(top);
        top = bench_open("", 0, &error_abort);
        dirty_bitmap_set(dirty_bitmap_find(top, "b"), 0, 3 * 65536);
        mem->fail_writes_after = n;
        if (!node_inactivate_all(NULL)) {
            g_assert_cmpint(mem->fail_writes_after, ==, -1);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/qcow2-bitmaps/faults", test_bitmap_faults);
    return g_test_run();
}
