/*
 * Ciphers by GnuTLS, which has its own assembly for AES but only the modes
 * that TLS and PKCS#12 need, xts, and neither ecb nor ctr.
 *
 * A handle holds one state for each direction; setting the vector sets both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "util/error.h"

#include "cipher-internal.h"

typedef struct GnutlsCipher {
    QCryptoCipher base;
    gnutls_cipher_hd_t handle; /* owned */
} GnutlsCipher;

static const gnutls_cipher_algorithm_t
    gtls_algs[QCRYPTO_CIPHER_ALG__MAX][QCRYPTO_CIPHER_MODE__MAX] = {
        [QCRYPTO_CIPHER_ALG_AES_128] = {
            [QCRYPTO_CIPHER_MODE_CBC] = GNUTLS_CIPHER_AES_128_CBC,
            [QCRYPTO_CIPHER_MODE_XTS] = GNUTLS_CIPHER_AES_128_XTS,
        },
        [QCRYPTO_CIPHER_ALG_AES_192] = {
            [QCRYPTO_CIPHER_MODE_CBC] = GNUTLS_CIPHER_AES_192_CBC,
        },
        [QCRYPTO_CIPHER_ALG_AES_256] = {
            [QCRYPTO_CIPHER_MODE_CBC] = GNUTLS_CIPHER_AES_256_CBC,
            [QCRYPTO_CIPHER_MODE_XTS] = GNUTLS_CIPHER_AES_256_XTS,
        },
        [QCRYPTO_CIPHER_ALG_3DES] = {
            [QCRYPTO_CIPHER_MODE_CBC] = GNUTLS_CIPHER_3DES_CBC,
        },
};

static bool gtls_ok(int rc, const char *what, Error **errp)
{
    if (unlikely(rc < 0)) {
        error_setg(errp, "GnuTLS cannot %s: %s", what, gnutls_strerror(rc));
        return false;
    }
    return true;
}

static void gtls_free_cipher(QCryptoCipher *cipher)
{
    GnutlsCipher *c = container_of(cipher, GnutlsCipher, base);

    if (c->handle) {
        gnutls_cipher_deinit(c->handle);
    }
    g_free(c);
}

static bool gtls_encrypt(QCryptoCipher *cipher, const uint8_t *in, uint8_t *out,
                         size_t len, Error **errp)
{
    GnutlsCipher *c = container_of(cipher, GnutlsCipher, base);

    return gtls_ok(gnutls_cipher_encrypt2(c->handle, in, len, out, len),
                   "encrypt", errp);
}

static bool gtls_decrypt(QCryptoCipher *cipher, const uint8_t *in, uint8_t *out,
                         size_t len, Error **errp)
{
    GnutlsCipher *c = container_of(cipher, GnutlsCipher, base);

    return gtls_ok(gnutls_cipher_decrypt2(c->handle, in, len, out, len),
                   "decrypt", errp);
}

static bool gtls_setiv(QCryptoCipher *cipher, const uint8_t *iv, size_t niv,
                       Error **errp)
{
    GnutlsCipher *c = container_of(cipher, GnutlsCipher, base);

    /* The library only reads the vector, whatever its prototype says. */
    gnutls_cipher_set_iv(c->handle, (void *)iv, niv);
    return true;
}

static const QCryptoCipherDriver gtls_driver = {
    .encrypt = gtls_encrypt,
    .decrypt = gtls_decrypt,
    .setiv = gtls_setiv,
    .free = gtls_free_cipher,
};

static bool gtls_supports(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode)
{
    return gtls_algs[alg][mode] != GNUTLS_CIPHER_UNKNOWN;
}

static QCryptoCipher *gtls_new(QCryptoCipherAlgorithm alg,
                               QCryptoCipherMode mode, const uint8_t *key,
                               size_t nkey, Error **errp)
{
    static uint8_t zero[CIPHER_BLOCK_MAX]; /* only read */
    gnutls_datum_t gkey = { .data = (void *)key, .size = nkey };
    gnutls_datum_t giv = { .data = zero,
                           .size = qcrypto_cipher_get_block_len(alg) };
    GnutlsCipher *c = g_new0(GnutlsCipher, 1);

    c->base.alg = alg;
    c->base.mode = mode;
    c->base.driver = &gtls_driver;
    if (!gtls_ok(gnutls_cipher_init(&c->handle, gtls_algs[alg][mode], &gkey,
                                    &giv),
                 "set up a cipher with this key", errp)) {
        c->handle = NULL;
        gtls_free_cipher(&c->base);
        return NULL;
    }
    return &c->base;
}

const QCryptoCipherBackend qcrypto_cipher_gnutls = {
    .supports = gtls_supports,
    .new = gtls_new,
};
