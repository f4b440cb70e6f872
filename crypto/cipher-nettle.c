/*
 * Ciphers by nettle.
 *
 * Nettle describes a cipher by a struct of functions that work on whole
 * blocks, and builds modes over them. One object holds up to three expanded
 * keys behind the struct: for encryption, for decryption (not needed by
 * ctr), and for the tweak of xts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <nettle/cbc.h>
#include <nettle/ctr.h>
#include <nettle/des.h>
#include <nettle/nettle-meta.h>
#include <nettle/version.h>
#include <nettle/xts.h>

#include "cipher-internal.h"

/* Nettle 3.8 brought assembly for aes with cbc, which is serial. */
#define NETTLE_HAS_CBC_AES                                                     \
    (NETTLE_VERSION_MAJOR > 3 ||                                               \
     (NETTLE_VERSION_MAJOR == 3 && NETTLE_VERSION_MINOR >= 8))

typedef struct NettleCipher {
    QCryptoCipher base;
    const struct nettle_cipher *type;
    size_t size; /* of the allocation, bytes */
    void *enc;   /* the three point into @keys */
    void *dec;
    void *tweak;
    uint8_t iv[CIPHER_BLOCK_MAX];
    uint8_t keys[] QEMU_ALIGNED(16);
} NettleCipher;

/* Nettle reports weak keys of DES but takes them, and so do we: the user of
 * a password-derived DES key (VNC) has no choice of key. */
static void ntl_des_key(void *ctx, const uint8_t *key)
{
    des_set_key(ctx, key);
}

static void ntl_des3_key(void *ctx, const uint8_t *key)
{
    des3_set_key(ctx, key);
}

static void ntl_des_enc(const void *ctx, size_t len, uint8_t *dst,
                        const uint8_t *src)
{
    des_encrypt(ctx, len, dst, src);
}

static void ntl_des_dec(const void *ctx, size_t len, uint8_t *dst,
                        const uint8_t *src)
{
    des_decrypt(ctx, len, dst, src);
}

static void ntl_des3_enc(const void *ctx, size_t len, uint8_t *dst,
                         const uint8_t *src)
{
    des3_encrypt(ctx, len, dst, src);
}

static void ntl_des3_dec(const void *ctx, size_t len, uint8_t *dst,
                         const uint8_t *src)
{
    des3_decrypt(ctx, len, dst, src);
}

static const struct nettle_cipher ntl_des = {
    .name = "des",
    .context_size = sizeof(struct des_ctx),
    .block_size = DES_BLOCK_SIZE,
    .key_size = DES_KEY_SIZE,
    .set_encrypt_key = ntl_des_key,
    .set_decrypt_key = ntl_des_key,
    .encrypt = ntl_des_enc,
    .decrypt = ntl_des_dec,
};

static const struct nettle_cipher ntl_des3 = {
    .name = "3des",
    .context_size = sizeof(struct des3_ctx),
    .block_size = DES3_BLOCK_SIZE,
    .key_size = DES3_KEY_SIZE,
    .set_encrypt_key = ntl_des3_key,
    .set_decrypt_key = ntl_des3_key,
    .encrypt = ntl_des3_enc,
    .decrypt = ntl_des3_dec,
};

static const struct nettle_cipher *const ntl_types[] = {
    [QCRYPTO_CIPHER_ALG_AES_128] = &nettle_aes128,
    [QCRYPTO_CIPHER_ALG_AES_192] = &nettle_aes192,
    [QCRYPTO_CIPHER_ALG_AES_256] = &nettle_aes256,
    [QCRYPTO_CIPHER_ALG_DES] = &ntl_des,
    [QCRYPTO_CIPHER_ALG_3DES] = &ntl_des3,
    [QCRYPTO_CIPHER_ALG_CAST5_128] = &nettle_cast128,
    [QCRYPTO_CIPHER_ALG_SERPENT_128] = &nettle_serpent128,
    [QCRYPTO_CIPHER_ALG_SERPENT_192] = &nettle_serpent192,
    [QCRYPTO_CIPHER_ALG_SERPENT_256] = &nettle_serpent256,
    [QCRYPTO_CIPHER_ALG_TWOFISH_128] = &nettle_twofish128,
    [QCRYPTO_CIPHER_ALG_TWOFISH_192] = &nettle_twofish192,
    [QCRYPTO_CIPHER_ALG_TWOFISH_256] = &nettle_twofish256,
};

static void ntl_free(QCryptoCipher *cipher)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    explicit_bzero(c, c->size);
    g_free(c);
}

