/*
 * The TLS channel: what it adds to the session: time limits, cancelling,
 * cuts, faults of the master, refusals.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlssession.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/sockets.h"
#include "util/thread.h"

#include "channel-pair.h"
#include "fault-channel.h"
#include "pki.h"
#include "tls-pair.h"

typedef struct Handshake {
    bool done;
    Error *err;
} Handshake;

static void on_done(QIOTask *task, gpointer opaque)
{
    Handshake *h = opaque;

    g_assert_false(h->done);
    h->done = true;
    qio_task_propagate_error(task, &h->err);
}

static QCryptoTLSCreds *x509(TestPki *pki, bool server, TestPkiKind kind)
{
    return test_tls_creds_new(
        "tls-creds-x509", server ? "server" : "client",
        test_pki_dir(pki, server ? TEST_PKI_SERVER : TEST_PKI_CLIENT, kind),
        &error_abort, NULL);
}

/* Both handshakes on one loop. */
static void handshake_both(QIOChannelTLS *client, QIOChannelTLS *server,
                           Handshake *hc, Handshake *hs)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();

    memset(hc, 0, sizeof(*hc));
    memset(hs, 0, sizeof(*hs));
    qio_channel_tls_handshake_full(client, 5000, on_done, hc, NULL, ctx);
    qio_channel_tls_handshake_full(server, 5000, on_done, hs, NULL, ctx);
    g_assert_false(hc->done || hs->done);
    while (!hc->done || !hs->done) {
        g_main_context_iteration(ctx, true);
        if (hc->err && !hs->done) {
            qio_channel_shutdown(QIO_CHANNEL(client), QIO_CHANNEL_SHUTDOWN_BOTH,
                                 NULL);
        }
    }
}

static void test_x509(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) sc = x509(pki, true, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) cc = x509(pki, false, TEST_PKI_GOOD);
    g_autoptr(ChannelPair) pair = channel_pair_new("unix");
    g_autoptr(QIOChannelTLS) client =
        qio_channel_tls_new_client(pair->a, cc, "localhost", &error_abort);
    g_autoptr(QIOChannelTLS) server =
        qio_channel_tls_new_server(pair->b, sc, NULL, &error_abort);
    g_autofree char *name = NULL;
    Handshake hc, hs;
    char c;

    handshake_both(client, server, &hc, &hs);
    g_assert_null(hc.err);
    g_assert_null(hs.err);
    /* The master's mode is what it was. */
    g_assert_false(pair->a->nonblocking);
    name =
        qcrypto_tls_session_get_peer_name(qio_channel_tls_get_session(server));
    g_assert_nonnull(strstr(name, "CN=client.example.org"));
    qio_channel_write_all(QIO_CHANNEL(client), "x", 1, &error_abort);
    qio_channel_read_all(QIO_CHANNEL(server), &c, 1, &error_abort);
    g_assert_cmpint(qio_channel_tls_bye(client, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(server), &c, 1, &error_abort),
                    ==, 0);
}

static void test_wrong_name(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) sc = x509(pki, true, TEST_PKI_WRONG_NAME);
    g_autoptr(QCryptoTLSCreds) cc = x509(pki, false, TEST_PKI_GOOD);
    g_autoptr(ChannelPair) pair = channel_pair_new("unix");
    g_autoptr(QIOChannelTLS) client =
        qio_channel_tls_new_client(pair->a, cc, "localhost", &error_abort);
    g_autoptr(QIOChannelTLS) server =
        qio_channel_tls_new_server(pair->b, sc, NULL, &error_abort);
    Handshake hc, hs;
    Error *err = NULL;
    char c;

    handshake_both(client, server, &hc, &hs);
    g_assert_nonnull(hc.err);
    error_free(hc.err);
    error_free(hs.err);
    /* Who failed the check neither sends nor receives. */
    g_assert_cmpint(qio_channel_write(QIO_CHANNEL(client), "x", 1, &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(client), &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
}

static void test_wrong_endpoint(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) sc = x509(pki, true, TEST_PKI_GOOD);
    g_autoptr(ChannelPair) pair = channel_pair_new("unix");
    Error *err = NULL;

    g_assert_null(qio_channel_tls_new_client(pair->a, sc, "localhost", &err));
    error_free_or_abort(&err);
    g_assert_null(
        qio_channel_tls_new_server(pair->a, sc, "no-such-authz", &err));
    error_free_or_abort(&err);
}

typedef struct Server {
    ChannelPair *pair;
    TestPki *pki;
    QIOChannelTLS *tls;
    GMainContext *ctx;
    Handshake h;
} Server;

static void server_init(Server *s, unsigned timeout_ms)
{
    g_autoptr(QCryptoTLSCreds) creds = NULL;

    memset(s, 0, sizeof(*s));
    s->pair = channel_pair_new("unix");
    s->pki = test_pki_new();
    creds = x509(s->pki, true, TEST_PKI_GOOD);
    s->tls = qio_channel_tls_new_server(s->pair->b, creds, NULL, &error_abort);
    s->ctx = g_main_context_new();
    qio_channel_tls_handshake_full(s->tls, timeout_ms, on_done, &s->h, NULL,
                                   s->ctx);
}

static void server_expect(Server *s, const char *part)
{
    while (!s->h.done) {
        g_main_context_iteration(s->ctx, true);
    }
    g_assert_nonnull(s->h.err);
    if (part && !strstr(error_get_pretty(s->h.err), part)) {
        g_error("unexpected message: %s", error_get_pretty(s->h.err));
    }
    error_free(s->h.err);
    object_unref(OBJECT(s->tls));
    channel_pair_free(s->pair);
    test_pki_free(s->pki);
    g_main_context_unref(s->ctx);
}

