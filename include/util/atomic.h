/*
 * Atomic access to integers and pointers, on top of the compiler's __atomic
 * builtins. The read-modify-write operations are sequentially consistent;
 * qatomic_read/qatomic_set are relaxed and only rule out tearing.
 *
 * Prefer the _acquire/_release and read-modify-write forms to the bare
 * smp_* fences: the thread sanitizer does not understand fences.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_ATOMIC_H
#define UTIL_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATOMIC_CHECK_SIZE_(ptr)                                                \
    _Static_assert(sizeof(*(ptr)) <= sizeof(uint64_t), "atomic type too large")

/* Compiler-only barrier. */
#define barrier()        __asm__ volatile("" ::: "memory")
#define smp_mb()         __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_mb_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_mb_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_rmb()        smp_mb_acquire()
#define smp_wmb()        smp_mb_release()

#define qatomic_read(ptr)         __atomic_load_n((ptr), __ATOMIC_RELAXED)
#define qatomic_set(ptr, i)       __atomic_store_n((ptr), (i), __ATOMIC_RELAXED)
#define qatomic_load_acquire(ptr) __atomic_load_n((ptr), __ATOMIC_ACQUIRE)
#define qatomic_store_release(ptr, i)                                          \
    __atomic_store_n((ptr), (i), __ATOMIC_RELEASE)
/* Ordered against every other sequentially consistent access. */
#define qatomic_mb_read(ptr)   __atomic_load_n((ptr), __ATOMIC_SEQ_CST)
#define qatomic_mb_set(ptr, i) __atomic_store_n((ptr), (i), __ATOMIC_SEQ_CST)
/* Publish and follow a pointer to data that was written before. */
#define qatomic_rcu_read(ptr)   __atomic_load_n((ptr), __ATOMIC_ACQUIRE)
#define qatomic_rcu_set(ptr, i) __atomic_store_n((ptr), (i), __ATOMIC_RELEASE)

#define qatomic_xchg(ptr, i) __atomic_exchange_n((ptr), (i), __ATOMIC_SEQ_CST)
/* Returns: the value before; the exchange happened if it equals @old. */
#define qatomic_cmpxchg(ptr, old, new)                                         \
    ({                                                                         \
        __typeof__(*(ptr) + 0) old_ = (old);                                   \
        ATOMIC_CHECK_SIZE_(ptr);                                               \
        (void)__atomic_compare_exchange_n((ptr), (__typeof__(*(ptr)) *)&old_,  \
                                          (new), false, __ATOMIC_SEQ_CST,      \
                                          __ATOMIC_SEQ_CST);                   \
        old_;                                                                  \
    })

/* The value before the operation. */
#define qatomic_fetch_inc(ptr) __atomic_fetch_add((ptr), 1, __ATOMIC_SEQ_CST)
#define qatomic_fetch_dec(ptr) __atomic_fetch_sub((ptr), 1, __ATOMIC_SEQ_CST)
#define qatomic_fetch_add(ptr, n)                                              \
    __atomic_fetch_add((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_fetch_sub(ptr, n)                                              \
    __atomic_fetch_sub((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_fetch_and(ptr, n)                                              \
    __atomic_fetch_and((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_fetch_or(ptr, n) __atomic_fetch_or((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_fetch_xor(ptr, n)                                              \
    __atomic_fetch_xor((ptr), (n), __ATOMIC_SEQ_CST)

/* The value after the operation. */
#define qatomic_inc_fetch(ptr) __atomic_add_fetch((ptr), 1, __ATOMIC_SEQ_CST)
#define qatomic_dec_fetch(ptr) __atomic_sub_fetch((ptr), 1, __ATOMIC_SEQ_CST)
#define qatomic_add_fetch(ptr, n)                                              \
    __atomic_add_fetch((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_sub_fetch(ptr, n)                                              \
    __atomic_sub_fetch((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_and_fetch(ptr, n)                                              \
    __atomic_and_fetch((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_or_fetch(ptr, n) __atomic_or_fetch((ptr), (n), __ATOMIC_SEQ_CST)
#define qatomic_xor_fetch(ptr, n)                                              \
    __atomic_xor_fetch((ptr), (n), __ATOMIC_SEQ_CST)

#define qatomic_inc(ptr)    ((void)qatomic_fetch_inc(ptr))
#define qatomic_dec(ptr)    ((void)qatomic_fetch_dec(ptr))
#define qatomic_add(ptr, n) ((void)qatomic_fetch_add(ptr, n))
#define qatomic_sub(ptr, n) ((void)qatomic_fetch_sub(ptr, n))
#define qatomic_and(ptr, n) ((void)qatomic_fetch_and(ptr, n))
#define qatomic_or(ptr, n)  ((void)qatomic_fetch_or(ptr, n))
#define qatomic_xor(ptr, n) ((void)qatomic_fetch_xor(ptr, n))

/* Tells the CPU that this is a spin loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    barrier();
#endif
}

#endif
