/*
 * RSA: what openssl made is read, what the libraries make agrees with it and
 * with each other, and wrong arguments and keys are refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/akcipher.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "util/error.h"
#include "util/secret-mem.h"

#include "backends.h"
#include "hex.h"
#include "rsa-vectors.h"

#define RAW     QCRYPTO_RSA_PADDING_ALG_RAW
#define PKCS1   QCRYPTO_RSA_PADDING_ALG_PKCS1
#define PUBLIC  QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC
#define PRIVATE QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE

static QCryptoAkCipherOptions options(QCryptoRSAPaddingAlgorithm padding,
                                      QCryptoHashAlgorithm hash)
{
    return (QCryptoAkCipherOptions){
        .alg = QCRYPTO_AKCIPHER_ALG_RSA,
        .u.rsa = { .padding_alg = padding, .hash_alg = hash },
    };
}

static QCryptoAkCipher *key_new(QCryptoBackend backend,
                                QCryptoRSAPaddingAlgorithm padding,
                                QCryptoHashAlgorithm hash,
                                QCryptoAkCipherKeyType type, const char *hex)
{
    QCryptoAkCipherOptions opts = options(padding, hash);
    size_t len;
    g_autofree uint8_t *der = hex_decode(hex, &len);

    return qcrypto_akcipher_new_with_backend(backend, &opts, type, der, len,
                                             &error_abort);
}

static bool backend_has_rsa(int backend)
{
    QCryptoAkCipherOptions opts = options(PKCS1, QCRYPTO_HASH_ALG_SHA256);

    return qcrypto_akcipher_supports_with_backend(backend, &opts);
}

static const char *const signatures[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = RSA_SIG_MD5,
    [QCRYPTO_HASH_ALG_SHA1] = RSA_SIG_SHA1,
    [QCRYPTO_HASH_ALG_SHA224] = RSA_SIG_SHA224,
    [QCRYPTO_HASH_ALG_SHA256] = RSA_SIG_SHA256,
    [QCRYPTO_HASH_ALG_SHA384] = RSA_SIG_SHA384,
    [QCRYPTO_HASH_ALG_SHA512] = RSA_SIG_SHA512,
    [QCRYPTO_HASH_ALG_RIPEMD160] = RSA_SIG_RIPEMD160,
};

static void check_signature(int backend, QCryptoHashAlgorithm hash)
{
    g_autoptr(QCryptoAkCipher) priv =
        key_new(backend, PKCS1, hash, PRIVATE, RSA_PRIVATE_1024);
    g_autoptr(QCryptoAkCipher) pub =
        key_new(backend, PKCS1, hash, PUBLIC, RSA_PUBLIC_1024);
    g_autofree uint8_t *want = hex_decode(signatures[hash], NULL);
    g_autofree uint8_t *digest = NULL;
    uint8_t sig[128];
    size_t ndigest = 0;
    Error *err = NULL;

    qcrypto_hash_bytes(hash, RSA_MESSAGE, strlen(RSA_MESSAGE), &digest,
                       &ndigest, &error_abort);
    g_assert_cmpint(qcrypto_akcipher_sign(priv, digest, ndigest, sig,
                                          sizeof(sig), &error_abort),
                    ==, sizeof(sig));
    g_assert_cmpmem(sig, sizeof(sig), want, sizeof(sig));
    qcrypto_akcipher_verify(pub, sig, sizeof(sig), digest, ndigest,
                            &error_abort);
    qcrypto_akcipher_verify(priv, sig, sizeof(sig), digest, ndigest,
                            &error_abort);

    digest[0] ^= 1;
    g_assert_cmpint(qcrypto_akcipher_verify(pub, sig, sizeof(sig), digest,
                                            ndigest, &err),
                    ==, -1);
    error_free_or_abort(&err);
    digest[0] ^= 1;
    for (size_t i = 0; i < sizeof(sig); i += 9) {
        sig[i] ^= 0x10;
        g_assert_cmpint(qcrypto_akcipher_verify(pub, sig, sizeof(sig), digest,
                                                ndigest, &err),
                        ==, -1);
        error_free_or_abort(&err);
        sig[i] ^= 0x10;
    }
}

static void test_signatures(void)
{
    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        for (int hash = 0; hash < QCRYPTO_HASH_ALG__MAX; hash++) {
            if (backend_has_rsa(b)) {
                check_signature(b, hash);
            }
        }
    }
}

static void test_decrypt(void)
{
    g_autofree uint8_t *pkcs1 = hex_decode(RSA_PKCS1_2048, NULL);
    g_autofree uint8_t *raw = hex_decode(RSA_RAW_2048, NULL);
    size_t msg_len = strlen(RSA_MESSAGE);
    uint8_t out[256], zero[256] = { 0 };

    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        if (!backend_has_rsa(b)) {
            continue;
        }
        g_autoptr(QCryptoAkCipher) p =
            key_new(b, PKCS1, QCRYPTO_HASH_ALG_SHA1, PRIVATE, RSA_PRIVATE_2048);
        g_autoptr(QCryptoAkCipher) r =
            key_new(b, RAW, QCRYPTO_HASH_ALG_SHA1, PRIVATE, RSA_PRIVATE_2048);

        g_assert_cmpint(qcrypto_akcipher_decrypt(p, pkcs1, 256, out, 256,
                                                 &error_abort),
                        ==, msg_len);
        g_assert_cmpmem(out, msg_len, RSA_MESSAGE, msg_len);
        g_assert_cmpint(qcrypto_akcipher_decrypt(r, raw, 256, out, 256,
                                                 &error_abort),
                        ==, 256);
        g_assert_cmpmem(out, 256 - msg_len, zero, 256 - msg_len);
        g_assert_cmpmem(out + 256 - msg_len, msg_len, RSA_MESSAGE, msg_len);
    }
}

/* Each library reads what each other wrote, at every length. */
static void check_pair(int writer, int reader, QCryptoRSAPaddingAlgorithm pad)
{
    g_autoptr(QCryptoAkCipher) pub =
        key_new(writer, pad, QCRYPTO_HASH_ALG_SHA1, PUBLIC, RSA_PUBLIC_1024);
    g_autoptr(QCryptoAkCipher) priv =
        key_new(reader, pad, QCRYPTO_HASH_ALG_SHA1, PRIVATE, RSA_PRIVATE_1024);
    size_t max = pad == PKCS1 ? 117 : 127;
    uint8_t plain[128], cipher[130], out[130], zero[128] = { 0 };

    for (size_t len = 0; len <= max; len += len < 3 || len > 110 ? 1 : 19) {
        int got;

        qcrypto_random_bytes(plain, sizeof(plain), &error_abort);
        g_assert_cmpint(qcrypto_akcipher_encrypt(pub, plain, len, cipher,
                                                 sizeof(cipher), &error_abort),
                        ==, 128);
        got = qcrypto_akcipher_decrypt(priv, cipher, 128, out, sizeof(out),
                                       &error_abort);
        if (pad == PKCS1) {
            g_assert_cmpmem(out, got, plain, len);
        } else {
            g_assert_cmpint(got, ==, 128);
            g_assert_cmpmem(out, 128 - len, zero, 128 - len);
            g_assert_cmpmem(out + 128 - len, len, plain, len);
        }
    }
}

