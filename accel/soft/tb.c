/*
 * The table of translated blocks (see tb.h).
 *
 * Blocks and links stand in arrays that grow; numbers, not pointers, refer to
 * them. A hash over its key finds a block, a second table the
 * blocks of a page: a list whose links are twice the block's number, plus 1
 * where the page is the block's second one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tb.h"

#define TB_HASH_BITS   15
#define TB_BUCKETS     (1u << TB_HASH_BITS)
#define TB_FIRST_ALLOC 1024u

static gpointer page_key(uint64_t gpa)
{
    return (gpointer)(uintptr_t)(gpa >> 12);
}

/* The same code is mapped at many linear addresses: these count, too. */
static uint32_t *bucket_of(const TBTable *t, uint64_t gpa, uint64_t rip,
                           uint32_t key)
{
    uint64_t h =
        gpa ^ (uint64_t)key << 32 ^ (rip >> 12) * 0xff51afd7ed558ccdull;

    h *= 0x9e3779b97f4a7c15ull;

    return &t->bucket[h >> (64 - TB_HASH_BITS)];
}

void tb_init(TBTable *t)
{
    *t = (TBTable){ .bucket = g_new(uint32_t, TB_BUCKETS),
                    .pages = g_hash_table_new(NULL, NULL) };
    memset(t->bucket, 0xff, TB_BUCKETS * sizeof(uint32_t));
}

void tb_deinit(TBTable *t)
{
    g_free(t->block);
    g_free(t->link);
    g_free(t->bucket);
    g_clear_pointer(&t->pages, g_hash_table_unref);
    *t = (TBTable){ 0 };
}

void tb_reset(TBTable *t)
{
    tb_deinit(t);
    tb_init(t);
}

uint32_t tb_find(const TBTable *t, uint64_t gpa, uint64_t rip, uint32_t key)
{
    uint32_t i = *bucket_of(t, gpa, rip, key);

    while (i != TB_NONE) {
        const TBlock *b = &t->block[i];

        if (b->gpa == gpa && b->rip == rip && b->key == key) {
            return i;
        }
        i = b->hash_next;
    }
    return TB_NONE;
}

uint32_t tb_new(TBTable *t)
{
    if (t->n_blocks == t->max_blocks) {
        t->max_blocks = t->max_blocks ? t->max_blocks * 3 / 2 : TB_FIRST_ALLOC;
        t->block = g_renew(TBlock, t->block, t->max_blocks);
    }
    t->block[t->n_blocks] = (TBlock){ 0 };
    return t->n_blocks++;
}

void tb_drop(TBTable *t, uint32_t block, uint32_t n_links)
{
    assert(block + 1 == t->n_blocks && !t->block[block].valid);
    t->n_blocks = block;
    t->n_links = n_links;
}

static void page_add(TBTable *t, uint32_t block, unsigned which, uint64_t gpa)
{
    gpointer page = page_key(gpa);

    t->block[block].page_next[which] =
        GPOINTER_TO_UINT(g_hash_table_lookup(t->pages, page)) - 1u;
    g_hash_table_insert(t->pages, page,
                        GUINT_TO_POINTER(block * 2 + which + 1));
}

void tb_publish(TBTable *t, uint32_t block)
{
    TBlock *b = &t->block[block];
    uint32_t *bucket = bucket_of(t, b->gpa, b->rip, b->key);

    b->hash_next = *bucket;
    *bucket = block;
    page_add(t, block, 0, b->gpa);
    if (b->gpa2) {
        page_add(t, block, 1, b->gpa2);
    }
    b->valid = true;
}

uint32_t tb_link_new(TBTable *t, const TBLink *link)
{
    if (t->n_links == t->max_links) {
        t->max_links = t->max_links ? t->max_links * 3 / 2 : TB_FIRST_ALLOC;
        t->link = g_renew(TBLink, t->link, t->max_links);
    }
    t->link[t->n_links] = *link;
    return t->n_links++;
}

static void block_unhash(TBTable *t, uint32_t block)
{
    const TBlock *b = &t->block[block];
    uint32_t *p = bucket_of(t, b->gpa, b->rip, b->key);

    while (*p != block) {
        p = &t->block[*p].hash_next;
    }
    *p = b->hash_next;
}

bool tb_invalidate_page(TBTable *t, uint64_t gpa, TBInvalidFunc *func,
                        void *opaque)
{
    gpointer page = page_key(gpa);
    uint32_t i = GPOINTER_TO_UINT(g_hash_table_lookup(t->pages, page)) - 1u;

    if (i == TB_NONE) {
        return false;
    }
    g_hash_table_remove(t->pages, page);
    while (i != TB_NONE) {
        TBlock *b = &t->block[i / 2];

        if (b->valid) {
            block_unhash(t, i / 2);
            b->valid = false;
            func(b, opaque);
        }
        i = b->page_next[i % 2];
    }
    return true;
}
