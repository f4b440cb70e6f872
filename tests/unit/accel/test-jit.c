/*
 * Tests of the translator (accel/soft/jit*.c): what random sequences of user
 * instructions (tests/soft/) cannot see. Every program runs interpreted, too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/jit.h"
#include "qapi/error.h"

#include "soft-machine.h"

/* A program at SM_CODE that ends with OUT. Faults lead to SM_CODE + 0x800, the
 * interrupt of test_latency() to 0xc00. */
typedef struct Program {
    const char *name;
    SoftMachineMode mode;
    const uint8_t *code;
    const uint8_t *end;
    uint32_t expect; /* what it writes */
} Program;

/* The place @offset of the program @name. */
#define AT(name, offset) ".org " name " + " offset "\n"

#define OUT "out %eax, $0xf4\n9: jmp 9b\n"

/* -- code that is written -------------------------------------------------- */

/* A loop writes the immediate operand of an instruction in itself. */
SM_CODE_BLOCK(smc_here, "lea 1f(%rip), %rbx\n"
                        "xor %eax, %eax\n"
                        "mov $10, %ecx\n"
                        "0: mov %ecx, 1(%rbx)\n"
                        "1: add $0x11223344, %eax\n"
                        "dec %ecx\n"
                        "jnz 0b\n" OUT);

/* The same of a function on another page, which was called before. */
SM_CODE_BLOCK(smc_there,
              "lea 3f(%rip), %rbx\n"
              "xor %eax, %eax\n"
              "mov $10, %ecx\n"
              "0: call 3f\n"
              "mov %ecx, 1(%rbx)\n"
              "dec %ecx\n"
              "jnz 0b\n" OUT AT("smc_there", "0x1000") "3: add $0x100, %eax\n"
                                                       "ret\n");

/* And by rep stos, over a function that lies on two pages. */
SM_CODE_BLOCK(smc_stos,
              "lea 3f(%rip), %rbx\n"
              "call *%rbx\n"
              "mov %eax, %edx\n"
              "mov %rbx, %rdi\n"
              "mov $0x90, %al\n"
              "mov $20, %ecx\n"
              "rep stosb\n"
              "mov $7, %eax\n"
              "call *%rbx\n"
              "add %edx, %eax\n" OUT AT("smc_stos",
                                        "0xff6") "3: mov $0x100, %eax\n"
                                                 "add $0x10, %eax\n"
                                                 "add $0x20, %eax\n"
                                                 "add $0x30, %eax\n" AT(
                                                     "smc_stos",
                                                     "0xff6 + 20") "ret\n");

/* An instruction across two pages; its second half is written. */
SM_CODE_BLOCK(crossing,
              "xor %ebp, %ebp\n"
              "mov $5, %ecx\n"
              "0: call 3f\n"
              "add %eax, %ebp\n"
              "incl 4f(%rip)\n"
              "dec %ecx\n"
              "jnz 0b\n"
              "mov %ebp, %eax\n" OUT AT("crossing", "0xfff") "3: .byte 0xb8\n"
                                                             "4: .long 100\n"
                                                             "ret\n");

/* -- pages that go elsewhere ------------------------------------------------ */

#define PTE(linear) "0x13000 + 8 * (" linear " >> 12)"

/* The page 0x1c0000 leads to 0x1c1000 and 0x1c2000 in turn, by INVLPG. */
SM_CODE_BLOCK(remap, "movl $0xc301b0, 0x1c1000\n"
                     "movl $0xc302b0, 0x1c2000\n"
                     "mov $0x1c0000, %ebx\n"
                     "xor %ebp, %ebp\n"
                     "mov $6, %ecx\n"
                     "0: movl $0x1c1007, " PTE(
                         "0x1c0000") "\n"
                                     "invlpg (%rbx)\n"
                                     "call *%rbx\n"
                                     "movzx %al, %edx\n"
                                     "add %edx, %ebp\n"
                                     "movl $0x1c2007, " PTE(
                                         "0x1c0000") "\n"
                                                     "invlpg (%rbx)\n"
                                                     "call *%rbx\n"
                                                     "movzx %al, %edx\n"
                                                     "shl $4, %edx\n"
                                                     "add %edx, %ebp\n"
                                                     "dec %ecx\n"
                                                     "jnz 0b\n"
                                                     "mov %ebp, %eax\n" OUT);

