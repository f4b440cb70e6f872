/*
 * Anti-forensic splitter AF1 of LUKS.
 *
 * All stripes but the last are random. An accumulator goes over them:
 *
 *     d = 0;  for each random stripe s:  d = H(d xor s)
 *
 * and the last stripe is d xor the block, so that the block is d xor the
 * last stripe. H, the diffuser, replaces each digest-sized piece of its
 * input by hash(be32(number of the piece) || piece); the last piece may be
 * shorter than a digest, and so is then what it becomes.
 *
 * Source: LUKS1 On-Disk Format Specification 1.2.3, part 2.4.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/afsplit.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "util/error.h"

static void afsplit_xor(uint8_t *acc, const uint8_t *stripe, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        acc[i] ^= stripe[i];
    }
}

static bool afsplit_diffuse(QCryptoHashAlgorithm hash, uint8_t *block,
                            size_t blocklen, Error **errp)
{
    size_t digest_len = qcrypto_hash_digest_len(hash);
    uint8_t digest[QCRYPTO_HASH_DIGEST_LEN_MAX];
    uint8_t *result = digest;
    uint32_t number = 0;
    bool ok = true;

    for (size_t off = 0; ok && off < blocklen; off += digest_len, number++) {
        size_t piece = MIN(digest_len, blocklen - off);
        uint32_t be = GUINT32_TO_BE(number);
        struct iovec iov[] = {
            { .iov_base = &be, .iov_len = sizeof(be) },
            { .iov_base = block + off, .iov_len = piece },
        };

        ok = qcrypto_hash_bytesv(hash, iov, ARRAY_SIZE(iov), &result,
                                 &digest_len, errp) == 0;
        if (ok) {
            memcpy(block + off, digest, piece);
        }
    }
    explicit_bzero(digest, sizeof(digest));
    return ok;
}

static bool afsplit_check(QCryptoHashAlgorithm hash, size_t blocklen,
                          uint32_t stripes, Error **errp)
{
    if (!qcrypto_hash_supports(hash)) {
        error_setg(errp, "hash algorithm %d is not supported", (int)hash);
        return false;
    }
    if (blocklen == 0 || blocklen > QCRYPTO_AFSPLIT_BLOCKLEN_MAX) {
        error_setg(errp, "block of %zu bytes to split is not in 1 to %d",
                   blocklen, QCRYPTO_AFSPLIT_BLOCKLEN_MAX);
        return false;
    }
    if (stripes == 0 || stripes > QCRYPTO_AFSPLIT_STRIPES_MAX) {
        error_setg(errp, "number of stripes %" PRIu32 " is not in 1 to %d",
                   stripes, QCRYPTO_AFSPLIT_STRIPES_MAX);
        return false;
    }
    return true;
}

/* Run the accumulator over all stripes but the last. */
static bool afsplit_accumulate(QCryptoHashAlgorithm hash, size_t blocklen,
                               uint32_t stripes, const uint8_t *in,
                               uint8_t *acc, Error **errp)
{
    memset(acc, 0, blocklen);
    for (uint32_t i = 0; i + 1 < stripes; i++) {
        afsplit_xor(acc, in + (size_t)i * blocklen, blocklen);
        if (!afsplit_diffuse(hash, acc, blocklen, errp)) {
            return false;
        }
    }
    return true;
}

int qcrypto_afsplit_encode(QCryptoHashAlgorithm hash, size_t blocklen,
                           uint32_t stripes, const uint8_t *in, uint8_t *out,
                           Error **errp)
{
    uint8_t acc[QCRYPTO_AFSPLIT_BLOCKLEN_MAX];
    size_t last;
    int ret = -1;

    if (!afsplit_check(hash, blocklen, stripes, errp)) {
        return -1;
    }
    last = (size_t)(stripes - 1) * blocklen;
    if (qcrypto_random_bytes(out, last, errp) == 0 &&
        afsplit_accumulate(hash, blocklen, stripes, out, acc, errp)) {
        afsplit_xor(acc, in, blocklen);
        memcpy(out + last, acc, blocklen);
        ret = 0;
    }
    explicit_bzero(acc, sizeof(acc));
    return ret;
}

int qcrypto_afsplit_decode(QCryptoHashAlgorithm hash, size_t blocklen,
                           uint32_t stripes, const uint8_t *in, uint8_t *out,
                           Error **errp)
{
    uint8_t acc[QCRYPTO_AFSPLIT_BLOCKLEN_MAX];
    int ret = -1;

    if (!afsplit_check(hash, blocklen, stripes, errp)) {
        return -1;
    }
    if (afsplit_accumulate(hash, blocklen, stripes, in, acc, errp)) {
        afsplit_xor(acc, in + (size_t)(stripes - 1) * blocklen, blocklen);
        memcpy(out, acc, blocklen);
        ret = 0;
    }
    explicit_bzero(acc, sizeof(acc));
    return ret;
}
