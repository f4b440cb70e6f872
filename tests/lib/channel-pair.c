/*
 * Stacks of layers on connected pairs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "channel-pair.h"

#include "io/channel-command.h"
#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "io/channel-websock.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"

#include "fault-channel.h"
#include "pki.h"
#include "tls-pair.h"

#define HANDSHAKE_MS 20000

/* Fast, so that what is measured or tested is the channel. */
#define PRIORITY "NORMAL:-CIPHER-ALL:+AES-128-GCM"

/* -- bases ----------------------------------------------------------------- */

static void base_unix(ChannelPair *pair)
{
    int fds[2];

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    pair->a = QIO_CHANNEL(qio_channel_socket_new_fd(fds[0], &error_abort));
    pair->b = QIO_CHANNEL(qio_channel_socket_new_fd(fds[1], &error_abort));
    pair->duplex = pair->half_close = true;
}

static void base_tcp(ChannelPair *pair)
{
    g_autoptr(QIOChannelSocket) listener = qio_channel_socket_new();
    QIOChannelSocket *client = qio_channel_socket_new();
    SocketAddress *addr = socket_parse("127.0.0.1:0", &error_abort);

    qio_channel_socket_listen_sync(listener, addr, 1, &error_abort);
    qapi_free_SocketAddress(addr);
    addr = qio_channel_socket_get_local_address(listener, &error_abort);
    qio_channel_socket_connect_sync(client, addr, &error_abort);
    qapi_free_SocketAddress(addr);
    pair->a = QIO_CHANNEL(client);
    pair->b = QIO_CHANNEL(qio_channel_socket_accept(listener, &error_abort));
    qio_channel_set_delay(pair->a, false);
    qio_channel_set_delay(pair->b, false);
    pair->duplex = pair->half_close = true;
}

static void base_pipe(ChannelPair *pair)
{
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    pair->a = QIO_CHANNEL(qio_channel_file_new_fd(fds[1]));
    pair->b = QIO_CHANNEL(qio_channel_file_new_fd(fds[0]));
}

static void base_cat(ChannelPair *pair)
{
    const char *const argv[] = { "/bin/cat", NULL };

    pair->a =
        QIO_CHANNEL(qio_channel_command_new_spawn(argv, O_RDWR, &error_abort));
    pair->b = QIO_CHANNEL(object_ref(OBJECT(pair->a)));
    pair->loop = true;
}

/* -- layers ---------------------------------------------------------------- */

static void handshake_done(QIOTask *task, gpointer opaque)
{
    Error *err = NULL;

    if (qio_task_propagate_error(task, &err)) {
        g_error("handshake: %s", error_get_pretty(err));
    }
    ++*(int *)opaque;
}

static void replace(QIOChannel **end, void *layer)
{
    object_unref(OBJECT(*end));
    *end = QIO_CHANNEL(layer);
}

static void layer_fault(ChannelPair *pair)
{
    FaultPlan plan = { .max_bytes = 700, .block_one_in = 3, .seed = 42 };

    replace(&pair->a, fault_channel_new(pair->a, &plan));
    plan.seed = 4711;
    replace(&pair->b, fault_channel_new(pair->b, &plan));
}

static void layer_tls(ChannelPair *pair)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();
    g_autoptr(TestPki) pki = test_pki_new();
    const char *dir = test_pki_psk_dir(pki);
    g_autoptr(QCryptoTLSCreds) client =
        test_tls_creds_new("tls-creds-psk", "client", dir, &error_abort,
                           "username", TEST_PKI_PSK_USER, NULL);
    g_autoptr(QCryptoTLSCreds) server =
        test_tls_creds_new("tls-creds-psk", "server", dir, &error_abort,
                           "priority", PRIORITY, NULL);
    int done = 0;

    replace(&pair->a,
            qio_channel_tls_new_client(pair->a, client, NULL, &error_abort));
    replace(&pair->b,
            qio_channel_tls_new_server(pair->b, server, NULL, &error_abort));
    qio_channel_tls_handshake_full(QIO_CHANNEL_TLS(pair->a), HANDSHAKE_MS,
                                   handshake_done, &done, NULL, ctx);
    qio_channel_tls_handshake_full(QIO_CHANNEL_TLS(pair->b), HANDSHAKE_MS,
                                   handshake_done, &done, NULL, ctx);
    while (done < 2) {
        g_main_context_iteration(ctx, true);
    }
}

static void layer_ws(ChannelPair *pair)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();
    int done = 0;

    replace(&pair->a, qio_channel_websock_new_client(pair->a, "localhost", NULL,
                                                     &error_abort));
    replace(&pair->b, qio_channel_websock_new_server(pair->b));
    qio_channel_websock_handshake_full(QIO_CHANNEL_WEBSOCK(pair->a),
                                       HANDSHAKE_MS, handshake_done, &done,
                                       NULL, ctx);
    qio_channel_websock_handshake_full(QIO_CHANNEL_WEBSOCK(pair->b),
                                       HANDSHAKE_MS, handshake_done, &done,
                                       NULL, ctx);
    while (done < 2) {
        g_main_context_iteration(ctx, true);
    }
    /* A peer that got our close frame may send no more (RFC 6455 5.5.1). */
    pair->half_close = false;
}

static const struct {
    const char *name;
    void (*make)(ChannelPair *pair);
} parts[] = {
    { "unix", base_unix },    { "tcp", base_tcp },  { "pipe", base_pipe },
    { "cat", base_cat },      { "tls", layer_tls }, { "ws", layer_ws },
    { "fault", layer_fault },
};

ChannelPair *channel_pair_new(const char *stack)
{
    ChannelPair *pair = g_new0(ChannelPair, 1);
    g_auto(GStrv) names = g_strsplit(stack, "/", -1);

    for (char **name = names; *name; name++) {
        size_t i = 0;

        while (i < ARRAY_SIZE(parts) && strcmp(parts[i].name, *name) != 0) {
            i++;
        }
        g_assert_cmpuint(i, <, ARRAY_SIZE(parts));
        parts[i].make(pair);
    }
    return pair;
}

void channel_pair_free(ChannelPair *pair)
{
    object_unref(OBJECT(pair->a));
    object_unref(OBJECT(pair->b));
    g_free(pair);
}
