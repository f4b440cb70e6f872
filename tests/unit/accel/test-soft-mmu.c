/*
 * Page walks: every level and mode, rights, error codes, accessed and dirty
 * bits, and what the TLB keeps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-machine.h"

#define P  1ull
#define W  2ull
#define U  4ull
#define A  (1ull << 5)
#define D  (1ull << 6)
#define PS (1ull << 7)
#define G  (1ull << 8)
#define NX (1ull << 63)

/* The page under test and its entry. */
#define ADDR 0x1f0000ull
#define PTE  (SM_PT + 8 * (ADDR >> 12))

static void set_pte(SoftMachine *sm, uint64_t gpa, uint64_t value)
{
    sm_put64(sm, gpa, value);
    soft_tlb_flush(sm->cpu[0], true);
}

static void set_cr4(SoftMachine *sm, uint64_t on)
{
    g_assert_true(soft_write_cr(sm->cpu[0], 4, sm->cpu[0]->cr4 | on));
}

static bool touch(SoftMachine *sm, SoftMMU mmu, uint64_t addr,
                  SoftAccess access)
{
    SoftWalk walk;

    return soft_walk(sm->cpu[0], mmu, addr, access, &walk);
}

typedef struct RightsCase {
    uint64_t pte; /* beside P and the address */
    uint64_t cr4;
    bool no_wp;
    SoftMMU mmu;
    SoftAccess access;
    int error; /* -1: allowed */
} RightsCase;

static void test_rights(void)
{
    static const RightsCase cases[] = {
        { W | U, 0, false, SOFT_MMU_USER, SOFT_ACCESS_READ, -1 },
        { W | U, 0, false, SOFT_MMU_USER, SOFT_ACCESS_WRITE, -1 },
        { W | U, 0, false, SOFT_MMU_USER, SOFT_ACCESS_EXEC, -1 },
        { W, 0, false, SOFT_MMU_USER, SOFT_ACCESS_READ, 5 },
        { W, 0, false, SOFT_MMU_USER, SOFT_ACCESS_WRITE, 7 },
        { W, 0, false, SOFT_MMU_USER, SOFT_ACCESS_EXEC, 0x15 },
        { U, 0, false, SOFT_MMU_USER, SOFT_ACCESS_WRITE, 7 },
        { U, 0, false, SOFT_MMU_KERNEL, SOFT_ACCESS_WRITE, 3 },
        { U, 0, true, SOFT_MMU_KERNEL, SOFT_ACCESS_WRITE, -1 },
        { 0, 0, true, SOFT_MMU_USER, SOFT_ACCESS_WRITE, 7 },
        { W | U | NX, 0, false, SOFT_MMU_USER, SOFT_ACCESS_EXEC, 0x15 },
        { W | NX, 0, false, SOFT_MMU_KERNEL, SOFT_ACCESS_EXEC, 0x11 },
        { W | NX, 0, false, SOFT_MMU_KERNEL, SOFT_ACCESS_READ, -1 },
        { W | U, SOFT_CR4_SMEP, false, SOFT_MMU_KERNEL, SOFT_ACCESS_EXEC,
          0x11 },
        { W | U, SOFT_CR4_SMEP, false, SOFT_MMU_KERNEL, SOFT_ACCESS_READ, -1 },
        { W, SOFT_CR4_SMEP, false, SOFT_MMU_KERNEL, SOFT_ACCESS_EXEC, -1 },
        { W | U, SOFT_CR4_SMAP, false, SOFT_MMU_KERNEL_SMAP, SOFT_ACCESS_READ,
          1 },
        { W | U, SOFT_CR4_SMAP, false, SOFT_MMU_KERNEL_SMAP, SOFT_ACCESS_WRITE,
          3 },
        { W | U, SOFT_CR4_SMAP, false, SOFT_MMU_KERNEL, SOFT_ACCESS_WRITE, -1 },
        { W, SOFT_CR4_SMAP, false, SOFT_MMU_KERNEL_SMAP, SOFT_ACCESS_WRITE,
          -1 },
        { W | U, SOFT_CR4_SMAP, false, SOFT_MMU_KERNEL_SMAP, SOFT_ACCESS_EXEC,
          -1 },
        { W | U | 1ull << 45, 0, false, SOFT_MMU_USER, SOFT_ACCESS_READ, 0xd },
        { W | U | 1ull << 51, 0, false, SOFT_MMU_KERNEL, SOFT_ACCESS_WRITE,
          0xb },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const RightsCase *c = &cases[i];
        g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
        SoftCPU *cpu = sm->cpu[0];

        g_test_message("case %zu", i);
        set_cr4(sm, c->cr4);
        if (c->no_wp) {
            g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 & ~SOFT_CR0_WP));
        }
        set_pte(sm, PTE, ADDR | P | c->pte);
        if (c->error < 0) {
            bool write = c->access == SOFT_ACCESS_WRITE;

            g_assert_true(touch(sm, c->mmu, ADDR, c->access));
            g_assert_cmphex(sm_get64(sm, PTE) & (A | D), ==, write ? A | D : A);
            g_assert_true(sm_get64(sm, SM_PML4) & A);
        } else {
            g_assert_false(touch(sm, c->mmu, ADDR, c->access));
            g_assert_cmphex(cpu->exception.value, ==, ADDR);
            sm_assert_fault(cpu, SOFT_EXC_PF, (uint32_t)c->error);
            g_assert_cmphex(sm_get64(sm, PTE) & (A | D), ==, 0);
        }
    }
}

