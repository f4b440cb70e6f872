/*
 * What every kind of secret object shares: decoding, decryption with
 * another secret, and the lookups by which the rest of the program gets at
 * the bytes.
 *
 * Bytes of a secret are never logged, never part of an error message, never
 * readable by qom-get, and wiped when freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_SECRET_COMMON_H
#define CRYPTO_SECRET_COMMON_H

#include "qapi/qapi-types-crypto.h"
#include "qom/object.h"

#define TYPE_QCRYPTO_SECRET_COMMON "secret_common"
OBJECT_DECLARE_TYPE(QCryptoSecretCommon, QCryptoSecretCommonClass,
                    QCRYPTO_SECRET_COMMON)

/* A secret, encoded or not, is at most this many bytes. */
#define QCRYPTO_SECRET_MAX ((size_t)1 << 20)

struct QCryptoSecretCommon {
    Object parent_obj;

    uint8_t *rawdata; /* decoded and decrypted, followed by a NUL; owned */
    size_t rawlen;    /* bytes, without the NUL */
    int format;       /* QCryptoSecretFormat */
    char *keyid;      /* id of the secret that decrypts this one, or NULL */
    char *iv;         /* base64 of 16 bytes, or NULL */
    bool loaded;      /* property without effect */
};

struct QCryptoSecretCommonClass {
    ObjectClass parent_class;

    /**
     * load_data:
     * @secret: (inout) object being completed
     * @output: (out) set on success to the bytes as configured, not yet
     *          decoded; the caller frees them with secret_free()
     * @outputlen: (out) bytes at *@output
     * @errp: (out) set when the return is false
     *
     * Mandatory. Limit: QCRYPTO_SECRET_MAX bytes.
     * Returns: true on success.
     */
    bool (*load_data)(QCryptoSecretCommon *secret, uint8_t **output,
                      size_t *outputlen, Error **errp);
};

/**
 * qcrypto_secret_lookup:
 * @secretid: (in) id of a secret object
 * @data: (out) set on success to a copy of the bytes, with a NUL after
 *        them; the caller frees it with secret_free()
 * @datalen: (out) bytes at *@data, without the NUL
 * @errp: (out) set when the return is -1
 *
 * Thread: any.
 * Returns: 0 on success, -1 on error.
 * Errors: no such object; not a secret; a secret not yet complete.
 */
int qcrypto_secret_lookup(const char *secretid, uint8_t **data, size_t *datalen,
                          Error **errp);

/**
 * qcrypto_secret_lookup_as_utf8:
 * @secretid: (in) id of a secret object
 * @errp: (out) set when the return is NULL
 *
 * Thread: any.
 * Returns: a new string, which the caller frees with secret_str_free();
 * NULL on error.
 * Errors: those of qcrypto_secret_lookup(); bytes that are not UTF-8 or
 * that hold a NUL.
 */
char *qcrypto_secret_lookup_as_utf8(const char *secretid, Error **errp);

/**
 * qcrypto_secret_lookup_as_base64:
 * @secretid: (in) id of a secret object
 * @errp: (out) set when the return is NULL
 *
 * Thread: any.
 * Returns: a new base64 string, which the caller frees with
 * secret_str_free(); NULL on error.
 * Errors: those of qcrypto_secret_lookup().
 */
char *qcrypto_secret_lookup_as_base64(const char *secretid, Error **errp);

#endif
