/*
 * Tests of accel/soft/interp*.c in 16- and 32-bit code, and of what the
 * differential test (tests/soft/) cannot see: blocks, self-modifying code,
 * limits, interrupted strings. The BCD instructions are compared with the
 * host's CPU, for every input.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "accel/soft/interp.h"

#include "soft-guest.h"

enum {
    AX,
    CX,
    DX,
    BX,
    SP,
    BP,
    SI,
    DI
};

typedef struct RegValue {
    int reg; /* -1: flags under @mask */
    uint64_t value;
    uint32_t mask;
} RegValue;

typedef struct MemValue {
    uint32_t gpa;
    const char *hex;
} MemValue;

#define FLAGS(on, m)                                                           \
    {                                                                          \
        -1, (on), (m)                                                          \
    }
#define REGS_MAX 6
#define MEMS_MAX 3

/* One run from soft_guest_mode() to HLT. */
typedef struct Case {
    const char *name;
    unsigned bits;
    const char *code;
    MemValue before[MEMS_MAX];
    RegValue reg_before[REGS_MAX];
    RegValue reg[REGS_MAX];
    MemValue after[MEMS_MAX];
} Case;

#define ZF SOFT_EFL_ZF
#define CF SOFT_EFL_CF

static const Case cases[] = {
    { "pusha", 32,
      /* load all registers; pusha; look at edi and esp on the stack */
      "b811111111b922222222ba33333333bb44444444bc00700000bd55555555"
      "be66666666bf777777776031c031ed8b1c248b4c240c6061f4",
      .reg = { { BX, 0x77777777 },
               { CX, 0x7000 },
               { SP, 0x6fe0 },
               { DX, 0x33333333 } } },
    { "popa", 32, "60b809000000bf09000000bd0900000061f4",
      .reg_before = { { AX, 1 }, { DI, 2 }, { BP, 3 } },
      .reg = { { AX, 1 }, { DI, 2 }, { BP, 3 }, { SP, 0x7000 } } },
    { "enter", 32,
      "bc00700000bdf06f0000c745fccdab0000c81000028b44240889e189eac9f4",
      .reg = { { AX, 0xabcd },
               { CX, 0x6fe4 },
               { DX, 0x6ffc },
               { SP, 0x7000 },
               { BP, 0x6ff0 } },
      .after = { { 0x6ff4, "fc6f0000cdab0000f06f0000" } } },
    { "movs-backwards", 32, "fdbe06900000bf06910000b90400000066f3a5fcf4",
      .before = { { 0x9000, "0102030405060708" } },
      .reg = { { SI, 0x8ffe }, { DI, 0x90fe }, { CX, 0 } },
      .after = { { 0x9100, "0102030405060708" } } },
    { "movs-overlap", 32,
      "c7050090000061626364be00900000bf01900000b907000000f3a4f4",
      .after = { { 0x9000, "6161616161616161" } } },
    { "scas", 32, "bf00900000b964000000b063f2aef4",
      .before = { { 0x9000, "61626364" } },
      .reg = { { DI, 0x9003 }, { CX, 97 }, FLAGS(ZF, ZF | CF) } },
    { "cmps", 32, "be00900000bf00910000b908000000f3a6f4",
      .before = { { 0x9000, "0102030405060708" }, { 0x9100, "010203ff" } },
      .reg = { { SI, 0x9004 },
               { DI, 0x9104 },
               { CX, 4 },
               FLAGS(CF, ZF | CF) } },
    { "stos-two-pages", 32, "bfff9f0000b988130000b0a5f3aaf4",
      .before = { { 0x9ffe, "11" }, { 0xb387, "22" } },
      .reg = { { DI, 0xb387 }, { CX, 0 } },
      .after = { { 0x9ffe, "11a5a5" }, { 0xb384, "a5a5a522" } } },
    { "self-modifying", 32, "c6050880000007b001f4", .reg = { { AX, 7 } } },
    { "loop", 32, "b90500000031c083c003e2fbf4",
      .reg = { { AX, 15 }, { CX, 0 } } },
    { "bit-string", 32,
      "bb10900000b9f7ffffff0fab0b0f92c00fb30b0f92c4f00fba3b"
      "21f4",
      .before = { { 0x900c, "0000000000" } }, .reg = { { AX, 0x100 } },
      .after = { { 0x900c, "0000000002" } } },
    { "cmpxchg8b", 32,
      "bb0090000089dec70601000000c7460402000000b801000000ba02000000bb03000000"
      "b904000000f00fc70e0f94c1f00fc70ef4",
      .reg = { { AX, 3 }, { DX, 4 }, { CX, 1 }, FLAGS(0, ZF) },
      .after = { { 0x9000, "0300000004000000" } } },
    { "xadd", 32,
      "c705009000000a000000b805000000f00fc105009000008b0d00900000870d04900000"
      "f4",
      .before = { { 0x9004, "44332211" } },
      .reg = { { AX, 10 }, { CX, 0x11223344 } },
      .after = { { 0x9000, "0f0000000f000000" } } },
    { "far-call", 16, "9a00740001b93412f4",
      .before = { { 0x8400, "b87856cb" } },
      .reg = { { AX, 0x5678 }, { CX, 0x1234 }, { SP, 0x7000 } } },
    { "stack-wrap", 16, "31e4b8efbe506a555b89e1f4",
      .reg = { { BX, 0x55 }, { CX, 0xfffe } },
      .after = { { 0xfffe, "efbe" } } },
    { "les", 16, "c70600902000c70602900009c43e009026c70542428cc0f4",
      .reg = { { DI, 0x20 }, { AX, 0x900 } }, .after = { { 0x9020, "4242" } } },
    { "address-size", 16,
      "66bb0090000066b90200000067c7048b1111a1089067e303ba0100f4",
      .reg = { { AX, 0x1111 }, { DX, 1 } } },
    { "loop-size", 16, "66b90200010031c040e2fd66b9020000004367e2fcf4",
      .reg = { { AX, 2 }, { BX, 2 }, { CX, 0 } } },
    { "xlat", 16, "bb0090b003c606039077d7f4", .reg = { { AX, 0x77 } } },
    { "pop-memory", 64,
      "bc0070000048b8f0debc9a78563412506668111166598f442408488b542408f4",
      .reg = { { CX, 0x1111 }, { DX, 0x123456789abcdef0 }, { SP, 0x7000 } } },
    { "mulx-idiv", 64,
      "48c7c2fdffffffb905000000c4e2fbf6d9b864000000489948c7c1f9ffffff48f7f9"
      "f4",
      .reg = { { BX, 4 }, { AX, (uint64_t)-14 }, { DX, 2 } } },
    { "call-ret", 64, "bc0070000031c0e80400000083c001f483c010c3",
      .reg = { { AX, 17 }, { SP, 0x7000 } } },
    { "movbe", 64,
      "bb0090000048b80807060504030201480f38f103488b0b660f38f0130fc8f4",
      .reg = { { AX, 0x08070605 },
               { CX, 0x0807060504030201 },
               { DX, 0x0102 } } },
    { "bmi", 64,
      "b878563412b9f0ff00ffc4e27af5d1c4e26bf5d9c4e270f5f0c4e270f2f8f4",
      .reg = { { DX, 0x12567 },
               { BX, 0x12005670 },
               { SI, 0x12345678 },
               { DI, 0x00340008 } } },
};

