/*
 * Hashes: published vectors over every library, piecewise feeding, result
 * shapes and wrong arguments.
 *
 * Vectors: RFC 1321, FIPS 180-4, ISO/IEC 10118-3 (empty and "abc"); 1000
 * times 'a' by Python's hashlib and openssl.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "util/error.h"

#include "backends.h"
#include "hex.h"

typedef struct HashVector {
    const char *empty;
    const char *abc;
    const char *a1000;
    size_t len;
} HashVector;

static const HashVector vectors[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = { "d41d8cd98f00b204e9800998ecf8427e",
                               "900150983cd24fb0d6963f7d28e17f72",
                               "cabe45dcc9ae5b66ba86600cca6b8ba8", 16 },
    [QCRYPTO_HASH_ALG_SHA1] = { "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                                "a9993e364706816aba3e25717850c26c9cd0d89d",
                                "291e9a6c66994949b57ba5e650361e98fc36b1ba",
                                20 },
    [QCRYPTO_HASH_ALG_SHA224] = { "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
                                  "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
                                  "4e8f0ce90b64661a2b5e84be6d93a7d9b76871062f1814433d04a03d",
                                  28 },
    [QCRYPTO_HASH_ALG_SHA256] = { "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                  "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3",
                                  32 },
    [QCRYPTO_HASH_ALG_SHA384] = { "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
                                  "274edebfe76f65fbd51ad2f14898b95b",
                                  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                                  "8086072ba1e7cc2358baeca134c825a7",
                                  "f54480689c6b0b11d0303285d9a81b21a93bca6ba5a1b4472765dca4da45ee32"
                                  "8082d469c650cd3b61b16d3266ab8ced",
                                  48 },
    [QCRYPTO_HASH_ALG_SHA512] = { "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                                  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
                                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                                  "67ba5535a46e3f86dbfbed8cbbaf0125c76ed549ff8b0b9e03e0c88cf90fa634"
                                  "fa7b12b47d77b694de488ace8d9a65967dc96df599727d3292a8d9d447709c97",
                                  64 },
    [QCRYPTO_HASH_ALG_RIPEMD160] = { "9c1185a5c5e9fc54612808977ee8f548b2258d31",
                                     "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
                                     "aa69deee9a8922e92f8105e007f76110f381e9cf",
                                     20 },
};

static void check(QCryptoBackend backend, QCryptoHashAlgorithm alg,
                  const char *msg, size_t len, size_t step, const char *want)
{
    g_autoptr(QCryptoHash) hash =
        qcrypto_hash_new_with_backend(backend, alg, &error_abort);
    g_autofree char *got = NULL;

    for (size_t off = 0; off < len; off += step) {
        qcrypto_hash_update(hash, msg + off, MIN(step, len - off),
                            &error_abort);
    }
    qcrypto_hash_finalize_digest(hash, &got, &error_abort);
    g_assert_cmpstr(got, ==, want);
}

static void test_vectors(void)
{
    static const size_t steps[] = { 1, 7, 64, 127, 1000 };
    char a1000[1000];

    memset(a1000, 'a', sizeof(a1000));
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        const HashVector *v = &vectors[alg];
        int libraries = 0;

        g_assert_cmpuint(qcrypto_hash_digest_len(alg), ==, v->len);
        g_assert_true(qcrypto_hash_supports(alg) || !backends_complete());
        for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
            if (!qcrypto_hash_supports_with_backend(b, alg)) {
                continue;
            }
            libraries++;
            check(b, alg, "", 0, 1, v->empty);
            check(b, alg, "abc", 3, 3, v->abc);
            check(b, alg, "abc", 3, 1, v->abc);
            for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                check(b, alg, a1000, sizeof(a1000), steps[i], v->a1000);
            }
        }
        /* The default and at least one that has a name. */
        g_assert_cmpint(libraries, >=, qcrypto_hash_supports(alg) ? 2 : 0);
    }
}

