/*
 * The zero test of buffers: every length around its steps, every place of the
 * one byte that is not zero, every alignment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib.h>

#include "util/buffer-zero.h"

#define BYTES 1100

/* By every way that this CPU can go. */
static void check(const uint8_t *buf, size_t len, bool zero)
{
    g_assert_cmpint(buffer_is_zero(buf, len), ==, zero);
    for (BufferZeroWay way = 0; way <= buffer_zero_best(); way++) {
        g_assert_cmpint(buffer_is_zero_by(way, buf, len), ==, zero);
    }
}

static void test_every_place(void)
{
    g_autofree uint8_t *mem = g_malloc0(BYTES + 64);

    for (size_t len = 0; len <= BYTES; len += len < 600 ? 1 : 37) {
        check(mem + 1, len, true);
        for (size_t i = 0; i < len; i++) {
            mem[1 + i] = (uint8_t)(1u << (i % 8));
            check(mem + 1, len, false);
            mem[1 + i] = 0;
        }
    }
}

static void test_neighbours_do_not_count(void)
{
    g_autofree uint8_t *mem = g_malloc(BYTES + 64);

    for (size_t start = 1; start < 34; start++) {
        for (size_t len = 0; len < BYTES; len += 61) {
            memset(mem, 0xff, BYTES + 64);
            memset(mem + start, 0, len);
            check(mem + start, len, true);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/buffer-zero/every-place", test_every_place);
    g_test_add_func("/util/buffer-zero/neighbours",
                    test_neighbours_do_not_count);
    return g_test_run();
}
