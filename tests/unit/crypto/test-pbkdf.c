/*
 * PBKDF2: published vectors over every library, calibration, wrong numbers.
 *
 * Vectors: RFC 6070 (sha1, but the one of 2^24 rounds), RFC 7914 11
 * (sha256); the others by Python's hashlib and `openssl kdf`.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/init.h"
#include "crypto/pbkdf.h"
#include "util/error.h"

#include "backends.h"
#include "hex.h"

typedef struct PbkdfVector {
    QCryptoHashAlgorithm hash;
    const char *key;
    size_t nkey;
    const char *salt;
    size_t nsalt;
    uint64_t iterations;
    const char *out;
} PbkdfVector;

#define TEXT(s) s, sizeof(s) - 1

static const PbkdfVector vectors[] = {
    { QCRYPTO_HASH_ALG_SHA1, TEXT("password"), TEXT("salt"), 1,
      "0c60c80f961f0e71f3a9b524af6012062fe037a6" },
    { QCRYPTO_HASH_ALG_SHA1, TEXT("password"), TEXT("salt"), 2,
      "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957" },
    { QCRYPTO_HASH_ALG_SHA1, TEXT("password"), TEXT("salt"), 4096,
      "4b007901b765489abead49d926f721d065a429c1" },
    { QCRYPTO_HASH_ALG_SHA1, TEXT("passwordPASSWORDpassword"),
      TEXT("saltSALTsaltSALTsaltSALTsaltSALTsalt"), 4096,
      "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038" },
    { QCRYPTO_HASH_ALG_SHA1, TEXT("pass\0word"), TEXT("sa\0lt"), 4096,
      "56fa6aa75548099dcc37d7f03425e0c3" },
    { QCRYPTO_HASH_ALG_SHA256, TEXT("passwd"), TEXT("salt"), 1,
      "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
      "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783" },
    { QCRYPTO_HASH_ALG_SHA256, TEXT("Password"), TEXT("NaCl"), 80000,
      "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
      "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d" },
    { QCRYPTO_HASH_ALG_SHA256, TEXT("password"), TEXT("salt"), 4096,
      "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a" },
    { QCRYPTO_HASH_ALG_SHA512, TEXT("password"), TEXT("salt"), 1000,
      "afe6c5530785b6cc6b1c6453384731bd5ee432ee549fd42fb6695779ad8a1c5b"
      "f59de69c48f774efc4007d5298f9033c0241d5ab69305e7b64eceeb8d834cfec" },
    { QCRYPTO_HASH_ALG_SHA224, TEXT("password"), TEXT("salt"), 3,
      "947cf079cfc7f2016dcd7ec418840443edaabb90c496f98cabeec4bf" },
    { QCRYPTO_HASH_ALG_SHA384, TEXT("password"), TEXT("salt"), 3,
      "1bfb451b6087e5d24eeffb57d7284448da95b581d35a1887d9a6e756af559b1f"
      "b4798a4529502f87cdf71f435d66d25e344483fb1f24ab37be82ed35c43762d0"
      "1520cd6457ab0240e0b334cfc688f5da7cc7febb0af6bbb4a7d1def8190116be"
      "a389efcb" },
    { QCRYPTO_HASH_ALG_MD5, TEXT(""), TEXT("salt"), 7,
      "ed86218abfe2e17b77f9d570d8385dc6b0694985" },
    { QCRYPTO_HASH_ALG_RIPEMD160, TEXT("password"), TEXT("salt"), 5,
      "6b1c445479fa7f1fb0ceb213b4237ef31431044d" },
};

static void check(QCryptoBackend backend, const PbkdfVector *v)
{
    size_t len;
    g_autofree uint8_t *want = hex_decode(v->out, &len);
    g_autofree uint8_t *out = g_malloc0(len + 1);

    out[len] = 0xee;
    qcrypto_pbkdf2_with_backend(backend, v->hash, (const uint8_t *)v->key,
                                v->nkey, (const uint8_t *)v->salt, v->nsalt,
                                v->iterations, out, len, &error_abort);
    g_assert_cmpmem(out, len, want, len);
    g_assert_cmphex(out[len], ==, 0xee);
}

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const PbkdfVector *v = &vectors[i];

        g_assert_true(qcrypto_pbkdf2_supports(v->hash) || !backends_complete());
        for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
            if (!qcrypto_pbkdf2_supports_with_backend(b, v->hash)) {
                continue;
            }
            check(b, v);
        }
    }
}

static void test_wrong(void)
{
    static const uint8_t key[4] = { 0 };
    uint8_t out[4] = { 1, 2, 3, 4 };
    Error *err = NULL;

    g_assert_false(qcrypto_pbkdf2_supports(QCRYPTO_HASH_ALG__MAX));
    g_assert_cmpint(qcrypto_pbkdf2(QCRYPTO_HASH_ALG__MAX, key, 4, key, 4, 1,
                                   out, 4, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_pbkdf2(QCRYPTO_HASH_ALG_SHA1, key, 4, key, 4, 0,
                                   out, 4, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_pbkdf2(QCRYPTO_HASH_ALG_SHA1, key, 4, key, 4,
                                   UINT64_C(1) << 32, out, 4, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_pbkdf2(QCRYPTO_HASH_ALG_SHA1, key, 4, key, 4, 1,
                                   out, 0, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_pbkdf2(QCRYPTO_HASH_ALG_SHA1, key, 4, key, 4, 1,
                                   out, SIZE_MAX, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpmem(out, 4, "\1\2\3\4", 4);
    g_assert_true(qcrypto_pbkdf2_count_iters(QCRYPTO_HASH_ALG__MAX, key, 4, key,
                                             4, 4, &err) == UINT64_MAX);
    error_free_or_abort(&err);
}

/* A quarter of the rounds takes about a quarter of a second. */
static void test_count_iters(void)
{
    static const uint8_t key[8] = { 1 };
    struct timespec start, end;
    uint8_t out[32];
    uint64_t iters;
    double seconds;

    iters = qcrypto_pbkdf2_count_iters(QCRYPTO_HASH_ALG_SHA256, key, 8, key, 8,
                                       sizeof(out), &error_abort);
    g_assert_cmpuint(iters, >, 1000);
    g_assert_cmpuint(iters, <, UINT32_MAX);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    qcrypto_pbkdf2(QCRYPTO_HASH_ALG_SHA256, key, 8, key, 8, iters / 4, out,
                   sizeof(out), &error_abort);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    seconds = (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9;
    /* Wide: clock speed and shared caches move while this runs. */
    g_assert_cmpfloat(seconds, >, 0.1);
    g_assert_cmpfloat(seconds, <, 0.6);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/pbkdf/vectors", test_vectors);
    g_test_add_func("/crypto/pbkdf/wrong", test_wrong);
    g_test_add_func("/crypto/pbkdf/count-iters", test_count_iters);
    return g_test_run();
}
