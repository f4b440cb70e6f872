/*
 * MigrationHost: what migration asks of the program around it.
 *
 * migration/ knows no machine. It is given this table once (migration_init())
 * and does everything to the guest by it: stop and start, its RAM, which
 * pages were written, its devices' registry, its disks. system/ fills the
 * table; tests fill it with a machine of a few pages.
 *
 * Every member is mandatory unless marked (optional), gets the opaque given
 * with the table, and may be called from any thread but that of a vCPU, with
 * no lock held unless it says otherwise. In particular all are callable from
 * the migration thread. Those marked "waits for the main loop" return when the
 * main loop has done the work; so the main thread must never wait for a
 * migration thread (join it) that may be in one of them: it polls, or gets a
 * bottom half at its end. Called in the main thread they work at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_HOST_H
#define MIGRATION_HOST_H

#include "migration/bitmap-host.h"
#include "migration/ram-block.h"
#include "qapi/qapi-types-run-state.h"
#include "util/error.h"

typedef struct SaveVMRegistry SaveVMRegistry;

/* Times of announce(): see the parameters announce-*. */
typedef struct MigrationAnnounce {
    int64_t initial_ms;
    int64_t max_ms;
    int64_t rounds;
    int64_t step_ms;
} MigrationAnnounce;

/* The widest share of time that a vCPU can be made to sleep, percent. */
#define MIGRATION_THROTTLE_MAX 99
/* The same for one vCPU, in finer units. */
#define MIGRATION_SHARE_UNITS 10000u
#define MIGRATION_SHARE_MAX   9999u

/**
 * MigrationHost:
 *
 * Identity.
 * @machine_type: name in the configuration section ("pc-i440fx-7.2");
 *             borrowed, constant
 * @uuid: the 16 bytes of -uuid; false: none was given
 * @suppress_vmdesc: -machine suppress-vmdesc
 * @registry: states of the machine's devices and CPUs; constant
 *
 * Run state. Names are RunState_str()'s.
 * @run_state: now. Never blocks
 * @run_state_set: move without starting or stopping; an edge that is not
 *             allowed is an error (waits for the main loop)
 * @stop: stop the guest into state @state; when it returns no guest
 *             instruction runs, the guest's clocks stand and the devices' I/O
 *             is drained and flushed. If the guest does not run, only the state
 *             changes, if that edge is allowed. @ret_stopped_ns: (optional)
 *             time of the host (CLOCK_MONOTONIC) at which the first vCPU was
 *             told to stop. Emits STOP if it ran (waits for the main loop)
 * @start: let it run, state RUNNING; emits RESUME. Errors: the state says
 *             that the guest cannot run (waits for the main loop)
 * @lock, @unlock: the machine lock, recursive. Device states are saved and
 *             loaded under it
 *
 * Memory.
 * @ram_blocks: constant while a migration is active
 * @ram_resize: (optional) set used_length of a RAM_BLOCK_RESIZABLE block on
 *             the destination before it is loaded
 * @ram_remap: (optional) at the same address. @fd, @offset: of ADOPT; @fd stays
 *             the caller's. Guest stopped; rb->fd, fd_offset and
 *             flags follow
 * @ram_written: pages of @rb were changed through rb->host on the
 *             destination: translated code in them is void. Guest stopped or
 *             running. Cheap where the accelerator needs nothing
 *
 * Dirty log. One log for the whole of RAM.
 * @dirty_log_start: from now on note every page that guest or devices write.
 *             At the start nothing is promised about any page: the caller
 *             takes all as dirty. Costs the guest nothing at that moment where
 *             the kernel can begin with everything writable. Must be stopped
 *             again
 * @dirty_log_stop: no-op if it is not on
 * @dirty_sync: for pages @first_page..+@n_pages of @rb, OR into @bitmap (bit 0
 *             is @first_page's; whole words of long are written) the pages
 *             that were written since they were last cleared; what a CPU or
 *             device wrote before the call is there when it returns. Does not
 *             clear. @ret_new: (optional) how many bits of @bitmap became set.
 *             @first_page is a multiple of 64. One caller at a time
 * @dirty_clear: from now on writes to these pages count anew; call it just
 *             before the pages are read, in chunks (a multiple of 64 pages at
 *             a multiple of 64, or to the block's end; 256 Ki pages = 1 GiB at
 *             most pays): pages which the last dirty_sync() reported are
 *             protected again. A page written after that sync and not reported
 *             by it stays dirty for the next one, so no write is lost whatever
 *             the order. A page never cleared is reported again.
 *             Different ranges may be cleared by different threads
 *
 * vCPUs.
 * @vcpu_count: their number; constant while a migration is active
 * @vcpu_thread_id: kernel thread that runs vCPU @cpu
 * @vcpu_dirty_pages: pages that vCPU @cpu dirtied since the machine's start;
 *             false: the accelerator does not count for each vCPU (KVM without
 *             a dirty ring). A page counts once until it is cleared. Never blocks
 * @throttle_set: all vCPUs sleep @percent (0: none, to MIGRATION_THROTTLE_MAX)
 *             of their time; takes effect within a period (10 ms), is undone
 *             at once by 0, also for those asleep. Never blocks
 * @throttle_get: what was set
 * @vcpu_throttle_set: the same for one vCPU, apart from throttle_set(): the
 *             larger of the two counts. @share is of MIGRATION_SHARE_UNITS.
 *             For dirty limits
 * @vcpu_throttled_ns: time that vCPU @cpu has slept for these, since start.
 *             Never blocks
 * @ring_full_ns: (optional) time that vCPUs have waited for a full dirty ring
 *
 * Disks and network.
 * @disks_inactivate: write everything out and give the images up: the other
 *             side may open them. Guest stopped (waits for the main loop)
 * @disks_activate: take them (back) (waits for the main loop)
 * @bitmaps: (optional) their dirty bitmaps; see bitmap-host.h
 * @announce: send the guest's addresses to the network, in rounds, beginning
 *             now; returns at once
 *
 * The names of events and of members of query-migrate are migration's own.
 */
