/*
 * TLS sessions over a socket pair: who gets in and who does not, versions,
 * data, the end, and faults of the transport.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "authz/list.h"
#include "crypto/tlscredsanon.h"
#include "crypto/tlscredspsk.h"
#include "crypto/tlscredsx509.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

#define PRIO_12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define PRIO_13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static TestPki *pki;

typedef struct Pair {
    QCryptoTLSCreds *screds, *ccreds;
    TestTLSEnd server, client;
} Pair;

static void pair_init(Pair *p, const char *hostname, const char *authzid)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    test_tls_end_init(&p->server,
                      qcrypto_tls_session_new(p->screds, NULL, authzid,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                              &error_abort),
                      fds[0]);
    test_tls_end_init(&p->client,
                      qcrypto_tls_session_new(p->ccreds, hostname, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT,
                                              &error_abort),
                      fds[1]);
}

static void pair_clear(Pair *p)
{
    test_tls_end_clear(&p->server);
    test_tls_end_clear(&p->client);
    object_unref(OBJECT(p->screds));
    object_unref(OBJECT(p->ccreds));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static void pair_creds_x509(Pair *p, TestPkiKind server, TestPkiKind client,
                            const char *sprio, const char *cprio)
{
    p->screds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                   test_pki_dir(pki, TEST_PKI_SERVER, server),
                                   &error_abort, "sanity-check", "off",
                                   "priority", sprio ? sprio : "NORMAL", NULL);
    p->ccreds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "client",
                                   test_pki_dir(pki, TEST_PKI_CLIENT, client),
                                   &error_abort, "sanity-check", "off",
                                   "priority", cprio ? cprio : "NORMAL", NULL);
}

static void pair_creds_psk(Pair *p, const char *prio)
{
    p->screds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                                   test_pki_psk_dir(pki), &error_abort,
                                   "priority", prio ? prio : "NORMAL", NULL);
    p->ccreds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client",
                                   test_pki_psk_dir(pki), &error_abort,
                                   "priority", prio ? prio : "NORMAL",
                                   "username", TEST_PKI_PSK_USER, NULL);
}

static void pair_creds_anon(Pair *p, const char *prio)
{
    p->screds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL,
                                   &error_abort, "priority",
                                   prio ? prio : "NORMAL", NULL);
    p->ccreds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_ANON, "client", NULL,
                                   &error_abort, "priority",
                                   prio ? prio : "NORMAL", NULL);
}

static void assert_error(Error *err, const char *text)
{
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), text)) {
        g_error("'%s' lacks '%s'", error_get_pretty(err), text);
    }
}

static void pair_must_work(Pair *p)
{
    test_tls_handshake(&p->server, &p->client);
    if (p->server.err || p->client.err) {
        g_error("server: %s; client: %s",
                p->server.err ? error_get_pretty(p->server.err) : "ok",
                p->client.err ? error_get_pretty(p->client.err) : "ok");
    }
}

/* Some data each way. */
static void pair_echo_bytes(Pair *p, size_t len)
{
    g_autofree char *out = g_malloc(len);
    g_autofree char *in = g_malloc0(len);

    for (size_t i = 0; i < len; i++) {
        out[i] = i * 7;
    }
    g_assert_cmpint(test_tls_write_all(&p->client, out, len), ==, len);
    g_assert_cmpint(test_tls_read_all(&p->server, in, len), ==, len);
    g_assert_cmpmem(in, len, out, len);
    g_assert_cmpint(test_tls_write_all(&p->server, out, len), ==, len);
    g_assert_cmpint(test_tls_read_all(&p->client, in, len), ==, len);
}

static void pair_echo(Pair *p)
{
    pair_echo_bytes(p, 3000);
}

/* -- kinds of credentials and versions ------------------------------------ */

typedef struct KindCase {
    const char *name;
    void (*creds)(Pair *p, const char *prio);
    const char *prio;
    const char *desc; /* begin of the description */
} KindCase;

static void creds_x509(Pair *p, const char *prio)
{
    pair_creds_x509(p, TEST_PKI_GOOD, TEST_PKI_GOOD, prio, prio);
}