static void test_silent_peer(void)
{
    Server s;

    server_init(&s, 30);
    server_expect(&s, "in time");
}

static void test_close_cancels(void)
{
    Server s;

    server_init(&s, 0);
    g_main_context_iteration(s.ctx, false);
    qio_channel_close(QIO_CHANNEL(s.tls), &error_abort);
    server_expect(&s, "cancelled");
}

static void test_plain_peer(void)
{
    Server s;

    server_init(&s, 0);
    qio_channel_write_all(s.pair->a, "GET / HTTP/1.1\r\n\r\n", 18,
                          &error_abort);
    server_expect(&s, NULL);
}

static void test_peer_leaves(void)
{
    Server s;

    server_init(&s, 0);
    qio_channel_close(s.pair->a, &error_abort);
    server_expect(&s, NULL);
}

/* The transport ends without close_notify: an attacker could do that. */
static void test_cut(void)
{
    g_autoptr(ChannelPair) pair = channel_pair_new("tcp/tls");
    QIOChannel *below = QIO_CHANNEL_TLS(pair->a)->master;
    Error *err = NULL;
    char buf[8];

    qio_channel_write_all(pair->a, "whole", 5, &error_abort);
    qio_channel_shutdown(below, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
    qio_channel_read_all(pair->b, buf, 5, &error_abort);
    g_assert_cmpint(qio_channel_read(pair->b, buf, 8, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "cut"));
    error_free_or_abort(&err);
    /* Unless we have said that we are not interested. */
    qio_channel_shutdown(pair->b, QIO_CHANNEL_SHUTDOWN_READ, &error_abort);
    g_assert_cmpint(qio_channel_read(pair->b, buf, 8, NULL), <=, 0);
}

static void test_faults(void)
{
    g_autoptr(ChannelPair) pair = channel_pair_new("unix/fault/tls");
    QIOChannel *fault = QIO_CHANNEL_TLS(pair->a)->master;
    FaultPlan plan = { .fail_at_write = 1, .fail_at_read = 1 };
    Error *err = NULL;
    char c;

    fault_channel_set_plan(fault, &plan);
    g_assert_cmpint(qio_channel_write(pair->a, "x", 1, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), FAULT_ERROR));
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(pair->a, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
}

/* -- synchronous handshakes ------------------------------------------------ */

typedef struct Sync {
    QIOChannelTLS *tls;
    unsigned timeout_ms;
    int ret;
    Error *err;
    bool done;
} Sync;

static void *sync_thread(void *opaque)
{
    Sync *s = opaque;

    s->ret = qio_channel_tls_handshake_sync(s->tls, s->timeout_ms, &s->err);
    return NULL;
}

static void coroutine_fn sync_coroutine(void *opaque)
{
    sync_thread(opaque);
    ((Sync *)opaque)->done = true;
}

static void test_sync(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) sc = x509(pki, true, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) cc = x509(pki, false, TEST_PKI_GOOD);
    g_autoptr(ChannelPair) pair = channel_pair_new("tcp");
    g_autoptr(QIOChannelTLS) client =
        qio_channel_tls_new_client(pair->a, cc, "localhost", &error_abort);
    g_autoptr(QIOChannelTLS) server =
        qio_channel_tls_new_server(pair->b, sc, NULL, &error_abort);
    Sync s = { .tls = server, .timeout_ms = 5000 };
    Sync c = { .tls = client, .timeout_ms = 5000 };
    AioContext *ctx = qemu_get_aio_context();
    QemuThread thread;

    /* One side in a thread, the other in a coroutine. */
    qemu_thread_create(&thread, "server", sync_thread, &s,
                       QEMU_THREAD_JOINABLE);
    qemu_aio_coroutine_enter(ctx, qemu_coroutine_create(sync_coroutine, &c));
    while (!c.done) {
        aio_poll(ctx, true);
    }
    qemu_thread_join(&thread);
    g_assert_null(c.err);
    g_assert_null(s.err);
    g_assert_cmpint(c.ret | s.ret, ==, 0);
}

static void test_sync_timeout(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) sc = x509(pki, true, TEST_PKI_GOOD);
    AioContext *ctx = qemu_get_aio_context();

    for (int in_coroutine = 0; in_coroutine < 2; in_coroutine++) {
        g_autoptr(ChannelPair) pair = channel_pair_new("tcp");
        g_autoptr(QIOChannelTLS) server =
            qio_channel_tls_new_server(pair->b, sc, NULL, &error_abort);
        Sync s = { .tls = server, .timeout_ms = 30 };

        if (in_coroutine) {
            qemu_aio_coroutine_enter(ctx,
                                     qemu_coroutine_create(sync_coroutine, &s));
            while (!s.done) {
                aio_poll(ctx, true);
            }
        } else {
            sync_thread(&s);
        }
        g_assert_cmpint(s.ret, ==, -1);
        g_assert_nonnull(strstr(error_get_pretty(s.err), "in time"));
        error_free(s.err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    g_test_add_func("/x509", test_x509);
    g_test_add_func("/wrong-name", test_wrong_name);
    g_test_add_func("/wrong-endpoint", test_wrong_endpoint);
    g_test_add_func("/silent-peer", test_silent_peer);
    g_test_add_func("/close-cancels", test_close_cancels);
    g_test_add_func("/plain-peer", test_plain_peer);
    g_test_add_func("/peer-leaves", test_peer_leaves);
    g_test_add_func("/cut", test_cut);
    g_test_add_func("/faults", test_faults);
    g_test_add_func("/sync", test_sync);
    g_test_add_func("/sync-timeout", test_sync_timeout);
    return g_test_run();
}
