/*
 * TLS sessions with other implementations: openssl and gnutls-cli as clients
 * of ours, openssl as our server. A tool that is not installed is skipped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "crypto/tlscredsanon.h"
#include "crypto/tlscredspsk.h"
#include "crypto/tlscredsx509.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

#define WAIT_MS 15000

static TestPki *pki;

typedef struct Peer {
    GPid pid;
    int in, out; /* its stdin and stdout */
} Peer;

static bool have(const char *tool)
{
    g_autofree char *path = g_find_program_in_path(tool);

    if (!path) {
        g_test_skip(tool);
    }
    return path != NULL;
}

/* @command: words; %d is the port, SRV, CLI the directories. */
static Peer peer_start(const char *command, int port)
{
    g_autofree char *num = g_strdup_printf("%d", port);
    g_auto(GStrv) words = g_strsplit(command, " ", -1);
    g_autoptr(GError) err = NULL;
    Peer p;

    for (int i = 0; words[i]; i++) {
        g_autoptr(GString) s = g_string_new(words[i]);

        g_string_replace(s, "%d", num, 0);
        g_string_replace(s, "SRV",
                         test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD), 0);
        g_string_replace(s, "CLI",
                         test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD), 0);
        g_free(words[i]);
        words[i] = g_string_free(g_steal_pointer(&s), FALSE);
    }
    if (!g_spawn_async_with_pipes(
            NULL, words, NULL,
            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                G_SPAWN_STDERR_TO_DEV_NULL,
            NULL, NULL, &p.pid, &p.in, &p.out, NULL, &err)) {
        g_error("%s: %s", words[0], err->message);
    }
    return p;
}

static void peer_stop(Peer *p)
{
    fd_close(p->in);
    fd_close(p->out);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
}

static void wait_for(int fd, short events)
{
    struct pollfd pfd = { .fd = fd, .events = events };

    g_assert_cmpint(poll(&pfd, 1, WAIT_MS), ==, 1);
}

/* Reads the peer's output until @text is in it. */
static void peer_expect(Peer *p, const char *text)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    char buf[4096];

    while (!strstr(seen->str, text)) {
        ssize_t n;

        wait_for(p->out, POLLIN);
        n = read(p->out, buf, sizeof(buf));
        if (n <= 0) {
            g_error("peer ended without '%s': %s", text, seen->str);
        }
        g_string_append_len(seen, buf, n);
    }
}

static void peer_say(Peer *p, const char *text)
{
    g_assert_cmpint(write(p->in, text, strlen(text)), ==, strlen(text));
}

/* Drives one end alone, by poll. */
static void end_handshake(TestTLSEnd *end)
{
    while (!test_tls_end_step(end)) {
        bool sending = qcrypto_tls_session_get_handshake_status(end->sess) ==
                       QCRYPTO_TLS_HANDSHAKE_SENDING;

        wait_for(end->fd, sending ? POLLOUT : POLLIN);
    }
}

