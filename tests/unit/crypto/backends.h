/*
 * What the libraries of this build must offer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TEST_CRYPTO_BACKENDS_H
#define TEST_CRYPTO_BACKENDS_H

#include "crypto/backend.h"

/** backends_complete: nettle or libgcrypt is there, which do it all. */
static inline bool backends_complete(void)
{
    return qcrypto_backend_is_built(QCRYPTO_BACKEND_NETTLE) ||
           qcrypto_backend_is_built(QCRYPTO_BACKEND_GCRYPT);
}

#endif
