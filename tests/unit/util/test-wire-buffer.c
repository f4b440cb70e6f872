/*
 * WireBuffer: bounds in every direction, and failures that stick.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/wire-buffer.h"

static const uint8_t bytes[] = { 1, 2,  3,  4,  5,  6,  7, 8,
                                 9, 10, 11, 12, 13, 14, 15 };

static void test_read(void)
{
    WireBuffer b = WIRE_READER(bytes, sizeof(bytes));

    g_assert_cmphex(wire_get_u8(&b), ==, 0x01);
    g_assert_cmphex(wire_get_be16(&b), ==, 0x0203);
    g_assert_cmphex(wire_get_be32(&b), ==, 0x04050607);
    g_assert_false(wire_at_end(&b));
    g_assert_cmpuint(wire_left(&b), ==, 8);
    g_assert_cmphex(wire_get_be64(&b), ==, 0x08090a0b0c0d0e0f);
    g_assert_true(wire_at_end(&b));
    g_assert_true(wire_ok(&b));
    /* Nothing more, but asking for nothing is fine. */
    g_assert_true(wire_get_bytes(&b, NULL, 0));
    g_assert_true(wire_skip(&b, 0));
    g_assert_cmpuint(wire_get_u8(&b), ==, 0);
    g_assert_false(wire_ok(&b));
    g_assert_false(wire_at_end(&b));
}

static void test_read_le(void)
{
    WireBuffer b = WIRE_READER(bytes, sizeof(bytes));

    g_assert_cmphex(wire_get_le16(&b), ==, 0x0201);
    g_assert_cmphex(wire_get_le32(&b), ==, 0x06050403);
    g_assert_cmphex(wire_get_le64(&b), ==, 0x0e0d0c0b0a090807);
    g_assert_true(wire_skip(&b, 1));
    g_assert_true(wire_at_end(&b));
}

/* A get that does not fit consumes nothing, and all later ones fail. */
static void test_sticky(void)
{
    for (size_t len = 0; len < 8; len++) {
        WireBuffer b = WIRE_READER(bytes, len);
        uint8_t copy[8] = { 0xee, 0xee };

        g_assert_cmpuint(wire_get_be64(&b), ==, 0);
        g_assert_false(wire_ok(&b));
        g_assert_cmpuint(wire_get_u8(&b), ==, 0);
        g_assert_cmpuint(wire_left(&b), ==, 0);
        g_assert_null(wire_get_ref(&b, 0));
        g_assert_false(wire_get_bytes(&b, copy, 2));
        g_assert_cmpuint(copy[0] | copy[1], ==, 0);
    }
}

static void test_huge_lengths(void)
{
    WireBuffer b = WIRE_READER(bytes, sizeof(bytes));
    WireBuffer child;

    wire_skip(&b, 3);
    child = wire_get_child(&b, SIZE_MAX - 1);
    g_assert_false(wire_ok(&b));
    g_assert_false(wire_ok(&child));
    g_assert_cmpuint(wire_get_u8(&child), ==, 0);
}

static void test_child(void)
{
    WireBuffer b = WIRE_READER(bytes, sizeof(bytes));
    WireBuffer child;

    wire_skip(&b, 1);
    child = wire_get_child(&b, 4);
    g_assert_true(wire_ok(&child));
    g_assert_cmphex(wire_get_be32(&child), ==, 0x02030405);
    g_assert_true(wire_at_end(&child));
    /* The parent's bytes are out of reach, and its state is its own. */
    g_assert_cmpuint(wire_get_u8(&child), ==, 0);
    g_assert_false(wire_ok(&child));
    g_assert_true(wire_ok(&b));
    g_assert_cmpuint(wire_get_u8(&b), ==, 6);
    child = wire_get_child(&b, 0);
    g_assert_true(wire_at_end(&child));
}

static void test_str(void)
{
    static const char text[] = "hello\0wo\xff";
    WireBuffer b = WIRE_READER(text, sizeof(text) - 1);
    g_autofree char *hello = wire_get_str(&b, 5, 5);
    g_autofree char *empty = wire_get_str(&b, 0, 5);

    g_assert_cmpstr(hello, ==, "hello");
    g_assert_cmpstr(empty, ==, "");
    g_assert_null(wire_get_str(&b, 2, 5)); /* a NUL in it */
    g_assert_false(wire_ok(&b));

    b = WIRE_READER(text + 6, 3);
    g_assert_null(wire_get_str(&b, 3, 5)); /* not UTF-8 */
    g_assert_false(wire_ok(&b));

    b = WIRE_READER(text, 5);
    g_assert_null(wire_get_str(&b, 5, 4)); /* longer than allowed */
    g_assert_false(wire_ok(&b));

    b = WIRE_READER(text, 5);
    g_assert_null(wire_get_str(&b, 6, 10)); /* longer than there is */
    g_assert_false(wire_ok(&b));
}

