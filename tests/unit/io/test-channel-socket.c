/*
 * Socket channels: opening, connecting in the background, cancelling,
 * descriptors, datagrams, zero copy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"
#include "util/thread.h"

/* -- helpers --------------------------------------------------------------- */

static QIOChannelSocket *listen_on(const char *text)
{
    SocketAddress *addr = socket_parse(text, &error_abort);
    QIOChannelSocket *sioc = qio_channel_socket_new();

    qio_channel_socket_listen_sync(sioc, addr, 4, &error_abort);
    qapi_free_SocketAddress(addr);
    return sioc;
}

typedef struct Connect {
    GMainContext *ctx;
    QIOChannelSocket *sioc;
    bool done;
    bool destroyed;
    Error *err;
} Connect;

static void connect_done(QIOTask *task, gpointer opaque)
{
    Connect *c = opaque;

    g_assert_false(c->done);
    qio_task_propagate_error(task, &c->err);
    c->done = true;
}

static void connect_destroyed(gpointer opaque)
{
    ((Connect *)opaque)->destroyed = true;
}

static void connect_start(Connect *c, SocketAddress *addr)
{
    memset(c, 0, sizeof(*c));
    c->ctx = g_main_context_new();
    c->sioc = qio_channel_socket_new();
    qio_channel_socket_connect_async(c->sioc, addr, connect_done, c,
                                     connect_destroyed, c->ctx);
    g_assert_false(c->done);
}

static void connect_wait(Connect *c)
{
    while (!c->done) {
        g_main_context_iteration(c->ctx, true);
    }
    g_assert_true(c->destroyed);
}

static void connect_clear(Connect *c)
{
    object_unref(OBJECT(c->sioc));
    g_main_context_unref(c->ctx);
    error_free(c->err);
}

static bool have_ipv6(void)
{
    SocketAddress *addr = socket_parse("[::1]:0", &error_abort);
    AUTO_FD fd = socket_listen(addr, 1, NULL);

    qapi_free_SocketAddress(addr);
    return fd >= 0;
}

/* Both ends are here: no algorithm that paces what is sent. */
static void check_local(QIOChannelSocket *sioc)
{
    char name[16] = "";
    socklen_t len = sizeof(name) - 1;

    g_assert_true(qio_channel_socket_is_local(sioc));
    if (sioc->localAddr.ss_family != AF_UNIX) {
        g_assert_cmpint(getsockopt(sioc->fd, IPPROTO_TCP, TCP_CONGESTION, name,
                                   &len),
                        ==, 0);
        g_assert_cmpstr(name, ==, "reno");
    }
}

/* Accept, exchange a byte each way. */
static void check_connected(QIOChannelSocket *listener, QIOChannelSocket *sioc)
{
    g_autoptr(QIOChannelSocket) peer =
        qio_channel_socket_accept(listener, &error_abort);
    SocketAddress *a, *b;
    g_autofree char *ua = NULL;
    g_autofree char *ub = NULL;
    char c = 0;

    qio_channel_write_all(QIO_CHANNEL(sioc), "x", 1, &error_abort);
    qio_channel_read_all(QIO_CHANNEL(peer), &c, 1, &error_abort);
    g_assert_cmpint(c, ==, 'x');
    qio_channel_write_all(QIO_CHANNEL(peer), "y", 1, &error_abort);
    qio_channel_read_all(QIO_CHANNEL(sioc), &c, 1, &error_abort);
    g_assert_cmpint(c, ==, 'y');

    a = qio_channel_socket_get_local_address(peer, &error_abort);
    b = qio_channel_socket_get_remote_address(sioc, &error_abort);
    ua = socket_uri(a);
    ub = socket_uri(b);
    g_assert_cmpstr(ua, ==, ub);
    qapi_free_SocketAddress(a);
    qapi_free_SocketAddress(b);
    check_local(peer);
    check_local(sioc);
}

static void check_both_ways(const char *text)
{
    g_autoptr(QIOChannelSocket) listener = listen_on(text);
    g_autoptr(QIOChannelSocket) sync = qio_channel_socket_new();
    SocketAddress *addr =
        qio_channel_socket_get_local_address(listener, &error_abort);
    Connect c;

    g_assert_true(qio_channel_has_feature(QIO_CHANNEL(listener),
                                          QIO_CHANNEL_FEATURE_LISTEN));
    qio_channel_socket_connect_sync(sync, addr, &error_abort);
    check_connected(listener, sync);

    connect_start(&c, addr);
    connect_wait(&c);
    g_assert_null(c.err);
    g_assert_false(QIO_CHANNEL(c.sioc)->nonblocking);
    check_connected(listener, c.sioc);
    connect_clear(&c);
    qapi_free_SocketAddress(addr);
}

