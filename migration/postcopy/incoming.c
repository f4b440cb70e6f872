/*
 * Post-copy on the destination: commands of the stream, but those about memory.
 *
 * The commands come from a peer that is not trusted, in any order: each checks
 * that what must have been before it was.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/incoming.h"

#include "migration/incoming/internal.h"
#include "migration/postcopy/postcopy.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "trace/trace-migration.h"
#include "util/timer.h"

bool postcopy_pause(MigrationState *ms, Error **errp)
{
    MigrationStatus out = migration_status(&ms->course);
    MigrationStatus in = ms->incoming ? migration_status(&ms->incoming->course)
                                      : MIGRATION_STATUS_NONE;

    if (out != MIGRATION_STATUS_POSTCOPY_ACTIVE &&
        out != MIGRATION_STATUS_POSTCOPY_RECOVER &&
        in != MIGRATION_STATUS_POSTCOPY_ACTIVE &&
        in != MIGRATION_STATUS_POSTCOPY_RECOVER) {
        error_setg(errp,
                   "there is no post-copy under way that could be paused");
        return false;
    }
    qemu_mutex_lock(&ms->lock);
    for (unsigned i = 0; ms->channels && i < ms->channels->len; i++) {
        qio_channel_shutdown(QIO_CHANNEL(g_ptr_array_index(ms->channels, i)),
                             QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    qemu_mutex_unlock(&ms->lock);
    return true;
}

void postcopy_incoming_step(const char *step)
{
    trace_postcopy_step("destination", step, get_clock());
}

/* -- commands -------------------------------------------------------------------- */

void postcopy_incoming_init(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = g_new0(PostcopyIncoming, 1);

    pi->mis = mis;
    pi->bulk_cpu = NEAR_ANYWHERE;
    qemu_mutex_init(&pi->lock);
    qemu_cond_init(&pi->cond);
    mis->postcopy = pi;
}

bool postcopy_incoming_advise(MigrationIncoming *mis, uint64_t page_sizes,
                              uint64_t target_page_size, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    MigrationState *ms = mis->ms;
    uint64_t ours = 0;

    if (pi->advised) {
        error_setg(errp, "POSTCOPY_ADVISE came twice");
        return false;
    }
    pi->blocks = ms->host->ram_blocks(ms->host_opaque);
    pi->registry = ms->host->registry(ms->host_opaque);
    if (page_sizes == 0 && target_page_size == 0) {
        /* Dirty bitmaps only; a source may say so that sends none. */
        pi->advised = migrate_cap(ms, MIGRATION_CAPABILITY_DIRTY_BITMAPS);
        return true;
    }
    if (!migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
        error_setg(errp, "the source may use post-copy, but capability "
                         "postcopy-ram is off here");
        return false;
    }
    if (!postcopy_supported(pi->blocks, errp)) {
        return false;
    }
    for (unsigned i = 0; i < pi->blocks->n; i++) {
        ours |= postcopy_page_size(pi->blocks->block[i]);
    }
    if (page_sizes != ours || target_page_size != RAM_PAGE_SIZE) {
        error_setg(errp,
                   "post-copy needs equal page sizes: source 0x%" PRIx64
                   " and %" PRIu64 ", destination 0x%" PRIx64 " and %" PRIu64,
                   page_sizes, target_page_size, ours, RAM_PAGE_SIZE);
        return false;
    }
    pi->advised = pi->memory = true;
    return true;
}

bool postcopy_incoming_listen(MigrationIncoming *mis, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (!pi->advised || qatomic_read(&pi->listening)) {
        error_setg(errp, "POSTCOPY_LISTEN in the wrong place");
        return false;
    }
    if (!mis->to_src) {
        error_setg(errp, "post-copy needs the return path, which the source "
                         "has not opened");
        return false;
    }
    postcopy_incoming_step("package came");
    /* All of it is here, or it may come later. */
    if (pi->memory ? !postcopy_incoming_watch(pi, errp)
                   : !ram_load_finish(mis->ram, errp)) {
        return false;
    }
    pi->from_here = mis->run->near;
    bitmap_loader_listen(mis->bitmaps);
    qatomic_store_release(&pi->listening, true);
    migration_move(&mis->course, MIGRATION_STATUS_ACTIVE,
                   MIGRATION_STATUS_POSTCOPY_ACTIVE);
    postcopy_listen_start(pi);
    return true;
}

void postcopy_incoming_will_commit(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;

    qemu_mutex_lock(&pi->lock);
    pi->will_commit = true;
    qemu_mutex_unlock(&pi->lock);
}

bool postcopy_incoming_commit(PostcopyIncoming *pi, Error **errp)
{
    bool ran;

    qemu_mutex_lock(&pi->lock);
    ran = pi->ran;
    pi->committed = true;
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    /* The first answer may have been lost. Else it comes when it is true. */
    return !ran ||
           return_sender_pong(pi->mis->to_src, MIGRATION_PING_COMMIT, errp);
}

/* The guest is loaded, and still the source's until it says otherwise. */
static bool incoming_wait_commit(PostcopyIncoming *pi, Error **errp)
{
    bool go;

    qemu_mutex_lock(&pi->lock);
    while (pi->will_commit && !pi->committed && !pi->quit &&
           !pi->package_error) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    go = !pi->quit && !pi->package_error;
    if (pi->package_error) {
        error_propagate(errp, error_copy(pi->package_error));
    } else if (!go) {
        error_setg(errp, "the program ended before the source gave the guest "
                         "away");
    }
    qemu_mutex_unlock(&pi->lock);
    return go;
}