static const KindCase kind_cases[] = {
    { "x509/1.2", creds_x509, PRIO_12, "TLS1.2, X.509, " },
    { "x509/1.3", creds_x509, PRIO_13, "TLS1.3, X.509, " },
    { "x509/default", creds_x509, NULL, "TLS1.3, X.509, " },
    { "psk/1.2", pair_creds_psk, PRIO_12, "TLS1.2, PSK, SECP256R1, " },
    { "psk/1.3", pair_creds_psk, PRIO_13, "TLS1.3, PSK, SECP256R1, " },
    { "psk/default", pair_creds_psk, NULL, "TLS1.3, PSK, " },
    { "anon/1.2", pair_creds_anon, PRIO_12, "TLS1.2, anonymous, FFDHE" },
    { "anon/default", pair_creds_anon, NULL, "TLS1.2, anonymous, FFDHE" },
};

static void test_kind(const void *opaque)
{
    const KindCase *c = opaque;
    g_auto(Pair) p = { 0 };
    g_autofree char *desc = NULL;

    c->creds(&p, c->prio);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    desc = qcrypto_tls_session_get_description(p.server.sess);
    if (!g_str_has_prefix(desc, c->desc)) {
        g_error("%s is not %s", desc, c->desc);
    }
    g_assert_cmpint(
        qcrypto_tls_session_get_key_size(p.server.sess, &error_abort), >=, 16);
    pair_echo(&p);
}

/* A transport that moves one byte at a time. */
static void test_tiny(void)
{
    g_auto(Pair) p = { 0 };

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    p.server.max_io = p.client.max_io = 1;
    pair_must_work(&p);
    pair_echo_bytes(&p, 50); /* a socket holds few pieces, however small */
}

/* -- certificates that are refused ---------------------------------------- */

typedef struct PeerCase {
    const char *name;
    TestPkiKind server, client;
    const char *hostname;
    const char *server_error, *client_error; /* NULL = must work */
    bool crl;                                /* the server has a CRL */
} PeerCase;

static const PeerCase peer_cases[] = {
    { "good", TEST_PKI_GOOD, TEST_PKI_GOOD, "localhost" },
    { "good-case", TEST_PKI_GOOD, TEST_PKI_GOOD, "LocalHost" },
    { "good-dot", TEST_PKI_GOOD, TEST_PKI_GOOD, "server.example.org." },
    { "good-ipv4", TEST_PKI_GOOD, TEST_PKI_GOOD, "127.0.0.1" },
    { "good-ipv6", TEST_PKI_GOOD, TEST_PKI_GOOD, "::1" },
    { "good-ipv6-brackets", TEST_PKI_GOOD, TEST_PKI_GOOD, "[::1]" },
    { "good-intermediate", TEST_PKI_INTERMEDIATE, TEST_PKI_INTERMEDIATE,
      "localhost" },
    { "good-no-purpose", TEST_PKI_NO_PURPOSE, TEST_PKI_NO_PURPOSE,
      "localhost" },
    { "wrong-host", TEST_PKI_GOOD, TEST_PKI_GOOD, "other.example.org", NULL,
      "is not for 'other.example.org'" },
    { "wrong-ipv4", TEST_PKI_GOOD, TEST_PKI_GOOD, "127.0.0.2", NULL,
      "is not for '127.0.0.2'" },
    { "wrong-ipv6", TEST_PKI_GOOD, TEST_PKI_GOOD, "::2", NULL,
      "is not for '::2'" },
    { "wrong-name", TEST_PKI_WRONG_NAME, TEST_PKI_GOOD, "localhost", NULL,
      "is not for 'localhost'" },
    { "server-expired", TEST_PKI_EXPIRED, TEST_PKI_GOOD, "localhost", NULL,
      "has expired" },
    { "server-not-yet", TEST_PKI_NOT_YET, TEST_PKI_GOOD, "localhost", NULL,
      "is not valid yet" },
    { "server-other-ca", TEST_PKI_MISMATCHED_CA, TEST_PKI_GOOD, "localhost",
      NULL, "is not signed by a certificate authority" },
    { "server-purpose", TEST_PKI_WRONG_PURPOSE, TEST_PKI_GOOD, "localhost",
      NULL, "is not meant for this side" },
    { "server-usage", TEST_PKI_WRONG_USAGE, TEST_PKI_GOOD, "localhost",
      "handshake", "handshake" },
    { "server-weak", TEST_PKI_WEAK, TEST_PKI_GOOD, "localhost", NULL,
      "too weak" },
    { "client-expired", TEST_PKI_GOOD, TEST_PKI_EXPIRED, "localhost",
      "has expired" },
    { "client-not-yet", TEST_PKI_GOOD, TEST_PKI_NOT_YET, "localhost",
      "is not valid yet" },
    { "client-other-ca", TEST_PKI_GOOD, TEST_PKI_MISMATCHED_CA, "localhost",
      "is not signed by a certificate authority" },
    { "client-purpose", TEST_PKI_GOOD, TEST_PKI_WRONG_PURPOSE, "localhost",
      "is not meant for this side" },
    { "client-weak", TEST_PKI_GOOD, TEST_PKI_WEAK, "localhost", "too weak" },
    { "client-none", TEST_PKI_GOOD, TEST_PKI_NO_CERT, "localhost",
      "certificate" },
    { "client-revoked", TEST_PKI_GOOD, TEST_PKI_REVOKED, "localhost",
      "is revoked", .crl = true },
};

