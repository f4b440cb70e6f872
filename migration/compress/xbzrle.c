/*
 * XBZRLE in two steps. First a bit for each byte that differs, 64 words for the
 * page, by the widest compare the CPU has; then a walk over the bits by counting
 * trailing zeros. So a page with few changes costs the reading of two pages and
 * a handful of instructions for each change. A gap of one or two equal bytes
 * between changes is sent along: two more lengths would cost as much.
 *
 * The decoder trusts nothing: each length is checked against the rest of the
 * input and of the page. Its copies are exact, by masked stores where the CPU
 * has them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/xbzrle.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define PAGE_BYTES ((unsigned)RAM_PAGE_SIZE)
#define MASK_WORDS (PAGE_BYTES / 64)
/* Equal bytes between changes that are sent along. */
#define GAP_MAX 2
/* Longest run that fits uleb128 of two bytes. */
#define RUN_MAX 0x3fff

_Static_assert(PAGE_BYTES <= RUN_MAX, "a run's length has two bytes");

typedef uint64_t MayAliasWord __attribute__((may_alias, aligned(1)));

/* -- which bytes differ ----------------------------------------------------------- */

/* Bit n: byte n of @x is not 0. */
static inline uint64_t nonzero_bytes(uint64_t x)
{
    uint64_t high = (x | ((x & UINT64_C(0x7f7f7f7f7f7f7f7f)) +
                          UINT64_C(0x7f7f7f7f7f7f7f7f))) &
                    UINT64_C(0x8080808080808080);

    return ((high >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

GUEST_MEMORY_ACCESS static uint64_t diff_portable(const uint8_t *a,
                                                  const uint8_t *b,
                                                  uint64_t *mask)
{
    const MayAliasWord *x = (const MayAliasWord *)a;
    const MayAliasWord *y = (const MayAliasWord *)b;
    uint64_t any = 0;

    for (unsigned i = 0; i < MASK_WORDS; i++) {
        uint64_t m = 0;

        for (unsigned k = 0; k < 8; k++) {
            uint64_t d = GUINT64_TO_LE(*x++ ^ *y++);

            m |= nonzero_bytes(d) << (8 * k);
        }
        mask[i] = m;
        any |= m;
    }
    return any;
}

#ifdef __x86_64__
GUEST_MEMORY_ACCESS __attribute__((target("avx2"))) static uint64_t diff_avx2(
    const uint8_t *a, const uint8_t *b, uint64_t *mask)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < MASK_WORDS; i++, a += 64, b += 64) {
        __m256i lo = _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)a),
                                       _mm256_loadu_si256((const void *)b));
        __m256i hi =
            _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(a + 32)),
                              _mm256_loadu_si256((const void *)(b + 32)));

        mask[i] = ~((uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32 |
                    (uint32_t)_mm256_movemask_epi8(lo));
        any |= mask[i];
    }
    return any;
}

GUEST_MEMORY_ACCESS __attribute__((target("avx512f,avx512bw"))) static uint64_t
diff_avx512(const uint8_t *a, const uint8_t *b, uint64_t *mask)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < MASK_WORDS; i++, a += 64, b += 64) {
        mask[i] = _mm512_cmpneq_epi8_mask(_mm512_loadu_si512(a),
                                          _mm512_loadu_si512(b));
        any |= mask[i];
    }
    return any;
}
#endif

XBZRLEWay xbzrle_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512bw")) {
        return XBZRLE_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return XBZRLE_AVX2;
    }
#endif
    return XBZRLE_PORTABLE;
}

static uint64_t diff(XBZRLEWay way, const uint8_t *a, const uint8_t *b,
                     uint64_t *mask)
{
    switch (way) {
#ifdef __x86_64__
    case XBZRLE_AVX512:
        return diff_avx512(a, b, mask);
    case XBZRLE_AVX2:
        return diff_avx2(a, b, mask);
#endif
    default:
        return diff_portable(a, b, mask);
    }
}

/* -- encode ---------------------------------------------------------------------------- */

/* First bit from @pos on that is set (@invert 0) or clear (~0). */
static inline unsigned next_bit(const uint64_t *mask, unsigned pos,
                                uint64_t invert)
{
    unsigned i = pos / 64;
    uint64_t w;

    if (pos >= PAGE_BYTES) {
        return PAGE_BYTES;
    }
    w = (mask[i] ^ invert) & (~UINT64_C(0) << (pos % 64));
    while (!w) {
        if (++i == MASK_WORDS) {
            return PAGE_BYTES;
        }
        w = mask[i] ^ invert;
    }
    return i * 64 + (unsigned)__builtin_ctzll(w);
}

