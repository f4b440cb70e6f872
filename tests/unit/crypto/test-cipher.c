/*
 * Ciphers: published vectors over every library, agreement of the libraries,
 * rules about vectors and calls, wrong arguments.
 *
 * Vectors: NIST SP 800-38A F.1, F.2, F.5 (AES); IEEE 1619-2007 annex B (XTS,
 * 512-byte units as the SHA-256 of the whole); FIPS 81 (DES); SP 800-67 B.1
 * (3DES); RFC 2144 B.1 (CAST5); the NESSIE set 1 vector 0 (Serpent); the
 * vectors of Twofish's authors. CBC of DES, 3DES and CAST5 by openssl.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "util/error.h"

#include "backends.h"
#include "hex.h"

typedef struct CipherVector {
    QCryptoCipherAlgorithm alg;
    QCryptoCipherMode mode;
    const char *key, *iv, *plain;
    const char *cipher; /* or "sha256:..." of the cipher text */
} CipherVector;

#define ALG(x)  QCRYPTO_CIPHER_ALG_##x
#define MODE(x) QCRYPTO_CIPHER_MODE_##x

#define NIST_128 "2b7e151628aed2a6abf7158809cf4f3c"
#define NIST_192 "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
#define NIST_256                                                               \
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
#define NIST_IV  "000102030405060708090a0b0c0d0e0f"
#define NIST_CTR "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define NIST_PT                                                                \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"         \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define ZERO_16 "00000000000000000000000000000000"
#define E_KEY_128                                                              \
    "2718281828459045235360287471352631415926535897932384626433832795"
#define E_KEY_256                                                              \
    "2718281828459045235360287471352662497757247093699959574966967627"         \
    "3141592653589793238462643383279502884197169399375105820974944592"
#define COUNT_512 NULL /* 00 01 .. ff, twice */

static const CipherVector vectors[] = {
    { ALG(AES_128), MODE(ECB), NIST_128, NULL, NIST_PT,
      "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
      "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4" },
    { ALG(AES_192), MODE(ECB), NIST_192, NULL, NIST_PT,
      "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
      "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e" },
    { ALG(AES_256), MODE(ECB), NIST_256, NULL, NIST_PT,
      "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
      "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7" },
    { ALG(AES_128), MODE(CBC), NIST_128, NIST_IV, NIST_PT,
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
      "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7" },
    { ALG(AES_192), MODE(CBC), NIST_192, NIST_IV, NIST_PT,
      "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
      "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd" },
    { ALG(AES_256), MODE(CBC), NIST_256, NIST_IV, NIST_PT,
      "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
      "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b" },
    { ALG(AES_128), MODE(CTR), NIST_128, NIST_CTR, NIST_PT,
      "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
      "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee" },
    { ALG(AES_192), MODE(CTR), NIST_192, NIST_CTR, NIST_PT,
      "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
      "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050" },
    { ALG(AES_256), MODE(CTR), NIST_256, NIST_CTR, NIST_PT,
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
      "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6" },
    { ALG(AES_128), MODE(XTS),
      "1111111111111111111111111111111122222222222222222222222222222222",
      "33333333330000000000000000000000",
      "4444444444444444444444444444444444444444444444444444444444444444",
      "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0" },
    { ALG(AES_128), MODE(XTS),
      "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
      "33333333330000000000000000000000",
      "4444444444444444444444444444444444444444444444444444444444444444",
      "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89" },
    { ALG(AES_128), MODE(XTS), E_KEY_128, ZERO_16, COUNT_512,
      "sha256:"
      "ebee4d64dd2395bb2d6a2d37a0a48ecb2bf4913cfc99d27c2214f2f4144715ea" },
    { ALG(AES_256), MODE(XTS), E_KEY_256, "ff000000000000000000000000000000",
      COUNT_512,
      "sha256:"
      "e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364" },
    { ALG(AES_256), MODE(XTS), E_KEY_256, "ffffffffff0000000000000000000000",
      COUNT_512,
      "sha256:"
      "afba71abc4e95b186d89a63a5437c1bafcfd1a18ca273970c534aba4f8d05282" },
    { ALG(DES), MODE(ECB), "0123456789abcdef", NULL, "4e6f772069732074",
      "3fa40e8a984d4815" },
    { ALG(DES), MODE(CBC), "0123456789abcdef", "1234567890abcdef",
      "4e6f77206973207468652074696d6520666f7220616c6c20",
      "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6" },
    { ALG(3DES), MODE(ECB), "0123456789abcdef23456789abcdef01456789abcdef0123",
      NULL, "54686520717566636b2062726f776e20666f78206a756d70",
      "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900" },
    { ALG(3DES), MODE(CBC), "0123456789abcdef23456789abcdef01456789abcdef0123",
      "f69f2445df4f9b17",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
      "2079c3d53aa763e193b79e2569ab5262516570481f25b50f73c0bda85c8e0da7" },
    { ALG(CAST5_128), MODE(ECB), "0123456712345678234567893456789a", NULL,
      "0123456789abcdef", "238b4fe5847e44b2" },
    { ALG(CAST5_128), MODE(CBC), "0123456712345678234567893456789a",
      "0001020304050607", NIST_PT,
      "227e2d5f1a8fac6ceec574338e1e39821084a9bd24ad7f90890391a3a3f65f4e"
      "135aed55bc721c0e64f496826af1b46fe92fea33aac3e850c4ba551ade705ba9" },
    { ALG(SERPENT_128), MODE(ECB), "80000000000000000000000000000000", NULL,
      ZERO_16, "264e5481eff42a4606abda06c0bfda3d" },
    { ALG(SERPENT_192), MODE(ECB),
      "800000000000000000000000000000000000000000000000", NULL, ZERO_16,
      "9e274ead9b737bb21efcfca548602689" },
    { ALG(SERPENT_256), MODE(ECB),
      "8000000000000000000000000000000000000000000000000000000000000000", NULL,
      ZERO_16, "a223aa1288463c0e2be38ebd825616c0" },
    { ALG(TWOFISH_128), MODE(ECB), ZERO_16, NULL, ZERO_16,
      "9f589f5cf6122c32b6bfec2f2ae8c35a" },
    { ALG(TWOFISH_192), MODE(ECB),
      "0123456789abcdeffedcba98765432100011223344556677", NULL, ZERO_16,
      "cfd1d2e5a9be9cdf501f13b892bd2248" },
    { ALG(TWOFISH_256), MODE(ECB),
      "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff", NULL,
      ZERO_16, "37527be0052334b89f0cfccae87cfa20" },
};

