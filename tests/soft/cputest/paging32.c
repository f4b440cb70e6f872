/*
 * The two older kinds of paging: 32-bit entries, with 4 MiB pages, and PAE.
 *
 * Source: Intel SDM volume 3A, 4.3 and 4.4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest32.h"

#define CR0_PG  0x80000000u
#define CR0_WP  0x10000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define WINDOW  0x40000000u
#define P       1u
#define W       2u
#define U       4u
#define A       0x20u
#define D       0x40u
#define PS      0x80u

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t table[1024] __attribute__((aligned(4096)));
static uint64_t pdpt[4] __attribute__((aligned(32)));
static uint64_t pae_directory[2][512] __attribute__((aligned(4096)));
static uint64_t pae_table[512] __attribute__((aligned(4096)));
static uint8_t page[2][PAGE] __attribute__((aligned(4096)));

extern const uint8_t u_nothing[];

static void read4(void *p)
{
    __asm__ volatile("movl (%0), %%eax" : : "r"(p) : "eax");
}

static void write4(void *p)
{
    __asm__ volatile("movl $1, (%0)" : : "r"(p) : "memory");
}

static uint8_t *at(unsigned i)
{
    return (uint8_t *)(WINDOW + i * PAGE);
}

static void test_32bit(void)
{
    group("32-bit paging");
    for (unsigned i = 0; i < 64; i++) {
        directory[i] = i << 22 | P | W | U | PS;
    }
    directory[WINDOW >> 22] = (uint32_t)table | P | W | U;
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3((uint32_t)directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
    ok(true, "on, with 4 MiB pages");
    table[0] = (uint32_t)page[0] | P | W | U;
    trapped(read4, at(0));
    expect(NONE, 0, "a read");
    ok_eq(table[0] & (A | D), A, "sets A");
    trapped(write4, at(0));
    ok_eq(table[0] & (A | D), A | D, "a write sets D");
    ok_eq(*(uint32_t *)page[0], 1, "where it should");
    trapped(write4, at(1));
    expect(PF, 2, "write, not present");
    ok_eq(trap.cr2, WINDOW + PAGE, "CR2");
    table[1] = (uint32_t)page[1] | P;
    trapped(write4, at(1));
    expect(PF, 3, "write, read-only");
    write_cr0(read_cr0() & ~(unsigned long)CR0_WP);
    trapped(write4, at(1));
    expect(NONE, 0, "the same without CR0.WP");
    directory[1] &= ~(A | D);
    write_cr3(read_cr3());
    trapped(read4, (void *)0x400010);
    ok_eq(directory[1] & (A | D), A, "A of a 4 MiB page");
    run_user(u_nothing, 0);
    expect(VECTOR_BACK, 0, "user code in a 4 MiB page");
    directory[0] &= ~U;
    write_cr3(read_cr3());
    run_user(u_nothing, 0);
    expect(PF, 5, "user code in the supervisor's page");
    directory[0] |= U;
    write_cr0(read_cr0() & ~(unsigned long)CR0_PG);
    ok(true, "off");
}

static void bad_pdpte(void *p)
{
    write_cr3((uint32_t)pdpt);
}

static void test_pae(void)
{
    group("PAE paging");
    for (unsigned i = 0; i < 64; i++) {
        pae_directory[0][i] = (uint64_t)i << 21 | P | W | U | PS;
    }
    pae_directory[1][0] = (uint32_t)pae_table | P | W | U;
    pdpt[0] = (uint32_t)pae_directory[0] | P;
    pdpt[1] = (uint32_t)pae_directory[1] | P;
    write_cr4(read_cr4() | CR4_PAE);
    write_cr3((uint32_t)pdpt);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
    ok(true, "on, with 2 MiB pages");
    pae_table[0] = (uint32_t)page[0] | P | W;
    trapped(write4, at(0));
    expect(NONE, 0, "a write");
    ok_eq(pae_table[0] & (A | D), A | D, "sets A and D");
    trapped(read4, at(1));
    expect(PF, 0, "read, not present");
    pae_table[1] = (uint32_t)page[1] | P | 1ull << 62;
    trapped(read4, at(1));
    expect(PF, 9, "reserved bit");
    pdpt[1] = 0;
    trapped(read4, at(0));
    expect(NONE, 0, "the pointers are kept until CR3 is loaded");
    write_cr3(read_cr3());
    trapped(read4, at(0));
    expect(PF, 0, "then they count");
    pdpt[1] = (uint32_t)pae_directory[1] | P | W;
    trapped(bad_pdpte, NULL);
    expect(GP, 0, "a pointer with reserved bits");
    pdpt[1] = 0;
    write_cr0(read_cr0() & ~(unsigned long)CR0_PG);
    write_cr4(read_cr4() & ~(unsigned long)CR4_PAE);
    ok(true, "off");
}

void test_paging(void)
{
    test_32bit();
    test_pae();
}
