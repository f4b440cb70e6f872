/*
 * TLS credentials: what is accepted, what is refused and in which words,
 * reloading.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/list.h"
#include "crypto/secret.h"
#include "crypto/tlscredsanon.h"
#include "crypto/tlscredspsk.h"
#include "crypto/tlscredsx509.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

static TestPki *pki;

typedef struct X509Case {
    const char *name;
    TestPkiSide side;
    TestPkiKind kind;
    bool crl;
    bool no_sanity;
    const char *error; /* part of the message; NULL = accepted */
} X509Case;

static const X509Case x509_cases[] = {
    { "server", TEST_PKI_SERVER, TEST_PKI_GOOD },
    { "client", TEST_PKI_CLIENT, TEST_PKI_GOOD },
    { "client-without-cert", TEST_PKI_CLIENT, TEST_PKI_NO_CERT },
    { "server-without-cert", TEST_PKI_SERVER, TEST_PKI_NO_CERT,
      .error = "server-cert.pem': No such file" },
    { "server-without-key", TEST_PKI_SERVER, TEST_PKI_NO_KEY,
      .error = "server-key.pem': No such file" },
    { "client-without-key", TEST_PKI_CLIENT, TEST_PKI_NO_KEY,
      .error = "client-key.pem' is missing" },
    { "expired", TEST_PKI_SERVER, TEST_PKI_EXPIRED,
      .error = "server-cert.pem': certificate 'CN=server.example.org,"
               "O=Ferry' has expired" },
    { "not-yet", TEST_PKI_CLIENT, TEST_PKI_NOT_YET,
      .error = "is not valid yet" },
    { "other-ca", TEST_PKI_SERVER, TEST_PKI_OTHER_CA },
    { "mismatched-ca", TEST_PKI_SERVER, TEST_PKI_MISMATCHED_CA,
      .error = "is not signed by a certificate authority" },
    { "leaf-is-ca", TEST_PKI_SERVER, TEST_PKI_LEAF_IS_CA,
      .error = "is that of a certificate authority" },
    { "wrong-usage", TEST_PKI_SERVER, TEST_PKI_WRONG_USAGE,
      .error = "does not allow digital signatures" },
    { "wrong-purpose-server", TEST_PKI_SERVER, TEST_PKI_WRONG_PURPOSE,
      .error = "is not that of a TLS server" },
    { "wrong-purpose-client", TEST_PKI_CLIENT, TEST_PKI_WRONG_PURPOSE,
      .error = "is not that of a TLS client" },
    { "no-purpose", TEST_PKI_SERVER, TEST_PKI_NO_PURPOSE },
    { "revoked-without-crl", TEST_PKI_CLIENT, TEST_PKI_REVOKED },
    { "revoked", TEST_PKI_CLIENT, TEST_PKI_REVOKED, .crl = true,
      .error = "is revoked" },
    { "crl-of-others", TEST_PKI_CLIENT, TEST_PKI_GOOD, .crl = true },
    { "weak", TEST_PKI_SERVER, TEST_PKI_WEAK, .error = "too weak" },
    { "encrypted-key", TEST_PKI_SERVER, TEST_PKI_ENCRYPTED_KEY,
      .error = "the key is encrypted and there is no passwordid" },
    { "wrong-key", TEST_PKI_SERVER, TEST_PKI_WRONG_KEY,
      .error = "server-key.pem' is not the key of the certificate" },
    { "intermediate", TEST_PKI_SERVER, TEST_PKI_INTERMEDIATE },
    { "ca-no-flag", TEST_PKI_SERVER, TEST_PKI_CA_NO_FLAG,
      .error = "ca-cert.pem': certificate 'CN=Ferry Odd CA,O=Ferry' lacks "
               "the flag" },
    { "ca-wrong-usage", TEST_PKI_SERVER, TEST_PKI_CA_WRONG_USAGE,
      .error = "does not allow to sign certificates" },
    { "ca-expired", TEST_PKI_SERVER, TEST_PKI_CA_EXPIRED,
      .error = "ca-cert.pem': certificate 'CN=Ferry Odd CA,O=Ferry' has "
               "expired" },
    { "self-signed", TEST_PKI_SERVER, TEST_PKI_SELF_SIGNED,
      .error = "lacks the flag" },
    { "no-sanity-expired", TEST_PKI_SERVER, TEST_PKI_EXPIRED,
      .no_sanity = true },
    { "no-sanity-ca-no-flag", TEST_PKI_SERVER, TEST_PKI_CA_NO_FLAG,
      .no_sanity = true },
    { "no-sanity-wrong-key", TEST_PKI_SERVER, TEST_PKI_WRONG_KEY,
      .no_sanity = true, .error = "is not the key" },
};

