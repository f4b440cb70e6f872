/*
 * Dirty bitmaps: bits against a plain model, merging, successors, bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "util/main-loop.h"

#define SIZE (1000 * 1024 + 512)

static BlockNode *null_node(int64_t size)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:I}", "driver", "null-co", "size", (json_int_t)size);

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

static void test_limits(void)
{
    BlockNode *node = null_node(SIZE);
    static const uint32_t bad[] = { 1, 256, 513, 3 * 4096, 1u << 31 | 4096 };
    DirtyBitmap *b;
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(dirty_bitmap_new(node, "b", bad[i], &err));
        error_free_or_abort(&err);
    }
    g_assert_null(dirty_bitmap_new(node, "", 4096, &err));
    error_free_or_abort(&err);
    b = dirty_bitmap_new(node, "b", 0, &error_abort);
    g_assert_cmpuint(b->granularity, ==, 65536);
    g_assert_true(dirty_bitmap_find(node, "b") == b);
    g_assert_null(dirty_bitmap_find(node, "c"));
    g_assert_null(dirty_bitmap_new(node, "b", 4096, &err));
    error_free_or_abort(&err);
    dirty_bitmap_release(b);
    g_assert_null(dirty_bitmap_find(node, "b"));
    block_node_unref(node);

    node = null_node(INT64_C(1) << 60);
    g_assert_null(dirty_bitmap_new(node, "huge", 512, &err));
    error_free_or_abort(&err);
    block_node_unref(node);
}

/* Against an array of pieces. */
static void test_model(void)
{
    enum {
        GRANULARITY = 4096,
        PIECES = (SIZE + GRANULARITY - 1) / GRANULARITY
    };
    BlockNode *node = null_node(SIZE);
    DirtyBitmap *b = dirty_bitmap_new(node, NULL, GRANULARITY, &error_abort);
    bool model[PIECES] = { false };
    GRand *rand = g_rand_new_with_seed(7);

    for (unsigned round = 0; round < 3000; round++) {
        int64_t offset = g_rand_int_range(rand, 0, SIZE);
        int64_t bytes =
            g_rand_int_range(rand, 1, 1 << g_rand_int_range(rand, 1, 18));
        int64_t end = MIN(offset + bytes, SIZE);
        bool set = g_rand_boolean(rand);
        int64_t count = 0, at = 0, start, n;

        if (!set) {
            offset &= ~(int64_t)(GRANULARITY - 1);
            end = MIN((int64_t)ROUND_UP(end, GRANULARITY), SIZE);
            dirty_bitmap_reset(b, offset, end - offset);
        } else {
            dirty_bitmap_set(b, offset, bytes);
        }
        for (int64_t p = offset / GRANULARITY; p * GRANULARITY < end; p++) {
            model[p] = set;
        }
        for (unsigned p = 0; p < PIECES; p++) {
            if (model[p]) {
                count += MIN((p + 1) * GRANULARITY, SIZE) - p * GRANULARITY;
            }
        }
        g_assert_cmpint(dirty_bitmap_count(b), ==, count);
        /* Areas cover what the model has, and nothing else. */
        while (dirty_bitmap_next_area(b, at, SIZE, 64 * 1024, &start, &n)) {
            g_assert_cmpint(n, >, 0);
            g_assert_cmpint(n, <=, 64 * 1024);
            for (int64_t i = at / GRANULARITY; i < start / GRANULARITY; i++) {
                g_assert_false(model[i]);
            }
            for (int64_t i = start; i < start + n; i += GRANULARITY) {
                g_assert_true(model[i / GRANULARITY]);
            }
            count -= n;
            at = start + n;
        }
        g_assert_cmpint(count, ==, 0);
    }
    g_rand_free(rand);
    block_node_unref(node);
}

static void test_find(void)
{
    BlockNode *node = null_node(SIZE);
    DirtyBitmap *b = dirty_bitmap_new(node, NULL, 4096, &error_abort);
    int64_t start, n;

    g_assert_cmpint(dirty_bitmap_next_dirty(b, 0, SIZE), ==, -1);
    g_assert_cmpint(dirty_bitmap_next_zero(b, 5, 10), ==, 5);
    dirty_bitmap_set(b, 8192, 1);
    g_assert_cmpint(dirty_bitmap_next_dirty(b, 0, SIZE), ==, 8192);
    g_assert_cmpint(dirty_bitmap_next_dirty(b, 0, 8192), ==, -1);
    g_assert_cmpint(dirty_bitmap_next_dirty(b, 9000, 1), ==, 9000);
    g_assert_cmpint(dirty_bitmap_next_zero(b, 8192, SIZE), ==, 12288);
    g_assert_true(dirty_bitmap_get(b, 12287));
    g_assert_false(dirty_bitmap_get(b, 12288));
    g_assert_false(dirty_bitmap_get(b, SIZE));
    g_assert_false(dirty_bitmap_get(b, -1));
    /* An area inside a piece, and one that the disk's end cuts. */
    g_assert_true(dirty_bitmap_next_area(b, 9000, 9500, 1 << 20, &start, &n));
    g_assert_cmpint(start, ==, 9000);
    g_assert_cmpint(n, ==, 500);
    dirty_bitmap_set(b, SIZE - 1, 1);
    g_assert_true(dirty_bitmap_next_area(b, 12288, SIZE, 1 << 20, &start, &n));
    g_assert_cmpint(start + n, ==, SIZE);
    block_node_unref(node);
}

