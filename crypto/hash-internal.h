/*
 * What a library has to offer to serve qcrypto_hash_*(), and how results
 * leave qcrypto_hash_*() and qcrypto_hmac_*().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_HASH_INTERNAL_H
#define CRYPTO_HASH_INTERNAL_H

#include "crypto/hash.h"

/* Room for the state of a hash, in the object itself so that a hash in one
 * call allocates nothing. A library that needs more keeps a pointer here. */
#define HASH_STATE_MAX 256

typedef struct QCryptoHashState {
    uint8_t bytes[HASH_STATE_MAX] QEMU_ALIGNED(16);
} QCryptoHashState;

typedef struct QCryptoHashBackend {
    /** supports: mandatory; any value. */
    bool (*supports)(QCryptoHashAlgorithm alg);
    /** init: mandatory; @state is zeroed; on failure nothing is held. */
    bool (*init)(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                 Error **errp);
    /** update: mandatory; @len may be 0. */
    bool (*update)(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                   const void *buf, size_t len, Error **errp);
    /** finish: mandatory; @out has room for the digest. */
    bool (*finish)(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                   uint8_t *out, Error **errp);
    /**
     * digest: a whole message at once; NULL: init(), update() and finish()
     * are as fast. @len may be 0.
     */
    bool (*digest)(QCryptoHashAlgorithm alg, const void *buf, size_t len,
                   uint8_t *out, Error **errp);
    /** deinit: after init() succeeded, once; NULL: nothing to release. */
    void (*deinit)(QCryptoHashAlgorithm alg, QCryptoHashState *state);
} QCryptoHashBackend;

extern const QCryptoHashBackend qcrypto_hash_nettle;
extern const QCryptoHashBackend qcrypto_hash_gcrypt;
extern const QCryptoHashBackend qcrypto_hash_gnutls;

/**
 * qcrypto_hash_result:
 * @alg: (in) hash algorithm
 * @result: (inout) see the top of crypto/hash.h
 * @resultlen: (inout) likewise
 * @errp: (out) set when the return is NULL
 *
 * Find or make the room for a raw result.
 *
 * Returns: where the digest goes: *@result if *@resultlen fits, a new
 * buffer if it is 0; NULL if it is anything else. The caller stores a new
 * buffer in *@result, and the length in *@resultlen, only on success.
 */
uint8_t *qcrypto_hash_result(QCryptoHashAlgorithm alg, uint8_t **result,
                             const size_t *resultlen, Error **errp);

/** qcrypto_hash_hex: a new string of hexadecimal digits, g_free(). */
char *qcrypto_hash_hex(const uint8_t *bytes, size_t len);

#endif
