/*
 * Keyed hashes by GnuTLS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "crypto/hash.h"
#include "util/error.h"

#include "gnutls-internal.h"
#include "hmac-internal.h"

typedef struct GnutlsHmac {
    QCryptoHmac base;
    gnutls_hmac_hd_t handle; /* owned */
} GnutlsHmac;

static bool gtls_hmac_supports(QCryptoHashAlgorithm alg)
{
    return qcrypto_gnutls_mac(alg) != GNUTLS_MAC_UNKNOWN;
}

static QCryptoHmac *gtls_hmac_new(QCryptoHashAlgorithm alg, const uint8_t *key,
                                  size_t nkey, Error **errp)
{
    GnutlsHmac *h = g_new0(GnutlsHmac, 1);
    int rc = gnutls_hmac_init(&h->handle, qcrypto_gnutls_mac(alg), key, nkey);

    h->base.alg = alg;
    h->base.backend = &qcrypto_hmac_gnutls;
    if (rc < 0) {
        error_setg(errp, "GnuTLS cannot set up hmac with hash '%s': %s",
                   QCryptoHashAlgorithm_str(alg), gnutls_strerror(rc));
        g_free(h);
        return NULL;
    }
    return &h->base;
}

static bool gtls_hmac_update(QCryptoHmac *hmac, const void *buf, size_t len,
                             Error **errp)
{
    GnutlsHmac *h = container_of(hmac, GnutlsHmac, base);
    int rc = len ? gnutls_hmac(h->handle, buf, len) : 0;

    if (rc < 0) {
        error_setg(errp, "GnuTLS cannot run hmac with hash '%s': %s",
                   QCryptoHashAlgorithm_str(hmac->alg), gnutls_strerror(rc));
        return false;
    }
    return true;
}

static bool gtls_hmac_finish(QCryptoHmac *hmac, uint8_t *out, Error **errp)
{
    GnutlsHmac *h = container_of(hmac, GnutlsHmac, base);

    gnutls_hmac_output(h->handle, out); /* begins anew with the same key */
    return true;
}

static void gtls_hmac_reset(QCryptoHmac *hmac)
{
    GnutlsHmac *h = container_of(hmac, GnutlsHmac, base);
    uint8_t unused[QCRYPTO_HASH_DIGEST_LEN_MAX];

    gnutls_hmac_output(h->handle, unused);
}

static void gtls_hmac_free(QCryptoHmac *hmac)
{
    GnutlsHmac *h = container_of(hmac, GnutlsHmac, base);

    gnutls_hmac_deinit(h->handle, NULL);
    g_free(h);
}

const QCryptoHmacBackend qcrypto_hmac_gnutls = {
    .supports = gtls_hmac_supports,
    .new = gtls_hmac_new,
    .update = gtls_hmac_update,
    .finish = gtls_hmac_finish,
    .reset = gtls_hmac_reset,
    .free = gtls_hmac_free,
};
