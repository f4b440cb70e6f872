/*
 * Exceptions and interrupts: each vector, error codes, gates, stacks, double
 * faults, IRET.
 *
 * Source: Intel SDM volume 3A, chapter 6.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define CR0_TS         (1ul << 3)
#define CR0_EM         (1ul << 2)
#define CR0_AM         (1ul << 18)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)

extern const uint8_t user_nothing[], user_hlt[], user_unaligned[];

#define SNIPPET(name, text)                                                    \
    static void name(void *p)                                                  \
    {                                                                          \
        __asm__ volatile(text                                                  \
                         :                                                     \
                         : "D"(p)                                              \
                         : "rax", "rcx", "rdx", "memory", "cc");               \
    }
SNIPPET(divide_0, "xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; "
                  "div %%ecx")
SNIPPET(divide_over, "mov $1, %%edx; xor %%eax, %%eax; mov $1, %%ecx; "
                     "div %%ecx")
SNIPPET(idivide_over, "mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; "
                      "idiv %%ecx")
SNIPPET(int3, "int3")
SNIPPET(icebp, ".byte 0xf1")
SNIPPET(ud2, "ud2")
SNIPPET(lock_nop, ".byte 0xf0, 0x90")
SNIPPET(invalid_push_es, ".byte 0x06")
SNIPPET(fpu, "fnop")
SNIPPET(fwait, "fwait")
SNIPPET(sse, "xorps %%xmm0, %%xmm0")
SNIPPET(sse_unaligned, "movaps 4(%%rdi), %%xmm0")
SNIPPET(x87_divide, "fninit; push $0x37b; fldcw (%%rsp); pop %%rax; fld1; "
                    "fldz; fdivrp; fnop; fwait")
SNIPPET(sse_divide, "push $0x1d80; ldmxcsr (%%rsp); pop %%rax; "
                    "mov $0x3f800000, %%eax; movd %%eax, %%xmm0; "
                    "xorps %%xmm1, %%xmm1; divss %%xmm1, %%xmm0")
SNIPPET(read_bad_msr, "mov $0x12345678, %%ecx; rdmsr")
SNIPPET(write_cr4_bad, "mov %%cr4, %%rax; bts $40, %%rax; mov %%rax, %%cr4")
SNIPPET(int_absent, "int $0x90")
SNIPPET(int_beyond, "int $0x81")
SNIPPET(bad_stack_ud, "mov %%rdi, %%rsp; ud2")

static void read_noncanonical(void *p)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(1ull << 63) : "rax");
}

static void test_vectors(void)
{
    static uint8_t data[64] __attribute__((aligned(16)));

    group("exceptions");
    trapped(divide_0, NULL);
    expect(DE, 0, "#DE: by 0");
    trapped(divide_over, NULL);
    expect(DE, 0, "#DE: too large");
    trapped(idivide_over, NULL);
    expect(DE, 0, "#DE: signed");
    trapped(int3, NULL);
    expect(BP, 0, "INT3");
    ok_eq(*(uint8_t *)(trap.f.rip - 1), 0xcc, "RIP is behind INT3");
    trapped(icebp, NULL);
    expect(DB, 0, "INT1");
    trapped(ud2, NULL);
    expect(UD, 0, "UD2");
    ok_eq(*(uint16_t *)trap.f.rip, 0x0b0f, "RIP is at UD2");
    trapped(lock_nop, NULL);
    expect(UD, 0, "LOCK where there is none");
    trapped(invalid_push_es, NULL);
    expect(UD, 0, "PUSH ES in 64-bit mode");
    write_cr0(read_cr0() | CR0_TS);
    trapped(fpu, NULL);
    expect(NM, 0, "#NM: x87 with CR0.TS");
    trapped(fwait, NULL);
    expect(NM, 0, "#NM: FWAIT with CR0.TS and MP");
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    trapped(sse, NULL);
    expect(NM, 0, "#NM: SSE with CR0.TS");
    __asm__ volatile("clts");
    trapped(sse, NULL);
    expect(NONE, 0, "SSE after CLTS");
    write_cr0((read_cr0() | CR0_EM) & ~2ul);
    trapped(sse, NULL);
    expect(UD, 0, "#UD: SSE with CR0.EM");
    trapped(fpu, NULL);
    expect(NM, 0, "#NM: x87 with CR0.EM");
    write_cr0((read_cr0() & ~CR0_EM) | 2);
    write_cr4(read_cr4() & ~CR4_OSFXSR);
    trapped(sse, NULL);
    expect(UD, 0, "#UD: SSE without CR4.OSFXSR");
    write_cr4(read_cr4() | CR4_OSFXSR);
    trapped(sse_unaligned, data);
    expect(GP, 0, "#GP: operand of MOVAPS not aligned");
    trapped(x87_divide, NULL);
    expect(MF, 0, "#MF");
    __asm__ volatile("fninit");
    trapped(sse_divide, NULL);
    expect(XM, 0, "#XM");
    write_cr4(read_cr4() & ~CR4_OSXMMEXCPT);
    trapped(sse_divide, NULL);
    expect(UD, 0, "#UD for want of CR4.OSXMMEXCPT");
    write_cr4(read_cr4() | CR4_OSXMMEXCPT);
    trapped(read_bad_msr, NULL);
    expect(GP, 0, "#GP: no such MSR");
    trapped(write_cr4_bad, NULL);
    expect(GP, 0, "#GP: reserved bit of CR4");
}

static void test_user(void)
{
    static uint8_t data[16];

    run_user(user_nothing, 0);
    expect(VECTOR_BACK, 0, "user code by IRETQ, and INT back");
    ok_eq(trap.f.cs, SEL_USER64, "its CS");
    ok_eq(trap.f.ss, SEL_USER_DATA, "its SS");
    ok(trap.handler_rsp - (uint64_t)rsp0_stack < sizeof(rsp0_stack),
       "the handler's stack is RSP0");
    run_user(user_hlt, 0);
    expect(GP, 0, "HLT at CPL 3");
    write_cr0(read_cr0() | CR0_AM);
    user_flags = FL_ONE | FL_AC;
    run_user(user_unaligned, user_alias(data));
    expect(AC, 0, "#AC");
    write_cr0(read_cr0() & ~CR0_AM);
    run_user(user_unaligned, user_alias(data));
    expect(VECTOR_BACK, 0, "no #AC without CR0.AM");
    user_flags = FL_ONE;
    reset_gate(VECTOR_BACK);
    set_gate(0x81, 0, GATE_INTERRUPT, 0, 0, true);
}

static void test_gates(void)
{
    extern const uint8_t trap_stub_back[];

    trapped(int_absent, NULL);
    expect(GP, 0x90 * 8 + 2, "INT by an empty gate");
    set_gate(0x90, (uint64_t)trap_stub_back, GATE_INTERRUPT, 0, 0, false);
    trapped(int_absent, NULL);
    expect(NP, 0x90 * 8 + 2, "INT by an absent gate");
    set_gate(0x90, (uint64_t)trap_stub_back, GATE_INTERRUPT, 0, 0, true);
    __asm__ volatile("sti");
    trapped(int_absent, NULL);
    __asm__ volatile("cli");
    ok(!(trap.handler_rflags & FL_IF), "an interrupt gate clears IF");
    ok_eq(trap.handler_rsp & 15, 0, "the stack was aligned");
    set_gate(0x90, (uint64_t)trap_stub_back, GATE_TRAP, 0, 0, true);
    __asm__ volatile("sti");
    trapped(int_absent, NULL);
    __asm__ volatile("cli");
    ok(trap.handler_rflags & FL_IF, "a trap gate does not");
    set_gate(0x90, (uint64_t)trap_stub_back, GATE_INTERRUPT, 0, 1, true);
    trapped(int_absent, NULL);
    ok(trap.handler_rsp - (uint64_t)ist_stack < sizeof(ist_stack), "IST");
    set_gate(0x81, (uint64_t)trap_stub_back, GATE_INTERRUPT, 0, 0, true);
    trapped(int_beyond, NULL);
    expect(VECTOR_BACK, 0, "INT 81h at CPL 0");
}

static void test_double(void)
{
    set_gate(GP, 0, GATE_INTERRUPT, 0, 0, false);
    trapped(read_noncanonical, NULL);
    expect(DF, 0, "#NP while delivering #GP is #DF");
    ok(trap.handler_rsp - (uint64_t)ist_stack < sizeof(ist_stack),
       "#DF on its own stack");
    reset_gate(GP);
    map(20, 0, 0);
    trapped(bad_stack_ud, window(20) + 64);
    expect(DF, 0, "#PF by the stack while delivering #UD");
    set_gate(UD, 0, GATE_INTERRUPT, 0, 0, false);
    trapped(ud2, NULL);
    expect(NP, UD * 8 + 2 + 1, "#NP while delivering #UD: EXT");
    reset_gate(UD);
}

typedef struct Iret {
    uint64_t rip, cs, rflags, rsp, ss;
} Iret;

static void iretq(void *p)
{
    __asm__ volatile("mov %0, %%rsp; iretq" : : "r"(p) : "memory");
}

static void iretq_nt(void *p)
{
    __asm__ volatile("pushfq; orq $0x4000, (%%rsp); popfq; iretq"
                     :
                     :
                     : "memory");
}

static void test_iret(void)
{
    /* The fault's own frame is pushed below. */
    static struct {
        uint8_t room[2048];
        Iret f;
    } stack __attribute__((aligned(16)));
    Iret f = { user_alias(user_nothing), 0, FL_ONE, 0, SEL_USER_DATA };

    stack.f = f;
    trapped(iretq, &stack.f);
    expect(GP, 0, "IRETQ to a null CS");
    f.cs = SEL_USER64;
    f.ss = 0;
    stack.f = f;
    trapped(iretq, &stack.f);
    expect(GP, 0, "IRETQ to a null SS at CPL 3");
    f.ss = SEL_DATA;
    stack.f = f;
    trapped(iretq, &stack.f);
    expect(GP, SEL_DATA, "IRETQ to an SS of another privilege");
    f.cs = SEL_DATA;
    stack.f = f;
    trapped(iretq, &stack.f);
    expect(GP, SEL_DATA, "IRETQ to data");
    f.cs = SEL_USER64;
    f.ss = SEL_USER_DATA;
    f.rip = 1ull << 47;
    stack.f = f;
    trapped(iretq, &stack.f);
    expect(GP, 0, "IRETQ to where it is not canonical");
    trapped(iretq_nt, NULL);
    expect(GP, 0, "IRETQ with NT in long mode");
    f.rip = user_alias(user_nothing);
    f.cs = SEL_USER32; /* its INT 80h has the same bytes */
    f.rflags = FL_ONE | FL_CF | FL_DF;
    stack.f = f;
    trapped(iretq, &stack.f);
    expect(VECTOR_BACK, 0, "IRETQ to compatibility mode");
    ok_eq(trap.f.cs, SEL_USER32, "its CS");
    ok_eq(trap.f.rflags & (FL_CF | FL_DF | FL_TF), FL_CF | FL_DF,
          "flags by IRETQ");
}

void test_exceptions(void)
{
    test_vectors();
    test_user();
    test_gates();
    test_double();
    test_iret();
}
