/*
 * Post-copy on the destination: commands of the stream, faults, placing.
 *
 * The commands come from a peer that is not trusted, in any order: each checks
 * that what must have been before it was.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/incoming.h"

#include <unistd.h>

#include "migration/incoming/internal.h"
#include "migration/postcopy/postcopy.h"
#include "migration/postcopy/uffd.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "trace/trace-migration.h"
#include "util/timer.h"

bool postcopy_supported(const RAMBlockList *blocks, Error **errp)
{
    bool shmem = false, huge = false, tids;
    int fd;

    for (unsigned i = 0; i < blocks->n; i++) {
        const RAMBlock *rb = blocks->block[i];

        if (!postcopy_block_supported(rb, errp)) {
            return false;
        }
        shmem |= rb->fd >= 0;
        huge |= rb->page_size > (size_t)sysconf(_SC_PAGESIZE);
    }
    fd = uffd_open(shmem, huge, &tids, errp);
    if (fd < 0) {
        error_prepend(errp, "post-copy is not possible: ");
        return false;
    }
    close(fd);
    return true;
}

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

static void incoming_step(const char *step)
{
    trace_postcopy_step("destination", step, get_clock());
}

/* -- faults ------------------------------------------------------------------ */

static void incoming_request(void *opaque, RAMBlock *rb, uint64_t offset,
                             uint32_t len)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;
    Error *err = NULL;

    incoming_step("fault");
    if (!return_sender_req_pages(pi->mis->to_src, rb, offset, len, &err)) {
        /* The reader of the channel sees the break, and asks once more over
         * the next one. */
        trace_postcopy_request_failed(error_get_pretty(err));
        error_free(err);
    }
}

static bool incoming_received(void *opaque, RAMBlock *rb, uint64_t offset)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;

    return ram_received_test(pi->mis->ram, rb, offset);
}

/* Nothing that could be done here would bring the guest's threads back. */
static void incoming_faults_failed(void *opaque, Error *err)
{
    error_reportf_err(err, "post-copy: ");
}

static const PostcopyFaultsOps incoming_faults_ops = {
    .request = incoming_request,
    .received = incoming_received,
    .failed = incoming_faults_failed,
};

bool postcopy_place(void *opaque, RAMBlock *rb, uint64_t offset,
                    const void *page, Error **errp)
{
    MigrationIncoming *mis = (MigrationIncoming *)opaque;

    return postcopy_faults_place(mis->postcopy->faults, rb, offset, page, errp);
}

static bool incoming_place_zeros(void *opaque, RAMBlock *rb, uint64_t offset,
                                 uint64_t n, Error **errp)
{
    MigrationIncoming *mis = (MigrationIncoming *)opaque;

    return postcopy_faults_place_zeros(mis->postcopy->faults, rb, offset, n,
                                       errp);
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

    if (page_sizes == 0 && target_page_size == 0) {
        return true; /* dirty bitmaps only */
    }
    if (pi->advised) {
        error_setg(errp, "POSTCOPY_ADVISE came twice");
        return false;
    }
    if (!migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
        error_setg(errp, "the source may use post-copy, but capability "
                         "postcopy-ram is off here");
        return false;
    }
    pi->blocks = ms->host->ram_blocks(ms->host_opaque);
    pi->registry = ms->host->registry(ms->host_opaque);
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
    pi->advised = true;
    return true;
}

static bool incoming_prepare(PostcopyIncoming *pi, Error **errp)
{
    for (unsigned i = 0; i < pi->blocks->n; i++) {
        if (!postcopy_block_prepare(pi->blocks->block[i], errp)) {
            return false;
        }
    }
    pi->discards = true;
    return true;
}

bool postcopy_incoming_discard(MigrationIncoming *mis, const char *block,
                               const StreamRange *ranges, size_t n,
                               Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    size_t page;
    RAMBlock *rb;

    if (!pi->advised || qatomic_read(&pi->listening)) {
        error_setg(errp, "POSTCOPY_RAM_DISCARD in the wrong place");
        return false;
    }
    if (!pi->discards && !incoming_prepare(pi, errp)) {
        return false;
    }
    rb = ram_incoming_block(mis->ram, block, strlen(block), errp);
    if (!rb) {
        return false;
    }
    page = postcopy_page_size(rb);
    for (size_t i = 0; i < n; i++) {
        uint64_t start = ranges[i].start, len = ranges[i].len;

        if (!ram_block_has_range(rb, start, len) || start % page ||
            (len % page && start + len != rb->used_length)) {
            error_setg(errp,
                       "POSTCOPY_RAM_DISCARD of %" PRIu64 " bytes at 0x%" PRIx64
                       ": not pages of RAM block '%s'",
                       len, start, block);
            return false;
        }
        if (!postcopy_block_discard(rb, start, ROUND_UP(len, page), errp)) {
            return false;
        }
        ram_received_clear(mis->ram, rb, start, len);
    }
    incoming_step("discarded");
    return true;
}

static PostcopyTimes *incoming_times_new(PostcopyIncoming *pi)
{
    MigrationState *ms = pi->mis->ms;
    unsigned n = ms->host->vcpu_count(ms->host_opaque);
    g_autofree int *tids = g_new0(int, MAX(n, 1));

    if (!migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME)) {
        return postcopy_times_new(NULL, 0);
    }
    for (unsigned i = 0; i < n; i++) {
        tids[i] = ms->host->vcpu_thread_id(ms->host_opaque, i);
    }
    return postcopy_times_new(tids, n);
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
    incoming_step("package came");
    /* Without any discard blocks are prepared here. */
    if (!pi->discards && !incoming_prepare(pi, errp)) {
        return false;
    }
    pi->from_here = mis->run->near;
    pi->times = incoming_times_new(pi);
    pi->faults = postcopy_faults_new(pi->blocks, &incoming_faults_ops, pi,
                                     pi->times, errp);
    if (!pi->faults) {
        return false;
    }
    incoming_step("faults are ours");
    ram_incoming_postcopy(mis->ram);
    ram_incoming_place_rows(mis->ram, incoming_place_zeros);
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
    may = pi->paused && !pi->next_ioc && !pi->quit && !pi->package_error &&
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
    incoming_step("loaded");
    if (!incoming_wait_commit(pi, errp)) {
        return false;
    }
    incoming_step("committed");
    if (!migration_incoming_postcopy_run(mis, errp)) {
        return false;
    }
    incoming_step("runs");
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

    if (!migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_RECOVER,
                        MIGRATION_STATUS_POSTCOPY_ACTIVE)) {
        error_setg(errp, "POSTCOPY_RESUME in the wrong place");
        return false;
    }
    if (!return_sender_resume_ack(mis->to_src, errp)) {
        return false;
    }
    trace_postcopy_asked_again(postcopy_faults_ask_again(pi->faults));
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
    if (!postcopy_incoming_listening(mis)) {
        return false;
    }
    postcopy_times_report(mis->postcopy->times, ret);
    return true;
}