/* -- connecting ------------------------------------------------------------ */

static void test_ipv4(void)
{
    check_both_ways("127.0.0.1:0");
}

static void test_ipv6(void)
{
    if (!have_ipv6()) {
        g_test_skip("no IPv6");
        return;
    }
    check_both_ways("[::1]:0");
}

/* An address of the peer's own is another host's as far as we know: the system's
 * choice of algorithm stays. */
static void test_other_address(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    g_autoptr(QIOChannelSocket) sioc = NULL;
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0x7f000002) };
    char before[16] = "", after[16] = "";
    socklen_t before_len = sizeof(before) - 1, after_len = sizeof(after) - 1;
    int fd = qemu_socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&from, sizeof(from)), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&listener->localAddr,
                            listener->localAddrLen),
                    ==, 0);
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, before, &before_len);
    sioc = qio_channel_socket_new_fd(fd, &error_abort);
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, after, &after_len);
    g_assert_false(qio_channel_socket_is_local(sioc));
    g_assert_cmpstr(before, ==, after);
}

static void test_keep_alive(void)
{
    check_both_ways("127.0.0.1:0,keep-alive=on");
}

static void test_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("sock-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strconcat("unix:", path, NULL);

    check_both_ways(text);
    /* The listener removed its path. */
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));

    /* A dead socket is in nobody's way, a file is not removed. */
    fd_close(unix_listen(path, &error_abort));
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    check_both_ways(text);
    g_assert_true(g_file_set_contents(path, "precious", -1, NULL));
    {
        Error *err = NULL;

        g_assert_cmpint(unix_listen(path, &err), ==, -1);
        g_assert_nonnull(strstr(error_get_pretty(err), path));
        error_free_or_abort(&err);
    }
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_unlink(path);
    g_rmdir(dir);
}

static void test_unix_unnamed(void)
{
    int fd = unix_listen(NULL, &error_abort);
    SocketAddress *addr = socket_local_address(fd, &error_abort);

    g_assert_true(g_path_is_absolute(addr->u.q_unix.path));
    socket_listen_cleanup(fd, &error_abort);
    g_assert_false(g_file_test(addr->u.q_unix.path, G_FILE_TEST_EXISTS));
    qapi_free_SocketAddress(addr);
    fd_close(fd);
}

static void test_unix_abstract(gconstpointer opaque)
{
    bool tight = GPOINTER_TO_INT(opaque);
    g_autofree char *name = g_strdup_printf("ferry-test-%d", getpid());
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix = { .path = name,
                      .has_abstract = true,
                      .abstract = true,
                      .has_tight = true,
                      .tight = tight },
    };
    g_autoptr(QIOChannelSocket) listener = qio_channel_socket_new();
    g_autoptr(QIOChannelSocket) wrong = qio_channel_socket_new();
    SocketAddress *local;
    Error *err = NULL;
    Connect c;

    qio_channel_socket_listen_sync(listener, &addr, 1, &error_abort);
    local = qio_channel_socket_get_local_address(listener, &error_abort);
    g_assert_true(local->u.q_unix.abstract);
    g_assert_cmpint(local->u.q_unix.tight, ==, tight);
    g_assert_cmpstr(local->u.q_unix.path, ==, name);
    qapi_free_SocketAddress(local);

    connect_start(&c, &addr);
    connect_wait(&c);
    g_assert_null(c.err);
    check_connected(listener, c.sioc);
    connect_clear(&c);

    /* Padded and tight names are different names. */
    addr.u.q_unix.tight = !tight;
    g_assert_cmpint(qio_channel_socket_connect_sync(wrong, &addr, &err), ==,
                    -1);
    error_free_or_abort(&err);
}

static void test_unix_too_long(void)
{
    g_autofree char *path = g_strnfill(109, 'x');
    Error *err = NULL;

    g_assert_cmpint(unix_connect(path, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "108 bytes"));
    error_free_or_abort(&err);
}

