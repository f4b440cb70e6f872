/*
 * The dirty bitmaps of the source.
 *
 * A page is claimed under the lock (its bit cleared) and only then read, so a
 * page never goes twice for one bit, whoever sends. What the guest writes after
 * the chunk of the page was cleared in the log comes back with the next sync.
 *
 * Order for one page in a pass: clear its chunk in the log; see whether it was
 * ever touched; read it. Any other order could lose a write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/internal.h"
#include "migration/ram/page-present.h"
#include "migration/ram/zero-ahead.h"
#include "util/lockable.h"

static void count_dirty(RAMSource *rs, int64_t pages)
{
    uint64_t now = qatomic_add_fetch(&rs->dirty_pages, (uint64_t)pages);

    stats_set(&rs->config.stats->remaining_bytes, now << RAM_PAGE_BITS);
}

static bool sync_block(RAMSource *rs, RAMSourceBlock *sb, uint64_t *ret_new,
                       Error **errp)
{
    const MigrationHost *host = rs->config.host;

    if (!host->dirty_sync(rs->config.host_opaque, sb->rb, 0, sb->pages,
                          sb->dirty, ret_new, errp)) {
        return false;
    }
    /* What was reported within the pass may not be again. */
    for (uint64_t i = 0, n = BITS_TO_LONGS(sb->pages); i < n; i++) {
        *ret_new += (uint64_t)__builtin_popcountl(sb->again[i] & ~sb->dirty[i]);
        sb->dirty[i] |= sb->again[i];
        sb->again[i] = 0;
    }
    bitmap_set(sb->uncleared, 0,
               (long)DIV_ROUND_UP(sb->pages, RAM_CHUNK_PAGES));
    return true;
}

bool ram_dirty_sync(RAMSource *rs, uint64_t *ret_new, Error **errp)
{
    uint64_t sum = 0;

    /* Nobody else claims pages now: requests come after the last sync. */
    for (unsigned i = 0; i < rs->n; i++) {
        uint64_t fresh = 0;

        if (!sync_block(rs, &rs->block[i], &fresh, errp)) {
            return false;
        }
        sum += fresh;
    }
    count_dirty(rs, (int64_t)sum);
    zero_ahead_cancel(rs->ahead);
    rs->ahead_on = false;
    rs->window_block = NULL;
    *ret_new = sum;
    QEMU_LOCK_GUARD(&rs->lock);
    rs->cursor_block = 0;
    rs->cursor_page = 0;
    return true;
}

bool ram_dirty_again(RAMSource *rs, uint64_t *ret_pages)
{
    const MigrationHost *host = rs->config.host;
    uint64_t sum = 0;

    for (unsigned i = 0; i < rs->n; i++) {
        RAMSourceBlock *sb = &rs->block[i];
        g_autofree unsigned long *map = bitmap_try_new((long)sb->pages);
        uint64_t fresh = 0;
        bool ok;

        if (!map) {
            return false;
        }
        WITH_QEMU_LOCK_GUARD(&rs->lock)
        {
            bitmap_copy(map, sb->dirty, (long)sb->pages);
        }
        /* The log is not cleared; but what devices wrote is told once only. */
        ok = host->dirty_sync(rs->config.host_opaque, sb->rb, 0, sb->pages, map,
                              &fresh, NULL);
        QEMU_LOCK_GUARD(&rs->lock);
        for (uint64_t k = 0, n = BITS_TO_LONGS(sb->pages); k < n; k++) {
            sb->again[k] |= map[k] & ~sb->dirty[k];
            sum += (uint64_t)__builtin_popcountl(sb->again[k] & ~sb->dirty[k]);
        }
        if (!ok) {
            return false;
        }
    }
    *ret_pages = sum;
    return true;
}

/* The next dirty page from the cursor on. False: none up to the end. */
static bool find_dirty(RAMSource *rs, RAMSourceBlock **ret_sb, uint64_t *ret)
{
    for (; rs->cursor_block < rs->n; rs->cursor_block++, rs->cursor_page = 0) {
        RAMSourceBlock *sb = &rs->block[rs->cursor_block];
        uint64_t page = find_next_bit(sb->dirty, sb->pages, rs->cursor_page);

        if (page < sb->pages) {
            *ret_sb = sb;
            *ret = page;
            return true;
        }
    }
    return false;
}

