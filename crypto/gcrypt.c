/*
 * Start of libgcrypt, and its numbers for the hashes.
 *
 * The library wants its version asked for before anything else. Its pool of
 * locked memory is switched off: its size is fixed at start and running out
 * of it ends the program; the contexts are wiped by the library anyway.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gcrypt.h>

#include "util/error.h"

#include "gcrypt-internal.h"

enum {
    GCRYPT_FAILED = 1,
    GCRYPT_READY = 2
};

bool qcrypto_gcrypt_init(Error **errp)
{
    static gsize state; /* set once */

    if (g_once_init_enter(&state)) {
        gsize result = GCRYPT_READY;

        if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
            if (gcry_check_version(GCRYPT_VERSION)) {
                gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
                gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
            } else {
                result = GCRYPT_FAILED;
            }
        }
        g_once_init_leave(&state, result);
    }
    if (state != GCRYPT_READY) {
        error_setg(errp, "libgcrypt '%s' is older than '%s'",
                   gcry_check_version(NULL), GCRYPT_VERSION);
        return false;
    }
    return true;
}

int qcrypto_gcrypt_hash(QCryptoHashAlgorithm alg)
{
    static const int algs[] = {
        [QCRYPTO_HASH_ALG_MD5] = GCRY_MD_MD5,
        [QCRYPTO_HASH_ALG_SHA1] = GCRY_MD_SHA1,
        [QCRYPTO_HASH_ALG_SHA224] = GCRY_MD_SHA224,
        [QCRYPTO_HASH_ALG_SHA256] = GCRY_MD_SHA256,
        [QCRYPTO_HASH_ALG_SHA384] = GCRY_MD_SHA384,
        [QCRYPTO_HASH_ALG_SHA512] = GCRY_MD_SHA512,
        [QCRYPTO_HASH_ALG_RIPEMD160] = GCRY_MD_RMD160,
    };

    return (unsigned)alg < ARRAY_SIZE(algs) ? algs[alg] : 0;
}
