/*
 * Compiler helpers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COMPILER_H
#define UTIL_COMPILER_H

#include <glib.h>
#include <stddef.h>

#define QEMU_PACKED             __attribute__((packed))
#define QEMU_ALIGNED(n)         __attribute__((aligned(n)))
#define QEMU_NORETURN           __attribute__((noreturn))
#define QEMU_WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#define QEMU_ALWAYS_INLINE      __attribute__((always_inline)) inline
#define QEMU_EXPORT             __attribute__((visibility("default")))
#define likely(x)               __builtin_expect(!!(x), 1)
#define unlikely(x)             __builtin_expect(!!(x), 0)
#define coroutine_fn
#define QEMU_BUILD_BUG_ON(x)       _Static_assert(!(x), "not expecting: " #x)
#define QEMU_BUILD_BUG_MSG(x, msg) _Static_assert(!(x), msg)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) G_N_ELEMENTS(a)
#endif
#ifndef container_of
#define container_of(ptr, type, member)                                        \
    ((type *)((char *)(ptr)-offsetof(type, member)))
#endif
#define DO_UPCAST(type, field, dev) container_of(dev, type, field)

/*
 * A function that touches memory which a running guest writes at the same time:
 * the guest orders its accesses, and the thread sanitizer has nothing to say.
 */
#if defined(__SANITIZE_THREAD__)
#define GUEST_MEMORY_ACCESS __attribute__((no_sanitize("thread")))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GUEST_MEMORY_ACCESS __attribute__((no_sanitize("thread")))
#endif
#endif
#ifndef GUEST_MEMORY_ACCESS
#define GUEST_MEMORY_ACCESS
#endif

#define ROUND_UP(n, d)        (((n) + (d)-1) & -(0 ? (n) : (d)))
#define ROUND_DOWN(n, d)      ((n) & -(0 ? (n) : (d)))
#define DIV_ROUND_UP(n, d)    (((n) + (d)-1) / (d))
#define QEMU_ALIGN_DOWN(n, m) ((n) / (m) * (m))
#define QEMU_ALIGN_UP(n, m)   QEMU_ALIGN_DOWN((n) + (m)-1, (m))
#define QEMU_IS_ALIGNED(n, m) (((n) % (m)) == 0)
#define stringify_(s)         #s
#define stringify(s)          stringify_(s)
#define glue_(a, b)           a##b
#define glue(a, b)            glue_(a, b)

#endif