bool ram_dirty_claim(RAMSource *rs, uint64_t max, RAMRun *run)
{
    RAMSourceBlock *sb;
    uint64_t first, limit, end;

    QEMU_LOCK_GUARD(&rs->lock);
    if (!find_dirty(rs, &sb, &first)) {
        return false;
    }
    if (rs->postcopy && sb->host_pages > 1) {
        return false; /* whole ones only; a request has moved the cursor */
    }
    limit =
        MIN(sb->pages, ROUND_DOWN(first, RAM_CHUNK_PAGES) + RAM_CHUNK_PAGES);
    limit = MIN(limit, first + max);
    end = find_next_zero_bit(sb->dirty, limit, first);
    bitmap_clear(sb->dirty, (long)first, (long)(end - first));
    count_dirty(rs, -(int64_t)(end - first));
    rs->cursor_page = end;
    *run = (RAMRun){ .sb = sb, .first = first, .n = end - first };
    return true;
}

uint64_t ram_dirty_claim_host(RAMSource *rs, RAMSourceBlock *sb, uint64_t page,
                              unsigned long *claimed)
{
    uint64_t first = page - page % sb->host_pages;
    uint64_t n = MIN(sb->host_pages, sb->pages - first);
    uint64_t count = 0;

    QEMU_LOCK_GUARD(&rs->lock);
    for (uint64_t i = 0; i < n; i++) {
        if (test_bit((long)(first + i), sb->dirty)) {
            set_bit((long)i, claimed);
            count++;
        } else {
            clear_bit((long)i, claimed);
        }
    }
    bitmap_clear(sb->dirty, (long)first, (long)n);
    count_dirty(rs, -(int64_t)count);
    return count;
}

/* -- what is about to be read --------------------------------------------------- */

/* Fewer pages are not worth to wake a thread. */
#define AHEAD_PAGES_MIN 1024
/* Of the pages of the last window so many in eight were zero. */
#define AHEAD_EIGHTHS 6

_Static_assert(ZERO_AHEAD_PAGES == RAM_WINDOW_PAGES, "one piece of work");
_Static_assert(BITS_PER_LONG == ZERO_AHEAD_GROUP, "a group is a word");

/* Pages of the window that will be looked at. @run is claimed already. */
static uint64_t pages_ahead(RAMSource *rs, const RAMRun *run,
                            unsigned long *wanted)
{
    uint64_t first = rs->window_first;
    long n = (long)rs->window_pages;

    bitmap_zero(wanted, (long)RAM_WINDOW_PAGES);
    WITH_QEMU_LOCK_GUARD(&rs->lock)
    {
        bitmap_copy(wanted, run->sb->dirty + BIT_WORD(first), n);
    }
    bitmap_set(wanted, (long)(run->first - first), (long)run->n);
    if (rs->window_known) {
        bitmap_and(wanted, wanted, rs->window_touched, n);
    }
    return (uint64_t)bitmap_count_one(wanted, n);
}

/* From @run to the window's end, if the thread has time. */
static void look_ahead(RAMSource *rs, const RAMRun *run)
{
    DECLARE_BITMAP(wanted, RAM_WINDOW_PAGES);
    uint64_t left = rs->window_first + rs->window_pages - run->first;

    if (left < AHEAD_PAGES_MIN || !zero_ahead_ready(rs->ahead)) {
        return;
    }
    if (pages_ahead(rs, run, wanted) < AHEAD_PAGES_MIN) {
        rs->ahead_worth = false;
        return;
    }
    rs->ahead_on = zero_ahead_begin(
        rs->ahead, run->sb->rb->host + (rs->window_first << RAM_PAGE_BITS),
        wanted, (unsigned)DIV_ROUND_UP(rs->window_pages, ZERO_AHEAD_GROUP));
}

/* Zero pages mostly lie together: as in the last window, so in this one. */
static void size_window(RAMSource *rs, const RAMRun *run)
{
    uint64_t chunks = rs->window_pages / RAM_CHUNK_PAGES;

    rs->ahead_worth = rs->ahead && !rs->postcopy &&
                      rs->window_tested >= AHEAD_PAGES_MIN &&
                      rs->window_zeros * 8 >= rs->window_tested * AHEAD_EIGHTHS;
    chunks =
        rs->ahead_worth ? CLAMP(2 * chunks, 1, (uint64_t)RAM_WINDOW_CHUNKS) : 1;
    rs->window_block = run->sb;
    rs->window_first = ROUND_DOWN(run->first, RAM_CHUNK_PAGES);
    rs->window_pages =
        MIN(chunks * RAM_CHUNK_PAGES, run->sb->pages - rs->window_first);
    rs->window_tested = rs->window_zeros = 0;
}

