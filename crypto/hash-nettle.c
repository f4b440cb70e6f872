/*
 * Hashes by nettle. Its states are plain structs, which fit into the room
 * that the object offers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <nettle/md5.h>
#include <nettle/ripemd160.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "hash-internal.h"
#include "nettle-internal.h"

_Static_assert(sizeof(struct md5_ctx) <= HASH_STATE_MAX, "state too large");
_Static_assert(sizeof(struct sha1_ctx) <= HASH_STATE_MAX, "state too large");
_Static_assert(sizeof(struct sha256_ctx) <= HASH_STATE_MAX, "state too large");
_Static_assert(sizeof(struct sha512_ctx) <= HASH_STATE_MAX, "state too large");
_Static_assert(sizeof(struct ripemd160_ctx) <= HASH_STATE_MAX,
               "state too large");

const struct nettle_hash *qcrypto_nettle_hash(QCryptoHashAlgorithm alg)
{
    static const struct nettle_hash *const types[] = {
        [QCRYPTO_HASH_ALG_MD5] = &nettle_md5,
        [QCRYPTO_HASH_ALG_SHA1] = &nettle_sha1,
        [QCRYPTO_HASH_ALG_SHA224] = &nettle_sha224,
        [QCRYPTO_HASH_ALG_SHA256] = &nettle_sha256,
        [QCRYPTO_HASH_ALG_SHA384] = &nettle_sha384,
        [QCRYPTO_HASH_ALG_SHA512] = &nettle_sha512,
        [QCRYPTO_HASH_ALG_RIPEMD160] = &nettle_ripemd160,
    };

    return (unsigned)alg < ARRAY_SIZE(types) ? types[alg] : NULL;
}

static bool ntl_hash_supports(QCryptoHashAlgorithm alg)
{
    return qcrypto_nettle_hash(alg) != NULL;
}

static bool ntl_hash_init(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                          Error **errp)
{
    qcrypto_nettle_hash(alg)->init(state->bytes);
    return true;
}

static bool ntl_hash_update(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                            const void *buf, size_t len, Error **errp)
{
    qcrypto_nettle_hash(alg)->update(state->bytes, len, buf);
    return true;
}

static bool ntl_hash_finish(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                            uint8_t *out, Error **errp)
{
    const struct nettle_hash *type = qcrypto_nettle_hash(alg);

    type->digest(state->bytes, type->digest_size, out);
    return true;
}

const QCryptoHashBackend qcrypto_hash_nettle = {
    .supports = ntl_hash_supports,
    .init = ntl_hash_init,
    .update = ntl_hash_update,
    .finish = ntl_hash_finish,
};
