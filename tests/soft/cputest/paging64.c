/*
 * Paging: accessed and dirty bits, faults and their error codes, NX, WP, SMEP,
 * SMAP, large pages, and what a TLB may and may not keep.
 *
 * Source: Intel SDM volume 3A, chapter 4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define CR0_WP   (1ul << 16)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)
#define ALL      (PTE_P | PTE_W | PTE_U)

extern const uint8_t user_read[], user_write[], user_call[], user_rmw[];

static void do_read(void *p)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(p) : "rax");
}

static void do_write(void *p)
{
    __asm__ volatile("movb $1, (%0)" : : "r"(p) : "memory");
}

static void do_rmw(void *p)
{
    __asm__ volatile("lock incl (%0)" : : "r"(p) : "memory", "cc");
}

static void do_write8(void *p)
{
    __asm__ volatile("movq $-1, (%0)" : : "r"(p) : "memory");
}

static void do_call(void *p)
{
    __asm__ volatile("call *%0" : : "r"(p) : "memory", "rax");
}

static void test_accessed(void)
{
    group("paging");
    map(0, 0, ALL);
    window_pd[0] &= ~PTE_A;
    pdpt[1] &= ~PTE_A;
    write_cr3(read_cr3());
    trapped(do_read, window(0));
    expect(NONE, 0, "read of a mapped page");
    ok_eq(window_pt[0] & (PTE_A | PTE_D), PTE_A, "a read sets A only");
    ok(window_pd[0] & PTE_A, "A of the page directory's entry");
    ok(pdpt[1] & PTE_A, "A of the directory pointer");
    trapped(do_write, window(0));
    ok_eq(window_pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D, "a write sets D");
    map(0, 0, ALL);
    trapped(do_rmw, window(0));
    ok_eq(window_pt[0] & PTE_D, PTE_D, "a locked increment sets D");
    map(0, 0, ALL);
    trapped(do_read, window(0));
    trapped(do_write, window(0));
    ok_eq(window_pt[0] & PTE_D, PTE_D, "a write after a read sets D");
}

static void test_faults(void)
{
    map(1, 0, 0);
    trapped(do_read, window(1) + 5);
    expect(PF, 0, "read, not present");
    ok_eq(trap.cr2, (uint64_t)window(1) + 5, "CR2");
    trapped(do_write, window(1));
    expect(PF, 2, "write, not present");
    trapped(do_call, window(1));
    expect(PF, 0x10, "fetch, not present");
    run_user(user_read, (uint64_t)window(1));
    expect(PF, 4, "user's read, not present");
    run_user(user_write, (uint64_t)window(1));
    expect(PF, 6, "user's write, not present");

    map(1, 0, PTE_P | PTE_W);
    run_user(user_read, (uint64_t)window(1));
    expect(PF, 5, "user's read of the supervisor's page");
    run_user(user_write, (uint64_t)window(1));
    expect(PF, 7, "user's write to the supervisor's page");
    run_user(user_call, (uint64_t)window(1));
    expect(PF, 0x15, "user's fetch of the supervisor's page");
    ok(!(window_pt[1] & PTE_D), "what faults does not set D");

    map(1, 0, PTE_P | PTE_U);
    run_user(user_read, (uint64_t)window(1));
    expect(VECTOR_BACK, 0, "user's read of a read-only page");
    run_user(user_write, (uint64_t)window(1));
    expect(PF, 7, "user's write to a read-only page");
    run_user(user_rmw, (uint64_t)window(1));
    expect(PF, 7, "user's increment on a read-only page");
    trapped(do_write, window(1));
    expect(PF, 3, "write to a read-only page with CR0.WP");
    write_cr0(read_cr0() & ~CR0_WP);
    trapped(do_write, window(1));
    expect(NONE, 0, "the same without CR0.WP");
    ok(window_pt[1] & PTE_D, "it sets D");
    run_user(user_write, (uint64_t)window(1));
    expect(PF, 7, "users cannot, whatever CR0.WP says");
    write_cr0(read_cr0() | CR0_WP);
    trapped(do_write, window(1));
    expect(PF, 3, "CR0.WP is back");

    map(1, 0, PTE_P | PTE_W | PTE_RSVD);
    trapped(do_read, window(1));
    expect(PF, 9, "reserved bit");
    pdpt[1] &= ~PTE_U;
    map(1, 0, ALL);
    write_cr3(read_cr3());
    run_user(user_read, (uint64_t)window(1));
    expect(PF, 5, "an upper level is the supervisor's");
    pdpt[1] |= PTE_U;
    write_cr3(read_cr3());
}

static void test_execute(void)
{
    pool[2][0] = 0xc3; /* RET */
    map(2, 2, ALL);
    trapped(do_call, window(2));
    expect(NONE, 0, "code in a page of the user's");
    map(2, 2, ALL | PTE_NX);
    trapped(do_call, window(2));
    expect(PF, 0x11, "NX");
    run_user(user_call, (uint64_t)window(2));
    expect(PF, 0x15, "NX for users");
    trapped(do_read, window(2));
    expect(NONE, 0, "NX pages can be read");
    map(2, 2, ALL);
    if (has_smep()) {
        write_cr4(read_cr4() | CR4_SMEP);
        trapped(do_call, window(2));
        expect(PF, 0x11, "SMEP");
        run_user(user_call, (uint64_t)window(2));
        expect(VECTOR_BACK, 0, "SMEP leaves users alone");
        write_cr4(read_cr4() & ~CR4_SMEP);
        trapped(do_call, window(2));
        expect(NONE, 0, "without SMEP again");
    } else {
        skip("SMEP", "not there");
    }
}

