/*
 * Chunks of dirty bitmaps: bytes that QEMU 7.2 has written, and chunks that
 * nobody writes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/wire.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

/* A disk of 4 MiB, "bm0" of 64 KiB granularity, enabled, with the pieces at
 * 128 KiB dirty; "bm1" of 512 bytes, disabled and clean. */
static const char start_wire[] = "\x1c\x05"
                                 "disk0\x03"
                                 "bm1\x00\x00\x02\x00\x00"
                                 "\x14\x03"
                                 "bm0\x00\x01\x00\x00\x01"
                                 "\x01";
static const char end_wire[] = "\x46\x03"
                               "bm1\x00\x00\x00\x00\x00\x00\x00\x00"
                               "\x00\x00\x20\x00"
                               "\x44\x03"
                               "bm0\x00\x00\x00\x00\x00\x00\x00\x00"
                               "\x00\x00\x20\x00"
                               "\x00\x00\x00\x00\x00\x00\x00\x20";
static const char complete_wire[] = "\x24\x03"
                                    "bm1\x24\x03"
                                    "bm0\x01";

/* The next chunk at *@p, which moves on; encoding it gives the same bytes. */
static BitmapChunk next(const uint8_t **p, const uint8_t *end)
{
    uint8_t buf[BITMAP_CHUNK_MAX];
    BitmapChunk c;
    int n = bitmap_chunk_decode(*p, (size_t)(end - *p), &c, &error_abort);

    g_assert_cmpint(n, >, 0);
    g_assert_cmpmem(buf, bitmap_chunk_encode(&c, buf), *p, (size_t)n);
    *p += n;
    return c;
}

static void test_start(void)
{
    const uint8_t *p = (const uint8_t *)start_wire;
    const uint8_t *end = p + sizeof(start_wire) - 1;
    BitmapChunk c = next(&p, end);

    g_assert_cmphex(c.flags, ==,
                    BITMAP_CHUNK_START | BITMAP_CHUNK_NODE |
                        BITMAP_CHUNK_BITMAP);
    g_assert_cmpstr(c.node, ==, "disk0");
    g_assert_cmpstr(c.bitmap, ==, "bm1");
    g_assert_cmpuint(c.granularity, ==, 512);
    g_assert_false(c.enabled);
    c = next(&p, end);
    g_assert_cmpstr(c.node, ==, "");
    g_assert_cmpstr(c.bitmap, ==, "bm0");
    g_assert_cmpuint(c.granularity, ==, 65536);
    g_assert_true(c.enabled);
    g_assert_false(c.persistent);
    g_assert_cmphex(next(&p, end).flags, ==, BITMAP_CHUNK_EOS);
    g_assert_true(p == end);
}

static void test_bits(void)
{
    const uint8_t *p = (const uint8_t *)end_wire;
    const uint8_t *end = p + sizeof(end_wire) - 1;
    BitmapChunk c = next(&p, end);

    g_assert_true(c.flags & BITMAP_CHUNK_ZEROES);
    g_assert_cmpuint(c.first_sector, ==, 0);
    g_assert_cmpuint(c.sectors, ==, 8192);
    g_assert_cmpuint(c.data_len, ==, 0);
    c = next(&p, end);
    g_assert_cmpstr(c.bitmap, ==, "bm0");
    g_assert_cmpuint(c.data_len, ==, 32);
    g_assert_cmpuint(bitmap_data_len(c.sectors, 65536), ==, c.data_len);
    g_assert_true(p == end);

    p = (const uint8_t *)complete_wire;
    end = p + sizeof(complete_wire) - 1;
    g_assert_cmphex(next(&p, end).flags, ==,
                    BITMAP_CHUNK_COMPLETE | BITMAP_CHUNK_BITMAP);
    g_assert_cmpstr(next(&p, end).bitmap, ==, "bm0");
    g_assert_cmphex(next(&p, end).flags, ==, BITMAP_CHUNK_EOS);
}

