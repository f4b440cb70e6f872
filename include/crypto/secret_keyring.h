/*
 * The `secret_keyring` object: bytes held by the kernel's key service.
 *
 *     -object secret_keyring,id=ID,serial=N[,format=...][,keyid=...,iv=...]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_SECRET_KEYRING_H
#define CRYPTO_SECRET_KEYRING_H

#include "crypto/secret_common.h"

#define TYPE_QCRYPTO_SECRET_KEYRING "secret_keyring"
OBJECT_DECLARE_SIMPLE_TYPE(QCryptoSecretKeyring, QCRYPTO_SECRET_KEYRING)

struct QCryptoSecretKeyring {
    QCryptoSecretCommon parent_obj;

    int32_t serial; /* of the key, as keyctl prints it */
};

#endif
