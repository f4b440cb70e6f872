/*
 * PEM files of tls-creds-x509: the input serves as certificates, as
 * revocation lists, as own chain of the sanity checks, and as private key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscreds-internal.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kept small: certificates that are valid cost a verification each. */
#define PEM_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = NULL;
    TLSFile f = { .path = (char *)"fuzz.pem", .len = size };
    g_auto(TLSCertList) certs = { 0 };
    g_auto(TLSCrlList) crls = { 0 };
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem;

    if (size > PEM_MAX) {
        return 0;
    }
    text = g_malloc(size + 1); /* read_file_bounded() adds a NUL as well */
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    f.data = text;
    pem.data = (unsigned char *)text;
    pem.size = size;
    tls_crl_list_import(&crls, &f, NULL);
    if (tls_cert_list_import(&certs, &f, NULL)) {
        Error *err = NULL;
        bool ok =
            tls_sanity_check(&certs, f.path, &certs, f.path, &crls,
                             QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                             GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM),
                             &err);

        g_assert(ok == !err);
        error_free(err);
    }
    if (gnutls_x509_privkey_init(&key) == 0) {
        gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, "pw", 0);
        gnutls_x509_privkey_deinit(key);
    }
    return 0;
}
