/*
 * The websocket channel against a peer that is written out byte by byte.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "io/channel-websock.h"
#include "io/websock-codec.h"
#include "io/websock-http.h"
#include "util/error.h"
#include "util/sockets.h"

#include "fault-channel.h"

#define REQUEST                                                                \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"                      \
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"   \
    "Sec-WebSocket-Version: 13\r\n\r\n"

/* Our channel on one end of a socket pair, the bare peer on the other. */
typedef struct Fixture {
    QIOChannel *peer;
    QIOChannelWebsock *ws;
    GMainContext *ctx;
    bool done;
    Error *err; /* of the handshake */
} Fixture;

static void handshake_done(QIOTask *task, gpointer opaque)
{
    Fixture *f = opaque;

    g_assert_true(qio_task_get_source(task) == OBJECT(f->ws));
    qio_task_propagate_error(task, &f->err);
    f->done = true;
}

static void fixture_init(Fixture *f, bool server)
{
    g_autoptr(QIOChannelSocket) sioc = NULL;
    int fds[2];

    memset(f, 0, sizeof(*f));
    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    f->peer = QIO_CHANNEL(qio_channel_socket_new_fd(fds[0], &error_abort));
    sioc = qio_channel_socket_new_fd(fds[1], &error_abort);
    f->ws = server ? qio_channel_websock_new_server(QIO_CHANNEL(sioc))
                   : qio_channel_websock_new_client(QIO_CHANNEL(sioc), "h:1",
                                                    "/p?q", &error_abort);
    f->ctx = g_main_context_new();
}

static void fixture_clear(Fixture *f)
{
    object_unref(OBJECT(f->ws));
    object_unref(OBJECT(f->peer));
    g_main_context_unref(f->ctx);
    error_free(f->err);
}

static void handshake_start(Fixture *f, unsigned timeout_ms)
{
    qio_channel_websock_handshake_full(f->ws, timeout_ms, handshake_done, f,
                                       NULL, f->ctx);
    g_assert_false(f->done);
}

static void handshake_wait(Fixture *f)
{
    while (!f->done) {
        g_main_context_iteration(f->ctx, true);
    }
}

static void peer_send(Fixture *f, const void *data, size_t len)
{
    qio_channel_write_all(f->peer, data, len, &error_abort);
}

/* Read the peer's side up to and including an empty line. */
static char *peer_read_head(Fixture *f)
{
    GString *s = g_string_new(NULL);
    char c;

    while (!g_str_has_suffix(s->str, "\r\n\r\n")) {
        qio_channel_read_all(f->peer, &c, 1, &error_abort);
        g_string_append_c(s, c);
    }
    return g_string_free(s, FALSE);
}

static void peer_expect(Fixture *f, const void *data, size_t len)
{
    g_autofree char *buf = g_malloc(len);

    qio_channel_read_all(f->peer, buf, len, &error_abort);
    g_assert_cmpmem(buf, len, data, len);
}

static void server_init(Fixture *f)
{
    g_autofree char *head = NULL;

    fixture_init(f, true);
    peer_send(f, REQUEST, strlen(REQUEST));
    handshake_start(f, 0);
    handshake_wait(f);
    g_assert_null(f->err);
    head = peer_read_head(f);
    g_assert_true(g_str_has_prefix(head, "HTTP/1.1 101 "));
}

/* A client's frame with an all-zero mask, which is legal and readable. */
static void peer_frame(Fixture *f, uint8_t first, const void *data, size_t len)
{
    uint8_t hdr[WEBSOCK_HEADER_MAX];
    static const uint8_t zero[4];
    size_t hlen = websock_encode_header(hdr, WEBSOCK_OP_BINARY, len, zero);

    hdr[0] = first;
    peer_send(f, hdr, hlen);
    peer_send(f, data, len);
}

static ssize_t ws_read(Fixture *f, void *buf, size_t len, Error **errp)
{
    return qio_channel_read(QIO_CHANNEL(f->ws), buf, len, errp);
}

/* -- server ---------------------------------------------------------------- */

static void test_server_echo(void)
{
    Fixture f;
    char buf[16];

    server_init(&f);
    peer_frame(&f, 0x82, "hello", 5);
    g_assert_cmpint(ws_read(&f, buf, 3, &error_abort), ==, 3);
    g_assert_cmpint(ws_read(&f, buf + 3, 13, &error_abort), ==, 2);
    g_assert_cmpmem(buf, 5, "hello", 5);
    qio_channel_write_all(QIO_CHANNEL(f.ws), "world", 5, &error_abort);
    peer_expect(&f, "\x82\x05world", 7);
    fixture_clear(&f);
}

