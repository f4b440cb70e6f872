/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * Source: Intel SDM volume 3A, 5.8.7 and 5.8.8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define MSR_STAR         0xc0000081u
#define MSR_LSTAR        0xc0000082u
#define MSR_FMASK        0xc0000084u
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u

extern const uint8_t user_syscall[], user_syscall_next[], user_sysenter[];
extern const uint8_t user_nothing[];
extern const uint8_t syscall_entry[], sysenter_entry[];

uint64_t fast_rcx, fast_r11, fast_flags, fast_cs, fast_ss, fast_rsp;
uint64_t fast_exit_to, fast_exit_sp;

__asm__(".text\n"
        "syscall_entry:\n"
        "    movq %rsp, fast_rsp\n"
        "    movq $rsp0_stack + 8192, %rsp\n"
        "    movq %rcx, fast_rcx\n"
        "    movq %r11, fast_r11\n"
        "    pushfq\n"
        "    popq fast_flags\n"
        "    mov %cs, %eax\n"
        "    movq %rax, fast_cs\n"
        "    mov %ss, %eax\n"
        "    movq %rax, fast_ss\n"
        "    movq fast_rsp, %rsp\n"
        "    sysretq\n"
        "sysenter_entry:\n"
        "    movq %rsp, fast_rsp\n"
        "    mov %cs, %eax\n"
        "    movq %rax, fast_cs\n"
        "    mov %ss, %eax\n"
        "    movq %rax, fast_ss\n"
        "    movq fast_exit_to, %rdx\n"
        "    movq fast_exit_sp, %rcx\n"
        "    rex64 sysexit\n");

static void sysret_noncanonical(void *p)
{
    __asm__ volatile("mov %0, %%rcx; mov $2, %%r11d; sysretq"
                     :
                     : "r"(1ull << 47)
                     : "rcx", "r11", "memory");
}

static void test_syscall(void)
{
    group("fast calls");
    wrmsr(MSR_STAR, (uint64_t)SEL_CODE64 << 32 | (uint64_t)(SEL_USER32 & ~3u)
                                                     << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_FMASK, FL_DF | FL_CF);
    user_flags = FL_ONE | FL_DF | FL_CF | FL_ZF;
    run_user(user_syscall, 0);
    user_flags = FL_ONE;
    expect(VECTOR_BACK, 0, "SYSCALL and SYSRET");
    ok_eq(fast_rcx, user_alias(user_syscall_next), "RCX is the return address");
    ok_eq(fast_r11 & (FL_DF | FL_CF | FL_ZF), FL_DF | FL_CF | FL_ZF,
          "R11 is RFLAGS");
    ok_eq(fast_flags & (FL_DF | FL_CF | FL_ZF), FL_ZF, "the mask");
    ok_eq(fast_cs, SEL_CODE64, "CS");
    ok_eq(fast_ss, SEL_DATA, "SS");
    ok_eq(trap.f.cs, SEL_USER64, "CS after SYSRET");
    ok_eq(trap.f.ss, SEL_USER_DATA, "SS after SYSRET");
    ok_eq(trap.f.rflags & (FL_DF | FL_CF | FL_ZF), FL_DF | FL_CF | FL_ZF,
          "RFLAGS after SYSRET");
    ok_eq(trap.f.rbx, 0x1234, "other registers");
    wrmsr(0xc0000080, rdmsr(0xc0000080) & ~1ull);
    run_user(user_syscall, 0);
    expect(UD, 0, "SYSCALL without EFER.SCE");
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
}

/* AMD's processors have no SYSENTER in long mode. */
static bool is_amd(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    return r[1] == 0x68747541;
}

static void test_sysenter(void)
{
    static uint8_t stack[256];

    if (is_amd()) {
        skip("SYSENTER", "not in long mode");
        return;
    }
    wrmsr(MSR_SYSENTER_CS, SEL_CODE64);
    wrmsr(MSR_SYSENTER_ESP, (uint64_t)rsp0_stack + 4096);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)sysenter_entry);
    fast_exit_to = user_alias(user_nothing);
    fast_exit_sp = user_alias(stack + sizeof(stack));
    run_user(user_sysenter, 0);
    expect(VECTOR_BACK, 0, "SYSENTER and SYSEXIT");
    ok_eq(fast_cs, SEL_CODE64, "CS of SYSENTER");
    ok_eq(fast_ss, SEL_DATA, "SS of SYSENTER");
    ok_eq(fast_rsp, (uint64_t)rsp0_stack + 4096, "RSP of SYSENTER");
    /* SYSEXIT with REX.W: CS + 32, SS + 40. */
    ok_eq(trap.f.cs, (SEL_CODE64 + 32) | 3, "CS of SYSEXIT");
    ok_eq(trap.f.ss, (SEL_CODE64 + 40) | 3, "SS of SYSEXIT");
    ok_eq(trap.f.rsp, fast_exit_sp, "RSP of SYSEXIT");
    wrmsr(MSR_SYSENTER_CS, 0);
    run_user(user_sysenter, 0);
    expect(GP, 0, "SYSENTER without MSR");
}

void test_fast_calls(void)
{
    test_syscall();
    if (!is_amd()) {
        trapped(sysret_noncanonical, NULL);
        expect(GP, 0, "SYSRET to where it is not canonical");
    }
    test_sysenter();
}
