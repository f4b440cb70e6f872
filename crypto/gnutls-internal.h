/*
 * What the files over GnuTLS share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_GNUTLS_INTERNAL_H
#define CRYPTO_GNUTLS_INTERNAL_H

#include <gnutls/gnutls.h>

#include "qapi/qapi-types-crypto.h"

/**
 * qcrypto_gnutls_mac:
 * @alg: (in) hash algorithm, any value
 *
 * Returns: GnuTLS's number for HMAC over it, GNUTLS_MAC_UNKNOWN if none.
 * The numbers of bare hashes (gnutls_digest_algorithm_t) are the same.
 */
gnutls_mac_algorithm_t qcrypto_gnutls_mac(QCryptoHashAlgorithm alg);

#endif
