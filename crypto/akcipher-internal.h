/*
 * What a library has to offer to serve qcrypto_akcipher_*().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_AKCIPHER_INTERNAL_H
#define CRYPTO_AKCIPHER_INTERNAL_H

#include "crypto/akcipher.h"

#include "rsakey.h"

typedef struct QCryptoAkCipherBackend QCryptoAkCipherBackend;

/* A library's struct begins with this. */
struct QCryptoAkCipher {
    const QCryptoAkCipherBackend *backend;
    QCryptoAkCipherKeyType type;
    QCryptoRSAPaddingAlgorithm padding;
    QCryptoHashAlgorithm hash;
    size_t modulus_len; /* bytes */
};

/*
 * The caller has checked every length: cipher text and signatures are
 * @modulus_len bytes, plain text fits the padding, digests fit the hash; and
 * that the key is private where it must be. All mandatory.
 */
struct QCryptoAkCipherBackend {
    /** supports: are the hash and padding in @opts served? */
    bool (*supports)(const QCryptoAkCipherOptionsRSA *opts);
    /**
     * new: @key has passed qcrypto_rsakey_parse(); what is left to check is
     * that the primes make the modulus. The caller fills in the base.
     */
    QCryptoAkCipher *(*new)(QCryptoAkCipherKeyType type,
                            const QCryptoRsaKey *key, Error **errp);
    /** encrypt: @out is @modulus_len bytes. */
    bool (*encrypt)(QCryptoAkCipher *ak, const uint8_t *in, size_t in_len,
                    uint8_t *out, Error **errp);
    /** decrypt: Returns: bytes put in @out (@modulus_len long), or -1. */
    int (*decrypt)(QCryptoAkCipher *ak, const uint8_t *in, uint8_t *out,
                   Error **errp);
    /** sign: @out is @modulus_len bytes. */
    bool (*sign)(QCryptoAkCipher *ak, const uint8_t *digest, uint8_t *out,
                 Error **errp);
    /** verify: false without telling why. */
    bool (*verify)(QCryptoAkCipher *ak, const uint8_t *sig,
                   const uint8_t *digest);
    void (*free)(QCryptoAkCipher *ak);
};

extern const QCryptoAkCipherBackend qcrypto_akcipher_nettle;
extern const QCryptoAkCipherBackend qcrypto_akcipher_gcrypt;

#endif
