/*
 * Speed of one TLS stream, beside what GnuTLS does in memory.
 *
 *     bench-tls [--quick]
 *
 * `memory` is the yardstick: two GnuTLS sessions of one thread, records of
 * 16 KiB sent into a buffer and received from it (as gnutls-cli's benchmark
 * does). `session` is a QCryptoTLSSession each side of a socket pair, one
 * thread that writes and one that reads, 64 KiB a call. Both take turns in
 * each round; the number is the median, in MB/s. Exit status 1 if AES-128-GCM
 * reaches less than BENCH_TARGET of the yardstick.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "crypto/tlscredspsk.h"
#include "crypto/tlssession.h"
#include "util/error.h"
#include "util/thread.h"

#include "pki.h"
#include "tls-pair.h"

#define BENCH_TARGET 0.90
#define BENCH_ROUNDS 9
#define BENCH_RECORD 16384
#define BENCH_CHUNK  65536

typedef struct Case {
    const char *name;
    const char *priority;
    bool judged;
} Case;

static const Case cases[] = {
    { "AES-128-GCM", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
      true },
    { "AES-128-GCM, TLS 1.2",
      "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM", false },
    { "CHACHA20-POLY1305",
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305", false },
};

static double now_s(void)
{
    return g_get_monotonic_time() / 1e6;
}

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

static double mem_transfer(gnutls_session_t from, gnutls_session_t to,
                           size_t total)
{
    g_autofree char *buf = g_malloc0(BENCH_RECORD);
    double begin = now_s();

    for (size_t done = 0; done < total; done += BENCH_RECORD) {
        size_t got = 0;

        mem_check(gnutls_record_send(from, buf, BENCH_RECORD));
        while (got < BENCH_RECORD) {
            ssize_t n = gnutls_record_recv(to, buf, BENCH_RECORD);

            mem_check(n);
            got += n;
        }
    }
    return total / 1e6 / (now_s() - begin);
}

static double bench_memory(const Case *c, const char *dir, size_t total)
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
    double speed;

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
    speed = mem_transfer(k, s, total);
    gnutls_deinit(s);
    gnutls_deinit(k);
    gnutls_psk_free_server_credentials(scred);
    gnutls_psk_free_client_credentials(ccred);
    g_free(pipes[0].buf);
    g_free(pipes[1].buf);
    return speed;
}

/* -- sessions on a socket pair -------------------------------------------- */

typedef struct Stream {
    TestTLSEnd end;
    size_t total;
} Stream;

static void *stream_writer(void *opaque)
{
    Stream *s = opaque;
    g_autofree char *buf = g_malloc0(BENCH_CHUNK);

    for (size_t done = 0; done < s->total; done += BENCH_CHUNK) {
        g_assert_cmpint(test_tls_write_all(&s->end, buf, BENCH_CHUNK), ==,
                        BENCH_CHUNK);
    }
    return NULL;
}

static void stream_read(Stream *s)
{
    g_autofree char *buf = g_malloc(BENCH_CHUNK);

    for (size_t done = 0; done < s->total; done += BENCH_CHUNK) {
        g_assert_cmpint(test_tls_read_all(&s->end, buf, BENCH_CHUNK), ==,
                        BENCH_CHUNK);
    }
}

static double bench_session(const Case *c, const char *dir, size_t total)
{
    g_autoptr(QCryptoTLSCreds) screds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "server", dir,
                           &error_abort, "priority", c->priority, NULL);
    g_autoptr(QCryptoTLSCreds) ccreds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_PSK, "client", dir,
                           &error_abort, "priority", c->priority, "username",
                           TEST_PKI_PSK_USER, NULL);
    Stream s = { .total = total }, k = { .total = total };
    QemuThread writer;
    double begin, speed;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    test_tls_end_init(&s.end,
                      qcrypto_tls_session_new(screds, NULL, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                              &error_abort),
                      fds[0]);
    test_tls_end_init(&k.end,
                      qcrypto_tls_session_new(ccreds, NULL, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT,
                                              &error_abort),
                      fds[1]);
    test_tls_handshake(&s.end, &k.end);
    g_assert_true(s.end.done && k.end.done);
    fcntl(fds[0], F_SETFL, 0);
    fcntl(fds[1], F_SETFL, 0);
    begin = now_s();
    qemu_thread_create(&writer, "writer", stream_writer, &k,
                       QEMU_THREAD_JOINABLE);
    stream_read(&s);
    qemu_thread_join(&writer);
    speed = total / 1e6 / (now_s() - begin);
    test_tls_end_clear(&s.end);
    test_tls_end_clear(&k.end);
    return speed;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, n, sizeof(v[0]), compare_double);
    return v[n / 2];
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && g_str_equal(argv[1], "--quick");
    int rounds = quick ? 3 : BENCH_ROUNDS;
    size_t total = (quick ? 64 : 512) * 1024 * 1024UL;
    g_autoptr(TestPki) pki = test_pki_new();
    const char *dir = test_pki_psk_dir(pki);
    int slow = 0;

    printf("%-22s %10s %10s %7s\n", "TLS stream, MB/s", "memory", "session",
           "ratio");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        double memory[BENCH_ROUNDS], session[BENCH_ROUNDS], m, s;

        for (int r = 0; r < rounds; r++) {
            memory[r] = bench_memory(&cases[i], dir, total);
            session[r] = bench_session(&cases[i], dir, total);
        }
        m = median(memory, rounds);
        s = median(session, rounds);
        slow += cases[i].judged && s < BENCH_TARGET * m;
        printf("%-22s %10.0f %10.0f %7.2f\n", cases[i].name, m, s, s / m);
        fflush(stdout);
    }
    return slow ? 1 : 0;
}
