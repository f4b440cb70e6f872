/*
 * Is the peer who it should be, and may it?
 *
 * Runs once, between the handshake and the first byte of data. A peer that
 * is refused is told so with an alert that says why.
 *
 * Source: RFC 5280 6 (chain), RFC 6125 (names), RFC 8446 6.2 (alerts).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>

#include "authz/base.h"
#include "util/error.h"
#include "util/lockable.h"

#include "tlssession-internal.h"

void tls_send_fatal(QCryptoTLSSession *sess, gnutls_alert_description_t alert)
{
    QEMU_LOCK_GUARD(&sess->out_lock);

    WITH_QEMU_LOCK_GUARD(&sess->send_lock)
    {
        gnutls_alert_send(sess->handle, GNUTLS_AL_FATAL, alert);
    }
    tls_flush(sess, NULL);
}

static gnutls_alert_description_t status_alert(unsigned status)
{
    if (status & GNUTLS_CERT_REVOKED) {
        return GNUTLS_A_CERTIFICATE_REVOKED;
    }
    if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) {
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    }
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) {
        return GNUTLS_A_UNKNOWN_CA;
    }
    return GNUTLS_A_BAD_CERTIFICATE;
}

/* What gnutls_certificate_verify_peers() is to compare. */
typedef struct PeerData {
    gnutls_typed_vdata_st item[2];
    unsigned n;
    struct in6_addr addr;
} PeerData;

static void peer_data_init(QCryptoTLSSession *sess, PeerData *d)
{
    bool server = sess->box->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;
    const char *oid =
        server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
    gnutls_typed_vdata_st *name = &d->item[1];

    *d = (PeerData){ .n = 1 };
    d->item[0].type = GNUTLS_DT_KEY_PURPOSE_OID;
    d->item[0].data = (unsigned char *)oid;
    if (!sess->hostname) {
        return;
    }
    d->n = 2;
    name->type = GNUTLS_DT_IP_ADDRESS;
    name->data = (unsigned char *)&d->addr;
    if (inet_pton(AF_INET, sess->hostname, &d->addr) == 1) {
        name->size = sizeof(struct in_addr);
    } else if (inet_pton(AF_INET6, sess->hostname, &d->addr) == 1) {
        name->size = sizeof(struct in6_addr);
    } else {
        name->type = GNUTLS_DT_DNS_HOSTNAME;
        name->data = (unsigned char *)sess->hostname;
        name->size = strlen(sess->hostname);
    }
}

/* Distinguished name of the peer's certificate. */
static char *peer_dn(const gnutls_datum_t *der, Error **errp)
{
    g_autofree char *name = NULL;
    gnutls_x509_crt_t crt;
    size_t size = 0;
    int ret = gnutls_x509_crt_init(&crt);

    if (ret < 0) {
        error_setg(errp, "cannot read the peer's certificate: %s",
                   gnutls_strerror(ret));
        return NULL;
    }
    ret = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER);
    if (ret >= 0) {
        ret = gnutls_x509_crt_get_dn(crt, NULL, &size);
        if (ret == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            name = g_malloc0(size + 1);
            ret = gnutls_x509_crt_get_dn(crt, name, &size);
        }
    }
    gnutls_x509_crt_deinit(crt);
    if (ret < 0 || !name) {
        error_setg(errp, "the peer's certificate has no distinguished name");
        return NULL;
    }
    return g_steal_pointer(&name);
}

/* Say what is wrong with the certificate, here and to the peer. */
static void certificate_refuse(QCryptoTLSSession *sess, const char *dn,
                               unsigned status, Error **errp)
{
    const char *why = tls_cert_status_text(status);

    if (g_str_equal(why, tls_cert_status_text(GNUTLS_CERT_UNEXPECTED_OWNER))) {
        error_setg(errp, "the peer's certificate '%s' is not for '%s'", dn,
                   sess->hostname);
    } else {
        error_setg(errp, "the peer's certificate '%s' %s", dn, why);
    }
    tls_send_fatal(sess, status_alert(status));
}

