/*
 * The 64-bit program: traps, page tables, user code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_SOFT_CPUTEST64_H
#define TESTS_SOFT_CPUTEST64_H

#include "cputest.h"

/* Selectors, in the order that SYSRET and SYSEXIT want. */
enum {
    SEL_CODE64 = 0x08,
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18,
    SEL_USER32 = 0x23,
    SEL_USER_DATA = 0x2b,
    SEL_USER64 = 0x33,
    SEL_TSS = 0x38, /* 16 bytes */
    SEL_FREE = 0x48,
    GDT_ENTRIES = 32,
};

typedef struct Frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
} Frame;

/* The last exception that ended a piece of code. */
typedef struct Trap {
    Frame f;
    uint64_t vector; /* NONE: there was none */
    uint64_t error;
    uint64_t cr2;
    uint64_t handler_rsp; /* where the frame was */
    uint64_t handler_rflags;
} Trap;

extern Trap trap;

/* trap64.S, trap64.c */

/** trapped: call @fn(@arg); false if it returned. What happened is in trap. */
bool trapped(void (*fn)(void *), void *arg);

/** trap_hook: called first for each exception; true: go on with the frame. */
extern bool (*volatile trap_hook)(Frame *f);

/** run_user: call @code (in supervisor's address) at CPL 3 with RDI = @arg; it
 *  ends by any exception, INT 80h if all went well. */
void run_user(const void *code, uint64_t arg);
/** user_flags: RFLAGS of run_user(). */
extern uint64_t user_flags;
/** user_alias: the address at which user code sees @p. */
uint64_t user_alias(const void *p);

/** expect: did it end by @vector with @error? */
void expect(uint64_t vector, uint64_t error, const char *name);

extern uint64_t gdt[GDT_ENTRIES];
extern uint8_t ist_stack[2 * PAGE];
extern uint8_t rsp0_stack[2 * PAGE];

enum {
    GATE_INTERRUPT = 14,
    GATE_TRAP = 15
};
void set_gate(unsigned vector, uint64_t handler, unsigned type, unsigned dpl,
              unsigned ist, bool present);
/** reset_gate: as at the start. */
void reset_gate(unsigned vector);
void traps_init(void);
void load_tables(void);

/* -- a window of 4 KiB pages ------------------------------------------------ */

#define WINDOW       0x40000000ull
#define WINDOW_PAGES 512
#define LARGE_WINDOW 0x50000000ull /* one 2 MiB page, by window_pd */
#define PTE_P        1ull
#define PTE_W        2ull
#define PTE_U        4ull
#define PTE_A        0x20ull
#define PTE_D        0x40ull
#define PTE_PS       0x80ull
#define PTE_G        0x100ull
#define PTE_NX       (1ull << 63)
#define PTE_RSVD     (1ull << 51)

extern uint64_t pml4[512], pdpt[512];
extern uint64_t window_pd[512], window_pt[512];
/** window: address of its page @i. */
static inline uint8_t *window(unsigned i)
{
    return (uint8_t *)(WINDOW + i * (uint64_t)PAGE);
}
/** map: page @i leads to page @n of @pool. */
void map(unsigned i, unsigned n, uint64_t flags);
extern uint8_t pool[16][PAGE];
bool has_smep(void), has_smap(void);

/* -- the tests -------------------------------------------------------------- */

void test_paging(void);
void test_segments(void);
void test_exceptions(void);
void test_debug(void);
void test_fast_calls(void);
void test_strings(void);
void test_code(void);
void test_smp(void);

#endif
