/*
 * Page walks: 32-bit, PAE and 4-level paging.
 *
 * One walker for all: the modes differ in the number of levels, the width of
 * an entry and which bits are reserved. Nothing is written before the access
 * is known to be allowed; then accessed and dirty bits are set from the top by
 * compare-and-swap, and if another processor changed an entry meanwhile the
 * walk begins again.
 *
 * Source: Intel SDM volume 3A, chapter 4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#define PTE_P  (1u << 0)
#define PTE_W  (1u << 1)
#define PTE_U  (1u << 2)
#define PTE_A  (1u << 5)
#define PTE_D  (1u << 6)
#define PTE_PS (1u << 7)
#define PTE_G  (1u << 8)
#define PTE_NX (1ull << 63)

#define ADDR_52    0x000ffffffffff000ull
#define LEVELS_MAX 4

/* One entry that the walk went through. */
typedef struct Step {
    uint64_t gpa;
    void *host; /* NULL: not RAM that can be written */
    uint64_t value;
    uint8_t *flags;
} Step;

typedef struct Walker {
    SoftCPU *cpu;
    uint64_t linear;
    uint64_t reserved; /* bits that must be 0 in every entry */
    unsigned entry_bytes;
    unsigned steps;
    Step step[LEVELS_MAX];
    bool fault_present;
    bool fault_reserved;
} Walker;

static bool read_entry(Walker *w, uint64_t gpa)
{
    Step *step = &w->step[w->steps++];
    const SoftMemPiece *p = soft_map_find(w->cpu, gpa);
    uint8_t *host;

    if (!p) {
        return false;
    }
    host = p->host + (gpa - p->gpa);
    step->gpa = gpa;
    step->host = p->readonly ? NULL : host;
    step->flags = &p->flags[(gpa - p->gpa) >> SOFT_PAGE_BITS];
    step->value = w->entry_bytes == 8 ? qatomic_read((uint64_t *)host)
                                      : qatomic_read((uint32_t *)host);
    return true;
}

/* Set @bits in an entry as it was read; false if it changed meanwhile. */
static bool set_bits(Walker *w, Step *step, uint64_t bits)
{
    bool ok;

    if ((step->value & bits) == bits || !step->host) {
        return true;
    }
    if (w->entry_bytes == 8) {
        ok = qatomic_cmpxchg((uint64_t *)step->host, step->value,
                             step->value | bits) == step->value;
    } else {
        ok = qatomic_cmpxchg((uint32_t *)step->host, (uint32_t)step->value,
                             (uint32_t)(step->value | bits)) ==
             (uint32_t)step->value;
    }
    if (ok) {
        step->value |= bits;
        if (qatomic_read(step->flags) & (SOFT_PAGE_CODE | SOFT_PAGE_LOG)) {
            soft_page_written(w->cpu, step->gpa, w->entry_bytes, step->flags);
        }
    }
    return ok;
}

/* What all levels together allow, and where they lead. */
typedef struct Leaf {
    uint64_t gpa;
    bool user;
    bool write;
    bool nx;
    bool global;
    bool dirty;
    unsigned shift;
} Leaf;

static bool check_entry(Walker *w, uint64_t value, uint64_t reserved)
{
    w->fault_present = value & PTE_P;
    if (!w->fault_present) {
        return false;
    }
    if (value & reserved) {
        w->fault_reserved = true;
        return false;
    }
    return true;
}

static void leaf_large(Leaf *leaf, uint64_t value, uint64_t linear,
                       unsigned shift)
{
    uint64_t low = (1ull << shift) - 1;

    leaf->gpa = (value & ADDR_52 & ~low) | (linear & low & SOFT_PAGE_MASK);
}

