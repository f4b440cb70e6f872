/*
 * The `secret` object: bytes given in the configuration or read from a file.
 *
 *     -object secret,id=ID,data=TEXT|file=PATH[,format=raw|base64]
 *                    [,keyid=ID2,iv=BASE64]
 *
 * PATH may be a file, /dev/stdin, an inherited descriptor (/dev/fd/N,
 * /proc/self/fd/N) or a descriptor set (/dev/fdset/N). With keyid, the
 * bytes are AES-256-CBC cipher text with PKCS#7 padding, as
 * `openssl enc -aes-256-cbc -K KEY -iv IV` writes it, and format tells how
 * the cipher text is encoded; the key is the 32 bytes of secret ID2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "crypto/secret_common.h"

#define TYPE_QCRYPTO_SECRET "secret"
OBJECT_DECLARE_SIMPLE_TYPE(QCryptoSecret, QCRYPTO_SECRET)

struct QCryptoSecret {
    QCryptoSecretCommon parent_obj;

    char *data; /* property; wiped once the object is complete */
    char *file; /* property */
};

#endif
