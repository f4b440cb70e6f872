/*
 * RSA by libgcrypt, which takes keys and data as S-expressions.
 *
 * The library wants p < q and u = 1/p mod q; PKCS#1 keys come in any order
 * with u = 1/q mod p. So the primes are sorted and u computed here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "util/error.h"

#include "akcipher-internal.h"
#include "gcrypt-internal.h"

typedef struct GcryptRsa {
    QCryptoAkCipher base;
    gcry_sexp_t key; /* owned */
} GcryptRsa;

typedef gcry_sexp_t RsaSexp;
typedef gcry_mpi_t RsaMpi;
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(RsaSexp, gcry_sexp_release, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(RsaMpi, gcry_mpi_release, NULL)

static void gcrypt_rsa_free(QCryptoAkCipher *ak)
{
    GcryptRsa *rsa = container_of(ak, GcryptRsa, base);

    gcry_sexp_release(rsa->key);
    g_free(rsa);
}

static bool gcrypt_rsa_ok(gcry_error_t err, const char *what, Error **errp)
{
    if (err) {
        error_setg(errp, "RSA key cannot %s this: %s", what,
                   gcry_strerror(err));
        return false;
    }
    return true;
}

static gcry_mpi_t gcrypt_import(const DerSpan *span)
{
    gcry_mpi_t num = NULL;

    /* Fails for numbers over 16 MiB only. */
    gcry_mpi_scan(&num, GCRYMPI_FMT_USG, span->data, span->len, NULL);
    return num;
}

static gcry_error_t gcrypt_build_public(const QCryptoRsaKey *key,
                                        gcry_sexp_t *sexp)
{
    g_auto(RsaMpi) n = gcrypt_import(&key->n);
    g_auto(RsaMpi) e = gcrypt_import(&key->e);

    return gcry_sexp_build(sexp, NULL, "(public-key (rsa (n %m) (e %m)))", n,
                           e);
}

static gcry_error_t gcrypt_build_private(const QCryptoRsaKey *key,
                                         gcry_sexp_t *sexp)
{
    g_auto(RsaMpi) n = gcrypt_import(&key->n);
    g_auto(RsaMpi) e = gcrypt_import(&key->e);
    g_auto(RsaMpi) d = gcrypt_import(&key->d);
    g_auto(RsaMpi) p = gcrypt_import(&key->p);
    g_auto(RsaMpi) q = gcrypt_import(&key->q);
    g_auto(RsaMpi) u = gcry_mpi_new(0);
    gcry_error_t err;

    if (gcry_mpi_cmp(p, q) > 0) {
        gcry_mpi_swap(p, q);
    }
    if (!gcry_mpi_invm(u, p, q)) {
        return gcry_error(GPG_ERR_BAD_SECKEY);
    }
    err = gcry_sexp_build(sexp, NULL,
                          "(private-key (rsa (n %m) (e %m) (d %m) (p %m) "
                          "(q %m) (u %m)))",
                          n, e, d, p, q, u);
    return err ? err : gcry_pk_testkey(*sexp);
}

static QCryptoAkCipher *gcrypt_rsa_new(QCryptoAkCipherKeyType type,
                                       const QCryptoRsaKey *key, Error **errp)
{
    GcryptRsa *rsa = g_new0(GcryptRsa, 1);
    gcry_error_t err = type == QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
                           ? gcrypt_build_private(key, &rsa->key)
                           : gcrypt_build_public(key, &rsa->key);

    if (err) {
        error_setg(errp, "these numbers are no RSA key: %s",
                   gcry_strerror(err));
        gcrypt_rsa_free(&rsa->base);
        return NULL;
    }
    return &rsa->base;
}

static bool gcrypt_rsa_supports(const QCryptoAkCipherOptionsRSA *opts)
{
    int algo = qcrypto_gcrypt_hash(opts->hash_alg);

    return algo && qcrypto_gcrypt_init(NULL) && gcry_md_test_algo(algo) == 0;
}

/* Take number @name out of @sexp as @len bytes, zeros in front. */
static bool gcrypt_export(gcry_sexp_t sexp, const char *name, uint8_t *out,
                          size_t len)
{
    g_auto(RsaSexp) part = gcry_sexp_find_token(sexp, name, 0);
    g_auto(RsaMpi) num =
        part ? gcry_sexp_nth_mpi(part, 1, GCRYMPI_FMT_USG) : NULL;
    size_t used = 0;

    if (!num || gcry_mpi_get_nbits(num) > len * 8) {
        return false;
    }
    used = (gcry_mpi_get_nbits(num) + 7) / 8;
    memset(out, 0, len - used);
    return gcry_mpi_print(GCRYMPI_FMT_USG, out + len - used, used, NULL, num) ==
           0;
}

static bool gcrypt_rsa_encrypt_raw(QCryptoAkCipher *ak, const uint8_t *in,
                                   size_t in_len, uint8_t *out, Error **errp)
{
    GcryptRsa *rsa = container_of(ak, GcryptRsa, base);
    g_auto(RsaSexp) n_part = gcry_sexp_find_token(rsa->key, "n", 0);
    g_auto(RsaMpi) n = gcry_sexp_nth_mpi(n_part, 1, GCRYMPI_FMT_USG);
    g_auto(RsaMpi) m = gcrypt_import(&(DerSpan){ .data = in, .len = in_len });
    g_auto(RsaSexp) data = NULL, result = NULL;
    gcry_error_t err;

    if (gcry_mpi_cmp(m, n) >= 0) {
        error_setg(errp, "RSA key cannot encrypt this");
        return false;
    }
    err = gcry_sexp_build(&data, NULL, "(data (flags raw) (value %m))", m);
    if (!err) {
        err = gcry_pk_encrypt(&result, data, rsa->key);
    }
    if (!err && !gcrypt_export(result, "a", out, ak->modulus_len)) {
        err = gcry_error(GPG_ERR_INTERNAL);
    }
    return gcrypt_rsa_ok(err, "encrypt", errp);
}

/* The padding is done here: the library's refuses an empty message, and the
 * time that it takes to remove one depends on the message. */
static bool gcrypt_rsa_encrypt(QCryptoAkCipher *ak, const uint8_t *in,
                               size_t in_len, uint8_t *out, Error **errp)
{
    if (ak->padding == QCRYPTO_RSA_PADDING_ALG_RAW) {
        return gcrypt_rsa_encrypt_raw(ak, in, in_len, out, errp);
    }
    return qcrypto_rsa_pad(in, in_len, out, ak->modulus_len, errp) &&
           gcrypt_rsa_encrypt_raw(ak, out, ak->modulus_len, out, errp);
}

static int gcrypt_rsa_decrypt_raw(QCryptoAkCipher *ak, const uint8_t *in,
                                  uint8_t *out, Error **errp)
{
    GcryptRsa *rsa = container_of(ak, GcryptRsa, base);
    g_auto(RsaSexp) n_part = gcry_sexp_find_token(rsa->key, "n", 0);
    g_auto(RsaMpi) n = gcry_sexp_nth_mpi(n_part, 1, GCRYMPI_FMT_USG);
    g_auto(RsaMpi) c =
        gcrypt_import(&(DerSpan){ .data = in, .len = ak->modulus_len });
    g_auto(RsaSexp) data = NULL, result = NULL;
    gcry_error_t err;

    if (gcry_mpi_cmp(c, n) >= 0) {
        error_setg(errp, "RSA key cannot decrypt this");
        return -1;
    }
    err = gcry_sexp_build(&data, NULL, "(enc-val (flags raw) (rsa (a %m)))", c);
    if (!err) {
        err = gcry_pk_decrypt(&result, data, rsa->key);
    }
    if (!gcrypt_rsa_ok(err, "decrypt", errp)) {
        return -1;
    }
    if (!gcrypt_export(result, "value", out, ak->modulus_len)) {
        error_setg(errp, "RSA key cannot decrypt this");
        return -1;
    }
    return ak->modulus_len;
}

static int gcrypt_rsa_decrypt(QCryptoAkCipher *ak, const uint8_t *in,
                              uint8_t *out, Error **errp)
{
    int len = gcrypt_rsa_decrypt_raw(ak, in, out, errp);

    if (len >= 0 && ak->padding == QCRYPTO_RSA_PADDING_ALG_PKCS1) {
        len = qcrypto_rsa_unpad(out, len);
        if (len < 0) {
            error_setg(errp, "RSA key cannot decrypt this");
        }
    }
    return len;
}

static gcry_error_t gcrypt_build_digest(const QCryptoAkCipher *ak,
                                        const uint8_t *digest,
                                        gcry_sexp_t *sexp)
{
    g_autofree char *name =
        g_ascii_strdown(gcry_md_algo_name(qcrypto_gcrypt_hash(ak->hash)), -1);

    return gcry_sexp_build(sexp, NULL, "(data (flags pkcs1) (hash %s %b))",
                           name, (int)qcrypto_hash_digest_len(ak->hash),
                           digest);
}

static bool gcrypt_rsa_sign(QCryptoAkCipher *ak, const uint8_t *digest,
                            uint8_t *out, Error **errp)
{
    GcryptRsa *rsa = container_of(ak, GcryptRsa, base);
    g_auto(RsaSexp) data = NULL, result = NULL;
    gcry_error_t err = gcrypt_build_digest(ak, digest, &data);

    if (!err) {
        err = gcry_pk_sign(&result, data, rsa->key);
    }
    if (!err && !gcrypt_export(result, "s", out, ak->modulus_len)) {
        err = gcry_error(GPG_ERR_INTERNAL);
    }
    return gcrypt_rsa_ok(err, "sign", errp);
}

static bool gcrypt_rsa_verify(QCryptoAkCipher *ak, const uint8_t *sig,
                              const uint8_t *digest)
{
    GcryptRsa *rsa = container_of(ak, GcryptRsa, base);
    g_auto(RsaMpi) s =
        gcrypt_import(&(DerSpan){ .data = sig, .len = ak->modulus_len });
    g_auto(RsaSexp) data = NULL, value = NULL;

    return gcrypt_build_digest(ak, digest, &data) == 0 &&
           gcry_sexp_build(&value, NULL, "(sig-val (rsa (s %m)))", s) == 0 &&
           gcry_pk_verify(value, data, rsa->key) == 0;
}

const QCryptoAkCipherBackend qcrypto_akcipher_gcrypt = {
    .supports = gcrypt_rsa_supports,
    .new = gcrypt_rsa_new,
    .encrypt = gcrypt_rsa_encrypt,
    .decrypt = gcrypt_rsa_decrypt,
    .sign = gcrypt_rsa_sign,
    .verify = gcrypt_rsa_verify,
    .free = gcrypt_rsa_free,
};