static void peer_case_run(const PeerCase *c, const char *prio)
{
    g_auto(Pair) p = { 0 };

    pair_creds_x509(&p, c->server, c->client, prio, prio);
    if (c->crl) {
        const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, c->server);

        test_pki_add_crl(pki, dir);
        object_unref(OBJECT(p.screds));
        p.screds =
            test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                               &error_abort, "priority", prio, NULL);
    }
    pair_init(&p, c->hostname, NULL);
    if (!c->server_error && !c->client_error) {
        pair_must_work(&p);
        return;
    }
    test_tls_handshake(&p.server, &p.client);
    if (c->server_error) {
        assert_error(p.server.err, c->server_error);
    }
    if (c->client_error) {
        assert_error(p.client.err, c->client_error);
    }
    /* The refused side hears of it, by then or with its next read. */
    if (c->server_error && !p.client.err) {
        char byte;

        g_assert_cmpint(qcrypto_tls_session_recv(p.client.sess, &byte, 1,
                                                 &p.client.err),
                        ==, -1);
        assert_error(p.client.err, "alert");
        /* Whoever writes to it is told the same. */
        error_free(g_steal_pointer(&p.client.err));
        g_assert_cmpint(qcrypto_tls_session_send(p.client.sess, &byte, 1,
                                                 &p.client.err),
                        ==, -1);
        assert_error(p.client.err, "alert");
    }
}

static void test_peer(const void *opaque)
{
    peer_case_run(opaque, PRIO_12);
    peer_case_run(opaque, PRIO_13);
}

static void test_no_verify(void)
{
    g_auto(Pair) p = { 0 };

    p.screds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                           test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_EXPIRED),
                           &error_abort, "sanity-check", "off", "verify-peer",
                           "off", NULL);
    p.ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "client",
                           test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_NO_CERT),
                           &error_abort, "verify-peer", "off", NULL);
    pair_init(&p, NULL, NULL);
    pair_must_work(&p);
    g_assert_null(qcrypto_tls_session_get_peer_name(p.server.sess));
}

static void test_no_hostname(void)
{
    g_autoptr(QCryptoTLSCreds) creds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "client",
                           test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD),
                           &error_abort, NULL);
    Error *err = NULL;

    g_assert_null(qcrypto_tls_session_new(
        creds, NULL, NULL, QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, &err));
    assert_error(err, "host name is needed");
    error_free_or_abort(&err);
    g_assert_null(qcrypto_tls_session_new(
        creds, NULL, NULL, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &err));
    error_free_or_abort(&err);
}

/* -- authorization -------------------------------------------------------- */

