/*
 * RSA: checks once for all libraries, and the choice of the library.
 *
 * The libraries are given numbers of exactly the modulus's length, so that
 * they need not agree on what to do with shorter ones: a shorter cipher
 * text is filled up with zeros in front, a shorter signature refused (RFC
 * 8017 8.2.2 step 1).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/akcipher.h"

#include "util/error.h"

#include "akcipher-internal.h"
#include "backend-internal.h"

/* RFC 8017 7.2.1: 0, 2, at least 8 bytes, 0. */
#define PKCS1_OVERHEAD 11

static const QCryptoAkCipherBackend *const akcipher_backends[] = {
    [QCRYPTO_BACKEND_AUTO] = NULL,
#if CONFIG_NETTLE
    [QCRYPTO_BACKEND_NETTLE] = &qcrypto_akcipher_nettle,
#endif
#if CONFIG_GCRYPT
    [QCRYPTO_BACKEND_GCRYPT] = &qcrypto_akcipher_gcrypt,
#endif
    [QCRYPTO_BACKEND_GNUTLS] = NULL,
};

/* Measured; see docs/performance.md, "Choice of the crypto backend". */
#define AKCIPHER_FASTEST QCRYPTO_BACKEND_NETTLE

static unsigned akcipher_backend_mask(const QCryptoAkCipherOptions *opts)
{
    unsigned mask = 0;

    if (opts->alg != QCRYPTO_AKCIPHER_ALG_RSA ||
        (unsigned)opts->u.rsa.padding_alg >= QCRYPTO_RSA_PADDING_ALG__MAX ||
        (unsigned)opts->u.rsa.hash_alg >= QCRYPTO_HASH_ALG__MAX) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(akcipher_backends); i++) {
        if (akcipher_backends[i] &&
            akcipher_backends[i]->supports(&opts->u.rsa)) {
            mask |= 1U << i;
        }
    }
    return mask;
}

bool qcrypto_akcipher_supports(QCryptoAkCipherOptions *opts)
{
    return akcipher_backend_mask(opts);
}

bool qcrypto_akcipher_supports_with_backend(QCryptoBackend backend,
                                            const QCryptoAkCipherOptions *opts)
{
    unsigned mask = akcipher_backend_mask(opts);

    assert(backend < QCRYPTO_BACKEND__MAX);
    return backend == QCRYPTO_BACKEND_AUTO ? mask : mask & (1U << backend);
}

QCryptoBackend qcrypto_akcipher_backend(const QCryptoAkCipherOptions *opts)
{
    return qcrypto_backend_choose(AKCIPHER_FASTEST,
                                  akcipher_backend_mask(opts));
}

QCryptoAkCipher *qcrypto_akcipher_new_with_backend(
    QCryptoBackend backend, const QCryptoAkCipherOptions *opts,
    QCryptoAkCipherKeyType type, const uint8_t *key, size_t keylen,
    Error **errp)
{
    QCryptoAkCipher *ak;
    QCryptoRsaKey rsa;

    if (!qcrypto_akcipher_supports_with_backend(backend, opts)) {
        error_setg(errp, "this asymmetric cipher is not supported by '%s'",
                   qcrypto_backend_name(backend));
        return NULL;
    }
    if (!qcrypto_rsakey_parse(type, key, keylen, &rsa, errp)) {
        return NULL;
    }
    if (backend == QCRYPTO_BACKEND_AUTO) {
        backend = qcrypto_akcipher_backend(opts);
    }
    ak = akcipher_backends[backend]->new (type, &rsa, errp);
    if (ak) {
        ak->backend = akcipher_backends[backend];
        ak->type = type;
        ak->padding = opts->u.rsa.padding_alg;
        ak->hash = opts->u.rsa.hash_alg;
        ak->modulus_len = rsa.n.len;
    }
    return ak;
}

QCryptoAkCipher *qcrypto_akcipher_new(const QCryptoAkCipherOptions *opts,
                                      QCryptoAkCipherKeyType type,
                                      const uint8_t *key, size_t keylen,
                                      Error **errp)
{
    return qcrypto_akcipher_new_with_backend(QCRYPTO_BACKEND_AUTO, opts, type,
                                             key, keylen, errp);
}

void qcrypto_akcipher_free(QCryptoAkCipher *akcipher)
{
    if (akcipher) {
        akcipher->backend->free(akcipher);
    }
}

static bool akcipher_check_out(const QCryptoAkCipher *ak, size_t out_len,
                               Error **errp)
{
    if (out_len < ak->modulus_len) {
        error_setg(errp, "output of %zu bytes is less than the key's %zu",
                   out_len, ak->modulus_len);
        return false;
    }
    return true;
}

static bool akcipher_check_private(const QCryptoAkCipher *ak, const char *what,
                                   Error **errp)
{
    if (ak->type != QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE) {
        error_setg(errp, "a public key cannot %s", what);
        return false;
    }
    return true;
}

static bool akcipher_check_signing(const QCryptoAkCipher *ak, size_t digest_len,
                                   Error **errp)
{
    uint8_t zero[QCRYPTO_HASH_DIGEST_LEN_MAX] = { 0 };
    uint8_t info[QCRYPTO_RSA_DIGEST_INFO_MAX];
    size_t want = qcrypto_hash_digest_len(ak->hash);

    if (ak->padding != QCRYPTO_RSA_PADDING_ALG_PKCS1) {
        error_setg(errp, "signatures need padding 'pkcs1'");
        return false;
    }
    if (digest_len != want) {
        error_setg(errp, "digest of hash '%s' has %zu bytes, not %zu",
                   QCryptoHashAlgorithm_str(ak->hash), want, digest_len);
        return false;
    }
    if (qcrypto_rsa_digest_info(ak->hash, zero, info) + PKCS1_OVERHEAD >
        ak->modulus_len) {
        error_setg(errp, "key of %zu bytes is too short to sign hash '%s'",
                   ak->modulus_len, QCryptoHashAlgorithm_str(ak->hash));
        return false;
    }
    return true;
}

int qcrypto_akcipher_encrypt(QCryptoAkCipher *akcipher, const void *in,
                             size_t in_len, void *out, size_t out_len,
                             Error **errp)
{
    size_t max = akcipher->modulus_len;

    if (akcipher->padding == QCRYPTO_RSA_PADDING_ALG_PKCS1) {
        max -= PKCS1_OVERHEAD;
    }
    if (in_len > max) {
        error_setg(errp, "plain text of %zu bytes is over the key's %zu",
                   in_len, max);
        return -1;
    }
    if (!akcipher_check_out(akcipher, out_len, errp) ||
        !akcipher->backend->encrypt(akcipher, in, in_len, out, errp)) {
        return -1;
    }
    return akcipher->modulus_len;
}

int qcrypto_akcipher_decrypt(QCryptoAkCipher *akcipher, const void *in,
                             size_t in_len, void *out, size_t out_len,
                             Error **errp)
{
    size_t len = akcipher->modulus_len;
    g_autofree uint8_t *full = NULL;

    if (!akcipher_check_private(akcipher, "decrypt", errp)) {
        return -1;
    }
    if (in_len > len) {
        error_setg(errp, "cipher text of %zu bytes is over the key's %zu",
                   in_len, len);
        return -1;
    }
    if (!akcipher_check_out(akcipher, out_len, errp)) {
        return -1;
    }
    if (in_len < len) {
        full = g_malloc0(len);
        if (in_len) {
            memcpy(full + len - in_len, in, in_len);
        }
        in = full;
    }
    return akcipher->backend->decrypt(akcipher, in, out, errp);
}

int qcrypto_akcipher_sign(QCryptoAkCipher *akcipher, const void *in,
                          size_t in_len, void *out, size_t out_len,
                          Error **errp)
{
    if (!akcipher_check_private(akcipher, "sign", errp) ||
        !akcipher_check_signing(akcipher, in_len, errp) ||
        !akcipher_check_out(akcipher, out_len, errp) ||
        !akcipher->backend->sign(akcipher, in, out, errp)) {
        return -1;
    }
    return akcipher->modulus_len;
}

int qcrypto_akcipher_verify(QCryptoAkCipher *akcipher, const void *in,
                            size_t in_len, const void *in2, size_t in2_len,
                            Error **errp)
{
    if (!akcipher_check_signing(akcipher, in2_len, errp)) {
        return -1;
    }
    if (in_len != akcipher->modulus_len) {
        error_setg(errp, "signature has %zu bytes, the key has %zu", in_len,
                   akcipher->modulus_len);
        return -1;
    }
    if (!akcipher->backend->verify(akcipher, in, in2)) {
        error_setg(errp, "signature is not good");
        return -1;
    }
    return 0;
}

int qcrypto_akcipher_max_plaintext_len(QCryptoAkCipher *akcipher)
{
    return akcipher->modulus_len;
}

int qcrypto_akcipher_max_ciphertext_len(QCryptoAkCipher *akcipher)
{
    return akcipher->modulus_len;
}

int qcrypto_akcipher_max_signature_len(QCryptoAkCipher *akcipher)
{
    return akcipher->modulus_len;
}

int qcrypto_akcipher_max_dgst_len(QCryptoAkCipher *akcipher)
{
    return akcipher->modulus_len;
}
