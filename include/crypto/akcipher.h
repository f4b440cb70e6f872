/*
 * Asymmetric ciphers: RSA with keys in DER, as virtio-crypto wants it.
 *
 * Keys are RSAPublicKey and RSAPrivateKey (RFC 8017 A.1). A private key does
 * all four operations, a public key encrypts and verifies. Padding `raw`
 * means the bare RSA function and serves encrypt and decrypt only; `pkcs1`
 * means the 1.5 schemes, sign and verify taking the hash as input.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_AKCIPHER_H
#define CRYPTO_AKCIPHER_H

#include <glib.h>

#include "crypto/backend.h"
#include "qapi/qapi-types-crypto.h"
#include "util/typedefs.h"

typedef struct QCryptoAkCipher QCryptoAkCipher;

/* A modulus outside of this range (bits) is refused. */
#define QCRYPTO_RSA_BITS_MIN 512
#define QCRYPTO_RSA_BITS_MAX 16384
/* DER of a private key of QCRYPTO_RSA_BITS_MAX is below this (bytes). */
#define QCRYPTO_AKCIPHER_KEY_MAX 16384

/**
 * qcrypto_akcipher_supports:
 * @opts: (in) algorithm, padding, hash
 *
 * Returns: true if a backend of this build offers @opts.
 * Thread: any.
 */
bool qcrypto_akcipher_supports(QCryptoAkCipherOptions *opts);

/** qcrypto_akcipher_supports_with_backend: the question to one library. */
bool qcrypto_akcipher_supports_with_backend(QCryptoBackend backend,
                                            const QCryptoAkCipherOptions *opts);

/** qcrypto_akcipher_backend: as qcrypto_hash_backend(). */
QCryptoBackend qcrypto_akcipher_backend(const QCryptoAkCipherOptions *opts);

/**
 * qcrypto_akcipher_new:
 * @opts: (in) algorithm, padding, hash; not kept
 * @type: (in) kind of @key
 * @key: (in) @keylen bytes of DER; not kept
 * @keylen: bytes of @key
 * @errp: (out) set when the return is NULL
 *
 * Thread: any; the object is used by one thread at a time.
 * Limit: @keylen <= QCRYPTO_AKCIPHER_KEY_MAX; the modulus has
 * QCRYPTO_RSA_BITS_MIN to QCRYPTO_RSA_BITS_MAX bits.
 * Returns: a new object, qcrypto_akcipher_free(); NULL on error.
 * Errors: not supported; malformed DER; numbers that are no RSA key.
 */
QCryptoAkCipher *qcrypto_akcipher_new(const QCryptoAkCipherOptions *opts,
                                      QCryptoAkCipherKeyType type,
                                      const uint8_t *key, size_t keylen,
                                      Error **errp);

/** qcrypto_akcipher_new_with_backend: the same by one library. */
QCryptoAkCipher *qcrypto_akcipher_new_with_backend(
    QCryptoBackend backend, const QCryptoAkCipherOptions *opts,
    QCryptoAkCipherKeyType type, const uint8_t *key, size_t keylen,
    Error **errp);

/**
 * qcrypto_akcipher_encrypt:
 * @akcipher: (inout) object with a public or private key
 * @in: (in) @in_len bytes of plain text
 * @in_len: at most qcrypto_akcipher_max_plaintext_len(); with pkcs1 at
 *          most 11 less than that
 * @out: (out) cipher text; borrowed
 * @out_len: room at @out, at least qcrypto_akcipher_max_ciphertext_len()
 * @errp: (out) set when the return is -1
 *
 * Returns: bytes put in @out, -1 on error.
 * Errors: a length out of range; with raw, a number not below the modulus.
 */
int qcrypto_akcipher_encrypt(QCryptoAkCipher *akcipher, const void *in,
                             size_t in_len, void *out, size_t out_len,
                             Error **errp);

/**
 * qcrypto_akcipher_decrypt:
 * @akcipher: (inout) object with a private key
 * @in: (in) @in_len bytes of cipher text
 * @in_len: at most qcrypto_akcipher_max_ciphertext_len()
 * @out: (out) plain text; with raw as long as the modulus
 * @out_len: room at @out, at least qcrypto_akcipher_max_plaintext_len()
 * @errp: (out) set when the return is -1
 *
 * Whoever shows a peer whether this failed gives away plain text when the
 * padding is pkcs1 (RFC 8017 7.2).
 *
 * Returns: bytes put in @out, -1 on error.
 * Errors: no private key; a length out of range; wrong padding.
 */
int qcrypto_akcipher_decrypt(QCryptoAkCipher *akcipher, const void *in,
                             size_t in_len, void *out, size_t out_len,
                             Error **errp);

/**
 * qcrypto_akcipher_sign:
 * @akcipher: (inout) object with a private key and padding pkcs1
 * @in: (in) @in_len bytes, the hash of the message
 * @in_len: exactly the digest's length
 * @out: (out) signature
 * @out_len: room at @out, at least qcrypto_akcipher_max_signature_len()
 * @errp: (out) set when the return is -1
 *
 * Returns: bytes put in @out, -1 on error.
 * Errors: no private key; padding raw; a length out of range.
 */
int qcrypto_akcipher_sign(QCryptoAkCipher *akcipher, const void *in,
                          size_t in_len, void *out, size_t out_len,
                          Error **errp);

/**
 * qcrypto_akcipher_verify:
 * @akcipher: (inout) object with padding pkcs1
 * @in: (in) @in_len bytes of signature
 * @in_len: at most qcrypto_akcipher_max_signature_len()
 * @in2: (in) @in2_len bytes, the hash of the message
 * @in2_len: exactly the digest's length
 * @errp: (out) set when the return is -1
 *
 * Returns: 0 if the signature is good, -1 on error.
 * Errors: signature not good; padding raw; a length out of range.
 */
int qcrypto_akcipher_verify(QCryptoAkCipher *akcipher, const void *in,
                            size_t in_len, const void *in2, size_t in2_len,
                            Error **errp);

/** qcrypto_akcipher_max_plaintext_len: bytes of the modulus. */
int qcrypto_akcipher_max_plaintext_len(QCryptoAkCipher *akcipher);
/** qcrypto_akcipher_max_ciphertext_len: bytes of the modulus. */
int qcrypto_akcipher_max_ciphertext_len(QCryptoAkCipher *akcipher);
/** qcrypto_akcipher_max_signature_len: bytes of the modulus. */
int qcrypto_akcipher_max_signature_len(QCryptoAkCipher *akcipher);
/** qcrypto_akcipher_max_dgst_len: bytes of the modulus. */
int qcrypto_akcipher_max_dgst_len(QCryptoAkCipher *akcipher);

/**
 * qcrypto_akcipher_export_p8info:
 * @opts: (in) algorithm of the key
 * @key: (in) @keylen bytes, DER of a private key as qcrypto_akcipher_new()
 *       takes it
 * @keylen: bytes of @key
 * @dst: (out) set on success to a PrivateKeyInfo (RFC 5208 5), which the
 *       caller wipes and frees with secret_free()
 * @dst_len: (out) bytes at *@dst
 * @errp: (out) set when the return is -1
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error.
 * Errors: algorithm unknown; malformed key.
 */
int qcrypto_akcipher_export_p8info(const QCryptoAkCipherOptions *opts,
                                   uint8_t *key, size_t keylen, uint8_t **dst,
                                   size_t *dst_len, Error **errp);

/** qcrypto_akcipher_free: wipe and free; NULL is accepted. */
void qcrypto_akcipher_free(QCryptoAkCipher *akcipher);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoAkCipher, qcrypto_akcipher_free)

#endif
