/*
 * State of devices: what was saved and loaded is saved again byte for byte;
 * what was tampered with is refused, or does no harm.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "state-bench.h"

#define ROUNDS   12
#define STEPS    60
#define TAMPERED 60

static void drive(StateBench *b, GRand *rand, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        uint8_t p[SB_STEP_BYTES];

        for (unsigned k = 0; k < sizeof(p); k++) {
            p[k] = (uint8_t)g_rand_int(rand);
        }
        b->kind->step(b, p);
    }
}

/* Guest memory goes another way. */
static void copy_memory(StateBench *to, const StateBench *from)
{
    if (from->ram) {
        memcpy(to->ram, from->ram, from->ram_bytes);
    }
}

static void test_round_trip(gconstpointer kind)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(0x5eed);

    for (int i = 0; i < ROUNDS; i++) {
        StateBench *a = sb_make(kind);
        StateBench *b = sb_make(kind);
        g_autoptr(GByteArray) first = NULL;
        g_autoptr(GByteArray) second = NULL;

        drive(a, rand, i ? STEPS : 0);
        first = sb_save(a);
        copy_memory(b, a);
        sb_load(b, first->data, first->len, &error_abort);
        second = sb_save(b);
        g_assert_cmpmem(second->data, second->len, first->data, first->len);
        sb_go(b);
        drive(b, rand, STEPS);
        sb_destroy(b);
        sb_go(a); /* a source whose migration failed */
        drive(a, rand, STEPS);
        sb_destroy(a);
    }
}

static void tamper(GByteArray *state, GRand *rand)
{
    static const uint8_t extremes[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };
    unsigned n = (unsigned)g_rand_int_range(rand, 1, 5);

    for (unsigned i = 0; i < n; i++) {
        guint at = (guint)g_rand_int_range(rand, 0, (int)state->len);

        state->data[at] =
            g_rand_boolean(rand)
                ? extremes[g_rand_int_range(rand, 0, sizeof(extremes))]
                : (uint8_t)g_rand_int(rand);
    }
}

static void test_tampered(gconstpointer kind)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(0xbad);

    for (int i = 0; i < TAMPERED; i++) {
        StateBench *a = sb_make(kind);
        StateBench *b = sb_make(kind);
        g_autoptr(GByteArray) state = NULL;
        Error *err = NULL;

        drive(a, rand, STEPS / 2);
        state = sb_save(a);
        copy_memory(b, a);
        tamper(state, rand);
        if (sb_load(b, state->data, state->len, &err)) {
            g_autoptr(GByteArray) again = sb_save(b);
        } else {
            g_assert_cmpuint(strlen(error_get_pretty(err)), >, 10);
            error_free(err);
            sb_reset(b);
        }
        sb_go(b);
        drive(b, rand, STEPS);
        sb_destroy(b);
        sb_destroy(a);
    }
}

/* Cut short anywhere, a state is refused. */
static void test_short(gconstpointer kind)
{
    StateBench *a = sb_make(kind);
    g_autoptr(GByteArray) state = sb_save(a);

    for (guint len = 0; len < state->len; len += 1 + state->len / 40) {
        StateBench *b = sb_make(kind);
        Error *err = NULL;

        g_assert_false(sb_load(b, state->data, len, &err));
        g_assert_nonnull(err);
        error_free(err);
        sb_reset(b);
        sb_destroy(b);
    }
    sb_destroy(a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sb_init();
    for (unsigned i = 0; sb_kind(i); i++) {
        const StateBenchKind *kind = sb_kind(i);
        g_autofree char *trip =
            g_strdup_printf("/state/%s/round-trip", kind->name);
        g_autofree char *tampered =
            g_strdup_printf("/state/%s/tampered", kind->name);
        g_autofree char *cut = g_strdup_printf("/state/%s/short", kind->name);

        g_test_add_data_func(trip, kind, test_round_trip);
        g_test_add_data_func(tampered, kind, test_tampered);
        g_test_add_data_func(cut, kind, test_short);
    }
    return g_test_run();
}
