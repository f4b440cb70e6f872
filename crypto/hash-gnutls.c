/*
 * Hashes by GnuTLS. The room for the state holds its handle.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "util/error.h"

#include "gnutls-internal.h"
#include "hash-internal.h"

gnutls_mac_algorithm_t qcrypto_gnutls_mac(QCryptoHashAlgorithm alg)
{
    static const gnutls_mac_algorithm_t macs[] = {
        [QCRYPTO_HASH_ALG_MD5] = GNUTLS_MAC_MD5,
        [QCRYPTO_HASH_ALG_SHA1] = GNUTLS_MAC_SHA1,
        [QCRYPTO_HASH_ALG_SHA224] = GNUTLS_MAC_SHA224,
        [QCRYPTO_HASH_ALG_SHA256] = GNUTLS_MAC_SHA256,
        [QCRYPTO_HASH_ALG_SHA384] = GNUTLS_MAC_SHA384,
        [QCRYPTO_HASH_ALG_SHA512] = GNUTLS_MAC_SHA512,
        /* It has a number for RIPEMD-160, but no code behind it. */
    };

    return (unsigned)alg < ARRAY_SIZE(macs) ? macs[alg] : GNUTLS_MAC_UNKNOWN;
}

static gnutls_hash_hd_t *gtls_hash_handle(QCryptoHashState *state)
{
    return (gnutls_hash_hd_t *)state->bytes;
}

static bool gtls_hash_fail(QCryptoHashAlgorithm alg, int rc, Error **errp)
{
    error_setg(errp, "GnuTLS cannot hash with '%s': %s",
               QCryptoHashAlgorithm_str(alg), gnutls_strerror(rc));
    return false;
}

static bool gtls_hash_supports(QCryptoHashAlgorithm alg)
{
    return qcrypto_gnutls_mac(alg) != GNUTLS_MAC_UNKNOWN;
}

static bool gtls_hash_begin(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                            Error **errp)
{
    int rc =
        gnutls_hash_init(gtls_hash_handle(state), (int)qcrypto_gnutls_mac(alg));

    return rc < 0 ? gtls_hash_fail(alg, rc, errp) : true;
}

static bool gtls_hash_update(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                             const void *buf, size_t len, Error **errp)
{
    int rc = len ? gnutls_hash(*gtls_hash_handle(state), buf, len) : 0;

    return rc < 0 ? gtls_hash_fail(alg, rc, errp) : true;
}

static bool gtls_hash_finish(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                             uint8_t *out, Error **errp)
{
    gnutls_hash_output(*gtls_hash_handle(state), out);
    return true;
}

static void gtls_hash_end(QCryptoHashAlgorithm alg, QCryptoHashState *state)
{
    gnutls_hash_deinit(*gtls_hash_handle(state), NULL);
}

/* Saves the library the allocation of a handle. */
static bool gtls_hash_digest(QCryptoHashAlgorithm alg, const void *buf,
                             size_t len, uint8_t *out, Error **errp)
{
    int rc = gnutls_hash_fast((int)qcrypto_gnutls_mac(alg), buf, len, out);

    return rc < 0 ? gtls_hash_fail(alg, rc, errp) : true;
}

const QCryptoHashBackend qcrypto_hash_gnutls = {
    .supports = gtls_hash_supports,
    .init = gtls_hash_begin,
    .update = gtls_hash_update,
    .finish = gtls_hash_finish,
    .digest = gtls_hash_digest,
    .deinit = gtls_hash_end,
};
