/*
 * Examination of own certificates before anybody is shown them.
 *
 * Looks for what would make every handshake fail, and says which certificate
 * of which file is at fault, by its distinguished name. Of a bundle of
 * certificate authorities only those that our own chain leads to have to be
 * in order; of the rest, one.
 *
 * Source: RFC 5280 4.2.1.3 (key usage), 4.2.1.9 (basic constraints),
 * 4.2.1.12 (extended key usage).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "tlscreds-internal.h"

/* Names longer than this are cut in messages. */
#define DN_MAX 1024

static char *cert_name(gnutls_x509_crt_t crt)
{
    gnutls_datum_t dn = { 0 };
    char *name;

    if (gnutls_x509_crt_get_dn3(crt, &dn, 0) < 0) {
        return g_strdup("(no name)");
    }
    name = g_strndup((char *)dn.data, MIN(dn.size, DN_MAX));
    gnutls_free(dn.data);
    return name;
}

static bool sanity_dates(gnutls_x509_crt_t crt, const char *path, Error **errp)
{
    g_autofree char *name = NULL;
    time_t now = time(NULL);
    time_t begin = gnutls_x509_crt_get_activation_time(crt);
    time_t end = gnutls_x509_crt_get_expiration_time(crt);

    if (now >= begin && now <= end) {
        return true;
    }
    name = cert_name(crt);
    if (begin == (time_t)-1 || end == (time_t)-1) {
        error_setg(errp, "file '%s': certificate '%s' has no readable dates",
                   path, name);
    } else if (now < begin) {
        error_setg(errp, "file '%s': certificate '%s' is not valid yet", path,
                   name);
    } else {
        error_setg(errp, "file '%s': certificate '%s' has expired", path, name);
    }
    return false;
}

static bool sanity_ca_flag(gnutls_x509_crt_t crt, const char *path, bool want,
                           Error **errp)
{
    g_autofree char *name = NULL;
    /* 1 = CA, 0 = not; absent means not */
    int is_ca = gnutls_x509_crt_get_basic_constraints(crt, NULL, NULL, NULL);

    if ((is_ca > 0) == want &&
        (is_ca >= 0 || is_ca == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)) {
        return true;
    }
    name = cert_name(crt);
    error_setg(errp,
               want ? "file '%s': certificate '%s' lacks the flag of a "
                      "certificate authority"
                    : "file '%s': certificate '%s' is that of a certificate "
                      "authority, not of a server or client",
               path, name);
    return false;
}

static bool sanity_usage(gnutls_x509_crt_t crt, const char *path,
                         unsigned wanted, const char *what, Error **errp)
{
    g_autofree char *name = NULL;
    unsigned usage = 0;
    int ret = gnutls_x509_crt_get_key_usage(crt, &usage, NULL);

    if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
        (ret >= 0 && (usage & wanted))) {
        return true; /* absent: any use */
    }
    name = cert_name(crt);
    error_setg(errp,
               "file '%s': key usage of certificate '%s' does not allow "
               "%s",
               path, name, what);
    return false;
}

static bool sanity_purpose(gnutls_x509_crt_t crt, const char *path, bool server,
                           Error **errp)
{
    g_autofree char *name = NULL;
    const char *oid =
        server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;

    /* Accepts a missing extension and anyExtendedKeyUsage. */
    if (gnutls_x509_crt_check_key_purpose(crt, oid, 0)) {
        return true;
    }
    name = cert_name(crt);
    error_setg(errp,
               "file '%s': purpose of certificate '%s' is not that of a "
               "TLS %s",
               path, name, server ? "server" : "client");
    return false;
}

static bool sanity_ca(gnutls_x509_crt_t crt, const char *path, Error **errp)
{
    return sanity_dates(crt, path, errp) &&
           sanity_ca_flag(crt, path, true, errp) &&
           sanity_usage(crt, path, GNUTLS_KEY_KEY_CERT_SIGN,
                        "to sign certificates", errp);
}

/* Has a certificate of @own been issued under the name of @ca? */
static bool issues_own(gnutls_x509_crt_t ca, const TLSCertList *own)
{
    for (unsigned i = 0; i < own->n; i++) {
        if (gnutls_x509_crt_check_issuer(own->crts[i], ca) == 1) {
            return true;
        }
    }
    return false;
}

static bool sanity_cas(const TLSCertList *cas, const char *path,
                       const TLSCertList *own, Error **errp)
{
    Error *first = NULL;
    bool good = false;

    for (unsigned i = 0; i < cas->n; i++) {
        Error *err = NULL;

        if (sanity_ca(cas->crts[i], path, &err)) {
            good = true;
        } else if (issues_own(cas->crts[i], own)) {
            error_free(first);
            error_propagate(errp, err);
            return false;
        } else if (first) {
            error_free(err);
        } else {
            first = err;
        }
    }
    if (good) {
        error_free(first);
        return true;
    }
    error_propagate(errp, first);
    return false;
}

static bool sanity_leaf(gnutls_x509_crt_t crt, const char *path, bool server,
                        Error **errp)
{
    return sanity_dates(crt, path, errp) &&
           sanity_ca_flag(crt, path, false, errp) &&
           sanity_usage(crt, path, GNUTLS_KEY_DIGITAL_SIGNATURE,
                        "digital signatures", errp) &&
           sanity_purpose(crt, path, server, errp);
}

static bool sanity_chain(const TLSCertList *own, const char *own_path,
                         const TLSCertList *cas, const TLSCrlList *crls,
                         bool server, unsigned flags, Error **errp)
{
    const char *oid =
        server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)oid,
    };
    gnutls_x509_trust_list_t trust = NULL;
    unsigned status = 0;
    int ret = gnutls_x509_trust_list_init(&trust, 0);

    if (ret >= 0) {
        ret = gnutls_x509_trust_list_add_cas(trust, cas->crts, cas->n, 0);
    }
    if (ret >= 0 && crls->n) {
        ret = gnutls_x509_trust_list_add_crls(trust, crls->crls, crls->n, 0, 0);
    }
    if (ret >= 0) {
        ret = gnutls_x509_trust_list_verify_crt2(
            trust, own->crts, own->n, &data, 1, flags, &status, NULL);
    }
    if (trust) {
        gnutls_x509_trust_list_deinit(trust, 0);
    }
    if (ret < 0) {
        error_setg(errp, "file '%s': the chain cannot be verified: %s",
                   own_path, gnutls_strerror(ret));
        return false;
    }
    if (status) {
        g_autofree char *name = cert_name(own->crts[0]);

        error_setg(errp, "file '%s': certificate '%s' %s", own_path, name,
                   tls_cert_status_text(status));
        return false;
    }
    return true;
}

bool tls_sanity_check(const TLSCertList *own, const char *own_path,
                      const TLSCertList *cas, const char *ca_path,
                      const TLSCrlList *crls, QCryptoTLSCredsEndpoint endpoint,
                      unsigned verify_flags, Error **errp)
{
    bool server = endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;

    if (own->n && !sanity_leaf(own->crts[0], own_path, server, errp)) {
        return false;
    }
    if (!sanity_cas(cas, ca_path, own, errp)) {
        return false;
    }
    for (unsigned i = 1; i < own->n; i++) {
        if (!sanity_ca(own->crts[i], own_path, errp)) {
            return false;
        }
    }
    return !own->n ||
           sanity_chain(own, own_path, cas, crls, server, verify_flags, errp);
}
