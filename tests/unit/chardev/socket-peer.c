/*
 * Both ends of a socket chardev, for its tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "socket-peer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/socket-address.h"
#include "util/error.h"

#include "fake-fe.h"

Chardev *chr_new(const char *optarg)
{
    return qemu_chr_new_from_cli(optarg, NULL, &error_abort);
}

void chr_delete(Chardev *chr)
{
    g_autofree char *id = g_strdup(chr->label);

    g_assert_true(qemu_chr_remove(id, &error_abort));
}

int server_port(Chardev *chr)
{
    return atoi(qemu_chr_socket_local_address(chr)->u.inet.port);
}

int tcp_connect(int port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    return fd;
}

bool drain(int fd, GString *text)
{
    char buf[4096];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
        g_string_append_len(text, buf, n);
    }
    return n < 0 && errno == EAGAIN;
}

bool has(int fd, GString *text, const char *want)
{
    drain(fd, text);
    return strstr(text->str, want) != NULL;
}

bool at_eof(int fd)
{
    g_autoptr(GString) unused = g_string_new(NULL);

    return !drain(fd, unused);
}

/* Two chardevs with the same options talk to each other. */
void check_pair(const char *server_opt, const char *client_opt)
{
    g_autofree char *so = g_strdup_printf(
        "socket,id=s0,host=127.0.0.1,port=0,server,nowait%s", server_opt);
    Chardev *srv = chr_new(so);
    g_autofree char *co = g_strdup_printf(
        "socket,id=c0,host=127.0.0.1,port=%d%s", server_port(srv), client_opt);
    Chardev *cli = chr_new(co);
    g_autofree char *big = g_malloc(300000);
    FakeFe a, b;

    for (int i = 0; i < 300000; i++) {
        big[i] = i * 7 + i / 256;
    }
    fake_fe_init(&a, srv);
    fake_fe_init(&b, cli);
    RUN_UNTIL(a.events->len && b.events->len);
    g_assert_cmpint(qemu_chr_fe_write_all(&a.be, (uint8_t *)big, 300000), ==,
                    300000);
    g_assert_cmpint(qemu_chr_fe_write_all(&b.be, (uint8_t *)big, 300000), ==,
                    300000);
    RUN_UNTIL(a.input->len == 300000 && b.input->len == 300000);
    g_assert_cmpmem(a.input->str, 300000, big, 300000);
    g_assert_cmpmem(b.input->str, 300000, big, 300000);
    qemu_chr_fe_disconnect(&b.be);
    RUN_UNTIL(g_str_equal(a.events->str, "OC"));
    fake_fe_clear(&a);
    fake_fe_clear(&b);
    chr_delete(cli);
    chr_delete(srv);
}
