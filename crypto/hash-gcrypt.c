/*
 * Hashes by libgcrypt. The room for the state holds its handle.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "util/error.h"

#include "gcrypt-internal.h"
#include "hash-internal.h"

static gcry_md_hd_t *gcrypt_hash_handle(QCryptoHashState *state)
{
    return (gcry_md_hd_t *)state->bytes;
}

static bool gcrypt_hash_supports(QCryptoHashAlgorithm alg)
{
    int algo = qcrypto_gcrypt_hash(alg);

    return algo && qcrypto_gcrypt_init(NULL) && gcry_md_test_algo(algo) == 0;
}

static bool gcrypt_hash_init(QCryptoHashAlgorithm alg, QCryptoHashState *state,
                             Error **errp)
{
    gcry_error_t err;

    if (!qcrypto_gcrypt_init(errp)) {
        return false;
    }
    err = gcry_md_open(gcrypt_hash_handle(state), qcrypto_gcrypt_hash(alg), 0);
    if (err) {
        error_setg(errp, "libgcrypt cannot hash with '%s': %s",
                   QCryptoHashAlgorithm_str(alg), gcry_strerror(err));
        return false;
    }
    return true;
}

static bool gcrypt_hash_update(QCryptoHashAlgorithm alg,
                               QCryptoHashState *state, const void *buf,
                               size_t len, Error **errp)
{
    gcry_md_write(*gcrypt_hash_handle(state), buf, len);
    return true;
}

static bool gcrypt_hash_finish(QCryptoHashAlgorithm alg,
                               QCryptoHashState *state, uint8_t *out,
                               Error **errp)
{
    const uint8_t *digest = gcry_md_read(*gcrypt_hash_handle(state), 0);

    if (!digest) {
        error_setg(errp, "libgcrypt has no result for hash '%s'",
                   QCryptoHashAlgorithm_str(alg));
        return false;
    }
    memcpy(out, digest, qcrypto_hash_digest_len(alg));
    return true;
}

static void gcrypt_hash_deinit(QCryptoHashAlgorithm alg,
                               QCryptoHashState *state)
{
    gcry_md_close(*gcrypt_hash_handle(state));
}

const QCryptoHashBackend qcrypto_hash_gcrypt = {
    .supports = gcrypt_hash_supports,
    .init = gcrypt_hash_init,
    .update = gcrypt_hash_update,
    .finish = gcrypt_hash_finish,
    .deinit = gcrypt_hash_deinit,
};