/* A frame in the same segment as the request must not be lost. */
static void test_server_early_frame(void)
{
    static const char frame[] = "\x82\x82\0\0\0\0ok";
    Fixture f;
    char buf[4];

    fixture_init(&f, true);
    peer_send(&f, REQUEST, strlen(REQUEST));
    peer_send(&f, frame, sizeof(frame) - 1);
    handshake_start(&f, 0);
    handshake_wait(&f);
    g_assert_null(f.err);
    /* It is held in the channel: the watch must fire without the socket. */
    qio_channel_wait(QIO_CHANNEL(f.ws), G_IO_IN);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 2);
    fixture_clear(&f);
}

static void test_server_ping(void)
{
    Fixture f;
    char buf[4];

    server_init(&f);
    peer_frame(&f, 0x89, "are you there", 13);
    peer_frame(&f, 0x82, "x", 1);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 1);
    peer_expect(&f,
                "\x8a\x0d"
                "are you there",
                15);
    fixture_clear(&f);
}

/* Pings that cannot be answered yet: the newest one is, once. */
static void test_server_ping_flood(void)
{
    Fixture f;
    g_autofree char *fill = g_malloc0(65536);
    g_autofree char *in = g_malloc(65536);
    QIOChannel *ioc;
    char buf[4];
    size_t sent = 0, got = 0;
    ssize_t n;

    server_init(&f);
    ioc = QIO_CHANNEL(f.ws);
    qio_channel_set_blocking(ioc, false, &error_abort);
    while ((n = qio_channel_write(ioc, fill, 65536, &error_abort)) > 0) {
        sent += n;
    }
    for (int i = 0; i < 1000; i++) {
        uint8_t id = i;

        peer_frame(&f, 0x89, &id, 1);
        g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==,
                        QIO_CHANNEL_ERR_BLOCK);
    }
    qio_channel_set_blocking(f.peer, false, &error_abort);
    /* The pong comes at the end of the frame that is on its way. */
    while ((n = qio_channel_write(ioc, fill, 65536, &error_abort)) ==
           QIO_CHANNEL_ERR_BLOCK) {
        got += qio_channel_read(f.peer, in, 65536, &error_abort);
    }
    g_assert_cmpint(n, >, 0);
    g_assert_cmpuint(got, >, 0);
    qio_channel_set_blocking(f.peer, true, &error_abort);
    fixture_clear(&f);
}

static void test_server_close(void)
{
    Fixture f;
    Error *err = NULL;
    char buf[4];

    server_init(&f);
    peer_frame(&f, 0x88,
               "\x03\xe9"
               "bye",
               5);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 0);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 0);
    peer_expect(&f, "\x88\x02\x03\xe9", 4);
    g_assert_cmpint(qio_channel_write(QIO_CHANNEL(f.ws), "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    qio_channel_close(QIO_CHANNEL(f.ws), &error_abort);
    g_assert_cmpint(qio_channel_read(f.peer, buf, 4, &error_abort), ==, 0);
    fixture_clear(&f);
}

static void test_server_closes(void)
{
    Fixture f;

    server_init(&f);
    qio_channel_close(QIO_CHANNEL(f.ws), &error_abort);
    peer_expect(&f, "\x88\x02\x03\xe8", 4);
    fixture_clear(&f);
}

static void test_server_bad_frame(void)
{
    Fixture f;
    Error *err = NULL;
    char buf[4];

    server_init(&f);
    peer_frame(&f, 0x82, "ok", 2);
    peer_send(&f, "\x82\x01x", 3); /* not masked */
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 2);
    g_assert_cmpint(ws_read(&f, buf, 4, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "unmasked"));
    error_free_or_abort(&err);
    g_assert_cmpint(ws_read(&f, buf, 4, &err), ==, -1);
    error_free_or_abort(&err);
    peer_expect(&f, "\x88\x02\x03\xea", 4);
    fixture_clear(&f);
}

static void test_server_text(void)
{
    Fixture f;
    Error *err = NULL;
    char buf[4];

    server_init(&f);
    peer_frame(&f, 0x81, "ok", 2);
    g_assert_cmpint(ws_read(&f, buf, 4, &err), ==, -1);
    error_free_or_abort(&err);
    peer_expect(&f, "\x88\x02\x03\xeb", 4);
    fixture_clear(&f);
}

