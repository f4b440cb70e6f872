/*
 * What a channel costs over the calls it makes.
 *
 *     bench-io [--quick]
 *
 * One thread writes, one reads, BENCH_BLOCK bytes a call. `bare` is write()
 * and read() on the descriptors; `channel` is qio_channel_write() and
 * qio_channel_read() on socket channels over the same pair. Both take turns
 * in each round, and who is first alternates; the numbers are medians in
 * MB/s, the ratio is the median of the rounds' ratios. Exit status 1 if a
 * socket channel reaches less than BENCH_TARGET of bare. The layers are shown
 * beside bare sockets for the record.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "util/error.h"
#include "util/thread.h"

#include "channel-pair.h"

#define BENCH_TARGET 0.95
#define BENCH_ROUNDS 15
#define BENCH_BLOCK  65536

typedef struct Case {
    const char *stack;
    const char *base; /* whose descriptors `bare` uses */
    size_t mib;       /* moved in each measurement */
    bool judged;
} Case;

static const Case cases[] = {
    { "unix", "unix", 512, true },       { "tcp", "tcp", 512, true },
    { "unix/tls", "unix", 128, false },  { "tcp/ws", "tcp", 256, false },
    { "tcp/tls/ws", "tcp", 128, false },
};

/* One side of a transfer. */
typedef struct End {
    QIOChannel *ioc; /* NULL = bare */
    int fd;
    size_t total;
} End;

static ssize_t end_write(const End *e, const char *buf, size_t len)
{
    return e->ioc ? qio_channel_write(e->ioc, buf, len, &error_abort)
                  : write(e->fd, buf, len);
}

static ssize_t end_read(const End *e, char *buf, size_t len)
{
    return e->ioc ? qio_channel_read(e->ioc, buf, len, &error_abort)
                  : read(e->fd, buf, len);
}

static void *reader(void *opaque)
{
    End *e = opaque;
    g_autofree char *buf = g_malloc(BENCH_BLOCK);
    size_t left = e->total;

    while (left > 0) {
        ssize_t n = end_read(e, buf, MIN(left, BENCH_BLOCK));

        g_assert_cmpint(n, >, 0);
        left -= n;
    }
    return NULL;
}

static double transfer(End *from, End *to)
{
    g_autofree char *buf = g_malloc0(BENCH_BLOCK);
    gint64 start = g_get_monotonic_time();
    size_t left = from->total;
    QemuThread thread;

    qemu_thread_create(&thread, "reader", reader, to, QEMU_THREAD_JOINABLE);
    while (left > 0) {
        ssize_t n = end_write(from, buf, MIN(left, BENCH_BLOCK));

        g_assert_cmpint(n, >, 0);
        left -= n;
    }
    qemu_thread_join(&thread);
    return from->total / (double)(g_get_monotonic_time() - start);
}

static double measure(ChannelPair *base, ChannelPair *stack, bool bare,
                      size_t total)
{
    End from = { .total = total }, to = { .total = total };

    if (bare) {
        from.fd = QIO_CHANNEL_SOCKET(base->b)->fd;
        to.fd = QIO_CHANNEL_SOCKET(base->a)->fd;
    } else {
        from.ioc = stack->b;
        to.ioc = stack->a;
    }
    return transfer(&from, &to);
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return (d > 0) - (d < 0);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), compare);
    return v[n / 2];
}

/* Returns: channel's share of bare. */
static double run_case(const Case *c, size_t rounds, size_t mib)
{
    g_autoptr(ChannelPair) base = channel_pair_new(c->base);
    g_autoptr(ChannelPair) layers = NULL;
    double bare[BENCH_ROUNDS], channel[BENCH_ROUNDS], ratio[BENCH_ROUNDS];
    ChannelPair *stack = base;
    double share;

    if (strcmp(c->stack, c->base) != 0) {
        stack = layers = channel_pair_new(c->stack);
    }
    for (size_t i = 0; i < rounds; i++) {
        bool bare_first = i & 1;

        for (int k = 0; k < 2; k++) {
            bool is_bare = (k == 0) == bare_first;
            double speed = measure(base, stack, is_bare, mib << 20);

            *(is_bare ? &bare[i] : &channel[i]) = speed;
        }
        ratio[i] = channel[i] / bare[i];
    }
    share = median(ratio, rounds);
    printf("%-12s bare %7.0f MB/s   channel %7.0f MB/s   ratio %.3f%s\n",
           c->stack, median(bare, rounds), median(channel, rounds), share,
           !c->judged              ? ""
           : share >= BENCH_TARGET ? "   ok"
                                   : "   BELOW TARGET");
    fflush(stdout);
    return share;
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    bool ok = true;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        double share = run_case(&cases[i], quick ? 3 : BENCH_ROUNDS,
                                quick ? 64 : cases[i].mib);

        ok = ok && (!cases[i].judged || quick || share >= BENCH_TARGET);
    }
    return ok ? 0 : 1;
}
