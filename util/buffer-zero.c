/*
 * The zero test, of guest memory and of images' contents.
 *
 * Contents mostly show in the first bytes, else often in the middle or at the
 * end (structures with a header, text with a tail), so these are looked at
 * before the loop. The loop ORs whole lines and tests once in 512 bytes: zeroes
 * are read at the speed of memory, and what turns non-zero late costs little
 * more. What does not fill the last round is covered by one that ends with the
 * buffer and overlaps the one before, so that nothing needs to be aligned.
 *
 * A guest may write the memory while it is read. That is no race in the sense of
 * the program: whoever asks about such memory hears of later writes otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/buffer-zero.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Bytes between two tests. */
#define STEP 512

typedef uint64_t MayAliasWord __attribute__((may_alias, aligned(1)));

GUEST_MEMORY_ACCESS static inline uint64_t load64(const uint8_t *p)
{
    return *(const MayAliasWord *)p;
}

/* 0 < len */
GUEST_MEMORY_ACCESS static bool zero_words(const uint8_t *p, size_t len)
{
    uint64_t any = 0;

    if (len < sizeof(any)) {
        while (len--) {
            any |= p[len];
        }
        return any == 0;
    }
    for (size_t i = 0; i + sizeof(any) <= len; i += sizeof(any)) {
        any |= load64(p + i);
    }
    return (any | load64(p + len - sizeof(any))) == 0;
}

/* The loops: STEP <= len */

GUEST_MEMORY_ACCESS static bool zero_portable(const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!zero_words(p, STEP)) {
            return false;
        }
    }
    return zero_words(last, STEP);
}

#ifdef __x86_64__
GUEST_MEMORY_ACCESS static inline bool step_sse2(const uint8_t *p)
{
    const __m128i_u *v = (const __m128i_u *)p;
    __m128i any = v[0];

    for (size_t k = 1; k < STEP / sizeof(*v); k++) {
        any = _mm_or_si128(any, v[k]);
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) ==
           0xffff;
}

GUEST_MEMORY_ACCESS static bool zero_sse2(const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!step_sse2(p)) {
            return false;
        }
    }
    return step_sse2(last);
}

GUEST_MEMORY_ACCESS __attribute__((target("avx2"))) static inline bool
step_avx2(const uint8_t *p)
{
    const __m256i_u *v = (const __m256i_u *)p;
    __m256i a = v[0], b = v[1];

    for (size_t k = 2; k < STEP / sizeof(*v); k += 2) {
        a = _mm256_or_si256(a, v[k]);
        b = _mm256_or_si256(b, v[k + 1]);
    }
    a = _mm256_or_si256(a, b);
    return _mm256_testz_si256(a, a);
}

GUEST_MEMORY_ACCESS __attribute__((target("avx2"))) static bool zero_avx2(
    const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!step_avx2(p)) {
            return false;
        }
    }
    return step_avx2(last);
}

GUEST_MEMORY_ACCESS
__attribute__((target("avx512f"))) static inline bool step_avx512(
    const uint8_t *p)
{
    const __m512i_u *v = (const __m512i_u *)p;
    __m512i a = v[0], b = v[1];

    for (size_t k = 2; k < STEP / sizeof(*v); k += 2) {
        a = _mm512_or_si512(a, v[k]);
        b = _mm512_or_si512(b, v[k + 1]);
    }
    a = _mm512_or_si512(a, b);
    return _mm512_test_epi64_mask(a, a) == 0;
}

GUEST_MEMORY_ACCESS __attribute__((target("avx512f"))) static bool zero_avx512(
    const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!step_avx512(p)) {
            return false;
        }
    }
    return step_avx512(last);
}
#endif

BufferZeroWay buffer_zero_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        return BUFFER_ZERO_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return BUFFER_ZERO_AVX2;
    }
    return BUFFER_ZERO_SSE2;
#else
    return BUFFER_ZERO_PORTABLE;
#endif
}

bool buffer_is_zero_by(BufferZeroWay way, const void *buf, size_t len)
{
    if (len < STEP) {
        return len == 0 || zero_words(buf, len);
    }
    switch (way) {
#ifdef __x86_64__
    case BUFFER_ZERO_AVX512:
        return zero_avx512(buf, len);
    case BUFFER_ZERO_AVX2:
        return zero_avx2(buf, len);
    case BUFFER_ZERO_SSE2:
        return zero_sse2(buf, len);
#endif
    default:
        return zero_portable(buf, len);
    }
}

GUEST_MEMORY_ACCESS bool buffer_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;

    /* One after the other: each may be a line to fetch. */
    if (len >= STEP &&
        (load64(p) || load64(p + len / 2) || load64(p + len - 8))) {
        return false;
    }
    return buffer_is_zero_by(buffer_zero_best(), buf, len);
}
