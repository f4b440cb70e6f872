/*
 * The conformance suite of channels.
 *
 * Data is a pseudo-random stream that both sides can compute, moved in pieces
 * of random size and shape, so that lost, repeated or reordered bytes show.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "channel-conformance.h"

#include "io/channel-socket.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/main-loop.h"
#include "util/sockets.h"
#include "util/thread.h"

#include "channel-pair.h"

/* Bytes each way; faulty stacks move a few hundred at a time. */
#define STREAM_BYTES       (512 * 1024)
#define STREAM_BYTES_FAULT (48 * 1024)
#define PIECE_MAX          40000
#define IOV_PIECES         5

static bool stack_is_faulty(const char *stack)
{
    return strstr(stack, "fault") != NULL;
}

static size_t stream_bytes(const char *stack)
{
    return stack_is_faulty(stack) ? STREAM_BYTES_FAULT : STREAM_BYTES;
}

/* -- a stream -------------------------------------------------------------- */

/* One direction's position, on one side. */
typedef struct Stream {
    QIOChannel *ioc;
    GRand *rand;  /* sizes */
    uint32_t key; /* of the bytes */
    uint64_t pos; /* bytes moved */
    uint64_t total;
    char buf[PIECE_MAX];
    struct iovec iov[IOV_PIECES];
    size_t niov;
    bool done;
} Stream;

static uint8_t stream_byte(const Stream *s, uint64_t pos)
{
    uint64_t x = (pos + 1) * 0x9e3779b97f4a7c15u + s->key;

    return x >> 56;
}

static Stream *stream_new(QIOChannel *ioc, uint32_t key, uint32_t seed,
                          uint64_t total)
{
    Stream *s = g_new0(Stream, 1);

    s->ioc = ioc;
    s->key = key;
    s->rand = g_rand_new_with_seed(seed);
    s->total = total;
    return s;
}

static void stream_free(Stream *s)
{
    g_rand_free(s->rand);
    g_free(s);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

/* Lay out the next piece: mostly small, now and then large, 1 to 5 parts. */
static void stream_next_piece(Stream *s)
{
    size_t max = g_rand_boolean(s->rand) ? 64 : PIECE_MAX;
    size_t len = g_rand_int_range(s->rand, 1, max), used = 0;

    len = MIN(len, s->total - s->pos);
    s->niov = g_rand_int_range(s->rand, 1, IOV_PIECES + 1);
    for (size_t i = 0; i < s->niov; i++) {
        size_t part = len - used;

        if (i + 1 < s->niov && part > 0) {
            part = g_rand_int_range(s->rand, 0, part + 1);
        }
        s->iov[i].iov_base = s->buf + used;
        s->iov[i].iov_len = part;
        used += part;
    }
}

static void stream_fill(Stream *s)
{
    stream_next_piece(s);
    for (size_t i = 0; i < iov_size(s->iov, s->niov); i++) {
        s->buf[i] = stream_byte(s, s->pos + i);
    }
}

static void stream_check(Stream *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_assert_cmphex((uint8_t)s->buf[i], ==, stream_byte(s, s->pos + i));
    }
    s->pos += len;
    g_assert_cmpuint(s->pos, <=, s->total);
    s->done = s->pos == s->total;
}

/* One call each. Returns: what the channel did. */
static ssize_t stream_write_once(Stream *s)
{
    ssize_t n;

    stream_fill(s);
    n = qio_channel_writev(s->ioc, s->iov, s->niov, &error_abort);
    if (n >= 0) {
        s->pos += n;
        s->done = s->pos == s->total;
    }
    return n;
}

static ssize_t stream_read_once(Stream *s)
{
    ssize_t n;

    stream_next_piece(s);
    n = qio_channel_readv(s->ioc, s->iov, s->niov, &error_abort);
    g_assert_cmpint(n, !=, 0);
    if (n > 0) {
        stream_check(s, n);
    }
    return n;
}