typedef struct MigrationHost {
    const char *(*machine_type)(void *opaque);
    bool (*uuid)(void *opaque, uint8_t ret[16]);
    bool (*suppress_vmdesc)(void *opaque);
    SaveVMRegistry *(*registry)(void *opaque);

    RunState (*run_state)(void *opaque);
    bool (*run_state_set)(void *opaque, RunState state, Error **errp);
    bool (*stop)(void *opaque, RunState state, int64_t *ret_stopped_ns,
                 Error **errp);
    bool (*start)(void *opaque, Error **errp);
    void (*lock)(void *opaque);
    void (*unlock)(void *opaque);

    const RAMBlockList *(*ram_blocks)(void *opaque);
    bool (*ram_resize)(void *opaque, RAMBlock *rb, uint64_t used_length,
                       Error **errp);
    bool (*ram_remap)(void *opaque, RAMBlock *rb, RAMRemap how, int fd,
                      uint64_t offset, Error **errp);
    void (*ram_written)(void *opaque, RAMBlock *rb, uint64_t offset,
                        uint64_t len);

    bool (*dirty_log_start)(void *opaque, Error **errp);
    void (*dirty_log_stop)(void *opaque);
    bool (*dirty_sync)(void *opaque, RAMBlock *rb, uint64_t first_page,
                       uint64_t n_pages, unsigned long *bitmap,
                       uint64_t *ret_new, Error **errp);
    void (*dirty_clear)(void *opaque, RAMBlock *rb, uint64_t first_page,
                        uint64_t n_pages);

    unsigned (*vcpu_count)(void *opaque);
    int (*vcpu_thread_id)(void *opaque, unsigned cpu);
    bool (*vcpu_dirty_pages)(void *opaque, unsigned cpu, uint64_t *ret_pages);
    void (*throttle_set)(void *opaque, unsigned percent);
    unsigned (*throttle_get)(void *opaque);
    void (*vcpu_throttle_set)(void *opaque, unsigned cpu, unsigned share);
    uint64_t (*vcpu_throttled_ns)(void *opaque, unsigned cpu);
    uint64_t (*ring_full_ns)(void *opaque);

    bool (*disks_inactivate)(void *opaque, Error **errp);
    bool (*disks_activate)(void *opaque, Error **errp);
    const MigrationBitmapOps *bitmaps;
    void (*announce)(void *opaque, const MigrationAnnounce *how);
} MigrationHost;

#endif
