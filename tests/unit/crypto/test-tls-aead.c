/*
 * The cipher under TLS records: known vectors, and every length beside GnuTLS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "crypto/random.h"
#include "crypto/tls-aead.h"
#include "util/error.h"

#include "hex.h"

#define TEXT_MAX 16500

typedef struct Vector {
    gnutls_cipher_algorithm_t cipher;
    const char *key, *nonce, *aad, *text, *sealed;
} Vector;

/* D. McGrew, J. Viega: The Galois/Counter Mode of Operation, cases 4 and 16. */
static const Vector vectors[] = {
    { GNUTLS_CIPHER_AES_128_GCM, "feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
      "5bc94fbc3221a5db94fae95ae7121a47" },
    { GNUTLS_CIPHER_AES_256_GCM,
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void test_vectors(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        const Vector *v = &vectors[i];
        size_t key_len, aad_len, len, sealed_len;
        g_autofree uint8_t *key = hex_decode(v->key, &key_len);
        g_autofree uint8_t *nonce = hex_decode(v->nonce, NULL);
        g_autofree uint8_t *aad = hex_decode(v->aad, &aad_len);
        g_autofree uint8_t *text = hex_decode(v->text, &len);
        g_autofree uint8_t *sealed = hex_decode(v->sealed, &sealed_len);

        for (int way = 0; way < TLS_AEAD_WAY__MAX; way++) {
            TLSAead *a =
                tls_aead_new_by((TLSAeadWay)way, v->cipher, key, key_len);
            uint8_t buf[128];

            g_assert_true(a || way == TLS_AEAD_OWN);
            if (!a) {
                continue;
            }
            memcpy(buf, text, len);
            g_assert_true(tls_aead_seal(a, nonce, aad, aad_len, buf, len));
            g_assert_cmpmem(buf, len + TLS_AEAD_TAG, sealed, sealed_len);
            tls_aead_free(a);
        }
    }
}

/* -- beside GnuTLS ------------------------------------------------------------ */

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
    size_t want_len = sizeof(f->want);

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

static void check_way(TLSAeadWay way, gnutls_cipher_algorithm_t cipher)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint8_t key[32];
    gnutls_datum_t datum = { .data = key,
                             .size = gnutls_cipher_get_key_size(cipher) };

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    qcrypto_random_bytes(f->aad, sizeof(f->aad), &error_abort);
    qcrypto_random_bytes(f->text, sizeof(f->text), &error_abort);
    f->a = tls_aead_new_by(way, cipher, key, datum.size);
    if (!f->a) {
        g_assert_cmpint(way, ==, TLS_AEAD_OWN);
        return;
    }
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

static void test_lengths(const void *opaque)
{
    gnutls_cipher_algorithm_t cipher = GPOINTER_TO_INT(opaque);

    for (int way = 0; way < TLS_AEAD_WAY__MAX; way++) {
        check_way((TLSAeadWay)way, cipher);
    }
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
    g_test_add_func("/crypto/tls-aead/vectors", test_vectors);
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
