/*
 * A guest's page tables from outside: each mode of paging, and tables that
 * have no end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/types.h"
#include "hw/x86/x86-translate.h"
#include "util/bswap.h"
#include "util/error.h"

#define RAM_BYTES (64u * 1024)
#define CR0_PG    (1u << 31)
#define P         1u
#define W         2u
#define U         4u
#define PS        0x80u

typedef struct Fixture {
    GuestMemory *gm;
    uint8_t *ram;
    X86CPUState *st;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->ram = g_aligned_alloc0(1, RAM_BYTES, 4096);
    f->gm = guest_memory_new();
    guest_memory_map(f->gm, NULL, 0, RAM_BYTES, f->ram, &error_abort);
    f->st = x86_state_new();
    f->st->cr0 = CR0_PG;
    f->st->cr3 = 0x1000;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    x86_state_free(f->st);
    guest_memory_free(f->gm);
    g_aligned_free(f->ram);
}

static void put8(Fixture *f, uint64_t at, uint64_t entry)
{
    stq_le_p(f->ram + at, entry);
}

static bool count(const X86Mapping *m, void *opaque)
{
    ++*(uint64_t *)opaque;
    return true;
}

static void test_long(Fixture *f, gconstpointer data)
{
    uint64_t va = 0xffff800000000000u, n = 0;
    X86Mapping m;

    f->st->efer = 1u << 10;
    f->st->cr4 = 1u << 5;
    put8(f, 0x1000 + 8 * 256, 0x2000 | P | W | U);
    put8(f, 0x2000, 0x3000 | P | W);
    put8(f, 0x3000, 0x4000 | P | W | U);
    put8(f, 0x3008, 0x40200000 | P | PS);
    put8(f, 0x4008, 0x7000 | P | W | U);
    g_assert_true(x86_translate(f->st, f->gm, va + 0x1234, &m));
    g_assert_cmphex(m.va, ==, va + 0x1000);
    g_assert_cmphex(m.pa, ==, 0x7000);
    g_assert_true(m.writable && !m.user);
    g_assert_true(x86_translate(f->st, f->gm, va + 0x234567, &m));
    g_assert_cmphex(m.pa, ==, 0x40200000);
    g_assert_cmphex(m.size, ==, 0x200000);
    g_assert_false(m.writable);
    g_assert_false(x86_translate(f->st, f->gm, va, &m));
    g_assert_false(x86_translate(f->st, f->gm, 0, &m));
    g_assert_true(x86_for_each_mapping(f->st, f->gm, count, &n));
    g_assert_cmpuint(n, ==, 2);
}

static void test_32bit(Fixture *f, gconstpointer data)
{
    uint64_t n = 0;
    X86Mapping m;

    f->st->cr4 = 1u << 4;
    stl_le_p(f->ram + 0x1000, 0x2000 | P | W | U);
    stl_le_p(f->ram + 0x1004, 0x00c02000 | P | PS);
    stl_le_p(f->ram + 0x2004, 0x5000 | P);
    g_assert_true(x86_translate(f->st, f->gm, 0x1fff, &m));
    g_assert_cmphex(m.pa, ==, 0x5000);
    g_assert_false(m.writable);
    g_assert_true(x86_translate(f->st, f->gm, 0x400000, &m));
    g_assert_cmphex(m.pa, ==, 0x100c00000); /* bits 32 to 39 stand low */
    g_assert_true(x86_for_each_mapping(f->st, f->gm, count, &n));
    g_assert_cmpuint(n, ==, 2);
}

static void test_pae(Fixture *f, gconstpointer data)
{
    X86Mapping m;

    f->st->cr4 = 1u << 5;
    put8(f, 0x1018, 0x2000 | P);
    put8(f, 0x2000, 0x3000 | P | W | U);
    put8(f, 0x3000, 0x6000 | P | W | U);
    g_assert_true(x86_translate(f->st, f->gm, 0xc0000000u, &m));
    g_assert_cmphex(m.pa, ==, 0x6000);
    g_assert_true(m.writable && m.user);
}

static void test_off(Fixture *f, gconstpointer data)
{
    uint64_t n = 0;
    X86Mapping m;

    f->st->cr0 = 0;
    g_assert_true(x86_translate(f->st, f->gm, 0x12345, &m));
    g_assert_cmphex(m.pa - m.va, ==, 0);
    g_assert_true(x86_for_each_mapping(f->st, f->gm, count, &n));
    g_assert_cmpuint(n, ==, 0);
}

/* One table that is all four levels of itself; its entries map all, or, with
 * a last level that is empty, nothing. */
static void test_endless(Fixture *f, gconstpointer data)
{
    uint64_t n = 0;

    f->st->efer = 1u << 10;
    f->st->cr4 = 1u << 5;
    for (unsigned i = 0; i < 512; i++) {
        put8(f, 0x1000 + 8 * i, 0x1000 | P | W);
    }
    g_assert_false(x86_for_each_mapping(f->st, f->gm, count, &n));
    g_assert_cmpuint(n, <=, X86_WALK_ENTRIES_MAX);
    n = 0;
    for (unsigned i = 0; i < 512; i++) {
        put8(f, 0x1000 + 8 * i, 0x2000 | P | W);
        put8(f, 0x2000 + 8 * i, 0x3000 | P | W);
        put8(f, 0x3000 + 8 * i, 0x4000 | P | W);
    }
    g_assert_false(x86_for_each_mapping(f->st, f->gm, count, &n));
    g_assert_cmpuint(n, ==, 0);
}

#define ADD(name, func)                                                        \
    g_test_add("/x86-translate/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    ADD("long", test_long);
    ADD("32bit", test_32bit);
    ADD("pae", test_pae);
    ADD("off", test_off);
    ADD("endless", test_endless);
    return g_test_run();
}