static void authz_try(Pair *p, const char *allowed, const char *name)
{
    QAuthZList *list =
        qauthz_list_new("list0", QAUTHZ_LIST_POLICY_DENY, &error_abort);
    g_autofree char *got = NULL;

    qauthz_list_append_rule(list, allowed, QAUTHZ_LIST_POLICY_ALLOW,
                            QAUTHZ_LIST_FORMAT_EXACT, &error_abort);
    pair_init(p, "localhost", "list0");
    test_tls_handshake(&p->server, &p->client);
    if (g_str_equal(allowed, name)) {
        g_assert_null(p->server.err);
        got = qcrypto_tls_session_get_peer_name(p->server.sess);
        g_assert_cmpstr(got, ==, name);
    } else {
        assert_error(p->server.err, name);
        assert_error(p->server.err, "is not authorized by 'list0'");
    }
    object_unparent(OBJECT(list));
}

static void test_authz(void)
{
    static const char *const prios[] = { PRIO_12, PRIO_13 };

    for (size_t i = 0; i < G_N_ELEMENTS(prios); i++) {
        for (int ok = 0; ok < 2; ok++) {
            g_auto(Pair) x509 = { 0 };
            g_auto(Pair) psk = { 0 };

            creds_x509(&x509, prios[i]);
            authz_try(&x509, ok ? TEST_PKI_CLIENT_DN : "CN=mallory",
                      TEST_PKI_CLIENT_DN);
            pair_creds_psk(&psk, prios[i]);
            authz_try(&psk, ok ? TEST_PKI_PSK_USER : "mallory",
                      TEST_PKI_PSK_USER);
        }
    }
}

/* The object vanishes between start and the first peer: nobody gets in. */
static void test_authz_gone(void)
{
    QAuthZList *list =
        qauthz_list_new("list0", QAUTHZ_LIST_POLICY_ALLOW, &error_abort);
    g_auto(Pair) p = { 0 };

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", "list0");
    object_unparent(OBJECT(list));
    test_tls_handshake(&p.server, &p.client);
    assert_error(p.server.err, "cannot find authorization object 'list0'");
}

/* -- pre-shared keys that are refused ------------------------------------- */

static void psk_mismatch(const char *text, const char *user, const char *prio,
                         const char *error)
{
    g_auto(Pair) p = { 0 };

    pair_creds_psk(&p, prio);
    object_unref(OBJECT(p.ccreds));
    p.ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client",
                           test_pki_psk_dir_with(pki, text), &error_abort,
                           "username", user, "priority", prio, NULL);
    pair_init(&p, NULL, NULL);
    test_tls_handshake(&p.server, &p.client);
    assert_error(p.server.err, error);
    g_assert_nonnull(p.client.err);
}

static void test_psk_mismatch(void)
{
    static const char *const prios[] = { PRIO_12, PRIO_13 };

    for (size_t i = 0; i < G_N_ELEMENTS(prios); i++) {
        psk_mismatch("alice:ffffffffffffffffffffffffffffffff\n", "alice",
                     prios[i], "user 'alice' has another key");
        psk_mismatch("mallory:ffffffffffffffffffffffffffffffff\n", "mallory",
                     prios[i], "there is no key of user 'mallory'");
    }
}

/* Credentials of different kinds on the two sides. */
static void test_kind_mismatch(void)
{
    for (int i = 0; i < 2; i++) {
        g_auto(Pair) p = { 0 };
        g_auto(Pair) q = { 0 };
        QCryptoTLSCreds *tmp;

        creds_x509(&p, NULL);
        pair_creds_psk(&q, NULL);
        if (i) {
            tmp = p.ccreds;
            p.ccreds = q.ccreds;
            q.ccreds = tmp;
        } else {
            tmp = p.screds;
            p.screds = q.screds;
            q.screds = tmp;
        }
        pair_init(&p, "localhost", NULL);
        test_tls_handshake(&p.server, &p.client);
        g_assert_nonnull(p.server.err);
        g_assert_nonnull(p.client.err);
    }
}

/* -- peers that do not play ----------------------------------------------- */