/* A guest that was never ours will not be. Takes @err. With the lock. */
static void incoming_let_go(PostcopyIncoming *pi, Error *err)
{
    if (pi->package_error) {
        error_free(err);
    } else {
        pi->package_error = err;
    }
    qemu_cond_broadcast(&pi->cond);
}

bool postcopy_incoming_taken_back(PostcopyIncoming *pi, Error **errp)
{
    Error *err = NULL;
    bool ours;

    error_setg(&err, "the source has taken the guest back: it goes on there");
    qemu_mutex_lock(&pi->lock);
    ours = postcopy_incoming_is_ours(pi);
    if (!ours) {
        incoming_let_go(pi, error_copy(err));
    }
    qemu_mutex_unlock(&pi->lock);
    if (ours) {
        error_free(err);
        error_setg(errp, "the source takes back a guest that runs here");
    } else {
        error_propagate(errp, err);
    }
    return false;
}

bool postcopy_incoming_give_up(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;
    Error *err = NULL;
    bool may;

    if (!pi ||
        migration_status(&mis->course) != MIGRATION_STATUS_POSTCOPY_PAUSED) {
        return false;
    }
    error_setg(&err, "given up for another migration before the guest was "
                     "ours");
    qemu_mutex_lock(&pi->lock);
    may = pi->paused && pi->wanted && !pi->quit && !pi->package_error &&
          !postcopy_incoming_is_ours(pi);
    if (may) {
        incoming_let_go(pi, g_steal_pointer(&err));
    }
    qemu_mutex_unlock(&pi->lock);
    error_free(err);
    return may;
}

bool postcopy_incoming_run(MigrationIncoming *mis, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (!qatomic_read(&pi->listening) || postcopy_incoming_ran(mis)) {
        error_setg(errp, "POSTCOPY_RUN in the wrong place");
        return false;
    }
    postcopy_incoming_step("loaded");
    if (!incoming_wait_commit(pi, errp)) {
        return false;
    }
    postcopy_incoming_step("committed");
    if (!migration_incoming_postcopy_run(mis, errp)) {
        return false;
    }
    postcopy_incoming_step("runs");
    qemu_mutex_lock(&pi->lock);
    pi->ran = true;
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    if (pi->will_commit) {
        /* If it is lost the source will ask again. */
        return_sender_pong(mis->to_src, MIGRATION_PING_COMMIT, NULL);
    }
    return true;
}

void postcopy_incoming_package_failed(MigrationIncoming *mis, const Error *err)
{
    PostcopyIncoming *pi = mis->postcopy;

    return_sender_shut(mis->to_src, 1, error_get_pretty(err), NULL);
    qemu_mutex_lock(&pi->lock);
    if (!pi->ran && !pi->package_error) {
        pi->package_error = error_copy(err);
    }
    qio_channel_shutdown(mis->from_src, QIO_CHANNEL_SHUTDOWN_READ, NULL);
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
}

bool postcopy_incoming_resume(MigrationIncoming *mis, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    bool moved;

    qemu_mutex_lock(&pi->lock); /* see postcopy_incoming_expect() */
    moved = migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_RECOVER,
                           MIGRATION_STATUS_POSTCOPY_ACTIVE);
    qemu_mutex_unlock(&pi->lock);
    if (!moved) {
        error_setg(errp, "POSTCOPY_RESUME in the wrong place");
        return false;
    }
    if (!return_sender_resume_ack(mis->to_src, errp)) {
        return false;
    }
    if (pi->memory) {
        trace_postcopy_asked_again(postcopy_faults_ask_again(pi->faults));
    }
    return true;
}

bool postcopy_incoming_recv_bitmap(MigrationIncoming *mis, const char *name,
                                   Error **errp)
{
    const unsigned long *received;
    RAMBlock *rb;

    if (migration_status(&mis->course) != MIGRATION_STATUS_POSTCOPY_RECOVER) {
        error_setg(errp, "RECV_BITMAP of '%s' in the wrong place", name);
        return false;
    }
    rb = ram_incoming_block(mis->ram, name, strlen(name), errp);
    if (!rb) {
        return false;
    }
    received = ram_received_bitmap(mis->ram, rb);
    if (!received) {
        error_setg(errp, "RECV_BITMAP: RAM block '%s' has none", name);
        return false;
    }
    return return_sender_recv_bitmap(mis->to_src, rb, received, errp);
}

/* -- questions --------------------------------------------------------------------- */

bool postcopy_incoming_listening(const MigrationIncoming *mis)
{
    return mis->postcopy && qatomic_load_acquire(&mis->postcopy->listening);
}

bool postcopy_incoming_ran(const MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;
    bool ran;

    if (!pi) {
        return false;
    }
    qemu_mutex_lock(&pi->lock);
    ran = pi->ran;
    qemu_mutex_unlock(&pi->lock);
    return ran;
}

bool postcopy_incoming_times(const MigrationIncoming *mis,
                             PostcopyTimesReport *ret)
{
    if (!postcopy_incoming_listening(mis) || !mis->postcopy->times) {
        return false;
    }
    postcopy_times_report(mis->postcopy->times, ret);
    return true;
}
