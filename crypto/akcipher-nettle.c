/*
 * RSA by nettle and GMP.
 *
 * Operations with the private key go through nettle's blinded and checked
 * functions (`_tr`), which resist timing and fault attacks. Their source of
 * random bytes cannot report failure, so a failure is remembered and makes
 * the whole operation fail.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gmp.h>
#include <nettle/bignum.h>
#include <nettle/rsa.h>

#include "crypto/random.h"
#include "util/error.h"

#include "akcipher-internal.h"

typedef struct NettleRsa {
    QCryptoAkCipher base;
    struct rsa_public_key pub;
    struct rsa_private_key priv; /* zeros if only the public half is known */
} NettleRsa;

typedef struct NettleRandom {
    Error *err; /* the first failure; owned */
} NettleRandom;

static void ntl_random(void *ctx, size_t len, uint8_t *dst)
{
    NettleRandom *r = ctx;

    if (!r->err) {
        qcrypto_random_bytes(dst, len, &r->err);
    }
    if (r->err) {
        /* Not zero: nettle would draw again, for ever. */
        memset(dst, 0x55, len);
    }
}

/* Finish an operation: a failed source of random bytes beats its result. */
static bool ntl_finish(NettleRandom *r, bool ok, const char *what, Error **errp)
{
    if (r->err) {
        error_propagate(errp, r->err);
        return false;
    }
    if (!ok) {
        error_setg(errp, "RSA key cannot %s this", what);
    }
    return ok;
}

static void ntl_import(mpz_t num, const DerSpan *span)
{
    nettle_mpz_set_str_256_u(num, span->len, span->data);
}

static void ntl_rsa_free(QCryptoAkCipher *ak)
{
    NettleRsa *rsa = container_of(ak, NettleRsa, base);
    mpz_t *secret[] = { &rsa->priv.d, &rsa->priv.p, &rsa->priv.q,
                        &rsa->priv.a, &rsa->priv.b, &rsa->priv.c };

    for (size_t i = 0; i < ARRAY_SIZE(secret); i++) {
        size_t limbs = mpz_size(*secret[i]);

        if (limbs) {
            explicit_bzero(mpz_limbs_modify(*secret[i], limbs),
                           limbs * sizeof(mp_limb_t));
            mpz_limbs_finish(*secret[i], 0);
        }
    }
    rsa_public_key_clear(&rsa->pub);
    rsa_private_key_clear(&rsa->priv);
    g_free(rsa);
}

static bool ntl_rsa_primes_fit(const NettleRsa *rsa)
{
    mpz_t product;
    bool fit;

    mpz_init(product);
    mpz_mul(product, rsa->priv.p, rsa->priv.q);
    fit = mpz_cmp(product, rsa->pub.n) == 0;
    mpz_clear(product);
    return fit;
}

static QCryptoAkCipher *ntl_rsa_new(QCryptoAkCipherKeyType type,
                                    const QCryptoRsaKey *key, Error **errp)
{
    NettleRsa *rsa = g_new0(NettleRsa, 1);
    bool ok;

    rsa_public_key_init(&rsa->pub);
    rsa_private_key_init(&rsa->priv);
    ntl_import(rsa->pub.n, &key->n);
    ntl_import(rsa->pub.e, &key->e);
    ok = rsa_public_key_prepare(&rsa->pub);
    if (ok && type == QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE) {
        ntl_import(rsa->priv.d, &key->d);
        ntl_import(rsa->priv.p, &key->p);
        ntl_import(rsa->priv.q, &key->q);
        ntl_import(rsa->priv.a, &key->dp);
        ntl_import(rsa->priv.b, &key->dq);
        ntl_import(rsa->priv.c, &key->u);
        ok = rsa_private_key_prepare(&rsa->priv) && ntl_rsa_primes_fit(rsa);
    }
    if (!ok) {
        error_setg(errp, "these numbers are no RSA key");
        ntl_rsa_free(&rsa->base);
        return NULL;
    }
    return &rsa->base;
}

static bool ntl_rsa_supports(const QCryptoAkCipherOptionsRSA *opts)
{
    return true;
}

