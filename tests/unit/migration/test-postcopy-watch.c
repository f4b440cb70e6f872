/*
 * The source of a post-copy looks whether the other end is there: what is silence
 * and what is not, and which ends of the channel of urgent pages are breaks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "io/channel-socket.h"
#include "migration/postcopy/watch.h"
#include "migration/transport/transport.h"

#define LIMIT_US (10 * G_USEC_PER_SEC)

/* -- silence ------------------------------------------------------------------- */

static void test_silence(void)
{
    static const struct {
        const char *what;
        struct tcp_info info;
        uint64_t watched_ms;
        bool silent;
    } cases[] = {
        { "all is well", { .tcpi_last_ack_recv = 10 }, 60000, false },
        { "nothing is said", { .tcpi_last_ack_recv = 60000 }, 60000, false },
        { "sent again, no answer",
          { .tcpi_retransmits = 6,
            .tcpi_last_ack_recv = 15000,
            .tcpi_last_data_sent = 2400 },
          60000,
          true },
        { "not so long",
          { .tcpi_retransmits = 6,
            .tcpi_last_ack_recv = 14999,
            .tcpi_last_data_sent = 2400 },
          60000,
          false },
        { "it was silent before",
          { .tcpi_retransmits = 2,
            .tcpi_last_ack_recv = 3600000,
            .tcpi_last_data_sent = 200 },
          600,
          false },
        { "lost once",
          { .tcpi_retransmits = 1,
            .tcpi_last_ack_recv = 20000,
            .tcpi_last_data_sent = 200 },
          60000,
          false },
        { "answered, not taken",
          { .tcpi_retransmits = 8,
            .tcpi_last_ack_recv = 20000,
            .tcpi_last_data_sent = 20010 },
          60000,
          false },
        { "window is shut, answered",
          { .tcpi_probes = 1, .tcpi_last_ack_recv = 50000 },
          600000,
          false },
        { "window is shut, no answer",
          { .tcpi_probes = 3, .tcpi_last_ack_recv = 15000 },
          600000,
          true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].what);
        g_assert_true(
            postcopy_watch_is_silent(&cases[i].info, cases[i].watched_ms) ==
            cases[i].silent);
    }
}

/* -- the channel of urgent pages -------------------------------------------------- */

/* Two connections over TCP; of each our end, and the destination's. */
typedef struct Bench {
    QIOChannel *ours[2]; /* main, urgent */
    int theirs[2];
    PostcopyWatch *w;
} Bench;

static void connect_pair(QIOChannel **ret_ours, int *ret_theirs)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(listener, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&a, &len), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    *ret_theirs = accept(listener, NULL, NULL);
    g_assert_cmpint(*ret_theirs, >=, 0);
    close(listener);
    *ret_ours = QIO_CHANNEL(qio_channel_socket_new_fd(fd, &error_abort));
}

static Bench *bench_new(void)
{
    Bench *b = g_new0(Bench, 1);

    for (int i = 0; i < 2; i++) {
        connect_pair(&b->ours[i], &b->theirs[i]);
    }
    b->w = postcopy_watch_new(b->ours[0], b->ours[1]);
    g_assert_nonnull(b->w);
    return b;
}

/* Returns: (transfer full) why the channels were shut down, or NULL. */
static Error *bench_free(Bench *b)
{
    Error *why = postcopy_watch_free(b->w);

    for (int i = 0; i < 2; i++) {
        object_unref(OBJECT(b->ours[i]));
        close(b->theirs[i]);
    }
    g_free(b);
    return why;
}

/* Not by FIN. */
static void reset(int fd)
{
    struct linger l = { .l_onoff = 1 };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), ==,
                    0);
    g_assert_cmpint(dup2(null, fd), ==, fd); /* its number stays taken */
    close(null);
}

/* Until a writer or reader of the main channel would fail. */
static void wait_shut_down(Bench *b)
{
    char c;

    /* The destination sees the end, too. */
    g_assert_cmpint(recv(b->theirs[0], &c, 1, 0), ==, 0);
    g_assert_cmpint(qio_channel_read(b->ours[0], &c, 1, NULL), ==, 0);
}

static void test_breaks(void)
{
    Bench *b = bench_new();
    Error *why;

    close(b->theirs[1]);
    b->theirs[1] = -1;
    wait_shut_down(b);
    why = bench_free(b);
    g_assert_cmpstr(error_get_pretty(why), ==,
                    "the channel of urgent pages broke");
    error_free(why);
}

/* Whoever reads the main channel knows why. */
static void test_both_break(void)
{
    Bench *b = bench_new();

    close(b->theirs[0]);
    b->theirs[0] = -1;
    close(b->theirs[1]);
    b->theirs[1] = -1;
    g_usleep(20000);
    g_assert_null(bench_free(b));
}

/* Its reader has all: neither that it goes is a break, nor that its host forgets
 * the connection a minute later and answers by a reset. */
static void test_over(void)
{
    Bench *b = bench_new();
    int64_t end = g_get_monotonic_time() + LIMIT_US;

    postcopy_watch_urgent_over(b->w);
    shutdown(b->theirs[1], SHUT_WR);
    while (qatomic_read(&OBJECT(b->ours[1])->ref) > 1) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    reset(b->theirs[1]);
    g_usleep(20000);
    g_assert_false(migration_socket_has_ended(b->ours[0]));
    g_assert_null(bench_free(b));
}

/* But that it broke before it had all is one. */
static void test_breaks_at_its_end(void)
{
    Bench *b = bench_new();
    Error *why;

    postcopy_watch_urgent_over(b->w);
    reset(b->theirs[1]);
    wait_shut_down(b);
    why = bench_free(b);
    g_assert_cmpstr(error_get_pretty(why), ==,
                    "the channel of urgent pages broke at its end: Connection "
                    "reset by peer");
    error_free(why);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-watch/silence", test_silence);
    g_test_add_func("/postcopy-watch/breaks", test_breaks);
    g_test_add_func("/postcopy-watch/both-break", test_both_break);
    g_test_add_func("/postcopy-watch/over", test_over);
    g_test_add_func("/postcopy-watch/breaks-at-its-end",
                    test_breaks_at_its_end);
    return g_test_run();
}
