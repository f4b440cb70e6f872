/*
 * The WebSocket upgrade: what is accepted, and what is refused how.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/websock-http.h"
#include "util/error.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define LINE  "GET / HTTP/1.1\r\n"
#define HOST  "Host: server.example.com\r\n"
#define UPG   "Upgrade: websocket\r\n"
#define CONN  "Connection: Upgrade\r\n"
#define KEYH  "Sec-WebSocket-Key: " KEY "\r\n"
#define VER   "Sec-WebSocket-Version: 13\r\n"
#define PROTO "Sec-WebSocket-Protocol: binary\r\n"

typedef struct RequestCase {
    const char *name;
    const char *text;
    WebsockStatus status;
    const char *error; /* part of the message */
} RequestCase;

static const RequestCase request_cases[] = {
    { "good", LINE HOST UPG CONN KEYH VER PROTO "\r\n", 101, NULL },
    { "no-protocol", LINE HOST UPG CONN KEYH VER "\r\n", 101, NULL },
    { "protocol-list",
      LINE HOST UPG CONN KEYH VER
      "Sec-WebSocket-Protocol: base64, binary\r\n\r\n",
      101, NULL },
    { "protocol-two-lines",
      LINE HOST UPG CONN KEYH VER "Sec-WebSocket-Protocol: base64\r\n" PROTO
                                  "\r\n",
      101, NULL },
    { "connection-list",
      LINE HOST UPG "Connection: keep-alive, Upgrade\r\n" KEYH VER "\r\n", 101,
      NULL },
    { "any-case",
      LINE "host: a\r\nUPGRADE: WebSocket\r\nconnection:upgrade\r\n" KEYH VER
           "\r\n",
      101, NULL },
    { "query", "GET /?token=1 HTTP/1.1\r\n" HOST UPG CONN KEYH VER "\r\n", 101,
      NULL },
    { "unknown-headers",
      LINE HOST "Origin: null\r\nX-Y: z\r\n" UPG CONN KEYH VER "\r\n", 101,
      NULL },

    { "no-host", LINE UPG CONN KEYH VER "\r\n", 400, "'Host'" },
    { "no-upgrade", LINE HOST CONN KEYH VER "\r\n", 400, "'Upgrade'" },
    { "no-connection", LINE HOST UPG KEYH VER "\r\n", 400, "'Connection'" },
    { "no-key", LINE HOST UPG CONN VER "\r\n", 400, "'Sec-WebSocket-Key'" },
    { "no-version", LINE HOST UPG CONN KEYH "\r\n", 400,
      "'Sec-WebSocket-Version'" },
    { "wrong-version",
      LINE HOST UPG CONN KEYH "Sec-WebSocket-Version: 8\r\n\r\n", 400,
      "version is '8'" },
    { "wrong-upgrade", LINE HOST "Upgrade: h2c\r\n" CONN KEYH VER "\r\n", 400,
      "'h2c'" },
    { "wrong-connection", LINE HOST UPG "Connection: close\r\n" KEYH VER "\r\n",
      400, "'close'" },
    { "wrong-protocol",
      LINE HOST UPG CONN KEYH VER "Sec-WebSocket-Protocol: chat\r\n\r\n", 400,
      "'chat'" },
    { "short-key", LINE HOST UPG CONN "Sec-WebSocket-Key: YQ==\r\n" VER "\r\n",
      400, "16 bytes" },
    { "no-base64-key",
      LINE HOST UPG CONN "Sec-WebSocket-Key: ************************\r\n" VER
                         "\r\n",
      400, "16 bytes" },
    { "two-keys", LINE HOST UPG CONN KEYH KEYH VER "\r\n", 400, "twice" },
    { "two-hosts", LINE HOST HOST UPG CONN KEYH VER "\r\n", 400, "twice" },
    { "post", "POST / HTTP/1.1\r\n" HOST UPG CONN KEYH VER "\r\n", 400,
      "'POST'" },
    { "http-1.0", "GET / HTTP/1.0\r\n" HOST UPG CONN KEYH VER "\r\n", 400,
      "HTTP/1.0" },
    { "no-version-word", "GET /\r\n" HOST UPG CONN KEYH VER "\r\n", 400,
      "request line" },
    { "two-blanks", "GET  / HTTP/1.1\r\n" HOST UPG CONN KEYH VER "\r\n", 400,
      "request line" },
    { "path", "GET /vnc HTTP/1.1\r\n" HOST UPG CONN KEYH VER "\r\n", 404,
      "'/vnc'" },
    { "folded", LINE "Host: a\r\n b\r\n" UPG CONN KEYH VER "\r\n", 400,
      "header line" },
    { "blank-before-colon", LINE "Host : a\r\n" UPG CONN KEYH VER "\r\n", 400,
      "header line" },
    { "bare-lf", LINE "Host: a\nX: y\r\n" UPG CONN KEYH VER "\r\n", 400,
      "header line" },
    { "no-colon", LINE "Host\r\n" UPG CONN KEYH VER "\r\n", 400,
      "header line" },
    { "garbage", "\x16\x03\x01\r\n\r\n", 400, "request line" },
};

