/*
 * Block status that an NBD server told in advance: told on once, forgotten in
 * time, and not asked for in vain.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/nbd-status.h"

#define MIB (UINT64_C(1024) * 1024)

static const NBDExtent extents[] = {
    { .length = MIB, .flags = 0 },
    { .length = 2 * MIB, .flags = NBD_STATE_ZERO },
    { .length = MIB, .flags = 0 },
};

static void keep(NBDStatus *s)
{
    nbd_status_keep(s, nbd_status_now(s), 0, extents, G_N_ELEMENTS(extents));
}

static void test_told_once(void)
{
    g_autofree NBDStatus *s = g_new0(NBDStatus, 1);
    NBDExtent e;

    nbd_status_init(s);
    g_assert_false(nbd_status_find(s, 0, MIB, &e));
    keep(s);
    /* The first was the answer itself. */
    g_assert_false(nbd_status_find(s, 0, 4 * MIB, &e));
    g_assert_false(nbd_status_find(s, MIB - 1, 4 * MIB, &e));
    g_assert_true(nbd_status_find(s, MIB, 4096, &e));
    g_assert_cmpuint(e.length, ==, 4096);
    g_assert_cmpuint(e.flags, ==, NBD_STATE_ZERO);
    g_assert_false(nbd_status_find(s, MIB, 4096, &e));
    g_assert_true(nbd_status_find(s, MIB + 4096, 4 * MIB, &e));
    g_assert_cmpuint(e.length, ==, 2 * MIB - 4096);
    g_assert_false(nbd_status_find(s, 2 * MIB, 4 * MIB, &e));
    g_assert_true(nbd_status_find(s, 3 * MIB, 4 * MIB, &e));
    g_assert_cmpuint(e.length, ==, MIB);
    g_assert_cmpuint(e.flags, ==, 0);
    g_assert_false(nbd_status_find(s, 3 * MIB, 4 * MIB, &e));
    g_assert_false(nbd_status_find(s, 4 * MIB, 4 * MIB, &e));
    /* What is skipped is not told later. */
    keep(s);
    g_assert_true(nbd_status_find(s, 3 * MIB, MIB, &e));
    g_assert_false(nbd_status_find(s, MIB, MIB, &e));
    nbd_status_deinit(s);
}

static void test_forgotten(void)
{
    g_autofree NBDStatus *s = g_new0(NBDStatus, 1);
    uint64_t seen;
    NBDExtent e;

    nbd_status_init(s);
    keep(s);
    nbd_status_changed(s);
    g_assert_false(nbd_status_find(s, MIB, MIB, &e));
    /* A write while the server was asked. */
    seen = nbd_status_now(s);
    nbd_status_changed(s);
    nbd_status_keep(s, seen, 0, extents, G_N_ELEMENTS(extents));
    g_assert_false(nbd_status_find(s, MIB, MIB, &e));
    keep(s);
    g_usleep(1100 * 1000);
    g_assert_false(nbd_status_find(s, MIB, MIB, &e));
    nbd_status_deinit(s);
}

static void test_pays(void)
{
    g_autofree NBDStatus *s = g_new0(NBDStatus, 1);
    NBDExtent e;

    nbd_status_init(s);
    g_assert_true(nbd_status_pays(s));
    keep(s);
    g_assert_true(nbd_status_pays(s)); /* still good */
    nbd_status_changed(s);
    g_assert_false(nbd_status_pays(s));
    g_assert_true(nbd_status_pays(s)); /* tries again */
    keep(s);
    g_assert_true(nbd_status_find(s, MIB, MIB, &e));
    nbd_status_changed(s);
    g_assert_true(nbd_status_pays(s)); /* some was of use */
    nbd_status_deinit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/nbd-status/told-once", test_told_once);
    g_test_add_func("/block/nbd-status/forgotten", test_forgotten);
    g_test_add_func("/block/nbd-status/pays", test_pays);
    return g_test_run();
}
