/*
 * Hashes: in one call over a buffer or a vector, or piece by piece.
 *
 * The result goes to the caller in one of three shapes:
 *  - bytes: if *@resultlen is 0, a new buffer that the caller frees with
 *    g_free(); otherwise *@result must point to a buffer of exactly
 *    qcrypto_hash_digest_len() bytes and *@resultlen must say so;
 *  - digest: a new string of lower-case hexadecimal digits, g_free();
 *  - base64: a new string, g_free().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <glib.h>
#include <sys/uio.h>

#include "crypto/backend.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

/* Bytes of the raw result. */
#define QCRYPTO_HASH_DIGEST_LEN_MD5       16
#define QCRYPTO_HASH_DIGEST_LEN_SHA1      20
#define QCRYPTO_HASH_DIGEST_LEN_SHA224    28
#define QCRYPTO_HASH_DIGEST_LEN_SHA256    32
#define QCRYPTO_HASH_DIGEST_LEN_SHA384    48
#define QCRYPTO_HASH_DIGEST_LEN_SHA512    64
#define QCRYPTO_HASH_DIGEST_LEN_RIPEMD160 20
#define QCRYPTO_HASH_DIGEST_LEN_MAX       64

typedef struct QCryptoHash QCryptoHash;

/**
 * qcrypto_hash_supports:
 * @alg: (in) hash algorithm, any value
 *
 * Returns: true if a backend of this build offers @alg.
 * Thread: any.
 */
bool qcrypto_hash_supports(QCryptoHashAlgorithm alg);

/**
 * qcrypto_hash_supports_with_backend:
 * @backend: (in) library to ask, or QCRYPTO_BACKEND_AUTO
 * @alg: (in) hash algorithm, any value
 *
 * Returns: true if @backend is built and offers @alg.
 * Thread: any.
 */
bool qcrypto_hash_supports_with_backend(QCryptoBackend backend,
                                        QCryptoHashAlgorithm alg);

/**
 * qcrypto_hash_backend:
 * @alg: (in) hash algorithm
 *
 * Returns: the backend that the calls below use for @alg;
 * QCRYPTO_BACKEND_AUTO if none offers it.
 * Thread: any.
 */
QCryptoBackend qcrypto_hash_backend(QCryptoHashAlgorithm alg);

/**
 * qcrypto_hash_digest_len:
 * @alg: (in) hash algorithm, below _MAX
 *
 * Returns: size of the result in bytes, whether @alg is supported or not.
 * Thread: any.
 */
size_t qcrypto_hash_digest_len(QCryptoHashAlgorithm alg);

/**
 * qcrypto_hash_bytesv:
 * @alg: (in) hash algorithm
 * @iov: (in) @niov pieces of input; borrowed for the call
 * @niov: number of pieces, may be 0
 * @result: (inout) raw hash, see the top of this file
 * @resultlen: (inout) bytes at *@result
 * @errp: (out) set when the return is -1
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error (*@result is then unchanged).
 * Errors: algorithm not supported; *@resultlen neither 0 nor the digest's.
 */
int qcrypto_hash_bytesv(QCryptoHashAlgorithm alg, const struct iovec *iov,
                        size_t niov, uint8_t **result, size_t *resultlen,
                        Error **errp);

/** qcrypto_hash_bytes: as qcrypto_hash_bytesv() over @len bytes at @buf. */
int qcrypto_hash_bytes(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                       uint8_t **result, size_t *resultlen, Error **errp);

/**
 * qcrypto_hash_digestv:
 * @digest: (out) set on success to lower-case hexadecimal digits; the
 *          caller frees them with g_free()
 *
 * Otherwise as qcrypto_hash_bytesv().
 */
int qcrypto_hash_digestv(QCryptoHashAlgorithm alg, const struct iovec *iov,
                         size_t niov, char **digest, Error **errp);

/** qcrypto_hash_digest: as qcrypto_hash_digestv() over one buffer. */
int qcrypto_hash_digest(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                        char **digest, Error **errp);

/**
 * qcrypto_hash_base64v:
 * @base64: (out) set on success to the base64 form; the caller frees it
 *          with g_free()
 *
 * Otherwise as qcrypto_hash_bytesv().
 */
int qcrypto_hash_base64v(QCryptoHashAlgorithm alg, const struct iovec *iov,
                         size_t niov, char **base64, Error **errp);

/** qcrypto_hash_base64: as qcrypto_hash_base64v() over one buffer. */
int qcrypto_hash_base64(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                        char **base64, Error **errp);

/**
 * qcrypto_hash_new:
 * @alg: (in) hash algorithm
 * @errp: (out) set when the return is NULL
 *
 * Begin a hash that is fed piece by piece.
 *
 * Thread: any; the object is used by one thread at a time.
 * Returns: a new object, qcrypto_hash_free(); NULL on error.
 * Errors: algorithm not supported.
 */
QCryptoHash *qcrypto_hash_new(QCryptoHashAlgorithm alg, Error **errp);

/** qcrypto_hash_new_with_backend: qcrypto_hash_new() by one library. */
QCryptoHash *qcrypto_hash_new_with_backend(QCryptoBackend backend,
                                           QCryptoHashAlgorithm alg,
                                           Error **errp);

/** qcrypto_hash_free: wipe and free; NULL is accepted. */
void qcrypto_hash_free(QCryptoHash *hash);

/**
 * qcrypto_hash_updatev:
 * @hash: (inout) from qcrypto_hash_new(), not finalized
 * @iov: (in) @niov pieces of input; borrowed for the call
 * @niov: number of pieces, may be 0
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 on success, -1 on error.
 * Errors: @hash was finalized; the library fails.
 */
int qcrypto_hash_updatev(QCryptoHash *hash, const struct iovec *iov,
                         size_t niov, Error **errp);

/** qcrypto_hash_update: as qcrypto_hash_updatev() with one buffer. */
int qcrypto_hash_update(QCryptoHash *hash, const char *buf, size_t len,
                        Error **errp);

/**
 * qcrypto_hash_finalize_bytes:
 * @hash: (inout) from qcrypto_hash_new(); afterwards only good for freeing
 * @result: (inout) raw hash, see the top of this file
 * @result_len: (inout) bytes at *@result
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 on success, -1 on error.
 * Errors: *@result_len neither 0 nor the digest's; finalized before.
 */
int qcrypto_hash_finalize_bytes(QCryptoHash *hash, uint8_t **result,
                                size_t *result_len, Error **errp);

/** qcrypto_hash_finalize_digest: the result as hexadecimal digits. */
int qcrypto_hash_finalize_digest(QCryptoHash *hash, char **digest,
                                 Error **errp);

/** qcrypto_hash_finalize_base64: the result as base64. */
int qcrypto_hash_finalize_base64(QCryptoHash *hash, char **base64,
                                 Error **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoHash, qcrypto_hash_free)

#endif
