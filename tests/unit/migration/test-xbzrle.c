/*
 * XBZRLE: golden bytes, every way against the others, damaged encodings; the
 * cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/xbzrle-cache.h"
#include "migration/compress/xbzrle.h"

#define PAGE RAM_PAGE_SIZE

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/* From interface.md: zero-run, nonzero-run, bytes; uleb128; the rest left out. */
static void test_golden(void)
{
    static const struct {
        unsigned at[3];
        unsigned n;
        uint8_t bytes[12];
        int len;
    } golden[] = {
        { { 0 }, 1, { 0x00, 0x01, 0xaa }, 3 },
        { { 5 }, 1, { 0x05, 0x01, 0xaa }, 3 },
        { { 127 }, 1, { 0x7f, 0x01, 0xaa }, 3 },
        { { 128 }, 1, { 0x80, 0x01, 0x01, 0xaa }, 4 },
        { { 4095 }, 1, { 0xff, 0x1f, 0x01, 0xaa }, 4 },
        { { 1, 2 }, 2, { 0x01, 0x02, 0xaa, 0xaa }, 4 },
        { { 0, 10 }, 2, { 0x00, 0x01, 0xaa, 0x09, 0x01, 0xaa }, 6 },
        { { 0, 10, 300 },
          3,
          { 0x00, 0x01, 0xaa, 0x09, 0x01, 0xaa, 0xa1, 0x02, 0x01, 0xaa },
          10 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(golden); i++) {
        uint8_t old[PAGE] = { 0 }, page[PAGE] = { 0 }, out[PAGE];

        for (unsigned k = 0; k < golden[i].n; k++) {
            page[golden[i].at[k]] = 0xaa;
        }
        for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
            int len = xbzrle_encode_by(way, old, page, out, PAGE);

            g_assert_cmpmem(out, len, golden[i].bytes, golden[i].len);
        }
        g_assert_cmpint(xbzrle_decode(golden[i].bytes, golden[i].len, old), ==,
                        golden[i].at[golden[i].n - 1] + 1);
        g_assert_cmpmem(old, PAGE, page, PAGE);
    }
}

static void test_equal(void)
{
    uint8_t page[PAGE], out[1];

    memset(page, 3, PAGE);
    for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
        g_assert_cmpint(xbzrle_encode_by(way, page, page, out, 0), ==, 0);
        g_assert_cmpint(xbzrle_decode_by(way, out, 0, page), ==, 0);
    }
}

static void round_trip(const uint8_t *old, const uint8_t *page)
{
    uint8_t first[PAGE];
    int first_len = 0;

    for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
        uint8_t out[PAGE + 1], to[PAGE];
        int len;

        out[PAGE] = 0x77;
        len = xbzrle_encode_by(way, old, page, out, PAGE);
        g_assert_cmpint(out[PAGE], ==, 0x77);
        if (!way) {
            first_len = len;
            memcpy(first, out, len > 0 ? len : 0);
        }
        g_assert_cmpint(len, ==, first_len);
        if (len == XBZRLE_OVERFLOW) {
            continue;
        }
        g_assert_cmpmem(out, len, first, len);
        memcpy(to, old, PAGE);
        g_assert_cmpint(xbzrle_decode_by(way, out, (size_t)len, to), >=, 0);
        g_assert_cmpmem(to, PAGE, page, PAGE);
    }
}

static void test_random(void)
{
    uint32_t x = 12345;

    for (int round = 0; round < 2000; round++) {
        uint8_t old[PAGE], page[PAGE];
        unsigned changes = next_random(&x) % (round % 10 ? 40 : 3000);

        for (unsigned i = 0; i < PAGE; i++) {
            old[i] = (uint8_t)next_random(&x);
        }
        memcpy(page, old, PAGE);
        while (changes--) {
            unsigned at = next_random(&x) % PAGE;
            unsigned n = 1 + next_random(&x) % 9;

            for (unsigned i = at; i < MIN(at + n, PAGE); i++) {
                page[i] = (uint8_t)next_random(&x);
            }
        }
        round_trip(old, page);
    }
}

static void test_overflow(void)
{
    uint8_t old[PAGE] = { 0 }, page[PAGE], out[PAGE];

    memset(page, 1, PAGE);
    g_assert_cmpint(xbzrle_encode(old, page, out, PAGE), ==, XBZRLE_OVERFLOW);
    memset(page + 4000, 0, PAGE - 4000);
    g_assert_cmpint(xbzrle_encode(old, page, out, PAGE), ==, 4003);
    g_assert_cmpint(xbzrle_encode(old, page, out, 4002), ==, XBZRLE_OVERFLOW);
}

