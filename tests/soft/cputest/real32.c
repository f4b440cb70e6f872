/*
 * 16-bit code: virtual-8086 mode and real mode.
 *
 * Source: Intel SDM volume 3A, chapter 20.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest32.h"

#define V86_CODE 0x9000u /* linear; CS = 0x900 */

extern const uint8_t v86_start[], v86_end[], v86_int[], v86_pushf[], v86_hlt[];
extern const uint8_t v86_wrap[], v86_jump[];
extern const uint8_t real_start[], real_end[];

__asm__(".text\n"
        ".code16\n"
        "v86_start:\n"
        "    movw %ds, %bx\n"
        "    movw $0x1234, %ds:(0x10)\n" /* 2000h:10h */
        "    movw $0x5678, %es:(0x20)\n" /* 1000h:20h */
        "    movw %fs:(0x30), %cx\n"
        "    int $0x80\n"
        "v86_int:\n"
        "    int $0x21\n"
        "v86_pushf:\n"
        "    pushf\n"
        "    popw %cx\n"
        "    int $0x80\n"
        "v86_hlt:\n"
        "    hlt\n"
        "v86_wrap:\n"
        "    movw %ds:(0xffff), %ax\n"
        "    int $0x80\n"
        "v86_jump:\n"
        "    movw $0x0900, %ax\n"
        "    pushw %ax\n"
        "    pushw $v86_landed - v86_start\n"
        "    lret\n"
        "    hlt\n"
        "v86_landed:\n"
        "    movl $0x12345678, %edx\n"
        "    int $0x80\n"
        "v86_end:\n"

        /* Results go to 5000h. */
        "real_start:\n"
        "    movw $0x5000, %di\n"
        "    movw $(0x7000 + real_int - real_start), %ds:(0x60 * 4)\n"
        "    movw $0, %ds:(0x60 * 4 + 2)\n"
        "    movw $(0x7000 + real_de - real_start), %ds:(0)\n"
        "    movw $0, %ds:(2)\n"
        "    movw $(0x7000 + real_gp - real_start), %ds:(13 * 4)\n"
        "    movw $0, %ds:(13 * 4 + 2)\n"
        /* 0: INT and IRET */
        "    movw $0, %ax\n"
        "    int $0x60\n"
        "    movw %ax, 0(%di)\n"
        /* 2: #DE, handled by a vector */
        "    xorw %cx, %cx\n"
        "    movw $1, %ax\n"
        "    xorw %dx, %dx\n"
        "    divw %cx\n"
        "    movw %ax, 2(%di)\n"
        /* 4: a word at FFFFh */
        "    xorw %ax, %ax\n"
        "    movw $0xffff, %bx\n"
        "    movw (%bx), %dx\n"
        "    movw %ax, 4(%di)\n"
        /* 6: segments: FFFFh:0010h is 100000h if A20 is on */
        "    movw $0x1000, %ax\n"
        "    movw %ax, %es\n"
        "    movw $0xbeef, %es:(0x100)\n"
        "    movw $0x1010, %ax\n"
        "    movw %ax, %es\n"
        "    movw %es:(0), %ax\n"
        "    movw %ax, 6(%di)\n"
        /* 8: 32-bit operands and addresses */
        "    movl $0x12340000, %eax\n"
        "    addl $0x5678, %eax\n"
        "    movl %eax, 8(%di)\n"
        "    movl $0x5000, %ebx\n"
        "    movl 8(%ebx), %eax\n"
        "    movl %eax, 12(%di)\n"
        /* 16: an address over 64 KiB */
        "    xorw %ax, %ax\n"
        "    movl $0x10000, %ebx\n"
        "    movl (%ebx), %edx\n"
        "    movw %ax, 16(%di)\n"
        /* 18: strings */
        "    xorw %ax, %ax\n"
        "    movw %ax, %es\n"
        "    pushw %di\n"
        "    movw $0x5100, %di\n"
        "    movw $0x7000, %si\n"
        "    movw $16, %cx\n"
        "    cld\n"
        "    rep movsw\n"
        "    movw %di, %ax\n"
        "    popw %di\n"
        "    movw %ax, 18(%di)\n"
        /* 20: SP is 16 bits wide */
        "    movw %sp, %cx\n"
        "    xorl %esp, %esp\n"
        "    movl $0x20002, %esp\n"
        "    pushw $0x7777\n"
        "    movl %esp, %eax\n"
        "    xorl %esp, %esp\n"
        "    movw %cx, %sp\n"
        "    movl %eax, 20(%di)\n"
        /* 24: AAA, DAA */
        "    movw $0x000f, %ax\n"
        "    addb $1, %al\n"
        "    aaa\n"
        "    movw %ax, 24(%di)\n"
        "    movw $0x0038, %ax\n"
        "    addb $0x45, %al\n"
        "    daa\n"
        "    movw %ax, 26(%di)\n"
        "    ret\n"
        "real_int:\n"
        "    movw $0x6060, %ax\n"
        "    iret\n"
        "real_de:\n"
        "    movw $0xde, %ax\n"
        "    movw $1, %cx\n" /* the division is done again */
        "    xorw %dx, %dx\n"
        "    iret\n"
        "real_gp:\n" /* behind a 2 or 4 byte instruction */
        "    movw $0xd, %ax\n"
        "    pushw %bp\n"
        "    movw %sp, %bp\n"
        "    addw $2, 2(%bp)\n"
        "    cmpw $0xffff, %bx\n"
        "    je 1f\n"
        "    addw $2, 2(%bp)\n"
        "1:  popw %bp\n"
        "    iret\n"
        "real_end:\n"
        ".code32\n");

