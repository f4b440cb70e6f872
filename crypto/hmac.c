/*
 * Keyed hashes: choice of the library, and the shapes of results.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hmac.h"

#include "util/error.h"

#include "backend-internal.h"
#include "hash-internal.h"
#include "hmac-internal.h"

static const QCryptoHmacBackend *const hmac_backends[] = {
    [QCRYPTO_BACKEND_AUTO] = NULL,
#if CONFIG_NETTLE
    [QCRYPTO_BACKEND_NETTLE] = &qcrypto_hmac_nettle,
#endif
#if CONFIG_GCRYPT
    [QCRYPTO_BACKEND_GCRYPT] = &qcrypto_hmac_gcrypt,
#endif
    [QCRYPTO_BACKEND_GNUTLS] = &qcrypto_hmac_gnutls,
};

/* Measured; see docs/performance.md, "Choice of the crypto backend". */
static const QCryptoBackend hmac_fastest[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA1] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA224] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA256] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA384] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA512] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_RIPEMD160] = QCRYPTO_BACKEND_GCRYPT,
};

static unsigned hmac_backend_mask(QCryptoHashAlgorithm alg)
{
    unsigned mask = 0;

    for (size_t i = 0; i < ARRAY_SIZE(hmac_backends); i++) {
        if (hmac_backends[i] && hmac_backends[i]->supports(alg)) {
            mask |= 1U << i;
        }
    }
    return mask;
}

bool qcrypto_hmac_supports(QCryptoHashAlgorithm alg)
{
    return hmac_backend_mask(alg);
}

bool qcrypto_hmac_supports_with_backend(QCryptoBackend backend,
                                        QCryptoHashAlgorithm alg)
{
    unsigned mask = hmac_backend_mask(alg);

    assert(backend < QCRYPTO_BACKEND__MAX);
    return backend == QCRYPTO_BACKEND_AUTO ? mask : mask & (1U << backend);
}

QCryptoBackend qcrypto_hmac_backend(QCryptoHashAlgorithm alg)
{
    unsigned mask = hmac_backend_mask(alg);

    return mask ? qcrypto_backend_choose(hmac_fastest[alg], mask)
                : QCRYPTO_BACKEND_AUTO;
}

QCryptoHmac *qcrypto_hmac_new_with_backend(QCryptoBackend backend,
                                           QCryptoHashAlgorithm alg,
                                           const uint8_t *key, size_t nkey,
                                           Error **errp)
{
    if ((unsigned)alg >= QCRYPTO_HASH_ALG__MAX) {
        error_setg(errp, "unknown hash algorithm %d", (int)alg);
        return NULL;
    }
    if (!qcrypto_hmac_supports_with_backend(backend, alg)) {
        error_setg(errp, "hmac with hash '%s' is not supported by '%s'",
                   QCryptoHashAlgorithm_str(alg),
                   qcrypto_backend_name(backend));
        return NULL;
    }
    if (backend == QCRYPTO_BACKEND_AUTO) {
        backend = qcrypto_hmac_backend(alg);
    }
    return hmac_backends[backend]->new (alg, key, nkey, errp);
}

QCryptoHmac *qcrypto_hmac_new(QCryptoHashAlgorithm alg, const uint8_t *key,
                              size_t nkey, Error **errp)
{
    return qcrypto_hmac_new_with_backend(QCRYPTO_BACKEND_AUTO, alg, key, nkey,
                                         errp);
}

void qcrypto_hmac_free(QCryptoHmac *hmac)
{
    if (hmac) {
        hmac->backend->free(hmac);
    }
}

static bool hmac_run(QCryptoHmac *hmac, const struct iovec *iov, size_t niov,
                     uint8_t *out, Error **errp)
{
    for (size_t i = 0; i < niov; i++) {
        if (!hmac->backend->update(hmac, iov[i].iov_base, iov[i].iov_len,
                                   errp)) {
            hmac->backend->reset(hmac);
            return false;
        }
    }
    return hmac->backend->finish(hmac, out, errp);
}

int qcrypto_hmac_bytesv(QCryptoHmac *hmac, const struct iovec *iov, size_t niov,
                        uint8_t **result, size_t *resultlen, Error **errp)
{
    uint8_t *out = qcrypto_hash_result(hmac->alg, result, resultlen, errp);

    if (!out) {
        return -1;
    }
    if (!hmac_run(hmac, iov, niov, out, errp)) {
        if (*resultlen == 0) {
            g_free(out);
        }
        return -1;
    }
    *result = out;
    *resultlen = qcrypto_hash_digest_len(hmac->alg);
    return 0;
}

int qcrypto_hmac_bytes(QCryptoHmac *hmac, const char *buf, size_t len,
                       uint8_t **result, size_t *resultlen, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hmac_bytesv(hmac, &iov, 1, result, resultlen, errp);
}

int qcrypto_hmac_digestv(QCryptoHmac *hmac, const struct iovec *iov,
                         size_t niov, char **digest, Error **errp)
{
    uint8_t raw[QCRYPTO_HASH_DIGEST_LEN_MAX];

    if (!hmac_run(hmac, iov, niov, raw, errp)) {
        return -1;
    }
    *digest = qcrypto_hash_hex(raw, qcrypto_hash_digest_len(hmac->alg));
    return 0;
}

int qcrypto_hmac_digest(QCryptoHmac *hmac, const char *buf, size_t len,
                        char **digest, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hmac_digestv(hmac, &iov, 1, digest, errp);
}
