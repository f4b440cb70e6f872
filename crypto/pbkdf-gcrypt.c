/*
 * PBKDF2 by libgcrypt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "util/error.h"

#include "gcrypt-internal.h"
#include "pbkdf-internal.h"

static bool gcrypt_pbkdf_supports(QCryptoHashAlgorithm hash)
{
    int algo = qcrypto_gcrypt_hash(hash);

    return algo && qcrypto_gcrypt_init(NULL) && gcry_md_test_algo(algo) == 0;
}

static bool gcrypt_pbkdf2(const QCryptoPbkdf2 *p, Error **errp)
{
    gcry_error_t err =
        gcry_kdf_derive(p->key, p->nkey, GCRY_KDF_PBKDF2,
                        qcrypto_gcrypt_hash(p->hash), p->salt, p->nsalt,
                        p->iterations, p->nout, p->out);

    if (err) {
        error_setg(errp, "libgcrypt cannot do pbkdf2 with hash '%s': %s",
                   QCryptoHashAlgorithm_str(p->hash), gcry_strerror(err));
        return false;
    }
    return true;
}

const QCryptoPbkdfBackend qcrypto_pbkdf_gcrypt = {
    .supports = gcrypt_pbkdf_supports,
    .pbkdf2 = gcrypt_pbkdf2,
};
