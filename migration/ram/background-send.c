/*
 * Guest memory at one moment: sending it; see ram/background.h.
 *
 * What the fault thread had to copy goes first, to make room. Then the next
 * pages in a row: they are copied in one go, set free, and only then sent, so
 * that nobody who writes them waits for the channel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/uffd.h"
#include "migration/ram/background-internal.h"
#include "migration/ram/page-zero.h"
#include "util/lockable.h"

static void put_page(RAMWriter *w, RAMBlock *rb, uint64_t page,
                     const uint8_t *data)
{
    if (w->rs->methods.zero_detect && page_is_zero(data)) {
        ram_writer_zero(w, rb, page << RAM_PAGE_BITS);
    } else {
        ram_writer_plain_from(w, rb, page << RAM_PAGE_BITS, data);
    }
}

static bool flush(RAMWriter *w, Error **errp)
{
    ram_writer_account(w);
    return qemu_fflush(w->f) == 0 || qemu_file_get_error_obj(w->f, errp) == 0;
}

/* The oldest copy that a writer has caused; NULL: none. */
static Copy *next_copy(RAMBackground *b)
{
    QEMU_LOCK_GUARD(&b->lock);
    return g_queue_pop_head(&b->copies);
}

static void give_room(RAMBackground *b, uint64_t end)
{
    QEMU_LOCK_GUARD(&b->lock);
    b->taken = end;
    qemu_cond_broadcast(&b->room);
}

/* What writers have caused so far, as far as one batch goes. */
static bool send_copies(RAMBackground *b, RAMWriter *w, Error **errp)
{
    uint64_t pages = 0;
    uint64_t end = 0;

    while (pages < b->batch_pages) {
        g_autofree Copy *c = next_copy(b);

        if (!c) {
            break;
        }
        for (uint64_t i = 0; i < c->n; i++) {
            put_page(w, c->sb->rb, c->first + i,
                     c->data + (i << RAM_PAGE_BITS));
        }
        pages += c->n;
        end = c->end;
    }
    if (!pages) {
        return true;
    }
    /* Its memory may be used again only when it was written. */
    if (!flush(w, errp)) {
        return false;
    }
    give_room(b, end);
    return true;
}

/* The pages of @run that hold something, into the batch. */
static bool copy_run(RAMBackground *b, const RAMRun *run, Error **errp)
{
    RAMSourceBlock *sb = run->sb;
    uint64_t end = run->first + run->n;
    uint64_t page = find_next_bit(sb->touched, end, run->first);

    if (page >= end) {
        return true;
    }
    while (page < end) {
        uint64_t stop = find_next_zero_bit(sb->touched, end, page);

        memcpy(b->batch + ((page - run->first) << RAM_PAGE_BITS),
               sb->rb->host + (page << RAM_PAGE_BITS),
               (stop - page) << RAM_PAGE_BITS);
        page = find_next_bit(sb->touched, end, stop);
    }
    return uffd_protect(b->uffd, sb->rb->host + (run->first << RAM_PAGE_BITS),
                        ROUND_UP(run->n, sb->host_pages) << RAM_PAGE_BITS,
                        false, errp);
}

static bool send_run(RAMBackground *b, RAMWriter *w, const RAMRun *run,
                     Error **errp)
{
    RAMSourceBlock *sb = run->sb;
    uint64_t end = run->first + run->n;
    uint64_t page = run->first;

    if (!copy_run(b, run, errp)) {
        return false;
    }
    while (page < end) {
        uint64_t next;

        if (!test_bit((long)page, sb->touched)) {
            RAMRun untouched = { .sb = sb, .first = page };

            next = find_next_bit(sb->touched, end, page);
            untouched.n = next - page;
            if (!ram_writer_send_run(w, &untouched, sb->touched, 0, errp)) {
                return false;
            }
            page = next;
            continue;
        }
        put_page(w, sb->rb, page,
                 b->batch + ((page - run->first) << RAM_PAGE_BITS));
        page++;
    }
    return flush(w, errp);
}

/* All pages are claimed; is the fault thread done with what it claimed? */
static bool is_complete(RAMBackground *b)
{
    QEMU_LOCK_GUARD(&b->lock);
    while (b->busy && g_queue_is_empty(&b->copies)) {
        qemu_cond_wait(&b->idle, &b->lock);
    }
    return !b->busy && g_queue_is_empty(&b->copies);
}

static bool was_stopped(RAMBackground *b)
{
    QEMU_LOCK_GUARD(&b->lock);
    return b->stop;
}

/* One batch. Returns: as ram_background_send(). */
static RAMSendResult send_batch(RAMBackground *b, RAMWriter *w, Error **errp)
{
    Pacer *pacer = b->rs->config.pacer;
    uint64_t before = qemu_file_transferred(w->f);
    bool more;
    RAMRun run;

    if (!send_copies(b, w, errp)) {
        return RAM_SEND_ERROR;
    }
    more = ram_dirty_claim(b->rs, b->batch_pages, &run);
    if (more && !send_run(b, w, &run, errp)) {
        return RAM_SEND_ERROR;
    }
    if (!pacer_charge(pacer, qemu_file_transferred(w->f) - before)) {
        error_setg(errp, "migration was cancelled");
        return RAM_SEND_ERROR;
    }
    if (was_stopped(b)) {
        error_setg(errp, "guest memory could not be kept as it was");
        return RAM_SEND_ERROR;
    }
    return more || !is_complete(b) ? RAM_SEND_MORE : RAM_SEND_DONE;
}

RAMSendResult ram_background_send(RAMBackground *b, QEMUFile *f,
                                  int64_t slice_ns, Error **errp)
{
    RAMWriter *w = ram_main_writer(b->rs, f);
    int64_t end = ram_now_ns() + slice_ns;
    RAMSendResult result;

    do {
        result = send_batch(b, w, errp);
    } while (result == RAM_SEND_MORE && ram_now_ns() < end);
    if (result != RAM_SEND_ERROR) {
        ram_put_eos(f);
        if (!flush(w, errp)) {
            return RAM_SEND_ERROR;
        }
    }
    return result;
}
