/*
 * Tests of accel/kvm/kvm-ring.c, with a guest and a kernel of our own: whenever
 * the code looks away, the guest writes on. One kernel leaves the guest in time,
 * as it should; another one goes on writing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/kvm/kvm-ring.h"

#define SIZE  1024u
#define PAGES 3000u
#define SPARE 64u

typedef struct Kernel {
    struct kvm_dirty_gfn entries[SIZE];
    uint32_t dirty_index;
    uint32_t reset_index;
    unsigned burst;    /* writes before it looks whether the ring is full */
    unsigned busy;     /* writes at each moment that the guest gets */
    bool is_out;       /* the vCPU waits for its ring to be emptied */
    bool is_signalled; /* taking back is interrupted at times */
    unsigned since_look;
    unsigned window; /* writes before the next taking back */
    bool at_wipe;    /* and one to the first that is */

    bool writable[PAGES];
    uint32_t version[PAGES]; /* what the guest wrote */
    uint32_t written;
    unsigned at;
    unsigned set; /* pages that it writes */

    bool dirty[PAGES]; /* noted */
    uint32_t copy[PAGES];
    GRand *rand;
    KVMRing ring;
    unsigned overruns;
} Kernel;

static bool soft_full(const Kernel *k)
{
    return k->dirty_index - k->reset_index >= SIZE - SPARE;
}

static void guest_write(Kernel *k)
{
    unsigned page = k->at;
    struct kvm_dirty_gfn *e;

    k->at = (k->at + 1) % k->set;
    k->version[page]++;
    k->written++;
    if (k->writable[page]) {
        return;
    }
    k->writable[page] = true;
    e = &k->entries[k->dirty_index++ % SIZE];
    e->slot = 0;
    e->offset = page;
    e->flags = KVM_DIRTY_GFN_F_DIRTY;
}

/* The guest has time for so many writes. */
static void guest_runs(Kernel *k, unsigned n)
{
    while (n-- && !k->is_out) {
        guest_write(k);
        if (++k->since_look >= k->burst) {
            k->since_look = 0;
            k->is_out = soft_full(k);
        }
    }
}

static void at_times(Kernel *k)
{
    if (k->busy && g_rand_int_range(k->rand, 0, 8) == 0) {
        guest_runs(k, (unsigned)g_rand_int_range(k->rand, 0, (int)k->busy));
    }
}

static void note(void *opaque, uint32_t slot, uint64_t page)
{
    Kernel *k = opaque;

    g_assert_cmpuint(slot, ==, 0);
    k->dirty[page] = true;
    at_times(k);
}

static int take_back(void *opaque)
{
    Kernel *k = opaque;
    int n = 0;

    guest_runs(k, k->window);
    k->window = 0;
    at_times(k);
    for (;;) {
        struct kvm_dirty_gfn *e = &k->entries[k->reset_index % SIZE];
        uint64_t page = e->offset;

        if (k->is_signalled && g_rand_int_range(k->rand, 0, 50) == 0) {
            break;
        }
        if (!(e->flags & KVM_DIRTY_GFN_F_RESET)) {
            break;
        }
        if (k->busy && g_rand_int_range(k->rand, 0, 16) == 0) {
            guest_runs(k, 1);
        }
        if (k->at_wipe) {
            k->at_wipe = false;
            guest_runs(k, 1);
        }
        e->flags = 0;
        k->reset_index++;
        k->writable[page] = false;
        n++;
    }
    at_times(k);
    return n;
}

static void empty(Kernel *k, bool is_full)
{
    static const KVMRingOps ops = { .note = note, .take_back = take_back };
    bool overran = true;

    kvm_ring_empty(&k->ring, &ops, k, is_full, &overran);
    if (overran) {
        k->overruns++;
        for (unsigned i = 0; i < PAGES; i++) {
            k->writable[i] = false;
            k->dirty[i] = true;
        }
    }
}

static void copy(Kernel *k)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (k->dirty[i]) {
            k->dirty[i] = false;
            k->copy[i] = k->version[i];
        }
    }
}

/* The vCPU empties its full ring until it may run; it must before long. */
static void let_in(Kernel *k)
{
    for (unsigned i = 0; k->is_out; i++) {
        g_assert_cmpuint(i, <, 20);
        empty(k, true);
        k->is_out = soft_full(k);
    }
}

static Kernel *kernel_new(uint32_t start, unsigned burst, unsigned busy)
{
    Kernel *k = g_new0(Kernel, 1);

    k->set = PAGES;
    k->burst = burst;
    k->busy = busy;
    k->dirty_index = k->reset_index = start;
    k->ring = (KVMRing){
        .entries = k->entries, .size = SIZE, .next = start, .back = start
    };
    k->rand = g_rand_new_with_seed(start + burst * 7 + busy);
    return k;
}

static void kernel_free(Kernel *k)
{
    g_rand_free(k->rand);
    g_free(k);
}

/* @between: writes from one look to the next. */
static void passes(Kernel *k, unsigned n, unsigned between)
{
    for (unsigned pass = 0; pass < n; pass++) {
        unsigned todo = (unsigned)g_rand_int_range(k->rand, 0, (int)between);
        uint32_t until = k->written + todo;

        while ((int32_t)(until - k->written) > 0) {
            guest_runs(k, until - k->written);
            let_in(k);
        }
        empty(k, false);
        copy(k);
        let_in(k);
    }
    /* The guest stops. */
    k->busy = 0;
    empty(k, false);
    copy(k);
    for (unsigned i = 0; i < PAGES; i++) {
        g_assert_cmpuint(k->copy[i], ==, k->version[i]);
    }
}

