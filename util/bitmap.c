/*
 * Bitmaps. The loops go word by word; a partial last word is masked where a
 * question is answered, never where bits are changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bitmap.h"

#include "util/bswap.h"

/* Bits of word @w that belong to a map of @nbits. */
static unsigned long valid_mask(long w, long nbits)
{
    return w < nbits / (long)BITS_PER_LONG ? ~0UL
                                           : BITMAP_LAST_WORD_MASK(nbits);
}

static long words_of(long nbits)
{
    return (long)BITS_TO_LONGS((unsigned long)nbits);
}

int bitmap_empty(const unsigned long *src, long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        if (src[w] & valid_mask(w, nbits)) {
            return 0;
        }
    }
    return 1;
}

int bitmap_full(const unsigned long *src, long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        if (~src[w] & valid_mask(w, nbits)) {
            return 0;
        }
    }
    return 1;
}

int bitmap_equal(const unsigned long *src1, const unsigned long *src2,
                 long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        if ((src1[w] ^ src2[w]) & valid_mask(w, nbits)) {
            return 0;
        }
    }
    return 1;
}

int bitmap_intersects(const unsigned long *src1, const unsigned long *src2,
                      long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        if (src1[w] & src2[w] & valid_mask(w, nbits)) {
            return 1;
        }
    }
    return 0;
}

int bitmap_and(unsigned long *dst, const unsigned long *src1,
               const unsigned long *src2, long nbits)
{
    unsigned long any = 0;

    for (long w = 0; w < words_of(nbits); w++) {
        dst[w] = src1[w] & src2[w];
        any |= dst[w] & valid_mask(w, nbits);
    }
    return any != 0;
}

int bitmap_andnot(unsigned long *dst, const unsigned long *src1,
                  const unsigned long *src2, long nbits)
{
    unsigned long any = 0;

    for (long w = 0; w < words_of(nbits); w++) {
        dst[w] = src1[w] & ~src2[w];
        any |= dst[w] & valid_mask(w, nbits);
    }
    return any != 0;
}

void bitmap_or(unsigned long *dst, const unsigned long *src1,
               const unsigned long *src2, long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        dst[w] = src1[w] | src2[w];
    }
}

void bitmap_xor(unsigned long *dst, const unsigned long *src1,
                const unsigned long *src2, long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        dst[w] = src1[w] ^ src2[w];
    }
}

void bitmap_complement(unsigned long *dst, const unsigned long *src, long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
        dst[w] = ~src[w] & valid_mask(w, nbits);
    }
}

long bitmap_count_one(const unsigned long *bitmap, long nbits)
{
    long count = 0;

    for (long w = 0; w < words_of(nbits); w++) {
        count += ctpop64(bitmap[w] & valid_mask(w, nbits));
    }
    return count;
}

/*
 * A range of bits touches a first word, whole words, and a last word. Walks
 * them: sets *@w and *@mask to the next word and the bits of it that are in
 * [*@start, @end), and moves *@start behind them.
 */
static bool next_range_word(long *start, long end, long *w, unsigned long *mask)
{
    if (*start >= end) {
        return false;
    }
    *w = *start / (long)BITS_PER_LONG;
    *mask = BITMAP_FIRST_WORD_MASK(*start);
    if (end < (*w + 1) * (long)BITS_PER_LONG) {
        *mask &= BITMAP_LAST_WORD_MASK(end);
    }
    *start = (*w + 1) * (long)BITS_PER_LONG;
    return true;
}

long bitmap_count_one_with_offset(const unsigned long *bitmap, long offset,
                                  long nbits)
{
    long pos = offset, count = 0, w;
    unsigned long mask;

    while (next_range_word(&pos, offset + nbits, &w, &mask)) {
        count += ctpop64(bitmap[w] & mask);
    }
    return count;
}

void bitmap_set(unsigned long *map, long i, long nr)
{
    long pos = i, w;
    unsigned long mask;

    while (next_range_word(&pos, i + nr, &w, &mask)) {
        map[w] |= mask;
    }
}

void bitmap_clear(unsigned long *map, long start, long nr)
{
    long pos = start, w;
    unsigned long mask;

    while (next_range_word(&pos, start + nr, &w, &mask)) {
        map[w] &= ~mask;
    }
}

bool bitmap_test_and_clear(unsigned long *map, long start, long nr)
{
    long pos = start, w;
    unsigned long mask, any = 0;

    while (next_range_word(&pos, start + nr, &w, &mask)) {
        any |= map[w] & mask;
        map[w] &= ~mask;
    }
    return any != 0;
}

