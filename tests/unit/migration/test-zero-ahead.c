/*
 * The thread that looks for zero pages ahead: what it says is true, it stays away
 * from pages that are not wanted, and it stops when it is told to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "migration/ram-block.h"
#include "migration/ram/zero-ahead.h"

/* More than one word of groups. */
#define GROUPS 128
#define PAGES  (GROUPS * ZERO_AHEAD_GROUP)
#define BYTES  ((size_t)PAGES << RAM_PAGE_BITS)

static uint8_t *memory_new(void)
{
    uint8_t *mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert(mem != MAP_FAILED);
    return mem;
}

static bool is_marked(unsigned page)
{
    return page % 7 == 3 || page % 64 == 63;
}

/* The last byte of a page is enough. */
static void mark(uint8_t *mem)
{
    for (unsigned page = 0; page < PAGES; page++) {
        mem[((size_t)page << RAM_PAGE_BITS) + RAM_PAGE_SIZE - 1] =
            is_marked(page);
    }
}

static void begin(ZeroAhead *z, const uint8_t *mem, const uint64_t *wanted)
{
    while (!zero_ahead_begin(z, mem, wanted, GROUPS)) {
        g_usleep(100); /* it has met us, and is on its way back */
    }
}

/* Until the thread knows a page that nobody else looks at. Who asks too early
 * takes the page away from it, so it begins again and is given more time. */
static bool wait_known(ZeroAhead *z, const uint8_t *mem, const uint64_t *wanted,
                       unsigned page)
{
    for (int i = 0; i < 14; i++) {
        bool zero;

        begin(z, mem, wanted);
        g_usleep(1000UL << i);
        if (zero_ahead_knows(z, page, &zero)) {
            g_assert_cmpint(zero, ==, !is_marked(page));
            return true;
        }
    }
    return false;
}

/* Both ends go on at once; whatever is known is true. */
static void test_both_ends(void)
{
    g_autoptr(ZeroAhead) z = zero_ahead_new();
    uint64_t wanted[GROUPS];
    uint8_t *mem = memory_new();
    unsigned known = 0;

    if (!z) {
        g_test_skip("one processor");
        munmap(mem, BYTES);
        return;
    }
    mark(mem);
    memset(wanted, 0xff, sizeof(wanted));
    for (int round = 0; round < 20; round++) {
        begin(z, mem, wanted);
        for (unsigned page = 0; page < PAGES; page++) {
            bool zero;

            if (zero_ahead_knows(z, page, &zero)) {
                known++;
                g_assert_cmpint(zero, ==, !is_marked(page));
            } else if (page % 64 == 0) {
                g_usleep(20);
            }
        }
    }
    g_test_message("%u pages of %u", known, 20 * PAGES);
    g_assert_true(wait_known(z, mem, wanted, PAGES - 1));
    /* All of it, as nobody else did any. */
    g_assert_true(wait_known(z, mem, wanted, 0));
    g_assert_cmpuint(zero_ahead_cpu_ns(z), >, 0);
    g_clear_pointer(&z, zero_ahead_free);
    munmap(mem, BYTES);
}

/* Pages that are not wanted cannot be read. */
static void test_wanted(void)
{
    g_autoptr(ZeroAhead) z = zero_ahead_new();
    uint64_t wanted[GROUPS] = { 0 };
    uint8_t *mem = memory_new();

    if (!z) {
        g_test_skip("one processor");
        munmap(mem, BYTES);
        return;
    }
    mark(mem);
    for (unsigned page = 0; page < PAGES; page++) {
        if (page % 5 == 1 && page / 64 != 30) {
            wanted[page / 64] |= UINT64_C(1) << page % 64;
        } else {
            mprotect(mem + ((size_t)page << RAM_PAGE_BITS), RAM_PAGE_SIZE,
                     PROT_NONE);
        }
    }
    g_assert_true(wait_known(z, mem, wanted, 1));
    g_assert_true(wait_known(z, mem, wanted, PAGES - 1));
    g_clear_pointer(&z, zero_ahead_free);
    munmap(mem, BYTES);
}

/* When it is freed the memory may go. */
static void test_cancel(void)
{
    ZeroAhead *z = zero_ahead_new();
    uint8_t *mem = memory_new();
    uint64_t wanted[GROUPS];

    if (!z) {
        munmap(mem, BYTES);
        g_test_skip("one processor");
        return;
    }
    memset(wanted, 0xff, sizeof(wanted));
    for (unsigned i = 0; i < 50; i++) {
        begin(z, mem, wanted);
        g_usleep(i * 10);
        zero_ahead_cancel(z);
    }
    begin(z, mem, wanted);
    zero_ahead_free(z); /* in the middle of it */
    munmap(mem, BYTES);
    zero_ahead_cancel(NULL);
    zero_ahead_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zero-ahead/both-ends", test_both_ends);
    g_test_add_func("/zero-ahead/wanted", test_wanted);
    g_test_add_func("/zero-ahead/cancel", test_cancel);
    return g_test_run();
}
