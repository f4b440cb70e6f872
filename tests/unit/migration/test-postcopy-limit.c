/*
 * A recovery that does not get on: silence ends it, progress keeps it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/limit.h"
#include "util/atomic.h"
#include "util/timer.h"

#include "channel-pair.h"

static uint64_t count(void *opaque)
{
    return qatomic_read((uint64_t *)opaque);
}

/* Whoever reads is woken by the end of the connection. */
static void test_silence(void)
{
    ChannelPair *p = channel_pair_new("unix");
    uint64_t progress = 7;
    PostcopyLimit *l =
        postcopy_limit_new(p->a, "destination", 50, count, &progress);
    int64_t begin = get_clock();
    Error *why;
    char c;

    g_assert_cmpint(qio_channel_read(p->a, &c, 1, NULL), <=, 0);
    g_assert_cmpint(get_clock() - begin, >=, 45 * SCALE_MS);
    why = postcopy_limit_free(l);
    g_assert_nonnull(strstr(error_get_pretty(why), "destination"));
    g_assert_nonnull(strstr(error_get_pretty(why), "50 milliseconds"));
    error_free(why);
    channel_pair_free(p);
}

/* It may take many times the limit in all. */
static void test_progress(void)
{
    ChannelPair *p = channel_pair_new("unix");
    uint64_t progress = 0;
    PostcopyLimit *l =
        postcopy_limit_new(p->a, "source", 1000, count, &progress);

    for (unsigned i = 0; i < 12; i++) {
        qatomic_set(&progress, i);
        g_usleep(100 * 1000);
    }
    g_assert_null(postcopy_limit_free(l));
    /* The channel is as it was. */
    g_assert_cmpint(qio_channel_write(p->a, "x", 1, NULL), ==, 1);
    channel_pair_free(p);
}

static void test_none(void)
{
    uint64_t progress = 0;
    ChannelPair *p = channel_pair_new("unix");

    g_assert_null(postcopy_limit_new(p->a, "source", 0, count, &progress));
    g_assert_null(postcopy_limit_free(NULL));
    channel_pair_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-limit/silence", test_silence);
    g_test_add_func("/postcopy-limit/progress", test_progress);
    g_test_add_func("/postcopy-limit/none", test_none);
    return g_test_run();
}
