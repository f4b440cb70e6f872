/*
 * The libraries that do the arithmetic, and which one does what.
 *
 * Every algorithm has a default library, the one that was measured as the
 * fastest (docs/performance.md, table "crypto"). The calls of cipher.h,
 * hash.h, hmac.h, pbkdf.h and akcipher.h use it; the `_with_backend` calls
 * beside them force another, for tests, for the benchmark and for whoever
 * must use one certified library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BACKEND_H
#define CRYPTO_BACKEND_H

#include <stdbool.h>

typedef enum QCryptoBackend {
    QCRYPTO_BACKEND_AUTO, /* the default of the algorithm */
    QCRYPTO_BACKEND_NETTLE,
    QCRYPTO_BACKEND_GCRYPT,
    QCRYPTO_BACKEND_GNUTLS,
    QCRYPTO_BACKEND__MAX,
} QCryptoBackend;

/**
 * qcrypto_backend_name:
 * @backend: (in) any value of the enumeration below _MAX
 *
 * Returns: "auto", "nettle", "gcrypt" or "gnutls"; static.
 * Thread: any.
 */
const char *qcrypto_backend_name(QCryptoBackend backend);

/**
 * qcrypto_backend_is_built:
 * @backend: (in) any value of the enumeration below _MAX
 *
 * Returns: true if this program was built with @backend; always true for
 * QCRYPTO_BACKEND_AUTO and QCRYPTO_BACKEND_GNUTLS.
 * Thread: any.
 */
bool qcrypto_backend_is_built(QCryptoBackend backend);

#endif