static const char *side_name(TestPkiSide side)
{
    return side == TEST_PKI_SERVER ? "server" : "client";
}

/* Arguments are evaluated in any order, hence the pointer. */
static void assert_refused(QCryptoTLSCreds *creds, Error **errp,
                           const char *text)
{
    g_assert_null(creds);
    g_assert_nonnull(*errp);
    if (!strstr(error_get_pretty(*errp), text)) {
        g_error("'%s' lacks '%s'", error_get_pretty(*errp), text);
    }
    error_free_or_abort(errp);
}

static void test_x509(const void *opaque)
{
    const X509Case *c = opaque;
    const char *dir = test_pki_make_dir(pki, c->side, c->kind);
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    Error *err = NULL;

    if (c->crl) {
        test_pki_add_crl(pki, dir);
    }
    creds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, side_name(c->side),
                               dir, &err, "sanity-check",
                               c->no_sanity ? "off" : "on", NULL);
    if (c->error) {
        assert_refused(creds, &err, c->error);
    } else if (err) {
        g_error("%s", error_get_pretty(err));
    }
}

static void test_x509_no_ca(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    Error *err = NULL;

    test_pki_unlink(dir, "ca-cert.pem");
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, NULL),
                   &err, "ca-cert.pem': No such file");
    test_pki_write(dir, "ca-cert.pem", "hello", 5);
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, NULL),
                   &err, "ca-cert.pem' has no usable certificate");
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      NULL, &err, NULL),
                   &err, "dir");
}

static void test_x509_bad_crl(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    Error *err = NULL;

    test_pki_write(dir, "ca-crl.pem", "hello", 5);
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, NULL),
                   &err, "ca-crl.pem' has no usable revocation list");
}

static void test_x509_oversize(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_autofree char *big = g_malloc0(QCRYPTO_TLS_CREDS_MAX_FILE + 1);
    Error *err = NULL;

    test_pki_write(dir, "ca-cert.pem", big, QCRYPTO_TLS_CREDS_MAX_FILE + 1);
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, NULL),
                   &err, "at most");
}

static Object *make_secret(const char *id, const char *data)
{
    return object_new_with_props(TYPE_QCRYPTO_SECRET, object_get_objects_root(),
                                 id, &error_abort, "data", data, NULL);
}

static void test_x509_password(void)
{
    const char *dir =
        test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_ENCRYPTED_KEY);
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    Error *err = NULL;

    make_secret("pw", TEST_PKI_PASSWORD);
    make_secret("wrongpw", "wrong");
    creds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                               &error_abort, "passwordid", "pw", NULL);
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, "passwordid", "wrongpw", NULL),
                   &err, "the password of secret 'wrongpw' is wrong");
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                                      dir, &err, "passwordid", "nosuch", NULL),
                   &err, "nosuch");
    object_unparent(object_resolve_path("/objects/pw", NULL));
    object_unparent(object_resolve_path("/objects/wrongpw", NULL));
}

static void test_priority(void)
{
    const char *dir = test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    static const struct {
        const char *priority, *error;
    } cases[] = {
        { "NORMAL", NULL },
        { "NORMAL:-VERS-TLS1.3", NULL },
        { "NORMAL:+VERS-TLS1.1", NULL },
        { "SECURE256", NULL },
        { "NORMAL:+NOSUCH", "malformed at" },
        { "nonsense", "malformed at" },
        { "NORMAL:-VERS-ALL:+VERS-TLS1.1", "leaves no version" },
        { "NORMAL:-VERS-TLS1.2:-VERS-TLS1.3", "leaves no version" },
        { "NORMAL:+NULL", "allows to send in the clear" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(QCryptoTLSCreds) creds = NULL;
        Error *err = NULL;

        creds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                                   &err, "priority", cases[i].priority, NULL);
        if (cases[i].error) {
            assert_refused(creds, &err, cases[i].error);
        } else {
            g_assert_null(err);
        }
    }
}

static void test_weak_by_priority(void)
{
    const char *dir = test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_WEAK);
    g_autoptr(QCryptoTLSCreds) creds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                           &error_abort, "priority", "NORMAL:%PROFILE_LOW",
                           NULL);

    g_assert_nonnull(creds);
}