static void test_damaged(void)
{
    static const struct {
        uint8_t bytes[8];
        int len;
    } bad[] = {
        { { 0x00 }, 1 }, /* no second length */
        { { 0x05 }, 1 },
        { { 0x80 }, 1 },                               /* half a length */
        { { 0x80, 0x80, 0x01, 0x01, 0xaa }, 5 },       /* a third byte */
        { { 0x00, 0x00 }, 2 },                         /* nothing changed */
        { { 0x00, 0x02, 0xaa }, 3 },                   /* a byte too few */
        { { 0x00, 0x01, 0xaa, 0x00, 0x01, 0xaa }, 6 }, /* no gap */
        { { 0x80, 0x20, 0x01, 0xaa }, 4 },             /* at 4096 */
        { { 0xff, 0x1f, 0x02, 0xaa, 0xaa }, 5 },       /* over the end */
        { { 0xff, 0x7f, 0x01, 0xaa }, 4 },
        { { 0x00, 0xff, 0x7f, 0xaa }, 4 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
            uint8_t page[PAGE + 8] = { 0 };

            /* Exactly as long as it says, for the sanitizers. */
            g_autofree uint8_t *buf = g_memdup2(bad[i].bytes, bad[i].len);

            g_assert_cmpint(
                xbzrle_decode_by(way, buf, (size_t)bad[i].len, page), ==, -1);
            for (unsigned k = PAGE; k < sizeof(page); k++) {
                g_assert_cmpint(page[k], ==, 0);
            }
        }
    }
}

/* -- cache --------------------------------------------------------------------------- */

static uint8_t *insert(XBZRLECache *c, uint64_t key, uint64_t pass)
{
    uint8_t *page = xbzrle_cache_insert(c, key, pass);

    if (page) {
        memset(page, (int)(key & 0xff), PAGE);
    }
    return page;
}

static void test_cache(void)
{
    XBZRLECache *c = xbzrle_cache_new(4 * PAGE, &error_abort);

    g_assert_cmpuint(xbzrle_cache_bytes(c), ==, 4 * PAGE);
    g_assert_null(xbzrle_cache_find(c, 1, 1));
    for (uint64_t key = 0; key < 4; key++) {
        g_assert_nonnull(insert(c, key, 1));
    }
    g_assert_cmpint(xbzrle_cache_find(c, 2, 1)[PAGE - 1], ==, 2);
    /* The younger waits until the elder was not used for a pass. */
    g_assert_null(insert(c, 6, 1));
    g_assert_null(insert(c, 6, 2));
    g_assert_nonnull(insert(c, 6, 3));
    g_assert_null(xbzrle_cache_find(c, 2, 3));
    g_assert_cmpint(xbzrle_cache_find(c, 6, 3)[0], ==, 6);
    g_assert_nonnull(xbzrle_cache_find(c, 3, 3));
    g_assert_null(insert(c, 7, 4));
    xbzrle_cache_free(c);
}

static void test_resize(void)
{
    XBZRLECache *c = xbzrle_cache_new(8 * PAGE, &error_abort);
    Error *err = NULL;

    for (uint64_t key = 0; key < 8; key++) {
        insert(c, key, key); /* the later the younger */
    }
    g_assert_true(xbzrle_cache_resize(c, 32 * PAGE, &error_abort));
    for (uint64_t key = 0; key < 8; key++) {
        g_assert_cmpint(xbzrle_cache_find(c, key, key)[9], ==, key);
    }
    g_assert_true(xbzrle_cache_resize(c, 4 * PAGE, &error_abort));
    for (uint64_t key = 0; key < 4; key++) {
        g_assert_null(xbzrle_cache_find(c, key, 8));
        g_assert_cmpint(xbzrle_cache_find(c, key + 4, 8)[0], ==, key + 4);
    }
    g_assert_false(xbzrle_cache_resize(c, 3 * PAGE, &err));
    error_free(g_steal_pointer(&err));
    g_assert_cmpuint(xbzrle_cache_bytes(c), ==, 4 * PAGE);
    g_assert_nonnull(xbzrle_cache_find(c, 5, 8));
    xbzrle_cache_free(c);
}

static void test_sizes(void)
{
    static const uint64_t bad[] = { 0, 1, 4095, 12288, UINT64_C(1) << 63 };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_null(xbzrle_cache_new(bad[i], &err));
        error_free(err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xbzrle/golden", test_golden);
    g_test_add_func("/xbzrle/equal", test_equal);
    g_test_add_func("/xbzrle/random", test_random);
    g_test_add_func("/xbzrle/overflow", test_overflow);
    g_test_add_func("/xbzrle/damaged", test_damaged);
    g_test_add_func("/xbzrle-cache/places", test_cache);
    g_test_add_func("/xbzrle-cache/resize", test_resize);
    g_test_add_func("/xbzrle-cache/sizes", test_sizes);
    return g_test_run();
}
