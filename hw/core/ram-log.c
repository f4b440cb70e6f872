/*
 * The log of written pages, by RAM block.
 *
 * The accelerator notes by guest address, for pieces of memory that come and
 * go; this joins it by block, in whichever pieces a block stands at the moment:
 *
 *   sync(user) = written in the accelerator, not cleared there yet
 *              + written by devices since anybody's last sync
 *              + what this user was not told: of pieces that were taken away,
 *                and what another user's sync found
 *
 * A clear goes to the accelerator only. Pages that it had reported are
 * protected again there; since every report went to all users, none loses a
 * write by another's clear.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/guest-memory.h"
#include "hw/core/ram-blocks-internal.h"
#include "trace/trace-hw.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/lockable.h"

static uint64_t pages_max(const Block *b)
{
    return b->rb.max_length >> RAM_PAGE_BITS;
}

static bool is_logged(const Block *b)
{
    return !(b->rb.flags & RAM_BLOCK_ROM);
}

/* OR the first @n bits of @src (zeros after them) into @dst from bit @at. */
static void or_at(unsigned long *dst, uint64_t at, const unsigned long *src,
                  uint64_t n)
{
    unsigned long *to = dst + at / BITS_PER_LONG;
    unsigned shift = at % BITS_PER_LONG;
    uint64_t words = BITS_TO_LONGS(n);

    for (uint64_t i = 0; i < words; i++) {
        if (!src[i]) {
            continue;
        }
        to[i] |= src[i] << shift;
        if (shift && src[i] >> (BITS_PER_LONG - shift)) {
            to[i + 1] |= src[i] >> (BITS_PER_LONG - shift);
        }
    }
}

/* -- devices ------------------------------------------------------------------- */

void ram_blocks_written(RAMBlocks *blocks, const void *host, uint64_t len)
{
    const uint8_t *start = host;
    SnapshotReader reader;
    const LogView *view;

    if (!ram_blocks_logging(blocks) || len == 0) {
        return;
    }
    view = snapshot_enter(&blocks->view, &reader);
    for (unsigned i = 0; view && i < view->n; i++) {
        const LogRange *r = &view->range[i];
        const uint8_t *from = MAX(start, r->host);
        const uint8_t *end = MIN(start + len, r->host + r->bytes);

        if (from < end) {
            uint64_t first = (uint64_t)(from - r->host) >> RAM_PAGE_BITS;
            uint64_t last = (uint64_t)(end - 1 - r->host) >> RAM_PAGE_BITS;

            bitmap_set_atomic(r->written, (long)first,
                              (long)(last - first + 1));
        }
    }
    snapshot_leave(&reader);
}

static void publish_view(RAMBlocks *blocks, const Block *without)
{
    LogView *view = NULL;

    if (blocks->users) {
        view =
            g_malloc0(sizeof(*view) + blocks->blocks->len * sizeof(LogRange));
        for (guint i = 0; i < blocks->blocks->len; i++) {
            const Block *b = g_ptr_array_index(blocks->blocks, i);

            if (b != without && b->written) {
                view->range[view->n++] =
                    (LogRange){ b->rb.host, b->rb.max_length, b->written };
            }
        }
    }
    g_free(snapshot_replace(&blocks->view, view));
}

/* -- bitmaps of a block ---------------------------------------------------------- */

static void block_prepare(RAMBlocks *blocks, Block *b)
{
    if (!is_logged(b)) {
        return;
    }
    if (blocks->users && !b->written) {
        b->written = bitmap_new((long)pages_max(b));
    }
    for (unsigned u = 0; u < RAM_LOG__MAX; u++) {
        if (blocks->users & (1u << u) && !b->pending[u]) {
            b->pending[u] = bitmap_new((long)pages_max(b));
        }
    }
}

static void block_forget(Block *b, unsigned users)
{
    for (unsigned u = 0; u < RAM_LOG__MAX; u++) {
        if (!(users & (1u << u))) {
            g_clear_pointer(&b->pending[u], g_free);
        }
    }
    if (!users) {
        g_clear_pointer(&b->written, g_free);
    }
}

void ram_log_block_added(RAMBlocks *blocks, Block *block)
{
    if (blocks->users) {
        block_prepare(blocks, block);
        publish_view(blocks, NULL);
    }
}

void ram_log_block_goes(RAMBlocks *blocks, Block *block)
{
    if (blocks->users) {
        publish_view(blocks, block);
        block_forget(block, 0);
    }
}

/* OR @n bits of @src from page @at of @b into what each user but @except is
 * still to be told. */
static void tell_users(RAMBlocks *blocks, Block *b, uint64_t at,
                       const unsigned long *src, uint64_t n, unsigned except)
{
    for (unsigned u = 0; u < RAM_LOG__MAX; u++) {
        if (b->pending[u] && u != except) {
            or_at(b->pending[u], at, src, n);
        }
    }
}

/* -- sync -------------------------------------------------------------------------- */

/* What the accelerator has of @piece, cut to @host..+@bytes, into @bitmap whose
 * bit 0 is the page at @base. */
