/*
 * Multifd from one memory to another over pairs of channels: every method and
 * stack of layers, several passes, faults, cancel at any time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sched.h>

#include "migration/stats.h"
#include "util/thread.h"

#include "fault-channel.h"
#include "multifd-link.h"

/* Write page @page of @rb: zero, noise or text. Returns: is it zero? */
static bool page_fill(RAMBlock *rb, uint64_t page, unsigned seed)
{
    uint8_t *p = rb->host + page * RAM_PAGE_SIZE;
    uint32_t x = seed * 2654435761u + page * 40503u + rb->index + 1;

    switch ((page + seed) % 5) {
    case 0:
        memset(p, 0, RAM_PAGE_SIZE);
        return true;
    case 1:
        memset(p, 0, RAM_PAGE_SIZE);
        p[x % RAM_PAGE_SIZE] = 1;
        return false;
    default:
        for (unsigned i = 0; i < RAM_PAGE_SIZE; i += 4) {
            x = x * 1664525u + 1013904223u;
            memcpy(p + i,
                   page % 2 ? (uint32_t[]){ x } : (uint32_t[]){ x >> 28 }, 4);
        }
        return false;
    }
}

static void memory_check(MultiFDLink *l)
{
    for (unsigned i = 0; i < MULTIFD_LINK_BLOCKS; i++) {
        g_assert_cmpint(memcmp(l->dst[i].host, l->src[i].host,
                               l->src[i].used_length),
                        ==, 0);
    }
}

/* A pass: all pages at first, then some; in runs of different lengths. */
static void pass_send(MultiFDLink *l, unsigned pass)
{
    uint64_t zero = 0, pages = 0, n;
    uint64_t zero_before = l->stats.zero_pages;
    uint64_t before = l->stats.normal_pages + zero_before;

    for (unsigned i = 0; i < MULTIFD_LINK_BLOCKS; i++) {
        for (uint64_t p = 0; p < MULTIFD_LINK_PAGES;
             p += n + (pass ? pass * 3 : 0)) {
            n = MIN(MULTIFD_LINK_PAGES - p, 1 + (p + pass) % 300);
            for (uint64_t k = p; k < p + n; k++) {
                zero += page_fill(&l->src[i], k, pass);
            }
            pages += n;
            multifd_send_run(l->send, &l->src[i], p * RAM_PAGE_SIZE, n,
                             &error_abort);
        }
    }
    multifd_send_sync(l->send, &error_abort);
    g_assert_cmpuint(multifd_send_pending(l->send), ==, 0);
    multifd_recv_sync(l->recv, &error_abort);
    g_assert_cmpuint(stats_get(&l->stats.zero_pages) - zero_before, ==, zero);
    g_assert_cmpuint(stats_get(&l->stats.normal_pages) +
                         stats_get(&l->stats.zero_pages) - before,
                     ==, pages);
    memory_check(l);
}

/* -- moving pages -------------------------------------------------------------- */

typedef struct Move {
    const char *name;
    const char *stack;
    unsigned channels;
    MultiFDMethod method;
} Move;

static const Move moves[] = {
    { "unix/1", "unix", 1, MULTIFD_METHOD_NONE },
    { "unix/2", "unix", 2, MULTIFD_METHOD_NONE },
    { "tcp/5", "tcp", 5, MULTIFD_METHOD_NONE },
    { "tls/3", "tcp/tls", 3, MULTIFD_METHOD_NONE },
    { "fault/2", "unix/fault", 2, MULTIFD_METHOD_NONE },
    { "many", "unix", MULTIFD_CHANNELS_MAX, MULTIFD_METHOD_NONE },
    { "zlib", "unix", 2, MULTIFD_METHOD_ZLIB },
    { "zlib-tls", "unix/tls", 2, MULTIFD_METHOD_ZLIB },
#if CONFIG_ZSTD
    { "zstd", "tcp", 3, MULTIFD_METHOD_ZSTD },
    { "zstd-fault", "tcp/fault", 2, MULTIFD_METHOD_ZSTD },
#endif
};