/* By a load of CR3, and the second half of an instruction. */
SM_CODE_BLOCK(
    remap_half,
    "movb $0xb8, 0x1c0fff\n"
    "movl $0x10, 0x1c4000\n"
    "movb $0xc3, 0x1c4004\n"
    "movl $0x1, 0x1c5000\n"
    "movb $0xc3, 0x1c5004\n"
    "mov $0x1c0fff, %ebx\n"
    "xor %ebp, %ebp\n"
    "mov $3, %ecx\n"
    "0: movl $0x1c4007, " PTE(
        "0x1c1000") "\n"
                    "mov %cr3, %rdx\n"
                    "mov %rdx, %cr3\n"
                    "call *%rbx\n"
                    "add %eax, %ebp\n"
                    "movl $0x1c5007, " PTE("0x1c1000") "\n"
                                                       "mov %cr3, %rdx\n"
                                                       "mov %rdx, %cr3\n"
                                                       "call *%rbx\n"
                                                       "add %eax, %ebp\n"
                                                       "dec %ecx\n"
                                                       "jnz 0b\n"
                                                       "mov %ebp, %eax\n" OUT);

/* -- flags ------------------------------------------------------------------- */

/* Carry goes through memory operands and round the loop. */
SM_CODE_BLOCK(carry, "mov $0x180000, %esi\n"
                     "mov $64, %ecx\n"
                     "0: movq $-1, -8(%rsi,%rcx,8)\n"
                     "dec %ecx\n"
                     "jnz 0b\n"
                     "mov $64, %ecx\n"
                     "stc\n"
                     "1: mov (%rsi), %rax\n"
                     "adc $0, %rax\n"
                     "mov %rax, (%rsi)\n"
                     "adcq $0, 0x1000(%rsi)\n"
                     "lea 8(%rsi), %rsi\n"
                     "dec %ecx\n"
                     "jnz 1b\n"
                     "setc %al\n"
                     "movzx %al, %eax\n"
                     "shl $8, %eax\n"
                     "add 0x180000, %eax\n"
                     "add 0x181000, %eax\n" OUT);

/* All six across loads, a call, pushf and popf. */
SM_CODE_BLOCK(flags_live, "mov $0x180000, %ebx\n"
                          "movl $5, (%rbx)\n"
                          "mov $0x7fffffff, %eax\n"
                          "add $1, %eax\n" /* OF SF AF PF */
                          "mov (%rbx), %edx\n"
                          "mov %edx, 0x1000(%rbx)\n"
                          "call 3f\n"
                          "pushf\n"
                          "pop %rax\n"
                          "and $0x8d5, %eax\n"
                          "push %rax\n"
                          "xor %ecx, %ecx\n"
                          "popf\n"
                          "mov (%rbx), %ecx\n"
                          "seto 8(%rbx)\n"
                          "sets 9(%rbx)\n"
                          "mov 8(%rbx), %ecx\n"
                          "movzx %cx, %ecx\n"
                          "shl $16, %ecx\n"
                          "or %ecx, %eax\n" OUT "3: mov (%rbx), %ecx\n"
                          "ret\n");

/* -- others -------------------------------------------------------------------- */

/* r13-r15 have no register of the host. */
SM_CODE_BLOCK(high_registers, "mov $3, %r13d\n"
                              "mov $0x180000, %r14d\n"
                              "mov $-1, %r15\n"
                              "xor %r15d, %r15d\n"
                              "mov %r13, (%r14)\n"
                              "add %r13, (%r14)\n"
                              "mov (%r14), %r15\n"
                              "push %r15\n"
                              "push %r14\n"
                              "imul %r13, %r15\n"
                              "lea 1(%r15,%r13,4), %r13\n"
                              "xchg %r13, %r15\n"
                              "movzbl %r15b, %r15d\n"
                              "bts $8, %r15\n"
                              "pop %r14\n"
                              "pop %rcx\n"
                              "cmp %r13, %r15\n"
                              "seta %r13b\n"
                              "xadd %r15, (%r14)\n"
                              "add %ecx, %r15d\n"
                              "shl $16, %r15d\n"
                              "lea (%r15,%r13), %eax\n" OUT);

/* AH and BH with memory operands, which need a REX prefix here. */
SM_CODE_BLOCK(high_bytes, "mov $0x180000, %esi\n"
                          "movl $0x01020304, (%rsi)\n"
                          "mov $0x1122, %eax\n"
                          "mov $0x3344, %ebx\n"
                          "mov (%rsi), %ah\n"
                          "add 1(%rsi), %bh\n"
                          "mov %bh, 2(%rsi)\n"
                          "xor %ah, (%rsi)\n"
                          "shl $16, %eax\n"
                          "mov (%rsi), %ax\n"
                          "add 2(%rsi), %ah\n" OUT);

