/*
 * Segments as far as 64-bit mode has them: loads and their checks, call gates,
 * conforming code, compatibility mode, FS and GS.
 *
 * Source: Intel SDM volume 3A, chapter 5 and 6.14.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

enum {
    SEL_ABSENT_DATA = 0x48,
    SEL_READ_ONLY = 0x50,
    SEL_SMALL = 0x58,
    SEL_CONFORMING = 0x60,
    SEL_GATE3 = 0x68,
    SEL_GATE0 = 0x78,
    SEL_ABSENT_CODE = 0x88,
    SEL_SMALL32 = 0x90,
    SEL_GATE_ABSENT = 0x98,
};

extern const uint8_t user_far_call[], user_nothing[];
extern const uint8_t gate_target[], compat_code[], compat_limit[];

__asm__(".text\n"
        /* The target of call gates: proof, then back. */
        "gate_target:\n"
        "    movq $0x600d, gate_proof\n"
        "    movq %rsp, gate_rsp\n"
        "    mov %cs, %eax\n"
        "    movq %rax, gate_cs\n"
        "    lretq\n"
        ".code32\n"
        "compat_code:\n"
        "    movl $0x1234, %eax\n"
        "    incl %eax\n" /* 40h: no REX here */
        "    movl %eax, compat_proof\n"
        "    ljmp $0x08, $1f\n"
        ".code64\n"
        "1:  ret\n"
        ".code32\n"
        "compat_limit:\n"
        "    movl $0x58, %eax\n"
        "    movl %eax, %ds\n"
        "    movl 0xffd, %eax\n" /* the last bytes: one too many */
        "    ud2\n"
        ".code64\n");

uint64_t gate_proof, gate_rsp, gate_cs;
uint32_t compat_proof;

typedef struct FarPointer {
    uint64_t offset;
    uint16_t selector;
} __attribute__((packed)) FarPointer;

#define LOADER(name, seg)                                                      \
    static void name(void *p)                                                  \
    {                                                                          \
        __asm__ volatile("mov %0, %%" seg : : "r"((uint32_t)(uintptr_t)p));    \
    }
LOADER(load_ds, "ds")
LOADER(load_ss, "ss")
LOADER(load_fs, "fs")

static void far_call(void *p)
{
    __asm__ volatile("rex64 lcall *(%0)" : : "r"(p) : "rax", "memory", "cc");
}

static void far_jump(void *p)
{
    __asm__ volatile("call 1f; jmp 2f; 1: rex64 ljmp *(%0); 2:"
                     :
                     : "r"(p)
                     : "rax", "memory", "cc");
}

static void far_return(void *p)
{
    __asm__ volatile("push %0; push $0; lretq" : : "r"(p) : "memory");
}

static void put_gate(unsigned sel, unsigned dpl, unsigned target, bool present)
{
    uint64_t to = (uint64_t)gate_target;

    gdt[sel / 8] = (to & 0xffff) | (uint64_t)target << 16 |
                   (0x0cull | dpl << 5 | (present ? 0x80 : 0)) << 40 |
                   (to >> 16 & 0xffff) << 48;
    gdt[sel / 8 + 1] = to >> 32;
}

static void *sel(unsigned s)
{
    return (void *)(uintptr_t)s;
}

static void test_loads(void)
{
    group("segments");
    trapped(load_ds, sel(0));
    expect(NONE, 0, "DS null");
    trapped(load_ds, sel(SEL_USER_DATA));
    expect(NONE, 0, "DS with DPL 3");
    trapped(load_ds, sel(SEL_DATA | 3));
    expect(GP, SEL_DATA, "DS: RPL above DPL");
    trapped(load_ds, sel(0x7f8));
    expect(GP, 0x7f8, "DS: beyond the table");
    trapped(load_ds, sel(SEL_DATA | 4));
    expect(GP, SEL_DATA | 4, "DS: no LDT");
    trapped(load_ds, sel(SEL_TSS));
    expect(GP, SEL_TSS, "DS: a system segment");
    trapped(load_ds, sel(SEL_ABSENT_DATA));
    expect(NP, SEL_ABSENT_DATA, "DS: not present");
    trapped(load_ds, sel(SEL_CODE64));
    expect(NONE, 0, "DS: readable code");
    trapped(load_fs, sel(SEL_ABSENT_DATA));
    expect(NP, SEL_ABSENT_DATA, "FS: not present");
    trapped(load_ss, sel(SEL_ABSENT_DATA));
    expect(SS, SEL_ABSENT_DATA, "SS: not present");
    trapped(load_ss, sel(SEL_READ_ONLY));
    expect(GP, SEL_READ_ONLY, "SS: read-only");
    trapped(load_ss, sel(SEL_USER_DATA));
    expect(GP, SEL_USER_DATA & ~3u, "SS: DPL is not CPL");
    trapped(load_ss, sel(0));
    expect(NONE, 0, "SS: null at CPL 0 in 64-bit mode");
    __asm__ volatile("mov %0, %%ss; mov %0, %%ds" : : "r"(SEL_DATA));
    gdt[SEL_READ_ONLY / 8] &= ~(1ull << 40);
    trapped(load_ds, sel(SEL_READ_ONLY));
    ok(gdt[SEL_READ_ONLY / 8] >> 40 & 1, "a load sets the accessed bit");
    __asm__ volatile("mov %0, %%ds" : : "r"(SEL_DATA));
}