static void test_merge(void)
{
    BlockNode *node = null_node(SIZE);
    BlockNode *small = null_node(4096);
    DirtyBitmap *fine = dirty_bitmap_new(node, "fine", 512, &error_abort);
    DirtyBitmap *coarse = dirty_bitmap_new(node, "coarse", 65536, &error_abort);
    DirtyBitmap *other = dirty_bitmap_new(small, "other", 512, &error_abort);
    unsigned long *backup = NULL;
    Error *err = NULL;

    dirty_bitmap_set(fine, 70000, 1);
    dirty_bitmap_set(coarse, 0, 1);
    g_assert_true(dirty_bitmap_merge(coarse, fine, &backup, &error_abort));
    g_assert_cmpint(dirty_bitmap_count(coarse), ==, 2 * 65536);
    dirty_bitmap_restore(coarse, g_steal_pointer(&backup));
    g_assert_cmpint(dirty_bitmap_count(coarse), ==, 65536);
    g_assert_true(dirty_bitmap_merge(fine, coarse, NULL, &error_abort));
    g_assert_cmpint(dirty_bitmap_count(fine), ==, 65536 + 512);
    dirty_bitmap_clear(fine, &backup);
    g_assert_cmpint(dirty_bitmap_count(fine), ==, 0);
    dirty_bitmap_restore(fine, backup);
    g_assert_cmpint(dirty_bitmap_count(fine), ==, 65536 + 512);

    g_assert_false(dirty_bitmap_merge(fine, other, NULL, &err));
    error_free_or_abort(&err);
    dirty_bitmap_set_busy(fine, true);
    g_assert_false(dirty_bitmap_merge(fine, coarse, NULL, &err));
    error_free_or_abort(&err);
    block_node_unref(small);
    block_node_unref(node);
}

static void test_successor(void)
{
    BlockNode *node = null_node(SIZE);
    DirtyBitmap *b = dirty_bitmap_new(node, "b", 4096, &error_abort);
    Error *err = NULL;

    dirty_bitmaps_written(node, 0, 4096);
    g_assert_true(dirty_bitmap_split(b, &error_abort));
    g_assert_false(dirty_bitmap_split(b, &err));
    error_free_or_abort(&err);
    /* The bitmap stands still, its successor collects. */
    dirty_bitmaps_written(node, 8192, 4096);
    g_assert_cmpint(dirty_bitmap_count(b), ==, 4096);
    dirty_bitmap_abdicate(b);
    g_assert_false(dirty_bitmap_get(b, 0));
    g_assert_true(dirty_bitmap_get(b, 8192));

    g_assert_true(dirty_bitmap_split(b, &error_abort));
    dirty_bitmaps_written(node, 16384, 1);
    dirty_bitmap_reclaim(b);
    g_assert_cmpint(dirty_bitmap_count(b), ==, 8192);

    dirty_bitmap_disable(b);
    dirty_bitmaps_written(node, 0, SIZE);
    g_assert_cmpint(dirty_bitmap_count(b), ==, 8192);
    block_node_unref(node);
}

static void test_bytes(void)
{
    BlockNode *node = null_node(SIZE);
    DirtyBitmap *a = dirty_bitmap_new(node, "a", 4096, &error_abort);
    DirtyBitmap *b = dirty_bitmap_new(node, "b", 4096, &error_abort);
    size_t len = dirty_bitmap_bytes(a);
    g_autofree uint8_t *bytes = g_malloc(len);
    g_autofree char *sha_a = NULL;
    g_autofree char *sha_b = NULL;

    g_assert_cmpuint(len, ==, (SIZE / 4096 + 1 + 7) / 8);
    dirty_bitmap_set(a, 4096, 4096);
    dirty_bitmap_set(a, 9 * 4096, 4096);
    dirty_bitmap_set(a, SIZE - 1, 1);
    dirty_bitmap_store(a, 0, len, bytes);
    g_assert_cmpuint(bytes[0], ==, 2);
    g_assert_cmpuint(bytes[1], ==, 2);
    bytes[len - 1] |= 0xc0; /* beyond the end */
    dirty_bitmap_load(b, 0, 7, bytes);
    dirty_bitmap_load(b, 7, len - 7, bytes + 7);
    g_assert_cmpint(dirty_bitmap_count(b), ==, dirty_bitmap_count(a));
    sha_a = dirty_bitmap_sha256(a, &error_abort);
    sha_b = dirty_bitmap_sha256(b, &error_abort);
    g_assert_cmpstr(sha_a, ==, sha_b);
    g_assert_cmpuint(strlen(sha_a), ==, 64);
    block_node_unref(node);
}

static void test_resize(void)
{
    BlockNode *node = null_node(SIZE);
    DirtyBitmap *b = dirty_bitmap_new(node, "b", 4096, &error_abort);

    dirty_bitmaps_resize(node, SIZE + 100 * 4096);
    g_assert_false(dirty_bitmap_get(b, 0));
    g_assert_true(dirty_bitmap_get(b, SIZE));
    g_assert_true(dirty_bitmap_get(b, SIZE + 100 * 4096 - 1));
    dirty_bitmaps_resize(node, 4096);
    g_assert_cmpint(dirty_bitmap_count(b), ==, 0);
    dirty_bitmaps_resize(node, 3 * 4096);
    g_assert_cmpint(dirty_bitmap_count(b), ==, 2 * 4096);
    block_node_unref(node);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    g_test_add_func("/dirty-bitmap/limits", test_limits);
    g_test_add_func("/dirty-bitmap/model", test_model);
    g_test_add_func("/dirty-bitmap/find", test_find);
    g_test_add_func("/dirty-bitmap/merge", test_merge);
    g_test_add_func("/dirty-bitmap/successor", test_successor);
    g_test_add_func("/dirty-bitmap/bytes", test_bytes);
    g_test_add_func("/dirty-bitmap/resize", test_resize);
    return g_test_run();
}
