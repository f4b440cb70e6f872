/*
 * Bitmaps: arrays of unsigned long (see util/bitops.h) with a length in
 * bits that the caller knows. Bits of the last word beyond the length are
 * ignored by questions and may be anything after changes.
 *
 * Thread: none, but for the _atomic functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BITMAP_H
#define UTIL_BITMAP_H

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "util/bitops.h"

#define BITMAP_FIRST_WORD_MASK(start) (~0UL << ((start) & (BITS_PER_LONG - 1)))
#define BITMAP_LAST_WORD_MASK(nbits)  (~0UL >> (-(nbits) & (BITS_PER_LONG - 1)))

#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

static inline size_t bitmap_bytes_(long nbits)
{
    return BITS_TO_LONGS((size_t)nbits) * sizeof(unsigned long);
}

/** bitmap_try_new: all zero, for g_free(); NULL when memory is short. */
static inline unsigned long *bitmap_try_new(long nbits)
{
    return (unsigned long *)g_try_malloc0(bitmap_bytes_(nbits));
}

/** bitmap_new: the same, but ends the process when memory is short. */
static inline unsigned long *bitmap_new(long nbits)
{
    return (unsigned long *)g_malloc0(bitmap_bytes_(nbits));
}

static inline void bitmap_zero(unsigned long *dst, long nbits)
{
    memset(dst, 0, bitmap_bytes_(nbits));
}

static inline void bitmap_fill(unsigned long *dst, long nbits)
{
    memset(dst, 0xff, bitmap_bytes_(nbits));
}

static inline void bitmap_copy(unsigned long *dst, const unsigned long *src,
                               long nbits)
{
    memcpy(dst, src, bitmap_bytes_(nbits));
}

/** bitmap_and / bitmap_andnot: Returns: whether @dst has a bit set. */
int bitmap_and(unsigned long *dst, const unsigned long *src1,
               const unsigned long *src2, long nbits);
int bitmap_andnot(unsigned long *dst, const unsigned long *src1,
                  const unsigned long *src2, long nbits);
void bitmap_or(unsigned long *dst, const unsigned long *src1,
               const unsigned long *src2, long nbits);
void bitmap_xor(unsigned long *dst, const unsigned long *src1,
                const unsigned long *src2, long nbits);
void bitmap_complement(unsigned long *dst, const unsigned long *src,
                       long nbits);

int bitmap_equal(const unsigned long *src1, const unsigned long *src2,
                 long nbits);
int bitmap_intersects(const unsigned long *src1, const unsigned long *src2,
                      long nbits);
int bitmap_empty(const unsigned long *src, long nbits);
int bitmap_full(const unsigned long *src, long nbits);
long bitmap_count_one(const unsigned long *bitmap, long nbits);
long bitmap_count_one_with_offset(const unsigned long *bitmap, long offset,
                                  long nbits);

/** bitmap_set / bitmap_clear: @nr bits from bit @i on. */
void bitmap_set(unsigned long *map, long i, long nr);
void bitmap_clear(unsigned long *map, long start, long nr);
void bitmap_set_atomic(unsigned long *map, long i, long nr);
/** bitmap_test_and_clear: Returns: whether one of the bits was set. */
bool bitmap_test_and_clear(unsigned long *map, long start, long nr);
bool bitmap_test_and_clear_atomic(unsigned long *map, long start, long nr);
/** bitmap_copy_and_clear_atomic: @dst gets @src, whose words become 0. */
void bitmap_copy_and_clear_atomic(unsigned long *dst, unsigned long *src,
                                  long nr);

/**
 * bitmap_find_next_zero_area:
 * @size: bits in @map
 * @start: where to begin
 * @nr: zeros wanted in a row
 * @align_mask: one less than a power of two that the area is aligned to
 *
 * Returns: first bit of the area, or a number > @size - @nr if there is none.
 */
unsigned long bitmap_find_next_zero_area(unsigned long *map, unsigned long size,
                                         unsigned long start, unsigned long nr,
                                         unsigned long align_mask);

/** bitmap_zero_extend: Returns: reallocated @old with zeros in the new bits. */
unsigned long *bitmap_zero_extend(unsigned long *old, long old_nbits,
                                  long new_nbits);

/** bitmap_to_le / bitmap_from_le: the little-endian form, for the wire. */
void bitmap_to_le(unsigned long *dst, const unsigned long *src, long nbits);
void bitmap_from_le(unsigned long *dst, const unsigned long *src, long nbits);

/** bitmap_copy_with_*_offset: @nbits from or to bit @shift. */
void bitmap_copy_with_src_offset(unsigned long *dst, const unsigned long *src,
                                 unsigned long shift, unsigned long nbits);
void bitmap_copy_with_dst_offset(unsigned long *dst, const unsigned long *src,
                                 unsigned long shift, unsigned long nbits);

#endif