static void read_with_ac(void *p)
{
    __asm__ volatile("stac; movb (%0), %%al; clac" : : "r"(p) : "rax", "cc");
}

static void read_after_clac(void *p)
{
    __asm__ volatile("stac; movb (%0), %%al; clac; movb (%0), %%al"
                     :
                     : "r"(p)
                     : "rax", "cc");
}

static void test_smap(void)
{
    map(3, 3, ALL);
    if (!has_smap()) {
        skip("SMAP", "not there");
        return;
    }
    write_cr4(read_cr4() | CR4_SMAP);
    trapped(do_read, window(3));
    expect(PF, 1, "SMAP: read");
    trapped(do_write, window(3));
    expect(PF, 3, "SMAP: write");
    trapped(read_with_ac, window(3));
    expect(NONE, 0, "SMAP: read after STAC");
    trapped(read_after_clac, window(3));
    expect(PF, 1, "SMAP: read after CLAC");
    run_user(user_read, (uint64_t)window(3));
    expect(VECTOR_BACK, 0, "SMAP: user");
    write_cr4(read_cr4() & ~CR4_SMAP);
    trapped(do_read, window(3));
    expect(NONE, 0, "without SMAP again");
}

static void test_crossing(void)
{
    map(4, 4, ALL);
    map(5, 5, 0);
    *(uint32_t *)(pool[4] + PAGE - 4) = 0x11223344;
    trapped(do_write8, window(5) - 4);
    expect(PF, 2, "write across pages, the second not present");
    ok_eq(trap.cr2, (uint64_t)window(5), "CR2 is the second page");
    ok_eq(*(uint32_t *)(pool[4] + PAGE - 4), 0x11223344,
          "nothing was written to the first");
    map(5, 5, ALL);
    trapped(do_write8, window(5) - 4);
    ok_eq(*(uint32_t *)(pool[4] + PAGE - 4), 0xffffffff, "first half");
    ok_eq(*(uint32_t *)pool[5], 0xffffffff, "second half");
}

static void test_tlb(void)
{
    volatile uint32_t *p = (volatile uint32_t *)window(6);

    *(uint32_t *)pool[6] = 6;
    *(uint32_t *)pool[7] = 7;
    map(6, 6, ALL);
    ok_eq(*p, 6, "first translation");
    map(6, 7, ALL);
    ok_eq(*p, 7, "after INVLPG");
    window_pt[6] = (uint64_t)pool[6] | ALL;
    write_cr3(read_cr3());
    ok_eq(*p, 6, "after a load of CR3");
    window_pt[6] = (uint64_t)pool[7] | ALL | PTE_G;
    write_cr3(read_cr3());
    write_cr4(read_cr4() | 0x80);
    ok_eq(*p, 7, "a global page");
    window_pt[6] = (uint64_t)pool[6] | ALL | PTE_G;
    write_cr4(read_cr4() & ~0x80ul);
    ok_eq(*p, 6, "a change of CR4.PGE drops it");
}

static void test_large(void)
{
    volatile uint64_t *p = (volatile uint64_t *)LARGE_WINDOW;
    unsigned i = LARGE_WINDOW >> 21 & 511;
    uint64_t base = (uint64_t)pool & ~0x1fffffull;
    uint64_t offset = (uint64_t)pool[8] - base;

    *(uint64_t *)pool[8] = 0x8888;
    window_pd[i] = base | ALL | PTE_PS;
    invlpg((void *)p);
    ok_eq(p[offset / 8], 0x8888, "read by a 2 MiB page");
    ok_eq(window_pd[i] & (PTE_A | PTE_D), PTE_A, "A of a 2 MiB page");
    p[offset / 8] = 0x9999;
    ok_eq(*(volatile uint64_t *)pool[8], 0x9999, "write by a 2 MiB page");
    ok_eq(window_pd[i] & (PTE_A | PTE_D), PTE_A | PTE_D, "its D");
    ok_eq(p[(offset + PAGE) / 8], *(uint64_t *)pool[9], "another part of it");
    window_pd[i] = 0;
    invlpg((uint8_t *)p + 12345);
    trapped(do_read, (uint8_t *)p + offset);
    expect(PF, 0, "INVLPG anywhere in it drops all: here");
    trapped(do_read, (uint8_t *)p + offset + PAGE);
    expect(PF, 0, "INVLPG anywhere in it drops all: there");
    window_pd[i] = base | ALL | PTE_PS | 1ull << 14;
    trapped(do_read, (uint8_t *)p + offset);
    expect(PF, 9, "reserved address bit of a 2 MiB page");
    window_pd[i] = 0;
    invlpg((void *)p);
}

static void stack_noncanonical(void *p)
{
    __asm__ volatile("xchg %0, %%rbp; movb (%%rbp), %%al; xchg %0, %%rbp"
                     : "+r"(p)
                     :
                     : "rax");
}

static void test_canonical(void)
{
    void *bad = (void *)(1ull << 47);

    trapped(do_read, bad);
    expect(GP, 0, "address that is not canonical");
    trapped(stack_noncanonical, bad);
    expect(SS, 0, "the same by the stack segment");
    trapped(do_write8, (uint8_t *)bad - 4);
    ok(trap.vector == GP || trap.vector == PF, "across the hole's edge");
    trapped(do_call, bad);
    expect(GP, 0, "call to where it is not canonical");
}

void test_paging(void)
{
    test_accessed();
    test_faults();
    test_execute();
    test_smap();
    test_crossing();
    test_tlb();
    test_large();
    test_canonical();
}
