/*
 * Switching between coroutines on x86-64, by hand: a switch saves what the
 * System V calling convention says a function must preserve (six registers,
 * the stack pointer, and the control words of SSE and x87), and nothing
 * else. A suspended coroutine is just its stack pointer; below it, upwards:
 *
 *   +0   MXCSR, x87 control word
 *   +8   r15 r14 r13 r12 rbx rbp
 *   +56  address to go on at
 *
 * A new coroutine gets a stack that looks so, with the address of
 * coroutine_asm_start and itself in r12.
 *
 * Other CPUs use coroutine-ucontext.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "coroutine-internal.h"

#if defined(__x86_64__) && !defined(FERRY_COROUTINE_UCONTEXT)

#include "coroutine-current.h"
#include "coroutine-sanitizer.h"

typedef struct CoroutineAsm {
    Coroutine base;       /* first */
    void *sp;             /* while it does not run */
    CoroutineStack stack; /* base NULL: the thread's own */
    CoroutineSan san;
} CoroutineAsm;

/* Saves at *@save_sp, goes on at @load_sp; @action is what that one gets. */
int coroutine_asm_switch(void **save_sp, void *load_sp, int action);
void coroutine_asm_start(void);
/* Called from coroutine_asm_start. */
void coroutine_asm_main(CoroutineAsm *co) __attribute__((noreturn, used));

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden coroutine_asm_switch\n"
        ".globl coroutine_asm_switch\n"
        ".type coroutine_asm_switch, @function\n"
        "coroutine_asm_switch:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %rbp, 0\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %rbx, 0\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %r12, 0\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %r13, 0\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %r14, 0\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %r15, 0\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    movl %edx, %eax\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r15\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %r15\n"
        "    popq %r14\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %r14\n"
        "    popq %r13\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %r13\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %r12\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %rbx\n"
        "    popq %rbp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %rbp\n"
        /* A ret would miss the CPU's stack of return addresses. */
        "    popq %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_register %rip, %rcx\n"
        "    jmpq *%rcx\n"
        "    .cfi_endproc\n"
        ".size coroutine_asm_switch, . - coroutine_asm_switch\n"
        "\n"
        ".p2align 4\n"
        ".hidden coroutine_asm_start\n"
        ".globl coroutine_asm_start\n"
        ".type coroutine_asm_start, @function\n"
        "coroutine_asm_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined %rip\n" /* a back trace ends here */
        "    endbr64\n"
        "    movq %r12, %rdi\n"
        "    call coroutine_asm_main\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size coroutine_asm_start, . - coroutine_asm_start\n");

static COROUTINE_NO_SANITIZE_INLINE CoroutineAsm *of_base(Coroutine *co)
{
    return container_of(co, CoroutineAsm, base);
}

/* The stack of a coroutine that has not run. */
static void build_first_frame(CoroutineAsm *co)
{
    uintptr_t top = (uintptr_t)co->stack.base + co->stack.size;
    /* 16-byte aligned where coroutine_asm_start makes its call. */
    uint64_t *frame = (uint64_t *)(top & ~(uintptr_t)15) - 10;
    uint32_t mxcsr;
    uint16_t fpucw;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(fpucw));
    memset(frame, 0, 10 * sizeof(*frame));
    frame[0] = mxcsr | (uint64_t)fpucw << 32;
    frame[4] = (uintptr_t)co;
    frame[7] = (uintptr_t)coroutine_asm_start;
    co->sp = frame;
}

Coroutine *coroutine_backend_new(void)
{
    CoroutineAsm *co = g_new0(CoroutineAsm, 1);

    coroutine_stack_alloc(&co->stack, COROUTINE_STACK_SIZE);
    coroutine_san_init(&co->san, co->stack.base, co->stack.size);
    build_first_frame(co);
    return &co->base;
}

void coroutine_backend_delete(Coroutine *base)
{
    CoroutineAsm *co = of_base(base);

    coroutine_san_destroy(&co->san, co->stack.base, co->stack.size);
    coroutine_stack_free(&co->stack);
    g_free(co);
}

COROUTINE_NO_SANITIZE CoroutineAction coroutine_backend_switch(
    Coroutine *from_base, Coroutine *to_base, CoroutineAction action)
{
    CoroutineAsm *from = of_base(from_base);
    CoroutineAsm *to = of_base(to_base);
    void *fake_stack = NULL;
    int ret;

    coroutine_set_current(to_base);
    coroutine_san_leave(&to->san, action == COROUTINE_TERMINATE, &fake_stack);
    ret = coroutine_asm_switch(&from->sp, to->sp, action);
    coroutine_san_arrive(from_base->caller ? &of_base(from_base->caller)->san
                                           : NULL,
                         fake_stack);
    return (CoroutineAction)ret;
}

COROUTINE_NO_SANITIZE void coroutine_asm_main(CoroutineAsm *co)
{
    coroutine_san_arrive(&of_base(co->base.caller)->san, NULL);
    for (;;) {
        co->base.entry(co->base.entry_arg);
        coroutine_backend_switch(&co->base, co->base.caller,
                                 COROUTINE_TERMINATE);
    }
}

/* -- the thread's own ------------------------------------------------------ */

static __thread CoroutineAsm thread_leader;
static __thread Coroutine *thread_current;

COROUTINE_TLS_ACCESS Coroutine *coroutine_get_current(void)
{
    if (unlikely(!thread_current)) {
        coroutine_san_init(&thread_leader.san, NULL, 0);
        QSIMPLEQ_INIT(&thread_leader.base.wakeups);
        QSIMPLEQ_INIT(&thread_leader.base.handed_over);
        thread_current = &thread_leader.base;
    }
    /* Not moved: another thread may run the caller when it looks again. */
    __asm__ volatile("" ::: "memory");
    return thread_current;
}

COROUTINE_TLS_ACCESS void coroutine_set_current(Coroutine *co)
{
    thread_current = co;
    __asm__ volatile("" ::: "memory");
}

COROUTINE_TLS_ACCESS bool coroutine_is_leader(const Coroutine *co)
{
    return container_of(co, const CoroutineAsm, base)->stack.base == NULL;
}

#endif
