/*
 * Certificates and revocation lists from PEM files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "tlscreds-internal.h"

void tls_cert_list_clear(TLSCertList *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        gnutls_x509_crt_deinit(list->crts[i]);
    }
    gnutls_free(list->crts);
    *list = (TLSCertList){ 0 };
}

bool tls_cert_list_import(TLSCertList *list, const TLSFile *f, Error **errp)
{
    gnutls_datum_t pem = { .data = (unsigned char *)f->data, .size = f->len };
    gnutls_x509_crt_t *crts = NULL;
    unsigned n = 0;
    int ret =
        gnutls_x509_crt_list_import2(&crts, &n, &pem, GNUTLS_X509_FMT_PEM, 0);

    if (ret < 0) {
        error_setg(errp, "file '%s' has no usable certificate: %s", f->path,
                   gnutls_strerror(ret));
        return false;
    }
    list->crts = crts;
    list->n = n;
    if (n == 0) {
        error_setg(errp, "file '%s' has no certificate", f->path);
        return false;
    }
    return true;
}

void tls_crl_list_clear(TLSCrlList *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        gnutls_x509_crl_deinit(list->crls[i]);
    }
    gnutls_free(list->crls);
    *list = (TLSCrlList){ 0 };
}

bool tls_crl_list_import(TLSCrlList *list, const TLSFile *f, Error **errp)
{
    gnutls_datum_t pem = { .data = (unsigned char *)f->data, .size = f->len };
    gnutls_x509_crl_t *crls = NULL;
    unsigned n = 0;
    int ret =
        gnutls_x509_crl_list_import2(&crls, &n, &pem, GNUTLS_X509_FMT_PEM, 0);

    if (ret < 0) {
        error_setg(errp, "file '%s' has no usable revocation list: %s", f->path,
                   gnutls_strerror(ret));
        return false;
    }
    list->crls = crls;
    list->n = n;
    return true;
}

static const struct {
    unsigned bit;
    const char *text;
} cert_status[] = {
    { GNUTLS_CERT_REVOKED, "is revoked" },
    { GNUTLS_CERT_EXPIRED, "has expired" },
    { GNUTLS_CERT_NOT_ACTIVATED, "is not valid yet" },
    { GNUTLS_CERT_SIGNATURE_FAILURE, "has a wrong signature" },
    { GNUTLS_CERT_SIGNER_NOT_FOUND,
      "is not signed by a certificate authority of 'ca-cert.pem'" },
    { GNUTLS_CERT_SIGNER_NOT_CA,
      "is signed by a certificate that is no certificate authority" },
    { GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE,
      "is outside of what its certificate authority may sign" },
    { GNUTLS_CERT_INSECURE_ALGORITHM,
      "uses a key or an algorithm that is too weak" },
    { GNUTLS_CERT_UNEXPECTED_OWNER, "is for another host name" },
    { GNUTLS_CERT_PURPOSE_MISMATCH, "is not meant for this side of TLS" },
    { GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED,
      "cannot be checked: the revocation list is out of date" },
    { GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE,
      "cannot be checked: the revocation list is not valid yet" },
    { GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS,
      "has a critical extension that is not known here" },
};

const char *tls_cert_status_text(unsigned status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cert_status); i++) {
        if (status & cert_status[i].bit) {
            return cert_status[i].text;
        }
    }
    return "is not trusted";
}
