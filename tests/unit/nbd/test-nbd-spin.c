/*
 * When a connection of the server waits without sleeping.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/spin.h"

#define SHORT_NS (NBD_SPIN_SHORT_NS / 2)

static void sleep_short(NBDSpin *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_false(nbd_spin_wanted(s));
        nbd_spin_slept(s, SHORT_NS, false);
    }
}

static void test_begins(void)
{
    NBDSpin s;

    nbd_spin_init(&s);
    sleep_short(&s, NBD_SPIN_AFTER - 1);
    /* A long one: from the start. */
    nbd_spin_slept(&s, NBD_SPIN_SHORT_NS + 1, false);
    sleep_short(&s, NBD_SPIN_AFTER);
    g_assert_true(nbd_spin_wanted(&s));
}

static void test_loop_has_its_turn(void)
{
    NBDSpin s;

    nbd_spin_init(&s);
    sleep_short(&s, NBD_SPIN_AFTER);
    for (unsigned i = 0; i < NBD_SPIN_TURNS; i++) {
        g_assert_true(nbd_spin_wanted(&s));
        nbd_spin_hit(&s);
    }
    g_assert_false(nbd_spin_wanted(&s));
    nbd_spin_slept(&s, SHORT_NS, false);
    g_assert_true(nbd_spin_wanted(&s));
    nbd_spin_slept(&s, NBD_SPIN_SHORT_NS + 1, false);
    g_assert_false(nbd_spin_wanted(&s));
}

static void test_misses_end_it(void)
{
    unsigned after = NBD_SPIN_AFTER;
    NBDSpin s;

    nbd_spin_init(&s);
    for (unsigned round = 0; round < 12; round++) {
        sleep_short(&s, after);
        g_assert_true(nbd_spin_wanted(&s));
        nbd_spin_slept(&s, SHORT_NS, true);
        after = MIN(after * 2, NBD_SPIN_AFTER_MAX);
    }
    g_assert_cmpuint(after, ==, NBD_SPIN_AFTER_MAX);
}

static void test_hits_make_up_for_misses(void)
{
    NBDSpin s;

    nbd_spin_init(&s);
    sleep_short(&s, NBD_SPIN_AFTER);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < NBD_SPIN_MISS; i++) {
            nbd_spin_hit(&s);
        }
        nbd_spin_slept(&s, SHORT_NS, true);
        g_assert_true(nbd_spin_wanted(&s));
    }
    /* None are left over. */
    nbd_spin_slept(&s, SHORT_NS, true);
    g_assert_false(nbd_spin_wanted(&s));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd/spin/begins", test_begins);
    g_test_add_func("/nbd/spin/loop-has-its-turn", test_loop_has_its_turn);
    g_test_add_func("/nbd/spin/misses-end-it", test_misses_end_it);
    g_test_add_func("/nbd/spin/hits-make-up-for-misses",
                    test_hits_make_up_for_misses);
    return g_test_run();
}
