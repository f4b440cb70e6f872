/*
 * Memory that the guest checks itself, so that a page lost, stale, torn or
 * misplaced on the way to another host is seen from inside.
 *
 * Each page of the dirtied part carries one stamp, made of its number and of
 * the pass that wrote it, in words spread over it (a hypervisor that emulates
 * each instruction takes long for all of them): before a pass writes its stamp,
 * it looks for that of the pass before. The kept part is written once, with
 * words that differ from page to page, and looked at again and again; of some of
 * those pages every word.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define PAGE_QWORDS (PAGE_BYTES / 8)
#define STRIDE      64u /* words between two that are written */
#define LAST        (PAGE_QWORDS - 1)
#define ERRORS_MAX  8u /* printed */

static uint32_t errors;

static uint64_t stamp(uint64_t number, uint64_t pass)
{
    return pass ? number << 32 | (uint32_t)pass : 0;
}

static void wrong(uint64_t number, unsigned word, uint64_t is, uint64_t should)
{
    uint32_t n = 1;

    __asm__ volatile("lock xaddl %0, %1" : "+r"(n), "+m"(errors) : : "memory");
    if (n < ERRORS_MAX) {
        console_print("WRONG page %u word %u is %x should be %x\n", number,
                      (uint64_t)word, is, should);
    }
}

static void expect(const volatile uint64_t *page, uint64_t number,
                   unsigned word, uint64_t should)
{
    uint64_t is = page[word];

    if (is != should) {
        wrong(number, word, is, should);
    }
}

void verify_dirty(uint64_t *page, uint64_t number, uint64_t pass)
{
    uint64_t old = stamp(number, pass);

    expect(page, number, 0, old);
    expect(page, number,
           (unsigned)((number * 7 + pass * 61) % PAGE_QWORDS / STRIDE * STRIDE),
           old);
    expect(page, number, LAST, old);
    old = stamp(number, pass + 1);
    for (unsigned i = 0; i < PAGE_QWORDS; i += STRIDE) {
        page[i] = old;
    }
    page[LAST] = old;
}

static uint64_t kept_word(uint64_t number, unsigned word)
{
    uint64_t x = (number * PAGE_QWORDS + word + 1) * 0x9e3779b97f4a7c15u;

    return x ^ x >> 29;
}

void verify_keep(uint64_t *page, uint64_t number, bool whole)
{
    for (unsigned i = 0; i < PAGE_QWORDS; i += whole ? 1 : STRIDE) {
        page[i] = kept_word(number, i);
    }
    page[LAST] = kept_word(number, LAST);
}

void verify_kept(const uint64_t *page, uint64_t number, uint64_t round)
{
    unsigned word =
        (unsigned)((number + round) % (PAGE_QWORDS / STRIDE)) * STRIDE;

    expect(page, number, 0, kept_word(number, 0));
    expect(page, number, word, kept_word(number, word));
    expect(page, number, LAST, kept_word(number, LAST));
}

void verify_whole(const uint64_t *page, uint64_t number)
{
    for (unsigned i = 0; i < PAGE_QWORDS; i++) {
        expect(page, number, i, kept_word(number, i));
    }
}

uint64_t verify_errors(void)
{
    return *(volatile uint32_t *)&errors;
}
