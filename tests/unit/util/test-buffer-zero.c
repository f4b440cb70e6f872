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

static void test_every_place(void)
{
    g_autofree uint8_t *mem = g_malloc0(BYTES + 64);

    for (size_t len = 0; len <= BYTES; len += len < 600 ? 1 : 37) {
        g_assert_true(buffer_is_zero(mem + 1, len));
        for (size_t i = 0; i < len; i++) {
            mem[1 + i] = 0x80;
            g_assert_false(buffer_is_zero(mem + 1, len));
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
            g_assert_true(buffer_is_zero(mem + start, len));
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