static bool unused(const RegValue *r)
{
    return r->reg == 0 && r->value == 0 && r->mask == 0;
}

static void check_memory(SoftGuest *g, const MemValue *m)
{
    for (unsigned i = 0; m->hex != NULL && m->hex[2 * i]; i++) {
        char byte[3] = { m->hex[2 * i], m->hex[2 * i + 1], 0 };

        g_assert_cmphex(g->ram[m->gpa + i], ==, strtoul(byte, NULL, 16));
    }
}

static void run_case(SoftGuest *g, const Case *c, bool one)
{
    soft_guest_mode(g, c->bits);
    for (unsigned i = 0; i < MEMS_MAX && c->before[i].hex; i++) {
        soft_guest_put(g, c->before[i].gpa, c->before[i].hex);
    }
    for (unsigned i = 0; i < REGS_MAX && !unused(&c->reg_before[i]); i++) {
        g->cpu->gpr[c->reg_before[i].reg] = c->reg_before[i].value;
    }
    soft_guest_put(g, SOFT_GUEST_CODE, c->code);
    g_assert_true(soft_guest_run(g, one));
    for (unsigned i = 0; i < REGS_MAX && !unused(&c->reg[i]); i++) {
        const RegValue *r = &c->reg[i];

        if (r->reg < 0) {
            g_assert_cmphex(g->cpu->eflags & r->mask, ==, r->value);
        } else {
            g_assert_cmphex(g->cpu->gpr[r->reg], ==, r->value);
        }
    }
    for (unsigned i = 0; i < MEMS_MAX; i++) {
        check_memory(g, &c->after[i]);
    }
}

static void test_cases(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].name);
        run_case(g, &cases[i], true);
        run_case(g, &cases[i], false);
    }
}