/* The connection ends: between messages that is an end, within one a fault. */
static void test_server_cut(void)
{
    Fixture f;
    Error *err = NULL;
    char buf[4];

    server_init(&f);
    peer_frame(&f, 0x82, "ok", 2);
    qio_channel_close(f.peer, &error_abort);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 2);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 0);
    fixture_clear(&f);

    server_init(&f);
    peer_send(&f, "\x82\x85\0\0\0\0he", 8);
    qio_channel_close(f.peer, &error_abort);
    g_assert_cmpint(ws_read(&f, buf, 4, &error_abort), ==, 2);
    g_assert_cmpint(ws_read(&f, buf, 4, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "within"));
    error_free_or_abort(&err);
    fixture_clear(&f);
}

static void test_server_refuses(void)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        { "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 " },
        { "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 " },
        { "\r\n\r\n", "HTTP/1.1 400 " },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *head = NULL;
        char c;
        Fixture f;

        fixture_init(&f, true);
        peer_send(&f, cases[i].request, strlen(cases[i].request));
        handshake_start(&f, 0);
        handshake_wait(&f);
        g_assert_nonnull(f.err);
        head = peer_read_head(&f);
        g_assert_true(g_str_has_prefix(head, cases[i].status));
        g_assert_cmpint(qio_channel_read(f.peer, &c, 1, &error_abort), ==, 0);
        fixture_clear(&f);
    }
}

static void test_server_too_large(void)
{
    g_autofree char *junk = g_strnfill(WEBSOCK_HTTP_MAX, 'A');
    g_autofree char *head = NULL;
    Fixture f;

    fixture_init(&f, true);
    peer_send(&f, junk, WEBSOCK_HTTP_MAX);
    handshake_start(&f, 0);
    handshake_wait(&f);
    g_assert_nonnull(f.err);
    head = peer_read_head(&f);
    g_assert_true(g_str_has_prefix(head, "HTTP/1.1 403 "));
    fixture_clear(&f);
}

static void expect_handshake_error(Fixture *f, const char *part)
{
    handshake_wait(f);
    g_assert_nonnull(f->err);
    if (!strstr(error_get_pretty(f->err), part)) {
        g_error("unexpected message: %s", error_get_pretty(f->err));
    }
}

static void test_server_timeout(void)
{
    Fixture f;

    fixture_init(&f, true);
    peer_send(&f, "GET / ", 6);
    handshake_start(&f, 30);
    expect_handshake_error(&f, "in time");
    fixture_clear(&f);
}

static void test_server_close_cancels(void)
{
    Fixture f;

    fixture_init(&f, true);
    handshake_start(&f, 0);
    g_main_context_iteration(f.ctx, false);
    qio_channel_close(QIO_CHANNEL(f.ws), &error_abort);
    expect_handshake_error(&f, "cancelled");
    fixture_clear(&f);
}

static void test_server_eof(void)
{
    Fixture f;

    fixture_init(&f, true);
    peer_send(&f, "GET / ", 6);
    qio_channel_close(f.peer, &error_abort);
    handshake_start(&f, 0);
    expect_handshake_error(&f, "ended the connection");
    fixture_clear(&f);
}

