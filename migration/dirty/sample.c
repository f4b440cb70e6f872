/*
 * Samples of pages.
 *
 * Each block is cut into as many equal stretches as it gets samples, and one
 * page of each stretch is chosen at random: spread evenly, but not in step
 * with what the guest does. Of a page a 64-bit sum is kept; the guest writes
 * meanwhile, so a sum may be of no state that ever was, which then differs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/dirty/sample.h"

#include "migration/ram/page-zero.h"
#include "util/bitmap.h"

#define GIB        (UINT64_C(1) << 30)
#define PAGE_WORDS (RAM_PAGE_SIZE / sizeof(uint64_t))
#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */
#define LANES      4

typedef struct BlockSample {
    const RAMBlock *rb;
    uint64_t n;
    uint64_t *page;
    uint64_t *sum;
} BlockSample;

struct DirtySample {
    unsigned n;
    BlockSample block[];
};

GUEST_MEMORY_ACCESS static uint64_t page_sum(const uint8_t *page)
{
    const volatile uint64_t *w = (const volatile void *)page;
    uint64_t lane[LANES] = { 1, 2, 3, 4 };
    uint64_t sum = 0;

    for (size_t i = 0; i < PAGE_WORDS; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            lane[k] = (lane[k] ^ w[i + k]) * MULTIPLIER;
            lane[k] ^= lane[k] >> 29;
        }
    }
    for (size_t k = 0; k < LANES; k++) {
        sum = (sum ^ lane[k]) * MULTIPLIER;
        sum ^= sum >> 32;
    }
    return sum;
}

static const uint8_t *page_ptr(const RAMBlock *rb, uint64_t page)
{
    return rb->host + (page << RAM_PAGE_BITS);
}

static uint64_t random_below(GRand *rand, uint64_t n)
{
    return ((uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand)) % n;
}

static void sample_block(BlockSample *b, const RAMBlock *rb,
                         unsigned pages_per_gib, GRand *rand)
{
    uint64_t pages = ram_block_pages(rb);

    b->rb = rb;
    b->n = MAX(rb->used_length / (GIB / pages_per_gib), 1);
    b->n = MIN(b->n, pages);
    b->page = g_new(uint64_t, b->n);
    b->sum = g_new(uint64_t, b->n);
    for (uint64_t i = 0; i < b->n; i++) {
        uint64_t first = pages * i / b->n;
        uint64_t end = pages * (i + 1) / b->n;

        b->page[i] = first + random_below(rand, end - first);
        b->sum[i] = page_sum(page_ptr(rb, b->page[i]));
    }
}

DirtySample *dirty_sample_new(const RAMBlockList *list, unsigned pages_per_gib)
{
    DirtySample *s = g_malloc0(sizeof(*s) + list->n * sizeof(BlockSample));
    GRand *rand = g_rand_new();

    for (unsigned i = 0; i < list->n; i++) {
        const RAMBlock *rb = list->block[i];

        if (!(rb->flags & RAM_BLOCK_ROM) && rb->used_length) {
            sample_block(&s->block[s->n++], rb, pages_per_gib, rand);
        }
    }
    g_rand_free(rand);
    return s;
}

void dirty_sample_free(DirtySample *s)
{
    if (s) {
        for (unsigned i = 0; i < s->n; i++) {
            g_free(s->block[i].page);
            g_free(s->block[i].sum);
        }
        g_free(s);
    }
}

uint64_t dirty_sample_changed(const DirtySample *s)
{
    double bytes = 0;

    for (unsigned i = 0; i < s->n; i++) {
        const BlockSample *b = &s->block[i];
        uint64_t changed = 0;

        for (uint64_t k = 0; k < b->n; k++) {
            changed += page_sum(page_ptr(b->rb, b->page[k])) != b->sum[k];
        }
        bytes += (double)b->rb->used_length * (double)changed / (double)b->n;
    }
    return (uint64_t)bytes;
}

double dirty_sample_zero_share(const RAMBlock *rb, const unsigned long *map,
                               uint64_t pages, unsigned n)
{
    GRand *rand = g_rand_new();
    unsigned seen = 0, zero = 0;

    for (unsigned i = 0; i < n; i++) {
        /* The next one that is set: long rows are chosen more often. */
        unsigned long at = find_next_bit(map, pages, random_below(rand, pages));

        if (at < pages) {
            seen++;
            zero += page_is_zero(page_ptr(rb, at));
        }
    }
    g_rand_free(rand);
    return seen ? (double)zero / seen : 0;
}