/* May a build lack @alg? Twofish with 192 bits is in nettle alone. */
static bool may_be_missing(QCryptoCipherAlgorithm alg)
{
    return !backends_complete() ||
           (alg == ALG(TWOFISH_192) &&
            !qcrypto_backend_is_built(QCRYPTO_BACKEND_NETTLE));
}

static uint8_t *vector_plain(const CipherVector *v, size_t *len)
{
    uint8_t *plain;

    if (v->plain) {
        return hex_decode(v->plain, len);
    }
    *len = 512;
    plain = g_malloc(*len);
    for (size_t i = 0; i < *len; i++) {
        plain[i] = i;
    }
    return plain;
}

static void assert_vector_cipher(const CipherVector *v, const uint8_t *got,
                                 size_t len)
{
    g_autofree uint8_t *want = NULL;
    size_t want_len;

    if (g_str_has_prefix(v->cipher, "sha256:")) {
        g_autofree char *digest = NULL;

        qcrypto_hash_digest(QCRYPTO_HASH_ALG_SHA256, (const char *)got, len,
                            &digest, &error_abort);
        g_assert_cmpstr(digest, ==, v->cipher + strlen("sha256:"));
        return;
    }
    want = hex_decode(v->cipher, &want_len);
    g_assert_cmpmem(got, len, want, want_len);
}

static void check_vector(QCryptoBackend backend, const CipherVector *v)
{
    size_t nkey, niv = 0, len;
    g_autofree uint8_t *key = hex_decode(v->key, &nkey);
    g_autofree uint8_t *iv = v->iv ? hex_decode(v->iv, &niv) : NULL;
    g_autofree uint8_t *plain = vector_plain(v, &len);
    g_autofree uint8_t *out = g_malloc(len);
    g_autoptr(QCryptoCipher) cipher = qcrypto_cipher_new_with_backend(
        backend, v->alg, v->mode, key, nkey, &error_abort);

    g_assert_cmpuint(niv, ==, qcrypto_cipher_get_iv_len(v->alg, v->mode));
    if (iv) {
        qcrypto_cipher_setiv(cipher, iv, niv, &error_abort);
    }
    qcrypto_cipher_encrypt(cipher, plain, out, len, &error_abort);
    assert_vector_cipher(v, out, len);
    if (iv) {
        qcrypto_cipher_setiv(cipher, iv, niv, &error_abort);
    }
    /* In place. */
    qcrypto_cipher_decrypt(cipher, out, out, len, &error_abort);
    g_assert_cmpmem(out, len, plain, len);
}

