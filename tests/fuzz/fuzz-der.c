/*
 * Fuzz target: DER and RSA keys.
 *
 * The first byte says whether the rest is a public or a private key. What
 * parses is given to the libraries, so that their reliance on the checks is
 * tested too; numbers are kept small there, for speed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/akcipher.h"
#include "crypto/rsakey.h"
#include "util/secret-mem.h"

#define FUZZ_MODULUS_MAX 128 /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_key(QCryptoBackend backend, QCryptoAkCipherKeyType type,
                     QCryptoRSAPaddingAlgorithm padding, const uint8_t *der,
                     size_t len)
{
    QCryptoAkCipherOptions opts = {
        .alg = QCRYPTO_AKCIPHER_ALG_RSA,
        .u.rsa = { .hash_alg = QCRYPTO_HASH_ALG_MD5, .padding_alg = padding },
    };
    uint8_t digest[16] = { 1 }, out[FUZZ_MODULUS_MAX];
    g_autoptr(QCryptoAkCipher) ak = NULL;
    int n;

    if (!qcrypto_akcipher_supports_with_backend(backend, &opts)) {
        return;
    }
    ak =
        qcrypto_akcipher_new_with_backend(backend, &opts, type, der, len, NULL);
    if (!ak) {
        return;
    }
    n = qcrypto_akcipher_max_signature_len(ak);
    qcrypto_akcipher_encrypt(ak, digest, sizeof(digest), out, n, NULL);
    qcrypto_akcipher_decrypt(ak, out, n, out, n, NULL);
    qcrypto_akcipher_sign(ak, digest, sizeof(digest), out, n, NULL);
    qcrypto_akcipher_verify(ak, out, n, digest, sizeof(digest), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QCryptoAkCipherOptions opts = { .alg = QCRYPTO_AKCIPHER_ALG_RSA };
    QCryptoAkCipherKeyType type;
    QCryptoRsaKey key;
    g_autofree uint8_t *der = NULL;
    uint8_t *p8 = NULL;
    size_t len, p8_len;

    if (size == 0) {
        return 0;
    }
    type = data[0] & 1 ? QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
                       : QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC;
    len = size - 1;
    der = g_memdup2(data + 1, len);
    if (!qcrypto_rsakey_parse(type, der, len, &key, NULL)) {
        return 0;
    }
    if (qcrypto_akcipher_export_p8info(&opts, der, len, &p8, &p8_len, NULL) ==
        0) {
        secret_free(p8, p8_len);
    }
    if (key.n.len <= FUZZ_MODULUS_MAX) {
        for (int b = QCRYPTO_BACKEND_NETTLE; b <= QCRYPTO_BACKEND_GCRYPT; b++) {
            fuzz_key(b, type, QCRYPTO_RSA_PADDING_ALG_PKCS1, der, len);
            fuzz_key(b, type, QCRYPTO_RSA_PADDING_ALG_RAW, der, len);
        }
    }
    return 0;
}