static void test_move(const void *data)
{
    const Move *m = data;
    g_autoptr(MultiFDLink) l = multifd_link_new(m->stack, m->channels);
    unsigned passes = m->channels > 100 ? 2 : 4;

    multifd_link_start(l, m->method, 1);
    for (unsigned pass = 0; pass < passes; pass++) {
        pass_send(l, pass);
    }
    g_assert_cmpuint(l->stats.zero_pages, >, 0);
    if (m->method == MULTIFD_METHOD_NONE) {
        g_assert_cmpuint(l->stats.compress_in, ==, 0);
        g_assert_cmpuint(l->stats.wire_bytes, ==,
                         l->stats.normal_pages * RAM_PAGE_SIZE +
                             l->stats.packets * MULTIFD_HEADER_SIZE);
    } else {
        g_assert_cmpuint(l->stats.compress_in, ==,
                         l->stats.normal_pages * RAM_PAGE_SIZE);
        g_assert_cmpuint(l->stats.compress_out, <, l->stats.compress_in);
    }
    multifd_send_finish(l->send, &error_abort);
    g_clear_pointer(&l->send, multifd_send_free);
    g_assert_cmpuint(l->closed, ==, m->channels);
    multifd_recv_finish(l->recv, &error_abort);
    g_assert_cmpuint(l->send_errors + l->recv_errors, ==, 0);
    memory_check(l);
}

/* 7.2's layout: every page as data. */
static void test_no_zero(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    MultiFDSendConfig sc = multifd_link_send_config(l);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);

    sc.find_zero = false;
    l->recv = multifd_recv_new(&rc, &error_abort);
    l->send = multifd_send_new(&sc, &error_abort);
    multifd_link_accept(l, 0, &error_abort);
    multifd_link_accept(l, 1, &error_abort);
    multifd_send_sync(l->send, &error_abort);
    multifd_recv_sync(l->recv, &error_abort);
    memset(l->dst[1].host, 0xaa, 5 * RAM_PAGE_SIZE);
    multifd_send_run(l->send, &l->src[1], 0, 5, &error_abort);
    multifd_send_sync(l->send, &error_abort);
    multifd_recv_sync(l->recv, &error_abort);
    g_assert_cmpuint(l->stats.zero_pages, ==, 0);
    g_assert_cmpuint(l->stats.normal_pages, ==, 5);
    memory_check(l);
}

/* The method changes between passes; the destination follows. */
static void test_set_method(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    Error *err = NULL;

    multifd_link_start(l, MULTIFD_METHOD_NONE, 0);
    pass_send(l, 0);
    multifd_send_set_method(l->send, MULTIFD_METHOD_ZLIB, 1, &error_abort);
    pass_send(l, 1);
    g_assert_cmpuint(l->stats.compress_in, >, 0);
#if CONFIG_ZSTD
    multifd_send_set_method(l->send, MULTIFD_METHOD_ZSTD, 3, &error_abort);
    pass_send(l, 2);
#endif
    g_assert_false(
        multifd_send_set_method(l->send, MULTIFD_METHOD_ZLIB, 10, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd zlib level 10 is not in 0 to 9");
    error_free_or_abort(&err);
    multifd_send_set_method(l->send, MULTIFD_METHOD_NONE, 0, &error_abort);
    pass_send(l, 3);
}

static void test_paced(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    gint64 start_us, us;
    uint64_t before;

    multifd_link_start(l, MULTIFD_METHOD_NONE, 0);
    pacer_set_rate(l->pacer, 20 * 1000 * 1000);
    start_us = g_get_monotonic_time();
    before = stats_get(&l->stats.wire_bytes);
    pass_send(l, 0);
    us = g_get_monotonic_time() - start_us;
    g_assert_cmpint(us, >=,
                    (int64_t)(stats_get(&l->stats.wire_bytes) - before) / 20 *
                            98 / 100 -
                        PACER_BURST_NS / 1000);
    /* The rest goes at once. */
    pacer_set_rate(l->pacer, 1000);
    multifd_send_set_paced(l->send, false);
    pass_send(l, 1);
    g_assert_cmpint(g_get_monotonic_time() - start_us - us, <, 5000000);
}

/* -- failures ------------------------------------------------------------------ */

/* Send until an error comes. */
static void send_until_error(MultiFDLink *l, Error **errp)
{
    for (unsigned pass = 0;; pass++) {
        if (!multifd_send_run(l->send, &l->src[0], 0, MULTIFD_LINK_PAGES,
                              errp) ||
            !multifd_send_sync(l->send, errp)) {
            return;
        }
        if (!multifd_recv_sync(l->recv, NULL)) {
            /* Nobody reads any more: it shows here at last. */
            g_usleep(1000);
        }
    }
}

static void noise(MultiFDLink *l)
{
    for (uint64_t p = 0; p < MULTIFD_LINK_PAGES; p++) {
        memset(l->src[0].host + p * RAM_PAGE_SIZE, p | 1, RAM_PAGE_SIZE);
    }
}

/* The channel's writes: 1 is its hello, 2 the setup's SYNC. */
static void test_write_fails(void)
{
    for (unsigned at = 1; at < 40; at += 6) {
        g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
        FaultPlan plan = { .fail_at_write = at };
        QIOChannel *master = l->pair[1]->a;
        MultiFDSendConfig sc = multifd_link_send_config(l);
        MultiFDRecvConfig rc = multifd_link_recv_config(l);
        g_autoptr(Error) err = NULL;
        Error *again = NULL;

        noise(l);
        l->pair[1]->a = fault_channel_new(master, &plan);
        object_unref(OBJECT(master));
        l->recv = multifd_recv_new(&rc, &error_abort);
        l->send = multifd_send_new(&sc, &error_abort);
        if (at == 1) {
            /* The second one never comes. */
            multifd_recv_cancel(l->recv, NULL);
        } else {
            multifd_link_accept(l, 0, &error_abort);
            multifd_link_accept(l, 1, &error_abort);
        }
        if (multifd_send_sync(l->send, &err)) {
            multifd_recv_sync(l->recv, &error_abort);
            send_until_error(l, &err);
        }
        g_assert_cmpstr(error_get_pretty(err), ==,
                        "multifd channel 1: " FAULT_ERROR);
        /* It sticks. */
        g_assert_false(multifd_send_sync(l->send, &again));
        g_assert_cmpstr(error_get_pretty(again), ==, error_get_pretty(err));
        error_free_or_abort(&again);
        g_assert_false(multifd_send_finish(l->send, NULL));
        g_assert_cmpuint(qatomic_read(&l->send_errors), ==, 1);
    }
}

static void test_open_fails(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 3);
    MultiFDSendConfig sc = multifd_link_send_config(l);
    Error *err = NULL;

    l->fail_open = 2;
    l->send = multifd_send_new(&sc, &error_abort);
    g_assert_false(multifd_send_sync(l->send, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd channel 2: nobody listens");
    error_free_or_abort(&err);
}

static void *ended_thread_pin(void *opaque)
{
    MultiFDLink *l = opaque;
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    cpu_set_t before, now;

    g_assert_cmpint(sched_getaffinity(0, sizeof(before), &before), ==, 0);
    for (unsigned i = 0; i < l->channels; i++) {
        while (multifd_send_pin(l->send, i, (unsigned)sched_getcpu())) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            g_usleep(1000);
        }
    }
    multifd_send_unpin(l->send);
    for (unsigned i = 0; i < l->channels; i++) {
        g_assert_true(multifd_recv_pin(l->recv, i, (unsigned)sched_getcpu()));
    }
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&before, &now));
    multifd_recv_unpin(l->recv);
    g_assert_true(multifd_recv_pin(l->recv, UINT_MAX, 0));
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&before, &now));
    return NULL;
}