static int listen_local(int *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(bind(fd, (void *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_assert_cmpint(getsockname(fd, (void *)&sa, &len), ==, 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

static int connect_local(int port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (void *)&sa, sizeof(sa)) == 0) {
            return fd;
        }
        fd_close(fd);
        g_usleep(10000);
    }
    g_error("nobody listens on port %d", port);
}

static QCryptoTLSCreds *make_creds(const char *type, bool server)
{
    const char *dir = NULL;
    const char *end = server ? "server" : "client";

    if (g_str_equal(type, TYPE_QCRYPTO_TLS_CREDS_X509)) {
        dir = test_pki_dir(pki, server ? TEST_PKI_SERVER : TEST_PKI_CLIENT,
                           TEST_PKI_GOOD);
    } else if (g_str_equal(type, TYPE_QCRYPTO_TLS_CREDS_PSK)) {
        dir = test_pki_psk_dir(pki);
        if (!server) {
            return test_tls_creds_new(type, end, dir, &error_abort, "username",
                                      TEST_PKI_PSK_USER, NULL);
        }
    }
    return test_tls_creds_new(type, end, dir, &error_abort, NULL);
}

typedef struct PeerCase {
    const char *name;
    const char *type;
    const char *command;
    const char *say;   /* to the peer's stdin */
    const char *error; /* of our side's handshake; NULL = must work */
} PeerCase;

#define X509 TYPE_QCRYPTO_TLS_CREDS_X509
#define PSK  TYPE_QCRYPTO_TLS_CREDS_PSK
#define ANON TYPE_QCRYPTO_TLS_CREDS_ANON
#define SCLIENT                                                                \
    "openssl s_client -connect 127.0.0.1:%d -CAfile CLI/ca-cert.pem "          \
    "-verify_return_error -servername localhost "
#define SCERT   "-cert CLI/client-cert.pem -key CLI/client-key.pem "
#define GCLIENT "gnutls-cli 127.0.0.1 -p %d --x509cafile=CLI/ca-cert.pem "
#define GCERT                                                                  \
    "--x509certfile=CLI/client-cert.pem --x509keyfile=CLI/client-key.pem "

static const PeerCase client_cases[] = {
    { "openssl/x509-1.3", X509, SCLIENT SCERT "-tls1_3", "hello\n" },
    { "openssl/x509-1.2", X509, SCLIENT SCERT "-tls1_2", "hello\n" },
    { "openssl/key-update", X509, SCLIENT SCERT "-tls1_3", "K\nk\nhello\n" },
    { "openssl/no-cert-1.2", X509, SCLIENT "-tls1_2", NULL, "certificate" },
    { "openssl/no-cert-1.3", X509, SCLIENT "-tls1_3", NULL, "certificate" },
    { "openssl/tls-1.1", X509, SCLIENT SCERT "-tls1_1 -cipher ALL:@SECLEVEL=0",
      NULL, "handshake failed" },
    { "openssl/psk-1.3", PSK,
      "openssl s_client -connect 127.0.0.1:%d -psk_identity alice -psk " TEST_PKI_PSK_KEY
      " -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
      "hello\n" },
    { "openssl/psk-1.2", PSK,
      "openssl s_client -connect 127.0.0.1:%d -psk_identity alice -psk " TEST_PKI_PSK_KEY
      " -tls1_2",
      "hello\n" },
    { "openssl/psk-wrong-key", PSK,
      "openssl s_client -connect 127.0.0.1:%d -psk_identity alice -psk " TEST_PKI_PSK_KEY2
      " -tls1_2",
      NULL, "user 'alice' has another key" },
    { "openssl/psk-wrong-user", PSK,
      "openssl s_client -connect 127.0.0.1:%d -psk_identity mallory -psk " TEST_PKI_PSK_KEY
      " -tls1_2",
      NULL, "no key of user 'mallory'" },
    { "gnutls-cli/x509", X509, GCLIENT GCERT "--priority=NORMAL", "hello\n" },
    { "gnutls-cli/x509-1.2", X509,
      GCLIENT GCERT "--priority=NORMAL:-VERS-TLS1.3", "hello\n" },
    { "gnutls-cli/psk", PSK,
      "gnutls-cli 127.0.0.1 -p %d --pskusername=alice --pskkey=" TEST_PKI_PSK_KEY
      " --priority=NORMAL:+ECDHE-PSK:+DHE-PSK",
      "hello\n" },
    { "gnutls-cli/anon", ANON,
      "gnutls-cli 127.0.0.1 -p %d --no-ca-verification "
      "--priority=NORMAL:-VERS-TLS1.3:+ANON-ECDH:+ANON-DH",
      "hello\n" },
};

/* A foreign client talks to our server. */
static void test_client(const void *opaque)
{
    const PeerCase *c = opaque;
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    g_auto(GStrv) words = g_strsplit(c->command, " ", 2);
    QCryptoTLSSession *sess;
    TestTLSEnd end;
    char buf[6] = { 0 };
    int port, fd;
    Peer peer;

    if (!have(words[0])) {
        return;
    }
    creds = make_creds(c->type, true);
    fd = listen_local(&port);
    peer = peer_start(c->command, port);
    wait_for(fd, POLLIN);
    sess = qcrypto_tls_session_new(
        creds, NULL, NULL, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, &error_abort);
    test_tls_end_init(&end, sess, accept(fd, NULL, NULL));
    end_handshake(&end);
    if (c->error) {
        g_assert_nonnull(end.err);
        if (!strstr(error_get_pretty(end.err), c->error)) {
            g_error("'%s' lacks '%s'", error_get_pretty(end.err), c->error);
        }
    } else {
        if (end.err) {
            g_error("%s", error_get_pretty(end.err));
        }
        for (const char *s = c->say; *s; s = strchr(s, '\n') + 1) {
            /* openssl reads commands a line at a time */
            g_autofree char *line = g_strndup(s, strchr(s, '\n') + 1 - s);

            peer_say(&peer, line);
            g_usleep(50000);
        }
        g_assert_cmpint(test_tls_read_all(&end, buf, 6), ==, 6);
        g_assert_cmpmem(buf, 6, "hello\n", 6);
        g_assert_cmpint(test_tls_write_all(&end, "answer42\n", 9), ==, 9);
        peer_expect(&peer, "answer42");
    }
    test_tls_end_clear(&end);
    peer_stop(&peer);
    fd_close(fd);
}

#define SSERVER                                                                \
    "openssl s_server -quiet -rev -accept 127.0.0.1:%d "                       \
    "-CAfile SRV/ca-cert.pem "
#define SSCERT "-cert SRV/server-cert.pem -key SRV/server-key.pem "

static const PeerCase server_cases[] = {
    { "openssl/x509-1.3", X509, SSERVER SSCERT "-tls1_3" },
    { "openssl/x509-1.2", X509, SSERVER SSCERT "-tls1_2" },
    { "openssl/x509-mutual", X509,
      SSERVER SSCERT "-Verify 2 -verify_return_error" },
    { "openssl/tls-1.1", X509, SSERVER SSCERT "-tls1_1 -cipher ALL:@SECLEVEL=0",
      NULL, "handshake" },
    { "openssl/psk-1.3", PSK,
      "openssl s_server -quiet -rev -nocert -accept 127.0.0.1:%d "
      "-psk_identity alice -psk " TEST_PKI_PSK_KEY
      " -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256" },
    { "openssl/psk-1.2", PSK,
      "openssl s_server -quiet -rev -nocert -accept 127.0.0.1:%d "
      "-psk_identity alice -psk " TEST_PKI_PSK_KEY " -tls1_2" },
};

/* Our client talks to a foreign server, which sends lines back reversed. */
static void test_server(const void *opaque)
{
    const PeerCase *c = opaque;
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    QCryptoTLSSession *sess;
    TestTLSEnd end;
    char buf[7] = { 0 };
    int port;
    Peer peer;

    if (!have("openssl")) {
        return;
    }
    creds = make_creds(c->type, false);
    fd_close(listen_local(&port)); /* a port that is free now */
    peer = peer_start(c->command, port);
    sess = qcrypto_tls_session_new(creds, "localhost", NULL,
                                   QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT,
                                   &error_abort);
    test_tls_end_init(&end, sess, connect_local(port));
    end_handshake(&end);
    if (c->error) {
        g_assert_nonnull(end.err);
        g_assert_nonnull(strstr(error_get_pretty(end.err), c->error));
    } else {
        if (end.err) {
            g_error("%s", error_get_pretty(end.err));
        }
        g_assert_cmpint(test_tls_write_all(&end, "abcdef\n", 7), ==, 7);
        g_assert_cmpint(test_tls_read_all(&end, buf, 7), ==, 7);
        g_assert_cmpmem(buf, 7, "fedcba\n", 7);
    }
    test_tls_end_clear(&end);
    peer_stop(&peer);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    pki = test_pki_new();
    for (size_t i = 0; i < G_N_ELEMENTS(client_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlspeers/client/%s", client_cases[i].name);

        g_test_add_data_func(name, &client_cases[i], test_client);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(server_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlspeers/server/%s", server_cases[i].name);

        g_test_add_data_func(name, &server_cases[i], test_server);
    }
    ret = g_test_run();
    test_pki_free(pki);
    return ret;
}
