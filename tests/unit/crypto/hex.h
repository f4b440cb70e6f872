/*
 * Bytes from hexadecimal digits, for test vectors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TEST_CRYPTO_HEX_H
#define TEST_CRYPTO_HEX_H

#include <glib.h>
#include <stdint.h>
#include <string.h>

/** hex_decode: new memory for g_free(); *@len is set if @len is not NULL. */
static inline uint8_t *hex_decode(const char *hex, size_t *len)
{
    size_t n = strlen(hex) / 2;
    uint8_t *out = g_malloc(n + 1);

    g_assert_cmpuint(strlen(hex) % 2, ==, 0);
    for (size_t i = 0; i < n; i++) {
        int hi = g_ascii_xdigit_value(hex[i * 2]);
        int lo = g_ascii_xdigit_value(hex[i * 2 + 1]);

        g_assert_true(hi >= 0 && lo >= 0);
        out[i] = hi << 4 | lo;
    }
    if (len) {
        *len = n;
    }
    return out;
}

#endif
