/*
 * Initialization vectors. The essiv ones were made by Python's hashlib and
 * `openssl enc -aes-N-ecb`.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/init.h"
#include "crypto/ivgen.h"
#include "util/error.h"

#include "backends.h"
#include "hex.h"

typedef struct IVGenVector {
    QCryptoIVGenAlgorithm alg;
    QCryptoCipherAlgorithm cipher;
    QCryptoHashAlgorithm hash;
    uint64_t sector;
    const char *iv;
} IVGenVector;

#define AES_128 QCRYPTO_CIPHER_ALG_AES_128
#define AES_256 QCRYPTO_CIPHER_ALG_AES_256
#define PLAIN   QCRYPTO_IVGEN_ALG_PLAIN
#define PLAIN64 QCRYPTO_IVGEN_ALG_PLAIN64
#define ESSIV   QCRYPTO_IVGEN_ALG_ESSIV
#define MD5     QCRYPTO_HASH_ALG_MD5
#define SHA1    QCRYPTO_HASH_ALG_SHA1
#define SHA256  QCRYPTO_HASH_ALG_SHA256
#define LARGE   UINT64_C(0x1f2e3d4c5b6a7988)

static const IVGenVector vectors[] = {
    { PLAIN, 0, 0, 1, "01000000000000000000000000000000" },
    { PLAIN, 0, 0, 0x1f2e3d4c, "4c3d2e1f000000000000000000000000" },
    { PLAIN, 0, 0, LARGE, "88796a5b000000000000000000000000" },
    { PLAIN, 0, 0, UINT64_C(1) << 32, "00000000000000000000000000000000" },
    { PLAIN64, 0, 0, 1, "01000000000000000000000000000000" },
    { PLAIN64, 0, 0, LARGE, "88796a5b4c3d2e1f0000000000000000" },
    /* hash as long as the key */
    { ESSIV, AES_256, SHA256, 1, "c10509c8cf7d6eee55d7205db7845a6f" },
    { ESSIV, AES_256, SHA256, LARGE, "fff4670383d2139edca5b740f181eca1" },
    { ESSIV, AES_128, MD5, 0x1f2e3d4c, "bf9a7ba54d38b355a17400d8a0e08a20" },
    /* shorter: filled up with zeros */
    { ESSIV, AES_256, SHA1, LARGE, "9298c2feafc880253777beffac956a4e" },
    /* longer: cut */
    { ESSIV, AES_128, SHA256, 1, "d48371b2a19453881c7a2d062d0b6546" },
};

static void test_vectors(void)
{
    uint8_t key[16], iv[24];

    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = i;
    }
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const IVGenVector *v = &vectors[i];
        g_autofree uint8_t *want = hex_decode(v->iv, NULL);

        /* essiv needs a cipher in ecb, which GnuTLS has not. */
        if (v->alg == ESSIV && !backends_complete()) {
            continue;
        }

        g_autoptr(QCryptoIVGen) ivgen = qcrypto_ivgen_new(
            v->alg, v->cipher, v->hash, key, sizeof(key), &error_abort);

        g_assert_cmpint(qcrypto_ivgen_get_algorithm(ivgen), ==, v->alg);
        g_assert_cmpint(qcrypto_ivgen_get_cipher(ivgen), ==, v->cipher);
        g_assert_cmpint(qcrypto_ivgen_get_hash(ivgen), ==, v->hash);
        /* Shorter vectors are cut, longer ones end in zeros. */
        for (size_t niv = 0; niv <= sizeof(iv); niv++) {
            memset(iv, 0xee, sizeof(iv));
            qcrypto_ivgen_calculate(ivgen, v->sector, iv, niv, &error_abort);
            g_assert_cmpmem(iv, MIN(niv, 16), want, MIN(niv, 16));
            for (size_t j = 16; j < sizeof(iv); j++) {
                g_assert_cmphex(iv[j], ==, j < niv ? 0 : 0xee);
            }
        }
    }
}

/* Ciphers with a block of 8 take the sector number alone. */
static void test_essiv_short_block(void)
{
    uint8_t key[16] = { 0 }, iv[16];
    g_autoptr(QCryptoIVGen) ivgen = NULL;

    if (!backends_complete()) {
        g_test_skip("no cipher in ecb");
        return;
    }
    ivgen = qcrypto_ivgen_new(ESSIV, QCRYPTO_CIPHER_ALG_CAST5_128, MD5, key,
                              sizeof(key), &error_abort);
    qcrypto_ivgen_calculate(ivgen, 7, iv, sizeof(iv), &error_abort);
    for (size_t i = 8; i < sizeof(iv); i++) {
        g_assert_cmphex(iv[i], ==, 0);
    }
}

static void test_wrong(void)
{
    uint8_t key[16] = { 0 };
    Error *err = NULL;

    g_assert_null(qcrypto_ivgen_new(QCRYPTO_IVGEN_ALG__MAX, AES_128, SHA256,
                                    key, sizeof(key), &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_ivgen_new(ESSIV, QCRYPTO_CIPHER_ALG__MAX, SHA256, key,
                                    sizeof(key), &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_ivgen_new(ESSIV, AES_128, QCRYPTO_HASH_ALG__MAX, key,
                                    sizeof(key), &err));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/crypto/ivgen/vectors", test_vectors);
    g_test_add_func("/crypto/ivgen/essiv-short-block", test_essiv_short_block);
    g_test_add_func("/crypto/ivgen/wrong", test_wrong);
    return g_test_run();
}
