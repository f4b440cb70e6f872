/*
 * One loaded set of credentials, and the priority string it works with.
 *
 * The user's string (or the built-in one) gets an end that it cannot
 * override: nothing older than TLS 1.2, and the key exchanges of the kind of
 * credentials. What is left must have a version and no null cipher. PSK
 * without Diffie-Hellman has no forward secrecy and is only used if the
 * user's string names +PSK itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "tlscreds-internal.h"

/* Strength that is asked of certificates; MEDIUM is 112 bits. */
#define PRIORITY_PROFILE "%PROFILE_"

#define PRIORITY_END "-VERS-SSL3.0:-VERS-TLS1.0:-VERS-TLS1.1"

/*
 * Key exchanges that the credentials cannot serve are taken out: a server
 * would choose them if the peer likes them best, and fail.
 */
static const char *priority_end(gnutls_credentials_type_t type,
                                const char *base)
{
    switch (type) {
    case GNUTLS_CRD_ANON:
        /* TLS 1.3 has no anonymous key exchange; ANON-ECDH no AEAD cipher. */
        return PRIORITY_END ":-VERS-TLS1.3:-KX-ALL:+ANON-DH:+ANON-ECDH";
    case GNUTLS_CRD_PSK:
        return strstr(base, "+PSK")
                   ? PRIORITY_END ":-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"
                   : PRIORITY_END ":-KX-ALL:+ECDHE-PSK:+DHE-PSK";
    default:
        return PRIORITY_END;
    }
}

static bool priority_has_version(gnutls_priority_t priority)
{
    const unsigned *list;
    int n = gnutls_priority_protocol_list(priority, &list);

    for (int i = 0; i < n; i++) {
        if (list[i] == GNUTLS_TLS1_2 || list[i] == GNUTLS_TLS1_3) {
            return true;
        }
    }
    return false;
}

static bool priority_has_null_cipher(gnutls_priority_t priority)
{
    const unsigned *list;
    int n = gnutls_priority_cipher_list(priority, &list);

    for (int i = 0; i < n; i++) {
        if (list[i] == GNUTLS_CIPHER_NULL) {
            return true;
        }
    }
    return false;
}

/*
 * The built-in string, in the order that is fastest. A PSK of TLS 1.3 goes with
 * SHA-256 only, which leaves AES-128-GCM behind the much slower ChaCha20.
 */
static const char *priority_default(gnutls_credentials_type_t type)
{
    if (type == GNUTLS_CRD_PSK && g_str_equal(CONFIG_TLS_PRIORITY, "NORMAL")) {
        return "NORMAL:-CHACHA20-POLY1305:+CHACHA20-POLY1305";
    }
    return CONFIG_TLS_PRIORITY;
}

static bool box_set_priority(QCryptoTLSCredsBox *box, const char *user,
                             Error **errp)
{
    const char *base = user && *user ? user : priority_default(box->type);
    bool profile = strstr(base, PRIORITY_PROFILE) != NULL;
    g_autofree char *full =
        g_strdup_printf("%s:%s%s", base, priority_end(box->type, base),
                        profile ? "" : ":" PRIORITY_PROFILE "MEDIUM");
    const char *at = NULL;
    int ret = gnutls_priority_init(&box->priority, full, &at);

    if (ret < 0) {
        box->priority = NULL;
    }
    if (ret < 0 && ret != GNUTLS_E_NO_PRIORITIES_WERE_SET) {
        error_setg(errp, "TLS priority '%s' is malformed at '%s': %s", base,
                   at ? at : "", gnutls_strerror(ret));
        return false;
    }
    if (ret < 0 || !priority_has_version(box->priority)) {
        error_setg(errp,
                   "TLS priority '%s' leaves no version that is usable "
                   "(1.2 or later%s)",
                   base,
                   box->type == GNUTLS_CRD_ANON ? ", anonymous: only 1.2" : "");
        return false;
    }
    if (priority_has_null_cipher(box->priority)) {
        error_setg(errp, "TLS priority '%s' allows to send in the clear", base);
        return false;
    }
    return true;
}

unsigned tls_creds_verify_flags(const QCryptoTLSCreds *creds)
{
    if (creds->priority && strstr(creds->priority, PRIORITY_PROFILE)) {
        return 0;
    }
    return GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM);
}

QCryptoTLSCredsBox *tls_creds_box_new(QCryptoTLSCreds *creds,
                                      gnutls_credentials_type_t type,
                                      Error **errp)
{
    g_autoptr(QCryptoTLSCredsBox) box = g_new0(QCryptoTLSCredsBox, 1);
    bool server = creds->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;
    int ret;

    box->refs = 1;
    box->endpoint = creds->endpoint;
    box->type = type;
    box->verify_peer = creds->verify_peer;
    if (!box_set_priority(box, creds->priority, errp)) {
        return NULL;
    }
    if (type == GNUTLS_CRD_CERTIFICATE) {
        ret = gnutls_certificate_allocate_credentials(&box->cred.cert);
    } else if (type == GNUTLS_CRD_PSK) {
        ret =
            server
                ? gnutls_psk_allocate_server_credentials(&box->cred.psk_server)
                : gnutls_psk_allocate_client_credentials(&box->cred.psk_client);
    } else {
        ret = server ? gnutls_anon_allocate_server_credentials(
                           &box->cred.anon_server)
                     : gnutls_anon_allocate_client_credentials(
                           &box->cred.anon_client);
    }
    if (ret < 0) {
        box->cred.any = NULL;
        error_setg(errp, "cannot make TLS credentials: %s",
                   gnutls_strerror(ret));
        return NULL;
    }
    return g_steal_pointer(&box);
}

QCryptoTLSCredsBox *tls_creds_box_ref(QCryptoTLSCredsBox *box)
{
    g_atomic_int_inc(&box->refs);
    return box;
}

static void box_free_cred(QCryptoTLSCredsBox *box)
{
    bool server = box->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;

    if (!box->cred.any) {
        return;
    }
    if (box->type == GNUTLS_CRD_CERTIFICATE) {
        gnutls_certificate_free_credentials(box->cred.cert);
    } else if (box->type == GNUTLS_CRD_PSK && server) {
        gnutls_psk_free_server_credentials(box->cred.psk_server);
    } else if (box->type == GNUTLS_CRD_PSK) {
        gnutls_psk_free_client_credentials(box->cred.psk_client);
    } else if (server) {
        gnutls_anon_free_server_credentials(box->cred.anon_server);
    } else {
        gnutls_anon_free_client_credentials(box->cred.anon_client);
    }
}

void tls_creds_box_unref(QCryptoTLSCredsBox *box)
{
    if (!box || !g_atomic_int_dec_and_test(&box->refs)) {
        return;
    }
    box_free_cred(box);
    if (box->priority) {
        gnutls_priority_deinit(box->priority);
    }
    tls_psk_file_free(box->psk);
    g_free(box);
}
