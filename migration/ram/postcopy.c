/*
 * The source's RAM in post-copy: the guest runs over there and waits for pages.
 *
 * Everything goes in host pages, whole and in ascending order, so that the
 * destination can place each at once. A request is served before anything else;
 * the background goes on behind the last request, because a guest that touched
 * one page mostly touches its neighbours next.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/internal.h"
#include "util/lockable.h"

/* Background bytes between two looks at the requests. */
#define BACKGROUND_BYTES (UINT64_C(256) << 10)
/* Pages claimed at once: who asks for one of them waits for all. */
#define BACKGROUND_RUN 64
/* A zero page takes its time, though few bytes. */
#define ZERO_COST_BYTES 512

bool ram_request_is_valid(RAMSource *rs, RAMBlock *rb, uint64_t start,
                          uint64_t len, Error **errp)
{
    if (!ram_source_block(rs, rb) || !len || (start & ~RAM_PAGE_MASK) ||
        (len & ~RAM_PAGE_MASK) || !ram_block_has_range(rb, start, len)) {
        error_setg(errp,
                   "request for 0x%" PRIx64 " bytes at 0x%" PRIx64
                   " is not for pages of RAM block '%s'",
                   len, start, rb->idstr);
        return false;
    }
    return true;
}

bool ram_request_pages(RAMSource *rs, RAMBlock *rb, uint64_t start,
                       uint64_t len, Error **errp)
{
    RAMSourceBlock *sb = ram_source_block(rs, rb);
    uint64_t first, end;

    if (!ram_request_is_valid(rs, rb, start, len, errp)) {
        return false;
    }
    first = (start >> RAM_PAGE_BITS) / sb->host_pages * sb->host_pages;
    end = ROUND_UP(DIV_ROUND_UP(start + len, RAM_PAGE_SIZE), sb->host_pages);
    stats_add(&rs->config.stats->postcopy_requests, 1);

    QEMU_LOCK_GUARD(&rs->lock);
    if (rs->request_n == RAM_REQUESTS_MAX) {
        error_setg(errp, "more than %d requests for pages wait",
                   RAM_REQUESTS_MAX);
        return false;
    }
    rs->request[(rs->request_head + rs->request_n++) % RAM_REQUESTS_MAX] =
        (RAMRequest){ .sb = sb, .first = first, .n = end - first };
    rs->cursor_block = (unsigned)(sb - rs->block);
    rs->cursor_page = MIN(end, sb->pages);
    return true;
}

void ram_set_urgent_channel(RAMSource *rs, bool separate)
{
    QEMU_LOCK_GUARD(&rs->lock);
    rs->separate_urgent = separate;
}

/* Take one host page off the queue. */
static bool take_request(RAMSource *rs, RAMSourceBlock **ret_sb,
                         uint64_t *ret_page)
{
    RAMRequest *r;

    QEMU_LOCK_GUARD(&rs->lock);
    if (!rs->request_n) {
        return false;
    }
    r = &rs->request[rs->request_head];
    *ret_sb = r->sb;
    *ret_page = r->first;
    if (r->n > r->sb->host_pages) {
        r->first += r->sb->host_pages;
        r->n -= r->sb->host_pages;
    } else {
        rs->request_head = (rs->request_head + 1) % RAM_REQUESTS_MAX;
        rs->request_n--;
    }
    return true;
}

/* Records for the claimed pages of one host page. */
static bool send_claimed(RAMWriter *w, RAMSourceBlock *sb, uint64_t first,
                         const unsigned long *claimed, Error **errp)
{
    uint64_t n = MIN(sb->host_pages, sb->pages - first);
    uint64_t page = 0;

    while ((page = find_next_bit(claimed, n, page)) < n) {
        uint64_t end = find_next_zero_bit(claimed, n, page);
        RAMRun run = { .sb = sb, .first = first + page, .n = end - page };

        if (!ram_writer_send_run(w, &run, sb->touched, 0, errp)) {
            return false;
        }
        page = end;
    }
    return true;
}

/* Returns: target pages, -1. */
static int send_host_page(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                          Error **errp)
{
    uint64_t first = page - page % sb->host_pages;
    unsigned long word = 0;
    g_autofree unsigned long *many = NULL;
    unsigned long *claimed = &word;
    uint64_t n;

    if (sb->host_pages > BITS_PER_LONG) {
        claimed = many = bitmap_new((long)sb->host_pages);
    }
    n = ram_dirty_claim_host(w->rs, sb, page, claimed);
    if (n && !send_claimed(w, sb, first, claimed, errp)) {
        return -1;
    }
    return (int)n;
}

