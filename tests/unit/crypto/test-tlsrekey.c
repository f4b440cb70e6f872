/*
 * TLS sessions used by two threads a side: key updates under load, one-sided
 * load, blocking transports, credentials that are reloaded meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "crypto/tlscredspsk.h"
#include "crypto/tlscredsx509.h"
#include "crypto/tlssession-internal.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

#define PRIO_12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"

static TestPki *pki;

typedef struct Pair {
    QCryptoTLSCreds *screds, *ccreds;
    TestTLSEnd server, client;
} Pair;

static void pair_clear(Pair *p)
{
    test_tls_end_clear(&p->server);
    test_tls_end_clear(&p->client);
    object_unref(OBJECT(p->screds));
    object_unref(OBJECT(p->ccreds));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static void pair_init(Pair *p, const char *prio, bool blocking)
{
    int fds[2];

    p->screds = test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server",
                                   test_pki_psk_dir(pki), &error_abort,
                                   "priority", prio, NULL);
    p->ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client",
                           test_pki_psk_dir(pki), &error_abort, "priority",
                           prio, "username", TEST_PKI_PSK_USER, NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    test_tls_end_init(&p->server,
                      qcrypto_tls_session_new(p->screds, NULL, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                              &error_abort),
                      fds[0]);
    test_tls_end_init(&p->client,
                      qcrypto_tls_session_new(p->ccreds, NULL, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT,
                                              &error_abort),
                      fds[1]);
    test_tls_handshake(&p->server, &p->client);
    g_assert_true(p->server.done && p->client.done);
    if (blocking) {
        fcntl(fds[0], F_SETFL, 0);
        fcntl(fds[1], F_SETFL, 0);
    }
}

/* -- two threads a side --------------------------------------------------- */

#define LOAD_BYTES (24 * 1024 * 1024)

typedef struct Load {
    TestTLSEnd *end;
    size_t total;
    unsigned seed;
    size_t chunk;
    bool rekey; /* ask for new keys now and then */
    gint *fail;
} Load;

static uint8_t pattern(unsigned seed, size_t i)
{
    return (i * 131 + seed) >> 3;
}

static void *load_writer(void *opaque)
{
    Load *l = opaque;
    g_autofree uint8_t *buf = g_malloc(l->chunk);
    unsigned round = 0;

    for (size_t done = 0; done < l->total;) {
        size_t n = MIN(l->chunk, l->total - done);

        for (size_t i = 0; i < n; i++) {
            buf[i] = pattern(l->seed, done + i);
        }
        if (test_tls_write_all(l->end, buf, n) != (ssize_t)n) {
            g_atomic_int_inc(l->fail);
            return NULL;
        }
        done += n;
        /* GnuTLS takes more than eight a second for an attack. */
        if (l->rekey && ++round % 64 == 0 && round < 64 * 6) {
            qcrypto_tls_session_rekey(l->end->sess, &error_abort);
        }
    }
    return NULL;
}

static void *load_reader(void *opaque)
{
    Load *l = opaque;
    g_autofree uint8_t *buf = g_malloc(l->chunk);

    for (size_t done = 0; done < l->total;) {
        size_t n = MIN(l->chunk, l->total - done);

        if (test_tls_read_all(l->end, buf, n) != (ssize_t)n) {
            g_atomic_int_inc(l->fail);
            return NULL;
        }
        for (size_t i = 0; i < n; i++) {
            if (buf[i] != pattern(l->seed, done + i)) {
                g_atomic_int_inc(l->fail);
                return NULL;
            }
        }
        done += n;
    }
    return NULL;
}

