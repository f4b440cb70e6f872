/*
 * Pages that were never touched.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "migration/ram/page-present.h"
#include "util/bitmap.h"
#include "util/fd.h"

#include "fake-ram.h"

#define PAGES 2000

/* Touch some pages; the map has to have at least those. */
static PagePresentWay check_present(unsigned flags, PagePresentWay best,
                                    bool exact)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    RAMBlock *rb = fake_ram_add(fr, "ram", PAGES * RAM_PAGE_SIZE, 4096, flags);
    g_autofree unsigned long *touched = bitmap_new(PAGES);
    g_autofree unsigned long *map = bitmap_new(PAGES);
    AUTO_FD pagemap = page_present_open();
    PagePresentWay way;
    uint64_t data_end = 0;
    uint8_t byte = 1;

    madvise(rb->host, rb->used_length, MADV_NOHUGEPAGE);
    for (uint64_t p = 0; p < PAGES; p += 1 + p / 3) {
        fake_ram_write(fr, rb, p << RAM_PAGE_BITS, &byte, 1);
        set_bit((long)p, touched);
    }
    /* In windows that begin anywhere. */
    way = PAGE_PRESENT_ALL;
    for (uint64_t p = 0; p < PAGES; p += 77) {
        uint64_t n = MIN(77, PAGES - p);
        g_autofree unsigned long *part = bitmap_new(77);

        bitmap_fill(part, 77);
        way = page_present_map(pagemap, best, rb, p, n, part, &data_end);
        for (uint64_t i = 0; i < n; i++) {
            if (test_bit((long)i, part)) {
                set_bit((long)(p + i), map);
            }
        }
    }
    for (long p = 0; p < PAGES; p++) {
        g_assert_true(test_bit(p, map) || !test_bit(p, touched));
        if (exact) {
            g_assert_cmpint(test_bit(p, map), ==, test_bit(p, touched));
        }
    }
    return way;
}

static void test_present(void)
{
    check_present(0, PAGE_PRESENT_SCAN, true);
    check_present(0, PAGE_PRESENT_PAGEMAP, true);
    g_assert_cmpint(check_present(0, PAGE_PRESENT_ALL, false), ==,
                    PAGE_PRESENT_ALL);
    g_assert_cmpint(check_present(RAM_BLOCK_SHARED, PAGE_PRESENT_SCAN, true),
                    ==, PAGE_PRESENT_HOLES);
}

/* Pages that were only read hold the kernel's zero page: still untouched. */
static void test_only_read(void)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    RAMBlock *rb = fake_ram_add(fr, "ram", 64 * RAM_PAGE_SIZE, 4096, 0);
    unsigned long map = 0;
    uint64_t data_end = 0;
    AUTO_FD pagemap = page_present_open();
    volatile uint8_t *host = rb->host;
    uint8_t sum = 0;

    madvise(rb->host, rb->used_length, MADV_NOHUGEPAGE);
    for (unsigned p = 0; p < 64; p++) {
        sum |= host[p << RAM_PAGE_BITS];
    }
    g_assert_cmpint(sum, ==, 0);
    if (page_present_map(pagemap, PAGE_PRESENT_SCAN, rb, 0, 64, &map,
                         &data_end) != PAGE_PRESENT_SCAN) {
        g_test_skip("no PAGEMAP_SCAN in this kernel");
        return;
    }
    g_assert_cmphex(map, ==, 0);
}

/* A private mapping shows the file's data and pages of its own. */
static void test_private_file(void)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    RAMBlock *rb =
        fake_ram_add(fr, "ram", 64 * RAM_PAGE_SIZE, 4096, RAM_BLOCK_SHARED);
    unsigned long map = 0;
    uint64_t data_end = 0;
    AUTO_FD pagemap = page_present_open();
    uint8_t byte = 1;

    fake_ram_write(fr, rb, 5 << RAM_PAGE_BITS, &byte, 1);
    rb->flags = 0;
    g_assert_true(mmap(rb->host, rb->used_length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_FIXED, rb->fd, 0) == rb->host);
    fake_ram_write(fr, rb, 9 << RAM_PAGE_BITS, &byte, 1);
    if (page_present_map(pagemap, PAGE_PRESENT_SCAN, rb, 0, 64, &map,
                         &data_end) == PAGE_PRESENT_HOLES) {
        g_assert_cmphex(map & ((1UL << 5) | (1UL << 9)), ==,
                        (1UL << 5) | (1UL << 9));
        g_assert_cmphex(map, !=, ~0UL);
    }
    /* Without the page tables nothing is promised. */
    g_assert_cmpint(page_present_map(-1, PAGE_PRESENT_SCAN, rb, 0, 64, &map,
                                     &data_end),
                    ==, PAGE_PRESENT_ALL);
    g_assert_cmphex(map, ==, ~0UL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page/present", test_present);
    g_test_add_func("/page/only-read", test_only_read);
    g_test_add_func("/page/private-file", test_private_file);
    return g_test_run();
}
