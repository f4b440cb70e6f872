/*
 * tls-creds-x509: certificates.
 *
 * Files in `dir`, all PEM:
 *   ca-cert.pem                      mandatory
 *   ca-crl.pem                       optional, revoked certificates
 *   server-cert.pem, server-key.pem  mandatory for a server
 *   client-cert.pem, client-key.pem  for a client that has to show who it is
 * A key may be encrypted PKCS#8; `passwordid` then names a secret object.
 *
 * With sanity-check=on the files are examined when they are loaded, so that a
 * mistake shows at start-up and not as a failed handshake months later.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSCREDSX509_H
#define CRYPTO_TLSCREDSX509_H

#include "crypto/tlscreds.h"

#define TYPE_QCRYPTO_TLS_CREDS_X509 "tls-creds-x509"

OBJECT_DECLARE_SIMPLE_TYPE(QCryptoTLSCredsX509, QCRYPTO_TLS_CREDS_X509)

#define QCRYPTO_TLS_CREDS_X509_CA_CERT     "ca-cert.pem"
#define QCRYPTO_TLS_CREDS_X509_CA_CRL      "ca-crl.pem"
#define QCRYPTO_TLS_CREDS_X509_SERVER_KEY  "server-key.pem"
#define QCRYPTO_TLS_CREDS_X509_SERVER_CERT "server-cert.pem"
#define QCRYPTO_TLS_CREDS_X509_CLIENT_KEY  "client-key.pem"
#define QCRYPTO_TLS_CREDS_X509_CLIENT_CERT "client-cert.pem"

#endif
