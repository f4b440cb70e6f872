/*
 * Ciphers by libgcrypt.
 *
 * The library keeps the vector in its handle. In xts it would go on with
 * the next tweak when a second unit comes without a new vector; our rule is
 * to begin with the vector again, so the object keeps a copy and sets it
 * before each unit, which costs a copy of 16 bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "util/error.h"

#include "cipher-internal.h"
#include "gcrypt-internal.h"

typedef struct GcryptCipher {
    QCryptoCipher base;
    gcry_cipher_hd_t handle;      /* owned */
    uint8_t iv[CIPHER_BLOCK_MAX]; /* of xts */
} GcryptCipher;

static const int gcrypt_algs[] = {
    [QCRYPTO_CIPHER_ALG_AES_128] = GCRY_CIPHER_AES128,
    [QCRYPTO_CIPHER_ALG_AES_192] = GCRY_CIPHER_AES192,
    [QCRYPTO_CIPHER_ALG_AES_256] = GCRY_CIPHER_AES256,
    [QCRYPTO_CIPHER_ALG_DES] = GCRY_CIPHER_DES,
    [QCRYPTO_CIPHER_ALG_3DES] = GCRY_CIPHER_3DES,
    [QCRYPTO_CIPHER_ALG_CAST5_128] = GCRY_CIPHER_CAST5,
    [QCRYPTO_CIPHER_ALG_SERPENT_128] = GCRY_CIPHER_SERPENT128,
    [QCRYPTO_CIPHER_ALG_SERPENT_192] = GCRY_CIPHER_SERPENT192,
    [QCRYPTO_CIPHER_ALG_SERPENT_256] = GCRY_CIPHER_SERPENT256,
    [QCRYPTO_CIPHER_ALG_TWOFISH_128] = GCRY_CIPHER_TWOFISH128,
    [QCRYPTO_CIPHER_ALG_TWOFISH_256] = GCRY_CIPHER_TWOFISH,
    /* no Twofish with 192 bits in libgcrypt */
};

static const int gcrypt_modes[] = {
    [QCRYPTO_CIPHER_MODE_ECB] = GCRY_CIPHER_MODE_ECB,
    [QCRYPTO_CIPHER_MODE_CBC] = GCRY_CIPHER_MODE_CBC,
    [QCRYPTO_CIPHER_MODE_XTS] = GCRY_CIPHER_MODE_XTS,
    [QCRYPTO_CIPHER_MODE_CTR] = GCRY_CIPHER_MODE_CTR,
};

static bool gcrypt_ok(gcry_error_t err, const char *what, Error **errp)
{
    if (unlikely(err)) {
        error_setg(errp, "libgcrypt cannot %s: %s", what, gcry_strerror(err));
        return false;
    }
    return true;
}

static void gcrypt_free(QCryptoCipher *cipher)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    gcry_cipher_close(c->handle);
    g_free(c);
}

static bool gcrypt_encrypt(QCryptoCipher *cipher, const uint8_t *in,
                           uint8_t *out, size_t len, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_ok(gcry_cipher_encrypt(c->handle, out, len, in, len),
                     "encrypt", errp);
}

static bool gcrypt_decrypt(QCryptoCipher *cipher, const uint8_t *in,
                           uint8_t *out, size_t len, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_ok(gcry_cipher_decrypt(c->handle, out, len, in, len),
                     "decrypt", errp);
}

static bool gcrypt_cbc_setiv(QCryptoCipher *cipher, const uint8_t *iv,
                             size_t niv, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_ok(gcry_cipher_setiv(c->handle, iv, niv),
                     "set an initialization vector", errp);
}

static bool gcrypt_ctr_setiv(QCryptoCipher *cipher, const uint8_t *iv,
                             size_t niv, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_ok(gcry_cipher_setctr(c->handle, iv, niv), "set a counter",
                     errp);
}

static bool gcrypt_xts_setiv(QCryptoCipher *cipher, const uint8_t *iv,
                             size_t niv, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    memcpy(c->iv, iv, niv);
    return true;
}

