/*
 * Post-copy's pages on the source: the background's and requested ones.
 *
 * The migration thread sends dirty pages in small batches, each under the send
 * lock, and sleeps for the bandwidth limit outside of it. A request is served
 * by the thread that reads it: on the urgent channel at once; on the main one
 * if it gets the send lock without waiting, else by the lock's holder, who
 * looks for requests before and after he lets go. So a request waits for one
 * batch at most and for no thread to wake up, and no limit counts for it.
 *
 * The main channel's queue in the kernel is kept short: a requested page stands
 * behind whatever is queued.
 *
 * With an urgent channel the background still carries pages that somebody waits
 * for: it goes on behind the last request, and who asks for what it has claimed
 * already finds nothing left to send. So it stands back only without one, where
 * the send lock shows who waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel-socket.h"
#include "migration/postcopy/source.h"
#include "migration/return/path.h"
#include "migration/transport/transport.h"

/* Bytes of pages in one batch, and in the queue of the main channel's socket,
 * when requested pages share that channel; and when they have their own. */
#define BATCH_SHARED (32 * 1024)
#define BATCH_APART  (256 * 1024)
#define QUEUE_SHARED (64 * 1024)

/* Requested pages sent before looking at the queue again. */
#define URGENT_BATCH 16

/* -- requests ------------------------------------------------------------------ */

/* All that is asked for, as a section of the main channel. @send_lock held. */
static bool send_urgent_main(PostcopySource *ps, Error **errp)
{
    QEMUFile *f = ps->ms->to_dst_file;
    int n = URGENT_BATCH;

    while (n == URGENT_BATCH) {
        savevm_part_begin(ps->registry, f, ps->entry);
        n = ram_send_urgent(ps->ram, ram_main_writer(ps->ram, f), URGENT_BATCH,
                            errp);
        ram_put_eos(f);
        savevm_part_end(ps->registry, f, ps->entry);
        if (n < 0) {
            return false;
        }
        qemu_fflush(f);
    }
    return qemu_file_get_error_obj(f, errp) == 0;
}

/* The same on the channel of its own. */
static bool send_urgent_apart(PostcopySource *ps, Error **errp)
{
    bool ok = true;

    qemu_mutex_lock(&ps->urgent_lock);
    if (ps->urgent_file) {
        QEMUFile *f = ps->urgent_file;
        int n = 1;

        while (n > 0) {
            n = ram_send_urgent(ps->ram, ps->urgent_writer, URGENT_BATCH, errp);
            qemu_fflush(f);
        }
        ok = n == 0 && qemu_file_get_error_obj(f, errp) == 0;
    }
    qemu_mutex_unlock(&ps->urgent_lock);
    return ok;
}

/* Serve requests noted in @urgent. @send_lock held. */
static bool send_noted(PostcopySource *ps, Error **errp)
{
    while (qatomic_xchg(&ps->urgent, false) && !ps->finished) {
        if (!send_urgent_main(ps, errp)) {
            return false;
        }
        postcopy_carrier_awaited(&ps->carrier, false);
    }
    return true;
}

/*
 * Let go of the send lock, unless somebody noted a request and found it taken:
 * either he gets it now, or we see his note.
 */
