/*
 * Bits in words, and arrays of unsigned long as bit arrays: bit N is bit
 * N % BITS_PER_LONG of word N / BITS_PER_LONG.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BITOPS_H
#define UTIL_BITOPS_H

#include <assert.h>
#include <limits.h>
#include <stdint.h>

#include "util/atomic.h"
#include "util/compiler.h"
#include "util/host-utils.h"

#define BITS_PER_BYTE CHAR_BIT
#define BITS_PER_LONG (sizeof(unsigned long) * BITS_PER_BYTE)

#define BIT(nr)           (1UL << (nr))
#define BIT_ULL(nr)       (1ULL << (nr))
#define BIT_MASK(nr)      (1UL << ((nr) % BITS_PER_LONG))
#define BIT_WORD(nr)      ((nr) / BITS_PER_LONG)
#define BITS_TO_LONGS(nr) DIV_ROUND_UP(nr, BITS_PER_LONG)
#define BITS_TO_U32S(nr)  DIV_ROUND_UP(nr, 32)

/* @length ones from bit @shift up; @length 1..64. */
#define MAKE_64BIT_MASK(shift, length) (((~0ULL) >> (64 - (length))) << (shift))

static inline void set_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void set_bit_atomic(long nr, unsigned long *addr)
{
    qatomic_or(&addr[BIT_WORD(nr)], BIT_MASK(nr));
}

static inline void clear_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline void clear_bit_atomic(long nr, unsigned long *addr)
{
    qatomic_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr));
}

static inline void change_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] ^= BIT_MASK(nr);
}

/* The test_and_* return the bit's old value as 0 or 1. */
static inline int test_and_set_bit(long nr, unsigned long *addr)
{
    unsigned long old = addr[BIT_WORD(nr)];

    addr[BIT_WORD(nr)] = old | BIT_MASK(nr);
    return (old & BIT_MASK(nr)) != 0;
}

static inline int test_and_clear_bit(long nr, unsigned long *addr)
{
    unsigned long old = addr[BIT_WORD(nr)];

    addr[BIT_WORD(nr)] = old & ~BIT_MASK(nr);
    return (old & BIT_MASK(nr)) != 0;
}

static inline int test_and_change_bit(long nr, unsigned long *addr)
{
    unsigned long old = addr[BIT_WORD(nr)];

    addr[BIT_WORD(nr)] = old ^ BIT_MASK(nr);
    return (old & BIT_MASK(nr)) != 0;
}

static inline int test_bit(long nr, const unsigned long *addr)
{
    return (addr[BIT_WORD(nr)] & BIT_MASK(nr)) != 0;
}

/* The find_* return @size when there is no such bit. */
unsigned long find_last_bit(const unsigned long *addr, unsigned long size);
unsigned long find_next_bit(const unsigned long *addr, unsigned long size,
                            unsigned long offset);
unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
                                 unsigned long offset);

static inline unsigned long find_first_bit(const unsigned long *addr,
                                           unsigned long size)
{
    return find_next_bit(addr, size, 0);
}

static inline unsigned long find_first_zero_bit(const unsigned long *addr,
                                                unsigned long size)
{
    return find_next_zero_bit(addr, size, 0);
}

#define BITOPS_ROTATE_(bits)                                                   \
    static inline uint##bits##_t rol##bits(uint##bits##_t word,                \
                                           unsigned int shift)                 \
    {                                                                          \
        return (uint##bits##_t)((word << (shift & (bits - 1))) |               \
                                (word >> (-shift & (bits - 1))));              \
    }                                                                          \
    static inline uint##bits##_t ror##bits(uint##bits##_t word,                \
                                           unsigned int shift)                 \
    {                                                                          \
        return (uint##bits##_t)((word >> (shift & (bits - 1))) |               \
                                (word << (-shift & (bits - 1))));              \
    }
BITOPS_ROTATE_(8)
BITOPS_ROTATE_(16)
BITOPS_ROTATE_(32)
BITOPS_ROTATE_(64)

/** extractN: @length bits of @value from bit @start up; sextract: signed. */
static inline uint32_t extract32(uint32_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 32 - start);
    return (value >> start) & (~0U >> (32 - length));
}

static inline uint8_t extract8(uint8_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 8 - start);
    return (uint8_t)extract32(value, start, length);
}

static inline uint16_t extract16(uint16_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 16 - start);
    return (uint16_t)extract32(value, start, length);
}

static inline uint64_t extract64(uint64_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 64 - start);
    return (value >> start) & (~0ULL >> (64 - length));
}

static inline int32_t sextract32(uint32_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 32 - start);
    return (int32_t)(value << (32 - length - start)) >> (32 - length);
}

static inline int64_t sextract64(uint64_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 64 - start);
    return (int64_t)(value << (64 - length - start)) >> (64 - length);
}

/** depositN: @value with @fieldval in its @length bits from @start up. */
static inline uint32_t deposit32(uint32_t value, int start, int length,
                                 uint32_t fieldval)
{
    uint32_t mask;

    assert(start >= 0 && length > 0 && length <= 32 - start);
    mask = (~0U >> (32 - length)) << start;
    return (value & ~mask) | ((fieldval << start) & mask);
}

static inline uint64_t deposit64(uint64_t value, int start, int length,
                                 uint64_t fieldval)
{
    uint64_t mask;

    assert(start >= 0 && length > 0 && length <= 64 - start);
    mask = (~0ULL >> (64 - length)) << start;
    return (value & ~mask) | ((fieldval << start) & mask);
}

#endif