static bool ntl_setiv(QCryptoCipher *cipher, const uint8_t *iv, size_t niv,
                      Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    memcpy(c->iv, iv, niv);
    return true;
}

static bool ntl_ecb_encrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    c->type->encrypt(c->enc, len, out, in);
    return true;
}

static bool ntl_ecb_decrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    c->type->decrypt(c->dec, len, out, in);
    return true;
}

static bool ntl_cbc_encrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    switch (cipher->alg) {
#if NETTLE_HAS_CBC_AES
    case QCRYPTO_CIPHER_ALG_AES_128:
        cbc_aes128_encrypt(c->enc, c->iv, len, out, in);
        break;
    case QCRYPTO_CIPHER_ALG_AES_192:
        cbc_aes192_encrypt(c->enc, c->iv, len, out, in);
        break;
    case QCRYPTO_CIPHER_ALG_AES_256:
        cbc_aes256_encrypt(c->enc, c->iv, len, out, in);
        break;
#endif
    default:
        cbc_encrypt(c->enc, c->type->encrypt, c->type->block_size, c->iv, len,
                    out, in);
        break;
    }
    return true;
}

static bool ntl_cbc_decrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    cbc_decrypt(c->dec, c->type->decrypt, c->type->block_size, c->iv, len, out,
                in);
    return true;
}

static bool ntl_ctr_crypt(QCryptoCipher *cipher, const uint8_t *in,
                          uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    ctr_crypt(c->enc, c->type->encrypt, c->type->block_size, c->iv, len, out,
              in);
    return true;
}

static bool ntl_xts_encrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    xts_encrypt_message(c->enc, c->tweak, c->type->encrypt, c->iv, len, out,
                        in);
    return true;
}

static bool ntl_xts_decrypt(QCryptoCipher *cipher, const uint8_t *in,
                            uint8_t *out, size_t len, Error **errp)
{
    NettleCipher *c = container_of(cipher, NettleCipher, base);

    xts_decrypt_message(c->dec, c->tweak, c->type->decrypt, c->type->encrypt,
                        c->iv, len, out, in);
    return true;
}

static const QCryptoCipherDriver ntl_drivers[] = {
    [QCRYPTO_CIPHER_MODE_ECB] = {
        .encrypt = ntl_ecb_encrypt,
        .decrypt = ntl_ecb_decrypt,
        .free = ntl_free,
    },
    [QCRYPTO_CIPHER_MODE_CBC] = {
        .encrypt = ntl_cbc_encrypt,
        .decrypt = ntl_cbc_decrypt,
        .setiv = ntl_setiv,
        .free = ntl_free,
    },
    [QCRYPTO_CIPHER_MODE_XTS] = {
        .encrypt = ntl_xts_encrypt,
        .decrypt = ntl_xts_decrypt,
        .setiv = ntl_setiv,
        .free = ntl_free,
    },
    [QCRYPTO_CIPHER_MODE_CTR] = {
        .encrypt = ntl_ctr_crypt,
        .decrypt = ntl_ctr_crypt,
        .setiv = ntl_setiv,
        .free = ntl_free,
    },
};

static bool ntl_supports(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode)
{
    return alg < ARRAY_SIZE(ntl_types) && ntl_types[alg] &&
           mode < ARRAY_SIZE(ntl_drivers) && ntl_drivers[mode].encrypt;
}

static QCryptoCipher *ntl_new(QCryptoCipherAlgorithm alg,
                              QCryptoCipherMode mode, const uint8_t *key,
                              size_t nkey, Error **errp)
{
    const struct nettle_cipher *type = ntl_types[alg];
    size_t step = ROUND_UP(type->context_size, (size_t)16);
    size_t size = sizeof(NettleCipher) + 3 * step;
    NettleCipher *c = g_malloc0(size);

    c->base.alg = alg;
    c->base.mode = mode;
    c->base.driver = &ntl_drivers[mode];
    c->type = type;
    c->size = size;
    c->enc = c->keys;
    c->dec = c->keys + step;
    c->tweak = c->keys + 2 * step;
    type->set_encrypt_key(c->enc, key);
    if (mode != QCRYPTO_CIPHER_MODE_CTR) {
        type->set_decrypt_key(c->dec, key);
    }
    if (mode == QCRYPTO_CIPHER_MODE_XTS) {
        type->set_encrypt_key(c->tweak, key + nkey / 2);
    }
    return &c->base;
}

const QCryptoCipherBackend qcrypto_cipher_nettle = {
    .supports = ntl_supports,
    .new = ntl_new,
};
