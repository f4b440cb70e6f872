/*
 * Translated blocks: which there are, found by where the guest's code stands.
 *
 * A block is keyed by the guest-physical address of its first byte, its linear
 * address (generated code has addresses of the guest as constants) and the
 * mode it was translated for. Blocks are numbered in order of creation;
 * everything is dropped at once, with the code memory.
 *
 * One instruction that goes on into the next page is a block of its own, which
 * becomes invalid with either page.
 *
 * A jump from one block to another of the same page is a link: the direct jump
 * in the code, which first leads to the translator and is patched when the
 * target is known. As both ends stand on the same page, and code is invalidated
 * by whole pages, a link need not be undone: all that leads to an invalid block
 * from outside of its page are entries of the jump cache, and these find its
 * head patched.
 *
 * Everything belongs to one virtual CPU and needs no lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_TB_H
#define ACCEL_SOFT_TB_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TB_NONE UINT32_MAX

/**
 * TBlock:
 * @gpa: guest-physical address of the first byte
 * @gpa2: of the second page, if its only instruction goes on there; else 0
 * @rip: linear address of the first byte
 * @key: of the mode (jit_key())
 * @head: offset into the code cache of the entry that looks at exit_request
 * @body: entry behind that; equal to @head's successor in the code
 * @stale: cold code to which @head and @body are patched when it is invalid
 * @bytes: of guest code
 * @insns: number of instructions
 * @flags_in: SOFT_FLAG_* that its code needs when it is entered
 * @vec: vector registers must be loaded on entry: @body is not for others
 */
typedef struct TBlock {
    uint64_t gpa;
    uint64_t gpa2;
    uint64_t rip;
    uint32_t key;
    uint32_t head;
    uint32_t body;
    uint32_t stale;
    uint32_t hash_next;
    uint32_t page_next[2]; /* in the lists of both pages: see tb.c */
    uint16_t bytes;
    uint8_t insns;
    uint8_t flags_in;
    bool vec;
    bool valid;
} TBlock;

/**
 * TBLink:
 * @field: offset into the code cache of the jump's rel32
 * @block: source
 * @target: offset of the target in the page
 * @checked: must enter by the head: a backward jump may be a loop
 */
typedef struct TBLink {
    uint32_t field;
    uint32_t block;
    uint16_t target;
    bool checked;
} TBLink;

typedef struct TBTable {
    TBlock *block;
    uint32_t n_blocks;
    uint32_t max_blocks;
    TBLink *link;
    uint32_t n_links;
    uint32_t max_links;
    uint32_t *bucket;  /* hash -> first block */
    GHashTable *pages; /* page number -> first of its list + 1 */
} TBTable;

void tb_init(TBTable *t);
/** tb_deinit: accepts one that was not initialised (all zero). */
void tb_deinit(TBTable *t);
/** tb_reset: forget all blocks and links; give their memory back. */
void tb_reset(TBTable *t);

/** tb_find: the valid block of that key, or TB_NONE. */
uint32_t tb_find(const TBTable *t, uint64_t gpa, uint64_t rip, uint32_t key);

/** tb_new: number of a new block (all zero but what tb_publish() sets), which
 *  nobody finds yet. */
uint32_t tb_new(TBTable *t);
/** tb_drop: take back the newest block; it was not published. */
void tb_drop(TBTable *t, uint32_t block, uint32_t n_links);
/** tb_publish: @block is complete and may be found. */
void tb_publish(TBTable *t, uint32_t block);

uint32_t tb_link_new(TBTable *t, const TBLink *link);

/** Called for each block that becomes invalid. */
typedef void TBInvalidFunc(const TBlock *block, void *opaque);

/**
 * tb_invalidate_page:
 * @gpa: an address in the page
 *
 * Forget the blocks of a page. Their numbers stay in use until tb_reset().
 *
 * Returns: false if there were none.
 */
bool tb_invalidate_page(TBTable *t, uint64_t gpa, TBInvalidFunc *func,
                        void *opaque);

#endif
