/*
 * Pages to zlib streams and back, one by one and by the pools of threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/compress-codec.h"
#include "migration/compress/compress-pool.h"
#include "migration/compress/decompress-pool.h"

#define PAGE  RAM_PAGE_SIZE
#define PAGES 500

/* Text of @seed that compresses; every eighth page does not. */
static void make_page(uint8_t *page, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (unsigned i = 0; i < PAGE; i++) {
        x = x * 1664525 + 1013904223;
        page[i] = seed % 8 == 7
                      ? (uint8_t)(x >> 24)
                      : (uint8_t) "one two three four five"[(x >> 28) % 23];
    }
}

static void test_codec(void)
{
    for (unsigned level = 0; level <= COMPRESS_LEVEL_MAX; level++) {
        for (unsigned from = 0; from < PAGE_ZLIB__MAX; from++) {
            g_autoptr(PageDeflate) d =
                page_deflate_new((PageZlib)from, level, &error_abort);

            for (unsigned seed = 0; seed < 16; seed++) {
                uint8_t page[PAGE], out[DECOMPRESS_BYTES_MAX];
                size_t len;

                make_page(page, seed);
                len = page_deflate(d, page, out, sizeof(out));
                g_assert_cmpuint(len, >, 0);
                g_assert_cmpint(out[0] & 0x0f, ==, 8); /* RFC 1950: deflate */
                for (unsigned to = 0; to < PAGE_ZLIB__MAX; to++) {
                    g_autoptr(PageInflate) i =
                        page_inflate_new((PageZlib)to, &error_abort);
                    uint8_t back[PAGE];

                    g_assert_true(page_inflate(i, out, len, back));
                    g_assert_cmpmem(back, PAGE, page, PAGE);
                    /* A bit in the checksum, a byte less. */
                    out[len - 1] ^= 1;
                    g_assert_false(page_inflate(i, out, len, back));
                    out[len - 1] ^= 1;
                    g_assert_false(page_inflate(i, out, len - 1, back));
                    g_assert_true(page_inflate(i, out, len, back));
                }
            }
        }
    }
}

static void test_too_small(void)
{
    for (unsigned from = 0; from < PAGE_ZLIB__MAX; from++) {
        g_autoptr(PageDeflate) d =
            page_deflate_new((PageZlib)from, 1, &error_abort);
        uint8_t page[PAGE], out[PAGE];

        make_page(page, 7);
        g_assert_cmpuint(page_deflate(d, page, out, PAGE - 64), ==, 0);
        make_page(page, 1);
        g_assert_cmpuint(page_deflate(d, page, out, PAGE - 64), >, 0);
    }
}

/* -- pools ------------------------------------------------------------------------ */

typedef struct Seen {
    DecompressPool *back;
    uint8_t *memory;
    unsigned pages, plain;
    RAMBlock *rb;
} Seen;

static void page_done(void *opaque, RAMBlock *rb, uint64_t offset,
                      const uint8_t *page, const uint8_t *data, size_t len)
{
    Seen *seen = opaque;

    g_assert_true(rb == seen->rb);
    seen->pages++;
    if (!len) {
        seen->plain++;
        memcpy(seen->memory + offset, page, PAGE);
        return;
    }
    memcpy(decompress_pool_buffer(seen->back, &error_abort), data, len);
    decompress_pool_add(seen->back, len, seen->memory + offset);
}

static void run_pools(unsigned threads, bool wait)
{
    RAMBlock rb = { .idstr = "ram" };
    Seen seen = { .rb = &rb,
                  .memory = g_malloc0(PAGES * PAGE),
                  .back = decompress_pool_new(threads, &error_abort) };
    CompressPool *p =
        compress_pool_new(threads, 1, page_done, &seen, &error_abort);
    uint8_t page[PAGE];
    unsigned busy = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        make_page(page, i);
        if (!compress_pool_add(p, &rb, i * PAGE, page, wait)) {
            memcpy(seen.memory + i * PAGE, page, PAGE);
            busy++;
        }
        memset(page, 0, PAGE); /* it was copied */
    }
    compress_pool_drain(p);
    g_assert_true(decompress_pool_drain(seen.back, &error_abort));
    g_assert_cmpuint(seen.pages + busy, ==, PAGES);
    g_assert_true(!wait || !busy);
    g_assert_cmpuint(compress_pool_cpu_ns(p), >, 0);
    g_assert_cmpuint(compress_pool_cpu_ns(p), ==, 0);
    if (wait) {
        g_assert_cmpuint(seen.plain, ==, PAGES / 8);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        make_page(page, i);
        g_assert_cmpmem(seen.memory + i * PAGE, PAGE, page, PAGE);
    }
    compress_pool_drain(p); /* nothing to do */
    compress_pool_free(p);
    decompress_pool_free(seen.back);
    g_free(seen.memory);
}

static void test_pools(void)
{
    run_pools(1, true);
    run_pools(3, true);
    run_pools(1, false);
}

static void page_counted(void *opaque, RAMBlock *rb, uint64_t offset,
                         const uint8_t *page, const uint8_t *data, size_t len)
{
    ++*(unsigned *)opaque;
}

/* Freed with pages in work. */
static void test_abandon(void)
{
    RAMBlock rb = { .idstr = "ram" };
    unsigned done = 0;
    CompressPool *p =
        compress_pool_new(2, 9, page_counted, &done, &error_abort);
    uint8_t page[PAGE];
    unsigned added = 0;

    make_page(page, 1);
    while (added < 70 && compress_pool_add(p, &rb, 0, page, false)) {
        added++;
    }
    g_assert_cmpuint(done, <, added);
    compress_pool_free(p);
}

static void test_damaged(void)
{
    DecompressPool *p = decompress_pool_new(2, &error_abort);
    uint8_t page[PAGE];
    Error *err = NULL;

    for (unsigned i = 0; i < 3; i++) {
        uint8_t *buf = decompress_pool_buffer(p, &error_abort);

        memset(buf, (int)i, DECOMPRESS_BYTES_MAX);
        decompress_pool_add(p, 10 + i, page);
    }
    g_assert_false(decompress_pool_drain(p, &err));
    g_assert_nonnull(err);
    error_free(g_steal_pointer(&err));
    g_assert_null(decompress_pool_buffer(p, &err));
    error_free(err);
    decompress_pool_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/compress/codec", test_codec);
    g_test_add_func("/compress/too-small", test_too_small);
    g_test_add_func("/compress/pools", test_pools);
    g_test_add_func("/compress/abandon", test_abandon);
    g_test_add_func("/compress/damaged", test_damaged);
    return g_test_run();
}
