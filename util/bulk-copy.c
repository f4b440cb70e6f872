/*
 * Plain loops over vectors. glibc's memcpy() copies a page with "rep movsb" where
 * the CPU says that this is fast; but with a source in memory and a destination
 * that is not aligned it has half the speed of such a loop. On the way out, a
 * store past the cache saves reading the line that is going to be overwritten.
 *
 * Measured on 4 KiB pieces (Xeon of 2023): from memory to a buffer 10.6 GB/s,
 * memcpy() 5.6 to 9; from a buffer to memory 20 GB/s, memcpy() 6 to 8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bulk-copy.h"

#ifdef __x86_64__
#include <immintrin.h>

/* Shorter copies have nothing to gain. */
#define BULK_MIN 1024

#define LINE 64
#define STEP (4 * LINE)

GUEST_MEMORY_ACCESS __attribute__((target("avx512f"))) static void in_avx512(
    uint8_t *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i += STEP) {
        __m512i a = _mm512_loadu_si512(src + i);
        __m512i b = _mm512_loadu_si512(src + i + LINE);
        __m512i c = _mm512_loadu_si512(src + i + 2 * LINE);
        __m512i d = _mm512_loadu_si512(src + i + 3 * LINE);

        _mm512_storeu_si512(dst + i, a);
        _mm512_storeu_si512(dst + i + LINE, b);
        _mm512_storeu_si512(dst + i + 2 * LINE, c);
        _mm512_storeu_si512(dst + i + 3 * LINE, d);
    }
}

GUEST_MEMORY_ACCESS __attribute__((target("avx2"))) static void in_avx2(
    uint8_t *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i += 2 * LINE) {
        __m256i a = _mm256_loadu_si256((const void *)(src + i));
        __m256i b = _mm256_loadu_si256((const void *)(src + i + 32));
        __m256i c = _mm256_loadu_si256((const void *)(src + i + 64));
        __m256i d = _mm256_loadu_si256((const void *)(src + i + 96));

        _mm256_storeu_si256((void *)(dst + i), a);
        _mm256_storeu_si256((void *)(dst + i + 32), b);
        _mm256_storeu_si256((void *)(dst + i + 64), c);
        _mm256_storeu_si256((void *)(dst + i + 96), d);
    }
}

/* @dst is at the begin of a line. */
__attribute__((target("avx512f"))) static void out_avx512(uint8_t *dst,
                                                          const uint8_t *src,
                                                          size_t len)
{
    for (size_t i = 0; i < len; i += LINE) {
        _mm512_stream_si512((void *)(dst + i), _mm512_loadu_si512(src + i));
    }
}

static void out_sse2(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i += LINE) {
        for (size_t k = i; k < i + LINE; k += 16) {
            _mm_stream_si128((void *)(dst + k),
                             _mm_loadu_si128((const void *)(src + k)));
        }
    }
}

GUEST_MEMORY_ACCESS void bulk_copy_in(void *dst, const void *src, size_t len)
{
    size_t bulk = len < BULK_MIN ? 0 : ROUND_DOWN(len, STEP);

    if (bulk && __builtin_cpu_supports("avx512f")) {
        in_avx512(dst, src, bulk);
    } else if (bulk && __builtin_cpu_supports("avx2")) {
        in_avx2(dst, src, bulk);
    } else {
        bulk = 0;
    }
    memcpy((uint8_t *)dst + bulk, (const uint8_t *)src + bulk, len - bulk);
}

void bulk_copy_out(void *dst, const void *src, size_t len)
{
    uint8_t *to = dst;
    const uint8_t *from = src;

    if (len >= BULK_MIN) {
        size_t head = -(uintptr_t)to & (LINE - 1);
        size_t bulk = ROUND_DOWN(len - head, LINE);

        memcpy(to, from, head);
        if (__builtin_cpu_supports("avx512f")) {
            out_avx512(to + head, from + head, bulk);
        } else {
            out_sse2(to + head, from + head, bulk);
        }
        to += head + bulk;
        from += head + bulk;
        len -= head + bulk;
    }
    memcpy(to, from, len);
}

void bulk_copy_out_done(void)
{
    _mm_sfence();
}

#else

GUEST_MEMORY_ACCESS void bulk_copy_in(void *dst, const void *src, size_t len)
{
    memcpy(dst, src, len);
}

void bulk_copy_out(void *dst, const void *src, size_t len)
{
    memcpy(dst, src, len);
}

void bulk_copy_out_done(void)
{
}
#endif