static void test_vectors(void)
{
    bool tested[QCRYPTO_BACKEND__MAX] = { false };

    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const CipherVector *v = &vectors[i];

        g_assert_true(qcrypto_cipher_supports(v->alg, v->mode) ||
                      may_be_missing(v->alg));
        for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
            if (qcrypto_cipher_supports_with_backend(b, v->alg, v->mode)) {
                check_vector(b, v);
                tested[b] = true;
            }
        }
    }
    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        g_assert_true(tested[b] == qcrypto_backend_is_built(b));
    }
}

/* What a library makes of a fixed script of calls. */
typedef struct Script {
    QCryptoCipherAlgorithm alg;
    QCryptoCipherMode mode;
    uint8_t key[64], iv[16];
    uint8_t data[3 * 4096];
    size_t nkey, niv, len;
} Script;

static uint8_t *script_run(const Script *s, QCryptoBackend backend)
{
    uint8_t *out = g_malloc(s->len * 4), *at = out;
    size_t third = s->len / 3;
    g_autoptr(QCryptoCipher) cipher = qcrypto_cipher_new_with_backend(
        backend, s->alg, s->mode, s->key, s->nkey, &error_abort);

    /* The vector of a new object is zero. */
    qcrypto_cipher_encrypt(cipher, s->data, at, s->len, &error_abort);
    at += s->len;
    /* Three calls after one vector: chained, or each anew in xts. */
    if (s->niv) {
        qcrypto_cipher_setiv(cipher, s->iv, s->niv, &error_abort);
    }
    for (int i = 0; i < 3; i++) {
        memcpy(at, s->data + i * third, third);
        qcrypto_cipher_encrypt(cipher, at, at, third, &error_abort);
        at += third;
    }
    if (s->niv) {
        qcrypto_cipher_setiv(cipher, s->iv, s->niv, &error_abort);
    }
    for (int i = 0; i < 3; i++) {
        qcrypto_cipher_decrypt(cipher, s->data + i * third, at, third,
                               &error_abort);
        at += third;
    }
    /* And back again. */
    if (s->niv) {
        qcrypto_cipher_setiv(cipher, s->iv, s->niv, &error_abort);
    }
    qcrypto_cipher_encrypt(cipher, at - s->len, at, third, &error_abort);
    g_assert_cmpmem(at, third, s->data, third);
    /* Nothing at all changes nothing. */
    qcrypto_cipher_encrypt(cipher, NULL, NULL, 0, &error_abort);
    qcrypto_cipher_encrypt(cipher, at - s->len + third, at + third, third,
                           &error_abort);
    g_assert_cmpmem(at + third, third, s->data + third, third);
    memset(at + 2 * third, 0, s->len - 2 * third);
    return out;
}

static void script_compare(const Script *s)
{
    g_autofree uint8_t *want = script_run(s, QCRYPTO_BACKEND_AUTO);

    for (int b = 1; b < QCRYPTO_BACKEND__MAX; b++) {
        if (qcrypto_cipher_supports_with_backend(b, s->alg, s->mode)) {
            g_autofree uint8_t *got = script_run(s, b);

            g_assert_cmpmem(got, s->len * 4, want, s->len * 4);
        }
    }
}

static void test_agree(void)
{
    g_autofree Script *s = g_new0(Script, 1);

    qcrypto_random_bytes(s, sizeof(*s), &error_abort);
    for (int alg = 0; alg < QCRYPTO_CIPHER_ALG__MAX; alg++) {
        size_t block = qcrypto_cipher_get_block_len(alg);

        for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
            if (!qcrypto_cipher_supports(alg, mode)) {
                g_assert_true((mode == QCRYPTO_CIPHER_MODE_XTS && block == 8) ||
                              may_be_missing(alg));
                continue;
            }
            s->alg = alg;
            s->mode = mode;
            s->niv = qcrypto_cipher_get_iv_len(alg, mode);
            s->nkey = qcrypto_cipher_get_key_len(alg) *
                      (mode == QCRYPTO_CIPHER_MODE_XTS ? 2 : 1);
            /* All counts of blocks that a bulk loop may treat apart. */
            for (size_t blocks = 1; blocks <= 40; blocks++) {
                s->len = 3 * blocks * block;
                script_compare(s);
            }
            s->len = sizeof(s->data);
            script_compare(s);
        }
    }
}

