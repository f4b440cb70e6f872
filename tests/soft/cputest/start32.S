/*
 * Entry of the 32-bit program, exception stubs, ways into user, virtual-8086
 * and real mode.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "boot.inc"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_USER_CODE 0x1b
#define SEL_USER_DATA 0x23
#define SEL_CODE16 0x78
#define SEL_DATA16 0x80
#define REAL_SWITCH 0x6000
#define REAL_CODE 0x7000

    .globl boot
boot:
    movl $boot_stack_top, %esp
    lgdt boot_gdt_pointer
    ljmp $SEL_CODE, $1f
1:  movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    call main32
1:  cli
    hlt
    jmp 1b

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt

    .text
    .macro stub vector
    .balign 16
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
    .else
    pushl $0
    .endif
    pushl $\vector
    jmp common
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .irp v, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    stub \v
    .endr
    .balign 16
    .globl trap_stub_back
trap_stub_back:
    pushl $0
    pushl $0x80
common:
    pushal
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    movl %esp, %eax
    pushl %eax
    call trap_enter             /* does not come back */

/* int set_jump(uint32_t buf[6]); void do_jump(uint32_t buf[6]) */
    .globl set_jump, do_jump
set_jump:
    movl 4(%esp), %eax
    movl (%esp), %edx
    movl %ebx, 0(%eax)
    movl %ebp, 4(%eax)
    movl %esi, 8(%eax)
    movl %edi, 12(%eax)
    movl %esp, 16(%eax)
    movl %edx, 20(%eax)
    xorl %eax, %eax
    ret

do_jump:
    movl 4(%esp), %eax
    movl $SEL_DATA, %edx
    movl %edx, %ds
    movl %edx, %es
    movl %edx, %ss
    movl 0(%eax), %ebx
    movl 4(%eax), %ebp
    movl 8(%eax), %esi
    movl 12(%eax), %edi
    movl 16(%eax), %esp
    movl 20(%eax), %edx
    movl %edx, (%esp)
    pushl $2
    popfl
    movl $1, %eax
    ret

    .globl enter_user
enter_user:
    movl %esp, %ebp
    pushl $SEL_USER_DATA
    pushl 8(%ebp)
    pushl 12(%ebp)
    pushl $SEL_USER_CODE
    pushl 4(%ebp)
    movl 16(%ebp), %ecx
    movl $SEL_USER_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    iretl

    .globl enter_vm86
enter_vm86:
    movl %esp, %ebp
    pushl $0x4000               /* gs */
    pushl $0x3000               /* fs */
    pushl $0x2000               /* ds */
    pushl $0x1000               /* es */
    pushl $0x0900               /* ss */
    pushl 16(%ebp)
    movl 12(%ebp), %eax
    orl $0x20000, %eax
    pushl %eax
    pushl 8(%ebp)
    pushl 4(%ebp)
    movl $0x55aa, %eax
    iretl

/* -- real mode and back; a part of it must be below 64 KiB ------------------- */

    .globl real_call
real_call:
    pushal
    movl $real_switch, %esi
    movl $REAL_SWITCH, %edi
    movl $(real_switch_end - real_switch), %ecx
    rep movsb
    movl %esp, saved_esp
    lidt real_idt_pointer
    movl $SEL_DATA16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    ljmp $SEL_CODE16, $REAL_SWITCH
real_back:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl saved_esp, %esp
    call load_idt
    popal
    ret

    .code16
real_switch:
    movl %cr0, %eax
    andl $0xfffffffe, %eax
    movl %eax, %cr0
    ljmp $0, $(REAL_SWITCH + 1f - real_switch)
1:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movw $REAL_SWITCH, %sp
    movw $REAL_CODE, %bx
    call *%bx
    cli
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $SEL_CODE, $real_back
real_switch_end:

    .section .rodata
real_idt_pointer:
    .word 0x3ff
    .long 0

    .bss
    .balign 16
saved_esp:
    .skip 4
    .balign 16
boot_stack:
    .skip 16384
boot_stack_top:
