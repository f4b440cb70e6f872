/*
 * Hashes: choice of the library, and the shapes of results.
 *
 * A QCryptoHash lives on the heap when the caller feeds it piece by piece
 * and on the stack when all is hashed in one call; the code is the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hash.h"

#include "util/error.h"

#include "backend-internal.h"
#include "hash-internal.h"

struct QCryptoHash {
    QCryptoHashAlgorithm alg;
    const QCryptoHashBackend *backend;
    bool finalized;
    QCryptoHashState state;
};

static const QCryptoHashBackend *const hash_backends[] = {
    [QCRYPTO_BACKEND_AUTO] = NULL,
#if CONFIG_NETTLE
    [QCRYPTO_BACKEND_NETTLE] = &qcrypto_hash_nettle,
#endif
#if CONFIG_GCRYPT
    [QCRYPTO_BACKEND_GCRYPT] = &qcrypto_hash_gcrypt,
#endif
    [QCRYPTO_BACKEND_GNUTLS] = &qcrypto_hash_gnutls,
};

/* Measured; see docs/performance.md, "Choice of the crypto backend". */
static const QCryptoBackend hash_fastest[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA1] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA224] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA256] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA384] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_SHA512] = QCRYPTO_BACKEND_GNUTLS,
    [QCRYPTO_HASH_ALG_RIPEMD160] = QCRYPTO_BACKEND_GCRYPT,
};

static const uint8_t hash_digest_len[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = QCRYPTO_HASH_DIGEST_LEN_MD5,
    [QCRYPTO_HASH_ALG_SHA1] = QCRYPTO_HASH_DIGEST_LEN_SHA1,
    [QCRYPTO_HASH_ALG_SHA224] = QCRYPTO_HASH_DIGEST_LEN_SHA224,
    [QCRYPTO_HASH_ALG_SHA256] = QCRYPTO_HASH_DIGEST_LEN_SHA256,
    [QCRYPTO_HASH_ALG_SHA384] = QCRYPTO_HASH_DIGEST_LEN_SHA384,
    [QCRYPTO_HASH_ALG_SHA512] = QCRYPTO_HASH_DIGEST_LEN_SHA512,
    [QCRYPTO_HASH_ALG_RIPEMD160] = QCRYPTO_HASH_DIGEST_LEN_RIPEMD160,
};

static unsigned hash_backend_mask(QCryptoHashAlgorithm alg)
{
    unsigned mask = 0;

    for (size_t i = 0; i < ARRAY_SIZE(hash_backends); i++) {
        if (hash_backends[i] && hash_backends[i]->supports(alg)) {
            mask |= 1U << i;
        }
    }
    return mask;
}

bool qcrypto_hash_supports(QCryptoHashAlgorithm alg)
{
    return hash_backend_mask(alg);
}

bool qcrypto_hash_supports_with_backend(QCryptoBackend backend,
                                        QCryptoHashAlgorithm alg)
{
    unsigned mask = hash_backend_mask(alg);

    assert(backend < QCRYPTO_BACKEND__MAX);
    return backend == QCRYPTO_BACKEND_AUTO ? mask : mask & (1U << backend);
}

QCryptoBackend qcrypto_hash_backend(QCryptoHashAlgorithm alg)
{
    unsigned mask = hash_backend_mask(alg);

    return mask ? qcrypto_backend_choose(hash_fastest[alg], mask)
                : QCRYPTO_BACKEND_AUTO;
}

size_t qcrypto_hash_digest_len(QCryptoHashAlgorithm alg)
{
    assert((unsigned)alg < QCRYPTO_HASH_ALG__MAX);
    return hash_digest_len[alg];
}

static const QCryptoHashBackend *hash_find_backend(QCryptoBackend backend,
                                                   QCryptoHashAlgorithm alg,
                                                   Error **errp)
{
    if ((unsigned)alg >= QCRYPTO_HASH_ALG__MAX) {
        error_setg(errp, "unknown hash algorithm %d", (int)alg);
        return NULL;
    }
    if (backend == QCRYPTO_BACKEND_AUTO) {
        /* Without asking every library: this is on the path of each hash. */
        const QCryptoHashBackend *first = hash_backends[hash_fastest[alg]];

        if (first && first->supports(alg)) {
            return first;
        }
        backend = qcrypto_hash_backend(alg);
    }
    if (!qcrypto_hash_supports_with_backend(backend, alg) ||
        !hash_backends[backend]) {
        error_setg(errp, "hash algorithm '%s' is not supported by '%s'",
                   QCryptoHashAlgorithm_str(alg),
                   qcrypto_backend_name(backend));
        return NULL;
    }
    return hash_backends[backend];
}

static bool hash_init(QCryptoHash *hash, const QCryptoHashBackend *backend,
                      QCryptoHashAlgorithm alg, Error **errp)
{
    memset(hash, 0, sizeof(*hash));
    if (!backend->init(alg, &hash->state, errp)) {
        return false;
    }
    hash->alg = alg;
    hash->backend = backend;
    return true;
}

static void hash_deinit(QCryptoHash *hash)
{
    if (hash->backend->deinit) {
        hash->backend->deinit(hash->alg, &hash->state);
    }
    explicit_bzero(hash, sizeof(*hash));
}

QCryptoHash *qcrypto_hash_new_with_backend(QCryptoBackend backend,
                                           QCryptoHashAlgorithm alg,
                                           Error **errp)
{
    const QCryptoHashBackend *b = hash_find_backend(backend, alg, errp);
    g_autofree QCryptoHash *hash = NULL;

    if (!b) {
        return NULL;
    }
    hash = g_new(QCryptoHash, 1);
    return hash_init(hash, b, alg, errp) ? g_steal_pointer(&hash) : NULL;
}

QCryptoHash *qcrypto_hash_new(QCryptoHashAlgorithm alg, Error **errp)
{
    return qcrypto_hash_new_with_backend(QCRYPTO_BACKEND_AUTO, alg, errp);
}

void qcrypto_hash_free(QCryptoHash *hash)
{
    if (hash) {
        hash_deinit(hash);
        g_free(hash);
    }
}

int qcrypto_hash_updatev(QCryptoHash *hash, const struct iovec *iov,
                         size_t niov, Error **errp)
{
    if (hash->finalized) {
        error_setg(errp, "hash is finalized already");
        return -1;
    }
    for (size_t i = 0; i < niov; i++) {
        if (!hash->backend->update(hash->alg, &hash->state, iov[i].iov_base,
                                   iov[i].iov_len, errp)) {
            return -1;
        }
    }
    return 0;
}

int qcrypto_hash_update(QCryptoHash *hash, const char *buf, size_t len,
                        Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hash_updatev(hash, &iov, 1, errp);
}

uint8_t *qcrypto_hash_result(QCryptoHashAlgorithm alg, uint8_t **result,
                             const size_t *resultlen, Error **errp)
{
    size_t len = qcrypto_hash_digest_len(alg);

    if (*resultlen == 0) {
        return g_malloc(len);
    }
    if (*resultlen != len) {
        error_setg(errp, "result of hash '%s' has %zu bytes, not %zu",
                   QCryptoHashAlgorithm_str(alg), len, *resultlen);
        return NULL;
    }
    return *result;
}

int qcrypto_hash_finalize_bytes(QCryptoHash *hash, uint8_t **result,
                                size_t *result_len, Error **errp)
{
    uint8_t *out;

    if (hash->finalized) {
        error_setg(errp, "hash is finalized already");
        return -1;
    }
    out = qcrypto_hash_result(hash->alg, result, result_len, errp);
    if (!out) {
        return -1;
    }
    hash->finalized = true;
    if (!hash->backend->finish(hash->alg, &hash->state, out, errp)) {
        if (*result_len == 0) {
            g_free(out);
        }
        return -1;
    }
    *result = out;
    *result_len = qcrypto_hash_digest_len(hash->alg);
    return 0;
}

char *qcrypto_hash_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = g_malloc(len * 2 + 1);

    for (size_t i = 0; i < len; i++) {
        hex[i * 2] = digits[bytes[i] >> 4];
        hex[i * 2 + 1] = digits[bytes[i] & 0xf];
    }
    hex[len * 2] = '\0';
    return hex;
}

int qcrypto_hash_finalize_digest(QCryptoHash *hash, char **digest, Error **errp)
{
    uint8_t raw[QCRYPTO_HASH_DIGEST_LEN_MAX];
    uint8_t *result = raw;
    size_t len = qcrypto_hash_digest_len(hash->alg);

    if (qcrypto_hash_finalize_bytes(hash, &result, &len, errp) < 0) {
        return -1;
    }
    *digest = qcrypto_hash_hex(raw, len);
    return 0;
}

int qcrypto_hash_finalize_base64(QCryptoHash *hash, char **base64, Error **errp)
{
    uint8_t raw[QCRYPTO_HASH_DIGEST_LEN_MAX];
    uint8_t *result = raw;
    size_t len = qcrypto_hash_digest_len(hash->alg);

    if (qcrypto_hash_finalize_bytes(hash, &result, &len, errp) < 0) {
        return -1;
    }
    *base64 = g_base64_encode(raw, len);
    return 0;
}

/* One buffer, in a library that has a call for that. */
static int hash_digest(const QCryptoHashBackend *b, QCryptoHashAlgorithm alg,
                       const struct iovec *iov, uint8_t **result,
                       size_t *resultlen, Error **errp)
{
    uint8_t *out = qcrypto_hash_result(alg, result, resultlen, errp);

    if (!out) {
        return -1;
    }
    if (!b->digest(alg, iov->iov_base, iov->iov_len, out, errp)) {
        if (*resultlen == 0) {
            g_free(out);
        }
        return -1;
    }
    *result = out;
    *resultlen = hash_digest_len[alg];
    return 0;
}

int qcrypto_hash_bytesv(QCryptoHashAlgorithm alg, const struct iovec *iov,
                        size_t niov, uint8_t **result, size_t *resultlen,
                        Error **errp)
{
    const QCryptoHashBackend *b =
        hash_find_backend(QCRYPTO_BACKEND_AUTO, alg, errp);
    QCryptoHash hash;
    int ret;

    if (!b) {
        return -1;
    }
    if (niov == 1 && b->digest) {
        return hash_digest(b, alg, iov, result, resultlen, errp);
    }
    if (!hash_init(&hash, b, alg, errp)) {
        return -1;
    }
    ret = qcrypto_hash_updatev(&hash, iov, niov, errp);
    if (ret == 0) {
        ret = qcrypto_hash_finalize_bytes(&hash, result, resultlen, errp);
    }
    hash_deinit(&hash);
    return ret;
}

int qcrypto_hash_bytes(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                       uint8_t **result, size_t *resultlen, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hash_bytesv(alg, &iov, 1, result, resultlen, errp);
}

int qcrypto_hash_digestv(QCryptoHashAlgorithm alg, const struct iovec *iov,
                         size_t niov, char **digest, Error **errp)
{
    g_autofree uint8_t *raw = NULL;
    size_t len = 0;

    if (qcrypto_hash_bytesv(alg, iov, niov, &raw, &len, errp) < 0) {
        return -1;
    }
    *digest = qcrypto_hash_hex(raw, len);
    return 0;
}

int qcrypto_hash_digest(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                        char **digest, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hash_digestv(alg, &iov, 1, digest, errp);
}

int qcrypto_hash_base64v(QCryptoHashAlgorithm alg, const struct iovec *iov,
                         size_t niov, char **base64, Error **errp)
{
    g_autofree uint8_t *raw = NULL;
    size_t len = 0;

    if (qcrypto_hash_bytesv(alg, iov, niov, &raw, &len, errp) < 0) {
        return -1;
    }
    *base64 = g_base64_encode(raw, len);
    return 0;
}

int qcrypto_hash_base64(QCryptoHashAlgorithm alg, const char *buf, size_t len,
                        char **base64, Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };

    return qcrypto_hash_base64v(alg, &iov, 1, base64, errp);
}