static void test_write(void)
{
    g_auto(WireBuffer) b = { 0 };
    static const uint8_t want[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,  14, 15, 2,    1,
        6, 5, 4, 3, 8, 7, 6, 5, 4, 3,  2,  1,  'x', 0,  0,  0xab, 0xcd,
    };
    g_autofree uint8_t *mem = NULL;
    uint8_t *space;
    size_t len;

    wire_writer_init(&b, 1000, false);
    wire_put_u8(&b, 1);
    wire_put_be16(&b, 0x0203);
    wire_put_be32(&b, 0x04050607);
    wire_put_be64(&b, 0x08090a0b0c0d0e0f);
    wire_put_le16(&b, 0x0102);
    wire_put_le32(&b, 0x03040506);
    wire_put_le64(&b, 0x0102030405060708);
    wire_put_bytes(&b, "x", 1);
    wire_put_bytes(&b, NULL, 0);
    space = wire_put_space(&b, 4);
    g_assert_nonnull(space);
    wire_patch_be16(&b, b.len - 2, 0xabcd);
    g_assert_true(wire_ok(&b));
    mem = wire_steal(&b, &len);
    g_assert_cmpmem(mem, len, want, sizeof(want));
}

static void test_limit(void)
{
    g_auto(WireBuffer) b = { 0 };
    size_t len = 77;

    wire_writer_init(&b, 5, true);
    wire_put_be32(&b, 1);
    wire_put_be16(&b, 2); /* one byte too many: not even half of it */
    g_assert_false(wire_ok(&b));
    g_assert_cmpuint(b.len, ==, 4);
    wire_put_u8(&b, 3);
    g_assert_cmpuint(b.len, ==, 4);
    g_assert_null(wire_put_space(&b, 0));
    wire_reset(&b);
    g_assert_true(wire_ok(&b));
    wire_put_be32(&b, 1);
    wire_put_u8(&b, 3);
    g_assert_true(wire_ok(&b));
    g_assert_cmpuint(b.len, ==, 5);
    wire_put_bytes(&b, bytes, SIZE_MAX);
    g_assert_false(wire_ok(&b));
    g_assert_null(wire_steal(&b, &len));
    g_assert_cmpuint(len, ==, 0);
}

static void test_patch_bounds(void)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, 100, false);
    wire_put_be32(&b, 0);
    wire_patch_be32(&b, 0, 0x01020304);
    g_assert_true(wire_ok(&b));
    wire_patch_be32(&b, 1, 0);
    g_assert_false(wire_ok(&b));
    wire_reset(&b);
    wire_patch_be16(&b, SIZE_MAX, 0);
    g_assert_false(wire_ok(&b));
}

static void test_growth(void)
{
    g_auto(WireBuffer) b = { 0 };
    WireBuffer r;

    wire_writer_init(&b, 40000, true);
    for (uint32_t i = 0; i < 10000; i++) {
        wire_put_be32(&b, i);
    }
    g_assert_true(wire_ok(&b));
    g_assert_cmpuint(b.alloc, <=, 40000);
    r = WIRE_READER(b.data, b.len);
    for (uint32_t i = 0; i < 10000; i++) {
        g_assert_cmpuint(wire_get_be32(&r), ==, i);
    }
    g_assert_true(wire_at_end(&r));
    wire_put_u8(&b, 0);
    g_assert_false(wire_ok(&b));
}

static void test_wrong_direction(void)
{
    g_auto(WireBuffer) w = { 0 };
    WireBuffer r = WIRE_READER(bytes, 4);
    size_t len;
    g_autofree uint8_t *mem = NULL;

    wire_put_u8(&r, 1);
    g_assert_false(wire_ok(&r));
    wire_writer_init(&w, 10, false);
    wire_put_u8(&w, 1);
    g_assert_cmpuint(wire_get_u8(&w), ==, 0);
    g_assert_false(wire_ok(&w));
    wire_free(&w);

    /* An empty message is a message. */
    wire_writer_init(&w, 0, false);
    mem = wire_steal(&w, &len);
    g_assert_nonnull(mem);
    g_assert_cmpuint(len, ==, 0);
    wire_free(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/read", test_read);
    g_test_add_func("/wire/read-le", test_read_le);
    g_test_add_func("/wire/sticky", test_sticky);
    g_test_add_func("/wire/huge-lengths", test_huge_lengths);
    g_test_add_func("/wire/child", test_child);
    g_test_add_func("/wire/str", test_str);
    g_test_add_func("/wire/write", test_write);
    g_test_add_func("/wire/limit", test_limit);
    g_test_add_func("/wire/patch-bounds", test_patch_bounds);
    g_test_add_func("/wire/growth", test_growth);
    g_test_add_func("/wire/wrong-direction", test_wrong_direction);
    return g_test_run();
}
