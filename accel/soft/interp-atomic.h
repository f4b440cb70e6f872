/*
 * Atomic exchanges on guest memory of any size and alignment, as the guest's
 * own instructions do them. Compilers' builtins want aligned types.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_INTERP_ATOMIC_H
#define ACCEL_SOFT_INTERP_ATOMIC_H

#include "mem.h"

/* Both return what was at @p before. */
#define INTERP_ATOMIC_(bits)                                                   \
    static inline uint##bits##_t interp_xchg_##bits(void *p, uint##bits##_t v) \
    {                                                                          \
        asm volatile("xchg %[v], %[m]"                                         \
                     : [v] "+q"(v), [m] "+m"(*(SoftU##bits *)p)                \
                     :                                                         \
                     : "memory");                                              \
        return v;                                                              \
    }                                                                          \
    static inline uint##bits##_t interp_cmpxchg_##bits(                        \
        void *p, uint##bits##_t expected, uint##bits##_t v)                    \
    {                                                                          \
        asm volatile("lock; cmpxchg %[v], %[m]"                                \
                     : "+a"(expected), [m] "+m"(*(SoftU##bits *)p)             \
                     : [v] "q"(v)                                              \
                     : "cc", "memory");                                        \
        return expected;                                                       \
    }
INTERP_ATOMIC_(8)
INTERP_ATOMIC_(16)
INTERP_ATOMIC_(32)
INTERP_ATOMIC_(64)
#undef INTERP_ATOMIC_

#endif