/* Vectors live on across an instruction of the interpreter. */
SM_CODE_BLOCK(vectors, "mov $7, %eax\n"
                       "movd %eax, %xmm9\n"
                       "pshufd $0, %xmm9, %xmm1\n"
                       "xor %eax, %eax\n"
                       "cpuid\n"
                       "mov $0x180008, %ebx\n"
                       "movups %xmm1, (%rbx)\n"
                       "paddd %xmm9, %xmm1\n"
                       "movups (%rbx), %xmm2\n"
                       "paddd %xmm2, %xmm1\n"
                       "movd %xmm1, %eax\n" OUT);

/* x87 beside them; the control word changes on the way. */
SM_CODE_BLOCK(x87, "movl $0x0c7f, 0x180000\n"
                   "movl $1234567, 0x180010\n"
                   "fninit\n"
                   "fildl 0x180010\n"
                   "fld1\n"
                   "fld1\n"
                   "faddp\n"
                   "fdivrp\n"
                   "fldcw 0x180000\n"
                   "fistl 0x180020\n"
                   "fninit\n"
                   "mov 0x180020, %eax\n" OUT);

SM_CODE_BLOCK(strings, "mov $0x180ffb, %edi\n"
                       "mov $0xab, %eax\n"
                       "mov $0x1805, %ecx\n"
                       "rep stosb\n"
                       "mov $0x180ffb, %esi\n"
                       "mov $0x180ffc, %edi\n"
                       "movb $1, (%rsi)\n"
                       "mov $0x1000, %ecx\n"
                       "rep movsb\n" /* copies the 1 onwards */
                       "movzbl 0x181ffb, %eax\n"
                       "shl $8, %eax\n"
                       "mov 0x182000, %al\n"
                       "shl $8, %eax\n"
                       "or %ecx, %eax\n" OUT);

SM_CODE_BLOCK(bit_strings, "mov $0x181000, %ebx\n"
                           "mov $-33, %rax\n"
                           "bts %rax, (%rbx)\n"
                           "mov $1000, %ecx\n"
                           "bts %ecx, (%rbx)\n"
                           "bt %rax, (%rbx)\n"
                           "setc %dl\n"
                           "mov 0x180ff8, %eax\n"
                           "rol $8, %eax\n"
                           "add 0x18107c, %eax\n"
                           "add %dl, %al\n" OUT);

SM_CODE_BLOCK(flat32, ".code32\n"
                      "mov $0x180000, %ebx\n"
                      "mov $9, %ecx\n"
                      "xor %eax, %eax\n"
                      "0: push %ecx\n"
                      "call 3f\n"
                      "pop %edx\n"
                      "lea -0x180000(%ebx,%edx), %edi\n"
                      "add %edi, %eax\n"
                      "loop 0b\n"
                      "jecxz 1f\n"
                      "mov $0, %eax\n"
                      "1: inc %eax\n"
                      "movl %eax, (%ebx)\n"
                      "pushf\n"
                      "mov $0xfff00000, %edi\n"
                      "mov 0x280000(%edi), %eax\n" /* wraps to (%ebx) */
                      "popf\n" OUT "3: push %ebp\n"
                      "mov %esp, %ebp\n"
                      "add 8(%ebp), %eax\n"
                      "leave\n"
                      "ret\n");

/* SMAP: STAC opens a user page for the kernel, CLAC shuts it. */
SM_CODE_BLOCK(
    smap,
    "mov $512, %ecx\n"
    "0: andb $~4, 0x13000 - 8(,%rcx,8)\n"
    "loop 0b\n"
    "orb $4, " PTE("0x181000") "\n"
                               "mov %cr3, %rax\n"
                               "mov %rax, %cr3\n"
                               "mov %cr4, %rax\n"
                               "or $0x200000, %eax\n"
                               "mov %rax, %cr4\n"
                               "0: stac\n"
                               "movl $5, 0x181000\n"
                               "mov 0x181000, %ebx\n"
                               "clac\n"
                               "add %ebx, 0x180000\n"
                               "inc %ecx\n"
                               "cmp $3, %ecx\n"
                               "jne 0b\n"
                               "2: mov 0x181000, %eax\n"
                               "mov $1, %eax\n" OUT AT(
                                   "smap", "0x800") "mov 0x180000, %eax\n" OUT);

