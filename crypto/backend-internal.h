/*
 * Choice of a backend, shared by the families of algorithms.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BACKEND_INTERNAL_H
#define CRYPTO_BACKEND_INTERNAL_H

#include "crypto/backend.h"

/* The order in which libraries stand in when the one that was measured as
 * fastest is not built or lacks the algorithm: by their speed in general. */
#define QCRYPTO_BACKEND_ORDER                                                  \
    QCRYPTO_BACKEND_GCRYPT, QCRYPTO_BACKEND_GNUTLS, QCRYPTO_BACKEND_NETTLE

/**
 * qcrypto_backend_choose:
 * @fastest: (in) library to prefer
 * @mask: (in) bit N set: library N can do it
 *
 * Returns: @fastest if it can, else the first of QCRYPTO_BACKEND_ORDER that
 * can, else QCRYPTO_BACKEND_AUTO.
 */
QCryptoBackend qcrypto_backend_choose(QCryptoBackend fastest, unsigned mask);

#endif
