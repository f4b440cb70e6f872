/*
 * LUKS: names in the header and algorithms.
 *
 * The cipher's name says the family, the length of the key which of it; the
 * mode's name is "MODE-IVGEN" or "MODE-essiv:HASH", and "ecb" alone is known
 * too. The names are those of the Linux kernel's crypto interface, to which
 * other programs pass them on.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3, appendix B.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hash.h"
#include "crypto/pbkdf.h"
#include "util/error.h"

#include "block-luks-internal.h"

static const char *const luks_families[QCRYPTO_CIPHER_ALG__MAX] = {
    [QCRYPTO_CIPHER_ALG_AES_128] = "aes",
    [QCRYPTO_CIPHER_ALG_AES_192] = "aes",
    [QCRYPTO_CIPHER_ALG_AES_256] = "aes",
    [QCRYPTO_CIPHER_ALG_CAST5_128] = "cast5",
    [QCRYPTO_CIPHER_ALG_SERPENT_128] = "serpent",
    [QCRYPTO_CIPHER_ALG_SERPENT_192] = "serpent",
    [QCRYPTO_CIPHER_ALG_SERPENT_256] = "serpent",
    [QCRYPTO_CIPHER_ALG_TWOFISH_128] = "twofish",
    [QCRYPTO_CIPHER_ALG_TWOFISH_192] = "twofish",
    [QCRYPTO_CIPHER_ALG_TWOFISH_256] = "twofish",
};

static bool names_cipher(const char *family, size_t key_bytes,
                         QCryptoCipherAlgorithm *alg, Error **errp)
{
    for (unsigned i = 0; i < ARRAY_SIZE(luks_families); i++) {
        if (luks_families[i] && !strcmp(luks_families[i], family) &&
            qcrypto_cipher_get_key_len(i) == key_bytes) {
            *alg = i;
            return true;
        }
    }
    error_setg(errp, "cipher '%s' with a key of %zu bits is not supported",
               family, key_bytes * 8);
    return false;
}

bool luks_names_essiv(QCryptoCipherAlgorithm alg, QCryptoHashAlgorithm hash,
                      QCryptoCipherAlgorithm *essiv, Error **errp)
{
    return names_cipher(luks_families[alg], qcrypto_hash_digest_len(hash),
                        essiv, errp);
}

static bool names_hash(const char *name, QCryptoHashAlgorithm *hash,
                       Error **errp)
{
    int found = qapi_enum_parse(&QCryptoHashAlgorithm_lookup, name, -1, NULL);

    if (found < 0 || !qcrypto_hash_supports(found) ||
        !qcrypto_pbkdf2_supports(found)) {
        error_setg(errp, "hash algorithm '%s' is not supported", name);
        return false;
    }
    *hash = found;
    return true;
}

static bool names_check(const BlockCipherSpec *spec, Error **errp)
{
    if (!qcrypto_cipher_supports(spec->alg, spec->mode)) {
        error_setg(errp, "cipher '%s' in mode '%s' is not supported",
                   QCryptoCipherAlgorithm_str(spec->alg),
                   QCryptoCipherMode_str(spec->mode));
        return false;
    }
    return true;
}

/* "MODE[-IVGEN[:HASH]]" */
static bool names_mode(const char *text, BlockCipherSpec *spec, Error **errp)
{
    g_autofree char *mode = g_strdup(text);
    char *ivgen = strchr(mode, '-');
    char *hash = ivgen ? strchr(ivgen, ':') : NULL;
    int found;

    if (ivgen) {
        *ivgen++ = '\0';
    }
    if (hash) {
        *hash++ = '\0';
    }
    found = qapi_enum_parse(&QCryptoCipherMode_lookup, mode, -1, NULL);
    if (found < 0 || (!ivgen && found != QCRYPTO_CIPHER_MODE_ECB)) {
        error_setg(errp, "cipher mode '%s' is not supported", text);
        return false;
    }
    spec->mode = found;
    found =
        ivgen ? qapi_enum_parse(&QCryptoIVGenAlgorithm_lookup, ivgen, -1, NULL)
              : QCRYPTO_IVGEN_ALG_PLAIN64;
    if (found < 0) {
        error_setg(errp, "generator of vectors '%s' is not supported", ivgen);
        return false;
    }
    spec->ivgen = found;
    if (!hash != (found != QCRYPTO_IVGEN_ALG_ESSIV)) {
        error_setg(errp, "cipher mode '%s' has %s hash", text,
                   hash ? "an unexpected" : "no");
        return false;
    }
    return !hash || names_hash(hash, &spec->essiv_hash, errp);
}

bool luks_names_decode(const LUKSHeader *header, BlockCipherSpec *ret_spec,
                       QCryptoHashAlgorithm *ret_hash, Error **errp)
{
    BlockCipherSpec spec = { 0 };
    QCryptoHashAlgorithm hash;
    uint32_t key_bytes = header->key_bytes;

    if (!names_mode(header->cipher_mode, &spec, errp) ||
        !names_hash(header->hash_spec, &hash, errp)) {
        return false;
    }
    if (spec.mode == QCRYPTO_CIPHER_MODE_XTS) {
        if (key_bytes % 2) {
            error_setg(errp, "key of %" PRIu32 " bytes is not for xts",
                       key_bytes);
            return false;
        }
        key_bytes /= 2;
    }
    if (!names_cipher(header->cipher_name, key_bytes, &spec.alg, errp) ||
        !names_check(&spec, errp)) {
        return false;
    }
    if (spec.ivgen == QCRYPTO_IVGEN_ALG_ESSIV &&
        !luks_names_essiv(spec.alg, spec.essiv_hash, &spec.essiv_alg, errp)) {
        return false;
    }
    *ret_spec = spec;
    *ret_hash = hash;
    return true;
}

bool luks_names_encode(const BlockCipherSpec *spec, QCryptoHashAlgorithm hash,
                       LUKSHeader *header, Error **errp)
{
    bool essiv = spec->ivgen == QCRYPTO_IVGEN_ALG_ESSIV;
    const char *family = luks_families[spec->alg];
    QCryptoHashAlgorithm checked;

    if (!family) {
        error_setg(errp, "LUKS has no cipher '%s'",
                   QCryptoCipherAlgorithm_str(spec->alg));
        return false;
    }
    if (!names_check(spec, errp) ||
        !names_hash(QCryptoHashAlgorithm_str(hash), &checked, errp)) {
        return false;
    }
    g_strlcpy(header->cipher_name, family, sizeof(header->cipher_name));
    g_snprintf(header->cipher_mode, sizeof(header->cipher_mode), "%s-%s%s%s",
               QCryptoCipherMode_str(spec->mode),
               QCryptoIVGenAlgorithm_str(spec->ivgen), essiv ? ":" : "",
               essiv ? QCryptoHashAlgorithm_str(spec->essiv_hash) : "");
    g_strlcpy(header->hash_spec, QCryptoHashAlgorithm_str(hash),
              sizeof(header->hash_spec));
    header->key_bytes = qcrypto_cipher_get_key_len(spec->alg);
    if (spec->mode == QCRYPTO_CIPHER_MODE_XTS) {
        header->key_bytes *= 2;
    }
    return true;
}