static bool ntl_rsa_encrypt(QCryptoAkCipher *ak, const uint8_t *in,
                            size_t in_len, uint8_t *out, Error **errp)
{
    NettleRsa *rsa = container_of(ak, NettleRsa, base);
    NettleRandom r = { NULL };
    bool ok;
    mpz_t m;

    mpz_init(m);
    if (ak->padding == QCRYPTO_RSA_PADDING_ALG_RAW) {
        nettle_mpz_set_str_256_u(m, in_len, in);
        ok = mpz_cmp(m, rsa->pub.n) < 0;
        if (ok) {
            mpz_powm(m, m, rsa->pub.e, rsa->pub.n);
        }
    } else {
        ok = rsa_encrypt(&rsa->pub, &r, ntl_random, in_len, in, m);
    }
    ok = ntl_finish(&r, ok, "encrypt", errp);
    if (ok) {
        nettle_mpz_get_str_256(ak->modulus_len, out, m);
    }
    mpz_clear(m);
    return ok;
}

static int ntl_rsa_decrypt(QCryptoAkCipher *ak, const uint8_t *in, uint8_t *out,
                           Error **errp)
{
    NettleRsa *rsa = container_of(ak, NettleRsa, base);
    NettleRandom r = { NULL };
    size_t len = ak->modulus_len;
    bool ok;
    mpz_t c, m;

    mpz_init(m);
    nettle_mpz_init_set_str_256_u(c, len, in);
    if (mpz_cmp(c, rsa->pub.n) >= 0) {
        ok = false;
    } else if (ak->padding == QCRYPTO_RSA_PADDING_ALG_RAW) {
        ok = rsa_compute_root_tr(&rsa->pub, &rsa->priv, &r, ntl_random, m, c);
        if (ok && !r.err) {
            nettle_mpz_get_str_256(len, out, m);
        }
    } else {
        ok =
            rsa_decrypt_tr(&rsa->pub, &rsa->priv, &r, ntl_random, &len, out, c);
    }
    ok = ntl_finish(&r, ok, "decrypt", errp);
    mpz_clear(c);
    mpz_clear(m);
    return ok ? (int)len : -1;
}

static bool ntl_rsa_sign(QCryptoAkCipher *ak, const uint8_t *digest,
                         uint8_t *out, Error **errp)
{
    NettleRsa *rsa = container_of(ak, NettleRsa, base);
    NettleRandom r = { NULL };
    uint8_t info[QCRYPTO_RSA_DIGEST_INFO_MAX];
    size_t info_len = qcrypto_rsa_digest_info(ak->hash, digest, info);
    bool ok;
    mpz_t s;

    mpz_init(s);
    ok = rsa_pkcs1_sign_tr(&rsa->pub, &rsa->priv, &r, ntl_random, info_len,
                           info, s);
    ok = ntl_finish(&r, ok, "sign", errp);
    if (ok) {
        nettle_mpz_get_str_256(ak->modulus_len, out, s);
    }
    mpz_clear(s);
    return ok;
}

static bool ntl_rsa_verify(QCryptoAkCipher *ak, const uint8_t *sig,
                           const uint8_t *digest)
{
    NettleRsa *rsa = container_of(ak, NettleRsa, base);
    uint8_t info[QCRYPTO_RSA_DIGEST_INFO_MAX];
    size_t info_len = qcrypto_rsa_digest_info(ak->hash, digest, info);
    bool ok;
    mpz_t s;

    nettle_mpz_init_set_str_256_u(s, ak->modulus_len, sig);
    ok = rsa_pkcs1_verify(&rsa->pub, info_len, info, s);
    mpz_clear(s);
    return ok;
}

const QCryptoAkCipherBackend qcrypto_akcipher_nettle = {
    .supports = ntl_rsa_supports,
    .new = ntl_rsa_new,
    .encrypt = ntl_rsa_encrypt,
    .decrypt = ntl_rsa_decrypt,
    .sign = ntl_rsa_sign,
    .verify = ntl_rsa_verify,
    .free = ntl_rsa_free,
};