/* Whatever is missing, it is asked for. */
static void test_short(void)
{
    for (size_t n = 0; n < 17; n++) {
        BitmapChunk c;

        g_assert_cmpint(bitmap_chunk_decode((const uint8_t *)start_wire, n, &c,
                                            &error_abort),
                        ==, n < 16 ? 0 : 16);
    }
    for (size_t n = 17; n < sizeof(end_wire) - 1; n++) {
        BitmapChunk c;

        g_assert_cmpint(bitmap_chunk_decode((const uint8_t *)end_wire + 17,
                                            n - 17, &c, &error_abort),
                        ==, 0);
    }
}

static void test_len(void)
{
    g_assert_cmpuint(bitmap_data_len(1, 512), ==, 32);
    g_assert_cmpuint(bitmap_data_len(256, 512), ==, 32);
    g_assert_cmpuint(bitmap_data_len(257, 512), ==, 64);
    g_assert_cmpuint(bitmap_data_len(UINT32_MAX, UINT32_C(1) << 31), ==, 128);
    g_assert_cmpuint(bitmap_data_len(8 << 20, 512), ==, BITMAP_DATA_MAX);
    g_assert_cmpuint(bitmap_data_len((8 << 20) + 1, 512), ==, 0);
    g_assert_cmpuint(bitmap_data_len(0, 512), ==, 0);
}

static const struct {
    const uint8_t *bytes;
    size_t len;
    const char *message;
} bad[] = {
    { BYTES("\x00"), "dirty bitmaps: chunk with flags 0x00" },
    { BYTES("\x81"), "dirty bitmaps: chunk with flags 0x81" },
    { BYTES("\x30"), "dirty bitmaps: chunk with flags 0x30" },
    { BYTES("\x03"), "dirty bitmaps: chunk with flags 0x03" },
    { BYTES("\x0c"), "dirty bitmaps: chunk with flags 0x0c" },
    { BYTES("\x24\x00"), "dirty bitmaps: the alias of a bitmap is not text" },
    { BYTES("\x29\x01\x07"), "dirty bitmaps: chunk with flags 0x29" },
    { BYTES("\x28\x01\x07"), "dirty bitmaps: the alias of a node is not text" },
    { BYTES("\x14\x01"
            "b\x00\x00\x01\x00\x00"),
      "dirty bitmap 'b': granularity 256 is not a power of two from 512 to "
      "2147483648" },
    { BYTES("\x14\x01"
            "b\x00\x01\x00\x01\x00"),
      "dirty bitmap 'b': granularity 65537 is not a power of two from 512 to "
      "2147483648" },
    { BYTES("\x14\x01"
            "b\x00\x01\x00\x00\x09"),
      "dirty bitmap 'b': unknown properties 0x09" },
    { BYTES("\x46\x01"
            "b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
      "dirty bitmap 'b': 0 sectors at 0" },
    { BYTES("\x46\x01"
            "b\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01"),
      "dirty bitmap 'b': 1 sectors at 18446744073709551615" },
    { BYTES("\x44\x01"
            "b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
            "\x00\x00\x00\x00\x00\x10\x00\x20"),
      "dirty bitmap 'b': a chunk of 1048608 bytes" },
    { BYTES("\x44\x01"
            "b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
            "\x00\x00\x00\x00\x00\x00\x00\x08"),
      "dirty bitmap 'b': a chunk of 8 bytes" },
};

static void test_bad(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Error) err = NULL;
        BitmapChunk c;

        g_assert_cmpint(bitmap_chunk_decode(bad[i].bytes, bad[i].len, &c, &err),
                        ==, -1);
        g_assert_cmpstr(error_get_pretty(err), ==, bad[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bitmap-wire/start", test_start);
    g_test_add_func("/bitmap-wire/bits", test_bits);
    g_test_add_func("/bitmap-wire/short", test_short);
    g_test_add_func("/bitmap-wire/length", test_len);
    g_test_add_func("/bitmap-wire/bad", test_bad);
    return g_test_run();
}
