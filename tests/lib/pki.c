/*
 * The throw-away certificate authority (see pki.h).
 *
 * Each certificate comes from a CertSpec; a kind is a change of one field of
 * the good one. Two CAs exist: the usual one and the "other" one. Keys are
 * ECDSA P-256, so that a directory costs about a millisecond.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "pki.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define HOUR 3600
#define DAY  (24 * HOUR)

typedef struct Identity {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
} Identity;

typedef struct CertSpec {
    const char *cn;
    bool ca;             /* basicConstraints CA:TRUE */
    bool no_constraints; /* leave basicConstraints out */
    unsigned usage;      /* GNUTLS_KEY_*; 0 = extension left out */
    const char *purpose; /* OID; NULL = extension left out */
    bool server_names;   /* localhost and so on */
    time_t begin, end;   /* relative to now, seconds */
    unsigned rsa_bits;   /* 0 = ECDSA P-256 */
    uint8_t serial;      /* 0 = next number */
} CertSpec;

struct TestPki {
    char *top;
    char *dirs[2][TEST_PKI__MAX];
    char *psk;
    GPtrArray *made; /* paths of directories that nobody else owns */
    Identity ca, other_ca;
    uint8_t serial;
    unsigned ndirs;
};

#define REVOKED_SERIAL 250

static void check(int ret, const char *what)
{
    if (ret < 0) {
        g_error("test PKI: %s: %s", what, gnutls_strerror(ret));
    }
}
#define CHECK(call) check((call), #call)

static void identity_clear(Identity *id)
{
    g_clear_pointer(&id->crt, gnutls_x509_crt_deinit);
    g_clear_pointer(&id->key, gnutls_x509_privkey_deinit);
}

static const CertSpec ca_spec = {
    .cn = "Ferry Test CA",
    .ca = true,
    .usage = GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN,
    .begin = -DAY,
    .end = 30 * DAY,
};

static void set_names(gnutls_x509_crt_t crt, const CertSpec *spec)
{
    struct in_addr v4;
    struct in6_addr v6;

    CHECK(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME,
                                        0, "Ferry", 5));
    CHECK(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
                                        spec->cn, strlen(spec->cn)));
    if (!spec->ca) {
        CHECK(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
                                                   spec->cn, strlen(spec->cn),
                                                   GNUTLS_FSAN_APPEND));
    }
    if (spec->server_names) {
        CHECK(gnutls_x509_crt_set_subject_alt_name(
            crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_APPEND));
        inet_pton(AF_INET, "127.0.0.1", &v4);
        CHECK(gnutls_x509_crt_set_subject_alt_name(
            crt, GNUTLS_SAN_IPADDRESS, &v4, sizeof(v4), GNUTLS_FSAN_APPEND));
        inet_pton(AF_INET6, "::1", &v6);
        CHECK(gnutls_x509_crt_set_subject_alt_name(
            crt, GNUTLS_SAN_IPADDRESS, &v6, sizeof(v6), GNUTLS_FSAN_APPEND));
    }
}

