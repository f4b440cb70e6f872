/*
 * Both ends on one host: values of PING, channels, threads' places, when to be
 * together.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel-buffer.h"
#include "io/channel-socket.h"
#include "migration/ram/near.h"
#include "util/thread.h"

#define SLICE (INT64_C(20) * 1000 * 1000)

static void test_ping(void)
{
    NearPing host = near_ping_decode(near_ping_host());
    NearPing cpu = near_ping_decode(near_ping_cpu(NEAR_MAIN, 1023));

    g_assert_cmpint(host.kind, ==, NEAR_PING_HOST);
    g_assert_true(host.here);
    g_assert_false(near_ping_decode(near_ping_host() ^ 1).here);
    g_assert_cmpint(cpu.kind, ==, NEAR_PING_CPU);
    g_assert_cmpuint(cpu.channel, ==, NEAR_MAIN);
    g_assert_cmpuint(cpu.cpu, ==, 1023);
    cpu = near_ping_decode(near_ping_cpu(7, NEAR_ANYWHERE));
    g_assert_cmpuint(cpu.channel, ==, 7);
    g_assert_cmpuint(cpu.cpu, ==, NEAR_ANYWHERE);
    /* Those that have another meaning. */
    for (uint32_t value = 0; value < 32; value++) {
        g_assert_cmpint(near_ping_decode(value).kind, ==, NEAR_PING_NONE);
    }
    g_assert_cmpint(near_ping_decode(0x46455252).kind, ==, NEAR_PING_NONE);
    g_assert_cmpint(near_ping_decode(0x46434f4d).kind, ==, NEAR_PING_NONE);
}

static void test_channel(void)
{
    QIOChannelBuffer *memory = qio_channel_buffer_new(16);
    int fd[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), ==, 0);
    for (int i = 0; i < 2; i++) {
        QIOChannelSocket *s = qio_channel_socket_new_fd(fd[i], &error_abort);

        g_assert_true(near_channel(QIO_CHANNEL(s)));
        object_unref(OBJECT(s));
    }
    g_assert_false(near_channel(QIO_CHANNEL(memory)));
    object_unref(OBJECT(memory));
}

/* Every CPU that is allowed in turn; never another. */
static void test_pin(void)
{
    NearPin pin = { 0 };
    cpu_set_t before, now;
    int self = qemu_get_thread_id();
    unsigned n;

    g_assert_cmpint(sched_getaffinity(0, sizeof(before), &before), ==, 0);
    n = (unsigned)CPU_COUNT(&before);
    g_assert_false(near_pin(&pin, self, CPU_SETSIZE));
    g_assert_false(near_pin(&pin, self, NEAR_ANYWHERE));
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        bool allowed = CPU_ISSET(cpu, &before);

        g_assert_cmpint(near_pin(&pin, self, cpu), ==, allowed);
        if (allowed) {
            g_assert_cmpint(sched_getcpu(), ==, (int)cpu);
            g_assert_cmpuint(near_cpu(0), ==, cpu);
            g_assert_cmpuint(near_cpu(5), ==, cpu); /* of one */
        }
    }
    near_unpin(&pin, self);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&before, &now));
    near_unpin(&pin, self);
    g_assert_false(near_pin(&pin, 0, near_cpu(0))); /* no thread */
    CPU_ZERO(&now);
    for (unsigned i = 0; i < n; i++) {
        g_assert_true(CPU_ISSET(near_cpu(i), &before));
    }
}

/* What somebody else has set meanwhile stays, and is gone back to. */
static void test_pin_of_others(void)
{
    NearPin pin = { 0 };
    cpu_set_t before, one, now;
    int self = qemu_get_thread_id();
    unsigned first = near_cpu(0), second = near_cpu(1);

    if (first == second) {
        g_test_skip("one processor");
        return;
    }
    g_assert_cmpint(sched_getaffinity(0, sizeof(before), &before), ==, 0);
    CPU_ZERO(&one);
    CPU_SET(second, &one);
    g_assert_true(near_pin(&pin, self, first));
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
    near_unpin(&pin, self);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&one, &now));
    sched_setaffinity(0, sizeof(before), &before);
    g_assert_true(near_pin(&pin, self, first));
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
    g_assert_false(near_pin(&pin, self, first));
    g_assert_true(near_pin(&pin, self, second));
    near_unpin(&pin, self);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&one, &now));
    sched_setaffinity(0, sizeof(before), &before);
}

/* @seconds of slices at these rates (bytes per slice). Returns: how many were
 * apart. */
static unsigned run(NearPolicy *p, int64_t *now, unsigned seconds,
                    uint64_t together, uint64_t apart, bool limited)
{
    unsigned n = 0;

    for (int64_t end = *now + seconds * (INT64_C(50) * SLICE); *now < end;) {
        bool is_together = near_policy_together(p);

        n += !is_together;
        *now += SLICE;
        near_policy_slice(p, *now, SLICE, is_together ? together : apart,
                          limited);
    }
    return n;
}

static void test_policy(void)
{
    NearPolicy p = { 0 };
    int64_t now = 1;

    /* The first question comes soon: a short pass shall gain, too. */
    g_assert_true(near_policy_together(&p));
    g_assert_cmpuint(run(&p, &now, 1, 100, 200, false), >=, 40);
    g_assert_true(p.apart);
    p = (NearPolicy){ 0 };
    /* Every two seconds one slice asks. */
    g_assert_true(near_policy_together(&p));
    g_assert_cmpuint(run(&p, &now, 20, 100, 60, false), <=, 10);
    g_assert_false(p.apart);
    /* A little faster is not enough. */
    g_assert_cmpuint(run(&p, &now, 20, 100, 110, false), <=, 10);
    g_assert_false(p.apart);
    g_assert_cmpuint(run(&p, &now, 20, 100, 200, false), >=, 800);
    g_assert_true(p.apart);
    /* And back, when processors are not idle any more. */
    run(&p, &now, 5, 100, 90, false);
    g_assert_false(p.apart);
    /* What is limited says nothing. */
    g_assert_cmpuint(run(&p, &now, 20, 100, 1000, true), <=, 10);
    g_assert_false(p.apart);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/near/ping", test_ping);
    g_test_add_func("/near/channel", test_channel);
    g_test_add_func("/near/pin", test_pin);
    g_test_add_func("/near/pin-of-others", test_pin_of_others);
    g_test_add_func("/near/policy", test_policy);
    return g_test_run();
}
