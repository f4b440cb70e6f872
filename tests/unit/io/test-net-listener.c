/*
 * Listeners: several addresses, callbacks, waiting, limits, and no spinning
 * when descriptors run out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/resource.h>

#include "io/net-listener.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"
#include "util/thread.h"

typedef struct Server {
    QIONetListener *listener;
    GMainContext *ctx;
    unsigned clients;
    GPtrArray *kept;
    bool data_freed;
    int disconnect_at; /* the n-th client disconnects the listener */
} Server;

static void on_client(QIONetListener *listener, QIOChannelSocket *sioc,
                      gpointer opaque)
{
    Server *s = opaque;

    s->clients++;
    g_ptr_array_add(s->kept, object_ref(OBJECT(sioc)));
    if ((int)s->clients == s->disconnect_at) {
        qio_net_listener_disconnect(listener);
    }
}

static void on_free(gpointer opaque)
{
    ((Server *)opaque)->data_freed = true;
}

static void server_init(Server *s, const char *text)
{
    SocketAddress *addr = socket_parse(text, &error_abort);

    memset(s, 0, sizeof(*s));
    s->listener = qio_net_listener_new();
    s->ctx = g_main_context_new();
    s->kept = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    qio_net_listener_set_name(s->listener, "test");
    g_assert_false(qio_net_listener_is_connected(s->listener));
    qio_net_listener_open_sync(s->listener, addr, 64, &error_abort);
    g_assert_true(qio_net_listener_is_connected(s->listener));
    qapi_free_SocketAddress(addr);
}

static void server_accepts(Server *s)
{
    qio_net_listener_set_client_func_full(s->listener, on_client, s, on_free,
                                          s->ctx);
}

static void server_clear(Server *s)
{
    bool had_func = s->listener->io_func != NULL;

    qio_net_listener_disconnect(s->listener);
    object_unref(OBJECT(s->listener));
    g_assert_true(s->data_freed == had_func);
    g_ptr_array_free(s->kept, TRUE);
    g_main_context_unref(s->ctx);
}

static void server_run(Server *s, unsigned clients)
{
    while (s->clients < clients) {
        g_main_context_iteration(s->ctx, true);
    }
}

static int client_connect(Server *s, size_t which)
{
    SocketAddress *addr = qio_channel_socket_get_local_address(
        s->listener->sioc[which], &error_abort);
    int fd = socket_connect(addr, &error_abort);

    qapi_free_SocketAddress(addr);
    return fd;
}

static void test_callback(void)
{
    Server s;
    int fds[40];

    server_init(&s, "127.0.0.1:0");
    server_accepts(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(&s, 0);
    }
    server_run(&s, G_N_ELEMENTS(fds));
    g_assert_cmpstr(QIO_CHANNEL(g_ptr_array_index(s.kept, 0))->name, ==,
                    "test");
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fd_close(fds[i]);
    }
    server_clear(&s);
}

/* Any port on all addresses: the same port on each. */
static void test_all_addresses(void)
{
    Server s;
    g_autofree char *first = NULL;

    server_init(&s, ":0");
    server_accepts(&s);
    g_assert_cmpuint(s.listener->nsioc, >=, 1);
    for (size_t i = 0; i < s.listener->nsioc; i++) {
        SocketAddress *addr = qio_channel_socket_get_local_address(
            s.listener->sioc[i], &error_abort);

        if (i == 0) {
            first = g_strdup(addr->u.inet.port);
        }
        g_assert_cmpstr(addr->u.inet.port, ==, first);
        qapi_free_SocketAddress(addr);
        fd_close(client_connect(&s, i));
    }
    server_run(&s, s.listener->nsioc);
    server_clear(&s);
}

static void test_port_taken(void)
{
    Server s;
    g_autoptr(QIONetListener) other = qio_net_listener_new();
    SocketAddress *addr;
    Error *err = NULL;
    unsigned port;

    server_init(&s, "127.0.0.1:0");
    addr =
        qio_channel_socket_get_local_address(s.listener->sioc[0], &error_abort);
    g_assert_cmpint(qio_net_listener_open_sync(other, addr, 1, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "in use"));
    error_free_or_abort(&err);
    g_assert_false(qio_net_listener_is_connected(other));

    port = strtoul(addr->u.inet.port, NULL, 10);
    addr->u.inet.has_to = true;
    addr->u.inet.to = MIN(port + 50, 65535);
    qio_net_listener_open_sync(other, addr, 1, &error_abort);
    qapi_free_SocketAddress(addr);
    server_clear(&s);
}

