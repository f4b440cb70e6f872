/*
 * Keyed hashes (RFC 2104). One object serves any number of messages: each
 * call starts from the key again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_HMAC_H
#define CRYPTO_HMAC_H

#include <glib.h>
#include <sys/uio.h>

#include "crypto/backend.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

typedef struct QCryptoHmac QCryptoHmac;

/**
 * qcrypto_hmac_supports:
 * @alg: (in) hash algorithm, any value
 *
 * Returns: true if a backend of this build offers HMAC over @alg.
 * Thread: any.
 */
bool qcrypto_hmac_supports(QCryptoHashAlgorithm alg);

/** qcrypto_hmac_supports_with_backend: the same question to one library. */
bool qcrypto_hmac_supports_with_backend(QCryptoBackend backend,
                                        QCryptoHashAlgorithm alg);

/** qcrypto_hmac_backend: as qcrypto_hash_backend(). */
QCryptoBackend qcrypto_hmac_backend(QCryptoHashAlgorithm alg);

/**
 * qcrypto_hmac_new:
 * @alg: (in) hash algorithm
 * @key: (in) @nkey bytes; copied
 * @nkey: bytes of key, any value
 * @errp: (out) set when the return is NULL
 *
 * Thread: any; the object is used by one thread at a time.
 * Returns: a new object, qcrypto_hmac_free(); NULL on error.
 * Errors: algorithm not supported; the library refuses the key.
 */
QCryptoHmac *qcrypto_hmac_new(QCryptoHashAlgorithm alg, const uint8_t *key,
                              size_t nkey, Error **errp);

/** qcrypto_hmac_new_with_backend: qcrypto_hmac_new() by one library. */
QCryptoHmac *qcrypto_hmac_new_with_backend(QCryptoBackend backend,
                                           QCryptoHashAlgorithm alg,
                                           const uint8_t *key, size_t nkey,
                                           Error **errp);

/** qcrypto_hmac_free: wipe and free; NULL is accepted. */
void qcrypto_hmac_free(QCryptoHmac *hmac);

/**
 * qcrypto_hmac_bytesv:
 * @hmac: (inout) from qcrypto_hmac_new()
 * @iov: (in) @niov pieces of the message; borrowed for the call
 * @niov: number of pieces, may be 0
 * @result: (inout) if *@resultlen is 0, a new buffer for g_free(); else a
 *          buffer of exactly the digest's length
 * @resultlen: (inout) bytes at *@result
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 on success, -1 on error (*@result is then unchanged).
 * Errors: *@resultlen neither 0 nor the digest's; the library fails.
 */
int qcrypto_hmac_bytesv(QCryptoHmac *hmac, const struct iovec *iov, size_t niov,
                        uint8_t **result, size_t *resultlen, Error **errp);

/** qcrypto_hmac_bytes: as qcrypto_hmac_bytesv() over one buffer. */
int qcrypto_hmac_bytes(QCryptoHmac *hmac, const char *buf, size_t len,
                       uint8_t **result, size_t *resultlen, Error **errp);

/**
 * qcrypto_hmac_digestv:
 * @digest: (out) set on success to lower-case hexadecimal digits, g_free()
 *
 * Otherwise as qcrypto_hmac_bytesv().
 */
int qcrypto_hmac_digestv(QCryptoHmac *hmac, const struct iovec *iov,
                         size_t niov, char **digest, Error **errp);

/** qcrypto_hmac_digest: as qcrypto_hmac_digestv() over one buffer. */
int qcrypto_hmac_digest(QCryptoHmac *hmac, const char *buf, size_t len,
                        char **digest, Error **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoHmac, qcrypto_hmac_free)

#endif