static bool gcrypt_xts_encrypt(QCryptoCipher *cipher, const uint8_t *in,
                               uint8_t *out, size_t len, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_cbc_setiv(cipher, c->iv, sizeof(c->iv), errp) &&
           gcrypt_encrypt(cipher, in, out, len, errp);
}

static bool gcrypt_xts_decrypt(QCryptoCipher *cipher, const uint8_t *in,
                               uint8_t *out, size_t len, Error **errp)
{
    GcryptCipher *c = container_of(cipher, GcryptCipher, base);

    return gcrypt_cbc_setiv(cipher, c->iv, sizeof(c->iv), errp) &&
           gcrypt_decrypt(cipher, in, out, len, errp);
}

static const QCryptoCipherDriver gcrypt_drivers[] = {
    [QCRYPTO_CIPHER_MODE_ECB] = {
        .encrypt = gcrypt_encrypt,
        .decrypt = gcrypt_decrypt,
        .free = gcrypt_free,
    },
    [QCRYPTO_CIPHER_MODE_CBC] = {
        .encrypt = gcrypt_encrypt,
        .decrypt = gcrypt_decrypt,
        .setiv = gcrypt_cbc_setiv,
        .free = gcrypt_free,
    },
    [QCRYPTO_CIPHER_MODE_XTS] = {
        .encrypt = gcrypt_xts_encrypt,
        .decrypt = gcrypt_xts_decrypt,
        .setiv = gcrypt_xts_setiv,
        .free = gcrypt_free,
    },
    [QCRYPTO_CIPHER_MODE_CTR] = {
        .encrypt = gcrypt_encrypt,
        .decrypt = gcrypt_decrypt,
        .setiv = gcrypt_ctr_setiv,
        .free = gcrypt_free,
    },
};

static bool gcrypt_supports(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode)
{
    /* Asking the library too: its own build may lack a cipher. */
    return alg < ARRAY_SIZE(gcrypt_algs) && gcrypt_algs[alg] &&
           mode < ARRAY_SIZE(gcrypt_modes) && qcrypto_gcrypt_init(NULL) &&
           gcry_cipher_test_algo(gcrypt_algs[alg]) == 0;
}

static QCryptoCipher *gcrypt_new(QCryptoCipherAlgorithm alg,
                                 QCryptoCipherMode mode, const uint8_t *key,
                                 size_t nkey, Error **errp)
{
    static const uint8_t zero[CIPHER_BLOCK_MAX];
    GcryptCipher *c = g_new0(GcryptCipher, 1);
    size_t niv = qcrypto_cipher_get_iv_len(alg, mode);

    c->base.alg = alg;
    c->base.mode = mode;
    c->base.driver = &gcrypt_drivers[mode];
    if (!qcrypto_gcrypt_init(errp) ||
        !gcrypt_ok(gcry_cipher_open(&c->handle, gcrypt_algs[alg],
                                    gcrypt_modes[mode], 0),
                   "open a cipher", errp)) {
        gcrypt_free(&c->base);
        return NULL;
    }
#if GCRYPT_VERSION_NUMBER >= 0x010a00
    /* As the other libraries do; older ones refuse weak keys of DES. */
    gcry_cipher_ctl(c->handle, GCRYCTL_SET_ALLOW_WEAK_KEY, NULL, 1);
    gcry_error_t err = gcry_cipher_setkey(c->handle, key, nkey);
    if (gcry_err_code(err) == GPG_ERR_WEAK_KEY) {
        err = 0;
    }
#else
    gcry_error_t err = gcry_cipher_setkey(c->handle, key, nkey);
#endif
    if (!gcrypt_ok(err, "set a key", errp) ||
        (niv && !c->base.driver->setiv(&c->base, zero, niv, errp))) {
        gcrypt_free(&c->base);
        return NULL;
    }
    return &c->base;
}

const QCryptoCipherBackend qcrypto_cipher_gcrypt = {
    .supports = gcrypt_supports,
    .new = gcrypt_new,
};
