/*
 * Symmetric ciphers: argument checks once for all libraries, and the choice
 * of the library.
 *
 * The hot path is encrypt, decrypt and setiv: a check of the length and one
 * indirect call. Contexts, key schedules included, are made in
 * qcrypto_cipher_new(); nothing is copied or allocated afterwards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/cipher.h"

#include "util/error.h"

#include "backend-internal.h"
#include "cipher-internal.h"

static const QCryptoCipherBackend *const cipher_backends[] = {
    [QCRYPTO_BACKEND_AUTO] = NULL,
#if CONFIG_NETTLE
    [QCRYPTO_BACKEND_NETTLE] = &qcrypto_cipher_nettle,
#endif
#if CONFIG_GCRYPT
    [QCRYPTO_BACKEND_GCRYPT] = &qcrypto_cipher_gcrypt,
#endif
    [QCRYPTO_BACKEND_GNUTLS] = &qcrypto_cipher_gnutls,
};

typedef struct CipherInfo {
    uint8_t key_len;   /* bytes */
    uint8_t block_len; /* bytes, a power of two */
} CipherInfo;

static const CipherInfo cipher_info[QCRYPTO_CIPHER_ALG__MAX] = {
    [QCRYPTO_CIPHER_ALG_AES_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALG_AES_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALG_AES_256] = { 32, 16 },
    [QCRYPTO_CIPHER_ALG_DES] = { 8, 8 },
    [QCRYPTO_CIPHER_ALG_3DES] = { 24, 8 },
    [QCRYPTO_CIPHER_ALG_CAST5_128] = { 16, 8 },
    [QCRYPTO_CIPHER_ALG_SERPENT_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALG_SERPENT_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALG_SERPENT_256] = { 32, 16 },
    [QCRYPTO_CIPHER_ALG_TWOFISH_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALG_TWOFISH_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALG_TWOFISH_256] = { 32, 16 },
};

/* Measured; see docs/performance.md, "Choice of the crypto backend". What is
 * not named here is fastest by libgcrypt. */
static QCryptoBackend cipher_fastest(QCryptoCipherAlgorithm alg,
                                     QCryptoCipherMode mode)
{
    static const QCryptoBackend ecb[QCRYPTO_CIPHER_ALG__MAX] = {
        [QCRYPTO_CIPHER_ALG_AES_128] = QCRYPTO_BACKEND_NETTLE,
        [QCRYPTO_CIPHER_ALG_AES_192] = QCRYPTO_BACKEND_NETTLE,
        [QCRYPTO_CIPHER_ALG_AES_256] = QCRYPTO_BACKEND_NETTLE,
        [QCRYPTO_CIPHER_ALG_SERPENT_128] = QCRYPTO_BACKEND_NETTLE,
        [QCRYPTO_CIPHER_ALG_SERPENT_192] = QCRYPTO_BACKEND_NETTLE,
        [QCRYPTO_CIPHER_ALG_SERPENT_256] = QCRYPTO_BACKEND_NETTLE,
    };

    if (mode == QCRYPTO_CIPHER_MODE_ECB && ecb[alg] != QCRYPTO_BACKEND_AUTO) {
        return ecb[alg];
    }
    return QCRYPTO_BACKEND_GCRYPT;
}

static bool cipher_known(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode)
{
    return (unsigned)alg < QCRYPTO_CIPHER_ALG__MAX &&
           (unsigned)mode < QCRYPTO_CIPHER_MODE__MAX &&
           (mode != QCRYPTO_CIPHER_MODE_XTS ||
            cipher_info[alg].block_len == CIPHER_BLOCK_MAX);
}

static unsigned cipher_backend_mask(QCryptoCipherAlgorithm alg,
                                    QCryptoCipherMode mode)
{
    unsigned mask = 0;

    if (!cipher_known(alg, mode)) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(cipher_backends); i++) {
        if (cipher_backends[i] && cipher_backends[i]->supports(alg, mode)) {
            mask |= 1U << i;
        }
    }
    return mask;
}

QCryptoBackend qcrypto_cipher_backend(QCryptoCipherAlgorithm alg,
                                      QCryptoCipherMode mode)
{
    unsigned mask = cipher_backend_mask(alg, mode);

    return mask ? qcrypto_backend_choose(cipher_fastest(alg, mode), mask)
                : QCRYPTO_BACKEND_AUTO;
}

bool qcrypto_cipher_supports_with_backend(QCryptoBackend backend,
                                          QCryptoCipherAlgorithm alg,
                                          QCryptoCipherMode mode)
{
    unsigned mask = cipher_backend_mask(alg, mode);

    assert(backend < QCRYPTO_BACKEND__MAX);
    return backend == QCRYPTO_BACKEND_AUTO ? mask : mask & (1U << backend);
}

bool qcrypto_cipher_supports(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode)
{
    return cipher_backend_mask(alg, mode);
}

