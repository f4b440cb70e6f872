/*
 * Pages whose writes somebody wants to know of: those with decoded code, and
 * clean ones while a dirty log is kept (mem-log.c).
 *
 * A page's flag byte says what is wanted. While a flag is set no TLB of any
 * CPU has a fast write tag for the page, so a store comes to
 * soft_page_written(). Two orders close the gaps between threads:
 *
 * - who makes a tag fast sets SOFT_PAGE_WRITTEN, stores the tag and then looks
 *   at the other flags again; who sets SOFT_PAGE_CODE sets it first and then,
 *   if WRITTEN was there, goes through the TLBs. Whoever is later sees the
 *   other;
 * - a store of another CPU that had passed its tag before it became slow may
 *   land after the code was read. That CPU announces the page to all, as if it
 *   had written it, when it reaches its next block boundary, which is before
 *   it can tell another CPU about its store by an interrupt.
 *
 * Of a page with code only the 64-byte lines that hold code count, so that
 * data beside code costs slow stores but no translation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/lockable.h"

#include "interp.h"
#include "soft-accel.h"

#define LINE_BITS 6

static uint64_t line_mask(uint64_t gpa, unsigned len)
{
    unsigned first = (gpa & ~SOFT_PAGE_MASK) >> LINE_BITS;
    unsigned last = ((gpa & ~SOFT_PAGE_MASK) + len - 1) >> LINE_BITS;
    uint64_t up_to = last >= 63 ? ~0ull : (1ull << (last + 1)) - 1;

    return up_to & ~((1ull << first) - 1);
}

static uint64_t page_index(const SoftMemPiece *p, uint64_t gpa)
{
    return (gpa - p->gpa) >> SOFT_PAGE_BITS;
}

void soft_code_add(SoftCPU *cpu, uint64_t gpa, unsigned len)
{
    SoftAccel *s = soft_accel_of(cpu);
    const SoftMemPiece *p = soft_map_find(cpu, gpa);
    uint64_t mask = line_mask(gpa, len);
    uint8_t *flags;
    uint64_t *lines;

    if (!p) {
        return;
    }
    flags = &p->flags[page_index(p, gpa)];
    lines = &p->lines[page_index(p, gpa)];
    if ((qatomic_read(lines) & mask) != mask) {
        qatomic_or(lines, mask);
    }
    if (qatomic_mb_read(flags) & SOFT_PAGE_CODE &&
        !(qatomic_read(flags) & SOFT_PAGE_WRITTEN)) {
        return;
    }
    if (!(qatomic_fetch_or(flags, SOFT_PAGE_CODE) & SOFT_PAGE_WRITTEN)) {
        return;
    }
    qatomic_and(flags, (uint8_t)~SOFT_PAGE_WRITTEN);
    gpa &= SOFT_PAGE_MASK;
    QEMU_LOCK_GUARD(&s->cpus_lock);
    for (guint i = 0; i < s->cpus->len; i++) {
        SoftCPU *other = g_ptr_array_index(s->cpus, i);

        if (soft_tlb_write_slow(other, gpa) && other != cpu) {
            soft_post_page(other, gpa | SOFT_WORK_ANNOUNCE);
        }
    }
}

/* The page's code is stale: forget it everywhere. @cpu: own thread, or NULL. */
static void code_written(SoftAccel *s, SoftCPU *cpu, const SoftMemPiece *p,
                         uint64_t gpa, uint8_t *flags)
{
    gpa &= SOFT_PAGE_MASK;
    qatomic_set(&p->lines[page_index(p, gpa)], 0);
    qatomic_and(flags, (uint8_t)~SOFT_PAGE_CODE);
    if (cpu) {
        cpu->code_epoch++;
        soft_interp_invalidate_page(cpu, gpa);
        if (s->translator) {
            s->translator->invalidate_page(cpu, gpa);
        }
    }
    soft_post_page_all(s, gpa, cpu);
}

void soft_page_written(SoftCPU *cpu, uint64_t gpa, unsigned len, uint8_t *flags)
{
    SoftAccel *s = soft_accel_of(cpu);
    uint8_t now = qatomic_mb_read(flags);

    if (now & SOFT_PAGE_CODE) {
        const SoftMemPiece *p = soft_map_find(cpu, gpa);

        if (p && (qatomic_read(&p->lines[page_index(p, gpa)]) &
                  line_mask(gpa, len))) {
            trace_soft_code_written(cpu->base.index, gpa, len);
            code_written(s, cpu, p, gpa, flags);
        }
    }
    if (now & SOFT_PAGE_LOG) {
        soft_log_written(cpu, flags);
    }
}

void soft_ram_written(AccelState *accel, uint64_t gpa, uint64_t len)
{
    SoftAccel *s = SOFT_ACCEL(accel);

    QEMU_LOCK_GUARD(&s->map_lock);
    while (len) {
        uint64_t n = MIN(len, SOFT_PAGE_BYTES - (gpa & ~SOFT_PAGE_MASK));
        const SoftMemPiece *p = soft_map_search(s->map, gpa);

        if (p) {
            uint8_t *flags = &p->flags[page_index(p, gpa)];
            uint8_t now = qatomic_mb_read(flags);

            if ((now & SOFT_PAGE_CODE) &&
                (qatomic_read(&p->lines[page_index(p, gpa)]) &
                 line_mask(gpa, (unsigned)n))) {
                code_written(s, NULL, p, gpa, flags);
            }
            if (now & SOFT_PAGE_LOG) {
                qatomic_and(flags, (uint8_t)~SOFT_PAGE_LOG);
            }
        }
        gpa += n;
        len -= n;
    }
}
