/*
 * RSA keys as the DER of PKCS#1.
 *
 *     RSAPublicKey  ::= SEQUENCE { n INTEGER, e INTEGER }
 *     RSAPrivateKey ::= SEQUENCE { version INTEGER (0), n, e, d, p, q,
 *                                  d mod (p-1), d mod (q-1), 1/q mod p }
 *     PrivateKeyInfo ::= SEQUENCE { version INTEGER (0),
 *                                   SEQUENCE { OID, NULL }, OCTET STRING }
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "rsakey.h"

#include "crypto/random.h"
#include "util/error.h"

static unsigned rsakey_bits(const DerSpan *num)
{
    return num->len ? num->len * 8 - __builtin_clz(num->data[0]) + 24 : 0;
}

static bool rsakey_is_odd(const DerSpan *num)
{
    return num->len && num->data[num->len - 1] & 1;
}

static bool rsakey_parse_private(DerSpan seq, QCryptoRsaKey *key, Error **errp)
{
    DerSpan version;

    if (!der_take_uint(&seq, &version, errp)) {
        return false;
    }
    if (version.len != 0) {
        error_setg(errp, "RSA private key of version %d is not supported",
                   version.data[version.len - 1]);
        return false;
    }
    return der_take_uint(&seq, &key->n, errp) &&
           der_take_uint(&seq, &key->e, errp) &&
           der_take_uint(&seq, &key->d, errp) &&
           der_take_uint(&seq, &key->p, errp) &&
           der_take_uint(&seq, &key->q, errp) &&
           der_take_uint(&seq, &key->dp, errp) &&
           der_take_uint(&seq, &key->dq, errp) &&
           der_take_uint(&seq, &key->u, errp) && der_end(&seq, errp);
}

static bool rsakey_parse_public(DerSpan seq, QCryptoRsaKey *key, Error **errp)
{
    return der_take_uint(&seq, &key->n, errp) &&
           der_take_uint(&seq, &key->e, errp) && der_end(&seq, errp);
}

static bool rsakey_check_public(const QCryptoRsaKey *key, Error **errp)
{
    unsigned bits = rsakey_bits(&key->n);

    if (bits < QCRYPTO_RSA_BITS_MIN || bits > QCRYPTO_RSA_BITS_MAX) {
        error_setg(errp, "RSA modulus of %u bits is not in %d to %d", bits,
                   QCRYPTO_RSA_BITS_MIN, QCRYPTO_RSA_BITS_MAX);
        return false;
    }
    if (!rsakey_is_odd(&key->n) || !rsakey_is_odd(&key->e) ||
        rsakey_bits(&key->e) < 2 || key->e.len > key->n.len) {
        error_setg(errp, "RSA modulus and exponent are no public key");
        return false;
    }
    return true;
}

static bool rsakey_check_private(const QCryptoRsaKey *key, Error **errp)
{
    unsigned bits = rsakey_bits(&key->n);
    unsigned p_bits = rsakey_bits(&key->p), q_bits = rsakey_bits(&key->q);

    if (!rsakey_is_odd(&key->p) || !rsakey_is_odd(&key->q) || p_bits < 2 ||
        q_bits < 2 || p_bits + q_bits < bits || p_bits + q_bits > bits + 1 ||
        key->d.len == 0 || key->d.len > key->n.len || key->dp.len == 0 ||
        key->dp.len > key->p.len || key->dq.len == 0 ||
        key->dq.len > key->q.len || key->u.len == 0 ||
        key->u.len > key->p.len) {
        error_setg(errp, "RSA primes and exponents are no private key");
        return false;
    }
    return true;
}

bool qcrypto_rsakey_parse(QCryptoAkCipherKeyType type, const uint8_t *der,
                          size_t len, QCryptoRsaKey *key, Error **errp)
{
    DerSpan in = { .data = der, .len = len }, seq;
    QCryptoRsaKey k = { 0 };

    if (len > QCRYPTO_AKCIPHER_KEY_MAX) {
        error_setg(errp, "key of %zu bytes is over the limit of %d", len,
                   QCRYPTO_AKCIPHER_KEY_MAX);
        return false;
    }
    if (!der_take(&in, DER_TAG_SEQUENCE, &seq, errp) || !der_end(&in, errp)) {
        return false;
    }
    switch (type) {
    case QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC:
        if (!rsakey_parse_public(seq, &k, errp) ||
            !rsakey_check_public(&k, errp)) {
            return false;
        }
        break;
    case QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE:
        if (!rsakey_parse_private(seq, &k, errp) ||
            !rsakey_check_public(&k, errp) || !rsakey_check_private(&k, errp)) {
            return false;
        }
        break;
    default:
        error_setg(errp, "unknown key type %d", (int)type);
        return false;
    }
    *key = k;
    return true;
}

/* DER of DigestInfo up to the digest itself. */
typedef struct DigestInfoPrefix {
    uint8_t len;
    uint8_t bytes[19];
} DigestInfoPrefix;

