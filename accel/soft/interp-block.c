/*
 * Decoded blocks: straight runs of instructions, each with its handler, kept by
 * guest-physical address and mode of decoding.
 *
 * A block stays on one page and ends at whatever may change rip, the mode or
 * the meaning of memory. Before bytes are decoded soft_code_add() is told, so
 * that a write to them comes back as soft_interp_invalidate_page(); if that
 * happens while a block runs, code_epoch changes and the block is left after
 * the present instruction. Its memory goes with the next look-up.
 *
 * The table is direct-mapped: two blocks with the same place replace each
 * other. Blocks of a page are also chained by page, for invalidation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-block.h"

#include "interp-internal.h"

#define BLOCK_INSNS_MAX 48
#define TABLE_BITS      13
#define TABLE_SIZE      (1u << TABLE_BITS)
#define PAGE_BUCKETS    1024u

/* What of mode_flags decides on decoding. */
#define BLOCK_MODE (SOFT_MODE_PE | SOFT_MODE_CS64 | SOFT_MODE_CS32)

/* Marked as code at a time, so that not every instruction asks. */
#define MARK_BYTES 64u

typedef struct BlockEntry {
    InterpHandler *handler;
    SoftInsn insn;
} BlockEntry;

/**
 * Block:
 * @gpa: of the first byte
 * @next: in the chain of its page's bucket, or of the dead
 * @bytes: length of all instructions
 */
typedef struct Block {
    uint64_t gpa;
    struct Block *next;
    uint32_t mode;
    uint16_t bytes;
    uint16_t count;
    BlockEntry entry[];
} Block;

struct SoftInterp {
    Block *table[TABLE_SIZE];
    Block *page[PAGE_BUCKETS];
    Block *dead; /* perhaps still under execution */
};

SoftInterp *soft_interp_new(void)
{
    return g_new0(SoftInterp, 1);
}

static void free_chain(Block *block)
{
    while (block != NULL) {
        Block *next = block->next;

        g_free(block);
        block = next;
    }
}

void soft_interp_free(SoftInterp *interp)
{
    if (interp == NULL) {
        return;
    }
    for (unsigned i = 0; i < PAGE_BUCKETS; i++) {
        free_chain(interp->page[i]);
    }
    free_chain(interp->dead);
    g_free(interp);
}

/* -- places ---------------------------------------------------------------- */

static unsigned table_index(uint64_t gpa, uint32_t mode)
{
    return (gpa ^ gpa >> TABLE_BITS ^ mode) & (TABLE_SIZE - 1);
}

static Block **page_bucket(SoftInterp *interp, uint64_t gpa)
{
    return &interp->page[(gpa >> SOFT_PAGE_BITS) & (PAGE_BUCKETS - 1)];
}

/* Out of the table; @block is out of its page's chain already. */
static void bury(SoftInterp *interp, Block *block)
{
    Block **place = &interp->table[table_index(block->gpa, block->mode)];

    if (*place == block) {
        *place = NULL;
    }
    block->next = interp->dead;
    interp->dead = block;
}

static void unchain(SoftInterp *interp, Block *block)
{
    Block **link = page_bucket(interp, block->gpa);

    while (*link != block) {
        link = &(*link)->next;
    }
    *link = block->next;
}

void soft_interp_invalidate_page(SoftCPU *cpu, uint64_t page)
{
    SoftInterp *interp = cpu->interp;
    Block **link = page_bucket(interp, page);

    while (*link != NULL) {
        Block *block = *link;

        if ((block->gpa & SOFT_PAGE_MASK) == (page & SOFT_PAGE_MASK)) {
            *link = block->next;
            bury(interp, block);
        } else {
            link = &block->next;
        }
    }
}

void soft_interp_invalidate_all(SoftCPU *cpu)
{
    SoftInterp *interp = cpu->interp;

    for (unsigned i = 0; i < PAGE_BUCKETS; i++) {
        while (interp->page[i] != NULL) {
            Block *block = interp->page[i];

            interp->page[i] = block->next;
            bury(interp, block);
        }
    }
}

/* -- making a block -------------------------------------------------------- */

/* Nothing of the block may come behind it. */
static bool ends_block(const SoftInsn *insn)
{
    return insn->attrs & (SOFT_A_ENDS | SOFT_A_REP);
}

static void set_entry(BlockEntry *e, const SoftInsn *insn)
{
    e->insn = *insn;
    e->handler = interp_select(insn);
}

/* @host: bytes at @gpa, to the page's end. NULL: the first instruction is not
 * one for a block. */