int ram_send_host_page(RAMSource *rs, RAMWriter *w, RAMBlock *rb,
                       uint64_t offset, Error **errp)
{
    RAMSourceBlock *sb = ram_source_block(rs, rb);
    uint64_t before = qemu_file_transferred(w->f);
    int n;

    if (!sb || offset >= rb->used_length) {
        error_setg(errp, "no page of RAM block '%s' at 0x%" PRIx64, rb->idstr,
                   offset);
        return -1;
    }
    n = send_host_page(w, sb, offset >> RAM_PAGE_BITS, errp);
    if (n > 0) {
        uint64_t put = qemu_file_transferred(w->f) - before;

        pacer_urgent(rs->config.pacer, put);
        stats_add(&rs->config.stats->urgent_bytes, put);
    }
    ram_writer_account(w);
    return n;
}

int ram_send_urgent(RAMSource *rs, RAMWriter *w, unsigned max_pages,
                    Error **errp)
{
    RAMSourceBlock *sb;
    uint64_t page;
    unsigned done = 0;

    while (done < max_pages && take_request(rs, &sb, &page)) {
        if (ram_send_host_page(rs, w, sb->rb, page << RAM_PAGE_BITS, errp) <
            0) {
            return -1;
        }
        done++;
    }
    return (int)done;
}

/* The next dirty page from the cursor on, round to the first block once. */
static bool next_background(RAMSource *rs, RAMSourceBlock **ret_sb,
                            uint64_t *ret_page)
{
    QEMU_LOCK_GUARD(&rs->lock);
    for (unsigned tries = 0; tries <= rs->n; tries++) {
        RAMSourceBlock *sb;
        uint64_t page;

        if (rs->cursor_block >= rs->n) {
            rs->cursor_block = 0;
            rs->cursor_page = 0;
        }
        sb = &rs->block[rs->cursor_block];
        page = find_next_bit(sb->dirty, sb->pages, rs->cursor_page);
        if (page < sb->pages) {
            rs->cursor_page = page;
            *ret_sb = sb;
            *ret_page = page;
            return true;
        }
        rs->cursor_block++;
        rs->cursor_page = 0;
    }
    return false;
}

/*
 * What it costs to send @n pages and to place them there, in bytes: many zero
 * pages fit one batch, but not so many that a request would have to wait.
 */
static uint64_t background_cost(uint64_t n, uint64_t put)
{
    return MAX(put, n * ZERO_COST_BYTES);
}

/* Pages from the cursor's on; host pages one at a time. Returns: target pages;
 * 0: somebody else has claimed them, or moved the cursor to where host pages are
 * larger; -1. */
static int send_background(RAMSource *rs, RAMWriter *w, RAMSourceBlock *sb,
                           uint64_t page, uint64_t max, Error **errp)
{
    RAMRun run;

    if (sb->host_pages > 1) {
        return send_host_page(w, sb, page, errp);
    }
    if (!ram_dirty_claim(rs, CLAMP(max, 1, BACKGROUND_RUN), &run)) {
        return 0;
    }
    return ram_writer_send_run(w, &run, run.sb->touched, 0, errp) ? (int)run.n
                                                                  : -1;
}

int ram_postcopy_send(RAMSource *rs, RAMWriter *w, uint64_t max_bytes,
                      Error **errp)
{
    uint64_t cost = 0;
    RAMSourceBlock *sb;
    uint64_t page;
    int done = 0;

    while (cost < max_bytes && rs->n && next_background(rs, &sb, &page)) {
        uint64_t before = qemu_file_transferred(w->f);
        int n = send_background(rs, w, sb, page,
                                (max_bytes - cost) >> RAM_PAGE_BITS, errp);

        if (n < 0) {
            return -1;
        }
        cost +=
            background_cost((uint64_t)n, qemu_file_transferred(w->f) - before);
        done += n > 0;
    }
    ram_writer_account(w);
    return done;
}

RAMSendResult ram_postcopy_slice(RAMWriter *w, int64_t slice_ns, Error **errp)
{
    RAMSource *rs = w->rs;
    Pacer *pacer = rs->config.pacer;
    int64_t deadline = slice_ns ? ram_now_ns() + slice_ns : INT64_MAX;

    do {
        uint64_t before;
        int n = rs->separate_urgent ? 0 : ram_send_urgent(rs, w, 16, errp);

        if (n < 0 || (n > 0 && qemu_fflush(w->f) < 0)) {
            return RAM_SEND_ERROR;
        }
        if (n > 0) {
            continue;
        }
        before = qemu_file_transferred(w->f);
        n = ram_postcopy_send(
            rs, w, MIN(BACKGROUND_BYTES, pacer_quantum(pacer)), errp);
        if (n < 0 || qemu_file_get_error_obj(w->f, errp)) {
            return RAM_SEND_ERROR;
        }
        if (!n) {
            return RAM_SEND_DONE;
        }
        if (pacer_rate(pacer)) {
            qemu_fflush(w->f);
        }
        if (!pacer_charge(pacer, qemu_file_transferred(w->f) - before)) {
            error_setg(errp, "migration was cancelled");
            return RAM_SEND_ERROR;
        }
    } while (ram_now_ns() < deadline);
    return RAM_SEND_MORE;
}