/* An upper level takes rights away; a missing one is "not present". */
static void test_levels(void)
{
    static const uint64_t levels[] = { SM_PML4, SM_PDPT, SM_PD, PTE };

    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
        SoftCPU *cpu = sm->cpu[0];
        uint64_t old = sm_get64(sm, levels[i]);

        set_pte(sm, levels[i], old & ~P);
        g_assert_false(touch(sm, SOFT_MMU_USER, ADDR, SOFT_ACCESS_WRITE));
        sm_assert_fault(cpu, SOFT_EXC_PF, 6u);
        set_pte(sm, levels[i], old & ~W);
        g_assert_false(touch(sm, SOFT_MMU_USER, ADDR, SOFT_ACCESS_WRITE));
        sm_assert_fault(cpu, SOFT_EXC_PF, 7u);
        set_pte(sm, levels[i], old & ~U);
        g_assert_false(touch(sm, SOFT_MMU_USER, ADDR, SOFT_ACCESS_READ));
        sm_assert_fault(cpu, SOFT_EXC_PF, 5u);
        set_pte(sm, levels[i], old | NX);
        g_assert_false(touch(sm, SOFT_MMU_USER, ADDR, SOFT_ACCESS_EXEC));
        sm_assert_fault(cpu, SOFT_EXC_PF, 0x15u);
        set_pte(sm, levels[i], old);
        g_assert_true(touch(sm, SOFT_MMU_USER, ADDR, SOFT_ACCESS_WRITE));
    }
}

static void test_nx_off(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);

    g_assert_true(
        soft_msr_write(sm->cpu[0], 0xc0000080, SOFT_EFER_LME | SOFT_EFER_SCE));
    set_pte(sm, PTE, ADDR | P | W | NX);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, ADDR, SOFT_ACCESS_READ));
    sm_assert_fault(sm->cpu[0], SOFT_EXC_PF, 9u);
    /* Without NXE the fetch bit is not reported. */
    set_pte(sm, PTE, 0);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, ADDR, SOFT_ACCESS_EXEC));
    sm_assert_fault(sm->cpu[0], SOFT_EXC_PF, 0u);
}

static uint64_t gpa_of(SoftMachine *sm, uint64_t addr)
{
    SoftWalk walk;

    g_assert_true(
        soft_walk(sm->cpu[0], SOFT_MMU_KERNEL, addr, SOFT_ACCESS_READ, &walk));
    return walk.gpa;
}