/* I/O before the handshake is refused, not sent in the clear. */
static void test_early_io(void)
{
    Fixture f;
    Error *err = NULL;
    char c;

    fixture_init(&f, true);
    g_assert_cmpint(qio_channel_write(QIO_CHANNEL(f.ws), "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(ws_read(&f, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
    fixture_clear(&f);
}

/* -- client ---------------------------------------------------------------- */

static char *client_answer(const char *request)
{
    const char *key = strstr(request, "Sec-WebSocket-Key: ") + 19;
    g_autofree char *k = g_strndup(key, WEBSOCK_KEY_SIZE - 1);
    char accept[WEBSOCK_ACCEPT_SIZE];

    websock_accept(k, accept);
    return g_strdup_printf("HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n\r\n",
                           accept);
}

static void test_client(void)
{
    g_autofree char *request = NULL;
    g_autofree char *answer = NULL;
    uint8_t wire[11], out[5];
    WebsockDecoder d;
    size_t used, n;
    char buf[8];
    Fixture f;

    fixture_init(&f, false);
    handshake_start(&f, 0);
    g_main_context_iteration(f.ctx, true);
    request = peer_read_head(&f);
    g_assert_true(g_str_has_prefix(request, "GET /p?q HTTP/1.1\r\nHost: h:1"));
    answer = client_answer(request);
    peer_send(&f, answer, strlen(answer));
    peer_send(&f, "\x82\x02hi", 4);
    handshake_wait(&f);
    g_assert_null(f.err);
    g_assert_cmpint(ws_read(&f, buf, 8, &error_abort), ==, 2);

    qio_channel_write_all(QIO_CHANNEL(f.ws), "hello", 5, &error_abort);
    qio_channel_read_all(f.peer, (char *)wire, 11, &error_abort);
    g_assert_cmphex(wire[0], ==, 0x82);
    g_assert_cmphex(wire[1], ==, 0x85);
    websock_decoder_init(&d, true);
    g_assert_cmpint(websock_decode(&d, wire, 11, &used, out, 5, &n), ==,
                    WEBSOCK_DATA);
    g_assert_cmpmem(out, n, "hello", 5);
    fixture_clear(&f);
}

static void test_client_refused(void)
{
    static const char answer[] = "HTTP/1.1 503 Busy\r\n\r\n";
    Fixture f;

    fixture_init(&f, false);
    peer_send(&f, answer, strlen(answer));
    handshake_start(&f, 0);
    expect_handshake_error(&f, "503 Busy");
    fixture_clear(&f);
}

/* An old answer, or a cache's, does not fit the key. */
static void test_client_replayed_answer(void)
{
    g_autofree char *answer =
        client_answer("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
    Fixture f;

    fixture_init(&f, false);
    peer_send(&f, answer, strlen(answer));
    handshake_start(&f, 0);
    expect_handshake_error(&f, "accept value");
    fixture_clear(&f);
}

/* Two masks in a row differ: they are random. */
static void test_client_masks(void)
{
    g_autofree char *request = NULL;
    g_autofree char *answer = NULL;
    uint8_t one[7], two[7];
    Fixture f;

    fixture_init(&f, false);
    handshake_start(&f, 0);
    g_main_context_iteration(f.ctx, true);
    request = peer_read_head(&f);
    answer = client_answer(request);
    peer_send(&f, answer, strlen(answer));
    handshake_wait(&f);
    for (int i = 0; i < 200; i++) {
        qio_channel_write_all(QIO_CHANNEL(f.ws), "a", 1, &error_abort);
        qio_channel_write_all(QIO_CHANNEL(f.ws), "a", 1, &error_abort);
        qio_channel_read_all(f.peer, (char *)one, 7, &error_abort);
        qio_channel_read_all(f.peer, (char *)two, 7, &error_abort);
        g_assert_cmpint(memcmp(one + 2, two + 2, 4), !=, 0);
    }
    fixture_clear(&f);
}

/* Errors of the master come out with their own words. */
static void test_master_fails(void)
{
    FaultPlan plan = { .fail_at_write = 1 };
    g_autoptr(QIOChannelSocket) sioc = NULL;
    g_autoptr(QIOChannel) fault = NULL;
    g_autoptr(QIOChannelWebsock) ws = NULL;
    Error *err = NULL;
    int fds[2];

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    sioc = qio_channel_socket_new_fd(fds[0], &error_abort);
    fault = fault_channel_new(QIO_CHANNEL(sioc), &plan);
    ws = qio_channel_websock_new_client(fault, "h", NULL, &error_abort);
    g_assert_cmpint(qio_channel_websock_handshake_sync(ws, 1000, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, FAULT_ERROR);
    error_free_or_abort(&err);
    fd_close(fds[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/echo", test_server_echo);
    g_test_add_func("/server/early-frame", test_server_early_frame);
    g_test_add_func("/server/ping", test_server_ping);
    g_test_add_func("/server/ping-flood", test_server_ping_flood);
    g_test_add_func("/server/close", test_server_close);
    g_test_add_func("/server/closes", test_server_closes);
    g_test_add_func("/server/bad-frame", test_server_bad_frame);
    g_test_add_func("/server/text", test_server_text);
    g_test_add_func("/server/cut", test_server_cut);
    g_test_add_func("/server/refuses", test_server_refuses);
    g_test_add_func("/server/too-large", test_server_too_large);
    g_test_add_func("/server/timeout", test_server_timeout);
    g_test_add_func("/server/close-cancels", test_server_close_cancels);
    g_test_add_func("/server/eof", test_server_eof);
    g_test_add_func("/early-io", test_early_io);
    g_test_add_func("/client/ok", test_client);
    g_test_add_func("/client/refused", test_client_refused);
    g_test_add_func("/client/replayed-answer", test_client_replayed_answer);
    g_test_add_func("/client/masks", test_client_masks);
    g_test_add_func("/master-fails", test_master_fails);
    return g_test_run();
}
