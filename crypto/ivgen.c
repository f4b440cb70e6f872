/*
 * Initialization vectors from sector numbers.
 *
 * essiv sets up its own cipher in ecb once; a vector then costs one block.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/ivgen.h"

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "util/error.h"

/* The longest block of any cipher, and room for a sector number. */
#define IVGEN_BLOCK_MAX 16

struct QCryptoIVGen {
    QCryptoIVGenAlgorithm alg;
    QCryptoCipherAlgorithm cipheralg;
    QCryptoHashAlgorithm hash;
    QCryptoCipher *essiv; /* owned; NULL for the others */
};

static QCryptoCipher *ivgen_essiv_cipher(QCryptoCipherAlgorithm cipheralg,
                                         QCryptoHashAlgorithm hash,
                                         const uint8_t *key, size_t nkey,
                                         Error **errp)
{
    /* What the hash does not fill stays zero. */
    uint8_t salt[QCRYPTO_HASH_DIGEST_LEN_MAX] = { 0 };
    uint8_t *result = salt;
    QCryptoCipher *cipher;
    size_t len;

    if ((unsigned)cipheralg >= QCRYPTO_CIPHER_ALG__MAX ||
        (unsigned)hash >= QCRYPTO_HASH_ALG__MAX) {
        error_setg(errp, "unknown cipher %d or hash algorithm %d",
                   (int)cipheralg, (int)hash);
        return NULL;
    }
    len = qcrypto_hash_digest_len(hash);
    if (qcrypto_hash_bytes(hash, (const char *)key, nkey, &result, &len, errp) <
        0) {
        return NULL;
    }
    cipher = qcrypto_cipher_new(cipheralg, QCRYPTO_CIPHER_MODE_ECB, salt,
                                qcrypto_cipher_get_key_len(cipheralg), errp);
    explicit_bzero(salt, sizeof(salt));
    return cipher;
}

QCryptoIVGen *qcrypto_ivgen_new(QCryptoIVGenAlgorithm alg,
                                QCryptoCipherAlgorithm cipheralg,
                                QCryptoHashAlgorithm hash, const uint8_t *key,
                                size_t nkey, Error **errp)
{
    QCryptoCipher *essiv = NULL;
    QCryptoIVGen *ivgen;

    switch (alg) {
    case QCRYPTO_IVGEN_ALG_PLAIN:
    case QCRYPTO_IVGEN_ALG_PLAIN64:
        break;
    case QCRYPTO_IVGEN_ALG_ESSIV:
        essiv = ivgen_essiv_cipher(cipheralg, hash, key, nkey, errp);
        if (!essiv) {
            return NULL;
        }
        break;
    default:
        error_setg(errp, "unknown initialization vector generator %d",
                   (int)alg);
        return NULL;
    }
    ivgen = g_new0(QCryptoIVGen, 1);
    ivgen->alg = alg;
    ivgen->cipheralg = cipheralg;
    ivgen->hash = hash;
    ivgen->essiv = essiv;
    return ivgen;
}

int qcrypto_ivgen_calculate(QCryptoIVGen *ivgen, uint64_t sector, uint8_t *iv,
                            size_t niv, Error **errp)
{
    uint8_t block[IVGEN_BLOCK_MAX] = { 0 };
    uint64_t le;

    if (ivgen->alg == QCRYPTO_IVGEN_ALG_PLAIN) {
        sector &= UINT32_MAX;
    }
    le = GUINT64_TO_LE(sector);
    memcpy(block, &le, sizeof(le));
    if (ivgen->essiv) {
        size_t len = qcrypto_cipher_get_block_len(ivgen->cipheralg);

        if (qcrypto_cipher_encrypt(ivgen->essiv, block, block, len, errp) < 0) {
            return -1;
        }
    }
    memset(iv, 0, niv);
    memcpy(iv, block, MIN(niv, sizeof(block)));
    return 0;
}

QCryptoIVGenAlgorithm qcrypto_ivgen_get_algorithm(QCryptoIVGen *ivgen)
{
    return ivgen->alg;
}

QCryptoCipherAlgorithm qcrypto_ivgen_get_cipher(QCryptoIVGen *ivgen)
{
    return ivgen->cipheralg;
}

QCryptoHashAlgorithm qcrypto_ivgen_get_hash(QCryptoIVGen *ivgen)
{
    return ivgen->hash;
}

void qcrypto_ivgen_free(QCryptoIVGen *ivgen)
{
    if (ivgen) {
        qcrypto_cipher_free(ivgen->essiv);
        g_free(ivgen);
    }
}
