/*
 * Page tables of a guest, read from outside: all paging modes by one
 * description of their levels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/x86-translate.h"

#include "util/bswap.h"

#define CR0_PG    (1u << 31)
#define CR4_PSE   (1u << 4)
#define CR4_PAE   (1u << 5)
#define CR4_LA57  (1u << 12)
#define EFER_LMA  (1u << 10)
#define PTE_P     (1u << 0)
#define PTE_W     (1u << 1)
#define PTE_U     (1u << 2)
#define PTE_PS    (1u << 7)
#define PTE_ADDR  0x000ffffffffff000ull
#define PAGE_BITS 12

/* How the tables of a mode look; level 0 is the one that maps 4 KiB. */
typedef struct Paging {
    unsigned levels;
    unsigned bits;        /* of the address, for each level */
    unsigned top_bits;    /* of the address, for the first one */
    unsigned entry_bytes; /* 4 or 8 */
    unsigned large;       /* bit n: level n may map a large page */
    bool plain_top;       /* the first level has no W and U bits (PAE) */
} Paging;

static Paging paging_of(const X86CPUState *st)
{
    if (st->efer & EFER_LMA) {
        return (Paging){ .levels = st->cr4 & CR4_LA57 ? 5 : 4,
                         .bits = 9,
                         .top_bits = 9,
                         .entry_bytes = 8,
                         .large = 6 };
    }
    if (st->cr4 & CR4_PAE) {
        return (Paging){ .levels = 3,
                         .bits = 9,
                         .top_bits = 2,
                         .entry_bytes = 8,
                         .large = 2,
                         .plain_top = true };
    }
    return (Paging){ .levels = 2,
                     .bits = 10,
                     .top_bits = 10,
                     .entry_bytes = 4,
                     .large = st->cr4 & CR4_PSE ? 2 : 0 };
}

static uint64_t root_of(const X86CPUState *st, const Paging *p)
{
    return p->levels == 3
               ? st->cr3 & 0xffffffe0u
               : st->cr3 & (p->entry_bytes == 4 ? 0xfffff000u : PTE_ADDR);
}

static bool read_entry(GuestMemory *gm, const Paging *p, uint64_t table,
                       unsigned index, uint64_t *ret)
{
    uint8_t raw[8] = { 0 };

    if (!guest_memory_read(gm, table + index * p->entry_bytes, raw,
                           p->entry_bytes)) {
        return false;
    }
    *ret = ldq_le_p(raw);
    return *ret & PTE_P;
}

static unsigned level_shift(const Paging *p, unsigned level)
{
    return PAGE_BITS + level * p->bits;
}

/* Where a leaf points: the 4 MiB pages keep bits 32..39 low (SDM table 4-4). */
static uint64_t leaf_address(const Paging *p, unsigned level, uint64_t entry)
{
    uint64_t size = 1ull << level_shift(p, level);

    if (p->entry_bytes == 4 && level == 1) {
        return (entry & 0xffc00000u) | (entry & 0x1fe000u) << 19;
    }
    return entry & PTE_ADDR & ~(size - 1);
}

static bool is_leaf(const Paging *p, unsigned level, uint64_t entry)
{
    return level == 0 || ((entry & PTE_PS) && (p->large & (1u << level)));
}

static void step(const Paging *p, unsigned level, uint64_t entry, X86Mapping *m)
{
    if (!(p->plain_top && level == p->levels - 1)) {
        m->writable &= !!(entry & PTE_W);
        m->user &= !!(entry & PTE_U);
    }
}

static void leaf(const Paging *p, unsigned level, uint64_t entry, uint64_t va,
                 X86Mapping *m)
{
    m->size = 1ull << level_shift(p, level);
    m->va = va & ~(m->size - 1);
    m->pa = leaf_address(p, level, entry);
    m->entry = entry;
}

bool x86_translate(const X86CPUState *st, GuestMemory *gm, uint64_t va,
                   X86Mapping *ret)
{
    Paging p = paging_of(st);
    uint64_t table = root_of(st, &p);

    *ret = (X86Mapping){ .writable = true, .user = true };
    if (!(st->cr0 & CR0_PG)) {
        return true;
    }
    for (unsigned level = p.levels; level-- > 0;) {
        unsigned bits = level == p.levels - 1 ? p.top_bits : p.bits;
        uint64_t entry;

        if (!read_entry(gm, &p, table,
                        (va >> level_shift(&p, level)) & ((1u << bits) - 1),
                        &entry)) {
            return false;
        }
        step(&p, level, entry, ret);
        if (is_leaf(&p, level, entry)) {
            leaf(&p, level, entry, va, ret);
            return true;
        }
        table = p.entry_bytes == 4 ? entry & 0xfffff000u : entry & PTE_ADDR;
    }
    return false;
}

typedef struct Walk {
    Paging p;
    GuestMemory *gm;
    bool (*func)(const X86Mapping *m, void *opaque);
    void *opaque;
    unsigned left; /* entries to read before it is given up */
} Walk;

/* Recursion is as deep as there are levels. */
static bool walk(Walk *w, unsigned level, uint64_t table, uint64_t va,
                 X86Mapping above)
{
    const Paging *p = &w->p;
    unsigned bits = level == p->levels - 1 ? p->top_bits : p->bits;

    for (unsigned i = 0; i < 1u << bits; i++) {
        uint64_t here = va | (uint64_t)i << level_shift(p, level);
        X86Mapping m = above;
        uint64_t entry;

        if (!w->left) {
            return false;
        }
        w->left--;
        if (!read_entry(w->gm, p, table, i, &entry)) {
            continue;
        }
        if (p->levels > 3 && level == p->levels - 1 && i >= 1u << (bits - 1)) {
            here |= ~0ull << (level_shift(p, level) + bits); /* canonical */
        }
        step(p, level, entry, &m);
        if (is_leaf(p, level, entry)) {
            leaf(p, level, entry, here, &m);
            if (!w->func(&m, w->opaque)) {
                return false;
            }
        } else if (!walk(w, level - 1,
                         p->entry_bytes == 4 ? entry & 0xfffff000u
                                             : entry & PTE_ADDR,
                         here, m)) {
            return false;
        }
    }
    return true;
}

bool x86_for_each_mapping(const X86CPUState *st, GuestMemory *gm,
                          bool (*func)(const X86Mapping *m, void *opaque),
                          void *opaque)
{
    Walk w = { .p = paging_of(st),
               .gm = gm,
               .func = func,
               .opaque = opaque,
               .left = X86_WALK_ENTRIES_MAX };

    return !(st->cr0 & CR0_PG) ||
           walk(&w, w.p.levels - 1, root_of(st, &w.p), 0,
                (X86Mapping){ .writable = true, .user = true });
}
