/*
 * Speed of one TLS stream, beside what GnuTLS does in memory.
 *
 *     bench-tls [--quick] [FILTER]
 *
 * `memory` is the yardstick: two GnuTLS sessions in one thread, records of
 * 16 KiB sent into a buffer and received from it, as gnutls-cli's
 * --benchmark-tls-ciphers does. `channel` is a QIOChannelTLS at each end of a
 * socket pair, one thread that writes and one that reads, each on a processor
 * of its own, 64 KiB a call. Both take turns in each round; the numbers are
 * medians, in MB/s.
 *
 * `wall` is by the clock and needs two idle processors. `cpu` divides the bytes
 * by the CPU time of the thread that had more work, which is what the clock
 * shows when neither processor has other work; it holds on a busy machine.
 * AES-128-GCM must reach BENCH_TARGET of the yardstick by it. `cost` is the CPU
 * time of both threads, system calls and all, over the yardstick's. `unpinned`
 * leaves the threads where the kernel puts them, often both on one processor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "crypto/tlscredspsk.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "util/error.h"
#include "util/thread.h"

#include "bench.h"
#include "pki.h"
#include "tls-pair.h"

#define BENCH_TARGET 0.90
#define BENCH_ROUNDS 25
#define BENCH_RECORD 16384
#define BENCH_CHUNK  65536
#define BENCH_BYTES  ((size_t)64 << 20)
#define HANDSHAKE_MS 20000

typedef struct Case {
    const char *name;
    const char *priority;
    bool judged;
    bool unpinned; /* where the ends run is left to the kernel */
} Case;