static bool sync_piece(RAMBlocks *blocks, const GuestRAM *p,
                       const uint8_t *host, uint64_t bytes,
                       unsigned long *bitmap, Error **errp)
{
    AccelState *accel = guest_memory_accel(blocks->gm);
    AccelClass *ac = ACCEL_GET_CLASS(accel);
    const uint8_t *from = MAX(host, p->host);
    const uint8_t *end = MIN(host + bytes, p->host + p->size);
    g_autofree unsigned long *part = NULL;
    uint64_t at, n, gpa;

    if (p->readonly || from >= end) {
        return true;
    }
    at = (uint64_t)(from - host) >> RAM_PAGE_BITS;
    n = (uint64_t)(end - from) >> RAM_PAGE_BITS;
    gpa = p->gpa + (uint64_t)(from - p->host);
    if (at % BITS_PER_LONG == 0) {
        return ac->dirty_log_sync(accel, gpa, n << RAM_PAGE_BITS,
                                  bitmap + at / BITS_PER_LONG, errp);
    }
    part = bitmap_new((long)n);
    if (!ac->dirty_log_sync(accel, gpa, n << RAM_PAGE_BITS, part, errp)) {
        return false;
    }
    or_at(bitmap, at, part, n);
    return true;
}

/* Everything new of @n pages from @first (a multiple of 64) into @bitmap. */
static bool collect(RAMBlocks *blocks, Block *b, uint64_t first, uint64_t n,
                    unsigned long *bitmap, Error **errp)
{
    unsigned long *written = b->written + first / BITS_PER_LONG;
    g_autofree GuestRAM *piece = NULL;
    size_t n_pieces;

    piece = guest_memory_pieces(blocks->gm, &n_pieces);
    for (size_t i = 0; i < n_pieces; i++) {
        if (!sync_piece(blocks, &piece[i],
                        b->rb.host + (first << RAM_PAGE_BITS),
                        n << RAM_PAGE_BITS, bitmap, errp)) {
            return false;
        }
    }
    for (uint64_t i = 0; i < BITS_TO_LONGS(n); i++) {
        if (qatomic_read(&written[i])) {
            bitmap[i] |= qatomic_xchg(&written[i], 0);
        }
    }
    return true;
}

/* @bitmap |= @new, and what @user is owed; counts what that adds. */
static uint64_t deliver(Block *b, RAMLogUser user, uint64_t first, uint64_t n,
                        const unsigned long *new, unsigned long *bitmap)
{
    unsigned long *owed = b->pending[user] + first / BITS_PER_LONG;
    uint64_t added = 0;

    for (uint64_t i = 0; i < BITS_TO_LONGS(n); i++) {
        unsigned long fresh = (new[i] | owed[i]) & ~bitmap[i];

        owed[i] = 0;
        if (fresh) {
            bitmap[i] |= fresh;
            added += (uint64_t)__builtin_popcountl(fresh);
        }
    }
    return added;
}

bool ram_log_sync(RAMBlocks *blocks, RAMLogUser user, const RAMBlock *rb,
                  uint64_t first_page, uint64_t n_pages, unsigned long *bitmap,
                  uint64_t *ret_new, Error **errp)
{
    Block *b = block_of(rb);
    g_autofree unsigned long *new = NULL;
    uint64_t added = 0;

    assert(first_page % BITS_PER_LONG == 0 && first_page <= pages_max(b) &&
           n_pages <= pages_max(b) - first_page);
    if (is_logged(b) && n_pages) {
        new = bitmap_new((long)n_pages);
        QEMU_LOCK_GUARD(&blocks->lock);
        if (!b->pending[user]) {
            error_setg(errp, "the log of written pages is off");
            return false;
        }
        if (!collect(blocks, b, first_page, n_pages, new, errp)) {
            /* What was found so far is not lost. */
            tell_users(blocks, b, first_page, new, n_pages, RAM_LOG__MAX);
            return false;
        }
        tell_users(blocks, b, first_page, new, n_pages, user);
        added = deliver(b, user, first_page, n_pages, new, bitmap);
    }
    trace_ram_log_sync(rb->idstr, first_page, n_pages, added);
    if (ret_new) {
        *ret_new = added;
    }
    return true;
}

void ram_log_clear(RAMBlocks *blocks, const RAMBlock *rb, uint64_t first_page,
                   uint64_t n_pages)
{
    AccelState *accel = guest_memory_accel(blocks->gm);
    const uint8_t *start = rb->host + (first_page << RAM_PAGE_BITS);
    const uint8_t *stop = start + (n_pages << RAM_PAGE_BITS);
    g_autofree GuestRAM *piece = NULL;
    size_t n;

    if (!accel || !is_logged(block_of(rb))) {
        return;
    }
    trace_ram_log_clear(rb->idstr, first_page, n_pages);
    QEMU_LOCK_GUARD(&blocks->lock);
    if (!blocks->users) {
        return;
    }
    piece = guest_memory_pieces(blocks->gm, &n);
    for (size_t i = 0; i < n; i++) {
        const GuestRAM *p = &piece[i];
        const uint8_t *from = MAX(start, p->host);
        const uint8_t *end = MIN(stop, p->host + p->size);

        if (!p->readonly && from < end) {
            ACCEL_GET_CLASS(accel)->dirty_log_clear(
                accel, p->gpa + (uint64_t)(from - p->host),
                (uint64_t)(end - from));
        }
    }
}