/* 8-byte entries, from @level (4, or 2 for PAE) down. */
static bool walk_long(Walker *w, uint64_t table, int level, Leaf *leaf)
{
    for (;; level--) {
        unsigned shift = 12 + 9 * ((unsigned)level - 1);
        uint64_t reserved = w->reserved;
        uint64_t value;

        if (!read_entry(w, table + (w->linear >> shift & 511) * 8)) {
            return false;
        }
        value = w->step[w->steps - 1].value;
        if (level == 4 || (level == 3 && !w->cpu->priv->has_1g_pages)) {
            reserved |= PTE_PS;
        } else if (level > 1 && (value & PTE_PS)) {
            reserved |= ((1ull << shift) - 1) & ~0x1fffull; /* bit 12: PAT */
        }
        if (!check_entry(w, value, reserved)) {
            return false;
        }
        leaf->user &= !!(value & PTE_U);
        leaf->write &= !!(value & PTE_W);
        leaf->nx |= !!(value & PTE_NX);
        if (level == 1 || (value & PTE_PS)) {
            leaf->global = value & PTE_G;
            leaf->dirty = value & PTE_D;
            leaf->shift = shift;
            leaf_large(leaf, value, w->linear, shift);
            return true;
        }
        table = value & ADDR_52;
    }
}

/* 4-byte entries; large pages have address bits 32..39 in bits 13..20. */
static bool walk_short(Walker *w, uint64_t table, Leaf *leaf)
{
    bool pse = w->cpu->cr4 & SOFT_CR4_PSE;
    uint64_t value;

    if (!read_entry(w, table + (w->linear >> 22 & 1023) * 4)) {
        return false;
    }
    value = w->step[0].value;
    if (!check_entry(w, value, pse && (value & PTE_PS) ? 1u << 21 : 0)) {
        return false;
    }
    leaf->user = value & PTE_U;
    leaf->write = value & PTE_W;
    leaf->shift = SOFT_PAGE_BITS;
    if (!pse || !(value & PTE_PS)) {
        if (!read_entry(w,
                        (value & 0xfffff000u) + (w->linear >> 12 & 1023) * 4)) {
            return false;
        }
        value = w->step[1].value;
        if (!check_entry(w, value, 0)) {
            return false;
        }
        leaf->user &= !!(value & PTE_U);
        leaf->write &= !!(value & PTE_W);
        leaf->gpa = value & 0xfffff000u;
    } else {
        leaf->shift = 22;
        leaf->gpa = (value & 0xffc00000u) | (value & 0x1fe000u) << 19 |
                    (w->linear & 0x3ff000u);
    }
    leaf->global = value & PTE_G;
    leaf->dirty = value & PTE_D;
    return true;
}

static bool walk_tables(Walker *w, Leaf *leaf)
{
    SoftCPU *cpu = w->cpu;
    uint64_t nx = cpu->efer & SOFT_EFER_NXE ? 0 : PTE_NX;

    w->entry_bytes = cpu->cr4 & SOFT_CR4_PAE ? 8 : 4;
    w->reserved = (ADDR_52 & ~((1ull << cpu->priv->phys_bits) - 1)) | nx;
    *leaf = (Leaf){ .user = true, .write = true };
    if (cpu->efer & SOFT_EFER_LMA) {
        return walk_long(w, cpu->cr3 & ADDR_52, 4, leaf);
    }
    if (cpu->cr4 & SOFT_CR4_PAE) {
        uint64_t pdpte = cpu->priv->pdpte[w->linear >> 30 & 3];

        w->reserved |= 0x7ff0000000000000ull;
        return (pdpte & PTE_P) && walk_long(w, pdpte & ADDR_52, 2, leaf);
    }
    return walk_short(w, cpu->cr3 & 0xfffff000u, leaf);
}

/* Which kinds of access the rights @mmu have (SDM 3A 4.6). */
static void allow(const SoftCPU *cpu, SoftMMU mmu, const Leaf *leaf, bool *read,
                  bool *write, bool *exec)
{
    if (mmu == SOFT_MMU_USER) {
        *read = leaf->user;
        *write = leaf->user && leaf->write;
        *exec = leaf->user && !leaf->nx;
        return;
    }
    *read = !(leaf->user && mmu == SOFT_MMU_KERNEL_SMAP);
    *write = *read && (leaf->write || !(cpu->cr0 & SOFT_CR0_WP));
    *exec = !leaf->nx && !(leaf->user && (cpu->cr4 & SOFT_CR4_SMEP));
}