/* -- exceptions ------------------------------------------------------------ */

static void test_faults(void)
{
    static const struct {
        const char *name;
        unsigned bits;
        const char *code;
        unsigned vector;
        uint64_t rip;
    } faults[] = {
        { "div by 0", 32, "31d231c9f7f1", SOFT_EXC_DE, 0x8004 },
        { "idiv overflow", 32, "b80000008099b9fffffffff7f9", SOFT_EXC_DE,
          0x800b },
        { "aam 0", 32, "d400", SOFT_EXC_DE, 0x8000 },
        { "bound", 32, "b806000000620500900000", SOFT_EXC_BR, 0x8005 },
        { "push at 1", 16, "bc010050", SOFT_EXC_SS, 0x8003 },
        { "word at ffff", 16, "bbffff8b07", SOFT_EXC_GP, 0x8003 },
        { "lock nop", 32, "f090", SOFT_EXC_UD, 0x8000 },
        { "vex in real mode", 16, "c5f858c1", SOFT_EXC_UD, 0x8000 },
        { "too long", 32, "66666666666666666666666666666690", SOFT_EXC_GP,
          0x8000 },
        { "jump over the limit", 16, "66e900000100", SOFT_EXC_GP, 0x8000 },
        { "not canonical", 64, "48b8000000000000018048ff2000", SOFT_EXC_GP,
          0x800a },
    };
    g_autoptr(SoftGuest) g = soft_guest_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        for (unsigned one = 0; one < 2; one++) {
            g_test_message("%s", faults[i].name);
            soft_guest_mode(g, faults[i].bits);
            soft_guest_put(g, 0x9000, "0100000005000000");
            soft_guest_put(g, SOFT_GUEST_CODE, faults[i].code);
            g_assert_false(soft_guest_run(g, one));
            g_assert_true(g->cpu->exception.pending);
            g_assert_cmpuint(g->cpu->exception.vector, ==, faults[i].vector);
            g_assert_cmphex(g->cpu->rip, ==, faults[i].rip);
            g->cpu->exception.pending = false;
        }
    }
}

/* An instruction that crosses the end of the segment: #GP before its execution,
 * also in the middle of a block. */
static void test_fetch_limit(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    for (unsigned one = 0; one < 2; one++) {
        soft_guest_mode(g, 16);
        soft_guest_put(g, 0xfffd, "404089d8f4");
        g->cpu->rip = 0xfffd;
        g_assert_false(soft_guest_run(g, one));
        g_assert_cmpuint(g->cpu->exception.vector, ==, SOFT_EXC_GP);
        g_assert_cmphex(g->cpu->rip, ==, 0xffff);
        g_assert_cmpuint(g->cpu->gpr[AX], ==, 2);
        g->cpu->exception.pending = false;
    }
}

/* -- blocks ---------------------------------------------------------------- */

static void test_code_written(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    soft_guest_mode(g, 32);
    soft_guest_put(g, SOFT_GUEST_CODE, "b801000000f4");
    g_assert_true(soft_guest_run(g, false));
    g_assert_cmpuint(g->cpu->gpr[AX], ==, 1);
    /* by DMA */
    soft_guest_put(g, SOFT_GUEST_CODE + 1, "02");
    g->cpu->rip = SOFT_GUEST_CODE;
    g_assert_true(soft_guest_run(g, false));
    g_assert_cmpuint(g->cpu->gpr[AX], ==, 2);
    /* by the guest, from another page */
    soft_guest_put(g, 0x9000, "c6050180000003e9f4efffff");
    g->cpu->rip = 0x9000;
    g_assert_true(soft_guest_run(g, false));
    g_assert_cmpuint(g->cpu->gpr[AX], ==, 3);
}

/* An instruction over two pages is in no block; a change of either half is
 * seen. */
static void test_page_crossing(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    soft_guest_mode(g, 32);
    soft_guest_put(g, 0x8ffd, "40b801000000f4");
    for (unsigned i = 2; i < 5; i++) {
        char hex[3];

        g->cpu->rip = 0x8ffd;
        snprintf(hex, sizeof(hex), "%02x", i);
        soft_guest_put(g, 0x8fff, hex);
        g_assert_true(soft_guest_run(g, false));
        g_assert_cmpuint(g->cpu->gpr[AX], ==, i);
        g_assert_cmphex(g->cpu->rip, ==, 0x9004);
    }
}