static void test_vsock(void)
{
    SocketAddress *addr = socket_parse("vsock:1:5000", &error_abort);
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    Error *err = NULL;
    bool ok = qio_channel_socket_connect_sync(sioc, addr, &err) == 0;

    /* No loopback vsock on most hosts: then the message names the address. */
    if (!ok) {
        g_assert_nonnull(strstr(error_get_pretty(err), "vsock:1:5000"));
        error_free(err);
    }
    qapi_free_SocketAddress(addr);
}

/* A name goes through the resolver thread. */
static void test_by_name(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    SocketAddress *addr =
        qio_channel_socket_get_local_address(listener, &error_abort);
    Connect c;

    g_free(addr->u.inet.host);
    addr->u.inet.host = g_strdup("localhost");
    addr->u.inet.has_ipv6 = addr->u.inet.has_ipv4 = false;
    connect_start(&c, addr);
    connect_wait(&c);
    g_assert_null(c.err);
    check_connected(listener, c.sioc);
    connect_clear(&c);
    qapi_free_SocketAddress(addr);
}

static void test_refused(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    SocketAddress *addr =
        qio_channel_socket_get_local_address(listener, &error_abort);
    g_autofree char *uri = socket_uri(addr);
    Error *err = NULL;
    Connect c;

    qio_channel_close(QIO_CHANNEL(listener), &error_abort);
    connect_start(&c, addr);
    connect_wait(&c);
    g_assert_nonnull(strstr(error_get_pretty(c.err), uri));
    g_assert_nonnull(strstr(error_get_pretty(c.err), "Connection refused"));
    connect_clear(&c);

    g_assert_cmpint(qio_channel_socket_connect_sync(sioc, addr, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "Connection refused"));
    error_free_or_abort(&err);
    qapi_free_SocketAddress(addr);
}

static void test_bad_name(void)
{
    SocketAddress *addr = socket_parse("no.such.host.invalid:1", &error_abort);
    Connect c;

    connect_start(&c, addr);
    connect_wait(&c);
    g_assert_nonnull(strstr(error_get_pretty(c.err), "no.such.host.invalid"));
    connect_clear(&c);
    qapi_free_SocketAddress(addr);
}

static void test_cancel(gconstpointer opaque)
{
    /* Nobody answers there: 192.0.2.0/24 is for documentation. */
    SocketAddress *addr = socket_parse(opaque, &error_abort);
    Connect c;

    connect_start(&c, addr);
    g_main_context_iteration(c.ctx, false);
    if (c.done) {
        /* No route, told at once: nothing left to cancel. */
        connect_clear(&c);
        qapi_free_SocketAddress(addr);
        return;
    }
    qio_channel_socket_connect_cancel(c.sioc);
    qio_channel_socket_connect_cancel(c.sioc);
    connect_wait(&c);
    g_assert_nonnull(c.err);
    connect_clear(&c);
    qapi_free_SocketAddress(addr);
}

static void *cancel_thread(void *opaque)
{
    qio_channel_close(opaque, NULL);
    return NULL;
}

static void test_cancel_from_thread(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    SocketAddress *addr =
        qio_channel_socket_get_local_address(listener, &error_abort);

    for (int i = 0; i < 20; i++) {
        QemuThread thread;
        Connect c;

        connect_start(&c, addr);
        qemu_thread_create(&thread, "cancel", cancel_thread, c.sioc,
                           QEMU_THREAD_JOINABLE);
        qemu_thread_join(&thread);
        connect_wait(&c);
        g_assert_nonnull(strstr(error_get_pretty(c.err), "cancelled"));
        /* The channel can be used again. */
        qio_channel_socket_connect_sync(c.sioc, addr, &error_abort);
        connect_clear(&c);
        object_unref(OBJECT(qio_channel_socket_accept(listener, &error_abort)));
    }
    qapi_free_SocketAddress(addr);
}

