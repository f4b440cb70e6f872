/*
 * The cipher under TLS records beside GnuTLS's: what one seals the other opens,
 * of every length; forgeries.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "crypto/random.h"
#include "crypto/tls-aead.h"
#include "util/buffer-zero.h"
#include "util/error.h"

#define TEXT_MAX 16500

typedef struct Fixture {
    gnutls_aead_cipher_hd_t yardstick;
    TLSAead *a;
    uint8_t nonce[TLS_AEAD_NONCE];
    uint8_t aad[200];
    uint8_t text[TEXT_MAX];
    uint8_t want[TEXT_MAX + TLS_AEAD_TAG];
    uint8_t got[TEXT_MAX + TLS_AEAD_TAG];
    uint8_t back[TEXT_MAX];
} Fixture;

static void check_length(Fixture *f, size_t aad_len, size_t len)
{
    size_t want_len = sizeof(f->want), back_len;

    f->nonce[0]++;
    g_assert_cmpint(gnutls_aead_cipher_encrypt(f->yardstick, f->nonce,
                                               sizeof(f->nonce), f->aad,
                                               aad_len, TLS_AEAD_TAG, f->text,
                                               len, f->want, &want_len),
                    ==, 0);
    memcpy(f->got, f->text, len);
    g_assert_true(tls_aead_seal(f->a, f->nonce, f->aad, aad_len, f->got, len));
    g_assert_cmpmem(f->got, len + TLS_AEAD_TAG, f->want, want_len);
    memset(f->back, 0x55, sizeof(f->back));
    g_assert_true(tls_aead_open(f->a, f->nonce, f->aad, aad_len, f->got,
                                len + TLS_AEAD_TAG, f->back));
    g_assert_cmpmem(f->back, len, f->text, len);
    if (len < sizeof(f->back)) {
        g_assert_cmphex(f->back[len], ==, 0x55);
    }
    back_len = sizeof(f->back);
    g_assert_cmpint(
        gnutls_aead_cipher_decrypt(f->yardstick, f->nonce, sizeof(f->nonce),
                                   f->aad, aad_len, TLS_AEAD_TAG, f->got,
                                   len + TLS_AEAD_TAG, f->back, &back_len),
        ==, 0);
    g_assert_cmpmem(f->back, back_len, f->text, len);
}

/* Each kind of forgery by one bit. */
static void check_forged(Fixture *f, size_t len)
{
    uint8_t *parts[] = { f->nonce,     f->aad,
                         f->got,       f->got + len / 2,
                         f->got + len, f->got + len + TLS_AEAD_TAG - 1 };
    size_t sealed = len + TLS_AEAD_TAG;

    check_length(f, 5, len);
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        parts[i][0] ^= 0x80;
        g_assert_false(
            tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed, f->back));
        g_assert_true(buffer_is_zero(f->back, len));
        parts[i][0] ^= 0x80;
    }
    g_assert_false(
        tls_aead_open(f->a, f->nonce, f->aad, 4, f->got, sealed, f->back));
    g_assert_false(
        tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed - 1, f->back));
    g_assert_false(tls_aead_open(f->a, f->nonce, f->aad, 5, f->got,
                                 TLS_AEAD_TAG - 1, f->back));
    g_assert_true(
        tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed, f->back));
}

static void test_lengths(const void *opaque)
{
    gnutls_cipher_algorithm_t cipher = GPOINTER_TO_INT(opaque);
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint8_t key[32];
    gnutls_datum_t datum = { .data = key,
                             .size = gnutls_cipher_get_key_size(cipher) };

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    qcrypto_random_bytes(f->aad, sizeof(f->aad), &error_abort);
    qcrypto_random_bytes(f->text, sizeof(f->text), &error_abort);
    f->a = tls_aead_new(cipher, key, datum.size);
    g_assert_nonnull(f->a);
    g_assert_cmpint(gnutls_aead_cipher_init(&f->yardstick, cipher, &datum), ==,
                    0);
    for (size_t len = 1; len < 1200; len++) {
        check_length(f, 5, len);
    }
    for (size_t aad_len = 1; aad_len < sizeof(f->aad); aad_len++) {
        check_length(f, aad_len, 77);
    }
    check_length(f, 5, 16384 + 1);
    check_length(f, 5, TEXT_MAX);
    check_forged(f, 16385);
    check_forged(f, 33);
    check_forged(f, 1);
    gnutls_aead_cipher_deinit(f->yardstick);
    tls_aead_free(f->a);
}

static void test_unknown(void)
{
    uint8_t key[32] = { 0 };

    g_assert_null(tls_aead_new(GNUTLS_CIPHER_AES_128_CBC, key, 16));
    g_assert_null(tls_aead_new(GNUTLS_CIPHER_UNKNOWN, key, 16));
    tls_aead_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/crypto/tls-aead/lengths/aes-128-gcm",
                         GINT_TO_POINTER(GNUTLS_CIPHER_AES_128_GCM),
                         test_lengths);
    g_test_add_data_func("/crypto/tls-aead/lengths/aes-256-gcm",
                         GINT_TO_POINTER(GNUTLS_CIPHER_AES_256_GCM),
                         test_lengths);
    g_test_add_data_func("/crypto/tls-aead/lengths/chacha20-poly1305",
                         GINT_TO_POINTER(GNUTLS_CIPHER_CHACHA20_POLY1305),
                         test_lengths);
    g_test_add_func("/crypto/tls-aead/unknown", test_unknown);
    return g_test_run();
}
