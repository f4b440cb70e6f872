/*
 * Entry of the stress guest, from a Multiboot 1 loader or by the PVH boot ABI,
 * into 64-bit C; the trampoline of the application processors; the exception
 * stubs.
 *
 * Nothing here or in the C part needs an instruction that a plain instruction
 * emulator lacks: no IRET (the timer's handler leaves by JMP), no SSE, no
 * CMPXCHG16B, no INT3. The first 1 GiB is mapped here with 2 MiB pages;
 * paging.c maps the rest when the memory map is known.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define COM1 0x3f8
#define TRAMPOLINE 0x8000

#define MB_MAGIC 0x1badb002
/* page-aligned modules, memory information, address fields below */
#define MB_FLAGS 0x00010003

#define CR0_PE 0x00000001
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18

#ifdef GUEST_MULTIBOOT
    .section .multiboot, "a"
    .balign 4
mb_header:
    .long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
    .long mb_header, _load_start, _load_end, _end, multiboot_entry
#endif

/* XEN_ELFNOTE_PHYS32_ENTRY (18): where PVH enters, 32-bit, paging off. */
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_entry

    .section .head.text, "ax"
    .code32
    .globl multiboot_entry
multiboot_entry:
    cmpl $0x2badb002, %eax
    jne dead32
    movl $1, %edi
    jmp common32

    .globl pvh_entry
pvh_entry:
    movl $2, %edi

/* EDI: boot protocol, EBX: its information structure. */
common32:
    cli
    cld
    /* The first thing an observer sees: 8N1 at the top rate, FIFO on, 'A'. */
    movw $(COM1 + 3), %dx
    movb $0x80, %al
    outb %al, %dx
    movw $COM1, %dx
    movb $1, %al
    outb %al, %dx
    movw $(COM1 + 1), %dx
    xorl %eax, %eax
    outb %al, %dx
    movw $(COM1 + 3), %dx
    movb $0x03, %al
    outb %al, %dx
    movw $(COM1 + 2), %dx
    movb $0x01, %al
    outb %al, %dx
    movw $(COM1 + 4), %dx
    movb $0x03, %al
    outb %al, %dx
    movw $COM1, %dx
    movb $'A', %al
    outb %al, %dx

    movl $(pd0 + 0), %ecx
    movl $0x83, %eax
1:  movl %eax, (%ecx)
    addl $8, %ecx
    addl $0x200000, %eax
    cmpl $0x40000083, %eax
    jne 1b
    movl $(pdpt + 3), pml4
    movl $(pd0 + 3), pdpt

    movl $cpu_stacks_first_top, %esp
    lgdt gdt_pointer
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG, %eax
    movl %eax, %cr0
    ljmp $SEL_CODE64, $long_mode

dead32:
    cli
    hlt
    jmp dead32

    .code64
long_mode:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl %ebx, %esi
    xorl %ebp, %ebp
    call guest_main
1:  cli
    hlt
    jmp 1b

/*
 * Application processors start here in real mode; copied to TRAMPOLINE. Any
 * number may run it at once: it uses no stack and no scratch memory.
 */
    .section .rodata
    .balign 16
    .globl trampoline_start, trampoline_end
trampoline_start:
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl (TRAMPOLINE + tramp_gdt_pointer - trampoline_start)
    movl %cr0, %eax
    orl $CR0_PE, %eax
    andl $0x9fffffff, %eax
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $ap_entry32
    .balign 8
tramp_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

    .text
    .code32
ap_entry32:
    movl $SEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG, %eax
    movl %eax, %cr0
    ljmp $SEL_CODE64, $ap_entry64

    .code64
ap_entry64:
    movl $1, %edi
    lock xaddl %edi, ap_arrived
    incl %edi                   /* this CPU's index; the first CPU is 0 */
    cmpl $GUEST_CPUS_MAX, %edi
    jae 1f
    movl %edi, %eax
    shll $GUEST_STACK_SHIFT, %eax
    leaq cpu_stacks_first_top(%rax), %rsp
    xorl %ebp, %ebp
    call guest_ap_main
1:  cli
    hlt
    jmp 1b

/*
 * Exceptions: vector and error code on the stack, then C, which does not
 * return. The timer (vector 0x40) and the spurious vector only wake a HLT:
 * they drop the frame and go on behind it.
 */
    .macro stub vector, has_error
    .balign 16
    .if \has_error == 0
    pushq $0
    .endif
    pushq $\vector
    jmp exception_common
    .endm

    .balign 16
    .globl exception_stubs
exception_stubs:
    .irp v, 0, 1, 2, 3, 4, 5, 6, 7
    stub \v, 0
    .endr
    stub 8, 1
    stub 9, 0
    .irp v, 10, 11, 12, 13, 14
    stub \v, 1
    .endr
    stub 15, 0
    stub 16, 0
    stub 17, 1
    .irp v, 18, 19, 20
    stub \v, 0
    .endr
    stub 21, 1
    .irp v, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    stub \v, 0
    .endr

exception_common:
    movq %rsp, %rdi
    cld
    call guest_exception
1:  cli
    hlt
    jmp 1b

/* void cpu_wait_interrupt(void): STI, HLT, back here with interrupts off. */
    .globl cpu_wait_interrupt
cpu_wait_interrupt:
    sti
    hlt
    cli
    ret

/* The frame is RIP, CS, RFLAGS, RSP, SS; RAX is saved below it. */
    .balign 16
    .globl timer_stub
timer_stub:
    pushq %rcx
    pushq %rdx
    movl $0xfee000b0, %ecx
    movl $0, (%rcx)             /* end of interrupt */
    movq 16(%rsp), %rdx         /* interrupted RIP */
    movq 40(%rsp), %rcx         /* interrupted RSP */
    subq $8, %rcx
    movq %rdx, (%rcx)
    /* RFLAGS but IF were the caller's scratch (only reached from HLT). */
    movq (%rsp), %rdx
    pushq %rcx
    movq 16(%rsp), %rcx
    popq %rsp
    ret

    .balign 16
    .globl spurious_stub
spurious_stub:
    pushq %rcx
    pushq %rdx
    movq 16(%rsp), %rdx
    movq 40(%rsp), %rcx
    subq $8, %rcx
    movq %rdx, (%rcx)
    movq (%rsp), %rdx
    pushq %rcx
    movq 16(%rsp), %rcx
    popq %rsp
    ret

    .section .rodata
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 64-bit code */
    .quad 0x00cf93000000ffff    /* data */
    .quad 0x00cf9b000000ffff    /* 32-bit code */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

    .bss
    .balign 4096
    .globl pml4, pdpt
pml4:
    .skip 4096
pdpt:
    .skip 4096
pd0:
    .skip 4096
    .balign 16
cpu_stacks:
    .skip GUEST_CPUS_MAX << GUEST_STACK_SHIFT
    .set cpu_stacks_first_top, cpu_stacks + (1 << GUEST_STACK_SHIFT)
    .globl ap_arrived
ap_arrived:
    .long 0

    .section .note.GNU-stack, "", @progbits