/* A unix listener with a full backlog: wait in the loop, not in connect(). */
static void test_unix_backlog(void)
{
    g_autofree char *name = g_strdup_printf("ferry-backlog-%d", getpid());
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix = { .path = name, .has_abstract = true, .abstract = true },
    };
    g_autoptr(QIOChannelSocket) listener = qio_channel_socket_new();
    Connect c[4];
    size_t accepted = 0;

    qio_channel_socket_listen_sync(listener, &addr, 1, &error_abort);
    qio_channel_set_blocking(QIO_CHANNEL(listener), false, &error_abort);
    for (size_t i = 0; i < G_N_ELEMENTS(c); i++) {
        connect_start(&c[i], &addr);
        g_main_context_iteration(c[i].ctx, false);
    }
    g_assert_false(c[3].done);
    while (accepted < G_N_ELEMENTS(c)) {
        g_autoptr(QIOChannelSocket) peer = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(c); i++) {
            g_main_context_iteration(c[i].ctx, false);
        }
        accepted +=
            qio_channel_socket_try_accept(listener, &peer, &error_abort) ==
            QIO_ACCEPT_OK;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(c); i++) {
        connect_wait(&c[i]);
        g_assert_null(c[i].err);
        connect_clear(&c[i]);
    }
}

/* -- listening ------------------------------------------------------------- */

static void test_port_range(void)
{
    g_autoptr(QIOChannelSocket) first = listen_on("127.0.0.1:0");
    g_autoptr(QIOChannelSocket) second = NULL;
    SocketAddress *addr =
        qio_channel_socket_get_local_address(first, &error_abort);
    unsigned port = strtoul(addr->u.inet.port, NULL, 10);
    g_autofree char *only = g_strdup_printf("127.0.0.1:%u", port);
    g_autofree char *range =
        g_strdup_printf("127.0.0.1:%u,to=%u", port, MIN(port + 50, 65535));
    g_autofree char *empty = g_strdup_printf("127.0.0.1:%u,to=1", port);
    SocketAddress *a;
    Error *err = NULL;

    a = socket_parse(only, &error_abort);
    g_assert_cmpint(socket_listen(a, 1, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "in use"));
    error_free_or_abort(&err);
    qapi_free_SocketAddress(a);

    a = socket_parse(empty, &error_abort);
    g_assert_cmpint(socket_listen(a, 1, &err), ==, -1);
    error_free_or_abort(&err);
    qapi_free_SocketAddress(a);

    second = listen_on(range);
    a = qio_channel_socket_get_local_address(second, &error_abort);
    g_assert_cmpuint(strtoul(a->u.inet.port, NULL, 10), >, port);
    qapi_free_SocketAddress(a);
    qapi_free_SocketAddress(addr);
}

static void test_inherited_listener(void)
{
    g_autoptr(QIOChannelSocket) first = listen_on("127.0.0.1:0");
    g_autoptr(QIOChannelSocket) again = qio_channel_socket_new();
    g_autoptr(QIOChannelSocket) client = qio_channel_socket_new();
    g_autofree char *text = g_strdup_printf("fd:%d", dup(first->fd));
    SocketAddress *fd = socket_parse(text, &error_abort);
    SocketAddress *addr =
        qio_channel_socket_get_local_address(first, &error_abort);

    qio_channel_socket_listen_sync(again, fd, 4, &error_abort);
    qio_channel_socket_connect_sync(client, addr, &error_abort);
    check_connected(again, client);
    qapi_free_SocketAddress(fd);
    qapi_free_SocketAddress(addr);
}

static void listen_done(QIOTask *task, gpointer opaque)
{
    g_assert_false(qio_task_propagate_error(task, &error_abort));
    *(bool *)opaque = true;
}

static void test_listen_async(void)
{
    g_autoptr(GMainContext) ctx = g_main_context_new();
    g_autoptr(QIOChannelSocket) listener = qio_channel_socket_new();
    SocketAddress *addr = socket_parse("localhost:0,ipv4", &error_abort);
    bool done = false;

    qio_channel_socket_listen_async(listener, addr, 1, listen_done, &done, NULL,
                                    ctx);
    while (!done) {
        g_main_context_iteration(ctx, true);
    }
    g_assert_true(qio_channel_has_feature(QIO_CHANNEL(listener),
                                          QIO_CHANNEL_FEATURE_LISTEN));
    qapi_free_SocketAddress(addr);
}

static void test_accept_nobody(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    QIOChannelSocket *client = NULL;
    Error *err = NULL;

    qio_channel_set_blocking(QIO_CHANNEL(listener), false, &error_abort);
    g_assert_cmpint(qio_channel_socket_try_accept(listener, &client,
                                                  &error_abort),
                    ==, QIO_ACCEPT_NONE);
    g_assert_null(qio_channel_socket_accept(listener, &err));
    error_free_or_abort(&err);
}

/* -- datagrams ------------------------------------------------------------- */