void bitmap_set_atomic(unsigned long *map, long i, long nr)
{
    long pos = i, w;
    unsigned long mask;

    while (next_range_word(&pos, i + nr, &w, &mask)) {
        qatomic_or(&map[w], mask);
    }
}

bool bitmap_test_and_clear_atomic(unsigned long *map, long start, long nr)
{
    long pos = start, w;
    unsigned long mask, any = 0;

    while (next_range_word(&pos, start + nr, &w, &mask)) {
        /* A look first: most words of a dirty bitmap are clean, and a
         * read does not take the cache line away from the writers. */
        if (qatomic_read(&map[w]) & mask) {
            any |= qatomic_fetch_and(&map[w], ~mask) & mask;
        }
    }
    return any != 0;
}

void bitmap_copy_and_clear_atomic(unsigned long *dst, unsigned long *src,
                                  long nr)
{
    for (long w = 0; w < words_of(nr); w++) {
        dst[w] = qatomic_xchg(&src[w], 0);
    }
}

unsigned long bitmap_find_next_zero_area(unsigned long *map, unsigned long size,
                                         unsigned long start, unsigned long nr,
                                         unsigned long align_mask)
{
    for (;;) {
        unsigned long begin = find_next_zero_bit(map, size, start);
        unsigned long used;

        begin = (begin + align_mask) & ~align_mask;
        if (begin > size || nr > size - begin) {
            return MAX(begin, size - MIN(nr, size) + 1);
        }
        used = find_next_bit(map, begin + nr, begin);
        if (used == begin + nr) {
            return begin;
        }
        start = used + 1;
    }
}

unsigned long *bitmap_zero_extend(unsigned long *old, long old_nbits,
                                  long new_nbits)
{
    unsigned long *map = g_realloc(old, bitmap_bytes_(new_nbits));

    if (new_nbits > old_nbits) {
        bitmap_clear(map, old_nbits, new_nbits - old_nbits);
    }
    return map;
}

static void bitmap_to_from_le(unsigned long *dst, const unsigned long *src,
                              long nbits)
{
    for (long w = 0; w < words_of(nbits); w++) {
#if ULONG_MAX == UINT32_MAX
        dst[w] = cpu_to_le32(src[w]);
#else
        dst[w] = cpu_to_le64(src[w]);
#endif
    }
}

void bitmap_from_le(unsigned long *dst, const unsigned long *src, long nbits)
{
    bitmap_to_from_le(dst, src, nbits);
}

void bitmap_to_le(unsigned long *dst, const unsigned long *src, long nbits)
{
    bitmap_to_from_le(dst, src, nbits);
}

void bitmap_copy_with_src_offset(unsigned long *dst, const unsigned long *src,
                                 unsigned long shift, unsigned long nbits)
{
    const unsigned long *from = src + BIT_WORD(shift);
    unsigned long off = shift % BITS_PER_LONG;
    unsigned long last = BIT_WORD(shift + nbits - 1) - BIT_WORD(shift);

    if (nbits == 0) {
        return;
    }
    for (unsigned long w = 0; w < BITS_TO_LONGS(nbits); w++) {
        unsigned long word = from[w] >> off;

        /* Only look at the word behind when it holds wanted bits. */
        if (off && w < last) {
            word |= from[w + 1] << (BITS_PER_LONG - off);
        }
        dst[w] = word & valid_mask((long)w, (long)nbits);
    }
}

void bitmap_copy_with_dst_offset(unsigned long *dst, const unsigned long *src,
                                 unsigned long shift, unsigned long nbits)
{
    unsigned long done = 0;

    while (done < nbits) {
        unsigned long to = shift + done;
        unsigned long room = BITS_PER_LONG - to % BITS_PER_LONG;
        unsigned long n = MIN(room, nbits - done);
        unsigned long from = done % BITS_PER_LONG;
        unsigned long bits = src[BIT_WORD(done)] >> from;
        unsigned long mask = BITMAP_LAST_WORD_MASK(n);

        if (from && n > BITS_PER_LONG - from) {
            bits |= src[BIT_WORD(done) + 1] << (BITS_PER_LONG - from);
        }
        mask <<= to % BITS_PER_LONG;
        bits <<= to % BITS_PER_LONG;
        dst[BIT_WORD(to)] = (dst[BIT_WORD(to)] & ~mask) | (bits & mask);
        done += n;
    }
}
