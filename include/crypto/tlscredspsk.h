/*
 * tls-creds-psk: client and server share a key for each user name.
 *
 * File keys.psk, both sides: a line `user:hexkey` for each user; empty lines
 * and lines that start with `#` are skipped. psktool writes such files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSCREDSPSK_H
#define CRYPTO_TLSCREDSPSK_H

#include "crypto/tlscreds.h"

#define TYPE_QCRYPTO_TLS_CREDS_PSK "tls-creds-psk"

OBJECT_DECLARE_SIMPLE_TYPE(QCryptoTLSCredsPSK, QCRYPTO_TLS_CREDS_PSK)

#define QCRYPTO_TLS_CREDS_PSKFILE "keys.psk"

/* A client's `username` unless it is set. */
#define QCRYPTO_TLS_CREDS_PSK_USERNAME "qemu"

#endif
