/*
 * Socket chardevs with TLS: credentials, clients that are not let in or do
 * not shake hands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "chardev/char-socket.h"
#include "chardev/types.h"
#include "crypto/init.h"
#include "io/channel-tls.h"
#include "io/socket-address.h"
#include "qom/object_interfaces.h"

#include "fake-fe.h"
#include "pki.h"
#include "socket-peer.h"

static void creds_new(const char *type, const char *id, const char *dir,
                      const char *endpoint, const char *more)
{
    g_autofree char *text = g_strdup_printf("%s,id=%s,dir=%s,endpoint=%s%s",
                                            type, id, dir, endpoint, more);

    g_assert_true(user_creatable_add_from_str(text, &error_abort));
}

static void creds_x509(TestPki *pki)
{
    creds_new("tls-creds-x509", "tls0",
              test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD), "server", "");
    creds_new("tls-creds-x509", "tls1",
              test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD), "client", "");
}

static void creds_clear(void)
{
    user_creatable_del("tls0", &error_abort);
    user_creatable_del("tls1", &error_abort);
}

static void test_tls_pair(void)
{
    g_autoptr(TestPki) pki = test_pki_new();

    creds_x509(pki);
    check_pair(",tls-creds=tls0", ",tls-creds=tls1");
    check_pair(",tls-creds=tls0,websocket", ",tls-creds=tls1,websocket");
    check_pair(",tls-creds=tls0,telnet", ",tls-creds=tls1,telnet");
    creds_clear();
}

static void test_tls_unix(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    g_autofree char *path = g_build_filename(test_pki_top(pki), "s", NULL);
    g_autofree char *so = g_strdup_printf(
        "socket,id=s0,path=%s,server,nowait,tls-creds=tls0", path);
    g_autofree char *co =
        g_strdup_printf("socket,id=c0,path=%s,tls-creds=tls1", path);
    g_autofree char *co2 = g_strconcat(co, ",tls-hostname=localhost", NULL);
    Chardev *srv, *cli;
    Error *err = NULL;
    FakeFe a, b;

    creds_x509(pki);
    srv = chr_new(so);
    g_assert_null(qemu_chr_new_from_cli(co, NULL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "tls-hostname"));
    error_free_or_abort(&err);
    cli = chr_new(co2);
    fake_fe_init(&a, srv);
    fake_fe_init(&b, cli);
    RUN_UNTIL(a.events->len && b.events->len);
    fake_write(&a, "secret");
    RUN_UNTIL(g_str_equal(b.input->str, "secret"));
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
    creds_clear();
}

static void test_tls_bad_clients(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    Chardev *srv, *cli;
    g_autofree char *bad = NULL, *good = NULL;
    Error *err = NULL;
    FakeFe a, b;
    int fd;

    creds_x509(pki);
    creds_new("tls-creds-x509", "tlsx",
              test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_MISMATCHED_CA),
              "client", ",sanity-check=off");
    srv = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait,"
                  "tls-creds=tls0");
    fake_fe_init(&a, srv);
    /* Clear text. */
    fd = tcp_connect(server_port(srv));
    g_assert_cmpint(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), ==, 18);
    RUN_UNTIL(at_eof(fd));
    close(fd);
    /* A certificate of another authority. */
    bad = g_strdup_printf("socket,id=c0,host=127.0.0.1,port=%d,tls-creds=tlsx",
                          server_port(srv));
    cli = chr_new(bad);
    run_for_ms(200);
    g_assert_cmpstr(a.events->str, ==, "");
    chr_delete(cli);
    /* The wrong end. */
    g_assert_null(qemu_chr_new_from_cli(
        "socket,id=c1,host=127.0.0.1,port=1,tls-creds=tls0", NULL, &err));
    error_free_or_abort(&err);
    /* And the listener goes on. */
    good = g_strdup_printf("socket,id=c0,host=127.0.0.1,port=%d,tls-creds=tls1",
                           server_port(srv));
    cli = chr_new(good);
    fake_fe_init(&b, cli);
    RUN_UNTIL(a.events->len && b.events->len);
    fake_write(&b, "ok");
    RUN_UNTIL(g_str_equal(a.input->str, "ok"));
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
    user_creatable_del("tlsx", &error_abort);
    creds_clear();
}

static void test_tls_500_idle(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    int before;
    g_autofree int *idle = g_new(int, IDLE);
    g_autofree char *good = NULL;
    Chardev *srv, *cli;
    int64_t start;
    FakeFe a, b;

    creds_x509(pki);
    before = count_fds();
    srv = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait,"
                  "tls-creds=tls0,handshake-timeout-ms=1500");
    fake_fe_init(&a, srv);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = tcp_connect(server_port(srv));
    }
    good = g_strdup_printf("socket,id=c0,host=127.0.0.1,port=%d,tls-creds=tls1",
                           server_port(srv));
    start = g_get_monotonic_time();
    cli = chr_new(good);
    fake_fe_init(&b, cli);
    RUN_UNTIL_MS(a.events->len && b.events->len, 3000);
    fake_write(&b, "hi");
    RUN_UNTIL_MS(g_str_equal(a.input->str, "hi"), 1000);
    g_test_message("good client in after %d ms",
                   (int)((g_get_monotonic_time() - start) / 1000));
    /* The claim closed the rest; so does the time limit. */
    for (int i = 0; i < IDLE; i++) {
        close(idle[i]);
    }
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
    RUN_UNTIL(count_fds() == before);
    creds_clear();
}

static void test_handshake_timeout(void)
{
    Chardev *srv = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait,"
                           "websocket,handshake-timeout-ms=100");
    int fd = tcp_connect(server_port(srv));

    RUN_UNTIL_MS(at_eof(fd), 2000);
    close(fd);
    chr_delete(srv);
}
int main(int argc, char **argv)
{
    struct rlimit lim = { 4096, 4096 };

    setrlimit(RLIMIT_NOFILE, &lim);
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    chardev_register_types();
    g_test_add_func("/char-socket/tls-pair", test_tls_pair);
    g_test_add_func("/char-socket/tls-unix", test_tls_unix);
    g_test_add_func("/char-socket/tls-bad-clients", test_tls_bad_clients);
    g_test_add_func("/char-socket/tls-500-idle", test_tls_500_idle);
    g_test_add_func("/char-socket/handshake-timeout", test_handshake_timeout);
    return g_test_run();
}