static void test_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("listener-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strconcat("unix:", path, NULL);
    Server s;

    server_init(&s, text);
    server_accepts(&s);
    fd_close(client_connect(&s, 0));
    server_run(&s, 1);
    server_clear(&s);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void *late_client(void *opaque)
{
    g_usleep(20000);
    return GINT_TO_POINTER(client_connect(opaque, 0));
}

static void test_wait_client(void)
{
    Server s;
    QemuThread thread;
    QIOChannelSocket *client;
    int fd;

    server_init(&s, "127.0.0.1:0");
    server_accepts(&s);
    qemu_thread_create(&thread, "client", late_client, &s,
                       QEMU_THREAD_JOINABLE);
    client = qio_net_listener_wait_client(s.listener);
    g_assert_nonnull(client);
    object_unref(OBJECT(client));
    fd_close(GPOINTER_TO_INT(qemu_thread_join(&thread)));
    g_assert_cmpuint(s.clients, ==, 0);
    /* The callback is in force again. */
    fd = client_connect(&s, 0);
    server_run(&s, 1);
    fd_close(fd);
    qio_net_listener_disconnect(s.listener);
    g_assert_null(qio_net_listener_wait_client(s.listener));
    server_clear(&s);
}

/* From within the callback. */
static void test_disconnect(void)
{
    Server s;
    int fds[3];

    server_init(&s, "127.0.0.1:0");
    s.disconnect_at = 2;
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(&s, 0);
    }
    server_accepts(&s);
    server_run(&s, 2);
    g_main_context_iteration(s.ctx, false);
    g_assert_cmpuint(s.clients, ==, 2);
    g_assert_false(qio_net_listener_is_connected(s.listener));
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fd_close(fds[i]);
    }
    server_clear(&s);
}

static void test_max_clients(void)
{
    Server s;
    int fds[5];

    server_init(&s, "127.0.0.1:0");
    qio_net_listener_set_max_clients(s.listener, 2);
    server_accepts(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(&s, 0);
    }
    for (int i = 0; i < 10; i++) {
        g_main_context_iteration(s.ctx, false);
    }
    g_assert_cmpuint(s.clients, ==, 2);
    qio_net_listener_client_gone(s.listener);
    server_run(&s, 3);
    g_main_context_iteration(s.ctx, false);
    g_assert_cmpuint(s.clients, ==, 3);
    qio_net_listener_set_max_clients(s.listener, 0);
    server_run(&s, 5);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fd_close(fds[i]);
    }
    server_clear(&s);
}

static gboolean tick(gpointer opaque)
{
    return G_SOURCE_REMOVE;
}

/* No descriptor free: the loop must sleep, and accept later. */
static void test_no_descriptors(void)
{
    struct rlimit old, low;
    unsigned rounds = 0;
    gint64 end;
    Server s;
    int fd;

    server_init(&s, "127.0.0.1:0");
    server_accepts(&s);
    fd = client_connect(&s, 0);
    g_main_context_iteration(s.ctx, false); /* its wakeup descriptor exists */
    s.clients = 0;
    g_ptr_array_set_size(s.kept, 0);
    fd_close(fd);

    fd = client_connect(&s, 0);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    low = old;
    low.rlim_cur = 3;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    end = g_get_monotonic_time() + 300 * 1000;
    while (g_get_monotonic_time() < end) {
        g_autoptr(GSource) timer = g_timeout_source_new(50);

        g_source_set_callback(timer, tick, NULL, NULL);
        g_source_attach(timer, s.ctx);
        g_main_context_iteration(s.ctx, true);
        g_source_destroy(timer);
        rounds++;
    }
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
    g_assert_cmpuint(s.clients, ==, 0);
    g_assert_cmpuint(rounds, <, 100);
    server_run(&s, 1);
    fd_close(fd);
    server_clear(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/callback", test_callback);
    g_test_add_func("/all-addresses", test_all_addresses);
    g_test_add_func("/port-taken", test_port_taken);
    g_test_add_func("/unix", test_unix);
    g_test_add_func("/wait-client", test_wait_client);
    g_test_add_func("/disconnect", test_disconnect);
    g_test_add_func("/max-clients", test_max_clients);
    g_test_add_func("/no-descriptors", test_no_descriptors);
    return g_test_run();
}
