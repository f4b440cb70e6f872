/*
 * What a socket chardev costs a device that writes to it or reads from it.
 *
 *     bench-chardev [--quick]
 *
 * Writing: a burst of blocks into a connected unix socket, by write(2) and by
 * qemu_chr_fe_write(), plain and through TLS; the other end is emptied between
 * the bursts, outside of the measured time. 64 bytes is what a UART's FIFO
 * gives, 4 KiB what a console that collects its output gives. Nanoseconds a
 * block, CPU time of the writing thread, medians; all ways take turns in each
 * round.
 *
 * Reading: from write(2) at the other end to the front end's receive handler,
 * through the main loop, in one thread; beside poll(2) and read(2).
 *
 * The plain chardev must not cost more than WRITE_TARGET_NS above write(2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/socket.h>

#include "chardev/char-fe.h"
#include "chardev/types.h"
#include "crypto/init.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "bench.h"
#include "pki.h"
#include "tls-pair.h"

#define BENCH_ROUNDS 31
#define BENCH_BURSTS 100
#define BURST_BYTES  16384
#define BURST_BLOCKS 64
#define READS        2000
/* Two uncontended locks and the way through the layers. */
#define WRITE_TARGET_NS 250.0
#define HANDSHAKE_MS    20000
#define PRIORITY        "NORMAL:-CIPHER-ALL:+AES-128-GCM"

/* A front end, its chardev and what is at the other end of the socket. */
typedef struct Line {
    Chardev *chr;
    CharBackend be;
    int peer;            /* plain text or TLS records come out here */
    gint open, received; /* the main loop's thread only */
} Line;

static int line_can_read(void *opaque)
{
    return 4096;
}

static void line_read(void *opaque, const uint8_t *buf, int size)
{
    ((Line *)opaque)->received += size;
}

static void line_event(void *opaque, QEMUChrEvent event)
{
    if (event == CHR_EVENT_OPENED) {
        ((Line *)opaque)->open = 1;
    }
}

static void *peer_handshake(void *opaque)
{
    qio_channel_tls_handshake_sync(opaque, HANDSHAKE_MS, &error_abort);
    return NULL;
}

static void line_wait_open(Line *l)
{
    while (!l->open) {
        main_loop_wait(false);
    }
}

/* A client chardev on one end of a pair; @creds of the server's side or NULL. */
static void line_new(Line *l, const char *id, QCryptoTLSCreds *creds)
{
    g_autofree char *opts = NULL;
    g_autoptr(QIOChannel) sock = NULL;
    g_autoptr(QIOChannelTLS) tls = NULL;
    QemuThread thread;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    opts = g_strdup_printf("socket,id=%s,fd=%d%s", id, fds[0],
                           creds ? ",tls-creds=tls0" : "");
    *l = (Line){ .peer = fds[1] };
    if (creds) {
        sock =
            QIO_CHANNEL(qio_channel_socket_new_fd(dup(fds[1]), &error_abort));
        tls = qio_channel_tls_new_server(sock, creds, NULL, &error_abort);
        qemu_thread_create(&thread, "peer", peer_handshake, tls,
                           QEMU_THREAD_JOINABLE);
    }
    l->chr = qemu_chr_new_from_cli(opts, NULL, &error_abort);
    qemu_chr_fe_init(&l->be, l->chr, &error_abort);
    qemu_chr_fe_set_handlers(&l->be, line_can_read, line_read, line_event, NULL,
                             l, NULL, true);
    line_wait_open(l);
    if (creds) {
        qemu_thread_join(&thread);
    }
}

static void line_delete(Line *l)
{
    qemu_chr_fe_deinit(&l->be, true);
    fd_close(l->peer);
}

/* -- writing ------------------------------------------------------------------- */

static void drain(int fd)
{
    char buf[65536];

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
}

/* The CPU time of a block, in ns: through @l, or by write(2) into @pair. */
static double write_cost(Line *l, const int pair[2], const uint8_t *buf,
                         int len)
{
    int blocks = MIN(BURST_BLOCKS, BURST_BYTES / len);
    double cpu = 0;

    for (int burst = 0; burst < BENCH_BURSTS; burst++) {
        BenchTime start = bench_now();

        for (int i = 0; i < blocks; i++) {
            int n = l ? qemu_chr_fe_write(&l->be, buf, len)
                      : write(pair[0], buf, len);

            if (n != len) {
                g_error("wrote %d of %d bytes", n, len);
            }
        }
        cpu += bench_since(start).cpu;
        drain(l ? l->peer : pair[1]);
    }
    return cpu / (BENCH_BURSTS * blocks);
}

