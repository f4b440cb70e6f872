/*
 * Anti-forensic splitter. The reference results were made by an independent
 * implementation over Python's hashlib; the stripes are the bytes
 * (i * 7 + 3) mod 256.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/afsplit.h"
#include "crypto/init.h"
#include "util/error.h"

#include "hex.h"

typedef struct SplitVector {
    QCryptoHashAlgorithm hash;
    size_t blocklen;
    uint32_t stripes;
    const char *block;
} SplitVector;

static const SplitVector vectors[] = {
    { QCRYPTO_HASH_ALG_SHA256, 32, 5,
      "575ae1aafeb1b0f815314409d65caa4e5e412e46e219a0fdb25d8a7500f1ea58" },
    { QCRYPTO_HASH_ALG_SHA256, 33, 100,
      "4af34de1ac07be58c8182a42d621097c856d960689f102cc8fd51340886a09838d" },
    { QCRYPTO_HASH_ALG_SHA1, 32, 50,
      "183cfb83a64bc742f4ce870c1439cc082f2ab69f8df6477b958d855e3ecbc544" },
    { QCRYPTO_HASH_ALG_SHA512, 64, 4000,
      "3bd006382df31846b940d9ec4923c02d46965ae3ee0b2fdfb10c3068c9f22f63"
      "48797d2bf305db193e499e5d0ad9dcbf95bdc3c7a766fb5d96a2c08df778dd59" },
    { QCRYPTO_HASH_ALG_MD5, 7, 3, "d4f68f0d7f7c17" },
    { QCRYPTO_HASH_ALG_SHA256, 32, 1,
      "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc" },
};

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const SplitVector *v = &vectors[i];
        g_autofree uint8_t *want = hex_decode(v->block, NULL);
        g_autofree uint8_t *block = g_malloc(v->blocklen);
        g_autofree uint8_t *stripes = g_malloc(v->blocklen * v->stripes);

        for (size_t j = 0; j < v->blocklen * v->stripes; j++) {
            stripes[j] = j * 7 + 3;
        }
        qcrypto_afsplit_decode(v->hash, v->blocklen, v->stripes, stripes, block,
                               &error_abort);
        g_assert_cmpmem(block, v->blocklen, want, v->blocklen);

        /* There and back, with stripes of its own, different each time. */
        g_autofree uint8_t *again = g_malloc(v->blocklen * v->stripes);

        qcrypto_afsplit_encode(v->hash, v->blocklen, v->stripes, want, stripes,
                               &error_abort);
        qcrypto_afsplit_encode(v->hash, v->blocklen, v->stripes, want, again,
                               &error_abort);
        g_assert_true(v->stripes == 1 ||
                      memcmp(stripes, again, v->blocklen * v->stripes) != 0);
        memset(block, 0, v->blocklen);
        qcrypto_afsplit_decode(v->hash, v->blocklen, v->stripes, stripes, block,
                               &error_abort);
        g_assert_cmpmem(block, v->blocklen, want, v->blocklen);
    }
}

/* A single changed bit anywhere destroys the block. */
static void test_diffusion(void)
{
    uint8_t block[32] = { 1, 2, 3 }, stripes[32 * 20], out[32];

    qcrypto_afsplit_encode(QCRYPTO_HASH_ALG_SHA256, 32, 20, block, stripes,
                           &error_abort);
    for (size_t i = 0; i < sizeof(stripes); i++) {
        stripes[i] ^= 1;
        qcrypto_afsplit_decode(QCRYPTO_HASH_ALG_SHA256, 32, 20, stripes, out,
                               &error_abort);
        g_assert_true(memcmp(out, block, sizeof(out)) != 0);
        stripes[i] ^= 1;
    }
}

static void test_wrong(void)
{
    static const struct {
        QCryptoHashAlgorithm hash;
        size_t blocklen;
        uint32_t stripes;
    } wrong[] = {
        { QCRYPTO_HASH_ALG__MAX, 32, 4 },
        { QCRYPTO_HASH_ALG_SHA1, 0, 4 },
        { QCRYPTO_HASH_ALG_SHA1, 32, 0 },
        { QCRYPTO_HASH_ALG_SHA1, QCRYPTO_AFSPLIT_BLOCKLEN_MAX + 1, 4 },
        { QCRYPTO_HASH_ALG_SHA1, SIZE_MAX, 4 },
        { QCRYPTO_HASH_ALG_SHA1, 32, QCRYPTO_AFSPLIT_STRIPES_MAX + 1 },
        { QCRYPTO_HASH_ALG_SHA1, 32, UINT32_MAX },
    };
    uint8_t in[128] = { 0 }, out[128] = { 0 };
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        g_assert_cmpint(qcrypto_afsplit_encode(wrong[i].hash, wrong[i].blocklen,
                                               wrong[i].stripes, in, out, &err),
                        ==, -1);
        error_free_or_abort(&err);
        g_assert_cmpint(qcrypto_afsplit_decode(wrong[i].hash, wrong[i].blocklen,
                                               wrong[i].stripes, in, out, &err),
                        ==, -1);
        error_free_or_abort(&err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/afsplit/vectors", test_vectors);
    g_test_add_func("/crypto/afsplit/diffusion", test_diffusion);
    g_test_add_func("/crypto/afsplit/wrong", test_wrong);
    return g_test_run();
}