/* Everything, waiting as the channel's helpers do. */
static void stream_write_all(Stream *s)
{
    while (!s->done) {
        size_t len;

        stream_fill(s);
        len = iov_size(s->iov, s->niov);
        qio_channel_writev_all(s->ioc, s->iov, s->niov, &error_abort);
        s->pos += len;
        s->done = s->pos == s->total;
    }
}

static void stream_read_all(Stream *s)
{
    while (!s->done) {
        stream_next_piece(s);
        if (g_rand_boolean(s->rand)) {
            g_assert_cmpint(qio_channel_readv_all(s->ioc, s->iov, s->niov,
                                                  &error_abort),
                            ==, 0);
            stream_check(s, iov_size(s->iov, s->niov));
        } else if (stream_read_once(s) == QIO_CHANNEL_ERR_BLOCK) {
            if (qemu_in_coroutine()) {
                qio_channel_yield(s->ioc, G_IO_IN);
            } else {
                qio_channel_wait(s->ioc, G_IO_IN);
            }
        }
    }
}

/* The two or four streams of a pair. */
typedef struct Streams {
    Stream *s[4]; /* a writes, b reads, b writes, a reads */
    size_t n;
} Streams;

static void streams_init(Streams *st, const ChannelPair *pair, size_t total)
{
    st->s[0] = stream_new(pair->a, 1, 10, total);
    st->s[1] = stream_new(pair->b, 1, 11, total);
    st->n = 2;
    if (pair->duplex) {
        st->s[2] = stream_new(pair->b, 2, 12, total);
        st->s[3] = stream_new(pair->a, 2, 13, total);
        st->n = 4;
    }
}

static void streams_clear(Streams *st)
{
    for (size_t i = 0; i < st->n; i++) {
        g_assert_true(st->s[i]->done);
        stream_free(st->s[i]);
    }
}

/* -- transfers ------------------------------------------------------------- */

static void *stream_write_thread(void *opaque)
{
    stream_write_all(opaque);
    return NULL;
}

static void *stream_read_thread(void *opaque)
{
    stream_read_all(opaque);
    return NULL;
}

/* Four threads: both ends read and write at the same time. */
static void run_threads(const char *stack, bool blocking)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(stack);
    QemuThread thread[4];
    Streams st;

    qio_channel_set_blocking(pair->a, blocking, &error_abort);
    qio_channel_set_blocking(pair->b, blocking, &error_abort);
    streams_init(&st, pair, stream_bytes(stack));
    for (size_t i = 0; i < st.n; i++) {
        qemu_thread_create(&thread[i], "stream",
                           i & 1 ? stream_read_thread : stream_write_thread,
                           st.s[i], QEMU_THREAD_JOINABLE);
    }
    for (size_t i = 0; i < st.n; i++) {
        qemu_thread_join(&thread[i]);
    }
    streams_clear(&st);
}

static void test_threads_blocking(gconstpointer opaque)
{
    run_threads(opaque, true);
}

static void test_threads_nonblocking(gconstpointer opaque)
{
    run_threads(opaque, false);
}

static gboolean watch_write(QIOChannel *ioc, GIOCondition condition,
                            gpointer opaque)
{
    Stream *s = opaque;

    g_assert_true(ioc == s->ioc);
    stream_write_once(s);
    return !s->done;
}

static gboolean watch_read(QIOChannel *ioc, GIOCondition condition,
                           gpointer opaque)
{
    Stream *s = opaque;

    g_assert_true(ioc == s->ioc);
    stream_read_once(s);
    return !s->done;
}

/* One thread, watches on all directions. */
static void test_watches(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    g_autoptr(GMainContext) ctx = g_main_context_new();
    Streams st;

    qio_channel_set_blocking(pair->a, false, &error_abort);
    qio_channel_set_blocking(pair->b, false, &error_abort);
    streams_init(&st, pair, stream_bytes(opaque));
    for (size_t i = 0; i < st.n; i++) {
        qio_channel_add_watch_full(st.s[i]->ioc, i & 1 ? G_IO_IN : G_IO_OUT,
                                   i & 1 ? watch_read : watch_write, st.s[i],
                                   NULL, ctx);
    }
    for (size_t i = 0; i < st.n; i++) {
        while (!st.s[i]->done) {
            g_main_context_iteration(ctx, true);
        }
    }
    streams_clear(&st);
}

