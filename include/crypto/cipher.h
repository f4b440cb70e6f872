/*
 * Symmetric ciphers for disks and secrets: whole blocks in, as many out.
 *
 * An object holds one key, expanded once, and one initialization vector:
 *
 *     cipher = qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256,
 *                                 QCRYPTO_CIPHER_MODE_XTS, key, 64, errp);
 *     for each sector:
 *         qcrypto_cipher_setiv(cipher, iv, 16, errp);
 *         qcrypto_cipher_encrypt(cipher, sector, sector, 512, errp);
 *
 * Lengths are multiples of the block length in every mode. Input and output
 * are the same buffer or do not overlap.
 *
 *  ecb  no vector.
 *  cbc  a call goes on where the last one ended; set the vector again
 *       before changing direction.
 *  ctr  the vector is the first counter, big-endian over the whole block;
 *       a call goes on where the last one ended.
 *  xts  a call is one data unit of at most QCRYPTO_CIPHER_XTS_UNIT_MAX
 *       bytes; each begins with the vector that was set last. The key is
 *       two keys of the algorithm's length, one after the other.
 *
 * A new object's vector is all zero.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include <glib.h>

#include "crypto/backend.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

typedef struct QCryptoCipher QCryptoCipher;
typedef struct QCryptoCipherDriver QCryptoCipherDriver;

/* IEEE Std 1619-2007 5.1: a data unit has at most 2^20 blocks of 16. */
#define QCRYPTO_CIPHER_XTS_UNIT_MAX ((size_t)16 << 20)

/* Embedded by the backends as their first member; @driver is theirs. */
struct QCryptoCipher {
    QCryptoCipherAlgorithm alg;
    QCryptoCipherMode mode;
    const QCryptoCipherDriver *driver;
};

/**
 * qcrypto_cipher_supports:
 * @alg: (in) cipher, any value
 * @mode: (in) mode, any value
 *
 * Returns: true if a backend of this build offers @alg in @mode.
 * Thread: any.
 */
bool qcrypto_cipher_supports(QCryptoCipherAlgorithm alg,
                             QCryptoCipherMode mode);

/** qcrypto_cipher_supports_with_backend: the question to one library. */
bool qcrypto_cipher_supports_with_backend(QCryptoBackend backend,
                                          QCryptoCipherAlgorithm alg,
                                          QCryptoCipherMode mode);

/**
 * qcrypto_cipher_backend:
 * @alg: (in) cipher
 * @mode: (in) mode
 *
 * Returns: the backend that qcrypto_cipher_new() uses;
 * QCRYPTO_BACKEND_AUTO if none offers @alg in @mode.
 * Thread: any.
 */
QCryptoBackend qcrypto_cipher_backend(QCryptoCipherAlgorithm alg,
                                      QCryptoCipherMode mode);

/**
 * qcrypto_cipher_get_block_len:
 * @alg: (in) cipher, below _MAX
 *
 * Returns: block length in bytes (8 or 16).
 * Thread: any.
 */
size_t qcrypto_cipher_get_block_len(QCryptoCipherAlgorithm alg);

/**
 * qcrypto_cipher_get_key_len:
 * @alg: (in) cipher, below _MAX
 *
 * Returns: key length in bytes; xts wants twice as many.
 * Thread: any.
 */
size_t qcrypto_cipher_get_key_len(QCryptoCipherAlgorithm alg);

/**
 * qcrypto_cipher_get_iv_len:
 * @alg: (in) cipher, below _MAX
 * @mode: (in) mode, below _MAX
 *
 * Returns: length of the vector in bytes: 0 for ecb, else the block length.
 * Thread: any.
 */
size_t qcrypto_cipher_get_iv_len(QCryptoCipherAlgorithm alg,
                                 QCryptoCipherMode mode);

/**
 * qcrypto_cipher_new:
 * @alg: (in) cipher
 * @mode: (in) mode
 * @key: (in) @nkey bytes; not kept
 * @nkey: bytes of key; exactly qcrypto_cipher_get_key_len(), or twice that
 *        for xts
 * @errp: (out) set when the return is NULL
 *
 * Thread: any; the object is used by one thread at a time.
 * Returns: a new object, qcrypto_cipher_free(); NULL on error.
 * Errors: not supported; wrong key length; a key that the library refuses
 * (in FIPS mode: equal halves for xts).
 */
QCryptoCipher *qcrypto_cipher_new(QCryptoCipherAlgorithm alg,
                                  QCryptoCipherMode mode, const uint8_t *key,
                                  size_t nkey, Error **errp);

/** qcrypto_cipher_new_with_backend: qcrypto_cipher_new() by one library. */
QCryptoCipher *qcrypto_cipher_new_with_backend(QCryptoBackend backend,
                                               QCryptoCipherAlgorithm alg,
                                               QCryptoCipherMode mode,
                                               const uint8_t *key, size_t nkey,
                                               Error **errp);

/** qcrypto_cipher_free: wipe and free; NULL is accepted. */
void qcrypto_cipher_free(QCryptoCipher *cipher);

/**
 * qcrypto_cipher_encrypt:
 * @cipher: (inout) from qcrypto_cipher_new()
 * @in: (in) @len bytes of plain text; borrowed
 * @out: (out) @len bytes; may be @in
 * @len: a multiple of the block length; 0 does nothing
 * @errp: (out) set when the return is -1
 *
 * Limit: QCRYPTO_CIPHER_XTS_UNIT_MAX bytes in xts.
 * Returns: 0 on success, -1 on error.
 * Errors: @len not a multiple, or over the limit; the library fails.
 */
int qcrypto_cipher_encrypt(QCryptoCipher *cipher, const void *in, void *out,
                           size_t len, Error **errp);

/** qcrypto_cipher_decrypt: the reverse of qcrypto_cipher_encrypt(). */
int qcrypto_cipher_decrypt(QCryptoCipher *cipher, const void *in, void *out,
                           size_t len, Error **errp);

/**
 * qcrypto_cipher_setiv:
 * @cipher: (inout) from qcrypto_cipher_new()
 * @iv: (in) @niv bytes; copied
 * @niv: exactly qcrypto_cipher_get_iv_len()
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 on success, -1 on error.
 * Errors: wrong length, which is any length in ecb.
 */
int qcrypto_cipher_setiv(QCryptoCipher *cipher, const uint8_t *iv, size_t niv,
                         Error **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoCipher, qcrypto_cipher_free)

#endif
