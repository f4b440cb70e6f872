/*
 * Searches in bit arrays, a word at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bitops.h"

#include "util/bitmap.h"

/* First one at or after @offset in the words of @addr, each xored @flip. */
static unsigned long find_next(const unsigned long *addr, unsigned long size,
                               unsigned long offset, unsigned long flip)
{
    unsigned long word, w;

    if (offset >= size) {
        return size;
    }
    w = BIT_WORD(offset);
    word = (addr[w] ^ flip) & BITMAP_FIRST_WORD_MASK(offset);
    while (!word) {
        w++;
        if (w >= BITS_TO_LONGS(size)) {
            return size;
        }
        word = addr[w] ^ flip;
    }
    return MIN(w * BITS_PER_LONG + __builtin_ctzl(word), size);
}

unsigned long find_next_bit(const unsigned long *addr, unsigned long size,
                            unsigned long offset)
{
    return find_next(addr, size, offset, 0);
}

unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
                                 unsigned long offset)
{
    return find_next(addr, size, offset, ~0UL);
}

unsigned long find_last_bit(const unsigned long *addr, unsigned long size)
{
    unsigned long mask = BITMAP_LAST_WORD_MASK(size);
    unsigned long w;

    for (w = BITS_TO_LONGS(size); w-- > 0; mask = ~0UL) {
        unsigned long word = addr[w] & mask;

        if (word) {
            return w * BITS_PER_LONG + BITS_PER_LONG - 1 - __builtin_clzl(word);
        }
    }
    return size;
}