static void coroutine_fn co_write(void *opaque)
{
    stream_write_all(opaque);
}

static void coroutine_fn co_read(void *opaque)
{
    stream_read_all(opaque);
}

/* One thread, a coroutine for each direction. */
static void test_coroutines(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    AioContext *ctx = qemu_get_aio_context();
    Streams st;

    qio_channel_set_blocking(pair->a, false, &error_abort);
    qio_channel_set_blocking(pair->b, false, &error_abort);
    qio_channel_attach_aio_context(pair->a, ctx);
    streams_init(&st, pair, stream_bytes(opaque));
    for (size_t i = 0; i < st.n; i++) {
        Coroutine *co =
            qemu_coroutine_create(i & 1 ? co_read : co_write, st.s[i]);

        qemu_aio_coroutine_enter(ctx, co);
    }
    for (size_t i = 0; i < st.n; i++) {
        while (!st.s[i]->done) {
            aio_poll(ctx, true);
        }
    }
    qio_channel_detach_aio_context(pair->a);
    streams_clear(&st);
}

/* -- states ---------------------------------------------------------------- */

static void expect_eof(QIOChannel *ioc)
{
    char buf[64];
    ssize_t n;

    while ((n = qio_channel_read(ioc, buf, sizeof(buf), &error_abort)) ==
           QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_wait(ioc, G_IO_IN);
    }
    g_assert_cmpint(n, ==, 0);
}