static void test_large_pages(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    set_pte(sm, SM_PD + 16, 0x600000 | P | W | PS);
    g_assert_cmphex(gpa_of(sm, 0x4abcde), ==, 0x6ab000);
    set_pte(sm, SM_PDPT + 8, P | W | PS);
    g_assert_cmphex(gpa_of(sm, 0x40123456), ==, 0x123000);
    /* Reserved bits of the address, and PS where there is none. */
    set_pte(sm, SM_PD + 16, 0x600000 | 1u << 14 | P | W | PS);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, 0x4abcde, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 9u);
    set_pte(sm, SM_PDPT + 8, 1u << 21 | P | W | PS);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, 0x40000000, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 9u);
    set_pte(sm, SM_PML4, sm_get64(sm, SM_PML4) | PS);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, ADDR, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 9u);
}

static void test_legacy_32(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint32_t pde = (SM_FREE + 0x1000) | 7;
    uint32_t pte = 0x5000 | 5;
    uint32_t big = 0x00c00000 | 1u << 13 | 0x83; /* PSE-36: bit 32 */

    sm_put(sm, SM_FREE, &pde, 4);
    sm_put(sm, SM_FREE + 4, &big, 4);
    sm_put(sm, SM_FREE + 0x1000 + 4 * 3, &pte, 4);
    g_assert_true(soft_write_cr(cpu, 3, SM_FREE));
    g_assert_true(soft_write_cr(cpu, 4, SOFT_CR4_PSE));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 | X86_CR0_PG));
    g_assert_cmphex(gpa_of(sm, 0x3abc), ==, 0x5000);
    g_assert_cmphex(gpa_of(sm, 0x7fffff), ==, 0x100fff000);
    g_assert_true(sm_get32(sm, SM_FREE) & A);
    g_assert_false(touch(sm, SOFT_MMU_USER, 0x3abc, SOFT_ACCESS_WRITE));
    sm_assert_fault(cpu, SOFT_EXC_PF, 7u);
    g_assert_false(touch(sm, SOFT_MMU_USER, 0x4000, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 4u);
    /* Without PSE the bit is ignored: the entry is a table. */
    g_assert_true(soft_write_cr(cpu, 4, 0));
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, 0x400000, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 0u);
}

static void test_pae(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_put64(sm, SM_FREE + 0x20, (SM_FREE + 0x1000) | P);
    sm_put64(sm, SM_FREE + 0x1000, (SM_FREE + 0x2000) | P | W | U);
    sm_put64(sm, SM_FREE + 0x1008, 0x800000 | P | W | PS);
    sm_put64(sm, SM_FREE + 0x2000 + 8 * 7, 0x9000 | P | W | U);
    g_assert_true(soft_write_cr(cpu, 3, SM_FREE + 0x20));
    g_assert_true(soft_write_cr(cpu, 4, SOFT_CR4_PAE));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 | X86_CR0_PG));
    g_assert_cmphex(gpa_of(sm, 0x7123), ==, 0x9000);
    g_assert_cmphex(gpa_of(sm, 0x201234), ==, 0x801000);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, 0x40000000, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 0u);
    /* Entries of the first table are registers: a change shows at the next
     * load of CR3, and reserved bits in them are refused then. */
    sm_put64(sm, SM_FREE + 0x20, (SM_FREE + 0x1000) | P | W);
    soft_tlb_flush(cpu, true);
    g_assert_cmphex(gpa_of(sm, 0x7123), ==, 0x9000);
    g_assert_false(soft_write_cr(cpu, 3, SM_FREE + 0x20));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    /* Bits 52 to 62 are reserved. */
    sm_put64(sm, SM_FREE + 0x2000 + 8 * 7, 0x9000 | P | 1ull << 60);
    g_assert_false(touch(sm, SOFT_MMU_KERNEL, 0x7123, SOFT_ACCESS_READ));
    sm_assert_fault(cpu, SOFT_EXC_PF, 9u);
}

static uint64_t read8(SoftMachine *sm, uint64_t addr)
{
    uint64_t v = 0;

    g_assert_true(soft_ld64(sm->cpu[0], addr, &v));
    return v;
}

