/*
 * Telling the sanitizers about stack switches. The address sanitizer wants
 * to know the bounds of the stack that it goes to and keeps a "fake stack"
 * for each; the thread sanitizer sees each coroutine as a fiber. Without
 * sanitizers all of this is empty.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COROUTINE_SANITIZER_H
#define UTIL_COROUTINE_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define COROUTINE_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define COROUTINE_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define COROUTINE_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define COROUTINE_TSAN 0
#endif

/*
 * For functions that begin on one stack and end on another. Clang's
 * no_sanitize("thread") still reports entry and exit of the function, which
 * would go to different fibers.
 */
#if defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
#define COROUTINE_NO_SANITIZE_                                                 \
    no_sanitize("address"), disable_sanitizer_instrumentation
#else
#define COROUTINE_NO_SANITIZE_ no_sanitize("address"), no_sanitize("thread")
#endif
#define COROUTINE_NO_SANITIZE __attribute__((noinline, COROUTINE_NO_SANITIZE_))
/* For what those call on the way: must not be functions of their own. */
#define COROUTINE_NO_SANITIZE_INLINE                                           \
    inline __attribute__((always_inline, COROUTINE_NO_SANITIZE_))

typedef struct CoroutineSan {
#if COROUTINE_ASAN
    const void *stack_bottom; /* of a thread: known after the first switch */
    size_t stack_size;
#endif
#if COROUTINE_TSAN
    void *fiber;
#endif
    char unused_; /* no empty struct in C */
} CoroutineSan;

/* A coroutine's, with its stack; or, for a NULL stack, the thread's. */
static inline void coroutine_san_init(CoroutineSan *san, void *stack,
                                      size_t size)
{
#if COROUTINE_ASAN
    san->stack_bottom = stack;
    san->stack_size = size;
#endif
#if COROUTINE_TSAN
    san->fiber = stack ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
}

static inline void coroutine_san_destroy(CoroutineSan *san, void *stack,
                                         size_t size)
{
#if COROUTINE_ASAN
    __asan_unpoison_memory_region(stack, size);
#endif
#if COROUTINE_TSAN
    __tsan_destroy_fiber(san->fiber);
#endif
}

/* Right before the switch. @ends: nothing of this stack is needed again. */
static COROUTINE_NO_SANITIZE_INLINE void coroutine_san_leave(CoroutineSan *to,
                                                             bool ends,
                                                             void **fake_stack)
{
#if COROUTINE_ASAN
    __sanitizer_start_switch_fiber(ends ? NULL : fake_stack, to->stack_bottom,
                                   to->stack_size);
#endif
#if COROUTINE_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* Right after arriving; @from: where from, if that may be a thread's stack. */
static COROUTINE_NO_SANITIZE_INLINE void coroutine_san_arrive(
    CoroutineSan *from, void *fake_stack)
{
#if COROUTINE_ASAN
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
    if (from && !from->stack_bottom) {
        from->stack_bottom = bottom;
        from->stack_size = size;
    }
#endif
}

#endif
