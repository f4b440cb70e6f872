/*
 * Bit arrays, each function against a slow model of one byte per bit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bitmap.h"

#define NBITS 200

typedef struct Model {
    DECLARE_BITMAP(map, NBITS);
    bool bit[NBITS];
} Model;

static void model_random(Model *m, int density)
{
    bitmap_fill(m->map, NBITS); /* garbage behind the end */
    for (int i = 0; i < NBITS; i++) {
        m->bit[i] = g_random_int_range(0, 100) < density;
        if (!m->bit[i]) {
            clear_bit(i, m->map);
        }
    }
}

static void model_check(const Model *m)
{
    for (int i = 0; i < NBITS; i++) {
        g_assert_cmpint(test_bit(i, m->map), ==, m->bit[i]);
    }
}

static void test_bits(void)
{
    DECLARE_BITMAP(map, NBITS) = { 0 };

    set_bit(0, map);
    set_bit(64, map);
    set_bit_atomic(199, map);
    g_assert_true(test_bit(64, map));
    g_assert_cmpint(test_and_set_bit(64, map), ==, 1);
    g_assert_cmpint(test_and_set_bit(65, map), ==, 0);
    g_assert_cmpint(test_and_clear_bit(65, map), ==, 1);
    g_assert_cmpint(test_and_clear_bit(65, map), ==, 0);
    g_assert_cmpint(test_and_change_bit(66, map), ==, 0);
    g_assert_cmpint(test_and_change_bit(66, map), ==, 1);
    change_bit(3, map);
    clear_bit(0, map);
    clear_bit_atomic(64, map);
    g_assert_cmpint(bitmap_count_one(map, NBITS), ==, 2);
}

static void test_find(void)
{
    Model m;

    for (int round = 0; round < 30; round++) {
        int last = NBITS;

        model_random(&m, round * 4 - 8);
        for (int from = 0; from <= NBITS + 1; from++) {
            int one = from, zero = from;

            while (one < NBITS && !m.bit[one]) {
                one++;
            }
            while (zero < NBITS && m.bit[zero]) {
                zero++;
            }
            g_assert_cmpint(find_next_bit(m.map, NBITS, from), ==,
                            MIN(one, NBITS));
            g_assert_cmpint(find_next_zero_bit(m.map, NBITS, from), ==,
                            MIN(zero, NBITS));
            if (from < NBITS && m.bit[from]) {
                last = from;
            }
        }
        g_assert_cmpint(find_last_bit(m.map, NBITS), ==, last);
        g_assert_cmpint(find_first_bit(m.map, NBITS), ==,
                        find_next_bit(m.map, NBITS, 0));
    }
    g_assert_cmpint(find_last_bit(m.map, 0), ==, 0);
}

static void test_ranges(void)
{
    Model m;

    for (int start = 0; start < NBITS; start += 7) {
        for (int n = 0; n <= NBITS - start; n += 5) {
            long ones = 0;
            bool any = false;

            model_random(&m, 50);
            for (int i = start; i < start + n; i++) {
                ones += m.bit[i];
                any |= m.bit[i];
            }
            g_assert_cmpint(bitmap_count_one_with_offset(m.map, start, n), ==,
                            ones);
            g_assert_true(bitmap_test_and_clear(m.map, start, n) == any);
            memset(m.bit + start, false, (size_t)n);
            model_check(&m);
            g_assert_false(bitmap_test_and_clear_atomic(m.map, start, n));
            bitmap_set(m.map, start, n);
            memset(m.bit + start, true, (size_t)n);
            model_check(&m);
            g_assert_true(bitmap_test_and_clear_atomic(m.map, start, n) ==
                          (n > 0));
            bitmap_set_atomic(m.map, start, n);
            model_check(&m);
            bitmap_clear(m.map, start, n);
            memset(m.bit + start, false, (size_t)n);
            model_check(&m);
        }
    }
}

