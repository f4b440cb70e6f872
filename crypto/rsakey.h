/*
 * RSA keys as the DER of PKCS#1, for the backends of akcipher.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_RSAKEY_H
#define CRYPTO_RSAKEY_H

#include "crypto/akcipher.h"
#include "crypto/hash.h"

#include "der.h"

/* Numbers, big-endian without leading zeros; they point into the DER. Of a
 * public key only n and e are set. */
typedef struct QCryptoRsaKey {
    DerSpan n; /* modulus */
    DerSpan e; /* public exponent */
    DerSpan d; /* private exponent */
    DerSpan p;
    DerSpan q;
    DerSpan dp; /* d mod (p - 1) */
    DerSpan dq; /* d mod (q - 1) */
    DerSpan u;  /* 1 / q mod p */
} QCryptoRsaKey;

/**
 * qcrypto_rsakey_parse:
 * @type: (in) kind of the key
 * @der: (in) @len bytes; borrowed for as long as @key is used
 * @len: bytes of @der, any value
 * @key: (out) numbers of the key; set on success
 * @errp: (out) set when the return is false
 *
 * Checks what can be seen without arithmetic: sizes, and that the modulus,
 * the primes and the public exponent are odd, on which the libraries rely.
 *
 * Source: RFC 8017 A.1.1, A.1.2 (version 0, two primes).
 * Limit: QCRYPTO_AKCIPHER_KEY_MAX, QCRYPTO_RSA_BITS_MIN/MAX.
 * Returns: true on success.
 */
bool qcrypto_rsakey_parse(QCryptoAkCipherKeyType type, const uint8_t *der,
                          size_t len, QCryptoRsaKey *key, Error **errp);

/* Longest prefix of a DigestInfo, bytes. */
#define QCRYPTO_RSA_DIGEST_INFO_MAX (19 + QCRYPTO_HASH_DIGEST_LEN_MAX)

/**
 * qcrypto_rsa_digest_info:
 * @hash: (in) hash algorithm, below _MAX
 * @digest: (in) hash of a message, qcrypto_hash_digest_len() bytes
 * @out: (out) room for QCRYPTO_RSA_DIGEST_INFO_MAX bytes
 *
 * Write the DigestInfo that a PKCS#1 signature covers.
 *
 * Source: RFC 8017 9.2 note 1; RIPEMD-160 is 1.3.36.3.2.1.
 * Returns: bytes put in @out.
 */
size_t qcrypto_rsa_digest_info(QCryptoHashAlgorithm hash, const uint8_t *digest,
                               uint8_t *out);

/**
 * qcrypto_rsa_pad:
 * @msg: (in) @msg_len bytes; may be empty
 * @msg_len: at most @len - 11
 * @em: (out) @len bytes, the block to encrypt
 * @len: bytes of the modulus
 * @errp: (out) set when the return is false
 *
 * Put the padding of PKCS#1 encryption around a message.
 *
 * Source: RFC 8017 7.2.1 step 2.
 * Returns: true on success; false if there are no random bytes.
 */
bool qcrypto_rsa_pad(const uint8_t *msg, size_t msg_len, uint8_t *em,
                     size_t len, Error **errp);

/**
 * qcrypto_rsa_unpad:
 * @em: (inout) @len bytes, a decrypted block; the message is moved to its
 *      front and the rest wiped
 * @len: bytes of @em, those of the modulus
 *
 * Take off the padding of PKCS#1 encryption, in time that depends on @len
 * and on the length of the message only when it is good.
 *
 * Source: RFC 8017 7.2.2 step 3.
 * Returns: bytes of the message, -1 if the padding is wrong.
 */
int qcrypto_rsa_unpad(uint8_t *em, size_t len);

#endif
