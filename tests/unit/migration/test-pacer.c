/*
 * The pacer: no second carries more than 2 % above the rate, whoever sends; a
 * rate changes under sleepers; urgent bytes pass.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/pacer.h"
#include "util/thread.h"

#define RUN_NS     (INT64_C(600) * 1000 * 1000)
#define NS_PER_S   1e9
#define THREADS    4
#define SAMPLE_MAX 100000

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

typedef struct Sender {
    Pacer *p;
    int64_t end_ns;
    uint64_t bytes;
    unsigned n; /* charges that have passed, with their moments */
    int64_t at[SAMPLE_MAX];
    uint64_t sum[SAMPLE_MAX];
} Sender;

static void *send_thread(void *opaque)
{
    Sender *s = opaque;

    while (now_ns() < s->end_ns) {
        uint64_t piece = pacer_quantum(s->p);

        if (!pacer_charge(s->p, piece)) {
            break;
        }
        s->bytes += piece;
        if (s->n < SAMPLE_MAX) {
            s->at[s->n] = now_ns();
            s->sum[s->n++] = s->bytes;
        }
    }
    return NULL;
}

/* Most bytes between any two moments, less than what the rate allows: ns. */
static double worst_excess(const Sender *s, double rate)
{
    double least = 0, worst = 0;

    for (unsigned i = 0; i < s->n; i++) {
        /* How far this sender is ahead of a steady one. */
        double ahead = (double)s->sum[i] - rate * (double)s->at[i] / NS_PER_S;

        least = i ? MIN(least, ahead) : ahead;
        worst = MAX(worst, ahead - least);
    }
    return worst;
}

static void test_rate(void)
{
    static const uint64_t rates[] = { 2000000, 100000000, 4000000000u };

    for (unsigned i = 0; i < G_N_ELEMENTS(rates); i++) {
        g_autoptr(Pacer) p = pacer_new();
        Sender *s = g_new0(Sender, 1);
        double mean;

        pacer_set_rate(p, rates[i]);
        g_assert_cmpuint(pacer_rate(p), ==, rates[i]);
        s->p = p;
        s->end_ns = now_ns() + RUN_NS;
        send_thread(s);
        mean = (double)s->bytes / ((double)RUN_NS / NS_PER_S);
        /* Up: the guarantee. Down: a busy machine may have slept too long. */
        g_assert_cmpfloat(worst_excess(s, (double)rates[i]), <,
                          (double)rates[i] * 0.021);
        g_assert_cmpfloat(mean, >, (double)rates[i] * 0.4);
        g_free(s);
    }
}

static void test_shared(void)
{
    g_autoptr(Pacer) p = pacer_new();
    Sender *s = g_new0(Sender, THREADS);
    QemuThread thread[THREADS];
    int64_t start = now_ns();
    uint64_t sum = 0, least = UINT64_MAX;
    double limit;

    pacer_set_rate(p, 50000000);
    for (unsigned i = 0; i < THREADS; i++) {
        s[i].p = p;
        s[i].end_ns = start + RUN_NS;
        qemu_thread_create(&thread[i], "send", send_thread, &s[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        qemu_thread_join(&thread[i]);
        sum += s[i].bytes;
        least = MIN(least, s[i].bytes);
    }
    /* Every sender's last piece may be passing just now. */
    limit = 50e6 * (double)(now_ns() - start) / NS_PER_S * 1.02 + 50e6 * 0.04;
    g_assert_cmpfloat((double)sum, <, limit);
    g_assert_cmpfloat((double)sum, >, 50e6 * 0.6 * 0.4);
    /* Nobody starves: they are served in turn. */
    g_assert_cmpuint(least, >, sum / THREADS / 4);
    g_free(s);
}

static void test_unlimited(void)
{
    g_autoptr(Pacer) p = pacer_new();
    int64_t start = now_ns();

    g_assert_cmpuint(pacer_quantum(p), ==, PACER_QUANTUM_MAX);
    for (int i = 0; i < 1000; i++) {
        g_assert_true(pacer_charge(p, UINT64_C(1) << 40));
    }
    g_assert_cmpint(now_ns() - start, <, RUN_NS);
    g_assert_cmpuint(pacer_waited_ns(p), ==, 0);
}

typedef struct Change {
    Pacer *p;
    void (*what)(Pacer *p);
} Change;

static void *change_thread(void *opaque)
{
    Change *c = opaque;

    g_usleep(50000);
    c->what(c->p);
    return NULL;
}

static void make_unlimited(Pacer *p)
{
    pacer_set_rate(p, 0);
}

static void make_fast(Pacer *p)
{
    pacer_set_rate(p, 1000000000);
}

/* A sleeper that would sleep for an hour wakes at @what. */
static bool sleep_until(void (*what)(Pacer *p))
{
    g_autoptr(Pacer) p = pacer_new();
    Change c = { p, what };
    QemuThread thread;
    bool go;

    pacer_set_rate(p, 2048);
    pacer_charge(p, 2048 * 3600);
    qemu_thread_create(&thread, "change", change_thread, &c,
                       QEMU_THREAD_JOINABLE);
    go = pacer_charge(p, 1);
    qemu_thread_join(&thread);
    g_assert_cmpuint(pacer_waited_ns(p), >, 10000000);
    return go;
}

static void test_change(void)
{
    g_assert_true(sleep_until(make_unlimited));
    g_assert_true(sleep_until(make_fast));
    g_assert_false(sleep_until(pacer_stop));
}

static void test_stop(void)
{
    g_autoptr(Pacer) p = pacer_new();

    pacer_stop(p);
    g_assert_false(pacer_charge(p, 1));
    pacer_restart(p);
    g_assert_true(pacer_charge(p, 1));
}

static void test_urgent(void)
{
    g_autoptr(Pacer) p = pacer_new();
    uint64_t urgent;

    pacer_set_rate(p, 2048);
    pacer_urgent(p, UINT64_C(1) << 40);
    g_assert_true(pacer_charge(p, 1));
    g_assert_cmpuint(pacer_waited_ns(p), ==, 0);
    g_assert_cmpuint(pacer_passed(p, &urgent), ==, 1);
    g_assert_cmpuint(urgent, ==, UINT64_C(1) << 40);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pacer/rate", test_rate);
    g_test_add_func("/pacer/shared", test_shared);
    g_test_add_func("/pacer/unlimited", test_unlimited);
    g_test_add_func("/pacer/change", test_change);
    g_test_add_func("/pacer/stop", test_stop);
    g_test_add_func("/pacer/urgent", test_urgent);
    return g_test_run();
}
