/*
 * What a library has to offer to serve qcrypto_pbkdf2().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_PBKDF_INTERNAL_H
#define CRYPTO_PBKDF_INTERNAL_H

#include "crypto/pbkdf.h"

/* Parameters, checked: @iterations 1 to UINT32_MAX, @nout at least 1, and
 * both buffers as long as they say. */
typedef struct QCryptoPbkdf2 {
    QCryptoHashAlgorithm hash;
    const uint8_t *key;
    size_t nkey;
    const uint8_t *salt;
    size_t nsalt;
    uint32_t iterations;
    uint8_t *out;
    size_t nout;
    const bool *stop; /* atomic, nullable; libraries may not look at it */
} QCryptoPbkdf2;

typedef struct QCryptoPbkdfBackend {
    /** supports: mandatory; any value. */
    bool (*supports)(QCryptoHashAlgorithm hash);
    /** pbkdf2: mandatory; asked only for what supports() agreed to. */
    bool (*pbkdf2)(const QCryptoPbkdf2 *p, Error **errp);
} QCryptoPbkdfBackend;

extern const QCryptoPbkdfBackend qcrypto_pbkdf_nettle;
extern const QCryptoPbkdfBackend qcrypto_pbkdf_gcrypt;
extern const QCryptoPbkdfBackend qcrypto_pbkdf_gnutls;

#endif