static void test_request(gconstpointer opaque)
{
    const RequestCase *c = opaque;
    size_t len = strlen(c->text);
    WebsockRequest req = { 0 };
    g_autofree char *answer = NULL;
    g_autofree char *begin = g_strdup_printf("HTTP/1.1 %d ", c->status);
    Error *err = NULL;

    for (size_t part = 0; part < len; part++) {
        g_assert_cmpint(
            websock_request_parse(c->text, part, &req, &error_abort), ==, 0);
    }
    if (c->error) {
        g_assert_cmpint(websock_request_parse(c->text, len, &req, &err), ==,
                        -1);
        if (!strstr(error_get_pretty(err), c->error)) {
            g_error("unexpected message: %s", error_get_pretty(err));
        }
        error_free(err);
    } else {
        g_assert_cmpint(websock_request_parse(c->text, len, &req, &error_abort),
                        ==, len);
        g_assert_cmpstr(req.accept, ==, ACCEPT);
        g_assert_true(req.binary == (strstr(c->text, "-Protocol") != NULL));
    }
    g_assert_cmpint(req.status, ==, c->status);
    answer = websock_response_format(&req);
    g_assert_true(g_str_has_prefix(answer, begin));
    g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
    g_assert_true(!c->error == !strstr(answer, "Connection: close"));
}

static void test_request_limit(void)
{
    g_autoptr(GString) text = g_string_new(LINE HOST UPG CONN KEYH VER "X: ");
    WebsockRequest req;
    Error *err = NULL;

    while (text->len < WEBSOCK_HTTP_MAX - 4) {
        g_string_append_c(text, 'x');
    }
    g_string_append(text, "\r\n\r\n");
    g_assert_cmpint(websock_request_parse(text->str, text->len, &req,
                                          &error_abort),
                    ==, WEBSOCK_HTTP_MAX);

    g_string_insert(text, 30, "x");
    g_assert_cmpint(websock_request_parse(text->str, text->len, &req, &err), ==,
                    -1);
    g_assert_cmpint(req.status, ==, WEBSOCK_STATUS_TOO_LARGE);
    error_free_or_abort(&err);
    g_assert_cmpint(
        websock_request_parse(text->str, WEBSOCK_HTTP_MAX, &req, &err), ==, -1);
    error_free_or_abort(&err);
}

static void test_request_zero_byte(void)
{
    static const char text[] = "GET /\0 HTTP/1.1\r\n\r\n";
    WebsockRequest req;
    Error *err = NULL;

    g_assert_cmpint(websock_request_parse(text, sizeof(text) - 1, &req, &err),
                    ==, -1);
    g_assert_cmpint(req.status, ==, WEBSOCK_STATUS_BAD_REQUEST);
    error_free_or_abort(&err);
}