static void test_shapes(void)
{
    const char *abc = vectors[QCRYPTO_HASH_ALG_SHA256].abc;
    g_autofree uint8_t *want = hex_decode(abc, NULL);
    g_autofree char *want64 = g_base64_encode(want, 32);
    struct iovec iov[] = { { .iov_base = (char *)"a", .iov_len = 1 },
                           { .iov_base = NULL, .iov_len = 0 },
                           { .iov_base = (char *)"bc", .iov_len = 2 } };
    g_autofree uint8_t *made = NULL;
    g_autofree char *digest = NULL, *digestv = NULL, *b64 = NULL, *b64v = NULL,
                    *streamed = NULL;
    uint8_t own[32], *result = own;
    size_t made_len = 0, own_len = sizeof(own);

    qcrypto_hash_bytesv(QCRYPTO_HASH_ALG_SHA256, iov, ARRAY_SIZE(iov), &made,
                        &made_len, &error_abort);
    g_assert_cmpmem(made, made_len, want, 32);

    qcrypto_hash_bytes(QCRYPTO_HASH_ALG_SHA256, "abc", 3, &result, &own_len,
                       &error_abort);
    g_assert_true(result == own);
    g_assert_cmpmem(own, own_len, want, 32);

    qcrypto_hash_digest(QCRYPTO_HASH_ALG_SHA256, "abc", 3, &digest,
                        &error_abort);
    qcrypto_hash_digestv(QCRYPTO_HASH_ALG_SHA256, iov, ARRAY_SIZE(iov),
                         &digestv, &error_abort);
    g_assert_cmpstr(digest, ==, abc);
    g_assert_cmpstr(digestv, ==, abc);

    qcrypto_hash_base64(QCRYPTO_HASH_ALG_SHA256, "abc", 3, &b64, &error_abort);
    qcrypto_hash_base64v(QCRYPTO_HASH_ALG_SHA256, iov, ARRAY_SIZE(iov), &b64v,
                         &error_abort);
    g_assert_cmpstr(b64, ==, want64);
    g_assert_cmpstr(b64v, ==, want64);

    g_autoptr(QCryptoHash) hash =
        qcrypto_hash_new(QCRYPTO_HASH_ALG_SHA256, &error_abort);
    qcrypto_hash_updatev(hash, iov, ARRAY_SIZE(iov), &error_abort);
    qcrypto_hash_finalize_base64(hash, &streamed, &error_abort);
    g_assert_cmpstr(streamed, ==, want64);
}

static void test_wrong_length(void)
{
    uint8_t own[64], *result = own;
    Error *err = NULL;

    for (size_t len = 1; len <= sizeof(own); len++) {
        size_t resultlen = len;

        if (len == 32) {
            continue;
        }
        g_assert_cmpint(qcrypto_hash_bytes(QCRYPTO_HASH_ALG_SHA256, "abc", 3,
                                           &result, &resultlen, &err),
                        ==, -1);
        error_free_or_abort(&err);
        g_assert_true(result == own);
        g_assert_cmpuint(resultlen, ==, len);
    }
}

static void test_wrong_algorithm(void)
{
    Error *err = NULL;
    char *digest = NULL, *base64 = NULL;

    g_assert_false(qcrypto_hash_supports(QCRYPTO_HASH_ALG__MAX));
    g_assert_null(qcrypto_hash_new(QCRYPTO_HASH_ALG__MAX, &err));
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_hash_digest(QCRYPTO_HASH_ALG__MAX, "", 0, &digest,
                                        &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_null(digest);
    g_assert_cmpint(qcrypto_hash_base64(QCRYPTO_HASH_ALG__MAX, "", 0, &base64,
                                        &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_null(base64);
}

static void test_finalized(void)
{
    g_autoptr(QCryptoHash) hash =
        qcrypto_hash_new(QCRYPTO_HASH_ALG_SHA1, &error_abort);
    g_autofree char *digest = NULL;
    char *again = NULL;
    Error *err = NULL;

    qcrypto_hash_finalize_digest(hash, &digest, &error_abort);
    g_assert_cmpint(qcrypto_hash_update(hash, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_hash_finalize_digest(hash, &again, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_null(again);
}

/* The libraries agree on messages around every block boundary. */
static void test_agree(void)
{
    char msg[300];

    qcrypto_random_bytes(msg, sizeof(msg), &error_abort);
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        for (size_t len = 0; len <= sizeof(msg); len++) {
            g_autofree char *want = NULL;

            if (!qcrypto_hash_supports(alg)) {
                break;
            }
            qcrypto_hash_digest(alg, msg, len, &want, &error_abort);
            for (int b = 1; b < QCRYPTO_BACKEND__MAX; b++) {
                if (qcrypto_hash_supports_with_backend(b, alg)) {
                    check(b, alg, msg, len, MAX(len, 1), want);
                }
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/hash/vectors", test_vectors);
    g_test_add_func("/crypto/hash/shapes", test_shapes);
    g_test_add_func("/crypto/hash/wrong-length", test_wrong_length);
    g_test_add_func("/crypto/hash/wrong-algorithm", test_wrong_algorithm);
    g_test_add_func("/crypto/hash/finalized", test_finalized);
    g_test_add_func("/crypto/hash/agree", test_agree);
    return g_test_run();
}