static void test_far(void)
{
    FarPointer p = { (uint64_t)gate_target, SEL_CODE64 };

    gate_proof = 0;
    trapped(far_call, &p);
    ok_eq(gate_proof, 0x600d, "far call and return");
    p.selector = SEL_GATE0;
    p.offset = 0x123456789abcull; /* has no meaning */
    gate_proof = 0;
    trapped(far_call, &p);
    ok_eq(gate_proof, 0x600d, "far call by a gate, same privilege");
    p.selector = SEL_DATA;
    trapped(far_call, &p);
    expect(GP, SEL_DATA, "far call to data");
    p.selector = 0;
    trapped(far_call, &p);
    expect(GP, 0, "far call to null");
    p.selector = SEL_ABSENT_CODE;
    trapped(far_call, &p);
    expect(NP, SEL_ABSENT_CODE, "far call, not present");
    p.selector = SEL_GATE_ABSENT;
    trapped(far_call, &p);
    expect(NP, SEL_GATE_ABSENT, "far call by an absent gate");
    p.selector = SEL_USER64;
    trapped(far_call, &p);
    expect(GP, SEL_USER64 & ~3u, "far call to less privileged code");
    p.selector = SEL_CODE64;
    p.offset = 1ull << 47;
    trapped(far_call, &p);
    expect(GP, 0, "far call to where it is not canonical");
    trapped(far_return, sel(0));
    expect(GP, 0, "far return to null");
}

static uint64_t user_far(unsigned selector, uint64_t offset)
{
    static FarPointer p;

    p = (FarPointer){ offset, (uint16_t)selector };
    gate_proof = 0;
    run_user(user_far_call, user_alias(&p));
    return gate_proof;
}

static void test_privilege(void)
{
    ok_eq(user_far(SEL_GATE3, 0), 0x600d, "user's call by a gate");
    expect(VECTOR_BACK, 0, "and back");
    ok_eq(gate_cs, SEL_CODE64, "it ran at CPL 0");
    ok(gate_rsp - (uint64_t)rsp0_stack < sizeof(rsp0_stack),
       "on the stack of the TSS");
    ok_eq(trap.f.cs, SEL_USER64, "CS after the return");
    ok_eq(trap.f.ss, SEL_USER_DATA, "SS after the return");
    user_far(SEL_GATE0, 0);
    expect(GP, SEL_GATE0, "gate's DPL below CPL");
    user_far(SEL_CODE64, (uint64_t)gate_target);
    expect(GP, SEL_CODE64, "user's call of inner code");
    user_far(SEL_CONFORMING | 3, user_alias(user_nothing));
    expect(VECTOR_BACK, 0, "user's call of conforming code");
    ok_eq(trap.f.cs & 3, 3, "it keeps CPL");
    ok_eq(trap.f.cs & ~3u, SEL_CONFORMING, "its CS");
}

static void test_compat(void)
{
    FarPointer p = { (uint64_t)compat_code, SEL_CODE32 };

    compat_proof = 0;
    trapped(far_jump, &p);
    expect(NONE, 0, "compatibility mode and back");
    ok_eq(compat_proof, 0x1235, "its code ran as 32-bit code");
    p.offset = (uint64_t)compat_limit;
    trapped(far_jump, &p);
    expect(GP, 0, "a limit counts in compatibility mode");
    ok_eq(trap.f.cs, SEL_CODE32, "CS of the fault");
    __asm__ volatile("mov %0, %%ds" : : "r"(SEL_DATA));
}

static uint64_t gs_read(void)
{
    uint64_t v;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(v));
    return v;
}

static void test_bases(void)
{
    static uint64_t one = 0x1111, two = 0x2222;

    wrmsr(MSR_GS_BASE, (uint64_t)&one);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)&two);
    ok_eq(gs_read(), 0x1111, "GS base");
    __asm__ volatile("swapgs");
    ok_eq(gs_read(), 0x2222, "SWAPGS");
    ok_eq(rdmsr(MSR_KERNEL_GS_BASE), (uint64_t)&one, "the other one");
    __asm__ volatile("swapgs");
    trapped(load_fs, sel(SEL_DATA));
    ok_eq(rdmsr(MSR_FS_BASE), 0, "a load of FS takes the descriptor's base");
    wrmsr(MSR_GS_BASE, 0);
}

void test_segments(void)
{
    gdt[SEL_ABSENT_DATA / 8] = 0x00cf13000000ffff;
    gdt[SEL_READ_ONLY / 8] = 0x00cf91000000ffff;
    gdt[SEL_SMALL / 8] = 0x0040930000000fff;
    gdt[SEL_CONFORMING / 8] = 0x00af9f000000ffff;
    gdt[SEL_ABSENT_CODE / 8] = 0x00af1b000000ffff;
    put_gate(SEL_GATE3, 3, SEL_CODE64, true);
    put_gate(SEL_GATE0, 0, SEL_CODE64, true);
    put_gate(SEL_GATE_ABSENT, 3, SEL_CODE64, false);
    test_loads();
    test_far();
    test_privilege();
    test_compat();
    test_bases();
}
