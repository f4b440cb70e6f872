/*
 * What a library has to offer to serve qcrypto_cipher_*().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_CIPHER_INTERNAL_H
#define CRYPTO_CIPHER_INTERNAL_H

#include "crypto/cipher.h"

/* More than the block of any cipher here. */
#define CIPHER_BLOCK_MAX 16

/*
 * Operations of one object. The caller has checked all lengths: @len is not
 * zero, a multiple of the block, and within the limit of xts. All mandatory
 * but setiv, which is NULL where the mode has no vector.
 */
struct QCryptoCipherDriver {
    bool (*encrypt)(QCryptoCipher *cipher, const uint8_t *in, uint8_t *out,
                    size_t len, Error **errp);
    bool (*decrypt)(QCryptoCipher *cipher, const uint8_t *in, uint8_t *out,
                    size_t len, Error **errp);
    bool (*setiv)(QCryptoCipher *cipher, const uint8_t *iv, size_t niv,
                  Error **errp);
    void (*free)(QCryptoCipher *cipher);
};

typedef struct QCryptoCipherBackend {
    /**
     * supports: mandatory; both values are in range, and xts is asked only
     * for ciphers with a block of 16 bytes.
     */
    bool (*supports)(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode);
    /**
     * new: mandatory; asked only for what supports() agreed to, with a key
     * of the right length. The vector begins as zeros.
     */
    QCryptoCipher *(*new)(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode,
                          const uint8_t *key, size_t nkey, Error **errp);
} QCryptoCipherBackend;

extern const QCryptoCipherBackend qcrypto_cipher_nettle;
extern const QCryptoCipherBackend qcrypto_cipher_gcrypt;
extern const QCryptoCipherBackend qcrypto_cipher_gnutls;

#endif