/* Make a certificate; @issuer NULL = signed by its own key. */
static Identity make_cert(TestPki *pki, const CertSpec *spec,
                          const Identity *issuer)
{
    Identity id = { 0 };
    time_t now = time(NULL);
    uint8_t serial[2] = { 1, spec->serial ? spec->serial : ++pki->serial };
    uint8_t keyid[64];
    size_t keyid_len = sizeof(keyid);

    CHECK(gnutls_x509_privkey_init(&id.key));
    CHECK(spec->rsa_bits
              ? gnutls_x509_privkey_generate(id.key, GNUTLS_PK_RSA,
                                             spec->rsa_bits, 0)
              : gnutls_x509_privkey_generate(
                    id.key, GNUTLS_PK_ECDSA,
                    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    CHECK(gnutls_x509_crt_init(&id.crt));
    CHECK(gnutls_x509_crt_set_version(id.crt, 3));
    CHECK(gnutls_x509_crt_set_key(id.crt, id.key));
    CHECK(gnutls_x509_crt_set_serial(id.crt, serial, sizeof(serial)));
    CHECK(gnutls_x509_crt_set_activation_time(id.crt, now + spec->begin));
    CHECK(gnutls_x509_crt_set_expiration_time(id.crt, now + spec->end));
    set_names(id.crt, spec);
    if (!spec->no_constraints) {
        CHECK(gnutls_x509_crt_set_basic_constraints(id.crt, spec->ca, -1));
    }
    if (spec->usage) {
        CHECK(gnutls_x509_crt_set_key_usage(id.crt, spec->usage));
    }
    if (spec->purpose) {
        CHECK(gnutls_x509_crt_set_key_purpose_oid(id.crt, spec->purpose, 0));
    }
    CHECK(gnutls_x509_crt_get_key_id(id.crt, 0, keyid, &keyid_len));
    CHECK(gnutls_x509_crt_set_subject_key_id(id.crt, keyid, keyid_len));
    if (!issuer) {
        issuer = &id;
    }
    CHECK(gnutls_x509_crt_sign2(id.crt, issuer->crt, issuer->key,
                                GNUTLS_DIG_SHA256, 0));
    return id;
}

void test_pki_write(const char *dir, const char *name, const void *data,
                    gsize len)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) err = NULL;

    if (!g_file_set_contents_full(path, data, len,
                                  G_FILE_SET_CONTENTS_CONSISTENT, 0600, &err)) {
        g_error("test PKI: %s", err->message);
    }
}

void test_pki_unlink(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    if (g_unlink(path) < 0 && errno != ENOENT) {
        g_error("test PKI: unlink %s: %s", path, g_strerror(errno));
    }
}

static void write_certs(const char *dir, const char *name,
                        const gnutls_x509_crt_t *crts, size_t n)
{
    g_autoptr(GString) pem = g_string_new(NULL);

    for (size_t i = 0; i < n; i++) {
        gnutls_datum_t out = { 0 };

        CHECK(gnutls_x509_crt_export2(crts[i], GNUTLS_X509_FMT_PEM, &out));
        g_string_append_len(pem, (char *)out.data, out.size);
        gnutls_free(out.data);
    }
    test_pki_write(dir, name, pem->str, pem->len);
}

static void write_key(const char *dir, const char *name,
                      gnutls_x509_privkey_t key, bool encrypted)
{
    gnutls_datum_t out = { 0 };

    CHECK(gnutls_x509_privkey_export2_pkcs8(
        key, GNUTLS_X509_FMT_PEM, encrypted ? TEST_PKI_PASSWORD : NULL,
        encrypted ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, &out));
    test_pki_write(dir, name, out.data, out.size);
    gnutls_free(out.data);
}

static CertSpec leaf_spec(TestPkiSide side, TestPkiKind kind)
{
    bool server = side == TEST_PKI_SERVER;
    CertSpec s = {
        .cn = server ? "server.example.org" : "client.example.org",
        .usage = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT,
        .purpose = server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT,
        .server_names = server,
        .begin = -DAY,
        .end = 7 * DAY,
    };

    switch (kind) {
    case TEST_PKI_EXPIRED:
        s.end = -HOUR;
        break;
    case TEST_PKI_NOT_YET:
        s.begin = HOUR;
        break;
    case TEST_PKI_LEAF_IS_CA:
        s.ca = true;
        break;
    case TEST_PKI_WRONG_USAGE:
        s.usage = GNUTLS_KEY_KEY_CERT_SIGN;
        break;
    case TEST_PKI_WRONG_PURPOSE:
        s.purpose =
            server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
        break;
    case TEST_PKI_NO_PURPOSE:
        s.usage = 0;
        s.purpose = NULL;
        break;
    case TEST_PKI_WRONG_NAME:
        s.cn = "other.example.org";
        s.server_names = false;
        break;
    case TEST_PKI_REVOKED:
        s.serial = REVOKED_SERIAL;
        break;
    case TEST_PKI_WEAK:
        s.rsa_bits = 1024;
        break;
    default:
        break;
    }
    return s;
}

