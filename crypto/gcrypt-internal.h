/*
 * What the files over libgcrypt share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_GCRYPT_INTERNAL_H
#define CRYPTO_GCRYPT_INTERNAL_H

#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

/**
 * qcrypto_gcrypt_init:
 *
 * Start libgcrypt unless the program already did. Called by whatever makes
 * a libgcrypt object, so that a program need not call qcrypto_init().
 *
 * Thread: any.
 * Returns: true on success; false if the library at run time is older than
 * the one this was built with.
 */
bool qcrypto_gcrypt_init(Error **errp);

/**
 * qcrypto_gcrypt_hash:
 * @alg: (in) hash algorithm, any value
 *
 * Returns: the number that libgcrypt has for it, 0 if none.
 */
int qcrypto_gcrypt_hash(QCryptoHashAlgorithm alg);

#endif
