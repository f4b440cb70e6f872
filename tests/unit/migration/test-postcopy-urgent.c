/*
 * The channel of urgent pages on the destination: when it is taken, when its end
 * counts, and that a source which does not read holds nobody up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel-socket.h"
#include "migration/postcopy/incoming.h"
#include "migration/postcopy/postcopy.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"

#define WORD 0xf1234567u
/* Type, length, value. */
#define PONG_LEN 8

static void p_yank(void *opaque, void (*func)(void *), void *func_opaque)
{
}

static const MigrationProgram program = {
    .yank_add = p_yank,
    .yank_del = p_yank,
};

/* A destination that has come as far as its return path. */
typedef struct Bench {
    MigrationState ms;
    MigrationIncoming mis;
    int main_fd; /* the source's end */
} Bench;

/* Returns: our end; @ret_fd: the other one. */
static QIOChannel *pair_new(int *ret_fd)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    *ret_fd = fds[1];
    return QIO_CHANNEL(qio_channel_socket_new_fd(fds[0], &error_abort));
}

static Bench *bench_new(void)
{
    Bench *b = g_new0(Bench, 1);
    uint32_t answer;

    b->ms.program = &program;
    qemu_mutex_init(&b->ms.lock);
    b->ms.channels = g_ptr_array_new_with_free_func(
        (GDestroyNotify)(void (*)(void))object_unref);
    b->ms.caps[MIGRATION_CAPABILITY_POSTCOPY_RAM] = true;
    b->mis.ms = &b->ms;
    b->mis.listener = (MigrationListener *)b; /* there is one */
    postcopy_incoming_init(&b->mis);
    b->mis.from_src = pair_new(&b->main_fd);
    g_assert_true(
        postcopy_incoming_urgent_ping(&b->mis, MIGRATION_PING_URGENT, &answer));
    g_assert_cmphex(answer, ==, MIGRATION_PING_URGENT); /* it cannot be told */
    b->mis.to_src = return_sender_new(b->mis.from_src);
    g_assert_true(
        postcopy_incoming_urgent_ping(&b->mis, MIGRATION_PING_URGENT, &answer));
    g_assert_cmphex(answer, ==, MIGRATION_PONG_URGENT);
    g_assert_true(postcopy_incoming_urgent_ping(&b->mis, WORD, &answer));
    g_assert_cmphex(answer, ==, WORD);
    return b;
}

static void bench_free(Bench *b)
{
    postcopy_incoming_close(&b->mis);
    return_sender_free(b->mis.to_src);
    postcopy_incoming_free(&b->mis);
    g_assert_cmpuint(b->ms.channels->len, ==, 0);
    object_unref(OBJECT(b->mis.from_src));
    close(b->main_fd);
    g_ptr_array_unref(b->ms.channels);
    qemu_mutex_destroy(&b->ms.lock);
    g_free(b);
}

/* One comes. Returns: it was taken. */
static bool come(Bench *b, uint32_t word)
{
    g_autoptr(Error) err = NULL;
    int fd;
    QIOChannel *ioc = pair_new(&fd);
    bool taken = postcopy_urgent_channel(&b->mis, ioc, word, &err);

    g_assert_true(taken == !err);
    object_unref(OBJECT(ioc));
    close(fd);
    return taken;
}

static void check_used(Bench *b, bool good)
{
    g_autoptr(Error) err = NULL;

    b->mis.postcopy->urgent_used = false;
    g_assert_true(postcopy_incoming_urgent_used(&b->mis, &err) == good);
    g_assert_true(b->mis.postcopy->urgent_used == good);
    g_assert_true(!err == good);
}

static void test_taken(void)
{
    Bench *b = bench_new();
    uint8_t pong[PONG_LEN];

    check_used(b, false);
    g_assert_false(come(b, WORD + 1));
    g_assert_true(come(b, WORD));
    g_assert_cmpint(recv(b->main_fd, pong, sizeof(pong), MSG_WAITALL), ==,
                    sizeof(pong));
    g_assert_cmpmem(pong + 4, 4, "FUHA", 4);
    check_used(b, true);
    g_assert_false(come(b, WORD)); /* there is one */
    postcopy_incoming_close(&b->mis);
    check_used(b, false);
    g_assert_false(come(b, WORD)); /* the migration has ended */
    bench_free(b);
}

/* What it was to bring has not come, so the source must not count on it. */
static void test_used_after_the_end(void)
{
    Bench *b = bench_new();
    PostcopyIncoming *pi = b->mis.postcopy;

    pi->urgent = URGENT_ENDED;
    check_used(b, false);
    error_setg(&pi->urgent_error, "a reason");
    check_used(b, false);
    pi->urgent_complete = true;
    check_used(b, true);
    pi->urgent = URGENT_NONE;
    bench_free(b);
}

/* The listener's thread hands it over and goes on; the end waits for nobody. */
static void test_source_does_not_read(void)
{
    Bench *b = bench_new();
    int fd = QIO_CHANNEL_SOCKET(b->mis.from_src)->fd;
    char fill[4096] = { 0 };

    while (send(fd, fill, sizeof(fill), MSG_DONTWAIT) > 0) {
    }
    while (send(fd, fill, 1, MSG_DONTWAIT) > 0) {
    }
    g_assert_true(come(b, WORD));
    qio_channel_shutdown(b->mis.from_src, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    bench_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-urgent/taken", test_taken);
    g_test_add_func("/postcopy-urgent/used-after-the-end",
                    test_used_after_the_end);
    g_test_add_func("/postcopy-urgent/source-does-not-read",
                    test_source_does_not_read);
    return g_test_run();
}
