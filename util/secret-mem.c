/*
 * Wiping memory that held secrets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/secret-mem.h"

void secret_wipe(void *p, size_t len)
{
    if (p && len) {
        explicit_bzero(p, len);
    }
}

void secret_free(void *p, size_t len)
{
    secret_wipe(p, len);
    g_free(p);
}

void secret_str_free(char *str)
{
    if (str) {
        secret_free(str, strlen(str));
    }
}

void secret_gstring_free(GString *s)
{
    if (s) {
        secret_wipe(s->str, s->allocated_len);
        g_string_free(s, TRUE);
    }
}

/* What a GBytes needs to know to wipe its memory. */
typedef struct SecretBytes {
    void *data;
    size_t len;
} SecretBytes;

static void secret_bytes_free(gpointer opaque)
{
    SecretBytes *sb = opaque;

    secret_free(sb->data, sb->len);
    g_free(sb);
}

GBytes *secret_bytes_new_take(void *data, size_t len)
{
    SecretBytes *sb = g_new(SecretBytes, 1);

    sb->data = data;
    sb->len = len;
    return g_bytes_new_with_free_func(data, len, secret_bytes_free, sb);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *pa = a;
    const volatile uint8_t *pb = b;
    uint8_t diff = 0;

    for (size_t i = 0; i < len; i++) {
        diff |= pa[i] ^ pb[i];
    }
    return diff == 0;
}
