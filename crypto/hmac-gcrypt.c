/*
 * Keyed hashes by libgcrypt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "crypto/hash.h"
#include "util/error.h"

#include "gcrypt-internal.h"
#include "hmac-internal.h"

typedef struct GcryptHmac {
    QCryptoHmac base;
    gcry_md_hd_t handle; /* owned */
} GcryptHmac;

static bool gcrypt_hmac_supports(QCryptoHashAlgorithm alg)
{
    int algo = qcrypto_gcrypt_hash(alg);

    return algo && qcrypto_gcrypt_init(NULL) && gcry_md_test_algo(algo) == 0;
}

static void gcrypt_hmac_free(QCryptoHmac *hmac)
{
    GcryptHmac *h = container_of(hmac, GcryptHmac, base);

    gcry_md_close(h->handle);
    g_free(h);
}

static QCryptoHmac *gcrypt_hmac_new(QCryptoHashAlgorithm alg,
                                    const uint8_t *key, size_t nkey,
                                    Error **errp)
{
    GcryptHmac *h = g_new0(GcryptHmac, 1);
    gcry_error_t err =
        gcry_md_open(&h->handle, qcrypto_gcrypt_hash(alg), GCRY_MD_FLAG_HMAC);

    h->base.alg = alg;
    h->base.backend = &qcrypto_hmac_gcrypt;
    if (!err) {
        err = gcry_md_setkey(h->handle, key, nkey);
    }
    if (err) {
        error_setg(errp, "libgcrypt cannot set up hmac with hash '%s': %s",
                   QCryptoHashAlgorithm_str(alg), gcry_strerror(err));
        gcrypt_hmac_free(&h->base);
        return NULL;
    }
    return &h->base;
}

static bool gcrypt_hmac_update(QCryptoHmac *hmac, const void *buf, size_t len,
                               Error **errp)
{
    GcryptHmac *h = container_of(hmac, GcryptHmac, base);

    gcry_md_write(h->handle, buf, len);
    return true;
}

static void gcrypt_hmac_reset(QCryptoHmac *hmac)
{
    GcryptHmac *h = container_of(hmac, GcryptHmac, base);

    gcry_md_reset(h->handle); /* keeps the key */
}

static bool gcrypt_hmac_finish(QCryptoHmac *hmac, uint8_t *out, Error **errp)
{
    GcryptHmac *h = container_of(hmac, GcryptHmac, base);
    const uint8_t *digest = gcry_md_read(h->handle, 0);

    if (!digest) {
        error_setg(errp, "libgcrypt has no result for hmac with hash '%s'",
                   QCryptoHashAlgorithm_str(hmac->alg));
        gcrypt_hmac_reset(hmac);
        return false;
    }
    memcpy(out, digest, qcrypto_hash_digest_len(hmac->alg));
    gcrypt_hmac_reset(hmac);
    return true;
}

const QCryptoHmacBackend qcrypto_hmac_gcrypt = {
    .supports = gcrypt_hmac_supports,
    .new = gcrypt_hmac_new,
    .update = gcrypt_hmac_update,
    .finish = gcrypt_hmac_finish,
    .reset = gcrypt_hmac_reset,
    .free = gcrypt_hmac_free,
};