static QIOChannelSocket *udp_open(int local, int remote)
{
    g_autofree char *l = g_strdup_printf("127.0.0.1:%d", local);
    g_autofree char *r = g_strdup_printf("127.0.0.1:%d", remote);
    SocketAddress *la = socket_parse(l, &error_abort);
    SocketAddress *ra = socket_parse(r, &error_abort);
    QIOChannelSocket *sioc = qio_channel_socket_new();

    qio_channel_socket_dgram_sync(sioc, la, ra, &error_abort);
    qapi_free_SocketAddress(la);
    qapi_free_SocketAddress(ra);
    return sioc;
}

static int port_of(QIOChannelSocket *sioc)
{
    SocketAddress *a = qio_channel_socket_get_local_address(sioc, &error_abort);
    int port = strtoul(a->u.inet.port, NULL, 10);

    qapi_free_SocketAddress(a);
    return port;
}

static void test_dgram(void)
{
    /* A port that was free a moment ago. */
    g_autoptr(QIOChannelSocket) probe = udp_open(0, 9);
    int port = port_of(probe);
    g_autoptr(QIOChannelSocket) a = udp_open(0, port);
    g_autoptr(QIOChannelSocket) b = NULL;
    char buf[16];

    qio_channel_close(QIO_CHANNEL(probe), &error_abort);
    /* Nobody there: "refused" of an earlier datagram fails no later one. */
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(
            qio_channel_write(QIO_CHANNEL(a), "lost", 4, &error_abort), ==, 4);
    }
    b = udp_open(port, port_of(a));
    socket_pending_error(a->fd);
    /* An empty datagram is not the end. */
    g_assert_cmpint(send(a->fd, "", 0, 0), ==, 0);
    g_assert_cmpint(qio_channel_write(QIO_CHANNEL(a), "ping", 4, &error_abort),
                    ==, 4);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(b), buf, 16, &error_abort), ==,
                    4);
    g_assert_cmpmem(buf, 4, "ping", 4);
    g_assert_false(qio_channel_has_feature(
        QIO_CHANNEL(a), QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY));
}

/* -- zero copy ------------------------------------------------------------- */

static void *drain_thread(void *opaque)
{
    g_autofree char *buf = g_malloc(65536);
    size_t total = 0;
    ssize_t n;

    while ((n = qio_channel_read(opaque, buf, 65536, &error_abort)) > 0) {
        total += n;
    }
    return GSIZE_TO_POINTER(total);
}

static void test_zero_copy(void)
{
    g_autoptr(QIOChannelSocket) listener = listen_on("127.0.0.1:0");
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    g_autoptr(QIOChannelSocket) peer = NULL;
    SocketAddress *addr =
        qio_channel_socket_get_local_address(listener, &error_abort);
    g_autofree char *data = g_malloc0(1 << 20);
    struct iovec iov = { data, 1 << 20 };
    QemuThread thread;

    qio_channel_socket_connect_sync(sioc, addr, &error_abort);
    qapi_free_SocketAddress(addr);
    peer = qio_channel_socket_accept(listener, &error_abort);
    if (!qio_channel_has_feature(QIO_CHANNEL(sioc),
                                 QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY)) {
        g_test_skip("kernel without SO_ZEROCOPY");
        return;
    }
    qemu_thread_create(&thread, "drain", drain_thread, peer,
                       QEMU_THREAD_JOINABLE);
    g_assert_cmpint(qio_channel_flush(QIO_CHANNEL(sioc), &error_abort), ==, 0);
    for (int i = 0; i < 8; i++) {
        qio_channel_writev_full_all(QIO_CHANNEL(sioc), &iov, 1, NULL, 0,
                                    QIO_CHANNEL_WRITE_FLAG_ZERO_COPY,
                                    &error_abort);
    }
    /* Over loopback the kernel copies in the end, which flush tells. */
    g_assert_cmpint(qio_channel_flush(QIO_CHANNEL(sioc), &error_abort), >=, 0);
    g_assert_cmpuint(sioc->zero_copy_queued, >=, 8);
    g_assert_cmpuint(sioc->zero_copy_sent, ==, sioc->zero_copy_queued);
    g_assert_cmpint(qio_channel_flush(QIO_CHANNEL(sioc), &error_abort), ==, 0);
    qio_channel_close(QIO_CHANNEL(sioc), &error_abort);
    g_assert_cmpuint(GPOINTER_TO_SIZE(qemu_thread_join(&thread)), ==, 8 << 20);
}