/* What was written before close() arrives, then end of stream, for good. */
static void test_close_is_eof(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    char buf[8] = { 0 };

    qio_channel_write_all(pair->a, "farewell", 8, &error_abort);
    g_assert_cmpint(qio_channel_close(pair->a, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_read_all_eof(pair->b, buf, 8, &error_abort), ==,
                    1);
    g_assert_cmpmem(buf, 8, "farewell", 8);
    expect_eof(pair->b);
    expect_eof(pair->b);
    g_assert_cmpint(qio_channel_read_all_eof(pair->b, buf, 8, &error_abort), ==,
                    0);
}

/* The peer sees our end, and where the stack can, answers after it. */
static void test_shutdown_write(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    Error *err = NULL;
    char buf[5];

    if (!qio_channel_has_feature(pair->a, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        g_assert_cmpint(qio_channel_shutdown(pair->a,
                                             QIO_CHANNEL_SHUTDOWN_WRITE, &err),
                        ==, -1);
        error_free_or_abort(&err);
        return;
    }
    qio_channel_write_all(pair->a, "hello", 5, &error_abort);
    qio_channel_shutdown(pair->a, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
    g_assert_cmpint(qio_channel_write(pair->a, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read_all(pair->b, buf, 5, &error_abort), ==, 0);
    expect_eof(pair->b);
    if (pair->half_close) {
        qio_channel_write_all(pair->b, "later", 5, &error_abort);
        qio_channel_shutdown(pair->b, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
        qio_channel_read_all(pair->a, buf, 5, &error_abort);
        g_assert_cmpmem(buf, 5, "later", 5);
        expect_eof(pair->a);
    }
}

static void *blocked_reader(void *opaque)
{
    char buf[16];

    /* An error or end of stream: either way it woke. */
    return GINT_TO_POINTER(qio_channel_read(opaque, buf, sizeof(buf), NULL));
}

static void test_shutdown_wakes(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    QemuThread thread;

    if (!qio_channel_has_feature(pair->a, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        g_test_skip("no shutdown");
        return;
    }
    qemu_thread_create(&thread, "reader", blocked_reader, pair->a,
                       QEMU_THREAD_JOINABLE);
    g_usleep(20000);
    qio_channel_shutdown(pair->a, QIO_CHANNEL_SHUTDOWN_BOTH, &error_abort);
    g_assert_cmpint(GPOINTER_TO_INT(qemu_thread_join(&thread)), <=, 0);
}

static void test_closed(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    Error *err = NULL;
    char buf[4];

    qio_channel_close(pair->a, &error_abort);
    qio_channel_close(pair->a, &error_abort);
    g_assert_cmpint(qio_channel_write(pair->a, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(pair->a, buf, 4, &err), <=, 0);
    error_free(err);
}

/* Nothing to read: ERR_BLOCK; full: ERR_BLOCK until the peer reads. */
static void test_nonblocking(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    g_autofree char *big = g_malloc0(65536);
    size_t sent = 0, got = 0;
    ssize_t n;

    qio_channel_set_blocking(pair->a, false, &error_abort);
    qio_channel_set_blocking(pair->b, false, &error_abort);
    g_assert_cmpint(qio_channel_read(pair->b, big, 100, &error_abort), ==,
                    QIO_CHANNEL_ERR_BLOCK);
    if (stack_is_faulty(opaque)) {
        return; /* says ERR_BLOCK long before it is full */
    }
    while ((n = qio_channel_write(pair->a, big, 65536, &error_abort)) > 0) {
        sent += n;
        g_assert_cmpuint(sent, <, 256 * 1024 * 1024);
    }
    g_assert_cmpint(n, ==, QIO_CHANNEL_ERR_BLOCK);
    while (got < sent) {
        n = qio_channel_read(pair->b, big, 65536, &error_abort);
        if (n == QIO_CHANNEL_ERR_BLOCK) {
            /* A layer may hold the end of what it said it took: offer more. */
            qio_channel_wait(pair->b, G_IO_IN);
            continue;
        }
        g_assert_cmpint(n, >, 0);
        got += n;
    }
    qio_channel_wait(pair->a, G_IO_OUT);
}

static void test_empty_buffers(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    char buf[8];
    struct iovec out[] = {
        { NULL, 0 },        { (char *)"ab", 2 }, { NULL, 0 },
        { (char *)"c", 1 }, { NULL, 0 },
    };
    struct iovec in[] = {
        { buf, 0 }, { buf, 1 }, { buf + 1, 0 }, { buf + 1, 2 }
    };

    g_assert_cmpint(qio_channel_write_all(pair->a, "", 0, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_read_all_eof(pair->b, buf, 0, &error_abort), ==,
                    1);
    qio_channel_writev_all(pair->a, out, ARRAY_SIZE(out), &error_abort);
    qio_channel_readv_all(pair->b, in, ARRAY_SIZE(in), &error_abort);
    g_assert_cmpmem(buf, 3, "abc", 3);
}

/* A stream cut short within readv_all is an error; before it, the end. */
static void test_short_stream(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    Error *err = NULL;
    char buf[8];

    qio_channel_write_all(pair->a, "abc", 3, &error_abort);
    qio_channel_close(pair->a, &error_abort);
    g_assert_cmpint(qio_channel_read_all_eof(pair->b, buf, 8, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "3 of 8 bytes"));
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read_all(pair->b, buf, 8, &err), ==, -1);
    error_free_or_abort(&err);
}

/* -- descriptors ----------------------------------------------------------- */

static void pass_fds(ChannelPair *pair, size_t n)
{
    int send[QIO_CHANNEL_MAX_FDS], *got = NULL;
    struct iovec out = { (char *)"payload", 7 };
    char buf[7];
    struct iovec in = { buf, 7 };
    size_t ngot = 0;

    for (size_t i = 0; i < n; i++) {
        send[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(send[i], >=, 0);
    }
    qio_channel_writev_full_all(pair->a, &out, 1, send, n, 0, &error_abort);
    qio_channel_readv_full_all(pair->b, &in, 1, &got, &ngot, &error_abort);
    g_assert_cmpmem(buf, 7, "payload", 7);
    g_assert_cmpuint(ngot, ==, n);
    for (size_t i = 0; i < n; i++) {
        struct stat st, want;

        g_assert_cmpint(fcntl(got[i], F_GETFD) & FD_CLOEXEC, !=, 0);
        g_assert_cmpint(fstat(got[i], &st), ==, 0);
        g_assert_cmpint(fstat(send[i], &want), ==, 0);
        g_assert_cmpuint(st.st_rdev, ==, want.st_rdev);
        fd_close(got[i]);
        fd_close(send[i]);
    }
    g_free(got);
}

static void test_fds(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    struct iovec iov = { (char *)"x", 1 };
    int many[QIO_CHANNEL_MAX_FDS + 1] = { 0 }, *got;
    Error *err = NULL;
    size_t ngot;

    if (qio_channel_has_feature(pair->a, QIO_CHANNEL_FEATURE_FD_PASS)) {
        pass_fds(pair, 1);
        pass_fds(pair, QIO_CHANNEL_MAX_FDS);
        pass_fds(pair, 0);
        g_assert_cmpint(qio_channel_writev_full(pair->a, &iov, 1, many,
                                                ARRAY_SIZE(many), 0, &err),
                        ==, -1);
        error_free_or_abort(&err);
        return;
    }
    g_assert_cmpint(qio_channel_writev_full(pair->a, &iov, 1, many, 1, 0, &err),
                    ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_readv_full(pair->b, &iov, 1, &got, &ngot, &err),
                    ==, -1);
    error_free_or_abort(&err);
}

static void test_peek(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    char buf[4] = { 0 };
    struct iovec iov = { buf, 4 };
    Error *err = NULL;

    qio_channel_write_all(pair->a, "peek", 4, &error_abort);
    if (!qio_channel_has_feature(pair->b, QIO_CHANNEL_FEATURE_READ_MSG_PEEK)) {
        g_assert_cmpint(qio_channel_peekv(pair->b, &iov, 1, &err), ==, -1);
        error_free_or_abort(&err);
    } else {
        g_assert_cmpint(qio_channel_peekv(pair->b, &iov, 1, &error_abort), ==,
                        4);
        g_assert_cmpmem(buf, 4, "peek", 4);
        memset(buf, 0, 4);
    }
    qio_channel_read_all(pair->b, buf, 4, &error_abort);
    g_assert_cmpmem(buf, 4, "peek", 4);
}

/* -- the list -------------------------------------------------------------- */

typedef enum Need {
    NEED_TWO_ENDS = 1, /* closing a leaves b */
    NEED_NO_FAULT = 2, /* the exact outcome of a single call is checked */
} Need;

static const struct {
    const char *name;
    GTestDataFunc func;
    unsigned need;
} suite[] = {
    { "threads/blocking", test_threads_blocking, 0 },
    { "threads/nonblocking", test_threads_nonblocking, 0 },
    { "watches", test_watches, 0 },
    { "coroutines", test_coroutines, 0 },
    { "close-is-eof", test_close_is_eof, NEED_TWO_ENDS },
    { "shutdown-write", test_shutdown_write, NEED_TWO_ENDS },
    { "shutdown-wakes", test_shutdown_wakes, NEED_TWO_ENDS },
    { "closed", test_closed, 0 },
    { "nonblocking", test_nonblocking, 0 },
    { "empty-buffers", test_empty_buffers, 0 },
    { "short-stream", test_short_stream, NEED_TWO_ENDS },
    { "fds", test_fds, 0 },
    { "peek", test_peek, NEED_NO_FAULT },
};

void channel_conformance_add(const char *stack)
{
    for (size_t i = 0; i < ARRAY_SIZE(suite); i++) {
        g_autofree char *path = g_strdup_printf("/%s/%s", stack, suite[i].name);

        if ((suite[i].need & NEED_TWO_ENDS) && strcmp(stack, "cat") == 0) {
            continue;
        }
        if ((suite[i].need & NEED_NO_FAULT) && stack_is_faulty(stack)) {
            continue;
        }
        g_test_add_data_func(path, stack, suite[i].func);
    }
}