static bool check_certificate(QCryptoTLSSession *sess, Error **errp)
{
    const gnutls_datum_t *certs;
    unsigned n = 0, status = 0;
    g_autofree char *dn = NULL;
    PeerData data;
    int ret;

    if (!sess->box->verify_peer) {
        return true;
    }
    certs = gnutls_certificate_get_peers(sess->handle, &n);
    if (!certs || n == 0) {
        error_setg(errp, "the peer sent no certificate");
        tls_send_fatal(sess, GNUTLS_A_CERTIFICATE_REQUIRED);
        return false;
    }
    peer_data_init(sess, &data);
    ret = gnutls_certificate_verify_peers(sess->handle, data.item, data.n,
                                          &status);
    if (ret < 0) {
        error_setg(errp, "the peer's certificate cannot be verified: %s",
                   gnutls_strerror(ret));
        tls_send_fatal(sess, GNUTLS_A_BAD_CERTIFICATE);
        return false;
    }
    dn = peer_dn(&certs[0], errp);
    if (!dn) {
        tls_send_fatal(sess, GNUTLS_A_BAD_CERTIFICATE);
        return false;
    }
    if (status) {
        certificate_refuse(sess, dn, status, errp);
        return false;
    }
    sess->peer_name = g_steal_pointer(&dn);
    return true;
}

static bool check_psk(QCryptoTLSSession *sess, Error **errp)
{
    gnutls_datum_t user = { 0 };

    if (sess->box->endpoint != QCRYPTO_TLS_CREDS_ENDPOINT_SERVER) {
        return true; /* who has the key is the server */
    }
    if (gnutls_psk_server_get_username2(sess->handle, &user) < 0 ||
        user.size == 0) {
        error_setg(errp, "the peer gave no user name");
        return false;
    }
    sess->peer_name = g_strndup((char *)user.data, user.size);
    return true;
}

static bool check_authz(QCryptoTLSSession *sess, Error **errp)
{
    ERRP_GUARD();

    if (!sess->authzid) {
        return true;
    }
    if (sess->peer_name &&
        qauthz_is_allowed_by_id(sess->authzid, sess->peer_name, errp)) {
        return true;
    }
    if (*errp) {
        error_prepend(errp, "cannot authorize '%s': ",
                      sess->peer_name ? sess->peer_name : "");
    } else {
        error_setg(errp, "'%s' is not authorized by '%s'",
                   sess->peer_name ? sess->peer_name : "", sess->authzid);
    }
    tls_send_fatal(sess, GNUTLS_A_ACCESS_DENIED);
    return false;
}

/* The handshake must have ended as the credentials mean it. */
static bool check_kind(QCryptoTLSSession *sess, Error **errp)
{
    gnutls_protocol_t version = gnutls_protocol_get_version(sess->handle);

    if (version != GNUTLS_TLS1_2 && version != GNUTLS_TLS1_3) {
        error_setg(errp, "protocol version %s is not acceptable",
                   gnutls_protocol_get_name(version));
        return false;
    }
    if (gnutls_auth_get_type(sess->handle) != sess->box->type) {
        error_setg(errp, "TLS was established without the credentials");
        return false;
    }
    return true;
}

int qcrypto_tls_session_check_credentials(QCryptoTLSSession *sess, Error **errp)
{
    ERRP_GUARD();
    bool ok;

    switch (g_atomic_int_get(&sess->state)) {
    case TLS_STATE_OPEN:
        return 0;
    case TLS_STATE_UNCHECKED:
        break;
    default:
        error_setg(errp, "TLS handshake is not complete");
        return -1;
    }
    ok = check_kind(sess, errp) &&
         (sess->box->type != GNUTLS_CRD_CERTIFICATE ||
          check_certificate(sess, errp)) &&
         (sess->box->type != GNUTLS_CRD_PSK || check_psk(sess, errp)) &&
         check_authz(sess, errp);
    if (!ok) {
        tls_break(sess, *errp);
        return -1;
    }
    tls_keys_start(sess);
    g_atomic_int_set(&sess->state, TLS_STATE_OPEN);
    return 0;
}