static void test_anon(void)
{
    g_autoptr(QCryptoTLSCreds) server = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL, &error_abort, NULL);
    g_autoptr(QCryptoTLSCreds) client = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_ANON, "client", "/", &error_abort, NULL);
    Error *err = NULL;

    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_ANON, "server",
                                      NULL, &err, "priority",
                                      "NORMAL:-VERS-TLS1.2", NULL),
                   &err, "anonymous: only 1.2");
}

static void test_psk(void)
{
    static const struct {
        const char *text, *user, *error;
    } cases[] = {
        { "alice:00112233445566778899aabbccddeeff\n", "alice", NULL },
        { "alice:00112233445566778899aabbccddeeff", "alice", NULL },
        { "alice:00112233445566778899AABBCCDDEEFF\r\n", "alice", NULL },
        { "# hi\n\nqemu:00112233445566778899aabbccddeeff\n", NULL, NULL },
        { "#616c696365:00112233445566778899aabbccddeeff\n", "alice", NULL },
        { "a:b:00112233445566778899aabbccddeeff\n", "a:b", NULL },
        { "alice:00112233445566778899aabbccddeeff\n", "bob",
          "has no key of user 'bob'" },
        { "", "bob", "no user in it" },
        { "alice\n", "alice", "line 1: no ':'" },
        { "alice:\n", "alice", "line 1: key of user 'alice'" },
        { "alice:xyz0\n", "alice", "hex digits" },
        { "alice:123\n", "alice", "hex digits" },
        { ":00112233445566778899aabbccddeeff\n", "alice", "line 1: user name" },
        { "a:00112233445566778899aabbccddeeff\n"
          "a:00112233445566778899aabbccddeeff\n",
          "a", "line 2: user 'a' has a key already" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *dir = test_pki_psk_dir_with(pki, cases[i].text);
        g_autoptr(QCryptoTLSCreds) creds = NULL;
        Error *err = NULL;

        creds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client", dir,
                                   &err, cases[i].user ? "username" : NULL,
                                   cases[i].user, NULL);
        if (cases[i].error) {
            assert_refused(creds, &err, cases[i].error);
        } else if (err) {
            g_error("case %zu: %s", i, error_get_pretty(err));
        }
    }
}

static void test_psk_long(void)
{
    g_autofree char *name = g_strnfill(129, 'a');
    g_autofree char *key = g_strnfill(130, '0');
    g_autofree char *line1 = g_strdup_printf("%s:00", name);
    g_autofree char *line2 = g_strdup_printf("a:%s", key);
    Error *err = NULL;

    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                                      test_pki_psk_dir_with(pki, line1), &err,
                                      NULL),
                   &err, "1 to 128 bytes");
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                                      test_pki_psk_dir_with(pki, line2), &err,
                                      NULL),
                   &err, "1 to 64 bytes");
    assert_refused(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                                      "/nonexistent", &err, NULL),
                   &err, "keys.psk': No such file");
}

static void test_endpoint(void)
{
    g_autoptr(QCryptoTLSCreds) server = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL, &error_abort, NULL);
    Error *err = NULL;

    g_assert_true(qcrypto_tls_creds_check_endpoint(
        server, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &error_abort));
    g_assert_false(qcrypto_tls_creds_check_endpoint(
        server, QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, &err));
    error_free_or_abort(&err);
}