/* In the log, in as few calls as it takes. */
static void clear_window(RAMSource *rs, RAMSourceBlock *sb)
{
    const MigrationHost *host = rs->config.host;
    uint64_t at = rs->window_first / RAM_CHUNK_PAGES;
    uint64_t end =
        DIV_ROUND_UP(rs->window_first + rs->window_pages, RAM_CHUNK_PAGES);

    while ((at = find_next_bit(sb->uncleared, end, at)) < end) {
        uint64_t to = find_next_zero_bit(sb->uncleared, end, at);
        uint64_t first = at * RAM_CHUNK_PAGES;

        bitmap_clear(sb->uncleared, (long)at, (long)(to - at));
        host->dirty_clear(rs->config.host_opaque, sb->rb, first,
                          MIN(to * RAM_CHUNK_PAGES, sb->pages) - first);
        at = to;
    }
}

void ram_dirty_enter(RAMSource *rs, const RAMRun *run)
{
    if (rs->window_block == run->sb &&
        run->first - rs->window_first < rs->window_pages) {
        if (rs->ahead_worth && !rs->ahead_on) {
            look_ahead(rs, run);
        }
        return;
    }
    zero_ahead_cancel(rs->ahead);
    rs->ahead_on = false;
    size_window(rs, run);
    if (!rs->stopped) {
        clear_window(rs, run->sb);
    }
    rs->window_known = rs->pass <= 1;
    if (rs->window_known) {
        page_present_map(rs->pagemap, PAGE_PRESENT_SCAN, run->sb->rb,
                         rs->window_first, rs->window_pages, rs->window_touched,
                         &run->sb->data_end);
    }
    if (rs->ahead_worth) {
        look_ahead(rs, run);
    }
}

/* -- post-copy ------------------------------------------------------------------ */

/* A host page goes whole or not at all: widen dirty bits to host pages. */
static uint64_t widen_to_host_pages(RAMSourceBlock *sb)
{
    uint64_t added = 0;
    uint64_t page = 0;

    if (sb->host_pages == 1) {
        return 0;
    }
    while ((page = find_next_bit(sb->dirty, sb->pages, page)) < sb->pages) {
        uint64_t first = page - page % sb->host_pages;
        uint64_t n = MIN(sb->host_pages, sb->pages - first);

        for (uint64_t i = first; i < first + n; i++) {
            added += !test_bit((long)i, sb->dirty);
        }
        bitmap_set(sb->dirty, (long)first, (long)n);
        page = first + n;
    }
    return added;
}

bool ram_postcopy_start(RAMSource *rs, Error **errp)
{
    uint64_t fresh;

    if (!ram_dirty_sync(rs, &fresh, errp)) {
        return false;
    }
    rs->stopped = true;
    for (unsigned i = 0; i < rs->n; i++) {
        RAMSourceBlock *sb = &rs->block[i];

        /* The first pass is not over: much may never have been touched. */
        if (rs->pass <= 1 && !sb->touched) {
            sb->touched = bitmap_try_new((long)sb->pages);
            if (sb->touched) {
                sb->data_end = 0;
                page_present_map(rs->pagemap, PAGE_PRESENT_SCAN, sb->rb, 0,
                                 sb->pages, sb->touched, &sb->data_end);
            }
        }
        WITH_QEMU_LOCK_GUARD(&rs->lock)
        {
            count_dirty(rs, (int64_t)widen_to_host_pages(sb));
        }
    }
    rs->postcopy = true;
    return true;
}

bool ram_foreach_dirty_range(RAMSource *rs, RAMBlock *rb,
                             bool (*fn)(RAMBlock *rb, uint64_t start,
                                        uint64_t len, void *opaque),
                             void *opaque)
{
    RAMSourceBlock *sb = ram_source_block(rs, rb);
    uint64_t page = 0;

    while (sb &&
           (page = find_next_bit(sb->dirty, sb->pages, page)) < sb->pages) {
        uint64_t end = find_next_zero_bit(sb->dirty, sb->pages, page);

        if (!fn(rb, page << RAM_PAGE_BITS, (end - page) << RAM_PAGE_BITS,
                opaque)) {
            return false;
        }
        page = end;
    }
    return true;
}

void ram_reload_received(RAMSource *rs, RAMBlock *rb,
                         const unsigned long *received)
{
    RAMSourceBlock *sb = ram_source_block(rs, rb);
    int64_t before, after;

    if (!sb) {
        return;
    }
    QEMU_LOCK_GUARD(&rs->lock);
    before = bitmap_count_one(sb->dirty, (long)sb->pages);
    bitmap_complement(sb->dirty, received, (long)sb->pages);
    widen_to_host_pages(sb);
    after = bitmap_count_one(sb->dirty, (long)sb->pages);
    count_dirty(rs, after - before);
    rs->request_n = 0;
    rs->cursor_block = 0;
    rs->cursor_page = 0;
}
