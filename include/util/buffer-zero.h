/*
 * Is there anything in this memory?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BUFFER_ZERO_H
#define UTIL_BUFFER_ZERO_H

#include <stdbool.h>
#include <stddef.h>

/* What the CPU can do; for tests and benches, which ask for one of them. */
typedef enum BufferZeroWay {
    BUFFER_ZERO_PORTABLE,
    BUFFER_ZERO_SSE2,
    BUFFER_ZERO_AVX2,
    BUFFER_ZERO_AVX512,
    BUFFER_ZERO_WAY__MAX,
} BufferZeroWay;

/**
 * buffer_is_zero: are all @len bytes at @buf zero?
 * @buf: of any alignment; a guest may write it now: the answer is about what
 *       was read
 *
 * At the speed of memory if they are, a few instructions if the first, middle
 * or last ones are not. Thread: any.
 */
bool buffer_is_zero(const void *buf, size_t len);

/** buffer_zero_best: the way that buffer_is_zero() goes on this CPU. */
BufferZeroWay buffer_zero_best(void);

/** buffer_is_zero_by: by @way, which must not be better than
 *  buffer_zero_best(). */
bool buffer_is_zero_by(BufferZeroWay way, const void *buf, size_t len);

#endif