static void test_logic(void)
{
    Model a, b, r;

    for (int round = 0; round < 50; round++) {
        bool any_and = false, any_not = false, equal = true;

        model_random(&a, round * 2);
        model_random(&b, 50);
        for (int i = 0; i < NBITS; i++) {
            any_and |= a.bit[i] && b.bit[i];
            any_not |= a.bit[i] && !b.bit[i];
            equal &= a.bit[i] == b.bit[i];
        }
        g_assert_cmpint(bitmap_and(r.map, a.map, b.map, NBITS), ==, any_and);
        g_assert_cmpint(bitmap_intersects(a.map, b.map, NBITS), ==, any_and);
        for (int i = 0; i < NBITS; i++) {
            g_assert_cmpint(test_bit(i, r.map), ==, a.bit[i] && b.bit[i]);
        }
        g_assert_cmpint(bitmap_andnot(r.map, a.map, b.map, NBITS), ==, any_not);
        bitmap_or(r.map, a.map, b.map, NBITS);
        for (int i = 0; i < NBITS; i++) {
            g_assert_cmpint(test_bit(i, r.map), ==, a.bit[i] || b.bit[i]);
        }
        bitmap_xor(r.map, a.map, b.map, NBITS);
        for (int i = 0; i < NBITS; i++) {
            g_assert_cmpint(test_bit(i, r.map), ==, a.bit[i] != b.bit[i]);
        }
        g_assert_cmpint(bitmap_equal(a.map, b.map, NBITS), ==, equal);
        bitmap_complement(r.map, a.map, NBITS);
        for (int i = 0; i < NBITS; i++) {
            g_assert_cmpint(test_bit(i, r.map), ==, !a.bit[i]);
        }
        bitmap_copy(r.map, a.map, NBITS);
        g_assert_true(bitmap_equal(r.map, a.map, NBITS));
    }
}

/* What stands behind the last bit is nobody's business. */
static void test_tail(void)
{
    DECLARE_BITMAP(map, NBITS) = { 0 };
    DECLARE_BITMAP(zero, NBITS) = { 0 };

    map[BITS_TO_LONGS(NBITS) - 1] = ~BITMAP_LAST_WORD_MASK(NBITS);
    g_assert_true(bitmap_empty(map, NBITS));
    g_assert_true(bitmap_equal(map, zero, NBITS));
    g_assert_false(bitmap_intersects(map, map, NBITS));
    g_assert_cmpint(bitmap_count_one(map, NBITS), ==, 0);
    g_assert_cmpint(find_last_bit(map, NBITS), ==, NBITS);
    bitmap_fill(map, NBITS);
    map[BITS_TO_LONGS(NBITS) - 1] = BITMAP_LAST_WORD_MASK(NBITS);
    g_assert_true(bitmap_full(map, NBITS));
    clear_bit(NBITS - 1, map);
    g_assert_false(bitmap_full(map, NBITS));
    g_assert_true(bitmap_full(map, NBITS - 1));
    /* A whole number of words has no tail. */
    bitmap_fill(map, 128);
    g_assert_true(bitmap_full(map, 128));
    g_assert_cmpint(bitmap_count_one(map, 128), ==, 128);
    g_assert_true(bitmap_empty(map, 0));
}

static void test_copy_and_clear(void)
{
    Model m;
    DECLARE_BITMAP(dst, NBITS);

    model_random(&m, 50);
    bitmap_copy_and_clear_atomic(dst, m.map, NBITS);
    g_assert_true(bitmap_empty(m.map, NBITS));
    for (int i = 0; i < NBITS; i++) {
        g_assert_cmpint(test_bit(i, dst), ==, m.bit[i]);
    }
}

static void test_offset_copies(void)
{
    Model m;
    DECLARE_BITMAP(dst, 2 * NBITS);

    for (int shift = 0; shift < 130; shift += 13) {
        for (int n = 0; n <= NBITS - shift; n += 3) {
            model_random(&m, 50);
            memset(dst, 0, sizeof(dst));
            bitmap_copy_with_src_offset(dst, m.map, shift, n);
            for (int i = 0; i < n; i++) {
                g_assert_cmpint(test_bit(i, dst), ==, m.bit[shift + i]);
            }
            bitmap_fill(dst, 2 * NBITS);
            bitmap_copy_with_dst_offset(dst, m.map, shift, n);
            for (int i = 0; i < 2 * NBITS; i++) {
                bool want = i < shift || i >= shift + n || m.bit[i - shift];

                g_assert_cmpint(test_bit(i, dst), ==, want);
            }
        }
    }
}

