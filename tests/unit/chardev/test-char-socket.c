/*
 * Socket chardevs: server, client, reconnect, telnet, WebSocket, and who
 * becomes the client of a listener.
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

/* -- basic ----------------------------------------------------------------------- */

static void test_server(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autofree char *name = qemu_chr_get_filename(chr);
    g_autofree char *name2 = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    FakeFe fe;
    int fd;

    g_assert_true(g_str_has_prefix(name, "disconnected:tcp:127.0.0.1:"));
    g_assert_true(g_str_has_suffix(name, ",server=on"));
    fake_fe_init(&fe, chr);
    g_assert_cmpstr(fe.events->str, ==, "");
    /* Nobody there: dropped, and counted as written. */
    g_assert_cmpint(fake_write(&fe, "lost"), ==, 4);

    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(fe.events->len == 1);
    g_assert_cmpstr(fe.events->str, ==, "O");
    name2 = qemu_chr_get_filename(chr);
    g_assert_nonnull(strstr(name2, " <-> "));
    fake_write(&fe, "hello");
    RUN_UNTIL(has(fd, got, "hello"));
    g_assert_cmpstr(got->str, ==, "hello");
    g_assert_cmpint(write(fd, "world", 5), ==, 5);
    RUN_UNTIL(g_str_equal(fe.input->str, "world"));
    close(fd);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));

    /* The next one. */
    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(g_str_equal(fe.events->str, "OCO"));
    close(fd);
    RUN_UNTIL(g_str_equal(fe.events->str, "OCOC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
}

static void test_client(void)
{
    Chardev *srv = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autofree char *opt = g_strdup_printf(
        "socket,id=c0,host=localhost,port=%d,ipv4,nodelay", server_port(srv));
    Chardev *cli = chr_new(opt);
    FakeFe a, b;

    fake_fe_init(&a, srv);
    fake_fe_init(&b, cli);
    g_assert_true(qemu_chr_wait_connected_all(NULL, NULL, &error_abort));
    RUN_UNTIL(a.events->len && b.events->len);
    fake_write(&a, "from server");
    fake_write(&b, "from client");
    RUN_UNTIL(g_str_equal(a.input->str, "from client"));
    RUN_UNTIL(g_str_equal(b.input->str, "from server"));
    qemu_chr_fe_disconnect(&a.be);
    RUN_UNTIL(g_str_equal(b.events->str, "OC"));
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
}

static void test_client_refused(void)
{
    Error *err = NULL;
    Chardev *cli = chr_new("socket,id=c0,host=127.0.0.1,port=1");

    g_assert_false(qemu_chr_wait_connected_all(NULL, NULL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "c0"));
    error_free_or_abort(&err);
    chr_delete(cli);
}

static void test_reconnect(void)
{
    Chardev *srv = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    int port = server_port(srv);
    g_autofree char *opt = g_strdup_printf(
        "socket,id=c0,host=127.0.0.1,port=%d,reconnect-ms=50", port);
    g_autofree char *again = g_strdup_printf(
        "socket,id=s0,host=127.0.0.1,port=%d,server,nowait", port);
    Chardev *cli;
    FakeFe b;

    chr_delete(srv);
    cli = chr_new(opt); /* nobody listens yet */
    g_assert_true(qemu_chr_has_feature(cli, QEMU_CHAR_FEATURE_RECONNECTABLE));
    fake_fe_init(&b, cli);
    run_for_ms(120);
    g_assert_cmpstr(b.events->str, ==, "");
    srv = chr_new(again);
    RUN_UNTIL(g_str_equal(b.events->str, "O"));
    chr_delete(srv);
    RUN_UNTIL(g_str_equal(b.events->str, "OC"));
    srv = chr_new(again);
    RUN_UNTIL(g_str_equal(b.events->str, "OCO"));
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
}

static void test_unix_fds(void)
{
    g_autofree char *dir = g_dir_make_tmp("chr-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *so =
        g_strdup_printf("socket,id=s0,path=%s,server,nowait", path);
    g_autofree char *co = g_strdup_printf("socket,id=c0,path=%s", path);
    Chardev *srv = chr_new(so), *cli = chr_new(co);
    int pipefd[2], got;
    char byte;
    FakeFe a, b;

    fake_fe_init(&a, srv);
    fake_fe_init(&b, cli);
    RUN_UNTIL(a.events->len && b.events->len);
    g_assert_cmpint(pipe(pipefd), ==, 0);
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&b.be, &pipefd[0], 1), ==, 0);
    fake_write(&b, "fd");
    RUN_UNTIL(g_str_equal(a.input->str, "fd"));
    got = qemu_chr_fe_get_msgfd(&a.be);
    g_assert_cmpint(got, >=, 0);
    g_assert_cmpint(qemu_chr_fe_get_msgfd(&a.be), ==, -1);
    g_assert_cmpint(write(pipefd[1], "x", 1), ==, 1);
    g_assert_cmpint(read(got, &byte, 1), ==, 1);
    close(got);
    close(pipefd[0]);
    close(pipefd[1]);
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_rmdir(dir);
}

