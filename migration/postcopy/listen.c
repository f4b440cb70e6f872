/*
 * Post-copy on the destination: the threads that read the channels.
 *
 * The listen thread takes the main channel over from the load thread, which
 * goes on with the package. It reads until the end of the stream, through as
 * many connections as it takes:
 *
 *             +--> read the main channel --> EOF, urgent pages too: the end
 *             |          |
 *             |          v broken
 *   recover --+--- paused: wait for a connection
 *
 * The urgent channel has a thread of its own, see postcopy/urgent-incoming.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/incoming.h"
#include "migration/postcopy/postcopy.h"
#include "migration/postcopy/thread.h"
#include "migration/qemu-file.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/transport.h"
#include "trace/trace-migration.h"
#include "util/bitmap.h"
#include "util/lockable.h"

/* -- the end ----------------------------------------------------------------------- */

/* Returns: a block with a page that has not come; NULL: everything is here. */
static RAMBlock *listen_missing(PostcopyIncoming *pi)
{
    for (unsigned i = 0; pi->memory && i < pi->blocks->n; i++) {
        RAMBlock *rb = pi->blocks->block[i];
        const unsigned long *received = ram_received_bitmap(pi->mis->ram, rb);

        if (received && !bitmap_full(received, (long)ram_block_pages(rb))) {
            return rb;
        }
    }
    return NULL;
}

/* All pages are in memory: the source may forget the guest. */
static bool listen_finish(PostcopyIncoming *pi, Error **errp)
{
    RAMBlock *rb;
    bool ok;

    qemu_mutex_lock(&pi->lock);
    while (postcopy_urgent_awaited(pi) &&
           (pi->urgent == URGENT_READING || listen_missing(pi))) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    ok = postcopy_urgent_is_over(pi);
    if (!ok) {
        if (pi->urgent_error) {
            error_propagate(errp, error_copy(pi->urgent_error));
        } else {
            error_setg(errp, "the channel of urgent pages ended early");
        }
    }
    qemu_mutex_unlock(&pi->lock);
    if (!ok) {
        return false;
    }
    rb = listen_missing(pi);
    if (rb) {
        error_setg(errp,
                   "the stream ended before all pages of RAM block '%s' "
                   "had come",
                   rb->idstr);
        return false;
    }
    return true;
}

/* Wait for the load thread to be done with the package. Returns: false: it
 * could not be loaded, or quit. */
static bool listen_wait_package(PostcopyIncoming *pi)
{
    bool ok;

    qemu_mutex_lock(&pi->lock);
    while (!pi->ran && !pi->package_error && !pi->quit) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    ok = pi->ran && !pi->quit;
    qemu_mutex_unlock(&pi->lock);
    return ok;
}

/* -- the stream ---------------------------------------------------------------------- */

static void listen_anywhere(PostcopyIncoming *pi)
{
    near_unpin(&pi->near, qemu_get_thread_id());
    QEMU_LOCK_GUARD(&pi->lock);
    postcopy_thread_back(&pi->fault_away);
    pi->bulk_cpu = NEAR_ANYWHERE;
}

/* The source is on this host: share its processor, and leave the others to
 * whom the guest waits for. Once for each connection. */
static bool listen_near(PostcopyIncoming *pi, unsigned cpu, Error **errp)
{
    if (pi->bulk_cpu != NEAR_ANYWHERE) {
        return true;
    }
    if (!near_pin(&pi->near, qemu_get_thread_id(), cpu)) {
        return return_sender_pong(pi->mis->to_src, NEAR_PONG_FAR, errp);
    }
    QEMU_LOCK_GUARD(&pi->lock);
    pi->bulk_cpu = cpu;
    postcopy_thread_avoid(pi->urgent_tid, cpu, NULL);
    postcopy_thread_avoid(pi->fault_tid, cpu, &pi->fault_away);
    return true;
}

/* What a source says of itself on each connection, here on one that recovers.
 * Returns: false: @errp. */
static bool listen_begin(PostcopyIncoming *pi, uint32_t value,
                         bool *ret_answered, Error **errp)
{
    MigrationIncoming *mis = pi->mis;
    NearPing near = near_ping_decode(value);
    uint32_t answer;

    if (migration_status(&mis->course) != MIGRATION_STATUS_POSTCOPY_RECOVER) {
        return true;
    }
    if (near.kind == NEAR_PING_HOST && near.here &&
        near_channel(mis->from_src)) {
        pi->from_here = true;
        return return_sender_pong(mis->to_src, NEAR_PONG, errp);
    }
    if (postcopy_incoming_urgent_ping(mis, value, &answer)) {
        *ret_answered = true;
        return return_sender_pong(mis->to_src, answer, errp);
    }
    return true;
}