static inline unsigned put_length(uint8_t *out, unsigned n)
{
    if (n < 0x80) {
        out[0] = (uint8_t)n;
        return 1;
    }
    out[0] = (uint8_t)(n | 0x80);
    out[1] = (uint8_t)(n >> 7);
    return 2;
}

GUEST_MEMORY_ACCESS static inline void copy_guest(uint8_t *out,
                                                  const uint8_t *page,
                                                  unsigned n)
{
    if (n == 1) {
        *out = *page;
    } else {
        memcpy(out, page, n);
    }
}

int xbzrle_encode_by(XBZRLEWay way, const uint8_t *old, const uint8_t *page,
                     uint8_t *out, size_t size)
{
    uint64_t mask[MASK_WORDS];
    unsigned done = 0; /* bytes of the page that are encoded */
    size_t used = 0;

    if (!diff(way, old, page, mask)) {
        return 0;
    }
    for (;;) {
        unsigned start = next_bit(mask, done, 0);
        unsigned end, next;

        if (start == PAGE_BYTES) {
            return (int)used;
        }
        end = next_bit(mask, start, ~UINT64_C(0));
        while ((next = next_bit(mask, end, 0)) < PAGE_BYTES &&
               next - end <= GAP_MAX) {
            end = next_bit(mask, next, ~UINT64_C(0));
        }
        if (used + 4 + (end - start) > size) {
            return XBZRLE_OVERFLOW;
        }
        used += put_length(out + used, start - done);
        used += put_length(out + used, end - start);
        copy_guest(out + used, page + start, end - start);
        used += end - start;
        done = end;
    }
}

int xbzrle_encode(const uint8_t *old, const uint8_t *page, uint8_t *out,
                  size_t size)
{
    return xbzrle_encode_by(xbzrle_best(), old, page, out, size);
}

/* -- decode ---------------------------------------------------------------------------- */

/* Returns: bytes of the length; 0 = damaged. */
static inline unsigned get_length(const uint8_t *buf, size_t len, unsigned *n)
{
    if (len >= 1 && !(buf[0] & 0x80)) {
        *n = buf[0];
        return 1;
    }
    if (len >= 2 && !(buf[1] & 0x80)) {
        *n = (buf[0] & 0x7fu) | (unsigned)buf[1] << 7;
        return 2;
    }
    return 0;
}

/* Two lengths and where the bytes lie. Returns: bytes of both; 0 = damaged. */
static inline unsigned get_run(const uint8_t *buf, size_t len, unsigned done,
                               unsigned *skip, unsigned *n)
{
    unsigned a = get_length(buf, len, skip);
    unsigned b;

    if (!a || (done && !*skip) || *skip > PAGE_BYTES - done) {
        return 0;
    }
    b = get_length(buf + a, len - a, n);
    if (!b || !*n || *n > PAGE_BYTES - done - *skip || *n > len - a - b) {
        return 0;
    }
    return a + b;
}

static int decode_portable(const uint8_t *buf, size_t len, uint8_t *page)
{
    unsigned done = 0;

    while (len) {
        unsigned skip, n;
        unsigned head = get_run(buf, len, done, &skip, &n);

        if (!head) {
            return -1;
        }
        memcpy(page + done + skip, buf + head, n);
        done += skip + n;
        buf += head + n;
        len -= head + n;
    }
    return (int)done;
}

#ifdef __x86_64__
__attribute__((target("avx512f,avx512bw,bmi2"))) static int decode_avx512(
    const uint8_t *buf, size_t len, uint8_t *page)
{
    unsigned done = 0;

    while (len) {
        unsigned skip, n;
        unsigned head = get_run(buf, len, done, &skip, &n);

        if (!head) {
            return -1;
        }
        if (n <= 64) {
            __mmask64 which = _bzhi_u64(~UINT64_C(0), n);

            _mm512_mask_storeu_epi8(page + done + skip, which,
                                    _mm512_maskz_loadu_epi8(which, buf + head));
        } else {
            memcpy(page + done + skip, buf + head, n);
        }
        done += skip + n;
        buf += head + n;
        len -= head + n;
    }
    return (int)done;
}
#endif

int xbzrle_decode_by(XBZRLEWay way, const uint8_t *buf, size_t len,
                     uint8_t *page)
{
#ifdef __x86_64__
    if (way == XBZRLE_AVX512 && __builtin_cpu_supports("bmi2")) {
        return decode_avx512(buf, len, page);
    }
#endif
    return decode_portable(buf, len, page);
}

int xbzrle_decode(const uint8_t *buf, size_t len, uint8_t *page)
{
    return xbzrle_decode_by(xbzrle_best(), buf, len, page);
}