static void test_zero_area(void)
{
    DECLARE_BITMAP(map, NBITS);

    bitmap_zero(map, NBITS);
    bitmap_set(map, 0, 5);
    bitmap_set(map, 10, 1);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 5, 0), ==, 5);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 6, 0), ==, 11);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 2, 7), ==, 8);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 3, 7), ==, 16);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 189, 0), ==, 11);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 0, 190, 0), >,
                    NBITS - 190);
    g_assert_cmpint(bitmap_find_next_zero_area(map, NBITS, 190, 11, 0), >,
                    NBITS - 11);
}

static void test_extend(void)
{
    unsigned long *map = bitmap_new(70);

    bitmap_fill(map, 70);
    map = bitmap_zero_extend(map, 70, 300);
    g_assert_cmpint(bitmap_count_one(map, 300), ==, 70);
    g_free(map);
    map = bitmap_try_new(10);
    g_assert_true(bitmap_empty(map, 10));
    g_free(map);
}

static void test_le(void)
{
    DECLARE_BITMAP(map, NBITS) = { 0 };
    DECLARE_BITMAP(wire, NBITS);
    DECLARE_BITMAP(back, NBITS);

    set_bit(0, map);
    set_bit(9, map);
    set_bit(64, map);
    bitmap_to_le(wire, map, NBITS);
    g_assert_cmphex(((uint8_t *)wire)[0], ==, 1);
    g_assert_cmphex(((uint8_t *)wire)[1], ==, 2);
    g_assert_cmphex(((uint8_t *)wire)[8], ==, 1);
    bitmap_from_le(back, wire, NBITS);
    g_assert_true(bitmap_equal(back, map, NBITS));
}

static void test_words(void)
{
    g_assert_cmphex(rol8(0x81, 1), ==, 0x03);
    g_assert_cmphex(ror16(1, 1), ==, 0x8000);
    g_assert_cmphex(rol32(0x80000001, 4), ==, 0x18);
    g_assert_cmphex(ror64(1, 0), ==, 1);
    g_assert_cmphex(extract32(0x12345678, 8, 8), ==, 0x56);
    g_assert_cmphex(extract64(UINT64_MAX, 0, 64), ==, UINT64_MAX);
    g_assert_cmpint(sextract32(0x0f00, 8, 4), ==, -1);
    g_assert_cmpint(sextract64(0x7, 0, 4), ==, 7);
    g_assert_cmphex(deposit32(0xffffffff, 8, 8, 0x12), ==, 0xffff12ff);
    g_assert_cmphex(deposit64(0, 60, 4, 0x1f), ==, 0xf000000000000000);
    g_assert_cmphex(MAKE_64BIT_MASK(4, 8), ==, 0xff0);

    g_assert_cmpint(clz32(0), ==, 32);
    g_assert_cmpint(clz64(1), ==, 63);
    g_assert_cmpint(ctz32(0), ==, 32);
    g_assert_cmpint(ctz64(UINT64_C(1) << 40), ==, 40);
    g_assert_cmpint(clo32(0xf0000000), ==, 4);
    g_assert_cmpint(cto64(UINT64_MAX), ==, 64);
    g_assert_cmpint(ctpop64(0xff00ff), ==, 16);
    g_assert_cmphex(pow2ceil(5), ==, 8);
    g_assert_cmphex(pow2ceil(8), ==, 8);
    g_assert_cmphex(pow2ceil(0), ==, 1);
    g_assert_cmphex(pow2ceil(UINT64_MAX), ==, 0);
    g_assert_cmphex(pow2floor(9), ==, 8);
    g_assert_cmphex(pow2floor(0), ==, 0);
    g_assert_true(is_power_of_2(64));
    g_assert_false(is_power_of_2(0));
    g_assert_cmphex(muldiv64(UINT64_MAX, 10, 20), ==, UINT64_MAX / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bitmap/bits", test_bits);
    g_test_add_func("/bitmap/find", test_find);
    g_test_add_func("/bitmap/ranges", test_ranges);
    g_test_add_func("/bitmap/logic", test_logic);
    g_test_add_func("/bitmap/tail", test_tail);
    g_test_add_func("/bitmap/copy-and-clear", test_copy_and_clear);
    g_test_add_func("/bitmap/offset-copies", test_offset_copies);
    g_test_add_func("/bitmap/zero-area", test_zero_area);
    g_test_add_func("/bitmap/extend", test_extend);
    g_test_add_func("/bitmap/le", test_le);
    g_test_add_func("/bitops/words", test_words);
    return g_test_run();
}
