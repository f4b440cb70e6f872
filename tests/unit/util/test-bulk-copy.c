/*
 * Bulk copies: every length and alignment around the places where the loops change.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bulk-copy.h"

#define ROOM  (32 * 1024)
#define GUARD 0xa5

typedef void CopyFunc(void *dst, const void *src, size_t len);

static const size_t lengths[] = { 0,    1,    63,   64,   255,   1023, 1024,
                                  1025, 1087, 1151, 1279, 1280,  4095, 4096,
                                  4097, 4160, 8192, 9999, 16384, 20001 };

static void check(CopyFunc *copy, uint8_t *dst, const uint8_t *src, size_t len)
{
    memset(dst - 64, GUARD, len + 128);
    copy(dst, src, len);
    bulk_copy_out_done();
    g_assert_cmpmem(dst, len, src, len);
    for (size_t i = 1; i <= 64; i++) {
        g_assert_cmphex(dst[-(ssize_t)i], ==, GUARD);
        g_assert_cmphex(dst[len + i - 1], ==, GUARD);
    }
}

static void test_copy(const void *opaque)
{
    CopyFunc *copy = *(CopyFunc *const *)opaque;
    g_autofree uint8_t *src = g_malloc(ROOM), *dst = g_malloc(ROOM);

    for (size_t i = 0; i < ROOM; i++) {
        src[i] = (uint8_t)(i * 131 + (i >> 8));
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(lengths); n++) {
        for (size_t shift = 0; shift < 64; shift += 7) {
            check(copy, dst + 64 + shift, src, lengths[n]);
            check(copy, dst + 64, src + shift, lengths[n]);
        }
    }
}

int main(int argc, char **argv)
{
    static CopyFunc *const in = bulk_copy_in, *const out = bulk_copy_out;

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/util/bulk-copy/in", &in, test_copy);
    g_test_add_data_func("/util/bulk-copy/out", &out, test_copy);
    return g_test_run();
}
