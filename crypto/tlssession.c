/*
 * TLS sessions: making one, and the handshake.
 *
 * The handshake is GnuTLS's; around it, the first byte of the peer is looked
 * at, because "does not speak TLS" is the fault that people meet most, and
 * GnuTLS reports it as a length that is wrong.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlssession.h"

#include <arpa/inet.h>

#include "crypto/tlscredsx509.h"
#include "util/error.h"
#include "util/lockable.h"

#include "tlssession-internal.h"

/* RFC 8446 5.1: what a record of a handshake can begin with. */
#define TLS_CONTENT_ALERT     21
#define TLS_CONTENT_HANDSHAKE 22

/* Smallest Diffie-Hellman group that a TLS 1.2 server may choose. */
#define TLS_DH_MIN_BITS 2048

int tls_session_psk_key(gnutls_session_t handle, const gnutls_datum_t *user,
                        gnutls_datum_t *key)
{
    QCryptoTLSSession *sess = gnutls_session_get_ptr(handle);
    const TLSPskKey *k = NULL;

    g_free(sess->psk_user);
    sess->psk_user = g_strndup((char *)user->data, user->size);
    if (strlen(sess->psk_user) == user->size) {
        k = tls_psk_file_lookup(sess->box->psk, sess->psk_user);
    }
    sess->psk_unknown = !k;
    if (!k) {
        return 1; /* GnuTLS goes on with a random key */
    }
    key->data = gnutls_malloc(k->len);
    if (!key->data) {
        return -1;
    }
    memcpy(key->data, k->bytes, k->len);
    key->size = k->len;
    return 0;
}

/* Host name as certificates bear it: no brackets, zone, or trailing dot. */
static char *hostname_normalize(const char *hostname)
{
    g_autofree char *name = g_strdup(hostname);
    size_t len = strlen(name);
    struct in6_addr addr;
    char *zone;

    if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
        memmove(name, name + 1, len - 2);
        name[len - 2] = '\0';
        len -= 2;
    }
    zone = strchr(name, '%');
    if (zone) {
        *zone = '\0';
        if (inet_pton(AF_INET6, name, &addr) != 1) {
            *zone = '%';
        }
        len = strlen(name);
    }
    if (len > 1 && name[len - 1] == '.') {
        name[len - 1] = '\0';
    }
    return g_steal_pointer(&name);
}

static bool is_ip_address(const char *name)
{
    struct in6_addr addr;

    return inet_pton(AF_INET, name, &addr) == 1 ||
           inet_pton(AF_INET6, name, &addr) == 1;
}

static bool session_set_name(QCryptoTLSSession *sess, const char *hostname,
                             Error **errp)
{
    int ret;

    if (sess->box->type != GNUTLS_CRD_CERTIFICATE ||
        sess->box->endpoint != QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT) {
        return true;
    }
    if (!hostname || !*hostname) {
        if (sess->box->verify_peer) {
            error_setg(errp, "a host name is needed to verify the server's "
                             "certificate");
            return false;
        }
        return true;
    }
    sess->hostname = hostname_normalize(hostname);
    if (is_ip_address(sess->hostname)) {
        return true; /* RFC 6066 3: no addresses in server_name */
    }
    ret = gnutls_server_name_set(sess->handle, GNUTLS_NAME_DNS, sess->hostname,
                                 strlen(sess->hostname));
    if (ret < 0) {
        error_setg(errp, "host name '%s' is not usable: %s", sess->hostname,
                   gnutls_strerror(ret));
        return false;
    }
    return true;
}

