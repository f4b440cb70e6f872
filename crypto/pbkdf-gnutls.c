/*
 * PBKDF2 by GnuTLS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "util/error.h"

#include "gnutls-internal.h"
#include "pbkdf-internal.h"

static bool gtls_pbkdf_supports(QCryptoHashAlgorithm hash)
{
    return qcrypto_gnutls_mac(hash) != GNUTLS_MAC_UNKNOWN;
}

static bool gtls_derive(const QCryptoPbkdf2 *p, Error **errp)
{
    gnutls_datum_t key = { .data = (void *)p->key, .size = p->nkey };
    gnutls_datum_t salt = { .data = (void *)p->salt, .size = p->nsalt };
    int rc;

    if (p->nkey > UINT_MAX || p->nsalt > UINT_MAX) {
        error_setg(errp, "GnuTLS cannot do pbkdf2 with %zu and %zu bytes",
                   p->nkey, p->nsalt);
        return false;
    }
    rc = gnutls_pbkdf2(qcrypto_gnutls_mac(p->hash), &key, &salt, p->iterations,
                       p->out, p->nout);
    if (rc < 0) {
        error_setg(errp, "GnuTLS cannot do pbkdf2 with hash '%s': %s",
                   QCryptoHashAlgorithm_str(p->hash), gnutls_strerror(rc));
        return false;
    }
    return true;
}

const QCryptoPbkdfBackend qcrypto_pbkdf_gnutls = {
    .supports = gtls_pbkdf_supports,
    .pbkdf2 = gtls_derive,
};