static void test_trailing_bytes(void)
{
    static const char text[] = LINE HOST UPG CONN KEYH VER "\r\n\x82\x80";
    WebsockRequest req;

    g_assert_cmpint(websock_request_parse(text, sizeof(text) - 1, &req,
                                          &error_abort),
                    ==, sizeof(text) - 3);
}

#define ANSWER                                                                 \
    "HTTP/1.1 101 Switching Protocols\r\n" UPG CONN                            \
    "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static const struct {
    const char *name;
    const char *text;
    const char *error;
} response_cases[] = {
    { "good", ANSWER "\r\n", NULL },
    { "protocol", ANSWER PROTO "\r\n", NULL },
    { "no-reason",
      "HTTP/1.1 101\r\n" UPG CONN "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
      NULL },
    { "refused", "HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden" },
    { "http-1.0", "HTTP/1.0 101 OK\r\n\r\n", "not HTTP/1.1" },
    { "1010", "HTTP/1.1 1010 OK\r\n\r\n", "refused" },
    { "not-http", "SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1" },
    { "no-accept", "HTTP/1.1 101 OK\r\n" UPG CONN "\r\n",
      "'Sec-WebSocket-Accept'" },
    { "wrong-accept",
      "HTTP/1.1 101 OK\r\n" UPG CONN
      "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
      "accept value" },
    { "no-upgrade",
      "HTTP/1.1 101 OK\r\n" CONN "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
      "'Upgrade'" },
    { "extension",
      ANSWER "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
      "extension" },
    { "other-protocol", ANSWER "Sec-WebSocket-Protocol: chat\r\n\r\n",
      "'chat'" },
};

static void test_responses(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(response_cases); i++) {
        const char *text = response_cases[i].text;
        Error *err = NULL;
        ssize_t n = websock_response_parse(text, strlen(text), KEY, &err);

        g_test_message("%s", response_cases[i].name);
        if (response_cases[i].error) {
            g_assert_cmpint(n, ==, -1);
            g_assert_nonnull(
                strstr(error_get_pretty(err), response_cases[i].error));
            error_free(err);
        } else {
            g_assert_null(err);
            g_assert_cmpint(n, ==, strlen(text));
            g_assert_cmpint(websock_response_parse(text, strlen(text) - 1, KEY,
                                                   &error_abort),
                            ==, 0);
        }
    }
}

static void test_request_format(void)
{
    static const char *const bad_hosts[] = { "",    "a b", "a\r\nX: y",
                                             "a/b", "u@h", "h\xc3\xa9" };
    static const char *const bad_paths[] = { "", "x", "/a b", "/a\r\n", "/#f" };
    g_autofree char *text =
        websock_request_format("[::1]:80", "/", KEY, &error_abort);
    g_autofree char *longest = g_strnfill(WEBSOCK_HTTP_MAX, 'a');
    WebsockRequest req;
    Error *err = NULL;

    g_assert_cmpint(websock_request_parse(text, strlen(text), &req,
                                          &error_abort),
                    ==, strlen(text));
    g_assert_true(req.binary);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_hosts); i++) {
        g_assert_null(websock_request_format(bad_hosts[i], "/", KEY, &err));
        error_free_or_abort(&err);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad_paths); i++) {
        g_assert_null(websock_request_format("h", bad_paths[i], KEY, &err));
        error_free_or_abort(&err);
    }
    g_assert_null(websock_request_format(longest, "/", KEY, &err));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(request_cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/request/%s", request_cases[i].name);

        g_test_add_data_func(path, &request_cases[i], test_request);
    }
    g_test_add_func("/request-limit", test_request_limit);
    g_test_add_func("/request-zero-byte", test_request_zero_byte);
    g_test_add_func("/trailing-bytes", test_trailing_bytes);
    g_test_add_func("/responses", test_responses);
    g_test_add_func("/request-format", test_request_format);
    return g_test_run();
}
