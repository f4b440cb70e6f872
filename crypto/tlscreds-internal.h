/*
 * What the TLS credential classes and the TLS session share.
 *
 * A QCryptoTLSCredsBox is one loaded set of credentials: made whole, never
 * changed, shared by reference count. The object holds the newest, each
 * session the one it started with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSCREDS_INTERNAL_H
#define CRYPTO_TLSCREDS_INTERNAL_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "crypto/tlscreds.h"
#include "qom/property.h"
#include "util/thread.h"

#include "tls-psk-file.h"

struct QCryptoTLSCredsBox {
    gint refs; /* atomic */
    QCryptoTLSCredsEndpoint endpoint;
    gnutls_credentials_type_t type; /* says which member of cred is set */
    union {
        gnutls_anon_server_credentials_t anon_server;
        gnutls_anon_client_credentials_t anon_client;
        gnutls_psk_server_credentials_t psk_server;
        gnutls_psk_client_credentials_t psk_client;
        gnutls_certificate_credentials_t cert;
        void *any;
    } cred;
    gnutls_priority_t priority;
    bool verify_peer;
    TLSPskFile *psk; /* a PSK server's keys */
};

/** tls_creds_box_new: for @creds, with the priority string checked and set. */
QCryptoTLSCredsBox *tls_creds_box_new(QCryptoTLSCreds *creds,
                                      gnutls_credentials_type_t type,
                                      Error **errp);
QCryptoTLSCredsBox *tls_creds_box_ref(QCryptoTLSCredsBox *box);
/** tls_creds_box_unref: NULL is accepted; keys are wiped with the last. */
void tls_creds_box_unref(QCryptoTLSCredsBox *box);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoTLSCredsBox, tls_creds_box_unref)

struct QCryptoTLSCreds {
    Object parent_obj;

    char *dir;
    int endpoint; /* QCryptoTLSCredsEndpoint */
    bool verify_peer;
    char *priority;
    bool loaded; /* deprecated, without effect */

    QemuMutex lock; /* guards box; held for the exchange of a pointer only */
    QCryptoTLSCredsBox *box;
};

/**
 * tls_creds_get_box:
 *
 * Thread: any. Returns: a reference to the newest set; NULL with @errp set if
 * @creds were never completed.
 */
QCryptoTLSCredsBox *tls_creds_get_box(QCryptoTLSCreds *creds, Error **errp);

/** tls_creds_id: id of the object, or its type while it has none; borrowed. */
const char *tls_creds_id(QCryptoTLSCreds *creds);

/** TLSFile: contents of a file, wiped when the scope ends. */
typedef struct TLSFile {
    char *path;
    char *data; /* NULL = there is no such file */
    size_t len;
} TLSFile;

void tls_file_clear(TLSFile *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TLSFile, tls_file_clear)

/**
 * tls_creds_read_file:
 * @name: (in) name in the directory
 * @required: (in) a missing file is an error
 * @f: (out) path always, contents if the file exists
 *
 * Limit: QCRYPTO_TLS_CREDS_MAX_FILE.
 */
bool tls_creds_read_file(QCryptoTLSCreds *creds, const char *name,
                         bool required, TLSFile *f, Error **errp);

/** tls_creds_read_key_file: also warns if others may read or write it. */
bool tls_creds_read_key_file(QCryptoTLSCreds *creds, const char *name,
                             bool required, TLSFile *f, Error **errp);

/* Certificates imported from a file. */
typedef struct TLSCertList {
    gnutls_x509_crt_t *crts;
    unsigned n;
} TLSCertList;

void tls_cert_list_clear(TLSCertList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TLSCertList, tls_cert_list_clear)

/** tls_cert_list_import: all certificates of a PEM file, at least one. */
bool tls_cert_list_import(TLSCertList *list, const TLSFile *f, Error **errp);

/* Revocation lists imported from a file. */
typedef struct TLSCrlList {
    gnutls_x509_crl_t *crls;
    unsigned n;
} TLSCrlList;

void tls_crl_list_clear(TLSCrlList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TLSCrlList, tls_crl_list_clear)

/** tls_crl_list_import: all revocation lists of a PEM file, at least one. */
bool tls_crl_list_import(TLSCrlList *list, const TLSFile *f, Error **errp);

/**
 * tls_sanity_check:
 * @own: (in) own chain, leaf first; empty for a client without certificate
 * @own_path: (in) its file, for messages
 * @cas, @ca_path: (in) certificate authorities
 * @crls: (in) may be empty
 * @verify_flags: (in) strength profile, see tls_creds_verify_flags()
 *
 * Dates, CA flag, key usage, key purpose, signature chain, revocation and
 * strength, for what a peer is going to see.
 */
bool tls_sanity_check(const TLSCertList *own, const char *own_path,
                      const TLSCertList *cas, const char *ca_path,
                      const TLSCrlList *crls, QCryptoTLSCredsEndpoint endpoint,
                      unsigned verify_flags, Error **errp);

/** tls_cert_status_text: the gravest bit of a verification in words. */
const char *tls_cert_status_text(unsigned status);

/**
 * tls_creds_verify_flags:
 *
 * Returns: flags of gnutls for a verification: at least 112 bits of strength,
 *          unless the priority string chooses a profile itself.
 */
unsigned tls_creds_verify_flags(const QCryptoTLSCreds *creds);

#endif