static void copy(uint32_t to, const uint8_t *from, const uint8_t *end)
{
    volatile uint8_t *p = (volatile uint8_t *)to;

    OPAQUE(p);
    while (from < end) {
        *p++ = *from++;
    }
}

static uint32_t peek(uint32_t address, unsigned size)
{
    volatile uint8_t *p = (volatile uint8_t *)address;
    uint32_t v = 0;

    OPAQUE(p);
    for (unsigned i = 0; i < size; i++) {
        v |= (uint32_t)p[i] << 8 * i;
    }
    return v;
}

static uint32_t v86_flags = FL_ONE | FL_IOPL;

static void run_v86(void *entry)
{
    enter_vm86((uint32_t)((const uint8_t *)entry - v86_start), V86_CODE >> 4,
               v86_flags, 0x800);
}

static void run(const uint8_t *entry)
{
    trapped(run_v86, (void *)(uintptr_t)entry);
}

void test_vm86(void)
{
    group("virtual-8086");
    copy(V86_CODE, v86_start, v86_end);
    *(volatile uint16_t *)0x30030 = 0x4321;
    run(v86_start);
    expect(VECTOR_BACK, 0, "code, ended by an interrupt");
    ok(trap.f.eflags & FL_VM, "VM in the frame");
    ok_eq(trap.f.ebx & 0xffff, 0x2000, "DS");
    ok_eq(peek(0x20010, 2), 0x1234, "memory by DS");
    ok_eq(peek(0x10020, 2), 0x5678, "memory by ES");
    ok_eq(trap.f.ecx & 0xffff, 0x4321, "memory by FS");
    ok_eq(trap.f.cs, 0x900, "CS in the frame");
    ok_eq(trap.f.ds, 0x2000, "DS in the frame");
    ok_eq(trap.f.gs, 0x4000, "GS in the frame");
    ok(trap.handler_esp - (uint32_t)stack0 < PAGE, "the stack of the TSS");
    run(v86_int);
    expect(GP, 0x21 * 8 + 2, "INT by a gate that users may not have");
    run(v86_pushf);
    expect(VECTOR_BACK, 0, "PUSHF with IOPL 3");
    run(v86_hlt);
    expect(GP, 0, "HLT");
    run(v86_wrap);
    expect(GP, 0, "a word at FFFFh");
    run(v86_jump);
    expect(VECTOR_BACK, 0, "far return");
    ok_eq(trap.f.edx, 0x12345678, "32-bit operands");
    v86_flags = FL_ONE;
    run(v86_pushf);
    expect(GP, 0, "PUSHF with IOPL 0");
    run(v86_int);
    expect(GP, 0, "INT with IOPL 0");
}

void test_real(void)
{
    group("real mode");
    copy(REAL_CODE, real_start, real_end);
    real_call();
    ok(true, "there and back");
    ok_eq(peek(0x5000, 2), 0x6060, "INT and IRET");
    ok_eq(peek(0x5002, 2), 0xde, "#DE by vector 0, then again");
    ok_eq(peek(0x5004, 2), 0xd, "a word at FFFFh: #GP");
    ok_eq(peek(0x5006, 2), 0xbeef, "segment arithmetic");
    ok_eq(peek(0x5008, 4), 0x12345678, "32-bit operands");
    ok_eq(peek(0x500c, 4), 0x12345678, "32-bit addresses");
    ok_eq(peek(0x5010, 2), 0xd, "an address over 64 KiB: #GP");
    ok_eq(peek(0x5012, 2), 0x5120, "REP MOVSW");
    ok_eq(peek(0x5100, 4), peek(REAL_CODE, 4), "what it moved");
    ok_eq(peek(0x5014, 4), 0x20000, "PUSH changes SP only");
    ok_eq(peek(0x5018, 2), 0x0106, "AAA");
    ok_eq(peek(0x501a, 2), 0x0083, "DAA");
}
