/*
 * Filling and emptying the software TLB.
 *
 * An empty tag is a page of the opposite half of the array: no address with
 * the entry's index can hit it. Filling logs which entries it touched, so that
 * a load of CR3 costs as much as was used since the last one, not as much as
 * the TLB is large. Large pages come in as 4 KiB pieces; where they were seen
 * is remembered in a few ranges, and an INVLPG into one of them empties all.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "soft-accel.h"

/* Misses after which the size is looked at, and how many of them must have
 * thrown out another page to make it grow. */
#define ADAPT_MISSES    16384u
#define ADAPT_EVICTIONS (ADAPT_MISSES / 2)

static unsigned entries(const SoftCPU *cpu)
{
    return 1u << cpu->tlb_bits;
}

static uint64_t empty_tag(const SoftCPU *cpu, unsigned index)
{
    unsigned n = entries(cpu);

    return (uint64_t)((index + n / 2) & (n - 1)) << SOFT_PAGE_BITS;
}

static void clear_entry(SoftCPU *cpu, unsigned mmu, unsigned index)
{
    SoftTLBEntry *e = &cpu->tlb[mmu][index];
    uint64_t tag = empty_tag(cpu, index);

    qatomic_set(&e->tag_r, tag);
    qatomic_set(&e->tag_w, tag);
    qatomic_set(&e->tag_x, tag);
}

void soft_tlb_reset(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;

    for (unsigned m = 0; m < SOFT_MMU_COUNT; m++) {
        for (unsigned i = 0; i < entries(cpu); i++) {
            clear_entry(cpu, m, i);
        }
        priv->n_fill_log[m] = 0;
    }
    priv->n_large = 0;
    priv->last_piece = NULL;
}

static void flush_local(SoftCPU *cpu, unsigned mmu)
{
    SoftCPUPrivate *priv = cpu->priv;
    unsigned n = priv->n_fill_log[mmu];

    if (n > SOFT_FILL_LOG) {
        for (unsigned i = 0; i < entries(cpu); i++) {
            if (!(cpu->tlb_info[mmu][i].gpa & SOFT_TLBI_GLOBAL)) {
                clear_entry(cpu, mmu, i);
            }
        }
    } else {
        for (unsigned k = 0; k < n; k++) {
            unsigned i = priv->fill_log[mmu][k];

            if (!(cpu->tlb_info[mmu][i].gpa & SOFT_TLBI_GLOBAL)) {
                clear_entry(cpu, mmu, i);
            }
        }
    }
    priv->n_fill_log[mmu] = 0;
}

static void tell(SoftCPU *cpu, uint64_t linear)
{
    const SoftTranslator *t = soft_accel_of(cpu)->translator;

    if (t) {
        t->tlb_flushed(cpu, linear);
    }
}

void soft_tlb_flush(SoftCPU *cpu, bool global)
{
    if (global) {
        soft_tlb_reset(cpu);
    } else {
        for (unsigned m = 0; m < SOFT_MMU_COUNT; m++) {
            flush_local(cpu, m);
        }
    }
    tell(cpu, global ? SOFT_NO_LINEAR : SOFT_LOCAL_LINEAR);
}

/* -- large pages ------------------------------------------------------------ */

static void note_large(SoftCPU *cpu, uint64_t linear, unsigned shift)
{
    SoftCPUPrivate *priv = cpu->priv;
    uint64_t low = linear & ~((1ull << shift) - 1);
    uint64_t high = low + (1ull << shift) - 1;
    SoftRange *r;

    for (unsigned i = 0; i < priv->n_large; i++) {
        r = &priv->large[i];
        if (r->low >> 39 == low >> 39) {
            r->low = MIN(r->low, low);
            r->high = MAX(r->high, high);
            return;
        }
    }
    if (priv->n_large < SOFT_LARGE_RANGES) {
        priv->large[priv->n_large++] = (SoftRange){ low, high };
        return;
    }
    r = &priv->large[SOFT_LARGE_RANGES - 1];
    r->low = MIN(r->low, low);
    r->high = MAX(r->high, high);
}

