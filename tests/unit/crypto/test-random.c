/*
 * Random bytes: all of a buffer is filled, and never alike.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/init.h"
#include "crypto/random.h"
#include "util/error.h"

static void test_fills(void)
{
    /* Over 256 bytes, getrandom() may give less than asked for. */
    static const size_t lens[] = { 0, 1, 16, 257, 4096, 1 << 20 };

    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        g_autofree uint8_t *a = g_malloc0(lens[i] + 1);
        g_autofree uint8_t *b = g_malloc0(lens[i] + 1);

        g_assert_cmpint(qcrypto_random_bytes(a, lens[i], &error_abort), ==, 0);
        g_assert_cmpint(qcrypto_random_bytes(b, lens[i], &error_abort), ==, 0);
        g_assert_cmphex(a[lens[i]], ==, 0);
        if (lens[i] < 16) {
            continue;
        }
        g_assert_true(memcmp(a, b, lens[i]) != 0);
        /* No stretch of 16 zeros: the odds are below 2^-100. */
        for (size_t j = 0, run = 0; j < lens[i]; j++) {
            run = a[j] ? 0 : run + 1;
            g_assert_cmpuint(run, <, 16);
        }
    }
}

static void test_init_twice(void)
{
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    g_assert_cmpint(qcrypto_random_init(&error_abort), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crypto/random/fills", test_fills);
    g_test_add_func("/crypto/random/init-twice", test_init_twice);
    return g_test_run();
}