static Block *make_block(SoftCPU *cpu, uint64_t gpa, const uint8_t *host)
{
    SoftDecodeMode mode = interp_decode_mode(cpu);
    unsigned room = SOFT_PAGE_BYTES - (gpa & ~SOFT_PAGE_MASK);
    BlockEntry entry[BLOCK_INSNS_MAX];
    unsigned n = 0, pos = 0, marked = 0;
    Block *block;

    while (n < BLOCK_INSNS_MAX) {
        unsigned left = MIN(room - pos, SOFT_INSN_BYTES_MAX);
        uint8_t bytes[SOFT_INSN_BYTES_MAX];
        SoftInsn insn;

        while (marked < room && marked < pos + SOFT_INSN_BYTES_MAX) {
            unsigned len = MIN(room - marked, MARK_BYTES);

            soft_code_add(cpu, gpa + marked, len);
            marked += len;
        }
        /* Another CPU may write them while they are decoded. */
        memcpy(bytes, host + pos, left);
        if (soft_decode(bytes, left, &mode, &insn) != SOFT_DECODE_OK) {
            break;
        }
        set_entry(&entry[n++], &insn);
        pos += insn.length;
        if (ends_block(&insn)) {
            break;
        }
    }
    if (n == 0) {
        return NULL;
    }
    block = g_malloc(sizeof(*block) + n * sizeof(entry[0]));
    *block = (Block){ .gpa = gpa,
                      .mode = cpu->mode_flags & BLOCK_MODE,
                      .bytes = pos,
                      .count = n };
    memcpy(block->entry, entry, n * sizeof(entry[0]));
    return block;
}

static Block *add_block(SoftCPU *cpu, uint64_t gpa, const uint8_t *host)
{
    SoftInterp *interp = cpu->interp;
    Block *block = make_block(cpu, gpa, host);
    Block **place, **bucket;

    if (block == NULL) {
        return NULL;
    }
    place = &interp->table[table_index(gpa, block->mode)];
    if (*place != NULL) {
        Block *old = *place;

        unchain(interp, old);
        bury(interp, old);
    }
    *place = block;
    bucket = page_bucket(interp, gpa);
    block->next = *bucket;
    *bucket = block;
    return block;
}

/* -- running --------------------------------------------------------------- */

/* Guest-physical address of the code at @linear; SOFT_NO_GPA: not in RAM. */
static inline bool code_gpa(SoftCPU *cpu, uint64_t linear, uint64_t *ret)
{
    SoftMMU mmu = soft_mmu(cpu);
    const SoftTLBEntry *e = soft_tlb_entry(cpu, mmu, linear, false);
    uint64_t offset = linear - e->tag_x;
    const uint8_t *host;

    if (likely(offset < SOFT_PAGE_BYTES)) {
        *ret = (cpu->tlb_info[mmu][e - cpu->tlb[mmu]].gpa & SOFT_PAGE_MASK) +
               offset;
        return true;
    }
    return soft_code_ptr(cpu, linear, ret, &host);
}

/* The block at cs:rip; NULL with or without an exception. */
static Block *find_block(SoftCPU *cpu)
{
    SoftInterp *interp = cpu->interp;
    uint32_t mode = cpu->mode_flags & BLOCK_MODE;
    uint64_t linear = interp_code_linear(cpu);
    const uint8_t *host;
    uint64_t gpa;
    Block *block;

    if (unlikely(interp->dead != NULL)) {
        free_chain(interp->dead);
        interp->dead = NULL;
    }
    if (!code_gpa(cpu, linear, &gpa) || gpa == SOFT_NO_GPA) {
        return NULL;
    }
    block = interp->table[table_index(gpa, mode)];
    if (unlikely(block == NULL || block->gpa != gpa || block->mode != mode)) {
        if (!soft_code_ptr(cpu, linear, &gpa, &host) || gpa == SOFT_NO_GPA) {
            return NULL;
        }
        block = add_block(cpu, gpa, host);
    }
    /* Over the limit: one by one, to the fault. */
    if (block != NULL && !(mode & SOFT_MODE_CS64) &&
        cpu->rip + block->bytes - 1 > cpu->seg[X86_CS].limit) {
        return NULL;
    }
    return block;
}

static bool run_block(SoftCPU *cpu, const Block *block)
{
    uint64_t mask = cpu->mode_flags & SOFT_MODE_CS64 ? ~(uint64_t)0 : ~0u;
    uint32_t epoch = cpu->code_epoch;
    const BlockEntry *e = block->entry;
    const BlockEntry *end = e + block->count;

    do {
        cpu->next_rip = (cpu->rip + e->insn.length) & mask;
        if (unlikely(!e->handler(cpu, &e->insn))) {
            return false;
        }
        cpu->rip = cpu->next_rip;
        e++;
    } while (e < end && likely(cpu->code_epoch == epoch));
    return true;
}

bool soft_interp_run(SoftCPU *cpu)
{
    while (likely(qatomic_read(&cpu->exit_request) == 0)) {
        const Block *block = find_block(cpu);

        cpu->eflags &= ~SOFT_EFL_RF;
        if (likely(block != NULL)) {
            if (!run_block(cpu, block)) {
                return false;
            }
        } else if (cpu->exception.pending || !soft_interp_one(cpu)) {
            return false;
        }
    }
    return true;
}
