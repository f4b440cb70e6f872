/*
 * Small integer helpers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_HOST_UTILS_H
#define UTIL_HOST_UTILS_H

#include <stdbool.h>
#include <stdint.h>

/** muldiv64: a * b / c without overflow in between. */
static inline uint64_t muldiv64(uint64_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

/* Leading/trailing zeros and ones; of zero (ones of ~0) it is the width. */
static inline int clz32(uint32_t val)
{
    return val ? __builtin_clz(val) : 32;
}

static inline int clz64(uint64_t val)
{
    return val ? __builtin_clzll(val) : 64;
}

static inline int ctz32(uint32_t val)
{
    return val ? __builtin_ctz(val) : 32;
}

static inline int ctz64(uint64_t val)
{
    return val ? __builtin_ctzll(val) : 64;
}

static inline int clo32(uint32_t val)
{
    return clz32(~val);
}

static inline int cto32(uint32_t val)
{
    return ctz32(~val);
}

static inline int clo64(uint64_t val)
{
    return clz64(~val);
}

static inline int cto64(uint64_t val)
{
    return ctz64(~val);
}

static inline int ctpop8(uint8_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop16(uint16_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop32(uint32_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop64(uint64_t val)
{
    return __builtin_popcountll(val);
}

static inline bool is_power_of_2(uint64_t value)
{
    return value && !(value & (value - 1));
}

/** pow2floor: largest power of two <= @value; 0 for 0. */
static inline uint64_t pow2floor(uint64_t value)
{
    return value ? UINT64_C(1) << (63 - clz64(value)) : 0;
}

/** pow2ceil: smallest power of two >= @value; 0 if that needs 65 bits. */
static inline uint64_t pow2ceil(uint64_t value)
{
    if (value <= 1) {
        return 1;
    }
    return value > UINT64_C(1) << 63 ? 0
                                     : UINT64_C(1) << (64 - clz64(value - 1));
}

static inline uint32_t pow2roundup32(uint32_t x)
{
    return (uint32_t)pow2ceil(x);
}

/* Returns: whether the result does not fit; it is wrapped then. */
static inline bool uadd32_overflow(uint32_t x, uint32_t y, uint32_t *ret)
{
    return __builtin_add_overflow(x, y, ret);
}

static inline bool uadd64_overflow(uint64_t x, uint64_t y, uint64_t *ret)
{
    return __builtin_add_overflow(x, y, ret);
}

static inline bool sadd64_overflow(int64_t x, int64_t y, int64_t *ret)
{
    return __builtin_add_overflow(x, y, ret);
}

static inline bool usub64_overflow(uint64_t x, uint64_t y, uint64_t *ret)
{
    return __builtin_sub_overflow(x, y, ret);
}

static inline bool umul32_overflow(uint32_t x, uint32_t y, uint32_t *ret)
{
    return __builtin_mul_overflow(x, y, ret);
}

static inline bool umul64_overflow(uint64_t x, uint64_t y, uint64_t *ret)
{
    return __builtin_mul_overflow(x, y, ret);
}

static inline void mulu64(uint64_t *plow, uint64_t *phigh, uint64_t a,
                          uint64_t b)
{
    unsigned __int128 r = (unsigned __int128)a * b;

    *plow = (uint64_t)r;
    *phigh = (uint64_t)(r >> 64);
}

#endif
