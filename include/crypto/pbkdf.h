/*
 * Keys from passwords: PBKDF2 with HMAC (RFC 8018 5.2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_PBKDF_H
#define CRYPTO_PBKDF_H

#include <glib.h>

#include "crypto/backend.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

/**
 * qcrypto_pbkdf2_supports:
 * @hash: (in) hash algorithm, any value
 *
 * Returns: true if a backend of this build offers PBKDF2 with @hash.
 * Thread: any.
 */
bool qcrypto_pbkdf2_supports(QCryptoHashAlgorithm hash);

/** qcrypto_pbkdf2_supports_with_backend: the question to one library. */
bool qcrypto_pbkdf2_supports_with_backend(QCryptoBackend backend,
                                          QCryptoHashAlgorithm hash);

/** qcrypto_pbkdf2_backend: as qcrypto_hash_backend(). */
QCryptoBackend qcrypto_pbkdf2_backend(QCryptoHashAlgorithm hash);

/**
 * qcrypto_pbkdf2:
 * @hash: (in) hash algorithm
 * @key: (in) @nkey bytes of password
 * @nkey: bytes of password, may be 0
 * @salt: (in) @nsalt bytes
 * @nsalt: bytes of salt
 * @iterations: rounds, 1 to UINT32_MAX
 * @out: (out) @nout bytes
 * @nout: bytes wanted, at least 1
 * @errp: (out) set when the return is -1
 *
 * Takes time in proportion to @iterations; call it off the main loop.
 *
 * Thread: any.
 * Limit: @iterations <= UINT32_MAX, @nout <= UINT32_MAX hash lengths.
 * Returns: 0 on success, -1 on error.
 * Errors: hash not supported; a number over its limit or zero.
 */
int qcrypto_pbkdf2(QCryptoHashAlgorithm hash, const uint8_t *key, size_t nkey,
                   const uint8_t *salt, size_t nsalt, uint64_t iterations,
                   uint8_t *out, size_t nout, Error **errp);

/**
 * qcrypto_pbkdf2_until:
 * @stop: (in, nullable) atomic; once it is true the rest is left out
 *
 * qcrypto_pbkdf2() that another thread can end early; bytes at @out are then
 * of no use. Uses nettle if it was built in, which may not be the fastest.
 */
int qcrypto_pbkdf2_until(QCryptoHashAlgorithm hash, const uint8_t *key,
                         size_t nkey, const uint8_t *salt, size_t nsalt,
                         uint64_t iterations, uint8_t *out, size_t nout,
                         const bool *stop, Error **errp);

/** qcrypto_pbkdf2_with_backend: qcrypto_pbkdf2() by one library. */
int qcrypto_pbkdf2_with_backend(QCryptoBackend backend,
                                QCryptoHashAlgorithm hash, const uint8_t *key,
                                size_t nkey, const uint8_t *salt, size_t nsalt,
                                uint64_t iterations, uint8_t *out, size_t nout,
                                Error **errp);

/**
 * qcrypto_pbkdf2_count_iters:
 * @nout: bytes that the real call will ask for
 *
 * Measure how many rounds this thread does in one second of its own CPU
 * time with the other parameters as in qcrypto_pbkdf2(). Takes about a
 * third of a second.
 *
 * Thread: any, preferably not a loop's.
 * Returns: rounds in a second, at least 1; (uint64_t)-1 on error.
 * Errors: those of qcrypto_pbkdf2(); the thread's CPU clock does not run.
 */
uint64_t qcrypto_pbkdf2_count_iters(QCryptoHashAlgorithm hash,
                                    const uint8_t *key, size_t nkey,
                                    const uint8_t *salt, size_t nsalt,
                                    size_t nout, Error **errp);

#endif