/* The CA for a kind that has one of its own. */
static bool special_ca(TestPki *pki, TestPkiKind kind, Identity *ca)
{
    CertSpec s = ca_spec;

    switch (kind) {
    case TEST_PKI_CA_NO_FLAG:
        s.ca = false;
        break;
    case TEST_PKI_CA_WRONG_USAGE:
        s.usage = GNUTLS_KEY_DIGITAL_SIGNATURE;
        break;
    case TEST_PKI_CA_EXPIRED:
        s.end = -HOUR;
        break;
    default:
        return false;
    }
    s.cn = "Ferry Odd CA";
    *ca = make_cert(pki, &s, NULL);
    return true;
}

static void write_leaf(TestPki *pki, const char *dir, TestPkiSide side,
                       TestPkiKind kind, const Identity *leaf,
                       const Identity *intermediate)
{
    const char *who = side == TEST_PKI_SERVER ? "server" : "client";
    g_autofree char *cert = g_strdup_printf("%s-cert.pem", who);
    g_autofree char *key = g_strdup_printf("%s-key.pem", who);
    gnutls_x509_crt_t chain[2] = { leaf->crt, intermediate->crt };

    write_certs(dir, cert, chain, intermediate->crt ? 2 : 1);
    if (kind == TEST_PKI_NO_KEY) {
        test_pki_unlink(dir, key);
    } else {
        write_key(dir, key,
                  kind == TEST_PKI_WRONG_KEY ? pki->ca.key : leaf->key,
                  kind == TEST_PKI_ENCRYPTED_KEY);
    }
}

void test_pki_remake(TestPki *pki, const char *dir, TestPkiSide side,
                     TestPkiKind kind)
{
    CertSpec spec = leaf_spec(side, kind);
    Identity own_ca = { 0 }, mid = { 0 }, leaf;
    const Identity *signer = &pki->ca;
    const Identity *shown;

    if (special_ca(pki, kind, &own_ca)) {
        signer = &own_ca;
    } else if (kind == TEST_PKI_OTHER_CA || kind == TEST_PKI_MISMATCHED_CA) {
        signer = &pki->other_ca;
    } else if (kind == TEST_PKI_SELF_SIGNED) {
        signer = NULL;
    }
    shown = kind == TEST_PKI_MISMATCHED_CA ? &pki->ca : signer;
    if (kind == TEST_PKI_INTERMEDIATE) {
        CertSpec s = ca_spec;

        s.cn = "Ferry Intermediate CA";
        mid = make_cert(pki, &s, &pki->ca);
        signer = &mid;
    }
    leaf = make_cert(pki, &spec, signer);
    write_certs(dir, "ca-cert.pem", shown ? &shown->crt : &leaf.crt, 1);
    if (kind != TEST_PKI_NO_CERT) {
        write_leaf(pki, dir, side, kind, &leaf, &mid);
    }
    identity_clear(&leaf);
    identity_clear(&mid);
    identity_clear(&own_ca);
}

static char *new_dir(TestPki *pki)
{
    char *path = g_strdup_printf("%s/%u", pki->top, pki->ndirs++);

    if (g_mkdir(path, 0700) < 0) {
        g_error("test PKI: mkdir %s: %s", path, g_strerror(errno));
    }
    return path;
}

const char *test_pki_make_dir(TestPki *pki, TestPkiSide side, TestPkiKind kind)
{
    char *path = new_dir(pki);

    g_ptr_array_add(pki->made, path);
    test_pki_remake(pki, path, side, kind);
    return path;
}