static void test_pairs(void)
{
    for (int w = 0; w < QCRYPTO_BACKEND__MAX; w++) {
        for (int r = 0; r < QCRYPTO_BACKEND__MAX; r++) {
            if (backend_has_rsa(w) && backend_has_rsa(r)) {
                check_pair(w, r, PKCS1);
                check_pair(w, r, RAW);
            }
        }
    }
}

static void check_wrong_calls(int b)
{
    g_autoptr(QCryptoAkCipher) pub =
        key_new(b, PKCS1, QCRYPTO_HASH_ALG_SHA256, PUBLIC, RSA_PUBLIC_1024);
    g_autoptr(QCryptoAkCipher) priv =
        key_new(b, PKCS1, QCRYPTO_HASH_ALG_SHA256, PRIVATE, RSA_PRIVATE_1024);
    g_autoptr(QCryptoAkCipher) raw =
        key_new(b, RAW, QCRYPTO_HASH_ALG_SHA256, PRIVATE, RSA_PRIVATE_1024);
    uint8_t buf[256] = { 1 }, out[256];
    Error *err = NULL;

#define REFUSED(call)                                                          \
    do {                                                                       \
        g_assert_cmpint((call), ==, -1);                                       \
        error_free_or_abort(&err);                                             \
    } while (0)

    g_assert_cmpint(qcrypto_akcipher_max_plaintext_len(pub), ==, 128);
    g_assert_cmpint(qcrypto_akcipher_max_ciphertext_len(pub), ==, 128);
    g_assert_cmpint(qcrypto_akcipher_max_signature_len(pub), ==, 128);
    g_assert_cmpint(qcrypto_akcipher_max_dgst_len(pub), ==, 128);
    /* A public key has no secret. */
    REFUSED(qcrypto_akcipher_decrypt(pub, buf, 128, out, 256, &err));
    REFUSED(qcrypto_akcipher_sign(pub, buf, 32, out, 256, &err));
    /* Too long, too little room. */
    REFUSED(qcrypto_akcipher_encrypt(pub, buf, 118, out, 256, &err));
    REFUSED(qcrypto_akcipher_encrypt(pub, buf, 10, out, 127, &err));
    REFUSED(qcrypto_akcipher_encrypt(raw, buf, 129, out, 256, &err));
    REFUSED(qcrypto_akcipher_decrypt(priv, buf, 129, out, 256, &err));
    REFUSED(qcrypto_akcipher_decrypt(priv, buf, 128, out, 127, &err));
    REFUSED(qcrypto_akcipher_sign(priv, buf, 32, out, 127, &err));
    /* Digest of another length. */
    REFUSED(qcrypto_akcipher_sign(priv, buf, 31, out, 256, &err));
    REFUSED(qcrypto_akcipher_sign(priv, buf, 33, out, 256, &err));
    REFUSED(qcrypto_akcipher_verify(priv, buf, 128, buf, 31, &err));
    /* Signature of another length. */
    REFUSED(qcrypto_akcipher_verify(priv, buf, 127, buf, 32, &err));
    REFUSED(qcrypto_akcipher_verify(priv, buf, 129, buf, 32, &err));
    REFUSED(qcrypto_akcipher_verify(priv, buf, 0, buf, 32, &err));
    /* Raw RSA signs nothing. */
    REFUSED(qcrypto_akcipher_sign(raw, buf, 32, out, 256, &err));
    REFUSED(qcrypto_akcipher_verify(raw, buf, 128, buf, 32, &err));
    /* Numbers not below the modulus; nothing; zero; wrong padding. */
    memset(buf, 0xff, sizeof(buf));
    REFUSED(qcrypto_akcipher_encrypt(raw, buf, 128, out, 256, &err));
    REFUSED(qcrypto_akcipher_decrypt(raw, buf, 128, out, 256, &err));
    REFUSED(qcrypto_akcipher_decrypt(priv, buf, 128, out, 256, &err));
    REFUSED(qcrypto_akcipher_verify(priv, buf, 128, buf, 32, &err));
    REFUSED(qcrypto_akcipher_decrypt(priv, NULL, 0, out, 256, &err));
    REFUSED(qcrypto_akcipher_decrypt(priv, "\1", 1, out, 256, &err));
    memset(buf, 0, sizeof(buf));
    REFUSED(qcrypto_akcipher_verify(priv, buf, 128, buf, 32, &err));
}