static void garbage(const char *data, size_t len, const char *error)
{
    g_auto(Pair) p = { 0 };

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    g_assert_cmpint(write(p.client.fd, data, len), ==, len);
    shutdown(p.client.fd, SHUT_WR);
    for (int i = 0; i < 10 && !test_tls_end_step(&p.server); i++) {
    }
    assert_error(p.server.err, error);
}

static void test_garbage(void)
{
    static const char huge[] = "\x16\x03\x01\xff\xff";
    static const char old[] = /* TLS 1.1 ClientHello, no extensions */
        "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02"
        "0123456789abcdef0123456789abcdef\x00\x00\x02\x00\x2f\x01\x00";

    garbage("GET / HTTP/1.0\r\n\r\n", 18,
            "does not speak TLS: it began with 'GET / HT'");
    garbage("\0\1\2", 3, "does not speak TLS: it began with '\\x00\\x01\\x02'");
    garbage("", 0, "closed the connection during the TLS handshake");
    garbage("\x16\x03\x01", 3, "closed the connection");
    garbage(huge, 5, "TLS handshake failed");
    garbage("\x15\x03\x03\x00\x02\x02\x28", 7, "refused the TLS handshake");
    garbage(old, sizeof(old) - 1, "TLS handshake failed");
}

/* A raw GnuTLS peer that only speaks what is too old. */
static void test_old_version(void)
{
    g_auto(Pair) p = { 0 };
    gnutls_certificate_credentials_t cred;
    gnutls_session_t raw;
    int ret = GNUTLS_E_AGAIN;

    /* a priority that names TLS 1.1 does not enable it */
    pair_creds_x509(&p, TEST_PKI_GOOD, TEST_PKI_GOOD,
                    "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:%COMPAT", NULL);
    pair_init(&p, "localhost", NULL);
    g_assert_cmpint(gnutls_certificate_allocate_credentials(&cred), ==, 0);
    g_assert_cmpint(gnutls_init(&raw, GNUTLS_CLIENT | GNUTLS_NONBLOCK), ==, 0);
    g_assert_cmpint(gnutls_priority_set_direct(
                        raw, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:+SHA1",
                        NULL),
                    ==, 0);
    gnutls_credentials_set(raw, GNUTLS_CRD_CERTIFICATE, cred);
    gnutls_transport_set_int(raw, p.client.fd);
    for (int i = 0; i < 100 && ret == GNUTLS_E_AGAIN; i++) {
        ret = gnutls_handshake(raw);
        test_tls_end_step(&p.server);
    }
    assert_error(p.server.err, "TLS handshake failed");
    g_assert_cmpint(ret, ==, GNUTLS_E_FATAL_ALERT_RECEIVED);
    gnutls_deinit(raw);
    gnutls_certificate_free_credentials(cred);
}

/* Nothing goes out or in before the peer is checked. */
static void test_order(void)
{
    g_auto(Pair) p = { 0 };
    Error *err = NULL;
    char byte = 'x';

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    g_assert_cmpint(qcrypto_tls_session_send(p.client.sess, &byte, 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_tls_session_check_credentials(p.client.sess, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_tls_session_get_key_size(p.client.sess, &err), ==,
                    -1);
    error_free_or_abort(&err);
    for (int i = 0; i < 100; i++) {
        qcrypto_tls_session_handshake(p.client.sess, &error_abort);
        qcrypto_tls_session_handshake(p.server.sess, &error_abort);
    }
    g_assert_cmpint(qcrypto_tls_session_get_handshake_status(p.client.sess), ==,
                    QCRYPTO_TLS_HANDSHAKE_COMPLETE);
    g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, &byte, 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_tls_session_write(p.client.sess, &byte, 1), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
    pair_must_work(&p);
    pair_echo(&p);
}

/* -- the end -------------------------------------------------------------- */

static void test_bye(void)
{
    g_auto(Pair) p = { 0 };
    char buf[16];
    int ret;

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    g_assert_cmpint(test_tls_write_all(&p.client, "last", 4), ==, 4);
    ret = qcrypto_tls_session_bye(p.client.sess, &error_abort);
    g_assert_cmpint(ret, ==, QCRYPTO_TLS_BYE_RECVING);
    g_assert_cmpint(test_tls_read_all(&p.server, buf, sizeof(buf)), ==, 4);
    g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 1), ==, 0);
    g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 1), ==, 0);
    /* the other direction still works */
    g_assert_cmpint(qcrypto_tls_session_write(p.client.sess, buf, 1), ==, -1);
    g_assert_cmpint(test_tls_write_all(&p.server, "more", 4), ==, 4);
    ret = qcrypto_tls_session_bye(p.server.sess, &error_abort);
    g_assert_cmpint(ret, ==, QCRYPTO_TLS_BYE_COMPLETE);
    ret = qcrypto_tls_session_bye(p.client.sess, &error_abort);
    g_assert_cmpint(ret, ==, QCRYPTO_TLS_BYE_COMPLETE);
}

