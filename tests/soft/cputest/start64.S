/*
 * Entry (Multiboot or PVH) of the 64-bit program, exception stubs, and the
 * few things that C cannot say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "boot.inc"

#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18
#define SEL_USER_DATA 0x2b
#define SEL_USER64 0x33
#define TRAMPOLINE 0x8000

    .section .head.text, "ax"
    .code32
    .globl boot
boot:
    /* 0..1 GiB for the supervisor, the same at 2 GiB for users. */
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, pd_low(,%ecx,8)
    movl %eax, pd_user(,%ecx,8)
    orl $4, pd_user(,%ecx,8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jne 1b
    movl $(pdpt + 7), pml4
    movl $(pd_low + 3), pdpt
    movl $(window_pd + 7), pdpt + 8
    movl $(pd_user + 7), pdpt + 16
    movl $(pd_high + 3), pdpt + 24
    /* 3..4 GiB: the local APICs, not cached. */
    movl $0xc000009b, %eax
    xorl %ecx, %ecx
1:  movl %eax, pd_high(,%ecx,8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jne 1b
    movl $boot_stack_top, %esp
    lgdt boot_gdt_pointer
    call enter_long
    ljmp $SEL_CODE64, $long_mode

/* Paging and long mode on; used by every CPU. */
enter_long:
    movl $0x20, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x901, %eax            /* SCE, LME, NXE */
    wrmsr
    movl %cr0, %eax
    andl $0x9fffffff, %eax
    orl $0x80010023, %eax       /* PG, WP, NE, MP, PE */
    movl %eax, %cr0
    ret

    .code64
long_mode:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    call main64
1:  cli
    hlt
    jmp 1b

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cf9b000000ffff
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

/* -- other processors ------------------------------------------------------ */

    .globl trampoline_start, trampoline_end
trampoline_start:
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl (TRAMPOLINE + tramp_pointer - trampoline_start)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $ap_entry32
    .balign 8
tramp_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
trampoline_end:

    .text
    .code32
ap_entry32:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    /* No stack yet: one each, by arrival. */
    movl $1, %edi
    lock xaddl %edi, ap_arrived
    cmpl $3, %edi
    jae 2f
    movl %edi, %eax
    shll $13, %eax
    leal ap_stacks + 8192(%eax), %esp
    call enter_long
    ljmp $SEL_CODE64, $ap_entry64
2:  cli
    hlt
    jmp 2b

    .code64
ap_entry64:
    movl $SEL_DATA, %eax
    movl %eax, %ss
    call ap_main
1:  cli
    hlt
    jmp 1b

/* -- exceptions ------------------------------------------------------------ */

    .macro stub vector
    .balign 16
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21
    .else
    pushq $0
    .endif
    pushq $\vector
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
    pushq $0
    pushq $0x80
    jmp common

common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    popq %rsi
    cld
    movq %rsp, %rdi
    movq %rsp, %rbp
    andq $-16, %rsp
    call trap_enter             /* comes back to go on */
    movq %rbp, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

/* int set_jump(uint64_t buf[8]): 0; again 1 when do_jump(buf) is called. */
    .globl set_jump, do_jump
set_jump:
    popq %rdx
    movq %rbx, 0(%rdi)
    movq %rbp, 8(%rdi)
    movq %r12, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r14, 32(%rdi)
    movq %r15, 40(%rdi)
    movq %rsp, 48(%rdi)
    movq %rdx, 56(%rdi)
    xorl %eax, %eax
    jmp *%rdx

do_jump:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq 0(%rdi), %rbx
    movq 8(%rdi), %rbp
    movq 16(%rdi), %r12
    movq 24(%rdi), %r13
    movq 32(%rdi), %r14
    movq 40(%rdi), %r15
    movq 48(%rdi), %rsp
    movq 56(%rdi), %rdx
    pushq $2
    popfq
    movl $1, %eax
    jmp *%rdx

/* void enter_user(uint64_t rip, uint64_t rsp, uint64_t rflags, uint64_t arg) */
    .globl enter_user
enter_user:
    pushq $SEL_USER_DATA
    pushq %rsi
    pushq %rdx
    pushq $SEL_USER64
    pushq %rdi
    movl $SEL_USER_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movq %rcx, %rdi
    xorl %eax, %eax
    iretq

/* Pieces of user code: position independent. */
    .globl user_read, user_write, user_call, user_nothing, user_rmw, user_hlt
    .globl user_far_call, user_unaligned, user_syscall, user_sysenter
user_read:
    movb (%rdi), %al
    int $0x80
user_write:
    movb $1, (%rdi)
    int $0x80
user_rmw:
    incl (%rdi)
    int $0x80
user_call:
    call *%rdi
user_nothing:
    int $0x80
user_hlt:
    hlt
    int $0x80
user_far_call:
    rex64 lcall *(%rdi)
    int $0x80
user_unaligned:
    movl 1(%rdi), %eax
    int $0x80
    .globl user_syscall_next
user_syscall:
    movl $0x1234, %ebx
    syscall
user_syscall_next:
    int $0x80
user_sysenter:
    sysenter
    int $0x80

    .bss
    .balign 4096
    .globl pml4, pdpt, window_pd, window_pt, pool
pml4:
    .skip 4096
pdpt:
    .skip 4096
pd_low:
    .skip 4096
pd_user:
    .skip 4096
pd_high:
    .skip 4096
window_pd:
    .skip 4096
window_pt:
    .skip 4096
pool:
    .skip 16 * 4096
boot_stack:
    .skip 16384
boot_stack_top:
ap_stacks:
    .skip 3 * 8192
    .globl ap_arrived
ap_arrived:
    .skip 4