size_t qcrypto_cipher_get_block_len(QCryptoCipherAlgorithm alg)
{
    assert((unsigned)alg < QCRYPTO_CIPHER_ALG__MAX);
    return cipher_info[alg].block_len;
}

size_t qcrypto_cipher_get_key_len(QCryptoCipherAlgorithm alg)
{
    assert((unsigned)alg < QCRYPTO_CIPHER_ALG__MAX);
    return cipher_info[alg].key_len;
}

size_t qcrypto_cipher_get_iv_len(QCryptoCipherAlgorithm alg,
                                 QCryptoCipherMode mode)
{
    assert((unsigned)alg < QCRYPTO_CIPHER_ALG__MAX);
    return mode == QCRYPTO_CIPHER_MODE_ECB ? 0 : cipher_info[alg].block_len;
}

QCryptoCipher *qcrypto_cipher_new_with_backend(QCryptoBackend backend,
                                               QCryptoCipherAlgorithm alg,
                                               QCryptoCipherMode mode,
                                               const uint8_t *key, size_t nkey,
                                               Error **errp)
{
    size_t want;

    if ((unsigned)alg >= QCRYPTO_CIPHER_ALG__MAX ||
        (unsigned)mode >= QCRYPTO_CIPHER_MODE__MAX) {
        error_setg(errp, "unknown cipher %d or cipher mode %d", (int)alg,
                   (int)mode);
        return NULL;
    }
    if (!qcrypto_cipher_supports_with_backend(backend, alg, mode)) {
        error_setg(errp, "cipher '%s' in mode '%s' is not supported by '%s'",
                   QCryptoCipherAlgorithm_str(alg), QCryptoCipherMode_str(mode),
                   qcrypto_backend_name(backend));
        return NULL;
    }
    want = cipher_info[alg].key_len;
    if (mode == QCRYPTO_CIPHER_MODE_XTS) {
        want *= 2;
    }
    if (nkey != want) {
        error_setg(errp,
                   "cipher '%s' in mode '%s' needs a key of %zu bytes, not %zu",
                   QCryptoCipherAlgorithm_str(alg), QCryptoCipherMode_str(mode),
                   want, nkey);
        return NULL;
    }
    if (backend == QCRYPTO_BACKEND_AUTO) {
        backend = qcrypto_cipher_backend(alg, mode);
    }
    return cipher_backends[backend]->new (alg, mode, key, nkey, errp);
}

QCryptoCipher *qcrypto_cipher_new(QCryptoCipherAlgorithm alg,
                                  QCryptoCipherMode mode, const uint8_t *key,
                                  size_t nkey, Error **errp)
{
    return qcrypto_cipher_new_with_backend(QCRYPTO_BACKEND_AUTO, alg, mode, key,
                                           nkey, errp);
}

void qcrypto_cipher_free(QCryptoCipher *cipher)
{
    if (cipher) {
        cipher->driver->free(cipher);
    }
}

static bool cipher_length_check(const QCryptoCipher *cipher, size_t len,
                                Error **errp)
{
    size_t block = cipher_info[cipher->alg].block_len;

    if (unlikely(len & (block - 1))) {
        error_setg(errp, "length %zu is not a multiple of block length %zu",
                   len, block);
        return false;
    }
    if (unlikely(len > QCRYPTO_CIPHER_XTS_UNIT_MAX) &&
        cipher->mode == QCRYPTO_CIPHER_MODE_XTS) {
        error_setg(errp, "length %zu is over the limit of %zu bytes for xts",
                   len, QCRYPTO_CIPHER_XTS_UNIT_MAX);
        return false;
    }
    return true;
}

int qcrypto_cipher_encrypt(QCryptoCipher *cipher, const void *in, void *out,
                           size_t len, Error **errp)
{
    if (!cipher_length_check(cipher, len, errp)) {
        return -1;
    }
    if (len == 0) {
        return 0;
    }
    return cipher->driver->encrypt(cipher, in, out, len, errp) ? 0 : -1;
}

int qcrypto_cipher_decrypt(QCryptoCipher *cipher, const void *in, void *out,
                           size_t len, Error **errp)
{
    if (!cipher_length_check(cipher, len, errp)) {
        return -1;
    }
    if (len == 0) {
        return 0;
    }
    return cipher->driver->decrypt(cipher, in, out, len, errp) ? 0 : -1;
}

int qcrypto_cipher_setiv(QCryptoCipher *cipher, const uint8_t *iv, size_t niv,
                         Error **errp)
{
    if (unlikely(!cipher->driver->setiv)) {
        error_setg(errp, "cipher mode '%s' has no initialization vector",
                   QCryptoCipherMode_str(cipher->mode));
        return -1;
    }
    if (unlikely(niv != cipher_info[cipher->alg].block_len)) {
        error_setg(errp, "initialization vector must have %d bytes, not %zu",
                   cipher_info[cipher->alg].block_len, niv);
        return -1;
    }
    return cipher->driver->setiv(cipher, iv, niv, errp) ? 0 : -1;
}