static void listen_heard(PostcopyIncoming *pi)
{
    qatomic_set(&pi->heard, pi->heard + 1);
}

static bool listen_ping(void *opaque, uint32_t value, Error **errp)
{
    MigrationIncoming *mis = (MigrationIncoming *)opaque;
    NearPing near = near_ping_decode(value);
    bool answered = false;

    listen_heard(mis->postcopy);
    if (!listen_begin(mis->postcopy, value, &answered, errp)) {
        return false;
    }
    if (answered) {
        return true;
    }
    if (near.kind == NEAR_PING_CPU && near.channel == NEAR_MAIN) {
        return !mis->postcopy->from_here ||
               listen_near(mis->postcopy, near.cpu, errp);
    }
    if (value == MIGRATION_PING_URGENT_USED &&
        !postcopy_incoming_urgent_used(mis, errp)) {
        return false;
    }
    if (value == MIGRATION_PING_COMMIT) {
        return postcopy_incoming_commit(mis->postcopy, errp);
    }
    if (value == MIGRATION_PING_BACK) {
        return postcopy_incoming_taken_back(mis->postcopy, errp);
    }
    return return_sender_pong(mis->to_src, value, errp);
}

static bool listen_resume(void *opaque, Error **errp)
{
    MigrationIncoming *mis = (MigrationIncoming *)opaque;
    Error *silent = postcopy_limit_free(g_steal_pointer(&mis->postcopy->limit));

    if (silent) {
        error_propagate(errp, silent); /* it comes too late */
        return false;
    }
    return postcopy_incoming_resume((MigrationIncoming *)opaque, errp);
}

static bool listen_recv_bitmap(void *opaque, const char *name, Error **errp)
{
    listen_heard(((MigrationIncoming *)opaque)->postcopy);
    return postcopy_incoming_recv_bitmap((MigrationIncoming *)opaque, name,
                                         errp);
}

static const SaveVMLoadOps listen_ops = {
    .ping = listen_ping,
    .postcopy_resume = listen_resume,
    .recv_bitmap = listen_recv_bitmap,
};

/* One connection, to the end of the stream. Returns: everything is here. */
static bool listen_stream(PostcopyIncoming *pi, Error **errp)
{
    MigrationIncoming *mis = pi->mis;

    migration_socket_watch(mis->from_src);
    if (savevm_load_main(pi->registry, mis->from_src_file, &listen_ops, mis,
                         errp) != SAVEVM_LOAD_OK) {
        return false;
    }
    if (migration_status(&mis->course) != MIGRATION_STATUS_POSTCOPY_ACTIVE) {
        error_setg(errp, "the stream ended while it was being recovered");
        return false;
    }
    return listen_finish(pi, errp);
}

/* -- pause and recovery ------------------------------------------------------------------ */

/* query-migrate says what it waits for, until it goes on. */
static void listen_note(MigrationIncoming *mis, char *text)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    g_free(mis->refused);
    mis->refused = text;
}

static void listen_pause(PostcopyIncoming *pi, Error *why)
{
    MigrationIncoming *mis = pi->mis;
    bool ours;

    trace_postcopy_paused(error_get_pretty(why));
    qemu_mutex_lock(&pi->lock);
    pi->paused = true;
    pi->wanted = !pi->next_ioc;
    pi->urgent_used = false;
    pi->urgent_asked = false;
    pi->urgent_word = 0;
    ours = postcopy_incoming_is_ours(pi);
    qemu_mutex_unlock(&pi->lock);
    listen_note(mis,
                ours ? g_strdup(error_get_pretty(why))
                     : g_strdup_printf(
                           "the connection broke before the source gave the "
                           "guest away, which has not run here (%s): either it "
                           "goes on there, then use migrate-incoming for "
                           "another attempt, or quit; or the source is paused "
                           "as well, then use migrate-recover",
                           error_get_pretty(why)));
    error_free(why);
    pi->from_here = false;
    listen_anywhere(pi);
    /* In this order: somebody may be writing. */
    qio_channel_shutdown(mis->from_src, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    return_sender_replace(mis->to_src, NULL);
    postcopy_urgent_stop(pi);
    if (!migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_ACTIVE,
                        MIGRATION_STATUS_POSTCOPY_PAUSED)) {
        migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_RECOVER,
                       MIGRATION_STATUS_POSTCOPY_PAUSED);
    }
}