/* Who pins threads that have ended does not pin himself. */
static void test_pin_ended(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    QemuThread thread;

    multifd_link_start(l, MULTIFD_METHOD_NONE, 0);
    multifd_send_cancel(l->send, NULL);
    multifd_recv_cancel(l->recv, NULL);
    qemu_thread_create(&thread, "pin", ended_thread_pin, l,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
}

/* The destination dies in the middle. */
static void test_peer_dies(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("tcp", 2);
    g_autoptr(Error) err = NULL;

    noise(l);
    multifd_link_start(l, MULTIFD_METHOD_NONE, 0);
    pass_send(l, 0);
    multifd_recv_cancel(l->recv, NULL);
    send_until_error(l, &err);
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "multifd channel "));
}

/* The source dies in the middle: at a packet's end, and within one. */
static void test_source_dies(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    Error *err = NULL;

    multifd_link_start(l, MULTIFD_METHOD_NONE, 0);
    pass_send(l, 0);
    multifd_send_cancel(l->send, NULL);
    g_assert_false(multifd_recv_sync(l->recv, &err));
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "multifd channel "));
    error_free_or_abort(&err);
}

typedef struct Canceller {
    MultiFDLink *l;
    unsigned us;
    bool recv;
} Canceller;

static void *cancel_thread(void *opaque)
{
    Canceller *c = opaque;

    g_usleep(c->us);
    if (c->recv) {
        multifd_recv_cancel(c->l->recv, NULL);
        /* As the source's migration thread would notice. */
        multifd_send_cancel(c->l->send, NULL);
    } else {
        Error *why = NULL;

        error_setg(&why, "somebody wants it");
        multifd_send_cancel(c->l->send, why);
        pacer_stop(c->l->pacer);
    }
    return NULL;
}