static void test_fd_client(void)
{
    g_autofree char *opt = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    Chardev *cli;
    FakeFe fe;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    opt = g_strdup_printf("socket,id=c0,fd=%d", sv[0]);
    cli = chr_new(opt);
    fake_fe_init(&fe, cli);
    g_assert_cmpstr(fe.events->str, ==, "O");
    fake_write(&fe, "x");
    RUN_UNTIL(has(sv[1], got, "x"));
    close(sv[1]);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete(cli);
}

/* -- a peer that does not read ------------------------------------------------------ */

static gboolean note_watch(void *unused, GIOCondition cond, void *opaque)
{
    *(GIOCondition *)opaque |= cond;
    return G_SOURCE_REMOVE;
}

static void test_stuck_peer(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autofree char *block = g_malloc(65536);
    g_autoptr(GString) got = g_string_new(NULL);
    GIOCondition cond = 0;
    size_t total = 0;
    int64_t start;
    FakeFe fe;
    int fd, n;

    memset(block, 'a', 65536);
    fake_fe_init(&fe, chr);
    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(fe.events->len);
    start = g_get_monotonic_time();
    while ((n = qemu_chr_fe_write(&fe.be, (uint8_t *)block, 65536)) > 0) {
        total += n;
    }
    g_assert_cmpint(n, ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    /* Queueing ends at the limit and never waits. */
    while ((n = qemu_chr_fe_write_all(&fe.be, (uint8_t *)block, 65536)) > 0) {
        total += n;
    }
    g_assert_cmpint(n, ==, -1);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
    g_assert_cmpuint(qemu_chr_fe_add_watch(&fe.be, G_IO_OUT | G_IO_HUP,
                                           note_watch, &cond),
                     >, 0);
    run_for_ms(30);
    g_assert_cmpint(cond, ==, 0);
    /* It reads at last: all comes, in order, nothing twice. */
    RUN_UNTIL((drain(fd, got), got->len == total));
    g_assert_cmpint(cond & G_IO_OUT, ==, G_IO_OUT);
    g_assert_cmpint(qemu_chr_fe_write(&fe.be, (uint8_t *)"z", 1), ==, 1);
    RUN_UNTIL(has(fd, got, "z"));
    close(fd);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
}

/* A front end that takes nothing must not lose input, nor spin. */
static void test_front_end_full(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    FakeFe fe;
    int fd;

    fake_fe_init(&fe, chr);
    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(fe.events->len);
    fe.room = 0;
    g_assert_cmpint(write(fd, "kept", 4), ==, 4);
    close(fd);
    run_for_ms(30);
    g_assert_cmpstr(fe.input->str, ==, "");
    fe.room = 1;
    qemu_chr_fe_accept_input(&fe.be);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    g_assert_cmpstr(fe.input->str, ==, "kept");
    fake_fe_clear(&fe);
    chr_delete(chr);
}

typedef struct NestedFe {
    FakeFe fe;
    int depth;
} NestedFe;

/* A front end that runs the loop from inside of its receive handler. */
static void nested_read(void *opaque, const uint8_t *buf, int size)
{
    NestedFe *n = opaque;

    g_assert_cmpint(n->depth, ==, 0);
    n->depth++;
    fake_read(&n->fe, buf, size);
    run_for_ms(20);
    n->depth--;
}

static void test_nested_loop(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    NestedFe n = { 0 };
    int64_t cpu;
    int fd;

    fake_fe_init(&n.fe, chr);
    n.fe.room = 1;
    qemu_chr_fe_set_handlers(&n.fe.be, fake_can_read, nested_read, fake_event,
                             NULL, &n, NULL, true);
    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(g_str_equal(n.fe.events->str, "O"));
    cpu = clock();
    g_assert_cmpint(write(fd, "nested", 6), ==, 6);
    RUN_UNTIL(n.fe.input->len == 6);
    g_assert_cmpstr(n.fe.input->str, ==, "nested");
    /* 120 ms with input waiting: the nested loops slept, and did not spin. */
    g_assert_cmpint(clock() - cpu, <, CLOCKS_PER_SEC * 6 / 100);
    close(fd);
    RUN_UNTIL(g_str_equal(n.fe.events->str, "OC"));
    fake_fe_clear(&n.fe);
    chr_delete(chr);
}

/* -- who becomes the client ------------------------------------------------------------ */

static void test_silent_clients(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autoptr(GString) a = g_string_new(NULL), b = g_string_new(NULL);
    FakeFe fe;
    int first, second, third;

    fake_fe_init(&fe, chr);
    first = tcp_connect(server_port(chr));
    RUN_UNTIL(g_str_equal(fe.events->str, "O"));
    fake_write(&fe, "greeting ");
    second = tcp_connect(server_port(chr));
    /* The second sees what the first saw, without an event. */
    RUN_UNTIL(has(second, b, "greeting "));
    fake_write(&fe, "more");
    RUN_UNTIL(has(first, a, "more") && has(second, b, "more"));
    g_assert_cmpstr(a->str, ==, "greeting more");
    g_assert_cmpstr(b->str, ==, "greeting more");
    g_assert_cmpstr(fe.events->str, ==, "O");
    /* Who speaks has the line; the other is closed. */
    g_assert_cmpint(write(second, "me", 2), ==, 2);
    RUN_UNTIL(at_eof(first));
    g_assert_cmpstr(fe.input->str, ==, "me");
    g_assert_cmpstr(fe.events->str, ==, "O");
    /* From now on others wait. */
    third = tcp_connect(server_port(chr));
    run_for_ms(30);
    fake_write(&fe, "private");
    RUN_UNTIL(has(second, b, "private"));
    g_string_truncate(a, 0);
    drain(third, a);
    g_assert_cmpstr(a->str, ==, "");
    close(second);
    RUN_UNTIL(g_str_equal(fe.events->str, "OCO"));
    fake_write(&fe, "next");
    RUN_UNTIL(has(third, a, "next"));
    g_assert_cmpstr(a->str, ==, "next");
    close(first);
    close(third);
    RUN_UNTIL(g_str_equal(fe.events->str, "OCOC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
}

static void test_500_idle(void)
{
    int before = count_fds();
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autoptr(GString) got = g_string_new(NULL);
    g_autofree int *idle = g_new(int, IDLE);
    int64_t start;
    FakeFe fe;
    int good;

    fake_fe_init(&fe, chr);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = tcp_connect(server_port(chr));
        if (i % 50 == 0) {
            RUN_UNTIL(fe.events->len);
            fake_write(&fe, "banner");
        }
    }
    start = g_get_monotonic_time();
    good = tcp_connect(server_port(chr));
    RUN_UNTIL_MS(has(good, got, "banner"), 1000);
    g_assert_cmpint(write(good, "hi", 2), ==, 2);
    RUN_UNTIL_MS(g_str_equal(fe.input->str, "hi"), 1000);
    fake_write(&fe, "answer");
    RUN_UNTIL_MS(has(good, got, "answer"), 1000);
    g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
    g_assert_cmpstr(fe.events->str, ==, "O");
    for (int i = 0; i < IDLE; i++) {
        close(idle[i]);
    }
    close(good);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
    RUN_UNTIL(count_fds() == before);
}

/* A reader that never types is not pushed out by a crowd of idle ones, and
 * their unread output does not hold it up. */
static void test_silent_reader(void)
{
    Chardev *chr = chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait");
    g_autoptr(GString) got = g_string_new(NULL);
    g_autofree char *line = g_strnfill(64 * 1024, 'x');
    g_autofree int *idle = g_new(int, IDLE);
    size_t sent = 0;
    FakeFe fe;
    int reader;

    fake_fe_init(&fe, chr);
    reader = tcp_connect(server_port(chr));
    RUN_UNTIL(fe.events->len);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = tcp_connect(server_port(chr));
    }
    run_for_ms(50);
    for (int i = 0; i < 400; i++) {
        int n = qemu_chr_fe_write(&fe.be, (uint8_t *)line, strlen(line));

        sent += MAX(n, 0);
        RUN_UNTIL((drain(reader, got), got->len == sent));
    }
    g_assert_cmpuint(sent, >, 20 * 1024 * 1024);
    g_assert_false(at_eof(reader));
    for (int i = 0; i < IDLE; i++) {
        close(idle[i]);
    }
    close(reader);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
}

/* -- telnet ------------------------------------------------------------------------------ */

static void test_telnet(void)
{
    Chardev *chr =
        chr_new("socket,id=s0,host=127.0.0.1,port=0,server,nowait,telnet");
    g_autoptr(GString) got = g_string_new(NULL);
    FakeFe fe;
    int fd;

    fake_fe_init(&fe, chr);
    fd = tcp_connect(server_port(chr));
    RUN_UNTIL(fe.events->len);
    RUN_UNTIL((drain(fd, got), got->len == 12));
    g_assert_cmpint((uint8_t)got->str[0], ==, 0xff);
    /* Negotiation is not data and claims nothing. */
    g_assert_cmpint(write(fd, "\xff\xfd\x22", 3), ==, 3);
    RUN_UNTIL((drain(fd, got), got->len == 15));
    g_assert_cmpstr(fe.input->str, ==, "");
    g_assert_cmpint(write(fd,
                          "a\xff\xff\xff\xf3"
                          "b",
                          6),
                    ==, 6);
    RUN_UNTIL(fe.input->len == 3);
    g_assert_cmpmem(fe.input->str, 3,
                    "a\xff"
                    "b",
                    3);
    g_assert_cmpstr(fe.events->str, ==, "OB");
    g_string_truncate(got, 0);
    fake_write(&fe, "x\xffy");
    RUN_UNTIL((drain(fd, got), got->len == 4));
    g_assert_cmpmem(got->str, 4, "x\xff\xffy", 4);
    close(fd);
    RUN_UNTIL(g_str_equal(fe.events->str, "OBC"));
    fake_fe_clear(&fe);
    chr_delete(chr);
}

static void test_telnet_pair(void)
{
    check_pair(",telnet", ",telnet");
}

static void test_websocket_pair(void)
{
    check_pair(",websocket", ",websocket");
}

static void test_websocket_telnet_pair(void)
{
    check_pair(",websocket,telnet", ",websocket,telnet");
}

/* -- refused combinations ---------------------------------------------------------------- */

static void test_refused(void)
{
    static const char *const bad[] = {
        "socket,id=x",
        "socket,id=x,host=a",
        "socket,id=x,host=a,port=1,path=b",
        "socket,id=x,path=b,fd=3",
        "socket,host=a,port=1",
        "socket,id=1x,host=a,port=1",
        "socket,id=x,host=a,port=1,wait=on",
        "socket,id=x,host=a,port=1,nowait",
        "socket,id=x,host=a,port=1,tls-authz=z",
        "socket,id=x,host=a,port=1,tls-hostname=z",
        "socket,id=x,host=a,port=1,tls-creds=nope",
        "socket,id=x,host=127.0.0.1,port=0,server,reconnect=1",
        "socket,id=x,host=a,port=1,reconnect=1,reconnect-ms=1",
        "socket,id=x,fd=0,reconnect=1",
        "socket,id=x,host=a,port=1,telnet,tn3270",
        "socket,id=x,host=a,port=1,tn3270",
        "socket,id=x,host=a,port=1,bogus=1",
        "socket,id=x,host=a,port=1,bogus",
        "socket,id=x,host=a,port=1,server=maybe",
        "nosuch,id=x",
        "id=x",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_test_message("%s", bad[i]);
        g_assert_null(qemu_chr_new_from_cli(bad[i], NULL, &err));
        g_assert_nonnull(err);
        g_test_message("  -> %s", error_get_pretty(err));
        error_free(err);
        g_assert_null(qemu_chr_find("x"));
    }
}

int main(int argc, char **argv)
{
    struct rlimit lim = { 4096, 4096 };

    setrlimit(RLIMIT_NOFILE, &lim);
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    chardev_register_types();
    g_test_add_func("/char-socket/server", test_server);
    g_test_add_func("/char-socket/client", test_client);
    g_test_add_func("/char-socket/client-refused", test_client_refused);
    g_test_add_func("/char-socket/reconnect", test_reconnect);
    g_test_add_func("/char-socket/unix-fds", test_unix_fds);
    g_test_add_func("/char-socket/fd-client", test_fd_client);
    g_test_add_func("/char-socket/stuck-peer", test_stuck_peer);
    g_test_add_func("/char-socket/front-end-full", test_front_end_full);
    g_test_add_func("/char-socket/nested-loop", test_nested_loop);
    g_test_add_func("/char-socket/silent-clients", test_silent_clients);
    g_test_add_func("/char-socket/500-idle", test_500_idle);
    g_test_add_func("/char-socket/silent-reader", test_silent_reader);
    g_test_add_func("/char-socket/telnet", test_telnet);
    g_test_add_func("/char-socket/telnet-pair", test_telnet_pair);
    g_test_add_func("/char-socket/websocket-pair", test_websocket_pair);
    g_test_add_func("/char-socket/websocket-telnet-pair",
                    test_websocket_telnet_pair);
    g_test_add_func("/char-socket/refused", test_refused);
    return g_test_run();
}