static uint64_t listen_progress(void *opaque)
{
    PostcopyIncoming *pi = opaque;

    return qatomic_read(&pi->heard) + return_sender_writes(pi->mis->to_src);
}

/* In place of @err, if the source's silence is why it failed. */
static Error *listen_limit_end(PostcopyIncoming *pi, Error *err)
{
    Error *silent = postcopy_limit_free(g_steal_pointer(&pi->limit));

    if (!silent) {
        return err;
    }
    error_free(err);
    return silent;
}

/* Wait for a connection and take it. Returns: false: there will be none. */
static bool listen_recover(PostcopyIncoming *pi)
{
    MigrationIncoming *mis = pi->mis;
    MigrationState *ms = mis->ms;
    QIOChannel *ioc = NULL;

    qemu_mutex_lock(&pi->lock);
    while (!pi->next_ioc && !pi->quit && !pi->package_error) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    if (!pi->quit && !pi->package_error) {
        ioc = g_steal_pointer(&pi->next_ioc);
        qemu_file_free(mis->from_src_file);
        mis->from_src_file = qemu_file_new_input(ioc);
        qemu_file_prefill(mis->from_src_file, pi->prefill, pi->prefill_len);
        migration_channel_track(ms, ioc);
        migration_channel_close(ms, mis->from_src);
        mis->from_src = ioc;
    }
    qemu_mutex_unlock(&pi->lock);
    if (!ioc) {
        return false;
    }
    ram_incoming_reconnect(mis->ram);
    return_sender_replace(mis->to_src, ioc);
    /* No other channel is taken before this one can answer. */
    qemu_mutex_lock(&pi->lock);
    pi->paused = false;
    qemu_mutex_unlock(&pi->lock);
    migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_PAUSED,
                   MIGRATION_STATUS_POSTCOPY_RECOVER);
    listen_note(mis, NULL);
    pi->limit = postcopy_limit_new(mis->from_src, "source",
                                   migrate_param(ms, recovery_limit),
                                   listen_progress, pi);
    return true;
}