static void test_cancel(void)
{
    static const uint64_t rates[] = { 0, 1000 * 1000, 100 * 1000 * 1000 };

    for (unsigned i = 0; i < 18; i++) {
        g_autoptr(MultiFDLink) l =
            multifd_link_new(i % 3 ? "unix" : "tcp/tls", 1 + i % 4);
        Canceller c = { .l = l, .us = i * 300, .recv = i % 2 };
        g_autoptr(Error) err = NULL;
        QemuThread thread;

        noise(l);
        multifd_link_start(
            l, i % 4 == 3 ? MULTIFD_METHOD_ZLIB : MULTIFD_METHOD_NONE, 1);
        pacer_set_rate(l->pacer, c.recv ? 0 : rates[i % 3]);
        qemu_thread_create(&thread, "cancel", cancel_thread, &c,
                           QEMU_THREAD_JOINABLE);
        send_until_error(l, &err);
        qemu_thread_join(&thread);
        g_assert_nonnull(err);
        if (!c.recv) {
            g_assert_cmpstr(error_get_pretty(err), ==, "somebody wants it");
        }
    }
}

/* Nobody reads: a cancel still ends it. */
static void test_cancel_blocked(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 2);
    MultiFDSendConfig sc = multifd_link_send_config(l);
    Canceller c = { .l = l, .us = 20000 };
    g_autoptr(Error) err = NULL;
    QemuThread thread;

    noise(l);
    l->send = multifd_send_new(&sc, &error_abort);
    qemu_thread_create(&thread, "cancel", cancel_thread, &c,
                       QEMU_THREAD_JOINABLE);
    while (multifd_send_run(l->send, &l->src[0], 0, MULTIFD_LINK_PAGES, &err)) {
    }
    qemu_thread_join(&thread);
    g_assert_cmpstr(error_get_pretty(err), ==, "somebody wants it");
}

static void test_config(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    MultiFDSendConfig sc = multifd_link_send_config(l);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);
    Error *err = NULL;
    const unsigned bad[] = { 0, 256, UINT_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        sc.channels = rc.channels = bad[i];
        g_assert_null(multifd_send_new(&sc, &err));
        error_free_or_abort(&err);
        g_assert_null(multifd_recv_new(&rc, &err));
        error_free_or_abort(&err);
    }
    sc.channels = 1;
    sc.method = MULTIFD_METHOD_ZLIB;
    sc.level = 10;
    g_assert_null(multifd_send_new(&sc, &err));
    error_free_or_abort(&err);
    sc.level = 1;
    sc.zero_copy = true;
    g_assert_null(multifd_send_new(&sc, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "zero copy does not go with multifd compression");
    error_free_or_abort(&err);
    /* A UNIX socket cannot. */
    sc.method = MULTIFD_METHOD_NONE;
    l->send = multifd_send_new(&sc, &error_abort);
    g_assert_false(multifd_send_sync(l->send, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd channel 0: zero copy is not possible on this "
                    "connection");
    error_free_or_abort(&err);
}

static void test_zero_copy(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("tcp", 2);
    MultiFDSendConfig sc = multifd_link_send_config(l);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);

    if (!qio_channel_has_feature(l->pair[0]->a,
                                 QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY)) {
        g_test_skip("no zero copy here");
        return;
    }
    sc.zero_copy = true;
    l->recv = multifd_recv_new(&rc, &error_abort);
    l->send = multifd_send_new(&sc, &error_abort);
    multifd_link_accept(l, 0, &error_abort);
    multifd_link_accept(l, 1, &error_abort);
    multifd_send_sync(l->send, &error_abort);
    multifd_recv_sync(l->recv, &error_abort);
    for (unsigned pass = 0; pass < 3; pass++) {
        pass_send(l, pass);
    }
    /* Over loopback the kernel copies, and says so. */
    g_assert_cmpuint(l->stats.zero_copy_missed, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(moves); i++) {
        g_autofree char *path =
            g_strdup_printf("/multifd/move/%s", moves[i].name);

        g_test_add_data_func(path, &moves[i], test_move);
    }
    g_test_add_func("/multifd/no-zero", test_no_zero);
    g_test_add_func("/multifd/set-method", test_set_method);
    g_test_add_func("/multifd/paced", test_paced);
    g_test_add_func("/multifd/zero-copy", test_zero_copy);
    g_test_add_func("/multifd/fail/write", test_write_fails);
    g_test_add_func("/multifd/fail/open", test_open_fails);
    g_test_add_func("/multifd/pin-ended", test_pin_ended);
    g_test_add_func("/multifd/fail/peer-dies", test_peer_dies);
    g_test_add_func("/multifd/fail/source-dies", test_source_dies);
    g_test_add_func("/multifd/cancel/any-time", test_cancel);
    g_test_add_func("/multifd/cancel/blocked", test_cancel_blocked);
    g_test_add_func("/multifd/config", test_config);
    return g_test_run();
}
