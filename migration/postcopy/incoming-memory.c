/*
 * Post-copy on the destination: memory, of which pages are missing while the
 * guest runs. What is discarded, faults, placing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <unistd.h>

#include "migration/postcopy/incoming.h"
#include "migration/postcopy/postcopy.h"
#include "migration/postcopy/uffd.h"
#include "migration/return/sender.h"
#include "migration/stream/savevm.h"
#include "trace/trace-migration.h"
#include "util/lockable.h"

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

/* -- faults ------------------------------------------------------------------ */

static void incoming_request(void *opaque, RAMBlock *rb, uint64_t offset,
                             uint32_t len)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;
    Error *err = NULL;

    postcopy_incoming_step("fault");
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

static void incoming_faults_begin(void *opaque, int tid)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;

    QEMU_LOCK_GUARD(&pi->lock);
    pi->fault_tid = tid;
    postcopy_thread_avoid(tid, pi->bulk_cpu, &pi->fault_away);
}

static const PostcopyFaultsOps incoming_faults_ops = {
    .begins = incoming_faults_begin,
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

/* -- before the guest runs ------------------------------------------------------ */

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

    if (!pi->memory || qatomic_read(&pi->listening)) {
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
    postcopy_incoming_step("discarded");
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

/* Pages may be missing from now on. */
bool postcopy_incoming_watch(PostcopyIncoming *pi, Error **errp)
{
    MigrationIncoming *mis = pi->mis;

    /* Without any discard blocks are prepared here. */
    if (!pi->discards && !incoming_prepare(pi, errp)) {
        return false;
    }
    pi->times = incoming_times_new(pi);
    pi->faults = postcopy_faults_new(pi->blocks, &incoming_faults_ops, pi,
                                     pi->times, errp);
    if (!pi->faults) {
        return false;
    }
    postcopy_incoming_step("faults are ours");
    ram_incoming_postcopy(mis->ram);
    ram_incoming_place_rows(mis->ram, incoming_place_zeros);
    return true;
}