static void test_wrong_calls(void)
{
    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        if (backend_has_rsa(b)) {
            check_wrong_calls(b);
        }
    }
}

static void test_short_key(void)
{
    /* 512 bits: room for SHA-1 but not for SHA-512. */
    uint8_t der[80] = { 0x30, 0x48, 0x02, 0x41, 0x00, 0x80 }, buf[64] = { 0 };
    QCryptoAkCipherOptions opts = options(PKCS1, QCRYPTO_HASH_ALG_SHA512);
    g_autoptr(QCryptoAkCipher) pub = NULL;
    Error *err = NULL;

    der[68] = 1;
    memcpy(der + 69, "\x02\x03\x01\x00\x01", 5);
    pub = qcrypto_akcipher_new(&opts, PUBLIC, der, 74, &error_abort);
    REFUSED(qcrypto_akcipher_verify(pub, buf, 64, buf, 64, &err));
}

static void test_wrong_options(void)
{
    static const QCryptoAkCipherOptions wrong[] = {
        { .alg = QCRYPTO_AKCIPHER_ALG__MAX },
        { .u.rsa.padding_alg = QCRYPTO_RSA_PADDING_ALG__MAX },
        { .u.rsa.hash_alg = QCRYPTO_HASH_ALG__MAX },
    };
    g_autofree uint8_t *der = hex_decode(RSA_PUBLIC_1024, NULL);
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        QCryptoAkCipherOptions opts = wrong[i];

        g_assert_false(qcrypto_akcipher_supports(&opts));
        g_assert_cmpint(qcrypto_akcipher_backend(&opts), ==,
                        QCRYPTO_BACKEND_AUTO);
        g_assert_null(qcrypto_akcipher_new(&opts, PUBLIC, der, 140, &err));
        error_free_or_abort(&err);
    }
}