static bool session_setup(QCryptoTLSSession *sess, Error **errp)
{
    bool server = sess->box->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER;
    int ret =
        gnutls_init(&sess->handle,
                    (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                        GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                        GNUTLS_NO_AUTO_REKEY | GNUTLS_FORCE_CLIENT_CERT);

    if (ret < 0) {
        sess->handle = NULL;
        error_setg(errp, "cannot make a TLS session: %s", gnutls_strerror(ret));
        return false;
    }
    gnutls_session_set_ptr(sess->handle, sess);
    ret = gnutls_priority_set(sess->handle, sess->box->priority);
    if (ret >= 0) {
        ret = gnutls_credentials_set(sess->handle, sess->box->type,
                                     sess->box->cred.any);
    }
    if (ret < 0) {
        error_setg(errp, "cannot set up a TLS session: %s",
                   gnutls_strerror(ret));
        return false;
    }
    gnutls_dh_set_prime_bits(sess->handle, TLS_DH_MIN_BITS);
    if (server && sess->box->type == GNUTLS_CRD_CERTIFICATE) {
        gnutls_certificate_server_set_request(
            sess->handle,
            sess->box->verify_peer ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    }
    tls_io_setup(sess);
    return true;
}

QCryptoTLSSession *qcrypto_tls_session_new(QCryptoTLSCreds *creds,
                                           const char *hostname,
                                           const char *authzid,
                                           QCryptoTLSCredsEndpoint endpoint,
                                           Error **errp)
{
    g_autoptr(QCryptoTLSSession) sess = NULL;

    if (!qcrypto_tls_creds_check_endpoint(creds, endpoint, errp) ||
        !qcrypto_tls_creds_check_authz(creds, authzid, errp)) {
        return NULL;
    }
    sess = g_new0(QCryptoTLSSession, 1);
    qemu_mutex_init(&sess->out_lock);
    qemu_mutex_init(&sess->in_lock);
    qemu_mutex_init(&sess->recv_lock);
    qemu_mutex_init(&sess->send_lock);
    sess->in_end = 1;
    sess->pull_left = SIZE_MAX;
    sess->rekey_after = TLS_REKEY_RECORDS;
    sess->hs_status = QCRYPTO_TLS_HANDSHAKE_SENDING;
    sess->authzid = g_strdup(authzid);
    sess->box = tls_creds_get_box(creds, errp);
    if (!sess->box || !session_setup(sess, errp) ||
        !session_set_name(sess, hostname, errp)) {
        return NULL;
    }
    if (endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER) {
        sess->hs_status = QCRYPTO_TLS_HANDSHAKE_RECVING;
    }
    return g_steal_pointer(&sess);
}

void qcrypto_tls_session_free(QCryptoTLSSession *sess)
{
    if (!sess) {
        return;
    }
    if (sess->handle) {
        gnutls_deinit(sess->handle);
    }
    tls_keys_end(sess);
    if (sess->gather) {
        explicit_bzero(sess->gather, QCRYPTO_TLS_MAX_RECORD);
        g_free(sess->gather);
    }
    tls_bytes_clear(&sess->ahead);
    tls_bytes_clear(&sess->fresh);
    tls_bytes_clear(&sess->flight);
    qemu_mutex_destroy(&sess->send_lock);
    qemu_mutex_destroy(&sess->recv_lock);
    qemu_mutex_destroy(&sess->in_lock);
    qemu_mutex_destroy(&sess->out_lock);
    tls_creds_box_unref(sess->box);
    g_free(sess->hostname);
    g_free(sess->authzid);
    g_free(sess->peer_name);
    g_free(sess->psk_user);
    g_free(sess->why);
    g_free(sess->out_why);
    g_free(sess);
}

/* -- the handshake -------------------------------------------------------- */

static void handshake_error(QCryptoTLSSession *sess, int ret, Error **errp)
{
    const char *alert;

    switch (ret) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        alert = gnutls_alert_get_name(gnutls_alert_get(sess->handle));
        error_setg(errp, "the peer refused the TLS handshake: %s",
                   alert ? alert : "unknown alert");
        return;
    case GNUTLS_E_PREMATURE_TERMINATION:
        error_setg(errp, "the peer closed the connection during the TLS "
                         "handshake");
        return;
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        error_setg(errp, "TLS handshake failed: the peer sent no certificate");
        return;
    default:
        break;
    }
    if (sess->psk_user && sess->psk_unknown) {
        error_setg(errp, "TLS handshake failed: there is no key of user '%s'",
                   sess->psk_user);
    } else if (sess->psk_user) {
        error_setg(errp,
                   "TLS handshake failed: user '%s' has another key, or: %s",
                   sess->psk_user, gnutls_strerror(ret));
    } else {
        error_setg(errp, "TLS handshake failed: %s", gnutls_strerror(ret));
    }
}

static int handshake_failed(QCryptoTLSSession *sess, int ret, Error **errp)
{
    handshake_error(sess, ret, errp);
    WITH_QEMU_LOCK_GUARD(&sess->send_lock)
    {
        gnutls_alert_send_appropriate(sess->handle, ret);
    }
    tls_flush(sess, NULL);
    return -1;
}

/* The peer's first byte is in the buffer. */
static bool peer_speaks_tls(QCryptoTLSSession *sess, Error **errp)
{
    const uint8_t *p = sess->ahead.data;
    g_autoptr(GString) seen = NULL;

    if (p[0] == TLS_CONTENT_HANDSHAKE || p[0] == TLS_CONTENT_ALERT) {
        return true;
    }
    seen = g_string_new(NULL);
    for (size_t i = 0; i < MIN(sess->ahead.end, 8); i++) {
        if (g_ascii_isprint(p[i])) {
            g_string_append_c(seen, p[i]);
        } else {
            g_string_append_printf(seen, "\\x%02x", p[i]);
        }
    }
    error_setg(errp, "the peer does not speak TLS: it began with '%s'",
               seen->str);
    return false;
}

/* Returns: 1 = there is more; 0 = wait; -1. */
static int handshake_fill(QCryptoTLSSession *sess, Error **errp)
{
    ssize_t n = tls_fill(sess, errp);
    bool first = n > 0 && !sess->heard;

    if (n == QCRYPTO_TLS_SESSION_ERR_BLOCK) {
        sess->hs_status = QCRYPTO_TLS_HANDSHAKE_RECVING;
        return 0;
    }
    if (n < 0) {
        return -1;
    }
    sess->heard |= first;
    if (first && !peer_speaks_tls(sess, errp)) {
        WITH_QEMU_LOCK_GUARD(&sess->send_lock)
        {
            gnutls_alert_send(sess->handle, GNUTLS_AL_FATAL,
                              GNUTLS_A_UNEXPECTED_MESSAGE);
        }
        tls_flush(sess, NULL);
        return -1;
    }
    return 1;
}

static void handshake_done(QCryptoTLSSession *sess)
{
    sess->tls13 = gnutls_protocol_get_version(sess->handle) == GNUTLS_TLS1_3;
    sess->hs_status = QCRYPTO_TLS_HANDSHAKE_COMPLETE;
    tls_hook_setup(sess);
    g_atomic_int_set(&sess->state, TLS_STATE_UNCHECKED);
}

/* Under both outer locks. Returns: 0 = see hs_status; -1. */
static int session_handshake(QCryptoTLSSession *sess, Error **errp)
{
    for (;;) {
        int ret = sess->hs_finished ? 0 : gnutls_handshake(sess->handle);
        int out;

        if (ret < 0 && gnutls_error_is_fatal(ret)) {
            return handshake_failed(sess, ret, errp);
        }
        sess->hs_finished = ret == 0;
        out = tls_flush(sess, errp);
        if (out == QCRYPTO_TLS_SESSION_ERR_BLOCK) {
            sess->hs_status = QCRYPTO_TLS_HANDSHAKE_SENDING;
            return 0;
        }
        if (out < 0) {
            return -1;
        }
        if (ret == 0) {
            handshake_done(sess);
            return 0;
        }
        if (ret == GNUTLS_E_AGAIN && sess->ahead.start == sess->ahead.end) {
            int in = handshake_fill(sess, errp);

            if (in != 1) {
                return in;
            }
        }
    }
}

int qcrypto_tls_session_handshake(QCryptoTLSSession *sess, Error **errp)
{
    ERRP_GUARD();
    int ret;

    QEMU_LOCK_GUARD(&sess->out_lock);
    QEMU_LOCK_GUARD(&sess->in_lock);
    switch (g_atomic_int_get(&sess->state)) {
    case TLS_STATE_HANDSHAKE:
        break;
    case TLS_STATE_BROKEN:
        tls_tell_broken(sess, errp);
        return -1;
    default:
        return 0;
    }
    if (!sess->push || !sess->pull) {
        error_setg(errp, "TLS session has no transport");
        return -1;
    }
    ret = session_handshake(sess, errp);
    if (ret < 0) {
        tls_break(sess, *errp);
    }
    return ret;
}

QCryptoTLSSessionHandshakeStatus qcrypto_tls_session_get_handshake_status(
    QCryptoTLSSession *sess)
{
    return sess->hs_status;
}

/* -- what is known -------------------------------------------------------- */

int qcrypto_tls_session_get_key_size(QCryptoTLSSession *sess, Error **errp)
{
    int size = gnutls_cipher_get_key_size(gnutls_cipher_get(sess->handle));

    if (size <= 0) {
        error_setg(errp, "TLS session has no cipher yet");
        return -1;
    }
    return size;
}

char *qcrypto_tls_session_get_peer_name(QCryptoTLSSession *sess)
{
    return g_strdup(sess->peer_name);
}

static const char *kind_text(gnutls_credentials_type_t type)
{
    switch (type) {
    case GNUTLS_CRD_CERTIFICATE:
        return "X.509";
    case GNUTLS_CRD_PSK:
        return "PSK";
    default:
        return "anonymous";
    }
}

char *qcrypto_tls_session_get_description(QCryptoTLSSession *sess)
{
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(sess->handle);
    gnutls_mac_algorithm_t mac = gnutls_mac_get(sess->handle);
    const char *group = gnutls_group_get_name(gnutls_group_get(sess->handle));

    if (g_atomic_int_get(&sess->state) == TLS_STATE_HANDSHAKE) {
        return NULL;
    }
    return g_strdup_printf(
        "%s, %s, %s, %s%s%s",
        gnutls_protocol_get_name(gnutls_protocol_get_version(sess->handle)),
        kind_text(sess->box->type), group ? group : "no group",
        gnutls_cipher_get_name(cipher), mac == GNUTLS_MAC_AEAD ? "" : "-",
        mac == GNUTLS_MAC_AEAD ? "" : gnutls_mac_get_name(mac));
}