static void print_row(const char *name, double bare, double plain, double tls,
                      const char *verdict)
{
    printf("%-20s %8.0f %8.0f %7.2f", name, bare, plain, plain / bare);
    if (tls > 0) {
        printf(" %8.0f %7.2f", tls, tls / bare);
    }
    printf("%s\n", verdict);
    fflush(stdout);
}

static void bench_write(Line *plain, Line *tls, int len, int rounds,
                        int *missed)
{
    g_autofree uint8_t *buf = g_malloc0(len);
    g_autofree char *name = g_strdup_printf("write %d bytes", len);
    double b[BENCH_ROUNDS], p[BENCH_ROUNDS], t[BENCH_ROUNDS];
    double bare_ns, plain_ns;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    for (int i = 0; i < rounds; i++) {
        b[i] = write_cost(NULL, pair, buf, len);
        p[i] = write_cost(plain, NULL, buf, len);
        t[i] = write_cost(tls, NULL, buf, len);
    }
    fd_close(pair[0]);
    fd_close(pair[1]);
    bare_ns = bench_median(b, rounds);
    plain_ns = bench_median(p, rounds);
    print_row(name, bare_ns, plain_ns, bench_median(t, rounds),
              bench_verdict(bare_ns + WRITE_TARGET_NS, plain_ns, missed));
}

/* -- reading ------------------------------------------------------------------- */

static double read_cost_bare(const int pair[2], const uint8_t *buf, int len)
{
    g_autofree uint8_t *in = g_malloc(len);
    BenchTime start = bench_now();

    for (int i = 0; i < READS; i++) {
        struct pollfd p = { .fd = pair[1], .events = POLLIN };

        if (write(pair[0], buf, len) != len || poll(&p, 1, -1) != 1 ||
            read(pair[1], in, len) != len) {
            g_error("socket pair: %s", g_strerror(errno));
        }
    }
    return bench_since(start).cpu / READS;
}

static double read_cost(Line *l, const uint8_t *buf, int len)
{
    BenchTime start = bench_now();

    for (int i = 0; i < READS; i++) {
        l->received = 0;
        if (write(l->peer, buf, len) != len) {
            g_error("socket pair: %s", g_strerror(errno));
        }
        while (l->received < len) {
            main_loop_wait(false);
        }
    }
    return bench_since(start).cpu / READS;
}

static void bench_read(Line *plain, int len, int rounds)
{
    g_autofree uint8_t *buf = g_malloc0(len);
    g_autofree char *name = g_strdup_printf("read %d bytes", len);
    double b[BENCH_ROUNDS], p[BENCH_ROUNDS];
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    for (int i = 0; i < rounds; i++) {
        b[i] = read_cost_bare(pair, buf, len);
        p[i] = read_cost(plain, buf, len);
    }
    fd_close(pair[0]);
    fd_close(pair[1]);
    print_row(name, bench_median(b, rounds), bench_median(p, rounds), 0, "");
}

/* -- side by side -------------------------------------------------------------- */

static QCryptoTLSCreds *make_creds(const char *dir)
{
    g_autofree char *client = g_strdup_printf(
        "tls-creds-psk,id=tls0,endpoint=client,dir=%s,username=%s", dir,
        TEST_PKI_PSK_USER);

    if (!user_creatable_add_from_str(client, &error_abort)) {
        g_error("no client credentials");
    }
    return test_tls_creds_new("tls-creds-psk", "server", dir, &error_abort,
                              "priority", PRIORITY, NULL);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && g_str_equal(argv[1], "--quick");
    int rounds = quick ? 5 : BENCH_ROUNDS;
    g_autoptr(TestPki) pki = test_pki_new();
    g_autoptr(QCryptoTLSCreds) creds = NULL;
    Line plain, tls;
    int missed = 0;

    qemu_init_main_loop(&error_abort);
    qcrypto_init(&error_abort);
    chardev_register_types();
    creds = make_creds(test_pki_psk_dir(pki));
    line_new(&plain, "plain", NULL);
    line_new(&tls, "tls", creds);
    printf("%-20s %8s %8s %7s %8s %7s\n", "chardev, ns a block", "bare",
           "plain", "ratio", "TLS", "ratio");
    bench_write(&plain, &tls, 64, rounds, &missed);
    bench_write(&plain, &tls, 4096, rounds, &missed);
    bench_read(&plain, 1, rounds);
    bench_read(&plain, 4096, rounds);
    line_delete(&plain);
    line_delete(&tls);
    user_creatable_del("tls0", &error_abort);
    return missed ? BENCH_MISSED : 0;
}