static void test_shutdown(void)
{
    g_auto(Pair) p = { 0 };
    char buf[16];

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    g_assert_cmpint(qcrypto_tls_session_shutdown(p.client.sess, &error_abort),
                    ==, QCRYPTO_TLS_BYE_COMPLETE);
    g_assert_cmpint(test_tls_write_all(&p.server, "reply", 5), ==, 5);
    g_assert_cmpint(test_tls_read_all(&p.client, buf, 5), ==, 5);
    g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 1), ==, 0);
}

/* A stream that is cut is told from one that ended. */
static void test_premature(void)
{
    g_auto(Pair) p = { 0 };
    char buf[16];

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    g_assert_cmpint(test_tls_write_all(&p.client, "cut", 3), ==, 3);
    shutdown(p.client.fd, SHUT_WR);
    g_assert_cmpint(test_tls_read_all(&p.server, buf, 3), ==, 3);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, buf, 1,
                                                 &error_abort),
                        ==, QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION);
    }
    g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 1), ==, -1);
    g_assert_cmpint(errno, ==, ECONNABORTED);
}

/* A record that was changed on the way. */
static void test_forged(void)
{
    g_auto(Pair) p = { 0 };
    Error *err = NULL;
    char buf[64] = "\x17\x03\x03\x00\x20";

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    g_assert_cmpint(send(p.client.fd, buf, 37, 0), ==, 37);
    g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, buf, 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, buf, 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qcrypto_tls_session_send(p.server.sess, buf, 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
}

/* The transport fails at the n-th call, for every n. */
static void test_faults(void)
{
    for (int n = 1; n < 12; n++) {
        for (int side = 0; side < 2; side++) {
            g_auto(Pair) p = { 0 };
            TestTLSEnd *bad = side ? &p.server : &p.client;
            char byte = 0;

            creds_x509(&p, NULL);
            pair_init(&p, "localhost", NULL);
            bad->fail_after = n;
            test_tls_handshake(&p.server, &p.client);
            if (bad->err) {
                assert_error(bad->err, "transport");
                continue;
            }
            for (int i = 0; i < 20; i++) {
                if (qcrypto_tls_session_write(bad->sess, &byte, 1) < 0) {
                    g_assert_cmpint(errno, ==, EIO);
                    break;
                }
            }
            g_assert_cmpint(qcrypto_tls_session_write(bad->sess, &byte, 1), ==,
                            -1);
        }
    }
}

/* A full pipe: what was taken is counted once, and arrives. */
static void test_block(void)
{
    g_auto(Pair) p = { 0 };
    size_t sent = 0, got = 0;
    const size_t total = 8 * 1024 * 1024;
    g_autofree uint8_t *buf = g_malloc(100000);
    unsigned blocked = 0;

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    while (got < total) {
        uint8_t in[50000];
        ssize_t n;

        for (size_t i = 0; sent < total && i < 100000; i++) {
            buf[i] = (sent + i) * 13 >> 3;
        }
        n = sent < total ? qcrypto_tls_session_send(p.client.sess, (char *)buf,
                                                    MIN(100000, total - sent),
                                                    &error_abort)
                         : QCRYPTO_TLS_SESSION_ERR_BLOCK;
        if (n > 0) {
            sent += n;
            continue;
        }
        g_assert_cmpint(n, ==, QCRYPTO_TLS_SESSION_ERR_BLOCK);
        blocked++;
        n = qcrypto_tls_session_recv(p.server.sess, (char *)in, sizeof(in),
                                     &error_abort);
        for (ssize_t i = 0; i < n; i++) {
            g_assert_cmpint(in[i], ==, (uint8_t)((got + i) * 13 >> 3));
        }
        got += MAX(n, 0);
    }
    g_assert_cmpint(got, ==, total);
    g_assert_cmpint(blocked, >, 10);
}

/* check_pending says when a read needs no more of the transport. */
static void test_pending(void)
{
    g_auto(Pair) p = { 0 };
    char buf[10];

    creds_x509(&p, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    g_assert_cmpint(qcrypto_tls_session_check_pending(p.server.sess), ==, 0);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(test_tls_write_all(&p.client, "0123456789", 10), ==,
                        10);
    }
    for (int i = 0; i < 6; i++) {
        g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 5), ==, 5);
        if (i < 5) {
            g_assert_cmpint(qcrypto_tls_session_check_pending(p.server.sess), >,
                            0);
        }
    }
    g_assert_cmpint(qcrypto_tls_session_check_pending(p.server.sess), ==, 0);
    g_assert_cmpint(qcrypto_tls_session_read(p.server.sess, buf, 5), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
}

