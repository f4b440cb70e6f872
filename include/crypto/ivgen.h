/*
 * Initialization vectors from sector numbers.
 *
 *  plain    the low 32 bits of the number, little-endian, then zeros
 *  plain64  all 64 bits, little-endian, then zeros
 *  essiv    the plain64 vector encrypted in ecb with a hash of the key
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_IVGEN_H
#define CRYPTO_IVGEN_H

#include <glib.h>

#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

typedef struct QCryptoIVGen QCryptoIVGen;

/**
 * qcrypto_ivgen_new:
 * @alg: (in) generator
 * @cipheralg: (in) cipher of essiv; ignored by the others
 * @hash: (in) hash of essiv; ignored by the others
 * @key: (in) @nkey bytes, the disk's key, for essiv; not kept
 * @nkey: bytes of key
 * @errp: (out) set when the return is NULL
 *
 * The key of essiv is the hash of @key cut to the cipher's key length, or
 * followed by zeros if it is shorter.
 *
 * Thread: any; the object is used by one thread at a time.
 * Returns: a new object, qcrypto_ivgen_free(); NULL on error.
 * Errors: unknown generator; hash or cipher not supported.
 */
QCryptoIVGen *qcrypto_ivgen_new(QCryptoIVGenAlgorithm alg,
                                QCryptoCipherAlgorithm cipheralg,
                                QCryptoHashAlgorithm hash, const uint8_t *key,
                                size_t nkey, Error **errp);

/**
 * qcrypto_ivgen_calculate:
 * @ivgen: (inout) from qcrypto_ivgen_new()
 * @sector: number of the sector
 * @iv: (out) @niv bytes; what the generator does not give is zero
 * @niv: bytes of vector
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 on success, -1 on error.
 * Errors: the cipher of essiv fails.
 */
int qcrypto_ivgen_calculate(QCryptoIVGen *ivgen, uint64_t sector, uint8_t *iv,
                            size_t niv, Error **errp);

/** qcrypto_ivgen_get_algorithm: what qcrypto_ivgen_new() was given. */
QCryptoIVGenAlgorithm qcrypto_ivgen_get_algorithm(QCryptoIVGen *ivgen);
/** qcrypto_ivgen_get_cipher: what qcrypto_ivgen_new() was given. */
QCryptoCipherAlgorithm qcrypto_ivgen_get_cipher(QCryptoIVGen *ivgen);
/** qcrypto_ivgen_get_hash: what qcrypto_ivgen_new() was given. */
QCryptoHashAlgorithm qcrypto_ivgen_get_hash(QCryptoIVGen *ivgen);

/** qcrypto_ivgen_free: wipe and free; NULL is accepted. */
void qcrypto_ivgen_free(QCryptoIVGen *ivgen);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoIVGen, qcrypto_ivgen_free)

#endif
