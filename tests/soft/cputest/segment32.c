/*
 * Segmentation of 32-bit protected mode: limits, types, instructions that only
 * exist here, privilege levels and call gates.
 *
 * Source: Intel SDM volume 3A, chapter 5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest32.h"

extern const uint8_t u_stack[];

static uint8_t area[3 * PAGE] __attribute__((aligned(4096)));

/* Load DS (or SS) with @sel, do one access at @offset, take the flat one. */
typedef struct Access {
    uint32_t sel, offset;
} Access;

#define ACCESS(name, seg, text)                                                \
    static void name(void *p)                                                  \
    {                                                                          \
        Access *a = p;                                                         \
                                                                               \
        __asm__ volatile("mov %0, %%" seg "\n" text "\nmov %2, %%" seg         \
                         :                                                     \
                         : "r"(a->sel), "b"(a->offset), "S"(SEL_DATA)          \
                         : "eax", "memory");                                   \
    }
ACCESS(read4, "ds", "movl %%ds:(%1), %%eax")
ACCESS(write4, "ds", "movl %%eax, %%ds:(%1)")
ACCESS(read4_es, "es", "movl %%es:(%1), %%eax")
ACCESS(push4, "ss", "xchgl %%esp, %1; pushl $1; xchgl %%esp, %1")

static void write_cs(void *p)
{
    __asm__ volatile("movl %%eax, %%cs:(%0)" : : "r"(p) : "memory");
}

#define AT(s, o)                                                               \
    &(Access)                                                                  \
    {                                                                          \
        (s), (o)                                                               \
    }

static void test_limits(void)
{
    group("segments");
    trapped(read4, AT(SEL_LIMITED, 0xffc));
    expect(NONE, 0, "the last word within the limit");
    trapped(read4, AT(SEL_LIMITED, 0xffd));
    expect(GP, 0, "a byte over the limit");
    trapped(read4, AT(SEL_LIMITED, 0xffffffff));
    expect(GP, 0, "around the end of 32 bits");
    trapped(push4, AT(SEL_LIMITED, 0x1000));
    expect(NONE, 0, "a push within the limit");
    run_user(u_stack, 0xffc);
    expect(VECTOR_BACK, 0, "SS within the limit");
    run_user(u_stack, 0xffd);
    expect(SS, 0, "SS over the limit");
    trapped(read4, AT(SEL_DOWN, 0x1000));
    expect(NONE, 0, "expand-down: above its limit");
    trapped(read4, AT(SEL_DOWN, 0xfff));
    expect(GP, 0, "expand-down: below");
    trapped(write4, AT(SEL_READ_ONLY, 0));
    expect(GP, 0, "write to read-only data");
    trapped(read4, AT(SEL_READ_ONLY, 0));
    expect(NONE, 0, "read of it");
    trapped(read4_es, AT(SEL_EXEC_ONLY, 0));
    expect(GP, SEL_EXEC_ONLY, "load of code that cannot be read");
    trapped(write_cs, area);
    expect(GP, 0, "write by CS");
    trapped(read4_es, AT(0, 0));
    expect(GP, 0, "use of a null selector");
    trapped(read4, AT(SEL_ABSENT, 0));
    expect(NP, SEL_ABSENT, "DS not present");
    trapped(push4, AT(SEL_ABSENT, 0));
    expect(SS, SEL_ABSENT, "SS not present");
    trapped(push4, AT(0, 0));
    expect(GP, 0, "SS null");
}

static void bound_in(void *p)
{
    int32_t pair[2] = { 5, 10 };

    __asm__ volatile("bound %0, %1" : : "r"((int32_t)p), "m"(pair));
}

static void into(void *p)
{
    __asm__ volatile("movl $0x7fffffff, %%eax; addl %0, %%eax; into"
                     :
                     : "r"(p)
                     : "eax", "cc");
}

static void aam_0(void *p)
{
    __asm__ volatile("aam $0" : : : "eax", "cc");
}

static void test_old(void)
{
    uint32_t a = 0x10, b = 0x23, v = 0;
    uint8_t zf;

    trapped(bound_in, (void *)7);
    expect(NONE, 0, "BOUND within");
    trapped(bound_in, (void *)11);
    expect(BR, 0, "BOUND above");
    trapped(into, (void *)0);
    expect(NONE, 0, "INTO without OF");
    trapped(into, (void *)1);
    expect(OF, 0, "INTO");
    trapped(aam_0, NULL);
    expect(DE, 0, "AAM 0");
    __asm__ volatile("arpl %w2, %w0; setz %1"
                     : "+r"(a), "=q"(zf)
                     : "r"(b)
                     : "cc");
    ok_eq(a | (uint32_t)zf << 16, 0x10013, "ARPL");
    __asm__ volatile("lsl %2, %0; setz %1"
                     : "=r"(v), "=q"(zf)
                     : "r"(SEL_DATA)
                     : "cc");
    ok_eq(v, 0xffffffff, "LSL with granularity");
    __asm__ volatile("lar %2, %0; setz %1"
                     : "+r"(v), "=q"(zf)
                     : "r"(SEL_DATA)
                     : "cc");
    ok_eq(v & 0xf0ff00, 0xc09300, "LAR");
    __asm__ volatile("lar %2, %0; setz %1"
                     : "+r"(v), "=q"(zf)
                     : "r"(0x1f8)
                     : "cc");
    ok_eq(zf, 0, "LAR beyond the table");
    __asm__ volatile("verw %w1; setz %0"
                     : "=q"(zf)
                     : "r"(SEL_READ_ONLY)
                     : "cc");
    ok_eq(zf, 0, "VERW of read-only data");
    __asm__ volatile("verr %w1; setz %0"
                     : "=q"(zf)
                     : "r"(SEL_READ_ONLY)
                     : "cc");
    ok_eq(zf, 1, "VERR of it");
}