/* A return to nowhere faults before the stack pointer moves. */
SM_CODE_BLOCK(bad_return,
              "lea 2f(%rip), %rbx\n"
              "mov $1, %eax\n"
              "shl $63, %rax\n"
              "push %rax\n"
              "mov %rsp, %rbp\n"
              "2: ret\n" AT("bad_return", "0x800") "mov $0xbad, %eax\n"
                                                   "cmp %rbx, 8(%rsp)\n"
                                                   "jne 3f\n"
                                                   "cmp %rbp, 32(%rsp)\n"
                                                   "jne 3f\n"
                                                   "mov $13, %eax\n"
                                                   "3: " OUT);

/* #DE of all kinds; the handler goes on behind the division. */
SM_CODE_BLOCK(divide,
              "xor %ebp, %ebp\n"
              "xor %ecx, %ecx\n"
              "mov $7, %eax\n"
              "cdq\n"
              "div %ecx\n"
              "idiv %ecx\n"
              "mov $1, %edx\n"
              "mov $1, %ecx\n"
              "div %ecx\n"
              "mov $0x80000000, %eax\n"
              "cdq\n"
              "mov $-1, %ecx\n"
              "idiv %ecx\n"
              "mov $-7, %eax\n"
              "cdq\n"
              "idiv %ecx\n" /* 7, no fault */
              "add %eax, %ebp\n"
              "mov $100, %eax\n"
              "xor %edx, %edx\n"
              "mov $9, %ecx\n"
              "div %ecx\n"
              "shl $8, %edx\n"
              "add %edx, %ebp\n"
              "mov %ebp, %eax\n" OUT AT("divide", "0x800") "add $0x10, %ebp\n"
                                                           "addq $2, (%rsp)\n"
                                                           "iretq\n");

/* A push that faults leaves everything as it was; the handler maps the page. */
SM_CODE_BLOCK(
    push_fault,
    "movl $0, " PTE(
        "0x1bf000") "\n"
                    "invlpg 0x1bf000\n"
                    "mov %rsp, %r13\n"
                    "mov $0x1c0000, %esp\n"
                    "mov $0x1234, %ebp\n"
                    "push %rbp\n"
                    "push %rbp\n"
                    "pop %rax\n"
                    "mov 0x1bfff8, %ecx\n"
                    "shl $16, %ecx\n"
                    "add %ecx, %eax\n" OUT AT(
                        "push_fault",
                        "0x800") "cmpq $0x1c0000, 32(%rsp)\n"
                                 "jne 3f\n"
                                 "movl $0x1bf007, " PTE(
                                     "0x1bf000") "\n"
                                                 "add $8, %rsp\n"
                                                 "iretq\n"
                                                 "3: mov $0xbad, %eax\n" OUT);

/* A write, a read near by that is on the next page, and a write to where it
 * read: that page is read-only. */
SM_CODE_BLOCK(
    next_page_ro,
    "mov %cr0, %rax\n"
    "or $0x10000, %eax\n"
    "mov %rax, %cr0\n"
    "movl $0x1c1005, " PTE("0x1c1000") "\n"
                                       "invlpg 0x1c1000\n"
                                       "mov $0x1c1004, %ebx\n"
                                       "movb $1, -0x200(%rbx)\n"
                                       "mov (%rbx), %ecx\n"
                                       "movb $7, (%rbx)\n"
                                       "mov $0xbad, %eax\n" OUT AT(
                                           "next_page_ro",
                                           "0x800") "mov %cr2, %rax\n"
                                                    "add (%rbx), %eax\n" OUT);

/* An unmasked exception of x87 comes with the next waiting instruction. */
SM_CODE_BLOCK(x87_fault,
              "mov %cr0, %rax\n"
              "or $0x22, %eax\n"
              "mov %rax, %cr0\n"
              "fninit\n"
              "movl $0x37b, 0x180000\n" /* zero divide */
              "fldcw 0x180000\n"
              "fldz\n"
              "fld1\n"
              "fdivp\n" /* 1 / 0 or 0 / 1, by assembler */
              "fldz\n"
              "fldz\n"
              "fld1\n"
              "fdivrp %st(1)\n"
              "fwait\n"
              "mov $1, %eax\n" OUT AT("x87_fault",
                                      "0x800") "fnstsw %ax\n"
                                               "and $4, %eax\n"
                                               "or $0x10, %eax\n" OUT);

