/*
 * A throw-away certificate authority for tests, made in process in
 * milliseconds (ECDSA P-256; no certtool, no fixed files that expire).
 *
 *   g_autoptr(TestPki) pki = test_pki_new();
 *   const char *srv = test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
 *   const char *cli = test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD);
 *   ... tls-creds-x509 objects with dir=srv, endpoint=server and so on
 *
 * A directory is made when it is first asked for and holds ca-cert.pem and
 * {server,client}-{cert,key}.pem. Failures end the test program.
 *
 * The good server's certificate is for the names `localhost`,
 * `server.example.org`, 127.0.0.1 and ::1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_PKI_H
#define TESTS_LIB_PKI_H

#include <glib.h>
#include <stdbool.h>

typedef struct TestPki TestPki;

typedef enum TestPkiSide {
    TEST_PKI_SERVER,
    TEST_PKI_CLIENT,
} TestPkiSide;

/* What is special about the leaf certificate, or about its CA. */
typedef enum TestPkiKind {
    TEST_PKI_GOOD,
    TEST_PKI_NO_CERT,        /* only ca-cert.pem */
    TEST_PKI_NO_KEY,         /* key file missing */
    TEST_PKI_EXPIRED,        /* ended an hour ago */
    TEST_PKI_NOT_YET,        /* begins in an hour */
    TEST_PKI_OTHER_CA,       /* other CA signed it; that CA in ca-cert.pem */
    TEST_PKI_MISMATCHED_CA,  /* other CA signed it; usual CA in ca-cert.pem */
    TEST_PKI_LEAF_IS_CA,     /* leaf says CA:TRUE */
    TEST_PKI_WRONG_USAGE,    /* keyUsage keyCertSign only, critical */
    TEST_PKI_WRONG_PURPOSE,  /* extended key usage of the other side */
    TEST_PKI_NO_PURPOSE,     /* neither extension: fit for all */
    TEST_PKI_WRONG_NAME,     /* other.example.org */
    TEST_PKI_REVOKED,        /* valid, but in the CRL of test_pki_add_crl() */
    TEST_PKI_WEAK,           /* RSA 1024 */
    TEST_PKI_ENCRYPTED_KEY,  /* PKCS#8, TEST_PKI_PASSWORD */
    TEST_PKI_WRONG_KEY,      /* key of another certificate */
    TEST_PKI_INTERMEDIATE,   /* chain leaf, intermediate in *-cert.pem */
    TEST_PKI_CA_NO_FLAG,     /* the CA lacks CA:TRUE */
    TEST_PKI_CA_WRONG_USAGE, /* the CA may not sign certificates */
    TEST_PKI_CA_EXPIRED,
    TEST_PKI_SELF_SIGNED, /* leaf is its own CA, without CA flag */
    TEST_PKI__MAX,
} TestPkiKind;

#define TEST_PKI_PASSWORD "correct horse"

/* Distinguished names of good certificates, as authorization sees them. */
#define TEST_PKI_SERVER_DN "O=Ferry,CN=server.example.org"
#define TEST_PKI_CLIENT_DN "O=Ferry,CN=client.example.org"

#define TEST_PKI_PSK_USER  "alice"
#define TEST_PKI_PSK_KEY   "9f2b8c5e6d1a47703e88f51c2b64d90a"
#define TEST_PKI_PSK_USER2 "bob"
#define TEST_PKI_PSK_KEY2  "00112233445566778899aabbccddeeff"

/** test_pki_new: makes a temporary directory. */
TestPki *test_pki_new(void);
/** test_pki_free: deletes it with all that is in it; NULL is accepted. */
void test_pki_free(TestPki *pki);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestPki, test_pki_free)

/** test_pki_top: the temporary directory; put files of your own there. */
const char *test_pki_top(TestPki *pki);

/**
 * test_pki_dir:
 *
 * Returns: path of a directory for `dir=`, borrowed from @pki.
 */
const char *test_pki_dir(TestPki *pki, TestPkiSide side, TestPkiKind kind);

/**
 * test_pki_make_dir:
 *
 * As test_pki_dir(), but a new directory each time, for tests that change
 * the files in it.
 *
 * Returns: path, borrowed from @pki.
 */
const char *test_pki_make_dir(TestPki *pki, TestPkiSide side, TestPkiKind kind);

/**
 * test_pki_remake:
 *
 * Write the files of @kind over those in @dir, each by rename.
 */
void test_pki_remake(TestPki *pki, const char *dir, TestPkiSide side,
                     TestPkiKind kind);

/** test_pki_add_crl: write ca-crl.pem that revokes TEST_PKI_REVOKED. */
void test_pki_add_crl(TestPki *pki, const char *dir);

/** test_pki_psk_dir: keys.psk with both users above. */
const char *test_pki_psk_dir(TestPki *pki);

/** test_pki_psk_dir_with: keys.psk with @text; a new directory each time. */
const char *test_pki_psk_dir_with(TestPki *pki, const char *text);

/** test_pki_write: (over)write a file of a directory, by rename. */
void test_pki_write(const char *dir, const char *name, const void *data,
                    gsize len);

/** test_pki_unlink: delete a file of a directory. */
void test_pki_unlink(const char *dir, const char *name);

#endif
