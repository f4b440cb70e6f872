/*
 * What the files over nettle share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_NETTLE_INTERNAL_H
#define CRYPTO_NETTLE_INTERNAL_H

#include <nettle/nettle-meta.h>

#include "qapi/qapi-types-crypto.h"

/**
 * qcrypto_nettle_hash:
 * @alg: (in) hash algorithm, any value
 *
 * Returns: nettle's description of it, NULL if there is none.
 */
const struct nettle_hash *qcrypto_nettle_hash(QCryptoHashAlgorithm alg);

#endif
