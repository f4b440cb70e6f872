/*
 * The zero test of buffers, for images whose zeroes are not to be stored.
 *
 * Contents mostly show in the first bytes, else often in the middle or at the
 * end (structures with a header, text with a tail), so these are looked at
 * before the loop. The loop ORs 256 bytes and tests once; what does not fill
 * its last round is covered by a round that ends with the buffer and overlaps
 * the one before, so that nothing needs to be aligned.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/buffer-zero.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Bytes between two tests. */
#define STEP 256

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* 0 < len < STEP */
static bool short_is_zero(const uint8_t *p, size_t len)
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

#ifdef __x86_64__
static inline bool step_sse2(const uint8_t *p)
{
    __m128i any = _mm_loadu_si128((const __m128i *)p);

    for (size_t i = sizeof(any); i < STEP; i += sizeof(any)) {
        any = _mm_or_si128(any, _mm_loadu_si128((const __m128i *)(p + i)));
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) ==
           0xffff;
}

static bool long_sse2(const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!step_sse2(p)) {
            return false;
        }
    }
    return step_sse2(last);
}

__attribute__((target("avx2"))) static inline bool step_avx2(const uint8_t *p)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)p);
    __m256i b = _mm256_loadu_si256((const __m256i *)(p + sizeof(a)));

    for (size_t i = 2 * sizeof(a); i < STEP; i += 2 * sizeof(a)) {
        const __m256i *v = (const __m256i *)(p + i);

        a = _mm256_or_si256(a, _mm256_loadu_si256(v));
        b = _mm256_or_si256(b, _mm256_loadu_si256(v + 1));
    }
    a = _mm256_or_si256(a, b);
    return _mm256_testz_si256(a, a);
}

__attribute__((target("avx2"))) static bool long_avx2(const uint8_t *p,
                                                      size_t len)
{
    const uint8_t *last = p + len - STEP;

    for (; p < last; p += STEP) {
        if (!step_avx2(p)) {
            return false;
        }
    }
    return step_avx2(last);
}

static bool long_is_zero(const uint8_t *p, size_t len)
{
    return __builtin_cpu_supports("avx2") ? long_avx2(p, len)
                                          : long_sse2(p, len);
}
#else
static bool long_is_zero(const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - (STEP - 1);

    for (; p < last; p += STEP - 1) {
        if (!short_is_zero(p, STEP - 1)) {
            return false;
        }
    }
    return short_is_zero(last, STEP - 1);
}
#endif

bool buffer_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;

    if (len < STEP) {
        return len == 0 || short_is_zero(p, len);
    }
    if (load64(p) | load64(p + len / 2) | load64(p + len - 8)) {
        return false;
    }
    return long_is_zero(p, len);
}