/* A device is asked while an exception of x87 waits and registers are full. */
SM_CODE_BLOCK(x87_device, "mov %cr0, %rax\n"
                          "or $0x22, %eax\n"
                          "mov %rax, %cr0\n"
                          "fninit\n"
                          "movl $0x37b, 0x180000\n"
                          "fldcw 0x180000\n"
                          "fld1\n"
                          "fldz\n"
                          "fdivr %st(1), %st\n"
                          "in $0x10, %al\n"
                          "xor %eax, %eax\n"
                          "fnstsw %ax\n"
                          "and $0xb884, %eax\n" OUT);

/* An MMX instruction whose operand is device memory. */
SM_CODE_BLOCK(mmx_device,
              "movl $0x2000007, " PTE("0x1c0000") "\n"
                                                  "invlpg 0x1c0000\n"
                                                  "mov %cr0, %rax\n"
                                                  "or $2, %eax\n"
                                                  "mov %rax, %cr0\n"
                                                  "mov $0x01010101, %eax\n"
                                                  "movd %eax, %mm1\n"
                                                  "paddd 0x1c0000, %mm1\n"
                                                  "movd %mm1, %eax\n" OUT);

/* Accesses across the end of the lower half are no page faults (#GP, #SS),
 * though its last page is not there. */
SM_CODE_BLOCK(last_byte,
              "xor %r8d, %r8d\n"
              "xor %r9d, %r9d\n"
              "mov %r9, %cr2\n"
              "mov $0x7fffffffffff, %rbx\n"
              "mov %rbx, %rbp\n"
              "mov (%rbx), %eax\n"
              "nop\n"
              "mov %eax, -1(%rbx)\n"
              "mov %eax, (%rbp)\n"
              "lea (%r8, %r9), %eax\n" OUT AT("last_byte",
                                              "0x800") "inc %r8d\n"
                                                       "mov %cr2, %rcx\n"
                                                       "or %rcx, %r9\n"
                                                       "addq $3, 8(%rsp)\n"
                                                       "add $8, %rsp\n"
                                                       "iretq\n");

/* An endless loop of one instruction; the handler at 0xc00 ends it. */
SM_CODE_BLOCK(endless,
              "sti\n"
              "0: jmp 0b\n" AT("endless", "0xc00") "mov $0x40, %eax\n" OUT);

#define PROGRAM(n, m, e)                                                       \
    {                                                                          \
#n, m, n, n##_end, e                                                   \
    }

static const Program programs[] = {
    PROGRAM(smc_here, SM_LONG, 55),
    PROGRAM(smc_there, SM_LONG, 0x100 + 54),
    PROGRAM(smc_stos, SM_LONG, 0x160 + 7),
    PROGRAM(crossing, SM_LONG, 510),
    PROGRAM(remap, SM_LONG, 6 + 6 * 0x20),
    PROGRAM(remap_half, SM_LONG, 0x33),
    PROGRAM(carry, SM_LONG, 1),
    PROGRAM(flags_live, SM_LONG, 0x894 | 0x01010000),
    PROGRAM(high_registers, SM_LONG, 12 << 16 | 1),
    PROGRAM(high_bytes, SM_LONG, 0x04223900),
    PROGRAM(vectors, SM_LONG, 21),
    PROGRAM(x87, SM_LONG, 617283),
    PROGRAM(strings, SM_LONG, 0x01ab00),
    PROGRAM(bit_strings, SM_LONG, 0x181),
    PROGRAM(flat32, SM_PROT32, 91),
    PROGRAM(smap, SM_LONG, 15),
    PROGRAM(bad_return, SM_LONG, 13),
    PROGRAM(divide, SM_LONG, 4 * 0x10 + 7 + 0x100),
    PROGRAM(push_fault, SM_LONG, 0x12341234),
    PROGRAM(next_page_ro, SM_LONG, 0x1c1004),
    PROGRAM(x87_fault, SM_LONG, 0x14),
    PROGRAM(x87_device, SM_LONG, 0xb084),
    PROGRAM(mmx_device, SM_LONG, 0x45342312),
    PROGRAM(last_byte, SM_LONG, 3),
};