size_t qcrypto_rsa_digest_info(QCryptoHashAlgorithm hash, const uint8_t *digest,
                               uint8_t *out)
{
    static const DigestInfoPrefix prefixes[QCRYPTO_HASH_ALG__MAX] = {
        [QCRYPTO_HASH_ALG_MD5] = { 18,
                                   { 0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a,
                                     0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05,
                                     0x05, 0x00, 0x04, 0x10 } },
        [QCRYPTO_HASH_ALG_SHA1] = { 15,
                                    { 0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b,
                                      0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04,
                                      0x14 } },
        [QCRYPTO_HASH_ALG_SHA224] = { 19,
                                      { 0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09,
                                        0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                                        0x04, 0x02, 0x04, 0x05, 0x00, 0x04,
                                        0x1c } },
        [QCRYPTO_HASH_ALG_SHA256] = { 19,
                                      { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09,
                                        0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                                        0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
                                        0x20 } },
        [QCRYPTO_HASH_ALG_SHA384] = { 19,
                                      { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09,
                                        0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                                        0x04, 0x02, 0x02, 0x05, 0x00, 0x04,
                                        0x30 } },
        [QCRYPTO_HASH_ALG_SHA512] = { 19,
                                      { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09,
                                        0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                                        0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
                                        0x40 } },
        [QCRYPTO_HASH_ALG_RIPEMD160] = { 15,
                                         { 0x30, 0x21, 0x30, 0x09, 0x06, 0x05,
                                           0x2b, 0x24, 0x03, 0x02, 0x01, 0x05,
                                           0x00, 0x04, 0x14 } },
    };
    const DigestInfoPrefix *prefix = &prefixes[hash];
    size_t digest_len = qcrypto_hash_digest_len(hash);

    memcpy(out, prefix->bytes, prefix->len);
    memcpy(out + prefix->len, digest, digest_len);
    return prefix->len + digest_len;
}

bool qcrypto_rsa_pad(const uint8_t *msg, size_t msg_len, uint8_t *em,
                     size_t len, Error **errp)
{
    size_t msg_at = len - msg_len;

    em[0] = 0;
    em[1] = 2;
    if (qcrypto_random_bytes(em + 2, msg_at - 3, errp) < 0) {
        return false;
    }
    for (size_t i = 2; i < msg_at - 1; i++) {
        while (em[i] == 0) {
            if (qcrypto_random_bytes(&em[i], 1, errp) < 0) {
                return false;
            }
        }
    }
    em[msg_at - 1] = 0;
    if (msg_len) {
        memcpy(em + msg_at, msg, msg_len);
    }
    return true;
}

/* All ones if @x is zero, else zero. */
static size_t rsa_mask_zero(size_t x)
{
    return ((x | -x) >> (sizeof(x) * 8 - 1)) - 1;
}

int qcrypto_rsa_unpad(uint8_t *em, size_t len)
{
    /* 0, 2, at least 8 bytes that are not zero, 0, message */
    size_t good = rsa_mask_zero(em[0]) & rsa_mask_zero(em[1] ^ 2);
    size_t searching = -1, zero_at = 0, msg_len;

    for (size_t i = 2; i < len; i++) {
        size_t is_zero = rsa_mask_zero(em[i]);

        zero_at |= i & is_zero & searching;
        searching &= ~is_zero;
    }
    good &= ~searching;
    /* Ten bytes before the zero: the subtraction then does not borrow. */
    good &= ((zero_at - 10) >> (sizeof(size_t) * 8 - 1)) - 1;
    if (!good) {
        explicit_bzero(em, len);
        return -1;
    }
    msg_len = len - zero_at - 1;
    memmove(em, em + zero_at + 1, msg_len);
    explicit_bzero(em + msg_len, len - msg_len);
    return msg_len;
}

int qcrypto_akcipher_export_p8info(const QCryptoAkCipherOptions *opts,
                                   uint8_t *key, size_t keylen, uint8_t **dst,
                                   size_t *dst_len, Error **errp)
{
    /* version 0; AlgorithmIdentifier rsaEncryption 1.2.840.113549.1.1.1 */
    static const uint8_t head[] = { 0x02, 0x01, 0x00, 0x30, 0x0d, 0x06,
                                    0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                    0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
    QCryptoRsaKey unused;
    size_t body, total;
    uint8_t *out;

    if (opts->alg != QCRYPTO_AKCIPHER_ALG_RSA) {
        error_setg(errp, "unknown asymmetric cipher %d", (int)opts->alg);
        return -1;
    }
    if (!qcrypto_rsakey_parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, key, keylen,
                              &unused, errp)) {
        return -1;
    }
    body = sizeof(head) + der_header_len(keylen) + keylen;
    total = der_header_len(body) + body;
    *dst = g_malloc(total);
    *dst_len = total;
    out = der_put_header(*dst, DER_TAG_SEQUENCE, body);
    memcpy(out, head, sizeof(head));
    out = der_put_header(out + sizeof(head), DER_TAG_OCTET_STRING, keylen);
    memcpy(out, key, keylen);
    return 0;
}