static void load_run(Pair *p, bool both, bool rekey)
{
    gint fail = 0;
    Load loads[4] = {
        { &p->client, LOAD_BYTES, 1, 60000, rekey, &fail },
        { &p->server, LOAD_BYTES, 1, 50000, false, &fail },
        { &p->server, LOAD_BYTES, 2, 70000, rekey, &fail },
        { &p->client, LOAD_BYTES, 2, 30000, false, &fail },
    };
    QemuThread threads[4];
    int n = both ? 4 : 2;

    for (int i = 0; i < n; i++) {
        qemu_thread_create(&threads[i], "load",
                           i % 2 ? load_reader : load_writer, &loads[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < n; i++) {
        qemu_thread_join(&threads[i]);
    }
    g_assert_cmpint(g_atomic_int_get(&fail), ==, 0);
}

typedef struct LoadCase {
    const char *name;
    const char *prio;
    bool blocking, both, rekey;
    unsigned limit; /* records of a key; 0 = usual */
} LoadCase;

/* 24 MiB are 1536 records: a limit of 400 makes four updates a direction. */
static const LoadCase load_cases[] = {
    { "1.2", PRIO_12, false, true, false, 0 },
    { "1.3", "NORMAL", false, true, false, 0 },
    { "1.3-blocking", "NORMAL", true, true, false, 0 },
    { "automatic", "NORMAL", false, true, false, 400 },
    { "automatic-blocking", "NORMAL", true, true, false, 400 },
    { "automatic-one-way", "NORMAL", false, false, false, 300 },
    { "asked", "NORMAL", false, true, true, 0 },
    { "asked-blocking", "NORMAL", true, true, true, 0 },
    { "asked-one-way", "NORMAL", false, false, true, 0 },
    { "asked-1.2", PRIO_12, false, true, true, 0 },
};

static void test_load(const void *opaque)
{
    const LoadCase *c = opaque;
    g_auto(Pair) p = { 0 };

    pair_init(&p, c->prio, c->blocking);
    if (c->limit) {
        qcrypto_tls_session_set_rekey_records(p.server.sess, c->limit);
        qcrypto_tls_session_set_rekey_records(p.client.sess, c->limit);
    }
    load_run(&p, c->both, c->rekey);
    if (c->limit) {
        g_assert_cmpint(p.client.sess->records, <=, c->limit);
    }
}

/* A raw GnuTLS peer asks for new keys again and again; we only read. */
static void test_ask_reader(void)
{
    g_auto(Pair) p = { 0 };
    char byte;

    pair_init(&p, "NORMAL", false);
    for (int i = 0; i < 4; i++) {
        tls_keys_lend(p.client.sess, true);
        tls_keys_lend(p.client.sess, false);
        g_assert_cmpint(gnutls_session_key_update(p.client.sess->handle,
                                                  GNUTLS_KU_PEER),
                        ==, 0);
        tls_keys_back(p.client.sess, true);
        tls_keys_back(p.client.sess, false);
        g_assert_cmpint(test_tls_write_all(&p.client, "x", 1), ==, 1);
        g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, &byte, 1,
                                                 &error_abort),
                        ==, 1);
        g_assert_cmpint(qcrypto_tls_session_recv(p.server.sess, &byte, 1,
                                                 &error_abort),
                        ==, QCRYPTO_TLS_SESSION_ERR_BLOCK);
    }
    /* the replies leave with the next data, and fit */
    g_assert_cmpint(test_tls_write_all(&p.server, "y", 1), ==, 1);
    g_assert_cmpint(
        qcrypto_tls_session_recv(p.client.sess, &byte, 1, &error_abort), ==, 1);
    g_assert_cmpint(byte, ==, 'y');
}

/* TLS 1.2: a peer that wants to renegotiate is told no; data goes on. */
static void test_renegotiate(void)
{
    g_auto(Pair) p = { 0 };
    char byte;
    ssize_t n;

    pair_init(&p, PRIO_12, false);
    gnutls_rehandshake(p.server.sess->handle); /* queues a HelloRequest */
    g_assert_cmpint(test_tls_write_all(&p.server, "x", 1), ==, 1);
    n = qcrypto_tls_session_recv(p.client.sess, &byte, 1, &error_abort);
    g_assert_cmpint(n, ==, 1);
    g_assert_cmpint(test_tls_write_all(&p.client, "y", 1), ==, 1);
    n = qcrypto_tls_session_recv(p.server.sess, &byte, 1, &error_abort);
    g_assert_cmpint(n, ==, 1);
    g_assert_cmpint(byte, ==, 'y');
}

/* -- reload under load ---------------------------------------------------- */

typedef struct Reload {
    QCryptoTLSCreds *creds;
    const char *dir;
    gint stop;
    unsigned done;
} Reload;

static void *reloader(void *opaque)
{
    Reload *r = opaque;

    while (!g_atomic_int_get(&r->stop)) {
        TestPkiKind kind = r->done % 3 == 2 ? TEST_PKI_EXPIRED : TEST_PKI_GOOD;
        Error *err = NULL;

        test_pki_remake(pki, r->dir, TEST_PKI_SERVER, kind);
        g_assert_cmpint(qcrypto_tls_creds_reload(r->creds, &err), ==,
                        kind == TEST_PKI_GOOD);
        error_free(err);
        r->done++;
    }
    return NULL;
}

/* While one thread reloads, good and broken files, each handshake works. */
static void test_reload(void)
{
    const char *dir = test_pki_make_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) screds = test_tls_creds_new(
        TYPE_QCRYPTO_TLS_CREDS_X509, "server", dir, &error_abort, NULL);
    g_autoptr(QCryptoTLSCreds) ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "client",
                           test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD),
                           &error_abort, NULL);
    Reload r = { .creds = screds, .dir = dir };
    QemuThread thread;

    qemu_thread_create(&thread, "reload", reloader, &r, QEMU_THREAD_JOINABLE);
    for (int i = 0; i < 40; i++) {
        g_auto(Pair) p = { .server.fd = -1, .client.fd = -1 };
        int fds[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
        test_tls_end_init(&p.server,
                          qcrypto_tls_session_new(
                              screds, NULL, NULL,
                              QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &error_abort),
                          fds[0]);
        test_tls_end_init(&p.client,
                          qcrypto_tls_session_new(
                              ccreds, "localhost", NULL,
                              QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, &error_abort),
                          fds[1]);
        test_tls_handshake(&p.server, &p.client);
        g_assert_true(p.server.done && p.client.done);
    }
    g_atomic_int_set(&r.stop, 1);
    qemu_thread_join(&thread);
    g_assert_cmpint(r.done, >, 1);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    pki = test_pki_new();
    for (size_t i = 0; i < G_N_ELEMENTS(load_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlsrekey/load/%s", load_cases[i].name);

        g_test_add_data_func(name, &load_cases[i], test_load);
    }
    g_test_add_func("/crypto/tlsrekey/ask-reader", test_ask_reader);
    g_test_add_func("/crypto/tlsrekey/renegotiate", test_renegotiate);
    g_test_add_func("/crypto/tlsrekey/reload", test_reload);
    ret = g_test_run();
    test_pki_free(pki);
    return ret;
}