const char *test_pki_dir(TestPki *pki, TestPkiSide side, TestPkiKind kind)
{
    if (!pki->dirs[side][kind]) {
        pki->dirs[side][kind] = new_dir(pki);
        test_pki_remake(pki, pki->dirs[side][kind], side, kind);
    }
    return pki->dirs[side][kind];
}

void test_pki_add_crl(TestPki *pki, const char *dir)
{
    gnutls_x509_crl_t crl;
    gnutls_datum_t out = { 0 };
    uint8_t serial[2] = { 1, REVOKED_SERIAL };
    uint8_t number[1] = { 1 };
    time_t now = time(NULL);

    CHECK(gnutls_x509_crl_init(&crl));
    CHECK(gnutls_x509_crl_set_version(crl, 2));
    CHECK(gnutls_x509_crl_set_this_update(crl, now - HOUR));
    CHECK(gnutls_x509_crl_set_next_update(crl, now + DAY));
    CHECK(gnutls_x509_crl_set_number(crl, number, sizeof(number)));
    CHECK(gnutls_x509_crl_set_crt_serial(crl, serial, sizeof(serial),
                                         now - HOUR));
    CHECK(gnutls_x509_crl_sign2(crl, pki->ca.crt, pki->ca.key,
                                GNUTLS_DIG_SHA256, 0));
    CHECK(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &out));
    test_pki_write(dir, "ca-crl.pem", out.data, out.size);
    gnutls_free(out.data);
    gnutls_x509_crl_deinit(crl);
}

const char *test_pki_psk_dir_with(TestPki *pki, const char *text)
{
    char *path = new_dir(pki);

    g_ptr_array_add(pki->made, path);
    test_pki_write(path, "keys.psk", text, strlen(text));
    return path;
}

const char *test_pki_psk_dir(TestPki *pki)
{
    if (!pki->psk) {
        pki->psk = new_dir(pki);
        test_pki_write(pki->psk, "keys.psk",
                       TEST_PKI_PSK_USER ":" TEST_PKI_PSK_KEY
                                         "\n" TEST_PKI_PSK_USER2
                                         ":" TEST_PKI_PSK_KEY2 "\n",
                       strlen(TEST_PKI_PSK_USER TEST_PKI_PSK_KEY
                                  TEST_PKI_PSK_USER2 TEST_PKI_PSK_KEY2) +
                           4);
    }
    return pki->psk;
}

const char *test_pki_top(TestPki *pki)
{
    return pki->top;
}

TestPki *test_pki_new(void)
{
    g_autoptr(GError) err = NULL;
    TestPki *pki = g_new0(TestPki, 1);
    CertSpec other = ca_spec;

    pki->top = g_dir_make_tmp("ferry-pki-XXXXXX", &err);
    if (!pki->top) {
        g_error("test PKI: %s", err->message);
    }
    pki->made = g_ptr_array_new_with_free_func(g_free);
    pki->ca = make_cert(pki, &ca_spec, NULL);
    other.cn = "Ferry Other CA";
    pki->other_ca = make_cert(pki, &other, NULL);
    return pki;
}

/* Directories are one level deep; sub-directories of tests are followed. */
static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *sub = g_build_filename(path, name, NULL);

        if (g_file_test(sub, G_FILE_TEST_IS_DIR) &&
            !g_file_test(sub, G_FILE_TEST_IS_SYMLINK)) {
            remove_tree(sub);
        } else {
            g_unlink(sub);
        }
    }
    g_rmdir(path);
}

void test_pki_free(TestPki *pki)
{
    if (!pki) {
        return;
    }
    remove_tree(pki->top);
    for (int side = 0; side < 2; side++) {
        for (int kind = 0; kind < TEST_PKI__MAX; kind++) {
            g_free(pki->dirs[side][kind]);
        }
    }
    g_free(pki->psk);
    g_ptr_array_unref(pki->made);
    identity_clear(&pki->ca);
    identity_clear(&pki->other_ca);
    g_free(pki->top);
    g_free(pki);
}