bool postcopy_incoming_expect(MigrationIncoming *mis, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    MigrationStatus status;

    QEMU_LOCK_GUARD(&pi->lock);
    status = migration_status(&mis->course);
    if (pi->over || pi->quit || !migration_status_may_recover(status)) {
        error_setg(errp, POSTCOPY_NOT_PAUSED);
        return false;
    }
    /* What has come before may have broken already, unseen. */
    g_clear_pointer(&pi->next_ioc, object_unref);
    qio_channel_shutdown(mis->from_src, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    pi->wanted = true;
    return true;
}

bool postcopy_incoming_recover(MigrationIncoming *mis, QIOChannel *ioc,
                               const void *prefill, size_t len, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    bool taken;

    qemu_mutex_lock(&pi->lock);
    taken = pi->wanted && !pi->quit && len <= sizeof(pi->prefill);
    if (taken) {
        pi->wanted = false;
        pi->next_ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
        memcpy(pi->prefill, prefill, len);
        pi->prefill_len = len;
        qemu_cond_broadcast(&pi->cond);
    } else {
        error_setg(errp, "post-copy does not wait for a connection");
    }
    qemu_mutex_unlock(&pi->lock);
    return taken;
}

/* -- the guest's threads ---------------------------------------------------------------------- */

/* While pages are missing they sleep and wake as often as ours. */
typedef struct VCPUSlices {
    unsigned n;
    PostcopySlice *slice; /* owned */
} VCPUSlices;

static void vcpus_shorten(const MigrationState *ms, VCPUSlices *s)
{
    s->n = ms->host->vcpu_count(ms->host_opaque);
    s->slice = g_new0(PostcopySlice, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        int tid = ms->host->vcpu_thread_id(ms->host_opaque, i);

        if (tid > 0) {
            postcopy_slice_shorten(&s->slice[i], tid);
        }
    }
}

static void vcpus_restore(const MigrationState *ms, VCPUSlices *s)
{
    unsigned n = MIN(s->n, ms->host->vcpu_count(ms->host_opaque));

    for (unsigned i = 0; i < n; i++) {
        postcopy_slice_restore(&s->slice[i],
                               ms->host->vcpu_thread_id(ms->host_opaque, i));
    }
    g_free(s->slice);
}

/* -- the listen thread ------------------------------------------------------------------------ */

/* Watching memory and all threads end. */
static void listen_stop(PostcopyIncoming *pi)
{
    postcopy_urgent_stop(pi);
    postcopy_faults_free(g_steal_pointer(&pi->faults));
    for (unsigned i = 0; pi->memory && i < pi->blocks->n; i++) {
        postcopy_block_restore(pi->blocks->block[i]);
    }
}

/* All of memory, however often the connection breaks. Returns: false: the
 * package could not be loaded, or quit. */
static bool listen_all(PostcopyIncoming *pi)
{
    Error *err = NULL;

    while (!listen_stream(pi, &err)) {
        bool over;

        err = listen_limit_end(pi, err);
        qemu_mutex_lock(&pi->lock);
        over = pi->package_error || pi->quit;
        qemu_mutex_unlock(&pi->lock);
        if (over) {
            error_free(err);
            return false;
        }
        listen_pause(pi, g_steal_pointer(&err));
        if (!listen_recover(pi)) {
            return false;
        }
    }
    return true;
}

static void *listen_thread(void *opaque)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;
    MigrationIncoming *mis = pi->mis;
    VCPUSlices slices = { 0 };
    Error *err = NULL;
    bool quit, apart;

    /* With a channel for urgent pages this thread brings few of them, though not
     * none: it must not stand back, but need not hurry. */
    qemu_mutex_lock(&pi->lock);
    apart = !pi->memory || postcopy_urgent_is_wanted(pi);
    qemu_mutex_unlock(&pi->lock);
    if (!apart) {
        postcopy_thread_urgent();
    }
    if (pi->memory) {
        vcpus_shorten(mis->ms, &slices);
    }
    listen_all(pi);
    listen_anywhere(pi);
    vcpus_restore(mis->ms, &slices);
    listen_wait_package(pi);

    qemu_mutex_lock(&pi->lock);
    quit = pi->quit;
    pi->over = true;
    if (pi->package_error) {
        err = error_copy(pi->package_error);
    }
    qemu_mutex_unlock(&pi->lock);
    if (quit) {
        /* A guest whose memory is not all here must not see zeros instead. */
        postcopy_urgent_stop(pi);
        if (pi->faults) {
            postcopy_faults_stop(pi->faults);
        }
    } else {
        listen_stop(pi);
    }
    if (quit && !err) {
        error_setg(&err, "the program ended during post-copy");
    } else if (!err) {
        bitmap_loader_end(mis->bitmaps);
        return_sender_shut(mis->to_src, 0, NULL, NULL);
    }
    qemu_mutex_lock(&pi->lock);
    pi->listen_done = true;
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    /* @pi may be freed from now on. */
    migration_incoming_postcopy_end(mis, err);
    return NULL;
}

void postcopy_listen_start(PostcopyIncoming *pi)
{
    QemuThread thread;

    qemu_mutex_lock(&pi->lock);
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    qemu_thread_create(&thread, "postcopy/listen", listen_thread, pi,
                       QEMU_THREAD_DETACHED);
}

void postcopy_incoming_quit(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (!pi) {
        return;
    }
    qemu_mutex_lock(&pi->lock);
    pi->quit = true;
    if (pi->urgent_ioc) {
        qio_channel_shutdown(pi->urgent_ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    if (qatomic_read(&pi->listening)) {
        qio_channel_shutdown(mis->from_src, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
}

void postcopy_incoming_free(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (!pi) {
        return;
    }
    qemu_mutex_lock(&pi->lock);
    while (qatomic_read(&pi->listening) && !pi->listen_done) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    qemu_mutex_unlock(&pi->lock);
    postcopy_incoming_close(mis);
    if (pi->blocks) {
        listen_stop(pi);
    }
    mis->postcopy = NULL;
    postcopy_times_free(pi->times);
    if (pi->next_ioc) {
        object_unref(OBJECT(pi->next_ioc));
    }
    error_free(pi->package_error);
    error_free(pi->urgent_error);
    qemu_cond_destroy(&pi->cond);
    qemu_mutex_destroy(&pi->lock);
    g_free(pi);
}
