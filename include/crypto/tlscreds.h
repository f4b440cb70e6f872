/*
 * TLS credentials: what a TLS session needs to know before it starts.
 *
 * Three classes: anonymous (no authentication, only encryption), pre-shared
 * keys, X.509 certificates. All take a directory of files with fixed names.
 * The files are read when the object is completed and on
 * qcrypto_tls_creds_reload(), never in between.
 *
 * A session keeps the credentials it started with; a reload replaces the
 * object's set as a whole, for sessions that start later.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSCREDS_H
#define CRYPTO_TLSCREDS_H

#include "qapi/qapi-types-crypto.h"
#include "qom/object.h"

#define TYPE_QCRYPTO_TLS_CREDS "tls-creds"

OBJECT_DECLARE_TYPE(QCryptoTLSCreds, QCryptoTLSCredsClass, QCRYPTO_TLS_CREDS)

/* In the server's directory, optional: accepted so that existing
 * directories work. Groups come from RFC 7919, so it is not read. */
#define QCRYPTO_TLS_CREDS_DH_PARAMS "dh-params.pem"

/* No file of a credentials directory may be larger. */
#define QCRYPTO_TLS_CREDS_MAX_FILE (4 * 1024 * 1024)

typedef bool (*CryptoTLSCredsReload)(QCryptoTLSCreds *creds, Error **errp);

typedef struct QCryptoTLSCredsBox QCryptoTLSCredsBox;

struct QCryptoTLSCredsClass {
    ObjectClass parent_class;

    /** reload: what qcrypto_tls_creds_reload() calls; mandatory. */
    CryptoTLSCredsReload reload;

    /**
     * load: mandatory; private to the folder's classes
     *
     * Read and check all files according to the object's properties.
     *
     * Returns: a new set of credentials, owned by the caller; NULL on failure.
     */
    QCryptoTLSCredsBox *(*load)(QCryptoTLSCreds *creds, Error **errp);
};

/**
 * qcrypto_tls_creds_reload:
 * @creds: (in) completed credentials
 * @errp: (out) names the object, the file and the reason
 *
 * Read the files again. Nothing changes on failure: sessions go on to be made
 * with what was loaded before. Sessions that exist keep their credentials.
 *
 * Thread: any, also while other threads make sessions.
 * Returns: true if the new files are in use.
 * Errors: as at creation.
 */
bool qcrypto_tls_creds_reload(QCryptoTLSCreds *creds, Error **errp);

/**
 * qcrypto_tls_creds_check_endpoint:
 * @creds: (in) credentials a service was configured with
 * @endpoint: (in) the side that the service takes
 * @errp: (out)
 *
 * Returns: true if @creds are for @endpoint.
 * Errors: they are for the other side.
 */
bool qcrypto_tls_creds_check_endpoint(QCryptoTLSCreds *creds,
                                      QCryptoTLSCredsEndpoint endpoint,
                                      Error **errp);

/**
 * qcrypto_tls_creds_check_authz:
 * @creds: (in) credentials of a server, or NULL if it has none
 * @authzid: (in) its `tls-authz`, or NULL if it has none
 * @errp: (out)
 *
 * For the start of a service: refuse an authorization that could never be
 * enforced rather than skip it silently. Accepts (@creds, NULL).
 *
 * Returns: true if sessions with @creds can check the peer against @authzid.
 * Errors: no credentials, or a client's; anonymous credentials; X.509 without
 *         verify-peer; no authorization object with that id.
 */
bool qcrypto_tls_creds_check_authz(QCryptoTLSCreds *creds, const char *authzid,
                                   Error **errp);

#endif