/* What a stale TLB may and may not keep. */
static void test_flush(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t global = ADDR + 0x1000;

    sm_put64(sm, SM_DATA, 1);
    sm_put64(sm, SM_DATA + 0x1000, 2);
    set_pte(sm, PTE, SM_DATA | 7);
    set_pte(sm, PTE + 8, SM_DATA | 7 | G);
    g_assert_cmpuint(read8(sm, ADDR), ==, 1);
    g_assert_cmpuint(read8(sm, global), ==, 1);
    sm_put64(sm, PTE, (SM_DATA + 0x1000) | 7);
    sm_put64(sm, PTE + 8, (SM_DATA + 0x1000) | 7 | G);
    g_assert_true(soft_write_cr(cpu, 3, SM_PML4));
    g_assert_cmpuint(read8(sm, ADDR), ==, 2);
    g_assert_cmpuint(read8(sm, global), ==, 1);
    g_assert_true(soft_invlpg(cpu, global + 5));
    g_assert_cmpuint(read8(sm, global), ==, 2);
    /* A page of a large one goes with all of it. */
    set_pte(sm, SM_PD + 16, 0x600000 | P | W | PS);
    sm_put64(sm, 0x600000, 3);
    sm_put64(sm, 0x800000, 4);
    g_assert_cmpuint(read8(sm, 0x400000), ==, 3);
    sm_put64(sm, SM_PD + 16, 0x800000 | P | W | PS);
    g_assert_true(soft_invlpg(cpu, 0x412345));
    g_assert_cmpuint(read8(sm, 0x400000), ==, 4);
}

/* More pages than the TLB has entries, and many flushes by CR3. */
static void test_many(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    const unsigned pages = 3000;

    for (unsigned i = 0; i < 8; i++) {
        set_pte(sm, SM_PD + 8 * i, (uint64_t)i << 21 | P | W | U | PS);
    }
    for (unsigned i = 400; i < pages; i++) {
        sm_put64(sm, i * 4096ull + 8, i);
    }
    for (int round = 0; round < 20; round++) {
        for (unsigned i = 400; i < pages; i++) {
            g_assert_cmpuint(read8(sm, i * 4096ull + 8), ==, i);
        }
        g_assert_true(soft_write_cr(cpu, 3, SM_PML4));
        if (cpu->priv->grow_tlb) {
            soft_tlb_grow(cpu);
        }
    }
    g_assert_cmpuint(cpu->tlb_bits, >, SOFT_TLB_BITS_MIN);
}

static void test_cross_page(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t v;

    set_pte(sm, PTE + 8, 0);
    sm_put64(sm, ADDR + 0xff8, 0x0102030405060708ull);
    /* The fault is at the second page, and nothing was written before it. */
    g_assert_false(soft_st64(cpu, ADDR + 0xffc, 0));
    g_assert_cmphex(cpu->exception.value, ==, ADDR + 0x1000);
    sm_assert_fault(cpu, SOFT_EXC_PF, 2u);
    g_assert_cmphex(sm_get64(sm, ADDR + 0xff8), ==, 0x0102030405060708ull);
    set_pte(sm, PTE + 8, (ADDR + 0x5000) | 7);
    g_assert_true(soft_st64(cpu, ADDR + 0xffc, 0x1122334455667788ull));
    g_assert_cmphex(sm_get32(sm, ADDR + 0xffc), ==, 0x55667788);
    g_assert_cmphex(sm_get32(sm, ADDR + 0x5000), ==, 0x11223344);
    g_assert_true(soft_ld64(cpu, ADDR + 0xffc, &v));
    g_assert_cmphex(v, ==, 0x1122334455667788ull);
    /* Not canonical. */
    g_assert_false(soft_ld64(cpu, 0x800000000000ull, &v));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/mmu/rights", test_rights);
    g_test_add_func("/soft/mmu/levels", test_levels);
    g_test_add_func("/soft/mmu/nx-off", test_nx_off);
    g_test_add_func("/soft/mmu/large", test_large_pages);
    g_test_add_func("/soft/mmu/legacy-32", test_legacy_32);
    g_test_add_func("/soft/mmu/pae", test_pae);
    g_test_add_func("/soft/mmu/flush", test_flush);
    g_test_add_func("/soft/mmu/many", test_many);
    g_test_add_func("/soft/mmu/cross-page", test_cross_page);
    return g_test_run();
}