/* -- descriptors ----------------------------------------------------------- */

static int count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

/* More descriptors than we take must not leak into the process. */
static void test_fd_overflow(void)
{
    union {
        struct cmsghdr c;
        char buf[CMSG_SPACE(sizeof(int) * 40)];
    } control = { 0 };
    struct iovec iov = { (char *)"x", 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    g_autoptr(QIOChannelSocket) sioc = NULL;
    int fds[2], before, many[40], *got = NULL;
    size_t ngot = 0;
    Error *err = NULL;
    char c;
    struct iovec in = { &c, 1 };

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    sioc = qio_channel_socket_new_fd(fds[0], &error_abort);
    for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
        many[i] = fds[1];
    }
    control.c.cmsg_level = SOL_SOCKET;
    control.c.cmsg_type = SCM_RIGHTS;
    control.c.cmsg_len = CMSG_LEN(sizeof(many));
    memcpy(CMSG_DATA(&control.c), many, sizeof(many));
    before = count_fds();
    g_assert_cmpint(sendmsg(fds[1], &msg, 0), ==, 1);
    g_assert_cmpint(qio_channel_readv_full(QIO_CHANNEL(sioc), &in, 1, &got,
                                           &ngot, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_null(got);
    g_assert_cmpint(count_fds(), ==, before);

    /* A reader that does not want them gets the bytes and no descriptor. */
    g_assert_cmpint(sendmsg(fds[1], &msg, 0), ==, 1);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(sioc), &c, 1, &error_abort),
                    ==, 1);
    g_assert_cmpint(count_fds(), ==, before);
    fd_close(fds[1]);
}

static void test_new_fd(void)
{
    g_autoptr(QIOChannel) sock = NULL;
    g_autoptr(QIOChannel) file = NULL;
    Error *err = NULL;
    int fds[2];

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    sock = qio_channel_new_fd(fds[0], &error_abort);
    g_assert_nonnull(
        object_dynamic_cast(OBJECT(sock), TYPE_QIO_CHANNEL_SOCKET));
    file =
        qio_channel_new_fd(open("/dev/null", O_RDWR | O_CLOEXEC), &error_abort);
    g_assert_nonnull(object_dynamic_cast(OBJECT(file), TYPE_QIO_CHANNEL_FILE));
    fd_close(fds[1]);
    g_assert_null(qio_channel_new_fd(fds[1], &err));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/connect/ipv4", test_ipv4);
    g_test_add_func("/connect/ipv6", test_ipv6);
    g_test_add_func("/connect/other-address", test_other_address);
    g_test_add_func("/connect/keep-alive", test_keep_alive);
    g_test_add_func("/connect/unix", test_unix);
    g_test_add_func("/connect/unix-unnamed", test_unix_unnamed);
    g_test_add_data_func("/connect/unix-abstract", GINT_TO_POINTER(false),
                         test_unix_abstract);
    g_test_add_data_func("/connect/unix-abstract-tight", GINT_TO_POINTER(true),
                         test_unix_abstract);
    g_test_add_func("/connect/unix-too-long", test_unix_too_long);
    g_test_add_func("/connect/unix-backlog", test_unix_backlog);
    g_test_add_func("/connect/vsock", test_vsock);
    g_test_add_func("/connect/by-name", test_by_name);
    g_test_add_func("/connect/refused", test_refused);
    g_test_add_func("/connect/bad-name", test_bad_name);
    g_test_add_data_func("/cancel/connecting", "192.0.2.1:1", test_cancel);
    g_test_add_data_func("/cancel/looking-up", "slow.host.invalid:1",
                         test_cancel);
    g_test_add_func("/cancel/from-thread", test_cancel_from_thread);
    g_test_add_func("/listen/port-range", test_port_range);
    g_test_add_func("/listen/inherited", test_inherited_listener);
    g_test_add_func("/listen/async", test_listen_async);
    g_test_add_func("/listen/nobody", test_accept_nobody);
    g_test_add_func("/dgram", test_dgram);
    g_test_add_func("/zero-copy", test_zero_copy);
    g_test_add_func("/fd-overflow", test_fd_overflow);
    g_test_add_func("/new-fd", test_new_fd);
    return g_test_run();
}