/* The same bytes in two modes are two blocks. */
static void test_block_mode(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    /* 16: mov ax, 1; add [bx+si], al ...; 32: mov eax, 0xf40001 */
    soft_guest_mode(g, 16);
    soft_guest_put(g, SOFT_GUEST_CODE, "b80100f400f4");
    g_assert_true(soft_guest_run(g, false));
    g_assert_cmphex(g->cpu->gpr[AX], ==, 1);
    soft_guest_mode(g, 32);
    g_assert_true(soft_guest_run(g, false));
    g_assert_cmphex(g->cpu->gpr[AX], ==, 0xf40001);
}

/* A repeated string gives way to a pending event and goes on later. */
static void test_string_interrupted(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();
    SoftCPU *cpu = g->cpu;
    unsigned parts = 0;

    soft_guest_mode(g, 32);
    soft_guest_put(g, SOFT_GUEST_CODE, "f3aaf4");
    cpu->gpr[AX] = 0x77;
    cpu->gpr[DI] = 0x9800;
    cpu->gpr[CX] = 0x2000;
    while (cpu->rip == SOFT_GUEST_CODE) {
        soft_exit_request(cpu, SOFT_EXIT_KICK);
        g_assert_true(soft_interp_one(cpu));
        g_assert_cmphex(cpu->gpr[DI] + cpu->gpr[CX], ==, 0xb800);
        parts++;
    }
    g_assert_cmpuint(parts, >, 2);
    g_assert_cmphex(cpu->gpr[CX], ==, 0);
    for (unsigned i = 0x9800; i < 0xb800; i++) {
        g_assert_cmphex(g->ram[i], ==, 0x77);
    }
    g_assert_cmphex(g->ram[0xb800], ==, 0);
}

/* The trap flag: one element at a time. */
static void test_string_step(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();

    soft_guest_mode(g, 32);
    soft_guest_put(g, SOFT_GUEST_CODE, "f3aaf4");
    g->cpu->gpr[DI] = 0x9000;
    g->cpu->gpr[CX] = 3;
    g->cpu->eflags |= SOFT_EFL_TF;
    soft_update_mode(g->cpu);
    for (unsigned left = 3; left > 0; left--) {
        g_assert_cmphex(g->cpu->rip, ==, SOFT_GUEST_CODE);
        g_assert_true(soft_interp_one(g->cpu));
        g_assert_cmpuint(g->cpu->gpr[CX], ==, left - 1);
    }
    g_assert_cmphex(g->cpu->rip, ==, SOFT_GUEST_CODE + 2);
}

/* -- BCD, compared with the host in compatibility mode --------------------- */

/* Everything below 4 GiB, for 32-bit code. */
typedef struct Compat {
    uint8_t code32[64];
    uint8_t code64[64];
    uint32_t far32[2];
    uint64_t rsp;
    uint32_t eax;
    uint32_t eflags;
    uint8_t stack[8192] __attribute__((aligned(64)));
} Compat;

static uint8_t *put32(uint8_t *p, uintptr_t v)
{
    uint32_t low = (uint32_t)v;

    memcpy(p, &low, 4);
    return p + 4;
}

static uint8_t *put(uint8_t *p, const void *bytes, unsigned n)
{
    memcpy(p, bytes, n);
    return p + n;
}

static void make_code32(Compat *c, const uint8_t *insn, unsigned n)
{
    uint8_t *p = c->code32;

    p = put(p, "\x6a\x2b\x1f", 3); /* push 2b; pop ds */
    p = put32(put(p, "\xff\x35", 2), (uintptr_t)&c->eflags); /* push */
    p = put(p, "\x9d", 1);                                   /* popf */
    p = put32(put(p, "\xa1", 1), (uintptr_t)&c->eax);        /* mov eax */
    p = put(p, insn, n);
    p = put32(put(p, "\xa3", 1), (uintptr_t)&c->eax);
    p = put(p, "\x9c", 1); /* pushf */
    p = put32(put(p, "\x8f\x05", 2), (uintptr_t)&c->eflags);
    put(p, "\xcb", 1); /* retf */
}

/* To the low stack, by far call to the 32-bit code, and back. */
static void make_code64(Compat *c)
{
    uint8_t *p = c->code64;

    p = put(p, "\x53\x55", 2); /* push rbx; push rbp */
    p = put32(put(p, "\x48\x89\x24\x25", 4), (uintptr_t)&c->rsp);
    p = put32(put(p, "\xbc", 1), (uintptr_t)(c->stack + sizeof(c->stack)));
    p = put32(put(p, "\xff\x1c\x25", 3), (uintptr_t)c->far32);
    p = put32(put(p, "\x48\x8b\x24\x25", 4), (uintptr_t)&c->rsp);
    put(p, "\x5d\x5b\xc3", 3);
    c->far32[0] = (uint32_t)(uintptr_t)c->code32;
    c->far32[1] = 0x23; /* the user's 32-bit code segment in Linux */
}