/* Counters run over the whole block, big-endian, and wrap around. */
static void test_ctr_wrap(void)
{
    static const uint8_t key[16] = { 7 };
    uint8_t iv[16], zero[64] = { 0 }, low[64], high[64];

    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        g_autoptr(QCryptoCipher) cipher = NULL;

        if (!qcrypto_cipher_supports_with_backend(b, ALG(AES_128), MODE(CTR))) {
            continue;
        }
        cipher = qcrypto_cipher_new_with_backend(
            b, ALG(AES_128), MODE(CTR), key, sizeof(key), &error_abort);
        memset(iv, 0xff, sizeof(iv));
        qcrypto_cipher_setiv(cipher, iv, sizeof(iv), &error_abort);
        qcrypto_cipher_encrypt(cipher, zero, high, 64, &error_abort);
        memset(iv, 0, sizeof(iv));
        qcrypto_cipher_setiv(cipher, iv, sizeof(iv), &error_abort);
        qcrypto_cipher_encrypt(cipher, zero, low, 64, &error_abort);
        g_assert_cmpmem(high + 16, 48, low, 48);
    }
}

static void test_wrong_key(void)
{
    uint8_t key[65] = { 0 };
    Error *err = NULL;

    for (int alg = 0; alg < QCRYPTO_CIPHER_ALG__MAX; alg++) {
        for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
            size_t want = qcrypto_cipher_get_key_len(alg) *
                          (mode == QCRYPTO_CIPHER_MODE_XTS ? 2 : 1);

            for (size_t nkey = 0; nkey <= sizeof(key); nkey++) {
                if (nkey == want && qcrypto_cipher_supports(alg, mode)) {
                    continue;
                }
                g_assert_null(qcrypto_cipher_new(alg, mode, key, nkey, &err));
                error_free_or_abort(&err);
            }
        }
    }
}

static void test_wrong_names(void)
{
    uint8_t key[32] = { 0 };
    Error *err = NULL;

    g_assert_false(qcrypto_cipher_supports(QCRYPTO_CIPHER_ALG__MAX, MODE(ECB)));
    g_assert_false(
        qcrypto_cipher_supports(ALG(AES_128), QCRYPTO_CIPHER_MODE__MAX));
    g_assert_null(
        qcrypto_cipher_new(QCRYPTO_CIPHER_ALG__MAX, MODE(ECB), key, 32, &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_cipher_new(ALG(AES_128), QCRYPTO_CIPHER_MODE__MAX,
                                     key, 16, &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_cipher_new_with_backend(
        QCRYPTO_BACKEND_GNUTLS, ALG(AES_128), MODE(ECB), key, 16, &err));
    error_free_or_abort(&err);
}

static void check_wrong_lengths(QCryptoCipher *cipher, size_t block)
{
    uint8_t buf[64] = { 0 }, before[64] = { 0 };
    size_t niv = qcrypto_cipher_get_iv_len(cipher->alg, cipher->mode);
    Error *err = NULL;

    for (size_t len = 1; len < sizeof(buf); len++) {
        if (len % block) {
            g_assert_cmpint(qcrypto_cipher_encrypt(cipher, buf, buf, len, &err),
                            ==, -1);
            error_free_or_abort(&err);
            g_assert_cmpint(qcrypto_cipher_decrypt(cipher, buf, buf, len, &err),
                            ==, -1);
            error_free_or_abort(&err);
            g_assert_cmpmem(buf, sizeof(buf), before, sizeof(before));
        }
        if (len != niv) {
            g_assert_cmpint(qcrypto_cipher_setiv(cipher, buf, len, &err), ==,
                            -1);
            error_free_or_abort(&err);
        }
    }
    g_assert_cmpint(qcrypto_cipher_setiv(cipher, buf, 0, &err), ==, -1);
    error_free_or_abort(&err);
}

static void test_wrong_lengths(void)
{
    uint8_t key[64];

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        for (int alg = 0; alg < QCRYPTO_CIPHER_ALG__MAX; alg++) {
            for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
                g_autoptr(QCryptoCipher) cipher = NULL;

                if (!qcrypto_cipher_supports_with_backend(b, alg, mode)) {
                    continue;
                }
                cipher = qcrypto_cipher_new_with_backend(
                    b, alg, mode, key,
                    qcrypto_cipher_get_key_len(alg) *
                        (mode == QCRYPTO_CIPHER_MODE_XTS ? 2 : 1),
                    &error_abort);
                check_wrong_lengths(cipher, qcrypto_cipher_get_block_len(alg));
            }
        }
    }
}

