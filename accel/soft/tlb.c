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

/* In a bank only its own tags are ever other than empty. */
static void clear_entry(SoftCPU *cpu, unsigned bank, unsigned index)
{
    SoftTLBEntry *e = &cpu->tlb[bank][index];
    uint64_t tag = empty_tag(cpu, index);

    if (bank >= SOFT_TLB_WRITE_BANK) {
        qatomic_set(&e->tag_w, tag);
    } else {
        e->tag_r = tag;
        e->tag_x = tag;
    }
}

void soft_tlb_reset(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;

    for (unsigned m = 0; m < SOFT_TLB_BANKS; m++) {
        for (unsigned i = 0; i < entries(cpu); i++) {
            clear_entry(cpu, m, i);
        }
        priv->n_fill_log[m] = 0;
    }
    priv->n_large = 0;
    priv->last_piece = NULL;
}

void soft_tlb_init(SoftCPU *cpu)
{
    for (unsigned m = 0; m < SOFT_TLB_BANKS; m++) {
        for (unsigned i = 0; i < entries(cpu); i++) {
            SoftTLBEntry *e = &cpu->tlb[m][i];

            e->tag_r = e->tag_x = empty_tag(cpu, i);
            qatomic_set(&e->tag_w, empty_tag(cpu, i));
        }
    }
    soft_tlb_reset(cpu);
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
        for (unsigned m = 0; m < SOFT_TLB_BANKS; m++) {
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
    for (unsigned m = 0; m < SOFT_TLB_BANKS; m++) {
        const SoftTLBEntry *e = &cpu->tlb[m][index];

        if (soft_tlb_tag_kind(e->tag_r, linear) >= 0 ||
            soft_tlb_tag_kind(qatomic_read(&e->tag_w), linear) >= 0 ||
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

    for (unsigned m = SOFT_TLB_WRITE_BANK; m < SOFT_TLB_BANKS; m++) {
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

static bool is_empty(const SoftCPU *cpu, const SoftTLBEntry *e, unsigned index)
{
    uint64_t empty = empty_tag(cpu, index);

    return e->tag_r == empty && qatomic_read(&e->tag_w) == empty &&
           e->tag_x == empty;
}

static void note_fill(SoftCPU *cpu, unsigned bank, unsigned index)
{
    SoftCPUPrivate *priv = cpu->priv;

    if (priv->n_fill_log[bank] < SOFT_FILL_LOG) {
        priv->fill_log[bank][priv->n_fill_log[bank]] = (uint16_t)index;
    }
    if (priv->n_fill_log[bank] <= SOFT_FILL_LOG) {
        priv->n_fill_log[bank]++;
    }
}

static void note_miss(SoftCPU *cpu, bool evicts)
{
    SoftCPUPrivate *priv = cpu->priv;

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
    soft_tlb_init(cpu);
    if (t) {
        t->invalidate_all(cpu);
    }
    tell(cpu, SOFT_NO_LINEAR);
}

/* What a page is, for the entries of both banks. */
typedef struct Fill {
    uint64_t linear;
    SoftWalk walk;
    const SoftMemPiece *piece; /* NULL: not RAM */
    bool watch;
} Fill;

static void fill_entry(SoftCPU *cpu, unsigned bank, unsigned index,
                       const Fill *f)
{
    SoftTLBEntry *e = &cpu->tlb[bank][index];
    SoftTLBInfo *info = &cpu->tlb_info[bank][index];
    const SoftMemPiece *p = f->piece;
    uint64_t page = f->linear & SOFT_PAGE_MASK;
    uint64_t offset = p ? f->walk.gpa - p->gpa : 0;
    unsigned slow = (p ? 0 : SOFT_TLB_MMIO) | (f->watch ? SOFT_TLB_WATCH : 0);

    note_fill(cpu, bank, index);
    clear_entry(cpu, bank, index);
    qatomic_set(&info->gpa,
                f->walk.gpa | (f->walk.global ? SOFT_TLBI_GLOBAL : 0));
    info->page_flags = p ? &p->flags[offset >> SOFT_PAGE_BITS] : NULL;
    e->host = p ? p->host + offset : NULL;
    if (bank >= SOFT_TLB_WRITE_BANK) {
        set_write_tag(cpu, e, f->linear, p, f->watch);
        return;
    }
    if (f->walk.readable) {
        qatomic_set(&e->tag_r,
                    slow ? soft_tlb_slow_tag(f->linear, slow) : page);
    }
    if (f->walk.executable) {
        qatomic_set(&e->tag_x,
                    p ? page : soft_tlb_slow_tag(f->linear, SOFT_TLB_MMIO));
    }
}

SoftTLBEntry *soft_tlb_fill(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                            SoftAccess access)
{
    bool write = access == SOFT_ACCESS_WRITE || access == SOFT_ACCESS_RMW;
    unsigned index = (unsigned)(linear >> SOFT_PAGE_BITS) & (entries(cpu) - 1);
    unsigned bank = mmu + (write ? SOFT_TLB_WRITE_BANK : 0);
    unsigned other = mmu + (write ? 0 : SOFT_TLB_WRITE_BANK);
    Fill f = { .linear = linear };

    if (!soft_walk(cpu, mmu, linear, access, &f.walk)) {
        return NULL;
    }
    f.piece = f.walk.gpa == cpu->priv->apic_page
                  ? NULL
                  : soft_map_find(cpu, f.walk.gpa);
    f.watch = cpu->priv->watching && soft_watch_page(cpu, linear);
    if (f.walk.page_shift > SOFT_PAGE_BITS) {
        note_large(cpu, linear, f.walk.page_shift);
    }
    note_miss(cpu, !is_empty(cpu, &cpu->tlb[bank][index], index));
    fill_entry(cpu, bank, index, &f);
    /* The other bank too, if that costs nobody anything. */
    if ((write ? f.walk.readable || f.walk.executable : f.walk.writable) &&
        is_empty(cpu, &cpu->tlb[other][index], index)) {
        fill_entry(cpu, other, index, &f);
    }
    return &cpu->tlb[bank][index];
}