static bool in_large(const SoftCPU *cpu, uint64_t linear)
{
    for (unsigned i = 0; i < cpu->priv->n_large; i++) {
        if (linear >= cpu->priv->large[i].low &&
            linear <= cpu->priv->large[i].high) {
            return true;
        }
    }
    return false;
}

void soft_tlb_flush_page(SoftCPU *cpu, uint64_t linear)
{
    unsigned index = (unsigned)(linear >> SOFT_PAGE_BITS) & (entries(cpu) - 1);

    if (in_large(cpu, linear)) {
        soft_tlb_flush(cpu, true);
        return;
    }
    for (unsigned m = 0; m < SOFT_MMU_COUNT; m++) {
        const SoftTLBEntry *e = &cpu->tlb[m][index];

        if (soft_tlb_tag_kind(e->tag_r, linear) >= 0 ||
            soft_tlb_tag_kind(e->tag_w, linear) >= 0 ||
            soft_tlb_tag_kind(e->tag_x, linear) >= 0) {
            clear_entry(cpu, m, index);
        }
    }
    tell(cpu, linear & SOFT_PAGE_MASK);
}

/* -- filling ------------------------------------------------------------------ */

/* Other threads: compare-and-swap, for the owner may be changing the entry. */
static bool make_slow(SoftTLBEntry *e, uint64_t linear, uint64_t tag)
{
    return qatomic_cmpxchg(&e->tag_w, tag,
                           soft_tlb_slow_tag(linear, SOFT_TLB_NOTDIRTY)) == tag;
}

bool soft_tlb_write_slow(SoftCPU *cpu, uint64_t gpa)
{
    unsigned n = 1u << qatomic_read(&cpu->tlb_bits);
    bool any = false;

    for (unsigned m = 0; m < SOFT_MMU_COUNT; m++) {
        for (unsigned i = 0; i < n; i++) {
            SoftTLBEntry *e = &cpu->tlb[m][i];
            uint64_t tag;

            if ((qatomic_read(&cpu->tlb_info[m][i].gpa) & SOFT_PAGE_MASK) !=
                gpa) {
                continue;
            }
            tag = qatomic_read(&e->tag_w);
            /* Fast: no low bits, and the index's own page. */
            if (!(tag & ~SOFT_PAGE_MASK) &&
                ((tag >> SOFT_PAGE_BITS) & (n - 1)) == i) {
                any |= make_slow(e, tag, tag);
            }
        }
    }
    return any;
}

void soft_tlb_write_fast(SoftCPU *cpu, SoftTLBEntry *e, uint64_t linear)
{
    uint8_t *flags = soft_tlb_info(cpu, e)->page_flags;
    uint64_t page = linear & SOFT_PAGE_MASK;

    if (soft_tlb_tag_kind(qatomic_read(&e->tag_w), linear) > 0 &&
        (qatomic_read(&e->tag_w) & (SOFT_TLB_MMIO | SOFT_TLB_WATCH))) {
        return;
    }
    if (!(qatomic_read(flags) & SOFT_PAGE_WRITTEN)) {
        qatomic_or(flags, SOFT_PAGE_WRITTEN);
    }
    qatomic_mb_set(&e->tag_w, page);
    if (qatomic_mb_read(flags) & (SOFT_PAGE_CODE | SOFT_PAGE_LOG)) {
        make_slow(e, page, page);
    }
}

static void set_write_tag(SoftCPU *cpu, SoftTLBEntry *e, uint64_t linear,
                          const SoftMemPiece *p, bool watch)
{
    uint8_t *flags = soft_tlb_info(cpu, e)->page_flags;

    if (!p || p->readonly) {
        qatomic_set(&e->tag_w,
                    soft_tlb_slow_tag(
                        linear, SOFT_TLB_MMIO | (watch ? SOFT_TLB_WATCH : 0)));
    } else if (watch) {
        qatomic_set(&e->tag_w, soft_tlb_slow_tag(
                                   linear, SOFT_TLB_WATCH | SOFT_TLB_NOTDIRTY));
    } else if (qatomic_read(flags) & (SOFT_PAGE_CODE | SOFT_PAGE_LOG)) {
        qatomic_set(&e->tag_w, soft_tlb_slow_tag(linear, SOFT_TLB_NOTDIRTY));
    } else {
        soft_tlb_write_fast(cpu, e, linear);
    }
}

