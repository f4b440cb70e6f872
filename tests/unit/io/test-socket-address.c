/*
 * Socket addresses: text to address and back, families, flattening, and
 * "fd" addresses.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"

static void free_address(SocketAddress *addr)
{
    qapi_free_SocketAddress(addr);
}

static void test_inet_good(void)
{
    InetSocketAddress a = { 0 };

    g_assert_cmpint(inet_parse(&a, "myhost:5000", &error_abort), ==, 0);
    g_assert_cmpstr(a.host, ==, "myhost");
    g_assert_cmpstr(a.port, ==, "5000");
    g_assert_false(a.has_to || a.has_ipv4 || a.has_ipv6 || a.has_numeric ||
                   a.has_keep_alive || a.has_mptcp);
    g_free(a.host);
    g_free(a.port);

    inet_parse(&a,
               "[::1]:22,to=30,ipv4=off,ipv6,numeric,keep-alive=on,mptcp=off",
               &error_abort);
    g_assert_cmpstr(a.host, ==, "::1");
    g_assert_cmpstr(a.port, ==, "22");
    g_assert_true(a.has_to && a.to == 30);
    g_assert_true(a.has_ipv4 && !a.ipv4 && a.has_ipv6 && a.ipv6);
    g_assert_true(a.has_numeric && a.numeric);
    g_assert_true(a.has_keep_alive && a.keep_alive);
    g_assert_true(a.has_mptcp && !a.mptcp);
    g_free(a.host);
    g_free(a.port);

    inet_parse(&a, ":http", &error_abort);
    g_assert_cmpstr(a.host, ==, "");
    g_assert_cmpstr(a.port, ==, "http");
    g_free(a.host);
    g_free(a.port);
}

static void test_inet_bad(void)
{
    static const char *const bad[] = {
        "",
        "host",
        "host:",
        "::1:22",
        "[::1]",
        "[::1]22",
        "[::1:22",
        "h:1,to=",
        "h:1,to=x",
        "h:1,to=65536",
        "h:1,to",
        "h:1,ipv4=maybe",
        "h:1,nonsense",
        "h:1,",
        "[::1]:1,ipv6=off",
        "h:1,to=-1",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        InetSocketAddress a = { .host = (char *)"kept" };
        Error *err = NULL;

        g_assert_cmpint(inet_parse(&a, bad[i], &err), ==, -1);
        error_free_or_abort(&err);
        /* Outputs are set only on success. */
        g_assert_cmpstr(a.host, ==, "kept");
    }
}