/* In 32-bit code the upper halves of registers may be lost: none is kept. */
static void host_run(Compat *c)
{
    asm volatile("push %%r12; push %%r13; push %%r14; push %%r15\n\t"
                 "call *%0\n\t"
                 "pop %%r15; pop %%r14; pop %%r13; pop %%r12"
                 :
                 : "a"(c->code64)
                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc",
                   "memory");
}

typedef struct BCD {
    const char *name;
    const char *code;
    unsigned inputs;
    uint32_t undefined;
} BCD;

static const BCD bcds[] = {
    { "daa", "27", 0x100, SOFT_EFL_OF },
    { "das", "2f", 0x100, SOFT_EFL_OF },
    { "aaa", "37", 0x10000,
      SOFT_EFL_OF | SOFT_EFL_SF | SOFT_EFL_ZF | SOFT_EFL_PF },
    { "aas", "3f", 0x10000,
      SOFT_EFL_OF | SOFT_EFL_SF | SOFT_EFL_ZF | SOFT_EFL_PF },
    { "aam", "d40a", 0x100, SOFT_EFL_OF | SOFT_EFL_AF | SOFT_EFL_CF },
    { "aam 7", "d407", 0x100, SOFT_EFL_OF | SOFT_EFL_AF | SOFT_EFL_CF },
    { "aad", "d50a", 0x10000, SOFT_EFL_OF | SOFT_EFL_AF | SOFT_EFL_CF },
    { "aad ff", "d5ff", 0x10000, SOFT_EFL_OF | SOFT_EFL_AF | SOFT_EFL_CF },
    { "salc", "d6", 0x100, 0 },
};

static void check_bcd(SoftGuest *g, Compat *c, const BCD *bcd, uint32_t eax,
                      uint32_t eflags)
{
    SoftCPU *cpu = g->cpu;
    uint32_t defined = SOFT_EFL_ARITH & ~bcd->undefined;

    c->eax = eax;
    c->eflags = eflags | SOFT_EFL_IF | SOFT_EFL_ONE;
    host_run(c);
    cpu->gpr[AX] = eax;
    cpu->eflags = eflags | SOFT_EFL_ONE;
    cpu->rip = SOFT_GUEST_CODE;
    g_assert_true(soft_interp_one(cpu));
    if (cpu->gpr[AX] != c->eax || ((cpu->eflags ^ c->eflags) & defined) != 0) {
        g_test_message("%s eax %x flags %x: host %x %x, interpreter %x %x",
                       bcd->name, eax, eflags, c->eax, c->eflags,
                       (unsigned)cpu->gpr[AX], cpu->eflags);
        g_test_fail();
    }
}

static void test_bcd(void)
{
    g_autoptr(SoftGuest) g = soft_guest_new();
    Compat *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (c == MAP_FAILED) {
        g_test_skip("no executable memory below 4 GiB");
        return;
    }
    make_code64(c);
    soft_guest_mode(g, 32);
    for (unsigned i = 0; i < G_N_ELEMENTS(bcds) && !g_test_failed(); i++) {
        const BCD *bcd = &bcds[i];
        unsigned n = strlen(bcd->code) / 2;

        soft_guest_put(g, SOFT_GUEST_CODE, bcd->code);
        make_code32(c, g->ram + SOFT_GUEST_CODE, n);
        for (uint32_t in = 0; in < bcd->inputs; in++) {
            for (unsigned f = 0; f < 4 && !g_test_failed(); f++) {
                uint32_t flags =
                    (f & 1 ? SOFT_EFL_CF : 0) | (f & 2 ? SOFT_EFL_AF : 0);

                check_bcd(g, c, bcd, in | 0xabcd0000, flags);
            }
        }
    }
    munmap(c, sizeof(*c));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/interp/cases", test_cases);
    g_test_add_func("/accel/interp/faults", test_faults);
    g_test_add_func("/accel/interp/fetch-limit", test_fetch_limit);
    g_test_add_func("/accel/interp/code-written", test_code_written);
    g_test_add_func("/accel/interp/page-crossing", test_page_crossing);
    g_test_add_func("/accel/interp/block-mode", test_block_mode);
    g_test_add_func("/accel/interp/string-interrupted",
                    test_string_interrupted);
    g_test_add_func("/accel/interp/string-step", test_string_step);
    g_test_add_func("/accel/interp/bcd", test_bcd);
    return g_test_run();
}
