/*
 * The log of written pages.
 *
 * Two flags of a page tell its state while a log is on:
 *
 *   LOG       clean: a store takes the flag away (mem-code.c)
 *   REPORTED  written, and a sync has said so
 *   neither   written, not reported yet
 *
 * So a sync only reads and marks flags, eight pages at a time where they are
 * clean, and nobody waits for it: a store takes LOG away before it lands or
 * shows at the next sync. A clear gives LOG back to reported pages and waits
 * until every CPU has passed a block boundary; from then on no fast write tag
 * of before is in use, and stores made by one have landed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bitmap.h"
#include "util/error.h"
#include "util/lockable.h"

#include "soft-accel.h"

#define WORD_PAGES 8
/* The same flag of each page in a word. */
#define IN_EACH(flag) ((uint64_t)(flag)*0x0101010101010101ull)

static uint64_t pages_of(const SoftMemPiece *p)
{
    return p->size >> SOFT_PAGE_BITS;
}

void soft_log_written(SoftCPU *cpu, uint8_t *flags)
{
    if (qatomic_fetch_and(flags, (uint8_t)~SOFT_PAGE_LOG) & SOFT_PAGE_LOG) {
        /* Only this thread writes it. */
        qatomic_set(&cpu->priv->dirty_pages, cpu->priv->dirty_pages + 1);
    }
}

/* -- on and off ------------------------------------------------------------------ */

bool soft_log_start(AccelState *accel, Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);

    QEMU_LOCK_GUARD(&s->map_lock);
    if (s->dirty_log) {
        error_setg(errp, "the log of written pages is on already");
        return false;
    }
    s->dirty_log = true;
    for (unsigned i = 0; s->map && i < s->map->count; i++) {
        SoftMemPiece *p = s->map->piece[i];

        for (uint64_t n = 0; n < pages_of(p); n++) {
            qatomic_or(&p->flags[n], SOFT_PAGE_REPORTED);
        }
    }
    return true;
}

void soft_log_stop(AccelState *accel)
{
    SoftAccel *s = SOFT_ACCEL(accel);

    QEMU_LOCK_GUARD(&s->map_lock);
    if (!s->dirty_log) {
        return;
    }
    s->dirty_log = false;
    for (unsigned i = 0; s->map && i < s->map->count; i++) {
        SoftMemPiece *p = s->map->piece[i];

        for (uint64_t n = 0; n < pages_of(p); n++) {
            qatomic_and(&p->flags[n],
                        (uint8_t) ~(SOFT_PAGE_LOG | SOFT_PAGE_REPORTED));
        }
    }
}

/* -- sync and clear ---------------------------------------------------------------- */

/* Eight pages from @flags on, which are aligned, all clean? */
static bool word_is_clean(const uint8_t *flags)
{
    uint64_t w = qatomic_read((const uint64_t *)(const void *)flags);

    return (w & IN_EACH(SOFT_PAGE_LOG)) == IN_EACH(SOFT_PAGE_LOG);
}

static void report(uint8_t *flags, uint64_t n, unsigned long *bitmap)
{
    for (uint64_t i = 0; i < n;) {
        uint8_t now;

        if ((uintptr_t)(flags + i) % WORD_PAGES == 0 && n - i >= WORD_PAGES &&
            word_is_clean(flags + i)) {
            i += WORD_PAGES;
            continue;
        }
        now = qatomic_read(&flags[i]);
        if (!(now & SOFT_PAGE_LOG)) {
            set_bit((long)i, bitmap);
            if (!(now & SOFT_PAGE_REPORTED)) {
                qatomic_or(&flags[i], SOFT_PAGE_REPORTED);
            }
        }
        i++;
    }
}

bool soft_log_sync(AccelState *accel, uint64_t gpa, uint64_t size,
                   unsigned long *bitmap, Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    const SoftMemPiece *p;

    QEMU_LOCK_GUARD(&s->map_lock);
    p = soft_map_search(s->map, gpa);
    if (!s->dirty_log) {
        error_setg(errp, "the log of written pages is off");
        return false;
    }
    if (!p || size > p->size - (gpa - p->gpa)) {
        error_setg(errp,
                   "no RAM of %" PRIu64 " bytes at guest address "
                   "0x%" PRIx64,
                   size, gpa);
        return false;
    }
    report(p->flags + ((gpa - p->gpa) >> SOFT_PAGE_BITS),
           size >> SOFT_PAGE_BITS, bitmap);
    return true;
}

/* Reported pages are clean again. Returns: was there any? */
static bool clear_flags(uint8_t *flags, uint64_t n)
{
    bool any = false;

    for (uint64_t i = 0; i < n; i++) {
        uint8_t now = qatomic_read(&flags[i]);

        if (now & SOFT_PAGE_REPORTED) {
            /* LOG first: with neither flag it would be reported again. */
            qatomic_or(&flags[i], SOFT_PAGE_LOG);
            qatomic_and(&flags[i], (uint8_t)~SOFT_PAGE_REPORTED);
            any = true;
        }
    }
    return any;
}

void soft_log_clear(AccelState *accel, uint64_t gpa, uint64_t size)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    bool any = false;

    WITH_QEMU_LOCK_GUARD(&s->map_lock)
    {
        for (unsigned i = 0; s->dirty_log && s->map && i < s->map->count; i++) {
            SoftMemPiece *p = s->map->piece[i];
            uint64_t from = MAX(gpa, p->gpa);
            uint64_t end = MIN(gpa + size, p->gpa + p->size);

            if (from < end) {
                any |=
                    clear_flags(p->flags + ((from - p->gpa) >> SOFT_PAGE_BITS),
                                (end - from) >> SOFT_PAGE_BITS);
            }
        }
    }
    if (any) {
        soft_sync_cpus(s, false);
    }
}

bool soft_vcpu_dirty_pages(AccelVCPU *vcpu, uint64_t *ret_pages)
{
    SoftCPU *cpu = container_of(vcpu, SoftCPU, base);

    *ret_pages = qatomic_read(&cpu->priv->dirty_pages);
    return true;
}
