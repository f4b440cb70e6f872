/*
 * The zero-page test: most pages that are not zero show it in their first
 * bytes, so one line is looked at before the loop. The loop ORs whole lines
 * and tests once in 512 bytes; a zero page is then read at the speed of memory,
 * and a page that turns non-zero late costs little more.
 *
 * The guest writes these pages while they are read. That is no race in the
 * sense of the program: a write after the page was claimed marks it dirty again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/page-zero.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Bytes between two tests. */
#define STEP 512

typedef uint64_t MayAliasWord __attribute__((may_alias));

GUEST_MEMORY_ACCESS static bool zero_portable(const uint8_t *p)
{
    const MayAliasWord *w = (const MayAliasWord *)p;

    for (size_t i = 0; i < RAM_PAGE_SIZE / sizeof(*w); i += 8) {
        if (w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] |
            w[i + 6] | w[i + 7]) {
            return false;
        }
    }
    return true;
}

#ifdef __x86_64__
GUEST_MEMORY_ACCESS static bool zero_sse2(const uint8_t *p)
{
    for (size_t i = 0; i < RAM_PAGE_SIZE; i += STEP) {
        const __m128i *v = (const __m128i *)(p + i);
        __m128i any = v[0];

        for (size_t k = 1; k < STEP / sizeof(*v); k++) {
            any = _mm_or_si128(any, v[k]);
        }
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) !=
            0xffff) {
            return false;
        }
    }
    return true;
}

GUEST_MEMORY_ACCESS __attribute__((target("avx2"))) static bool zero_avx2(
    const uint8_t *p)
{
    for (size_t i = 0; i < RAM_PAGE_SIZE; i += STEP) {
        const __m256i *v = (const __m256i *)(p + i);
        __m256i a = v[0], b = v[1];

        for (size_t k = 2; k < STEP / sizeof(*v); k += 2) {
            a = _mm256_or_si256(a, v[k]);
            b = _mm256_or_si256(b, v[k + 1]);
        }
        a = _mm256_or_si256(a, b);
        if (!_mm256_testz_si256(a, a)) {
            return false;
        }
    }
    return true;
}

GUEST_MEMORY_ACCESS __attribute__((target("avx512f"))) static bool zero_avx512(
    const uint8_t *p)
{
    for (size_t i = 0; i < RAM_PAGE_SIZE; i += STEP) {
        const __m512i *v = (const __m512i *)(p + i);
        __m512i a = v[0], b = v[1];

        for (size_t k = 2; k < STEP / sizeof(*v); k += 2) {
            a = _mm512_or_si512(a, v[k]);
            b = _mm512_or_si512(b, v[k + 1]);
        }
        a = _mm512_or_si512(a, b);
        if (_mm512_test_epi64_mask(a, a)) {
            return false;
        }
    }
    return true;
}
#endif

PageZeroWay page_zero_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        return PAGE_ZERO_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return PAGE_ZERO_AVX2;
    }
    return PAGE_ZERO_SSE2;
#else
    return PAGE_ZERO_PORTABLE;
#endif
}

bool page_is_zero_by(PageZeroWay way, const void *page)
{
    switch (way) {
#ifdef __x86_64__
    case PAGE_ZERO_AVX512:
        return zero_avx512(page);
    case PAGE_ZERO_AVX2:
        return zero_avx2(page);
    case PAGE_ZERO_SSE2:
        return zero_sse2(page);
#endif
    default:
        return zero_portable(page);
    }
}

GUEST_MEMORY_ACCESS static inline bool first_line_is_zero(const void *page)
{
    const MayAliasWord *w = page;

    return !(w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]);
}

bool page_is_zero(const void *page)
{
    return first_line_is_zero(page) && page_is_zero_by(page_zero_best(), page);
}