/* What cannot be enforced is refused when the service starts. */
static void test_check_authz(void)
{
    const char *dir = test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) x509 = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir, &error_abort, NULL);
    g_autoptr(QCryptoTLSCreds) unverified =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir,
                           &error_abort, "verify-peer", "off", NULL);
    g_autoptr(QCryptoTLSCreds) psk =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                           test_pki_psk_dir(pki), &error_abort, NULL);
    g_autoptr(QCryptoTLSCreds) anon = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL, &error_abort, NULL);
    QAuthZList *list =
        qauthz_list_new("authz0", QAUTHZ_LIST_POLICY_DENY, &error_abort);
    Object *secret = make_secret("notauthz", "x");
    Error *err = NULL;

    g_assert_true(qcrypto_tls_creds_check_authz(NULL, NULL, &error_abort));
    g_assert_true(qcrypto_tls_creds_check_authz(anon, NULL, &error_abort));
    g_assert_true(qcrypto_tls_creds_check_authz(x509, "authz0", &error_abort));
    g_assert_true(qcrypto_tls_creds_check_authz(psk, "authz0", &error_abort));
    g_assert_false(qcrypto_tls_creds_check_authz(NULL, "authz0", &err));
    error_free_or_abort(&err);
    g_assert_false(qcrypto_tls_creds_check_authz(anon, "authz0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "anonymous"));
    error_free_or_abort(&err);
    g_assert_false(qcrypto_tls_creds_check_authz(unverified, "authz0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "verify-peer"));
    error_free_or_abort(&err);
    g_assert_false(qcrypto_tls_creds_check_authz(x509, "nosuch", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "nosuch"));
    error_free_or_abort(&err);
    g_assert_false(qcrypto_tls_creds_check_authz(x509, "notauthz", &err));
    error_free_or_abort(&err);
    g_assert_null(qcrypto_tls_session_new(
        anon, NULL, "authz0", QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &err));
    error_free_or_abort(&err);
    object_unparent(secret);
    object_unparent(OBJECT(list));
}

static void test_reload(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) x509 = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir, &error_abort, NULL);
    g_autoptr(QCryptoTLSCreds) anon = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL, &error_abort, NULL);
    const char *psk_dir = test_pki_psk_dir_with(pki, "alice:0011\n");
    g_autoptr(QCryptoTLSCreds) psk = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_PSK, "server", psk_dir, &error_abort, NULL);
    g_autoptr(QCryptoTLSSession) sess = NULL;
    Error *err = NULL;

    test_pki_remake(pki, dir, TEST_PKI_SERVER, TEST_PKI_OTHER_CA);
    g_assert_true(qcrypto_tls_creds_reload(x509, &error_abort));
    test_pki_remake(pki, dir, TEST_PKI_SERVER, TEST_PKI_EXPIRED);
    g_assert_false(qcrypto_tls_creds_reload(x509, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "has expired"));
    error_free_or_abort(&err);
    /* the old set is still good for sessions */
    sess = qcrypto_tls_session_new(
        x509, NULL, NULL, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &error_abort);
    g_assert_nonnull(sess);
    g_assert_true(qcrypto_tls_creds_reload(anon, &error_abort));
    g_assert_true(qcrypto_tls_creds_reload(psk, &error_abort));
    test_pki_write(psk_dir, "keys.psk", "junk", 4);
    g_assert_false(qcrypto_tls_creds_reload(psk, &err));
    error_free_or_abort(&err);
}

/* Creating credentials must not compute parameters. */
static void test_speed(void)
{
    gint64 begin = g_get_monotonic_time();

    for (int i = 0; i < 20; i++) {
        g_autoptr(QCryptoTLSCreds) anon = test_tls_creds_new(
            TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL, &error_abort, NULL);
        g_autoptr(QCryptoTLSCreds) x509 = test_tls_creds_new(
            TYPE_QCRYPTO_TLS_CREDS_X509, "server",
            test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD), &error_abort,
            NULL);
    }
    /* 20 pairs: parameter generation would take longer for one. */
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 2 * G_USEC_PER_SEC);
}

static void test_loaded(void)
{
    Error *err = NULL;

    object_unref(
        OBJECT(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_ANON, "server", NULL,
                                  &error_abort, "loaded", "on", NULL)));
    g_assert_null(test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_ANON, "server",
                                     NULL, &err, "loaded", "off", NULL));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    pki = test_pki_new();
    for (size_t i = 0; i < G_N_ELEMENTS(x509_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlscreds/x509/%s", x509_cases[i].name);

        g_test_add_data_func(name, &x509_cases[i], test_x509);
    }
    g_test_add_func("/crypto/tlscreds/x509/no-ca", test_x509_no_ca);
    g_test_add_func("/crypto/tlscreds/x509/bad-crl", test_x509_bad_crl);
    g_test_add_func("/crypto/tlscreds/x509/oversize", test_x509_oversize);
    g_test_add_func("/crypto/tlscreds/x509/password", test_x509_password);
    g_test_add_func("/crypto/tlscreds/x509/weak-by-priority",
                    test_weak_by_priority);
    g_test_add_func("/crypto/tlscreds/priority", test_priority);
    g_test_add_func("/crypto/tlscreds/anon", test_anon);
    g_test_add_func("/crypto/tlscreds/psk", test_psk);
    g_test_add_func("/crypto/tlscreds/psk/long", test_psk_long);
    g_test_add_func("/crypto/tlscreds/endpoint", test_endpoint);
    g_test_add_func("/crypto/tlscreds/check-authz", test_check_authz);
    g_test_add_func("/crypto/tlscreds/reload", test_reload);
    g_test_add_func("/crypto/tlscreds/speed", test_speed);
    g_test_add_func("/crypto/tlscreds/loaded", test_loaded);
    ret = g_test_run();
    test_pki_free(pki);
    return ret;
}