static const Case cases[] = {
    { "AES-128-GCM", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
      .judged = true },
    { "AES-128-GCM, unpinned",
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
      .unpinned = true },
    { "AES-256-GCM", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM" },
    { "AES-128-GCM, TLS 1.2",
      "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM" },
    { "CHACHA20-POLY1305",
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305" },
};

/* -- the yardstick -------------------------------------------------------- */

typedef struct Pipe {
    uint8_t *buf;
    size_t start, end, size;
} Pipe;

typedef struct MemEnd {
    Pipe *in, *out;
} MemEnd;

static ssize_t mem_push(gnutls_transport_ptr_t opaque, const void *data,
                        size_t len)
{
    Pipe *p = ((MemEnd *)opaque)->out;

    if (p->start == p->end) {
        p->start = p->end = 0;
    }
    g_assert_cmpint(p->end + len, <=, p->size);
    memcpy(p->buf + p->end, data, len);
    p->end += len;
    return len;
}

static ssize_t mem_pull(gnutls_transport_ptr_t opaque, void *data, size_t len)
{
    Pipe *p = ((MemEnd *)opaque)->in;
    size_t n = MIN(len, p->end - p->start);

    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(data, p->buf + p->start, n);
    p->start += n;
    return n;
}

static void mem_check(int ret)
{
    if (ret < 0) {
        g_error("yardstick: %s", gnutls_strerror(ret));
    }
}

static gnutls_session_t mem_session(bool server, const Case *c, void *cred,
                                    MemEnd *end)
{
    g_autofree char *prio =
        g_strdup_printf("%s:+ECDHE-PSK:+DHE-PSK", c->priority);
    gnutls_session_t s;

    mem_check(gnutls_init(&s, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
                                  GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS));
    mem_check(gnutls_priority_set_direct(s, prio, NULL));
    mem_check(gnutls_credentials_set(s, GNUTLS_CRD_PSK, cred));
    gnutls_transport_set_ptr(s, end);
    gnutls_transport_set_push_function(s, mem_push);
    gnutls_transport_set_pull_function(s, mem_pull);
    return s;
}

static BenchTime mem_transfer(gnutls_session_t from, gnutls_session_t to,
                              size_t total)
{
    g_autofree char *buf = g_malloc0(BENCH_RECORD);
    BenchTime start = bench_now();

    for (size_t done = 0; done < total; done += BENCH_RECORD) {
        size_t got = 0;

        mem_check(gnutls_record_send(from, buf, BENCH_RECORD));
        while (got < BENCH_RECORD) {
            ssize_t n = gnutls_record_recv(to, buf, BENCH_RECORD);

            mem_check(n);
            got += n;
        }
    }
    return bench_since(start);
}

static BenchTime bench_memory(const Case *c, const char *dir, size_t total)
{
    g_autofree char *file = g_build_filename(dir, "keys.psk", NULL);
    gnutls_datum_t key = { (unsigned char *)TEST_PKI_PSK_KEY,
                           strlen(TEST_PKI_PSK_KEY) };
    gnutls_psk_server_credentials_t scred;
    gnutls_psk_client_credentials_t ccred;
    Pipe pipes[2] = { { .size = 65536 }, { .size = 65536 } };
    MemEnd ends[2] = { { &pipes[0], &pipes[1] }, { &pipes[1], &pipes[0] } };
    gnutls_session_t s, k;
    int rs = GNUTLS_E_AGAIN, rk = GNUTLS_E_AGAIN;
    BenchTime took;

    pipes[0].buf = g_malloc(pipes[0].size);
    pipes[1].buf = g_malloc(pipes[1].size);
    mem_check(gnutls_psk_allocate_server_credentials(&scred));
    mem_check(gnutls_psk_set_server_credentials_file(scred, file));
    mem_check(gnutls_psk_allocate_client_credentials(&ccred));
    mem_check(gnutls_psk_set_client_credentials(ccred, TEST_PKI_PSK_USER, &key,
                                                GNUTLS_PSK_KEY_HEX));
    s = mem_session(true, c, scred, &ends[0]);
    k = mem_session(false, c, ccred, &ends[1]);
    while (rk == GNUTLS_E_AGAIN || rs == GNUTLS_E_AGAIN) {
        rk = rk ? gnutls_handshake(k) : 0; /* not again once it is done */
        rs = rs ? gnutls_handshake(s) : 0;
    }
    mem_check(rk);
    mem_check(rs);
    took = mem_transfer(k, s, total);
    gnutls_deinit(s);
    gnutls_deinit(k);
    gnutls_psk_free_server_credentials(scred);
    gnutls_psk_free_client_credentials(ccred);
    g_free(pipes[0].buf);
    g_free(pipes[1].buf);
    return took;
}

/* -- channels on a socket pair ------------------------------------------------ */

typedef struct Stream {
    QIOChannelTLS *from, *to;
    size_t total;
    bool unpinned;
    BenchTime wrote, was_read;
} Stream;

static void *stream_writer(void *opaque)
{
    Stream *s = opaque;
    g_autofree char *buf = g_malloc0(BENCH_CHUNK);
    BenchTime start;

    if (!s->unpinned) {
        bench_pin(0);
    }
    qio_channel_tls_handshake_sync(s->from, HANDSHAKE_MS, &error_abort);
    start = bench_now();
    for (size_t done = 0; done < s->total; done += BENCH_CHUNK) {
        qio_channel_write_all(QIO_CHANNEL(s->from), buf, BENCH_CHUNK,
                              &error_abort);
    }
    s->wrote = bench_since(start);
    return NULL;
}

static void *stream_reader(void *opaque)
{
    Stream *s = opaque;
    g_autofree char *buf = g_malloc(BENCH_CHUNK);
    BenchTime start;

    if (!s->unpinned) {
        bench_pin(1);
    }
    qio_channel_tls_handshake_sync(s->to, HANDSHAKE_MS, &error_abort);
    start = bench_now();
    for (size_t done = 0; done < s->total; done += BENCH_CHUNK) {
        qio_channel_read_all(QIO_CHANNEL(s->to), buf, BENCH_CHUNK,
                             &error_abort);
    }
    s->was_read = bench_since(start);
    return NULL;
}

static QIOChannel *socket_end(int fd)
{
    return QIO_CHANNEL(qio_channel_socket_new_fd(fd, &error_abort));
}

/* @writer, @reader: (out) what each thread took. */
static void bench_channel(const Case *c, const char *dir, size_t total,
                          BenchTime *writer, BenchTime *reader)
{
    g_autoptr(QCryptoTLSCreds) screds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server", dir,
                           &error_abort, "priority", c->priority, NULL);
    g_autoptr(QCryptoTLSCreds) ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client", dir,
                           &error_abort, "priority", c->priority, "username",
                           TEST_PKI_PSK_USER, NULL);
    g_autoptr(QIOChannel) a = NULL;
    g_autoptr(QIOChannel) b = NULL;
    g_autoptr(QIOChannelTLS) from = NULL;
    g_autoptr(QIOChannelTLS) to = NULL;
    Stream s = { .total = total, .unpinned = c->unpinned };
    QemuThread threads[2];
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    a = socket_end(fds[0]);
    b = socket_end(fds[1]);
    s.from = from = qio_channel_tls_new_client(a, ccreds, NULL, &error_abort);
    s.to = to = qio_channel_tls_new_server(b, screds, NULL, &error_abort);
    qemu_thread_create(&threads[0], "writer", stream_writer, &s,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_create(&threads[1], "reader", stream_reader, &s,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&threads[0]);
    qemu_thread_join(&threads[1]);
    *writer = s.wrote;
    *reader = s.was_read;
}

/* -- side by side ------------------------------------------------------------- */

static void compare(const Case *c, const char *dir, int rounds, int *missed)
{
    enum {
        MEM_WALL,
        MEM_CPU,
        CH_WALL,
        CH_CPU,
        R_WALL,
        R_CPU,
        COST,
        N
    };
    double v[N][BENCH_ROUNDS], m[N];
    double mb = BENCH_BYTES * 1e3; /* over nanoseconds: MB/s */

    for (int r = 0; r < rounds; r++) {
        BenchTime mem = bench_memory(c, dir, BENCH_BYTES), w, rd;

        bench_channel(c, dir, BENCH_BYTES, &w, &rd);
        v[MEM_WALL][r] = mb / mem.wall;
        v[MEM_CPU][r] = mb / mem.cpu;
        v[CH_WALL][r] = mb / rd.wall;
        v[CH_CPU][r] = mb / MAX(w.cpu, rd.cpu);
        v[R_WALL][r] = mem.wall / rd.wall;
        v[R_CPU][r] = mem.cpu / MAX(w.cpu, rd.cpu);
        v[COST][r] = (w.cpu + rd.cpu) / mem.cpu;
    }
    for (int i = 0; i < N; i++) {
        m[i] = bench_median(v[i], rounds);
    }
    printf("%-21s %6.0f %6.0f %6.2f   %6.0f %6.0f %6.2f   %5.2f%s\n", c->name,
           m[MEM_WALL], m[CH_WALL], m[R_WALL], m[MEM_CPU], m[CH_CPU], m[R_CPU],
           m[COST],
           c->judged ? bench_verdict(m[R_CPU], BENCH_TARGET, missed) : "");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && g_str_equal(argv[1], "--quick");
    const char *filter = argc > 1 + quick ? argv[1 + quick] : "";
    g_autoptr(TestPki) pki = test_pki_new();
    const char *dir = test_pki_psk_dir(pki);
    int missed = 0;

    printf("%-21s %20s   %20s\n", "TLS stream, MB/s", "wall                ",
           "cpu                 ");
    printf("%-21s %6s %6s %6s   %6s %6s %6s   %5s\n", "", "memory", "channl",
           "ratio", "memory", "channl", "ratio", "cost");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int rounds = quick ? 3 : cases[i].judged ? BENCH_ROUNDS : 5;

        if (strstr(cases[i].name, filter)) {
            compare(&cases[i], dir, rounds, &missed);
        }
    }
    return missed ? BENCH_MISSED : 0;
}