static bool send_unlock(PostcopySource *ps, Error **errp)
{
    qemu_mutex_unlock(&ps->send_lock);
    while (qatomic_mb_read(&ps->urgent) &&
           qemu_mutex_trylock(&ps->send_lock) == 0) {
        bool ok = send_noted(ps, errp);

        if (!ok) {
            ps->finished = true;
        }
        qemu_mutex_unlock(&ps->send_lock);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* Who answers requests stays away from where the background works. */
static void request_avoid_bulk(PostcopySource *ps)
{
    unsigned cpu = qatomic_read(&ps->bulk_cpu);

    if (cpu != ps->avoided_cpu && cpu != NEAR_ANYWHERE) {
        postcopy_thread_avoid(qemu_get_thread_id(), cpu, NULL);
    }
    ps->avoided_cpu = cpu;
}

bool postcopy_source_request(MigrationState *ms, const char *name,
                             uint64_t start, uint32_t len, Error **errp)
{
    PostcopySource *ps = ms->postcopy;
    /* Looked at first: it ends after @active has begun. */
    bool recovers =
        migration_status(&ms->course) == MIGRATION_STATUS_POSTCOPY_RECOVER;
    RAMBlock *rb;

    if (!ps || !ps->memory ||
        !(qatomic_load_acquire(&ps->active) || recovers)) {
        error_setg(errp,
                   "return path: pages of '%s' were asked for outside of "
                   "post-copy",
                   name);
        return false;
    }
    rb = ram_block_find(ms->host->ram_blocks(ms->host_opaque), name);
    if (!rb) {
        error_setg(errp, "return path: there is no RAM block '%s'", name);
        return false;
    }
    if (!qatomic_load_acquire(&ps->active)) {
        /* Of a guest that runs on: it is asked for once more after RESUME. */
        return ram_request_is_valid(ps->ram, rb, start, len, errp);
    }
    if (!ram_request_pages(ps->ram, rb, start, len, errp)) {
        return false;
    }
    request_avoid_bulk(ps);
    if (ps->urgent_file) {
        return send_urgent_apart(ps, errp);
    }
    qatomic_mb_set(&ps->urgent, true);
    if (qemu_mutex_trylock(&ps->send_lock) != 0) {
        /* Its holder may have been put aside. */
        postcopy_carrier_awaited(&ps->carrier, true);
        if (!qatomic_mb_read(&ps->urgent)) {
            /* Or he was quicker, and has lowered himself before that. */
            postcopy_carrier_awaited(&ps->carrier, false);
        }
        return true;
    }
    if (!send_noted(ps, errp)) {
        ps->finished = true;
        qemu_mutex_unlock(&ps->send_lock);
        return false;
    }
    return send_unlock(ps, errp);
}

/* -- the background -------------------------------------------------------------------- */

/* Only a matter of latency: a channel that is no socket has no such queue. */
static void send_queue_limit(PostcopySource *ps)
{
    QIOChannelSocket *sioc = migration_socket(ps->ms->to_dst);
    int bytes = QUEUE_SHARED;

    if (sioc && !ps->urgent_file) {
        setsockopt(sioc->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
}

static uint64_t send_batch_bytes(const PostcopySource *ps)
{
    uint64_t most = ps->urgent_file ? BATCH_APART : BATCH_SHARED;

    return MIN(most, pacer_quantum(ps->ms->pacer));
}

/* One batch. Returns: bytes sent, 0 = nothing is dirty; -1 = error. */
static int64_t send_batch(PostcopySource *ps, Error **errp)
{
    QEMUFile *f = ps->ms->to_dst_file;
    uint64_t before;
    int n = -1;

    if (!ps->memory) {
        return 0;
    }
    qemu_mutex_lock(&ps->send_lock);
    before = qemu_file_transferred(f);
    if (send_noted(ps, errp)) {
        before = qemu_file_transferred(f);
        savevm_part_begin(ps->registry, f, ps->entry);
        n = ram_postcopy_send(ps->ram, ram_main_writer(ps->ram, f),
                              send_batch_bytes(ps), errp);
        ram_put_eos(f);
        savevm_part_end(ps->registry, f, ps->entry);
        if (n >= 0 && (qemu_fflush(f), qemu_file_get_error_obj(f, errp))) {
            n = -1;
        }
    }
    if (n < 0) {
        ps->finished = true;
    }
    before = qemu_file_transferred(f) - before;
    return send_unlock(ps, n < 0 ? NULL : errp) && n >= 0
               ? (n > 0 ? (int64_t)before : 0)
               : -1;
}

/* Dirty bitmaps, when no page is missing any more. Returns: as above. */
static int64_t send_bitmaps(PostcopySource *ps, Error **errp)
{
    BitmapSender *bitmaps = ps->ms->bitmap_section.sender;
    QEMUFile *f = ps->ms->to_dst_file;
    uint64_t before;
    bool last = true; /* part of all bitmaps */
    bool ok;

    if (!bitmaps) {
        return 0;
    }
    qemu_mutex_lock(&ps->send_lock);
    before = qemu_file_transferred(f);
    ok = send_noted(ps, errp);
    if (ok && !bitmap_sender_is_done(bitmaps)) {
        const SaveStateEntry *se = savevm_find(ps->registry, "dirty-bitmap", 0);

        savevm_part_begin(ps->registry, f, se);
        last = bitmap_sender_put_bits(bitmaps, f, send_batch_bytes(ps));
        savevm_part_end(ps->registry, f, se);
        qemu_fflush(f);
        ok = qemu_file_get_error_obj(f, errp) == 0;
    }
    ps->finished |= !ok;
    before = qemu_file_transferred(f) - before;
    if (!send_unlock(ps, ok ? errp : NULL) || !ok) {
        return -1;
    }
    return last ? 0 : (int64_t)before;
}

static bool send_end(PostcopySource *ps, Error **errp)
{
    QEMUFile *f = ps->ms->to_dst_file;
    bool ok;

    qemu_mutex_lock(&ps->send_lock);
    ok =
        send_noted(ps, errp) && savevm_complete_postcopy(ps->registry, f, errp);
    if (ok) {
        savevm_send_eof(f);
        qemu_fflush(f);
        ok = qemu_file_get_error_obj(f, errp) == 0;
    }
    ps->finished = true;
    qemu_mutex_unlock(&ps->send_lock);
    return ok && postcopy_urgent_finish(ps, errp);
}

/*
 * On one host (ram/near.h) both ends of the background share a processor. So
 * whoever serves a fault, and the guest itself, find another one free, and wake
 * each other there without a word from processor to processor, which costs more
 * than all else of a fault.
 */
static void send_together(PostcopySource *ps)
{
    MigrationState *ms = ps->ms;
    unsigned cpu = near_cpu(0);

    if (migrate_param(ms, near_threads) && return_path_near(ms) &&
        near_pin(&ps->near, qemu_get_thread_id(), cpu)) {
        qemu_mutex_lock(&ps->send_lock);
        savevm_send_ping(ms->to_dst_file, near_ping_cpu(NEAR_MAIN, cpu));
        qemu_fflush(ms->to_dst_file);
        qemu_mutex_unlock(&ps->send_lock);
        qatomic_set(&ps->bulk_cpu, cpu);
    }
}

void postcopy_send_apart(PostcopySource *ps)
{
    qatomic_set(&ps->bulk_cpu, NEAR_ANYWHERE);
    near_unpin(&ps->near, qemu_get_thread_id());
}

bool postcopy_send_rest(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;
    MigrationStatsPeriod period = { 0 };
    int64_t n;

    qemu_mutex_lock(&ps->send_lock);
    ps->finished = false;
    /* Requests that came before that, behind RESUME, are noted only. */
    qatomic_mb_set(&ps->urgent, ps->memory && !ps->urgent_file);
    qemu_mutex_unlock(&ps->send_lock);
    if (!ps->urgent_file) {
        postcopy_carrier_begin(&ps->carrier);
    }
    send_together(ps);
    send_queue_limit(ps);
    while ((n = send_batch(ps, errp)) > 0) {
        if (!ps->runs && return_path_guest_runs(ms, ps->commits)) {
            ps->runs = true;
            ram_postcopy_release_ok(ps->ram);
        }
        if (ps->near.pinned && !return_path_near(ms)) {
            postcopy_send_apart(ps); /* the destination may not go along */
        }
        stats_sample(&ms->stats, &period, get_clock());
        if (!pacer_charge(ms->pacer, (uint64_t)n)) {
            error_setg(errp, "post-copy was interrupted");
            return false;
        }
    }
    while (n == 0 && (n = send_bitmaps(ps, errp)) > 0) {
        if (!pacer_charge(ms->pacer, (uint64_t)n)) {
            error_setg(errp, "post-copy was interrupted: dirty bitmaps");
            return false;
        }
        n = 0; /* no page of bitmaps */
    }
    return n == 0 && send_end(ps, errp);
}
