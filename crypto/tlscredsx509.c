/*
 * tls-creds-x509: certificates and keys.
 *
 * Each file is read once, into memory with a limit; what is checked is what
 * is used. Files of keys, and the password, are wiped after use.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscredsx509.h"

#include "crypto/secret.h"
#include "util/error.h"
#include "util/secret-mem.h"

#include "tlscreds-internal.h"

struct QCryptoTLSCredsX509 {
    QCryptoTLSCreds parent_obj;

    bool sanity_check;
    char *passwordid;
};

/* All files of one directory. */
typedef struct X509Files {
    TLSFile ca, crl, cert, key;
    TLSCertList cas, own;
    TLSCrlList crls;
} X509Files;

static void x509_files_clear(X509Files *f)
{
    tls_file_clear(&f->ca);
    tls_file_clear(&f->crl);
    tls_file_clear(&f->cert);
    tls_file_clear(&f->key);
    tls_cert_list_clear(&f->cas);
    tls_cert_list_clear(&f->own);
    tls_crl_list_clear(&f->crls);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(X509Files, x509_files_clear)

static gnutls_datum_t file_datum(const TLSFile *f)
{
    return (gnutls_datum_t){ .data = (unsigned char *)f->data, .size = f->len };
}

static bool x509_read(QCryptoTLSCreds *creds, X509Files *f, Error **errp)
{
    bool server = creds->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;
    const char *cert = server ? QCRYPTO_TLS_CREDS_X509_SERVER_CERT
                              : QCRYPTO_TLS_CREDS_X509_CLIENT_CERT;
    const char *key = server ? QCRYPTO_TLS_CREDS_X509_SERVER_KEY
                             : QCRYPTO_TLS_CREDS_X509_CLIENT_KEY;

    if (!tls_creds_read_file(creds, QCRYPTO_TLS_CREDS_X509_CA_CERT, true,
                             &f->ca, errp) ||
        !tls_creds_read_file(creds, QCRYPTO_TLS_CREDS_X509_CA_CRL, false,
                             &f->crl, errp) ||
        !tls_creds_read_file(creds, cert, server, &f->cert, errp) ||
        !tls_creds_read_key_file(creds, key, server, &f->key, errp)) {
        return false;
    }
    if (!f->cert.data != !f->key.data) {
        error_setg(errp, "file '%s' is missing, but '%s' is there",
                   f->cert.data ? f->key.path : f->cert.path,
                   f->cert.data ? f->cert.path : f->key.path);
        return false;
    }
    return tls_cert_list_import(&f->cas, &f->ca, errp) &&
           (!f->crl.data || tls_crl_list_import(&f->crls, &f->crl, errp)) &&
           (!f->cert.data || tls_cert_list_import(&f->own, &f->cert, errp));
}

static bool x509_set_key(QCryptoTLSCredsX509 *x, QCryptoTLSCredsBox *box,
                         const X509Files *f, Error **errp)
{
    gnutls_datum_t cert = file_datum(&f->cert);
    gnutls_datum_t key = file_datum(&f->key);
    g_auto_secret_str password = NULL;
    int ret;

    if (x->passwordid && *x->passwordid) {
        password = qcrypto_secret_lookup_as_utf8(x->passwordid, errp);
        if (!password) {
            return false;
        }
    }
    ret = gnutls_certificate_set_x509_key_mem2(
        box->cred.cert, &cert, &key, GNUTLS_X509_FMT_PEM, password, 0);
    if (ret == GNUTLS_E_DECRYPTION_FAILED && !password) {
        error_setg(errp,
                   "file '%s': the key is encrypted and there is no "
                   "passwordid",
                   f->key.path);
    } else if (ret == GNUTLS_E_DECRYPTION_FAILED) {
        error_setg(errp, "file '%s': the password of secret '%s' is wrong",
                   f->key.path, x->passwordid);
    } else if (ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        error_setg(errp, "file '%s' is not the key of the certificate in '%s'",
                   f->key.path, f->cert.path);
    } else if (ret < 0) {
        error_setg(errp, "file '%s' cannot be used as key: %s", f->key.path,
                   gnutls_strerror(ret));
    }
    return ret >= 0;
}

static bool x509_set_trust(QCryptoTLSCredsBox *box, const X509Files *f,
                           Error **errp)
{
    gnutls_datum_t ca = file_datum(&f->ca);
    gnutls_datum_t crl = file_datum(&f->crl);
    int ret = gnutls_certificate_set_x509_trust_mem(box->cred.cert, &ca,
                                                    GNUTLS_X509_FMT_PEM);

    if (ret < 0) {
        error_setg(errp, "file '%s' cannot be used: %s", f->ca.path,
                   gnutls_strerror(ret));
        return false;
    }
    if (f->crl.data) {
        ret = gnutls_certificate_set_x509_crl_mem(box->cred.cert, &crl,
                                                  GNUTLS_X509_FMT_PEM);
        if (ret < 0) {
            error_setg(errp, "file '%s' cannot be used: %s", f->crl.path,
                       gnutls_strerror(ret));
            return false;
        }
    }
    ret = gnutls_certificate_set_known_dh_params(box->cred.cert,
                                                 GNUTLS_SEC_PARAM_MEDIUM);
    if (ret < 0) {
        error_setg(errp, "cannot set the Diffie-Hellman group: %s",
                   gnutls_strerror(ret));
        return false;
    }
    return true;
}

static QCryptoTLSCredsBox *x509_load(QCryptoTLSCreds *creds, Error **errp)
{
    QCryptoTLSCredsX509 *x = QCRYPTO_TLS_CREDS_X509(creds);
    g_autoptr(QCryptoTLSCredsBox) box =
        tls_creds_box_new(creds, GNUTLS_CRD_CERTIFICATE, errp);
    unsigned flags = tls_creds_verify_flags(creds);
    g_auto(X509Files) f = { 0 };

    if (!box || !x509_read(creds, &f, errp)) {
        return NULL;
    }
    if (x->sanity_check &&
        !tls_sanity_check(&f.own, f.cert.path, &f.cas, f.ca.path, &f.crls,
                          creds->endpoint, flags, errp)) {
        return NULL;
    }
    if (!x509_set_trust(box, &f, errp) ||
        (f.cert.data && !x509_set_key(x, box, &f, errp))) {
        return NULL;
    }
    return g_steal_pointer(&box);
}

static const Property x509_props[] = {
    { "dir", PROP_STR, offsetof(QCryptoTLSCreds, dir), .flags = PROP_F_REQUIRED,
      .help = "directory of the PEM files", .since = "2.5" },
    { "sanity-check", PROP_BOOL, offsetof(QCryptoTLSCredsX509, sanity_check),
      .def = "on", .help = "examine the files when they are loaded",
      .since = "2.5" },
    { "passwordid", PROP_STR, offsetof(QCryptoTLSCredsX509, passwordid),
      .help = "id of the secret that decrypts the key file", .since = "2.6" },
    {}
};

static void x509_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_TLS_CREDS_CLASS(oc)->load = x509_load;
}

const TypeInfo crypto_type_tlscredsx509 = {
    .name = TYPE_QCRYPTO_TLS_CREDS_X509,
    .parent = TYPE_QCRYPTO_TLS_CREDS,
    .instance_size = sizeof(QCryptoTLSCredsX509),
    .class_init = x509_class_init,
    .props = x509_props,
};