static SoftMachine *machine_new(const Program *p, bool jit)
{
    static const uint8_t faults[] = { 0, 12, 13, 14, 16 };
    SoftMachine *sm = sm_new(p->mode, 1, jit);
    uint16_t cs = p->mode == SM_LONG ? SM_SEL_CODE64 : SM_SEL_CODE32;

    for (size_t i = 0; i < sizeof(faults); i++) {
        /* A page fault may be one of the stack. */
        sm_gate(sm, faults[i], cs, SM_CODE + 0x800, SOFT_SYS_INT, 0,
                p->mode == SM_LONG && faults[i] == 14 ? 1 : 0);
    }
    sm_gate(sm, 0x40, cs, SM_CODE + 0xc00, SOFT_SYS_INT, 0, 0);
    sm_put(sm, SM_CODE, p->code, (size_t)(p->end - p->code));
    return sm;
}

static void check(SoftMachine *sm, uint32_t expect)
{
    g_assert_cmpint(sm_run(sm, 0), ==, ACCEL_EXIT_INTERRUPTED);
    g_assert_cmpuint(sm->ends, ==, 1);
    g_assert_cmphex(sm->ended_with, ==, expect);
}

static void test_program(const void *data)
{
    const Program *p = data;

    for (int jit = 0; jit < 2; jit++) {
        g_autoptr(SoftMachine) sm = machine_new(p, jit);

        g_test_message("%s", jit ? "translated" : "interpreted");
        check(sm, p->expect);
    }
}

/* The same code again after all blocks were dropped, and on another CPU model's
 * TLB size. */
static void test_invalidate_all(void)
{
    const Program *p = &programs[0];
    g_autoptr(SoftMachine) sm = machine_new(p, true);
    const SoftTranslator *t = soft_jit_translator(&error_abort);

    for (unsigned i = 0; i < 3; i++) {
        sm->ends = 0;
        sm->cpu[0]->rip = SM_CODE;
        check(sm, p->expect);
        t->invalidate_all(sm->cpu[0]);
    }
}

/* In compatibility mode the instruction pointer wraps at 4 GiB, but no
 * instruction does. */
static void test_wrap(void)
{
    static const uint8_t end[] = { 0xe7, SM_PORT_END, 0xeb, 0xfe };
    static const uint8_t tail[][4] = {
        { 0x40, 0x40, 0x40, 0x40 }, /* inc %eax */
        { 0x40, 0x40, 0x40, 0x05 }, /* add $imm32, %eax: #GP */
    };

    for (unsigned i = 0; i < 4; i++) {
        const Program p = { .mode = SM_LONG, .code = end, .end = end + 4 };
        g_autoptr(SoftMachine) sm = machine_new(&p, i & 1);
        SoftCPU *cpu = sm->cpu[0];
        SoftDescriptor d;

        /* The last 2 MiB of the 4 GiB are memory from 2 MiB on. */
        sm_put64(sm, SM_PDPT + 8 * 3, SM_FREE | 7);
        sm_put64(sm, SM_FREE + 8 * 511, 0x200000 | 0x87);
        sm_put(sm, 0x3ffffc, tail[i / 2], 4);
        sm_put(sm, 0, end, sizeof(end));
        sm_put(sm, SM_CODE + 0x800, end, sizeof(end));
        g_assert_true(soft_desc_read(cpu, SM_SEL_CODE32, SOFT_EXC_GP, 0, &d));
        soft_set_cs(cpu, SM_SEL_CODE32, &d, 0);
        cpu->rip = 0xfffffffc;
        cpu->gpr[X86_RAX] = 0;
        check(sm, i / 2 ? 3 : 4);
        g_assert_cmphex(cpu->rip, ==, i / 2 ? SM_CODE + 0x802 : 2);
        g_assert_cmphex(cpu->cr2, ==, 0);
    }
}

static void *interrupt_later(void *opaque)
{
    SoftMachine *sm = opaque;

    g_usleep(20000);
    sm->intr_vector = 0x40;
    sm->ac->vcpu_intr(&sm->cpu[0]->base, true);
    return NULL;
}

/* A loop that never leaves its block hears of an interrupt. */
static void test_latency(void)
{
    const Program p = PROGRAM(endless, SM_LONG, 0x40);
    g_autoptr(SoftMachine) sm = machine_new(&p, true);
    GThread *other = g_thread_new("interrupt", interrupt_later, sm);

    check(sm, p.expect);
    g_thread_join(other);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path =
            g_strdup_printf("/accel/jit/%s", programs[i].name);

        g_test_add_data_func(path, &programs[i], test_program);
    }
    g_test_add_func("/accel/jit/invalidate-all", test_invalidate_all);
    g_test_add_func("/accel/jit/wrap", test_wrap);
    g_test_add_func("/accel/jit/latency", test_latency);
    return g_test_run();
}
