/*
 * Switching between coroutines with the C library's contexts, for CPUs
 * without hand-written code (and, on request, to test against it).
 * makecontext() only makes the stack's first frame; the switches themselves
 * are sigsetjmp/siglongjmp, because swapcontext() makes a system call for
 * the signal mask each time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/* The checked longjmp refuses to go to another stack. */
#undef _FORTIFY_SOURCE
#include "util/osdep.h"

#include "coroutine-internal.h"

#if !defined(__x86_64__) || defined(FERRY_COROUTINE_UCONTEXT)

#include <setjmp.h>
#include <ucontext.h>

#include "coroutine-current.h"
#include "coroutine-sanitizer.h"

typedef struct CoroutineUcontext {
    Coroutine base;       /* first */
    sigjmp_buf env;       /* while it does not run */
    bool started;         /* env is valid */
    CoroutineStack stack; /* base NULL: the thread's own */
    CoroutineSan san;
} CoroutineUcontext;

static COROUTINE_NO_SANITIZE_INLINE CoroutineUcontext *of_base(Coroutine *co)
{
    return container_of(co, CoroutineUcontext, base);
}

/* makecontext() passes ints: a pointer goes in two halves. */
static COROUTINE_NO_SANITIZE void ucontext_main(unsigned int high,
                                                unsigned int low)
{
    CoroutineUcontext *co =
        (CoroutineUcontext *)(uintptr_t)((uint64_t)high << 32 | low);

    coroutine_san_arrive(&of_base(co->base.caller)->san, NULL);
    for (;;) {
        co->base.entry(co->base.entry_arg);
        coroutine_backend_switch(&co->base, co->base.caller,
                                 COROUTINE_TERMINATE);
    }
}

Coroutine *coroutine_backend_new(void)
{
    CoroutineUcontext *co = g_new0(CoroutineUcontext, 1);

    coroutine_stack_alloc(&co->stack, COROUTINE_STACK_SIZE);
    coroutine_san_init(&co->san, co->stack.base, co->stack.size);
    return &co->base;
}

void coroutine_backend_delete(Coroutine *base)
{
    CoroutineUcontext *co = of_base(base);

    coroutine_san_destroy(&co->san, co->stack.base, co->stack.size);
    coroutine_stack_free(&co->stack);
    g_free(co);
}

/* Goes to @co's first instruction; @co->env is not valid before. */
static COROUTINE_NO_SANITIZE void ucontext_first_enter(CoroutineUcontext *co)
{
    uint64_t arg = (uintptr_t)co;
    ucontext_t uc;

    if (getcontext(&uc) < 0) {
        g_error("getcontext failed: %s", g_strerror(errno));
    }
    uc.uc_link = NULL;
    uc.uc_stack.ss_sp = co->stack.base;
    uc.uc_stack.ss_size = co->stack.size;
    makecontext(&uc, (void (*)(void))ucontext_main, 2,
                (unsigned int)(arg >> 32), (unsigned int)arg);
    setcontext(&uc);
}

COROUTINE_NO_SANITIZE CoroutineAction coroutine_backend_switch(
    Coroutine *from_base, Coroutine *to_base, CoroutineAction action)
{
    CoroutineUcontext *from = of_base(from_base);
    CoroutineUcontext *to = of_base(to_base);
    void *fake_stack = NULL;
    bool started = to->started;
    int ret;

    to->started = true;
    coroutine_set_current(to_base);
    ret = sigsetjmp(from->env, 0);
    if (ret == 0) {
        coroutine_san_leave(&to->san, action == COROUTINE_TERMINATE,
                            &fake_stack);
        if (!started && !coroutine_is_leader(to_base)) {
            ucontext_first_enter(to);
        }
        siglongjmp(to->env, action);
    }
    coroutine_san_arrive(from_base->caller ? &of_base(from_base->caller)->san
                                           : NULL,
                         fake_stack);
    return (CoroutineAction)ret;
}

/* -- the thread's own ------------------------------------------------------ */

static __thread CoroutineUcontext thread_leader;
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
    return container_of(co, const CoroutineUcontext, base)->stack.base == NULL;
}

#endif