static bool holds_other(const SoftCPU *cpu, const SoftTLBEntry *e,
                        unsigned index, uint64_t linear)
{
    uint64_t empty = empty_tag(cpu, index);
    uint64_t tag = e->tag_r != empty ? e->tag_r : e->tag_x;

    return tag != empty && soft_tlb_tag_kind(tag, linear) < 0;
}

static void note_fill(SoftCPU *cpu, SoftMMU mmu, unsigned index, bool evicts)
{
    SoftCPUPrivate *priv = cpu->priv;

    if (priv->n_fill_log[mmu] < SOFT_FILL_LOG) {
        priv->fill_log[mmu][priv->n_fill_log[mmu]] = (uint16_t)index;
    }
    if (priv->n_fill_log[mmu] <= SOFT_FILL_LOG) {
        priv->n_fill_log[mmu]++;
    }
    priv->evictions += evicts;
    if (++priv->misses < ADAPT_MISSES) {
        return;
    }
    if (priv->evictions > ADAPT_EVICTIONS &&
        cpu->tlb_bits < SOFT_TLB_BITS_MAX) {
        priv->grow_tlb = true;
        soft_exit_request(cpu, SOFT_EXIT_MODE);
    }
    priv->misses = 0;
    priv->evictions = 0;
}

void soft_tlb_grow(SoftCPU *cpu)
{
    const SoftTranslator *t = soft_accel_of(cpu)->translator;

    cpu->priv->grow_tlb = false;
    qatomic_set(&cpu->tlb_bits, cpu->tlb_bits + 1);
    trace_soft_tlb_grow(cpu->base.index, entries(cpu));
    soft_tlb_reset(cpu);
    if (t) {
        t->invalidate_all(cpu);
    }
    tell(cpu, SOFT_NO_LINEAR);
}

SoftTLBEntry *soft_tlb_fill(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                            SoftAccess access)
{
    unsigned index = (unsigned)(linear >> SOFT_PAGE_BITS) & (entries(cpu) - 1);
    SoftTLBEntry *e = &cpu->tlb[mmu][index];
    SoftTLBInfo *info = &cpu->tlb_info[mmu][index];
    uint64_t page = linear & SOFT_PAGE_MASK;
    const SoftMemPiece *p;
    SoftWalk walk;
    bool watch;

    if (!soft_walk(cpu, mmu, linear, access, &walk)) {
        return NULL;
    }
    p = walk.gpa == cpu->priv->apic_page ? NULL : soft_map_find(cpu, walk.gpa);
    watch = cpu->priv->watching && soft_watch_page(cpu, linear);
    note_fill(cpu, mmu, index, holds_other(cpu, e, index, linear));
    if (walk.page_shift > SOFT_PAGE_BITS) {
        note_large(cpu, linear, walk.page_shift);
    }
    clear_entry(cpu, mmu, index);
    qatomic_set(&info->gpa, walk.gpa | (walk.global ? SOFT_TLBI_GLOBAL : 0));
    info->page_flags =
        p ? &p->flags[(walk.gpa - p->gpa) >> SOFT_PAGE_BITS] : NULL;
    e->host = p ? p->host + (walk.gpa - p->gpa) : NULL;
    if (walk.readable) {
        unsigned slow = (p ? 0 : SOFT_TLB_MMIO) | (watch ? SOFT_TLB_WATCH : 0);

        qatomic_set(&e->tag_r, slow ? soft_tlb_slow_tag(linear, slow) : page);
    }
    if (walk.executable) {
        qatomic_set(&e->tag_x,
                    p ? page : soft_tlb_slow_tag(linear, SOFT_TLB_MMIO));
    }
    if (walk.writable) {
        set_write_tag(cpu, e, linear, p, watch);
    }
    return e;
}
