/*
 * One end of a connection for a real peer, made of channels:
 *
 *   channel-peer serve ws|tls|wss CLIENTS    echoes; prints PORT= and CA=
 *   channel-peer connect ws|tls|wss PORT     sends and expects echoes; for tls
 *                                            and wss the CA is in $CA
 *
 * Driven by test-peers.sh. Exit status 0 = all went as it should.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "io/channel-websock.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error-report.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

#define TIMEOUT_MS 10000
#define CHUNK      65536

static bool has_layer(const char *stack, const char *layer)
{
    return strcmp(stack, layer) == 0 || strcmp(stack, "wss") == 0;
}

/* Put the layers of @stack on @sioc. */
static QIOChannel *add_layers(QIOChannelSocket *sioc, const char *stack,
                              bool server, QCryptoTLSCreds *creds,
                              const char *host, Error **errp)
{
    g_autoptr(QIOChannel) ioc = QIO_CHANNEL(object_ref(OBJECT(sioc)));

    if (has_layer(stack, "tls")) {
        g_autoptr(QIOChannel) master = g_steal_pointer(&ioc);
        g_autoptr(QIOChannelTLS) tls =
            server
                ? qio_channel_tls_new_server(master, creds, NULL, errp)
                : qio_channel_tls_new_client(master, creds, "localhost", errp);

        if (!tls || qio_channel_tls_handshake_sync(tls, TIMEOUT_MS, errp) < 0) {
            return NULL;
        }
        ioc = QIO_CHANNEL(g_steal_pointer(&tls));
    }
    if (has_layer(stack, "ws")) {
        g_autoptr(QIOChannel) master = g_steal_pointer(&ioc);
        g_autoptr(QIOChannelWebsock) ws =
            server ? qio_channel_websock_new_server(master)
                   : qio_channel_websock_new_client(master, host, "/", errp);

        if (!ws ||
            qio_channel_websock_handshake_sync(ws, TIMEOUT_MS, errp) < 0) {
            return NULL;
        }
        ioc = QIO_CHANNEL(g_steal_pointer(&ws));
    }
    return g_steal_pointer(&ioc);
}

/* -- serving --------------------------------------------------------------- */

static bool echo(QIOChannel *ioc, Error **errp)
{
    g_autofree char *buf = g_malloc(CHUNK);
    ssize_t n;

    while ((n = qio_channel_read(ioc, buf, CHUNK, errp)) > 0) {
        if (qio_channel_write_all(ioc, buf, n, errp) < 0) {
            return false;
        }
    }
    return n == 0 && qio_channel_close(ioc, errp) == 0;
}

static QIOChannelSocket *serve_open(void)
{
    SocketAddress *addr = socket_parse("127.0.0.1:0", &error_abort);
    QIOChannelSocket *listener = qio_channel_socket_new();

    qio_channel_socket_listen_sync(listener, addr, 10, &error_abort);
    qapi_free_SocketAddress(addr);
    addr = qio_channel_socket_get_local_address(listener, &error_abort);
    printf("PORT=%s\n", addr->u.inet.port);
    qapi_free_SocketAddress(addr);
    return listener;
}

static int serve(const char *stack, int clients)
{
    g_autoptr(TestPki) pki = test_pki_new();
    const char *dir = test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD);
    g_autoptr(QCryptoTLSCreds) creds =
        test_tls_creds_new("tls-creds-x509", "server", dir, &error_abort,
                           "verify-peer", "no", NULL);
    g_autoptr(QIOChannelSocket) listener = serve_open();
    int failed = 0;

    printf("CA=%s/ca-cert.pem\n", dir);
    fflush(stdout);
    while (clients-- > 0) {
        g_autoptr(QIOChannelSocket) client =
            qio_channel_socket_accept(listener, &error_abort);
        Error *err = NULL;
        g_autoptr(QIOChannel) ioc =
            add_layers(client, stack, true, creds, NULL, &err);

        if (!ioc || !echo(ioc, &err)) {
            error_report_err(err);
            failed++;
        }
    }
    return failed ? 1 : 0;
}

/* -- connecting ------------------------------------------------------------ */

static bool exchange(QIOChannel *ioc, size_t size, Error **errp)
{
    g_autofree char *out = g_malloc(size);
    g_autofree char *in = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        out[i] = i * 31 + size;
    }
    if (qio_channel_write_all(ioc, out, size, errp) < 0 ||
        qio_channel_read_all(ioc, in, size, errp) < 0) {
        return false;
    }
    if (memcmp(in, out, size) != 0) {
        error_setg(errp, "echo of %zu bytes differs", size);
        return false;
    }
    return true;
}

static bool run_client(const char *stack, const char *port, Error **errp)
{
    static const size_t sizes[] = { 1, 125, 126, 4096, 65535, 65536 };
    g_autofree char *dir =
        g_getenv("CA") ? g_path_get_dirname(g_getenv("CA")) : NULL;
    g_autofree char *text = g_strconcat("127.0.0.1:", port, NULL);
    g_autofree char *host = g_strconcat("localhost:", port, NULL);
    SocketAddress *addr = socket_parse(text, &error_abort);
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    g_autoptr(QIOChannel) ioc = NULL;
    int ret = qio_channel_socket_connect_sync(sioc, addr, errp);

    qapi_free_SocketAddress(addr);
    if (ret < 0) {
        return false;
    }
    if (has_layer(stack, "tls")) {
        creds = test_tls_creds_new("tls-creds-x509", "client", dir, errp, NULL);
        if (!creds) {
            return false;
        }
    }
    ioc = add_layers(sioc, stack, false, creds, host, errp);
    if (!ioc) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (!exchange(ioc, sizes[i], errp)) {
            return false;
        }
    }
    return qio_channel_close(ioc, errp) == 0;
}

int main(int argc, char **argv)
{
    Error *err = NULL;

    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        return serve(argv[2], strtol(argv[3], NULL, 10));
    }
    if (argc == 4 && strcmp(argv[1], "connect") == 0) {
        if (!run_client(argv[2], argv[3], &err)) {
            error_report_err(err);
            return 1;
        }
        return 0;
    }
    fprintf(stderr, "usage: channel-peer serve|connect ws|tls|wss N|PORT\n");
    return 2;
}