void test_segments(void)
{
    set_desc(SEL_LIMITED, (uint32_t)area, 0xfff, 0x93, 0x4);
    set_desc(SEL_LIMITED3, (uint32_t)area, 0xfff, 0xf3, 0x4);
    set_desc(SEL_DOWN, (uint32_t)area - 0x1000, 0xfff, 0x97, 0x4);
    set_desc(SEL_READ_ONLY, (uint32_t)area, 0xfff, 0x91, 0x4);
    set_desc(SEL_EXEC_ONLY, 0, 0xfffff, 0x99, 0xc);
    set_desc(SEL_ABSENT, 0, 0xfffff, 0x13, 0xc);
    set_desc(SEL_CONFORMING, 0, 0xfffff, 0x9f, 0xc);
    test_limits();
    test_old();
}

/* -- privilege ----------------------------------------------------------------- */

uint32_t gate_sum, gate_cs, gate_ss, gate_esp;
extern const uint8_t gate_entry[], u_gate[], u_gate0[], u_conforming[];
extern const uint8_t u_cli[], u_in[], u_inner[], u_nothing[], u_popf[];

__asm__(".text\n"
        "gate_entry:\n"
        "    movl 8(%esp), %eax\n" /* two parameters behind EIP and CS */
        "    addl 12(%esp), %eax\n"
        "    movl %eax, gate_sum\n"
        "    mov %cs, %eax\n"
        "    movl %eax, gate_cs\n"
        "    mov %ss, %eax\n"
        "    movl %eax, gate_ss\n"
        "    movl %esp, gate_esp\n"
        "    lretl $8\n"
        "u_gate:\n"
        "    movl %esp, %esi\n"
        "    pushl $0x1000\n"
        "    pushl $0x0234\n"
        "    lcall $0x3b, $0\n"
        "    subl %esp, %esi\n"
        "    int $0x80\n"
        "u_gate0:\n"
        "    lcall $0x43, $0\n"
        "    int $0x80\n"
        "u_inner:\n"
        "    lcall $0x08, $gate_entry\n"
        "    int $0x80\n"
        "u_conforming:\n"
        "    ljmp $0x73, $u_nothing\n"
        ".globl u_nothing\n"
        "u_nothing:\n"
        "    int $0x80\n"
        "u_stack:\n"
        "    movl $0x9b, %eax\n"
        "    movl %eax, %ss\n"
        "    movl %ss:(%ecx), %eax\n"
        "    int $0x80\n"
        "u_cli:\n"
        "    cli\n"
        "    int $0x80\n"
        "u_in:\n"
        "    movl %ecx, %edx\n"
        "    inb %dx, %al\n"
        "    int $0x80\n"
        "u_popf:\n"
        "    pushl $0x3202\n"
        "    popfl\n"
        "    pushfl\n"
        "    popl %esi\n"
        "    int $0x80\n");

void test_privilege(void)
{
    group("privilege");
    set_call_gate(SEL_GATE_PARAMS, gate_entry, 3, 2);
    set_call_gate(SEL_GATE_DPL0, gate_entry, 0, 0);
    run_user(u_gate, 0);
    expect(VECTOR_BACK, 0, "call by a gate, with parameters");
    ok_eq(gate_sum, 0x1234, "they were copied");
    ok_eq(gate_cs, SEL_CODE, "CS");
    ok_eq(gate_ss, SEL_DATA, "SS of the TSS");
    ok_eq(gate_esp, (uint32_t)stack0 + PAGE - 24, "ESP of the TSS");
    ok_eq(trap.f.esi, 0, "RETF n drops them on both stacks");
    ok_eq(trap.f.cs, SEL_USER_CODE, "CS after the return");
    run_user(u_gate0, 0);
    expect(GP, SEL_GATE_DPL0, "gate's DPL");
    run_user(u_inner, 0);
    expect(GP, SEL_CODE, "inner code without gate");
    run_user(u_conforming, 0);
    expect(VECTOR_BACK, 0, "conforming code");
    ok_eq(trap.f.cs, SEL_CONFORMING | 3, "it runs at CPL 3");
    run_user(u_cli, 0);
    expect(GP, 0, "CLI with IOPL 0");
    user_flags = FL_ONE | FL_IOPL | FL_IF;
    run_user(u_cli, 0);
    expect(VECTOR_BACK, 0, "CLI with IOPL 3");
    ok(!(trap.f.eflags & FL_IF), "it works");
    user_flags = FL_ONE;
    run_user(u_popf, 0);
    ok_eq(trap.f.esi & (FL_IOPL | FL_IF), 0, "POPF leaves IOPL and IF alone");
    run_user(u_in, 0x61);
    expect(GP, 0, "IN, bitmap says no");
    tss.bitmap[0x61 / 8] &= (uint8_t) ~(1u << (0x61 % 8));
    run_user(u_in, 0x61);
    expect(VECTOR_BACK, 0, "IN, bitmap says yes");
    run_user(u_in, 0x62);
    expect(GP, 0, "the port beside it");
    tss.bitmap[0x61 / 8] = 0xff;
    user_flags = FL_ONE | FL_IOPL;
    run_user(u_in, 0x61);
    expect(VECTOR_BACK, 0, "IN with IOPL 3");
    user_flags = FL_ONE;
}
