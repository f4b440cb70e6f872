/*
 * Code that changes, and string instructions that fault on the way.
 *
 * Source: Intel SDM volume 3A, 8.1.3 and 11.6; volume 1, 7.3.9.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define ALL (PTE_P | PTE_W | PTE_U)

/* -- self-modifying code ----------------------------------------------------- */

/* The instruction behind the store is the one that it changes. */
static uint32_t modify_next(uint32_t value)
{
    uint32_t r;

    __asm__ volatile("movl %1, 1f + 1(%%rip); 1: movl $0x11111111, %%eax"
                     : "=a"(r)
                     : "r"(value)
                     : "memory");
    return r;
}

/* A later one, in the same straight piece. */
static uint32_t modify_later(uint32_t value)
{
    uint32_t r;

    __asm__ volatile("movl %1, 1f + 1(%%rip); xorl %%eax, %%eax; nop; nop;\n"
                     "incl %%eax; decl %%eax; 1: addl $0x11111111, %%eax"
                     : "=a"(r)
                     : "r"(value)
                     : "memory", "cc");
    return r;
}

/* mov $value, %eax; ret at @p */
static void put_function(uint8_t *p, uint32_t value)
{
    p[0] = 0xb8;
    *(uint32_t *)(p + 1) = value;
    p[5] = 0xc3;
}

static uint32_t call(const void *p)
{
    uint32_t (*fn)(void);

    *(const void **)&fn = p;
    return fn();
}

static void test_modified(void)
{
    uint8_t *p;
    bool good = true;

    group("code");
    for (uint32_t i = 0; i < 500; i++) {
        good &= modify_next(i * 0x01010101) == i * 0x01010101;
    }
    ok(good, "a store to the next instruction");
    good = true;
    for (uint32_t i = 0; i < 500; i++) {
        good &= modify_later(i * 0x01010101) == i * 0x01010101;
    }
    ok(good, "a store to a later one");
    map(30, 3, ALL);
    map(31, 4, ALL);
    p = window(31) - 3; /* across two pages */
    good = true;
    for (uint32_t i = 0; i < 500; i++) {
        put_function(p, i);
        good &= call(p) == i;
    }
    ok(good, "a function across two pages, written anew");
    put_function(p, 0x12345678);
    call(p);
    pool[4][0] = 0xff; /* by another address: p[3] */
    ok_eq(call(p), 0x12ff5678 | 0, "changed by another address");
    map(31, 5, ALL);
    pool[5][0] = 0x77;
    pool[5][1] = 0x66;
    pool[5][2] = 0xc3;
    ok_eq(call(p), 0x66775678, "its second page mapped elsewhere");
}

/* -- strings ------------------------------------------------------------------ */

typedef struct String {
    uint64_t rsi, rdi, rcx, rax;
    uint64_t zf;
} String;

static String s;

#define STRING(name, text)                                                     \
    static void name(void *p)                                                  \
    {                                                                          \
        __asm__ volatile(text "; setz %4; cld"                                 \
                         : "+S"(s.rsi), "+D"(s.rdi), "+c"(s.rcx), "+a"(s.rax), \
                           "=m"(s.zf)                                          \
                         :                                                     \
                         : "memory", "cc");                                    \
    }
STRING(movsb, "rep movsb")
STRING(movsb_down, "std; rep movsb")
STRING(stosq, "rep stosq")
STRING(scasb, "repne scasb")
STRING(cmpsb, "repe cmpsb")

static unsigned repairs;

/* A page that is not there is brought in. */
static bool repair(Frame *f)
{
    if (f->vector != PF || repairs > 8) {
        return false;
    }
    repairs++;
    map((unsigned)((read_cr2() - WINDOW) / PAGE), 6 + (repairs & 1), ALL);
    return true;
}

static void fill(void)
{
    for (unsigned i = 0; i < PAGE; i++) {
        pool[3][i] = (uint8_t)(i * 7 + 1);
        pool[5][i] = pool[6][i] = pool[7][i] = 0;
    }
}

static void test_string_faults(void)
{
    group("strings");
    fill();
    map(40, 3, ALL);
    map(41, 5, ALL);
    map(42, 0, 0);
    s = (String){ .rsi = (uint64_t)window(40),
                  .rdi = (uint64_t)window(42) - 50,
                  .rcx = 100 };
    trapped(movsb, NULL);
    expect(PF, 2, "REP MOVSB runs into a missing page");
    ok_eq(trap.f.rcx, 50, "RCX tells what is left");
    ok_eq(trap.f.rsi, (uint64_t)window(40) + 50, "RSI");
    ok_eq(trap.f.rdi, (uint64_t)window(42), "RDI");
    ok_eq(pool[5][PAGE - 1], (uint8_t)(49 * 7 + 1), "what came before is done");

    fill();
    repairs = 0;
    trap_hook = repair;
    s = (String){ .rsi = (uint64_t)window(40),
                  .rdi = (uint64_t)window(42) - 50,
                  .rcx = 100 };
    trapped(movsb, NULL);
    trap_hook = NULL;
    expect(NONE, 0, "the handler maps the page and it goes on");
    ok_eq(repairs, 1, "after one fault");
    ok_eq(s.rcx, 0, "to the end");
    ok_eq(pool[7][49], (uint8_t)(99 * 7 + 1), "with the right bytes");

    fill();
    map(42, 0, 0);
    s = (String){ .rdi = (uint64_t)window(42) - 20, .rcx = 4, .rax = ~0ull };
    trapped(stosq, NULL);
    expect(PF, 2, "REP STOSQ across the page's end");
    ok_eq(trap.f.rcx, 2, "its RCX");
    ok_eq(trap.f.rdi, (uint64_t)window(42) - 4, "its RDI");
    ok_eq(pool[5][PAGE - 4], 0, "nothing of the one that faults");

    map(39, 0, 0);
    s = (String){ .rsi = (uint64_t)window(40) + 9,
                  .rcx = 20,
                  .rdi = (uint64_t)window(41) + 500 };
    trapped(movsb_down, NULL);
    expect(PF, 0, "downwards into a missing page");
    ok_eq(trap.f.rcx, 10, "its RCX");
    ok(trap.f.rflags & FL_DF, "DF in the frame");
    __asm__ volatile("cld");
}

static void test_string_results(void)
{
    fill();
    map(42, 7, ALL);
    s = (String){ .rdi = (uint64_t)window(40),
                  .rcx = 4096,
                  .rax = (uint8_t)(100 * 7 + 1) };
    trapped(scasb, NULL);
    ok_eq(s.rdi, (uint64_t)window(40) + 101, "REPNE SCASB finds");
    ok_eq(s.zf & 1, 1, "ZF");
    for (unsigned i = 0; i < 64; i++) {
        pool[5][i] = pool[3][i];
    }
    s = (String){ .rsi = (uint64_t)window(40),
                  .rdi = (uint64_t)window(41),
                  .rcx = 100 };
    trapped(cmpsb, NULL);
    ok_eq(s.rcx, 35, "REPE CMPSB stops behind the difference");
    ok_eq(s.zf & 1, 0, "ZF is clear");
    s.rcx = 0;
    s.rdi = 0x1234;
    trapped(movsb, NULL);
    ok_eq(s.rdi, 0x1234, "REP with RCX = 0 does nothing");
}

void test_strings(void)
{
    test_string_faults();
    test_string_results();
}

void test_code(void)
{
    test_modified();
}