/* A reload is for new sessions; the old one goes on. */
static void test_reload(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_auto(Pair) p = { 0 };
    g_auto(Pair) q = { 0 };

    creds_x509(&p, NULL);
    object_unref(OBJECT(p.screds));
    p.screds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                                  &error_abort, NULL);
    pair_init(&p, "localhost", NULL);
    pair_must_work(&p);
    test_pki_remake(pki, dir, TEST_PKI_SERVER, TEST_PKI_OTHER_CA);
    g_assert_true(qcrypto_tls_creds_reload(p.screds, &error_abort));
    pair_echo(&p);
    q.screds = QCRYPTO_TLS_CREDS(object_ref(p.screds));
    q.ccreds = QCRYPTO_TLS_CREDS(object_ref(p.ccreds));
    pair_init(&q, "localhost", NULL);
    test_tls_handshake(&q.server, &q.client);
    assert_error(q.client.err, "is not signed by a certificate authority");
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    pki = test_pki_new();
    for (size_t i = 0; i < G_N_ELEMENTS(kind_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlssession/kind/%s", kind_cases[i].name);

        g_test_add_data_func(name, &kind_cases[i], test_kind);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(peer_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlssession/peer/%s", peer_cases[i].name);

        g_test_add_data_func(name, &peer_cases[i], test_peer);
    }
    g_test_add_func("/crypto/tlssession/tiny", test_tiny);
    g_test_add_func("/crypto/tlssession/no-verify", test_no_verify);
    g_test_add_func("/crypto/tlssession/no-hostname", test_no_hostname);
    g_test_add_func("/crypto/tlssession/authz", test_authz);
    g_test_add_func("/crypto/tlssession/authz-gone", test_authz_gone);
    g_test_add_func("/crypto/tlssession/psk-mismatch", test_psk_mismatch);
    g_test_add_func("/crypto/tlssession/kind-mismatch", test_kind_mismatch);
    g_test_add_func("/crypto/tlssession/garbage", test_garbage);
    g_test_add_func("/crypto/tlssession/old-version", test_old_version);
    g_test_add_func("/crypto/tlssession/order", test_order);
    g_test_add_func("/crypto/tlssession/bye", test_bye);
    g_test_add_func("/crypto/tlssession/shutdown", test_shutdown);
    g_test_add_func("/crypto/tlssession/premature", test_premature);
    g_test_add_func("/crypto/tlssession/forged", test_forged);
    g_test_add_func("/crypto/tlssession/faults", test_faults);
    g_test_add_func("/crypto/tlssession/block", test_block);
    g_test_add_func("/crypto/tlssession/pending", test_pending);
    g_test_add_func("/crypto/tlssession/reload", test_reload);
    ret = g_test_run();
    test_pki_free(pki);
    return ret;
}
