/*
 * Chardevs used by several threads: output from threads that stand for
 * virtual CPUs, and a chardev that runs in a context of its own, as QMP's
 * does. Meant to be run under the thread sanitizer too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "chardev/char-socket.h"
#include "chardev/types.h"
#include "crypto/init.h"
#include "io/socket-address.h"
#include "qapi/qapi-commands-char.h"
#include "util/lockable.h"

#include "fake-fe.h"

static int tcp_connect(int port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    return fd;
}

static int server_port(Chardev *chr)
{
    return atoi(qemu_chr_socket_local_address(chr)->u.inet.port);
}

static Chardev *server_new(const char *more)
{
    g_autofree char *opt = g_strconcat(
        "socket,id=s0,host=127.0.0.1,port=0,server,nowait", more, NULL);

    return qemu_chr_new_from_cli(opt, NULL, &error_abort);
}

#define WRITERS 2
#define ROUNDS  2000

typedef struct Writer {
    FakeFe *fe;
    char letter;
    gint done;
    gint64 taken;
} Writer;

static gpointer writer_run(gpointer opaque)
{
    Writer *w = opaque;
    char text[64];

    memset(text, w->letter, sizeof(text));
    for (int i = 0; i < ROUNDS; i++) {
        int n = i % 3 ? qemu_chr_fe_write_all(&w->fe->be, (uint8_t *)text,
                                              sizeof(text))
                      : qemu_chr_fe_write(&w->fe->be, (uint8_t *)text,
                                          sizeof(text));

        w->taken += n > 0 ? n : 0;
        if (i % 64 == 0) {
            qemu_chr_fe_accept_input(&w->fe->be);
            g_usleep(100);
        }
    }
    g_atomic_int_set(&w->done, 1);
    return NULL;
}

/* A peer that reads until the end. Returns the number of bytes. */
static gpointer reader_run(gpointer opaque)
{
    int fd = GPOINTER_TO_INT(opaque);
    char buf[4096];
    gsize total = 0;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        total += n;
    }
    close(fd);
    return GSIZE_TO_POINTER(total);
}

static void test_writers(void)
{
    Chardev *chr = server_new("");
    Writer w[WRITERS];
    GThread *threads[WRITERS], *reader;
    gsize total, taken = 0;
    FakeFe fe;
    int fd;

    fake_fe_init(&fe, chr);
    fd = tcp_connect(server_port(chr));
    reader = g_thread_new("reader", reader_run, GINT_TO_POINTER(fd));
    RUN_UNTIL(fe.events->len);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (Writer){ .fe = &fe, .letter = 'a' + i };
        threads[i] = g_thread_new("writer", writer_run, &w[i]);
    }
    RUN_UNTIL_MS(g_atomic_int_get(&w[0].done) && g_atomic_int_get(&w[1].done),
                 30000);
    for (int i = 0; i < WRITERS; i++) {
        g_thread_join(threads[i]);
        taken += w[i].taken;
    }
    run_for_ms(100); /* the queue goes out */
    qemu_chr_fe_disconnect(&fe.be);
    total = GPOINTER_TO_SIZE(g_thread_join(reader));
    g_assert_cmpuint(total, ==, taken);
    fake_fe_clear(&fe);
    g_assert_true(qemu_chr_remove("s0", &error_abort));
}

/* Peers come and go while others write. */
static void test_churn(void)
{
    Chardev *chr = server_new(",telnet");
    Writer w[WRITERS];
    GThread *threads[WRITERS];
    FakeFe fe;

    fake_fe_init(&fe, chr);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (Writer){ .fe = &fe, .letter = 'a' + i };
        threads[i] = g_thread_new("writer", writer_run, &w[i]);
    }
    for (int i = 0; i < 20; i++) {
        int fd = tcp_connect(server_port(chr));

        if (i % 3) {
            g_assert_cmpint(write(fd, "x", 1), ==, 1);
        }
        run_for_ms(10);
        close(fd);
    }
    RUN_UNTIL_MS(g_atomic_int_get(&w[0].done) && g_atomic_int_get(&w[1].done),
                 30000);
    for (int i = 0; i < WRITERS; i++) {
        g_thread_join(threads[i]);
    }
    fake_fe_clear(&fe);
    g_assert_true(qemu_chr_remove("s0", &error_abort));
}

/* -- a context of its own ------------------------------------------------------------ */

typedef struct Echo {
    CharBackend be;
    GMainContext *ctx;
    GMainLoop *loop;
    GThread *thread;
    gint opened, wrong_thread;
} Echo;

static void check_thread(Echo *e)
{
    if (g_thread_self() != e->thread) {
        g_atomic_int_set(&e->wrong_thread, 1);
    }
}

static int echo_can_read(void *opaque)
{
    return 512;
}

static void echo_read(void *opaque, const uint8_t *buf, int size)
{
    Echo *e = opaque;

    check_thread(e);
    qemu_chr_fe_write_all(&e->be, buf, size);
}

static void echo_event(void *opaque, QEMUChrEvent event)
{
    Echo *e = opaque;

    check_thread(e);
    if (event == CHR_EVENT_OPENED) {
        g_atomic_int_inc(&e->opened);
        qemu_chr_fe_printf(&e->be, "hello\n");
    }
}

static gpointer echo_run(gpointer opaque)
{
    Echo *e = opaque;

    g_main_context_push_thread_default(e->ctx);
    g_main_loop_run(e->loop);
    g_main_context_pop_thread_default(e->ctx);
    return NULL;
}

static gboolean echo_attach(gpointer opaque)
{
    Echo *e = opaque;

    qemu_chr_fe_set_handlers(&e->be, echo_can_read, echo_read, echo_event, NULL,
                             e, e->ctx, true);
    return G_SOURCE_REMOVE;
}

static gboolean echo_detach(gpointer opaque)
{
    Echo *e = opaque;

    qemu_chr_fe_deinit(&e->be, false);
    g_main_loop_quit(e->loop);
    return G_SOURCE_REMOVE;
}

static void test_own_context(void)
{
    Chardev *chr = server_new("");
    Echo e = { .ctx = g_main_context_new() };
    char buf[16];

    e.loop = g_main_loop_new(e.ctx, FALSE);
    g_assert_true(qemu_chr_fe_init(&e.be, chr, &error_abort));
    e.thread = g_thread_new("echo", echo_run, &e);
    g_main_context_invoke(e.ctx, echo_attach, &e);
    for (int i = 0; i < 20; i++) {
        int fd = tcp_connect(server_port(chr));

        g_assert_cmpint(recv(fd, buf, 6, MSG_WAITALL), ==, 6);
        g_assert_cmpmem(buf, 6, "hello\n", 6);
        g_assert_cmpint(write(fd, "ping", 4), ==, 4);
        g_assert_cmpint(recv(fd, buf, 4, MSG_WAITALL), ==, 4);
        g_assert_cmpmem(buf, 4, "ping", 4);
        qapi_free_ChardevInfoList(qmp_query_chardev(&error_abort));
        close(fd);
    }
    g_main_context_invoke(e.ctx, echo_detach, &e);
    g_thread_join(e.thread);
    g_assert_cmpint(e.opened, ==, 20);
    g_assert_cmpint(e.wrong_thread, ==, 0);
    g_main_loop_unref(e.loop);
    g_assert_true(qemu_chr_remove("s0", &error_abort));
    g_main_context_unref(e.ctx);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    chardev_register_types();
    g_test_add_func("/char-threads/writers", test_writers);
    g_test_add_func("/char-threads/churn", test_churn);
    g_test_add_func("/char-threads/own-context", test_own_context);
    return g_test_run();
}