/* -- a kernel that leaves the guest in time ---------------------------------------- */

static void test_in_time(void)
{
    static const unsigned bursts[] = { 1, 4, 16 };

    for (unsigned i = 0; i < 24; i++) {
        Kernel *k = kernel_new(i * 17, bursts[i % 3], i % 4 * 30);

        passes(k, 200, 4 * SIZE);
        g_assert_cmpuint(k->overruns, ==, 0);
        g_assert_false(k->ring.lost);
        kernel_free(k);
    }
}

/* It is full again and again, and nobody else empties it. */
static void test_full_in_a_row(void)
{
    Kernel *k = kernel_new(0, 1, 0);

    for (unsigned i = 0; i < 50; i++) {
        guest_runs(k, 2 * SIZE);
        g_assert_true(k->is_out);
        empty(k, true);
        g_assert_cmpuint(k->overruns, ==, 0);
        k->is_out = soft_full(k);
        g_assert_false(k->is_out);
    }
    kernel_free(k);
}

/* The guest fills at once what was taken back of a nearly full ring. */
static void test_filled_behind(void)
{
    for (unsigned used = SIZE / 2; used < SIZE - SPARE; used += 13) {
        Kernel *k = kernel_new(used, 1, 400);

        k->busy = 0;
        guest_runs(k, used);
        k->busy = 400;
        passes(k, 100, used);
        g_assert_cmpuint(k->overruns, ==, 0);
        kernel_free(k);
    }
}

static void test_wraps(void)
{
    Kernel *k = kernel_new(UINT32_MAX - 5000, 1, 20);

    passes(k, 100, 3 * SIZE);
    g_assert_cmpuint(k->overruns, ==, 0);
    g_assert_cmpuint(k->ring.back, <, UINT32_MAX - 5000);
    kernel_free(k);
}

static void test_signals(void)
{
    Kernel *k = kernel_new(3, 1, 20);

    k->is_signalled = true;
    passes(k, 200, 2 * SIZE);
    g_assert_cmpuint(k->overruns, ==, 0);
    kernel_free(k);
}

/* -- one that does not -------------------------------------------------------------- */

static void test_overrun(void)
{
    static const unsigned bursts[] = { 100, 700, 1024, 1500, 5000 };
    unsigned overruns = 0;

    for (unsigned i = 0; i < 50; i++) {
        Kernel *k = kernel_new(i * 31, bursts[i % 5], i % 4 * 10);

        passes(k, 100, 4 * SIZE);
        overruns += k->overruns;
        kernel_free(k);
    }
    g_assert_cmpuint(overruns, >, 50);
}

/* The kernel is below the spare entries, then writes up to the first that it is
 * just taking back, and wipes what it wrote there. */
static void lose_one(Kernel *k)
{
    guest_runs(k, SIZE - 40);
    k->window = 40;
    k->at_wipe = true;
    empty(k, false);
    g_assert_false(k->at_wipe);
}

static void test_hole(void)
{
    Kernel *k = kernel_new(5, UINT32_MAX, 0);

    lose_one(k);
    guest_runs(k, 1);
    empty(k, false);
    g_assert_cmpuint(k->overruns, ==, 1);
    passes(k, 20, SIZE / 2);
    kernel_free(k);
}

/* After that it writes a few pages only, which never fill the ring. */
static void test_lost_and_small(void)
{
    Kernel *k = kernel_new(5, UINT32_MAX, 0);

    lose_one(k);
    guest_runs(k, 1);
    empty(k, false);
    g_assert_true(k->ring.lost);
    copy(k);
    k->set = 200;
    k->at = 0;
    for (unsigned i = 0; i < 20; i++) {
        guest_runs(k, 200);
        empty(k, false);
        copy(k);
        for (unsigned page = 0; page < PAGES; page++) {
            g_assert_cmpuint(k->copy[page], ==, k->version[page]);
        }
    }
    g_assert_cmpuint(k->overruns, ==, 1);
    kernel_free(k);
}

static void test_never_in_time(void)
{
    Kernel *k = kernel_new(5, UINT32_MAX, 0);

    guest_runs(k, SIZE - 10);
    empty(k, false);
    g_assert_cmpuint(k->overruns, ==, 0);
    lose_one(k);
    g_assert_cmpuint(k->overruns, ==, 1);
    passes(k, 20, SIZE / 2);
    kernel_free(k);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/kvm-ring/in-time", test_in_time);
    g_test_add_func("/accel/kvm-ring/full-in-a-row", test_full_in_a_row);
    g_test_add_func("/accel/kvm-ring/filled-behind", test_filled_behind);
    g_test_add_func("/accel/kvm-ring/wraps", test_wraps);
    g_test_add_func("/accel/kvm-ring/signals", test_signals);
    g_test_add_func("/accel/kvm-ring/overrun", test_overrun);
    g_test_add_func("/accel/kvm-ring/hole", test_hole);
    g_test_add_func("/accel/kvm-ring/lost-and-small", test_lost_and_small);
    g_test_add_func("/accel/kvm-ring/never-in-time", test_never_in_time);
    return g_test_run();
}