static void test_xts_limit(void)
{
    uint8_t key[64];
    size_t len = QCRYPTO_CIPHER_XTS_UNIT_MAX;
    g_autofree uint8_t *buf = g_malloc0(len + 16);
    Error *err = NULL;

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        g_autoptr(QCryptoCipher) cipher = NULL;

        if (!qcrypto_cipher_supports_with_backend(b, ALG(AES_256), MODE(XTS))) {
            continue;
        }
        cipher = qcrypto_cipher_new_with_backend(b, ALG(AES_256), MODE(XTS),
                                                 key, 64, &error_abort);
        qcrypto_cipher_encrypt(cipher, buf, buf, len, &error_abort);
        g_assert_cmpint(
            qcrypto_cipher_encrypt(cipher, buf, buf, len + 16, &err), ==, -1);
        error_free_or_abort(&err);
    }
}

/* A library in FIPS mode refuses equal halves; whoever takes them must do it
 * right (IEEE 1619 vector 1). */
static void test_xts_equal_halves(void)
{
    static const CipherVector v = {
        ALG(AES_128),
        MODE(XTS),
        ZERO_16 ZERO_16,
        ZERO_16,
        ZERO_16 ZERO_16,
        "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"
    };
    uint8_t key[32] = { 0 };

    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        g_autoptr(QCryptoCipher) cipher = NULL;
        g_autoptr(Error) err = NULL;

        if (!qcrypto_cipher_supports_with_backend(b, v.alg, v.mode)) {
            continue;
        }
        cipher = qcrypto_cipher_new_with_backend(b, v.alg, v.mode, key,
                                                 sizeof(key), &err);
        g_assert_true(!cipher == !!err);
        if (cipher) {
            check_vector(b, &v);
        }
    }
}

/* VNC passwords make weak keys of DES; all libraries must take them. */
static void test_des_weak_key(void)
{
    static const CipherVector v = { ALG(DES),           MODE(ECB),
                                    "0101010101010101", NULL,
                                    "0000000000000000", "8ca64de9c1b123a7" };

    for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
        if (qcrypto_cipher_supports_with_backend(b, v.alg, v.mode)) {
            check_vector(b, &v);
        }
    }
}

static void test_default_is_built(void)
{
    for (int alg = 0; alg < QCRYPTO_CIPHER_ALG__MAX; alg++) {
        for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
            QCryptoBackend b = qcrypto_cipher_backend(alg, mode);

            if (qcrypto_cipher_supports(alg, mode)) {
                g_assert_true(
                    qcrypto_cipher_supports_with_backend(b, alg, mode));
                g_assert_cmpint(b, !=, QCRYPTO_BACKEND_AUTO);
            } else {
                g_assert_cmpint(b, ==, QCRYPTO_BACKEND_AUTO);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/cipher/vectors", test_vectors);
    g_test_add_func("/crypto/cipher/agree", test_agree);
    g_test_add_func("/crypto/cipher/ctr-wrap", test_ctr_wrap);
    g_test_add_func("/crypto/cipher/wrong-key", test_wrong_key);
    g_test_add_func("/crypto/cipher/wrong-names", test_wrong_names);
    g_test_add_func("/crypto/cipher/wrong-lengths", test_wrong_lengths);
    g_test_add_func("/crypto/cipher/xts-limit", test_xts_limit);
    g_test_add_func("/crypto/cipher/xts-equal-halves", test_xts_equal_halves);
    g_test_add_func("/crypto/cipher/des-weak-key", test_des_weak_key);
    g_test_add_func("/crypto/cipher/default-is-built", test_default_is_built);
    return g_test_run();
}
