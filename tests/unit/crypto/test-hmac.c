/*
 * Keyed hashes: published vectors over every library, reuse of an object,
 * wrong arguments.
 *
 * Vectors: RFC 2202 (md5, sha1), RFC 4231 (sha2), RFC 2286 (ripemd160), test
 * cases 1 (short), 2 (key shorter than a digest), 6 (key longer than a
 * block).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "util/error.h"

#include "backends.h"
#include "hex.h"

typedef struct HmacVector {
    QCryptoHashAlgorithm alg;
    uint8_t key_byte; /* 0: key is "Jefe" */
    size_t nkey;
    const char *msg;
    const char *want;
} HmacVector;

#define HI    "Hi There"
#define WHAT  "what do ya want for nothing?"
#define LARGE "Test Using Larger Than Block-Size Key - Hash Key First"

static const HmacVector vectors[] = {
    { QCRYPTO_HASH_ALG_MD5, 0x0b, 16, HI, "9294727a3638bb1c13f48ef8158bfc9d" },
    { QCRYPTO_HASH_ALG_MD5, 0, 4, WHAT, "750c783e6ab0b503eaa86e310a5db738" },
    { QCRYPTO_HASH_ALG_MD5, 0xaa, 80, LARGE,
      "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd" },
    { QCRYPTO_HASH_ALG_SHA1, 0x0b, 20, HI,
      "b617318655057264e28bc0b6fb378c8ef146be00" },
    { QCRYPTO_HASH_ALG_SHA1, 0, 4, WHAT,
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
    { QCRYPTO_HASH_ALG_SHA1, 0xaa, 80, LARGE,
      "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
    { QCRYPTO_HASH_ALG_SHA224, 0x0b, 20, HI,
      "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22" },
    { QCRYPTO_HASH_ALG_SHA224, 0xaa, 131, LARGE,
      "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e" },
    { QCRYPTO_HASH_ALG_SHA256, 0x0b, 20, HI,
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { QCRYPTO_HASH_ALG_SHA256, 0, 4, WHAT,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { QCRYPTO_HASH_ALG_SHA256, 0xaa, 131, LARGE,
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { QCRYPTO_HASH_ALG_SHA384, 0x0b, 20, HI,
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
      "faea9ea9076ede7f4af152e8b2fa9cb6" },
    { QCRYPTO_HASH_ALG_SHA384, 0xaa, 131, LARGE,
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
      "0c2ef6ab4030fe8296248df163f44952" },
    { QCRYPTO_HASH_ALG_SHA512, 0x0b, 20, HI,
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
    { QCRYPTO_HASH_ALG_SHA512, 0xaa, 131, LARGE,
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
    { QCRYPTO_HASH_ALG_RIPEMD160, 0x0b, 20, HI,
      "24cb4bd67d20fc1a5d2ed7732dcc39377f0a5668" },
    { QCRYPTO_HASH_ALG_RIPEMD160, 0, 4, WHAT,
      "dda6c0213a485a9e24f4742064a7f033b43c4069" },
    { QCRYPTO_HASH_ALG_RIPEMD160, 0xaa, 80, LARGE,
      "6466ca07ac5eac29e1bd523e5ada7605b791fd8b" },
};

static void check(QCryptoBackend backend, const HmacVector *v)
{
    g_autofree uint8_t *key = g_malloc(MAX(v->nkey, 4));
    g_autoptr(QCryptoHmac) hmac = NULL;

    memset(key, v->key_byte, v->nkey);
    if (!v->key_byte) {
        memcpy(key, "Jefe", 4);
    }
    hmac = qcrypto_hmac_new_with_backend(backend, v->alg, key, v->nkey,
                                         &error_abort);
    /* Twice: the object begins anew each time. */
    for (int i = 0; i < 2; i++) {
        g_autofree char *digest = NULL;
        g_autofree uint8_t *raw = NULL, *want = hex_decode(v->want, NULL);
        uint8_t own[QCRYPTO_HASH_DIGEST_LEN_MAX], *result = own;
        size_t raw_len = 0, own_len = qcrypto_hash_digest_len(v->alg);
        struct iovec iov[] = {
            { .iov_base = (char *)v->msg, .iov_len = 3 },
            { .iov_base = (char *)v->msg + 3, .iov_len = strlen(v->msg) - 3 },
        };

        qcrypto_hmac_digest(hmac, v->msg, strlen(v->msg), &digest,
                            &error_abort);
        g_assert_cmpstr(digest, ==, v->want);
        qcrypto_hmac_bytesv(hmac, iov, ARRAY_SIZE(iov), &raw, &raw_len,
                            &error_abort);
        g_assert_cmpmem(raw, raw_len, want, own_len);
        qcrypto_hmac_bytes(hmac, v->msg, strlen(v->msg), &result, &own_len,
                           &error_abort);
        g_assert_cmpmem(own, own_len, want, raw_len);
    }
}

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        int libraries = 0;

        g_assert_true(qcrypto_hmac_supports(vectors[i].alg) ||
                      !backends_complete());
        for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
            if (qcrypto_hmac_supports_with_backend(b, vectors[i].alg)) {
                check(b, &vectors[i]);
                libraries++;
            }
        }
        /* The default and at least one that has a name. */
        g_assert_cmpint(libraries, >=,
                        qcrypto_hmac_supports(vectors[i].alg) ? 2 : 0);
    }
}

static void test_agree(void)
{
    uint8_t key[200];
    char msg[150];

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    qcrypto_random_bytes(msg, sizeof(msg), &error_abort);
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        for (size_t len = 0; len <= sizeof(key); len += 13) {
            g_autofree char *want = NULL;

            for (int b = 0; b < QCRYPTO_BACKEND__MAX; b++) {
                g_autoptr(QCryptoHmac) hmac = NULL;
                g_autofree char *got = NULL;

                if (!qcrypto_hmac_supports_with_backend(b, alg)) {
                    continue;
                }
                hmac = qcrypto_hmac_new_with_backend(b, alg, key, len,
                                                     &error_abort);
                qcrypto_hmac_digest(hmac, msg, len * sizeof(msg) / sizeof(key),
                                    &got, &error_abort);
                if (want) {
                    g_assert_cmpstr(got, ==, want);
                } else {
                    want = g_steal_pointer(&got);
                }
            }
        }
    }
}

static void test_wrong(void)
{
    const uint8_t key[4] = { 0 };
    g_autoptr(QCryptoHmac) hmac = NULL;
    uint8_t own[64], *result = own;
    size_t len = 31;
    Error *err = NULL;

    g_assert_false(qcrypto_hmac_supports(QCRYPTO_HASH_ALG__MAX));
    g_assert_null(qcrypto_hmac_new(QCRYPTO_HASH_ALG__MAX, key, 4, &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_hmac_new_with_backend(
        QCRYPTO_BACKEND_GNUTLS, QCRYPTO_HASH_ALG_RIPEMD160, key, 4, &err));
    error_free_or_abort(&err);

    hmac = qcrypto_hmac_new(QCRYPTO_HASH_ALG_SHA256, key, 4, &error_abort);
    g_assert_cmpint(qcrypto_hmac_bytes(hmac, "a", 1, &result, &len, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpuint(len, ==, 31);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/hmac/vectors", test_vectors);
    g_test_add_func("/crypto/hmac/agree", test_agree);
    g_test_add_func("/crypto/hmac/wrong", test_wrong);
    return g_test_run();
}
