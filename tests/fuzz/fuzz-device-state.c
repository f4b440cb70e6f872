/*
 * States of devices that a peer made up: a device is driven, its state is
 * saved, changed and loaded into another, which is driven on.
 *
 *   u8 which device; u8 n; n steps of 8 bytes for the first
 *   u8 m; m changes: le16 place, u8 value
 *   steps of 8 bytes for the second
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tests/unit/hw/state-bench.h"
#include "util/bswap.h"

#define STEPS_MAX    32
#define CHANGE_BYTES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. */
typedef struct Input {
    const uint8_t *p;
    size_t left;
} Input;

static const uint8_t *take(Input *in, size_t n)
{
    const uint8_t *p = in->p;

    if (in->left < n) {
        in->left = 0;
        return NULL;
    }
    in->p += n;
    in->left -= n;
    return p;
}

static unsigned take_count(Input *in)
{
    const uint8_t *p = take(in, 1);

    return p ? *p % (STEPS_MAX + 1) : 0;
}

static void drive(StateBench *b, Input *in, unsigned steps)
{
    const uint8_t *p;

    while (steps-- && (p = take(in, SB_STEP_BYTES))) {
        b->kind->step(b, p);
    }
}

static void change(GByteArray *state, Input *in)
{
    unsigned n = take_count(in);
    const uint8_t *p;

    while (n-- && (p = take(in, CHANGE_BYTES))) {
        state->data[lduw_le_p(p) % state->len] = p[2];
    }
}

static void move(StateBench *a, StateBench *b, Input *in)
{
    g_autoptr(GByteArray) state = sb_save(a);

    if (a->ram) {
        memcpy(b->ram, a->ram, a->ram_bytes);
    }
    change(state, in);
    if (!sb_load(b, state->data, state->len, NULL)) {
        sb_reset(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = { data, size };
    const uint8_t *which = take(&in, 1);
    unsigned kinds = 0;
    StateBench *a, *b;

    if (!which) {
        return 0;
    }
    sb_init();
    while (sb_kind(kinds)) {
        kinds++;
    }
    a = sb_make(sb_kind(*which % kinds));
    b = sb_make(sb_kind(*which % kinds));
    drive(a, &in, take_count(&in));
    move(a, b, &in);
    sb_go(b);
    drive(b, &in, STEPS_MAX);
    sb_destroy(b);
    sb_destroy(a);
    return 0;
}
