/*
 * Names of the backends and the choice among them.
 *
 * Each family (cipher, hash, hmac, pbkdf, akcipher) has one small vtable, one
 * file for each library that implements it, and in the family's main file a
 * table of the vtables and a table of the fastest library per algorithm. The
 * tables are constants, so that a given build behaves alike on every host
 * and every run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/backend.h"

#include "backend-internal.h"

const char *qcrypto_backend_name(QCryptoBackend backend)
{
    static const char *const names[QCRYPTO_BACKEND__MAX] = {
        [QCRYPTO_BACKEND_AUTO] = "auto",
        [QCRYPTO_BACKEND_NETTLE] = "nettle",
        [QCRYPTO_BACKEND_GCRYPT] = "gcrypt",
        [QCRYPTO_BACKEND_GNUTLS] = "gnutls",
    };

    assert(backend < QCRYPTO_BACKEND__MAX);
    return names[backend];
}

bool qcrypto_backend_is_built(QCryptoBackend backend)
{
    assert(backend < QCRYPTO_BACKEND__MAX);
    switch (backend) {
    case QCRYPTO_BACKEND_NETTLE:
        return CONFIG_NETTLE;
    case QCRYPTO_BACKEND_GCRYPT:
        return CONFIG_GCRYPT;
    default:
        return true;
    }
}

QCryptoBackend qcrypto_backend_choose(QCryptoBackend fastest, unsigned mask)
{
    static const QCryptoBackend order[] = { QCRYPTO_BACKEND_ORDER };

    if (fastest != QCRYPTO_BACKEND_AUTO && mask & (1U << fastest)) {
        return fastest;
    }
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (mask & (1U << order[i])) {
            return order[i];
        }
    }
    return QCRYPTO_BACKEND_AUTO;
}
