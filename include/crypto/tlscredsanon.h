/*
 * tls-creds-anon: encryption without knowing the peer.
 *
 * Anyone in the middle can read and change the stream; use the other two.
 * TLS 1.3 has no anonymous key exchange, so such sessions are TLS 1.2.
 *
 * Files: server: dh-params.pem (optional, not needed).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSCREDSANON_H
#define CRYPTO_TLSCREDSANON_H

#include "crypto/tlscreds.h"

#define TYPE_QCRYPTO_TLS_CREDS_ANON "tls-creds-anon"

OBJECT_DECLARE_SIMPLE_TYPE(QCryptoTLSCredsAnon, QCRYPTO_TLS_CREDS_ANON)

#endif
