/*
 * What a library has to offer to serve qcrypto_hmac_*().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_HMAC_INTERNAL_H
#define CRYPTO_HMAC_INTERNAL_H

#include "crypto/hmac.h"

typedef struct QCryptoHmacBackend QCryptoHmacBackend;

/* A library's struct begins with this. */
struct QCryptoHmac {
    QCryptoHashAlgorithm alg;
    const QCryptoHmacBackend *backend;
};

struct QCryptoHmacBackend {
    /** supports: mandatory; any value. */
    bool (*supports)(QCryptoHashAlgorithm alg);
    /** new: mandatory; asked only for what supports() agreed to. */
    QCryptoHmac *(*new)(QCryptoHashAlgorithm alg, const uint8_t *key,
                        size_t nkey, Error **errp);
    /** update: mandatory; @len may be 0. */
    bool (*update)(QCryptoHmac *hmac, const void *buf, size_t len,
                   Error **errp);
    /** finish: mandatory; also makes ready for the next message. */
    bool (*finish)(QCryptoHmac *hmac, uint8_t *out, Error **errp);
    /** reset: mandatory; forget what update() was given. */
    void (*reset)(QCryptoHmac *hmac);
    /** free: mandatory. */
    void (*free)(QCryptoHmac *hmac);
};

extern const QCryptoHmacBackend qcrypto_hmac_nettle;
extern const QCryptoHmacBackend qcrypto_hmac_gcrypt;
extern const QCryptoHmacBackend qcrypto_hmac_gnutls;

#endif
