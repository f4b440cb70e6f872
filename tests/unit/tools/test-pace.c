/*
 * What a copy asks for at once, with sources of all kinds: simulated, so that
 * time is exact.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tools/convert-pace.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MS  INT64_C(1000000)

/* A source that answers after @latency and sends @rate bytes a second, one
 * answer after the other. */
typedef struct Source {
    int64_t latency; /* ns */
    double rate;     /* bytes/s */

    int64_t now;
    int64_t sent; /* when the line is free */
    struct {
        int64_t begin, end, bytes; /* bytes 0: none */
    } reads[CONVERT_COROUTINES_MAX];
} Source;

static void source_ask(Source *s, const ConvertPace *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CONVERT_COROUTINES_MAX; i++) {
        n += s->reads[i].bytes > 0;
    }
    for (unsigned i = 0; i < CONVERT_COROUTINES_MAX && n < p->coroutines; i++) {
        if (s->reads[i].bytes > 0) {
            continue;
        }
        s->sent = MAX(s->sent, s->now + s->latency) +
                  (int64_t)((double)p->chunk * 1e9 / s->rate);
        s->reads[i].begin = s->now;
        s->reads[i].end = s->sent;
        s->reads[i].bytes = p->chunk;
        n++;
    }
}

/* The next answer comes. Returns: its bytes. */
static int64_t source_answer(Source *s, ConvertPace *p, bool slept)
{
    unsigned k = CONVERT_COROUTINES_MAX;
    int64_t bytes;

    for (unsigned i = 0; i < CONVERT_COROUTINES_MAX; i++) {
        if (s->reads[i].bytes > 0 && (k == CONVERT_COROUTINES_MAX ||
                                      s->reads[i].end < s->reads[k].end)) {
            k = i;
        }
    }
    g_assert_cmpint(k, <, CONVERT_COROUTINES_MAX);
    bytes = s->reads[k].bytes;
    s->now = s->reads[k].end;
    s->reads[k].bytes = 0;
    convert_pace_read(p, bytes, s->now - s->reads[k].begin, s->now, slept);
    return bytes;
}

/* Returns: ns. */
static int64_t copy(Source *s, ConvertPace *p, int64_t bytes, bool slept)
{
    int64_t begin = s->now;

    while (bytes > 0) {
        source_ask(s, p);
        bytes -= source_answer(s, p, slept);
    }
    return s->now - begin;
}

static void check(const ConvertPace *p, int64_t chunk, unsigned coroutines)
{
    g_assert_cmpint(p->chunk, ==, chunk);
    g_assert_cmpint(p->coroutines, ==, coroutines);
}

/* A server on this host, that encrypts: reads wait for one another. */
static void test_limited(void)
{
    Source s = { .latency = MS / 10, .rate = 0.8e9 };
    ConvertPace p;
    unsigned more = 0;

    convert_pace_init(&p, 0, 512);
    check(&p, 256 * KIB, 8);
    for (int i = 0; i < 1024; i++) {
        copy(&s, &p, MIB, true);
        more += p.chunk * p.coroutines > 2 * MIB;
        g_assert_cmpint(p.chunk * p.coroutines, <=, 4 * MIB);
    }
    /* It was tried, and seldom. */
    g_assert_cmpint(more, >, 0);
    g_assert_cmpint(more, <, 1024 / 5);
}

static void test_far(void)
{
    Source s = { .latency = 10 * MS, .rate = 4e9 };
    ConvertPace p;

    convert_pace_init(&p, 0, 512);
    copy(&s, &p, MIB, true);
    check(&p, 2 * MIB, 64);
    g_assert_cmpint(copy(&s, &p, 512 * MIB, true), <, 250 * MS);
    check(&p, 2 * MIB, 64);
}

/* Neither near nor far: in steps. */
static void test_steps(void)
{
    Source s = { .latency = 3 * MS, .rate = 4e9 };
    ConvertPace p;

    convert_pace_init(&p, 0, 512);
    copy(&s, &p, 8 * MIB, true);
    g_assert_cmpint(p.chunk * p.coroutines, <, 16 * MIB);
    copy(&s, &p, 512 * MIB, true);
    g_assert_cmpint(p.chunk * p.coroutines, >=, 12 * MIB);
    g_assert_cmpint(copy(&s, &p, GIB, true), <, 400 * MS);
}

/* What is in the server's cache at first, and then not. */
static void test_later_far(void)
{
    Source s = { .latency = MS / 10, .rate = 2e9 };
    ConvertPace p;

    convert_pace_init(&p, 0, 512);
    copy(&s, &p, 256 * MIB, true);
    g_assert_cmpint(p.chunk * p.coroutines, <=, 4 * MIB);
    s.latency = 20 * MS;
    copy(&s, &p, 2 * GIB, true);
    g_assert_cmpint(p.chunk * p.coroutines, >=, 32 * MIB);
}

/* Who copies all the time has nobody to wait for. */
static void test_busy(void)
{
    Source s = { .latency = 10 * MS, .rate = 1e9 };
    ConvertPace p;

    convert_pace_init(&p, 0, 512);
    copy(&s, &p, GIB, false);
    check(&p, 256 * KIB, 8);
}

/* -m, and pieces that a format wants. */
static void test_fixed(void)
{
    Source s = { .latency = 10 * MS, .rate = 4e9 };
    ConvertPace p;

    convert_pace_init(&p, 3, MIB);
    check(&p, MIB, 3);
    copy(&s, &p, 256 * MIB, true);
    check(&p, 2 * MIB, 3);
    convert_pace_init(&p, 0, 4 * MIB);
    check(&p, 4 * MIB, 8);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/pace/limited", test_limited);
    g_test_add_func("/tools/pace/far", test_far);
    g_test_add_func("/tools/pace/steps", test_steps);
    g_test_add_func("/tools/pace/later-far", test_later_far);
    g_test_add_func("/tools/pace/busy", test_busy);
    g_test_add_func("/tools/pace/fixed", test_fixed);
    return g_test_run();
}