static void test_family(void)
{
    /* -1 unset, 0 off, 1 on */
    static const struct {
        int v4, v6, family;
    } cases[] = {
        { -1, -1, PF_UNSPEC }, { 1, -1, PF_INET }, { -1, 1, PF_INET6 },
        { 0, -1, PF_INET6 },   { -1, 0, PF_INET }, { 1, 1, PF_UNSPEC },
        { 1, 0, PF_INET },     { 0, 1, PF_INET6 }, { 0, 0, -1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        InetSocketAddress a = {
            .host = (char *)"h",
            .port = (char *)"1",
            .has_ipv4 = cases[i].v4 >= 0,
            .ipv4 = cases[i].v4 == 1,
            .has_ipv6 = cases[i].v6 >= 0,
            .ipv6 = cases[i].v6 == 1,
        };
        Error *err = NULL;

        g_assert_cmpint(inet_ai_family_from_address(&a, &err), ==,
                        cases[i].family);
        g_assert_true((err != NULL) == (cases[i].family == -1));
        error_free(err);
    }
}

static void test_uri(void)
{
    static const struct {
        const char *text, *uri;
    } cases[] = {
        { "host:1", "tcp:host:1" },
        { "tcp:host:1", "tcp:host:1" },
        { "[fe80::1]:1,ipv6", "tcp:[fe80::1]:1" },
        { "unix:/run/a:b,c", "unix:/run/a:b,c" },
        { "vsock:3:1234", "vsock:3:1234" },
        { "fd:mon0", "fd:mon0" },
    };
    static const char *const bad[] = { "unix:", "fd:", "vsock:3", "vsock:x:1",
                                       "vsock:1:2:3" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SocketAddress *addr = socket_parse(cases[i].text, &error_abort);
        g_autofree char *uri = socket_uri(addr);

        g_assert_cmpstr(uri, ==, cases[i].uri);
        free_address(addr);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_null(socket_parse(bad[i], &err));
        error_free_or_abort(&err);
    }
}

static void test_flatten(void)
{
    InetSocketAddress inet = {
        .host = (char *)"h", .port = (char *)"7", .has_to = true, .to = 9
    };
    FdSocketAddress fd = { .str = (char *)"x" };
    SocketAddressLegacy legacy = { .type = SOCKET_ADDRESS_TYPE_INET,
                                   .u.inet.data = &inet };
    SocketAddress *flat = socket_address_flatten(&legacy);

    g_assert_cmpstr(flat->u.inet.host, ==, "h");
    g_assert_true(flat->u.inet.host != inet.host);
    g_assert_true(flat->u.inet.has_to && flat->u.inet.to == 9);
    free_address(flat);

    legacy.type = SOCKET_ADDRESS_TYPE_FD;
    legacy.u.fd.data = &fd;
    flat = socket_address_flatten(&legacy);
    g_assert_cmpstr(flat->u.fd.str, ==, "x");
    free_address(flat);
    g_assert_null(socket_address_flatten(NULL));
}

static int lookup(const char *name, void *opaque, Error **errp)
{
    if (strcmp(name, "sock") == 0) {
        return fcntl(*(int *)opaque, F_DUPFD_CLOEXEC, 0);
    }
    if (strcmp(name, "file") == 0) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    error_setg(errp, "nothing is named '%s'", name);
    return -1;
}

static void test_fd(void)
{
    AUTO_FD file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autofree char *file_text = g_strdup_printf("%d", file);
    g_autofree char *sock_text = NULL;
    Error *err = NULL;
    int sock = qemu_socket(AF_UNIX, SOCK_STREAM, 0), fd;

    sock_text = g_strdup_printf("%d", sock);
    g_assert_cmpint(socket_get_fd(sock_text, &error_abort), ==, sock);
    g_assert_cmpint(socket_get_fd(file_text, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(socket_get_fd("99999999999", &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(socket_get_fd("sock", &err), ==, -1);
    error_free_or_abort(&err);

    socket_set_fd_lookup(lookup, &sock);
    fd = socket_get_fd("sock", &error_abort);
    g_assert_cmpint(fd, >=, 0);
    fd_close(fd);
    g_assert_cmpint(socket_get_fd("file", &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(socket_get_fd("none", &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "nothing is named 'none'");
    error_free_or_abort(&err);
    socket_set_fd_lookup(NULL, NULL);
    fd_close(sock);
}

static void test_host_port(void)
{
    struct sockaddr_in sin;
    Error *err = NULL;

    g_assert_cmpint(parse_host_port(&sin, "127.0.0.1:80", &error_abort), ==, 0);
    g_assert_cmphex(ntohl(sin.sin_addr.s_addr), ==, 0x7f000001);
    g_assert_cmpint(ntohs(sin.sin_port), ==, 80);
    g_assert_cmpint(parse_host_port(&sin, "127.0.0.1", &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(parse_host_port(&sin, "127.0.0.1:70000", &err), ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inet/good", test_inet_good);
    g_test_add_func("/inet/bad", test_inet_bad);
    g_test_add_func("/family", test_family);
    g_test_add_func("/uri", test_uri);
    g_test_add_func("/flatten", test_flatten);
    g_test_add_func("/fd", test_fd);
    g_test_add_func("/host-port", test_host_port);
    return g_test_run();
}
