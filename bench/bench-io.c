/*
 * What a socket channel costs beside bare system calls.
 *
 *     bench-io [--quick]
 *
 * One thread writes a block into a connected pair and reads it from the other
 * end, so that no scheduling is in the figures: with write(2) and read(2), and
 * with qio_channel_write_all() and qio_channel_read_all(). Both take turns in
 * each round. MB/s are by the wall clock, the ratio is of CPU time, which
 * holds on a busy machine too; all are medians of the rounds. `stream` is one
 * thread that writes and one that reads, by the wall clock.
 *
 * Blocks of 64 KiB must reach BENCH_TARGET of the bare system calls. Layers
 * are shown beside bare sockets for the record.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "io/channel.h"
#include "util/error.h"
#include "util/thread.h"

#include "bench.h"
#include "channel-pair.h"

#define BENCH_TARGET 0.95
#define BENCH_ROUNDS 25
#define BENCH_BYTES  ((size_t)16 << 20)
#define BENCH_STREAM ((size_t)128 << 20)
#define JUDGED_BLOCK 65536

typedef struct Ends {
    ChannelPair *pair; /* of the base, or layers on another */
    int a, b;
    char *buf;
    size_t block;
    size_t bytes; /* in one measurement */
} Ends;

/* -- the two ways ------------------------------------------------------------ */

static void bare_write(int fd, const char *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, buf + done, len - done);

        g_assert_cmpint(n, >, 0);
        done += n;
    }
}

static void bare_read(int fd, char *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, buf + done, len - done);

        g_assert_cmpint(n, >, 0);
        done += n;
    }
}

static void bare_turns(Ends *e)
{
    for (size_t done = 0; done < e->bytes; done += e->block) {
        bare_write(e->a, e->buf, e->block);
        bare_read(e->b, e->buf, e->block);
    }
}

static void channel_turns(Ends *e)
{
    for (size_t done = 0; done < e->bytes; done += e->block) {
        qio_channel_write_all(e->pair->a, e->buf, e->block, &error_abort);
        qio_channel_read_all(e->pair->b, e->buf, e->block, &error_abort);
    }
}

static void *bare_stream_writer(void *opaque)
{
    Ends *e = opaque;
    g_autofree char *buf = g_malloc0(e->block);

    for (size_t done = 0; done < e->bytes; done += e->block) {
        bare_write(e->a, buf, e->block);
    }
    return NULL;
}

static void *channel_stream_writer(void *opaque)
{
    Ends *e = opaque;
    g_autofree char *buf = g_malloc0(e->block);

    for (size_t done = 0; done < e->bytes; done += e->block) {
        qio_channel_write_all(e->pair->a, buf, e->block, &error_abort);
    }
    return NULL;
}

static void bare_stream(Ends *e)
{
    QemuThread writer;

    qemu_thread_create(&writer, "writer", bare_stream_writer, e,
                       QEMU_THREAD_JOINABLE);
    for (size_t done = 0; done < e->bytes; done += e->block) {
        bare_read(e->b, e->buf, e->block);
    }
    qemu_thread_join(&writer);
}

static void channel_stream(Ends *e)
{
    QemuThread writer;

    qemu_thread_create(&writer, "writer", channel_stream_writer, e,
                       QEMU_THREAD_JOINABLE);
    for (size_t done = 0; done < e->bytes; done += e->block) {
        qio_channel_read_all(e->pair->b, e->buf, e->block, &error_abort);
    }
    qemu_thread_join(&writer);
}

/* -- measuring --------------------------------------------------------------- */

static BenchTime timed(void (*fn)(Ends *), Ends *e)
{
    BenchTime start = bench_now();

    fn(e);
    return bench_since(start);
}

static void compare(const char *what, Ends *e, int rounds, bool stream,
                    int *missed)
{
    double bare[BENCH_ROUNDS], chan[BENCH_ROUNDS], ratio[BENCH_ROUNDS], b, c, r;
    g_autofree char *name = g_strdup_printf("%s, %zu bytes", what, e->block);
    bool judged = missed && !stream && e->block == JUDGED_BLOCK;

    for (int i = 0; i < rounds; i++) {
        BenchTime x = timed(stream ? bare_stream : bare_turns, e);
        BenchTime y = timed(stream ? channel_stream : channel_turns, e);

        bare[i] = e->bytes * 1e3 / x.wall;
        chan[i] = e->bytes * 1e3 / y.wall;
        ratio[i] = stream ? x.wall / y.wall : x.cpu / y.cpu;
    }
    b = bench_median(bare, rounds);
    c = bench_median(chan, rounds);
    r = bench_median(ratio, rounds);
    printf("%-28s %10.0f %10.0f %7.3f%s\n", name, b, c, r,
           judged ? bench_verdict(r, BENCH_TARGET, missed) : "");
    fflush(stdout);
}

static void bench_base(const char *base, int rounds, int *missed)
{
    static const size_t blocks[] = { 64, 4096, JUDGED_BLOCK };
    g_autofree char *stream = g_strdup_printf("%s stream", base);
    g_autoptr(ChannelPair) pair = channel_pair_new(base);
    g_autofree char *buf = g_malloc0(JUDGED_BLOCK);
    Ends e = { .pair = pair,
               .a = QIO_CHANNEL_SOCKET(pair->a)->fd,
               .b = QIO_CHANNEL_SOCKET(pair->b)->fd,
               .buf = buf };

    for (size_t i = 0; i < G_N_ELEMENTS(blocks); i++) {
        e.block = blocks[i];
        e.bytes = MIN(BENCH_BYTES, blocks[i] * 10000);
        compare(base, &e, rounds, false, missed);
    }
    e.bytes = BENCH_STREAM;
    compare(stream, &e, MIN(rounds, 11), true, missed);
}

/* Layers on @base in blocks of 64 KiB, beside the bare base. */
static void bench_layers(const char *base, const char *stack, int rounds)
{
    g_autoptr(ChannelPair) bare = channel_pair_new(base);
    g_autoptr(ChannelPair) layers = channel_pair_new(stack);
    g_autofree char *buf = g_malloc0(JUDGED_BLOCK);
    Ends e = { .pair = layers,
               .a = QIO_CHANNEL_SOCKET(bare->a)->fd,
               .b = QIO_CHANNEL_SOCKET(bare->b)->fd,
               .buf = buf,
               .block = JUDGED_BLOCK,
               .bytes = BENCH_BYTES };

    compare(stack, &e, rounds, false, NULL);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && g_str_equal(argv[1], "--quick");
    int rounds = quick ? 5 : BENCH_ROUNDS;
    int missed = 0;

    printf("%-28s %10s %10s %7s\n", "socket channel, MB/s", "bare", "channel",
           "ratio");
    bench_base("unix", rounds, &missed);
    bench_base("tcp", rounds, &missed);
    bench_layers("unix", "unix/tls", rounds);
    bench_layers("tcp", "tcp/ws", rounds);
    bench_layers("tcp", "tcp/tls/ws", rounds);
    return missed ? BENCH_MISSED : 0;
}