/* -- on and off ---------------------------------------------------------------------- */

bool ram_log_supported(RAMBlocks *blocks)
{
    AccelState *accel = guest_memory_accel(blocks->gm);

    return accel && ACCEL_GET_CLASS(accel)->dirty_log_start;
}

/* A further user begins with nothing old: the others are told of all. */
static bool flush_to_users(RAMBlocks *blocks, Error **errp)
{
    for (guint i = 0; i < blocks->blocks->len; i++) {
        Block *b = g_ptr_array_index(blocks->blocks, i);
        g_autofree unsigned long *new = NULL;
        uint64_t n = ram_block_pages(&b->rb);
        bool ok;

        if (!b->written) {
            continue;
        }
        new = bitmap_new((long)n);
        ok = collect(blocks, b, 0, n, new, errp);
        tell_users(blocks, b, 0, new, n, RAM_LOG__MAX);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool ram_log_start(RAMBlocks *blocks, RAMLogUser user, Error **errp)
{
    AccelState *accel = guest_memory_accel(blocks->gm);

    if (!ram_log_supported(blocks)) {
        error_setg(errp, "accelerator '%s' cannot log which pages are written",
                   accel ? ACCEL_GET_CLASS(accel)->name : "none");
        return false;
    }
    QEMU_LOCK_GUARD(&blocks->lock);
    if (blocks->users & (1u << user)) {
        error_setg(errp, "the log of written pages is on already");
        return false;
    }
    if (blocks->users ? !flush_to_users(blocks, errp)
                      : !ACCEL_GET_CLASS(accel)->dirty_log_start(accel, errp)) {
        return false;
    }
    blocks->users |= 1u << user;
    for (guint i = 0; i < blocks->blocks->len; i++) {
        block_prepare(blocks, g_ptr_array_index(blocks->blocks, i));
    }
    publish_view(blocks, NULL);
    trace_ram_log_start(user, blocks->users);
    return true;
}

void ram_log_stop(RAMBlocks *blocks, RAMLogUser user)
{
    AccelState *accel = guest_memory_accel(blocks->gm);

    QEMU_LOCK_GUARD(&blocks->lock);
    if (!(blocks->users & (1u << user))) {
        return;
    }
    blocks->users &= ~(1u << user);
    trace_ram_log_stop(user, blocks->users);
    if (!blocks->users) {
        publish_view(blocks, NULL);
        ACCEL_GET_CLASS(accel)->dirty_log_stop(accel);
    }
    for (guint i = 0; i < blocks->blocks->len; i++) {
        block_forget(g_ptr_array_index(blocks->blocks, i), blocks->users);
    }
}

/* -- changes of guest memory --------------------------------------------------------- */

bool ram_log_change_begin(RAMBlocks *blocks)
{
    AccelState *accel = guest_memory_accel(blocks->gm);

    qemu_mutex_lock(&blocks->lock);
    if (blocks->users && ACCEL_GET_CLASS(accel)->ram_change_begin) {
        ACCEL_GET_CLASS(accel)->ram_change_begin(accel);
    }
    return blocks->users;
}

void ram_log_piece_goes(RAMBlocks *blocks, const GuestRAM *piece)
{
    if (piece->readonly) {
        return;
    }
    for (guint i = 0; i < blocks->blocks->len; i++) {
        Block *b = g_ptr_array_index(blocks->blocks, i);
        uint64_t n = ram_block_pages(&b->rb);
        g_autofree unsigned long *new = NULL;
        Error *err = NULL;

        if (!b->written || piece->host >= b->rb.host + b->rb.used_length ||
            piece->host + piece->size <= b->rb.host) {
            continue;
        }
        new = bitmap_new((long)n);
        if (!sync_piece(blocks, piece, b->rb.host, b->rb.used_length, new,
                        &err)) {
            /* Nothing is known of the piece: all of it counts as written. */
            trace_ram_log_lost(b->rb.idstr, error_get_pretty(err));
            error_free(err);
            bitmap_fill(new, (long)n);
        }
        tell_users(blocks, b, 0, new, n, RAM_LOG__MAX);
    }
}

void ram_log_change_end(RAMBlocks *blocks)
{
    AccelState *accel = guest_memory_accel(blocks->gm);

    if (blocks->users && ACCEL_GET_CLASS(accel)->ram_change_end) {
        ACCEL_GET_CLASS(accel)->ram_change_end(accel);
    }
    qemu_mutex_unlock(&blocks->lock);
}

void ram_log_free(RAMBlocks *blocks)
{
    blocks->users = 0;
    publish_view(blocks, NULL);
    for (guint i = 0; i < blocks->blocks->len; i++) {
        block_forget(g_ptr_array_index(blocks->blocks, i), 0);
    }
}