static bool page_fault(Walker *w, SoftMMU mmu, SoftAccess access)
{
    SoftCPU *cpu = w->cpu;
    uint32_t error = 0;

    if (w->fault_present) {
        error |= SOFT_PF_PRESENT;
    }
    if (w->fault_reserved) {
        error |= SOFT_PF_RSVD;
    }
    if (access == SOFT_ACCESS_WRITE || access == SOFT_ACCESS_RMW) {
        error |= SOFT_PF_WRITE;
    }
    if (mmu == SOFT_MMU_USER) {
        error |= SOFT_PF_USER;
    }
    if (access == SOFT_ACCESS_EXEC &&
        ((cpu->cr4 & SOFT_CR4_SMEP) ||
         ((cpu->efer & SOFT_EFER_NXE) && (cpu->cr4 & SOFT_CR4_PAE)))) {
        error |= SOFT_PF_FETCH;
    }
    return soft_raise_page_fault(cpu, w->linear, error);
}

static bool mark_used(Walker *w, bool dirty)
{
    for (unsigned i = 0; i < w->steps; i++) {
        bool last = i == w->steps - 1;

        if (!set_bits(w, &w->step[i], last && dirty ? PTE_A | PTE_D : PTE_A)) {
            return false;
        }
    }
    return true;
}

static bool walk_paged(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                       SoftAccess access, SoftWalk *walk)
{
    bool is_write = access == SOFT_ACCESS_WRITE || access == SOFT_ACCESS_RMW;

    for (;;) {
        Walker w = { .cpu = cpu, .linear = linear };
        bool read;
        bool write;
        bool exec;
        Leaf leaf;

        if (!walk_tables(&w, &leaf)) {
            return page_fault(&w, mmu, access);
        }
        allow(cpu, mmu, &leaf, &read, &write, &exec);
        if (!(access == SOFT_ACCESS_EXEC ? exec : is_write ? write : read)) {
            return page_fault(&w, mmu, access);
        }
        if (mark_used(&w, is_write)) {
            walk->gpa = leaf.gpa;
            walk->readable = read;
            walk->writable = write && (leaf.dirty || is_write);
            walk->executable = exec;
            walk->page_shift = (uint8_t)leaf.shift;
            walk->global = leaf.global && (cpu->cr4 & SOFT_CR4_PGE);
            return true;
        }
    }
}

bool soft_walk(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, SoftAccess access,
               SoftWalk *walk)
{
    if (cpu->cr0 & X86_CR0_PG) {
        return walk_paged(cpu, mmu, linear, access, walk);
    }
    *walk = (SoftWalk){ .gpa = linear & 0xfffff000u,
                        .readable = true,
                        .writable = true,
                        .executable = true,
                        .page_shift = SOFT_PAGE_BITS };
    return true;
}

bool soft_translate(SoftCPU *cpu, uint64_t linear, uint64_t *ret_gpa)
{
    Walker w = { .cpu = cpu, .linear = linear };
    uint64_t offset = linear & ~SOFT_PAGE_MASK;
    Leaf leaf;

    if (!(cpu->cr0 & X86_CR0_PG)) {
        *ret_gpa = (uint32_t)linear;
        return true;
    }
    if (!walk_tables(&w, &leaf)) {
        return false;
    }
    *ret_gpa = leaf.gpa | offset;
    return true;
}

bool soft_load_pdptes(SoftCPU *cpu, uint64_t cr3)
{
    uint64_t reserved = 0x1e6ull | 0xfff0000000000000ull |
                        (ADDR_52 & ~((1ull << cpu->priv->phys_bits) - 1));
    uint64_t value[4];

    for (unsigned i = 0; i < 4; i++) {
        uint64_t gpa = (cr3 & 0xffffffe0u) + 8 * i;
        const SoftMemPiece *p = soft_map_find(cpu, gpa);

        value[i] = p ? qatomic_read((uint64_t *)(p->host + (gpa - p->gpa))) : 0;
        if ((value[i] & PTE_P) && (value[i] & reserved)) {
            return soft_raise_gp(cpu);
        }
    }
    memcpy(cpu->priv->pdpte, value, sizeof(value));
    return true;
}