/* Any byte of a private key changed: refused, or at least no crash and no
 * wrong result that passes for right. */
static void test_damaged_key(void)
{
    QCryptoAkCipherOptions opts = options(PKCS1, QCRYPTO_HASH_ALG_SHA256);
    size_t len;
    g_autofree uint8_t *der = hex_decode(RSA_PRIVATE_1024, &len);
    g_autoptr(QCryptoAkCipher) pub =
        key_new(QCRYPTO_BACKEND_AUTO, PKCS1, QCRYPTO_HASH_ALG_SHA256, PUBLIC,
                RSA_PUBLIC_1024);
    uint8_t digest[32] = { 1 }, sig[2048];

    for (int b = 1; b < QCRYPTO_BACKEND__MAX; b++) {
        if (!backend_has_rsa(b)) {
            continue;
        }
        for (size_t i = 0; i < len; i += 3) {
            g_autoptr(QCryptoAkCipher) priv = NULL;

            der[i] ^= 0x40;
            priv = qcrypto_akcipher_new_with_backend(b, &opts, PRIVATE, der,
                                                     len, NULL);
            der[i] ^= 0x40;
            if (priv) {
                qcrypto_akcipher_sign(priv, digest, sizeof(digest), sig,
                                      sizeof(sig), NULL);
            }
        }
    }
}

static void test_export(void)
{
    QCryptoAkCipherOptions opts = options(RAW, QCRYPTO_HASH_ALG_SHA1);
    size_t len, want_len, got_len = 0;
    g_autofree uint8_t *der = hex_decode(RSA_PRIVATE_1024, &len);
    g_autofree uint8_t *want = hex_decode(RSA_P8_1024, &want_len);
    uint8_t *got = NULL;
    Error *err = NULL;

    qcrypto_akcipher_export_p8info(&opts, der, len, &got, &got_len,
                                   &error_abort);
    g_assert_cmpmem(got, got_len, want, want_len);
    secret_free(got, got_len);
    got = NULL;
    der[1] ^= 1;
    REFUSED(
        qcrypto_akcipher_export_p8info(&opts, der, len, &got, &got_len, &err));
    g_assert_null(got);
    opts.alg = QCRYPTO_AKCIPHER_ALG__MAX;
    REFUSED(
        qcrypto_akcipher_export_p8info(&opts, der, len, &got, &got_len, &err));
}

/* GnuTLS alone: refused, not crashed. */
static void test_none(void)
{
    QCryptoAkCipherOptions opts = options(PKCS1, QCRYPTO_HASH_ALG_SHA256);
    size_t len;
    g_autofree uint8_t *der = hex_decode(RSA_PUBLIC_1024, &len);
    Error *err = NULL;

    g_assert_false(qcrypto_akcipher_supports(&opts));
    g_assert_null(qcrypto_akcipher_new(&opts, PUBLIC, der, len, &err));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    if (!backends_complete()) {
        g_test_add_func("/crypto/akcipher/none", test_none);
        return g_test_run();
    }
    g_test_add_func("/crypto/akcipher/signatures", test_signatures);
    g_test_add_func("/crypto/akcipher/decrypt", test_decrypt);
    g_test_add_func("/crypto/akcipher/pairs", test_pairs);
    g_test_add_func("/crypto/akcipher/wrong-calls", test_wrong_calls);
    g_test_add_func("/crypto/akcipher/short-key", test_short_key);
    g_test_add_func("/crypto/akcipher/wrong-options", test_wrong_options);
    g_test_add_func("/crypto/akcipher/damaged-key", test_damaged_key);
    g_test_add_func("/crypto/akcipher/export", test_export);
    return g_test_run();
}
